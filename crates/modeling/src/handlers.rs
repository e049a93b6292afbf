//! The jobs that make and judge models. What a run made is stored in the commit that ends its job, and only while its lease
//! holds; a run that was taken over leaves nothing but files of its own, which go.

mod evaluate;
mod payload;
mod train;
mod tune;

use std::{path::PathBuf, sync::Arc};

use gristmill_domain::{
    Clock, ErrorCode,
    jobs::{JobError, JobOutcome, JobProgress, NewJobEvent},
    models::ModelStore,
    ports::StoreError,
};
use gristmill_jobs::{JobContext, JobVerdict, StopReason};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

pub use self::{
    evaluate::EvaluateHandler,
    payload::{AdoptRequest, Adopted, JobBudget, StudyRequest, adopt_job, evaluate_job, train_job, tune_job},
    train::TrainHandler,
    tune::TuneHandler,
};
use crate::{
    engine::{Engine, ModelPlaces},
    error::{ModelingError, chain},
};

/// Events of a sandbox that go into the log as they are. Others could be taken for the queue's own.
const PASSED_ON: [&str; 6] = ["warning", "fitted", "candidate", "trial_result", "convergence_update", "importance_update"];
/// Events that may be on their way to the log.
const EVENTS_MAX: usize = 4096;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// Runs the sandboxes.
    pub engine: Arc<Engine>,
    /// Where models are stored.
    pub store: Arc<dyn ModelStore>,
    /// Where files are.
    pub places: Arc<dyn ModelPlaces>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What a run tells, on its way into the job's log.
type Reporter = Box<dyn Fn(&str, f64, &Value) + Send + Sync>;

/// Makes a reporter, and what writes its events until the reporter is dropped: run both together.
fn reporting(context: &JobContext) -> (Reporter, impl Future<Output = ()> + Send + use<>) {
    let (sender, mut receiver) = mpsc::channel::<NewJobEvent>(EVENTS_MAX);
    let (told, written) = (context.events().clone(), context.events().clone());
    let reporter = move |stage: &str, fraction: f64, event: &Value| {
        told.progress(JobProgress { fraction: Some(fraction), message: Some(stage.to_owned()) });
        if let Some(event) = passed_on(event) {
            // Full only when the database is far behind: then the log lacks an event, and the work goes on.
            drop(sender.try_send(event));
        }
    };
    let write = async move {
        while let Some(event) = receiver.recv().await {
            if written.push_delta(event).await.is_err() {
                return;
            }
        }
    };
    (Box::new(reporter), write)
}

fn passed_on(event: &Value) -> Option<NewJobEvent> {
    let kind = event["type"].as_str().filter(|kind| PASSED_ON.contains(kind))?;
    let mut data = event.as_object()?.clone();
    data.remove("type");
    // Of the log itself; a sandbox may not say them.
    for key in ["seq", "timestamp"] {
        data.remove(key);
    }
    Some(NewJobEvent::new(kind, Value::Object(data)))
}

fn payload<T: DeserializeOwned>(context: &JobContext) -> Result<T, JobVerdict> {
    serde_json::from_value(context.job().payload.clone()).map_err(|error| {
        tracing::error!(%error, job.id = %context.job().id, "a job's payload is not readable");
        failed(JobError::new(ErrorCode::Internal, "The work could not be started"))
    })
}

fn failed(error: JobError) -> JobVerdict {
    JobVerdict::Finished(JobOutcome::Failed(error))
}

/// The end of a run for a reason that says nothing about the model: `None` when it does.
fn passing(context: &JobContext, error: &ModelingError) -> Option<JobVerdict> {
    match error {
        ModelingError::Stopped => return Some(JobVerdict::Stopped),
        _ if context.reason().is_some() => return Some(JobVerdict::Stopped),
        _ => {}
    }
    if error.is_passing() {
        return Some(JobVerdict::Finished(JobOutcome::Retry(error.job_error())));
    }
    None
}

/// The end of a run that could not be stored.
fn not_stored(context: &JobContext, error: &StoreError) -> JobVerdict {
    match error {
        StoreError::LeaseLost => JobVerdict::Stopped,
        StoreError::NotFound => failed(JobError::new(ErrorCode::ProjectNotFound, "The project or model was deleted meanwhile")),
        StoreError::Conflict(_) | StoreError::Unavailable(_) | StoreError::Defect(_) => {
            tracing::warn!(job.id = %context.job().id, error = chain(error), "a model could not be stored");
            let text = "The database did not take the result; trying again";
            JobVerdict::Finished(JobOutcome::Retry(JobError::new(ErrorCode::DatabaseUnavailable, text)))
        }
    }
}

/// Removes files that nothing refers to.
async fn discard(directory: PathBuf) {
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    if let Ok(Err(error)) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "files of a run that was not stored could not be removed");
    }
}

/// Whether the owner asked for the stop, and not the server.
fn was_cancelled(context: &JobContext) -> bool {
    context.reason() == Some(StopReason::CancelRequested)
}

fn log_failure(context: &JobContext, error: &ModelingError) {
    if error.code() == ErrorCode::Internal {
        tracing::error!(job.id = %context.job().id, error = chain(error), "a model could not be made or judged");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sandbox_cannot_speak_for_the_queue() {
        assert!(passed_on(&json!({ "type": "job_succeeded", "result": {} })).is_none());
        assert!(passed_on(&json!({ "type": "progress" })).is_none());
        let event = passed_on(&json!({ "type": "trial_result", "seq": 9, "value": 0.5 })).unwrap();
        assert_eq!((event.event_type.as_str(), event.data), ("trial_result", json!({ "value": 0.5 })));
    }
}
