//! Runs of cells: the lock that a run holds, what it puts out, its end, and the end that it gets when its server died.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use gristmill_domain::{
    Caller, CellId, NotebookId, ProjectId,
    execution::{OutputKind, RichOutput},
    notebooks::{Cell, CellStatus, CellType, LockOwner, Notebook, NotebookEvent, OutputRef, push_output},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    CELL_IS_TEXT, CELL_LOCKED, Notebooks, StoredOutput, cells as cell_rows, events, outputs, rows,
    rows::{CellRow, NotebookRow},
};
use crate::{
    database::DbError,
    schema::{cells, notebook_events, notebooks},
};

/// What stands at the end of the outputs of a run whose server died.
pub const SERVER_STOPPED: &str = "The server stopped during the run. What the cell had done by then may be lost; run it again.";

/// The right to write for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLease {
    /// The notebook.
    pub notebook: NotebookId,
    /// The cell.
    pub cell: CellId,
    /// Names the run.
    pub token: Uuid,
}

/// On which terms a run begins.
#[derive(Debug, Clone, Copy)]
pub struct RunTerms<'a> {
    /// How long its lock holds unless it is prolonged.
    pub lease: Duration,
    /// The call of an agent that runs the cell; `None` when a person does.
    pub key: Option<&'a str>,
}

/// A run that may begin.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// The right to write for it.
    pub lease: RunLease,
    /// The cell, already `running`.
    pub cell: Cell,
    /// Its notebook.
    pub notebook: Notebook,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedRun {
    /// Success or error.
    pub status: CellStatus,
    /// What is kept of it.
    pub outputs: Vec<RichOutput>,
    /// The files among them.
    pub refs: Vec<OutputRef>,
    /// The same files, for the record of files.
    pub files: Vec<StoredOutput>,
    /// How long it took.
    pub duration_ms: u64,
    /// The text that ran: a cell that has another one by now stays dirty.
    pub content: String,
    /// What was put out since the last append, for watchers.
    pub unsent: Vec<RichOutput>,
}

impl Notebooks {
    /// Takes hold of one of the caller's cells for a run.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_LOCKED)` while somebody holds it; `Conflict(CELL_IS_TEXT)`; `Unavailable`, `Defect`.
    pub async fn start_run(
        &self,
        caller: &Caller,
        id: CellId,
        project: Option<ProjectId>,
        terms: RunTerms<'_>,
        now: DateTime<Utc>,
    ) -> Result<RunStart, StoreError> {
        let mut connection = self.database.connection().await?;
        let token = Uuid::new_v4();
        let (notebook, row) = connection
            .transaction(async |connection| {
                // After a power cut nobody runs the cell either way.
                relax(connection).await?;
                let (notebook, cell) = cell_rows::lock_cell(connection, caller, id).await?;
                cell_rows::in_project(&notebook, project)?;
                if cell.cell_type != CellType::Code.as_str() {
                    return Err(StoreError::Conflict(CELL_IS_TEXT.into()).into());
                }
                if cell.lock(now).is_some() {
                    return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
                }
                if cell.is_lost_run(now) {
                    end_lost(connection, &notebook, &cell, now).await?;
                }
                let row: CellRow = diesel::update(cells::table.find(id.0))
                    .set((
                        cells::execution_status.eq(CellStatus::Running.as_str()),
                        cells::locked_by.eq(LockOwner::Ai.as_str()),
                        cells::locked_at.eq(now),
                        cells::lock_token.eq(token),
                        cells::lock_expires_at.eq(until(now, terms.lease)),
                        cells::interrupt_requested.eq(false),
                        cells::run_key.eq(terms.key),
                    ))
                    .returning(CellRow::as_returning())
                    .get_result(connection)
                    .await?;
                events::log(connection, row.notebook_id, &[NotebookEvent::CellExecuting { cell_id: id }], now).await?;
                Ok::<_, DbError>((notebook, row))
            })
            .await?;
        let lease = RunLease { notebook: NotebookId(row.notebook_id), cell: id, token };
        Ok(RunStart { lease, cell: row.into_cell(now)?, notebook: notebook.try_into()? })
    }

    /// Logs what a run put out, in order, and prolongs its lock. Tells whether somebody asked to interrupt the run.
    ///
    /// # Errors
    /// `LeaseLost` when the lock was taken over or the cell is gone; `Unavailable`, `Defect`.
    pub async fn append_outputs(
        &self,
        lease: &RunLease,
        outputs: Vec<RichOutput>,
        prolong: Duration,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        if outputs.is_empty() {
            return Ok(prolong_lock(&mut connection, lease, prolong, now).await?);
        }
        let logged = output_events(lease.cell, outputs);
        let interrupt = connection
            .transaction(async |connection| {
                relax(connection).await?;
                lock_leased(connection, lease).await?;
                let interrupt = prolong_lock(connection, lease, prolong, now).await?;
                events::log(connection, lease.notebook.0, &logged, now).await?;
                Ok::<bool, DbError>(interrupt)
            })
            .await?;
        Ok(interrupt)
    }

    /// Asks the server that runs one of the caller's cells to interrupt it. False: it does not run.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn request_interrupt(&self, caller: &Caller, id: CellId, project: Option<ProjectId>) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let asked = connection
            .transaction(async |connection| {
                let (notebook, cell) = cell_rows::lock_cell(connection, caller, id).await?;
                cell_rows::in_project(&notebook, project)?;
                if cell.execution_status != CellStatus::Running.as_str() {
                    return Ok(false);
                }
                diesel::update(cells::table.find(id.0)).set(cells::interrupt_requested.eq(true)).execute(connection).await?;
                Ok::<bool, DbError>(true)
            })
            .await?;
        Ok(asked)
    }

    /// Ends a run that its server cannot finish, with what its log has of it.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    pub async fn abandon_run(&self, lease: &RunLease, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let notebook = lock_leased(connection, lease).await?;
                let cell = leased(connection, lease).await?;
                end_lost(connection, &notebook, &cell, now).await
            })
            .await?;
        Ok(())
    }

    /// Ends a run: counters, status, outputs and the lock's release in one commit. Files of the outputs before go
    /// unless a savepoint keeps them.
    ///
    /// # Errors
    /// `LeaseLost` when the lock was taken over or the cell is gone; `Unavailable`, `Defect`.
    pub async fn finish_run(&self, lease: &RunLease, run: FinishedRun, now: DateTime<Utc>) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut logged = output_events(lease.cell, run.unsent);
        logged.extend(closing(lease.cell));
        let (output, refs) = (rows::to_json(&run.outputs)?, rows::to_json(&run.refs)?);
        let row = connection
            .transaction(async |connection| {
                let notebook = lock_leased(connection, lease).await?;
                let cell = leased(connection, lease).await?;
                let end = RunEnd { status: run.status, output, refs, duration_ms: run.duration_ms };
                let is_dirty = cell.content != run.content;
                outputs::record(connection, notebook.notebook_id, lease.cell, &run.files, now).await?;
                let row = write_end(connection, &notebook, &cell, end, is_dirty, now).await?;
                if !is_empty(&cell.output_refs) {
                    outputs::sweep(connection, &notebook).await?;
                }
                events::log(connection, notebook.notebook_id, &logged, now).await?;
                Ok::<CellRow, DbError>(row)
            })
            .await?;
        row.into_cell(now)
    }

    /// Gives cells back whose server died during their run. Returns how many notebooks had one. No caller asked.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn recover_lost_runs(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let lost: Vec<Uuid> = cells::table
            .filter(cells::execution_status.eq(CellStatus::Running.as_str()))
            .filter(cells::lock_expires_at.is_null().or(cells::lock_expires_at.le(now)))
            .select(cells::notebook_id)
            .distinct()
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        for notebook in &lost {
            recover(&mut connection, *notebook, now).await?;
        }
        Ok(lost.len())
    }
}

/// Ends the lost runs of a notebook.
pub(super) async fn recover(connection: &mut AsyncPgConnection, notebook: Uuid, now: DateTime<Utc>) -> Result<(), DbError> {
    connection
        .transaction(async |connection| {
            let found = notebooks::table
                .find(notebook)
                .select(NotebookRow::as_select())
                .for_update()
                .first(connection)
                .await
                .optional()?;
            let Some(notebook) = found else { return Ok(()) };
            let rows = cell_rows::load(connection, &notebook).await?;
            for row in rows.iter().filter(|row| row.is_lost_run(now)) {
                end_lost(connection, &notebook, row, now).await?;
            }
            Ok(())
        })
        .await
}

/// Ends one lost run with what its log has of it.
async fn end_lost(
    connection: &mut AsyncPgConnection,
    notebook: &NotebookRow,
    cell: &CellRow,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let id = CellId(cell.cell_id);
    let payloads: Vec<Value> = notebook_events::table
        .filter(notebook_events::notebook_id.eq(notebook.notebook_id))
        .filter(notebook_events::created_at.ge(cell.locked_at.unwrap_or(now)))
        .order(notebook_events::seq)
        .select(notebook_events::payload)
        .load(connection)
        .await?;
    let mut outputs = Vec::new();
    for payload in payloads {
        match rows::from_json(payload)? {
            NotebookEvent::CellOutput { cell_id, output } if cell_id == id => push_output(&mut outputs, output),
            _ => {}
        }
    }
    let last = RichOutput::new(OutputKind::Error, SERVER_STOPPED);
    let mut logged = output_events(id, vec![last.clone()]);
    outputs.push(last);
    logged.extend(closing(id));
    let began = cell.locked_at.unwrap_or(now);
    let end = RunEnd {
        status: CellStatus::Error,
        output: rows::to_json(&outputs)?,
        refs: Value::Array(Vec::new()),
        duration_ms: u64::try_from((now - began).num_milliseconds()).unwrap_or(0),
    };
    write_end(connection, notebook, cell, end, cell.is_dirty, now).await?;
    outputs::sweep(connection, notebook).await?;
    events::log(connection, notebook.notebook_id, &logged, now).await?;
    Ok(())
}

struct RunEnd {
    status: CellStatus,
    output: Value,
    refs: Value,
    duration_ms: u64,
}

async fn write_end(
    connection: &mut AsyncPgConnection,
    notebook: &NotebookRow,
    cell: &CellRow,
    end: RunEnd,
    is_dirty: bool,
    now: DateTime<Utc>,
) -> Result<CellRow, DbError> {
    let order: i32 = diesel::update(notebooks::table.find(notebook.notebook_id))
        .set(notebooks::execution_order.eq(notebooks::execution_order + 1))
        .returning(notebooks::execution_order)
        .get_result(connection)
        .await?;
    let row = diesel::update(cells::table.find(cell.cell_id))
        .set((
            cells::execution_count.eq(cells::execution_count + 1),
            cells::execution_order.eq(order),
            cells::execution_status.eq(end.status.as_str()),
            cells::execution_duration_ms.eq(i64::try_from(end.duration_ms).unwrap_or(i64::MAX)),
            cells::executed_at.eq(now),
            cells::is_dirty.eq(is_dirty),
            cells::output.eq(end.output),
            cells::output_refs.eq(end.refs),
            cells::locked_by.eq(None::<String>),
            cells::locked_at.eq(None::<DateTime<Utc>>),
            cells::lock_token.eq(None::<Uuid>),
            cells::lock_expires_at.eq(None::<DateTime<Utc>>),
            cells::interrupt_requested.eq(false),
            cells::updated_at.eq(now),
        ))
        .returning(CellRow::as_returning())
        .get_result(connection)
        .await?;
    Ok(row)
}

/// Locks the notebook of a run.
pub(super) async fn lock_leased(connection: &mut AsyncPgConnection, lease: &RunLease) -> Result<NotebookRow, DbError> {
    let found = notebooks::table
        .find(lease.notebook.0)
        .select(NotebookRow::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(found.ok_or(StoreError::LeaseLost)?)
}

pub(super) async fn leased(connection: &mut AsyncPgConnection, lease: &RunLease) -> Result<CellRow, DbError> {
    let found = cells::table
        .find(lease.cell.0)
        .filter(cells::lock_token.eq(lease.token))
        .select(CellRow::as_select())
        .first(connection)
        .await
        .optional()?;
    Ok(found.ok_or(StoreError::LeaseLost)?)
}

/// Prolongs the lock of a run, and tells whether somebody asked to interrupt it.
async fn prolong_lock(
    connection: &mut AsyncPgConnection,
    lease: &RunLease,
    prolong: Duration,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let held = cells::table.find(lease.cell.0).filter(cells::lock_token.eq(lease.token));
    let interrupt: Option<bool> = diesel::update(held)
        .set(cells::lock_expires_at.eq(until(now, prolong)))
        .returning(cells::interrupt_requested)
        .get_result(connection)
        .await
        .optional()?;
    Ok(interrupt.ok_or(StoreError::LeaseLost)?)
}

/// What this transaction writes may be lost in a power cut, though not when only the server dies: no wait for the disk.
async fn relax(connection: &mut AsyncPgConnection) -> Result<(), DbError> {
    Ok(connection.batch_execute("set local synchronous_commit = off").await?)
}

pub(super) fn until(now: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
}

fn closing(cell_id: CellId) -> [NotebookEvent; 2] {
    [NotebookEvent::CellExecuted { cell_id }, NotebookEvent::CellUnlocked { cell_id }]
}

/// Events for outputs; pieces of one text stream become one.
fn output_events(cell_id: CellId, outputs: Vec<RichOutput>) -> Vec<NotebookEvent> {
    let mut joined = Vec::with_capacity(outputs.len());
    outputs.into_iter().for_each(|output| push_output(&mut joined, output));
    joined.into_iter().map(|output| NotebookEvent::CellOutput { cell_id, output }).collect()
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}
