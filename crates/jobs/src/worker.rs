//! The worker pool: claims jobs, runs their handlers, keeps their leases.

mod dispatch;
mod heart;
mod run;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gristmill_domain::{jobs::JobKind, ports::JobStore};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use self::dispatch::Dispatcher;
use crate::{JobHandler, Signals, Tasks, backoff::Backoff, events::EventOptions};

/// How a pool works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Most jobs at once, of all kinds together. Default 2; 0 counts as 1.
    pub concurrency: usize,
    /// Most jobs at once of some kinds, within the total. Default: none is bounded.
    pub concurrency_by_kind: BTreeMap<JobKind, usize>,
    /// Most jobs of one owner at once, on all servers together, roughly. Default: not bounded, but owners with fewer
    /// running jobs always go first.
    pub owner_running_max: Option<u32>,
    /// How long a job stays with a worker that is not heard of. Default 30 s. Heartbeats come three times as often.
    pub lease: Duration,
    /// How long a handler may take to stop once its token has fired; then it is dropped. Default 5 s, at most a
    /// third of the lease: when the store does not answer, a handler is told to stop this long before its lease
    /// ends, so that it is gone before another worker can claim the job.
    pub stop_grace: Duration,
    /// How long a job that failed is left alone before the next attempt. Default 1 s to 60 s.
    pub retry: Backoff,
    /// Pauses between tries while the store does not answer. Default 100 ms to 5 s.
    pub outage: Backoff,
    /// How events are gathered.
    pub events: EventOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 2,
            concurrency_by_kind: BTreeMap::new(),
            owner_running_max: None,
            lease: Duration::from_secs(30),
            stop_grace: Duration::from_secs(5),
            retry: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
            outage: Backoff { first: Duration::from_millis(100), max: Duration::from_secs(5) },
            events: EventOptions::default(),
        }
    }
}

impl WorkerOptions {
    fn grace(&self) -> Duration {
        self.stop_grace.min(self.lease / 3)
    }
}

/// Runs jobs in the background. Its tasks belong to the [`Tasks`] that it was started with; dropping the pool does
/// not stop it.
#[derive(Debug)]
pub struct WorkerPool {
    worker: String,
    orders: watch::Sender<Order>,
    ended: watch::Receiver<bool>,
}

/// What the pool should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Claim and run.
    Work,
    /// Claim nothing more, and tell handlers to stop at this instant.
    Drain(Instant),
}

/// What all runs of a pool share.
#[derive(Debug)]
struct Pool {
    worker: String,
    store: Arc<dyn JobStore>,
    signals: Signals,
    options: WorkerOptions,
}

impl WorkerPool {
    /// Starts a pool that runs the handlers' kinds. With two handlers of one kind, the last counts.
    #[must_use]
    pub fn start(
        tasks: &Tasks,
        store: Arc<dyn JobStore>,
        signals: Signals,
        handlers: Vec<Arc<dyn JobHandler>>,
        options: WorkerOptions,
    ) -> Self {
        // Of this process and pool alone: two pools must never be taken for one another.
        let worker = Uuid::new_v4().to_string();
        let handlers = handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        let orders = watch::Sender::new(Order::Work);
        let (end, ended) = watch::channel(false);
        let pool = Arc::new(Pool { worker: worker.clone(), store, signals, options });
        let dispatcher = Dispatcher::new(pool, handlers, orders.clone(), tasks.stopping().clone());
        tasks.spawn("job workers", async move {
            dispatcher.run().await;
            end.send_replace(true);
        });
        Self { worker, orders, ended }
    }

    /// The name under which this pool holds leases.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Stops gracefully: claims nothing more, lets running jobs go on until `deadline` has passed, then tells their
    /// handlers to stop and gives their jobs back to the queue without counting the attempt.
    pub async fn shutdown(&self, deadline: Duration) {
        self.orders.send_replace(Order::Drain(Instant::now() + deadline));
        let mut ended = self.ended.clone();
        // An error means that the dispatcher is gone, which is what was wanted.
        drop(ended.wait_for(|ended| *ended).await);
    }
}
