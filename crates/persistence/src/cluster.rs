//! The embedded PostgreSQL cluster (DESIGN decision 8): found, initialised, started, watched and stopped by us.
//!
//! It listens only on a Unix socket in a private directory and asks for a password that is made at random. As root,
//! which PostgreSQL refuses, it runs in a user namespace that maps an ordinary uid onto the caller.
//!
//! All functions here block; call them from a thread that may.

mod binaries;
mod clients;
mod launcher;
mod running;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, Signal, kill_process, test_kill_process},
};
use secrecy::{ExposeSecret, SecretString};

pub use binaries::{PgBinaries, find_binaries};
pub use clients::{ClientPrograms, DumpError};
use launcher::Launcher;

/// How long a start may take before it counts as failed; crash recovery after a power cut is part of it.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take before it is made immediate.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const SUPERUSER: &str = "gristmill";
/// Longest path of a Unix socket that Linux takes, less the name PostgreSQL appends (`/.s.PGSQL.5432`).
const SOCKET_DIR_BYTES_MAX: usize = 107 - 14;

/// Why the cluster could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No PostgreSQL binaries on this machine.
    #[error("no PostgreSQL binaries were found; run `gristmill setup`, install the package `postgresql`, or set DATABASE_URL")]
    BinariesMissing,
    /// Another server uses the directory.
    #[error("another gristmill server is running on {0}; stop it, or set GRISTMILL_DATA_DIR")]
    InUse(PathBuf),
    /// The directory was made by another major version.
    #[error(
        "the database in {directory} was made by PostgreSQL {made_by}, and the binaries found are {found}; install version {made_by}, or dump and restore"
    )]
    VersionMismatch {
        /// Where.
        directory: PathBuf,
        /// Major version of the data.
        made_by: String,
        /// Version of the binaries.
        found: String,
    },
    /// `initdb` failed.
    #[error("the database cluster could not be created: {0}")]
    Init(String),
    /// `postgres` ended or did not become ready.
    #[error("PostgreSQL did not start: {0}")]
    Start(String),
    /// A file operation failed.
    #[error("the database directory {path} cannot be used")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// User data: every commit reaches the disk.
    Durable,
    /// Tests: fast, lost with the machine, no password.
    Throwaway,
}

/// Where and how to run a cluster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Directory that holds the cluster, its socket, password and log. Made when missing.
    pub directory: PathBuf,
    /// The binaries to run.
    pub binaries: PgBinaries,
    /// What it is for.
    pub durability: Durability,
}

/// A running cluster. Dropping it stops it (fast shutdown).
#[derive(Debug)]
pub struct Cluster {
    url: SecretString,
    pid: Pid,
    stop: Option<mpsc::Sender<()>>,
    supervisor: Option<thread::JoinHandle<()>>,
    _lock: File,
}

impl Cluster {
    /// Makes the cluster if there is none, starts it and waits until it takes connections.
    ///
    /// A server that was killed leaves its PostgreSQL stopping or running: that one is stopped first, so that a
    /// start after `kill -9` needs no manual step.
    ///
    /// # Errors
    /// [`ClusterError`]; its text says what to do.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let dir = &options.directory;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| ClusterError::Io { path, source }
        };
        create_private_dir(dir).map_err(at(dir))?;
        let dir = &dir.canonicalize().map_err(at(dir))?;
        let lock = lock_directory(dir)?;
        let launcher = Launcher::detect();
        let home = launcher.home(dir).map_err(at(dir))?;
        let dir = &home;
        let data = dir.join("pgdata");
        stop_orphan(&data);
        if !data.join("PG_VERSION").exists() {
            initialize(options, &launcher, dir)?;
        }
        check_version(&data, &options.binaries)?;

        let socket_dir = socket_directory(dir).map_err(at(dir))?;
        launcher.give_directory(&socket_dir).map_err(at(&socket_dir))?;
        let log_path = dir.join("postgres.log");
        let log = File::create(&log_path).map_err(at(&log_path))?;
        let mut command = launcher.command_bound_to_parent(&options.binaries.postgres());
        command.arg("-D").arg(&data).arg("-k").arg(&socket_dir);
        for setting in settings(options.durability) {
            command.arg("-c").arg(setting);
        }
        let errors = log.try_clone().map_err(at(&log_path))?;
        command.stdin(std::process::Stdio::null()).stdout(log).stderr(errors);

        let (stop, supervisor, pid) = supervise(command, &log_path)?;
        let mut cluster = Self { url: SecretString::from(""), pid, stop: Some(stop), supervisor: Some(supervisor), _lock: lock };
        cluster.wait_until_ready(&data, &log_path)?;
        let password = match options.durability {
            Durability::Durable => fs::read_to_string(dir.join("password")).map_err(at(&dir.join("password")))?,
            Durability::Throwaway => String::new(),
        };
        cluster.url = SecretString::from(connection_url(&socket_dir, &password, "postgres"));
        Ok(cluster)
    }

    /// The superuser's connection URL for the database `postgres`. Holds the password: never log it.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// The connection URL for another database of the cluster.
    #[must_use]
    pub fn url_for(&self, database: &str) -> SecretString {
        SecretString::from(self.url.expose_secret().replacen("/postgres?", &format!("/{database}?"), 1))
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Stops the cluster: open transactions are rolled back, everything committed is on disk.
    pub fn stop(mut self) {
        self.stop_and_wait();
    }

    fn stop_and_wait(&mut self) {
        // The supervisor sends the signals, because only the parent knows that the pid is still its child's.
        drop(self.stop.take());
        if let Some(supervisor) = self.supervisor.take()
            && supervisor.join().is_err()
        {
            tracing::error!("the supervisor of PostgreSQL panicked");
        }
    }

    fn wait_until_ready(&self, data: &Path, log_path: &Path) -> Result<(), ClusterError> {
        let deadline = Instant::now() + START_DEADLINE;
        let pid = self.process_id().to_string();
        loop {
            let status = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            let mut lines = status.lines();
            // Line 1 is the pid, line 8 the status: the same signal that pg_ctl waits for.
            if lines.next() == Some(pid.as_str()) && lines.nth(6).is_some_and(|line| line.starts_with("ready")) {
                return Ok(());
            }
            if self.supervisor.as_ref().is_none_or(thread::JoinHandle::is_finished) || Instant::now() > deadline {
                return Err(ClusterError::Start(log_tail(log_path)));
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop_and_wait();
    }
}

/// Runs `command` as a child of a thread of its own and returns how to stop it. The child is told by the kernel
/// when that thread ends, so the thread must live as long as the server does.
fn supervise(
    mut command: std::process::Command,
    log_path: &Path,
) -> Result<(mpsc::Sender<()>, thread::JoinHandle<()>, Pid), ClusterError> {
    let (stop, stopped) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let log_path = log_path.to_owned();
    let supervisor = thread::Builder::new()
        .name("postgres".into())
        .spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    drop(started.send(Err(error)));
                    return;
                }
            };
            let pid = Pid::from_child(&child);
            drop(started.send(Ok(pid)));
            loop {
                match child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        tracing::error!(%status, log = %log_path.display(), "PostgreSQL ended by itself");
                        return;
                    }
                    Err(error) => tracing::error!(%error, "PostgreSQL cannot be watched"),
                }
                match stopped.recv_timeout(Duration::from_millis(200)) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            stop_child(&mut child, pid);
        })
        .map_err(|error| ClusterError::Start(error.to_string()))?;
    match start.recv() {
        Ok(Ok(pid)) => Ok((stop, supervisor, pid)),
        Ok(Err(error)) => Err(ClusterError::Start(error.to_string())),
        Err(error) => Err(ClusterError::Start(error.to_string())),
    }
}

fn stop_child(child: &mut std::process::Child, pid: Pid) {
    for (signal, patience) in [(Signal::INT, STOP_DEADLINE), (Signal::QUIT, STOP_DEADLINE), (Signal::KILL, STOP_DEADLINE)] {
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(%error, "PostgreSQL was gone before it was stopped");
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        tracing::warn!(?signal, "PostgreSQL did not stop in time");
    }
}

/// Stops a postmaster that a killed server left behind. Its pid comes from a file, so it is checked to be a
/// PostgreSQL on this very directory before any signal.
fn stop_orphan(data: &Path) {
    let Some(pid) = orphan_pid(data) else { return };
    tracing::warn!(pid = pid.as_raw_nonzero().get(), "stopping the PostgreSQL that an earlier server left running");
    for signal in [Signal::INT, Signal::QUIT] {
        if kill_process(pid, signal).is_err() {
            return;
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if test_kill_process(pid).is_err() {
                return;
            }
            thread::sleep(POLL);
        }
    }
}

fn orphan_pid(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
    let raw = pid.as_raw_nonzero().get();
    let same_directory = fs::read_link(format!("/proc/{raw}/cwd")).is_ok_and(|cwd| cwd == data);
    let is_postgres = fs::read_to_string(format!("/proc/{raw}/comm")).is_ok_and(|name| name.trim() == "postgres");
    (same_directory && is_postgres).then_some(pid)
}

fn initialize(options: &ClusterOptions, launcher: &Launcher, dir: &Path) -> Result<(), ClusterError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ClusterError::Io { path, source }
    };
    let fresh = dir.join("pgdata.new");
    if fresh.exists() {
        // A start that was killed half-way; nothing in it was ever used.
        fs::remove_dir_all(&fresh).map_err(at(&fresh))?;
    }
    create_private_dir(&fresh).map_err(at(&fresh))?;
    launcher.give_directory(&fresh).map_err(at(&fresh))?;
    let mut command = launcher.command(&options.binaries.initdb());
    command.args(["--username", SUPERUSER, "--encoding=UTF8", "--locale=C", "--no-instructions", "--pgdata"]).arg(&fresh);
    match options.durability {
        Durability::Durable => {
            let path = dir.join("password");
            let password = hex::encode(rand::random::<[u8; 32]>());
            write_private(&path, &password).map_err(at(&path))?;
            launcher.give_file(&path).map_err(at(&path))?;
            command.args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--pwfile"]).arg(&path);
        }
        Durability::Throwaway => {
            command.args(["--auth=trust", "--no-sync"]);
        }
    }
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|error| ClusterError::Init(error.to_string()))?;
    if !output.status.success() {
        return Err(ClusterError::Init(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let data = dir.join("pgdata");
    fs::rename(&fresh, &data).map_err(at(&data))
}

fn check_version(data: &Path, binaries: &PgBinaries) -> Result<(), ClusterError> {
    let path = data.join("PG_VERSION");
    let made_by = fs::read_to_string(&path).map_err(|source| ClusterError::Io { path: path.clone(), source })?.trim().to_owned();
    if binaries.major_version() == made_by {
        return Ok(());
    }
    Err(ClusterError::VersionMismatch { directory: data.to_owned(), made_by, found: binaries.version().to_owned() })
}

fn settings(durability: Durability) -> Vec<&'static str> {
    let mut settings = vec![
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "max_connections=100",
        "shared_buffers=64MB",
        "max_wal_size=1GB",
        "password_encryption=scram-sha-256",
        "log_min_messages=warning",
        "log_statement=none",
        // Statements of a refused connection or a constraint error would put values into the log.
        "log_min_error_statement=panic",
        "log_parameter_max_length=0",
        "log_parameter_max_length_on_error=0",
        "jit=off",
    ];
    if durability == Durability::Throwaway {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400"]);
    }
    settings
}

/// The directory for the socket: inside the cluster's, or, where that path is too long for a socket, a private one
/// under the system's temporary directory.
fn socket_directory(dir: &Path) -> io::Result<PathBuf> {
    let inside = dir.join("socket");
    let path = if inside.as_os_str().len() <= SOCKET_DIR_BYTES_MAX {
        inside
    } else {
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(dir, &mut hash);
        std::env::temp_dir().join(format!("gristmill-{:016x}", std::hash::Hasher::finish(&hash)))
    };
    create_private_dir(&path)?;
    Ok(path)
}

fn connection_url(socket_dir: &Path, password: &str, database: &str) -> String {
    let host: String = url::form_urlencoded::byte_serialize(socket_dir.as_os_str().as_encoded_bytes()).collect();
    let host = host.replace('+', "%20");
    format!("postgres://{SUPERUSER}:{password}@{host}/{database}?connect_timeout=10")
}

fn lock_directory(dir: &Path) -> Result<File, ClusterError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| ClusterError::Io { path: path.clone(), source })?;
    // The kernel drops the lock with the process, so a crash never leaves it behind.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ClusterError::InUse(dir.to_owned())),
        Err(error) => Err(ClusterError::Io { path, source: error.into() }),
    }
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn log_tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default();
    if tail.is_empty() { "it wrote no message".into() } else { tail.join(" | ") }
}
