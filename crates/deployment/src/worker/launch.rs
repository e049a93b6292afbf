//! Starting a worker: its sandbox, and the socket that it connects to.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use gristmill_runtime::{
    packages::{FrozenLayer, GUEST_LAYER_PATH},
    sandbox::{Access, Exit, Mount, Sandbox, SandboxBackend, SandboxLimits, SandboxSpec},
};
use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use super::{WorkerSpec, protocol::clean};

const GUEST_IN: &str = "/in";
const GUEST_MODEL: &str = "/model";
const GUEST_PACKAGE: &str = "/opt/gristmill/ml";
const GUEST_SOCKETS: &str = "/run/gristmill";
const SOCKET: &str = "model.sock";

/// A worker that has connected.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) sandbox: Arc<dyn Sandbox>,
    pub(super) stream: UnixStream,
    /// Removed with the worker.
    pub(super) directory: tempfile::TempDir,
}

/// Why a worker did not start.
#[derive(Debug)]
pub(super) struct NotStarted {
    pub(super) reason: String,
    /// Whether another try can end otherwise.
    pub(super) hopeless: bool,
    pub(super) log: String,
}

impl NotStarted {
    fn server(doing: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(error = %error, doing, "a serving worker cannot be started");
        Self { reason: format!("{doing} failed"), hopeless: false, log: String::new() }
    }
}

/// Starts the sandbox and waits until the worker has connected, which it does once the model is loaded. Its caller keeps
/// the time, and may show the sandbox meanwhile.
pub(super) async fn launch(
    backend: &dyn SandboxBackend,
    spec: &WorkerSpec,
    show: &(dyn Fn(Arc<dyn Sandbox>) + Send + Sync),
) -> Result<Launched, NotStarted> {
    let python = backend.python(spec.python).map_err(|error| NotStarted {
        reason: clean(&error.to_string()),
        hopeless: true,
        log: String::new(),
    })?;
    let order = spec_json(spec).to_string();
    let scratch = spec.scratch.clone();
    let prepared = tokio::task::spawn_blocking(move || prepare(&scratch, &order)).await;
    let prepared = prepared.map_err(io::Error::other).flatten();
    let Prepared { directory, listener } =
        prepared.map_err(|error| NotStarted::server("preparing the worker's files", &error))?;
    let listener = UnixListener::from_std(listener).map_err(|error| NotStarted::server("listening for the worker", &error))?;
    let mut mounts = python.mounts;
    mounts.push(read_only(directory.path().join("in"), GUEST_IN));
    mounts.push(read_only(directory.path().join("run"), GUEST_SOCKETS));
    mounts.push(read_only(spec.model.clone(), GUEST_MODEL));
    mounts.push(read_only(spec.package.clone(), GUEST_PACKAGE));
    mounts.extend(spec.packages.as_ref().map(FrozenLayer::mount));
    let sandbox = SandboxSpec {
        id: format!("serve-{}-{}", spec.name, uuid::Uuid::new_v4().simple()),
        command: command(&python.interpreter),
        environment: environment(&spec.limits, spec.packages.is_some()),
        directory: "/tmp".into(),
        mounts,
        limits: spec.limits,
    };
    let sandbox: Arc<dyn Sandbox> = match backend.start(sandbox).await {
        Ok(sandbox) => sandbox.into(),
        Err(error) => return Err(NotStarted::server("starting the sandbox", &error)),
    };
    show(Arc::clone(&sandbox));
    let stream = tokio::select! {
        accepted = listener.accept() => accepted.map_err(|error| NotStarted::server("waiting for the worker", &error))?.0,
        exit = sandbox.wait() => {
            let log = sandbox.log_tail().await;
            let reason = why(&exit, &log, &spec.limits);
            // It says so itself that the model is at fault.
            return Err(NotStarted { reason, hopeless: exit == Exit::Code(2), log });
        }
    };
    Ok(Launched { sandbox, stream, directory })
}

/// Why a sandbox ended, for people.
pub(super) fn why(exit: &Exit, log: &str, limits: &SandboxLimits) -> String {
    match exit {
        Exit::OutOfMemory => {
            let megabytes = limits.memory_bytes / 1024 / 1024;
            format!("it needs more than {megabytes} MB of memory; raise the memory of deployments, or train a smaller model")
        }
        Exit::OutOfDisk => "it wrote more than a sandbox may".to_owned(),
        Exit::Signal(number) => format!("it was ended by signal {number}"),
        Exit::Killed => "it was ended".to_owned(),
        Exit::Code(code) => {
            let said = log.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let message = said
                .filter(|event| event.get("type").is_some_and(|kind| kind == "error"))
                .find_map(|event| event.get("message")?.as_str().map(clean));
            let last = || log.lines().rev().map(clean).find(|line| !line.trim().is_empty());
            message.or_else(last).unwrap_or_else(|| format!("it ended with code {code} and gave no reason"))
        }
    }
}

fn spec_json(spec: &WorkerSpec) -> serde_json::Value {
    let megabytes = (spec.limits.memory_bytes / 1024 / 1024).max(128);
    serde_json::json!({
        "version": 1,
        "limits": { "memoryMb": megabytes, "cpus": threads(&spec.limits) },
        "modelDirectory": GUEST_MODEL,
        "connect": format!("{GUEST_SOCKETS}/{SOCKET}"),
        "explain": spec.explains,
    })
}

fn threads(limits: &SandboxLimits) -> u32 {
    limits.cpu_percent.div_ceil(100).max(1)
}

fn command(interpreter: &Path) -> Vec<String> {
    let interpreter = interpreter.to_string_lossy();
    let words = [&*interpreter, "-s", "-m", "gristmill_ml", "serve", "--in", GUEST_IN, "--out", "/tmp/out"];
    words.map(str::to_owned).to_vec()
}

fn environment(limits: &SandboxLimits, with_packages: bool) -> BTreeMap<String, String> {
    let threads = threads(limits).to_string();
    // As in a kernel: a version that the project chose wins.
    let path = if with_packages { format!("{GUEST_PACKAGE}:{GUEST_LAYER_PATH}") } else { GUEST_PACKAGE.to_owned() };
    [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONPATH", &path),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONUNBUFFERED", "1"),
        ("TMPDIR", "/tmp"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("LOKY_MAX_CPU_COUNT", &threads),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

struct Prepared {
    directory: tempfile::TempDir,
    listener: std::os::unix::net::UnixListener,
}

fn prepare(scratch: &Path, order: &str) -> io::Result<Prepared> {
    fs::create_dir_all(scratch)?;
    // Mode 0700: only the sandbox, which sees the inner directories, can reach the socket.
    let directory = tempfile::Builder::new().prefix("serve-").tempdir_in(scratch)?;
    let made = |name: &str| -> io::Result<PathBuf> {
        let path = directory.path().join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    };
    let (specs, run) = (made("in")?, made("run")?);
    let spec = specs.join("spec.json");
    fs::write(&spec, order)?;
    fs::set_permissions(&spec, fs::Permissions::from_mode(0o644))?;
    // A path through the open directory: the length of a socket's own is limited to 107 bytes.
    let open = rustix::fs::open(&run, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = Path::new("/proc/self/fd").join(open.as_raw_fd().to_string()).join(SOCKET);
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(run.join(SOCKET), fs::Permissions::from_mode(0o666))?;
    Ok(Prepared { directory, listener })
}

fn read_only(host: PathBuf, guest: &str) -> Mount {
    Mount { host, guest: guest.into(), access: Access::ReadOnly }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SandboxLimits = SandboxLimits {
        memory_bytes: 512 << 20,
        cpu_percent: 150,
        pids: 64,
        file_size_bytes: 1 << 20,
        open_files: 64,
        tmp_bytes: 1 << 20,
        disk_bytes: 1 << 20,
    };

    #[test]
    fn a_worker_s_own_words_say_why_it_ended() {
        let log = "Traceback\n{\"type\":\"error\",\"code\":\"artifact_broken\",\"message\":\"it does not load\"}\n[1]\n";
        assert_eq!(why(&Exit::Code(2), log, &LIMITS), "it does not load");
        assert_eq!(why(&Exit::Code(1), "one\nKeyError: 'x'\n\n", &LIMITS), "KeyError: 'x'");
        assert_eq!(why(&Exit::Code(1), "", &LIMITS), "it ended with code 1 and gave no reason");
        assert!(why(&Exit::OutOfMemory, log, &LIMITS).contains("512 MB"));
        assert_eq!(why(&Exit::Signal(9), log, &LIMITS), "it was ended by signal 9");
    }

    #[test]
    fn nothing_of_the_model_is_on_the_command_line() {
        let words = command(Path::new("/opt/python"));
        assert_eq!(words[0], "/opt/python");
        assert!(words.iter().all(|word| !word.contains("model")));
    }
}
