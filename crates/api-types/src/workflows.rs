//! Agent workflows (contract 2, section 2).

use garde::Validate;
use gristmill_domain::{
    DatasetId, NotebookId, ProjectId,
    workflows::{PROMPT_BYTES_MAX, Phase, WorkflowRunId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{ErrorShape, Instant, RequestBody, not_null},
    projects::no_nul,
};

/// Longest text beside the prompt, bytes.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Most answers.
const ANSWERS_MAX: usize = 100;

/// An answer to a question of a run.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionAnswerCreate {
    /// The question.
    #[garde(length(bytes, min = 1, max = 200))]
    pub question_id: String,
    /// A text, or several.
    #[garde(custom(is_answer))]
    #[schema(value_type = Object)]
    pub answer: Value,
}

/// A turn of a workflow.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnCreate {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// What to work at.
    #[garde(skip)]
    pub phase: Phase,
    /// What the person says.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = PROMPT_BYTES_MAX), custom(no_nul)))]
    pub prompt: Option<String>,
    /// The run to go on with; one that does not exist is made. Letters, digits and `. _ : -`.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_run_id)))]
    pub run_id: Option<String>,
    /// The conversation of a new run.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, min = 1, max = 200), custom(no_nul)))]
    pub thread_id: Option<String>,
    /// The dataset to work on.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub dataset_id: Option<DatasetId>,
    /// The notebook to work in.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub notebook_id: Option<NotebookId>,
    /// The column to predict.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = 1024), custom(no_nul)))]
    pub target_column: Option<String>,
    /// What the client says of the features.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = TEXT_BYTES_MAX), custom(no_nul)))]
    pub feature_summary: Option<String>,
    /// How much the model should think: `minimal`, `low`, `medium`, `high` or `xhigh`.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_effort)))]
    pub reasoning_effort: Option<String>,
    /// A model of the catalog; absent, `auto` or an unknown one: the default.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = 200)))]
    pub model: Option<String>,
    /// What the project is for (onboarding).
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = TEXT_BYTES_MAX), custom(no_nul)))]
    pub user_intent: Option<String>,
    /// All answers so far (onboarding).
    #[serde(default)]
    #[garde(length(max = ANSWERS_MAX), dive)]
    pub question_answers: Vec<QuestionAnswerCreate>,
    /// The round of questions (onboarding).
    #[serde(default)]
    #[garde(range(max = 1000))]
    pub round: u32,
}

impl RequestBody for TurnCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

fn is_run_id(text: &str, (): &()) -> garde::Result {
    if WorkflowRunId::parse(text).is_some() {
        return Ok(());
    }
    Err(garde::Error::new("must be 1 to 200 letters, digits, or . _ : -"))
}

fn is_effort(text: &str, (): &()) -> garde::Result {
    if ["minimal", "low", "medium", "high", "xhigh"].contains(&text) {
        return Ok(());
    }
    Err(garde::Error::new("must be minimal, low, medium, high or xhigh"))
}

fn is_answer(answer: &Value, (): &()) -> garde::Result {
    let is_short = |value: &Value| value.as_str().is_some_and(|text| text.len() <= 8 * 1024 && !text.contains('\0'));
    let is_list = |value: &Value| value.as_array().is_some_and(|items| items.len() <= 100 && items.iter().all(is_short));
    if is_short(answer) || is_list(answer) {
        return Ok(());
    }
    Err(garde::Error::new("must be a text of at most 8192 bytes, or a list of at most 100 such texts"))
}

/// Why a run should stop.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterruptCreate {
    /// What to record as the reason.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, max = 500), custom(no_nul)))]
    pub reason: Option<String>,
}

impl RequestBody for InterruptCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// From where a run is repeated.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForkCreate {
    /// The last event that the new run has.
    #[garde(range(min = 1))]
    pub after_sequence: i64,
}

impl RequestBody for ForkCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Which runs to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct WorkflowsQuery {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// Only runs of this phase.
    #[garde(skip)]
    pub phase: Option<Phase>,
}

/// How a turn is streamed.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct TurnQuery {
    /// `extended`: with events that older clients do not know, such as `tool_started`.
    #[garde(skip)]
    pub events: Option<String>,
}

/// `/workflows/{runId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct WorkflowPath {
    /// The run.
    pub run_id: String,
}

/// A list of runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowList {
    /// The project.
    pub project_id: ProjectId,
    /// The phase that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The runs, the last changed first.
    #[schema(value_type = Vec<Object>)]
    pub runs: Vec<Map<String, Value>>,
}

/// A run, and whether it was interrupted now.
#[derive(Debug, Serialize, ToSchema)]
pub struct InterruptView {
    /// The run.
    #[schema(value_type = Object)]
    pub run: Map<String, Value>,
    /// Whether it was interrupted now.
    pub interrupted: bool,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunEnvelope {
    /// The run.
    #[schema(value_type = Object)]
    pub run: Map<String, Value>,
}

/// A run with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotEnvelope {
    /// The run.
    pub run: SnapshotView,
}

/// A run with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    /// The run.
    #[schema(value_type = Object)]
    pub run: Map<String, Value>,
    /// The job of its last turn: `/jobs/{jobId}/events` replays and follows its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_job_id: Option<gristmill_domain::JobId>,
    /// Its events, oldest first.
    pub events: Vec<WorkflowEventView>,
    /// Its artifacts, oldest first.
    pub artifacts: Vec<WorkflowArtifactView>,
    /// Its approvals, oldest first.
    pub approvals: Vec<WorkflowApprovalView>,
    /// What it handed to other phases.
    #[schema(value_type = Vec<Object>)]
    pub handoffs: Vec<Value>,
    /// The cells that it is bound to.
    #[schema(value_type = Vec<Object>)]
    pub notebook_bindings: Vec<Value>,
}

/// An event of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowEventView {
    /// Identity: the run and the place.
    pub event_id: String,
    /// The run.
    pub run_id: String,
    /// Its place, from 1.
    pub sequence: i64,
    /// Its type.
    pub event_type: String,
    /// Its fields.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// When.
    pub created_at: Instant,
}

/// Something that a run made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowArtifactView {
    /// Identity.
    pub artifact_id: uuid::Uuid,
    /// The run.
    pub run_id: String,
    /// `ui`, `plan` or `summary`.
    pub artifact_type: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is in it.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// When it was made.
    pub created_at: Instant,
    /// When it changed last.
    pub updated_at: Instant,
}

/// A question for approval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowApprovalView {
    /// Identity.
    pub approval_id: uuid::Uuid,
    /// The run.
    pub run_id: String,
    /// The tool that is approved of.
    pub approval_type: String,
    /// `pending`, `approved` or `rejected`.
    pub status: String,
    /// Hash of exactly what is approved of.
    pub subject_hash: String,
    /// When it was asked.
    pub requested_at: Instant,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Instant>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<gristmill_domain::UserId>,
    /// What was shown of it.
    #[schema(value_type = Object)]
    pub payload: Value,
}
