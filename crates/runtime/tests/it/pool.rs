//! Kernels that are ready before anybody asks for one.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gristmill_domain::{
    execution::{ExecutionResult, ExecutionStatus, PythonVersion},
    ids::{ExecutionSessionId, ProjectId},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    KernelPlace, Runtime, RuntimeOptions,
    packages::Layer,
    sandbox::{BackendKind, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec},
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use crate::{
    backend,
    support::{TestData, place, request, sockets, until},
};

/// The real backend, which counts its starts and can be told to start nothing more.
#[derive(Debug)]
struct Counting {
    real: Arc<dyn SandboxBackend>,
    started: AtomicUsize,
    refuses: AtomicBool,
    mounts_late: bool,
}

#[async_trait]
impl SandboxBackend for Counting {
    fn kind(&self) -> BackendKind {
        self.real.kind()
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.real.probe().await
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        self.real.python(version)
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(SandboxError::Start("told to start nothing".to_owned()));
        }
        // Lists of packages are made by sandboxes too.
        if spec.command.iter().any(|word| word == "gristmill_kernel") {
            self.started.fetch_add(1, Ordering::SeqCst);
        }
        self.real.start(spec).await
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        self.real.sweep().await
    }

    fn mounts_late(&self) -> Result<(), SandboxError> {
        if self.mounts_late { self.real.mounts_late() } else { Err(SandboxError::Start("told not to".to_owned())) }
    }
}

struct World {
    runtime: Runtime,
    backend: Arc<Counting>,
    data: Arc<TestData>,
    scratch: tempfile::TempDir,
    tasks: Tasks,
    owner: String,
    _containers: backend::Containers,
}

impl World {
    /// A runtime that keeps two kernels ready; none where only root could.
    async fn new() -> Option<Self> {
        let world = Self::with(true, |_| {}).await?;
        world.full(2).await;
        Some(world)
    }

    async fn with(mounts_late: bool, change: impl FnOnce(&mut RuntimeOptions)) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can mount into a running sandbox");
            return None;
        }
        let scratch = tempfile::tempdir().unwrap();
        let mut options = RuntimeOptions::new(scratch.path().to_owned(), backend::locked::cache_dir());
        options.pool_size = 2;
        change(&mut options);
        let data = Arc::new(TestData::new(scratch.path().join("datasets")));
        let tasks = Tasks::new();
        let owner = uuid::Uuid::new_v4().simple().to_string();
        let state = scratch.path().join("state");
        let real = backend::open_as(&state, owner.clone(), &tasks).await;
        let backend = Arc::new(Counting { real, started: AtomicUsize::new(0), refuses: AtomicBool::new(false), mounts_late });
        let runtime = Runtime::with_backend(options, backend.clone(), data.clone(), &tasks).await;
        Some(Self { runtime, backend, data, scratch, tasks, owner, _containers: backend::Containers::of(state) })
    }

    async fn full(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.runtime.status().pooled != count {
            assert!(Instant::now() < deadline, "in vain: {:?}", self.runtime.status());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// From now on a kernel can only be one that was ready.
    fn start_nothing_more(&self) {
        self.backend.refuses.store(true, Ordering::SeqCst);
    }

    fn start_again(&self) {
        self.backend.refuses.store(false, Ordering::SeqCst);
    }

    fn started(&self) -> usize {
        self.backend.started.load(Ordering::SeqCst)
    }

    async fn run(&self, place: &KernelPlace, code: &str) -> ExecutionResult {
        let (sink, _live) = mpsc::channel(16);
        self.runtime.execute(place, request(code, Duration::from_secs(60)), sink).await.unwrap()
    }

    /// What the code shows, which must go well.
    async fn shown(&self, place: &KernelPlace, code: &str) -> String {
        let result = self.run(place, code).await;
        assert_eq!(result.status, ExecutionStatus::Success, "{result:?}");
        result.outputs.iter().map(|output| output.content.as_str()).collect()
    }

    fn project(&self, place: &KernelPlace) -> PathBuf {
        self.scratch.path().join("runtime/projects").join(place.project.to_string())
    }

    /// Processes of the sandboxes of this runtime: bubblewrap by its arguments, what is inside by its environment.
    fn processes(&self) -> Vec<i32> {
        self.processes_by(&["cmdline", "environ"])
    }

    fn processes_by(&self, files: &[&str]) -> Vec<i32> {
        let holds = |id: i32, file: &str| {
            let bytes = std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            bytes.windows(self.owner.len()).any(|window| window == self.owner.as_bytes())
        };
        let ids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| files.iter().any(|file| holds(*id, file))).collect()
    }

    async fn end(self) {
        self.runtime.shutdown().await;
        assert_eq!(self.tasks.shutdown(Duration::from_secs(10)).await, 0);
        assert_eq!(sockets(self.scratch.path()), 0);
        assert_eq!(self.processes(), Vec::<i32>::new());
    }
}

fn signal(processes: Vec<i32>, signal: Signal) {
    assert!(!processes.is_empty());
    for id in processes {
        // It may have ended with another.
        let _gone = kill_process(Pid::from_raw(id).unwrap(), signal);
    }
}

fn session(project: ProjectId) -> KernelPlace {
    KernelPlace::session(project, ExecutionSessionId::random(), PythonVersion::V3_11)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_kernel_sees_its_own_project_and_no_other() {
    let Some(world) = World::new().await else { return };
    let (mine, theirs) = (place(), place());
    world.data.add(mine.project, "sales.csv", "a\n1\n");
    world.data.add(theirs.project, "secret.csv", "secret\n");
    world.start_nothing_more();
    let seen = "
import os
assert os.getcwd() == '/workspace', os.getcwd()
found = sorted(name for name in os.listdir('/workspace/datasets') if name.endswith('.csv'))
found += [open(f'/workspace/datasets/{name}').read() for name in found]
for path in ('/datasets/x', '/workspace/datasets/x', '/opt/gristmill/packages/x'):
    try:
        open(path, 'w')
        found.append('WRITTEN')
    except OSError:
        pass
open('mine.txt', 'w').write('kept')
found";
    assert_eq!(world.shown(&mine, seen).await, "['sales.csv', 'a\\n1\\n']");
    assert_eq!(world.shown(&theirs, seen).await, "['secret.csv', 'secret\\n']");
    assert_eq!(std::fs::read_to_string(world.project(&mine).join("workspace/mine.txt")).unwrap(), "kept");
    // Neither knows anything of the other, and each is a user of its own.
    let mounts = world.shown(&mine, "print(open('/proc/self/mountinfo').read())").await;
    assert!(mounts.contains(&mine.project.to_string()) && !mounts.contains(&theirs.project.to_string()), "{mounts}");
    let user = "import os\n(os.getuid(), os.stat('/workspace').st_uid, os.stat('/workspace/mine.txt').st_uid)";
    let users = [world.shown(&mine, user).await, world.shown(&theirs, user).await];
    assert_ne!(users[0], users[1]);
    for users in users {
        let ids: Vec<&str> = users.trim_matches(['(', ')']).split(", ").collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[0] != "0", "{users}");
    }
    assert_eq!(world.runtime.status().pooled, 0);
    world.start_again();
    world.full(2).await;
    assert_eq!(world.started(), 4);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_datasets_and_packages_are_seen_as_by_any_kernel() {
    let Some(world) = World::new().await else { return };
    let place = place();
    let layer = Layer::open(world.project(&place).join("packages")).unwrap();
    std::fs::write(layer.version().unwrap().join("own_module.py"), "x = 42\n").unwrap();
    world.start_nothing_more();
    assert_eq!(world.shown(&place, "import own_module; own_module.x").await, "42");
    world.data.add(place.project, "later.csv", "b\n2\n");
    assert_eq!(world.shown(&place, "open('/workspace/datasets/later.csv').read()").await, "'b\\n2\\n'");
    let helped = "import pandas as pd\nint(pd.read_csv(resolve_dataset_path('later.csv')).b[0])";
    assert_eq!(world.shown(&place, helped).await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_of_earlier_kernels_becomes_the_new_users() {
    let Some(world) = World::new().await else { return };
    let place = place();
    let write = "import os\nos.makedirs('deep/er', exist_ok=True)\nopen('deep/er/file', 'a').write('x')\nx = 1";
    world.run(&place, write).await;
    world.full(2).await;
    world.start_nothing_more();
    world.runtime.restart(&place).await.unwrap();
    let after = "open('deep/er/file', 'a').write('y')\n('x' in globals(), open('deep/er/file').read())";
    assert_eq!(world.shown(&place, after).await, "(False, 'xy')");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_fits_comes_from_the_pool() {
    let Some(world) = World::new().await else { return };
    let place = place();
    // What the kernel itself has loaded already.
    let layer = Layer::open(world.project(&place).join("packages")).unwrap();
    std::fs::write(layer.version().unwrap().join("traitlets.py"), "").unwrap();
    world.start_nothing_more();
    let refused = world.runtime.ensure(&place).await.unwrap_err();
    assert!(refused.to_string().contains("told to start nothing"), "{refused}");
    let other = session(ProjectId::random());
    let mut large = request("1", Duration::from_secs(60));
    large.memory_bytes = 3 << 30;
    let refused = world.runtime.execute(&other, large, mpsc::channel(1).0).await.unwrap_err();
    assert!(refused.to_string().contains("told to start nothing"), "{refused}");
    assert_eq!(world.runtime.status().pooled, 2, "they wait for somebody else");
    assert_eq!(world.shown(&other, "1").await, "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_one_is_replaced() {
    let Some(world) = World::new().await else { return };
    signal(world.processes(), Signal::KILL);
    until("others to be started", || world.started() == 4 && world.runtime.status().pooled == 2).await;
    assert_eq!(world.shown(&place(), "1 + 1").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_delays_and_does_not_fail() {
    let Some(world) = World::with(true, |options| options.pool_size = 1).await else { return };
    world.full(1).await;
    signal(world.processes_by(&["environ"]), Signal::STOP);
    let began = Instant::now();
    assert_eq!(world.shown(&place(), "1 + 1").await, "2");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(world.started() >= 2, "a new one was started");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_apart() {
    let Some(world) = World::new().await else { return };
    let project = ProjectId::random();
    let places: Vec<_> = (0..6).map(|_| session(project)).collect();
    let code = "import os\nopen('own.txt', 'a').write('x')\nprint(os.getuid(), os.listdir('.'), open('own.txt').read())";
    let mut shown = futures_util::future::join_all(places.iter().map(|place| world.shown(place, code))).await;
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 6, "{shown:?}");
    assert!(shown.iter().all(|text| text.trim_end().ends_with('x') && !text.contains("xx")), "{shown:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_room_for_those_that_are_asked_for() {
    let Some(world) = World::with(true, |options| options.sandboxes_max = 2).await else { return };
    world.full(2).await;
    let places = [place(), place(), place()];
    for (number, place) in places.iter().enumerate() {
        assert_eq!(world.shown(place, "1").await, "1");
        assert!(world.runtime.status().pooled + world.runtime.status().active <= 2, "after {number}");
    }
    assert_eq!((world.runtime.status().active, world.runtime.status().pooled), (2, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stays_within_its_memory_and_can_be_off() {
    type Change = fn(&mut RuntimeOptions);
    let little: Change = |options| options.pool_memory_bytes_max = 1 << 20;
    let none: Change = |options| options.pool_size = 0;
    let usual: Change = |_| {};
    for (mounts_late, change) in [(true, little), (true, none), (false, usual)] {
        let Some(world) = World::with(mounts_late, change).await else { return };
        assert_eq!(world.shown(&place(), "1").await, "1");
        assert_eq!((world.started(), world.runtime.status().pooled), (1, 0));
        world.end().await;
    }
    // Room for one is room for one.
    let Some(world) = World::with(true, |options| options.pool_memory_bytes_max = 85 << 20).await else { return };
    world.full(1).await;
    assert_eq!(world.shown(&place(), "1").await, "1");
    world.full(1).await;
    assert_eq!(world.started(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_those_in_use_those_that_wait_and_those_that_start() {
    let Some(world) = World::new().await else { return };
    assert_eq!(world.shown(&place(), "1").await, "1");
    // Another is being started, or will be in a moment.
    assert!(!world.processes().is_empty());
    world.end().await;
}

/// Prints what is measured; other tests run beside it.
#[tokio::test(flavor = "multi_thread")]
async fn measures_ready_kernels() {
    let Some(world) = World::new().await else { return };
    let mut times = Vec::new();
    for _ in 0..5 {
        world.full(2).await;
        let place = session(ProjectId::random());
        let began = Instant::now();
        world.runtime.ensure(&place).await.unwrap();
        times.push(began.elapsed());
        world.runtime.close(&place).await;
    }
    times.sort();
    println!("a kernel that was ready: p50 {:?}, max {:?}", times[2], times[4]);
    assert!(times[2] < Duration::from_secs(2), "{times:?}");
    world.end().await;
}
