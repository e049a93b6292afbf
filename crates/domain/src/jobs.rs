//! Jobs: long work that is recorded before it starts and survives the process that runs it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ErrorCode, JobId, ProjectId, UserId};

/// What a job does. Each kind has one handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobKind {
    /// Reads an uploaded file into a dataset.
    DatasetIngest,
    /// Changes the type of a dataset's column.
    DatasetRetype,
    /// Does nothing but report progress for a stated time: for tests of the queue itself.
    Probe,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::DatasetIngest, Self::DatasetRetype, Self::Probe];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DatasetIngest => "dataset_ingest",
            Self::DatasetRetype => "dataset_retype",
            Self::Probe => "probe",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobState {
    /// Waiting for a worker.
    Queued,
    /// Leased by a worker.
    Running,
    /// Done.
    Succeeded,
    /// Gave up.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing will happen any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Why a job ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobError {
    /// A wire error code.
    pub code: String,
    /// What to do next, for a person.
    pub message: String,
    /// The field or place that is at fault, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl JobError {
    /// An error with a code and a public message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into(), detail: None }
    }
}

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobProgress {
    /// Share of the work done, 0..1, when it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// What is being done, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A job as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The user on whose behalf it runs.
    pub owner_id: UserId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// Where it stands.
    pub state: JobState,
    /// What its handler needs. Never sent to clients.
    pub payload: Value,
    /// What it made, once it succeeded.
    pub result: Option<Value>,
    /// Why it ended, once it failed.
    pub error: Option<JobError>,
    /// How far it has come.
    pub progress: JobProgress,
    /// How often it was started.
    pub attempt: u32,
    /// How often it may be started.
    pub attempts_max: u32,
    /// Whether somebody asked to stop it.
    pub cancel_requested: bool,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it was first started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job to be submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Identity, chosen by the submitter so that files can be named after it first.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The user on whose behalf it runs.
    pub owner_id: UserId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// What its handler needs.
    pub payload: Value,
    /// How often it may be started.
    pub attempts_max: u32,
    /// A key under which a second submission by the same owner finds this job instead of making another.
    pub idempotency_key: Option<String>,
}

/// The right to write for a running job. A write with an older epoch than the stored one is refused: its worker
/// was taken for dead and another has the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// Grows with each claim.
    pub epoch: i64,
}

/// An event of a job's log, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvent {
    /// Position in the log, from 1, without gaps.
    pub seq: i64,
    /// When it was appended.
    pub at: DateTime<Utc>,
    /// The event's type, `snake_case`.
    pub event_type: String,
    /// The event's other fields.
    pub data: Value,
}

/// An event to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJobEvent {
    /// The event's type, `snake_case`.
    pub event_type: String,
    /// The event's other fields; an object.
    pub data: Value,
}

/// How a run of a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobOutcome {
    /// It made this.
    Succeeded(Value),
    /// It failed for good.
    Failed(JobError),
    /// It failed in a way that another attempt may mend; becomes `Failed` when the attempts are used up.
    Retry(JobError),
    /// It stopped because it was asked to.
    Cancelled,
}

/// What becomes of a running job, given how its run ended.
///
/// The whole of the job's state machine besides claiming: pure, so that every store decides alike.
#[must_use]
pub fn state_after(outcome: &JobOutcome, attempt: u32, attempts_max: u32, cancel_requested: bool) -> JobState {
    match outcome {
        JobOutcome::Succeeded(_) => JobState::Succeeded,
        JobOutcome::Cancelled => JobState::Cancelled,
        JobOutcome::Failed(_) => JobState::Failed,
        JobOutcome::Retry(_) if cancel_requested => JobState::Cancelled,
        JobOutcome::Retry(_) if attempt >= attempts_max => JobState::Failed,
        JobOutcome::Retry(_) => JobState::Queued,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_ends_when_attempts_or_patience_do() {
        let retry = JobOutcome::Retry(JobError::new(ErrorCode::Internal, "x"));
        assert_eq!(state_after(&retry, 1, 3, false), JobState::Queued);
        assert_eq!(state_after(&retry, 3, 3, false), JobState::Failed);
        assert_eq!(state_after(&retry, 1, 3, true), JobState::Cancelled);
        assert_eq!(state_after(&JobOutcome::Succeeded(Value::Null), 1, 3, true), JobState::Succeeded);
    }
}
