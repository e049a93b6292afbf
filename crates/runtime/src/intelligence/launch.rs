//! Starting a worker: its sandbox, and the socket it connects to.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use gristmill_domain::{execution::PythonVersion, ids::ProjectId};
use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use super::{AssistDirectories, AssistError, files};
use crate::sandbox::{Access, GuestPython, Mount, Sandbox, SandboxBackend, SandboxError, SandboxLimits, SandboxSpec};

const PROGRAM: &str = "/opt/gristmill/assist";
const PARSED: &str = "/opt/gristmill/assist-cache";
const SOCKETS: &str = "/run/gristmill";
const SOCKET: &str = "assist.sock";
const PREPARE_TIMEOUT: Duration = Duration::from_mins(10);

const LIMITS: SandboxLimits = SandboxLimits {
    memory_bytes: 1 << 30,
    cpu_percent: 100,
    pids: 32,
    file_size_bytes: 64 << 20,
    open_files: 256,
    tmp_bytes: 64 << 20,
    disk_bytes: 512 << 20,
};

/// A worker that has connected. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) sandbox: Box<dyn Sandbox>,
    pub(super) stream: UnixStream,
    /// Removed with the worker.
    _directory: tempfile::TempDir,
}

/// Starts the worker of a project and waits until it has connected. Its caller keeps the time.
pub(super) async fn launch(
    backend: &dyn SandboxBackend,
    directories: &AssistDirectories,
    python: PythonVersion,
    project: ProjectId,
) -> Result<Launched, AssistError> {
    let guest = guest_python(backend, python)?;
    let socket = blocking(directories.clone(), |directories| open_socket(&directories)).await?;
    let listener = UnixListener::from_std(socket.listener).map_err(|error| failed("listening for the worker", &error))?;
    let program = blocking(directories.cache.clone(), |cache| files::install(&cache)).await?;
    let mut mounts = guest.mounts.clone();
    mounts.push(read_only(program, PROGRAM));
    mounts.push(read_only(socket.directory.path().join("run"), SOCKETS));
    let mut command = program_command(&guest, "serve");
    command.push(format!("{SOCKETS}/{SOCKET}"));
    let parsed = parsed_directory(directories, backend, &guest);
    if parsed.is_dir() {
        mounts.push(read_only(parsed, PARSED));
        command.push(PARSED.to_owned());
    }
    let own = directories.projects.join(project.to_string());
    for (name, guest) in [("workspace", "/workspace"), ("packages", "/opt/gristmill/packages")] {
        // Directories that the server made; a symlink in their place would be somebody else's.
        if fs::symlink_metadata(own.join(name)).is_ok_and(|metadata| metadata.is_dir()) {
            mounts.push(read_only(own.join(name), guest));
        }
    }
    let sandbox = start(backend, format!("assist-{}", uuid::Uuid::new_v4().simple()), command, mounts).await?;
    let stream = tokio::select! {
        accepted = listener.accept() => accepted.map_err(|error| failed("waiting for the worker", &error))?.0,
        exit = sandbox.wait() => {
            let log = sandbox.log_tail().await;
            tracing::warn!(project.id = %project, ?exit, log, "the worker for Python help ended at its start");
            return Err(AssistError::Unavailable("its worker ended at its start".to_owned()));
        }
    };
    Ok(Launched { sandbox, stream, _directory: socket.directory })
}

/// Parses the installed libraries once, in a sandbox that sees nothing of any project, and keeps what was parsed: workers
/// start warm with it, and only read it. Returns whether something was done.
pub(super) async fn prepare(
    backend: &dyn SandboxBackend,
    directories: &AssistDirectories,
    python: PythonVersion,
) -> Result<bool, AssistError> {
    let guest = guest_python(backend, python)?;
    let target = parsed_directory(directories, backend, &guest);
    if target.is_dir() {
        return Ok(false);
    }
    let program = blocking(directories.cache.clone(), |cache| files::install(&cache)).await?;
    let partial = blocking(target.clone(), |target| {
        let parent = target.parent().unwrap_or(&target).to_owned();
        fs::create_dir_all(&parent)?;
        let partial = tempfile::Builder::new().prefix("parsing-").tempdir_in(parent)?;
        let inner = partial.path().join("parsed");
        fs::create_dir(&inner)?;
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o777))?;
        Ok(partial)
    })
    .await?;
    let mut mounts = guest.mounts.clone();
    mounts.push(read_only(program, PROGRAM));
    let writable = partial.path().join("parsed");
    mounts.push(Mount { host: writable.clone(), guest: PARSED.into(), access: Access::ReadWrite });
    let mut command = program_command(&guest, "prepare");
    command.push(PARSED.to_owned());
    let sandbox = start(backend, format!("assist-prepare-{}", uuid::Uuid::new_v4().simple()), command, mounts).await?;
    let exit = tokio::time::timeout(PREPARE_TIMEOUT, sandbox.wait()).await;
    if exit != Ok(crate::sandbox::Exit::Code(0)) {
        let log = sandbox.log_tail().await;
        sandbox.kill().await;
        tracing::warn!(?exit, log, "the installed libraries could not be parsed ahead; Python help starts slower");
        return Err(AssistError::Ended);
    }
    sandbox.kill().await;
    blocking((partial, writable, target), |(partial, writable, target)| {
        fs::set_permissions(&writable, fs::Permissions::from_mode(0o755))?;
        // Another server may have been faster: then its result stays.
        match fs::rename(&writable, &target) {
            Err(error) if !target.is_dir() => return Err(error),
            _ => {}
        }
        drop(partial);
        Ok(())
    })
    .await?;
    Ok(true)
}

async fn start(
    backend: &dyn SandboxBackend,
    id: String,
    command: Vec<String>,
    mounts: Vec<Mount>,
) -> Result<Box<dyn Sandbox>, AssistError> {
    let environment = [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONPATH", PROGRAM),
        ("PYTHONUNBUFFERED", "1"),
        ("XDG_CACHE_HOME", "/tmp/cache"),
    ];
    let environment: BTreeMap<String, String> =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let spec = SandboxSpec { id, command, environment, directory: "/tmp".into(), mounts, limits: LIMITS };
    backend.start(spec).await.map_err(|error| unavailable(&error))
}

fn program_command(guest: &GuestPython, what: &str) -> Vec<String> {
    let interpreter = guest.interpreter.to_string_lossy().into_owned();
    vec![interpreter, "-s".to_owned(), "-m".to_owned(), "gristmill_assist".to_owned(), what.to_owned()]
}

/// The asked version, or whichever is there: most code means the same on all.
fn guest_python(backend: &dyn SandboxBackend, python: PythonVersion) -> Result<GuestPython, AssistError> {
    backend.python(python).or_else(|error| {
        let others = PythonVersion::ALL.into_iter().rev().filter(|version| *version != python);
        others.filter_map(|version| backend.python(version).ok()).next().ok_or_else(|| unavailable(&error))
    })
}

/// Where what was parsed of a Python environment is kept.
fn parsed_directory(directories: &AssistDirectories, backend: &dyn SandboxBackend, guest: &GuestPython) -> PathBuf {
    use sha2::{Digest, Sha256};
    let name = format!("{}:{}", backend.kind().as_str(), guest.name);
    let name: String = hex::encode(Sha256::digest(name)).chars().take(12).collect();
    directories.cache.join("assist").join(files::version()).join(format!("parsed-{name}"))
}

struct Socket {
    listener: std::os::unix::net::UnixListener,
    directory: tempfile::TempDir,
}

/// The server listens and the worker connects, so that the server opens nothing in a place that a sandbox can write to.
fn open_socket(directories: &AssistDirectories) -> io::Result<Socket> {
    fs::create_dir_all(&directories.sockets)?;
    // Mode 0700: only the sandbox, which sees the inner directory, can reach the socket.
    let directory = tempfile::Builder::new().prefix("assist-").tempdir_in(&directories.sockets)?;
    let run = directory.path().join("run");
    fs::create_dir(&run)?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
    // A path through the open directory: the length of a socket's own is limited to 107 bytes.
    let open = rustix::fs::open(&run, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = Path::new("/proc/self/fd").join(open.as_raw_fd().to_string()).join(SOCKET);
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(run.join(SOCKET), fs::Permissions::from_mode(0o666))?;
    Ok(Socket { listener, directory })
}

fn read_only(host: PathBuf, guest: &str) -> Mount {
    Mount { host, guest: guest.into(), access: Access::ReadOnly }
}

async fn blocking<I: Send + 'static, T: Send + 'static>(
    input: I,
    work: impl FnOnce(I) -> io::Result<T> + Send + 'static,
) -> Result<T, AssistError> {
    let done = tokio::task::spawn_blocking(move || work(input)).await;
    done.map_err(io::Error::other).flatten().map_err(|error| failed("preparing the worker's files", &error))
}

fn failed(doing: &'static str, error: &io::Error) -> AssistError {
    tracing::warn!(error = %error, doing, "Python help failed");
    AssistError::Unavailable(format!("{doing} failed"))
}

fn unavailable(error: &SandboxError) -> AssistError {
    AssistError::Unavailable(error.to_string())
}
