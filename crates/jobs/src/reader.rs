//! Waiting for jobs and following their logs, on behalf of a caller.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use gristmill_domain::{
    Caller, JobId,
    jobs::{Job, JobEvent},
    ports::{JobStore, StoreError},
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    JobsError, Signals,
    backoff::{Backoff, Retries},
    signals::JobListener,
};

/// How a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Most events that are read, and kept in memory, at once; fewer where they are long. Default 256; 0 counts as 1.
    pub page_events: u32,
    /// How long the store may be silent before a reader gives up. Default 30 s.
    pub outage_max: Duration,
    /// Pauses between tries while the store does not answer. Default 50 ms to 2 s.
    pub retry: Backoff,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            page_events: 256,
            outage_max: Duration::from_secs(30),
            retry: Backoff { first: Duration::from_millis(50), max: Duration::from_secs(2) },
        }
    }
}

/// Waits for jobs and follows their logs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JobReader {
    store: Arc<dyn JobStore>,
    signals: Signals,
    options: ReaderOptions,
}

impl JobReader {
    /// A reader with default options.
    #[must_use]
    pub fn new(store: Arc<dyn JobStore>, signals: Signals) -> Self {
        Self::with_options(store, signals, ReaderOptions::default())
    }

    /// A reader.
    #[must_use]
    pub fn with_options(store: Arc<dyn JobStore>, signals: Signals, options: ReaderOptions) -> Self {
        Self { store, signals, options }
    }

    /// Waits until one of the caller's jobs has ended, and returns it. Bears outages of the store.
    ///
    /// # Errors
    /// `CalledOff` when `call_off` fires first; `Store(NotFound)` when the job is not the caller's or goes away;
    /// `Store(Unavailable)` when the store is silent for too long.
    pub async fn wait(&self, caller: &Caller, id: JobId, call_off: &CancellationToken) -> Result<Job, JobsError> {
        tokio::select! {
            biased;
            () = call_off.cancelled() => Err(JobsError::CalledOff),
            ended = self.ended(caller, id) => Ok(ended?),
        }
    }

    async fn ended(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        let mut listener = self.signals.listen_to_job(id);
        loop {
            let job = self.ask(|| self.store.find(caller, id)).await?;
            if job.state.is_final() {
                return Ok(job);
            }
            listener.wait().await;
        }
    }

    /// Streams the events of one of the caller's jobs with `seq > after`: first those that are there, then each as it
    /// comes, up to the closing event. Each event comes exactly once, in order. After an error the stream ends; it
    /// can be taken up again after the last event that came.
    ///
    /// Errors are `Store(NotFound)` when the job is not the caller's or goes away, and `Store(Unavailable)` when the
    /// store is silent for too long.
    pub fn follow(
        &self,
        caller: Caller,
        id: JobId,
        after: i64,
    ) -> impl Stream<Item = Result<JobEvent, JobsError>> + Send + use<> {
        let follower = Follower {
            reader: self.clone(),
            listener: self.signals.listen_to_job(id),
            caller,
            id,
            after,
            page: VecDeque::new(),
            ended: false,
        };
        stream::unfold(follower, |mut follower| async move { follower.next().await.map(|item| (item, follower)) })
    }

    /// Asks the store, again and again while it does not answer.
    async fn ask<T, F>(&self, question: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let patience = Instant::now() + self.options.outage_max;
        let mut retries = Retries::new(self.options.retry);
        loop {
            match question().await {
                Err(StoreError::Unavailable(error)) => {
                    if timeout_at(patience, retries.pause()).await.is_err() {
                        return Err(StoreError::Unavailable(error));
                    }
                }
                answer => return answer,
            }
        }
    }
}

struct Follower {
    reader: JobReader,
    listener: JobListener,
    caller: Caller,
    id: JobId,
    after: i64,
    page: VecDeque<JobEvent>,
    ended: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<JobEvent, JobsError>> {
        if self.page.is_empty() && !self.ended {
            match self.next_page().await {
                Ok(page) => self.page = page,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
        let event = self.page.pop_front()?;
        self.after = event.seq;
        self.ended |= event.is_closing();
        Some(Ok(event))
    }

    /// Waits for the next events. Empty when the log has ended without any.
    async fn next_page(&mut self) -> Result<VecDeque<JobEvent>, StoreError> {
        loop {
            let page = self.read_page().await?;
            if !page.is_empty() {
                return Ok(page);
            }
            // Nothing new: either the job goes on, or the reader began after the closing event.
            let job = self.reader.ask(|| self.reader.store.find(&self.caller, self.id)).await?;
            if job.state.is_final() {
                // The closing event was committed with the state, perhaps after the first look at the log.
                return self.read_page().await;
            }
            self.listener.wait().await;
        }
    }

    async fn read_page(&self) -> Result<VecDeque<JobEvent>, StoreError> {
        let limit = self.reader.options.page_events.max(1);
        let events = self.reader.ask(|| self.reader.store.events(&self.caller, self.id, self.after, limit)).await?;
        Ok(events.into())
    }
}
