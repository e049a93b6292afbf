//! The promise that everything else rests on: code in a sandbox cannot get at a test label, and no model is loaded where
//! labels are. An intruder is let into every sandbox before its own program, and reads all that it can.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use chrono::DateTime;
use futures_util::FutureExt as _;
use gristmill_domain::{
    DatasetId, JobId, ModelId, ProjectId,
    execution::PythonVersion,
    models::{Holdout, Model, NewModel, Split, SplitKind, TaskType, TrainingPlan},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    ProjectData, ProjectFiles, Runtime, RuntimeOptions,
    sandbox::{BackendKind, Exit, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage},
};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    adopt::{Adoption, adopt},
    backend,
    crew::{Crew, Work},
    engine::{Budget, Engine, ModelingOptions},
    evaluate::{Evaluation, evaluate},
    handlers::Adopted,
    train::{Training, make_views, train},
    tune::{Study, tune},
    views::ViewPlaces,
};

/// Walks everything that can be read, looks for labels as text and in Parquet columns, and tells what models are there:
/// first while the sandbox waits, then when it has its files.
const INTRUDER: &str = r#"
import json, os, re, time
import pyarrow.parquet as pq
# Its own command line must not look like a label.
LOW = 73456 * 10**5
PATTERN = re.compile(rb'(?<![0-9.])7345600[01][0-9]{2}(?![0-9])')
def look():
    labels, models, given, readable = set(), set(), [], 0
    for root, dirs, files in os.walk('/'):
        if root == '/':
            dirs[:] = [d for d in dirs if d not in ('proc', 'sys', 'usr', 'dev')]
        dirs[:] = [d for d in dirs if d not in ('site-packages', '.pyenv', 'lib')]
        for name in files:
            path = os.path.join(root, name)
            if root == '/in':
                given.append(name)
            try:
                data = open(path, 'rb').read(50_000_000)
            except OSError:
                continue
            readable += 1
            if name.endswith(('.joblib', '.onnx', '.pkl')):
                models.add(name)
            if data[:4] == b'PAR1' and data[-4:] == b'PAR1':
                table = pq.read_table(path)
                for name in table.column_names:
                    # What a model says may happen to be somebody's label.
                    for value in [] if name in ('prediction', 'lower', 'upper') else table[name].to_pylist():
                        if isinstance(value, (int, float)) and LOW <= value < LOW + 200 and value == int(value):
                            labels.add(int(value))
            else:
                labels.update(int(match) for match in PATTERN.findall(data))
    for pid in os.listdir('/proc'):
        for what in ('cmdline', 'environ'):
            try:
                labels.update(int(match) for match in PATTERN.findall(open(f'/proc/{pid}/{what}', 'rb').read()))
            except OSError:
                continue
    print(json.dumps({'labels': sorted(labels), 'models': sorted(models), 'given': given, 'readable': readable}), flush=True)
look()
while not os.path.exists('/in/spec.json'):
    time.sleep(0.01)
look()
"#;

/// What an intruder found beside one command.
#[derive(Debug, Clone)]
struct Loot {
    sandbox: String,
    command: String,
    labels: HashSet<i64>,
    models: Vec<String>,
}

/// Lets an intruder into a sandbox that sees the same as each that it starts.
#[derive(Debug)]
struct Spied {
    backend: Arc<dyn SandboxBackend>,
    loot: Arc<Mutex<Vec<Loot>>>,
    started: Arc<AtomicUsize>,
}

/// A sandbox with the intruder beside it. It has ended when both have: files stay until the intruder has looked.
#[derive(Debug)]
struct SpiedSandbox {
    inner: Box<dyn Sandbox>,
    intruder: Box<dyn Sandbox>,
    command: String,
    /// What it reads, on the host.
    input: PathBuf,
    loot: Arc<Mutex<Vec<Loot>>>,
}

#[async_trait]
impl Sandbox for SpiedSandbox {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn wait(&self) -> Exit {
        let exit = self.inner.wait().await;
        self.intruder.wait().await;
        let log = self.intruder.log_tail().await;
        let looks: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let [waiting, working] = looks.as_slice() else { panic!("the intruder looked twice: {log}") };
        for look in [waiting, working] {
            assert!(look["readable"].as_u64().unwrap() > 10, "the intruder could look around: {log}");
        }
        let nothing = serde_json::json!([]);
        for what in ["labels", "models", "given"] {
            assert_eq!(waiting[what], nothing, "a sandbox that waits has {what}");
        }
        let labels = working["labels"].as_array().unwrap().iter().map(|label| label.as_i64().unwrap()).collect();
        let models = working["models"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let found = Loot { sandbox: self.id().to_owned(), command: self.command.clone(), labels, models };
        let mut loot = self.loot.lock().unwrap();
        if loot.iter().all(|one| one.sandbox != found.sandbox) {
            loot.push(found);
        }
        exit
    }

    async fn kill(&self) {
        self.inner.kill().await;
        if self.input.join("spec.json").exists() {
            // It had files, which the intruder may not have seen yet.
            self.wait().await;
        }
        self.intruder.kill().await;
    }

    async fn usage(&self) -> Usage {
        self.inner.usage().await
    }

    async fn log_tail(&self) -> String {
        self.inner.log_tail().await
    }
}

#[async_trait]
impl SandboxBackend for Spied {
    fn kind(&self) -> BackendKind {
        self.backend.kind()
    }

    async fn probe(&self) -> Result<Isolation, SandboxError> {
        self.backend.probe().await
    }

    fn python(&self, version: PythonVersion) -> Result<GuestPython, SandboxError> {
        self.backend.python(version)
    }

    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let python = self.backend.python(PythonVersion::default())?.interpreter.to_string_lossy().into_owned();
        let words = vec![python, "-s".to_owned(), "-c".to_owned(), INTRUDER.to_owned()];
        let intruder = self.backend.start(SandboxSpec { id: format!("{}-spy", spec.id), command: words, ..spec.clone() }).await?;
        // Nothing can be given to the sandbox before it has looked.
        while !intruder.log_tail().await.contains("readable") {
            assert!(intruder.wait().now_or_never().is_none(), "{}", intruder.log_tail().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let command = spec.command.iter().skip_while(|word| *word != "gristmill_ml").nth(1).unwrap().clone();
        let input = spec.mounts.iter().find(|mount| mount.guest == Path::new("/in")).unwrap().host.clone();
        let inner = self.backend.start(spec).await?;
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(SpiedSandbox { inner, intruder, command, input, loot: Arc::clone(&self.loot) }))
    }

    async fn sweep(&self) -> Result<usize, SandboxError> {
        self.backend.sweep().await
    }
}

#[derive(Debug)]
struct NoProjects;

#[async_trait]
impl ProjectData for NoProjects {
    async fn datasets(&self, _: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        Err("no projects".into())
    }
}

struct Setting {
    engine: Engine,
    loot: Arc<Mutex<Vec<Loot>>>,
    started: Arc<AtomicUsize>,
    scratch: tempfile::TempDir,
    tasks: Tasks,
    _containers: backend::Containers,
}

async fn setting(ready_trainings: usize) -> Setting {
    let scratch = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (cache, state) = (backend::locked::cache_dir(), scratch.path().join("sandboxes"));
    let backend = backend::open(&state, &tasks).await;
    let containers = backend::Containers::of(state);
    let loot = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::new(AtomicUsize::new(0));
    let spied = Arc::new(Spied { backend, loot: Arc::clone(&loot), started: Arc::clone(&started) });
    let options = RuntimeOptions::new(scratch.path().to_owned(), cache.clone());
    let modeling =
        ModelingOptions { ready_trainings, ..ModelingOptions::new(scratch.path().join("work"), cache, options.limits) };
    let runtime = Runtime::with_backend(options, spied, Arc::new(NoProjects), &tasks).await;
    Setting { engine: Engine::new(runtime, modeling, &tasks), loot, started, scratch, tasks, _containers: containers }
}

/// A table in which every row has a label of its own, which nothing else in the table gives away.
fn dataset(directory: &Path) -> PathBuf {
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..200_u32).map(|row| f64::from(row % 7) + 0.25)));
    let y: ArrayRef = Arc::new(StringArray::from_iter_values((0..200).map(|row| format!("group {}", row % 3))));
    let label: ArrayRef = Arc::new(Int64Array::from_iter_values((0..200).map(|row| 7_345_600_000 + row * 79 % 200)));
    let batch = RecordBatch::try_from_iter([("x", x), ("y", y), ("label", label)]).unwrap();
    let path = directory.join("v1.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

fn plan() -> TrainingPlan {
    TrainingPlan {
        dataset_id: DatasetId::random(),
        dataset_version: 1,
        dataset_name: "sealed.csv".to_owned(),
        name: "Sealed".to_owned(),
        template_id: "ridge_regression".to_owned(),
        task_type: TaskType::Regression,
        target: Some("label".to_owned()),
        features: None,
        columns: BTreeMap::new(),
        parameters: serde_json::Map::new(),
        split: Split { kind: SplitKind::Random, column: None, test_size: 0.2, seed: 42 },
    }
}

pub(crate) fn stored(made: NewModel) -> Model {
    Model {
        made,
        version: 1,
        evaluation_computed_at: None,
        evaluation_job: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sandbox_has_a_test_label_and_a_model() {
    let setting = setting(0).await;
    let dataset = dataset(setting.scratch.path());
    let budget = Budget { time: Duration::from_mins(2), memory_bytes: 2 << 30 };
    let stop = CancellationToken::new();
    let (plan, quiet) = (plan(), |_: &str, _: f64, _: &Value| {});
    let training = Training {
        id: ModelId::random(),
        project: ProjectId::random(),
        plan: &plan,
        dataset: dataset.clone(),
        origin: None,
        budget,
    };

    let work = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let trained = train(&setting.engine, &work, &training, &stop, &quiet).await.unwrap();
    let (files, model) = (trained.files, stored(trained.model));
    let judging = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let evaluation = Evaluation { model: &model, files, dataset, origin: None, budget };
    evaluate(&setting.engine, &judging, &evaluation, &stop, &quiet).await.unwrap();
    let searching = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let study = Study {
        training,
        trials: 2,
        metric: "r2",
        timeout: Duration::from_secs(30),
        sampler: "tpe",
        journal: setting.scratch.path().join("journal"),
    };
    tune(&setting.engine, &searching, &study, &stop, &quiet).await.unwrap();

    let loot = setting.loot.lock().unwrap().clone();
    let mut commands: Vec<&str> = loot.iter().map(|one| one.command.as_str()).collect();
    commands.sort_unstable();
    let all = ["calibrate", "diagnose", "package", "predict", "predict", "score", "score", "train", "tune"];
    assert_eq!(commands, all);
    let of = |command: &str| loot.iter().filter(|one| one.command == command).collect::<Vec<_>>();
    let test = &of("score")[0].labels;
    assert_eq!(test.len(), 40, "the scoring sandbox has the test labels");
    assert_eq!(&of("score")[1].labels, test, "both times the same");
    for command in ["train", "calibrate", "diagnose", "tune"] {
        let seen = &of(command)[0].labels;
        assert!(seen.is_disjoint(test), "{command} saw test labels: {:?}", seen.intersection(test).collect::<Vec<_>>());
        assert_eq!(seen.len(), 160, "{command} has the training labels");
    }
    for one in &loot {
        assert!(one.models.is_empty() || one.labels.is_disjoint(test), "{} has a model and test labels", one.command);
    }
    assert!(of("predict").iter().all(|one| one.models == ["model.joblib"] && one.labels.is_empty()), "{:?}", of("predict"));
    assert!(of("score").iter().all(|one| one.models.is_empty()), "{:?}", of("score"));
    drop((work, judging, searching));
    setting.tasks.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_s_model_is_asked_where_no_test_label_is() {
    let setting = setting(0).await;
    let dataset = dataset(setting.scratch.path());
    let budget = Budget { time: Duration::from_mins(2), memory_bytes: 2 << 30 };
    let (stop, plan, quiet) = (CancellationToken::new(), plan(), |_: &str, _: f64, _: &Value| {});
    let training =
        |id| Training { id, project: ProjectId::random(), plan: &plan, dataset: dataset.clone(), origin: None, budget };
    let work = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let trained = train(&setting.engine, &work, &training(ModelId::random()), &stop, &quiet).await.unwrap();
    setting.loot.lock().unwrap().clear();

    let id = ModelId::random();
    let staging = setting.engine.staging(id).await.unwrap();
    std::fs::copy(trained.files.join("model.joblib"), staging.join("model.joblib")).unwrap();
    let metadata = serde_json::json!({ "source": "llm-workflow", "holdout": "sealed" });
    let adopted =
        Adopted { algorithm: "ridge".to_owned(), metadata: metadata.as_object().unwrap().clone(), training_ms: Some(5) };
    let adopting = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let adoption = Adoption { training: training(id), adopted: &adopted, staging };
    let made = adopt(&setting.engine, &adopting, &adoption, &stop, &quiet).await.unwrap();
    assert_eq!((made.model.holdout(), made.model.is_unscored()), (Some(Holdout::Unsealed), false), "whoever says otherwise");
    assert_eq!((made.model.library.as_str(), made.model.algorithm.as_str()), ("llm-guided", "ridge"));
    assert_eq!((made.model.feature_columns.join(","), made.model.training_ms), ("x,y".to_owned(), Some(5)));
    assert!(made.model.metrics.contains_key("r2") && made.model.metadata["source"] == "llm-workflow", "{:?}", made.model);
    let (files, model) = (made.files, stored(made.model));
    let judging = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let evaluation = Evaluation { model: &model, files, dataset, origin: None, budget };
    let evaluated = evaluate(&setting.engine, &judging, &evaluation, &stop, &quiet).await.unwrap();
    assert_eq!(evaluated.metrics["r2"].to_bits(), model.metrics["r2"].to_bits(), "on the same rows");

    let loot = setting.loot.lock().unwrap().clone();
    let mut commands: Vec<&str> = loot.iter().map(|one| one.command.as_str()).collect();
    commands.sort_unstable();
    assert_eq!(commands, ["adopt", "package", "predict", "score", "score"]);
    let of = |command: &str| loot.iter().find(|one| one.command == command).unwrap();
    let test = &of("score").labels;
    assert_eq!((test.len(), of("adopt").labels.len()), (40, 160));
    assert!(of("adopt").labels.is_disjoint(test) && of("adopt").models == ["model.joblib"], "{:?}", of("adopt"));
    for one in &loot {
        assert!(one.models.is_empty() || one.labels.is_disjoint(test), "{} has a model and test labels", one.command);
    }
    drop((work, adopting, judging));
    setting.tasks.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_was_ready_sees_what_its_command_may_and_ends_with_it() {
    let setting = setting(1).await;
    let dataset = dataset(setting.scratch.path());
    let budget = Budget { time: Duration::from_mins(2), memory_bytes: 2 << 30 };
    let (stop, plan, quiet) = (CancellationToken::new(), plan(), |_: &str, _: f64, _: &Value| {});
    setting.engine.warm(budget.memory_bytes);
    // What is ready for numbers is known by the first training only.
    for (number, ready) in [(0, 3), (1, 4)] {
        let deadline = Instant::now() + Duration::from_mins(2);
        while setting.engine.ready() < ready {
            assert!(Instant::now() < deadline, "{} of {ready} are ready", setting.engine.ready());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = setting.started.load(Ordering::SeqCst);
        let dataset = dataset.clone();
        let training =
            Training { id: ModelId::random(), project: ProjectId::random(), plan: &plan, dataset, origin: None, budget };
        let work = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
        let crew = Crew::gather(&setting.engine, &work, &training).await.unwrap();
        assert_eq!(setting.started.load(Ordering::SeqCst) - before, [1, 0][number], "the others were ready");
        let (views, files) = (ViewPlaces::in_directory(work.path()), work.step("files"));
        make_views(&training, &views).await.unwrap();
        std::fs::create_dir(&files).unwrap();
        let engine = &setting.engine;
        let what = Work { engine, training: &training, views: &views, files: &files, stop: &stop, on_stage: &quiet };
        let busy = setting.engine.ready.begin(&Crew::commands(&plan), budget.memory_bytes);
        crew.work(&what).await.unwrap();
        crew.dismiss().await;
        drop((busy, crew));

        let loot = setting.loot.lock().unwrap().split_off(0);
        let mut commands: Vec<&str> = loot.iter().map(|one| one.command.as_str()).collect();
        commands.sort_unstable();
        assert_eq!(commands, ["calibrate", "predict", "score", "train"], "each sandbox ran one command, and has ended");
        let of = |command: &str| loot.iter().find(|one| one.command == command).unwrap();
        assert_eq!((of("train").labels.len(), of("calibrate").labels.len(), of("score").labels.len()), (160, 160, 40));
        assert!(of("train").labels.is_disjoint(&of("score").labels) && of("calibrate").labels.is_disjoint(&of("score").labels));
        assert!(of("predict").labels.is_empty() && of("predict").models == ["model.joblib"]);
        assert!(of("score").models.is_empty() && of("calibrate").models.is_empty());
        let places = ["work", "work-ready"].map(|name| std::fs::read_dir(setting.scratch.path().join(name)).unwrap());
        let mut left = places.into_iter().flatten().flatten().map(|entry| entry.file_name().into_string().unwrap());
        assert!(left.all(|name| loot.iter().all(|one| one.sandbox != name)), "what they worked on is gone");
    }
    setting.tasks.shutdown(Duration::from_secs(10)).await;
    assert_eq!(setting.engine.ready(), 0, "none outlives the server");
}
