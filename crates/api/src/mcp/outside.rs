//! Tools for programs from outside, over the services that the HTTP routes use.

mod data;
mod models;

use futures_util::future::BoxFuture;
use gristmill_api_types::{
    common::RequestBody,
    jobs::{JobEnvelope, JobList, JobView},
};
use gristmill_domain::{
    ErrorCode, JobId, ProjectId,
    jobs::Job,
    ports::{JobFilter, StoreError},
};
use gristmill_workflow::tools::outside::{
    self, OutsideSpec, OutsideTool,
    args::{JobArgs, ListJobsArgs},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    asker::Asker,
    calls::Call,
    results::{Refused, wrong_arguments},
};
use crate::{datasets::discard_cancelled, error::ApiError};

/// Jobs that are listed when nothing is asked for.
const JOBS_DEFAULT: u32 = 50;

/// What a tool came to.
#[derive(Debug)]
pub(super) enum Done {
    /// It gave this.
    Output(Value),
    /// It started work that takes a while, and whose end is its result.
    Job(Box<Job>),
    /// It started such work, and was asked not to wait for it.
    Submitted(Box<Job>),
}

impl Done {
    /// Work that was started.
    fn started(job: Job, wait: Option<bool>) -> Self {
        if wait.unwrap_or(true) { Self::Job(Box::new(job)) } else { Self::Submitted(Box::new(job)) }
    }
}

/// Runs a tool. Its project is the caller's.
pub(super) async fn run(asker: &Asker, spec: &'static OutsideSpec, call: &Call) -> Result<Done, Refused> {
    let args = spec.check(&call.args).map_err(|error| wrong_arguments(spec.tool.as_str(), &error))?;
    // Of tools that are about no project it is never looked at.
    let project = call.project.unwrap_or(ProjectId(uuid::Uuid::nil()));
    let running: BoxFuture<'_, Result<Done, Refused>> = match spec.tool {
        OutsideTool::ListProjects => Box::pin(data::list_projects(asker)),
        OutsideTool::CreateProject => Box::pin(data::create_project(asker, args)),
        OutsideTool::UploadDataset => Box::pin(data::upload_dataset(asker, project, args)),
        OutsideTool::UploadDocument => Box::pin(data::upload_document(asker, project, args)),
        OutsideTool::RunSql => Box::pin(data::run_sql(asker, project, args)),
        OutsideTool::ListModelTemplates => Box::pin(std::future::ready(Ok::<Done, Refused>(models::list_templates()))),
        OutsideTool::TrainModel => Box::pin(models::train_model(asker, project, args)),
        OutsideTool::ListModels => Box::pin(models::list_models(asker, project)),
        OutsideTool::GetModel => Box::pin(models::get_model(asker, project, args)),
        OutsideTool::EvaluateModel => Box::pin(models::evaluate_model(asker, project, args)),
        OutsideTool::DeployModel => Box::pin(models::deploy_model(asker, project, args)),
        OutsideTool::ListDeployments => Box::pin(models::list_deployments(asker, project)),
        OutsideTool::Predict => Box::pin(models::predict(asker, project, args)),
        OutsideTool::ListJobs => Box::pin(list_jobs(asker, project, args)),
        OutsideTool::GetJob => Box::pin(get_job(asker, project, args)),
        OutsideTool::CancelJob => Box::pin(cancel_job(asker, project, args)),
    };
    running.await
}

/// Reads arguments that were checked.
fn read<A: DeserializeOwned>(args: Map<String, Value>) -> Result<A, Refused> {
    outside::read(args).map_err(|error| Refused::invalid(&format!("Invalid arguments: {error}")))
}

/// The body that the HTTP route of the same purpose takes, under the same rules.
fn body<T: RequestBody>(fields: Value) -> Result<T, Refused> {
    let body: T = serde_json::from_value(fields).map_err(|error| Refused::invalid(&format!("Invalid arguments: {error}")))?;
    body.validate().map_err(|report| Refused::invalid(&format!("Invalid arguments: {}", report.to_string().trim())))?;
    Ok(body)
}

async fn list_jobs(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let args: ListJobsArgs = read(args)?;
    let filter = JobFilter { project_id: Some(project), before: None, limit: Some(args.limit.unwrap_or(JOBS_DEFAULT)) };
    let jobs = asker.state.jobs.list(&asker.caller, filter).await;
    let jobs = jobs.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Done::Output(json!(JobList { jobs: jobs.into_iter().map(JobView::from).collect(), next_cursor: None })))
}

async fn get_job(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let JobArgs { job_id } = read(args)?;
    Ok(Done::Output(json!(JobEnvelope::from(find_job(asker, project, job_id).await?))))
}

async fn cancel_job(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let JobArgs { job_id } = read(args)?;
    let job = find_job(asker, project, job_id).await?;
    let job = asker.state.jobs.request_cancel(&asker.caller, job.id).await.map_err(job_error)?;
    discard_cancelled(&asker.state, &job).await;
    Ok(Done::Output(json!(JobEnvelope::from(job))))
}

async fn find_job(asker: &Asker, project: ProjectId, id: JobId) -> Result<Job, Refused> {
    let job = asker.state.jobs.find(&asker.caller, id).await.map_err(job_error)?;
    if job.project_id == Some(project) { Ok(job) } else { Err(job_error(StoreError::NotFound).into()) }
}

fn job_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::JobNotFound)(error)
}
