//! Keeps the lease of one run, and learns from it when to stop.

use std::{future::pending, time::Duration};

use gristmill_domain::{jobs::Lease, ports::StoreError};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::Pool;
use crate::{
    StopReason,
    backoff::{Backoff, Retries},
    events::Contact,
    handler::Stop,
    signals::JobListener,
};

/// A signal that comes so soon after an append is most likely that append's own.
const OWN_ECHO: Duration = Duration::from_millis(250);
/// How often to look for a cancellation while signals are not heard.
const DEAF_INTERVAL: Duration = Duration::from_secs(1);

/// The heart of one run.
pub(super) struct Heart<'a> {
    pool: &'a Pool,
    lease: Lease,
    stop: &'a Stop,
    /// The lease lasts at least from here.
    alive_at: Instant,
    /// The last append, which tells of cancellations too.
    heard_at: Option<Instant>,
    /// A signal came at the first instant; the second is when to look what it meant.
    signalled: Option<(Instant, Instant)>,
    contact: Option<watch::Receiver<Option<Contact>>>,
    listener: JobListener,
}

/// What woke the heart.
enum Wake {
    Time,
    Contact(Option<Contact>),
    Signal,
}

impl<'a> Heart<'a> {
    pub(super) fn new(
        pool: &'a Pool,
        lease: Lease,
        stop: &'a Stop,
        claimed_at: Instant,
        contact: watch::Receiver<Option<Contact>>,
    ) -> Self {
        let listener = pool.signals.listen_to_job(lease.job_id);
        // What was announced between the claim and this moment, nobody heard: look once, unless an append tells.
        let now = Instant::now();
        let signalled = Some((now, now + OWN_ECHO));
        Self { pool, lease, stop, alive_at: claimed_at, heard_at: None, signalled, contact: Some(contact), listener }
    }

    /// Beats until the lease is lost, and tells the run to stop for whatever reason it learns of. Never returns: the
    /// run ends it.
    pub(super) async fn beat(mut self) {
        loop {
            match self.sleep().await {
                Wake::Contact(contact) => {
                    if self.note(contact).is_err() {
                        break;
                    }
                }
                Wake::Signal => {
                    let now = Instant::now();
                    let echo = self.heard_at.is_some_and(|at| now < at + OWN_ECHO);
                    self.signalled = Some((now, if echo { now + OWN_ECHO } else { now }));
                }
                Wake::Time => {
                    if self.signal_is_answered() {
                        self.signalled = None;
                    } else if !self.heartbeat().await {
                        break;
                    }
                }
            }
        }
        self.stop.request(StopReason::LeaseLost);
        pending::<()>().await;
    }

    async fn sleep(&mut self) -> Wake {
        let wake_at = self.signalled.map_or(self.beat_at(), |(_, look_at)| look_at.min(self.beat_at()));
        // Once it is known that the run should stop, signals have nothing more to tell.
        let curious = self.signalled.is_none() && self.stop.reason().is_none();
        let contact = &mut self.contact;
        let heard = async {
            match contact {
                Some(receiver) => receiver.changed().await.is_ok(),
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            open = heard => {
                // The log is closed when the run is about to end.
                let contact = self.contact.as_mut().and_then(|receiver| *receiver.borrow_and_update());
                if !open {
                    self.contact = None;
                }
                Wake::Contact(contact)
            }
            () = sleep_until(wake_at) => Wake::Time,
            () = self.listener.signalled(), if curious => Wake::Signal,
        }
    }

    /// When the next heartbeat is due.
    fn beat_at(&self) -> Instant {
        let regular = self.pool.options.lease / 3;
        let interval = if self.pool.signals.is_hearing() { regular } else { regular.min(DEAF_INTERVAL) };
        self.alive_at + interval
    }

    /// Whether an append since the signal told already what it could have meant.
    fn signal_is_answered(&self) -> bool {
        let answered = self.signalled.is_some_and(|(came_at, _)| self.heard_at.is_some_and(|heard| heard > came_at));
        answered && Instant::now() < self.beat_at()
    }

    fn note(&mut self, contact: Option<Contact>) -> Result<(), StoreError> {
        match contact {
            Some(Contact::LeaseLost) => return Err(StoreError::LeaseLost),
            Some(Contact::Alive { at, cancel_requested }) => {
                self.heard_at = Some(at);
                if cancel_requested {
                    self.stop.request(StopReason::CancelRequested);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Prolongs the lease. Returns whether it still holds, for as long as a handler needs to stop.
    async fn heartbeat(&mut self) -> bool {
        self.signalled = None;
        let options = &self.pool.options;
        let give_up_at = self.alive_at + options.lease.saturating_sub(options.grace());
        let mut retries = Retries::new(Backoff { max: options.outage.max.min(options.lease / 6), ..options.outage });
        loop {
            let sent_at = Instant::now();
            let answer = tokio::select! {
                biased;
                answer = self.pool.store.heartbeat(self.lease, options.lease) => answer,
                () = sleep_until(give_up_at) => return false,
            };
            match answer {
                Ok(heartbeat) => {
                    self.alive_at = sent_at;
                    if heartbeat.cancel_requested {
                        self.stop.request(StopReason::CancelRequested);
                    }
                    return true;
                }
                Err(StoreError::LeaseLost) => return false,
                Err(error) => tracing::warn!(job.id = %self.lease.job_id, ?error, "a heartbeat failed"),
            }
            tokio::select! {
                () = retries.pause() => {}
                () = sleep_until(give_up_at) => return false,
            }
        }
    }
}
