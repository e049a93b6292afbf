//! A store that fails on demand, handlers made of closures, and a small world of both.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt, future::BoxFuture};
use gristmill_domain::{
    Caller, JobId, UserId,
    jobs::{Job, JobEvent, JobKind, JobOutcome, JobState, Lease, NewJob},
    ports::{Appended, ClaimRequest, ClaimedJob, EventBatch, Heartbeat, JobFilter, JobStore, StoreError},
};
use gristmill_jobs::{
    JobContext, JobHandler, JobReader, JobVerdict, Signals, Tasks, WorkerOptions, WorkerPool, memory::MemoryJobStore,
};
use gristmill_testkit::job_store_suite::{caller_for, new_job};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A store in front of the one in memory, that fails on demand and counts.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) memory: MemoryJobStore,
    /// While set, nothing is answered.
    pub(crate) down: AtomicBool,
    /// So many writes are done, but their answers get lost.
    pub(crate) answers_to_lose: AtomicU32,
    /// While set, appends are refused.
    pub(crate) refuses_appends: AtomicBool,
    /// While set, successes are refused.
    pub(crate) refuses_successes: AtomicBool,
    /// When appends were answered, and how many events each had.
    pub(crate) appends: Mutex<Vec<(Instant, usize)>>,
    /// The largest page that was asked for.
    pub(crate) page_max: AtomicU32,
    pub(crate) heartbeats: AtomicU32,
}

impl FaultyStore {
    pub(crate) fn new(memory: MemoryJobStore) -> Arc<Self> {
        Arc::new(Self {
            memory,
            down: AtomicBool::new(false),
            answers_to_lose: AtomicU32::new(0),
            refuses_appends: AtomicBool::new(false),
            refuses_successes: AtomicBool::new(false),
            appends: Mutex::default(),
            page_max: AtomicU32::new(0),
            heartbeats: AtomicU32::new(0),
        })
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn append_sizes(&self) -> Vec<usize> {
        self.appends.lock().unwrap().iter().map(|(_, events)| *events).collect()
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(unavailable()) } else { Ok(()) }
    }

    fn answer<T>(&self, answer: T) -> Result<T, StoreError> {
        let lost = self.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if lost.is_ok() { Err(unavailable()) } else { Ok(answer) }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the store is down".into())
}

#[async_trait]
impl JobStore for FaultyStore {
    async fn submit(&self, job: NewJob) -> Result<(Job, bool), StoreError> {
        self.up()?;
        self.memory.submit(job).await
    }

    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Option<ClaimedJob>, StoreError> {
        self.up()?;
        self.memory.claim(request).await
    }

    async fn heartbeat(&self, lease: Lease, prolong: Duration) -> Result<Heartbeat, StoreError> {
        self.heartbeats.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        self.memory.heartbeat(lease, prolong).await
    }

    async fn append(&self, lease: Lease, batch: &EventBatch) -> Result<Appended, StoreError> {
        self.up()?;
        if self.refuses_appends.load(Ordering::SeqCst) {
            return Err(StoreError::Defect("refused on demand".into()));
        }
        // What a commit costs.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let appended = self.memory.append(lease, batch).await?;
        self.appends.lock().unwrap().push((Instant::now(), batch.events.len()));
        self.answer(appended)
    }

    async fn finish(&self, lease: Lease, outcome: JobOutcome, retry_after: Duration) -> Result<Job, StoreError> {
        self.up()?;
        if self.refuses_successes.load(Ordering::SeqCst) && matches!(outcome, JobOutcome::Succeeded(_)) {
            return Err(StoreError::Defect("refused on demand".into()));
        }
        let job = self.memory.finish(lease, outcome, retry_after).await?;
        self.answer(job)
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.up()?;
        self.memory.release(lease).await
    }

    async fn state_of(&self, lease: Lease) -> Result<JobState, StoreError> {
        self.up()?;
        self.memory.state_of(lease).await
    }

    async fn request_cancel(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        self.up()?;
        self.memory.request_cancel(caller, id).await
    }

    async fn find(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        self.up()?;
        self.memory.find(caller, id).await
    }

    async fn list(&self, caller: &Caller, filter: JobFilter) -> Result<Vec<Job>, StoreError> {
        self.up()?;
        self.memory.list(caller, filter).await
    }

    async fn events(&self, caller: &Caller, id: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError> {
        self.page_max.fetch_max(limit, Ordering::SeqCst);
        self.up()?;
        self.memory.events(caller, id, after, limit).await
    }
}

type Run = dyn Fn(JobContext) -> BoxFuture<'static, JobVerdict> + Send + Sync;

/// A handler made of a closure.
pub(crate) struct Handler(JobKind, Box<Run>);

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handler").field(&self.0).finish()
    }
}

#[async_trait]
impl JobHandler for Handler {
    fn kind(&self) -> JobKind {
        self.0
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        (self.1)(context).await
    }
}

pub(crate) fn handler_of<F, R>(kind: JobKind, run: F) -> Arc<dyn JobHandler>
where
    F: Fn(JobContext) -> R + Send + Sync + 'static,
    R: Future<Output = JobVerdict> + Send + 'static,
{
    Arc::new(Handler(kind, Box::new(move |context| run(context).boxed())))
}

pub(crate) fn handler<F, R>(run: F) -> Arc<dyn JobHandler>
where
    F: Fn(JobContext) -> R + Send + Sync + 'static,
    R: Future<Output = JobVerdict> + Send + 'static,
{
    handler_of(JobKind::Probe, run)
}

pub(crate) fn success(result: Value) -> JobVerdict {
    JobVerdict::Finished(JobOutcome::Succeeded(result))
}

/// Jobs in memory, an owner, and somebody who reads.
pub(crate) struct World {
    pub(crate) memory: MemoryJobStore,
    pub(crate) signals: Signals,
    pub(crate) tasks: Tasks,
    pub(crate) owner: Caller,
    pub(crate) reader: JobReader,
}

impl World {
    pub(crate) fn new() -> Self {
        let signals = Signals::default();
        let memory = MemoryJobStore::new(signals.clone());
        let reader = JobReader::new(Arc::new(memory.clone()), signals.clone());
        Self { memory, signals, tasks: Tasks::new(), owner: caller_for(UserId::random()), reader }
    }

    /// Another way to the same jobs, with faults of its own.
    pub(crate) fn store(&self) -> Arc<FaultyStore> {
        FaultyStore::new(self.memory.clone())
    }

    pub(crate) fn pool(&self, store: Arc<FaultyStore>, handler: Arc<dyn JobHandler>, options: WorkerOptions) -> WorkerPool {
        WorkerPool::start(&self.tasks, store, self.signals.clone(), vec![handler], options)
    }

    pub(crate) async fn submit(&self) -> JobId {
        self.submit_as(new_job(&self.owner)).await
    }

    pub(crate) async fn submit_as(&self, job: NewJob) -> JobId {
        self.memory.submit(job).await.unwrap().0.id
    }

    pub(crate) async fn find(&self, id: JobId) -> Job {
        self.memory.find(&self.owner, id).await.unwrap()
    }

    pub(crate) async fn ended(&self, id: JobId) -> Job {
        let waiting = self.reader.wait(&self.owner, id, &CancellationToken::new()).await;
        waiting.unwrap()
    }

    pub(crate) async fn log(&self, id: JobId) -> Vec<JobEvent> {
        let events = self.memory.events(&self.owner, id, 0, u32::MAX).await.unwrap();
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..).take(events.len()).collect::<Vec<i64>>(), "the log has a gap");
        events
    }

    pub(crate) async fn log_types(&self, id: JobId) -> Vec<String> {
        self.log(id).await.into_iter().map(|event| event.event_type).collect()
    }

    /// Waits until the log has an event of this type.
    pub(crate) async fn logged(&self, id: JobId, event_type: &str) {
        let mut listener = self.signals.listen_to_job(id);
        while !self.log_types(id).await.iter().any(|logged| logged == event_type) {
            listener.wait().await;
        }
    }
}
