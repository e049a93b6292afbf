//! `signature.json` as it is written, before it is checked.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::signature::{Range, ValueType};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) version: u64,
    pub(super) task_type: String,
    #[serde(default)]
    pub(super) template_id: String,
    pub(super) target: Option<String>,
    pub(super) labels: Option<Vec<FileLabel>>,
    pub(super) feature_columns: Vec<String>,
    #[serde(default)]
    pub(super) feature_types: Map<String, Value>,
    #[serde(default)]
    pub(super) sample_request: Map<String, Value>,
    pub(super) columns: Vec<FileColumn>,
    pub(super) prepare: FilePrepare,
    pub(super) output: FileOutput,
}

#[derive(Deserialize)]
pub(super) struct FileLabel {
    pub(super) code: u64,
    pub(super) label: Value,
    pub(super) text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileColumn {
    pub(super) name: String,
    /// `None` for types that cannot be a feature.
    #[serde(rename = "type", deserialize_with = "value_type")]
    pub(super) value_type: Option<ValueType>,
    pub(super) kind: String,
    pub(super) range: Option<Range>,
    #[serde(default)]
    pub(super) categories: Vec<String>,
    #[serde(default)]
    pub(super) categories_complete: bool,
}

#[derive(Deserialize)]
pub(super) struct FilePrepare {
    pub(super) missing: String,
    pub(super) other: String,
    pub(super) numeric: Vec<FileNumeric>,
    pub(super) categorical: Vec<FileCategorical>,
}

#[derive(Deserialize)]
pub(super) struct FileNumeric {
    pub(super) column: String,
    pub(super) kind: String,
    pub(super) part: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FileCategorical {
    pub(super) column: String,
    pub(super) categories: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct FileOutput {
    pub(super) probabilities: Option<Vec<String>>,
    pub(super) interval: Option<FileInterval>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileInterval {
    pub(super) method: String,
    pub(super) level: f64,
    pub(super) half_width: f64,
}

fn value_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ValueType>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(serde_json::from_value(Value::String(name)).ok())
}
