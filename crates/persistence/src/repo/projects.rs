//! Projects. The pattern for every other repository: caller first, one transaction, domain types out.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, ProjectId, UserId,
    ports::StoreError,
    projects::{Project, ProjectMetadata},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    admin::announce,
    file_deletions,
    idempotency::{self, Idempotency},
    jobs,
};
use crate::{Database, database::DbError, files, notifications::Channel, schema::projects};

/// The projects of a caller.
#[derive(Debug, Clone)]
pub struct Projects {
    database: Database,
}

/// A project to be made. Field rules are the wire type's; metadata is normalised here.
#[derive(Debug, Clone)]
pub struct ProjectCreate {
    /// Display name, not empty.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Icon name.
    pub icon: String,
    /// Colour name.
    pub color: String,
    /// Metadata as sent, already checked.
    pub metadata: Map<String, Value>,
}

/// Changes to a project; `None` keeps what is stored.
#[derive(Debug, Clone, Default)]
pub struct ProjectPatch {
    /// Display name, not empty.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Icon name.
    pub icon: Option<String>,
    /// Colour name.
    pub color: Option<String>,
    /// Keys that are laid over the stored metadata.
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = projects, check_for_backend(diesel::pg::Pg))]
struct ProjectRow {
    project_id: Uuid,
    owner_id: Uuid,
    name: String,
    description: Option<String>,
    icon: String,
    color: String,
    metadata: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        let metadata = match row.metadata {
            Value::Object(map) => ProjectMetadata::normalized(map),
            _ => ProjectMetadata::default(),
        };
        Self {
            id: ProjectId(row.project_id),
            owner_id: UserId(row.owner_id),
            name: row.name,
            description: row.description,
            icon: row.icon,
            color: row.color,
            metadata,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Projects {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the caller's projects, oldest first.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Project>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<ProjectRow> = projects::table
            .filter(projects::owner_id.eq(caller.user_id.0))
            .order((projects::created_at, projects::project_id))
            .select(ProjectRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(Project::from).collect())
    }

    /// Makes a project, or finds the one that the same idempotency key made before.
    ///
    /// # Errors
    /// `Conflict` when the key was used with another request; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        create: ProjectCreate,
        idempotency: Option<&Idempotency>,
        now: DateTime<Utc>,
    ) -> Result<Project, StoreError> {
        let row = ProjectRow {
            project_id: Uuid::new_v4(),
            owner_id: caller.user_id.0,
            name: create.name,
            description: create.description,
            icon: create.icon,
            color: create.color,
            metadata: Value::Object(ProjectMetadata::normalized(create.metadata).into_map()),
            created_at: now,
            updated_at: now,
        };
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                if let Some(idempotency) = idempotency
                    && let Some(earlier) = idempotency::claim(connection, caller.user_id, idempotency, row.project_id).await?
                {
                    return Ok(owned(caller, ProjectId(earlier)).first(connection).await?);
                }
                let row = diesel::insert_into(projects::table)
                    .values(&row)
                    .returning(ProjectRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<ProjectRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Reads one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: ProjectId) -> Result<Project, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: ProjectRow = owned(caller, id).first(&mut connection).await.map_err(DbError::from)?;
        Ok(row.into())
    }

    /// Changes one of the caller's projects. Two changes at once are applied one after the other: neither is lost.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn update(
        &self,
        caller: &Caller,
        id: ProjectId,
        patch: ProjectPatch,
        now: DateTime<Utc>,
    ) -> Result<Project, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored: ProjectRow = owned(caller, id).for_update().first(connection).await?;
                let mut project = Project::from(stored);
                if let Some(changes) = patch.metadata {
                    project.metadata = project.metadata.merged(changes);
                }
                let row = diesel::update(projects::table.find(id.0))
                    .set((
                        projects::name.eq(patch.name.unwrap_or(project.name)),
                        projects::description.eq(patch.description.or(project.description)),
                        projects::icon.eq(patch.icon.unwrap_or(project.icon)),
                        projects::color.eq(patch.color.unwrap_or(project.color)),
                        projects::metadata.eq(Value::Object(project.metadata.into_map())),
                        projects::updated_at.eq(now),
                    ))
                    .returning(ProjectRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<ProjectRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Which of these projects are not there any more, whoever owned them: for a server that keeps something for each.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn gone(&self, ids: &[ProjectId]) -> Result<Vec<ProjectId>, StoreError> {
        let mut connection = self.database.connection().await?;
        let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let there: Vec<Uuid> = projects::table
            .filter(projects::project_id.eq_any(&wanted))
            .select(projects::project_id)
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(ids.iter().copied().filter(|id| !there.contains(&id.0)).collect())
    }

    /// Deletes one of the caller's projects with everything in it. Its files are queued for removal in the same
    /// transaction, so that none survives a crash; every server is told.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: ProjectId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                // In the order that is stated with the workflows: what goes along with the project goes in any order.
                let _: ProjectRow = owned(caller, id).for_update().first(connection).await?;
                jobs::lock_unfinished(connection, id).await?;
                tell_workers(connection, id).await?;
                diesel::delete(projects::table.find(id.0)).execute(connection).await?;
                file_deletions::queue(connection, files::project_prefix(id)).await?;
                announce(connection, Channel::ProjectDeleted, &id.to_string()).await
            })
            .await?;
        Ok(())
    }
}

/// Wakes whoever works on jobs of a project that is about to go, or waits for them: they find their jobs gone, and stop.
async fn tell_workers(connection: &mut AsyncPgConnection, id: ProjectId) -> Result<(), DbError> {
    diesel::sql_query("select pg_notify($1, job_id::text) from jobs where project_id = $2 and finished_at is null")
        .bind::<diesel::sql_types::Text, _>(Channel::JobChanged.as_str())
        .bind::<diesel::sql_types::Uuid, _>(id.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The project, if it is the caller's: the only way in which this crate reads one.
#[diesel::dsl::auto_type]
fn owned<'a>(caller: &'a Caller, id: ProjectId) -> _ {
    let project: Uuid = id.0;
    let owner: Uuid = caller.user_id.0;
    let selection: diesel::dsl::AsSelect<ProjectRow, diesel::pg::Pg> = ProjectRow::as_select();
    projects::table.filter(projects::project_id.eq(project)).filter(projects::owner_id.eq(owner)).select(selection)
}
