//! The log of a turn's job as the contract's stream.

use actix_web::web;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_domain::{
    Caller, JobId,
    jobs::{JOB_CANCELLED, JOB_FAILED, JOB_SUCCEEDED, JobEvent},
    ports::StoreError,
};
use gristmill_jobs::JobsError;
use gristmill_workflow::agent::wire::PLAIN;
use serde_json::{Map, Value, json};

use crate::{error::ApiError, state::AppState, streams::CancelOnDrop};

/// Events that only clients who asked for them are sent.
const EXTENDED: [&str; 1] = ["tool_started"];

/// The log of a turn as the contract's lines. A client that goes away before the end asks the turn to stop.
pub fn turn_stream(
    state: &web::Data<AppState>,
    caller: Caller,
    job: JobId,
    extended: bool,
) -> impl Stream<Item = Result<Bytes, ApiError>> + use<> {
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
                line_of(&event, extended, &mut is_done).map(Ok)
            }
            Err(JobsError::Store(StoreError::NotFound)) => {
                guard.disarm();
                last_words(&mut is_done).map(Ok)
            }
            Err(error) => {
                // The log cannot be read: no reason to stop what writes it.
                guard.disarm();
                Some(Err(ApiError::job(error)))
            }
        };
        std::future::ready(line)
    })
}

/// The end of a turn that went with its project: nobody else can say it any more.
fn last_words(is_done: &mut bool) -> Option<Bytes> {
    if std::mem::replace(is_done, true) {
        return None;
    }
    let message = "The run is gone: its project was deleted";
    let failed = json!({ "type": "workflow_error", "message": message, "retryable": false });
    Some(Bytes::from(format!("{failed}\n{}\n", json!({ "type": "done" }))))
}

fn line_of(event: &JobEvent, extended: bool, is_done: &mut bool) -> Option<Bytes> {
    let kind = event.event_type.as_str();
    if PLAIN.contains(&kind) || (extended && EXTENDED.contains(&kind)) {
        if *is_done {
            return None;
        }
        *is_done = kind == "done";
        let mut line = Map::new();
        line.insert("type".to_owned(), kind.into());
        line.extend(event.data.as_object().cloned().unwrap_or_default());
        line.remove("_sequence");
        return Some(Bytes::from(format!("{}\n", Value::Object(line))));
    }
    if *is_done {
        return None;
    }
    // A job that was ended from outside could not say its last words itself.
    let message = match kind {
        JOB_FAILED => event.data.pointer("/error/message").and_then(Value::as_str).unwrap_or("The turn failed"),
        JOB_CANCELLED => "The turn was stopped",
        JOB_SUCCEEDED => return Some(Bytes::from_static(b"{\"type\":\"done\"}\n")),
        _ => return None,
    };
    let code = if kind == JOB_CANCELLED { "USER_INTERRUPTED" } else { "WORKFLOW_NO_PROGRESS" };
    let failed = json!({ "type": "workflow_error", "message": message, "retryable": true, "code": code });
    Some(Bytes::from(format!("{failed}\n{}\n", json!({ "type": "done" }))))
}
