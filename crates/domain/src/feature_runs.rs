//! Runs of feature engineering: what an agent proposes, and what the server has seen of it (contract 2, section 8.3).
//!
//! A feature goes from a proposal over code, a run and a measurement to its registration. What happened is a pure function
//! of what was there and one [`FeatureCommand`]; who may give it, and that facts in it are the server's own, is the caller's.

mod code;
mod lifecycle;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    code::{is_placeholder, uses_frame},
    lifecycle::{FeatureRefusal, check_code},
};
use crate::{CellId, DatasetId, NotebookId, ProjectId, named::named};

/// Most features of a run.
pub const FEATURES_MAX: usize = 200;
/// Longest code of a feature, characters.
pub const CODE_CHARS_MAX: usize = 50_000;
/// Shortest code of a feature, characters.
pub const CODE_CHARS_MIN: usize = 10;
/// Longest name or id, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest text of a model, such as a rationale, characters.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// Most of a cell's output that is kept with a feature, characters.
pub const OUTPUT_CHARS_MAX: usize = 10_000;
/// Most columns that one feature makes.
pub const OUTPUT_COLUMNS_MAX: usize = 100;

/// Names a run: `feat-` and a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeatureRunId(pub Uuid);

impl fmt::Display for FeatureRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "feat-{}", self.0)
    }
}

/// Says that a text names no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a feature run is named feat- and a UUID")]
pub struct InvalidFeatureRunId;

impl FromStr for FeatureRunId {
    type Err = InvalidFeatureRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix("feat-").filter(|id| id.len() == 36).and_then(|id| Uuid::try_parse(id).ok());
        id.map(Self).ok_or(InvalidFeatureRunId)
    }
}

named! {
    /// How far a feature has come.
    FeatureStatus {
        /// It was proposed.
        Proposed = "proposed",
        /// It has code.
        CodeReady = "code_ready",
        /// Its code ran.
        Executed = "executed",
        /// Its code failed.
        Failed = "failed",
        /// It was measured.
        Validated = "validated",
        /// It is kept.
        Registered = "registered",
        /// It is not kept.
        Rejected = "rejected",
    }
}

named! {
    /// How much a feature is expected to help.
    FeatureImpact {
        /// Much.
        High = "high",
        /// Some.
        Medium = "medium",
        /// Little.
        Low = "low",
    }
}

named! {
    /// How likely it is that a feature tells a model what it is to predict.
    LeakageRisk {
        /// Nothing speaks for it.
        Absent = "none",
        /// It goes along with the target.
        Low = "low",
        /// It is nearly the target.
        Medium = "medium",
        /// It is made from the target.
        High = "high",
    }
}

/// How a feature's code ran, as the server recorded it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureExecution {
    /// Whether it ran to its end.
    pub succeeded: bool,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_ms: Option<u64>,
    /// The cell that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_id: Option<CellId>,
}

/// What the server measured of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureValidation {
    /// Share of rows without a value, 0..1; of several columns, the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_rate: Option<f64>,
    /// How closely it goes along with the target, -1..1; of several columns, the closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_with_target: Option<f64>,
    /// How likely it tells the target.
    pub leakage_risk: LeakageRisk,
    /// Remarks for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_notes: Option<String>,
}

/// A feature of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureStep {
    /// Its id within the run.
    pub feature_id: String,
    /// Its name.
    pub name: String,
    /// How it is made: a method of the catalog, or the model's own word for it.
    pub method: String,
    /// Why, in the model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The columns that it is made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_columns: Vec<String>,
    /// Parameters of the method.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// How much it is expected to help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<FeatureImpact>,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The first 24 hexadecimal digits of the code's SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<String>,
    /// The columns that it makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_columns: Vec<String>,
    /// How far it has come.
    pub status: FeatureStatus,
    /// How its code ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_result: Option<FeatureExecution>,
    /// What was measured last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<FeatureValidation>,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<DateTime<Utc>>,
    /// Why it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    /// The dataset that it was registered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_id: Option<DatasetId>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// A recorded state of a run: the features that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureCheckpoint {
    /// Its id: `fe-ckpt-` and the milliseconds of its instant.
    pub id: String,
    /// Its name.
    pub label: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRun {
    /// Identity.
    pub id: FeatureRunId,
    /// The project.
    pub project_id: ProjectId,
    /// The notebook that it works in; it may be gone.
    pub scope_notebook_id: Option<NotebookId>,
    /// Its features, oldest first.
    pub features: Vec<FeatureStep>,
    /// The last checkpoint.
    pub last_checkpoint: Option<FeatureCheckpoint>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// A feature to be proposed. Its columns and its method were checked against the dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureProposal {
    /// Its id.
    pub feature_id: String,
    /// Its name.
    pub name: String,
    /// How it is made.
    pub method: String,
    /// Why.
    pub rationale: Option<String>,
    /// The columns that it is made from.
    pub source_columns: Vec<String>,
    /// Parameters of the method.
    pub params: Map<String, Value>,
    /// How much it is expected to help.
    pub impact: Option<FeatureImpact>,
}

/// Code with the hash of exactly this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureCode {
    /// The text.
    pub text: String,
    /// The first 24 hexadecimal digits of its SHA-256.
    pub hash: String,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureCommand {
    /// A feature is proposed.
    Propose(Box<FeatureProposal>),
    /// A feature gets code.
    Materialize {
        /// Which.
        feature_id: String,
        /// The code.
        code: FeatureCode,
        /// The columns that it makes.
        output_columns: Vec<String>,
    },
    /// The server saw a feature's code run.
    RecordExecution {
        /// Which.
        feature_id: String,
        /// The hash of the code that it had when that was looked at.
        code_hash: String,
        /// The code that ran, when it is another one than the feature's: a cell that was edited.
        code: Option<FeatureCode>,
        /// How it ran.
        result: FeatureExecution,
    },
    /// The server measured a feature.
    RecordValidation {
        /// Which.
        feature_id: String,
        /// The hash of the code that was measured.
        code_hash: String,
        /// What it measured.
        validation: FeatureValidation,
    },
    /// A feature is kept, or not.
    Decide {
        /// Which.
        feature_id: String,
        /// For which dataset.
        dataset_id: Option<DatasetId>,
        /// Why not; `None`: it is kept.
        rejection: Option<String>,
        /// Whether a person approved of exactly this: else a feature that tells the target is not kept.
        is_approved: bool,
    },
    /// The state is recorded.
    Checkpoint(FeatureCheckpoint),
}
