//! Long work: jobs, as tasks of the protocol (extension `io.modelcontextprotocol/tasks`) or waited for. A task's id is its
//! job's, so a task outlives the server that made it.

use std::{sync::Arc, time::Duration};

use actix_web::ResponseError;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use gristmill_api_types::{
    deployments::{DeploymentEnvelope, DeploymentView},
    jobs::{JobEnvelope, JobView},
    models::TrainingView,
};
use gristmill_domain::{
    DeploymentId, ErrorCode, JobId, ModelId, Scope,
    datasets::iso_millis,
    jobs::{Job, JobEvent, JobKind, JobState, PROGRESS},
    models::EvaluationStatus,
    ports::StoreError,
};
use rmcp::{
    RoleServer,
    model::{DetailedTask, ErrorData, InputResponses, ProgressNotificationParam, ProgressToken, Task, TaskPayload, TaskStatus},
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    asker::Asker,
    fixtures::SuiteTask,
    results::{Refused, failed, succeeded},
};
use crate::{
    datasets::discard_cancelled,
    deployments::deployment_error,
    error::ApiError,
    models::{EvaluationPart, evaluation_part, failure_of},
    routes::models::model_error,
};

/// How often a client is asked to look again, milliseconds.
const POLL_MS: u64 = 1000;

/// A job as a task.
pub(super) fn task_of(asker: &Asker, job: &Job) -> Task {
    let changed = job.finished_at.or(job.started_at).unwrap_or(job.created_at);
    let status = match job.state {
        JobState::Queued | JobState::Running => TaskStatus::Working,
        // Work that failed gave a result that says so; only the protocol's own failures fail a task.
        JobState::Succeeded | JobState::Failed => TaskStatus::Completed,
        JobState::Cancelled => TaskStatus::Cancelled,
    };
    let task = task(job.id.to_string(), status, job.created_at, changed, asker.state.config.jobs.retention);
    match &job.progress.message {
        Some(message) => task.with_status_message(message),
        None => task,
    }
}

/// A task, which is kept for a while.
pub(super) fn task(id: String, status: TaskStatus, created: DateTime<Utc>, changed: DateTime<Utc>, kept: Duration) -> Task {
    let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
    let task = Task::new(id, status, iso_millis::format(created), iso_millis::format(changed));
    task.with_ttl_ms(kept_ms).with_poll_interval_ms(POLL_MS)
}

/// A job that nobody waits for, and how to follow it.
pub(super) fn handle(job: &Job) -> Value {
    let mut handle = json!(JobEnvelope { job: JobView::from(job.clone()) });
    if let Some(fields) = handle.as_object_mut() {
        fields.insert("next".to_owned(), "get_job tells how far it has come, and what it made".into());
    }
    handle
}

/// What stands behind a task.
enum Work {
    Job(Box<Job>),
    /// Of the suite of the protocol's authors, for their tools only.
    Suite(Arc<SuiteTask>),
}

/// Where a task stands, with its result when it has ended.
pub(super) async fn get(asker: &Asker, id: &str) -> Result<DetailedTask, ErrorData> {
    let job = match find(asker, id).await? {
        Work::Job(job) => job,
        Work::Suite(task) => return task.detailed(asker.state.clock.now()),
    };
    let payload = match job.state {
        JobState::Queued | JobState::Running => TaskPayload::Working,
        JobState::Cancelled => TaskPayload::Cancelled,
        JobState::Succeeded | JobState::Failed => match outcome(asker, &job).await {
            Ok(output) => ended(Ok(output))?,
            Err(Untold::Failed(refused)) => ended(Err(refused))?,
            // Told as the task's result, it would be that for ever to its client.
            Err(Untold::Unread(error)) => return Err(of_server(&error)),
        },
    };
    Ok(DetailedTask::new(task_of(asker, &job), payload))
}

/// What a task has come to: the result of its call.
pub(super) fn ended(outcome: Result<Value, Refused>) -> Result<TaskPayload, ErrorData> {
    let result = match outcome {
        Ok(output) => succeeded(output),
        Err(refused) => failed(refused),
    };
    match json!(result) {
        Value::Object(result) => Ok(TaskPayload::Completed { result }),
        _ => Err(ErrorData::internal_error("the result has no fields", None)),
    }
}

/// Takes answers to what a task asks. No job asks for anything, so there is nothing to take; but it must be the caller's.
pub(super) async fn update(asker: &Asker, id: &str, responses: &InputResponses) -> Result<(), ErrorData> {
    if let Work::Suite(task) = find(asker, id).await? {
        task.answer(responses, asker.state.clock.now());
    }
    Ok(())
}

/// Asks a task to stop.
pub(super) async fn cancel(asker: &Asker, id: &str) -> Result<(), ErrorData> {
    asker.require(Scope::Write).map_err(|refused| ErrorData::invalid_request(refused.words, None))?;
    match find(asker, id).await? {
        Work::Job(job) => {
            let job = asker.state.jobs.request_cancel(&asker.caller, job.id).await.map_err(store_error)?;
            discard_cancelled(&asker.state, &job).await;
        }
        Work::Suite(task) => task.cancel(asker.state.clock.now()),
    }
    Ok(())
}

async fn find(asker: &Asker, id: &str) -> Result<Work, ErrorData> {
    let id: JobId = id.parse().map_err(|_error| unknown())?;
    if let Some(task) = asker.state.mcp.suite.as_ref().and_then(|suite| suite.find(&asker.caller, id.0)) {
        return Ok(Work::Suite(task));
    }
    let job = asker.state.jobs.find(&asker.caller, id).await.map_err(store_error)?;
    Ok(Work::Job(Box::new(job)))
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("Task not found", None)
}

fn store_error(error: StoreError) -> ErrorData {
    if matches!(error, StoreError::NotFound) {
        return unknown();
    }
    of_server(&ApiError::store(ErrorCode::JobNotFound)(error))
}

/// The server's own failure. The same question may be answered another time.
fn of_server(error: &ApiError) -> ErrorData {
    error.log();
    ErrorData::internal_error(error.to_string(), None)
}

/// Waits for a job's end, tells the client of its progress, and gives what it made.
///
/// # Cancel safety
/// The job goes on.
pub(super) async fn followed(asker: &Asker, job: &Job, context: &RequestContext<RoleServer>) -> Result<Value, Refused> {
    let token = context.meta.get_progress_token();
    let mut events = Box::pin(asker.state.job_reader.follow(asker.caller.clone(), job.id, 0));
    let mut told = 0.0;
    loop {
        let event = tokio::select! {
            biased;
            () = context.ct.cancelled() => return Err(left(job.id)),
            () = asker.state.tasks.stopping().cancelled() => return Err(left(job.id)),
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) if event.is_closing() => break,
            Some(Ok(event)) => {
                if let Some(token) = &token {
                    told = tell(context, token, &event, told).await;
                }
            }
            Some(Err(error)) => return Err(ApiError::job(error).into()),
            None => break,
        }
    }
    let ended = asker.state.jobs.find(&asker.caller, job.id).await;
    Ok(outcome(asker, &ended.map_err(ApiError::store(ErrorCode::JobNotFound))?).await?)
}

fn left(job: JobId) -> Refused {
    Refused::new(format!("Nobody waits for the job {job} any more; it goes on, get_job tells how it ends"))
        .with("jobId", json!(job))
}

/// Tells of progress, and gives how much was told: it only ever grows.
async fn tell(context: &RequestContext<RoleServer>, token: &ProgressToken, event: &JobEvent, told: f64) -> f64 {
    let fraction = event.data.get("fraction").and_then(Value::as_f64).filter(|fraction| *fraction > told);
    let Some(fraction) = fraction.filter(|_| event.event_type == PROGRESS) else { return told };
    let mut told = ProgressNotificationParam::new(token.clone(), fraction).with_total(1.0);
    if let Some(message) = event.data.get("message").and_then(Value::as_str) {
        told = told.with_message(message);
    }
    if let Err(error) = context.peer.notify_progress(told).await {
        tracing::debug!(%error, "a client does not hear of progress");
    }
    fraction
}

/// Why it is not told what a job made.
#[derive(Debug)]
pub(super) enum Untold {
    /// It made nothing, or nothing that is still there: that is how it ended.
    Failed(Refused),
    /// It could not be read just now.
    Unread(ApiError),
}

impl From<ApiError> for Untold {
    fn from(error: ApiError) -> Self {
        if error.status_code().is_server_error() { Self::Unread(error) } else { Self::Failed(error.into()) }
    }
}

impl From<Untold> for Refused {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Failed(refused) => refused,
            Untold::Unread(error) => error.into(),
        }
    }
}

/// What a job that has ended made, as the tool that started it gives it.
async fn outcome(asker: &Asker, job: &Job) -> Result<Value, Untold> {
    if job.state == JobState::Cancelled {
        return Err(Untold::Failed(Refused::new("The job was cancelled").with("job", json!(JobView::from(job.clone())))));
    }
    match job.kind {
        JobKind::ModelTrain => training(asker, job).await,
        JobKind::ModelEvaluate => {
            let id = named(job, "modelId").and_then(|id| id.parse::<ModelId>().ok());
            let id = id.ok_or_else(|| ApiError::internal("an evaluation without a model"))?;
            evaluation(asker, id).await
        }
        JobKind::DeploymentStart if job.state == JobState::Succeeded => {
            let id = named(job, "deploymentId").and_then(|id| id.parse::<DeploymentId>().ok());
            let id = id.ok_or_else(|| ApiError::internal("a start without a deployment"))?;
            let deployment = asker.state.deployments.find(&asker.caller, id).await.map_err(deployment_error)?;
            Ok(json!(DeploymentEnvelope { deployment: DeploymentView::new(deployment, &asker.server) }))
        }
        _ if job.state == JobState::Failed => Err(failed_job(job)),
        _ => Ok(json!(JobEnvelope { job: JobView::from(job.clone()) })),
    }
}

/// What the job says of its failure, which is its end whatever the server's share in it.
fn failed_job(job: &Job) -> Untold {
    Untold::Failed(failure_of(job.error.clone()).into())
}

fn named<'a>(job: &'a Job, key: &str) -> Option<&'a str> {
    job.payload.get(key).and_then(Value::as_str)
}

async fn training(asker: &Asker, job: &Job) -> Result<Value, Untold> {
    let id = named(job, "modelId").and_then(|id| id.parse::<ModelId>().ok());
    let id = id.ok_or_else(|| ApiError::internal("a training without a model"))?;
    let model = match asker.state.models.find(&asker.caller, id).await {
        Err(StoreError::NotFound) if job.state == JobState::Failed => return Err(failed_job(job)),
        found => found.map_err(model_error)?,
    };
    let error = model.error.clone();
    let message = error.clone().unwrap_or_else(|| format!("{} was trained", model.plan.name));
    let view = json!(TrainingView { model: model.into(), success: error.is_none(), message });
    match (error, view) {
        (Some(error), Value::Object(more)) => Err(Untold::Failed(Refused { words: error, more })),
        (_, view) => Ok(view),
    }
}

/// A model's evaluation, or why there is none.
pub(super) async fn evaluation(asker: &Asker, id: ModelId) -> Result<Value, Untold> {
    match evaluation_part(&asker.state, &asker.caller, id, "evaluation.json").await? {
        EvaluationPart::File(file) => {
            let evaluation: Value = serde_json::from_slice(&file).map_err(ApiError::internal)?;
            Ok(json!({ "modelId": id, "evaluationStatus": EvaluationStatus::Ready, "evaluation": evaluation }))
        }
        EvaluationPart::Missing { status, why } => {
            let refused = Refused::new(format!("The model is not evaluated: {why}"));
            Err(Untold::Failed(refused.with("evaluationStatus", json!(status))))
        }
    }
}
