//! Sandboxes made of bubblewrap namespaces on this machine: no daemon, no image.

mod cgroup;
mod command;
mod running;
mod seccomp;
mod spawner;
mod sweep;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use rustix::process::{Pid, Resource, Rlimit};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{
    cgroup::{CgroupSet, Cgroups, Controller},
    command::Identity,
    running::{InitProcess, Owned, ProcessSandbox, Shared},
};
use super::{
    Access, BackendKind, Exit, GuestPython, Isolation, Mount, Sandbox, SandboxBackend, SandboxError, SandboxLimits, SandboxSpec,
    disk::Writable,
    instance::Instance,
    log::LogTail,
    prepare::{is_root, no_user, prepare, system},
    users::{UserLease, UserPool},
};
use crate::environment::PythonEnvironment;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const INFO_BYTES_MAX: u64 = 64 * 1024;
const RESERVED_BYTES: u64 = 4 << 30;

/// Where bubblewrap may be. `PATH` is not asked: what runs as root should not depend on it.
const PROGRAMS: [&str; 4] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap", "/opt/bubblewrap/bin/bwrap"];

/// How the process backend works.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// bubblewrap, when it is not in one of the usual places.
    pub bubblewrap: Option<PathBuf>,
    /// A directory of the server for small files that sandboxes read, such as their `/etc/passwd`.
    pub state: PathBuf,
    /// Names the data directory, so that a sweep finds what belongs to it: letters and digits.
    pub owner: String,
    /// The user ids of sandboxes, when the server is root. Nobody on this machine should have one of them.
    pub users: RangeInclusive<u32>,
    /// Whether control groups may be used where the server can make them.
    pub cgroups: CgroupUse,
}

/// Whether limits are kept by control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupUse {
    /// Where this server has a group of its own to make others in.
    Auto,
    /// Never: the watcher and rlimits keep every limit.
    Never,
}

impl ProcessOptions {
    /// The usual options. User ids 58000 to 58999 belong to nobody on Debian and its relatives.
    #[must_use]
    pub fn new(state: PathBuf, owner: String) -> Self {
        Self { bubblewrap: None, state, owner, users: 58_000..=58_999, cgroups: CgroupUse::Auto }
    }
}

/// The bubblewrap backend.
#[derive(Debug)]
pub struct ProcessBackend {
    inner: Arc<Inner>,
    tasks: Tasks,
    environments: RwLock<BTreeMap<PythonVersion, PythonEnvironment>>,
}

#[derive(Debug)]
struct Inner {
    options: ProcessOptions,
    /// Tells sandboxes of this server from those of others.
    instance: Instance,
    users: UserPool,
    cgroups: OnceLock<Cgroups>,
    file_writes: Mutex<()>,
}

impl ProcessBackend {
    /// A backend that has started nothing yet. Its watchers run in `tasks`.
    #[must_use]
    pub fn new(options: ProcessOptions, tasks: Tasks) -> Self {
        let inner = Inner {
            instance: Instance::new(&options.state),
            users: UserPool::new(options.users.clone(), &options.owner),
            options,
            cgroups: OnceLock::new(),
            file_writes: Mutex::default(),
        };
        Self { inner: Arc::new(inner), tasks, environments: RwLock::default() }
    }

    /// Makes a provisioned Python environment known; a second one of the same version takes its place.
    pub fn provide(&self, environment: PythonEnvironment) {
        let mut environments = self.environments.write().unwrap_or_else(PoisonError::into_inner);
        environments.insert(environment.version, environment);
    }
}

impl Inner {
    async fn begin(&self, spec: SandboxSpec, prepared: Prepared) -> Result<Begun, SandboxError> {
        let launched = self.launch(&spec, prepared.identity).await?;
        self.adopt(&spec, prepared, launched)
    }

    /// Brings a started bubblewrap, which waits, under its limits.
    fn adopt(&self, spec: &SandboxSpec, prepared: Prepared, launched: Launched) -> Result<Begun, SandboxError> {
        let Launched { child, go, log, init } = launched;
        let init = InitProcess::open(init).map_err(system("reaching a new sandbox"))?;
        let cgroups = self.limit(&init, spec).inspect_err(|_| init.kill())?;
        let (exit_sender, exit) = watch::channel(None);
        let shared = Arc::new(Shared {
            id: spec.id.clone(),
            init,
            cgroups,
            limits: spec.limits,
            writable: Mutex::new(prepared.writable),
            user: Mutex::new(prepared.user),
            counts_memory: self.counts_memory(),
            log: Mutex::new(LogTail::default()),
            kill: CancellationToken::new(),
        });
        let owned = Owned { child, go, log, exit: exit_sender };
        Ok(Begun { sandbox: ProcessSandbox { shared: shared.clone(), exit }, shared, owned })
    }

    fn limit(&self, init: &InitProcess, spec: &SandboxSpec) -> Result<CgroupSet, SandboxError> {
        limit_process(init.id, &spec.limits, self.counts_memory()).map_err(system("limiting a sandbox"))?;
        let name = format!("{}-{}", self.instance.name(), spec.id);
        let cgroups = self.cgroups().create(&name, &spec.limits).map_err(system("making control groups"))?;
        if let Err(error) = cgroups.add(init.id) {
            drop(cgroups.remove());
            return Err(system("putting a sandbox into its control groups")(error));
        }
        Ok(cgroups)
    }

    fn cgroups(&self) -> &Cgroups {
        self.cgroups.get_or_init(|| match self.options.cgroups {
            CgroupUse::Auto => Cgroups::prepare(&self.options.owner),
            CgroupUse::Never => Cgroups::default(),
        })
    }

    fn counts_memory(&self) -> bool {
        !self.cgroups().limits(Controller::Memory)
    }

    fn program(&self) -> Result<PathBuf, SandboxError> {
        let found = match &self.options.bubblewrap {
            Some(program) => Some(program.clone()).filter(|program| program.is_file()),
            None => PROGRAMS.into_iter().map(PathBuf::from).find(|program| program.is_file()),
        };
        found.ok_or_else(|| SandboxError::Unavailable {
            reason: "bubblewrap is not installed".to_owned(),
            remedy: "install the package \"bubblewrap\"".to_owned(),
        })
    }

    /// Chooses the user, gives it the writable directories, and writes what bubblewrap reads.
    fn prepare(&self, spec: &SandboxSpec) -> Result<Prepared, SandboxError> {
        self.instance.hold().map_err(system("marking this server's sandboxes"))?;
        let user = prepare(&self.users, spec)?;
        let identity = user.as_ref().map_or(Identity::MappedUser, |lease| Identity::RealUser(lease.uid));
        self.write_files(identity).map_err(system("writing the files of a sandbox"))?;
        Ok(Prepared { identity, user, writable: Writable::new(spec.writable(), spec.limits.disk_bytes) })
    }

    fn write_files(&self, identity: Identity) -> std::io::Result<()> {
        let _one_at_a_time = self.file_writes.lock().unwrap_or_else(PoisonError::into_inner);
        command::write_etc(&self.etc(), identity.guest_uid())?;
        let filter = seccomp::filter().unwrap_or_else(seccomp::allow_all);
        if std::fs::read(self.filter()).ok().as_deref() != Some(filter.as_slice()) {
            let new = tempfile::NamedTempFile::new_in(&self.options.state)?;
            std::fs::write(new.path(), filter)?;
            new.persist(self.filter()).map_err(|error| error.error)?;
        }
        Ok(())
    }

    fn etc(&self) -> PathBuf {
        self.options.state.join("etc")
    }

    fn filter(&self) -> PathBuf {
        self.options.state.join("seccomp.bpf")
    }

    async fn launch(&self, spec: &SandboxSpec, identity: Identity) -> Result<Launched, SandboxError> {
        let marker = format!("{}.{}.{}", self.options.owner, self.instance.name(), spec.id);
        let arguments = command::arguments(spec, identity, &self.etc(), &marker);
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(command::LAUNCH).arg("sh").arg(self.filter()).arg(self.program()?).args(arguments);
        command.env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = spawner::spawn(command).await.map_err(system("starting bubblewrap"))?;
        timeout(START_TIMEOUT, Launched::from_child(child))
            .await
            .map_err(|_elapsed| SandboxError::Start("bubblewrap did not answer in time".to_owned()))?
    }

    fn measures(&self) -> Vec<String> {
        let cgroups = self.cgroups();
        let by = |controller, otherwise: &str| {
            if cgroups.limits(controller) { "by control groups".to_owned() } else { otherwise.to_owned() }
        };
        let user = if is_root() {
            "a user id of its own on this machine, without capabilities"
        } else {
            "a user namespace of its own, without capabilities and with no further namespaces"
        };
        let filter = match seccomp::filter() {
            Some(_) => "system calls filtered",
            None => "system calls not filtered: none are listed for this architecture",
        };
        vec![
            "bubblewrap: process, network, mount, IPC, host name and control group namespaces of its own".to_owned(),
            user.to_owned(),
            "no network, not even this machine's".to_owned(),
            "a read-only system made of listed directories".to_owned(),
            filter.to_owned(),
            format!("memory limited {}", by(Controller::Memory, "by watching it ten times a second")),
            format!("processes limited {}", by(Controller::Pids, "for each user")),
            format!("CPU {}", by(Controller::Cpu, "not limited: there is no control group to do it"))
                .replace("CPU by", "CPU limited by"),
            "disk limited by looking every second".to_owned(),
        ]
    }
}

/// What is ready on the host for a sandbox.
struct Prepared {
    identity: Identity,
    user: Option<UserLease>,
    writable: Writable,
}

/// A sandbox with what its watcher needs.
struct Begun {
    sandbox: ProcessSandbox,
    shared: Arc<Shared>,
    owned: Owned,
}

/// A bubblewrap that has made its namespaces and waits for the word to start the program.
struct Launched {
    child: Child,
    go: ChildStdin,
    log: ChildStderr,
    init: u32,
}

impl Launched {
    async fn from_child(mut child: Child) -> Result<Self, SandboxError> {
        let (Some(go), Some(mut told), Some(mut log)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(SandboxError::Start("bubblewrap has no pipes".to_owned()));
        };
        let mut answer = Vec::new();
        (&mut told).take(INFO_BYTES_MAX).read_to_end(&mut answer).await.map_err(system("reading from bubblewrap"))?;
        let init = serde_json::from_slice::<serde_json::Value>(&answer)
            .ok()
            .and_then(|info| info.get("child-pid").and_then(serde_json::Value::as_u64))
            .and_then(|id| u32::try_from(id).ok());
        if let Some(init) = init {
            return Ok(Self { child, go, log, init });
        }
        let mut complaint = Vec::new();
        (&mut log).take(INFO_BYTES_MAX).read_to_end(&mut complaint).await.map_err(system("reading from bubblewrap"))?;
        Err(SandboxError::Start(String::from_utf8_lossy(&complaint).trim().to_owned()))
    }
}

#[async_trait]
impl SandboxBackend for ProcessBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Process
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.inner.program()?;
        if is_root() && !Path::new(command::SETPRIV).exists() {
            return Err(SandboxError::Unavailable {
                reason: "setpriv is not installed".to_owned(),
                remedy: "install the package \"util-linux\"".to_owned(),
            });
        }
        let sandbox = self.start(SandboxSpec::probe("/bin/true")).await.map_err(|error| not_here(&error.to_string()))?;
        match timeout(START_TIMEOUT, sandbox.wait()).await {
            Ok(Exit::Code(0)) => {}
            _ => return Err(not_here(&sandbox.log_tail().await)),
        }
        Ok(Isolation { backend: BackendKind::Process, measures: self.inner.measures() })
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        let environments = self.environments.read().unwrap_or_else(PoisonError::into_inner);
        let environment = environments.get(&version).ok_or_else(|| SandboxError::Unavailable {
            reason: format!("Python {} is not set up", version.as_str()),
            remedy: "run \"gristmill setup\", or choose another version".to_owned(),
        })?;
        let same_path = |path: &PathBuf| Mount { host: path.clone(), guest: path.clone(), access: Access::ReadOnly };
        Ok(GuestPython {
            name: environment.root.display().to_string(),
            interpreter: environment.interpreter(),
            mounts: environment.binds.iter().map(same_path).collect(),
        })
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let inner = self.inner.clone();
        let preparation = tokio::task::spawn_blocking(move || inner.prepare(&spec).map(|made| (made, spec)));
        let (prepared, spec) = preparation.await.map_err(system("preparing a sandbox"))??;
        let (reply, started) = oneshot::channel();
        let inner = self.inner.clone();
        // A task of its own. Who waits may give up at any time, and a bubblewrap that is killed while it makes its
        // namespaces may leave a program behind: only one that is complete can be ended for sure.
        self.tasks.spawn("sandbox", async move {
            match inner.begin(spec, prepared).await {
                Ok(Begun { sandbox, shared, owned }) => {
                    let sandbox: Box<dyn Sandbox> = Box::new(sandbox);
                    // When nobody waits any more it is dropped, which tells its watcher to end it.
                    drop(reply.send(Ok(sandbox)));
                    running::watch_over(shared, owned).await;
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        });
        started.await.unwrap_or_else(|_gone| Err(SandboxError::Start("the server is stopping".to_owned())))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        let Inner { options, instance, .. } = &*self.inner;
        sweep::sweep(&options.owner, instance, self.inner.cgroups()).await.map_err(system("ending old sandboxes"))
    }

    fn mounts_late(&self) -> Result<(), SandboxError> {
        if is_root() { Ok(()) } else { Err(no_user()) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(cgroups) = self.cgroups.get() {
            cgroups.remove_if_empty();
        }
    }
}

/// Limits of single processes, which those inside inherit and cannot raise.
fn limit_process(process: u32, limits: &SandboxLimits, counts_memory: bool) -> std::io::Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let mut resources = vec![
        (Resource::Nproc, u64::from(limits.pids)),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, u64::from(limits.open_files)),
        (Resource::Core, 0),
    ];
    if counts_memory {
        // Stops a process that takes memory faster than the watcher looks. Libraries reserve more than they use.
        resources.push((Resource::Data, limits.memory_bytes.saturating_mul(2).saturating_add(RESERVED_BYTES)));
    }
    for (resource, value) in resources {
        rustix::process::prlimit(pid, resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    // When the whole machine runs out of memory, sandboxes go first. Anybody may raise this.
    std::fs::write(format!("/proc/{process}/oom_score_adj"), "900")
}

fn not_here(complaint: &str) -> SandboxError {
    let remedy = if complaint.contains("Unknown option") {
        "install bubblewrap 0.8 or newer"
    } else if is_root() {
        "allow the server to make namespaces and mounts (in a container: privileged, or the docker backend)"
    } else {
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), \
         or run the server as root"
    };
    SandboxError::Unavailable {
        reason: format!("bubblewrap does not work here: {}", complaint.trim()),
        remedy: remedy.to_owned(),
    }
}
