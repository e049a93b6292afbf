//! What is written to a run.

use chrono::{DateTime, Utc};
use diesel::{dsl::exists, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    DatasetId, UserId,
    workflows::{ApprovalDecision, ApprovalStatus, NewApproval, RunRecord},
};
use serde_json::Value;
use uuid::Uuid;

use super::rows::{ApprovalRow, ArtifactRow, EventRow, RunRow};
use crate::{
    database::DbError,
    schema::{datasets, workflow_approvals, workflow_artifacts, workflow_events, workflow_runs, workflow_states},
};

/// Writes to a run whose row this transaction has locked or made, and whose next dataset it holds ([`hold_dataset`]). Returns
/// it with the position of its last event.
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
    let asked: Vec<String> = record.approvals.iter().map(|approval| approval.subject_hash.clone()).collect();
    // What is asked now was not decided yet, though it may be the very same thing that a person has just said no to.
    decide_in(connection, &row.run_id, record.decisions, now).await?;
    ask_in(connection, &row.run_id, record.approvals, now).await?;
    if record.ends_turn {
        close_in(connection, &row.run_id, &asked, now).await?;
    }
    let standing = record.standing;
    let changed = diesel::update(workflow_runs::table.find(&row.run_id))
        .set((
            workflow_runs::event_seq.eq(last),
            workflow_runs::revision.eq(row.revision + 1),
            workflow_runs::updated_at.eq(now),
            record.metadata.map(|metadata| workflow_runs::metadata.eq(Value::Object(metadata))),
            workflow_runs::active_dataset_id.eq(record.active_dataset_id.map(|id| id.0).or(row.active_dataset_id)),
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
    keep_state(connection, &changed, changed.event_seq).await?;
    Ok((changed, last))
}

/// Keeps what the run has after an event, where that differs from what it had before.
pub(super) async fn keep_state(connection: &mut AsyncPgConnection, run: &RunRow, sequence: i64) -> Result<(), DbError> {
    let state = (run.metadata.clone(), run.active_dataset_id, run.active_notebook_id);
    let before: Option<(Value, Option<Uuid>, Option<Uuid>)> = workflow_states::table
        .filter(workflow_states::run_id.eq(&run.run_id))
        .order(workflow_states::sequence.desc())
        .select((workflow_states::metadata, workflow_states::active_dataset_id, workflow_states::active_notebook_id))
        .first(connection)
        .await
        .optional()?;
    if before.as_ref() == Some(&state) {
        return Ok(());
    }
    let (metadata, dataset, notebook) = &state;
    diesel::insert_into(workflow_states::table)
        .values((
            workflow_states::run_id.eq(&run.run_id),
            workflow_states::sequence.eq(sequence),
            workflow_states::metadata.eq(metadata),
            workflow_states::active_dataset_id.eq(dataset),
            workflow_states::active_notebook_id.eq(notebook),
        ))
        // A write without an event changes what there is after the last one.
        .on_conflict((workflow_states::run_id, workflow_states::sequence))
        .do_update()
        .set((
            workflow_states::metadata.eq(metadata),
            workflow_states::active_dataset_id.eq(dataset),
            workflow_states::active_notebook_id.eq(notebook),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Holds the dataset that a run is to work on from now until this commits, so that whoever deletes it sees the run. `None`
/// when it was deleted meanwhile. Comes before the lock of the run.
pub(super) async fn hold_dataset(
    connection: &mut AsyncPgConnection,
    dataset: Option<DatasetId>,
) -> Result<Option<DatasetId>, DbError> {
    let Some(next) = dataset else { return Ok(None) };
    let held: Option<Uuid> =
        datasets::table.find(next.0).select(datasets::dataset_id).for_key_share().first(connection).await.optional()?;
    Ok(held.map(DatasetId))
}

async fn ask_in(
    connection: &mut AsyncPgConnection,
    run: &str,
    approvals: Vec<NewApproval>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    for approval in approvals {
        // A person may have decided beside the turn, before it came to ask.
        let beside = workflow_approvals::table
            .filter(workflow_approvals::run_id.eq(run))
            .filter(workflow_approvals::subject_hash.eq(&approval.subject_hash))
            .filter(workflow_approvals::resolved_by.is_not_null())
            .filter(workflow_approvals::resolved_at.eq(workflow_approvals::requested_at.nullable()));
        let is_decided: bool = diesel::select(exists(beside)).get_result(connection).await?;
        if is_decided {
            continue;
        }
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
        // One that a failed turn went past can still be answered; of several, the last that was asked is.
        let open = [ApprovalStatus::Pending.as_str(), ApprovalStatus::Superseded.as_str()];
        let question: Option<Uuid> = workflow_approvals::table
            .filter(workflow_approvals::run_id.eq(run))
            .filter(workflow_approvals::subject_hash.eq(&decision.subject_hash))
            .filter(workflow_approvals::status.eq_any(open))
            .order((workflow_approvals::requested_at.desc(), workflow_approvals::approval_id))
            .select(workflow_approvals::approval_id)
            .first(connection)
            .await
            .optional()?;
        if let Some(question) = question {
            resolve(connection, question, Some((decision.is_approved, decision.by)), now).await?;
        }
    }
    Ok(())
}

/// Closes the questions of a run that are open and not among those that were just asked.
async fn close_in(connection: &mut AsyncPgConnection, run: &str, asked: &[String], now: DateTime<Utc>) -> Result<(), DbError> {
    let passed = workflow_approvals::table
        .filter(workflow_approvals::run_id.eq(run))
        .filter(workflow_approvals::status.eq(ApprovalStatus::Pending.as_str()))
        .filter(workflow_approvals::subject_hash.ne_all(asked));
    diesel::update(passed)
        .set((workflow_approvals::status.eq(ApprovalStatus::Superseded.as_str()), workflow_approvals::resolved_at.eq(now)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Answers a question, or closes it when nobody did.
pub(super) async fn resolve(
    connection: &mut AsyncPgConnection,
    question: Uuid,
    decision: Option<(bool, UserId)>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let status = match decision {
        Some((true, _)) => ApprovalStatus::Approved,
        Some((false, _)) => ApprovalStatus::Rejected,
        None => ApprovalStatus::Superseded,
    };
    diesel::update(workflow_approvals::table.find(question))
        .set((
            workflow_approvals::status.eq(status.as_str()),
            workflow_approvals::resolved_at.eq(now),
            workflow_approvals::resolved_by.eq(decision.map(|(_, by)| by.0)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
