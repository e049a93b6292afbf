//! What jobs store: fenced by their lease, and in one commit with their end.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    ModelId, ProjectId, StudyId, UserId,
    jobs::{JobOutcome, Lease},
    models::{EvaluationEnd, EvaluationStatus, Model, ModelStore, StudyEnd, StudyStatus, TrainingEnd},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Models,
    rows::{ModelRow, new_row, to_json},
};
use crate::{
    database::DbError,
    files,
    repo::{file_deletions, jobs, ownership::lock_project},
    schema::{models, projects, tuning_studies},
};

#[async_trait]
impl ModelStore for Models {
    async fn create_from_job(
        &self,
        lease: Lease,
        owner: UserId,
        end: TrainingEnd,
        now: DateTime<Utc>,
    ) -> Result<Model, StoreError> {
        let mut connection = self.database.connection().await?;
        let TrainingEnd { model, study, evaluation, outcome } = end;
        let evaluated = model.evaluation_storage.as_deref().unwrap_or_default();
        let stored_bytes = self.size_of(model.project_id, model.id, &[&model.storage, evaluated]).await;
        let row = connection
            .transaction(async |connection| {
                // In the order that is stated with the workflows: the job after those whose deletion waits for it.
                let project = model.project_id;
                lock_project(connection, owner, project).await?;
                jobs::finish_in(connection, lease, outcome).await?;
                let evaluation = match &evaluation {
                    Some(job) => Some(jobs::submit_in(connection, job).await?.0.id),
                    None => None,
                };
                let latest: Option<i32> = models::table
                    .filter(models::project_id.eq(project.0))
                    .select(diesel::dsl::max(models::version))
                    .first(connection)
                    .await?;
                let id = model.id;
                let row = new_row(model, latest.unwrap_or(0) + 1, evaluation, stored_bytes, now)?;
                let row: ModelRow = diesel::insert_into(models::table)
                    .values(&row)
                    .returning(ModelRow::as_returning())
                    .get_result(connection)
                    .await?;
                if let Some(study) = study {
                    end_study(connection, study, Some(id), now).await?;
                }
                Ok::<ModelRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    async fn find_for_job(&self, owner: UserId, id: ModelId) -> Result<Model, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: ModelRow = models::table
            .inner_join(projects::table)
            .filter(models::model_id.eq(id.0))
            .filter(projects::owner_id.eq(owner.0))
            .select(ModelRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    async fn begin_evaluation(&self, lease: Lease, owner: UserId, id: ModelId, now: DateTime<Utc>) -> Result<Model, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                // A worker that was taken for dead would otherwise begin what another one has ended.
                jobs::fence(connection, lease).await?;
                let own = projects::table.filter(projects::owner_id.eq(owner.0)).select(projects::project_id);
                let target = models::table.find(id.0).filter(models::project_id.eq_any(own));
                let row = diesel::update(target)
                    .set((models::evaluation_status.eq(EvaluationStatus::Computing.as_str()), models::updated_at.eq(now)))
                    .returning(ModelRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<ModelRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    async fn finish_evaluation(
        &self,
        lease: Lease,
        owner: UserId,
        id: ModelId,
        end: EvaluationEnd,
        outcome: JobOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                jobs::finish_in(connection, lease, outcome).await?;
                let own = projects::table.filter(projects::owner_id.eq(owner.0)).select(projects::project_id);
                let target = models::table.find(id.0).filter(models::project_id.eq_any(own));
                let (project, files, before): (Uuid, String, Option<String>) = target
                    .select((models::project_id, models::storage, models::evaluation_storage))
                    .for_update()
                    .first(connection)
                    .await?;
                let row = models::table.find(id.0);
                match end {
                    EvaluationEnd::Ready { storage, metrics } => {
                        if let Some(before) = before.filter(|before| *before != storage) {
                            let prefix = format!("{}/{before}", files::model_prefix(ProjectId(project), id));
                            file_deletions::queue(connection, prefix).await?;
                        }
                        let stored_bytes = self.size_of(ProjectId(project), id, &[&files, &storage]).await;
                        diesel::update(row)
                            .set((
                                models::stored_bytes.eq(stored_bytes),
                                models::evaluation_status.eq(EvaluationStatus::Ready.as_str()),
                                models::evaluation_storage.eq(storage),
                                models::evaluation_computed_at.eq(now),
                                models::evaluation_error.eq(None::<String>),
                                models::metrics.eq(to_json(&metrics)?),
                                models::updated_at.eq(now),
                            ))
                            .execute(connection)
                            .await?;
                    }
                    EvaluationEnd::Failed(reason) => {
                        diesel::update(row)
                            .set((
                                models::evaluation_status.eq(EvaluationStatus::Failed.as_str()),
                                models::evaluation_error.eq(reason),
                                models::updated_at.eq(now),
                            ))
                            .execute(connection)
                            .await?;
                    }
                }
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    async fn begin_study(&self, id: StudyId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let changed = diesel::update(tuning_studies::table.find(id.0))
            .set(tuning_studies::status.eq(StudyStatus::Running.as_str()))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    async fn fail_study(&self, lease: Lease, end: StudyEnd, outcome: JobOutcome, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                jobs::finish_in(connection, lease, outcome).await?;
                end_study(connection, end, None, now).await
            })
            .await?;
        Ok(())
    }
}

async fn end_study(
    connection: &mut AsyncPgConnection,
    end: StudyEnd,
    model: Option<ModelId>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let status = if end.error.is_none() { StudyStatus::Completed } else { StudyStatus::Failed };
    diesel::update(tuning_studies::table.find(end.id.0))
        .set((
            tuning_studies::status.eq(status.as_str()),
            tuning_studies::best_trial_number.eq(end.best_trial.and_then(|number| i32::try_from(number).ok())),
            tuning_studies::best_value.eq(end.best_value),
            tuning_studies::best_params.eq(end.best_parameters.map(Value::Object)),
            tuning_studies::result_model_id.eq(model.map(|model| model.0)),
            tuning_studies::error_message.eq(end.error),
            tuning_studies::completed_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
