//! Finds a backend that works here, and the Python environments for it.

use std::sync::Arc;

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{
    RuntimeOptions,
    inner::{BackendState, blocking},
};
use crate::{
    environment::{self, ProvisionOptions, PythonEnvironment},
    sandbox::{
        BackendKind, SandboxBackend,
        process::{ProcessBackend, ProcessOptions},
    },
};

/// Finds the backend, tells it, and provides the Python environments, which may take minutes when they must be made.
pub(super) async fn find(options: RuntimeOptions, tasks: Tasks, state: watch::Sender<BackendState>) {
    if options.backend == Some(BackendKind::Docker) {
        state.send_replace(BackendState::Missing(vec!["the docker backend is not built in".to_owned()]));
        return;
    }
    let owner = hex::encode(Sha256::digest(options.data_dir.as_os_str().as_encoded_bytes())).chars().take(16).collect();
    let process =
        Arc::new(ProcessBackend::new(ProcessOptions::new(options.data_dir.join("runtime/sandboxes"), owner), tasks.clone()));
    for version in PythonVersion::ALL {
        if let Some(found) = located(&options, version).await {
            process.provide(found);
        }
    }
    let looked_at = look_at(process.clone()).await;
    let works = matches!(looked_at, BackendState::Ready { .. });
    state.send_replace(looked_at);
    let version = PythonVersion::default();
    if let (true, Some(search_path), Err(_)) = (works, options.search_path, process.python(version)) {
        let from = ProvisionOptions { cache_dir: options.cache_dir, search_path };
        let made = blocking("making the Python environment", move || {
            let mut tell = |line: &str| tracing::info!(line, "python environment");
            environment::provision(&from, version, &mut tell).map_err(std::io::Error::other)
        });
        match made.await {
            Ok(made) => process.provide(made),
            Err(error) => tracing::error!(error = %error, "the Python environment was not made"),
        }
    }
}

/// Sweeps what an earlier server left on the backend, and tries it.
pub(super) async fn look_at(backend: Arc<dyn SandboxBackend>) -> BackendState {
    if let Err(error) = backend.sweep().await {
        tracing::warn!(error = %error, "sandboxes of an earlier server could not be swept");
    }
    match backend.probe().await {
        Ok(isolation) => BackendState::Ready { backend, isolation, reasons: Vec::new() },
        Err(error) => BackendState::Missing(vec![format!("{}: {error}", backend.kind().as_str())]),
    }
}

async fn located(options: &RuntimeOptions, version: PythonVersion) -> Option<PythonEnvironment> {
    let cache_dir = options.cache_dir.clone();
    blocking("finding a Python environment", move || environment::locate(&cache_dir, version).map_err(std::io::Error::other))
        .await
        .ok()
}
