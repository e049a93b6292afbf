//! Jupyter notebook files: what they bring into a notebook, and a notebook as one of them.

use base64::Engine;
use gristmill_api_types::common::ErrorShape;
use gristmill_domain::{
    execution::{OutputKind, RichOutput},
    notebooks::{CELL_CHARS_MAX, CELLS_MAX, Cell, CellType, Notebook},
};
use gristmill_persistence::{
    files,
    repo::notebooks::{CellCreate, NotebookCreate},
};
use gristmill_runtime::nbformat::{self, FileCell, FileCellKind, FileNotebook};
use serde_json::Value;

use crate::{
    error::{ApiError, ApiResult},
    state::AppState,
};

/// Longest name that a file may give a notebook, characters.
const NAME_CHARS_MAX: usize = 120;

/// Reads a file into a notebook that can be made.
///
/// # Errors
/// 400 with what is wrong with it.
pub(crate) fn read(file: &Value) -> ApiResult<NotebookCreate> {
    let text = serde_json::to_string(file).map_err(ApiError::internal)?;
    if text.contains("\\u0000") {
        return Err(wrong("must not contain NUL characters"));
    }
    let imported = nbformat::import(text.as_bytes()).map_err(|error| wrong(&error.to_string()))?.notebook;
    if imported.cells.len() > CELLS_MAX {
        return Err(wrong(&format!("has {} cells; a notebook may have {CELLS_MAX}", imported.cells.len())));
    }
    if imported.cells.iter().any(|cell| cell.content.chars().count() > CELL_CHARS_MAX) {
        return Err(wrong(&format!("has a cell of more than {CELL_CHARS_MAX} characters")));
    }
    let name: Option<String> = imported.name.map(|name| name.trim().chars().take(NAME_CHARS_MAX).collect());
    Ok(NotebookCreate {
        name: name.filter(|name| !name.is_empty()),
        metadata: imported.metadata,
        cells: imported.cells.into_iter().map(cell_of).collect(),
        ..NotebookCreate::default()
    })
}

/// Writes a notebook as a file. Stored pictures are put in.
pub(crate) async fn write(state: &AppState, notebook: &Notebook, cells: Vec<Cell>) -> Value {
    let mut file = FileNotebook { name: Some(notebook.name.clone()), cells: Vec::new(), metadata: notebook.metadata.clone() };
    for cell in cells {
        let mut outputs = Vec::with_capacity(cell.output.len());
        for output in cell.output {
            outputs.push(embedded(state, notebook, output).await);
        }
        file.cells.push(FileCell {
            id: Some(cell.id.to_string()),
            kind: match cell.cell_type {
                CellType::Code => FileCellKind::Code,
                CellType::Markdown => FileCellKind::Markdown,
            },
            title: cell.title,
            content: cell.content,
            metadata: cell.metadata,
            execution_count: cell.execution_order.map(i64::from),
            outputs,
        });
    }
    nbformat::export(&file, gristmill_domain::execution::PythonVersion::default().as_str())
}

fn cell_of(cell: FileCell) -> CellCreate {
    CellCreate {
        cell_type: match cell.kind {
            FileCellKind::Code => CellType::Code,
            FileCellKind::Markdown => CellType::Markdown,
        },
        title: cell.title,
        content: cell.content,
        position: None,
        metadata: cell.metadata,
        execution_count: u32::from(cell.execution_count.is_some()),
        output: cell.outputs,
    }
}

/// The output with its stored picture in it.
async fn embedded(state: &AppState, notebook: &Notebook, output: RichOutput) -> RichOutput {
    if output.kind != OutputKind::Image {
        return output;
    }
    let place = output.content.strip_prefix("outputs/").and_then(|rest| rest.split_once('/'));
    let Some((cell, name)) = place.and_then(|(cell, name)| Some((cell.parse().ok()?, name))) else { return output };
    // Names come from the database, where only ours are; still, none leads elsewhere.
    if !state.output_links.is_signed(cell, name) {
        return output;
    }
    let path = state.files.path(&files::output_file(notebook.project_id, notebook.id, cell, name));
    match tokio::fs::read(path).await {
        Ok(bytes) => {
            let media_type = output.mime_type.as_deref().unwrap_or("image/png");
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            RichOutput { content: format!("data:{media_type};base64,{data}"), ..output }
        }
        Err(_) => output,
    }
}

fn wrong(message: &str) -> ApiError {
    ApiError::field(ErrorShape::BodyDetails, "notebook", message)
}
