//! Savepoints: making them, going back to them, telling what changed since.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, CellId, NotebookId, SavepointId,
    notebooks::{Cell, CellSnapshot, NotebookEvent, SAVEPOINTS_MAX, Savepoint, SavepointDiff},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    CELL_LOCKED, Notebooks,
    cells::{self as cell_rows, INSERT_ROWS_MAX},
    events, lock, outputs, owned, rows,
    rows::{CellRow, NotebookRow, SavepointRow},
};
use crate::{
    database::DbError,
    schema::{cells, savepoints},
};

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Cells that were there and are as they were.
    pub restored: Vec<CellId>,
    /// Cells that were made since and are gone.
    pub deleted: Vec<CellId>,
    /// Cells that were gone and are back.
    pub created: Vec<CellId>,
}

impl Notebooks {
    /// Stores the state of one of the caller's notebooks. Beyond the limit the one of the lowest turn goes.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn create_savepoint(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        turn_index: u32,
        turn_message_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Savepoint, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                let cells = cell_rows::load(connection, &stored).await?;
                let cells: Result<Vec<CellSnapshot>, StoreError> =
                    cells.into_iter().map(|row| row.into_cell(now).map(CellSnapshot::from)).collect();
                let row: SavepointRow = diesel::insert_into(savepoints::table)
                    .values((
                        savepoints::savepoint_id.eq(Uuid::new_v4()),
                        savepoints::notebook_id.eq(stored.notebook_id),
                        savepoints::turn_index.eq(rows::signed(turn_index)),
                        savepoints::turn_message_id.eq(turn_message_id),
                        savepoints::cells_snapshot.eq(rows::to_json(&cells?)?),
                        savepoints::created_at.eq(now),
                    ))
                    .returning(SavepointRow::as_returning())
                    .get_result(connection)
                    .await?;
                evict(connection, &stored).await?;
                Ok::<SavepointRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Lists the savepoints of one of the caller's notebooks by turn.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn list_savepoints(&self, caller: &Caller, notebook: NotebookId) -> Result<Vec<Savepoint>, StoreError> {
        let mut connection = self.database.connection().await?;
        let stored = owned(caller, notebook).first(&mut connection).await.map_err(DbError::from)?;
        let rows: Vec<SavepointRow> = savepoints::table
            .filter(savepoints::notebook_id.eq(stored.notebook_id))
            .order((savepoints::turn_index, savepoints::created_at))
            .select(SavepointRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(Savepoint::from).collect())
    }

    /// Brings a notebook back to a savepoint, with outputs and metadata.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_LOCKED)` while a cell runs or is held; `Unavailable`, `Defect`.
    pub async fn restore_savepoint(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        savepoint: SavepointId,
        now: DateTime<Utc>,
    ) -> Result<Restored, StoreError> {
        let mut connection = self.database.connection().await?;
        let restored = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                let snapshot = snapshot_of(connection, &stored, savepoint).await?;
                let present = cell_rows::load(connection, &stored).await?;
                if present.iter().any(|row| row.lock(now).is_some()) {
                    return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
                }
                let restored = compare(&present, &snapshot);
                diesel::delete(cell_rows::of(stored.notebook_id)).execute(connection).await?;
                let rows = (0..).zip(snapshot).map(|(at, cell)| CellRow::restored(cell, stored.notebook_id, at, now));
                let rows = rows.collect::<Result<Vec<CellRow>, StoreError>>()?;
                for chunk in rows.chunks(INSERT_ROWS_MAX) {
                    diesel::insert_into(cells::table).values(chunk).execute(connection).await?;
                }
                outputs::sweep(connection, &stored).await?;
                events::log(connection, stored.notebook_id, &[NotebookEvent::CellsReset], now).await?;
                Ok::<Restored, DbError>(restored)
            })
            .await?;
        Ok(restored)
    }

    /// Tells what changed since a savepoint.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn diff_savepoint(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        savepoint: SavepointId,
        now: DateTime<Utc>,
    ) -> Result<SavepointDiff, StoreError> {
        let mut connection = self.database.connection().await?;
        let stored = owned(caller, notebook).first(&mut connection).await.map_err(DbError::from)?;
        let snapshot = snapshot_of(&mut connection, &stored, savepoint).await?;
        let present = cell_rows::load(&mut connection, &stored).await?;
        let present = present.into_iter().map(|row| row.into_cell(now)).collect::<Result<Vec<Cell>, StoreError>>()?;
        Ok(SavepointDiff::between(&snapshot, &present))
    }

    /// Deletes the savepoints of later turns.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete_savepoints(&self, caller: &Caller, notebook: NotebookId, after_turn: u32) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                let later = savepoints::table
                    .filter(savepoints::notebook_id.eq(stored.notebook_id))
                    .filter(savepoints::turn_index.gt(rows::signed(after_turn)));
                diesel::delete(later).execute(connection).await?;
                outputs::sweep(connection, &stored).await?;
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }
}

async fn snapshot_of(
    connection: &mut AsyncPgConnection,
    notebook: &NotebookRow,
    savepoint: SavepointId,
) -> Result<Vec<CellSnapshot>, DbError> {
    let snapshot: Option<Value> = savepoints::table
        .find(savepoint.0)
        .filter(savepoints::notebook_id.eq(notebook.notebook_id))
        .select(savepoints::cells_snapshot)
        .first(connection)
        .await
        .optional()?;
    let snapshot = snapshot.ok_or_else(|| StoreError::Conflict(SAVEPOINT_MISSING.into()))?;
    let mut cells: Vec<CellSnapshot> = rows::from_json(snapshot)?;
    cells.sort_by_key(|cell| cell.position);
    Ok(cells)
}

/// Conflict: the notebook is there, the savepoint is not.
pub const SAVEPOINT_MISSING: &str = "savepoint_missing";

fn compare(present: &[CellRow], snapshot: &[CellSnapshot]) -> Restored {
    let now: std::collections::HashSet<CellId> = present.iter().map(|row| CellId(row.cell_id)).collect();
    let then: std::collections::HashSet<CellId> = snapshot.iter().map(|cell| cell.cell_id).collect();
    let ids = || snapshot.iter().map(|cell| cell.cell_id);
    Restored {
        restored: ids().filter(|id| now.contains(id)).collect(),
        created: ids().filter(|id| !now.contains(id)).collect(),
        deleted: present.iter().map(|row| CellId(row.cell_id)).filter(|id| !then.contains(id)).collect(),
    }
}

/// Removes what is over the limit, the lowest turns first.
async fn evict(connection: &mut AsyncPgConnection, notebook: &NotebookRow) -> Result<(), DbError> {
    let over: Vec<Uuid> = savepoints::table
        .filter(savepoints::notebook_id.eq(notebook.notebook_id))
        .order((savepoints::turn_index.desc(), savepoints::created_at.desc()))
        .offset(i64::try_from(SAVEPOINTS_MAX).unwrap_or(i64::MAX))
        .select(savepoints::savepoint_id)
        .load(connection)
        .await?;
    if over.is_empty() {
        return Ok(());
    }
    diesel::delete(savepoints::table.filter(savepoints::savepoint_id.eq_any(over))).execute(connection).await?;
    outputs::sweep(connection, notebook).await
}
