//! Cells that a language model writes: held while it writes, so that nobody runs half of one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, CellId, NotebookId,
    notebooks::{CELLS_MAX, Cell, LockOwner, NotebookEvent},
    ports::StoreError,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    CellCreate, NOTEBOOK_FULL, Notebooks, RunLease, cells as cell_rows, events, lock,
    rows::CellRow,
    runs::{leased, lock_leased, until},
};
use crate::{database::DbError, schema::cells};

impl Notebooks {
    /// Makes an empty code cell at the end of one of the caller's notebooks, and holds it for a language model. When its
    /// server dies, it is free after `lease`.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(NOTEBOOK_FULL)`; `Unavailable`, `Defect`.
    pub async fn start_suggestion(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<RunLease, StoreError> {
        let mut connection = self.database.connection().await?;
        let token = Uuid::new_v4();
        let cell = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                let count: i64 = cell_rows::of(stored.notebook_id).count().get_result(connection).await?;
                let position = i32::try_from(count).unwrap_or(i32::MAX);
                if usize::try_from(count).unwrap_or(usize::MAX) >= CELLS_MAX {
                    return Err(StoreError::Conflict(NOTEBOOK_FULL.into()).into());
                }
                let metadata = [("isSuggested", Value::Bool(true)), ("lastEditedBy", "ai".into())];
                let metadata: Map<String, Value> = metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
                let fresh = cell_rows::new_row(stored.notebook_id, CellCreate { metadata, ..CellCreate::default() }, now)?;
                let row = CellRow {
                    position,
                    locked_by: Some(LockOwner::Ai.as_str().to_owned()),
                    locked_at: Some(now),
                    lock_token: Some(token),
                    lock_expires_at: Some(until(now, lease)),
                    ..fresh
                };
                diesel::insert_into(cells::table).values(&row).execute(connection).await?;
                let cell_id = CellId(row.cell_id);
                let logged =
                    [NotebookEvent::CellCreated { cell_id }, NotebookEvent::CellLocked { cell_id, locked_by: LockOwner::Ai }];
                events::log(connection, stored.notebook_id, &logged, now).await?;
                Ok::<CellId, DbError>(cell_id)
            })
            .await?;
        Ok(RunLease { notebook, cell, token })
    }

    /// Writes what the language model wrote, unless a person has written meanwhile, and lets the cell go.
    ///
    /// # Errors
    /// `LeaseLost` when the cell is gone or held by another; `Unavailable`, `Defect`.
    pub async fn finish_suggestion(&self, lease: &RunLease, content: &str, now: DateTime<Utc>) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                lock_leased(connection, lease).await?;
                let cell = leased(connection, lease).await?;
                let content = if cell.content.is_empty() { content } else { &cell.content };
                let row: CellRow = diesel::update(cells::table.find(lease.cell.0))
                    .set((
                        cells::content.eq(content),
                        cells::is_dirty.eq(true),
                        cells::updated_at.eq(now),
                        cells::locked_by.eq(None::<String>),
                        cells::locked_at.eq(None::<DateTime<Utc>>),
                        cells::lock_token.eq(None::<Uuid>),
                        cells::lock_expires_at.eq(None::<DateTime<Utc>>),
                    ))
                    .returning(CellRow::as_returning())
                    .get_result(connection)
                    .await?;
                let cell_id = lease.cell;
                let logged = [NotebookEvent::CellUpdated { cell_id }, NotebookEvent::CellUnlocked { cell_id }];
                events::log(connection, row.notebook_id, &logged, now).await?;
                Ok::<CellRow, DbError>(row)
            })
            .await?;
        row.into_cell(now)
    }
}
