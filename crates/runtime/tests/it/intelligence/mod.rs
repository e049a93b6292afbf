//! Python help through its public door, with a real worker.

mod recorded;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gristmill_domain::ids::{DatasetId, ProjectId};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    intelligence::{
        AssistAnswer, AssistCell, AssistDataset, AssistDirectories, AssistError, AssistOp, AssistRequest, AssistSettings,
        Assistant, LiveVariable,
    },
    sandbox::SandboxBackend,
};
use recorded::Recorded;
use tempfile::TempDir;

use crate::backend;

struct World {
    assistant: Assistant,
    backend: Arc<Recorded>,
    directory: TempDir,
    tasks: Tasks,
    project: ProjectId,
    _containers: backend::Containers,
}

impl World {
    async fn new(settings: AssistSettings) -> Self {
        Self::with(settings, |_| {}).await
    }

    async fn with(settings: AssistSettings, change: impl FnOnce(&mut Recorded)) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let tasks = Tasks::new();
        let mut backend = Recorded::new(backend::open(&directory.path().join("state"), &tasks).await);
        change(&mut backend);
        let backend = Arc::new(backend);
        let directories = AssistDirectories {
            projects: directory.path().join("projects"),
            // As long as a data directory may be: the name of a socket alone could not be.
            sockets: directory.path().join("long".repeat(30)).join("sockets"),
            cache: prepared_cache(),
        };
        let dynamic: Arc<dyn SandboxBackend> = backend.clone();
        let assistant = Assistant::new(dynamic, directories, settings, tasks.clone());
        let containers = backend::Containers::of(directory.path().join("state"));
        Self { assistant, backend, directory, tasks, project: ProjectId::random(), _containers: containers }
    }

    async fn ask(&self, op: AssistOp, code: &str) -> Result<AssistAnswer, AssistError> {
        self.assistant.assist(self.project, request(op, code)).await
    }

    async fn names(&self, code: &str) -> Vec<String> {
        names(self.ask(AssistOp::Completions, code).await.unwrap())
    }

    /// Asks until something is answered: the first questions may find the worker cold on a busy machine.
    async fn some_names(&self, code: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let names = self.names(code).await;
            if !names.is_empty() || Instant::now() > deadline {
                return names;
            }
        }
    }

    async fn end(self) {
        assert_eq!(self.tasks.shutdown(Duration::from_secs(10)).await, 0);
        drop(self.directory);
    }
}

/// Long, since the machine is shared with other tests; what is measured is printed.
fn settings() -> AssistSettings {
    AssistSettings {
        prepares: false,
        startup_timeout: Duration::from_mins(2),
        answer_timeout: Duration::from_secs(20),
        ..AssistSettings::default()
    }
}

/// One cache for all tests: `prepares_the_installed_libraries_once` fills it, and who comes sooner starts cold.
fn prepared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("assist-cache")
}

/// A question at the end of the code.
fn request(op: AssistOp, code: &str) -> AssistRequest {
    let line = u32::try_from(code.matches('\n').count()).unwrap() + 1;
    let last = code.rsplit('\n').next().unwrap_or_default();
    AssistRequest {
        op,
        code: code.to_owned(),
        line,
        column: u32::try_from(last.encode_utf16().count()).unwrap(),
        cells: Vec::new(),
        current_cell_id: None,
        datasets: vec![AssistDataset {
            id: DatasetId::random(),
            filename: "sales.csv".to_owned(),
            columns: vec![("region".to_owned(), "text".to_owned()), ("unit price".to_owned(), "decimal".to_owned())],
        }],
        variables: BTreeMap::new(),
    }
}

fn names(answer: AssistAnswer) -> Vec<String> {
    let AssistAnswer::Completions { completions } = answer else { panic!("not completions: {answer:?}") };
    completions.into_iter().map(|completion| completion.name).collect()
}

const FRAME: &str = "import pandas as pd\ndf = pd.read_csv('/workspace/datasets/sales.csv')\n";

#[tokio::test(flavor = "multi_thread")]
async fn answers_all_four_questions_from_one_worker() {
    let world = World::new(settings()).await;
    let names = world.some_names(&format!("{FRAME}df.")).await;
    assert!(names.contains(&"region".to_owned()) && names.len() == 50, "{names:?}");
    assert_eq!(world.some_names(&format!("{FRAME}df[\"")).await, ["region", "unit price"]);
    assert!(world.some_names(&format!("{FRAME}df.head().dro")).await.contains(&"dropna".to_owned()));

    let hover = world.ask(AssistOp::Hover, &format!("{FRAME}df.merge")).await.unwrap();
    let AssistAnswer::Hover { hover: Some(hover) } = hover else { panic!("{hover:?}") };
    assert_eq!((hover.name.as_str(), hover.kind.as_str()), ("merge", "function"));
    assert_eq!(hover.full_name.as_deref(), Some("pandas.core.frame.DataFrame.merge"));
    assert!(hover.docstring.chars().count() <= 1000);

    let signatures = world.ask(AssistOp::Signatures, &format!("{FRAME}df.merge(df, how=")).await.unwrap();
    let AssistAnswer::Signatures { signatures } = signatures else { panic!("{signatures:?}") };
    let signature = &signatures[0];
    assert_eq!(signature.params[usize::try_from(signature.active_param).unwrap()].name, "how");

    let diagnostics = world.ask(AssistOp::Diagnostics, "%time\nx = (1\nprint('no')\n").await.unwrap();
    let AssistAnswer::Diagnostics { diagnostics } = diagnostics else { panic!("{diagnostics:?}") };
    assert_eq!(diagnostics.len(), 1);
    assert_eq!((diagnostics[0].line, diagnostics[0].column, diagnostics[0].severity.as_str()), (2, 4, "error"));
    assert_eq!(world.backend.count(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn knows_other_cells_and_live_variables() {
    let world = World::new(settings()).await;
    let cell = |id: &str, content: &str, position| AssistCell { cell_id: id.to_owned(), content: content.to_owned(), position };
    let mut asked = request(AssistOp::Completions, "g[\"");
    asked.cells = vec![
        cell("c", "later = 1", 3.0),
        cell("b", "old text", 2.0),
        cell("a", &format!("%matplotlib inline\n{FRAME}g = df.assign(total=1)"), 1.0),
    ];
    asked.current_cell_id = Some("b".to_owned());
    let answer = world.assistant.assist(world.project, asked.clone()).await.unwrap();
    assert_eq!(names(answer), ["region", "unit price", "total"]);

    asked.code = "live[\"".to_owned();
    asked.column = 6;
    let variable =
        LiveVariable { type_name: "pandas.core.frame.DataFrame".to_owned(), columns: Some(vec!["only here".to_owned()]) };
    asked.variables = BTreeMap::from([("live".to_owned(), variable)]);
    assert_eq!(names(world.assistant.assist(world.project, asked).await.unwrap()), ["only here"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_completions_push_out_older_ones_of_the_same_cell() {
    let world = World::new(settings()).await;
    world.assistant.warm(world.project);
    // The worker is starting: all wait for it.
    let asks = (0..10).map(|_| world.ask(AssistOp::Completions, "prin"));
    let mut answers: Vec<_> =
        futures_util::future::join_all(asks).await.into_iter().map(|answer| names(answer.unwrap())).collect();
    assert_eq!(answers.pop().unwrap(), ["print"]);
    assert!(answers.iter().all(Vec::is_empty), "{answers:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_another_worker_when_one_died() {
    let world = World::new(settings()).await;
    assert_eq!(world.some_names("prin").await, ["print"]);
    let first = world.backend.count();
    world.backend.kill_last().await;
    assert_eq!(world.some_names("prin").await, ["print"]);
    assert!(world.backend.count() > first);
    assert_eq!(world.assistant.workers(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_hostile_code() {
    let world = World::new(settings()).await;
    assert_eq!(world.some_names("prin").await, ["print"]);
    let hostile = [
        "(".repeat(100_000),
        "-".repeat(200_000) + "1",
        "x = 1\n".repeat(1_000_000),
        "[".repeat(3000) + &"]".repeat(3000),
        "class A(A): pass\nclass B(B().x): pass\nB().".to_owned(),
        "def f(x): return f(f)(f(x))\nf(f)(f).".to_owned(),
        "a = a\na = a[a](a).a\na.".to_owned(),
        "'\0\u{feff}\u{1f600}\\".repeat(1000),
        "import os\nos._exit(3)\nos.".to_owned(),
    ];
    for code in &hostile {
        for op in [AssistOp::Completions, AssistOp::Hover, AssistOp::Signatures, AssistOp::Diagnostics] {
            let asked = Instant::now();
            match world.ask(op, code).await {
                Ok(_) | Err(AssistError::Timeout | AssistError::Ended) => {}
                Err(error) => panic!("{op:?} of {:.40}: {error}", code),
            }
            assert!(asked.elapsed() < Duration::from_secs(30));
        }
    }
    assert_eq!(world.some_names("prin").await, ["print"]);
    // It was never run: the worker is the first one.
    assert_eq!(world.backend.count(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_there_is_no_help_and_does_not_try_at_every_key() {
    let world = World::with(settings(), |backend| backend.broken = Some("no room".to_owned())).await;
    for _ in 0..3 {
        let error = world.ask(AssistOp::Completions, "pri").await.unwrap_err();
        assert!(matches!(&error, AssistError::Unavailable(reason) if reason.contains("no room")), "{error}");
    }
    let world = World::with(settings(), |backend| backend.interpreter = Some("/usr/bin/false".into())).await;
    for _ in 0..3 {
        let error = world.ask(AssistOp::Hover, "pri").await.unwrap_err();
        assert!(matches!(&error, AssistError::Unavailable(reason) if reason.contains("ended at its start")), "{error}");
    }
    assert_eq!(world.backend.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_workers_that_idle_and_the_oldest_beyond_the_limit() {
    let world = World::new(AssistSettings { workers_max: 1, idle_after: Duration::from_secs(3), ..settings() }).await;
    assert_eq!(world.some_names("prin").await, ["print"]);
    let other = ProjectId::random();
    world.assistant.assist(other, request(AssistOp::Diagnostics, "x")).await.unwrap();
    // More than two may have been started: on a busy machine one can idle away between two questions.
    assert!(world.backend.count() >= 2 && world.assistant.workers() <= 1);
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.assistant.workers() > 0 || world.tasks.alive() > 0 {
        assert!(Instant::now() < deadline, "a worker does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sees_modules_of_its_project_only() {
    let world = World::new(settings()).await;
    let other = ProjectId::random();
    for (project, module) in [(world.project, "mine"), (other, "theirs")] {
        let workspace = world.directory.path().join("projects").join(project.to_string()).join("workspace");
        std::fs::create_dir_all(&workspace).unwrap();
        std::fs::write(workspace.join(format!("{module}.py")), "def helper_of_project():\n    \"\"\"Helps.\"\"\"\n").unwrap();
    }
    assert_eq!(world.some_names("import mine\nmine.helper").await, ["helper_of_project"]);
    assert!(world.names("import theirs\ntheirs.helper").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sees_installed_packages_and_later_ones_when_it_is_closed() {
    let world = World::new(settings()).await;
    let layer = world.directory.path().join("projects").join(world.project.to_string()).join("packages");
    let install = |version: &str, module: &str| {
        std::fs::create_dir_all(layer.join(version)).unwrap();
        std::fs::write(layer.join(version).join(format!("{module}.py")), "def helper_of_package(): pass\n").unwrap();
        drop(std::fs::remove_file(layer.join("current")));
        std::os::unix::fs::symlink(version, layer.join("current")).unwrap();
    };
    install("version-1", "first_package");
    assert_eq!(world.some_names("import first_package\nfirst_package.helper").await, ["helper_of_package"]);
    assert!(world.names("import second_package\nsecond_package.helper").await.is_empty());
    install("version-2", "second_package");
    world.assistant.close(world.project);
    assert_eq!(world.some_names("import second_package\nsecond_package.helper").await, ["helper_of_package"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepares_the_installed_libraries_once() {
    let world = World::new(settings()).await;
    world.assistant.prepare().await.unwrap();
    assert!(!world.assistant.prepare().await.unwrap());
    let asked = Instant::now();
    let names = world.some_names(&format!("{FRAME}df.dropn")).await;
    println!("first completions of a new worker: {:?}", asked.elapsed());
    assert_eq!(names, ["dropna"]);
    world.end().await;
}

/// Prints the measured times, and fails only when they are out of all proportion: other tests run beside it.
#[tokio::test(flavor = "multi_thread")]
async fn completes_a_pandas_frame_while_typing() {
    let world = World::new(settings()).await;
    assert!(!world.some_names(&format!("{FRAME}df.")).await.is_empty());
    let mut times = Vec::new();
    for typed in ["", "d", "dr", "dro", "drop", "g", "gr", "gro", "s", "so", "sort_"].iter().cycle().take(200) {
        let asked = Instant::now();
        let names = world.names(&format!("{FRAME}x = 1\ndf.{typed}")).await;
        times.push(asked.elapsed());
        assert!(!names.is_empty());
    }
    times.sort();
    println!("completions on a pandas frame: p50 {:?}, p90 {:?}, p99 {:?}", times[100], times[180], times[198]);
    assert!(times[100] < Duration::from_millis(500), "p50 {:?}", times[100]);
    world.end().await;
}
