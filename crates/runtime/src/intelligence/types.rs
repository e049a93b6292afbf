//! What is asked about code, and what is answered. The field names are those of contract 3 section 9, on both sides: on
//! the wire to clients, and on the socket to the worker.

use std::collections::BTreeMap;

use gristmill_domain::ids::DatasetId;
use serde::{Deserialize, Serialize};

/// What to tell about a place in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssistOp {
    /// What could be written there.
    Completions,
    /// What the name there means.
    Hover,
    /// How the function called there is called.
    Signatures,
    /// Syntax errors of the current cell; the place does not matter.
    Diagnostics,
}

/// A question about code. What it holds is only parsed, never run.
#[derive(Debug, Clone, PartialEq)]
pub struct AssistRequest {
    /// What to tell.
    pub op: AssistOp,
    /// The current cell.
    pub code: String,
    /// Line in the current cell, from 1.
    pub line: u32,
    /// Column in that line, from 0, in UTF-16 units.
    pub column: u32,
    /// All cells of the notebook; none for code on its own.
    pub cells: Vec<AssistCell>,
    /// Which of them is the current cell; its content is replaced by `code`.
    pub current_cell_id: Option<String>,
    /// The project's datasets.
    pub datasets: Vec<AssistDataset>,
    /// What an idle kernel holds, by name; empty when unknown.
    pub variables: BTreeMap<String, LiveVariable>,
}

/// A cell beside the current one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistCell {
    /// Its id, as the client knows it.
    pub cell_id: String,
    /// Its text.
    pub content: String,
    /// Where it stands among the others.
    pub position: f64,
}

/// A dataset of the project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistDataset {
    /// Its id.
    pub id: DatasetId,
    /// Its name in `/workspace/datasets`.
    pub filename: String,
    /// Names and types of its columns.
    pub columns: Vec<(String, String)>,
}

/// A variable of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveVariable {
    /// Full name of its type, as `pandas.core.frame.DataFrame`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Columns, when it is a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// An answer; the variant is that of the question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AssistAnswer {
    /// What could be written, best first, at most 50.
    Completions {
        /// The proposals.
        completions: Vec<Completion>,
    },
    /// What the name means.
    Hover {
        /// None where there is no name, or nothing is known of it.
        hover: Option<Hover>,
    },
    /// How the function is called.
    Signatures {
        /// One for each overload.
        signatures: Vec<Signature>,
    },
    /// What is wrong.
    Diagnostics {
        /// In the order of lines.
        diagnostics: Vec<Diagnostic>,
    },
}

impl AssistAnswer {
    /// The answer that says nothing.
    #[must_use]
    pub fn empty(op: AssistOp) -> Self {
        match op {
            AssistOp::Completions => Self::Completions { completions: Vec::new() },
            AssistOp::Hover => Self::Hover { hover: None },
            AssistOp::Signatures => Self::Signatures { signatures: Vec::new() },
            AssistOp::Diagnostics => Self::Diagnostics { diagnostics: Vec::new() },
        }
    }
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text that replaces the word before the cursor.
    pub name: String,
    /// `function`, `class`, `module`, `variable`, `keyword`, `property`, `path` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// How it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The beginning of its documentation, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docstring: Option<String>,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hover {
    /// The name.
    pub name: String,
    /// What kind of thing it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Signature and documentation, at most 1000 characters.
    pub docstring: String,
    /// Its full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
}

/// How a function is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// The function.
    pub name: String,
    /// Its documentation, at most 500 characters.
    pub docstring: String,
    /// Its parameters.
    pub params: Vec<Parameter>,
    /// Index of the parameter that the cursor is at; as large as `params` when it is at none.
    pub active_param: u32,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// As it is declared.
    pub description: String,
    /// Its default, as source text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// First line, from 1, in the current cell.
    pub line: u32,
    /// First column, from 0, in UTF-16 units.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column behind the last.
    pub end_column: u32,
    /// What is wrong.
    pub message: String,
    /// Always `error`.
    pub severity: String,
}
