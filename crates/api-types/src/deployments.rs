//! Deployed models (contract 3, sections 14 to 16).

mod requests;

use std::collections::BTreeMap;

use gristmill_domain::{
    ApiKeyId, DeploymentId, ModelId, PredictionId, ProjectId,
    deployments::{ApiKey, Deployment, DeploymentStatus, Feedback, Outcome, PredictionLog, ServingRuntime},
    features::ServedColumns,
    models::TaskType,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::common::Instant;

pub use requests::*;

/// A deployed model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// Identity.
    pub deployment_id: DeploymentId,
    /// The model that it serves.
    pub model_id: ModelId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// What runs it.
    pub runtime: ServingRuntime,
    /// Where it answers: add `/predict`.
    pub endpoint_url: String,
    /// Why it is failed or unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What its owner set.
    pub config: DeploymentConfigView,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// When it was last stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Instant>,
}

/// What the owner set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentConfigView {
    /// Requests that are answered in any 60 seconds.
    pub rate_limit_per_minute: u32,
}

impl DeploymentView {
    /// The view of a deployment of a server at this URL, without a slash at its end.
    #[must_use]
    pub fn new(deployment: Deployment, server: &str) -> Self {
        Self {
            endpoint_url: format!("{server}/api/deployments/{}", deployment.id),
            deployment_id: deployment.id,
            model_id: deployment.model_id,
            project_id: deployment.project_id,
            name: deployment.name,
            status: deployment.status,
            runtime: deployment.runtime,
            error_message: deployment.error,
            config: DeploymentConfigView { rate_limit_per_minute: deployment.config.rate_limit_per_minute },
            created_at: deployment.created_at.into(),
            updated_at: deployment.updated_at.into(),
            stopped_at: deployment.stopped_at.map(Instant::from),
        }
    }
}

/// `{deployment}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentEnvelope {
    /// The deployment.
    pub deployment: DeploymentView,
}

/// `{deployments}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentList {
    /// Newest first.
    pub deployments: Vec<DeploymentView>,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyView {
    /// Identity.
    pub key_id: ApiKeyId,
    /// The only deployment that it opens.
    pub deployment_id: DeploymentId,
    /// What people call it.
    pub name: String,
    /// Its beginning.
    pub key_prefix: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Instant>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            key_id: key.id,
            deployment_id: key.deployment_id,
            name: key.name,
            key_prefix: key.prefix,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Instant::from),
            last_used_at: key.last_used_at.map(Instant::from),
            revoked_at: key.revoked_at.map(Instant::from),
        }
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKeyView {
    /// What is kept of it.
    pub key: ApiKeyView,
    /// The key itself: it is shown here and never again.
    pub raw_key: String,
}

/// `{keys}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyList {
    /// Newest first, revoked ones included.
    pub keys: Vec<ApiKeyView>,
}

/// A logged request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PredictionLogView {
    /// Number.
    pub id: i64,
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its model.
    pub model_id: ModelId,
    /// Its project.
    pub project_id: ProjectId,
    /// What the answer called it.
    pub prediction_id: PredictionId,
    /// When it came.
    pub created_at: Instant,
    /// How long the answer took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What was sent: without columns that were computed from it.
    #[schema(value_type = Object)]
    pub input_features: Value,
    /// What was answered.
    #[schema(value_type = Object)]
    pub prediction: Value,
    /// How it ended.
    pub status: Outcome,
    /// Why there is no prediction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What people thought of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    /// When they said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_at: Option<Instant>,
    /// What really happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub actual: Option<Value>,
    /// Status code, who asked, what else is known.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

impl From<PredictionLog> for PredictionLogView {
    fn from(log: PredictionLog) -> Self {
        let millis = |micros: u64| std::time::Duration::from_micros(micros).as_secs_f64() * 1000.0;
        Self {
            id: log.id,
            deployment_id: log.deployment_id,
            model_id: log.model_id,
            project_id: log.project_id,
            prediction_id: log.prediction_id,
            created_at: log.created_at.into(),
            latency_ms: log.latency_us.map(millis),
            input_features: log.input_features,
            prediction: log.prediction,
            status: log.outcome,
            error_message: log.error,
            feedback: log.feedback,
            feedback_at: log.feedback_at.map(Instant::from),
            actual: log.actual,
            metadata: log.metadata,
        }
    }
}

/// A page of logged requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct PredictionLogList {
    /// Newest first.
    pub logs: Vec<PredictionLogView>,
    /// All that the filter lets through.
    pub total: u64,
}

/// `{ok}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OkView {
    /// Always true: a failure is an error.
    pub ok: bool,
}

/// What became of the told outcomes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActualsView {
    /// How many were stored.
    pub stored: usize,
    /// Predictions that there is no log of.
    pub unknown: Vec<PredictionId>,
}

/// What a worker wrote.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerLogsView {
    /// Its last lines.
    pub stdout: String,
    /// Empty: a worker's two outputs are one stream.
    pub stderr: String,
}

/// How important a feature is.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureImportanceView {
    /// The feature.
    pub name: String,
    /// How important.
    pub importance: f64,
    /// How sure that is.
    pub std: f64,
}

/// Whether a model is ready for use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessView {
    /// Whether cross-validation gives about the same score each time.
    pub cv_stable: bool,
    /// Its mean.
    pub cv_score: Option<f64>,
    /// Its standard deviation.
    pub cv_std: Option<f64>,
    /// `low`, `medium` or `high`.
    pub overfit_risk: String,
    /// How much better it is on the rows that it knows.
    pub train_test_gap: Option<f64>,
    /// Whether importances are about the same each time.
    pub feature_importance_stable: bool,
    /// Rows that it was made from.
    pub sample_count: u64,
    /// Whether it was evaluated.
    pub evaluation_complete: bool,
}

/// What a deployment takes and gives.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServingSchemaView {
    /// The columns that the model takes, in order. A row must have those that are not computed (`engineered`).
    pub feature_columns: Vec<String>,
    /// `int`, `float` or `str` of each.
    pub feature_types: BTreeMap<String, String>,
    /// A row as a client would send it.
    #[schema(value_type = Object)]
    pub sample_request: Map<String, Value>,
    /// What the model is for.
    pub task_type: TaskType,
    /// What it predicts.
    pub target_column: Option<String>,
    /// Most important first.
    pub feature_importance: Vec<FeatureImportanceView>,
    /// The classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_labels: Option<Vec<String>>,
    /// Scores on held out rows.
    pub metrics: BTreeMap<String, f64>,
    /// Ranges and quartiles of numeric columns.
    #[schema(value_type = Object)]
    pub feature_ranges: Map<String, Value>,
    /// Values of categorical columns, most frequent first.
    pub categorical_values: BTreeMap<String, Vec<String>>,
    /// How often what was predicted in training.
    #[schema(value_type = Object)]
    pub prediction_distribution: Value,
    /// Whether it is ready for use.
    pub readiness: ReadinessView,
    /// Columns of the model that feature engineering made: which are computed where a row lacks them, from what, and which must
    /// be sent. Absent when it made none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engineered: Option<ServedColumns>,
}
