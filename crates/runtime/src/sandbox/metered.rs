//! A backend whose sandboxes are counted, whatever runs in them.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;

use super::{BackendKind, Exit, GuestPython, Isolation, Mount, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage};

/// Counts what another backend starts.
#[derive(Debug)]
pub(crate) struct Metered(pub(crate) Arc<dyn SandboxBackend>);

/// Counts itself until it is dropped: dropping a sandbox ends it.
#[derive(Debug)]
struct MeteredSandbox {
    inner: Box<dyn Sandbox>,
    backend: &'static str,
}

impl Drop for MeteredSandbox {
    fn drop(&mut self) {
        metrics::gauge!("gristmill_sandboxes_alive", "backend" => self.backend).decrement(1.0);
    }
}

#[async_trait]
impl SandboxBackend for Metered {
    fn kind(&self) -> BackendKind {
        self.0.kind()
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.0.probe().await
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        self.0.python(version)
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let (began, backend) = (Instant::now(), self.kind().as_str());
        let started = self.0.start(spec).await;
        let outcome = if started.is_ok() { "started" } else { "failed" };
        metrics::counter!("gristmill_sandbox_starts_total", "backend" => backend, "outcome" => outcome).increment(1);
        let inner = started?;
        metrics::histogram!("gristmill_sandbox_start_duration_seconds", "backend" => backend).record(began.elapsed());
        metrics::gauge!("gristmill_sandboxes_alive", "backend" => backend).increment(1.0);
        Ok(Box::new(MeteredSandbox { inner, backend }))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        self.0.sweep().await
    }

    fn mounts_late(&self) -> Result<(), SandboxError> {
        self.0.mounts_late()
    }
}

#[async_trait]
impl Sandbox for MeteredSandbox {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn wait(&self) -> Exit {
        self.inner.wait().await
    }

    async fn kill(&self) {
        self.inner.kill().await;
    }

    async fn usage(&self) -> Usage {
        self.inner.usage().await
    }

    async fn log_tail(&self) -> String {
        self.inner.log_tail().await
    }

    async fn mount(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        self.inner.mount(mounts).await
    }
}
