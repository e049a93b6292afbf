//! To a file.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{FileCell, FileCellKind, FileNotebook, outputs};

/// Writes a notebook as nbformat 4.5, which Jupyter opens. `python` is the version to name in it.
#[must_use]
pub fn export(notebook: &FileNotebook, python: &str) -> Value {
    let mut metadata = notebook.metadata.clone();
    metadata.insert(
        "kernelspec".to_owned(),
        json!({ "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3" }),
    );
    metadata.insert("language_info".to_owned(), json!({ "name": "python", "version": python }));
    if let Some(name) = &notebook.name {
        metadata.insert("title".to_owned(), json!(name));
    }
    let mut ids = HashSet::new();
    let cells: Vec<Value> = notebook.cells.iter().enumerate().map(|(index, cell)| export_cell(cell, index, &mut ids)).collect();
    json!({ "cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5 })
}

fn export_cell(cell: &FileCell, index: usize, ids: &mut HashSet<String>) -> Value {
    let mut metadata = cell.metadata.clone();
    if let Some(title) = &cell.title {
        let own = metadata.entry("gristmill").or_insert_with(|| Value::Object(Map::new()));
        if !own.is_object() {
            *own = Value::Object(Map::new());
        }
        if let Some(own) = own.as_object_mut() {
            own.insert("title".to_owned(), json!(title));
        }
    }
    let id = cell.id.clone().filter(|id| is_id(id)).unwrap_or_else(|| format!("cell-{index}"));
    let id = if ids.insert(id.clone()) { id } else { fresh_id(index, ids) };
    // A text, which the format takes as well as a list of lines, and programs that do not join lists too.
    let source = &cell.content;
    match cell.kind {
        FileCellKind::Markdown => json!({ "cell_type": "markdown", "id": id, "metadata": metadata, "source": source }),
        FileCellKind::Code => json!({
            "cell_type": "code",
            "execution_count": cell.execution_count.filter(|count| *count >= 0),
            "id": id,
            "metadata": metadata,
            "outputs": cell.outputs.iter().map(outputs::write).collect::<Vec<_>>(),
            "source": source,
        }),
    }
}

/// What the format takes: 1 to 64 letters, digits, dashes and underscores.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn fresh_id(index: usize, ids: &mut HashSet<String>) -> String {
    let mut id = format!("cell-{index}-again");
    while !ids.insert(id.clone()) {
        // Ends: every round makes a name that is longer than those before.
        id.push('x');
    }
    id
}
