//! Starts a kernel in a sandbox and waits until it answers.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use jupyter_protocol::{ConnectionInfo, KernelInfoRequest, Transport};
use rustix::fs::{Mode, OFlags};
use tokio::time::Instant;

use super::{
    client::{Heartbeat, Kernel, Sockets},
    wire::Wire,
    zmtp::{SocketKind, ZmtpSocket},
};
use crate::{
    error::RuntimeError,
    sandbox::{Access, Mount, Sandbox, SandboxBackend, SandboxLimits, SandboxSpec},
};

/// Where the kernel's sockets are inside.
const GUEST_SOCKETS: &str = "/run/gristmill";
const POLL: Duration = Duration::from_millis(4);
/// A kernel publishes before the subscription has reached it: asked again until the answer is seen.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct LaunchPlan {
    pub(crate) backend: Arc<dyn SandboxBackend>,
    /// Names the sandbox.
    pub(crate) id: String,
    pub(crate) python: PythonVersion,
    /// What the kernel sees beside Python and its sockets.
    pub(crate) mounts: Vec<Mount>,
    /// Directories inside that go before the locked packages on Python's path.
    pub(crate) python_path: Vec<PathBuf>,
    pub(crate) limits: SandboxLimits,
    /// Directory of the server's for the sockets of its kernels.
    pub(crate) sockets: PathBuf,
    pub(crate) timeout: Duration,
}

/// The directory of one kernel's sockets; removed with the kernel.
#[derive(Debug)]
pub(super) struct SocketDirectory {
    path: PathBuf,
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::debug!(path = %self.path.display(), error = %error, "a kernel's socket directory stays behind");
        }
    }
}

/// Starts the kernel. When it fails, or is dropped before it returned, nothing is left running.
#[tracing::instrument(name = "kernel start", skip_all, fields(sandbox.id = %plan.id))]
pub(crate) async fn launch(plan: LaunchPlan) -> Result<Kernel, RuntimeError> {
    let began = Instant::now();
    let launched = start(plan).await;
    let outcome = if launched.is_ok() { "started" } else { "failed" };
    metrics::counter!("gristmill_kernel_starts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("gristmill_kernel_start_duration_seconds", "outcome" => outcome).record(began.elapsed());
    launched
}

async fn start(plan: LaunchPlan) -> Result<Kernel, RuntimeError> {
    let deadline = Instant::now() + plan.timeout;
    let python = plan.backend.python(plan.python)?;
    let key = uuid::Uuid::new_v4().to_string();
    let (directory, handle) = prepare(&plan, &key)?;
    let mut mounts = plan.mounts.clone();
    mounts.extend(python.mounts);
    mounts.push(Mount { host: directory.path.clone(), guest: GUEST_SOCKETS.into(), access: Access::ReadWrite });
    let spec = SandboxSpec {
        id: plan.id.clone(),
        command: command(&python.interpreter),
        environment: environment(&plan),
        directory: "/workspace".into(),
        mounts,
        limits: plan.limits,
    };
    let sandbox = plan.backend.start(spec).await?;
    let wire = Wire::new(key);
    let connecting = async {
        let mut sockets = connect(&handle).await?;
        handshake(&mut sockets, &wire).await?;
        Ok::<_, io::Error>(sockets)
    };
    let sockets = tokio::select! {
        connected = tokio::time::timeout_at(deadline, connecting) => match connected {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it was not ready within {} s", plan.timeout.as_secs())),
        },
        exit = sandbox.wait() => Err(super::client::describe_exit(&exit, &plan.limits)),
    };
    let sockets = match sockets {
        Ok(sockets) => sockets,
        Err(reason) => return Err(failed(sandbox.as_ref(), &reason).await),
    };
    Ok(Kernel::new(sandbox, sockets, wire, plan.limits, directory))
}

async fn failed(sandbox: &dyn Sandbox, reason: &str) -> RuntimeError {
    let log = sandbox.log_tail().await;
    sandbox.kill().await;
    tracing::warn!(sandbox.id = sandbox.id(), reason, log, "a kernel did not start");
    let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let reason = if last.is_empty() { reason.to_owned() } else { format!("{reason}: {last}") };
    RuntimeError::Kernel { reason }
}

fn prepare(plan: &LaunchPlan, key: &str) -> Result<(SocketDirectory, OwnedFd), RuntimeError> {
    let path = plan.sockets.join(&plan.id);
    std::fs::create_dir_all(&path).map_err(RuntimeError::io("making a directory for a kernel's sockets"))?;
    let directory = SocketDirectory { path };
    let info = ConnectionInfo {
        ip: format!("{GUEST_SOCKETS}/kernel"),
        transport: Transport::IPC,
        shell_port: 1,
        iopub_port: 2,
        stdin_port: 3,
        control_port: 4,
        hb_port: 5,
        key: key.to_owned(),
        signature_scheme: "hmac-sha256".to_owned(),
        kernel_name: None,
    };
    let write = || {
        std::fs::write(directory.path.join("kernel.json"), serde_json::to_vec(&info)?)?;
        Ok(rustix::fs::open(&directory.path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    };
    let handle = write().map_err(RuntimeError::io("writing a kernel's connection file"))?;
    Ok((directory, handle))
}

fn command(interpreter: &Path) -> Vec<String> {
    let connection = format!("{GUEST_SOCKETS}/kernel.json");
    let interpreter = interpreter.to_string_lossy().into_owned();
    [&interpreter, "-m", "gristmill_kernel", "-f", &connection, "--HistoryManager.enabled=False"].map(str::to_owned).into()
}

fn environment(plan: &LaunchPlan) -> BTreeMap<String, String> {
    let python_path: Vec<_> = plan.python_path.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    // As many threads as there are cores to run them: libraries ask the machine, which has more.
    let threads = plan.limits.cpu_percent.div_ceil(100).max(1).to_string();
    [
        ("HOME", "/workspace"),
        ("TMPDIR", "/tmp"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("PYTHONPATH", &python_path.join(":")),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYDEVD_DISABLE_FILE_VALIDATION", "1"),
        ("IPYTHONDIR", "/tmp/ipython"),
        ("JUPYTER_CONFIG_DIR", "/tmp/jupyter"),
        ("JUPYTER_RUNTIME_DIR", "/tmp/jupyter"),
        ("MPLCONFIGDIR", "/tmp/matplotlib"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("POLARS_MAX_THREADS", &threads),
        ("TERM", "dumb"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn connect(directory: &OwnedFd) -> io::Result<Sockets> {
    Ok(Sockets {
        shell: connect_one(directory, "kernel-1", SocketKind::Dealer).await?,
        iopub: connect_one(directory, "kernel-2", SocketKind::Subscriber).await?,
        control: connect_one(directory, "kernel-4", SocketKind::Dealer).await?,
        heartbeat: Heartbeat::new(connect_one(directory, "kernel-5", SocketKind::Requester).await?),
    })
}

async fn connect_one(directory: &OwnedFd, name: &str, kind: SocketKind) -> io::Result<ZmtpSocket> {
    loop {
        match ZmtpSocket::connect(directory, name, kind).await {
            // Not bound, or bound and not listening yet. The caller's deadline ends this.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                tokio::time::sleep(POLL).await;
            }
            connected => return connected,
        }
    }
}

/// Asks until the answer comes on the shell channel and its echo on the other: from then on no output is missed.
async fn handshake(sockets: &mut Sockets, wire: &Wire) -> io::Result<()> {
    let (mut answered, mut heard) = (false, false);
    let mut ask_at = Instant::now();
    while !(answered && heard) {
        tokio::select! {
            () = tokio::time::sleep_until(ask_at) => {
                let (_, frames) = wire.request("kernel_info_request", &KernelInfoRequest {})?;
                sockets.shell.send(&frames).await?;
                ask_at = Instant::now() + ASK_AGAIN;
            }
            message = sockets.shell.receive() => {
                answered |= wire.open(&message?).is_some_and(|message| message.kind == "kernel_info_reply");
            }
            message = sockets.iopub.receive() => {
                heard |= wire.open(&message?).is_some_and(|message| message.kind == "status" && !message.parent.is_empty());
            }
        }
    }
    Ok(())
}
