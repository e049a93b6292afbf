//! Kernel sessions outside of notebooks.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, ExecutionSessionId, ProjectId,
    execution::{ExecutionSession, PythonVersion},
    ports::StoreError,
};
use uuid::Uuid;

use crate::{
    Database,
    database::DbError,
    schema::{execution_sessions as sessions, projects},
};

/// The execution sessions of a caller.
#[derive(Debug, Clone)]
pub struct ExecutionSessions {
    database: Database,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct SessionRow {
    session_id: Uuid,
    project_id: Uuid,
    python_version: String,
    is_implicit: bool,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
}

impl From<SessionRow> for ExecutionSession {
    fn from(row: SessionRow) -> Self {
        Self {
            id: ExecutionSessionId(row.session_id),
            project_id: ProjectId(row.project_id),
            // A version that this server no longer knows runs on today's default.
            python_version: PythonVersion::from_name(&row.python_version).unwrap_or_default(),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

impl ExecutionSessions {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a session in one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        project: ProjectId,
        python: PythonVersion,
        now: DateTime<Utc>,
    ) -> Result<ExecutionSession, StoreError> {
        self.make(caller, project, python, false, now).await
    }

    /// Finds the session for runs that name none, or makes it.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn implicit(
        &self,
        caller: &Caller,
        project: ProjectId,
        python: PythonVersion,
        now: DateTime<Utc>,
    ) -> Result<ExecutionSession, StoreError> {
        self.make(caller, project, python, true, now).await
    }

    async fn make(
        &self,
        caller: &Caller,
        project: ProjectId,
        python: PythonVersion,
        is_implicit: bool,
        now: DateTime<Utc>,
    ) -> Result<ExecutionSession, StoreError> {
        let row = SessionRow {
            session_id: Uuid::new_v4(),
            project_id: project.0,
            python_version: python.as_str().to_owned(),
            is_implicit,
            created_at: now,
            last_used_at: now,
        };
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let _: Uuid = projects::table
                    .find(project.0)
                    .filter(projects::owner_id.eq(caller.user_id.0))
                    .select(projects::project_id)
                    .first(connection)
                    .await?;
                diesel::insert_into(sessions::table).values(&row).on_conflict_do_nothing().execute(connection).await?;
                if !is_implicit {
                    return Ok(row);
                }
                let row = sessions::table
                    .filter(sessions::project_id.eq(project.0))
                    .filter(sessions::python_version.eq(python.as_str()))
                    .filter(sessions::is_implicit)
                    .select(SessionRow::as_select())
                    .first(connection)
                    .await?;
                Ok::<SessionRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Reads one of the caller's sessions, and notes that it is used.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn use_session(
        &self,
        caller: &Caller,
        id: ExecutionSessionId,
        now: DateTime<Utc>,
    ) -> Result<ExecutionSession, StoreError> {
        let mut connection = self.database.connection().await?;
        let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
        let target = sessions::table.find(id.0).filter(sessions::project_id.eq_any(own));
        let row: SessionRow = diesel::update(target)
            .set(sessions::last_used_at.eq(now))
            .returning(SessionRow::as_returning())
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(row.into())
    }

    /// Reads one of the caller's sessions.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: ExecutionSessionId) -> Result<ExecutionSession, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: SessionRow = sessions::table
            .inner_join(projects::table)
            .filter(sessions::session_id.eq(id.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .select(SessionRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(row.into())
    }

    /// Tells whether there is such a session, whosever it is: the contract answers for unknown ones as for ended ones.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn exists(&self, id: ExecutionSessionId) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let found: Option<Uuid> = sessions::table
            .find(id.0)
            .select(sessions::session_id)
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        Ok(found.is_some())
    }

    /// Deletes one of the caller's sessions and returns it.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: ExecutionSessionId) -> Result<ExecutionSession, StoreError> {
        let mut connection = self.database.connection().await?;
        let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
        let target = sessions::table.find(id.0).filter(sessions::project_id.eq_any(own));
        let row: SessionRow = diesel::delete(target)
            .returning(SessionRow::as_returning())
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(row.into())
    }

    /// Deletes the sessions that nobody used since `horizon`, at most a hundred, and returns them. No caller asked.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn prune(&self, horizon: DateTime<Utc>) -> Result<Vec<ExecutionSession>, StoreError> {
        let mut connection = self.database.connection().await?;
        let old: Vec<Uuid> = sessions::table
            .filter(sessions::last_used_at.lt(horizon))
            .order(sessions::last_used_at)
            .limit(100)
            .select(sessions::session_id)
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        // One that was used meanwhile stays.
        let target = sessions::table.filter(sessions::session_id.eq_any(old)).filter(sessions::last_used_at.lt(horizon));
        let rows: Vec<SessionRow> = diesel::delete(target)
            .returning(SessionRow::as_returning())
            .get_results(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(ExecutionSession::from).collect())
    }
}
