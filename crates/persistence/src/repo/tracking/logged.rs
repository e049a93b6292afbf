//! Models that programs log: a name, files, and the run that made them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, LoggedModelId, ProjectId, RunId,
    ports::StoreError,
    tracking::{LoggedModel, LoggedModelStatus},
};
use serde_json::Value;
use uuid::Uuid;

use super::{PARAM_CHANGED, Tracking, object, registry::tags, texts};
use crate::{
    database::DbError,
    files,
    repo::{
        file_deletions,
        ownership::{hold_project, own_project},
        quota,
    },
    schema::{logged_model_artifacts as files_of, logged_models as models, projects},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = models, check_for_backend(diesel::pg::Pg))]
struct ModelRow {
    logged_model_id: Uuid,
    project_id: Uuid,
    name: String,
    model_type: Option<String>,
    source_run_id: Option<Uuid>,
    status: String,
    params: Value,
    tags: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ModelRow> for LoggedModel {
    type Error = StoreError;

    fn try_from(row: ModelRow) -> Result<Self, StoreError> {
        let status = LoggedModelStatus::from_name(&row.status);
        Ok(Self {
            id: LoggedModelId(row.logged_model_id),
            project_id: ProjectId(row.project_id),
            name: row.name,
            model_type: row.model_type,
            source_run: row.source_run_id.map(RunId),
            status: status.ok_or_else(|| StoreError::Defect("unknown status of a logged model".into()))?,
            params: tags(row.params),
            tags: tags(row.tags),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// What changes of a logged model.
#[derive(Debug, Clone)]
pub enum LoggedModelChange {
    /// Its status.
    Status(LoggedModelStatus),
    /// Tags that it gets.
    SetTags(Vec<(String, String)>),
    /// A tag that it loses.
    RemoveTag(String),
    /// Parameters that it gets; one that is there already must not change.
    AddParams(Vec<(String, String)>),
}

impl Tracking {
    /// Stores a model that is logged to one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn create_logged_model(&self, caller: &Caller, model: LoggedModel) -> Result<LoggedModel, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, model.project_id).await?;
        let row = ModelRow {
            logged_model_id: model.id.0,
            project_id: model.project_id.0,
            name: model.name.clone(),
            model_type: model.model_type.clone(),
            source_run_id: model.source_run.map(|run| run.0),
            status: model.status.as_str().to_owned(),
            params: texts(&model.params),
            tags: texts(&model.tags),
            created_at: model.created_at,
            updated_at: model.updated_at,
        };
        diesel::insert_into(models::table).values(&row).execute(&mut connection).await.map_err(DbError::from)?;
        Ok(model)
    }

    /// Reads one of the caller's logged models.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_logged_model(&self, caller: &Caller, id: LoggedModelId) -> Result<LoggedModel, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = lock(&mut connection, caller, id, false).await?;
        row.try_into()
    }

    /// The logged models of these projects, as far as they are the caller's, newest first.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn logged_models(&self, caller: &Caller, of: &[ProjectId]) -> Result<Vec<LoggedModel>, StoreError> {
        let mut connection = self.database.connection().await?;
        let of: Vec<Uuid> = of.iter().map(|project| project.0).collect();
        let rows: Vec<ModelRow> = models::table
            .inner_join(projects::table)
            .filter(projects::owner_id.eq(caller.user_id.0))
            .filter(models::project_id.eq_any(of))
            .order((models::created_at.desc(), models::logged_model_id))
            .select(ModelRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(LoggedModel::try_from).collect()
    }

    /// Changes one of the caller's logged models, and returns what it is then.
    ///
    /// # Errors
    /// `NotFound`; `Conflict("param")` when a parameter has another value already; `Unavailable`, `Defect`.
    pub async fn change_logged_model(
        &self,
        caller: &Caller,
        id: LoggedModelId,
        change: LoggedModelChange,
        now: DateTime<Utc>,
    ) -> Result<LoggedModel, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let stored = lock(connection, caller, id, true).await?;
                let (mut status, mut params, mut tags) = (stored.status, object(stored.params), object(stored.tags));
                match change {
                    LoggedModelChange::Status(new) => new.as_str().clone_into(&mut status),
                    LoggedModelChange::SetTags(new) => {
                        tags.extend(new.into_iter().map(|(key, value)| (key, Value::from(value))));
                    }
                    LoggedModelChange::RemoveTag(key) => {
                        tags.remove(&key);
                    }
                    LoggedModelChange::AddParams(new) => {
                        for (key, value) in new {
                            let value = Value::from(value);
                            if params.get(&key).is_some_and(|stored| *stored != value) {
                                return Err(StoreError::Conflict(PARAM_CHANGED.to_owned()).into());
                            }
                            params.insert(key, value);
                        }
                    }
                }
                let row: ModelRow = diesel::update(models::table.find(id.0))
                    .set((
                        models::status.eq(status),
                        models::params.eq(Value::Object(params)),
                        models::tags.eq(Value::Object(tags)),
                        models::updated_at.eq(now),
                    ))
                    .returning(ModelRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<ModelRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Deletes one of the caller's logged models, and queues its files for removal in the same transaction.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete_logged_model(&self, caller: &Caller, id: LoggedModelId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let project = ProjectId(lock(connection, caller, id, false).await?.project_id);
                // What is noted of its files refers to the project, whose deletion waits for it.
                hold_project(connection, caller.user_id, project).await?;
                lock(connection, caller, id, true).await?;
                let sizes: Vec<i64> = files_of::table
                    .filter(files_of::logged_model_id.eq(id.0))
                    .select(files_of::size_bytes)
                    .load(connection)
                    .await?;
                quota::add_tracked(connection, project, -sizes.iter().sum::<i64>()).await?;
                diesel::delete(models::table.find(id.0)).execute(connection).await?;
                file_deletions::queue(connection, files::logged_model_prefix(project, id)).await
            })
            .await?;
        Ok(())
    }
}

/// Reads one of the caller's logged models; writers of one go one after the other.
async fn lock(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    id: LoggedModelId,
    for_update: bool,
) -> Result<ModelRow, DbError> {
    let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
    let target = models::table.find(id.0).filter(models::project_id.eq_any(own)).select(ModelRow::as_select());
    Ok(if for_update { target.for_update().first(connection).await? } else { target.first(connection).await? })
}
