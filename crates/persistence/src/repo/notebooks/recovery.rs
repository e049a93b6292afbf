//! Filling an empty notebook with what an agent's run left in one that is gone.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, CellId, NotebookId, ProjectId,
    notebooks::{CELL_CHANGES, LoggedCall, LostNotebook, NotebookEvent, NotebookKind, RecoveryRefusal},
    ports::StoreError,
    workflows::{Phase, ToolCall, ToolResult, WorkflowRunId, WorkflowStatus, event_types},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Notebooks,
    cells::{self as cell_rows, INSERT_ROWS_MAX},
    events, owned, rows,
    rows::{CellRow, NotebookRow},
};
use crate::{
    database::DbError,
    repo::ownership::lock_project,
    schema::{cells, notebooks, workflow_events, workflow_runs},
};

/// Most runs that are looked at, the newest first.
const RUNS_MAX: i64 = 100;

/// A run whose notebook is gone and can be written again.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryCandidate {
    /// The run.
    pub run: WorkflowRunId,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// What it left.
    pub lost: LostNotebook,
}

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The run.
    pub run: WorkflowRunId,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// The notebook that is gone.
    pub source: NotebookId,
    /// The new cells, in order.
    pub cells: Vec<CellId>,
}

impl Notebooks {
    /// Looks for what an empty notebook of the caller's could be filled with: the newest completed run of the phase whose
    /// notebook is gone.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`; in the inner result why there is nothing.
    pub async fn find_recovery(
        &self,
        caller: &Caller,
        id: NotebookId,
        phase: Phase,
    ) -> Result<Result<RecoveryCandidate, RecoveryRefusal>, StoreError> {
        let mut connection = self.database.connection().await?;
        let target: Option<NotebookRow> = owned(caller, id).first(&mut connection).await.optional().map_err(DbError::from)?;
        let Some(target) = target else { return Ok(Err(RecoveryRefusal::TargetMissing)) };
        Ok(candidate_for(&mut connection, &target, phase).await?)
    }

    /// Fills an empty notebook of the caller's with what [`Self::find_recovery`] finds. While that is there, no other notebook
    /// is filled with it.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`; in the inner result why nothing was done.
    pub async fn recover(
        &self,
        caller: &Caller,
        id: NotebookId,
        phase: Phase,
        now: DateTime<Utc>,
    ) -> Result<Result<Recovered, RecoveryRefusal>, StoreError> {
        let mut connection = self.database.connection().await?;
        let recovered = connection
            .transaction(async |connection| {
                let found: Option<NotebookRow> = owned(caller, id).first(connection).await.optional()?;
                let Some(found) = found else { return Ok(Err(RecoveryRefusal::TargetMissing)) };
                // Locked, so that of two at once the second finds the cells of the first, and its run taken.
                lock_project(connection, caller.user_id, ProjectId(found.project_id)).await?;
                let target: Option<NotebookRow> = owned(caller, id).for_update().first(connection).await.optional()?;
                let Some(target) = target else { return Ok(Err(RecoveryRefusal::TargetMissing)) };
                let candidate = match candidate_for(connection, &target, phase).await? {
                    Ok(candidate) => candidate,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let recovered = fill(connection, &target, candidate, now).await?;
                Ok::<Result<Recovered, RecoveryRefusal>, DbError>(Ok(recovered))
            })
            .await?;
        Ok(recovered)
    }
}

/// A run, its notebook, the one that it was recovered into, and when it changed last.
type CandidateRow = (String, Option<Uuid>, Option<Uuid>, DateTime<Utc>);

async fn candidate_for(
    connection: &mut AsyncPgConnection,
    target: &NotebookRow,
    phase: Phase,
) -> Result<Result<RecoveryCandidate, RecoveryRefusal>, DbError> {
    let count: i64 = cell_rows::of(target.notebook_id).count().get_result(connection).await?;
    if count > 0 {
        return Ok(Err(RecoveryRefusal::TargetNotEmpty));
    }
    if !is_for(target, phase) {
        return Ok(Err(RecoveryRefusal::PhaseMismatch));
    }
    let runs: Vec<CandidateRow> = workflow_runs::table
        .filter(workflow_runs::project_id.eq(target.project_id))
        .filter(workflow_runs::phase.eq(phase.as_str()))
        .filter(workflow_runs::status.eq(WorkflowStatus::Completed.as_str()))
        .order((workflow_runs::updated_at.desc(), workflow_runs::run_id))
        .limit(RUNS_MAX)
        .select((
            workflow_runs::run_id,
            workflow_runs::active_notebook_id,
            workflow_runs::recovered_into,
            workflow_runs::updated_at,
        ))
        .load(connection)
        .await?;
    let there: Vec<Uuid> = notebooks::table
        .filter(notebooks::project_id.eq(target.project_id))
        .select(notebooks::notebook_id)
        .load(connection)
        .await?;
    for (run, notebook, recovered, updated_at) in runs {
        let is_there = |notebook: Uuid| there.contains(&notebook);
        // Emptied again, the notebook that it was recovered into may be filled once more.
        let is_taken = recovered.is_some_and(|other| other != target.notebook_id && is_there(other));
        if is_taken || notebook.is_some_and(is_there) {
            continue;
        }
        let calls = calls_of(connection, &run).await?;
        let lost = LostNotebook::read(&calls, notebook.map(NotebookId)).filter(|lost| !there.contains(&lost.id.0));
        if let Some(lost) = lost {
            let run = WorkflowRunId::parse(&run).ok_or_else(|| rows::defect("a run with an id that is none"))?;
            return Ok(Ok(RecoveryCandidate { run, updated_at, lost }));
        }
    }
    Ok(Err(RecoveryRefusal::NoRecoverableRun))
}

/// Whether agents of the phase may work in the notebook: a client may have said for which phase it is.
fn is_for(notebook: &NotebookRow, phase: Phase) -> bool {
    let named = notebook.metadata.get("phase").and_then(Value::as_str);
    let is_phase = |named: &str| named.replace('-', "_") == phase.as_str();
    notebook.kind == NotebookKind::Phase.as_str() && named.is_none_or(is_phase)
}

/// The calls of a run that tell what became of cells, oldest first.
async fn calls_of(connection: &mut AsyncPgConnection, run: &str) -> Result<Vec<LoggedCall>, DbError> {
    let tools: Vec<&str> = CELL_CHANGES.iter().map(|tool| tool.as_str()).collect();
    // As a text, which this server wrote: PostgreSQL's own look into JSON fails on an escaped NUL anywhere in it. What only
    // looks like such a call is left out below.
    let is_change = sql::<Bool>("payload::text ~ ").bind::<Text, _>(format!("\"tool\":\"({})\"", tools.join("|")));
    let events: Vec<(Value, DateTime<Utc>)> = workflow_events::table
        .filter(workflow_events::run_id.eq(run))
        .filter(workflow_events::event_type.eq(event_types::TOOL_EXECUTED))
        .filter(is_change)
        .order(workflow_events::sequence)
        .select((workflow_events::payload, workflow_events::created_at))
        .load(connection)
        .await?;
    let logged = |(payload, at): (Value, DateTime<Utc>)| {
        let call = ToolCall::deserialize(payload.get("call")?).ok()?;
        let result = ToolResult::deserialize(payload.get("result")?).ok()?;
        Some(LoggedCall { call, result, at })
    };
    Ok(events.into_iter().filter_map(logged).collect())
}

/// Writes what a run left into an empty notebook that this transaction has locked.
async fn fill(
    connection: &mut AsyncPgConnection,
    target: &NotebookRow,
    candidate: RecoveryCandidate,
    now: DateTime<Utc>,
) -> Result<Recovered, DbError> {
    let RecoveryCandidate { run, updated_at, lost } = candidate;
    let source = lost.id;
    let restored = (0..).zip(lost.into_cells(&run, now));
    let restored = restored.map(|(position, cell)| CellRow::restored(cell, target.notebook_id, position, now));
    let restored = restored.collect::<Result<Vec<CellRow>, StoreError>>()?;
    for chunk in restored.chunks(INSERT_ROWS_MAX) {
        diesel::insert_into(cells::table).values(chunk).execute(connection).await?;
    }
    diesel::update(workflow_runs::table.find(run.as_str()))
        .set(workflow_runs::recovered_into.eq(target.notebook_id))
        .execute(connection)
        .await?;
    // The next run comes after those that the cells remember.
    let last = restored.iter().filter_map(|row| row.execution_order).max().unwrap_or(0).max(target.execution_order);
    diesel::update(notebooks::table.find(target.notebook_id))
        .set((notebooks::execution_order.eq(last), notebooks::updated_at.eq(now)))
        .execute(connection)
        .await?;
    events::log(connection, target.notebook_id, &[NotebookEvent::CellsReset], now).await?;
    Ok(Recovered { run, updated_at, source, cells: restored.iter().map(|row| CellId(row.cell_id)).collect() })
}
