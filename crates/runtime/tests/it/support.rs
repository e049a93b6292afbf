//! A runtime over a scratch directory, with real kernels.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gristmill_domain::{
    execution::{ExecutionResult, OutputKind, PythonVersion, RichOutput},
    ids::{DatasetId, ProjectId},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    DatasetFile, ExecuteRequest, KernelPlace, ProjectData, ProjectFiles, Runtime, RuntimeOptions,
    sandbox::{Access, BackendKind, Exit, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage},
};
use tokio::{
    process::Child,
    sync::{Mutex, mpsc, watch},
};

/// bubblewrap without isolation: the paths are those of a sandbox, the rest is the machine's.
#[derive(Debug)]
pub(crate) struct PlainBackend {
    pub(crate) interpreter: PathBuf,
}

#[async_trait]
impl SandboxBackend for PlainBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Process
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        Ok(Isolation { backend: BackendKind::Process, measures: vec!["none: a test's backend".to_owned()] })
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        if version == PythonVersion::V3_11 {
            return Ok(GuestPython { interpreter: self.interpreter.clone(), mounts: Vec::new() });
        }
        Err(SandboxError::Unavailable { reason: "no such Python".to_owned(), remedy: "use another".to_owned() })
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        #[expect(clippy::disallowed_methods, reason = "the tests' own backend starts processes")]
        let mut command = tokio::process::Command::new("bwrap");
        command.args(["--bind", "/", "/", "--dev", "/dev", "--tmpfs", "/opt", "--tmpfs", "/run", "--tmpfs", "/tmp"]);
        command.args(["--dir", "/workspace", "--unshare-pid", "--proc", "/proc", "--die-with-parent"]);
        for mount in &spec.mounts {
            command.arg(if mount.access == Access::ReadWrite { "--bind" } else { "--ro-bind" });
            command.args([&mount.host, &mount.guest]);
        }
        command.arg("--chdir").arg(&spec.directory).args(&spec.command);
        let environment: &BTreeMap<_, _> = &spec.environment;
        command.env_clear().envs(environment).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().map_err(|error| SandboxError::Start(error.to_string()))?;
        Ok(Box::new(PlainSandbox::new(spec.id, child)))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        Ok(0)
    }
}

#[derive(Debug)]
struct PlainSandbox {
    id: String,
    kill: Mutex<Option<tokio::sync::oneshot::Sender<()>>>,
    exit: watch::Receiver<Option<Exit>>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl PlainSandbox {
    fn new(id: String, mut child: Child) -> Self {
        let (exited, exit) = watch::channel(None);
        let (kill, killed) = tokio::sync::oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the handle aborts the task")]
        let task = tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status.ok().and_then(|status| status.code()).map_or(Exit::Signal(9), Exit::Code),
                _ = killed => {
                    child.kill().await.ok();
                    Exit::Killed
                }
            };
            exited.send_replace(Some(status));
        });
        Self { id, kill: Mutex::new(Some(kill)), exit, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }
}

#[async_trait]
impl Sandbox for PlainSandbox {
    fn id(&self) -> &str {
        &self.id
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone()).unwrap_or(Exit::Killed)
    }

    async fn kill(&self) {
        if let Some(kill) = self.kill.lock().await.take() {
            kill.send(()).ok();
        }
        self.wait().await;
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn log_tail(&self) -> String {
        String::new()
    }
}

/// The datasets of every project: those that a test wrote.
#[derive(Debug)]
pub(crate) struct TestData {
    root: PathBuf,
    files: std::sync::Mutex<Vec<(ProjectId, DatasetFile)>>,
}

#[async_trait]
impl ProjectData for TestData {
    async fn datasets(&self, project: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        let files = self.files.lock().unwrap();
        let files = files.iter().filter(|(owner, _)| *owner == project).map(|(_, file)| file.clone()).collect();
        Ok(ProjectFiles { directory: self.root.join(project.to_string()), files })
    }
}

impl TestData {
    pub(crate) fn add(&self, project: ProjectId, filename: &str, text: &str) {
        let id = DatasetId::random();
        let path = PathBuf::from(format!("{id}/original"));
        let at = self.root.join(project.to_string()).join(&path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, text).unwrap();
        let file = DatasetFile { id, filename: filename.to_owned(), path, columns: Vec::new() };
        self.files.lock().unwrap().push((project, file));
    }
}

/// A runtime of its own, ended with the test.
pub(crate) struct TestRuntime {
    pub(crate) runtime: Runtime,
    pub(crate) data: Arc<TestData>,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) tasks: Tasks,
}

impl TestRuntime {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut options = RuntimeOptions::new(scratch.path().to_owned(), scratch.path().join("cache"));
        change(&mut options);
        let data = Arc::new(TestData { root: scratch.path().join("datasets"), files: std::sync::Mutex::default() });
        let tasks = Tasks::new();
        let backend = Arc::new(PlainBackend { interpreter: interpreter() });
        let runtime = Runtime::with_backend(options, backend, data.clone(), &tasks).await;
        Self { runtime, data, scratch, tasks }
    }

    pub(crate) async fn run(&self, place: &KernelPlace, code: &str) -> ExecutionResult {
        self.run_within(place, code, Duration::from_secs(60)).await
    }

    pub(crate) async fn run_within(&self, place: &KernelPlace, code: &str, timeout: Duration) -> ExecutionResult {
        let (sink, mut live) = mpsc::channel(16);
        let running = self.runtime.execute(place, request(code, timeout), sink);
        let watching = async { while live.recv().await.is_some() {} };
        let ((), result) = tokio::join!(watching, running);
        result.unwrap()
    }

    pub(crate) fn workspace(&self, place: &KernelPlace) -> PathBuf {
        self.scratch.path().join("runtime/projects").join(place.project.to_string()).join("workspace")
    }

    /// Sockets of living kernels.
    pub(crate) fn sockets(&self) -> usize {
        entries(&self.scratch.path().join("runtime/sockets"))
    }
}

pub(crate) fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

pub(crate) fn request(code: &str, timeout: Duration) -> ExecuteRequest {
    ExecuteRequest { code: code.to_owned(), timeout, memory_bytes: 2 << 30 }
}

pub(crate) fn place() -> KernelPlace {
    KernelPlace::notebook(ProjectId::random())
}

/// Kinds and contents of outputs.
pub(crate) fn shown(outputs: &[RichOutput]) -> Vec<(OutputKind, &str)> {
    outputs.iter().map(|output| (output.kind, output.content.as_str())).collect()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn interpreter() -> PathBuf {
    PathBuf::from("/root/.cache/gristmill/venv-b/bin/python")
}
