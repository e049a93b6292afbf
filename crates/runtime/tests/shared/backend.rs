//! The backend that a run of tests is about: `cargo xtask test` runs them once on each. The tests of every crate that runs
//! sandboxes include this file.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    RuntimeOptions,
    sandbox::{
        BackendKind, SandboxBackend,
        choose::BackendSetting,
        docker::{DockerBackend, DockerOptions, SocketEngine},
        process::{ProcessBackend, ProcessOptions},
    },
};

#[path = "python.rs"]
pub(crate) mod locked;

use locked::python;

/// The backend under test: what `GRISTMILL_TEST_BACKEND` names, else `process`.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says on which backend")]
pub(crate) fn kind() -> BackendKind {
    match std::env::var("GRISTMILL_TEST_BACKEND").as_deref() {
        Ok("docker") => BackendKind::Docker,
        Ok("process") | Err(_) => BackendKind::Process,
        Ok(other) => panic!("GRISTMILL_TEST_BACKEND is `{other}`, and there are `process` and `docker`"),
    }
}

/// Where the engine is, as for the server.
#[expect(clippy::disallowed_methods, reason = "the variable of the server, for the same engine")]
pub(crate) fn docker_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// What the image is built from, as for the server.
#[expect(clippy::disallowed_methods, reason = "the variable of the server, for the same image")]
pub(crate) fn base_image() -> Option<String> {
    std::env::var("DOCKER_BASE_IMAGE").ok().filter(|image| !image.is_empty())
}

/// Sets what a runtime must know to use the backend under test.
pub(crate) fn set(options: &mut RuntimeOptions) {
    options.backend = BackendSetting::Only(kind());
    options.docker_host = docker_host();
    options.docker_base_image = base_image();
    // Other tests run beside it.
    options.startup_timeout = Duration::from_mins(2);
    // By each of twenty tests at once it would take an hour.
    options.docker_builds = false;
    if kind() == BackendKind::Process {
        python();
    }
}

/// Removes what containers there are over a state directory, when it is dropped: unlike bubblewrap's sandboxes, they do
/// not end with the test's process.
#[derive(Debug)]
pub(crate) struct Containers {
    state: PathBuf,
}

impl Containers {
    pub(crate) fn of(state: PathBuf) -> Self {
        Self { state }
    }
}

impl Drop for Containers {
    #[expect(clippy::disallowed_methods, reason = "no runtime of tokio's is left here")]
    fn drop(&mut self) {
        if kind() == BackendKind::Docker {
            let script =
                "docker ps --all --quiet --filter \"label=gristmill.state=$0\" | xargs --no-run-if-empty docker rm --force";
            let mut remove = Command::new("sh");
            remove.args(["-c", script]).arg(&self.state).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if !remove.status().is_ok_and(|status| status.success()) {
                eprintln!("containers may be left: {}", self.state.display());
            }
        }
    }
}

/// The backend under test with the locked Python environment.
pub(crate) async fn open(state: &Path, tasks: &Tasks) -> Arc<dyn SandboxBackend> {
    open_as(state, uuid::Uuid::new_v4().simple().to_string(), tasks).await
}

/// The same, with a name that its sandboxes carry.
pub(crate) async fn open_as(state: &Path, owner: String, tasks: &Tasks) -> Arc<dyn SandboxBackend> {
    match kind() {
        BackendKind::Process => {
            let backend = ProcessBackend::new(ProcessOptions::new(state.to_owned(), owner), tasks.clone());
            backend.provide(python());
            Arc::new(backend)
        }
        BackendKind::Docker => Arc::new(docker(state, owner, &docker_host(), tasks).await),
    }
}

/// The docker backend on the engine at this address, which has the image.
pub(crate) async fn docker(state: &Path, owner: String, address: &str, tasks: &Tasks) -> DockerBackend {
    let mut options = DockerOptions::new(state.to_owned(), owner);
    if let Some(base) = base_image() {
        options.build.base_image = base;
    }
    let engine = Arc::new(SocketEngine::new(address.to_owned()));
    let backend = DockerBackend::new(options, engine, tasks.clone());
    let version = PythonVersion::V3_11;
    let there = backend.look_for_image(version).await.unwrap();
    assert!(there, "no image {}: run `gristmill setup` with RUNTIME_BACKEND=docker", backend.image(version));
    backend
}
