//! The facade: kernels for places.

mod install;
mod options;
mod status;

use std::sync::Arc;

use gristmill_domain::{
    execution::{ExecutionResult, PackageInfo, RichOutput},
    ids::{ExecutionSessionId, ProjectId},
};
use gristmill_jobs::Tasks;
use tokio::sync::{broadcast, mpsc};

pub use self::{
    install::{InstallEvent, InstallOutcome},
    options::RuntimeOptions,
    status::{Export, PlaceState, RuntimeEvent, RuntimeEventKind, RuntimeStatus},
};
use crate::{
    error::RuntimeError,
    places::{ExecuteRequest, KernelPlace},
    project_data::ProjectData,
    sandbox::SandboxBackend,
};

/// Runs code in sandboxed kernels. Cheap to clone; clones share the kernels.
#[derive(Debug, Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: RuntimeOptions,
    events: broadcast::Sender<RuntimeEvent>,
}

#[expect(clippy::unused_async, reason = "the bodies arrive with the kernels")]
impl Runtime {
    /// Starts the runtime: chooses a backend, sweeps what an earlier server left, finds the Python environments. It
    /// never fails; [`Self::status`] tells what is missing.
    pub async fn start(options: RuntimeOptions, data: Arc<dyn ProjectData>, tasks: &Tasks) -> Self {
        let _ = (data, tasks);
        Self { inner: Arc::new(Inner { options, events: broadcast::channel(256).0 }) }
    }

    /// As [`Self::start`], on this backend: for programs that bring their own.
    pub async fn with_backend(
        options: RuntimeOptions,
        backend: Arc<dyn SandboxBackend>,
        data: Arc<dyn ProjectData>,
        tasks: &Tasks,
    ) -> Self {
        let _ = backend;
        Self::start(options, data, tasks).await
    }

    /// Whether and how code can be run here.
    #[must_use]
    pub fn status(&self) -> RuntimeStatus {
        RuntimeStatus { ready: false, isolation: None, reasons: Vec::new(), versions: Vec::new(), active: 0 }
    }

    /// What happens to kernels from now on. A receiver that is slow misses events, never delays a kernel.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.inner.events.subscribe()
    }

    /// What the place is doing.
    #[must_use]
    pub fn state(&self, place: &KernelPlace) -> PlaceState {
        let _ = place;
        PlaceState::Absent
    }

    /// Makes sure that the place has a sandbox with a ready kernel.
    ///
    /// # Errors
    /// `RuntimeUnavailable`, `SandboxFailed`, `TooManyRequests`, `ShuttingDown`, `Internal`.
    ///
    /// # Cancel safety
    /// Cancel safe: the start goes on.
    pub async fn ensure(&self, place: &KernelPlace) -> Result<(), RuntimeError> {
        let _ = place;
        Err(missing())
    }

    /// Runs code, after the earlier runs of the place. Live outputs go to `sink`; one that is slow gets text in larger
    /// pieces and may miss outputs, one that is closed is ignored. The result has everything that is to be kept.
    ///
    /// # Errors
    /// As [`Self::ensure`]. Code that fails, runs into its deadline or takes its kernel down is a result, not an error.
    ///
    /// # Cancel safety
    /// Cancel safe: the code goes on. [`Self::interrupt`] stops it.
    pub async fn execute(
        &self,
        place: &KernelPlace,
        request: ExecuteRequest,
        sink: mpsc::Sender<RichOutput>,
    ) -> Result<ExecutionResult, RuntimeError> {
        let _ = (place, request, sink);
        Err(missing())
    }

    /// Interrupts the run of the place: it ends with `KeyboardInterrupt`. False: nothing runs.
    ///
    /// # Errors
    /// `SandboxFailed` when the kernel does not take the request.
    pub async fn interrupt(&self, place: &KernelPlace) -> Result<bool, RuntimeError> {
        let _ = place;
        Ok(false)
    }

    /// Replaces the kernel by a new one; a run ends with an error that says so. Starts one when there is none. Files
    /// stay, variables do not.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub async fn restart(&self, place: &KernelPlace) -> Result<(), RuntimeError> {
        let _ = place;
        Err(missing())
    }

    /// Ends the sandbox and keeps the workspace.
    pub async fn close(&self, place: &KernelPlace) {
        let _ = place;
    }

    /// Ends a session's sandbox and removes its workspace.
    pub async fn discard_session(&self, project: ProjectId, session: ExecutionSessionId) {
        let _ = (project, session);
    }

    /// Ends every sandbox of a project and removes all that the runtime keeps for it.
    pub async fn discard_project(&self, project: ProjectId) {
        let _ = project;
    }

    /// Takes over what code saved with `save_to_project` since the last call. Entries that are not what they should be
    /// (links, other kinds of files, too large, bad names) are skipped.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn drain_exports(&self, place: &KernelPlace) -> Result<Vec<Export>, RuntimeError> {
        let _ = place;
        Ok(Vec::new())
    }

    /// Installs packages into the project's layer, which all its places see.
    pub async fn install(&self, place: &KernelPlace, packages: &str, sink: mpsc::Sender<InstallEvent>) -> InstallOutcome {
        let _ = (place, packages, sink);
        InstallOutcome { success: false, message: missing().to_string() }
    }

    /// The packages that a place's kernel can import, sorted by lower-cased name.
    pub async fn packages(&self, place: &KernelPlace) -> Vec<PackageInfo> {
        let _ = place;
        Vec::new()
    }

    /// Packages that begin with, or contain, what was typed.
    pub async fn suggest(&self, typed: &str, limit: usize) -> Vec<PackageInfo> {
        let _ = (typed, limit);
        Vec::new()
    }

    /// Ends every sandbox.
    pub async fn shutdown(&self) {
        tracing::debug!(runtime.data_dir = %self.inner.options.data_dir.display(), "the runtime is shut down");
    }
}

fn missing() -> RuntimeError {
    RuntimeError::Unavailable { reason: "no sandbox backend is ready".to_owned() }
}
