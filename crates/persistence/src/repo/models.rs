//! Models and the studies that tune them. Their files are below the model's prefix.

pub(super) mod rows;
mod splits;
mod store;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, JobId, ModelId, ProjectId,
    jobs::{Job, JobError, JobState, NewJob},
    models::{EvaluationStatus, Model, NewStudy, StudyStatus},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use self::rows::ModelRow;
pub use self::splits::Redeclare;
use super::{
    file_deletions, jobs,
    ownership::{hold_project, own_project},
};
use crate::{
    Database,
    database::DbError,
    files::{self, LocalFiles},
    schema::{jobs as job_table, models, projects, tuning_studies},
};

/// What became of the job that evaluates a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluationJob {
    /// It waits or runs.
    Open,
    /// It has ended; why, when it failed.
    Ended(Option<JobError>),
    /// It is not there any more.
    Gone,
}

/// The models of a caller; and, as [`gristmill_domain::models::ModelStore`], those of jobs.
#[derive(Debug, Clone)]
pub struct Models {
    database: Database,
    files: LocalFiles,
}

impl Models {
    /// A repository over `database`, which tells what the models' `files` take.
    #[must_use]
    pub fn new(database: Database, files: LocalFiles) -> Self {
        Self { database, files }
    }

    /// What the files in these directories of a model take, bytes. One that cannot be read takes nothing.
    async fn size_of(&self, project: ProjectId, id: ModelId, directories: &[&str]) -> i64 {
        let model = self.files.path(&files::model_prefix(project, id));
        let named = directories.iter().filter(|directory| !directory.is_empty());
        let paths: Vec<PathBuf> = named.map(|directory| model.join(directory)).collect();
        let counting =
            tokio::task::spawn_blocking(move || paths.iter().map(|path| bytes_below(path)).fold(0, u64::saturating_add));
        i64::try_from(counting.await.unwrap_or_default()).unwrap_or(i64::MAX)
    }

    /// Lists the caller's models, of one project or all, newest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: Option<ProjectId>) -> Result<Vec<Model>, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut query = models::table
            .inner_join(projects::table)
            .filter(projects::owner_id.eq(caller.user_id.0))
            .order((models::created_at.desc(), models::model_id.desc()))
            .select(ModelRow::as_select())
            .into_boxed();
        if let Some(project) = project {
            own_project(&mut connection, caller.user_id, project).await?;
            query = query.filter(models::project_id.eq(project.0));
        }
        let rows: Vec<ModelRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(Model::try_from).collect()
    }

    /// Reads one of the caller's models.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: ModelId) -> Result<Model, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: ModelRow = models::table
            .inner_join(projects::table)
            .filter(models::model_id.eq(id.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .select(ModelRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Reads one of the caller's models with what became of the job that evaluates it; none when no job is named.
    ///
    /// The end of that job and what it says of the model are one commit, so they are read in one statement: read one after the
    /// other, a model that still waits could be told with a job that has ended.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_evaluated(&self, caller: &Caller, id: ModelId) -> Result<(Model, Option<EvaluationJob>), StoreError> {
        let mut connection = self.database.connection().await?;
        let evaluates = job_table::owner_id.eq(caller.user_id.0).and(models::evaluation_job_id.eq(job_table::job_id.nullable()));
        let (row, state, error): (ModelRow, Option<String>, Option<Value>) = models::table
            .inner_join(projects::table)
            .left_join(job_table::table.on(evaluates))
            .filter(models::model_id.eq(id.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .select((ModelRow::as_select(), job_table::state.nullable(), job_table::error.nullable()))
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        let model = Model::try_from(row)?;
        if model.evaluation_job.is_none() {
            return Ok((model, None));
        }
        let job = match state.as_deref().map(JobState::from_name) {
            None => EvaluationJob::Gone,
            Some(Some(state)) if state.is_final() => EvaluationJob::Ended(error.map(rows::from_json).transpose()?),
            Some(Some(_)) => EvaluationJob::Open,
            Some(None) => return Err(StoreError::Defect("unknown state of a job".into())),
        };
        Ok((model, Some(job)))
    }

    /// Deletes one of the caller's models, and queues its files for removal in the same transaction.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: ModelId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
                let target = models::table.find(id.0).filter(models::project_id.eq_any(own));
                let project: Uuid = diesel::delete(target).returning(models::project_id).get_result(connection).await?;
                file_deletions::queue(connection, files::model_prefix(ProjectId(project), id)).await
            })
            .await?;
        Ok(())
    }

    /// Submits a job that evaluates one of the caller's models again, unless one is on its way: then that one is
    /// returned. `job` is its own when nothing is.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn restart_evaluation(
        &self,
        caller: &Caller,
        id: ModelId,
        job: NewJob,
        now: DateTime<Utc>,
    ) -> Result<JobId, StoreError> {
        let mut connection = self.database.connection().await?;
        let job = connection
            .transaction(async |connection| {
                let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
                let target = models::table.find(id.0).filter(models::project_id.eq_any(own));
                let project: Uuid = target.select(models::project_id).first(connection).await?;
                // In the order that is stated with the workflows: the new job refers to the project, whose deletion waits for the
                // model.
                hold_project(connection, caller.user_id, ProjectId(project)).await?;
                let row: (Option<Uuid>, Option<String>) = models::table
                    .find(id.0)
                    .select((models::evaluation_job_id, models::evaluation_status))
                    .for_update()
                    .first(connection)
                    .await?;
                let running = [EvaluationStatus::Pending, EvaluationStatus::Computing].map(EvaluationStatus::as_str);
                if let (Some(running_job), Some(status)) = &row
                    && running.contains(&status.as_str())
                    && is_alive(connection, *running_job).await?
                {
                    return Ok(JobId(*running_job));
                }
                let (submitted, _) = jobs::submit_in(connection, &job).await?;
                diesel::update(models::table.find(id.0))
                    .set((
                        models::evaluation_status.eq(EvaluationStatus::Pending.as_str()),
                        models::evaluation_job_id.eq(submitted.id.0),
                        models::evaluation_error.eq(None::<String>),
                        models::updated_at.eq(now),
                    ))
                    .execute(connection)
                    .await?;
                Ok::<JobId, DbError>(submitted.id)
            })
            .await?;
        Ok(job)
    }

    /// Records a study of one of the caller's models, and submits its job, in one commit.
    ///
    /// # Errors
    /// `NotFound` when project or model are not the caller's, or the model is another project's; `Unavailable`, `Defect`.
    pub async fn submit_study(
        &self,
        caller: &Caller,
        project: ProjectId,
        study: NewStudy,
        job: NewJob,
        now: DateTime<Utc>,
    ) -> Result<Job, StoreError> {
        let mut connection = self.database.connection().await?;
        let job = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let _: Uuid = models::table
                    .find(study.source.0)
                    .filter(models::project_id.eq(project.0))
                    .select(models::model_id)
                    .first(connection)
                    .await?;
                let (submitted, _) = jobs::submit_in(connection, &job).await?;
                diesel::insert_into(tuning_studies::table)
                    .values((
                        tuning_studies::study_id.eq(study.id.0),
                        tuning_studies::project_id.eq(project.0),
                        tuning_studies::source_model_id.eq(study.source.0),
                        tuning_studies::job_id.eq(submitted.id.0),
                        tuning_studies::status.eq(StudyStatus::Pending.as_str()),
                        tuning_studies::n_trials.eq(i32::try_from(study.trials).unwrap_or(i32::MAX)),
                        tuning_studies::metric.eq(study.metric),
                        tuning_studies::created_at.eq(now),
                    ))
                    .execute(connection)
                    .await?;
                Ok::<Job, DbError>(submitted)
            })
            .await?;
        Ok(job)
    }
}

/// Whether a job will still do something.
async fn is_alive(connection: &mut AsyncPgConnection, job: Uuid) -> Result<bool, DbError> {
    let state: Option<String> = job_table::table.find(job).select(job_table::state).first(connection).await.optional()?;
    Ok(state.is_some_and(|state| state == "queued" || state == "running"))
}

/// The size of the files in a directory and below it. What cannot be read takes nothing. Blocks.
fn bytes_below(directory: &Path) -> u64 {
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
        _ => entry.metadata().map(|metadata| metadata.len()).unwrap_or_default(),
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(size).fold(0, u64::saturating_add)
}
