//! The facade: kernels for places.

mod backend;
mod index;
mod inner;
mod install;
mod options;
mod place;
mod pool;
mod resident;
mod slots;
mod status;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use gristmill_domain::{
    execution::{ExecutionResult, PackageInfo, PythonVersion, RichOutput},
    ids::{ExecutionSessionId, ProjectId},
};
use gristmill_jobs::Tasks;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub use self::{
    backend::Survey,
    install::{InstallEvent, InstallOutcome},
    options::RuntimeOptions,
    status::{Export, PlaceState, RuntimeEvent, RuntimeEventKind, RuntimeStatus, TakenFile, WorkspaceFile},
};
use self::{
    index::Index,
    inner::{BackendState, Inner, Start, blocking},
    place::{Command, Execution},
};
use crate::{
    error::RuntimeError,
    intelligence::{AssistAnswer, AssistDataset, AssistError, AssistRequest},
    kernel::Signal,
    packages::{FrozenLayer, PackageIndex, PackageNames, suggest, uninstall},
    places::{ExecuteRequest, KernelPlace, PlaceKey, PlaceKind},
    project_data::{DatasetFile, ProjectData},
    resident::{ResidentPlan, ResidentWorker},
    sandbox::{SandboxBackend, SandboxError, docker::Tell},
    workspace,
};

/// Runs code in sandboxed kernels. Cheap to clone; clones share the kernels.
#[derive(Debug, Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

impl Runtime {
    /// Starts the runtime: chooses a backend, sweeps what an earlier server left, finds the Python environments. It
    /// never fails; [`Self::status`] tells what is missing.
    pub async fn start(options: RuntimeOptions, data: Arc<dyn ProjectData>, tasks: &Tasks) -> Self {
        let (state, backend) = watch::channel(BackendState::Preparing);
        tasks.spawn_until_stopped("runtime.backend", backend::find(options.clone(), tasks.clone(), state));
        Self::made(options, data, tasks, backend).await
    }

    /// As [`Self::start`], on this backend: for programs that bring their own.
    pub async fn with_backend(
        options: RuntimeOptions,
        backend: Arc<dyn SandboxBackend>,
        data: Arc<dyn ProjectData>,
        tasks: &Tasks,
    ) -> Self {
        let (state, receiver) = watch::channel(BackendState::Preparing);
        tasks.spawn_until_stopped("runtime.backend", async move {
            state.send_replace(backend::look_at(backend).await);
        });
        Self::made(options, data, tasks, receiver).await
    }

    async fn made(
        options: RuntimeOptions,
        data: Arc<dyn ProjectData>,
        tasks: &Tasks,
        backend: watch::Receiver<BackendState>,
    ) -> Self {
        let runtime = Self { inner: Arc::new(Inner::new(options, data, tasks.clone(), backend)) };
        runtime.remove_forgotten_sockets().await;
        tasks.spawn("runtime.pool", pool::fill(Arc::clone(&runtime.inner)));
        runtime
    }

    /// Whether and how code can be run here.
    #[must_use]
    pub fn status(&self) -> RuntimeStatus {
        let (active, pooled) = (self.inner.slots.count(), self.inner.pool.ready());
        match &*self.inner.backend.borrow() {
            BackendState::Preparing => {
                let reasons = vec!["the sandboxes are still being prepared".to_owned()];
                RuntimeStatus { ready: false, isolation: None, reasons, versions: Vec::new(), active, pooled }
            }
            BackendState::Missing(reasons) => {
                RuntimeStatus { ready: false, isolation: None, reasons: reasons.clone(), versions: Vec::new(), active, pooled }
            }
            BackendState::Ready { backend, isolation, reasons } => {
                let mut reasons = reasons.clone();
                reasons.extend(self.inner.pool.problem().map(|problem| format!("no kernels are kept ready: {problem}")));
                let mut versions = Vec::new();
                for version in PythonVersion::ALL {
                    match backend.python(version) {
                        Ok(_) => versions.push(version),
                        Err(error) if version == PythonVersion::default() => reasons.push(error.to_string()),
                        Err(_) => {}
                    }
                }
                let ready = !versions.is_empty();
                RuntimeStatus { ready, isolation: Some(isolation.clone()), reasons, versions, active, pooled }
            }
        }
    }

    /// What a server with these options would run code on. Tries the backends, and leaves alone what other servers run.
    pub async fn survey(options: &RuntimeOptions, tasks: &Tasks) -> Survey {
        backend::survey(options, tasks).await
    }

    /// Builds the docker backend's image unless it is there, which takes minutes; returns its name. `tell` gets what the
    /// build says.
    ///
    /// # Errors
    /// `Unavailable` when no engine answers or the image cannot be built.
    pub async fn build_image(options: &RuntimeOptions, tasks: &Tasks, tell: Tell<'_>) -> Result<String, SandboxError> {
        backend::build_image(options, tasks, tell).await
    }

    /// What happens to kernels from now on. A receiver that is slow misses events, never delays a kernel.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.inner.events.subscribe()
    }

    /// What the place is doing.
    #[must_use]
    pub fn state(&self, place: &KernelPlace) -> PlaceState {
        self.inner.state(place.key())
    }

    /// Makes sure that the place has a sandbox with a ready kernel.
    ///
    /// # Errors
    /// `RuntimeUnavailable`, `SandboxFailed`, `TooManyRequests`, `ShuttingDown`, `Internal`.
    ///
    /// # Cancel safety
    /// Cancel safe: the start goes on.
    pub async fn ensure(&self, place: &KernelPlace) -> Result<(), RuntimeError> {
        let (reply, ready) = oneshot::channel();
        self.inner.send(place, Command::Ensure { place: place.clone(), reply })?;
        ready.await.unwrap_or(Err(RuntimeError::Closed))
    }

    /// Runs code, after the earlier runs of the place. Live outputs go to `sink`; one that is slow gets text in larger
    /// pieces and may miss outputs, one that is closed is ignored. The result has everything that is to be kept.
    ///
    /// # Errors
    /// As [`Self::ensure`]. Code that fails, runs into its deadline or takes its kernel down is a result, not an error.
    ///
    /// # Cancel safety
    /// Cancel safe: the code goes on. [`Self::interrupt`] stops it.
    #[tracing::instrument(name = "execution", skip_all, fields(project.id = %place.project))]
    pub async fn execute(
        &self,
        place: &KernelPlace,
        request: ExecuteRequest,
        sink: mpsc::Sender<RichOutput>,
    ) -> Result<ExecutionResult, RuntimeError> {
        let (reply, result) = oneshot::channel();
        let execution = Execution { place: place.clone(), request, sink, reply };
        self.inner.send(place, Command::Execute(Box::new(execution)))?;
        result.await.unwrap_or(Err(RuntimeError::Closed))
    }

    /// Interrupts the run of the place: it ends with `KeyboardInterrupt`. False: nothing runs.
    ///
    /// # Errors
    /// `SandboxFailed` when the kernel does not take the request.
    pub async fn interrupt(&self, place: &KernelPlace) -> Result<bool, RuntimeError> {
        if self.state(place) != PlaceState::Busy {
            return Ok(false);
        }
        let (reply, interrupted) = oneshot::channel();
        if !self.inner.signal(place, Signal::Interrupt(reply), Start::No)? {
            return Ok(false);
        }
        Ok(interrupted.await.unwrap_or(false))
    }

    /// Replaces the kernel by a new one; a run ends with an error that says so. Starts one when there is none. Files
    /// stay, variables do not.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub async fn restart(&self, place: &KernelPlace) -> Result<(), RuntimeError> {
        let (reply, restarted) = oneshot::channel();
        self.inner.signal(place, Signal::Restart(place.clone(), reply), Start::Yes)?;
        restarted.await.unwrap_or(Err(RuntimeError::Closed))
    }

    /// Ends the sandbox and keeps the workspace.
    pub async fn close(&self, place: &KernelPlace) {
        self.inner.close(place.key()).await;
    }

    /// Ends a session's sandbox and removes its workspace.
    pub async fn discard_session(&self, project: ProjectId, session: ExecutionSessionId) {
        let key = PlaceKey { project, kind: PlaceKind::Session(session) };
        self.inner.close(key).await;
        self.remove(self.inner.directories.place(key)).await;
    }

    /// Ends every sandbox of a project and removes all that the runtime keeps for it.
    pub async fn discard_project(&self, project: ProjectId) {
        for key in self.inner.places(Some(project)) {
            self.inner.close(key).await;
        }
        self.inner.close_assistant(project);
        self.remove(self.inner.directories.project(project)).await;
    }

    /// The projects that have a kernel here, or had one a while ago.
    #[must_use]
    pub fn projects(&self) -> Vec<ProjectId> {
        let projects: BTreeSet<_> = self.inner.places(None).into_iter().map(|key| key.project).collect();
        projects.into_iter().collect()
    }

    /// Takes over what code saved with `save_to_project` since the last call. Entries that are not what they should be
    /// (links, other kinds of files, too large, bad names) are skipped.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn drain_exports(&self, place: &KernelPlace) -> Result<Vec<Export>, RuntimeError> {
        let workspace = self.inner.directories.workspace(place.key());
        let taken = self.inner.directories.exports(place.project);
        let bytes_max = self.inner.options.export_bytes_max;
        blocking("taking over exported files", move || workspace::take_exports(&workspace, &taken, bytes_max)).await
    }

    /// Copies a file of the place's workspace out of the code's reach: a regular file of the workspace's own, at most as large
    /// as an export.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn take_file(&self, place: &KernelPlace, path: &str) -> Result<WorkspaceFile, RuntimeError> {
        let workspace = self.inner.directories.workspace(place.key());
        let taken = self.inner.directories.exports(place.project);
        let (path, bytes_max) = (path.to_owned(), self.inner.options.export_bytes_max);
        blocking("taking over a file", move || workspace::take_file(&workspace, &path, &taken, bytes_max)).await
    }

    /// Installs packages into the project's layer. Its kernels can import them at once. Progress goes to `sink`, which
    /// may be closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the installation; the layer is then as it was, or complete.
    pub async fn install(&self, place: &KernelPlace, packages: &str, sink: mpsc::Sender<InstallEvent>) -> InstallOutcome {
        let failed = |message: String| InstallOutcome { success: false, message };
        let names = match PackageNames::parse(packages) {
            Ok(names) => names,
            Err(refused) => return failed(refused.to_string()),
        };
        let outcome = match (self.inner.packages().await, self.inner.layer(place.project).await) {
            (Ok(installer), Ok(layer)) => installer.install(&layer, place.python, &names, &sink).await,
            (Err(error), _) | (_, Err(error)) => failed(error.to_string()),
        };
        if outcome.success {
            // It remembers what could be imported; the next one sees the new packages.
            self.inner.close_assistant(place.project);
        }
        outcome
    }

    /// Takes packages out of the project's layer; those of the environment stay. Running kernels keep what they imported. `call`
    /// names the call: repeated, it is told again what it took out.
    ///
    /// # Cancel safety
    /// The layer is then as it was, or complete.
    pub async fn uninstall(&self, place: &KernelPlace, packages: &str, call: &str) -> InstallOutcome {
        let failed = |message: String| InstallOutcome { success: false, message };
        let names = match PackageNames::parse(packages) {
            Ok(names) => names,
            Err(refused) => return failed(refused.to_string()),
        };
        let outcome = match self.inner.layer(place.project).await {
            Ok(layer) => uninstall(&layer, &names, call).await,
            Err(error) => failed(error.to_string()),
        };
        if outcome.success {
            self.inner.close_assistant(place.project);
        }
        outcome
    }

    /// Keeps what the project has installed, as it is now, in a directory of the caller's: for a model that was made with it.
    /// None: nothing is installed, and there is no such directory then.
    ///
    /// # Errors
    /// `Internal`.
    ///
    /// # Cancel safety
    /// Cancel safe: the directory is then there whole, or not.
    pub async fn freeze_packages(&self, project: ProjectId, target: PathBuf) -> Result<Option<FrozenLayer>, RuntimeError> {
        let layer = self.inner.layer(project).await?;
        blocking("keeping the project's packages", move || FrozenLayer::of(&layer, &target)).await
    }

    /// The packages that a place's kernel can import, sorted by lower-cased name.
    ///
    /// # Errors
    /// `RuntimeUnavailable`, `SandboxFailed`, `Internal`.
    pub async fn packages(&self, place: &KernelPlace) -> Result<Vec<PackageInfo>, RuntimeError> {
        let layer = self.inner.layer(place.project).await?;
        Ok(self.inner.packages().await?.list(&layer, place.python).await?.to_vec())
    }

    /// Packages for what was typed, at most `limit`: popular ones, those that are installed, in this project when one is
    /// named, and the one of exactly this name that the package index has, when it answers soon and may be asked.
    pub async fn suggest(&self, typed: &str, limit: usize, project: Option<ProjectId>) -> Vec<PackageInfo> {
        let installed = if typed.trim().is_empty() { Vec::new() } else { self.inner.installed(project).await };
        let index = Index { inner: &self.inner };
        let index: Option<&dyn PackageIndex> = if self.inner.options.asks_index { Some(&index) } else { None };
        suggest(typed, limit, &installed, index).await
    }

    /// Makes Python help ready for a project, so that its first question is answered at once.
    pub fn warm_assist(&self, project: ProjectId) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn_until_stopped("runtime.warm help", async move {
            // Where there is no backend, the question tells why.
            if let Ok(assistant) = inner.assistant().await {
                assistant.warm(project);
            }
        });
    }

    /// Answers a question about code, from a worker that stays up in a sandbox of the project. What the project's
    /// datasets are, and what its notebooks' kernel held when it last idled, is added here.
    ///
    /// # Errors
    /// `RuntimeUnavailable`, `SandboxFailed`, `Internal`. Completions that fail are empty instead.
    pub async fn assist(&self, project: ProjectId, mut request: AssistRequest) -> Result<AssistAnswer, RuntimeError> {
        let assistant = self.inner.assistant().await?;
        let files = self.inner.data.datasets(project).await.map_err(RuntimeError::ProjectData)?.files;
        request.datasets =
            files.into_iter().map(|DatasetFile { id, filename, columns, .. }| AssistDataset { id, filename, columns }).collect();
        request.variables = self.inner.variables(project);
        assistant.assist(project, request).await.map_err(|error| match error {
            AssistError::Unavailable(reason) => RuntimeError::Unavailable { reason },
            AssistError::Timeout | AssistError::Ended => RuntimeError::Sandbox { reason: error.to_string(), source: None },
        })
    }

    /// The backend, for sandboxes of other kinds than kernels. Whoever starts one ends it.
    ///
    /// # Errors
    /// `RuntimeUnavailable` when none works here, or it is still being looked for.
    pub async fn backend(&self) -> Result<Arc<dyn SandboxBackend>, RuntimeError> {
        self.inner.backend().await
    }

    /// A worker on this backend, of a program that the caller brings along. Nothing is started before it is asked.
    #[must_use]
    pub fn resident(&self, plan: ResidentPlan) -> ResidentWorker {
        resident::worker(Arc::clone(&self.inner), plan)
    }

    /// Ends every sandbox.
    pub async fn shutdown(&self) {
        self.inner.refuse_more();
        let closing = self.inner.places(None).into_iter().map(|key| self.inner.close(key));
        futures_util::future::join(futures_util::future::join_all(closing), self.inner.pool.close()).await;
    }

    /// Removes the sockets of servers that have ended; another one over the same data directory keeps its own.
    async fn remove_forgotten_sockets(&self) {
        let (sockets, instance) = (self.inner.directories.sockets(), Arc::clone(&self.inner.instance));
        let removed = blocking("removing old sockets", move || {
            instance.hold()?;
            let Ok(entries) = std::fs::read_dir(&sockets) else { return Ok(()) };
            for entry in entries.flatten() {
                if !instance.is_alive(&entry.file_name().to_string_lossy()) {
                    workspace::remove_tree(&entry.path());
                }
            }
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(error = %error, "sockets of an earlier server were not removed");
        }
    }

    async fn remove(&self, directory: PathBuf) {
        let removed = blocking("removing a workspace", move || {
            workspace::remove_tree(&directory);
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(error = %error, "a workspace was not removed");
        }
    }
}
