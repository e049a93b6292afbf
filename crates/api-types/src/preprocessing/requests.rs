//! What is asked of preprocessing, and what its decisions answer.

use garde::Validate;
use gristmill_domain::{ProjectId, preprocessing::WORDS_CHARS_MAX, workflows::ToolName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{ErrorShape, RequestBody},
    projects::no_nul,
};

/// Whose tables.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PrepTablesQuery {
    /// The project; all of the caller's datasets when absent.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// Which runs.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PrepRunsQuery {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// Most runs, 1 to 100; all when absent.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// Of which project a run must be.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PrepRunQuery {
    /// The project; any of the caller's when absent.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// A person's yes or no to a step.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepDecision {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The preprocessing run.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub run_id: String,
    /// The step.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub step_id: String,
    /// Yes or no.
    #[garde(skip)]
    pub approved: bool,
    /// Why not.
    #[serde(default)]
    #[garde(inner(length(chars, max = WORDS_CHARS_MAX), custom(no_nul)))]
    pub rejection_reason: Option<String>,
    /// The hash of the code that the person has seen; a step that has other code by now is left alone. Additive.
    #[serde(default)]
    #[garde(inner(length(chars, max = 100), custom(no_nul)))]
    pub code_hash: Option<String>,
    /// The dataset that is worked on; must be the project's.
    #[serde(default)]
    #[garde(inner(length(chars, max = 500), custom(no_nul)))]
    pub dataset_id: Option<String>,
}

impl RequestBody for StepDecision {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What became of a decision. A step that cannot be applied is told here, too: `error` is there and `output.isError` true.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepDecisionView {
    /// `approve-…` or `reject-…`.
    pub id: String,
    /// Always `commit_transformation_step`.
    pub tool: ToolName,
    /// What the tool gave.
    #[schema(value_type = Object)]
    pub output: Value,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Whether the steps up to a checkpoint fit another dataset.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompatibilityCheck {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The preprocessing run.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub run_id: String,
    /// The checkpoint.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub checkpoint_id: String,
    /// The dataset: an id or a file name.
    #[garde(length(chars, min = 1, max = 500), custom(no_nul))]
    pub replay_dataset_id: String,
}

impl RequestBody for CompatibilityCheck {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Whether they fit: `output.compatibilityIssues` lists what does not.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompatibilityView {
    /// What the tool gave.
    #[schema(value_type = Object)]
    pub output: Value,
    /// Why they do not fit, or why it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
