//! What the places of a runtime share: the backend, the registry, the directories.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gristmill_domain::{
    execution::PythonVersion,
    ids::{ProjectId, UserId},
};
use gristmill_jobs::Tasks;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};

use super::{
    PlaceState, RuntimeEvent, RuntimeEventKind, RuntimeOptions,
    place::{Command, PlaceTask, Shared},
    pool::Pool,
    slots::{Full, Slot, Slots},
};
use crate::{
    environment::install_kernel_files,
    error::RuntimeError,
    intelligence::{AssistDirectories, AssistSettings, Assistant, LiveVariable},
    kernel::{Kernel, LaunchPlan, Signal, launch},
    packages::{GUEST_KERNEL, GUEST_LAYER, IndexSettings, Layer, LookUps, Packages, PackagesOptions},
    places::{KernelPlace, PlaceKey, PlaceKind},
    project_data::{ProjectData, ProjectFiles},
    sandbox::{Access, BackendKind, Isolation, Mount, SandboxBackend, SandboxLimits, instance::Instance},
    workspace::{self, Directories},
};

/// How long a request waits for the backend to be looked at after the start.
const BACKEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long an idle sandbox may take to make room for another.
const EVICTION_PATIENCE: Duration = Duration::from_secs(5);
const EVICTIONS_MAX: usize = 4;
const SIGNALS_MAX: usize = 32;
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The backend, as far as it is known.
#[derive(Debug, Clone)]
pub(super) enum BackendState {
    /// It is looked for.
    Preparing,
    /// It works.
    Ready {
        backend: Arc<dyn SandboxBackend>,
        isolation: Isolation,
        /// Why others are not used.
        reasons: Vec<String>,
    },
    /// None works.
    Missing(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) options: RuntimeOptions,
    pub(super) data: Arc<dyn ProjectData>,
    pub(super) tasks: Tasks,
    pub(super) events: broadcast::Sender<RuntimeEvent>,
    pub(super) backend: watch::Receiver<BackendState>,
    pub(super) directories: Directories,
    /// This server among those over its data directory.
    pub(super) instance: Arc<Instance>,
    pub(super) slots: Slots,
    registry: Mutex<Registry>,
    /// One writer of links at a time.
    links: Arc<Mutex<()>>,
    /// Kernels that may start at once. Starting is work for the processor: twenty at once would all be late, and the
    /// first of them no sooner than the last.
    pub(super) starts: Semaphore,
    pub(super) pool: Arc<Pool>,
    packages: tokio::sync::OnceCell<Packages>,
    pub(super) lookups: LookUps,
    assistant: tokio::sync::OnceCell<Assistant>,
}

#[derive(Debug, Default)]
struct Registry {
    places: HashMap<PlaceKey, Handle>,
    closed: bool,
}

/// The way to a place's task.
#[derive(Debug, Clone)]
struct Handle {
    commands: mpsc::Sender<Command>,
    signals: mpsc::Sender<Signal>,
    shared: Arc<Shared>,
}

impl Inner {
    pub(super) fn new(
        options: RuntimeOptions,
        data: Arc<dyn ProjectData>,
        tasks: Tasks,
        backend: watch::Receiver<BackendState>,
    ) -> Self {
        let directories = Directories::new(&options.data_dir);
        let instance = Arc::new(Instance::new(directories.root()));
        let pool = Arc::new(Pool::new(options.pool_size, options.pool_memory_bytes_max, tasks.stopping()));
        Self {
            pool,
            options,
            data,
            tasks,
            events: broadcast::channel(1024).0,
            backend,
            directories,
            instance,
            slots: Slots::default(),
            registry: Mutex::default(),
            links: Arc::default(),
            starts: Semaphore::new(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))),
            packages: tokio::sync::OnceCell::new(),
            lookups: LookUps::default(),
            assistant: tokio::sync::OnceCell::new(),
        }
    }

    /// Hands a command to the place's task, which is started when it is not there.
    pub(super) fn send(self: &Arc<Self>, place: &KernelPlace, command: Command) -> Result<(), RuntimeError> {
        // Under the lock: a task that retires looks at its queue under it, so that no command is lost.
        let mut registry = self.registry();
        let handle = self.handle(&mut registry, place)?;
        handle.commands.try_send(command).map_err(|_full| busy("too many runs wait for this kernel"))
    }

    /// Hands a signal to the place's task. False: there is none, and `start` does not ask for one.
    pub(super) fn signal(self: &Arc<Self>, place: &KernelPlace, signal: Signal, start: Start) -> Result<bool, RuntimeError> {
        let mut registry = self.registry();
        if start == Start::No && !registry.places.contains_key(&place.key()) {
            return Ok(false);
        }
        let handle = self.handle(&mut registry, place)?;
        handle.signals.try_send(signal).map_err(|_full| busy("too many requests wait for this kernel"))?;
        Ok(true)
    }

    fn handle<'r>(self: &Arc<Self>, registry: &'r mut Registry, place: &KernelPlace) -> Result<&'r Handle, RuntimeError> {
        if registry.closed || self.tasks.stopping().is_cancelled() {
            return Err(RuntimeError::ShuttingDown);
        }
        Ok(registry.places.entry(place.key()).or_insert_with(|| {
            let (commands, queue) = mpsc::channel(self.options.queue_max.max(1));
            let (signals, signal_queue) = mpsc::channel(SIGNALS_MAX);
            let shared = Arc::new(Shared::new());
            let task = PlaceTask::new(Arc::clone(self), place.clone(), queue, signal_queue, Arc::clone(&shared));
            self.tasks.spawn("runtime.place", task.serve());
            Handle { commands, signals, shared }
        }))
    }

    /// Whether the task may end: nothing waits for it. It is forgotten then.
    pub(super) fn retire(&self, task: &PlaceTask) -> bool {
        let mut registry = self.registry();
        let empty = task.commands.is_empty() && task.signals.is_empty();
        if empty {
            registry.places.remove(&task.place.key());
        }
        empty
    }

    pub(super) fn state(&self, key: PlaceKey) -> PlaceState {
        self.registry().places.get(&key).map_or(PlaceState::Absent, |handle| handle.shared.state())
    }

    /// What the kernel of a project's notebooks held when it last idled.
    pub(super) fn variables(&self, project: ProjectId) -> BTreeMap<String, LiveVariable> {
        let key = PlaceKey { project, kind: PlaceKind::Notebook };
        let known = self.registry().places.get(&key).map(|handle| handle.shared.variables());
        known.map(|known| (*known).clone()).unwrap_or_default()
    }

    /// The places of a project, or all.
    pub(super) fn places(&self, project: Option<ProjectId>) -> Vec<PlaceKey> {
        let wanted = |key: &&PlaceKey| project.is_none_or(|project| key.project == project);
        self.registry().places.keys().filter(wanted).copied().collect()
    }

    /// Ends the place's sandbox, if there is one.
    pub(super) async fn close(&self, key: PlaceKey) {
        let (reply, closed) = oneshot::channel();
        let Some(handle) = self.registry().places.get(&key).cloned() else { return };
        if handle.signals.send(Signal::Close(reply)).await.is_ok() {
            // The task may end instead of answering; both mean that the sandbox is gone.
            let _ = closed.await;
        }
    }

    pub(super) fn refuse_more(&self) {
        self.registry().closed = true;
    }

    /// Takes a slot for a new sandbox; the one that idles longest is ended when there is none.
    pub(super) async fn admit(&self, place: &KernelPlace) -> Result<Slot, RuntimeError> {
        let options = &self.options;
        for _ in 0..EVICTIONS_MAX {
            let full = match self.slots.take(place.key(), place.owner, options.sandboxes_max, options.sandboxes_per_owner_max) {
                Ok(slot) => return Ok(slot),
                Err(full) => full,
            };
            let owner = if full == Full::Owner { place.owner } else { None };
            if !self.evict(place.key(), owner).await {
                return Err(busy(match full {
                    Full::Server => "all sandboxes of the server are in use",
                    Full::Owner => "all sandboxes that you may have are in use",
                }));
            }
        }
        Err(busy("all sandboxes are in use"))
    }

    async fn evict(&self, except: PlaceKey, owner: Option<UserId>) -> bool {
        let victim = {
            let registry = self.registry();
            let idle = registry.places.iter().filter(|(key, handle)| {
                **key != except
                    && handle.shared.state() == PlaceState::Idle
                    && owner.is_none_or(|owner| self.slots.is_owned_by(**key, owner))
            });
            idle.min_by_key(|(_, handle)| handle.shared.last_used()).map(|(key, handle)| (*key, handle.clone()))
        };
        let Some((key, handle)) = victim else { return false };
        let (reply, closed) = oneshot::channel();
        if handle.signals.try_send(Signal::Close(reply)).is_err() {
            return false;
        }
        let gone = tokio::time::timeout(EVICTION_PATIENCE, closed).await.is_ok();
        let place = KernelPlace { kind: key.kind, owner, ..KernelPlace::notebook(key.project) };
        let _ = self.events.send(RuntimeEvent { place, kind: RuntimeEventKind::Culled });
        gone
    }

    /// The backend, when it is ready.
    pub(super) async fn backend(&self) -> Result<Arc<dyn SandboxBackend>, RuntimeError> {
        let mut state = self.backend.clone();
        let known = state.wait_for(|state| !matches!(state, BackendState::Preparing));
        match tokio::time::timeout(BACKEND_PATIENCE, known).await.map(|known| known.map(|known| known.clone())) {
            Ok(Ok(BackendState::Ready { backend, .. })) => Ok(backend),
            Ok(Ok(BackendState::Missing(reasons))) => Err(RuntimeError::Unavailable { reason: reasons.join("; ") }),
            _ => {
                Err(RuntimeError::Unavailable { reason: "the sandboxes are still being prepared; try again shortly".to_owned() })
            }
        }
    }

    /// Gives the place a kernel: one that is ready, else a new one.
    pub(super) async fn launch(
        &self,
        place: &KernelPlace,
        memory_bytes: Option<u64>,
    ) -> Result<(Kernel, ProjectFiles), RuntimeError> {
        let backend = self.backend().await?;
        let files = self.data.datasets(place.project).await.map_err(RuntimeError::ProjectData)?;
        self.show_datasets(place.project, files.clone()).await?;
        let Prepared { mounts, helpers, own_modules } = self.prepare(place, &files).await?;
        let mut limits = self.options.limits;
        limits.memory_bytes = memory_bytes.filter(|bytes| *bytes > 0).unwrap_or(limits.memory_bytes);
        if let Some(kernel) = self.ready_kernel(place, limits, &mounts, &own_modules).await {
            return Ok((kernel, files));
        }
        // Closed never: an error cannot happen.
        let _turn = self.starts.acquire().await.map_err(|_closed| RuntimeError::ShuttingDown)?;
        // One may have become ready while this one waited for its turn.
        if let Some(kernel) = self.ready_kernel(place, limits, &mounts, &own_modules).await {
            return Ok((kernel, files));
        }
        let mut plan = self.plan(backend, place.python, helpers, limits);
        plan.mounts.extend(mounts);
        Ok((launch(plan).await?, files))
    }

    /// A kernel of the pool for the place, when there is one that is as one started for it would be.
    async fn ready_kernel(
        &self,
        place: &KernelPlace,
        limits: SandboxLimits,
        mounts: &[Mount],
        own_modules: &BTreeSet<String>,
    ) -> Option<Kernel> {
        if limits != self.options.limits {
            return None;
        }
        let mut kernel = self.pool.claim(place.python, own_modules).await?;
        match kernel.adopt(mounts.to_vec()).await {
            Ok(()) => Some(kernel),
            Err(error) => {
                if matches!(error, RuntimeError::Unavailable { .. }) {
                    self.pool.turn_off(&error);
                } else {
                    tracing::warn!(error = ?error, "a kernel that was kept ready is of no use; a new one is started");
                }
                kernel.kill().await;
                None
            }
        }
    }

    /// Makes what a place's sandbox is to show.
    async fn prepare(&self, place: &KernelPlace, files: &ProjectFiles) -> Result<Prepared, RuntimeError> {
        let workspace = self.directories.workspace(place.key());
        let packages = self.directories.packages(place.project);
        let mount = |host: PathBuf, guest: &str, access| Mount { host, guest: guest.into(), access };
        let mounts = vec![
            mount(workspace.clone(), "/workspace", Access::ReadWrite),
            mount(self.directories.links(place.project), "/workspace/datasets", Access::ReadOnly),
            mount(files.directory.clone(), "/datasets", Access::ReadOnly),
            mount(packages.clone(), GUEST_LAYER, Access::ReadOnly),
        ];
        let datasets = files.directory.clone();
        let cache = self.options.cache_dir.clone();
        blocking("preparing a workspace", move || {
            workspace::prepare_workspace(&workspace)?;
            let own_modules = Layer::open(packages)?.modules()?;
            std::fs::create_dir_all(datasets)?;
            let helpers = install_kernel_files(&cache).map_err(std::io::Error::other)?;
            Ok(Prepared { mounts, helpers, own_modules })
        })
        .await
    }

    /// A kernel that sees the helpers alone.
    pub(super) fn plan(
        &self,
        backend: Arc<dyn SandboxBackend>,
        python: PythonVersion,
        helpers: PathBuf,
        limits: SandboxLimits,
    ) -> LaunchPlan {
        LaunchPlan {
            backend,
            id: uuid::Uuid::new_v4().simple().to_string(),
            python,
            mounts: vec![Mount { host: helpers, guest: GUEST_KERNEL.into(), access: Access::ReadOnly }],
            python_path: vec![GUEST_KERNEL.into()],
            limits,
            sockets: self.directories.sockets().join(self.instance.name()),
            timeout: self.options.startup_timeout,
        }
    }

    /// Makes the project's links show these datasets.
    pub(super) async fn show_datasets(&self, project: ProjectId, files: ProjectFiles) -> Result<(), RuntimeError> {
        let links = self.directories.links(project);
        let lock = Arc::clone(&self.links);
        blocking("linking the project's datasets", move || {
            let _one = lock.lock().unwrap_or_else(PoisonError::into_inner);
            workspace::refresh_links(&links, &files)
        })
        .await
    }

    /// The installer, made when it is first asked for: the machine's settings are read from its pip.
    pub(super) async fn packages(&self) -> Result<&Packages, RuntimeError> {
        let made = self.packages.get_or_try_init(|| async {
            let backend = self.backend().await?;
            let interpreter = match (backend.kind(), backend.python(PythonVersion::default())?.interpreter) {
                (BackendKind::Process, interpreter) => interpreter,
                // That one is in the image: this machine's settings are asked of a Python of this machine.
                (BackendKind::Docker, _) => "python3".into(),
            };
            let sockets = self.directories.install_sockets();
            let cache = self.options.cache_dir.clone();
            blocking("reading the package index's settings", move || {
                let helpers = install_kernel_files(&cache).map_err(std::io::Error::other)?;
                let index = IndexSettings::of_this_machine(&interpreter);
                Ok(Packages::new(backend, PackagesOptions::new(helpers, index, sockets)))
            })
            .await
        });
        made.await
    }

    /// Python help, made when it is first asked for.
    pub(super) async fn assistant(&self) -> Result<&Assistant, RuntimeError> {
        let made = self.assistant.get_or_try_init(|| async {
            let directories = AssistDirectories {
                projects: self.directories.projects(),
                sockets: self.directories.assist_sockets(),
                cache: self.options.cache_dir.clone(),
            };
            Ok::<_, RuntimeError>(Assistant::new(
                self.backend().await?,
                directories,
                AssistSettings::default(),
                self.tasks.clone(),
            ))
        });
        made.await
    }

    /// Ends what helps with the project's code.
    pub(super) fn close_assistant(&self, project: ProjectId) {
        if let Some(assistant) = self.assistant.get() {
            assistant.close(project);
        }
    }

    /// The project's package layer.
    pub(super) async fn layer(&self, project: ProjectId) -> Result<Layer, RuntimeError> {
        let directory = self.directories.packages(project);
        blocking("opening the project's packages", move || Layer::open(directory)).await
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a place's sandbox is to show.
struct Prepared {
    mounts: Vec<Mount>,
    /// The server's own Python, for a new sandbox.
    helpers: PathBuf,
    /// Top names of the modules that the project installed.
    own_modules: BTreeSet<String>,
}

/// Whether a signal starts the task of a place that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Yes,
    No,
}

fn busy(reason: &'static str) -> RuntimeError {
    RuntimeError::TooMany { reason, retry_after: RETRY_AFTER }
}

/// Runs file operations where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, RuntimeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(RuntimeError::io(doing)),
        Err(failed) => Err(RuntimeError::Io { doing, source: std::io::Error::other(failed) }),
    }
}
