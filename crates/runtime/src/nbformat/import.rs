//! From a file.

use serde_json::{Map, Value};

use super::{
    CELLS_MAX, FILE_BYTES_MAX, FileCell, FileCellKind, FileNotebook, ImportedNotebook, NbformatError, OUTPUTS_MAX, outputs,
};

/// Reads a notebook file of nbformat 4.
///
/// # Errors
/// `TooLarge`, `TooMany`, `Json`, `Version`, `Field`: each says what is wrong and where.
pub fn import(bytes: &[u8]) -> Result<ImportedNotebook, NbformatError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(NbformatError::TooLarge { bytes: bytes.len(), max: FILE_BYTES_MAX });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file: Value = serde_json::from_slice(bytes).map_err(|source| NbformatError::Json {
        line: source.line(),
        column: source.column(),
        source,
    })?;
    let root = object(&file, "the notebook")?;
    let major = integer(required(root, "nbformat", "nbformat")?, "nbformat")?;
    if major != 4 {
        return Err(NbformatError::Version { major });
    }
    let mut metadata = optional_object(root, "metadata", "metadata")?;
    let language = language(&metadata);
    let name = metadata.get("title").and_then(Value::as_str).map(str::to_owned);
    for written_anew in ["kernelspec", "language_info", "title"] {
        metadata.shift_remove(written_anew);
    }
    let cells = list(required(root, "cells", "cells")?, "cells", CELLS_MAX)?;
    let mut imported = ImportedNotebook {
        notebook: FileNotebook { name, cells: Vec::with_capacity(cells.len()), metadata },
        language,
        attachments_ignored: 0,
        raw_cells: 0,
    };
    for (index, cell) in cells.iter().enumerate() {
        let cell = import_cell(cell, &format!("cells[{index}]"), &mut imported)?;
        imported.notebook.cells.push(cell);
    }
    Ok(imported)
}

fn import_cell(cell: &Value, place: &str, imported: &mut ImportedNotebook) -> Result<FileCell, NbformatError> {
    let cell = object(cell, place)?;
    let at = |name: &str| format!("{place}.{name}");
    let kind = match text(required(cell, "cell_type", &at("cell_type"))?, &at("cell_type"))? {
        "code" => FileCellKind::Code,
        "markdown" => FileCellKind::Markdown,
        "raw" => {
            imported.raw_cells += 1;
            FileCellKind::Markdown
        }
        _ => return Err(field(&at("cell_type"), "\"code\", \"markdown\" or \"raw\"", "another text")),
    };
    let id = cell.get("id").map(|id| text(id, &at("id")).map(str::to_owned)).transpose()?;
    let content = joined(required(cell, "source", &at("source"))?, &at("source"))?;
    let mut metadata = optional_object(cell, "metadata", &at("metadata"))?;
    let title = take_title(&mut metadata);
    imported.attachments_ignored += optional_object(cell, "attachments", &at("attachments"))?.len();
    let execution_count = match cell.get("execution_count") {
        None | Some(Value::Null) => None,
        Some(count) => Some(integer(count, &at("execution_count"))?),
    };
    let shown = match cell.get("outputs") {
        Some(shown) if kind == FileCellKind::Code => list(shown, &at("outputs"), OUTPUTS_MAX)?,
        _ => &[],
    };
    let outputs = shown.iter().enumerate().map(|(index, output)| outputs::read(output, &format!("{place}.outputs[{index}]")));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    Ok(FileCell { id, kind, title, content, metadata, execution_count, outputs })
}

/// The title that an export put into the metadata.
fn take_title(metadata: &mut Map<String, Value>) -> Option<String> {
    let own = metadata.get_mut("gristmill")?.as_object_mut()?;
    let title = own.get("title")?.as_str()?.to_owned();
    own.shift_remove("title");
    if own.is_empty() {
        metadata.shift_remove("gristmill");
    }
    Some(title)
}

fn language(metadata: &Map<String, Value>) -> Option<String> {
    let of = |place: &str, name: &str| metadata.get(place)?.get(name)?.as_str().map(str::to_owned);
    of("language_info", "name").or_else(|| of("kernelspec", "language"))
}

pub(super) fn field(place: &str, expected: &'static str, found: &'static str) -> NbformatError {
    NbformatError::Field { place: place.to_owned(), expected, found }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn required<'a>(object: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a Value, NbformatError> {
    object.get(name).ok_or_else(|| field(place, "there", "missing"))
}

pub(super) fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, NbformatError> {
    value.as_object().ok_or_else(|| field(place, "an object", found(value)))
}

fn optional_object(object: &Map<String, Value>, name: &str, place: &str) -> Result<Map<String, Value>, NbformatError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(value) => self::object(value, place).cloned(),
    }
}

pub(super) fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str, NbformatError> {
    value.as_str().ok_or_else(|| field(place, "a text", found(value)))
}

fn integer(value: &Value, place: &str) -> Result<i64, NbformatError> {
    value.as_i64().ok_or_else(|| field(place, "a whole number", found(value)))
}

pub(super) fn list<'a>(value: &'a Value, place: &str, max: usize) -> Result<&'a [Value], NbformatError> {
    let list = value.as_array().ok_or_else(|| field(place, "a list", found(value)))?;
    if list.len() > max {
        return Err(NbformatError::TooMany { place: place.to_owned(), count: list.len(), max });
    }
    Ok(list)
}

/// A text, which files may hold as a list of its lines.
pub(super) fn joined(value: &Value, place: &str) -> Result<String, NbformatError> {
    const EXPECTED: &str = "a text or a list of texts";
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(lines) => {
            let lines = lines.iter().map(|line| line.as_str().ok_or_else(|| field(place, EXPECTED, "a list of other things")));
            lines.collect()
        }
        other => Err(field(place, EXPECTED, found(other))),
    }
}
