//! What is written to a run.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    DatasetId,
    workflows::{ApprovalDecision, ApprovalStatus, NewApproval, RunRecord},
};
use serde_json::Value;
use uuid::Uuid;

use super::rows::{ApprovalRow, ArtifactRow, EventRow, RunRow};
use crate::{
    database::DbError,
    schema::{datasets, workflow_approvals, workflow_artifacts, workflow_events, workflow_runs},
};

/// Writes to a run whose row this transaction has locked or made. Returns it with the position of its last event.
pub(super) async fn write_in(
    connection: &mut AsyncPgConnection,
    row: RunRow,
    record: RunRecord,
    now: DateTime<Utc>,
) -> Result<(RunRow, i64), DbError> {
    let events: Vec<EventRow> = record
        .events
        .into_iter()
        .zip(row.event_seq + 1..)
        .map(|(event, sequence)| EventRow {
            run_id: row.run_id.clone(),
            sequence,
            event_type: event.event_type,
            payload: event.payload,
            created_at: now,
        })
        .collect();
    let last = events.last().map_or(row.event_seq, |event| event.sequence);
    if !events.is_empty() {
        diesel::insert_into(workflow_events::table).values(&events).execute(connection).await?;
    }
    for (id, kind, label, payload) in record.artifacts {
        let label = label.filter(|label| !label.is_empty());
        let artifact = ArtifactRow {
            artifact_id: id,
            run_id: row.run_id.clone(),
            artifact_type: kind.as_str().to_owned(),
            label,
            payload,
            created_at: now,
            updated_at: now,
        };
        diesel::insert_into(workflow_artifacts::table).values(&artifact).on_conflict_do_nothing().execute(connection).await?;
    }
    // What is asked now was not decided yet, though it may be the very same thing that a person has just said no to.
    decide_in(connection, &row.run_id, record.decisions, now).await?;
    ask_in(connection, &row.run_id, record.approvals, now).await?;
    let taken_up = take_up(connection, &row, record.active_dataset_id).await?;
    let standing = record.standing;
    let changed = diesel::update(workflow_runs::table.find(&row.run_id))
        .set((
            workflow_runs::event_seq.eq(last),
            workflow_runs::revision.eq(row.revision + 1),
            workflow_runs::updated_at.eq(now),
            record.metadata.map(|metadata| workflow_runs::metadata.eq(Value::Object(metadata))),
            workflow_runs::active_dataset_id.eq(taken_up.or(row.active_dataset_id)),
            standing.as_ref().map(|standing| {
                (
                    workflow_runs::status.eq(standing.status.as_str()),
                    workflow_runs::current_node.eq(standing.current_node.clone()),
                    workflow_runs::pending_input_kind.eq(standing.pending_input.map(|kind| kind.as_str())),
                    workflow_runs::pause_reason.eq(standing.pause_reason.clone()),
                    workflow_runs::last_failure_code.eq(standing.failure_code.clone()),
                    workflow_runs::last_failure_message.eq(standing.failure_message.clone()),
                )
            }),
        ))
        .returning(RunRow::as_returning())
        .get_result(connection)
        .await?;
    Ok((changed, last))
}

/// The other dataset that is worked on from now. Held until this commits, so that whoever deletes it sees the run; `None`
/// when it was deleted meanwhile.
async fn take_up(connection: &mut AsyncPgConnection, row: &RunRow, next: Option<DatasetId>) -> Result<Option<Uuid>, DbError> {
    let Some(next) = next.map(|id| id.0).filter(|next| Some(*next) != row.active_dataset_id) else { return Ok(None) };
    let held = datasets::table.find(next).select(datasets::dataset_id).for_key_share().first(connection).await.optional()?;
    Ok(held)
}

async fn ask_in(
    connection: &mut AsyncPgConnection,
    run: &str,
    approvals: Vec<NewApproval>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    for approval in approvals {
        let asked = ApprovalRow {
            approval_id: approval.id,
            run_id: run.to_owned(),
            approval_type: approval.approval_type,
            status: ApprovalStatus::Pending.as_str().to_owned(),
            subject_hash: approval.subject_hash,
            requested_at: now,
            resolved_at: None,
            resolved_by: None,
            payload: approval.payload,
        };
        diesel::insert_into(workflow_approvals::table).values(&asked).on_conflict_do_nothing().execute(connection).await?;
    }
    Ok(())
}

async fn decide_in(
    connection: &mut AsyncPgConnection,
    run: &str,
    decisions: Vec<ApprovalDecision>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    for decision in decisions {
        let status = if decision.is_approved { ApprovalStatus::Approved } else { ApprovalStatus::Rejected };
        diesel::update(workflow_approvals::table)
            .filter(workflow_approvals::run_id.eq(run))
            .filter(workflow_approvals::subject_hash.eq(&decision.subject_hash))
            .filter(workflow_approvals::status.eq(ApprovalStatus::Pending.as_str()))
            .set((
                workflow_approvals::status.eq(status.as_str()),
                workflow_approvals::resolved_at.eq(now),
                workflow_approvals::resolved_by.eq(decision.by.0),
            ))
            .execute(connection)
            .await?;
    }
    Ok(())
}
