//! Cells: reading, writing, moving.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, CellId, NotebookId, ProjectId,
    execution::RichOutput,
    notebooks::{self as domain, CELLS_MAX, Cell, CellType, NotebookEvent},
    ports::StoreError,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    CELL_LOCKED, NOTEBOOK_FULL, Notebooks, events, lock, outputs, owned, rows,
    rows::{CellRow, NotebookRow},
    runs,
};
use crate::{
    database::DbError,
    schema::{cells, notebooks, projects},
};

/// Rows of one insert: 21 values each, and PostgreSQL takes 65,535.
pub(super) const INSERT_ROWS_MAX: usize = 1_000;

/// A cell to be made.
#[derive(Debug, Clone, Default)]
pub struct CellCreate {
    /// Whether it runs.
    pub cell_type: CellType,
    /// A heading.
    pub title: Option<String>,
    /// Its text.
    pub content: String,
    /// Where; at the end when absent.
    pub position: Option<u32>,
    /// Whatever the client keeps with it.
    pub metadata: Map<String, Value>,
    /// Outputs that it brings along.
    pub output: Vec<RichOutput>,
    /// How often it had run.
    pub execution_count: u32,
}

/// Changes to a cell; `None` keeps what is stored.
#[derive(Debug, Clone, Default)]
pub struct CellPatch {
    /// Its text.
    pub content: Option<String>,
    /// A heading, or none.
    pub title: Option<Option<String>>,
}

impl Notebooks {
    /// Lists the cells of one of the caller's notebooks by position.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn list_cells(&self, caller: &Caller, id: NotebookId, now: DateTime<Utc>) -> Result<Vec<Cell>, StoreError> {
        let mut connection = self.database.connection().await?;
        let notebook = owned(caller, id).first(&mut connection).await.map_err(DbError::from)?;
        let mut rows = load(&mut connection, &notebook).await?;
        if rows.iter().any(|row| row.is_lost_run(now)) {
            runs::recover(&mut connection, notebook.notebook_id, now).await?;
            rows = load(&mut connection, &notebook).await?;
        }
        rows.into_iter().map(|row| row.into_cell(now)).collect()
    }

    /// Reads one of the caller's cells.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_cell(&self, caller: &Caller, id: CellId, now: DateTime<Utc>) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = own_cell(&mut connection, caller, id).await?;
        if !row.is_lost_run(now) {
            return row.into_cell(now);
        }
        runs::recover(&mut connection, row.notebook_id, now).await?;
        own_cell(&mut connection, caller, id).await?.into_cell(now)
    }

    /// Reads those of the cells that are in one of the caller's notebooks. For its watchers.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_cells(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        ids: &[CellId],
        now: DateTime<Utc>,
    ) -> Result<Vec<Cell>, StoreError> {
        let mut connection = self.database.connection().await?;
        let notebook = owned(caller, notebook).first(&mut connection).await.map_err(DbError::from)?;
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<CellRow> = cells::table
            .filter(cells::notebook_id.eq(notebook.notebook_id))
            .filter(cells::cell_id.eq_any(ids))
            .select(CellRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(|row| row.into_cell(now)).collect()
    }

    /// Makes a cell. Those from its place on move down by one.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(NOTEBOOK_FULL)`; `Unavailable`, `Defect`.
    pub async fn create_cell(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        project: Option<ProjectId>,
        create: CellCreate,
        now: DateTime<Utc>,
    ) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                in_project(&stored, project)?;
                let position = create.position;
                place(connection, new_row(stored.notebook_id, create, now)?, position, now).await
            })
            .await?;
        row.into_cell(now)
    }

    /// Changes a cell on behalf of a person. Its metadata stay, but for `lastEditedBy`.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_LOCKED)` when another person holds it; `Unavailable`, `Defect`.
    pub async fn update_cell(
        &self,
        caller: &Caller,
        id: CellId,
        project: Option<ProjectId>,
        patch: CellPatch,
        now: DateTime<Utc>,
    ) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let (notebook, cell) = lock_cell(connection, caller, id).await?;
                in_project(&notebook, project)?;
                if cell.lock(now).is_some_and(|lock| lock.owner == domain::LockOwner::User) {
                    return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
                }
                if patch.content.is_none() && patch.title.is_none() {
                    return Ok(cell);
                }
                let changed = patch.content.as_ref().is_some_and(|content| *content != cell.content);
                let is_dirty = cell.is_dirty || (changed && cell.cell_type == CellType::Code.as_str());
                let mut metadata = rows::object(cell.metadata);
                metadata.insert("lastEditedBy".into(), "user".into());
                let row: CellRow = diesel::update(cells::table.find(id.0))
                    .set((
                        cells::content.eq(patch.content.unwrap_or(cell.content)),
                        cells::title.eq(patch.title.unwrap_or(cell.title)),
                        cells::metadata.eq(Value::Object(metadata)),
                        cells::is_dirty.eq(is_dirty),
                        cells::updated_at.eq(now),
                    ))
                    .returning(CellRow::as_returning())
                    .get_result(connection)
                    .await?;
                events::log(connection, row.notebook_id, &[NotebookEvent::CellUpdated { cell_id: id }], now).await?;
                Ok::<CellRow, DbError>(row)
            })
            .await?;
        row.into_cell(now)
    }

    /// Deletes a cell; those behind it move up. Its files go unless a savepoint keeps them.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_LOCKED)`; `Unavailable`, `Defect`.
    pub async fn delete_cell(&self, caller: &Caller, id: CellId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let (notebook, cell) = lock_cell(connection, caller, id).await?;
                remove(connection, &notebook, &cell, now).await
            })
            .await?;
        Ok(())
    }

    /// Puts cells into a new order: those that are named first, the others behind them as they were.
    ///
    /// # Errors
    /// `NotFound` for a notebook or cell that is not there; `Conflict(CELL_LOCKED)`; `Unavailable`, `Defect`.
    pub async fn reorder_cells(
        &self,
        caller: &Caller,
        notebook: NotebookId,
        project: Option<ProjectId>,
        order: &[CellId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, notebook).await?;
                in_project(&stored, project)?;
                put_in_order(connection, &stored, order, now).await
            })
            .await?;
        Ok(())
    }
}

/// Puts cells of a locked notebook first, in this order, unless somebody holds any.
pub(super) async fn put_in_order(
    connection: &mut AsyncPgConnection,
    notebook: &NotebookRow,
    order: &[CellId],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let rows = load(connection, notebook).await?;
    let present: Vec<CellId> = rows.iter().map(|row| CellId(row.cell_id)).collect();
    let order = domain::reordered(&present, order).ok_or(StoreError::NotFound)?;
    if rows.iter().any(|row| row.lock(now).is_some()) {
        return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
    }
    move_to(connection, &order, now).await?;
    let events: Vec<_> = order.iter().map(|cell_id| NotebookEvent::CellUpdated { cell_id: *cell_id }).collect();
    events::log(connection, notebook.notebook_id, &events, now).await?;
    Ok(())
}

/// Stores a new cell of a locked notebook at its place, the end when there is none.
pub(super) async fn place(
    connection: &mut AsyncPgConnection,
    row: CellRow,
    position: Option<u32>,
    now: DateTime<Utc>,
) -> Result<CellRow, DbError> {
    let count: i64 = of(row.notebook_id).count().get_result(connection).await?;
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    if usize::try_from(count).unwrap_or(usize::MAX) >= CELLS_MAX {
        return Err(StoreError::Conflict(NOTEBOOK_FULL.into()).into());
    }
    let position = position.map_or(count, |position| rows::signed(position).min(count));
    if position < count {
        diesel::update(of(row.notebook_id).filter(cells::position.ge(position)))
            .set(cells::position.eq(cells::position + 1))
            .execute(connection)
            .await?;
    }
    let row = CellRow { position, ..row };
    diesel::insert_into(cells::table).values(&row).execute(connection).await?;
    let event = NotebookEvent::CellCreated { cell_id: CellId(row.cell_id) };
    events::log(connection, row.notebook_id, &[event], now).await?;
    Ok(row)
}

/// Deletes a cell of a locked notebook, unless somebody holds it.
pub(super) async fn remove(
    connection: &mut AsyncPgConnection,
    notebook: &NotebookRow,
    cell: &CellRow,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    if cell.lock(now).is_some() {
        return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
    }
    diesel::delete(cells::table.find(cell.cell_id)).execute(connection).await?;
    diesel::update(of(cell.notebook_id).filter(cells::position.gt(cell.position)))
        .set(cells::position.eq(cells::position - 1))
        .execute(connection)
        .await?;
    outputs::sweep(connection, notebook).await?;
    let event = NotebookEvent::CellDeleted { cell_id: CellId(cell.cell_id) };
    events::log(connection, cell.notebook_id, &[event], now).await?;
    Ok(())
}

async fn move_to(connection: &mut AsyncPgConnection, order: &[CellId], now: DateTime<Utc>) -> Result<(), DbError> {
    use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
    let ids: Vec<Uuid> = order.iter().map(|id| id.0).collect();
    diesel::sql_query(
        "update cells set position = place - 1, updated_at = $2
         from unnest($1) with ordinality as wanted (id, place) where cell_id = id and position <> place - 1",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The cells of a notebook.
#[diesel::dsl::auto_type]
pub(super) fn of(notebook: Uuid) -> _ {
    cells::table.filter(cells::notebook_id.eq(notebook))
}

pub(super) async fn load(connection: &mut AsyncPgConnection, notebook: &NotebookRow) -> Result<Vec<CellRow>, DbError> {
    Ok(of(notebook.notebook_id).order(cells::position).select(CellRow::as_select()).load(connection).await?)
}

pub(super) async fn own_cell(connection: &mut AsyncPgConnection, caller: &Caller, id: CellId) -> Result<CellRow, DbError> {
    let row = cells::table
        .inner_join(notebooks::table.inner_join(projects::table))
        .filter(cells::cell_id.eq(id.0))
        .filter(projects::owner_id.eq(caller.user_id.0))
        .select(CellRow::as_select())
        .first(connection)
        .await?;
    Ok(row)
}

/// Locks the notebook of one of the caller's cells, and reads the cell.
pub(super) async fn lock_cell(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    id: CellId,
) -> Result<(NotebookRow, CellRow), DbError> {
    // A cell never moves to another notebook.
    let notebook: Uuid = cells::table.find(id.0).select(cells::notebook_id).first(connection).await?;
    let notebook = lock(connection, caller, NotebookId(notebook)).await?;
    let cell = cells::table.find(id.0).select(CellRow::as_select()).first(connection).await?;
    Ok((notebook, cell))
}

/// A request that names a project must name the notebook's.
pub(super) fn in_project(notebook: &NotebookRow, project: Option<ProjectId>) -> Result<(), StoreError> {
    match project {
        Some(project) if project.0 != notebook.project_id => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// Rows for the first cells of a notebook.
pub(super) fn new_rows(notebook: Uuid, cells: Vec<CellCreate>, now: DateTime<Utc>) -> Result<Vec<CellRow>, StoreError> {
    let rows = (0..).zip(cells).map(|(position, cell)| Ok(CellRow { position, ..new_row(notebook, cell, now)? }));
    rows.collect()
}

pub(super) fn new_row(notebook: Uuid, create: CellCreate, now: DateTime<Utc>) -> Result<CellRow, StoreError> {
    let mut row = CellRow::fresh(CellId::random(), notebook, create.cell_type, create.content, now);
    row.title = create.title;
    row.metadata = Value::Object(create.metadata);
    row.execution_count = rows::signed(create.execution_count);
    row.output = rows::to_json(&create.output)?;
    Ok(row)
}
