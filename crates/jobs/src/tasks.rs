//! The owner of spawned tasks: the one place in the program that spawns them.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Owns background tasks: stops them, waits for them, and logs their panics. Cheap to clone; clones share the tasks.
///
/// A task should watch [`Self::stopping`] and end by itself. One that does not is dropped at the next await when
/// [`Self::shutdown`] runs out of patience.
///
/// Tasks run on the runtime that their owner was made on, whoever spawns them: a thread that serves HTTP has a runtime of its
/// own, and what is spawned there would end with it.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// `None` when the owner was made outside of any: then they run where they are spawned.
    runtime: Option<Handle>,
    tracker: TaskTracker,
    stopping: CancellationToken,
    aborted: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            runtime: Handle::try_current().ok(),
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
            aborted: CancellationToken::new(),
        }
    }
}

impl Tasks {
    /// An owner without tasks, on the runtime that this is called on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task. Its panic ends only itself and is logged under `name`. After [`Self::shutdown`] nothing is
    /// spawned any more.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if self.tracker.is_closed() {
            tracing::debug!(task.name = name, "not spawned: the tasks are shut down");
            return;
        }
        let aborted = self.aborted.clone();
        let guarded = async move {
            tokio::select! {
                biased;
                () = aborted.cancelled() => tracing::warn!(task.name = name, "dropped a task that did not stop in time"),
                ended = AssertUnwindSafe(task).catch_unwind() => {
                    if let Err(panic) = ended {
                        tracing::error!(task.name = name, panic = panic_message(panic.as_ref()), "a task panicked");
                    }
                }
            }
        };
        drop(match &self.runtime {
            Some(runtime) => self.tracker.spawn_on(guarded, runtime),
            None => self.tracker.spawn(guarded),
        });
    }

    /// Spawns a task that may be dropped at any await, and is when the tasks should end.
    pub fn spawn_until_stopped(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.spawn(name, async move {
            if stopping.run_until_cancelled(task).await.is_none() {
                tracing::debug!(task.name = name, "cut off by the stop");
            }
        });
    }

    /// Fires when the tasks should end. Tasks that stop work of their own on it need no other signal.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How many tasks are alive.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.tracker.len()
    }

    /// Tells every task to stop, waits for them until `deadline` has passed, then drops those that are left.
    /// Returns how many had to be dropped.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        self.tracker.close();
        self.stopping.cancel();
        let in_time = tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok();
        let left = if in_time { 0 } else { self.tracker.len() };
        // Also when all are gone: one that is being spawned at this moment is dropped too.
        self.aborted.cancel();
        self.tracker.wait().await;
        left
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
