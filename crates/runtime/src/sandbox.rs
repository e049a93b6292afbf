//! Isolated processes: one trait, two backends. They know where Python is, and nothing of what it does.

pub mod choose;
mod disk;
pub mod docker;
pub(crate) mod instance;
mod late;
mod log;
pub(crate) mod metered;
mod mountpoint;
mod prepare;
pub mod process;
mod tree;
mod users;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;

/// Which backend a sandbox runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// bubblewrap namespaces on this machine.
    Process,
    /// Containers of a Docker engine.
    Docker,
}

impl BackendKind {
    /// The name on the wire and in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}

/// What keeps sandboxes apart from the host, for people: `docs/OPERATIONS.md` explains each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The backend.
    pub backend: BackendKind,
    /// What is in force, one short sentence each ("no network", "memory limited by cgroup", …).
    pub measures: Vec<String>,
}

/// A directory or file of the host inside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host. Absolute, and owned by the server, never by a sandbox's user.
    pub host: PathBuf,
    /// Where the sandbox sees it. Absolute.
    pub guest: PathBuf,
    /// Whether the sandbox may write to it.
    pub access: Access,
}

/// What a sandbox may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// The most that a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Memory of all its processes together, swap included, bytes.
    pub memory_bytes: u64,
    /// CPU, in hundredths of one core (150 is one and a half).
    pub cpu_percent: u32,
    /// Processes and threads at once.
    pub pids: u32,
    /// Largest single file, bytes.
    pub file_size_bytes: u64,
    /// Open files of one process.
    pub open_files: u32,
    /// Size of `/tmp` inside, bytes; it counts as memory.
    pub tmp_bytes: u64,
    /// Everything below its writable mounts together, bytes. Checked every second; a sandbox that is over it is ended.
    pub disk_bytes: u64,
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Unique; names the container, and labels what must be swept after a crash.
    pub id: String,
    /// Program and arguments, paths as seen inside.
    pub command: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Working directory, as seen inside.
    pub directory: PathBuf,
    /// What it sees beside the read-only system and the Python environment of the backend.
    pub mounts: Vec<Mount>,
    /// The most that it may use.
    pub limits: SandboxLimits,
}

impl SandboxSpec {
    /// The directories of the host that it may write to.
    #[must_use]
    pub fn writable(&self) -> Vec<PathBuf> {
        let writable = self.mounts.iter().filter(|mount| mount.access == Access::ReadWrite);
        writable.map(|mount| mount.host.clone()).collect()
    }

    /// The smallest sandbox, to see whether any can be made.
    pub(crate) fn probe(program: &str) -> Self {
        Self {
            id: format!("probe-{}", uuid::Uuid::new_v4().simple()),
            command: vec![program.to_owned()],
            environment: BTreeMap::new(),
            directory: PathBuf::from("/tmp"),
            mounts: Vec::new(),
            limits: SandboxLimits {
                memory_bytes: 256 << 20,
                cpu_percent: 100,
                pids: 32,
                file_size_bytes: 1 << 20,
                open_files: 64,
                tmp_bytes: 1 << 20,
                disk_bytes: 1 << 20,
            },
        }
    }
}

/// Why a sandbox ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Its main process returned this code.
    Code(i32),
    /// Its main process was ended by this signal.
    Signal(i32),
    /// It used more memory than it may.
    OutOfMemory,
    /// It wrote more than it may.
    OutOfDisk,
    /// [`Sandbox::kill`] ended it.
    Killed,
}

/// What a sandbox uses now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory of all its processes, bytes.
    pub memory_bytes: u64,
    /// CPU time so far.
    pub cpu: Duration,
    /// Processes and threads.
    pub pids: u32,
}

/// Why a sandbox could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The backend cannot work on this machine as it is.
    #[error("sandboxes cannot be started: {reason}; {remedy}")]
    Unavailable {
        /// What is missing.
        reason: String,
        /// What to do about it, for the operator.
        remedy: String,
    },
    /// This sandbox could not be started.
    #[error("the sandbox could not be started: {0}")]
    Start(String),
    /// The engine or the system refused something that should work.
    #[error("{doing} failed")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What came back.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SandboxError {
    pub(crate) fn no_late_mounts(reason: &str) -> Self {
        Self::Unavailable {
            reason: format!("nothing can be mounted later: {reason}"),
            remedy: "kernels start when they are needed".to_owned(),
        }
    }
}

/// The locked Python environment as a sandbox sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestPython {
    /// Names what is installed: another lock or image gives another name.
    pub name: String,
    /// The interpreter inside, with the locked packages on its path.
    pub interpreter: PathBuf,
    /// What must be mounted for it; none where the image brings it.
    pub mounts: Vec<Mount>,
}

/// A way to isolate processes.
#[async_trait]
pub trait SandboxBackend: Send + Sync + std::fmt::Debug {
    /// Which one it is.
    fn kind(&self) -> BackendKind;

    /// Looks whether it works here, by starting a tiny sandbox; tells what isolation is in force.
    ///
    /// # Errors
    /// `Unavailable` with what is missing and how to mend it.
    async fn probe(&self) -> Result<Isolation, SandboxError>;

    /// The Python environment that its sandboxes can run, to be added to a [`SandboxSpec`].
    ///
    /// # Errors
    /// `Unavailable` when this version is not provisioned, with how to provision it.
    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError>;

    /// Starts a sandbox. When it fails, or is dropped before it returned, nothing is left running.
    ///
    /// # Errors
    /// `Start`, `Unavailable`, `System`.
    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError>;

    /// Ends every sandbox that an earlier server over the same data directory left behind. Call it before the first start.
    ///
    /// # Errors
    /// `System`.
    async fn sweep(&self) -> Result<usize, SandboxError>;

    /// Whether [`Sandbox::mount`] works here, so that sandboxes can be started before it is known for whom.
    ///
    /// # Errors
    /// `Unavailable` with why not.
    fn mounts_late(&self) -> Result<(), SandboxError> {
        Err(SandboxError::no_late_mounts("its sandboxes show what they showed at their start"))
    }
}

/// A running sandbox. Dropping it ends it.
#[async_trait]
pub trait Sandbox: Send + Sync + std::fmt::Debug {
    /// Its id.
    fn id(&self) -> &str;

    /// Waits for its end. May be called by many at once, also after it ended.
    ///
    /// # Cancel safety
    /// Cancel safe: the sandbox goes on.
    async fn wait(&self) -> Exit;

    /// Ends it with everything that runs in it, and returns when all is gone. Twice does no harm.
    async fn kill(&self);

    /// What it uses now.
    async fn usage(&self) -> Usage;

    /// The end of what its main process wrote to standard output and error, at most 64 KiB.
    async fn log_tail(&self) -> String;

    /// Shows further directories in a sandbox that runs, each over a directory that is there. Writable ones become its
    /// user's, and count against its disk limit. Only for a sandbox in which nobody's code has run yet, and once: what
    /// it holds after an error is not known, so end it then.
    ///
    /// # Errors
    /// `Unavailable` where it can never work, `Start` for mounts that make no sense, `System`.
    async fn mount(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        drop(mounts);
        Err(SandboxError::no_late_mounts("its sandboxes show what they showed at their start"))
    }
}
