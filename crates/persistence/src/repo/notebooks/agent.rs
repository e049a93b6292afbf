//! What agents do to notebooks: each call once, however often it is repeated, and only in phase notebooks of its project.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, CellId, NotebookId, ProjectId,
    notebooks::{Cell, CellType, LineEditError, LockOwner, Notebook, NotebookEvent, NotebookKind, edit_lines},
    ports::StoreError,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    CELL_CHANGED, CELL_LOCKED, CellCreate, Notebooks, cells as cell_rows, events, lock, next_name, rows,
    rows::{CellRow, NotebookRow},
    runs,
};
use crate::{
    database::DbError,
    repo::ownership::{lock_project, own_project},
    schema::{cell_deletions, cells, notebooks, projects},
};

/// A call of an agent that writes.
#[derive(Debug, Clone, Copy)]
pub struct AgentWrite<'a> {
    /// On whose behalf.
    pub caller: &'a Caller,
    /// The project; what is of another one is not there.
    pub project: ProjectId,
    /// Names the call: what it did before is not done again.
    pub key: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// A cell as an agent writes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentCell {
    /// Its text.
    pub content: String,
    /// Whether it runs; `None` keeps what is stored, and means code for a new cell.
    pub cell_type: Option<CellType>,
    /// A heading; `None` keeps what is stored.
    pub title: Option<String>,
    /// Keys to lay over the metadata.
    pub metadata: Map<String, Value>,
}

/// Lines that an agent replaces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentLines {
    /// The first line, from 1.
    pub first: usize,
    /// The last line, included; behind the end means the end.
    pub last: usize,
    /// What takes their place.
    pub content: String,
    /// Keys to lay over the metadata.
    pub metadata: Map<String, Value>,
}

/// What replacing lines did.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEdit {
    /// The cell afterwards.
    pub cell: Cell,
    /// Its text before.
    pub before: String,
}

impl Notebooks {
    /// The phase notebook that agents use when none is named, if there is one: the oldest.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn find_phase_notebook(&self, caller: &Caller, project: ProjectId) -> Result<Option<Notebook>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let found = oldest_phase(&mut connection, project).await?;
        found.map(Notebook::try_from).transpose()
    }

    /// As [`Self::find_phase_notebook`]; made when there is none.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn ensure_phase_notebook(
        &self,
        caller: &Caller,
        project: ProjectId,
        now: DateTime<Utc>,
    ) -> Result<Notebook, StoreError> {
        if let Some(notebook) = self.find_phase_notebook(caller, project).await? {
            return Ok(notebook);
        }
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                // Locked, so that two calls at once make one.
                lock_project(connection, caller.user_id, project).await?;
                if let Some(row) = oldest_phase(connection, project).await? {
                    return Ok(row);
                }
                let row = NotebookRow {
                    notebook_id: Uuid::new_v4(),
                    project_id: project.0,
                    name: next_name(connection, project, NotebookKind::Phase).await?,
                    kind: NotebookKind::Phase.as_str().to_owned(),
                    metadata: Value::Object(Map::new()),
                    execution_order: 0,
                    event_seq: 0,
                    created_at: now,
                    updated_at: now,
                };
                diesel::insert_into(notebooks::table).values(&row).execute(connection).await?;
                Ok::<NotebookRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Makes a cell of this id, at its place or at the end. One that is there already is returned as it is.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(NOTEBOOK_FULL)`; `Unavailable`, `Defect`.
    pub async fn insert_agent_cell(
        &self,
        write: AgentWrite<'_>,
        notebook: NotebookId,
        id: CellId,
        position: Option<u32>,
        cell: AgentCell,
    ) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored = lock(connection, write.caller, notebook).await?;
                in_phase(&stored, write.project)?;
                let made: Option<CellRow> = cell_rows::of(stored.notebook_id)
                    .filter(cells::cell_id.eq(id.0))
                    .select(CellRow::as_select())
                    .first(connection)
                    .await
                    .optional()?;
                if let Some(made) = made {
                    return Ok(made);
                }
                let create = CellCreate {
                    cell_type: cell.cell_type.unwrap_or_default(),
                    title: cell.title,
                    content: cell.content,
                    metadata: by_agent(Map::new(), cell.metadata),
                    ..CellCreate::default()
                };
                let row = CellRow { cell_id: id.0, ..cell_rows::new_row(stored.notebook_id, create, write.now)? };
                cell_rows::place(connection, row, position, write.now).await
            })
            .await?;
        row.into_cell(write.now)
    }

    /// Replaces the text of a cell, and its heading and type when they are given.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_LOCKED)` while a person holds it; `Unavailable`, `Defect`.
    pub async fn replace_agent_cell(&self, write: AgentWrite<'_>, id: CellId, cell: AgentCell) -> Result<Cell, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let (stored, before) = lock_phase_cell(connection, write, id).await?;
                match before {
                    Some(_) => Ok(stored),
                    None => change(connection, write, stored, cell).await,
                }
            })
            .await?;
        row.into_cell(write.now)
    }

    /// Replaces lines of a cell.
    ///
    /// # Errors
    /// As [`Self::replace_agent_cell`]; in the inner result when there are no such lines.
    pub async fn edit_agent_cell(
        &self,
        write: AgentWrite<'_>,
        id: CellId,
        lines: AgentLines,
    ) -> Result<Result<AgentEdit, LineEditError>, StoreError> {
        let mut connection = self.database.connection().await?;
        let edited = connection
            .transaction(async |connection| {
                let (stored, before) = lock_phase_cell(connection, write, id).await?;
                if let Some(before) = before {
                    return Ok(Ok((stored, before)));
                }
                let content = match edit_lines(&stored.content, lines.first, lines.last, &lines.content) {
                    Ok(edit) => edit.content,
                    Err(refused) => return Ok(Err(refused)),
                };
                let before = stored.content.clone();
                let cell = AgentCell { content, metadata: lines.metadata, ..AgentCell::default() };
                let row = change(connection, write, stored, cell).await?;
                Ok::<Result<(CellRow, String), LineEditError>, DbError>(Ok((row, before)))
            })
            .await?;
        match edited {
            Ok((row, before)) => Ok(Ok(AgentEdit { cell: row.into_cell(write.now)?, before })),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Lays keys over a cell's metadata.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn annotate_agent_cell(
        &self,
        write: AgentWrite<'_>,
        id: CellId,
        metadata: Map<String, Value>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let (notebook, cell) = cell_rows::lock_cell(connection, write.caller, id).await?;
                in_phase(&notebook, write.project)?;
                let mut merged = rows::object(cell.metadata);
                merged.extend(metadata);
                diesel::update(cells::table.find(id.0))
                    .set((cells::metadata.eq(Value::Object(merged)), cells::updated_at.eq(write.now)))
                    .execute(connection)
                    .await?;
                let event = NotebookEvent::CellUpdated { cell_id: id };
                events::log(connection, notebook.notebook_id, &[event], write.now).await?;
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// The cell, when its last run is the one of this call: still running, or ended.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_agent_run(
        &self,
        caller: &Caller,
        id: CellId,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Cell>, StoreError> {
        let mut connection = self.database.connection().await?;
        let Some(row) = run_of(&mut connection, caller, id, key).await? else { return Ok(None) };
        if !row.is_lost_run(now) {
            return row.into_cell(now).map(Some);
        }
        runs::recover(&mut connection, row.notebook_id, now).await?;
        let ended = run_of(&mut connection, caller, id, key).await?;
        ended.map(|row| row.into_cell(now)).transpose()
    }

    /// Puts cells into a new order, as [`Self::reorder_cells`]. When this call has done so before, they stay as they are now.
    ///
    /// # Errors
    /// As [`Self::reorder_cells`].
    pub async fn reorder_agent_cells(
        &self,
        write: AgentWrite<'_>,
        notebook: NotebookId,
        order: &[CellId],
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let stored = lock(connection, write.caller, notebook).await?;
                in_phase(&stored, write.project)?;
                let key: Option<String> =
                    notebooks::table.find(stored.notebook_id).select(notebooks::order_key).first(connection).await?;
                if key.as_deref() == Some(write.key) {
                    return Ok(());
                }
                cell_rows::put_in_order(connection, &stored, order, write.now).await?;
                diesel::update(notebooks::table.find(stored.notebook_id))
                    .set(notebooks::order_key.eq(write.key))
                    .execute(connection)
                    .await?;
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Deletes a cell, if `is_as_seen` says so of its text. When this call has done so before, nothing more is deleted.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(CELL_CHANGED)` when it is not as seen; `Conflict(CELL_LOCKED)` while somebody holds it;
    /// `Unavailable`, `Defect`.
    pub async fn delete_agent_cell(
        &self,
        write: AgentWrite<'_>,
        id: CellId,
        is_as_seen: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                own_project(connection, write.caller.user_id, write.project).await?;
                let claimed = diesel::insert_into(cell_deletions::table)
                    .values((
                        cell_deletions::project_id.eq(write.project.0),
                        cell_deletions::call_key.eq(write.key),
                        cell_deletions::cell_id.eq(id.0),
                        cell_deletions::created_at.eq(write.now),
                    ))
                    .on_conflict_do_nothing()
                    .execute(connection)
                    .await?;
                if claimed == 0 {
                    return Ok(());
                }
                let (notebook, cell) = cell_rows::lock_cell(connection, write.caller, id).await?;
                in_phase(&notebook, write.project)?;
                if !is_as_seen(&cell.content) {
                    return Err(DbError::from(StoreError::Conflict(CELL_CHANGED.to_owned())));
                }
                cell_rows::remove(connection, &notebook, &cell, write.now).await
            })
            .await?;
        Ok(())
    }
}

/// The cell, when its last run is the one of this call. Both come from one statement: otherwise the cell as it was before a run
/// could be taken for what the run gave.
async fn run_of(connection: &mut AsyncPgConnection, caller: &Caller, id: CellId, key: &str) -> Result<Option<CellRow>, DbError> {
    let (row, run): (CellRow, Option<String>) = cells::table
        .inner_join(notebooks::table.inner_join(projects::table))
        .filter(cells::cell_id.eq(id.0))
        .filter(projects::owner_id.eq(caller.user_id.0))
        .select((CellRow::as_select(), cells::run_key))
        .first(connection)
        .await?;
    Ok((run.as_deref() == Some(key)).then_some(row))
}

async fn oldest_phase(connection: &mut AsyncPgConnection, project: ProjectId) -> Result<Option<NotebookRow>, DbError> {
    let row = notebooks::table
        .filter(notebooks::project_id.eq(project.0))
        .filter(notebooks::kind.eq(NotebookKind::Phase.as_str()))
        .order((notebooks::created_at, notebooks::notebook_id))
        .select(NotebookRow::as_select())
        .first(connection)
        .await
        .optional()?;
    Ok(row)
}

/// Agents see nothing of other projects, and nothing of people's scratch pads.
fn in_phase(notebook: &NotebookRow, project: ProjectId) -> Result<(), StoreError> {
    cell_rows::in_project(notebook, Some(project))?;
    if notebook.kind == NotebookKind::Phase.as_str() { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Locks a cell for a change. With its text before when this call changed it already.
async fn lock_phase_cell(
    connection: &mut AsyncPgConnection,
    write: AgentWrite<'_>,
    id: CellId,
) -> Result<(CellRow, Option<String>), DbError> {
    let (notebook, cell) = cell_rows::lock_cell(connection, write.caller, id).await?;
    in_phase(&notebook, write.project)?;
    let (key, before): (Option<String>, Option<String>) =
        cells::table.find(id.0).select((cells::edit_key, cells::edit_before)).first(connection).await?;
    if key.as_deref() == Some(write.key) {
        return Ok((cell, Some(before.unwrap_or_default())));
    }
    if cell.lock(write.now).is_some_and(|lock| lock.owner == LockOwner::User) {
        return Err(StoreError::Conflict(CELL_LOCKED.into()).into());
    }
    Ok((cell, None))
}

/// Writes a change of a locked cell.
async fn change(
    connection: &mut AsyncPgConnection,
    write: AgentWrite<'_>,
    stored: CellRow,
    cell: AgentCell,
) -> Result<CellRow, DbError> {
    let cell_type = cell.cell_type.map_or(stored.cell_type, |cell_type| cell_type.as_str().to_owned());
    let changed = cell.content != stored.content && cell_type == CellType::Code.as_str();
    let row: CellRow = diesel::update(cells::table.find(stored.cell_id))
        .set((
            cells::content.eq(cell.content),
            cells::title.eq(cell.title.or(stored.title)),
            cells::cell_type.eq(cell_type),
            cells::metadata.eq(Value::Object(by_agent(rows::object(stored.metadata), cell.metadata))),
            cells::is_dirty.eq(stored.is_dirty || changed),
            cells::updated_at.eq(write.now),
            cells::edit_key.eq(write.key),
            cells::edit_before.eq(stored.content),
        ))
        .returning(CellRow::as_returning())
        .get_result(connection)
        .await?;
    let event = NotebookEvent::CellUpdated { cell_id: CellId(row.cell_id) };
    events::log(connection, row.notebook_id, &[event], write.now).await?;
    Ok(row)
}

fn by_agent(mut metadata: Map<String, Value>, more: Map<String, Value>) -> Map<String, Value> {
    metadata.extend(more);
    metadata.insert("lastEditedBy".into(), "ai".into());
    metadata
}
