//! A bare bubblewrap without limits, and a Python with what the worker needs: enough for the worker's own behaviour. What
//! sandboxes keep apart is tested with the real backends.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::sandbox::{
    Access, BackendKind, Exit, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage,
};
use tokio::{io::AsyncReadExt, process::Command, sync::watch};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct DirectBackend {
    pub(crate) interpreter: PathBuf,
    /// Process ids of all that were started.
    pub(crate) started: Mutex<Vec<i32>>,
    /// Starts nothing, and says why.
    pub(crate) broken: Option<String>,
}

impl DirectBackend {
    pub(crate) fn new() -> Self {
        Self { interpreter: python(), started: Mutex::default(), broken: None }
    }

    pub(crate) fn last(&self) -> i32 {
        *self.started.lock().unwrap().last().unwrap()
    }
}

#[async_trait]
impl SandboxBackend for DirectBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Process
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        Ok(Isolation { backend: BackendKind::Process, measures: Vec::new() })
    }

    fn python(&self, _version: PythonVersion) -> Result<GuestPython, SandboxError> {
        Ok(GuestPython { interpreter: self.interpreter.clone(), mounts: Vec::new() })
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        if let Some(reason) = &self.broken {
            return Err(SandboxError::Start(reason.clone()));
        }
        let mut command = Command::new("bwrap");
        command.args(host_binds()).args(["--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-net"]);
        command.args(["--die-with-parent", "--tmpfs", "/opt", "--tmpfs", "/run", "--tmpfs", "/tmp"]);
        command.args(["--tmpfs", "/workspace", "--tmpfs", "/datasets", "--clearenv"]);
        for mount in &spec.mounts {
            let flag = if mount.access == Access::ReadOnly { "--ro-bind" } else { "--bind" };
            command.arg(flag).arg(&mount.host).arg(&mount.guest);
        }
        for (name, value) in &spec.environment {
            command.arg("--setenv").arg(name).arg(value);
        }
        command.arg("--chdir").arg(&spec.directory).args(&spec.command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| SandboxError::Start(error.to_string()))?;
        self.started.lock().unwrap().push(i32::try_from(child.id().unwrap()).unwrap());
        let kill = CancellationToken::new();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, exit) = watch::channel(None);
        let (task_kill, task_log) = (kill.clone(), log.clone());
        #[expect(clippy::disallowed_methods, reason = "this is a backend of tests; the task ends with the process")]
        tokio::spawn(async move {
            let mut errors = child.stderr.take().unwrap();
            let mut text = Vec::new();
            let killed = tokio::select! {
                () = task_kill.cancelled() => true,
                _ = errors.read_to_end(&mut text) => false,
            };
            task_log.lock().unwrap().push_str(&String::from_utf8_lossy(&text));
            if killed {
                child.start_kill().unwrap();
            }
            let status = child.wait().await.unwrap();
            let exit = if killed { Exit::Killed } else { Exit::Code(status.code().unwrap_or(-1)) };
            sender.send_replace(Some(exit));
        });
        Ok(Box::new(Direct { id: spec.id, kill, log, exit }))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        Ok(0)
    }
}

#[derive(Debug)]
struct Direct {
    id: String,
    kill: CancellationToken,
    log: Arc<Mutex<String>>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

#[async_trait]
impl Sandbox for Direct {
    fn id(&self) -> &str {
        &self.id
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| exit.clone());
        ended.ok().flatten().unwrap_or(Exit::Killed)
    }

    async fn kill(&self) {
        self.kill.cancel();
        self.wait().await;
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn log_tail(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// The host's root, entry by entry: in a root that is bound whole, no directory could be made to mount on.
fn host_binds() -> Vec<OsString> {
    let mut arguments = Vec::new();
    for entry in std::fs::read_dir("/").unwrap().flatten() {
        let path = entry.path();
        let (flag, source) = match std::fs::read_link(&path) {
            Ok(target) => ("--symlink", target),
            Err(_) => ("--ro-bind", path.clone()),
        };
        arguments.extend([OsString::from(flag), source.into_os_string(), path.into_os_string()]);
    }
    arguments
}

/// A virtual environment below the target directory with what the worker and the notebook tests import, made once.
pub(crate) fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = target.join("assist-venv-1");
    let interpreter = root.join("bin/python");
    let lock = std::fs::File::create(target.join("assist-venv.lock")).unwrap();
    lock.lock().unwrap();
    if !root.join("complete").exists() {
        run(Path::new("python3"), &["-m", "venv", root.to_str().unwrap()]);
        let packages = ["jedi==0.20.1", "pandas==3.1.1", "matplotlib", "nbformat", "nbclient", "ipykernel"];
        let arguments: Vec<&str> =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"].into_iter().chain(packages).collect();
        run(&interpreter, &arguments);
        std::fs::write(root.join("complete"), "").unwrap();
    }
    interpreter
}

fn run(program: &Path, arguments: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "makes what tests run on")]
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
