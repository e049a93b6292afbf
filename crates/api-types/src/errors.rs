//! Error bodies: one shape for programs (`code`, `requestId`, `fields`), and the contract's older keys beside it.

use std::collections::BTreeMap;

use gristmill_domain::{DatasetId, NotebookId, workflows::WorkflowRun};
use serde::Serialize;
use utoipa::ToSchema;

use crate::common::Instant;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a dotted path into the body, or the name of a query or path parameter; empty for the whole body.
    pub path: String,
    /// What kind of problem, for programs.
    pub code: String,
    /// What is wrong and what is allowed, for people.
    pub message: String,
}

/// A validation problem in the older shape that the `auth` routes answer with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issue {
    /// What kind of problem.
    pub code: String,
    /// Path segments into the body.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

/// Validation problems in the older shape that most routes answer with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlatErrors {
    /// Problems of the body as a whole.
    pub form_errors: Vec<String>,
    /// Problems by top-level field.
    pub field_errors: BTreeMap<String, Vec<String>>,
}

/// What `errors` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ErrorMap {
    /// Most routes.
    Flat(FlatErrors),
    /// `PATCH /api/settings`: setting to message.
    Settings(BTreeMap<String, String>),
}

/// What `details` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ErrorDetails {
    /// A text for people.
    Text(String),
    /// Validation problems, as in `issues`.
    Issues(Vec<Issue>),
    /// Validation problems, as in `errors`.
    Flat(FlatErrors),
}

/// What `detail` holds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ErrorDetail {
    /// A text for people.
    Text(String),
    /// Of predictions: `{type, loc, msg, input}` for each field that does not fit.
    #[schema(value_type = Vec<Object>)]
    Fields(Vec<serde_json::Value>),
}

/// The body of every failed request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What went wrong and what to do, for people.
    pub error: String,
    /// What went wrong, for programs; docs/ERRORS.md lists them.
    pub code: String,
    /// Names the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FieldError>>,
    /// `auth` routes only: the same in the older shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issues: Option<Vec<Issue>>,
    /// Other routes: the same in the older shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorMap>,
    /// Column type change: the first value that does not convert. Notebook, cell and Python routes: what is wrong with
    /// which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// Upload: where the file is broken. Predictions: what is wrong with which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<ErrorDetail>,
    /// When to try again, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Predictions only: how large a body may be, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// SQL only: where the text is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<TextPosition>,
    /// Where agents stand in the way, and `error` is a name (`WORKFLOW_ALREADY_RUNNING`, `DATASET_IN_USE`): what to do, for
    /// people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `WORKFLOW_ALREADY_RUNNING` only: the run whose turn is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_run_id: Option<String>,
    /// `DATASET_IN_USE` only: the dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_id: Option<DatasetId>,
    /// `DATASET_IN_USE` only: its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_filename: Option<String>,
    /// `DATASET_IN_USE` only: the runs that work on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_run_ids: Option<Vec<String>>,
    /// `DATASET_IN_USE` only: the same, with where they stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_workflows: Option<Vec<ActiveWorkflow>>,
}

/// A run of an agent that works on a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveWorkflow {
    /// The run.
    pub run_id: String,
    /// What it works at.
    pub phase: String,
    /// `running` or `paused`.
    pub status: String,
    /// What it waits for.
    pub pending_input_kind: Option<String>,
    /// The notebook that it works in.
    pub active_notebook_id: Option<NotebookId>,
    /// When it changed last.
    pub updated_at: Instant,
}

impl From<&WorkflowRun> for ActiveWorkflow {
    fn from(run: &WorkflowRun) -> Self {
        Self {
            run_id: run.id.as_str().to_owned(),
            phase: run.phase.as_str().to_owned(),
            status: run.status.as_str().to_owned(),
            pending_input_kind: run.pending_input.map(|kind| kind.as_str().to_owned()),
            active_notebook_id: run.active_notebook_id,
            updated_at: run.updated_at.into(),
        }
    }
}

/// A place in a text, both numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct TextPosition {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}
