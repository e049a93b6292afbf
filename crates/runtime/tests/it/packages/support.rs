//! What the tests of packages share: a package index of their own, and layers to install into.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    InstallEvent, InstallOutcome,
    environment::install_kernel_files,
    packages::{IndexSettings, Layer, PackageNames, Packages, PackagesOptions},
    sandbox::{Access, Mount, Sandbox, SandboxBackend, SandboxSpec},
};
use tokio::sync::mpsc;

use crate::backend::{self, locked::python};

pub(crate) const VERSION: PythonVersion = PythonVersion::V3_11;

/// A package index on the loopback; ends with the test.
pub(crate) struct Index {
    server: Child,
    log: PathBuf,
    pub(crate) settings: IndexSettings,
}

impl Index {
    #[expect(clippy::disallowed_methods, reason = "the package index is a child process")]
    fn start(log: PathBuf) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/packages/index.py");
        let mut server = Command::new(python().interpreter())
            .args(["-I", script])
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let index_url = Some(format!("http://127.0.0.1:{}/simple", port.trim()));
        let settings = IndexSettings { index_url, trusted_hosts: vec!["127.0.0.1".into()], ..Default::default() };
        Self { server, log, settings }
    }

    /// What was asked for: `index /simple/good/`.
    pub(crate) fn requests(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A machine to install on.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) backend: Arc<dyn SandboxBackend>,
    pub(crate) index: Index,
    pub(crate) layer: Layer,
    tasks: Tasks,
    _containers: backend::Containers,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let backend = backend::open(&directory.path().join("state"), &tasks).await;
        let layer = Layer::open(directory.path().join("project/packages")).unwrap();
        let index = Index::start(directory.path().join("requests"));
        let containers = backend::Containers::of(directory.path().join("state"));
        Self { directory, backend, index, layer, tasks, _containers: containers }
    }

    pub(crate) fn options(&self) -> PackagesOptions {
        let files = install_kernel_files(&self.directory.path().join("cache")).unwrap();
        PackagesOptions::new(files, self.index.settings.clone(), self.directory.path().join("installs"))
    }

    pub(crate) fn packages(&self) -> Packages {
        Packages::new(Arc::clone(&self.backend), self.options())
    }

    pub(crate) async fn install(&self, names: &str) -> (InstallOutcome, Vec<InstallEvent>) {
        install(&self.packages(), &self.layer, names).await
    }

    /// Starts Python with the layer as a kernel has it.
    pub(crate) async fn python(&self, code: &str) -> Box<dyn Sandbox> {
        let guest = gristmill_runtime::packages::GUEST_LAYER.into();
        self.python_with(Mount { host: self.layer.directory().to_owned(), guest, access: Access::ReadOnly }, code).await
    }

    async fn python_with(&self, packages: Mount, code: &str) -> Box<dyn Sandbox> {
        let python = self.backend.python(VERSION).unwrap();
        let mut mounts = python.mounts;
        mounts.push(packages);
        let path = gristmill_runtime::packages::GUEST_LAYER_PATH.to_owned();
        let spec = SandboxSpec {
            id: uuid::Uuid::new_v4().simple().to_string(),
            command: vec![python.interpreter.to_string_lossy().into_owned(), "-c".into(), code.into()],
            environment: [("PYTHONPATH".to_owned(), path)].into(),
            directory: "/tmp".into(),
            mounts,
            limits: self.options().limits,
        };
        self.backend.start(spec).await.unwrap()
    }

    /// What this code prints, with the layer as a kernel has it.
    pub(crate) async fn printed(&self, code: &str) -> String {
        said(self.python(code).await).await
    }

    /// What this code prints, with packages from elsewhere.
    pub(crate) async fn printed_with(&self, packages: Mount, code: &str) -> String {
        said(self.python_with(packages, code).await).await
    }

    pub(crate) async fn finish(self) {
        assert_eq!(self.tasks.shutdown(Duration::from_secs(20)).await, 0);
    }
}

/// All that a sandbox said until it ended.
async fn said(sandbox: Box<dyn Sandbox>) -> String {
    tokio::time::timeout(Duration::from_secs(60), sandbox.wait()).await.unwrap();
    sandbox.log_tail().await.trim().to_owned()
}

pub(crate) async fn install(packages: &Packages, layer: &Layer, names: &str) -> (InstallOutcome, Vec<InstallEvent>) {
    let names = PackageNames::parse(names).unwrap();
    let (sender, mut receiver) = mpsc::channel(1000);
    let outcome = packages.install(layer, VERSION, &names, &sender).await;
    drop(sender);
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        events.push(event);
    }
    (outcome, events)
}
