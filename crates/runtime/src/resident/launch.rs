//! Starting a worker: its sandbox, and the socket that it connects to.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use gristmill_domain::execution::PythonVersion;
use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use super::ResidentError;
use crate::sandbox::{Access, GuestPython, Mount, Sandbox, SandboxBackend, SandboxError, SandboxLimits, SandboxSpec};

/// Where a worker finds the socket that it connects to.
pub(crate) const GUEST_SOCKET: &str = "/run/gristmill/worker.sock";
const GUEST_SOCKETS: &str = "/run/gristmill";
const SOCKET: &str = "worker.sock";

/// A worker that has connected. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(super) sandbox: Box<dyn Sandbox>,
    pub(super) stream: UnixStream,
    /// Removed with the worker.
    pub(super) directory: tempfile::TempDir,
}

/// Starts a sandbox, which gets its socket here, and waits until the worker in it has connected. Its caller keeps the time.
/// `sockets` is made; it must not be reachable by other users.
pub(crate) async fn connect(
    backend: &dyn SandboxBackend,
    sockets: &Path,
    mut spec: SandboxSpec,
) -> Result<Launched, ResidentError> {
    let sockets = sockets.to_owned();
    let Socket { listener, directory } = blocking(move || open_socket(&sockets)).await?;
    let listener = UnixListener::from_std(listener).map_err(|error| failed("listening for the worker", &error))?;
    spec.mounts.push(read_only(directory.path().join("run"), GUEST_SOCKETS));
    let sandbox = backend.start(spec).await.map_err(|error| unavailable(&error))?;
    let stream = tokio::select! {
        accepted = listener.accept() => accepted.map_err(|error| failed("waiting for the worker", &error))?.0,
        exit = sandbox.wait() => {
            let log = sandbox.log_tail().await;
            tracing::warn!(sandbox.id = sandbox.id(), ?exit, log, "a worker ended at its start");
            return Err(ResidentError::Unavailable("its worker ended at its start".to_owned()));
        }
    };
    Ok(Launched { sandbox, stream, directory })
}

/// The asked version, or whichever is there: most code means the same on all.
pub(crate) fn any_python(backend: &dyn SandboxBackend, python: PythonVersion) -> Result<GuestPython, ResidentError> {
    backend.python(python).or_else(|error| {
        let mut others = PythonVersion::ALL.into_iter().rev().filter(|version| *version != python);
        others.find_map(|version| backend.python(version).ok()).ok_or_else(|| unavailable(&error))
    })
}

/// The environment of a worker whose modules are in these directories, as it sees them.
pub(crate) fn python_environment(modules: &str, limits: &SandboxLimits) -> BTreeMap<String, String> {
    let threads = limits.cpu_percent.div_ceil(100).max(1).to_string();
    [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONPATH", modules),
        ("PYTHONUNBUFFERED", "1"),
        ("XDG_CACHE_HOME", "/tmp/cache"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A directory that a worker may read.
pub(crate) fn read_only(host: PathBuf, guest: &str) -> Mount {
    Mount { host, guest: guest.into(), access: Access::ReadOnly }
}

/// Prepares a worker's files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ResidentError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(|error| failed("preparing the worker's files", &error))
}

struct Socket {
    listener: std::os::unix::net::UnixListener,
    directory: tempfile::TempDir,
}

/// The server listens and the worker connects, so that the server opens nothing in a place that a sandbox can write to.
fn open_socket(sockets: &Path) -> io::Result<Socket> {
    fs::create_dir_all(sockets)?;
    // Mode 0700: only the sandbox, which sees the inner directory, can reach the socket.
    let directory = tempfile::Builder::new().prefix("worker-").tempdir_in(sockets)?;
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

fn failed(doing: &'static str, error: &io::Error) -> ResidentError {
    tracing::warn!(error = %error, doing, "a worker cannot be started");
    ResidentError::Unavailable(format!("{doing} failed"))
}

fn unavailable(error: &SandboxError) -> ResidentError {
    ResidentError::Unavailable(error.to_string())
}
