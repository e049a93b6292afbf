//! A run that begins as another one was at some point.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    DatasetId,
    ports::StoreError,
    workflows::{NewWorkflowEvent, PendingInput, RunRecord, WorkflowRunId, WorkflowStatus, event_types},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    FIRST_NODE,
    rows::{ApprovalRow, EventRow, RunRow},
    write::{hold_dataset, write_in},
};
use crate::{
    database::DbError,
    repo::{feature_runs, preprocessing},
    schema::{workflow_approvals, workflow_events, workflow_runs, workflow_states},
};

/// From row to row: a long run need not fit into memory. The fork's events name the fork's own runs of steps and features;
/// without any, the texts to replace are empty, and replace nothing.
const COPY_EVENTS: &str = "
insert into workflow_events (run_id, sequence, event_type, payload, created_at)
select $1, sequence, event_type, replace(replace(payload::text, $4, $5), $6, $7)::json, created_at
from workflow_events where run_id = $2 and sequence <= $3";

/// A fork may be forked after an event that it has from its origin.
const COPY_STATES: &str = "
insert into workflow_states (run_id, sequence, metadata, active_dataset_id, active_notebook_id)
select $1, sequence, metadata, active_dataset_id, active_notebook_id
from workflow_states where run_id = $2 and sequence <= $3";

/// Makes a run with the events of `origin` up to one of them, and with what `origin` had then. The transaction holds the project.
pub(super) async fn fork_in(
    connection: &mut AsyncPgConnection,
    origin: RunRow,
    after_sequence: i64,
    now: DateTime<Utc>,
) -> Result<RunRow, DbError> {
    if after_sequence < 1 || after_sequence > origin.event_seq {
        return Err(StoreError::NotFound.into());
    }
    let last: EventRow =
        workflow_events::table.find((&origin.run_id, after_sequence)).select(EventRow::as_select()).first(connection).await?;
    let (metadata, dataset, notebook) = state_at(connection, &origin, after_sequence).await?;
    let asked = asked_at(connection, &origin.run_id, last.created_at).await?;
    let from = origin.run_id.clone();
    let row = RunRow {
        run_id: WorkflowRunId::random().as_str().to_owned(),
        status: WorkflowStatus::Paused.as_str().to_owned(),
        current_node: FIRST_NODE.to_owned(),
        revision: 1,
        active_dataset_id: dataset,
        active_notebook_id: notebook,
        pending_input_kind: waited_for(&last).map(|kind| kind.as_str().to_owned()),
        pause_reason: Some("forked".to_owned()),
        last_failure_code: None,
        last_failure_message: None,
        metadata,
        turn_job_id: None,
        event_seq: after_sequence,
        created_at: now,
        updated_at: now,
        ..origin
    };
    let row: RunRow =
        diesel::insert_into(workflow_runs::table).values(&row).returning(RunRow::as_returning()).get_result(connection).await?;
    let steps = preprocessing::copy_run(connection, row.project_id, (&from, &row.run_id), after_sequence, now).await?;
    let features = feature_runs::copy_run(connection, row.project_id, (&from, &row.run_id), last.created_at, now).await?;
    // Whoever deletes it sees the fork. When it is gone, the fork's next turn says so.
    hold_dataset(connection, dataset.map(DatasetId)).await?;
    let named = |ids: Option<(Uuid, Uuid)>| ids.map(|(old, new)| (old.to_string(), new.to_string())).unwrap_or_default();
    let ((old_steps, new_steps), (old_features, new_features)) = (named(steps), named(features));
    diesel::sql_query(COPY_EVENTS)
        .bind::<Text, _>(&row.run_id)
        .bind::<Text, _>(&from)
        .bind::<BigInt, _>(after_sequence)
        .bind::<Text, _>(old_steps)
        .bind::<Text, _>(new_steps)
        .bind::<Text, _>(old_features)
        .bind::<Text, _>(new_features)
        .execute(connection)
        .await?;
    diesel::sql_query(COPY_STATES)
        .bind::<Text, _>(&row.run_id)
        .bind::<Text, _>(&from)
        .bind::<BigInt, _>(after_sequence)
        .execute(connection)
        .await?;
    let told = json!({ "runId": from, "afterSequence": after_sequence });
    let record = RunRecord {
        events: vec![NewWorkflowEvent::new(event_types::FORKED, told)],
        approvals: asked.into_iter().map(ApprovalRow::anew).collect(),
        ..RunRecord::default()
    };
    let (row, _) = write_in(connection, row, record, now).await?;
    Ok(row)
}

/// What a run had after an event of its: metadata, dataset and notebook.
async fn state_at(
    connection: &mut AsyncPgConnection,
    run: &RunRow,
    sequence: i64,
) -> Result<(Value, Option<Uuid>, Option<Uuid>), DbError> {
    let state: Option<(Value, Option<Uuid>, Option<Uuid>)> = workflow_states::table
        .filter(workflow_states::run_id.eq(&run.run_id))
        .filter(workflow_states::sequence.le(sequence))
        .order(workflow_states::sequence.desc())
        .select((workflow_states::metadata, workflow_states::active_dataset_id, workflow_states::active_notebook_id))
        .first(connection)
        .await
        .optional()?;
    // Of events from before states were kept, what it has now is the best that is known.
    Ok(state.unwrap_or_else(|| (run.metadata.clone(), run.active_dataset_id, run.active_notebook_id)))
}

/// What was asked at a time, and had no answer then.
async fn asked_at(connection: &mut AsyncPgConnection, run: &str, at: DateTime<Utc>) -> Result<Vec<ApprovalRow>, DbError> {
    let rows = workflow_approvals::table
        .filter(workflow_approvals::run_id.eq(run))
        .filter(workflow_approvals::requested_at.le(at))
        .filter(workflow_approvals::resolved_at.is_null().or(workflow_approvals::resolved_at.gt(at)))
        .order((workflow_approvals::requested_at, workflow_approvals::approval_id))
        .select(ApprovalRow::as_select())
        .load(connection)
        .await?;
    Ok(rows)
}

/// What a run waited for after its last event.
fn waited_for(last: &EventRow) -> Option<PendingInput> {
    if last.event_type != event_types::PAUSED {
        return None;
    }
    PendingInput::from_name(last.payload.get("kind")?.as_str()?)
}
