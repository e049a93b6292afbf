//! Studies: their submission, and their log as the contract's stream.

use actix_web::web;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_api_types::{common::ErrorShape, experiments::StudyCreate};
use gristmill_domain::{
    Caller, ErrorCode, JobId, ModelId, ProjectId, StudyId,
    jobs::{JOB_CANCELLED, JOB_FAILED, JOB_SUCCEEDED, Job, JobEvent},
    models::{Model, NewStudy},
    ports::StoreError,
};
use gristmill_jobs::JobsError;
use gristmill_modeling::{Catalogue, StudyRequest, tune_job, tuning_metric};
use serde_json::json;

use super::training::budget_of;
use crate::{
    error::{ApiError, ApiResult},
    quota::check_room,
    routes::models::model_error,
    state::AppState,
    streams::CancelOnDrop,
    telemetry::traced,
};

const TIMEOUT_SECONDS_DEFAULT: f64 = 600.0;
/// The events that plain NDJSON has.
const PLAIN: [&str; 3] = ["trial_result", "convergence_update", "importance_update"];

/// How a study came off its mark.
#[derive(Debug)]
pub enum StudyStream {
    /// It runs as this job.
    Started(Box<Job>),
    /// It cannot run; the contract tells it in the stream.
    Refused(String),
}

/// Checks a study and submits its job.
///
/// # Errors
/// 404 for a project that is not the caller's, 400 for a metric that does not fit.
pub async fn submit_study(
    state: &web::Data<AppState>,
    caller: &Caller,
    project: ProjectId,
    request: StudyCreate,
) -> ApiResult<StudyStream> {
    state.projects.find(caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let refused = |why: &str| Ok(StudyStream::Refused(why.to_owned()));
    let model = match state.models.find(caller, request.model_id).await {
        Ok(model) if model.project_id == project => model,
        Ok(_) | Err(StoreError::NotFound) => return refused("Model not found"),
        Err(error) => return Err(model_error(error)),
    };
    let template = Catalogue::shared().find(&model.plan.template_id);
    match template {
        None => return refused("The model's template is not there any more, so its parameters are not known"),
        Some(template) if !template.is_tunable() => return refused("This model has no parameters that can be tuned"),
        Some(_) => {}
    }
    tuning_metric(model.plan.task_type, &request.metric).map_err(|why| ApiError::field(ErrorShape::Flatten, "metric", why))?;
    match state.datasets.find(caller, model.plan.dataset_id).await {
        Ok(dataset) if dataset.version == model.plan.dataset_version => {}
        Ok(_) => return refused("The dataset changed since the model was trained; train it again, then tune"),
        Err(StoreError::NotFound) => return refused("The dataset that the model was trained on is gone"),
        Err(error) => return Err(model_error(error)),
    }
    check_room(state, caller, Some(project), 1).await?;
    let budget = budget_of(state, caller).await?;
    let (study_id, now) = (StudyId::random(), state.clock.now());
    let study = NewStudy { id: study_id, source: model.id, trials: request.n_trials, metric: request.metric.clone() };
    let request = StudyRequest {
        study_id,
        source_model_id: model.id,
        model_id: ModelId::random(),
        name: tuned_name(&model, now),
        plan: model.made.plan,
        trials: request.n_trials,
        metric: request.metric,
        timeout_ms: milliseconds(request.timeout_seconds.unwrap_or(TIMEOUT_SECONDS_DEFAULT)),
        sampler: request.sampler.unwrap_or_default().as_str().to_owned(),
        budget,
    };
    let job = tune_job(caller.user_id, project, request);
    let job = state.models.submit_study(caller, project, study, traced(job), now).await.map_err(model_error)?;
    Ok(StudyStream::Started(Box::new(job)))
}

fn tuned_name(model: &Model, now: chrono::DateTime<chrono::Utc>) -> String {
    format!("{} (tuned · {})", model.plan.name, now.format("%Y-%m-%d"))
}

fn milliseconds(seconds: f64) -> u64 {
    u64::try_from(std::time::Duration::from_secs_f64(seconds).as_millis()).unwrap_or(u64::MAX)
}

/// The log of a study as the contract's lines. A client that goes away before the end stops the study.
pub fn study_stream(
    state: &web::Data<AppState>,
    caller: Caller,
    job: JobId,
) -> impl Stream<Item = Result<Bytes, ApiError>> + use<> {
    let mut guard = CancelOnDrop::new(state.clone(), caller.clone(), job);
    state.job_reader.follow(caller, job, 0).filter_map(move |event| {
        // All of it: a closure would take the field alone, and the rest would be dropped here and now.
        let guard = &mut guard;
        if let Ok(event) = &event
            && event.is_closing()
        {
            guard.disarm();
        }
        std::future::ready(line_of(event))
    })
}

fn line_of(event: Result<JobEvent, JobsError>) -> Option<Result<Bytes, ApiError>> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Some(Err(ApiError::job(error))),
    };
    let data = &event.data;
    let line = match event.event_type.as_str() {
        kind if PLAIN.contains(&kind) => {
            let mut line = json!({ "type": kind });
            if let (Some(line), Some(data)) = (line.as_object_mut(), data.as_object()) {
                line.extend(data.clone());
            }
            line
        }
        JOB_SUCCEEDED => {
            let mut line = json!({ "type": "done" });
            if let (Some(line), Some(result)) = (line.as_object_mut(), data["result"].as_object()) {
                line.extend(result.clone());
            }
            line
        }
        JOB_FAILED => {
            let error = &data["error"];
            let message = error["message"].as_str().unwrap_or("The study failed");
            json!({ "type": "error", "message": message, "code": error["code"] })
        }
        JOB_CANCELLED => json!({ "type": "error", "message": "The study was cancelled", "code": "job_cancelled" }),
        _ => return None,
    };
    Some(Ok(Bytes::from(format!("{line}\n"))))
}
