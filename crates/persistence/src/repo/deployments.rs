//! Deployments of models, their keys, the log of their requests, and what was seen of them hour by hour.

mod keys;
mod logs;
mod rows;
mod store;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DeploymentId, ProjectId, UserId,
    deployments::{ACTIVE_MAX, Deployment, DeploymentConfig, DeploymentStatus, Event, NewDeployment},
    jobs::{Job, NewJob},
    ports::StoreError,
};

use self::rows::DeploymentRow;
use super::{
    jobs,
    ownership::{lock_project, own_project},
};
use crate::{
    Database,
    database::DbError,
    schema::{deployments, models, projects},
};

/// What a store call says when the project has as many active deployments as it may have.
pub const ACTIVE_LIMIT: &str = "deployments_active_max";

/// The deployments of a caller; and, as [`gristmill_domain::deployments::DeploymentStore`], those of who serves them.
#[derive(Debug, Clone)]
pub struct Deployments {
    database: Database,
}

impl Deployments {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Records a deployment and submits the job that starts it, in one commit.
    ///
    /// # Errors
    /// `NotFound` when project or model are not the caller's, or the model is another project's; `Conflict`
    /// ([`ACTIVE_LIMIT`]) when there are too many active ones; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        new: NewDeployment,
        job: NewJob,
        now: DateTime<Utc>,
    ) -> Result<(Deployment, Job), StoreError> {
        let mut connection = self.database.connection().await?;
        let (row, job) = connection
            .transaction(async |connection| {
                // Of two that come at once, the second sees the first.
                lock_project(connection, caller.user_id, new.project_id).await?;
                let (submitted, is_new) = jobs::submit_in(connection, &job).await?;
                if !is_new {
                    // Repeated with the same key: what the first made is the answer.
                    let row = deployments::table
                        .filter(deployments::job_id.eq(submitted.id.0))
                        .select(DeploymentRow::as_select())
                        .first(connection)
                        .await?;
                    return Ok((row, submitted));
                }
                let _: uuid::Uuid = models::table
                    .find(new.model_id.0)
                    .filter(models::project_id.eq(new.project_id.0))
                    .select(models::model_id)
                    .first(connection)
                    .await?;
                refuse_more(connection, new.project_id).await?;
                let row = rows::new_row(&new, submitted.id, now)?;
                let row: DeploymentRow = diesel::insert_into(deployments::table)
                    .values(row)
                    .returning(DeploymentRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<_, DbError>((row, submitted))
            })
            .await?;
        Ok((row.try_into()?, job))
    }

    /// Lists a project's deployments, newest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: ProjectId) -> Result<Vec<Deployment>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let rows: Vec<DeploymentRow> = deployments::table
            .filter(deployments::project_id.eq(project.0))
            .order((deployments::created_at.desc(), deployments::deployment_id.desc()))
            .select(DeploymentRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(Deployment::try_from).collect()
    }

    /// Reads one of the caller's deployments.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: DeploymentId) -> Result<Deployment, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = own(&mut connection, caller.user_id, id).await?;
        row.try_into()
    }

    /// Starts one of the caller's deployments again: it is `creating`, and the job is submitted, in one commit.
    ///
    /// # Errors
    /// `Conflict` when it is active already, with the state, or when too many others are ([`ACTIVE_LIMIT`]); `NotFound`,
    /// `Unavailable`, `Defect`.
    pub async fn start(
        &self,
        caller: &Caller,
        id: DeploymentId,
        job: NewJob,
        now: DateTime<Utc>,
    ) -> Result<(Deployment, Job), StoreError> {
        let mut connection = self.database.connection().await?;
        let (row, job) = connection
            .transaction(async |connection| {
                let before: Deployment = own(connection, caller.user_id, id).await?.try_into()?;
                lock_project(connection, caller.user_id, before.project_id).await?;
                let (submitted, _) = jobs::submit_in(connection, &job).await?;
                let status = locked_status(connection, id).await?;
                let next = status.after(Event::Start).map_err(|error| StoreError::Conflict(error.to_string()))?;
                refuse_more(connection, before.project_id).await?;
                let row: DeploymentRow = diesel::update(deployments::table.find(id.0))
                    .set((
                        deployments::status.eq(next.as_str()),
                        deployments::job_id.eq(submitted.id.0),
                        deployments::error_message.eq(None::<String>),
                        deployments::stopped_at.eq(None::<DateTime<Utc>>),
                        deployments::updated_at.eq(now),
                    ))
                    .returning(DeploymentRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<_, DbError>((row, submitted))
            })
            .await?;
        Ok((row.try_into()?, job))
    }

    /// Changes what the owner can set of one of the caller's deployments.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn configure(
        &self,
        caller: &Caller,
        id: DeploymentId,
        config: DeploymentConfig,
        now: DateTime<Utc>,
    ) -> Result<Deployment, StoreError> {
        let mut connection = self.database.connection().await?;
        let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
        let row: DeploymentRow = diesel::update(deployments::table.find(id.0).filter(deployments::project_id.eq_any(own)))
            .set((deployments::config.eq(rows::to_json(&config)?), deployments::updated_at.eq(now)))
            .returning(DeploymentRow::as_returning())
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Deletes one of the caller's deployments with its keys, logs and statistics. What serves it hears of it.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: DeploymentId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
        let deleted = diesel::delete(deployments::table.find(id.0).filter(deployments::project_id.eq_any(own)))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

/// One of an owner's deployments.
async fn own(connection: &mut AsyncPgConnection, owner: UserId, id: DeploymentId) -> Result<DeploymentRow, DbError> {
    let row = deployments::table
        .inner_join(projects::table)
        .filter(deployments::deployment_id.eq(id.0))
        .filter(projects::owner_id.eq(owner.0))
        .select(DeploymentRow::as_select())
        .first(connection)
        .await?;
    Ok(row)
}

/// Where a deployment stands; nobody changes it before the transaction ends.
async fn locked_status(connection: &mut AsyncPgConnection, id: DeploymentId) -> Result<DeploymentStatus, DbError> {
    let status: String = deployments::table.find(id.0).select(deployments::status).for_no_key_update().first(connection).await?;
    Ok(rows::status_of(&status)?)
}

/// `Conflict` when the project has as many active deployments as it may have. The project is locked.
async fn refuse_more(connection: &mut AsyncPgConnection, project: ProjectId) -> Result<(), DbError> {
    let active: Vec<&str> =
        DeploymentStatus::ALL.iter().filter(|status| status.is_active()).map(|status| status.as_str()).collect();
    let count: i64 = deployments::table
        .filter(deployments::project_id.eq(project.0))
        .filter(deployments::status.eq_any(active))
        .count()
        .get_result(connection)
        .await?;
    if count >= i64::from(ACTIVE_MAX) { Err(StoreError::Conflict(ACTIVE_LIMIT.to_owned()).into()) } else { Ok(()) }
}
