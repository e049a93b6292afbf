//! Claims jobs as long as there is room, and looks after the runs.

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    sync::Arc,
};

use gristmill_domain::{
    jobs::JobKind,
    ports::{ClaimRequest, ClaimedJob, StoreError},
};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Order, Pool, run::Run};
use crate::{JobHandler, StopReason, backoff::Retries, handler::Stop, signals::QueueListener};

pub(super) struct Dispatcher {
    pool: Arc<Pool>,
    handlers: BTreeMap<JobKind, Arc<dyn JobHandler>>,
    /// Kept by its sender, so that a dropped pool handle changes nothing.
    orders: watch::Sender<Order>,
    stopping: CancellationToken,
    queue: QueueListener,
    runs: JoinSet<()>,
    running: HashMap<Id, (JobKind, Stop)>,
}

/// What an idle dispatcher waits for, besides the end of a run and a new order.
enum Idle<'a> {
    /// All room is taken.
    Full,
    /// The queue is empty.
    Empty,
    /// The store does not answer.
    Outage(&'a mut Retries),
}

impl Dispatcher {
    pub(super) fn new(
        pool: Arc<Pool>,
        handlers: BTreeMap<JobKind, Arc<dyn JobHandler>>,
        orders: watch::Sender<Order>,
        stopping: CancellationToken,
    ) -> Self {
        let kinds: Vec<JobKind> = handlers.keys().copied().collect();
        let queue = pool.signals.listen_to_queues(&kinds);
        Self { pool, handlers, orders, stopping, queue, runs: JoinSet::new(), running: HashMap::new() }
    }

    /// Works until it is told to stop, then waits for the runs to end.
    pub(super) async fn run(mut self) {
        self.work().await;
        self.drain().await;
    }

    async fn work(&mut self) {
        let mut outage: Option<Retries> = None;
        while self.drain_at().is_none() {
            while let Some(ended) = self.runs.try_join_next_with_id() {
                self.forget(ended);
            }
            let kinds = self.free_kinds();
            if kinds.is_empty() {
                self.idle(Idle::Full).await;
                continue;
            }
            // Counted from before the claim: the lease may last longer than we think, never shorter.
            let claimed_at = Instant::now();
            match self.claim(&kinds).await {
                Ok(Some(claimed)) => self.start(claimed, claimed_at),
                Ok(None) => {
                    outage = None;
                    self.idle(Idle::Empty).await;
                }
                Err(error) => {
                    if outage.is_none() {
                        tracing::warn!(?error, "jobs cannot be claimed; trying until they can");
                    }
                    let retries = outage.get_or_insert_with(|| Retries::new(self.pool.options.outage));
                    self.idle(Idle::Outage(retries)).await;
                }
            }
        }
    }

    /// Waits for all runs, and tells them to stop when it is time.
    async fn drain(&mut self) {
        let mut orders = self.orders.subscribe();
        let mut told = false;
        while !self.runs.is_empty() {
            let stop_at = self.drain_at().unwrap_or_else(Instant::now);
            tokio::select! {
                ended = self.runs.join_next_with_id() => if let Some(ended) = ended {
                    self.forget(ended);
                },
                () = sleep_until(stop_at), if !told => {
                    told = true;
                    self.running.values().for_each(|(_, stop)| stop.request(StopReason::Shutdown));
                }
                // Time may have become shorter.
                _ = orders.changed(), if !told => {}
                () = self.stopping.cancelled(), if !told => {}
            }
        }
    }

    /// When the handlers should be told to stop, if the pool is stopping at all.
    fn drain_at(&self) -> Option<Instant> {
        if self.stopping.is_cancelled() {
            return Some(Instant::now());
        }
        match *self.orders.borrow() {
            Order::Work => None,
            Order::Drain(at) => Some(at),
        }
    }

    /// The kinds that there is room for.
    fn free_kinds(&self) -> Vec<JobKind> {
        let options = &self.pool.options;
        if self.running.len() >= options.concurrency.max(1) {
            return Vec::new();
        }
        let running = |wanted: JobKind| self.running.values().filter(|(kind, _)| *kind == wanted).count();
        let has_room = |kind: &JobKind| options.concurrency_by_kind.get(kind).is_none_or(|max| running(*kind) < *max);
        self.handlers.keys().copied().filter(has_room).collect()
    }

    async fn claim(&self, kinds: &[JobKind]) -> Result<Option<ClaimedJob>, StoreError> {
        let request = ClaimRequest {
            worker: &self.pool.worker,
            kinds,
            lease: self.pool.options.lease,
            owner_running_max: self.pool.options.owner_running_max,
        };
        self.pool.store.claim(request).await
    }

    fn start(&mut self, claimed: ClaimedJob, claimed_at: Instant) {
        let kind = claimed.job.kind;
        let Some(handler) = self.handlers.get(&kind) else {
            // Its lease runs out and another worker takes it.
            tracing::error!(job.kind = kind.as_str(), "the store handed out a job of a kind that was not asked for");
            return;
        };
        let stop = Stop::default();
        let run = Run::new(Arc::clone(&self.pool), Arc::clone(handler), claimed, claimed_at, stop.clone());
        let id = self.runs.spawn(run.drive()).id();
        self.running.insert(id, (kind, stop));
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a run panicked outside of its handler");
                error.id()
            }
        };
        self.running.remove(&id);
    }

    async fn idle(&mut self, idle: Idle<'_>) {
        let mut orders = self.orders.subscribe();
        if self.drain_at().is_some() {
            return;
        }
        let queue = &mut self.queue;
        let reason = async {
            match idle {
                Idle::Full => pending().await,
                Idle::Empty => queue.wait().await,
                Idle::Outage(retries) => retries.pause().await,
            }
        };
        let ended = tokio::select! {
            ended = self.runs.join_next_with_id(), if !self.runs.is_empty() => ended,
            () = reason => None,
            _ = orders.changed() => None,
            () = self.stopping.cancelled() => None,
        };
        if let Some(ended) = ended {
            self.forget(ended);
        }
    }
}
