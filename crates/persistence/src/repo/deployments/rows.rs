//! Deployments, keys and logged requests as PostgreSQL has them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use gristmill_domain::{
    ApiKeyId, DeploymentId, JobId, ModelId, PredictionId, ProjectId,
    deployments::{
        ApiKey, Deployment, DeploymentStatus, Feedback, KeyHash, NewDeployment, Outcome, PredictionLog, ServingRuntime,
    },
    ports::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{deployment_api_keys, deployments, prediction_logs};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deployments, check_for_backend(diesel::pg::Pg))]
pub(super) struct DeploymentRow {
    deployment_id: Uuid,
    project_id: Uuid,
    model_id: Uuid,
    name: String,
    status: String,
    runtime: String,
    config: Value,
    error_message: Option<String>,
    job_id: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
}

impl TryFrom<DeploymentRow> for Deployment {
    type Error = StoreError;

    fn try_from(row: DeploymentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DeploymentId(row.deployment_id),
            project_id: ProjectId(row.project_id),
            model_id: ModelId(row.model_id),
            name: row.name,
            status: status_of(&row.status)?,
            runtime: ServingRuntime::from_name(&row.runtime).ok_or_else(|| defect("unknown serving runtime"))?,
            config: from_json(row.config)?,
            error: row.error_message,
            job_id: JobId(row.job_id),
            created_at: row.created_at,
            updated_at: row.updated_at,
            stopped_at: row.stopped_at,
        })
    }
}

pub(super) fn new_row(new: &NewDeployment, job: JobId, now: DateTime<Utc>) -> Result<DeploymentRow, StoreError> {
    Ok(DeploymentRow {
        deployment_id: new.id.0,
        project_id: new.project_id.0,
        model_id: new.model_id.0,
        name: new.name.clone(),
        status: DeploymentStatus::Creating.as_str().to_owned(),
        runtime: new.runtime.as_str().to_owned(),
        config: to_json(&new.config)?,
        error_message: None,
        job_id: job.0,
        created_at: now,
        updated_at: now,
        stopped_at: None,
    })
}

pub(super) fn status_of(name: &str) -> Result<DeploymentStatus, StoreError> {
    DeploymentStatus::from_name(name).ok_or_else(|| defect("unknown deployment status"))
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deployment_api_keys, check_for_backend(diesel::pg::Pg))]
pub(super) struct KeyRow {
    pub(super) key_id: Uuid,
    pub(super) deployment_id: Uuid,
    pub(super) name: String,
    pub(super) key_prefix: String,
    pub(super) key_hash: Vec<u8>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) last_used_at: Option<DateTime<Utc>>,
    pub(super) revoked_at: Option<DateTime<Utc>>,
}

impl KeyRow {
    pub(super) fn with_hash(self) -> Result<(ApiKey, KeyHash), StoreError> {
        let hash = self.key_hash.as_slice().try_into().map_err(|_length| defect("a key's hash has another length"))?;
        Ok((self.into(), KeyHash(hash)))
    }
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: ApiKeyId(row.key_id),
            deployment_id: DeploymentId(row.deployment_id),
            name: row.name,
            prefix: row.key_prefix,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = prediction_logs, check_for_backend(diesel::pg::Pg))]
pub(super) struct LogRow {
    id: i64,
    deployment_id: Uuid,
    prediction_id: Uuid,
    created_at: DateTime<Utc>,
    latency_us: Option<i64>,
    input_features: Value,
    prediction: Value,
    status: String,
    error_message: Option<String>,
    feedback: Option<String>,
    feedback_at: Option<DateTime<Utc>>,
    actual: Option<Value>,
    metadata: Value,
}

impl LogRow {
    pub(super) fn of(self, model: ModelId, project: ProjectId) -> Result<PredictionLog, StoreError> {
        Ok(PredictionLog {
            id: self.id,
            deployment_id: DeploymentId(self.deployment_id),
            model_id: model,
            project_id: project,
            prediction_id: PredictionId(self.prediction_id),
            created_at: self.created_at,
            latency_us: self.latency_us.and_then(|value| u64::try_from(value).ok()),
            input_features: self.input_features,
            prediction: self.prediction,
            outcome: Outcome::from_name(&self.status).ok_or_else(|| defect("unknown outcome"))?,
            error: self.error_message,
            feedback: self.feedback.as_deref().and_then(Feedback::from_name),
            feedback_at: self.feedback_at,
            actual: self.actual,
            metadata: from_json(self.metadata)?,
        })
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn defect(what: &'static str) -> StoreError {
    StoreError::Defect(what.into())
}
