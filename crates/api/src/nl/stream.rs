//! The log of a question's job as the contract's stream, and as one answer.

use actix_web::web;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_domain::{
    Caller, ErrorCode, JobId,
    datasets::iso_millis,
    jobs::{JOB_CANCELLED, JOB_FAILED, JOB_SUCCEEDED, JobError, JobEvent},
};
use serde::Deserialize as _;
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    datasets::job_failure,
    error::{ApiError, ApiResult},
    state::AppState,
    streams::CancelOnDrop,
};

/// The events that plain NDJSON has.
const PLAIN: [&str; 9] = [
    "phase_started",
    "phase_progress",
    "phase_completed",
    "phase_failed",
    "model_work_block_started",
    "model_work_delta",
    "model_work_block_completed",
    "result",
    "done",
];

/// The log of a question as the contract's lines. A client that goes away before the end cancels the question.
pub fn nl_stream(state: &web::Data<AppState>, caller: Caller, job: JobId) -> impl Stream<Item = Result<Bytes, ApiError>> + use<> {
    let mut guard = CancelOnDrop::new(state.clone(), caller.clone(), job);
    let mut is_done = false;
    state.job_reader.follow(caller, job, 0).filter_map(move |event| {
        // All of it: a closure would take the field alone, and the rest would be dropped here and now.
        let guard = &mut guard;
        let line = match event {
            Ok(event) => {
                if event.is_closing() {
                    guard.disarm();
                }
                line_of(&event, &mut is_done).map(Ok)
            }
            Err(error) => Some(Err(ApiError::job(error))),
        };
        std::future::ready(line)
    })
}

fn line_of(event: &JobEvent, is_done: &mut bool) -> Option<Bytes> {
    match event.event_type.as_str() {
        kind if PLAIN.contains(&kind) => {
            *is_done |= kind == "done";
            let mut line = Map::new();
            line.insert("type".to_owned(), kind.into());
            line.extend(event.data.as_object().cloned().unwrap_or_default());
            Some(Bytes::from(format!("{}\n", Value::Object(line))))
        }
        // A job that was ended from outside could not say its last words itself.
        JOB_FAILED if !*is_done => {
            let message = event.data.pointer("/error/message").and_then(Value::as_str).unwrap_or("The question failed");
            Some(last_words(event, message))
        }
        JOB_CANCELLED if !*is_done => Some(last_words(event, "The question was cancelled")),
        JOB_SUCCEEDED if !*is_done => Some(Bytes::from_static(b"{\"type\":\"done\"}\n")),
        _ => None,
    }
}

fn last_words(event: &JobEvent, message: &str) -> Bytes {
    let failed = json!({
        "type": "phase_failed", "phaseId": "done", "summary": message, "timestamp": iso_millis::format(event.at)
    });
    Bytes::from(format!("{failed}\n{}\n", json!({ "type": "done" })))
}

/// Waits for the answer to a question.
///
/// # Errors
/// Why there is none.
///
/// # Cancel safety
/// Dropping the future cancels the question: nobody else waits for it.
pub async fn nl_answer(state: &web::Data<AppState>, caller: Caller, job: JobId) -> ApiResult<Box<RawValue>> {
    let stopping = state.tasks.stopping().clone();
    let mut guard = CancelOnDrop::new(state.clone(), caller.clone(), job);
    let mut events = Box::pin(state.job_reader.follow(caller, job, 0));
    let mut answer = None;
    loop {
        let next = tokio::select! {
            biased;
            () = stopping.cancelled() => return Err(ApiError::job(gristmill_jobs::JobsError::CalledOff)),
            next = events.next() => next,
        };
        let Some(event) = next else { break };
        let event = event.map_err(ApiError::job)?;
        if event.is_closing() {
            guard.disarm();
        }
        match event.event_type.as_str() {
            "result" => {
                answer = event.data.get("nl").map(serde_json::value::to_raw_value).transpose().map_err(ApiError::internal)?;
            }
            JOB_FAILED => {
                let error: Option<JobError> = event.data.get("error").and_then(|error| JobError::deserialize(error).ok());
                return Err(job_failure(error));
            }
            JOB_CANCELLED => return Err(ApiError::new(ErrorCode::JobCancelled, "The question was cancelled")),
            _ => {}
        }
    }
    answer.ok_or_else(|| ApiError::internal("a question's job ended without an answer"))
}
