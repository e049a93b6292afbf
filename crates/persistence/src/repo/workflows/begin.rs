//! The beginning of a turn.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, JobId,
    ports::StoreError,
    workflows::{NewWorkflowEvent, RunRecord, WorkflowRun, WorkflowRunId, WorkflowStatus, event_types},
};
use serde_json::{Value, json};

use super::{
    FIRST_NODE, NewTurn, OTHER_PHASE, TurnBegun,
    rows::{self, RunRow},
    write::write_in,
};
use crate::{
    database::DbError,
    repo::{idempotency, jobs},
    schema::workflow_runs,
};

/// The turn that was begun before under the same key.
pub(super) async fn reattached(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    turn: &NewTurn,
) -> Result<Option<TurnBegun>, DbError> {
    let Some(idempotency) = &turn.idempotency else { return Ok(None) };
    let Some(job) = idempotency::find(connection, caller.user_id, idempotency).await? else { return Ok(None) };
    let job = jobs::find_in(connection, caller, JobId(job)).await?;
    let run = job.payload.get("runId").and_then(Value::as_str);
    let run = run.ok_or_else(|| StoreError::Defect("a turn's job without its run".into()))?;
    let row: RunRow = workflow_runs::table.find(run).select(RunRow::as_select()).first(connection).await?;
    Ok(Some(TurnBegun::Begun { run: Box::new(WorkflowRun::try_from(row)?), job: Box::new(job) }))
}

pub(super) async fn begin_in(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    turn: &NewTurn,
    now: DateTime<Utc>,
) -> Result<TurnBegun, DbError> {
    let active: Option<String> = workflow_runs::table
        .filter(workflow_runs::project_id.eq(turn.project.0))
        .filter(workflow_runs::phase.eq(turn.phase.as_str()))
        .filter(workflow_runs::status.eq(WorkflowStatus::Running.as_str()))
        .select(workflow_runs::run_id)
        .first(connection)
        .await
        .optional()?;
    if let Some(active) = active {
        return Ok(TurnBegun::AlreadyRunning { active: rows::run_id(&active)? });
    }
    let earlier: Option<RunRow> = match &turn.run {
        Some(id) => {
            let found = workflow_runs::table.find(id.as_str()).select(RunRow::as_select()).for_update();
            found.first(connection).await.optional()?
        }
        None => None,
    };
    if let Some(row) = &earlier {
        // A run of somebody else's, or of another project, is not there.
        if row.project_id != turn.project.0 {
            return Err(StoreError::NotFound.into());
        }
        if row.phase != turn.phase.as_str() {
            return Err(StoreError::Conflict(OTHER_PHASE.to_owned()).into());
        }
    }
    let before = earlier;
    let id = turn.run.clone().unwrap_or_else(WorkflowRunId::random);
    let mut job = turn.job.clone();
    if let Value::Object(payload) = &mut job.payload {
        payload.insert("runId".to_owned(), json!(id));
        // Where the turn begins: a job that is taken up late works on no other.
        payload.insert("turn".to_owned(), json!(before.as_ref().map_or(0, |row| row.event_seq) + 1));
    }
    let (job, _) = jobs::submit_in(connection, &job).await?;
    if let Some(idempotency) = &turn.idempotency
        && idempotency::claim(connection, caller.user_id, idempotency, job.id.0).await?.is_some()
    {
        // The same request of the same project waits for its turn: this cannot be.
        return Err(StoreError::Defect("a turn began twice under one key".into()).into());
    }
    let row = start_turn(connection, turn, &id, before.as_ref(), job.id, now).await?;
    let mut started = turn.started.clone();
    if let Value::Object(fields) = &mut started {
        let status = before.as_ref().map_or("new", |row| row.status.as_str());
        fields.insert("statusBefore".to_owned(), json!(status));
        fields.insert("by".to_owned(), json!(caller.user_id));
        // The client is shown a run that it takes up as it waited.
        let waited = before.as_ref().filter(|row| row.status == WorkflowStatus::Paused.as_str());
        let kind = waited.and_then(|row| row.pending_input_kind.clone());
        let reason = waited.and_then(|row| row.pause_reason.clone());
        for (key, value) in [("pendingInputBefore", kind), ("pauseReasonBefore", reason)] {
            fields.extend(value.map(|value| (key.to_owned(), json!(value))));
        }
    }
    let event = NewWorkflowEvent::new(event_types::TURN_STARTED, started);
    let (row, _) = write_in(connection, row, RunRecord { events: vec![event], ..RunRecord::default() }, now).await?;
    Ok(TurnBegun::Begun { run: Box::new(WorkflowRun::try_from(row)?), job: Box::new(job) })
}

/// Makes the run's row, or sets it back to its beginning.
async fn start_turn(
    connection: &mut AsyncPgConnection,
    turn: &NewTurn,
    id: &WorkflowRunId,
    before: Option<&RunRow>,
    job: JobId,
    now: DateTime<Utc>,
) -> Result<RunRow, DbError> {
    let (dataset, notebook) = (turn.dataset.map(|id| id.0), turn.notebook.map(|id| id.0));
    if let Some(before) = before {
        let row = diesel::update(workflow_runs::table.find(id.as_str()))
            .set((
                workflow_runs::status.eq(WorkflowStatus::Running.as_str()),
                workflow_runs::current_node.eq(FIRST_NODE),
                workflow_runs::active_dataset_id.eq(dataset.or(before.active_dataset_id)),
                workflow_runs::active_notebook_id.eq(notebook.or(before.active_notebook_id)),
                workflow_runs::pending_input_kind.eq(None::<String>),
                workflow_runs::pause_reason.eq(None::<String>),
                workflow_runs::last_failure_code.eq(None::<String>),
                workflow_runs::last_failure_message.eq(None::<String>),
                workflow_runs::turn_job_id.eq(job.0),
            ))
            .returning(RunRow::as_returning())
            .get_result(connection)
            .await?;
        return Ok(row);
    }
    let row = RunRow {
        run_id: id.as_str().to_owned(),
        project_id: turn.project.0,
        thread_id: turn.thread_id.clone().unwrap_or_else(|| format!("thread-{}", uuid::Uuid::new_v4())),
        phase: turn.phase.as_str().to_owned(),
        status: WorkflowStatus::Running.as_str().to_owned(),
        current_node: FIRST_NODE.to_owned(),
        revision: 0,
        active_dataset_id: dataset,
        active_notebook_id: notebook,
        pending_input_kind: None,
        pause_reason: None,
        last_failure_code: None,
        last_failure_message: None,
        metadata: json!({}),
        turn_job_id: Some(job.0),
        event_seq: 0,
        created_at: now,
        updated_at: now,
    };
    let row =
        diesel::insert_into(workflow_runs::table).values(&row).returning(RunRow::as_returning()).get_result(connection).await?;
    Ok(row)
}
