//! What a kind of job is made of: its handler, and what the handler is given.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gristmill_domain::jobs::{Job, JobKind, JobOutcome, Lease};
use tokio_util::sync::CancellationToken;

use crate::events::EventWriter;

/// Runs the jobs of one kind.
#[async_trait]
pub trait JobHandler: Send + Sync + std::fmt::Debug {
    /// The kind that it runs.
    fn kind(&self) -> JobKind;

    /// Runs a job. May run again for the same job, when an earlier run ended with [`JobOutcome::Retry`] or its worker
    /// died: what it does must bear repetition.
    ///
    /// When [`JobContext::stop_token`] fires it should return [`JobVerdict::Stopped`] soon; after the pool's
    /// `stop_grace` it is dropped at its next await. Work on blocking threads cannot be dropped and has to look at
    /// the token. A panic counts as a failure that another attempt may mend.
    async fn run(&self, context: JobContext) -> JobVerdict;
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobVerdict {
    /// The run ended like this; the worker records it.
    Finished(JobOutcome),
    /// The handler recorded the end itself, in the transaction that stored what the job made. It must have called
    /// [`EventWriter::flush`] before, because nothing is appended after the closing event.
    Recorded,
    /// It stopped because the token fired. What becomes of the job follows from the reason: cancelled on request,
    /// given back to the queue at shutdown, left alone when the lease was lost.
    Stopped,
}

/// Why a handler should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The job's owner asked for it.
    CancelRequested,
    /// This process is stopping; the job will run again elsewhere or later.
    Shutdown,
    /// The right to write for the job is gone, or may be: nothing that the run does counts any more.
    LeaseLost,
}

/// What a handler is given.
#[derive(Debug, Clone)]
pub struct JobContext {
    job: Arc<Job>,
    lease: Lease,
    stop: Stop,
    events: EventWriter,
}

impl JobContext {
    pub(crate) fn new(job: Job, lease: Lease, stop: Stop, events: EventWriter) -> Self {
        Self { job: Arc::new(job), lease, stop, events }
    }

    /// The job, as it was when this run started.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The right to write for the job, for handlers that record the end themselves.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Fires when the handler should stop; [`Self::reason`] says why.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop.token
    }

    /// Why the handler should stop, if it should.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.stop.reason()
    }

    /// Where the handler reports what it does.
    #[must_use]
    pub fn events(&self) -> &EventWriter {
        &self.events
    }
}

/// The request to stop one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    lost: CancellationToken,
    reason: Arc<Mutex<Option<StopReason>>>,
}

impl Stop {
    /// Asks the run to stop. The first reason stays, but a lost lease overrides every other.
    pub(crate) fn request(&self, reason: StopReason) {
        {
            let mut stored = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
            if stored.is_none() || reason == StopReason::LeaseLost {
                *stored = Some(reason);
            }
        }
        self.token.cancel();
        if reason == StopReason::LeaseLost {
            self.lost.cancel();
        }
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fires for any reason.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Fires when the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_reason_unless_the_lease_is_lost() {
        let stop = Stop::default();
        assert_eq!((stop.reason(), stop.token().is_cancelled()), (None, false));
        stop.request(StopReason::CancelRequested);
        stop.request(StopReason::Shutdown);
        assert_eq!(stop.reason(), Some(StopReason::CancelRequested));
        assert!(stop.token().is_cancelled() && !stop.lost().is_cancelled());
        stop.request(StopReason::LeaseLost);
        assert_eq!(stop.reason(), Some(StopReason::LeaseLost));
        assert!(stop.lost().is_cancelled());
    }
}
