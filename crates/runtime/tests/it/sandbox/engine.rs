//! The docker backend over an engine that comes and goes. The engine is the test's own: restarting the machine's would
//! end other people's containers.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use gristmill_domain::execution::{ExecutionStatus, OutputKind, PythonVersion};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    PlaceState,
    sandbox::{
        Exit, SandboxBackend, SandboxError,
        docker::{BuildInputs, DockerBackend, DockerOptions, SocketEngine},
        process::CgroupUse,
    },
};

use super::support::{Bench, DEADLINE, docker_backend, logged, until};
use crate::{
    backend,
    support::{TestRuntime, place, shown},
};

#[tokio::test(flavor = "multi_thread")]
async fn tells_how_to_mend_a_missing_engine() {
    let state = tempfile::tempdir().unwrap();
    let engine = Arc::new(SocketEngine::new("unix:///nowhere/docker.sock".to_owned()));
    let options = DockerOptions::new(state.path().to_owned(), "nobody".to_owned());
    let backend = DockerBackend::new(options, engine, Tasks::new());
    for error in [backend.probe().await.unwrap_err(), backend.ensure_image(PythonVersion::V3_11, &|_| {}).await.unwrap_err()] {
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
    let (state, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    if docker_backend(state.path(), "builds", &tasks).await.is_none() {
        return;
    }
    let mut options = DockerOptions::new(state.path().to_owned(), "builds".to_owned());
    options.build = BuildInputs { base_image: "localhost:1/no/such/image:{pythonVersion}".to_owned(), ..BuildInputs::default() };
    let backend = DockerBackend::new(options, Arc::new(SocketEngine::new(backend::docker_host())), tasks);
    let error = backend.ensure_image(PythonVersion::V3_11, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("gristmill-runtime:3.11-") && error.contains("localhost:1"), "{error}");
    let error = backend.probe().await.unwrap_err().to_string();
    assert!(error.contains("no image"), "{error}");
}

/// Two servers over one data directory: the start of one must not end what the other runs.
#[tokio::test(flavor = "multi_thread")]
async fn leaves_the_containers_of_a_server_that_runs() {
    let Some(bench) = Bench::docker().await else { return };
    let sandbox = bench.start("import time\nprint('up', flush=True)\ntime.sleep(1000)").await;
    logged(&*sandbox, "up").await;
    let tasks = Tasks::new();
    let other = docker_backend(bench.host("").as_path(), &bench.owner, &tasks).await.unwrap();
    assert_eq!(other.sweep().await.unwrap(), 0);
    assert!(sandbox.usage().await.pids > 0);
    sandbox.kill().await;
    bench.finish().await;
}

/// Where the engine's files are not this server's, a container sees an empty directory, or none.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_sees_other_files_is_refused() {
    let Some(bench) = Bench::docker().await else { return };
    // A file system in a mount namespace of one's own, as systemd's `PrivateTmp=` makes one.
    let output = hidden_probe(&bench.host("hidden"));
    if output.starts_with("skipped") {
        eprintln!("{output}");
    } else {
        assert!(output.contains("does not serve this server") && output.contains("RUNTIME_BACKEND=process"), "{output}");
    }
    bench.finish().await;
}

/// This test program again, with a data directory that nobody else sees.
#[expect(clippy::disallowed_methods, reason = "the test plays a server of its own")]
fn hidden_probe(directory: &Path) -> String {
    if !rustix::process::geteuid().is_root() {
        return "skipped: a mount namespace needs root".to_owned();
    }
    let program = std::env::current_exe().unwrap();
    let script = "mount --make-rprivate / && mount -t tmpfs none \"$TMPDIR\" && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(program)
        .args(["--exact", "sandbox::engine::probes_when_asked", "--nocapture"])
        .env("GRISTMILL_TEST_PROBE", "yes")
        .env("TMPDIR", directory)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Does nothing, except in the program that [`hidden_probe`] starts.
#[tokio::test(flavor = "multi_thread")]
async fn probes_when_asked() {
    #[expect(clippy::disallowed_methods, reason = "how the two test programs speak")]
    let Ok(_) = std::env::var("GRISTMILL_TEST_PROBE") else { return };
    let (state, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let backend = docker_backend(state.path(), "hidden", &tasks).await.unwrap();
    match backend.probe().await {
        Ok(isolation) => println!("it works: {isolation:?}"),
        Err(error) => println!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_a_restart_of_the_engine() {
    let (directory, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let Some(image) = own_engine_possible(directory.path(), &tasks).await else { return };
    let mut engine = OwnEngine::start(directory.path()).await;
    engine.copy_image(&image);

    let mut options = DockerOptions::new(directory.path().join("state"), "restarts".to_owned());
    options.image = Some(image);
    let socket = Arc::new(SocketEngine::new(engine.address.clone()));
    let backend = DockerBackend::new(options, socket, tasks.clone());
    backend.ensure_image(PythonVersion::V3_11, &|_| {}).await.unwrap();
    let bench = Bench::process(CgroupUse::Never);
    let spec = bench.spec("import time\nprint('up', flush=True)\nwhile True: time.sleep(1)");
    let sandbox = backend.start(spec.clone()).await.unwrap();
    logged(&*sandbox, "up").await;

    engine.stop(rustix::process::Signal::TERM);
    let _engine = OwnEngine::start(directory.path()).await;
    let exit = tokio::time::timeout(DEADLINE, sandbox.wait()).await.expect("its end is noticed");
    assert_eq!(exit, Exit::Signal(15), "the engine stops its containers when it stops");
    let mut next = spec;
    next.id = "after".to_owned();
    let sandbox = backend.start(next).await.unwrap();
    logged(&*sandbox, "up").await;
    sandbox.kill().await;
    assert_eq!(sandbox.wait().await, Exit::Killed);
    assert_eq!(tasks.shutdown(DEADLINE).await, 0);
}

/// The engine is killed in the middle of a run. While it is away the kernel goes on, since nothing of it goes through the
/// engine; when it is back, it ends the containers that it finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_its_engine_and_the_next_has_a_new_kernel() {
    let (directory, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    if backend::kind() != gristmill_runtime::sandbox::BackendKind::Docker {
        eprintln!("skipped: this run of the tests is not about docker");
        return;
    }
    let Some(_) = own_engine_possible(directory.path(), &tasks).await else { return };
    let machines = backend::docker(directory.path(), "machines".to_owned(), &backend::docker_host(), &tasks).await;
    let mut engine = OwnEngine::start(directory.path()).await;
    engine.copy_image(&machines.image(PythonVersion::V3_11));
    let test = TestRuntime::with(|options| options.docker_host.clone_from(&engine.address)).await;
    let place = place();
    test.run(&place, "kept = 1; open('kept.txt', 'w').write('here')").await;

    let code = "import time\nprint('begun', flush=True)\nopen('begun', 'w').close()\nwhile True: time.sleep(0.1)";
    let running = test.run(&place, code);
    let begun = test.workspace(&place).join("begun");
    let restarting = async {
        until(async || begun.exists(), "the run has begun").await;
        engine.stop(rustix::process::Signal::KILL);
        assert_eq!(test.runtime.state(&place), PlaceState::Busy);
        OwnEngine::start(directory.path()).await
    };
    let (ended, engine) = tokio::join!(running, restarting);
    assert_eq!((ended.status, ended.stdout.as_str()), (ExecutionStatus::Error, "begun\n"), "{ended:?}");
    assert!(ended.error.as_ref().unwrap().starts_with("Kernel died: "), "{ended:?}");
    let next = test.run(&place, "('kept' in globals(), open('kept.txt').read())").await;
    assert_eq!(shown(&next.outputs), [(OutputKind::Text, "(False, 'here')")], "{next:?}");
    test.runtime.shutdown().await;
    assert_eq!(test.tasks.shutdown(Duration::from_secs(20)).await, 0);
    drop(engine);
}

/// The image to put into an engine of one's own. None, and a reason printed, where that is not possible.
async fn own_engine_possible(directory: &Path, tasks: &Tasks) -> Option<String> {
    let machines = docker_backend(directory, "machines", tasks).await?;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: an engine of one's own needs root");
        return None;
    }
    Some(machines.image(PythonVersion::V3_11))
}

struct OwnEngine {
    process: Child,
    address: String,
    root: String,
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
        let mut engine = Self { process, address, root: at("data") };
        let log = || std::fs::read_to_string(at("log")).unwrap_or_default();
        until(
            async || {
                assert!(engine.process.try_wait().unwrap().is_none(), "dockerd ended: {}", log());
                engine.docker(&["version"]).stdout(Stdio::null()).status().unwrap().success()
            },
            "dockerd",
        )
        .await;
        engine
    }

    /// Ends the engine with this signal.
    fn stop(&mut self, signal: rustix::process::Signal) {
        if self.process.try_wait().unwrap().is_none() {
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal).unwrap();
            self.process.wait().unwrap();
        }
        // What it had started ends a moment later; the next engine would take it for its own, and wait for it in vain.
        let helper = std::fs::read_to_string(format!("{}/../exec/containerd/containerd.pid", self.root)).unwrap_or_default();
        let deadline = std::time::Instant::now() + DEADLINE;
        while !helper.is_empty() && Path::new("/proc").join(helper.trim()).exists() {
            assert!(std::time::Instant::now() < deadline, "containerd does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test looks at an engine of its own")]
    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.address]).args(arguments).stderr(Stdio::null());
        command
    }

    #[expect(clippy::disallowed_methods, reason = "the test fills an engine of its own")]
    fn copy_image(&self, image: &str) {
        let host = backend::docker_host();
        let mut save = Command::new("docker").args(["--host", &host, "save", image]).stdout(Stdio::piped()).spawn().unwrap();
        let saved = save.stdout.take().unwrap();
        assert!(self.docker(&["load"]).stdin(saved).stdout(Stdio::null()).status().unwrap().success());
        assert!(save.wait().unwrap().success());
    }
}

impl Drop for OwnEngine {
    #[expect(clippy::disallowed_methods, reason = "an engine that was killed leaves its directory mounted")]
    fn drop(&mut self) {
        self.stop(rustix::process::Signal::TERM);
        let mut unmount = Command::new("umount");
        unmount.args(["--lazy", "--recursive", &self.root]).stderr(Stdio::null());
        while unmount.status().is_ok_and(|status| status.success()) {}
    }
}
