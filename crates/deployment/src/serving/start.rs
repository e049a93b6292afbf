//! [`JobKind::DeploymentStart`].

use std::sync::Arc;

use async_trait::async_trait;
use gristmill_domain::{
    DeploymentId, ErrorCode, JobId, ProjectId, UserId,
    deployments::{Event, ServingRuntime},
    jobs::{JobError, JobKind, JobOutcome, NewJob},
    ports::StoreError,
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict, StopReason};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Entry, Serving, ServingError};
use crate::{inference::Rows, worker::WorkerError};

/// How often a start may be tried: once, and twice more when its server died.
const ATTEMPTS_MAX: u32 = 3;
const ERROR_CHARS_MAX: usize = 500;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartPayload {
    deployment_id: DeploymentId,
}

/// The job that brings a deployment up. Its result has the `deploymentId`.
#[must_use]
pub fn start_job(owner: UserId, project: ProjectId, id: DeploymentId, idempotency_key: Option<String>) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind: JobKind::DeploymentStart,
        owner_id: owner,
        project_id: Some(project),
        payload: json!(StartPayload { deployment_id: id }),
        attempts_max: ATTEMPTS_MAX,
        idempotency_key,
    }
}

/// Brings deployments up.
#[derive(Debug)]
pub struct StartHandler {
    serving: Arc<Serving>,
}

impl StartHandler {
    /// A handler.
    #[must_use]
    pub fn new(serving: Arc<Serving>) -> Self {
        Self { serving }
    }

    /// Launches, tries, and tells how it ended.
    async fn bring_up(&self, id: DeploymentId) -> Result<(), JobError> {
        let ports = &self.serving.ports;
        let launched = ports.store.happen(id, Event::Launch, None, ports.clock.now()).await;
        match launched {
            Ok(_) => {}
            Err(StoreError::NotFound) => return Err(JobError::new(ErrorCode::DeploymentNotFound, "The deployment is gone")),
            Err(StoreError::Conflict(why)) => return Err(JobError::new(ErrorCode::Conflict, why)),
            Err(error) => return Err(unavailable(&error)),
        }
        let served = ports.store.served(id).await.map_err(|error| unavailable(&error))?;
        let entry = Entry::new(served, &ports.places);
        self.serving.try_model(&entry).await.map_err(|error| {
            let message: String = error.public_message().chars().take(ERROR_CHARS_MAX).collect();
            JobError::new(error.code(), message)
        })
    }

    async fn conclude(&self, context: &JobContext, id: DeploymentId, ended: Result<(), JobError>) -> JobVerdict {
        let (event, reason, outcome) = match ended {
            Ok(()) => (Event::Ready, None, JobOutcome::Succeeded(json!({ "deploymentId": id }))),
            Err(error) if error.code == ErrorCode::JobCancelled.as_str() => {
                (Event::Fail, Some(error.message), JobOutcome::Cancelled)
            }
            Err(error) => (Event::Fail, Some(error.message.clone()), JobOutcome::Failed(error)),
        };
        if event == Event::Fail {
            // A start that failed leaves nothing running.
            self.serving.take_down(id).await;
        }
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let ports = &self.serving.ports;
        let stored = ports.store.conclude_start(context.lease(), id, event, reason, outcome.clone(), ports.clock.now()).await;
        match stored {
            Ok(()) => JobVerdict::Recorded,
            Err(StoreError::LeaseLost) => JobVerdict::Stopped,
            Err(StoreError::NotFound) => {
                self.serving.take_down(id).await;
                let gone = JobError::new(ErrorCode::DeploymentNotFound, "The deployment was deleted meanwhile");
                JobVerdict::Finished(JobOutcome::Failed(gone))
            }
            Err(error) => JobVerdict::Finished(JobOutcome::Retry(unavailable(&error))),
        }
    }
}

#[async_trait]
impl JobHandler for StartHandler {
    fn kind(&self) -> JobKind {
        JobKind::DeploymentStart
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let payload: StartPayload = match serde_json::from_value(context.job().payload.clone()) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, job.id = %context.job().id, "a job's payload is not readable");
                let error = JobError::new(ErrorCode::Internal, "The deployment could not be started");
                return JobVerdict::Finished(JobOutcome::Failed(error));
            }
        };
        let id = payload.deployment_id;
        let ended = tokio::select! {
            ended = self.bring_up(id) => ended,
            () = context.stop_token().cancelled() => match context.reason() {
                Some(StopReason::CancelRequested) => Err(JobError::new(ErrorCode::JobCancelled, "The start was cancelled")),
                // Another worker, or the next start of this server, begins again.
                _ => return JobVerdict::Stopped,
            },
        };
        match ended {
            Err(error) if error.code == ErrorCode::DatabaseUnavailable.as_str() => JobVerdict::Finished(JobOutcome::Retry(error)),
            ended => self.conclude(&context, id, ended).await,
        }
    }
}

impl Serving {
    /// Loads the model and lets it answer for a row of its training data.
    pub(super) async fn try_model(&self, entry: &Entry) -> Result<(), ServingError> {
        if entry.served.deployment.runtime == ServingRuntime::Container {
            entry.check_model_file().await?;
        }
        let signature = entry.signature().await?;
        entry.features().await?;
        let sample = Rows::from_object(&signature, &signature.sample_request)?;
        let answers = self.answer(entry, &signature, &sample.rows).await?;
        if answers.len() == 1 {
            Ok(())
        } else {
            Err(WorkerError::Died("the model gave no answer for a row of its own training data".to_owned()).into())
        }
    }
}

fn unavailable(error: &StoreError) -> JobError {
    tracing::warn!(error = %error, "a deployment could not be started now");
    JobError::new(ErrorCode::DatabaseUnavailable, "The database does not answer; trying again")
}
