//! A backend under test, and Python programs in its sandboxes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::sandbox::{
    Access, BackendKind, Exit, Mount, Sandbox, SandboxBackend, SandboxLimits, SandboxSpec,
    docker::{ContainerEngine, DockerBackend, DockerOptions, SocketEngine},
    process::{CgroupUse, ProcessBackend, ProcessOptions},
};

use crate::backend;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) backend: Arc<dyn SandboxBackend>,
    pub(crate) owner: String,
    directory: tempfile::TempDir,
    tasks: Tasks,
    _containers: backend::Containers,
}

impl Bench {
    pub(crate) fn process(cgroups: CgroupUse) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let owner = uuid::Uuid::new_v4().simple().to_string();
        Self::process_at(directory, owner, cgroups)
    }

    pub(crate) fn process_at(directory: tempfile::TempDir, owner: String, cgroups: CgroupUse) -> Self {
        let tasks = Tasks::new();
        let backend = process_backend(directory.path(), &owner, cgroups, &tasks);
        Self::made(Arc::new(backend), owner, directory, tasks)
    }

    fn made(backend: Arc<dyn SandboxBackend>, owner: String, directory: tempfile::TempDir, tasks: Tasks) -> Self {
        let containers = backend::Containers::of(directory.path().join("state"));
        Self { backend, owner, directory, tasks, _containers: containers }
    }

    /// None, and a reason printed, where no engine answers.
    pub(crate) async fn docker() -> Option<Self> {
        let owner = uuid::Uuid::new_v4().simple().to_string();
        let tasks = Tasks::new();
        let directory = tempfile::tempdir().unwrap();
        let backend = docker_backend(directory.path(), &owner, &tasks).await?;
        Some(Self::made(Arc::new(backend), owner, directory, tasks))
    }

    /// A directory below the server's data directory.
    pub(crate) fn host(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.host("workspace")
    }

    /// A sandbox that runs a Python program with a writable `/workspace`.
    pub(crate) fn spec(&self, code: &str) -> SandboxSpec {
        let command = ["python3", "-I", "-c", code];
        SandboxSpec {
            id: uuid::Uuid::new_v4().simple().to_string(),
            command: command.map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            directory: "/workspace".into(),
            mounts: vec![Mount { host: self.workspace(), guest: "/workspace".into(), access: Access::ReadWrite }],
            limits: limits(),
        }
    }

    pub(crate) async fn start(&self, code: &str) -> Box<dyn Sandbox> {
        self.backend.start(self.spec(code)).await.unwrap()
    }

    /// Runs a program to its end.
    pub(crate) async fn run(&self, code: &str) -> (Exit, String) {
        self.run_spec(self.spec(code)).await
    }

    pub(crate) async fn run_spec(&self, spec: SandboxSpec) -> (Exit, String) {
        let sandbox = self.backend.start(spec).await.unwrap();
        let exit = tokio::time::timeout(DEADLINE, sandbox.wait()).await.expect("it ends in time");
        (exit, sandbox.log_tail().await)
    }

    /// Runs a program that checks something itself: it must end well.
    pub(crate) async fn check(&self, code: &str) -> String {
        let (exit, log) = self.run(code).await;
        assert_eq!(exit, Exit::Code(0), "{log}");
        log
    }

    pub(crate) async fn finish(self) {
        assert_eq!(self.tasks.shutdown(Duration::from_secs(10)).await, 0, "a watcher did not end");
    }
}

pub(crate) fn process_backend(state: &Path, owner: &str, cgroups: CgroupUse, tasks: &Tasks) -> ProcessBackend {
    let mut options = ProcessOptions::new(state.join("state"), owner.to_owned());
    options.cgroups = cgroups;
    ProcessBackend::new(options, tasks.clone())
}

/// The backend with a plain image that has Python. None, and a reason printed, where no engine answers.
pub(crate) async fn docker_backend(state: &Path, owner: &str, tasks: &Tasks) -> Option<DockerBackend> {
    let engine = Arc::new(SocketEngine::new(backend::docker_host()));
    let slim = "python:3.11-slim";
    let image = match (backend::base_image(), engine.has_image(slim).await) {
        (_, Err(error)) => return skip(&format!("no Docker engine: {error}")),
        (Some(image), Ok(_)) => image,
        (None, Ok(true)) => slim.to_owned(),
        (None, Ok(false)) => "gristmill-base:bookworm".to_owned(),
    };
    let mut options = DockerOptions::new(state.join("state"), owner.to_owned());
    options.image = Some(image);
    let backend = DockerBackend::new(options, engine, tasks.clone());
    match backend.ensure_image(PythonVersion::V3_11, &|_| {}).await {
        Ok(()) => Some(backend),
        Err(error) => skip(&format!("{error} (docker/runtime/ci-engine.sh makes one)")),
    }
}

/// Prints why a test is skipped, or fails where it must not be.
fn skip<T>(reason: &str) -> Option<T> {
    assert!(backend::kind() != BackendKind::Docker, "{reason}");
    eprintln!("skipped: {reason}");
    None
}

pub(crate) fn limits() -> SandboxLimits {
    SandboxLimits {
        memory_bytes: 256 << 20,
        cpu_percent: 200,
        pids: 64,
        file_size_bytes: 1 << 30,
        open_files: 256,
        tmp_bytes: 64 << 20,
        disk_bytes: 1 << 30,
    }
}

/// Waits until the log has this text.
pub(crate) async fn logged(sandbox: &dyn Sandbox, text: &str) {
    until(async || sandbox.log_tail().await.contains(text), text).await;
}

pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool, what: &str) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < end, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Processes of this machine with this text among their arguments, zombies left out.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        *id != own && line.windows(text.len()).any(|window| window == text.as_bytes())
    })
    .collect()
}
