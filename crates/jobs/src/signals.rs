//! Wake-ups inside the process: for workers, for those who wait for a job, for those who follow its log.
//!
//! A signal carries no data, it says "look". Whoever owns the database's notifications forwards them here. A signal
//! that gets lost delays what waits for it by one slow poll and never hangs it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future;
use gristmill_domain::{JobId, jobs::JobKind};
use tokio::sync::watch;

/// How often to look without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollIntervals {
    /// While signals are heard: against the one that may get lost. Default 1 s.
    pub hearing: Duration,
    /// While nothing is heard. Default 200 ms.
    pub deaf: Duration,
}

impl Default for PollIntervals {
    fn default() -> Self {
        Self { hearing: Duration::from_secs(1), deaf: Duration::from_millis(200) }
    }
}

/// Fans wake-ups out inside the process. Cheap to clone; clones share the listeners.
///
/// Starts deaf: nothing is known to be heard until [`Self::resynchronize`].
#[derive(Debug, Clone)]
pub struct Signals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    poll: PollIntervals,
    hearing: AtomicBool,
    queues: BTreeMap<JobKind, watch::Sender<u64>>,
    /// One entry a job that somebody listens to; removed with its last listener.
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new(PollIntervals::default())
    }
}

impl Signals {
    /// Signals without listeners.
    #[must_use]
    pub fn new(poll: PollIntervals) -> Self {
        let queues = JobKind::ALL.into_iter().map(|kind| (kind, watch::Sender::new(0))).collect();
        Self { inner: Arc::new(Inner { poll, hearing: AtomicBool::new(false), queues, jobs: Mutex::default() }) }
    }

    /// Announces that a job of this kind may be claimed.
    pub fn job_queued(&self, kind: JobKind) {
        if let Some(queue) = self.inner.queues.get(&kind) {
            bump(queue);
        }
    }

    /// Announces that a job's state or log changed, or that its cancellation was asked for.
    pub fn job_changed(&self, id: JobId) {
        if let Some(job) = self.inner.jobs().get(&id) {
            bump(job);
        }
    }

    /// Announces that signals are heard from now on, but that any may have been missed before: everybody looks.
    pub fn resynchronize(&self) {
        self.inner.hearing.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Announces that nothing is heard until [`Self::resynchronize`]: everybody looks often instead.
    pub fn lost(&self) {
        self.inner.hearing.store(false, Ordering::Release);
        self.wake_all();
    }

    /// Whether signals are heard.
    #[must_use]
    pub fn is_hearing(&self) -> bool {
        self.inner.hearing.load(Ordering::Acquire)
    }

    /// Listens to the queues of some kinds.
    #[must_use]
    pub fn listen_to_queues(&self, kinds: &[JobKind]) -> QueueListener {
        let receivers = kinds.iter().filter_map(|kind| self.inner.queues.get(kind)).map(watch::Sender::subscribe).collect();
        QueueListener { inner: Arc::clone(&self.inner), receivers }
    }

    /// Listens to a job. Everything that is announced from now on is heard, so listen first and look then.
    #[must_use]
    pub fn listen_to_job(&self, id: JobId) -> JobListener {
        let receiver = self.inner.jobs().entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe();
        JobListener { inner: Arc::clone(&self.inner), id, receiver }
    }

    fn wake_all(&self) {
        self.inner.queues.values().for_each(bump);
        self.inner.jobs().values().for_each(bump);
    }
}

impl Inner {
    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<u64>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_interval(&self) -> Duration {
        if self.hearing.load(Ordering::Acquire) { self.poll.hearing } else { self.poll.deaf }
    }
}

fn bump(sender: &watch::Sender<u64>) {
    sender.send_modify(|generation| *generation = generation.wrapping_add(1));
}

/// Hears of queued jobs.
#[derive(Debug)]
pub struct QueueListener {
    inner: Arc<Inner>,
    receivers: Vec<watch::Receiver<u64>>,
}

impl QueueListener {
    /// Waits until a job may be there: for a signal since the last call, or for the slow poll.
    ///
    /// # Cancel safety
    /// A signal is not lost when the wait is dropped.
    pub async fn wait(&mut self) {
        let poll = tokio::time::sleep(self.inner.poll_interval());
        if self.receivers.is_empty() {
            return poll.await;
        }
        let signals = future::select_all(self.receivers.iter_mut().map(|receiver| Box::pin(receiver.changed())));
        tokio::select! {
            _ = signals => {}
            () = poll => {}
        }
    }
}

/// Hears of changes of one job.
#[derive(Debug)]
pub struct JobListener {
    inner: Arc<Inner>,
    id: JobId,
    receiver: watch::Receiver<u64>,
}

impl JobListener {
    /// Waits until it is worth looking at the job: for a signal since the last call, or for the slow poll.
    ///
    /// # Cancel safety
    /// A signal is not lost when the wait is dropped.
    pub async fn wait(&mut self) {
        let poll = tokio::time::sleep(self.inner.poll_interval());
        tokio::select! {
            () = self.signalled() => {}
            () = poll => {}
        }
    }

    /// Waits for a signal since the last call, without the slow poll.
    ///
    /// # Cancel safety
    /// A signal is not lost when the wait is dropped.
    pub async fn signalled(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The sender lives as long as its listeners; without it nothing can be heard.
            future::pending::<()>().await;
        }
    }
}

impl Drop for JobListener {
    fn drop(&mut self) {
        let mut jobs = self.inner.jobs();
        // This listener still counts.
        if jobs.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            jobs.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_jobs_that_nobody_listens_to() {
        let signals = Signals::default();
        let id = JobId::random();
        let (one, two) = (signals.listen_to_job(id), signals.listen_to_job(id));
        drop(one);
        assert_eq!(signals.inner.jobs().len(), 1);
        drop(two);
        assert_eq!(signals.inner.jobs().len(), 0);
    }
}
