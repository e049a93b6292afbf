//! Ports: what the engines need from storage, shaped by who uses it. One method is one transaction.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Caller, JobId, ProjectId,
    jobs::{Job, JobEvent, JobKind, JobOutcome, JobProgress, Lease, NewJob, NewJobEvent},
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

/// A job with the lease that its new worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// The job, already `running`.
    pub job: Job,
    /// The right to write for it.
    pub lease: Lease,
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

    /// Leases the oldest job of `kinds` that is queued, or running with an expired lease. A job whose attempts are
    /// used up is failed (`worker_lost`) instead, and one whose cancellation was asked for is cancelled.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn claim(&self, worker: &str, kinds: &[JobKind], lease: Duration) -> Result<Option<ClaimedJob>, StoreError>;

    /// Prolongs a lease.
    ///
    /// # Errors
    /// `LeaseLost` when another worker has the job, or it has ended; `Unavailable`, `Defect`.
    async fn heartbeat(&self, lease: Lease, prolong: Duration) -> Result<Heartbeat, StoreError>;

    /// Appends events in order, in one commit, updates the progress if given, and wakes followers. Returns the
    /// position of the last event.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn append(&self, lease: Lease, events: Vec<NewJobEvent>, progress: Option<JobProgress>) -> Result<i64, StoreError>;

    /// Ends a run: see [`crate::jobs::state_after`]. Appends the closing event in the same commit.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn finish(&self, lease: Lease, outcome: JobOutcome, retry_after: Duration) -> Result<Job, StoreError>;

    /// Gives a job back unharmed, because its worker is stopping; the attempt does not count.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

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

    /// Reads a stretch of one of the caller's logs: events with `seq > after`, at most `limit`.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn events(&self, caller: &Caller, id: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError>;
}
