//! The event writer: what a running job reports, on its way into the durable log.
//!
//! Events that change state are committed before [`EventWriter::push`] returns. Deltas (text, output) wait for each
//! other and go in group commits, because a commit costs milliseconds. The order of events is always kept.

mod pump;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use gristmill_domain::{
    jobs::{JobProgress, Lease, NewJobEvent},
    ports::JobStore,
};
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub(crate) use self::pump::Contact;
pub use self::pump::EventPump;
use crate::{JobsError, backoff::Backoff};

/// How events are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventOptions {
    /// How long a delta may wait for others. Default 50 ms.
    pub group_age_max: Duration,
    /// How many bytes of deltas may wait for more. Default 16 KiB.
    pub group_bytes_max: u32,
    /// How many events may be on their way; then pushing waits. Default 1024.
    pub queue_events_max: usize,
    /// How many bytes may be on their way; then pushing waits. A larger event goes alone. Default 256 KiB.
    pub queue_bytes_max: u32,
    /// Shortest time between two reports of progress. Default 100 ms.
    pub progress_interval: Duration,
    /// Pauses between tries while the store does not answer. Default 50 ms to 1 s.
    pub retry: Backoff,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            group_age_max: Duration::from_millis(50),
            group_bytes_max: 16 * 1024,
            queue_events_max: 1024,
            queue_bytes_max: 256 * 1024,
            progress_interval: Duration::from_millis(100),
            retry: Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) },
        }
    }
}

/// Appends to the log of a running job. Cheap to clone; all clones write to the same log.
///
/// Once the lease is lost or the store refuses an event, every call fails: the log has no holes.
#[derive(Debug, Clone)]
pub struct EventWriter {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    queue_bytes_max: u32,
}

/// What writer and pump share.
#[derive(Debug)]
struct Shared {
    /// Room for bytes on their way.
    room: Arc<Semaphore>,
    progress: Mutex<Option<JobProgress>>,
    progress_came: Notify,
    failure: OnceLock<Failure>,
}

/// Why a log takes no more events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    LeaseLost,
    Refused,
}

impl From<Failure> for JobsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::LeaseLost => Self::LeaseLost,
            Failure::Refused => Self::LogRefused,
        }
    }
}

/// An event on its way, with the room that it takes.
#[derive(Debug)]
struct Pending {
    event: NewJobEvent,
    bytes: usize,
    /// Given back when the event is committed.
    room: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Command {
    /// Commit some time soon.
    Delta(Pending),
    /// Commit now; answer with the event's position.
    Event(Pending, oneshot::Sender<i64>),
    /// Commit everything; answer with the position of the last event.
    Flush(oneshot::Sender<i64>),
    /// Commit everything and end.
    Close(oneshot::Sender<i64>),
}

impl EventWriter {
    /// Makes a writer for the holder of `lease`, whose log stands at `last_seq`, and the pump that does its work.
    /// Nothing is written unless somebody runs the pump.
    #[must_use]
    pub fn new(store: Arc<dyn JobStore>, lease: Lease, last_seq: i64, options: EventOptions) -> (Self, EventPump) {
        let (sender, receiver) = mpsc::channel(options.queue_events_max.max(1));
        let queue_bytes_max = options.queue_bytes_max.max(1);
        let shared = Arc::new(Shared {
            room: Arc::new(Semaphore::new(usize::try_from(queue_bytes_max).unwrap_or(Semaphore::MAX_PERMITS))),
            progress: Mutex::default(),
            progress_came: Notify::new(),
            failure: OnceLock::new(),
        });
        let pump = EventPump::new(store, lease, last_seq, options, receiver, Arc::clone(&shared));
        (Self { commands: sender, shared, queue_bytes_max }, pump)
    }

    /// Appends an event that changes state: when this returns, it and all before it are committed. Returns its
    /// position.
    ///
    /// # Errors
    /// `LeaseLost`, `LogRefused`, `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the wait may or may not append the event; it is never appended twice.
    pub async fn push(&self, event: NewJobEvent) -> Result<i64, JobsError> {
        let pending = self.admit(event).await?;
        self.ask(|reply| Command::Event(pending, reply)).await
    }

    /// Appends an event that may wait for others: it is committed within some 50 ms, or with the next event that may
    /// not wait. Waits itself while too much is on its way.
    ///
    /// # Errors
    /// `LeaseLost`, `LogRefused`, `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the wait does not append the event.
    pub async fn push_delta(&self, event: NewJobEvent) -> Result<(), JobsError> {
        let pending = self.admit(event).await?;
        if self.commands.send(Command::Delta(pending)).await.is_err() {
            return Err(self.failure());
        }
        Ok(())
    }

    /// Reports progress. The latest report wins: at most one every 100 ms is written, and the last one always is.
    pub fn progress(&self, progress: JobProgress) {
        *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        self.shared.progress_came.notify_one();
    }

    /// Commits everything that was pushed or reported. Returns the position of the log's last event.
    ///
    /// # Errors
    /// `LeaseLost`, `LogRefused`, `Closed`.
    pub async fn flush(&self) -> Result<i64, JobsError> {
        self.ask(Command::Flush).await
    }

    /// Commits everything and ends the writer, with all its clones. Returns the position of the log's last event.
    ///
    /// # Errors
    /// `LeaseLost`, `LogRefused`, `Closed`.
    pub async fn close(&self) -> Result<i64, JobsError> {
        self.ask(Command::Close).await
    }

    /// Waits for room.
    async fn admit(&self, event: NewJobEvent) -> Result<Pending, JobsError> {
        let bytes = size_bytes(&event);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.queue_bytes_max);
        match Arc::clone(&self.shared.room).acquire_many_owned(permits).await {
            Ok(room) => Ok(Pending { event, bytes, room }),
            Err(_closed) => Err(self.failure()),
        }
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<i64>) -> Command) -> Result<i64, JobsError> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_err() {
            return Err(self.failure());
        }
        match answer.await {
            Ok(seq) => Ok(seq),
            Err(_gone) => Err(self.failure()),
        }
    }

    fn failure(&self) -> JobsError {
        self.shared.failure.get().map_or(JobsError::Closed, |failure| (*failure).into())
    }
}

/// How much an event weighs: its JSON, and something for the row.
fn size_bytes(event: &NewJobEvent) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(event.event_type.len() + 16);
    // Counting cannot fail, and a JSON value always serializes.
    drop(event.data.serialize(&mut serde_json::Serializer::new(&mut count)));
    count.0
}
