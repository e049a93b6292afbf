//! Experiment tracking, as programs that log to MLflow know it. An experiment is a project; a run is what a program logged
//! to it, or a training of the server's own.

pub mod filter;
pub mod matching;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{LoggedModelId, ProjectId, RunId};

/// Longest key of a metric, parameter or tag, characters.
pub const KEY_CHARS_MAX: usize = 250;
/// Longest value of a parameter, characters.
pub const PARAM_CHARS_MAX: usize = 6000;
/// Longest value of a tag, characters.
pub const TAG_CHARS_MAX: usize = 8000;
/// Metrics, parameters and tags of one batch together.
pub const BATCH_ENTRIES_MAX: usize = 1000;
/// Datasets, and models, that one run may name.
pub const LINKS_MAX: usize = 1000;
/// Most runs in a page of a search.
pub const SEARCH_ROWS_MAX: u32 = 50_000;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It will start.
    Scheduled,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// It was stopped.
    Killed,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Reads a sent or stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A value of a metric at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricPoint {
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// When, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The step of the run.
    pub step: i64,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Identity.
    pub id: RunId,
    /// The project whose experiment it belongs to.
    pub project_id: ProjectId,
    /// Display name.
    pub name: String,
    /// Who says to have run it.
    pub user: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Whether it is deleted, but not gone.
    pub is_deleted: bool,
    /// When it began, milliseconds since 1970.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// The latest value of each metric.
    pub metrics: BTreeMap<String, MetricPoint>,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What went in and came out.
    pub links: RunLinks,
}

/// What a run says to have used and made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RunLinks {
    /// Datasets, as the program described them.
    pub datasets: Vec<DatasetInput>,
    /// Logged models that it used.
    pub model_inputs: Vec<ModelLink>,
    /// Logged models that it made.
    pub model_outputs: Vec<ModelLink>,
}

/// A dataset that a run says to have used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetInput {
    /// Its name.
    pub name: String,
    /// What tells its content from others.
    pub digest: String,
    /// What kind of place it is from.
    pub source_type: String,
    /// Where it is from.
    pub source: String,
    /// Its columns, as the program wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its size, as the program wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What it was used for.
    pub tags: BTreeMap<String, String>,
}

/// A logged model that a run used or made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelLink {
    /// The model, as programs write it.
    pub model_id: String,
    /// At which step.
    pub step: i64,
}

/// A run to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Identity.
    pub id: RunId,
    /// The project.
    pub project_id: ProjectId,
    /// Display name.
    pub name: String,
    /// Who says to run it.
    pub user: String,
    /// When it began, milliseconds since 1970.
    pub start_ms: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What changes of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunPatch {
    /// Its status.
    pub status: Option<RunStatus>,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is deleted.
    pub is_deleted: Option<bool>,
}

/// What a program logs at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunBatch {
    /// Metrics.
    pub metrics: Vec<(String, MetricPoint)>,
    /// Parameters; one that is there already must not change.
    pub params: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Tags to be removed.
    pub removed_tags: Vec<String>,
}

/// Which runs to find.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSearch {
    /// The projects to look in.
    pub projects: Vec<ProjectId>,
    /// Conditions that all must hold.
    pub conditions: Vec<filter::Condition>,
    /// Whether deleted ones are looked for, or those that are not; none: both.
    pub deleted: Option<bool>,
    /// What they are sorted by; by start, newest first, after that.
    pub order: Vec<filter::Order>,
    /// At most this many.
    pub limit: u32,
    /// After so many.
    pub offset: u64,
}

/// The stage of a version in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// None yet.
    None,
    /// It is tried.
    Staging,
    /// It is used.
    Production,
    /// It is kept.
    Archived,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads a sent or stored name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(name))
    }
}

/// Where a logged model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoggedModelStatus {
    /// Its files are being uploaded.
    Pending,
    /// It is complete.
    Ready,
    /// Its files could not be uploaded.
    Failed,
}

impl LoggedModelStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Ready, Self::Failed];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "LOGGED_MODEL_PENDING",
            Self::Ready => "LOGGED_MODEL_READY",
            Self::Failed => "LOGGED_MODEL_UPLOAD_FAILED",
        }
    }

    /// The name in filters.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }

    /// Reads a sent or stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A model that a program logged: a name, files, and the run that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedModel {
    /// Identity.
    pub id: LoggedModelId,
    /// The project whose experiment it belongs to.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// What kind of model it says to be.
    pub model_type: Option<String>,
    /// The run that made it.
    pub source_run: Option<RunId>,
    /// Where it stands.
    pub status: LoggedModelStatus,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Whose files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOwner {
    /// A run's.
    Run(RunId),
    /// A logged model's.
    Model(LoggedModelId),
}
