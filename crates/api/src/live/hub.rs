//! Wakes the watchers of this process when a notebook's log grows.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gristmill_domain::{DeploymentId, NotebookId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often to look without being told, while notifications are heard and while they are not.
const POLL_HEARING: Duration = Duration::from_secs(20);
const POLL_DEAF: Duration = Duration::from_millis(500);

/// Wakes watchers. Cheap to clone; clones share the watchers.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    notebooks: Mutex<HashMap<NotebookId, watch::Sender<u64>>>,
    deployments: watch::Sender<u64>,
    hearing: AtomicBool,
    closing: CancellationToken,
}

impl Hub {
    /// A notebook's log has grown.
    pub fn changed(&self, id: NotebookId) {
        let notebooks = self.inner.notebooks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = notebooks.get(&id) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// A deployment has changed. Who watches one looks at its own.
    pub fn deployment_changed(&self, _id: DeploymentId) {
        self.inner.deployments.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn deployment_changes(&self) -> watch::Receiver<u64> {
        self.inner.deployments.subscribe()
    }

    /// Notifications may have been missed, and are heard from now on: everybody looks.
    pub fn resynchronize(&self) {
        self.inner.hearing.store(true, Ordering::Relaxed);
        for sender in self.inner.notebooks.lock().unwrap_or_else(PoisonError::into_inner).values() {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Notifications are not heard any more.
    pub fn lost(&self) {
        self.inner.hearing.store(false, Ordering::Relaxed);
    }

    /// Closes every socket, now and from now on: the server stops.
    pub fn close(&self) {
        self.inner.closing.cancel();
    }

    /// Whether the server stops.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.closing.is_cancelled()
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    pub(super) fn poll_interval(&self) -> Duration {
        if self.inner.hearing.load(Ordering::Relaxed) { POLL_HEARING } else { POLL_DEAF }
    }

    pub(super) fn watch(&self, id: NotebookId) -> watch::Receiver<u64> {
        let mut notebooks = self.inner.notebooks.lock().unwrap_or_else(PoisonError::into_inner);
        notebooks.retain(|_, sender| sender.receiver_count() > 0);
        notebooks.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }
}
