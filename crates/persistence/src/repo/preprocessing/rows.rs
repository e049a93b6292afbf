//! Rows of preprocessing runs, and their way to the domain and back.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use gristmill_domain::{
    DatasetId, ProjectId,
    ports::StoreError,
    preprocessing::{
        ApprovalDecision, Checkpoint, CheckpointId, CodeHash, PrepEvent, PrepEventId, PrepEventKind, PrepRun, PrepRunId, Step,
        StepId, StepStatus,
    },
    workflows::WorkflowRunId,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{preprocessing_checkpoints, preprocessing_events, preprocessing_runs, preprocessing_steps};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = preprocessing_runs, check_for_backend(diesel::pg::Pg))]
pub(super) struct RunRow {
    pub(super) run_id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) workflow_run_id: Option<String>,
    pub(super) active_dataset_id: Option<Uuid>,
    pub(super) seen_dataset_id: Option<Uuid>,
    pub(super) derived_dataset_ids: Value,
    pub(super) event_sequence: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl RunRow {
    pub(super) fn of(run: &PrepRun) -> Result<Self, StoreError> {
        Ok(Self {
            run_id: run.id.0,
            project_id: run.project_id.0,
            workflow_run_id: run.workflow_run.as_ref().map(|id| id.as_str().to_owned()),
            active_dataset_id: run.active_dataset_id.map(|id| id.0),
            seen_dataset_id: run.seen_dataset_id.map(|id| id.0),
            derived_dataset_ids: to_json(&run.derived_dataset_ids)?,
            event_sequence: run.event_sequence,
            created_at: run.created_at,
            updated_at: run.updated_at,
        })
    }

    /// The run without steps, checkpoints and events.
    pub(super) fn into_run(self) -> Result<PrepRun, StoreError> {
        let workflow_run = match self.workflow_run_id {
            Some(id) => Some(WorkflowRunId::parse(&id).ok_or_else(|| defect("an id of a workflow run that is none"))?),
            None => None,
        };
        let run = PrepRun::new(PrepRunId(self.run_id), ProjectId(self.project_id), workflow_run, self.created_at);
        Ok(PrepRun {
            active_dataset_id: self.active_dataset_id.map(DatasetId),
            seen_dataset_id: self.seen_dataset_id.map(DatasetId),
            derived_dataset_ids: from_json(self.derived_dataset_ids)?,
            event_sequence: self.event_sequence,
            updated_at: self.updated_at,
            ..run
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = preprocessing_steps, check_for_backend(diesel::pg::Pg))]
pub(super) struct StepRow {
    step_id: Uuid,
    run_id: Uuid,
    place: i32,
    title: String,
    rationale: Option<String>,
    intent_type: String,
    status: String,
    approval: Option<String>,
    decision_reason: Option<String>,
    tool_call_id: Option<String>,
    linked_from: Option<Uuid>,
    code: Option<String>,
    code_hash: Option<String>,
    version: i32,
    cell_ids: Value,
    asks_approval: bool,
    requires_approval: bool,
    validation: Option<Value>,
    executed: bool,
    validated: bool,
    input: Option<Value>,
    before_divergence: Option<String>,
    output: Option<Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl StepRow {
    pub(super) fn id(&self) -> Uuid {
        self.step_id
    }

    pub(super) fn of(run: PrepRunId, place: i32, step: &Step) -> Result<Self, StoreError> {
        Ok(Self {
            step_id: step.id.0,
            run_id: run.0,
            place,
            title: step.title.clone(),
            rationale: step.rationale.clone(),
            intent_type: step.intent_type.clone(),
            status: step.status.as_str().to_owned(),
            approval: step.approval.map(|approval| approval.as_str().to_owned()),
            decision_reason: step.decision_reason.clone(),
            tool_call_id: step.tool_call_id.clone(),
            linked_from: step.linked_from.map(|id| id.0),
            code: step.code.clone(),
            code_hash: step.code_hash.as_ref().map(|hash| hash.as_str().to_owned()),
            version: i32::try_from(step.version).unwrap_or(i32::MAX),
            cell_ids: to_json(&step.cell_ids)?,
            asks_approval: step.asks_approval,
            requires_approval: step.requires_approval,
            validation: step.validation.as_ref().map(to_json).transpose()?,
            executed: step.executed,
            validated: step.validated,
            input: step.input.as_ref().map(to_json).transpose()?,
            before_divergence: step.before_divergence.map(|status| status.as_str().to_owned()),
            output: step.output.as_ref().map(to_json).transpose()?,
            created_at: step.created_at,
            updated_at: step.updated_at,
        })
    }
}

impl TryFrom<StepRow> for Step {
    type Error = StoreError;

    fn try_from(row: StepRow) -> Result<Self, StoreError> {
        let status = |name: &str| StepStatus::from_name(name).ok_or_else(|| defect("unknown status of a step"));
        let approval = match row.approval.as_deref() {
            Some(name) => Some(ApprovalDecision::from_name(name).ok_or_else(|| defect("unknown decision on a step"))?),
            None => None,
        };
        Ok(Self {
            id: StepId(row.step_id),
            title: row.title,
            rationale: row.rationale,
            intent_type: row.intent_type,
            status: status(&row.status)?,
            approval,
            decision_reason: row.decision_reason,
            tool_call_id: row.tool_call_id,
            linked_from: row.linked_from.map(StepId),
            code: row.code,
            code_hash: row.code_hash.map(CodeHash::stored),
            version: u32::try_from(row.version).unwrap_or(0),
            cell_ids: from_json(row.cell_ids)?,
            asks_approval: row.asks_approval,
            requires_approval: row.requires_approval,
            validation: row.validation.map(from_json).transpose()?,
            executed: row.executed,
            validated: row.validated,
            input: row.input.map(from_json).transpose()?,
            before_divergence: row.before_divergence.as_deref().map(status).transpose()?,
            output: row.output.map(from_json).transpose()?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = preprocessing_checkpoints, check_for_backend(diesel::pg::Pg))]
pub(super) struct CheckpointRow {
    checkpoint_id: Uuid,
    run_id: Uuid,
    place: i32,
    label: String,
    dataset_id: Uuid,
    dataset_version: i32,
    step_ids: Value,
    replay_until: i64,
    created_at: DateTime<Utc>,
}

impl CheckpointRow {
    pub(super) fn of(run: PrepRunId, place: i32, checkpoint: &Checkpoint) -> Result<Self, StoreError> {
        Ok(Self {
            checkpoint_id: checkpoint.id.0,
            run_id: run.0,
            place,
            label: checkpoint.label.clone(),
            dataset_id: checkpoint.dataset_id.0,
            dataset_version: i32::try_from(checkpoint.dataset_version).unwrap_or(i32::MAX),
            step_ids: to_json(&checkpoint.step_ids)?,
            replay_until: checkpoint.replay_until,
            created_at: checkpoint.created_at,
        })
    }
}

impl TryFrom<CheckpointRow> for Checkpoint {
    type Error = StoreError;

    fn try_from(row: CheckpointRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: CheckpointId(row.checkpoint_id),
            label: row.label,
            dataset_id: DatasetId(row.dataset_id),
            dataset_version: u32::try_from(row.dataset_version).unwrap_or(0),
            step_ids: from_json(row.step_ids)?,
            replay_until: row.replay_until,
            created_at: row.created_at,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = preprocessing_events, check_for_backend(diesel::pg::Pg))]
pub(super) struct EventRow {
    run_id: Uuid,
    sequence: i64,
    event_id: Uuid,
    event_type: String,
    step_id: Option<Uuid>,
    checkpoint_id: Option<Uuid>,
    dataset_id: Option<Uuid>,
    payload: Option<Value>,
    created_at: DateTime<Utc>,
}

impl EventRow {
    pub(super) fn of(run: PrepRunId, event: PrepEvent) -> Self {
        Self {
            run_id: run.0,
            sequence: event.sequence,
            event_id: event.id.0,
            event_type: event.kind.as_str().to_owned(),
            step_id: event.step_id.map(|id| id.0),
            checkpoint_id: event.checkpoint_id.map(|id| id.0),
            dataset_id: event.dataset_id.map(|id| id.0),
            payload: event.payload,
            created_at: event.created_at,
        }
    }
}

impl TryFrom<EventRow> for PrepEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: PrepEventId(row.event_id),
            sequence: row.sequence,
            kind: event_kind(&row.event_type)?,
            step_id: row.step_id.map(StepId),
            checkpoint_id: row.checkpoint_id.map(CheckpointId),
            dataset_id: row.dataset_id.map(DatasetId),
            payload: row.payload,
            created_at: row.created_at,
        })
    }
}

pub(super) fn event_kind(name: &str) -> Result<PrepEventKind, StoreError> {
    PrepEventKind::from_name(name).ok_or_else(|| defect("unknown type of event"))
}

fn defect(text: &'static str) -> StoreError {
    StoreError::Defect(text.into())
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}
