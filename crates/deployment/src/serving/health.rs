//! Probes: which deployments became unhealthy, and which are well again.

use std::sync::{Arc, PoisonError};

use gristmill_domain::{
    DeploymentId,
    deployments::{DeploymentStatus, Event, ServingRuntime},
    ports::StoreError,
};

use super::{Entry, Serving, ServingError};
use crate::{inference::InferenceError, worker::WorkerStatus};

impl Serving {
    /// Looks at the workers and the unhealthy deployments of this process, and ends what is forgotten.
    pub(super) async fn probe(self: &Arc<Self>) {
        for (id, worker) in self.workers.sweep(self.options.worker_idle) {
            let WorkerStatus::Failed { reason } = worker.status() else { continue };
            // Whoever asks next gets a new one.
            self.workers.end(id).await;
            if let Ok(entry) = self.find(id).await
                && entry.served.deployment.runtime == ServingRuntime::Container
            {
                self.note(id, Event::Degrade, Some(reason)).await;
            }
        }
        for entry in self.unhealthy() {
            let mut recovering = self.recovering.lock().unwrap_or_else(PoisonError::into_inner);
            if recovering.insert(entry.served.deployment.id) {
                // A worker may take minutes to start; other deployments do not wait for it.
                self.ports.tasks.spawn_until_stopped("serving probe", Arc::clone(self).recover(entry));
            }
        }
        let now = self.ports.clock.now();
        if let Err(error) = self.ports.store.end_forgotten(now - super::STOPPING_PATIENCE, now).await {
            tracing::debug!(error = %error, "deployments that stop were not looked at");
        }
    }

    /// Notes that a deployment cannot serve, when that is the fault of its files.
    pub(super) async fn suspect(&self, entry: &Entry, error: &ServingError) {
        let ServingError::Model(cause) = error else { return };
        let broken = matches!(
            cause.as_ref(),
            InferenceError::FileMissing { .. }
                | InferenceError::FileAltered { .. }
                | InferenceError::Signature(_)
                | InferenceError::Features { .. }
        );
        if broken && entry.served.deployment.status == DeploymentStatus::Healthy {
            self.note(entry.served.deployment.id, Event::Degrade, Some(cause.to_string())).await;
        }
    }

    fn unhealthy(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let unhealthy = |entry: &&Arc<Entry>| entry.served.deployment.status == DeploymentStatus::Unhealthy;
        entries.known.values().filter(unhealthy).cloned().collect()
    }

    async fn recover(self: Arc<Self>, entry: Arc<Entry>) {
        let id = entry.served.deployment.id;
        // What it knows of broken files is not to be believed again.
        let fresh = self.ports.store.served(id).await.map(|served| Entry::new(served, &self.ports.places));
        if let Ok(fresh) = fresh
            && self.try_model(&fresh).await.is_ok()
        {
            self.note(id, Event::Recover, None).await;
        }
        self.recovering.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    async fn note(&self, id: DeploymentId, event: Event, reason: Option<String>) {
        match self.ports.store.happen(id, event, reason.clone(), self.ports.clock.now()).await {
            Ok(deployment) => {
                tracing::info!(deployment.id = %id, status = deployment.status.as_str(), reason, "a deployment changed");
                self.forget(id);
            }
            // Stopped or deleted meanwhile, or another process was faster.
            Err(StoreError::Conflict(_) | StoreError::NotFound) => {}
            Err(error) => tracing::warn!(deployment.id = %id, error = %error, "a deployment's state was not stored"),
        }
    }
}
