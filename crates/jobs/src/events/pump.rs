//! The half of the event writer that gathers and commits.

use std::{
    mem,
    sync::{Arc, PoisonError},
};

use gristmill_domain::{
    jobs::{JobProgress, Lease, NewJobEvent},
    ports::{EventBatch, JobStore, StoreError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Command, EventOptions, Failure, Pending, Shared};
use crate::backoff::Retries;

/// What the pump last heard from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contact {
    /// An append succeeded.
    Alive {
        /// When it was sent: what happened later, its answer may not know.
        at: Instant,
        /// Whether the job should stop.
        cancel_requested: bool,
    },
    /// The lease is another's.
    LeaseLost,
}

/// Does the work of an [`super::EventWriter`]. Run it in a task, or beside the work that writes.
#[derive(Debug)]
pub struct EventPump {
    store: Arc<dyn JobStore>,
    lease: Lease,
    last_seq: i64,
    options: EventOptions,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    contact: watch::Sender<Option<Contact>>,
    group: Group,
    progress_written_at: Option<Instant>,
    progress_due: Option<Instant>,
}

/// Events that wait for their commit.
#[derive(Debug, Default)]
struct Group {
    events: Vec<NewJobEvent>,
    progress: Option<JobProgress>,
    rooms: Vec<OwnedSemaphorePermit>,
    bytes: usize,
    due: Option<Instant>,
}

impl Group {
    fn add(&mut self, pending: Pending, due: Instant) {
        self.events.push(pending.event);
        self.rooms.push(pending.room);
        self.bytes += pending.bytes;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    fn add_progress(&mut self, progress: JobProgress) {
        self.events.push(NewJobEvent::progress(&progress));
        self.progress = Some(progress);
    }
}

/// Whether the pump goes on.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

impl EventPump {
    pub(super) fn new(
        store: Arc<dyn JobStore>,
        lease: Lease,
        last_seq: i64,
        options: EventOptions,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            store,
            lease,
            last_seq,
            options,
            commands,
            shared,
            contact: watch::Sender::new(None),
            group: Group::default(),
            progress_written_at: None,
            progress_due: None,
        }
    }

    /// What appends tell about lease and cancellation.
    pub(crate) fn contact(&self) -> watch::Receiver<Option<Contact>> {
        self.contact.subscribe()
    }

    /// Commits what is pushed, until the writer is closed or dropped, or a commit fails for good. While the store
    /// does not answer, goes on trying until `lease_lost` fires.
    pub async fn run(mut self, lease_lost: CancellationToken) {
        if let Err(failure) = self.pump(&lease_lost).await {
            // Set before the channels close, so that whoever finds them closed also finds the reason.
            let _ = self.shared.failure.set(failure);
            if failure == Failure::LeaseLost {
                self.contact.send_replace(Some(Contact::LeaseLost));
            }
        }
        self.shared.room.close();
        self.commands.close();
    }

    async fn pump(&mut self, lease_lost: &CancellationToken) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        loop {
            let due = [self.group.due, self.progress_due].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if self.commit_due(lease_lost).await? == Flow::End {
                        return Ok(());
                    }
                }
                () = shared.progress_came.notified() => self.schedule_progress(),
                command = self.commands.recv() => match command {
                    Some(command) => {
                        if self.obey(command, lease_lost).await? == Flow::End {
                            return Ok(());
                        }
                    }
                    None => return self.commit(lease_lost).await,
                },
            }
        }
    }

    async fn obey(&mut self, command: Command, lease_lost: &CancellationToken) -> Result<Flow, Failure> {
        match command {
            Command::Delta(pending) => {
                self.group.add(pending, Instant::now() + self.options.group_age_max);
                if self.group.bytes >= usize::try_from(self.options.group_bytes_max).unwrap_or(usize::MAX) {
                    self.commit_events(lease_lost).await?;
                }
            }
            Command::Event(pending, reply) => {
                // Progress that was reported before an event is written before it.
                self.add_progress();
                self.group.add(pending, Instant::now());
                self.commit_events(lease_lost).await?;
                self.answer(reply);
            }
            Command::Flush(reply) => {
                self.commit(lease_lost).await?;
                self.answer(reply);
            }
            Command::Close(reply) => {
                self.commit(lease_lost).await?;
                self.answer(reply);
                return Ok(Flow::End);
            }
        }
        Ok(Flow::Continue)
    }

    fn answer(&self, reply: oneshot::Sender<i64>) {
        // Who asked may have gone; what was asked is done.
        let _ = reply.send(self.last_seq);
    }

    /// Decides when the progress that just came is written.
    fn schedule_progress(&mut self) {
        let now = Instant::now();
        let next = self.progress_written_at.map_or(now, |at| at + self.options.progress_interval);
        self.progress_due.get_or_insert(next.max(now));
    }

    /// Commits everything, progress included.
    async fn commit(&mut self, lease_lost: &CancellationToken) -> Result<(), Failure> {
        self.add_progress();
        self.commit_events(lease_lost).await
    }

    async fn commit_due(&mut self, lease_lost: &CancellationToken) -> Result<Flow, Failure> {
        if self.progress_due.is_some_and(|due| due <= Instant::now()) {
            // What was pushed before the progress was reported may still be in the queue, and comes first.
            for _ in 0..self.commands.len() {
                let Ok(command) = self.commands.try_recv() else { break };
                if self.obey(command, lease_lost).await? == Flow::End {
                    return Ok(Flow::End);
                }
            }
            self.add_progress();
        }
        self.commit_events(lease_lost).await?;
        Ok(Flow::Continue)
    }

    /// Moves the latest progress, if it is not written yet, to the end of the group.
    fn add_progress(&mut self) {
        self.progress_due = None;
        let latest = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(progress) = latest {
            self.progress_written_at = Some(Instant::now());
            self.group.add_progress(progress);
        }
    }

    async fn commit_events(&mut self, lease_lost: &CancellationToken) -> Result<(), Failure> {
        if self.group.events.is_empty() {
            return Ok(());
        }
        let group = mem::take(&mut self.group);
        let batch = EventBatch { after: self.last_seq, events: group.events, progress: group.progress };
        let mut retries = Retries::new(self.options.retry);
        loop {
            let sent_at = Instant::now();
            match self.store.append(self.lease, &batch).await {
                Ok(appended) => {
                    self.last_seq = appended.last_seq;
                    let contact = Contact::Alive { at: sent_at, cancel_requested: appended.cancel_requested };
                    self.contact.send_replace(Some(contact));
                    return Ok(());
                }
                Err(StoreError::LeaseLost) => return Err(Failure::LeaseLost),
                Err(StoreError::Unavailable(error)) => {
                    tracing::debug!(job.id = %self.lease.job_id, %error, "an append waits for the store");
                    tokio::select! {
                        () = retries.pause() => {}
                        () = lease_lost.cancelled() => return Err(Failure::LeaseLost),
                    }
                }
                Err(error) => {
                    tracing::error!(job.id = %self.lease.job_id, ?error, "the store refused events");
                    return Err(Failure::Refused);
                }
            }
        }
    }
}
