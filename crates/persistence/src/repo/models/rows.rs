//! Models as PostgreSQL has them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use gristmill_domain::{
    JobId, ModelId, ProjectId,
    models::{EvaluationStatus, Model, ModelStatus, NewModel},
    ports::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::models;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = models, check_for_backend(diesel::pg::Pg))]
pub(in crate::repo) struct ModelRow {
    model_id: Uuid,
    project_id: Uuid,
    dataset_id: Uuid,
    name: String,
    plan: Value,
    task_type: String,
    template_id: String,
    library: String,
    algorithm: String,
    parameters: Value,
    metrics: Value,
    status: String,
    version: i32,
    training_ms: Option<i64>,
    feature_columns: Value,
    sample_count: Option<i64>,
    artifacts: Value,
    storage: String,
    error: Option<String>,
    metadata: Value,
    feature_types: Value,
    sample_request: Value,
    evaluation_status: Option<String>,
    evaluation_computed_at: Option<DateTime<Utc>>,
    evaluation_error: Option<String>,
    evaluation_storage: Option<String>,
    evaluation_job_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    stored_bytes: i64,
}

impl TryFrom<ModelRow> for Model {
    type Error = StoreError;

    fn try_from(row: ModelRow) -> Result<Self, StoreError> {
        let status = ModelStatus::from_name(&row.status).ok_or_else(|| StoreError::Defect("unknown model status".into()))?;
        // Failed is what a failed one reads as, and what nobody said anything about has yet to come.
        let evaluation_status = row.evaluation_status.as_deref().and_then(EvaluationStatus::from_name);
        let evaluation_status = evaluation_status.unwrap_or(match status {
            ModelStatus::Failed => EvaluationStatus::Failed,
            ModelStatus::Completed => EvaluationStatus::Pending,
        });
        let made = NewModel {
            id: ModelId(row.model_id),
            project_id: ProjectId(row.project_id),
            plan: from_json(row.plan)?,
            library: row.library,
            algorithm: row.algorithm,
            parameters: from_json(row.parameters)?,
            metrics: from_json(row.metrics)?,
            status,
            training_ms: unsigned(row.training_ms),
            feature_columns: from_json(row.feature_columns)?,
            sample_count: unsigned(row.sample_count),
            artifacts: from_json(row.artifacts)?,
            storage: row.storage,
            error: row.error,
            metadata: from_json(row.metadata)?,
            feature_types: from_json(row.feature_types)?,
            sample_request: from_json(row.sample_request)?,
            evaluation_status,
            evaluation_storage: row.evaluation_storage,
            evaluation_error: row.evaluation_error,
        };
        Ok(Self {
            made,
            version: u32::try_from(row.version).unwrap_or(0),
            evaluation_computed_at: row.evaluation_computed_at,
            evaluation_job: row.evaluation_job_id.map(JobId),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The row of a new model. `version` is its number in the project.
pub(super) fn new_row(
    model: NewModel,
    version: i32,
    evaluation_job: Option<JobId>,
    stored_bytes: i64,
    now: DateTime<Utc>,
) -> Result<ModelRow, StoreError> {
    let is_ready = model.evaluation_status == EvaluationStatus::Ready;
    Ok(ModelRow {
        model_id: model.id.0,
        project_id: model.project_id.0,
        dataset_id: model.plan.dataset_id.0,
        name: model.plan.name.clone(),
        plan: to_json(&model.plan)?,
        task_type: model.plan.task_type.as_str().to_owned(),
        template_id: model.plan.template_id,
        library: model.library,
        algorithm: model.algorithm,
        parameters: Value::Object(model.parameters),
        metrics: to_json(&model.metrics)?,
        status: model.status.as_str().to_owned(),
        version,
        training_ms: model.training_ms.map(signed),
        feature_columns: to_json(&model.feature_columns)?,
        sample_count: model.sample_count.map(signed),
        artifacts: to_json(&model.artifacts)?,
        storage: model.storage,
        error: model.error,
        metadata: Value::Object(model.metadata),
        feature_types: to_json(&model.feature_types)?,
        sample_request: Value::Object(model.sample_request),
        evaluation_status: Some(model.evaluation_status.as_str().to_owned()),
        evaluation_computed_at: is_ready.then_some(now),
        evaluation_error: model.evaluation_error,
        evaluation_storage: model.evaluation_storage,
        evaluation_job_id: evaluation_job.map(|job| job.0),
        created_at: now,
        updated_at: now,
        stored_bytes,
    })
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}
