//! Jobs (DESIGN decision 9) and their event logs (decision 10).

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use gristmill_api_types::{
    common::ErrorShape,
    jobs::{JobEnvelope, JobEventView, JobEventsQuery, JobList, JobListQuery, JobView},
    paths::JobPath,
};
use gristmill_domain::{
    ErrorCode, JobId,
    jobs::Job,
    ports::{JobFilter, StoreError},
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    datasets::discard_cancelled,
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidQuery, Write},
    respond::Json,
    state::AppState,
    streams::{StreamForm, events_response, last_event_id},
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_jobs).service(find_job).service(cancel_job).service(stream_job_events);
}

/// Lists the caller's jobs, newest first; all, unless `limit` is sent.
#[utoipa::path(tag = "jobs", params(JobListQuery), responses((status = 200, description = "The jobs", body = JobList)))]
#[get("/jobs")]
pub async fn list_jobs(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<JobListQuery>,
) -> ApiResult<Json<JobList>> {
    let before = query.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than asked for tells whether there is a next page.
    let limit = query.limit.map(|limit| limit + 1);
    let filter = JobFilter { project_id: query.project_id, before, limit };
    let mut jobs = state.jobs.list(&signed.caller, filter).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let wanted = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let more = jobs.len() > wanted;
    jobs.truncate(wanted);
    let next_cursor = if more { jobs.last().map(write_cursor) } else { None };
    Ok(Json(JobList { jobs: jobs.into_iter().map(JobView::from).collect(), next_cursor }))
}

/// Reads a job.
#[utoipa::path(tag = "jobs", params(JobPath), responses((status = 200, description = "The job", body = JobEnvelope)))]
#[get("/jobs/{id}")]
pub async fn find_job(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<JobPath>,
) -> ApiResult<Json<JobEnvelope>> {
    Ok(Json(state.jobs.find(&signed.caller, path.id).await.map_err(job_error)?.into()))
}

/// Asks a job to stop. A queued one stops at once, a running one at its next safe point; an ended one stays as it is.
#[utoipa::path(tag = "jobs", params(JobPath), responses((status = 200, description = "The job as it is now", body = JobEnvelope)))]
#[post("/jobs/{id}/cancel")]
pub async fn cancel_job(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<JobPath>,
) -> ApiResult<Json<JobEnvelope>> {
    let job = state.jobs.request_cancel(&signed.caller, path.id).await.map_err(job_error)?;
    discard_cancelled(&state, &job).await;
    Ok(Json(job.into()))
}

/// Replays a job's log and follows it until the job ends: NDJSON, or server-sent events with `Accept:
/// text/event-stream`. Leaving does not stop the job.
#[utoipa::path(
    tag = "jobs",
    params(JobPath, JobEventsQuery, ("Last-Event-ID" = Option<i64>, Header, description = "Like `after`, as browsers send it")),
    responses((
        status = 200,
        description = "The events, one JSON object a line, or as server-sent events",
        content(
            (JobEventView = "application/x-ndjson"),
            (JobEventView = "text/event-stream"),
        )
    ))
)]
#[get("/jobs/{id}/events")]
pub async fn stream_job_events(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<JobPath>,
    ValidQuery(query): ValidQuery<JobEventsQuery>,
) -> ApiResult<HttpResponse> {
    // Asked here, so that a job that is not the caller's is a 404 and not an empty stream.
    state.jobs.find(&signed.caller, path.id).await.map_err(job_error)?;
    let after = query.after.or_else(|| last_event_id(&request)).unwrap_or(0);
    let events = state.job_reader.follow(signed.caller, path.id, after);
    Ok(events_response(StreamForm::of(&request), events.map(|event| event.map(JobEventView::from).map_err(ApiError::job))))
}

fn job_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::JobNotFound)(error)
}

fn write_cursor(job: &Job) -> String {
    format!("{}_{}", job.created_at.timestamp_micros(), job.id)
}

fn read_cursor(text: &str) -> ApiResult<(DateTime<Utc>, JobId)> {
    let parse = || {
        let (micros, id) = text.split_once('_')?;
        Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, id.parse().ok()?))
    };
    parse().ok_or_else(|| ApiError::field(ErrorShape::Flatten, "cursor", "send the `nextCursor` of the page before"))
}
