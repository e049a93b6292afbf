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
        choose::{BackendSetting, choose},
        docker::{DockerBackend, DockerOptions, SocketEngine},
        process::{ProcessBackend, ProcessOptions},
    },
};

/// Finds the backend, tells it, and provides the Python environments, which may take minutes when they must be made.
pub(super) async fn find(options: RuntimeOptions, tasks: Tasks, state: watch::Sender<BackendState>) {
    let owner: String = hex::encode(Sha256::digest(options.data_dir.as_os_str().as_encoded_bytes())).chars().take(16).collect();
    let files = options.data_dir.join("runtime/sandboxes");
    let process = Arc::new(ProcessBackend::new(ProcessOptions::new(files, owner.clone()), tasks.clone()));
    for version in PythonVersion::ALL {
        if let Some(found) = located(&options, version).await {
            process.provide(found);
        }
    }
    let mut settings = DockerOptions::new(owner);
    settings.runtime.clone_from(&options.docker_runtime);
    let engine = Arc::new(SocketEngine::new(options.docker_host.clone()));
    let docker = Arc::new(DockerBackend::new(settings, engine, tasks));
    if options.backend != BackendSetting::Only(BackendKind::Process) {
        look_for_images(&docker).await;
    }
    if options.backend == BackendSetting::Only(BackendKind::Docker)
        && let Err(error) = docker.ensure_image(PythonVersion::default()).await
    {
        tracing::error!(error = %error, "the image of sandboxes is not there");
    }
    let choice = choose(options.backend, process.clone(), docker).await;
    let reasons: Vec<_> = choice.not_used.iter().map(|(kind, reason)| format!("{}: {reason}", kind.as_str())).collect();
    let Some((backend, isolation)) = choice.chosen else {
        state.send_replace(BackendState::Missing(reasons));
        return;
    };
    sweep(backend.as_ref()).await;
    let kind = backend.kind();
    state.send_replace(BackendState::Ready { backend, isolation, reasons });
    if kind == BackendKind::Process {
        provision(options, &process).await;
    }
}

/// Sweeps what an earlier server left on the backend, and tries it.
pub(super) async fn look_at(backend: Arc<dyn SandboxBackend>) -> BackendState {
    sweep(backend.as_ref()).await;
    match backend.probe().await {
        Ok(isolation) => BackendState::Ready { backend, isolation, reasons: Vec::new() },
        Err(error) => BackendState::Missing(vec![format!("{}: {error}", backend.kind().as_str())]),
    }
}

async fn sweep(backend: &dyn SandboxBackend) {
    match backend.sweep().await {
        Ok(0) => {}
        Ok(swept) => tracing::info!(sandboxes.swept = swept, "ended sandboxes of an earlier server"),
        Err(error) => tracing::warn!(error = %error, "sandboxes of an earlier server could not be swept"),
    }
}

async fn look_for_images(docker: &DockerBackend) {
    for version in PythonVersion::ALL {
        // No engine: the choice says so.
        if docker.look_for_image(version).await.is_err() {
            return;
        }
    }
}

/// Makes the environment of the default version when there is none and the options allow it.
async fn provision(options: RuntimeOptions, process: &ProcessBackend) {
    let version = PythonVersion::default();
    let (Some(search_path), Err(_)) = (options.search_path, process.python(version)) else { return };
    let from = ProvisionOptions { cache_dir: options.cache_dir, search_path };
    let made = blocking("making the Python environment", move || {
        let mut tell = |line: &str| tracing::info!(line, "python environment");
        environment::provision(&from, version, &mut tell).map_err(std::io::Error::other)
    });
    match made.await {
        Ok(made) => process.provide(made),
        Err(error) => tracing::error!(error = %error, "the Python environment was not made; run `gristmill setup`"),
    }
}

async fn located(options: &RuntimeOptions, version: PythonVersion) -> Option<PythonEnvironment> {
    let cache_dir = options.cache_dir.clone();
    blocking("finding a Python environment", move || environment::locate(&cache_dir, version).map_err(std::io::Error::other))
        .await
        .ok()
}
