//! The backend that a run of these tests is about, as in the tests of the runtime.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    environment::{self, ProvisionOptions, PythonEnvironment},
    sandbox::{
        BackendKind, SandboxBackend,
        docker::{DockerBackend, DockerOptions, SocketEngine},
        process::{ProcessBackend, ProcessOptions},
    },
};

/// The backend under test: what `GRISTMILL_TEST_BACKEND` names, else `process`.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says on which backend")]
fn kind() -> BackendKind {
    match std::env::var("GRISTMILL_TEST_BACKEND").as_deref() {
        Ok("docker") => BackendKind::Docker,
        Ok("process") | Err(_) => BackendKind::Process,
        Ok(other) => panic!("GRISTMILL_TEST_BACKEND is `{other}`, and there are `process` and `docker`"),
    }
}

/// The locked environment in the per-user cache; it is provisioned when it is missing.
#[expect(clippy::disallowed_methods, reason = "where the user's cache and the machine's Python are")]
pub(crate) fn python() -> PythonEnvironment {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache_dir = cache.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache")).join("gristmill");
    let options = ProvisionOptions { cache_dir, search_path: std::env::var("PATH").unwrap() };
    environment::provision(&options, PythonVersion::V3_11, &mut |line| println!("{line}")).unwrap()
}

/// The backend under test with the locked Python environment.
pub(crate) async fn open(state: &Path, tasks: &Tasks) -> Arc<dyn SandboxBackend> {
    let owner = uuid::Uuid::new_v4().simple().to_string();
    match kind() {
        BackendKind::Process => {
            let backend = ProcessBackend::new(ProcessOptions::new(state.to_owned(), owner), tasks.clone());
            backend.provide(python());
            Arc::new(backend)
        }
        BackendKind::Docker => Arc::new(docker(state, owner, tasks).await),
    }
}

#[expect(clippy::disallowed_methods, reason = "the variables of the server, for the same engine and image")]
async fn docker(state: &Path, owner: String, tasks: &Tasks) -> DockerBackend {
    let mut options = DockerOptions::new(state.to_owned(), owner);
    if let Some(base) = std::env::var("DOCKER_BASE_IMAGE").ok().filter(|image| !image.is_empty()) {
        options.build.base_image = base;
    }
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let backend = DockerBackend::new(options, Arc::new(SocketEngine::new(address)), tasks.clone());
    let version = PythonVersion::V3_11;
    let there = backend.look_for_image(version).await.unwrap();
    assert!(there, "no image {}: run `gristmill setup` with RUNTIME_BACKEND=docker", backend.image(version));
    backend
}

/// Removes what containers there are over a state directory, when it is dropped: unlike bubblewrap's sandboxes, they do
/// not end with the test's process.
#[derive(Debug)]
pub(crate) struct Containers(pub(crate) PathBuf);

impl Drop for Containers {
    #[expect(clippy::disallowed_methods, reason = "no runtime of tokio's is left here")]
    fn drop(&mut self) {
        if kind() == BackendKind::Docker {
            let script =
                "docker ps --all --quiet --filter \"label=gristmill.state=$0\" | xargs --no-run-if-empty docker rm --force";
            let mut remove = Command::new("sh");
            remove.args(["-c", script]).arg(&self.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if !remove.status().is_ok_and(|status| status.success()) {
                eprintln!("containers may be left: {}", self.0.display());
            }
        }
    }
}
