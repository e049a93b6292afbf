//! Help with writing Python (contract 3, section 9).

use garde::Validate;
use gristmill_domain::{ProjectId, notebooks::CELL_CHARS_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{ErrorShape, RequestBody};

/// A place in code.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PythonQuestion {
    /// The text of the current cell.
    #[garde(length(chars, max = CELL_CHARS_MAX))]
    pub code: String,
    /// Line in it, from 1.
    #[garde(range(min = 1))]
    pub line: u32,
    /// Column, from 0.
    #[garde(skip)]
    pub column: u32,
    /// The project whose packages and datasets are known.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The cells of the notebook, so that what they define is known.
    #[serde(default)]
    #[garde(dive)]
    pub cells: Option<Vec<PythonCell>>,
    /// Which of them is the current one.
    #[serde(default)]
    #[garde(skip)]
    pub current_cell_id: Option<String>,
}

impl RequestBody for PythonQuestion {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// A cell beside the current one.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PythonCell {
    /// Its id.
    #[garde(skip)]
    pub cell_id: String,
    /// Its text.
    #[garde(length(chars, max = CELL_CHARS_MAX))]
    pub content: String,
    /// Its place.
    #[garde(skip)]
    pub position: f64,
}

/// `{completions}`, at most 50.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionList {
    /// What could be written, the likeliest first.
    pub completions: Vec<CompletionView>,
}

/// Something that could be written.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionView {
    /// The text.
    pub name: String,
    /// `function`, `class`, `module`, `variable`, `keyword`, `property` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// How it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The beginning of its documentation, at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docstring: Option<String>,
}

/// `{hover}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoverEnvelope {
    /// Null where nothing is known.
    pub hover: Option<HoverView>,
}

/// What a name means.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoverView {
    /// The name.
    pub name: String,
    /// What kind of thing it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its documentation, at most 1000 characters.
    pub docstring: String,
    /// Its full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
}

/// `{signatures}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignatureList {
    /// One for each overload.
    pub signatures: Vec<SignatureView>,
}

/// How a function is called.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignatureView {
    /// The function.
    pub name: String,
    /// Its documentation, at most 500 characters.
    pub docstring: String,
    /// Its parameters.
    pub params: Vec<ParameterView>,
    /// The parameter that the cursor is at.
    pub active_param: u32,
}

/// A parameter of a function.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParameterView {
    /// Its name.
    pub name: String,
    /// As it is declared.
    pub description: String,
    /// Its default, as source text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// `{diagnostics}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiagnosticList {
    /// Syntax errors of the current cell.
    pub diagnostics: Vec<DiagnosticView>,
}

/// A syntax error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticView {
    /// First line in the current cell, from 1.
    pub line: u32,
    /// First column, from 0.
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
