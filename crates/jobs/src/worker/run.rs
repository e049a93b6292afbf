//! One run of one job: the handler, its heart and its log, and what is recorded at the end.

use std::sync::Arc;

use gristmill_domain::{
    ErrorCode,
    jobs::{JobError, JobOutcome, JobState},
    ports::{ClaimedJob, StoreError},
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tracing::Instrument;

use super::{Pool, heart::Heart};
use crate::{
    EventWriter, JobContext, JobHandler, JobVerdict, JobsError, StopReason, backoff::Retries, handler::Stop, tasks::panic_message,
};

pub(super) struct Run {
    pool: Arc<Pool>,
    handler: Arc<dyn JobHandler>,
    claimed: ClaimedJob,
    claimed_at: Instant,
    stop: Stop,
}

/// What to do at the end of a run.
#[derive(Debug, Clone, PartialEq)]
enum Conclusion {
    /// Record this.
    Finish(JobOutcome),
    /// Give the job back.
    Release,
    /// See whether the handler really recorded the end.
    CheckRecord,
    /// Leave the job alone: it is not ours any more.
    Nothing,
}

impl Run {
    pub(super) fn new(
        pool: Arc<Pool>,
        handler: Arc<dyn JobHandler>,
        claimed: ClaimedJob,
        claimed_at: Instant,
        stop: Stop,
    ) -> Self {
        Self { pool, handler, claimed, claimed_at, stop }
    }

    /// Runs the job to its recorded end.
    pub(super) async fn drive(self) {
        let job = &self.claimed.job;
        let span = tracing::info_span!("job", job.id = %job.id, job.kind = job.kind.as_str(), job.attempt = job.attempt);
        self.drive_in_span().instrument(span).await;
    }

    async fn drive_in_span(self) {
        let lease = self.claimed.lease;
        let (events, pump) =
            EventWriter::new(Arc::clone(&self.pool.store), lease, self.claimed.last_seq, self.pool.options.events);
        let heart = Heart::new(&self.pool, lease, &self.stop, self.claimed_at, pump.contact());
        let pump = pump.run(self.stop.lost().clone());
        tokio::select! {
            () = self.run_and_record(events) => {}
            // The heart beats until the run is over.
            ((), ()) = async { tokio::join!(heart.beat(), pump) } => {}
        }
    }

    async fn run_and_record(&self, events: EventWriter) {
        let verdict = self.handle(events.clone()).await;
        tokio::select! {
            () = self.conclude(verdict, &events) => {}
            () = self.out_of_patience() => {
                tracing::warn!("the end of a run could not be recorded before the shutdown; another run will follow");
            }
        }
    }

    /// Runs the handler until it ends, or until it should have.
    async fn handle(&self, events: EventWriter) -> JobVerdict {
        let context = JobContext::new(self.claimed.job.clone(), self.claimed.lease, self.stop.clone(), events);
        let handler = Arc::clone(&self.handler);
        // A task of its own: a handler that blocks its thread must not stop the heart.
        let mut task = JoinSet::new();
        task.spawn(async move { handler.run(context).await }.in_current_span());
        let overdue = async {
            self.stop.token().cancelled().await;
            sleep(self.pool.options.grace()).await;
        };
        tokio::select! {
            ended = task.join_next() => match ended {
                Some(Ok(verdict)) => verdict,
                Some(Err(error)) => after_panic(error),
                None => JobVerdict::Stopped,
            },
            () = overdue => {
                tracing::warn!("the handler did not stop in time and is dropped");
                task.shutdown().await;
                JobVerdict::Stopped
            }
        }
    }

    /// At shutdown, the store gets as long as a handler.
    async fn out_of_patience(&self) {
        self.stop.token().cancelled().await;
        if self.stop.reason() != Some(StopReason::Shutdown) {
            std::future::pending::<()>().await;
        }
        sleep(self.pool.options.grace()).await;
    }

    async fn conclude(&self, verdict: JobVerdict, events: &EventWriter) {
        // What the handler recorded has closed the log already.
        let logged = if verdict == JobVerdict::Recorded { Ok(0) } else { events.close().await };
        let mut conclusion = conclusion(verdict, self.stop.reason(), logged);
        if conclusion == Conclusion::CheckRecord {
            conclusion = self.check_record().await;
        }
        self.record(conclusion).await;
    }

    /// A handler that forgot to record would leave its job to run again when the lease ends: better say so.
    async fn check_record(&self) -> Conclusion {
        match self.pool.store.heartbeat(self.claimed.lease, self.pool.options.lease).await {
            Ok(_) => {
                tracing::error!("the handler says that it recorded its end, and did not");
                Conclusion::Finish(JobOutcome::Retry(internal_error()))
            }
            Err(_) => {
                // What the handler recorded only the store knows.
                let state = self.pool.store.state_of(self.claimed.lease).await;
                self.measure(state.map_or("unknown", outcome_name));
                Conclusion::Nothing
            }
        }
    }

    /// Counts the run, with its time.
    fn measure(&self, outcome: &'static str) {
        let kind = self.claimed.job.kind.as_str();
        metrics::counter!("gristmill_job_runs_total", "kind" => kind, "outcome" => outcome).increment(1);
        metrics::histogram!("gristmill_job_run_duration_seconds", "kind" => kind, "outcome" => outcome)
            .record(self.claimed_at.elapsed());
    }

    async fn record(&self, mut conclusion: Conclusion) {
        let mut retries = Retries::new(self.pool.options.outage);
        let mut refused = false;
        loop {
            match self.try_to_record(&conclusion).await {
                Ok(()) => return,
                // Also when an earlier try succeeded and only its answer got lost.
                Err(StoreError::LeaseLost) => {
                    tracing::info!("the job is not this worker's any more");
                    return;
                }
                Err(StoreError::Unavailable(error)) => {
                    tracing::debug!(%error, "the end of a run waits for the store");
                    tokio::select! {
                        () = retries.pause() => {}
                        () = self.stop.lost().cancelled() => return,
                    }
                }
                Err(error) => {
                    tracing::error!(?error, "the store refused the end of a run");
                    if std::mem::replace(&mut refused, true) {
                        return;
                    }
                    conclusion = Conclusion::Finish(JobOutcome::Failed(internal_error()));
                }
            }
        }
    }

    async fn try_to_record(&self, conclusion: &Conclusion) -> Result<(), StoreError> {
        let lease = self.claimed.lease;
        match conclusion {
            Conclusion::Finish(outcome) => {
                let retry_after = self.pool.options.retry.delay(self.claimed.job.attempt);
                let job = self.pool.store.finish(lease, outcome.clone(), retry_after).await?;
                self.measure(outcome_name(job.state));
                tracing::info!(job.state = job.state.as_str(), "a run ended");
            }
            Conclusion::Release => {
                self.pool.store.release(lease).await?;
                self.measure("released");
                tracing::info!("gave the job back");
            }
            Conclusion::CheckRecord | Conclusion::Nothing => {}
        }
        Ok(())
    }
}

/// Decides what is recorded.
fn conclusion(verdict: JobVerdict, reason: Option<StopReason>, logged: Result<i64, JobsError>) -> Conclusion {
    match (verdict, reason, logged) {
        (JobVerdict::Recorded, _, _) => Conclusion::CheckRecord,
        (_, Some(StopReason::LeaseLost), _) | (_, _, Err(JobsError::LeaseLost)) => Conclusion::Nothing,
        // The log has a hole at its end: the run does not count, whatever it says. A closed log has none: the handler
        // closed it itself.
        (_, _, Err(JobsError::LogRefused | JobsError::Store(_))) => Conclusion::Finish(JobOutcome::Retry(internal_error())),
        (JobVerdict::Stopped, Some(StopReason::CancelRequested), _) => Conclusion::Finish(JobOutcome::Cancelled),
        (JobVerdict::Stopped, Some(StopReason::Shutdown), _) => Conclusion::Release,
        (JobVerdict::Stopped, None, _) => {
            tracing::error!("the handler stopped without being asked to");
            Conclusion::Finish(JobOutcome::Retry(internal_error()))
        }
        // A handler that takes the token for a cancellation or a failure is not believed: it was cut short.
        (JobVerdict::Finished(JobOutcome::Cancelled | JobOutcome::Retry(_)), Some(StopReason::Shutdown), _) => {
            Conclusion::Release
        }
        (JobVerdict::Finished(outcome), _, _) => Conclusion::Finish(outcome),
    }
}

/// How a run ended, by where its job stands then.
fn outcome_name(state: JobState) -> &'static str {
    match state {
        // It failed, and will be tried again.
        JobState::Queued => "retried",
        JobState::Running => "unknown",
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => state.as_str(),
    }
}

fn after_panic(error: JoinError) -> JobVerdict {
    match error.try_into_panic() {
        Ok(panic) => tracing::error!(panic = panic_message(panic.as_ref()), "a job handler panicked"),
        Err(error) => tracing::error!(%error, "a job handler was cut off"),
    }
    JobVerdict::Finished(JobOutcome::Retry(internal_error()))
}

fn internal_error() -> JobError {
    JobError::new(ErrorCode::Internal, "The job failed unexpectedly. Try again; if it fails again, report the job's id.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_recorded_follows_from_verdict_and_reason() {
        let done = || JobVerdict::Finished(JobOutcome::Succeeded(json!(1)));
        let failed = || JobOutcome::Failed(internal_error());
        let retry = || JobOutcome::Retry(internal_error());
        let cases = [
            (done(), None, Conclusion::Finish(JobOutcome::Succeeded(json!(1)))),
            (done(), Some(StopReason::Shutdown), Conclusion::Finish(JobOutcome::Succeeded(json!(1)))),
            (done(), Some(StopReason::CancelRequested), Conclusion::Finish(JobOutcome::Succeeded(json!(1)))),
            (done(), Some(StopReason::LeaseLost), Conclusion::Nothing),
            (JobVerdict::Recorded, None, Conclusion::CheckRecord),
            (JobVerdict::Recorded, Some(StopReason::LeaseLost), Conclusion::CheckRecord),
            (JobVerdict::Stopped, Some(StopReason::CancelRequested), Conclusion::Finish(JobOutcome::Cancelled)),
            (JobVerdict::Stopped, Some(StopReason::Shutdown), Conclusion::Release),
            (JobVerdict::Stopped, Some(StopReason::LeaseLost), Conclusion::Nothing),
            (JobVerdict::Stopped, None, Conclusion::Finish(retry())),
            (JobVerdict::Finished(JobOutcome::Cancelled), Some(StopReason::Shutdown), Conclusion::Release),
            (JobVerdict::Finished(JobOutcome::Cancelled), None, Conclusion::Finish(JobOutcome::Cancelled)),
            (JobVerdict::Finished(retry()), Some(StopReason::Shutdown), Conclusion::Release),
            (JobVerdict::Finished(failed()), Some(StopReason::Shutdown), Conclusion::Finish(failed())),
        ];
        for (verdict, reason, expected) in cases {
            assert_eq!(conclusion(verdict.clone(), reason, Ok(0)), expected, "{verdict:?} {reason:?}");
        }
    }

    #[test]
    fn a_run_whose_log_is_incomplete_does_not_count() {
        let done = || JobVerdict::Finished(JobOutcome::Succeeded(json!(1)));
        assert_eq!(conclusion(done(), None, Err(JobsError::LeaseLost)), Conclusion::Nothing);
        assert!(matches!(conclusion(done(), None, Err(JobsError::LogRefused)), Conclusion::Finish(JobOutcome::Retry(_))));
        assert!(matches!(conclusion(done(), None, Err(JobsError::Closed)), Conclusion::Finish(JobOutcome::Succeeded(_))));
    }
}
