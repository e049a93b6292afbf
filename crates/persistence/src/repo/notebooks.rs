//! Notebooks with their cells, savepoints, runs and logs.
//!
//! Every change locks the notebook's row first. So positions, locks and the numbers of log entries need no other
//! care, and the log's order is the order of the commits.

mod agent;
mod cells;
mod events;
mod outputs;
mod recovery;
mod rows;
mod runs;
mod savepoints;
mod suggestions;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, NotebookId, ProjectId,
    notebooks::{Notebook, NotebookKind},
    ports::StoreError,
};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use agent::{AgentCell, AgentEdit, AgentLines, AgentWrite};
pub use cells::{CellCreate, CellPatch};
pub use events::EventStretch;
pub use outputs::StoredOutput;
pub use recovery::{Recovered, RecoveryCandidate};
pub use runs::{FinishedRun, RunLease, RunStart, RunTerms, SERVER_STOPPED};
pub use savepoints::{Restored, SAVEPOINT_MISSING};

use self::rows::NotebookRow;
use super::{
    file_deletions,
    ownership::{lock_project, own_project},
};
use crate::{
    Database,
    database::DbError,
    files,
    schema::{cells as cells_table, notebooks, projects},
};

/// Conflict: somebody holds the cell.
pub const CELL_LOCKED: &str = "cell_locked";
/// Conflict: the cell has another text than was approved of.
pub const CELL_CHANGED: &str = "cell_changed";
/// Conflict: text does not run.
pub const CELL_IS_TEXT: &str = "cell_is_text";
/// Conflict: a project keeps one phase notebook.
pub const LAST_NOTEBOOK: &str = "last_notebook";
/// Conflict: the notebook has as many cells as it may.
pub const NOTEBOOK_FULL: &str = "notebook_full";

/// The notebooks of a caller.
#[derive(Debug, Clone)]
pub struct Notebooks {
    database: Database,
}

/// A notebook to be made.
#[derive(Debug, Clone, Default)]
pub struct NotebookCreate {
    /// Display name; by its number when absent.
    pub name: Option<String>,
    /// What it is for.
    pub kind: NotebookKind,
    /// Whatever the client keeps with it.
    pub metadata: Map<String, Value>,
    /// Its first cells, in order.
    pub cells: Vec<CellCreate>,
}

/// Changes to a notebook; `None` keeps what is stored.
#[derive(Debug, Clone, Default)]
pub struct NotebookPatch {
    /// Display name.
    pub name: Option<String>,
    /// Keys that are laid over the stored metadata.
    pub metadata: Option<Map<String, Value>>,
}

impl Notebooks {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the notebooks of one of the caller's projects, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(
        &self,
        caller: &Caller,
        project: ProjectId,
        kind: Option<NotebookKind>,
    ) -> Result<Vec<Notebook>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let mut query = notebooks::table
            .filter(notebooks::project_id.eq(project.0))
            .order((notebooks::created_at, notebooks::notebook_id))
            .select(NotebookRow::as_select())
            .into_boxed();
        if let Some(kind) = kind {
            query = query.filter(notebooks::kind.eq(kind.as_str()));
        }
        let rows: Vec<NotebookRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(Notebook::try_from).collect()
    }

    /// Makes a notebook.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        project: ProjectId,
        create: NotebookCreate,
        now: DateTime<Utc>,
    ) -> Result<Notebook, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                // Locked, so that two notebooks that are made at once get two names.
                lock_project(connection, caller.user_id, project).await?;
                let name = match create.name {
                    Some(name) => name,
                    None => next_name(connection, project, create.kind).await?,
                };
                let row = NotebookRow {
                    notebook_id: Uuid::new_v4(),
                    project_id: project.0,
                    name,
                    kind: create.kind.as_str().to_owned(),
                    metadata: Value::Object(create.metadata),
                    execution_order: 0,
                    event_seq: 0,
                    created_at: now,
                    updated_at: now,
                };
                diesel::insert_into(notebooks::table).values(&row).execute(connection).await?;
                let rows = cells::new_rows(row.notebook_id, create.cells, now)?;
                for chunk in rows.chunks(cells::INSERT_ROWS_MAX) {
                    diesel::insert_into(cells_table::table).values(chunk).execute(connection).await?;
                }
                Ok::<NotebookRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Reads one of the caller's notebooks.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: NotebookId) -> Result<Notebook, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: NotebookRow = owned(caller, id).first(&mut connection).await.map_err(DbError::from)?;
        row.try_into()
    }

    /// Changes one of the caller's notebooks.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn update(
        &self,
        caller: &Caller,
        id: NotebookId,
        patch: NotebookPatch,
        now: DateTime<Utc>,
    ) -> Result<Notebook, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, id).await?;
                if patch.name.is_none() && patch.metadata.is_none() {
                    return Ok(stored);
                }
                let mut metadata = rows::object(stored.metadata);
                metadata.extend(patch.metadata.unwrap_or_default());
                let row = diesel::update(notebooks::table.find(id.0))
                    .set((
                        notebooks::name.eq(patch.name.unwrap_or(stored.name)),
                        notebooks::metadata.eq(Value::Object(metadata)),
                        notebooks::updated_at.eq(now),
                    ))
                    .returning(NotebookRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<NotebookRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Deletes one of the caller's notebooks with its cells, savepoints and files. Returns the oldest one of its kind
    /// that is left.
    ///
    /// # Errors
    /// `NotFound`; `Conflict(LAST_NOTEBOOK)` for the last phase notebook; `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, project: ProjectId, id: NotebookId) -> Result<Option<NotebookId>, StoreError> {
        let mut connection = self.database.connection().await?;
        let fallback = connection
            .transaction(async |connection| {
                // Locked, so that two deletions at once do not both find the other notebook.
                lock_project(connection, caller.user_id, project).await?;
                let row = lock(connection, caller, id).await?;
                if row.project_id != project.0 {
                    return Err(StoreError::NotFound.into());
                }
                let fallback: Option<Uuid> = notebooks::table
                    .filter(notebooks::project_id.eq(project.0))
                    .filter(notebooks::kind.eq(&row.kind))
                    .filter(notebooks::notebook_id.ne(id.0))
                    .order((notebooks::created_at, notebooks::notebook_id))
                    .select(notebooks::notebook_id)
                    .first(connection)
                    .await
                    .optional()?;
                if fallback.is_none() && row.kind == NotebookKind::Phase.as_str() {
                    return Err(StoreError::Conflict(LAST_NOTEBOOK.into()).into());
                }
                diesel::delete(notebooks::table.find(id.0)).execute(connection).await?;
                file_deletions::queue(connection, files::notebook_prefix(project, id)).await?;
                Ok::<_, DbError>(fallback)
            })
            .await?;
        Ok(fallback.map(NotebookId))
    }
}

/// The notebook, if it is the caller's.
#[diesel::dsl::auto_type]
fn owned<'a>(caller: &'a Caller, id: NotebookId) -> _ {
    let notebook: Uuid = id.0;
    let owner: Uuid = caller.user_id.0;
    let own = projects::table.filter(projects::owner_id.eq(owner)).select(projects::project_id);
    let selection: diesel::dsl::AsSelect<NotebookRow, diesel::pg::Pg> = NotebookRow::as_select();
    notebooks::table.filter(notebooks::notebook_id.eq(notebook)).filter(notebooks::project_id.eq_any(own)).select(selection)
}

/// Locks the notebook, if it is the caller's, for a change of anything in it.
async fn lock(connection: &mut AsyncPgConnection, caller: &Caller, id: NotebookId) -> Result<NotebookRow, DbError> {
    Ok(owned(caller, id).for_update().first(connection).await?)
}

async fn next_name(connection: &mut AsyncPgConnection, project: ProjectId, kind: NotebookKind) -> Result<String, DbError> {
    let count: i64 = notebooks::table
        .filter(notebooks::project_id.eq(project.0))
        .filter(notebooks::kind.eq(kind.as_str()))
        .count()
        .get_result(connection)
        .await?;
    let stem = match kind {
        NotebookKind::Phase => "Notebook",
        NotebookKind::Standalone => "Untitled",
    };
    Ok(format!("{stem} {}", count + 1))
}
