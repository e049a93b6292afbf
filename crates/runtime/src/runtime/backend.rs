//! Finds a backend that works here, and the Python environments for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

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
        BackendKind, Isolation, SandboxBackend, SandboxError,
        choose::{BackendSetting, choose},
        docker::{DockerBackend, DockerOptions, SocketEngine, Tell},
        metered::Metered,
        process::{ProcessBackend, ProcessOptions},
    },
};

/// When a server tries again to build an image that an earlier one could not.
const BUILD_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// The backends that there are, chosen or not.
struct Backends {
    process: Arc<ProcessBackend>,
    docker: Arc<DockerBackend>,
}

impl Backends {
    async fn new(options: &RuntimeOptions, tasks: &Tasks) -> Self {
        let owner: String =
            hex::encode(Sha256::digest(options.data_dir.as_os_str().as_encoded_bytes())).chars().take(16).collect();
        let files = options.data_dir.join("runtime/sandboxes");
        let process = Arc::new(ProcessBackend::new(ProcessOptions::new(files.clone(), owner.clone()), tasks.clone()));
        for version in PythonVersion::ALL {
            if let Some(found) = located(options, version).await {
                process.provide(found);
            }
        }
        let mut settings = DockerOptions::new(files, owner);
        settings.runtime.clone_from(&options.docker_runtime);
        settings.image.clone_from(&options.docker_image);
        if let Some(base) = &options.docker_base_image {
            settings.build.base_image.clone_from(base);
        }
        let engine = Arc::new(SocketEngine::new(options.docker_host.clone()));
        Self { process, docker: Arc::new(DockerBackend::new(settings, engine, tasks.clone())) }
    }

    async fn choose(&self, setting: BackendSetting) -> BackendState {
        let choice = choose(setting, self.process.clone(), self.docker.clone()).await;
        let reasons: Vec<_> = choice.not_used.iter().map(|(kind, reason)| format!("{}: {reason}", kind.as_str())).collect();
        match choice.chosen {
            Some((backend, isolation)) => BackendState::Ready { backend: Arc::new(Metered(backend)), isolation, reasons },
            None => BackendState::Missing(reasons),
        }
    }

    /// Whether the image is missing, and is to be built.
    async fn lacks_image(&self, options: &RuntimeOptions) -> bool {
        let builds = options.docker_builds && options.docker_image.is_none();
        let wanted = builds && options.backend != BackendSetting::Only(BackendKind::Process);
        // No engine: the choice says so.
        wanted && matches!(self.docker.look_for_image(PythonVersion::default()).await, Ok(false))
    }

    async fn build_image(&self) -> Result<(), SandboxError> {
        let tell = |line: &str| tracing::info!(line, "image of sandboxes");
        let built = self.docker.ensure_image(PythonVersion::default(), &tell).await;
        built.inspect_err(|error| tracing::warn!(error = %error, "the image of sandboxes is not there"))
    }

    /// Why an earlier server could not build this image, if that was lately: where it needs a registry that cannot be
    /// reached, every start would spend a minute on it.
    async fn failed_lately(&self, note: &Path) -> Option<String> {
        let (note, image) = (note.to_owned(), self.docker.image(PythonVersion::default()));
        let read = blocking("reading why an image was not built", move || {
            let age = fs::metadata(&note)?.modified()?.elapsed().unwrap_or_default();
            (age < BUILD_AGAIN_AFTER).then(|| fs::read_to_string(&note)).transpose()
        });
        let text = read.await.ok().flatten()?;
        let (of, reason) = text.split_once('\n')?;
        (of == image).then(|| reason.to_owned())
    }

    /// Builds the image for the next start, and notes when it cannot be.
    async fn build_for_later(&self, note: PathBuf) {
        let Err(error) = self.build_image().await else { return };
        let reason = error.to_string();
        let text = format!("{}\n{}", self.docker.image(PythonVersion::default()), reason.lines().next().unwrap_or_default());
        let written = blocking("noting why an image was not built", move || fs::write(note, text)).await;
        if let Err(error) = written {
            tracing::debug!(error = %error, "the next start tries to build the image again");
        }
    }
}

/// Finds the backend, tells it, and provides what it runs: that may take minutes when it must be made. Where bubblewrap
/// works, nobody waits for an image: it is built for the next start.
pub(super) async fn find(options: RuntimeOptions, tasks: Tasks, state: watch::Sender<BackendState>) {
    let backends = Backends::new(&options, &tasks).await;
    let mut lacks_image = backends.lacks_image(&options).await;
    if lacks_image && (options.backend != BackendSetting::Auto || backends.process.probe().await.is_err()) {
        // The choice says why it is missing.
        drop(backends.build_image().await);
        lacks_image = false;
    }
    let note = options.data_dir.join("runtime/image-not-built");
    let failed = if lacks_image { backends.failed_lately(&note).await } else { None };
    let mut found = backends.choose(options.backend).await;
    let mut kind = None;
    if let BackendState::Ready { backend, reasons, .. } = &mut found {
        sweep(backend.as_ref()).await;
        kind = Some(backend.kind());
        if let Some(reason) = &failed {
            reasons.push(format!("docker: its image could not be built ({reason}); run `gristmill setup` to try again"));
        } else if lacks_image {
            reasons.push("docker: its image is being built; the next start of the server uses it".to_owned());
        }
    }
    state.send_replace(found);
    if kind == Some(BackendKind::Process) {
        provision(&options, &backends.process).await;
    }
    if lacks_image && failed.is_none() {
        backends.build_for_later(note).await;
    }
}

/// What a server would run code on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The backend with what keeps its sandboxes apart; none when none works.
    pub isolation: Option<Isolation>,
    /// Why the other backends are not used: one sentence each.
    pub reasons: Vec<String>,
    /// The Python versions that are there for it.
    pub versions: Vec<PythonVersion>,
}

/// Looks which backend a server with these options would use. Nothing is built, and nothing ended.
pub(super) async fn survey(options: &RuntimeOptions, tasks: &Tasks) -> Survey {
    match Backends::new(options, tasks).await.choose(options.backend).await {
        BackendState::Ready { backend, isolation, reasons } => {
            let versions = PythonVersion::ALL.into_iter().filter(|version| backend.python(*version).is_ok()).collect();
            Survey { isolation: Some(isolation), reasons, versions }
        }
        BackendState::Missing(reasons) => Survey { isolation: None, reasons, versions: Vec::new() },
        BackendState::Preparing => Survey { isolation: None, reasons: Vec::new(), versions: Vec::new() },
    }
}

/// Builds the image of the default version unless it is there; tells its name.
pub(super) async fn build_image(options: &RuntimeOptions, tasks: &Tasks, tell: Tell<'_>) -> Result<String, SandboxError> {
    let docker = Backends::new(options, tasks).await.docker;
    let version = PythonVersion::default();
    docker.ensure_image(version, tell).await?;
    Ok(docker.image(version))
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

/// Makes the environment of the default version when there is none and the options allow it.
async fn provision(options: &RuntimeOptions, process: &ProcessBackend) {
    let version = PythonVersion::default();
    let (Some(search_path), Err(_)) = (options.search_path.clone(), process.python(version)) else { return };
    let from = ProvisionOptions { cache_dir: options.cache_dir.clone(), search_path };
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
