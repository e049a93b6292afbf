//! Deployments on their way between requests and the engine that serves them.

mod dialect;
mod drift;
mod predict;
mod schema;

use std::{path::PathBuf, sync::Arc};

use actix_web::{HttpRequest, web};
use async_trait::async_trait;
use gristmill_deployment::serving::{RowFeatures, Serving, ServingError, ServingOptions, ServingPlaces, ServingPorts, start_job};
use gristmill_domain::{
    Caller, DeploymentId, ErrorCode,
    deployments::{Deployment, DeploymentConfig, Event, NewDeployment, ServingRuntime},
    jobs::{Job, JobState},
    models::{Model, ModelStatus, TaskType},
    ports::StoreError,
};
use gristmill_modeling::Engine;
use gristmill_persistence::{
    files::{LocalFiles, model_prefix},
    repo::deployments::ACTIVE_LIMIT,
};

pub(crate) use self::predict::authorize;
pub use self::{
    dialect::{Answered, Asked, Batching, Contract, Dialect, Row, Scoring, Tensors, metadata_of, version_of},
    drift::drift_of,
    predict::{answer_request, answer_rows},
    schema::{baseline_of, schema_of},
};
use crate::{
    config::Config,
    error::{ApiError, ApiResult},
    features::row_features,
    models::failure_of,
    routes::models::model_error,
    state::AppState,
    telemetry::traced,
};

/// Where the files of models are.
#[derive(Debug)]
pub struct StoredPlaces {
    /// All files.
    pub files: LocalFiles,
    /// Has the Python package.
    pub modeling: Arc<Engine>,
}

#[async_trait]
impl ServingPlaces for StoredPlaces {
    fn model(&self, model: &Model) -> PathBuf {
        let path = self.files.path(&model_prefix(model.project_id, model.id)).join(&model.storage);
        std::path::absolute(&path).unwrap_or(path)
    }

    async fn package(&self) -> Result<PathBuf, String> {
        self.modeling.package().await.map_err(|error| error.public_message())
    }

    fn features(&self, kept: &[u8]) -> Result<Box<dyn RowFeatures>, String> {
        row_features(kept)
    }
}

/// The engine that serves deployments.
#[must_use]
pub fn serving(
    config: &Config,
    ports: ServingPorts,
    scratch: PathBuf,
    limits: gristmill_runtime::sandbox::SandboxLimits,
) -> Serving {
    let serving = &config.serving;
    let options = ServingOptions {
        models_bytes_max: serving.models_bytes_max,
        workers_max: serving.workers_max,
        worker_idle: serving.worker_idle,
        scratch,
        limits,
        probe_every: serving.probe_every,
        log_retention: serving.log_retention,
        hour_retention: serving.hour_retention,
    };
    Serving::new(ports, options)
}

/// The failure of a store call about a deployment.
pub(crate) fn deployment_error(error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict(what) if what == ACTIVE_LIMIT => {
            let max = gristmill_domain::deployments::ACTIVE_MAX;
            ApiError::new(ErrorCode::DeploymentLimit, format!("The project has {max} active deployments already; stop one first"))
        }
        StoreError::Conflict(what) if what.starts_with("a deployment that is") => {
            ApiError::new(ErrorCode::Conflict, format!("This is not possible: {what}"))
        }
        error => ApiError::store(ErrorCode::DeploymentNotFound)(error),
    }
}

/// The failure of serving.
pub(crate) fn serving_error(error: ServingError) -> ApiError {
    let (code, message) = (error.code(), error.public_message());
    let failure = ApiError::new(code, message);
    match error {
        ServingError::Limited { grant, .. } => failure.retry_after(u64::from(grant.retry_after)),
        ServingError::Rows(fields) => failure.with_fields(fields.errors.iter().map(|field| serde_json::json!(field)).collect()),
        ServingError::Store(error) => failure.caused_by(error),
        ServingError::Model(_) | ServingError::Worker(_) | ServingError::NoSandbox(_) => failure.caused_by(error.to_string()),
        _ => failure,
    }
}

/// The address that the client reached this server at.
#[must_use]
pub fn server_url(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    format!("{}://{}", connection.scheme(), connection.host())
}

/// Checks that a model can be served, and records its deployment with the job that starts it.
///
/// # Errors
/// 404 for a project or model that is not the caller's, 400 for a model that cannot be served, 409 when the project has as
/// many active deployments as it may have.
///
/// # Cancel safety
/// Cancel safe: it is recorded whole or not at all.
pub async fn deploy(
    state: &web::Data<AppState>,
    caller: &Caller,
    request: gristmill_api_types::deployments::DeploymentCreate,
    idempotency_key: Option<String>,
) -> ApiResult<(Deployment, Job)> {
    state.projects.find(caller, request.project_id).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let model = state.models.find(caller, request.model_id).await.map_err(model_error)?;
    if model.project_id != request.project_id {
        return Err(ApiError::new(ErrorCode::ModelNotFound, "Model not found"));
    }
    if model.status == ModelStatus::Failed {
        return Err(ApiError::new(
            ErrorCode::ModelNotDeployable,
            "The training of this model failed, so there is nothing to serve",
        ));
    }
    if let Some(reason) = model.unscored_reason() {
        let message = format!("A model that cannot predict from the dataset's columns as they are cannot be served: {reason}");
        return Err(ApiError::new(ErrorCode::ModelNotDeployable, message));
    }
    if model.plan.task_type == TaskType::Clustering {
        let message = "Models of clusters cannot be deployed; deploy a classification or a regression";
        return Err(ApiError::new(ErrorCode::ModelNotDeployable, message));
    }
    let runtime = match request.runtime {
        Some(ServingRuntime::Native) if model.artifact("model.onnx").is_none() => {
            let reason = model.metadata.get("onnx").and_then(|onnx| onnx["reason"].as_str()).unwrap_or("it was not made");
            let message = format!("The model has no ONNX form ({reason}); deploy it with the runtime `container`");
            return Err(ApiError::new(ErrorCode::ModelNotDeployable, message));
        }
        Some(runtime) => runtime,
        None => state.serving.runtime_for(&model).await,
    };
    let usual = DeploymentConfig::default();
    let config = DeploymentConfig {
        rate_limit_per_minute: request
            .config
            .and_then(|config| config.rate_limit_per_minute)
            .unwrap_or(usual.rate_limit_per_minute),
    };
    let new = NewDeployment {
        id: DeploymentId::random(),
        project_id: request.project_id,
        model_id: request.model_id,
        name: request.name.trim().to_owned(),
        runtime,
        config,
    };
    let job = start_job(caller.user_id, request.project_id, new.id, idempotency_key);
    state.deployments.create(caller, new, traced(job), state.clock.now()).await.map_err(deployment_error)
}

/// Starts a deployment that is stopped or failed.
///
/// # Errors
/// 404; 409 when it is active.
pub async fn restart(state: &web::Data<AppState>, caller: &Caller, id: DeploymentId) -> ApiResult<(Deployment, Job)> {
    let before = state.deployments.find(caller, id).await.map_err(deployment_error)?;
    let job = start_job(caller.user_id, before.project_id, id, None);
    state.deployments.start(caller, id, traced(job), state.clock.now()).await.map_err(deployment_error)
}

/// Waits until a start has ended, and reads the deployment.
///
/// # Errors
/// Why it could not be started.
///
/// # Cancel safety
/// The job goes on.
pub async fn started(state: &AppState, caller: &Caller, deployment: &Deployment) -> ApiResult<Deployment> {
    let job = state.job_reader.wait(caller, deployment.job_id, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match job.state {
        JobState::Succeeded => state.deployments.find(caller, deployment.id).await.map_err(deployment_error),
        JobState::Cancelled => Err(ApiError::new(ErrorCode::JobCancelled, "The start was cancelled")),
        _ => Err(failure_of(job.error)),
    }
}

/// Stops a deployment and returns when nothing of it runs here. Other servers hear of it.
///
/// # Errors
/// 404; 409 when it is not active.
///
/// # Cancel safety
/// Once it is `stopping` it ends in `stopped`, by this or another server.
pub async fn stop(state: &web::Data<AppState>, caller: &Caller, id: DeploymentId) -> ApiResult<Deployment> {
    use gristmill_domain::deployments::DeploymentStore;
    state.deployments.find(caller, id).await.map_err(deployment_error)?;
    state.deployments.happen(id, Event::Stop, None, state.clock.now()).await.map_err(deployment_error)?;
    state.serving.take_down(id).await;
    match state.deployments.happen(id, Event::End, None, state.clock.now()).await {
        Ok(deployment) => Ok(deployment),
        // Somebody else ended it meanwhile.
        Err(StoreError::Conflict(_)) => state.deployments.find(caller, id).await.map_err(deployment_error),
        Err(error) => Err(deployment_error(error)),
    }
}
