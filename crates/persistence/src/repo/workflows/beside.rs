//! Decisions that a person makes beside a turn, by a route of their own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    DatasetId, ProjectId, UserId,
    preprocessing::PrepAnswer,
    workflows::{
        ApprovalStatus, NewApproval, NewWorkflowEvent, PendingInput, RunRecord, RunStanding, ToolCall, ToolResult, WorkflowRunId,
        WorkflowStatus, event_types,
    },
};
use serde_json::{Value, json};

use super::{
    rows::{ApprovalRow, RunRow},
    write::{hold_dataset, resolve, write_in},
};
use crate::{
    database::DbError,
    schema::{workflow_approvals, workflow_runs},
};

/// A person's yes or no to a step of preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct DecidedStep {
    /// The call that carries it out.
    pub call: ToolCall,
    /// What it is about, as a turn would have asked.
    pub question: NewApproval,
    /// Yes or no.
    pub is_approved: bool,
    /// Who decided.
    pub by: UserId,
}

/// Records a decision that was carried out, in the agent's run that the step is of: the question is answered, and unless a
/// turn is at work, the run's log has the call, so that the next turn goes on from there. A run that is gone is left alone.
pub(in crate::repo) async fn decide_beside(
    connection: &mut AsyncPgConnection,
    project: ProjectId,
    run: &WorkflowRunId,
    decided: &DecidedStep,
    answer: &PrepAnswer,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let derived: Option<DatasetId> = answer.output.get("derivedDatasetId").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let derived = hold_dataset(connection, derived).await?;
    let row: Option<RunRow> = workflow_runs::table
        .find(run.as_str())
        .filter(workflow_runs::project_id.eq(project.0))
        .select(RunRow::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    let Some(row) = row else { return Ok(()) };
    let was_asked = answer_question(connection, &row.run_id, decided, now).await?;
    let waits_for_more = row.pending_input_kind.is_some() && !was_asked;
    // A turn at work writes its log alone, and finds the step as it is by now; and a question that is open stays the last word.
    if row.is_running() || waits_for_more {
        return Ok(());
    }
    let standing = was_asked.then(|| answered(&row, decided.is_approved)).flatten();
    let record =
        RunRecord { events: vec![carried_out(decided, answer)], standing, active_dataset_id: derived, ..RunRecord::default() };
    write_in(connection, row, record, now).await?;
    Ok(())
}

/// Answers the question about exactly this state of the step, and closes those about others. Returns whether it had been
/// asked; if not, it is recorded as decided unasked.
async fn answer_question(
    connection: &mut AsyncPgConnection,
    run: &str,
    decided: &DecidedStep,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let question = &decided.question;
    let open: Vec<ApprovalRow> = workflow_approvals::table
        .filter(workflow_approvals::run_id.eq(run))
        .filter(workflow_approvals::approval_type.eq(&question.approval_type))
        .filter(workflow_approvals::status.eq(ApprovalStatus::Pending.as_str()))
        .select(ApprovalRow::as_select())
        .load(connection)
        .await?;
    let is_same = |asked: &ApprovalRow, field: &str| asked.payload.pointer(field) == question.payload.pointer(field);
    let mut was_asked = false;
    for asked in open.iter().filter(|asked| is_same(asked, "/subject/stepId")) {
        let is_this = is_same(asked, "/subject/version") && is_same(asked, "/subject/updatedAt");
        was_asked |= is_this;
        resolve(connection, asked.approval_id, is_this.then_some((decided.is_approved, decided.by)), now).await?;
    }
    if !was_asked {
        let status = if decided.is_approved { ApprovalStatus::Approved } else { ApprovalStatus::Rejected };
        let row = ApprovalRow {
            approval_id: question.id,
            run_id: run.to_owned(),
            approval_type: question.approval_type.clone(),
            status: status.as_str().to_owned(),
            subject_hash: question.subject_hash.clone(),
            requested_at: now,
            resolved_at: Some(now),
            resolved_by: Some(decided.by.0),
            payload: question.payload.clone(),
        };
        diesel::insert_into(workflow_approvals::table).values(&row).execute(connection).await?;
    }
    Ok(was_asked)
}

/// Where a run stands that waits for nothing more. `None`: it did not wait.
fn answered(row: &RunRow, is_approved: bool) -> Option<RunStanding> {
    let waited = row.status == WorkflowStatus::Paused.as_str()
        && row.pending_input_kind.as_deref() == Some(PendingInput::Approval.as_str());
    waited.then(|| RunStanding {
        status: WorkflowStatus::Paused,
        current_node: row.current_node.clone(),
        pending_input: None,
        pause_reason: Some(if is_approved { "step_approved" } else { "step_rejected" }.to_owned()),
        failure_code: None,
        failure_message: None,
    })
}

/// The call in the run's log, as a turn writes it.
fn carried_out(decided: &DecidedStep, answer: &PrepAnswer) -> NewWorkflowEvent {
    let mut output = answer.output.clone();
    // It is with the step, and would be sent to models with each turn.
    if let Some(step) = output.get_mut("step").and_then(Value::as_object_mut) {
        step.remove("code");
    }
    let call = &decided.call;
    let result = ToolResult { id: call.id.clone(), tool: call.tool, output: Some(output), error: None };
    NewWorkflowEvent::new(event_types::TOOL_EXECUTED, json!({ "call": call, "result": result, "decidedBy": decided.by }))
}
