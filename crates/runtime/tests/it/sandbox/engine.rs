//! The docker backend over an engine that comes and goes. The engine is the test's own: restarting the machine's would
//! end other people's containers.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::sandbox::{
    Exit, SandboxBackend, SandboxError,
    docker::{BuildInputs, DockerBackend, DockerOptions, SocketEngine},
    process::CgroupUse,
};

use super::support::{Bench, DEADLINE, docker_backend, logged, until};

const MACHINES_SOCKET: &str = "unix:///var/run/docker.sock";

#[tokio::test(flavor = "multi_thread")]
async fn tells_how_to_mend_a_missing_engine() {
    let engine = Arc::new(SocketEngine::new("unix:///nowhere/docker.sock".to_owned()));
    let backend = DockerBackend::new(DockerOptions::new("nobody".to_owned()), engine, Tasks::new());
    for error in [backend.probe().await.unwrap_err(), backend.ensure_image(PythonVersion::V3_11).await.unwrap_err()] {
        let SandboxError::Unavailable { reason, remedy } = error else { panic!("{error}") };
        assert!(reason.contains("/nowhere/docker.sock") && remedy.contains("DOCKER_HOST"), "{reason}; {remedy}");
    }
    let refused = backend.python(PythonVersion::V3_11).unwrap_err();
    assert!(refused.to_string().contains("gristmill setup"), "{refused}");
    let bench = Bench::process(CgroupUse::Never);
    assert!(matches!(backend.start(bench.spec("pass")).await, Err(SandboxError::Start(_))));
    backend.sweep().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_why_an_image_cannot_be_built() {
    let tasks = Tasks::new();
    if docker_backend("builds", &tasks).await.is_none() {
        return;
    }
    let mut options = DockerOptions::new("builds".to_owned());
    options.build = BuildInputs { base_image: "localhost:1/no/such/image:{version}".to_owned(), ..BuildInputs::default() };
    let backend = DockerBackend::new(options, Arc::new(SocketEngine::new(MACHINES_SOCKET.to_owned())), tasks);
    let error = backend.ensure_image(PythonVersion::V3_11).await.unwrap_err().to_string();
    assert!(error.contains("gristmill-runtime:3.11-") && error.contains("localhost:1"), "{error}");
    let error = backend.probe().await.unwrap_err().to_string();
    assert!(error.contains("no image"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_a_restart_of_the_engine() {
    let tasks = Tasks::new();
    let machines = docker_backend("restarts", &tasks).await;
    if machines.is_none() || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: an engine of one's own needs root and docker.io");
        return;
    }
    let image = machines.unwrap().image(PythonVersion::V3_11);
    let directory = tempfile::tempdir().unwrap();
    let engine = OwnEngine::start(directory.path()).await;
    engine.copy_image(&image);

    let mut options = DockerOptions::new("restarts".to_owned());
    options.image = Some(image);
    let socket = Arc::new(SocketEngine::new(engine.address.clone()));
    let backend = DockerBackend::new(options, socket, tasks.clone());
    backend.ensure_image(PythonVersion::V3_11).await.unwrap();
    let bench = Bench::process(CgroupUse::Never);
    let spec = bench.spec("import time\nprint('up', flush=True)\nwhile True: time.sleep(1)");
    let sandbox = backend.start(spec.clone()).await.unwrap();
    logged(&*sandbox, "up").await;

    drop(engine);
    let engine = OwnEngine::start(directory.path()).await;
    let exit = tokio::time::timeout(DEADLINE, sandbox.wait()).await.expect("its end is noticed");
    assert_eq!(exit, Exit::Signal(15), "the engine stops its containers when it stops");
    let mut next = spec;
    next.id = "after".to_owned();
    let sandbox = backend.start(next).await.unwrap();
    logged(&*sandbox, "up").await;
    sandbox.kill().await;
    assert_eq!(sandbox.wait().await, Exit::Killed);
    drop(engine);
}

struct OwnEngine {
    process: Child,
    address: String,
}

impl OwnEngine {
    #[expect(clippy::disallowed_methods, reason = "the test runs an engine of its own")]
    async fn start(directory: &Path) -> Self {
        let at = |name: &str| directory.join(name).display().to_string();
        let address = format!("unix://{}", at("docker.sock"));
        let process = Command::new("dockerd")
            .args(["--host", &address, "--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let engine = Self { process, address };
        until(async || engine.docker(&["version"]).stdout(Stdio::null()).status().unwrap().success(), "dockerd").await;
        engine
    }

    #[expect(clippy::disallowed_methods, reason = "the test looks at an engine of its own")]
    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.address]).args(arguments).stderr(Stdio::null());
        command
    }

    #[expect(clippy::disallowed_methods, reason = "the test fills an engine of its own")]
    fn copy_image(&self, image: &str) {
        let mut save =
            Command::new("docker").args(["--host", MACHINES_SOCKET, "save", image]).stdout(Stdio::piped()).spawn().unwrap();
        let saved = save.stdout.take().unwrap();
        assert!(self.docker(&["load"]).stdin(saved).stdout(Stdio::null()).status().unwrap().success());
        assert!(save.wait().unwrap().success());
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap();
    }
}
