//! Start, end, output and what is left behind.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use gristmill_jobs::Tasks;
use gristmill_runtime::sandbox::{Access, BackendKind, Exit, Mount, SandboxBackend, SandboxError, process::CgroupUse};

use super::support::{Bench, DEADLINE, docker_backend, logged, process_backend, processes_with, until};

const FOREVER: &str = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)";

pub(crate) async fn probes_and_tells_its_isolation(bench: &Bench) {
    let isolation = bench.backend.probe().await.unwrap();
    assert_eq!(isolation.backend, bench.backend.kind());
    assert!(isolation.measures.iter().any(|line| line.contains("no network")), "{isolation:?}");
}

pub(crate) async fn tells_how_a_program_ended(bench: &Bench) {
    for (code, expected) in [
        ("import sys; print('out'); print('err', file=sys.stderr)", Exit::Code(0)),
        ("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", Exit::Code(3)),
        ("import os; os.write(1, b'out err'); os._exit(7)", Exit::Code(7)),
        ("import os; os.write(1, b'out err'); import ctypes; ctypes.string_at(0)", Exit::Signal(11)),
        ("import os, signal; os.write(1, b'out err'); os.kill(os.getpid(), signal.SIGKILL)", Exit::Signal(9)),
        ("import os, signal; os.write(1, b'out err'); signal.raise_signal(signal.SIGTERM)", Exit::Signal(15)),
    ] {
        let (exit, log) = bench.run(code).await;
        assert_eq!(exit, expected, "{code}: {log}");
        assert!(log.contains("out") && log.contains("err"), "{code}: {log}");
    }
}

pub(crate) async fn kill_ends_everything_inside(bench: &Bench) {
    let code = "import os, time\nfor _ in range(5):\n  if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    \
        open('/workspace/alive', 'a').write('x')\n    while True:\n      time.sleep(0.01)\n      \
        open('/workspace/beat', 'w').write(str(time.time()))\nprint('up', flush=True)\ntime.sleep(1000)";
    let sandbox = bench.start(code).await;
    logged(&*sandbox, "up").await;
    let beat = bench.workspace().join("beat");
    until(async || beat.exists(), "the daemons run").await;
    tokio::time::timeout(DEADLINE, sandbox.kill()).await.expect("kill returns");
    assert_eq!(sandbox.wait().await, Exit::Killed);
    std::fs::write(&beat, "none").unwrap();
    sandbox.kill().await;
    assert_eq!(std::fs::read_to_string(&beat).unwrap(), "none", "somebody lives on");
    assert_eq!(sandbox.usage().await.pids, 0);
    if bench.backend.kind() == BackendKind::Process {
        assert!(processes_with(&bench.owner).is_empty(), "a process of it is left");
    }
}

pub(crate) async fn dropping_ends_it(bench: &Bench) {
    let code = "import time\nwhile True:\n  open('/workspace/beat', 'w').write(str(time.time()))\n  time.sleep(0.01)";
    let sandbox = bench.start(code).await;
    let beat = bench.workspace().join("beat");
    until(async || beat.exists(), "it runs").await;
    drop(sandbox);
    // It is over when nobody writes the file again.
    until(
        async || {
            drop(std::fs::remove_file(&beat));
            tokio::time::sleep(Duration::from_millis(200)).await;
            !beat.exists()
        },
        "it ends",
    )
    .await;
}

pub(crate) async fn many_wait_for_one_end(bench: &Bench) {
    let sandbox = bench.start("import sys; sys.stdin.read(); sys.exit(4)").await;
    let (first, second) = tokio::join!(sandbox.wait(), sandbox.wait());
    assert_eq!((first, second, sandbox.wait().await), (Exit::Code(4), Exit::Code(4), Exit::Code(4)));
    sandbox.kill().await;
    assert_eq!(sandbox.wait().await, Exit::Code(4), "killed too late to matter");
}

pub(crate) async fn sees_only_the_environment_it_was_given(bench: &Bench) {
    let mut spec = bench.spec("import os, json; print(json.dumps(dict(os.environ))); print(os.getcwd())");
    spec.environment.insert("GIVEN".to_owned(), "a 'quoted' $VALUE\nwith lines".to_owned());
    let (exit, log) = bench.run_spec(spec).await;
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains(r"a 'quoted' $VALUE\nwith lines"), "{log}");
    assert!(log.contains("\n/workspace"), "{log}");
    assert!(!log.contains("CARGO") && !log.contains("NEXTEST") && !log.contains("SSL_CERT"), "{log}");
}

pub(crate) async fn refuses_a_spec_that_makes_no_sense(bench: &Bench) {
    let good = bench.spec("pass");
    let mount = |host: &str, guest: &str| {
        let mut spec = good.clone();
        spec.mounts.push(Mount { host: host.into(), guest: guest.into(), access: Access::ReadOnly });
        spec
    };
    let mut cases = vec![
        mount("relative", "/x"),
        mount("/tmp", "relative"),
        mount("/tmp/../etc", "/x"),
        mount("/tmp", "/x/../etc"),
        mount("/there/is/nothing/here", "/x"),
        mount("/", "/x"),
        mount("/tmp", "/"),
    ];
    for id in ["", "a/b", "..", "a b"] {
        let mut spec = good.clone();
        spec.id = id.to_owned();
        cases.push(spec);
    }
    let mut nothing = good.clone();
    nothing.command = Vec::new();
    cases.push(nothing);
    for spec in cases {
        let refused = bench.backend.start(spec.clone()).await;
        assert!(matches!(refused, Err(SandboxError::Start(_))), "{spec:?}: {refused:?}");
    }
    let mut missing = good;
    missing.command = vec!["/no/such/program".to_owned()];
    match bench.backend.start(missing).await {
        Ok(sandbox) => assert!(matches!(sandbox.wait().await, Exit::Code(code) if code != 0)),
        Err(error) => assert!(matches!(error, SandboxError::Start(_)), "{error}"),
    }
}

pub(crate) async fn keeps_the_end_of_a_gigabyte_of_output(bench: &Bench) {
    let code = "import sys\nblock = 'x' * (1 << 20)\nfor _ in range(1024): sys.stdout.write(block)\nprint('the end')";
    let (exit, log) = bench.run(code).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(log.trim_end().ends_with("the end"));
    assert!(log.len() <= 64 * 1024, "{}", log.len());
}

pub(crate) async fn tells_what_it_uses(bench: &Bench) {
    let code = "import time\nx = b'x' * (100 << 20)\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n\
        print('up', flush=True)\ntime.sleep(1000)";
    let sandbox = bench.start(code).await;
    logged(&*sandbox, "up").await;
    let usage = sandbox.usage().await;
    assert!(((100 << 20)..(200 << 20)).contains(&usage.memory_bytes), "{usage:?}");
    assert!(usage.cpu >= Duration::from_millis(400), "{usage:?}");
    assert!((1..10).contains(&usage.pids), "{usage:?}");
    sandbox.kill().await;
}

pub(crate) async fn a_killed_server_leaves_nothing(bench: &Bench) {
    let mut server = holder(bench);
    let up = bench.workspace().join("up");
    until(async || up.exists(), "the other server's sandbox runs").await;
    let exists = bench.start(FOREVER).await;
    logged(&*exists, "up").await;
    server.kill().unwrap();
    server.wait().unwrap();
    let swept = bench.backend.sweep().await.unwrap();
    match bench.backend.kind() {
        BackendKind::Docker => assert_eq!(swept, 1),
        // It ends with its server; only its control groups can be left.
        BackendKind::Process => assert!(swept <= 1, "{swept}"),
    }
    let beat = bench.workspace().join("up");
    until(
        async || {
            drop(std::fs::remove_file(&beat));
            tokio::time::sleep(Duration::from_millis(200)).await;
            !beat.exists()
        },
        "the old sandbox is gone",
    )
    .await;
    assert!(exists.usage().await.pids > 0, "the sweep ended a sandbox of its own server");
    exists.kill().await;
    assert_eq!(bench.backend.sweep().await.unwrap(), 0);
}

/// This test program again, as a server that holds one sandbox until it is killed.
#[expect(clippy::disallowed_methods, reason = "the test plays a server of its own")]
fn holder(bench: &Bench) -> std::process::Child {
    let kind = bench.backend.kind().as_str();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::life::holds_a_sandbox_when_asked", "--nocapture"])
        .env("GRISTMILL_TEST_HOLD", format!("{kind} {} {}", bench.owner, bench.workspace().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does nothing, except in the program that [`holder`] starts.
#[tokio::test(flavor = "multi_thread")]
async fn holds_a_sandbox_when_asked() {
    #[expect(clippy::disallowed_methods, reason = "how the two test programs speak")]
    let Ok(asked) = std::env::var("GRISTMILL_TEST_HOLD") else { return };
    let [kind, owner, workspace] = asked.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{asked}") };
    let workspace = PathBuf::from(workspace);
    let tasks = Tasks::new();
    let bench = Bench::process(CgroupUse::Auto);
    let backend: Box<dyn SandboxBackend> = match kind {
        "docker" => Box::new(docker_backend(&workspace.parent().unwrap().join("held"), owner, &tasks).await.unwrap()),
        _ => Box::new(process_backend(&workspace.join("../held"), owner, CgroupUse::Auto, &tasks)),
    };
    let mut spec =
        bench.spec("import time\nwhile True:\n  open('/workspace/up', 'w').write(str(time.time()))\n  time.sleep(0.01)");
    spec.mounts = vec![Mount { host: workspace, guest: "/workspace".into(), access: Access::ReadWrite }];
    let sandbox = backend.start(spec).await.unwrap();
    sandbox.wait().await;
}
