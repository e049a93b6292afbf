//! Rows of runs, and what they are read as.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use gristmill_domain::{
    DatasetId, NotebookId, ProjectId, UserId,
    ports::StoreError,
    workflows::{
        ApprovalStatus, ArtifactKind, NewApproval, PendingInput, Phase, WorkflowApproval, WorkflowArtifact, WorkflowEvent,
        WorkflowRun, WorkflowRunId, WorkflowStatus,
    },
};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{workflow_approvals, workflow_artifacts, workflow_events, workflow_runs};

#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = workflow_runs, check_for_backend(diesel::pg::Pg))]
pub(super) struct RunRow {
    pub(super) run_id: String,
    pub(super) project_id: Uuid,
    pub(super) thread_id: String,
    pub(super) phase: String,
    pub(super) status: String,
    pub(super) current_node: String,
    pub(super) revision: i32,
    pub(super) active_dataset_id: Option<Uuid>,
    pub(super) active_notebook_id: Option<Uuid>,
    pub(super) pending_input_kind: Option<String>,
    pub(super) pause_reason: Option<String>,
    pub(super) last_failure_code: Option<String>,
    pub(super) last_failure_message: Option<String>,
    pub(super) metadata: Value,
    pub(super) turn_job_id: Option<Uuid>,
    pub(super) event_seq: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl RunRow {
    pub(super) fn is_running(&self) -> bool {
        self.status == WorkflowStatus::Running.as_str()
    }
}

impl TryFrom<RunRow> for WorkflowRun {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let unknown = |what: &str| StoreError::Defect(format!("a run with an unknown {what}").into());
        let pending_input = match row.pending_input_kind.as_deref() {
            Some(kind) => Some(PendingInput::from_name(kind).ok_or_else(|| unknown("input"))?),
            None => None,
        };
        Ok(Self {
            id: run_id(&row.run_id)?,
            thread_id: row.thread_id,
            project_id: ProjectId(row.project_id),
            phase: Phase::from_name(&row.phase).ok_or_else(|| unknown("phase"))?,
            status: WorkflowStatus::from_name(&row.status).ok_or_else(|| unknown("status"))?,
            current_node: row.current_node,
            revision: row.revision,
            active_dataset_id: row.active_dataset_id.map(DatasetId),
            active_notebook_id: row.active_notebook_id.map(NotebookId),
            pending_input,
            pause_reason: row.pause_reason,
            failure_code: row.last_failure_code,
            failure_message: row.last_failure_message,
            metadata: match row.metadata {
                Value::Object(fields) => fields,
                _ => return Err(unknown("kind of metadata")),
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

pub(super) fn run_id(text: &str) -> Result<WorkflowRunId, StoreError> {
    WorkflowRunId::parse(text).ok_or_else(|| StoreError::Defect("a run with an id that is none".into()))
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = workflow_events, check_for_backend(diesel::pg::Pg))]
pub(super) struct EventRow {
    pub(super) run_id: String,
    pub(super) sequence: i64,
    pub(super) event_type: String,
    pub(super) payload: Value,
    pub(super) created_at: DateTime<Utc>,
}

impl From<EventRow> for WorkflowEvent {
    fn from(row: EventRow) -> Self {
        Self { sequence: row.sequence, event_type: row.event_type, payload: row.payload, created_at: row.created_at }
    }
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = workflow_artifacts, check_for_backend(diesel::pg::Pg))]
pub(super) struct ArtifactRow {
    pub(super) artifact_id: Uuid,
    pub(super) run_id: String,
    pub(super) artifact_type: String,
    pub(super) label: Option<String>,
    pub(super) payload: Value,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl TryFrom<ArtifactRow> for WorkflowArtifact {
    type Error = StoreError;

    fn try_from(row: ArtifactRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.artifact_id,
            kind: ArtifactKind::from_name(&row.artifact_type)
                .ok_or_else(|| StoreError::Defect("an artifact of an unknown kind".into()))?,
            label: row.label,
            payload: row.payload,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = workflow_approvals, check_for_backend(diesel::pg::Pg))]
pub(super) struct ApprovalRow {
    pub(super) approval_id: Uuid,
    pub(super) run_id: String,
    pub(super) approval_type: String,
    pub(super) status: String,
    pub(super) subject_hash: String,
    pub(super) requested_at: DateTime<Utc>,
    pub(super) resolved_at: Option<DateTime<Utc>>,
    pub(super) resolved_by: Option<Uuid>,
    pub(super) payload: Value,
}

impl ApprovalRow {
    /// The same question, asked in another run.
    pub(super) fn anew(self) -> NewApproval {
        NewApproval {
            id: Uuid::new_v4(),
            approval_type: self.approval_type,
            subject_hash: self.subject_hash,
            payload: self.payload,
        }
    }
}

impl TryFrom<ApprovalRow> for WorkflowApproval {
    type Error = StoreError;

    fn try_from(row: ApprovalRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.approval_id,
            approval_type: row.approval_type,
            status: ApprovalStatus::from_name(&row.status)
                .ok_or_else(|| StoreError::Defect("an approval with an unknown status".into()))?,
            subject_hash: row.subject_hash,
            requested_at: row.requested_at,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by.map(UserId),
            payload: row.payload,
        })
    }
}
