//! Python workers of this process: started when somebody asks, ended when nobody does.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gristmill_domain::DeploymentId;

use super::ServingError;
use crate::worker::Worker;

#[derive(Debug)]
struct Kept {
    worker: Worker,
    used: Instant,
}

/// At most so many workers. One that was not used for the longest time makes room.
#[derive(Debug)]
pub(super) struct Workers {
    max: usize,
    kept: Mutex<HashMap<DeploymentId, Kept>>,
}

/// A worker that was not asked for this long may make room for another.
const BUSY_FOR: Duration = Duration::from_secs(5);

impl Workers {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), kept: Mutex::default() }
    }

    /// The worker of a deployment; `start` makes one when there is none.
    pub(super) fn get_or_start(&self, id: DeploymentId, start: impl FnOnce() -> Worker) -> Result<Worker, ServingError> {
        let mut kept = self.kept();
        if let Some(found) = kept.get_mut(&id) {
            found.used = Instant::now();
            return Ok(found.worker.clone());
        }
        if kept.len() >= self.max {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).filter(|(_, kept)| kept.used.elapsed() > BUSY_FOR);
            let Some(oldest) = oldest.map(|(id, _)| *id) else { return Err(ServingError::WorkersBusy(self.max)) };
            // It ends when its last clone is dropped.
            kept.remove(&oldest);
        }
        let worker = start();
        kept.insert(id, Kept { worker: worker.clone(), used: Instant::now() });
        Ok(worker)
    }

    /// The worker of a deployment, which is in use now.
    pub(super) fn touch(&self, id: DeploymentId) -> Option<Worker> {
        let mut kept = self.kept();
        let found = kept.get_mut(&id)?;
        found.used = Instant::now();
        Some(found.worker.clone())
    }

    pub(super) fn has(&self, id: DeploymentId) -> bool {
        self.kept().contains_key(&id)
    }

    /// All, to be probed; those that nobody used for so long are ended.
    pub(super) fn sweep(&self, idle: Duration) -> Vec<(DeploymentId, Worker)> {
        let mut kept = self.kept();
        kept.retain(|_, kept| kept.used.elapsed() < idle);
        kept.iter().map(|(id, kept)| (*id, kept.worker.clone())).collect()
    }

    pub(super) async fn log_tail(&self, id: DeploymentId) -> Option<String> {
        let worker = self.kept().get(&id).map(|kept| kept.worker.clone())?;
        Some(worker.log_tail().await)
    }

    pub(super) async fn end(&self, id: DeploymentId) {
        let ended = self.kept().remove(&id);
        if let Some(ended) = ended {
            ended.worker.stop().await;
        }
    }

    pub(super) async fn end_all(&self) {
        let ended: Vec<Kept> = self.kept().drain().map(|(_, kept)| kept).collect();
        for kept in ended {
            kept.worker.stop().await;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
