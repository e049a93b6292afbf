//! From a request to a training, and from its end to an answer.

use actix_web::web;
use gristmill_api_types::{common::ErrorShape, errors::FieldError, models::ModelCreate};
use gristmill_domain::{
    Caller, ErrorCode, JobId, ModelId,
    datasets::Dataset,
    jobs::{Job, JobError, JobState},
    models::{EvaluationStatus, Model, SEED_DEFAULT, Split, SplitKind, TEST_SIZE_DEFAULT, TaskType, TrainingPlan},
};
use gristmill_modeling::{Catalogue, JobBudget, evaluate_job, train_job};

use super::{
    evaluation::abandoned,
    split::{SplitWish, declared_split},
};
use crate::{
    error::{ApiError, ApiResult},
    notebooks::{memory_of, timeout_of},
    quota::check_room,
    routes::{datasets::dataset_error, models::model_error},
    state::AppState,
    telemetry::traced,
};

/// Fewest rows that are divided by class.
pub(super) const STRATIFIED_ROWS_MIN: u64 = 10;

/// What the caller's settings let one step of a job use.
///
/// # Errors
/// 404 when the caller is gone.
pub async fn budget_of(state: &AppState, caller: &Caller) -> ApiResult<JobBudget> {
    let settings = state.settings.overrides(caller).await.map_err(ApiError::store(ErrorCode::UserNotFound))?;
    let settings = settings.over(state.config.settings);
    let time_ms = u64::try_from(timeout_of(&settings).as_millis()).unwrap_or(u64::MAX);
    Ok(JobBudget { time_ms, memory_bytes: memory_of(&settings) })
}

/// Checks a training and submits its job.
///
/// # Errors
/// 404 for a project or dataset that is not the caller's, 400 with the field for whatever cannot be trained so.
pub async fn submit_training(
    state: &web::Data<AppState>,
    caller: &Caller,
    request: ModelCreate,
    idempotency_key: Option<String>,
) -> ApiResult<Job> {
    state.projects.find(caller, request.project_id).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let dataset = state.datasets.find(caller, request.dataset_id).await.map_err(dataset_error)?;
    if dataset.project_id != Some(request.project_id) {
        return Err(ApiError::new(ErrorCode::DatasetNotFound, "Dataset not found"));
    }
    let project = request.project_id;
    let wish = SplitWish::of(&request);
    let mut plan = plan_of(request, &dataset)?;
    // What it makes is not known yet: one byte asks whether anything fits.
    check_room(state, caller, Some(project), 1).await?;
    plan.split = declared_split(state, caller, &plan, wish, &dataset).await?;
    let budget = budget_of(state, caller).await?;
    let job = train_job(caller.user_id, project, plan, budget, idempotency_key);
    let (job, _) = state.jobs.submit(traced(job)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(job)
}

fn refuse(path: &str, message: impl Into<String>) -> ApiError {
    let field = FieldError { path: path.to_owned(), code: "invalid".to_owned(), message: message.into() };
    ApiError::validation(ErrorShape::Issues, vec![field])
}

/// Turns a request into a plan that can be run, or says which field is wrong.
fn plan_of(request: ModelCreate, dataset: &Dataset) -> ApiResult<TrainingPlan> {
    let template = Catalogue::shared()
        .resolve(&request.template_id, request.problem_type)
        .map_err(|error| refuse(&error.field, error.message))?;
    let parameters =
        template.check(&request.parameters.unwrap_or_default()).map_err(|error| refuse(&error.field, error.message))?;
    let has = |name: &str| dataset.columns.iter().any(|column| column.name == name);
    let missing = |name: &str| format!("the dataset has no column \"{name}\"");
    let target = match (template.task_type, request.target_column) {
        (TaskType::Clustering, _) => None,
        (_, None) => return Err(refuse("targetColumn", format!("{} needs the column to predict", template.name))),
        (_, Some(name)) if !has(&name) => return Err(refuse("targetColumn", missing(&name))),
        (_, Some(name)) => Some(name),
    };
    if let Some(name) = request.features.iter().flatten().find(|name| !has(name)) {
        return Err(refuse("features", missing(name)));
    }
    if let (Some(target), Some(features)) = (&target, &request.features)
        && features.contains(target)
    {
        return Err(refuse("features", format!("\"{target}\" is the column to predict, so it cannot be a feature")));
    }
    let columns = request.columns.unwrap_or_default();
    if let Some(name) = columns.keys().find(|name| !has(name)) {
        return Err(refuse("columns", missing(name)));
    }
    let split = request.split.unwrap_or(gristmill_api_types::models::SplitCreate { kind: None, column: None });
    let usual = match template.task_type {
        TaskType::Classification if dataset.row_count >= STRATIFIED_ROWS_MIN => SplitKind::Stratified,
        _ => SplitKind::Random,
    };
    let kind = split.kind.unwrap_or(usual);
    let column = match (kind, split.column) {
        (SplitKind::Group | SplitKind::Time, None) => {
            return Err(refuse("split.column", format!("a split by {} needs a column", kind.as_str())));
        }
        (SplitKind::Group | SplitKind::Time, Some(name)) if !has(&name) => return Err(refuse("split.column", missing(&name))),
        (SplitKind::Group, Some(name)) if Some(&name) == target.as_ref() => {
            return Err(refuse("split.column", "rows cannot be grouped by the column to predict"));
        }
        (SplitKind::Group | SplitKind::Time, column) => column,
        (SplitKind::Random | SplitKind::Stratified, _) => None,
    };
    let name = request.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(TrainingPlan {
        dataset_id: dataset.id,
        dataset_version: dataset.version,
        dataset_name: dataset.filename.clone(),
        name: name.unwrap_or_else(|| template.name.clone()),
        template_id: template.id.clone(),
        task_type: template.task_type,
        target,
        features: request.features,
        columns: columns.into_iter().map(|(name, role)| (name, role.as_str().to_owned())).collect(),
        parameters,
        split: Split {
            kind,
            column,
            test_size: request.test_size.unwrap_or(TEST_SIZE_DEFAULT),
            seed: request.seed.unwrap_or(SEED_DEFAULT),
        },
    })
}

/// Waits for a training and reads what it ended in. A training that failed because of its data is a model with an error.
///
/// # Errors
/// Why there is neither.
///
/// # Cancel safety
/// The job goes on.
pub async fn trained(state: &AppState, caller: &Caller, job: JobId) -> ApiResult<Model> {
    let job = state.job_reader.wait(caller, job, state.tasks.stopping()).await.map_err(ApiError::job)?;
    if job.state == JobState::Cancelled {
        return Err(ApiError::new(ErrorCode::JobCancelled, "The training was cancelled"));
    }
    let id: Option<ModelId> = job.payload.get("modelId").and_then(|id| id.as_str()?.parse().ok());
    let id = id.ok_or_else(|| ApiError::internal("a training without a model id"))?;
    match state.models.find(caller, id).await {
        Ok(model) => Ok(model),
        Err(gristmill_domain::ports::StoreError::NotFound) if job.state == JobState::Failed => Err(failure_of(job.error)),
        Err(error) => Err(model_error(error)),
    }
}

/// The answer to a request whose job made nothing.
pub(crate) fn failure_of(error: Option<JobError>) -> ApiError {
    let error = error.unwrap_or_else(|| JobError::new(ErrorCode::JobFailed, "The job failed"));
    let code = ErrorCode::from_name(&error.code).unwrap_or(ErrorCode::JobFailed);
    ApiError::new(code, error.message)
}

/// Evaluates a model again, and waits until that has ended. Returns where the evaluation stands then.
///
/// # Errors
/// 404; 409 when there is nothing to evaluate.
///
/// # Cancel safety
/// The job goes on.
pub async fn evaluated(state: &AppState, caller: &Caller, id: ModelId) -> ApiResult<EvaluationStatus> {
    let job = submit_evaluation(state, caller, id).await?;
    state.job_reader.wait(caller, job, state.tasks.stopping()).await.map_err(ApiError::job)?;
    let (model, job) = state.models.find_evaluated(caller, id).await.map_err(model_error)?;
    let status = model.evaluation_status;
    // Its worker died too often, or it was cancelled while it waited: nobody else says so.
    Ok(if abandoned(&model, job).is_some() { EvaluationStatus::Failed } else { status })
}

/// Submits the job that evaluates a model anew.
///
/// # Errors
/// 404; 409 when there is nothing to evaluate, 413 over the quota.
pub(crate) async fn submit_evaluation(state: &AppState, caller: &Caller, id: ModelId) -> ApiResult<JobId> {
    let model = state.models.find(caller, id).await.map_err(model_error)?;
    if model.artifacts.is_empty() {
        return Err(ApiError::new(ErrorCode::Conflict, "The training of this model failed, so there is nothing to evaluate"));
    }
    if let Some(reason) = model.unscored_reason() {
        return Err(ApiError::new(ErrorCode::Conflict, format!("The server cannot score this model: {reason}")));
    }
    check_room(state, caller, Some(model.project_id), 1).await?;
    let budget = budget_of(state, caller).await?;
    let job = evaluate_job(caller.user_id, model.project_id, id, budget);
    state.models.restart_evaluation(caller, id, traced(job), state.clock.now()).await.map_err(model_error)
}
