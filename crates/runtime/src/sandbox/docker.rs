//! Sandboxes made of containers of a Docker engine.

mod bollard;
mod engine;
mod image;
mod profile;
mod running;

use std::{
    collections::BTreeSet,
    fs,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::running::{DockerSandbox, Shared};
pub use self::{
    bollard::SocketEngine,
    engine::{ContainerEngine, ContainerSpec, ContainerState, EngineError, ImageBuild, Tell},
    image::BuildInputs,
};
use super::{
    Access, BackendKind, Exit, GuestPython, Isolation, Mount, Sandbox, SandboxBackend, SandboxError, SandboxSpec,
    disk::Writable,
    instance::Instance,
    prepare::{is_root, no_user, prepare, system},
    users::UserPool,
};

const OWNER_LABEL: &str = "gristmill.owner";
const INSTANCE_LABEL: &str = "gristmill.instance";
const SANDBOX_LABEL: &str = "gristmill.sandbox";
/// For people who wonder whose a container is.
const STATE_LABEL: &str = "gristmill.state";
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
const PROBE_GUEST: &str = "/probe";
const PROBE_TEXT: &str = "the same file";

/// How the docker backend works.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// A directory of the server for small files. The engine must see it under the same path. Absolute.
    pub state: PathBuf,
    /// Names the data directory, so that a sweep finds what belongs to it.
    pub owner: String,
    /// The user ids of sandboxes, when the server is root.
    pub users: RangeInclusive<u32>,
    /// Another runtime than the engine's default, such as `runsc`.
    pub runtime: Option<String>,
    /// What images are built from.
    pub build: BuildInputs,
    /// Takes this image, which brings its own Python, and never builds one. `{pythonVersion}` in it stands for the
    /// version; without that it is the image of the default version.
    pub image: Option<String>,
}

impl DockerOptions {
    /// The usual options.
    #[must_use]
    pub fn new(state: PathBuf, owner: String) -> Self {
        Self { state, owner, users: 58_000..=58_999, runtime: None, build: BuildInputs::of_this_machine(), image: None }
    }
}

/// The container backend.
#[derive(Debug)]
pub struct DockerBackend {
    options: DockerOptions,
    engine: Arc<dyn ContainerEngine>,
    instance: Arc<Instance>,
    tasks: Tasks,
    users: UserPool,
    ready: RwLock<BTreeSet<PythonVersion>>,
}

impl DockerBackend {
    /// A backend that has started nothing yet. Its watchers run in `tasks`.
    #[must_use]
    pub fn new(options: DockerOptions, engine: Arc<dyn ContainerEngine>, tasks: Tasks) -> Self {
        let users = UserPool::new(options.users.clone(), &options.owner);
        let instance = Arc::new(Instance::new(&options.state));
        Self { options, engine, instance, tasks, users, ready: RwLock::default() }
    }

    /// The image of a version, by name; it may not be there yet.
    #[must_use]
    pub fn image(&self, version: PythonVersion) -> String {
        match &self.options.image {
            Some(image) => image.replace(image::VERSION, version.as_str()),
            None => image::name(version, &self.options.build),
        }
    }

    /// Whether the image of a version is there. Remembered for [`SandboxBackend::python`].
    ///
    /// # Errors
    /// `Unavailable` when no engine answers.
    pub async fn look_for_image(&self, version: PythonVersion) -> Result<bool, SandboxError> {
        let there = self.engine.has_image(&self.image(version)).await.map_err(|error| no_engine(&error))?;
        // One image for all versions is the default version's.
        let every = self.options.image.as_ref().is_none_or(|image| image.contains(image::VERSION));
        let there = there && (every || version == PythonVersion::default());
        if there {
            self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(version);
        }
        Ok(there)
    }

    /// Builds the image of a version unless it is there. Takes minutes; `tell` gets each line of what the build says.
    ///
    /// # Errors
    /// `Unavailable` when no engine answers or the image cannot be built, with the end of what the build said.
    pub async fn ensure_image(&self, version: PythonVersion, tell: Tell<'_>) -> Result<(), SandboxError> {
        if self.look_for_image(version).await? {
            return Ok(());
        }
        if self.options.image.is_none() {
            let build = image::build(version, &self.options.build);
            self.engine.build_image(build, tell).await.map_err(|error| SandboxError::Unavailable {
                reason: format!("the image {} cannot be built: {error}", self.image(version)),
                remedy: "give the engine a base image (DOCKER_BASE_IMAGE) and a package index, or an image of your own \
                         (DOCKER_IMAGE)"
                    .to_owned(),
            })?;
        }
        if self.look_for_image(version).await? { Ok(()) } else { Err(self.no_image(version)) }
    }

    fn no_image(&self, version: PythonVersion) -> SandboxError {
        SandboxError::Unavailable {
            reason: format!("the engine has no image {}", self.image(version)),
            remedy: "run \"gristmill setup\", which builds it from docker/runtime/Dockerfile".to_owned(),
        }
    }

    /// The image whose interpreter the command names, else the first that is there.
    fn image_for(&self, spec: &SandboxSpec) -> String {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        let named = ready.iter().find(|version| spec.command.contains(&interpreter(**version)));
        self.image(named.or_else(|| ready.first()).copied().unwrap_or_default())
    }

    /// Lets a container copy a file of this server's: it starts, it sees the same files under the same paths, and it may
    /// write to what it is given. An engine on another machine, in another mount namespace, or one that maps user ids
    /// fails here and not at somebody's first cell.
    async fn try_out(&self) -> Result<(), SandboxError> {
        let state = self.options.state.clone();
        let made = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&state)?;
            let directory = tempfile::Builder::new().prefix("probe-").tempdir_in(state)?;
            fs::write(directory.path().join("question"), PROBE_TEXT)?;
            Ok::<_, std::io::Error>(directory)
        });
        let directory = made.await.map_err(system("preparing a trial"))?.map_err(system("preparing a trial"))?;
        let mut spec = SandboxSpec::probe("/bin/cp");
        spec.command.extend([format!("{PROBE_GUEST}/question"), format!("{PROBE_GUEST}/answer")]);
        spec.mounts = vec![Mount { host: directory.path().to_owned(), guest: PROBE_GUEST.into(), access: Access::ReadWrite }];
        let sandbox = self.start(spec).await.map_err(|error| not_here(&error.to_string()))?;
        let ended = timeout(PROBE_TIMEOUT, sandbox.wait()).await;
        let answer = fs::read_to_string(directory.path().join("answer")).unwrap_or_default();
        match ended {
            Ok(Exit::Code(0)) if answer == PROBE_TEXT => Ok(()),
            Ok(Exit::Code(0)) => Err(not_here("its containers see other files than this server")),
            Ok(Exit::Code(_)) => {
                let complaint = sandbox.log_tail().await;
                Err(not_here(&format!("its containers cannot use this server's files: {}", complaint.trim())))
            }
            other => Err(not_here(&format!("a container ended with {other:?}: {}", sandbox.log_tail().await.trim()))),
        }
    }

    fn measures(&self, version: &str) -> Vec<String> {
        let runtime = self.options.runtime.as_deref().unwrap_or("the engine's default runtime");
        let user = if is_root() { "a user id of its own on this machine" } else { "the server's own user id" };
        vec![
            format!("containers of Docker {version}, {runtime}"),
            format!("{user}, without capabilities and no way to gain any"),
            "no network, not even this machine's".to_owned(),
            "a read-only image".to_owned(),
            "system calls filtered".to_owned(),
            "memory, CPU and processes limited by control groups".to_owned(),
            "disk limited by looking every second".to_owned(),
        ]
    }

    fn container(&self, spec: &SandboxSpec, user: u32) -> ContainerSpec {
        let state = self.options.state.to_string_lossy();
        let labels = [
            (OWNER_LABEL, self.options.owner.as_str()),
            (INSTANCE_LABEL, self.instance.name()),
            (SANDBOX_LABEL, spec.id.as_str()),
            (STATE_LABEL, &state),
        ];
        ContainerSpec {
            name: format!("gristmill-{}", spec.id),
            image: self.image_for(spec),
            labels: labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into(),
            command: spec.command.clone(),
            environment: spec.environment.clone(),
            directory: spec.directory.clone(),
            mounts: spec.mounts.clone(),
            limits: spec.limits,
            user,
            runtime: self.options.runtime.clone(),
        }
    }
}

#[async_trait]
impl SandboxBackend for DockerBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Docker
    }

    /// The image is not built for it: call [`DockerBackend::ensure_image`] before.
    async fn probe(&self) -> Result<Isolation, SandboxError> {
        let version = self.engine.version().await.map_err(|error| no_engine(&error))?;
        let mut any = false;
        for version in PythonVersion::ALL {
            any |= self.look_for_image(version).await?;
        }
        if !any {
            return Err(self.no_image(PythonVersion::default()));
        }
        self.try_out().await?;
        Ok(Isolation { backend: BackendKind::Docker, measures: self.measures(&version) })
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        if !self.ready.read().unwrap_or_else(PoisonError::into_inner).contains(&version) {
            return Err(self.no_image(version));
        }
        Ok(GuestPython { name: self.image(version), interpreter: interpreter(version).into(), mounts: Vec::new() })
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let (users, instance) = (self.users.clone(), self.instance.clone());
        let preparation = tokio::task::spawn_blocking(move || {
            instance.hold().map_err(system("marking this server's sandboxes"))?;
            let user = prepare(&users, &spec)?;
            let writable = Writable::new(spec.writable(), spec.limits.disk_bytes);
            Ok::<_, SandboxError>((user, writable, spec))
        });
        let (user, writable, spec) = preparation.await.map_err(system("preparing a sandbox"))??;
        let uid = user.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |lease| lease.uid);
        let container = self.container(&spec, uid);
        let (reply, started) = oneshot::channel();
        let engine = self.engine.clone();
        // A task of its own. Who waits may give up at any time, and a container whose start was broken off half way
        // would stay.
        self.tasks.spawn("sandbox", async move {
            if let Err(error) = engine.start(&container).await {
                return drop(reply.send(Err(SandboxError::Start(error.message))));
            }
            let (exit_sender, exit) = watch::channel(None);
            let shared = Arc::new(Shared {
                writable: Mutex::new(writable),
                user: Mutex::new(user),
                shared_directory: spec.mounts.iter().find(|mount| mount.access == Access::ReadWrite).cloned(),
                id: spec.id,
                container: container.name,
                engine,
                last_log: Mutex::default(),
                kill: CancellationToken::new(),
            });
            let sandbox: Box<dyn Sandbox> = Box::new(DockerSandbox { shared: shared.clone(), exit });
            // When nobody waits any more it is dropped, which tells its watcher to end it.
            drop(reply.send(Ok(sandbox)));
            running::watch_over(shared, exit_sender).await;
        });
        started.await.unwrap_or_else(|_gone| Err(SandboxError::Start("the server is stopping".to_owned())))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        let containers = self.engine.labelled(OWNER_LABEL, &self.options.owner).await;
        let mut swept = 0;
        for (name, labels) in containers.map_err(system("listing old containers"))? {
            if !labels.get(INSTANCE_LABEL).is_some_and(|instance| self.instance.is_alive(instance)) {
                self.engine.remove(&name).await.map_err(system("removing an old container"))?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn mounts_late(&self) -> Result<(), SandboxError> {
        if !is_root() {
            return Err(no_user());
        }
        // gVisor keeps a file tree of its own: it never sees what is mounted for its process.
        match self.options.runtime.as_deref() {
            None | Some("runc" | "crun") => Ok(()),
            Some(other) => Err(SandboxError::no_late_mounts(&format!("the runtime {other} may not see it"))),
        }
    }
}

/// As the image has it. Named with the version, so that a command tells which image it is for.
fn interpreter(version: PythonVersion) -> String {
    format!("/opt/gristmill/python/bin/python{}", version.as_str())
}

fn not_here(complaint: &str) -> SandboxError {
    SandboxError::Unavailable {
        reason: format!("the engine does not serve this server: {complaint}"),
        remedy: "use an engine of this machine that maps no user ids (not rootless, no userns-remap) and sees the data \
                 directory under the same path, or set RUNTIME_BACKEND=process"
            .to_owned(),
    }
}

fn no_engine(error: &EngineError) -> SandboxError {
    SandboxError::Unavailable {
        reason: error.to_string(),
        remedy: "start a Docker engine, and name its socket in DOCKER_HOST when it is not the usual one".to_owned(),
    }
}
