//! A runtime over a scratch directory, with real kernels.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gristmill_domain::{
    execution::{ExecutionResult, OutputKind, RichOutput},
    ids::{DatasetId, ProjectId},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{DatasetFile, ExecuteRequest, KernelPlace, ProjectData, ProjectFiles, Runtime, RuntimeOptions};
use tokio::sync::mpsc;

use crate::backend;

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
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, files: std::sync::Mutex::default() }
    }

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
    _containers: backend::Containers,
}

impl TestRuntime {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut options = RuntimeOptions::new(scratch.path().to_owned(), backend::locked::cache_dir());
        backend::set(&mut options);
        change(&mut options);
        let data = Arc::new(TestData::new(scratch.path().join("datasets")));
        let tasks = Tasks::new();
        let runtime = Runtime::start(options, data.clone(), &tasks).await;
        let containers = backend::Containers::of(scratch.path().join("runtime/sandboxes"));
        Self { runtime, data, scratch, tasks, _containers: containers }
    }

    /// Another server over the same data directory.
    pub(crate) async fn beside(&self) -> Runtime {
        let mut options = RuntimeOptions::new(self.scratch.path().to_owned(), backend::locked::cache_dir());
        backend::set(&mut options);
        Runtime::start(options, self.data.clone(), &self.tasks).await
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
        sockets(self.scratch.path())
    }
}

/// Sockets of living kernels over a data directory: each server has a directory of its own.
pub(crate) fn sockets(data_dir: &Path) -> usize {
    let servers = std::fs::read_dir(data_dir.join("runtime/sockets")).into_iter().flatten();
    servers.map(|server| entries(&server.unwrap().path())).sum()
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
