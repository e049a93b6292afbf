//! Preprocessing (contract 2, section 7).

mod requests;

use gristmill_domain::{
    CellId, DatasetId, ProjectId,
    datasets::{ColumnType, Dataset, Row},
    preprocessing::{
        ApprovalDecision, Checkpoint, CheckpointId, PrepEvent, PrepEventId, PrepEventKind, PrepRun, PrepRunId, PrepRunOutline,
        Step, StepId, StepStatus, Validation,
    },
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use self::requests::{
    CompatibilityCheck, CompatibilityView, PrepRunQuery, PrepRunsQuery, PrepTablesQuery, StepDecision, StepDecisionView,
};
use crate::common::Instant;

/// Rows of a table that are shown.
const PREVIEW_ROWS: usize = 5;

/// What was measured of a step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepValidationView {
    /// Rows that the step read.
    pub row_count_before: u64,
    /// Rows that it wrote.
    pub row_count_after: u64,
    /// Missing values in what it read.
    pub null_count_before: u64,
    /// Missing values in what it wrote.
    pub null_count_after: u64,
    /// Whether columns came, went or changed their type.
    pub schema_drift: bool,
    /// What changed, a sentence each.
    pub changes: Vec<String>,
    /// What the agent remarked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl From<Validation> for StepValidationView {
    fn from(validation: Validation) -> Self {
        Self {
            row_count_before: validation.row_count_before,
            row_count_after: validation.row_count_after,
            null_count_before: validation.null_count_before,
            null_count_after: validation.null_count_after,
            schema_drift: validation.schema_drift,
            changes: validation.changes,
            notes: validation.notes,
        }
    }
}

/// A step of a preprocessing run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepStepView {
    /// Identity.
    pub step_id: StepId,
    /// What it does.
    pub title: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The kind of change.
    pub intent_type: String,
    /// Where it stands.
    pub status: StepStatus,
    /// What a person said to it; absent when nobody has to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_decision: Option<ApprovalDecision>,
    /// Why it was rejected or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    /// The call that proposed it or gave it its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The step whose edited code it took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linked_from_step_id: Option<StepId>,
    /// Exactly what is written to its cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The first 24 hexadecimal digits of the SHA-256 of the code, and so of its cell's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<String>,
    /// Grows with each new code.
    pub version: u32,
    /// The cells that it is bound to.
    pub cell_ids: Vec<CellId>,
    /// Whether a person must approve of it.
    pub requires_approval: bool,
    /// What was measured of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<StepValidationView>,
    /// Whether its present code ran to its end.
    pub last_execute_succeeded: bool,
    /// Whether what its present code made was measured and can be kept.
    pub last_validate_succeeded: bool,
    /// The dataset that it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_id: Option<DatasetId>,
    /// The dataset that it made, once it is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_dataset_id: Option<DatasetId>,
    /// When it was proposed.
    pub created_at: Instant,
    /// When it changed last.
    pub updated_at: Instant,
}

impl From<Step> for PrepStepView {
    fn from(step: Step) -> Self {
        Self {
            step_id: step.id,
            title: step.title,
            rationale: step.rationale,
            intent_type: step.intent_type,
            status: step.status,
            approval_decision: step.approval,
            decision_reason: step.decision_reason,
            tool_call_id: step.tool_call_id,
            linked_from_step_id: step.linked_from,
            code: step.code,
            code_hash: step.code_hash.map(|hash| hash.as_str().to_owned()),
            version: step.version,
            cell_ids: step.cell_ids,
            requires_approval: step.requires_approval,
            validation: step.validation.map(StepValidationView::from),
            last_execute_succeeded: step.executed,
            last_validate_succeeded: step.validated,
            dataset_id: step.input.map(|input| input.dataset_id),
            derived_dataset_id: step.output.map(|output| output.dataset_id),
            created_at: step.created_at.into(),
            updated_at: step.updated_at.into(),
        }
    }
}

/// A recorded state of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepCheckpointView {
    /// Identity.
    pub checkpoint_id: CheckpointId,
    /// What it is called.
    pub label: String,
    /// The dataset.
    pub dataset_id: DatasetId,
    /// The steps that led to it, in order.
    pub step_ids: Vec<StepId>,
    /// When it was recorded.
    pub created_at: Instant,
    /// The last event that belongs to it.
    pub replay_until_event_sequence: i64,
}

impl From<Checkpoint> for PrepCheckpointView {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint_id: checkpoint.id,
            label: checkpoint.label,
            dataset_id: checkpoint.dataset_id,
            step_ids: checkpoint.step_ids,
            created_at: checkpoint.created_at.into(),
            replay_until_event_sequence: checkpoint.replay_until,
        }
    }
}

/// An entry of a run's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepEventView {
    /// Identity.
    pub event_id: PrepEventId,
    /// The run.
    pub run_id: PrepRunId,
    /// Its number in the run, from 1.
    pub sequence: i64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: PrepEventKind,
    /// When.
    pub created_at: Instant,
    /// To which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// With which checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_id: Option<CheckpointId>,
    /// With which dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_id: Option<DatasetId>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Value>,
}

impl PrepEventView {
    fn of(run: PrepRunId, event: PrepEvent) -> Self {
        Self {
            event_id: event.id,
            run_id: run,
            sequence: event.sequence,
            kind: event.kind,
            created_at: event.created_at.into(),
            step_id: event.step_id,
            checkpoint_id: event.checkpoint_id,
            dataset_id: event.dataset_id,
            payload: event.payload,
        }
    }
}

/// A preprocessing run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepRunView {
    /// Identity.
    pub run_id: PrepRunId,
    /// Its project.
    pub project_id: ProjectId,
    /// Always `hybrid`.
    pub state_model: String,
    /// The dataset that is worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_dataset_id: Option<DatasetId>,
    /// What it made, oldest first.
    pub derived_dataset_ids: Vec<DatasetId>,
    /// Its steps, oldest first.
    pub steps: Vec<PrepStepView>,
    /// Its checkpoints, oldest first.
    pub checkpoints: Vec<PrepCheckpointView>,
    /// Its log.
    pub events: Vec<PrepEventView>,
    /// When it was made.
    pub created_at: Instant,
    /// When it changed last.
    pub updated_at: Instant,
}

impl From<PrepRun> for PrepRunView {
    fn from(run: PrepRun) -> Self {
        let id = run.id;
        Self {
            run_id: id,
            project_id: run.project_id,
            state_model: "hybrid".to_owned(),
            active_dataset_id: run.active_dataset_id,
            derived_dataset_ids: run.derived_dataset_ids,
            steps: run.steps.into_iter().map(PrepStepView::from).collect(),
            checkpoints: run.checkpoints.into_iter().map(PrepCheckpointView::from).collect(),
            events: run.events.into_iter().map(|event| PrepEventView::of(id, event)).collect(),
            created_at: run.created_at.into(),
            updated_at: run.updated_at.into(),
        }
    }
}

/// `{run}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrepRunEnvelope {
    /// The run.
    pub run: PrepRunView,
}

/// A preprocessing run in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepRunSummary {
    /// Identity.
    pub run_id: PrepRunId,
    /// Its project.
    pub project_id: ProjectId,
    /// The dataset that is worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_dataset_id: Option<DatasetId>,
    /// How many steps it has.
    pub step_count: u64,
    /// How many entries its log has.
    pub event_count: u64,
    /// What happened last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_event_type: Option<PrepEventKind>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_event_at: Option<Instant>,
    /// When it changed last.
    pub updated_at: Instant,
    /// When it was made.
    pub created_at: Instant,
}

impl From<PrepRunOutline> for PrepRunSummary {
    fn from(outline: PrepRunOutline) -> Self {
        Self {
            run_id: outline.id,
            project_id: outline.project_id,
            active_dataset_id: outline.active_dataset_id,
            step_count: outline.step_count,
            event_count: outline.event_count,
            latest_event_type: outline.latest_event.map(|(kind, _)| kind),
            latest_event_at: outline.latest_event.map(|(_, at)| at.into()),
            updated_at: outline.updated_at.into(),
            created_at: outline.created_at.into(),
        }
    }
}

/// `{projectId, count, runs}`, the last changed first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepRunList {
    /// The project.
    pub project_id: ProjectId,
    /// How many runs the list has.
    pub count: usize,
    /// The runs.
    pub runs: Vec<PrepRunSummary>,
}

impl PrepRunList {
    /// The runs of a project.
    #[must_use]
    pub fn of(project_id: ProjectId, runs: Vec<PrepRunOutline>) -> Self {
        Self { project_id, count: runs.len(), runs: runs.into_iter().map(PrepRunSummary::from).collect() }
    }
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrepColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
}

/// A dataset as a table that can be preprocessed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrepTable {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Its name in SQL.
    pub name: String,
    /// Its display name.
    pub filename: String,
    /// Size of the original, bytes.
    pub size_bytes: u64,
    /// Rows.
    pub n_rows: u64,
    /// Columns.
    pub n_cols: u64,
    /// Names and types of the columns, in order.
    pub columns: Vec<PrepColumn>,
    /// The first rows, at most 5.
    #[schema(value_type = Vec<Object>)]
    pub preview_rows: Vec<Row>,
}

impl From<Dataset> for PrepTable {
    fn from(dataset: Dataset) -> Self {
        Self {
            dataset_id: dataset.id,
            name: dataset.sql_name,
            filename: dataset.filename,
            size_bytes: dataset.size_bytes,
            n_rows: dataset.row_count,
            n_cols: u64::try_from(dataset.columns.len()).unwrap_or(u64::MAX),
            columns: dataset.columns.into_iter().map(|column| PrepColumn { name: column.name, dtype: column.dtype }).collect(),
            preview_rows: dataset.sample.into_iter().take(PREVIEW_ROWS).collect(),
        }
    }
}

/// `{tables}`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrepTableList {
    /// The project's tables.
    pub tables: Vec<PrepTable>,
}
