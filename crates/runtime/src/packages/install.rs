//! Installations: a sandbox, its two sockets, what is told, and the layer in the end.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gristmill_domain::execution::{PackageInfo, PythonVersion};
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use tokio::{
    net::UnixListener,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use uuid::Uuid;

use super::{
    GUEST_KERNEL, GUEST_LAYER, GUEST_LAYER_PATH, IndexSettings, Layer, PackageNames, messages,
    progress::{Phase, Progress},
    proxy::{self, Gate},
    settings::{TORCH_HOSTS, TORCH_INDEX},
    teller::Teller,
};
use crate::{
    InstallEvent, InstallOutcome, RuntimeError,
    sandbox::{Access, Exit, Mount, Sandbox, SandboxBackend, SandboxLimits, SandboxSpec},
};

const GUEST_SOCKETS: &str = "/run/gristmill";
/// The part of [`Sockets`] that a sandbox sees.
const SOCKETS_INNER: &str = "inner";
const GUEST_WORK: &str = "/work";
const GUEST_CERTIFICATES: &str = "/opt/gristmill/certificates.pem";
const LIST_DEADLINE: Duration = Duration::from_secs(30);
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(10);
/// How long an installer that has said its last word may take to end.
const END_DEADLINE: Duration = Duration::from_secs(10);
const LAST_WORD_DEADLINE: Duration = Duration::from_millis(500);
const LOCK_POLL: Duration = Duration::from_millis(100);
/// Lines kept for the message of a failure.
const LINES_KEPT: usize = 60;
/// Lists kept; more projects than this are rarely open at once.
const LISTS_KEPT: usize = 256;

/// How packages are installed.
#[derive(Debug, Clone)]
pub struct PackagesOptions {
    /// The directory that [`crate::environment::install_kernel_files`] told.
    pub kernel_files: PathBuf,
    /// Where packages come from.
    pub index: IndexSettings,
    /// A directory of the server's for the sockets of installations. Absolute.
    pub sockets: PathBuf,
    /// The most that an installing sandbox may use; its disk limit is also the most that one installation may add.
    pub limits: SandboxLimits,
    /// The most that an installation may take.
    pub time_limit: Duration,
}

impl PackagesOptions {
    /// The defaults: 8 minutes, 2 GiB of memory, 6 GiB of disk.
    #[must_use]
    pub fn new(kernel_files: PathBuf, index: IndexSettings, sockets: PathBuf) -> Self {
        let limits = SandboxLimits {
            memory_bytes: 2 << 30,
            cpu_percent: 200,
            pids: 128,
            file_size_bytes: 4 << 30,
            open_files: 1024,
            tmp_bytes: 256 << 20,
            disk_bytes: 6 << 30,
        };
        Self { kernel_files, index, sockets, limits, time_limit: Duration::from_mins(8) }
    }
}

/// Installs and lists packages.
#[derive(Debug)]
pub struct Packages {
    backend: Arc<dyn SandboxBackend>,
    options: PackagesOptions,
    lists: Mutex<Lists>,
}

/// What is installed, by the version of a layer.
type Lists = HashMap<(PathBuf, PythonVersion), Arc<[PackageInfo]>>;

/// How the installer ended.
struct Ended {
    success: bool,
    installed: Vec<String>,
    message: Option<String>,
}

impl Packages {
    /// Installs with sandboxes of this backend.
    #[must_use]
    pub fn new(backend: Arc<dyn SandboxBackend>, options: PackagesOptions) -> Self {
        Self { backend, options, lists: Mutex::default() }
    }

    /// Installs packages into a layer, after another installation into it. Kernels that mount the layer can import them
    /// at once. Progress goes to `sink`, which slows the installation down while it is full, and may be closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the installation; the layer is then as it was, or complete.
    pub async fn install(
        &self,
        layer: &Layer,
        version: PythonVersion,
        names: &PackageNames,
        sink: &mpsc::Sender<InstallEvent>,
    ) -> InstallOutcome {
        let mut bar = Bar { progress: Progress::new(), sink, lines: VecDeque::new() };
        bar.send(InstallEvent::Progress { progress: bar.progress.value(), stage: "Starting".to_owned() }).await;
        let deadline = Instant::now() + self.options.time_limit;
        let done = match timeout_at(deadline, self.run(layer, version, names, &mut bar)).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                tracing::warn!(error = ?error, "an installation failed");
                failed(match &error {
                    RuntimeError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => messages::no_space(),
                    error => format!("The packages could not be installed: {error}."),
                })
            }
            Err(_) => {
                let minutes = self.options.time_limit.as_secs().div_ceil(60);
                failed(messages::timed_out(&format!("The installation took longer than {minutes} minutes")))
            }
        };
        if done.success
            && let Some((progress, stage)) = bar.progress.succeeded()
        {
            bar.send(InstallEvent::Progress { progress, stage: stage.to_owned() }).await;
        }
        let message = match (done.message, done.installed.as_slice()) {
            (Some(message), _) => message,
            (None, []) => format!("Already installed: {names}"),
            (None, installed) => format!("Successfully installed {}", installed.join(" ")),
        };
        let message = names.notice().map_or(message.clone(), |notice| format!("{notice}\n{message}"));
        InstallOutcome { success: done.success, message }
    }

    async fn run(
        &self,
        layer: &Layer,
        version: PythonVersion,
        names: &PackageNames,
        bar: &mut Bar<'_>,
    ) -> Result<Ended, RuntimeError> {
        let lock = loop {
            if let Some(lock) = layer.try_lock().map_err(RuntimeError::io("locking the packages"))? {
                break lock;
            }
            sleep(LOCK_POLL).await;
        };
        let staging = blocking("making room for packages", {
            let layer = layer.clone();
            move || {
                let staging = layer.staging()?;
                for name in ["target", "tmp"] {
                    fs::create_dir(staging.path().join(name))?;
                }
                Ok(staging)
            }
        })
        .await?;
        let mut session = self.start(layer, version, names, staging.path()).await?;
        let mut ended = session.follow(bar).await;
        let exit = session.end().await;
        if let Some(message) = exit_message(&exit) {
            ended = Some(failed(message));
        }
        let Some(ended) = ended else {
            let tail = session.sandbox.log_tail().await;
            tracing::warn!(tail, exit = ?exit, "an installer ended without a word");
            bar.lines.extend(tail.lines().map(str::to_owned));
            return Ok(failed(messages::failure(bar.lines.make_contiguous(), version)));
        };
        if !ended.success {
            let message = ended.message.or_else(|| Some(messages::failure(bar.lines.make_contiguous(), version)));
            return Ok(Ended { message, ..ended });
        }
        if !ended.installed.is_empty() {
            let layer = layer.clone();
            // Lock and staging go along: a caller who leaves now does not cut the change in half.
            blocking("taking packages over", move || {
                let merged = layer.merge(&staging.path().join("target"));
                drop(lock);
                merged
            })
            .await?;
        }
        if let Some((progress, stage)) = bar.progress.ended() {
            bar.send(InstallEvent::Progress { progress, stage: stage.to_owned() }).await;
        }
        Ok(ended)
    }

    async fn start(
        &self,
        layer: &Layer,
        version: PythonVersion,
        names: &PackageNames,
        staging: &Path,
    ) -> Result<Session, RuntimeError> {
        let index = &self.options.index;
        let mut hosts = index.hosts();
        let mut extra = index.extra_index_urls.clone();
        if names.torch() {
            extra.push(TORCH_INDEX.to_owned());
            hosts.extend(TORCH_HOSTS.map(|host| (host.to_owned(), 443)));
        }
        let order = json!({
            "do": "install",
            "events": format!("{GUEST_SOCKETS}/events"),
            "proxy": format!("{GUEST_SOCKETS}/proxy"),
            "onlyBinary": !index.allow_builds,
            "options": [],
            "requirements": names.requirements(),
            "target": format!("{GUEST_WORK}/target"),
        });
        let mut environment = self.index_environment(&extra);
        environment.insert("TMPDIR".to_owned(), format!("{GUEST_WORK}/tmp"));
        let mut mounts = vec![Mount { host: staging.to_owned(), guest: GUEST_WORK.into(), access: Access::ReadWrite }];
        mounts.extend(index.certificates.as_ref().map(|file| read_only(file, GUEST_CERTIFICATES)));
        let gate = Gate { hosts, upstream: index.upstream_proxy.clone() };
        let order = Order { order, environment, mounts, gate: Some(gate), limits: self.options.limits };
        self.session(Some(layer), version, order).await
    }

    /// How pip, and what looks like it, finds the index. By variables, not by options: an index's password does not
    /// belong on a command line.
    fn index_environment(&self, extra: &[String]) -> BTreeMap<String, String> {
        let index = &self.options.index;
        let settings = [
            ("PIP_INDEX_URL", index.index_url.clone().unwrap_or_default()),
            ("PIP_EXTRA_INDEX_URL", extra.join(" ")),
            ("PIP_TRUSTED_HOST", index.trusted_hosts.join(" ")),
            ("PIP_CERT", index.certificates.as_ref().map_or(String::new(), |_| GUEST_CERTIFICATES.to_owned())),
        ];
        settings.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Asks the index for a package of this name, which must be one. None: it has none.
    ///
    /// # Errors
    /// `RuntimeUnavailable`; `SandboxFailed` also when the index does not answer.
    pub async fn look_up(&self, name: &str) -> Result<Option<PackageInfo>, RuntimeError> {
        let index = &self.options.index;
        let order = json!({
            "do": "lookUp", "events": format!("{GUEST_SOCKETS}/events"), "proxy": format!("{GUEST_SOCKETS}/proxy"), "name": name,
        });
        let order = Order {
            order,
            environment: self.index_environment(&[]),
            mounts: index.certificates.iter().map(|file| read_only(file, GUEST_CERTIFICATES)).collect(),
            gate: Some(Gate { hosts: index.hosts(), upstream: index.upstream_proxy.clone() }),
            limits: SandboxLimits { memory_bytes: 512 << 20, disk_bytes: 64 << 20, tmp_bytes: 64 << 20, ..self.options.limits },
        };
        let mut session = self.session(None, PythonVersion::default(), order).await?;
        let deadline = Instant::now() + LOOK_UP_DEADLINE;
        let mut found = None;
        let complete = loop {
            match timeout_at(deadline, session.told()).await.ok().flatten() {
                Some(told) if told.exit.is_some() => break told.exit == Some(0),
                Some(told) => found = told.packages.into_iter().next(),
                None => break false,
            }
        };
        session.sandbox.kill().await;
        if complete {
            Ok(found)
        } else {
            Err(RuntimeError::Sandbox { reason: "the package index did not answer".to_owned(), source: None })
        }
    }

    /// Every package that kernels over this layer can import, by name. Kept until the next installation; layers without
    /// packages share one list.
    ///
    /// # Errors
    /// `RuntimeUnavailable`, `SandboxFailed`, `Internal`.
    pub async fn list(&self, layer: &Layer, version: PythonVersion) -> Result<Arc<[PackageInfo]>, RuntimeError> {
        let key = (layer.content().map_err(RuntimeError::io("reading the packages"))?, version);
        if let Some(list) = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(list));
        }
        let order = json!({"do": "list", "events": format!("{GUEST_SOCKETS}/events")});
        let limits = self.options.limits;
        let order = Order { order, environment: BTreeMap::new(), mounts: Vec::new(), gate: None, limits };
        let mut session = self.session(Some(layer), version, order).await?;
        let deadline = Instant::now() + LIST_DEADLINE;
        let mut packages = Vec::new();
        let complete = loop {
            match timeout_at(deadline, session.told()).await.ok().flatten() {
                Some(told) if told.exit == Some(0) => break true,
                Some(told) => packages.extend(told.packages),
                None => break false,
            }
        };
        if !complete {
            let tail = session.sandbox.log_tail().await;
            let reason = "the installed packages could not be listed".to_owned();
            tracing::warn!(tail, "{reason}");
            return Err(RuntimeError::Sandbox { reason, source: None });
        }
        packages.sort_by_cached_key(|package| package.name.to_lowercase());
        let list: Arc<[PackageInfo]> = packages.into();
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= LISTS_KEPT {
            lists.clear();
        }
        lists.insert(key, Arc::clone(&list));
        Ok(list)
    }

    async fn session(&self, layer: Option<&Layer>, version: PythonVersion, order: Order) -> Result<Session, RuntimeError> {
        let python = self.backend.python(version)?;
        let sockets = Sockets::new(&self.options.sockets).map_err(RuntimeError::io("making the installer's sockets"))?;
        let teller = Teller::new(sockets.listen("events").map_err(RuntimeError::io("listening to the installer"))?);
        let mut proxy = JoinSet::new();
        if let Some(gate) = order.gate {
            let listener = sockets.listen("proxy").map_err(RuntimeError::io("listening to the installer"))?;
            proxy.spawn(proxy::serve(listener, gate));
        }
        let mut mounts = python.mounts;
        mounts.extend(order.mounts);
        mounts.push(read_only(&sockets.directory.path().join(SOCKETS_INNER), GUEST_SOCKETS));
        mounts.extend(layer.map(|layer| read_only(layer.directory(), GUEST_LAYER)));
        mounts.push(read_only(&self.options.kernel_files, GUEST_KERNEL));
        let mut environment = order.environment;
        let fixed = [
            ("PYTHONPATH", format!("{GUEST_KERNEL}:{GUEST_LAYER_PATH}")),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME", "/tmp".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("PIP_CONFIG_FILE", "/dev/null".to_owned()),
            ("PIP_NO_CACHE_DIR", "1".to_owned()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        environment.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        let command = [&python.interpreter.to_string_lossy(), "-m", "gristmill_kernel.installer", &order.order.to_string()];
        let spec = SandboxSpec {
            id: format!("packages-{}", Uuid::new_v4().simple()),
            command: command.map(str::to_owned).to_vec(),
            environment,
            directory: PathBuf::from("/tmp"),
            mounts,
            limits: order.limits,
        };
        let sandbox = self.backend.start(spec).await?;
        Ok(Session { sandbox, teller, _proxy: proxy, _sockets: sockets })
    }
}

/// What a sandbox is to do.
struct Order {
    order: serde_json::Value,
    environment: BTreeMap<String, String>,
    mounts: Vec<Mount>,
    gate: Option<Gate>,
    limits: SandboxLimits,
}

/// A running installer. Dropping it ends it, and its way out.
struct Session {
    sandbox: Box<dyn Sandbox>,
    teller: Teller,
    _proxy: JoinSet<()>,
    _sockets: Sockets,
}

impl Session {
    /// What is told next; none when the program ended or says nothing that makes sense.
    async fn told(&mut self) -> Option<super::teller::Told> {
        let Self { sandbox, teller, .. } = self;
        tokio::select! {
            biased;
            told = teller.next() => return told,
            // It can end without ever connecting.
            _ = sandbox.wait() => {}
        }
        // What it said last is on its way, if it said anything.
        tokio::time::timeout(LAST_WORD_DEADLINE, teller.next()).await.ok().flatten()
    }

    async fn follow(&mut self, bar: &mut Bar<'_>) -> Option<Ended> {
        loop {
            let told = self.told().await?;
            if let Some(line) = told.log {
                bar.line(line, told.phase.unwrap_or(Phase::Install)).await;
            }
            if let Some(exit) = told.exit {
                return Some(Ended { success: exit == 0, installed: told.installed, message: None });
            }
        }
    }

    /// Lets it end, or ends it: afterwards nothing writes to the staging directory.
    async fn end(&mut self) -> Exit {
        let exit = tokio::time::timeout(END_DEADLINE, self.sandbox.wait()).await;
        self.sandbox.kill().await;
        match exit {
            Ok(exit) => exit,
            Err(_) => Exit::Code(0),
        }
    }
}

/// Where progress goes.
struct Bar<'sink> {
    progress: Progress,
    sink: &'sink mpsc::Sender<InstallEvent>,
    lines: VecDeque<String>,
}

impl Bar<'_> {
    async fn send(&self, event: InstallEvent) {
        // Nobody listens any more: the installation goes on all the same.
        drop(self.sink.send(event).await);
    }

    async fn line(&mut self, line: String, phase: Phase) {
        let rose = self.progress.line(&line, phase);
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.clone());
        self.send(InstallEvent::Log { message: line }).await;
        if let Some((progress, stage)) = rose {
            self.send(InstallEvent::Progress { progress, stage: stage.to_owned() }).await;
        }
    }
}

fn failed(message: String) -> Ended {
    Ended { success: false, installed: Vec::new(), message: Some(message) }
}

fn exit_message(exit: &Exit) -> Option<String> {
    match exit {
        Exit::OutOfMemory => Some("The installation needs more memory than it may use.".to_owned()),
        Exit::OutOfDisk => Some(messages::no_space()),
        Exit::Code(_) | Exit::Signal(_) | Exit::Killed => None,
    }
}

fn read_only(host: &Path, guest: &str) -> Mount {
    Mount { host: host.to_owned(), guest: guest.into(), access: Access::ReadOnly }
}

/// A private directory with a short path (the system takes 107 bytes), and in it the one that the sandbox sees.
/// A directory that only the server reaches, and in it one that a sandbox sees, with the sockets.
struct Sockets {
    directory: tempfile::TempDir,
    inner: OwnedFd,
}

impl Sockets {
    fn new(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let directory = tempfile::Builder::new().prefix("install-").tempdir_in(parent)?;
        let inner = directory.path().join(SOCKETS_INNER);
        fs::create_dir(&inner)?;
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755))?;
        let inner = rustix::fs::open(&inner, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { directory, inner })
    }

    fn listen(&self, name: &str) -> io::Result<UnixListener> {
        // A path through the open directory: the length of a socket's own is limited to 107 bytes.
        let path = Path::new("/proc/self/fd").join(self.inner.as_raw_fd().to_string()).join(name);
        let listener = UnixListener::bind(path)?;
        // The sandbox's user connects; on the host nobody else reaches the directory above.
        fs::set_permissions(self.directory.path().join(SOCKETS_INNER).join(name), fs::Permissions::from_mode(0o666))?;
        Ok(listener)
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RuntimeError> {
    let ended = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    ended.and_then(|result| result).map_err(RuntimeError::io(doing))
}
