//! Runs of feature engineering.

mod states;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, NotebookId, ProjectId,
    feature_runs::{FeatureCheckpoint, FeatureCommand, FeatureRefusal, FeatureRun, FeatureRunId},
    ports::StoreError,
    workflows::WorkflowRunId,
};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::states::copy_run;
use self::states::keep_states;
use super::ownership::{lock_project, own_project};
use crate::{
    Database,
    database::DbError,
    schema::{feature_run_calls as calls, feature_runs, projects},
};

/// The runs of a caller.
#[derive(Debug, Clone)]
pub struct FeatureRuns {
    database: Database,
}

/// Which run of a project is meant: the one of the fork that works on it alone, else the one that is named when it is there,
/// else the newest of the notebook, else (without a notebook) the newest of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlace {
    /// The agent's run that calls.
    pub workflow: Option<WorkflowRunId>,
    /// The run that is named.
    pub run: Option<FeatureRunId>,
    /// The notebook that is worked in.
    pub notebook: Option<NotebookId>,
}

/// A change of a run that happens once.
#[derive(Debug, Clone, PartialEq)]
pub struct RunChange {
    /// Which run.
    pub place: RunPlace,
    /// The id of the run that is made when there is none.
    pub new_id: FeatureRunId,
    /// Names the change within the project: a repetition finds what the first one did.
    pub key: String,
    /// What happens.
    pub command: FeatureCommand,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = feature_runs, check_for_backend(diesel::pg::Pg))]
struct RunRow {
    run_id: Uuid,
    project_id: Uuid,
    scope_notebook_id: Option<Uuid>,
    features: Value,
    checkpoint_id: Option<String>,
    checkpoint_label: Option<String>,
    checkpoint_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<RunRow> for FeatureRun {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let checkpoint = row.checkpoint_id.zip(row.checkpoint_at);
        Ok(Self {
            id: FeatureRunId(row.run_id),
            project_id: ProjectId(row.project_id),
            scope_notebook_id: row.scope_notebook_id.map(NotebookId),
            features: serde_json::from_value(row.features).map_err(|error| StoreError::Defect(Box::new(error)))?,
            last_checkpoint: checkpoint.map(|(id, at)| FeatureCheckpoint { id, label: row.checkpoint_label, at }),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl RunRow {
    fn of(run: &FeatureRun) -> Result<Self, StoreError> {
        let checkpoint = run.last_checkpoint.as_ref();
        Ok(Self {
            run_id: run.id.0,
            project_id: run.project_id.0,
            scope_notebook_id: run.scope_notebook_id.map(|notebook| notebook.0),
            features: serde_json::to_value(&run.features).map_err(|error| StoreError::Defect(Box::new(error)))?,
            checkpoint_id: checkpoint.map(|checkpoint| checkpoint.id.clone()),
            checkpoint_label: checkpoint.and_then(|checkpoint| checkpoint.label.clone()),
            checkpoint_at: checkpoint.map(|checkpoint| checkpoint.at),
            created_at: run.created_at,
            updated_at: run.updated_at,
        })
    }
}

impl FeatureRuns {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the runs of one of the caller's projects, the last changed first; all when there is no `limit`.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: ProjectId, limit: Option<u32>) -> Result<Vec<FeatureRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let mut query = feature_runs::table
            .filter(feature_runs::project_id.eq(project.0))
            .order((feature_runs::updated_at.desc(), feature_runs::run_id.desc()))
            .select(RunRow::as_select())
            .into_boxed();
        if let Some(limit) = limit {
            query = query.limit(i64::from(limit));
        }
        let rows: Vec<RunRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(FeatureRun::try_from).collect()
    }

    /// Reads one of the caller's runs.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: FeatureRunId) -> Result<FeatureRun, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: RunRow = feature_runs::table
            .inner_join(projects::table)
            .filter(feature_runs::run_id.eq(id.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .select(RunRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Reads the run of one of the caller's projects that is meant. `None`: there is none yet.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn find_in(&self, caller: &Caller, project: ProjectId, place: &RunPlace) -> Result<Option<FeatureRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let row = meant(&mut connection, project, place).await?;
        row.map(FeatureRun::try_from).transpose()
    }

    /// Reads the run that a change of this name was made to. `None`: it was not made.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn find_change(&self, caller: &Caller, project: ProjectId, key: &str) -> Result<Option<FeatureRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let row = changed(&mut connection, project, key).await?;
        row.map(FeatureRun::try_from).transpose()
    }

    /// Changes the run that is meant, or a new one, unless this change was made before. A refusal changes nothing.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn change(
        &self,
        caller: &Caller,
        project: ProjectId,
        change: &RunChange,
        now: DateTime<Utc>,
    ) -> Result<Result<FeatureRun, FeatureRefusal>, StoreError> {
        let mut connection = self.database.connection().await?;
        let outcome = connection
            .transaction(async |connection| {
                // Locked, so that changes come one after the other, and of two that would make a run one makes it.
                lock_project(connection, caller.user_id, project).await?;
                change_in(connection, project, change, now).await
            })
            .await?;
        Ok(outcome)
    }
}

async fn change_in(
    connection: &mut AsyncPgConnection,
    project: ProjectId,
    change: &RunChange,
    now: DateTime<Utc>,
) -> Result<Result<FeatureRun, FeatureRefusal>, DbError> {
    if let Some(row) = changed(connection, project, &change.key).await? {
        return Ok(Ok(FeatureRun::try_from(row)?));
    }
    let found = meant(connection, project, &change.place).await?;
    let is_new = found.is_none();
    let mut run = match found {
        Some(row) => FeatureRun::try_from(row)?,
        None => FeatureRun::new(change.new_id, project, change.place.notebook, now),
    };
    let before = run.features.clone();
    if let Err(refusal) = run.apply(change.command.clone(), now) {
        return Ok(Err(refusal));
    }
    let row = RunRow::of(&run)?;
    if is_new {
        diesel::insert_into(feature_runs::table).values(&row).execute(connection).await?;
    } else {
        diesel::update(feature_runs::table.find(row.run_id))
            .set((
                feature_runs::features.eq(&row.features),
                feature_runs::checkpoint_id.eq(&row.checkpoint_id),
                feature_runs::checkpoint_label.eq(&row.checkpoint_label),
                feature_runs::checkpoint_at.eq(row.checkpoint_at),
                feature_runs::updated_at.eq(row.updated_at),
            ))
            .execute(connection)
            .await?;
    }
    keep_states(connection, &before, &run, now).await?;
    diesel::insert_into(calls::table)
        .values((calls::project_id.eq(project.0), calls::call_key.eq(&change.key), calls::run_id.eq(row.run_id)))
        .execute(connection)
        .await?;
    Ok(Ok(run))
}

/// The run that is meant.
async fn meant(connection: &mut AsyncPgConnection, project: ProjectId, place: &RunPlace) -> Result<Option<RunRow>, DbError> {
    if let Some(fork) = &place.workflow {
        let own: Option<RunRow> = feature_runs::table
            .filter(feature_runs::project_id.eq(project.0))
            .filter(feature_runs::workflow_run_id.eq(fork.as_str()))
            .select(RunRow::as_select())
            .first(connection)
            .await
            .optional()?;
        if own.is_some() {
            return Ok(own);
        }
    }
    if let Some(id) = place.run {
        let named: Option<RunRow> = feature_runs::table
            .filter(feature_runs::project_id.eq(project.0))
            .filter(feature_runs::run_id.eq(id.0))
            .select(RunRow::as_select())
            .first(connection)
            .await
            .optional()?;
        if named.is_some() {
            return Ok(named);
        }
    }
    let mut newest = feature_runs::table
        .filter(feature_runs::project_id.eq(project.0))
        .filter(feature_runs::workflow_run_id.is_null())
        .order((feature_runs::updated_at.desc(), feature_runs::run_id.desc()))
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(notebook) = place.notebook {
        newest = newest.filter(feature_runs::scope_notebook_id.eq(notebook.0));
    }
    let found: Option<RunRow> = newest.first(connection).await.optional()?;
    Ok(found)
}

/// The run that a change of this name was made to.
async fn changed(connection: &mut AsyncPgConnection, project: ProjectId, key: &str) -> Result<Option<RunRow>, DbError> {
    let row: Option<RunRow> = calls::table
        .inner_join(feature_runs::table)
        .filter(calls::project_id.eq(project.0))
        .filter(calls::call_key.eq(key))
        .select(RunRow::as_select())
        .first(connection)
        .await
        .optional()?;
    Ok(row)
}
