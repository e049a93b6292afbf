//! Jobs: long work that is recorded before it starts and survives the process that runs it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    /// Reads an uploaded document into chunks that can be searched.
    DocumentIngest,
    /// Trains a model.
    ModelTrain,
    /// Evaluates and explains a model.
    ModelEvaluate,
    /// Searches for better parameters of a model.
    ModelTune,
    /// Brings a deployment up.
    DeploymentStart,
    /// Answers a question in plain words.
    NlQuery,
    /// Asks a project's golden questions.
    GoldenRun,
    /// Works on one turn of an agent's workflow.
    AgentTurn,
    /// Makes a dataset with features.
    FeatureApply,
    /// Does nothing but report progress for a stated time: for tests of the queue itself.
    Probe,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::DatasetIngest,
        Self::DatasetRetype,
        Self::DocumentIngest,
        Self::ModelTrain,
        Self::ModelEvaluate,
        Self::ModelTune,
        Self::DeploymentStart,
        Self::NlQuery,
        Self::GoldenRun,
        Self::AgentTurn,
        Self::FeatureApply,
        Self::Probe,
    ];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DatasetIngest => "dataset_ingest",
            Self::DatasetRetype => "dataset_retype",
            Self::DocumentIngest => "document_ingest",
            Self::ModelTrain => "model_train",
            Self::ModelEvaluate => "model_evaluate",
            Self::ModelTune => "model_tune",
            Self::DeploymentStart => "deployment_start",
            Self::NlQuery => "nl_query",
            Self::GoldenRun => "golden_run",
            Self::AgentTurn => "agent_turn",
            Self::FeatureApply => "feature_apply",
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

/// The key of a payload, and W3C's header, under which a job says where in a trace it was asked for. Handlers skip it.
pub const TRACEPARENT: &str = "traceparent";

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
    /// How often it may be started, at least 1; 0 counts as 1.
    pub attempts_max: u32,
    /// A key under which a second submission of the same kind by the same owner finds this job instead of making
    /// another.
    pub idempotency_key: Option<String>,
}

impl NewJob {
    /// The job as one that follows from another: asked for where that was.
    #[must_use]
    pub fn following(mut self, job: &Job) -> Self {
        if let (Some(place), Value::Object(payload)) = (job.payload.get(TRACEPARENT), &mut self.payload) {
            payload.insert(TRACEPARENT.to_owned(), place.clone());
        }
        self
    }
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

/// Bytes of the data of a log's events that are read at once. The event that reaches it is read too, so that long ones can be.
pub const STRETCH_BYTES_MAX: usize = 1024 * 1024;

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

/// A job was recorded, or given back to the queue by a worker that stopped.
pub const JOB_QUEUED: &str = "job_queued";
/// A worker started a job: `attempt`.
pub const JOB_STARTED: &str = "job_started";
/// A job has come this far: `fraction`, `message`.
pub const PROGRESS: &str = "progress";
/// A run failed and another will follow: `error`, `attempt` (the one that failed).
pub const JOB_RETRIED: &str = "job_retried";
/// Closing event: `result`.
pub const JOB_SUCCEEDED: &str = "job_succeeded";
/// Closing event: `error`.
pub const JOB_FAILED: &str = "job_failed";
/// Closing event without fields.
pub const JOB_CANCELLED: &str = "job_cancelled";

impl JobEvent {
    /// Whether the log ends with this event.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.event_type.as_str(), JOB_SUCCEEDED | JOB_FAILED | JOB_CANCELLED)
    }
}

impl NewJobEvent {
    /// An event with fields; `data` should be an object.
    #[must_use]
    pub fn new(event_type: impl Into<String>, data: Value) -> Self {
        Self { event_type: event_type.into(), data }
    }

    /// The first event of every log.
    #[must_use]
    pub fn queued() -> Self {
        Self::new(JOB_QUEUED, json!({}))
    }

    /// The start of a run.
    #[must_use]
    pub fn started(attempt: u32) -> Self {
        Self::new(JOB_STARTED, json!({ "attempt": attempt }))
    }

    /// A report of progress.
    #[must_use]
    pub fn progress(progress: &JobProgress) -> Self {
        Self::new(PROGRESS, json!(progress))
    }
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

/// What a store writes when a run ends: the job's new state, and the event that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// The new state: final, or `Queued`.
    pub state: JobState,
    /// What the job made, if it succeeded.
    pub result: Option<Value>,
    /// Why it ended, if it failed.
    pub error: Option<JobError>,
    /// The event to append.
    pub event: NewJobEvent,
}

impl RunEnd {
    /// The end of a job that is stopped on request.
    #[must_use]
    pub fn cancelled() -> Self {
        Self { state: JobState::Cancelled, result: None, error: None, event: NewJobEvent::new(JOB_CANCELLED, json!({})) }
    }
}

impl Job {
    /// Tells what to write when a run of this job ends with `outcome`.
    #[must_use]
    pub fn end_of_run(&self, outcome: JobOutcome) -> RunEnd {
        let state = state_after(&outcome, self.attempt, self.attempts_max, self.cancel_requested);
        match (state, outcome) {
            (JobState::Cancelled, _) | (_, JobOutcome::Cancelled) => RunEnd::cancelled(),
            (_, JobOutcome::Succeeded(result)) => {
                let event = NewJobEvent::new(JOB_SUCCEEDED, json!({ "result": &result }));
                RunEnd { state, result: Some(result), error: None, event }
            }
            (JobState::Queued, JobOutcome::Retry(error) | JobOutcome::Failed(error)) => {
                let event = NewJobEvent::new(JOB_RETRIED, json!({ "error": error, "attempt": self.attempt }));
                RunEnd { state, result: None, error: None, event }
            }
            (_, JobOutcome::Retry(error) | JobOutcome::Failed(error)) => {
                let event = NewJobEvent::new(JOB_FAILED, json!({ "error": &error }));
                RunEnd { state, result: None, error: Some(error), event }
            }
        }
    }

    /// Tells what to write when the lease of this running job ran out. `Queued` means that the claiming worker may
    /// start it at once.
    #[must_use]
    pub fn end_of_lost_run(&self) -> RunEnd {
        let message = "The server process that ran this job went away without finishing it.";
        self.end_of_run(JobOutcome::Retry(JobError::new(ErrorCode::WorkerLost, message)))
    }

    /// Tells what to write when the worker of this running job gives it back unharmed.
    #[must_use]
    pub fn end_of_released_run(&self) -> RunEnd {
        if self.cancel_requested {
            return RunEnd::cancelled();
        }
        RunEnd { state: JobState::Queued, result: None, error: None, event: NewJobEvent::queued() }
    }
}

#[cfg(test)]
mod tests;
