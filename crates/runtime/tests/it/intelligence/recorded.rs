//! The backend under test, which remembers what it started, and fails where a test wants it to.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::sandbox::{
    BackendKind, Exit, GuestPython, Isolation, Mount, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage,
};

#[derive(Debug)]
pub(crate) struct Recorded {
    inner: Arc<dyn SandboxBackend>,
    started: Mutex<Vec<Weak<dyn Sandbox>>>,
    /// Runs this instead of Python.
    pub(crate) interpreter: Option<PathBuf>,
    /// Starts nothing, and says why.
    pub(crate) broken: Option<String>,
}

impl Recorded {
    pub(crate) fn new(inner: Arc<dyn SandboxBackend>) -> Self {
        Self { inner, started: Mutex::default(), interpreter: None, broken: None }
    }

    /// How many sandboxes were started.
    pub(crate) fn count(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    /// Ends the last one, as a crash would.
    pub(crate) async fn kill_last(&self) {
        let last = self.started.lock().unwrap().last().and_then(Weak::upgrade).expect("it is alive");
        last.kill().await;
    }
}

#[async_trait]
impl SandboxBackend for Recorded {
    fn kind(&self) -> BackendKind {
        self.inner.kind()
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.inner.probe().await
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        let python = self.inner.python(version)?;
        let interpreter = self.interpreter.clone().unwrap_or_else(|| python.interpreter.clone());
        Ok(GuestPython { interpreter, ..python })
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        if let Some(reason) = &self.broken {
            return Err(SandboxError::Start(reason.clone()));
        }
        let sandbox: Arc<dyn Sandbox> = self.inner.start(spec).await?.into();
        self.started.lock().unwrap().push(Arc::downgrade(&sandbox));
        Ok(Box::new(Started(sandbox)))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        self.inner.sweep().await
    }

    fn mounts_late(&self) -> Result<(), SandboxError> {
        self.inner.mounts_late()
    }
}

#[derive(Debug)]
struct Started(Arc<dyn Sandbox>);

#[async_trait]
impl Sandbox for Started {
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

    async fn mount(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        self.0.mount(mounts).await
    }
}
