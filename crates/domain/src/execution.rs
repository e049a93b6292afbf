//! Running Python: what a run gives back, and the names of the versions it can run on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ExecutionSessionId, ProjectId};

/// A kernel session outside of notebooks. It outlives its kernel, which is started again when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionSession {
    /// Identity.
    pub id: ExecutionSessionId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// What it runs on.
    pub python_version: PythonVersion,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used last.
    pub last_used_at: DateTime<Utc>,
}

/// A Python version that kernels can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PythonVersion {
    /// Python 3.10.
    #[serde(rename = "3.10")]
    V3_10,
    /// Python 3.11, the default.
    #[default]
    #[serde(rename = "3.11")]
    V3_11,
    /// Python 3.12.
    #[serde(rename = "3.12")]
    V3_12,
    /// Python 3.13.
    #[serde(rename = "3.13")]
    V3_13,
}

impl PythonVersion {
    /// Every version.
    pub const ALL: [Self; 4] = [Self::V3_10, Self::V3_11, Self::V3_12, Self::V3_13];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V3_10 => "3.10",
            Self::V3_11 => "3.11",
            Self::V3_12 => "3.12",
            Self::V3_13 => "3.13",
        }
    }

    /// Reads a sent or stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }
}

/// How an output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum OutputKind {
    /// Plain text.
    Text,
    /// Rows and columns in `data`.
    Table,
    /// A picture: a data URL, or a reference to a stored file.
    Image,
    /// HTML, to be shown isolated.
    Html,
    /// What went wrong.
    Error,
    /// What may have gone wrong.
    Warning,
    /// A plotly figure in `data`.
    Chart,
}

/// One output of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RichOutput {
    /// How it is shown.
    #[serde(rename = "type")]
    pub kind: OutputKind,
    /// Text, HTML, a data URL or a reference, as the kind says.
    pub content: String,
    /// A figure or a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The media type of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

impl RichOutput {
    /// An output without figure or media type.
    #[must_use]
    pub fn new(kind: OutputKind, content: impl Into<String>) -> Self {
        Self { kind, content: content.into(), data: None, mime_type: None }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ExecutionStatus {
    /// It ran to its end.
    Success,
    /// It raised, was interrupted, or its kernel died.
    Error,
    /// It was stopped at its deadline.
    Timeout,
}

/// What a run gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecutionResult {
    /// How it ended.
    pub status: ExecutionStatus,
    /// Everything it printed, up to the cap.
    pub stdout: String,
    /// Everything it printed to standard error, up to the cap.
    pub stderr: String,
    /// The outputs to keep, in the order of contract 3 section 4.
    pub outputs: Vec<RichOutput>,
    /// Wall time, milliseconds.
    pub execution_ms: u64,
    /// `Ename: value`, or why it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The number of the run: the kernel's counter, or the notebook's.
    pub execution_order: Option<i64>,
    /// Bytes of output that were cut off at the cap. Additive.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_bytes: u64,
}

/// An installed or installable package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageInfo {
    /// Its name on the package index.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Where to read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
