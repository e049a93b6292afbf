//! Ports: what the engines need from storage, shaped by who uses it. One method is one transaction.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Caller, JobId, ProjectId,
    jobs::{Job, JobEvent, JobKind, JobOutcome, JobProgress, JobState, Lease, NewJob, NewJobEvent},
};

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or it is not the caller's.
    #[error("not found")]
    NotFound,
    /// A unique name or state stands in the way.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The lease was taken over: stop working on the job and write nothing more.
    #[error("the job's lease was lost")]
    LeaseLost,
    /// The database does not answer; trying again later may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else: a defect.
    #[error("the database refused a statement")]
    Defect(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a worker is looking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest<'a> {
    /// Who asks; kept with the lease, for people who look into the database.
    pub worker: &'a str,
    /// What it can run.
    pub kinds: &'a [JobKind],
    /// How long the lease lasts unless it is prolonged.
    pub lease: Duration,
    /// Leave owners alone who have this many jobs running already, on all servers together. Two claims at the same
    /// instant may both pass, so this bounds a share and is no exact limit.
    pub owner_running_max: Option<u32>,
}

/// A job with the lease that its new worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// The job, already `running`.
    pub job: Job,
    /// The right to write for it.
    pub lease: Lease,
    /// Position of the last event of its log, the start of this run: where the first append continues.
    pub last_seq: i64,
}

/// Events to be appended in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    /// Position of the log's last event as the writer knows it. Only the holder of the lease appends, so it always
    /// knows; and when an answer got lost, repeating the same batch does not append twice.
    pub after: i64,
    /// The events, in order.
    pub events: Vec<NewJobEvent>,
    /// The job's new progress, if it changed.
    pub progress: Option<JobProgress>,
}

/// What an append did and learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the log's last event.
    pub last_seq: i64,
    /// Somebody asked to stop the job.
    pub cancel_requested: bool,
}

/// What a heartbeat learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Somebody asked to stop the job.
    pub cancel_requested: bool,
}

/// Which jobs to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only this project's.
    pub project_id: Option<ProjectId>,
    /// Only jobs older than this position (created, id): the keyset cursor.
    pub before: Option<(DateTime<Utc>, JobId)>,
    /// At most this many; all when absent.
    pub limit: Option<u32>,
}

/// The durable queue and its event logs.
#[async_trait]
pub trait JobStore: Send + Sync + std::fmt::Debug {
    /// Records a job as queued, with its `job_queued` event, and wakes workers. With an idempotency key that the
    /// owner used before, returns the earlier job and `false`.
    ///
    /// # Errors
    /// `NotFound` when the project is not the owner's; `Unavailable`, `Defect`.
    async fn submit(&self, job: NewJob) -> Result<(Job, bool), StoreError>;

    /// Leases a job that the worker can run. First come running jobs with an expired lease: such a job is started
    /// again, or failed (`worker_lost`) when its attempts are used up, or cancelled when that was asked for. Then
    /// queued jobs that are due: of the owner with the fewest running jobs the oldest one, so that nobody's thousand
    /// jobs hold up another's only one.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Option<ClaimedJob>, StoreError>;

    /// Prolongs a lease.
    ///
    /// # Errors
    /// `LeaseLost` when another worker has the job, or it has ended; `Unavailable`, `Defect`.
    async fn heartbeat(&self, lease: Lease, prolong: Duration) -> Result<Heartbeat, StoreError>;

    /// Appends events in order, in one commit, updates the progress if given, and wakes followers. A batch that was
    /// appended before is left alone, so an append whose answer got lost may be repeated.
    ///
    /// # Errors
    /// `Conflict` when the log has moved on otherwise; `LeaseLost`, `Unavailable`, `Defect`.
    async fn append(&self, lease: Lease, batch: &EventBatch) -> Result<Appended, StoreError>;

    /// Ends a run: see [`Job::end_of_run`]. Appends the closing event in the same commit. A job that is to be tried
    /// again is left alone for `retry_after`.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn finish(&self, lease: Lease, outcome: JobOutcome, retry_after: Duration) -> Result<Job, StoreError>;

    /// Gives a job back unharmed, because its worker is stopping: the attempt does not count, and the job keeps its
    /// place in the queue.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

    /// Where the job of a lease stands, also when the lease is over: for whoever held it.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn state_of(&self, lease: Lease) -> Result<JobState, StoreError>;

    /// Asks for a job to stop. A queued job is cancelled at once; a final one is returned as it is.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn request_cancel(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError>;

    /// Reads one of the caller's jobs.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn find(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError>;

    /// Lists the caller's jobs, newest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    async fn list(&self, caller: &Caller, filter: JobFilter) -> Result<Vec<Job>, StoreError>;

    /// Reads a stretch of one of the caller's logs: events with `seq > after`, at most `limit`, and none after those whose data
    /// have [`STRETCH_BYTES_MAX`](crate::jobs::STRETCH_BYTES_MAX) bytes. Empty: there are none yet.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn events(&self, caller: &Caller, id: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError>;
}
