//! The log of a question's job as the contract's stream, and as one answer.

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_domain::{
    Caller, ErrorCode, JobId, ProjectId,
    datasets::iso_millis,
    jobs::{JOB_CANCELLED, JOB_FAILED, JOB_SUCCEEDED, JobError, JobEvent},
};
use gristmill_jobs::JobsError;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::results::{self, Form};
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
    RESULT,
    "done",
];
const RESULT: &str = "result";

/// A question that somebody waits for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who asked.
    pub caller: Caller,
    /// About which project's tables.
    pub project: ProjectId,
    /// The job that answers.
    pub job: JobId,
}

/// The log of a question as the contract's lines. A client that goes away before the end cancels the question.
pub fn nl_stream(state: &web::Data<AppState>, asked: Asked) -> impl Stream<Item = Result<Bytes, ApiError>> + use<> {
    let mut guard = CancelOnDrop::new(state.clone(), asked.caller.clone(), asked.job);
    let mut is_done = false;
    let events = state.job_reader.follow(asked.caller.clone(), asked.job, 0);
    let (state, asked) = (state.clone(), Arc::new(asked));
    let told = events.then(move |event| with_answer(state.clone(), Arc::clone(&asked), event));
    told.filter_map(move |told| {
        // All of it: a closure would take the field alone, and the rest would be dropped here and now.
        let guard = &mut guard;
        let line = match told {
            Ok((event, answer)) => {
                if event.is_closing() {
                    guard.disarm();
                }
                answer.or_else(|| line_of(&event, &mut is_done)).map(Ok)
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(line)
    })
}

/// An event, and the line of the one that has the answer.
async fn with_answer(
    state: web::Data<AppState>,
    asked: Arc<Asked>,
    event: Result<JobEvent, JobsError>,
) -> ApiResult<(JobEvent, Option<Bytes>)> {
    let mut event = event.map_err(ApiError::job)?;
    let Some(nl) = answer_in(&mut event) else { return Ok((event, None)) };
    let line = results::written(&state, &asked, nl, Form::Line).await?;
    Ok((event, Some(line.into())))
}

/// Takes the answer out of the event that has it.
fn answer_in(event: &mut JobEvent) -> Option<Map<String, Value>> {
    if event.event_type != RESULT {
        return None;
    }
    match event.data.get_mut("nl").map(Value::take) {
        Some(Value::Object(nl)) => Some(nl),
        _ => None,
    }
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

/// Waits for the answer to a question: `{nl}` as JSON.
///
/// # Errors
/// Why there is none.
///
/// # Cancel safety
/// Dropping the future cancels the question: nobody else waits for it.
pub async fn nl_answer(state: &web::Data<AppState>, asked: Asked) -> ApiResult<String> {
    let stopping = state.tasks.stopping().clone();
    let mut guard = CancelOnDrop::new(state.clone(), asked.caller.clone(), asked.job);
    let mut events = Box::pin(state.job_reader.follow(asked.caller.clone(), asked.job, 0));
    let mut answer = None;
    loop {
        let next = tokio::select! {
            biased;
            () = stopping.cancelled() => return Err(ApiError::job(JobsError::CalledOff)),
            next = events.next() => next,
        };
        let Some(event) = next else { break };
        let mut event = event.map_err(ApiError::job)?;
        if event.is_closing() {
            guard.disarm();
        }
        match event.event_type.as_str() {
            RESULT => answer = answer_in(&mut event),
            JOB_FAILED => {
                let error: Option<JobError> = event.data.get("error").and_then(|error| JobError::deserialize(error).ok());
                return Err(job_failure(error));
            }
            JOB_CANCELLED => return Err(ApiError::new(ErrorCode::JobCancelled, "The question was cancelled")),
            _ => {}
        }
    }
    let nl = answer.ok_or_else(|| ApiError::internal("a question's job ended without an answer"))?;
    results::written(state, &asked, nl, Form::Answer).await
}
