//! The runs of this process: whose turn it is, and how to stop one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gristmill_domain::{CellId, ProjectId};
use tokio::sync::Notify;

/// The runs of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RunRegistry {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    stops: HashMap<CellId, Arc<Notify>>,
    turns: HashMap<ProjectId, Weak<tokio::sync::Mutex<()>>>,
}

/// A registered run. Dropping it ends the registration.
#[derive(Debug)]
pub(super) struct RegisteredRun {
    registry: RunRegistry,
    cell: CellId,
    /// Fires when somebody asks to interrupt the run.
    pub(super) stop: Arc<Notify>,
    /// Held while the run is at the kernel: runs of a project are one after another, in the order of their requests.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl RunRegistry {
    pub(super) fn register(&self, project: ProjectId, cell: CellId) -> RegisteredRun {
        let stop = Arc::new(Notify::new());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.stops.insert(cell, Arc::clone(&stop));
        inner.turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = inner.turns.get(&project).and_then(Weak::upgrade).unwrap_or_default();
        inner.turns.insert(project, Arc::downgrade(&turn));
        RegisteredRun { registry: self.clone(), cell, stop, turn }
    }

    /// Asks the run of a cell to stop, when it is in this process.
    pub(super) fn stop(&self, cell: CellId) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = inner.stops.get(&cell) {
            stop.notify_one();
        }
    }
}

impl Drop for RegisteredRun {
    fn drop(&mut self) {
        let mut inner = self.registry.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // A later run of the cell may have registered already.
        if inner.stops.get(&self.cell).is_some_and(|stop| Arc::ptr_eq(stop, &self.stop)) {
            inner.stops.remove(&self.cell);
        }
    }
}
