//! Workers over a stand-in for the package, or over the package itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use gristmill_deployment::worker::{Label, Worker, WorkerError, WorkerSettings, WorkerSpec, WorkerStatus};
use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::sandbox::{
    BackendKind, Exit, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxLimits, SandboxSpec, Usage,
};
use serde_json::{Map, Value, json};

use crate::backend;

pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// A backend and a directory of the server's.
pub(crate) struct Bench {
    pub(crate) backend: Arc<Watched>,
    pub(crate) tasks: Tasks,
    pub(crate) directory: tempfile::TempDir,
    _containers: backend::Containers,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let state = directory.path().join("state");
        let backend = backend::open(&state, &tasks).await;
        let backend = Arc::new(Watched { backend, started: Mutex::default() });
        Self { backend, tasks, directory, _containers: backend::Containers::of(state) }
    }

    /// A directory that everybody may read, with these files.
    pub(crate) fn directory(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = self.directory.path().join(name);
        for (file, content) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        }
        open_to_all(&path);
        path
    }

    /// A worker with the stand-in, of this manner.
    pub(crate) fn spec(&self, manner: &str) -> WorkerSpec {
        let puppet = include_str!("puppet.py");
        let package = self.directory("package", &[("gristmill_ml/__init__.py", ""), ("gristmill_ml/__main__.py", puppet)]);
        let model = self.directory(&format!("model-{manner}"), &[("manner.json", &json!(manner).to_string())]);
        self.spec_of(model, package)
    }

    pub(crate) fn spec_of(&self, model: PathBuf, package: PathBuf) -> WorkerSpec {
        let settings = WorkerSettings {
            pause_first: Duration::from_millis(10),
            pause_max: Duration::from_millis(50),
            request_timeout: DEADLINE,
            ..WorkerSettings::default()
        };
        WorkerSpec {
            name: "test".to_owned(),
            model,
            package,
            packages: None,
            scratch: self.directory.path().join("scratch"),
            python: PythonVersion::V3_11,
            limits: SandboxLimits {
                memory_bytes: 1 << 30,
                cpu_percent: 200,
                pids: 64,
                file_size_bytes: 64 << 20,
                open_files: 256,
                tmp_bytes: 64 << 20,
                disk_bytes: 64 << 20,
            },
            explains: false,
            settings,
        }
    }

    pub(crate) fn start(&self, spec: WorkerSpec) -> Worker {
        Worker::start(self.backend.clone(), &self.tasks, spec)
    }

    /// A ready worker with the stand-in.
    pub(crate) async fn ready(&self, spec: WorkerSpec) -> Worker {
        let worker = self.start(spec);
        ready(&worker).await;
        worker
    }

    /// Ends everything and sees that nothing is left.
    pub(crate) async fn finish(self) {
        assert_eq!(self.tasks.shutdown(Duration::from_secs(30)).await, 0, "a task did not end");
        assert_eq!(fs::read_dir(self.directory.path().join("scratch")).unwrap().count(), 0, "files are left");
    }
}

pub(crate) fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() { open_to_all(&entry) } else { fs::set_permissions(&entry, fs::Permissions::from_mode(0o644)).unwrap() }
    }
}

pub(crate) async fn ready(worker: &Worker) {
    match tokio::time::timeout(DEADLINE, worker.ready()).await.expect("it is ready in time") {
        Ok(()) => {}
        Err(error) => panic!("{error}\n{}", worker.log_tail().await),
    }
}

/// Waits for a status.
pub(crate) async fn until(worker: &Worker, holds: impl Fn(&WorkerStatus) -> bool) -> WorkerStatus {
    let mut changes = worker.changes();
    let waiting = changes.wait_for(|status| holds(status));
    tokio::time::timeout(DEADLINE, waiting).await.expect("waited too long").unwrap().clone()
}

pub(crate) fn row(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Asks the stand-in to do something.
pub(crate) async fn tell(worker: &Worker, what: &str) -> Result<String, WorkerError> {
    answer(worker, &json!({ "do": what })).await
}

/// Asks the stand-in for its answer to a row.
pub(crate) async fn answer(worker: &Worker, asked: &Value) -> Result<String, WorkerError> {
    let rows = worker.predict(&[row(asked)]).await?;
    match &rows[0].prediction {
        Label::Text(text) => Ok(text.clone()),
        Label::Number(number) => panic!("{number}"),
    }
}

/// A backend whose sandboxes can be ended from outside, as an operator or an engine would.
#[derive(Debug)]
pub(crate) struct Watched {
    backend: Arc<dyn SandboxBackend>,
    started: Mutex<Vec<Arc<dyn Sandbox>>>,
}

impl Watched {
    /// Every sandbox that was started, the last one last.
    pub(crate) fn started(&self) -> Vec<Arc<dyn Sandbox>> {
        self.started.lock().unwrap().clone()
    }
}

#[async_trait]
impl SandboxBackend for Watched {
    fn kind(&self) -> BackendKind {
        self.backend.kind()
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.backend.probe().await
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        self.backend.python(version)
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let sandbox: Arc<dyn Sandbox> = self.backend.start(spec).await?.into();
        self.started.lock().unwrap().push(Arc::clone(&sandbox));
        Ok(Box::new(Seen(sandbox)))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        self.backend.sweep().await
    }
}

#[derive(Debug)]
struct Seen(Arc<dyn Sandbox>);

#[async_trait]
impl Sandbox for Seen {
    fn id(&self) -> &str {
        self.0.id()
    }

    async fn wait(&self) -> Exit {
        self.0.wait().await
    }

    async fn kill(&self) {
        self.0.kill().await;
    }

    async fn usage(&self) -> Usage {
        self.0.usage().await
    }

    async fn log_tail(&self) -> String {
        self.0.log_tail().await
    }
}
