//! The promise that everything else rests on: code in a sandbox cannot get at a test label, and no model is loaded where
//! labels are. An intruder is let into every sandbox before its own program, and reads all that it can.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use chrono::DateTime;
use gristmill_domain::{
    DatasetId, JobId, ModelId, ProjectId,
    execution::PythonVersion,
    models::{Model, NewModel, Split, SplitKind, TaskType, TrainingPlan},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    ProjectData, ProjectFiles, Runtime, RuntimeOptions, environment,
    sandbox::{
        BackendKind, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec,
        process::{ProcessBackend, ProcessOptions},
    },
};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Budget, Engine, ModelingOptions},
    evaluate::{Evaluation, evaluate},
    train::{Training, train},
    tune::{Study, tune},
};

/// Walks everything that can be read, looks for labels as text and in Parquet columns, and tells what models are there.
const INTRUDER: &str = r#"
import json, os, re
import pyarrow.parquet as pq
labels, models, readable = set(), set(), 0
# Its own command line must not look like a label.
LOW = 73456 * 10**5
PATTERN = re.compile(rb'(?<![0-9.])7345600[01][0-9]{2}(?![0-9])')
for root, dirs, files in os.walk('/'):
    if root == '/':
        dirs[:] = [d for d in dirs if d not in ('proc', 'sys', 'usr', 'dev')]
    dirs[:] = [d for d in dirs if d not in ('site-packages', '.pyenv', 'lib')]
    for name in files:
        path = os.path.join(root, name)
        try:
            data = open(path, 'rb').read(50_000_000)
        except OSError:
            continue
        readable += 1
        if name.endswith(('.joblib', '.onnx', '.pkl')):
            models.add(name)
        if data[:4] == b'PAR1':
            table = pq.read_table(path)
            for name in table.column_names:
                # What a model says may happen to be somebody's label.
                for value in [] if name == 'prediction' else table[name].to_pylist():
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
print(json.dumps({'labels': sorted(labels), 'models': sorted(models), 'readable': readable}))
"#;

/// What an intruder found beside one command.
#[derive(Debug, Clone)]
struct Loot {
    command: String,
    labels: HashSet<i64>,
    models: Vec<String>,
}

/// Lets the intruder in first, then does what it is asked.
#[derive(Debug)]
struct Spied {
    backend: ProcessBackend,
    loot: Arc<Mutex<Vec<Loot>>>,
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
        let command = vec![python, "-s".to_owned(), "-c".to_owned(), INTRUDER.to_owned()];
        let intruder = self.backend.start(SandboxSpec { id: format!("{}-spy", spec.id), command, ..spec.clone() }).await?;
        intruder.wait().await;
        let log = intruder.log_tail().await;
        let found: Value = serde_json::from_str(log.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{log}"));
        assert!(found["readable"].as_u64().unwrap() > 10, "the intruder could look around: {log}");
        let labels = found["labels"].as_array().unwrap().iter().map(|label| label.as_i64().unwrap()).collect();
        let models = found["models"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let name = spec.command.iter().skip_while(|word| *word != "gristmill_ml").nth(1).unwrap().clone();
        let loot = Loot { command: name, labels, models };
        self.loot.lock().unwrap().push(loot);
        self.backend.start(spec).await
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
    scratch: tempfile::TempDir,
    tasks: Tasks,
}

async fn setting() -> Setting {
    #[expect(clippy::disallowed_methods, reason = "tests use what `gristmill setup` provisioned")]
    let cache = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")));
    let cache = PathBuf::from(cache.unwrap_or_default()).join("gristmill");
    let python = environment::locate(&cache, PythonVersion::default()).unwrap_or_else(|error| panic!("{error}"));
    let scratch = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let owner = uuid::Uuid::new_v4().simple().to_string();
    let backend = ProcessBackend::new(ProcessOptions::new(scratch.path().join("sandboxes"), owner), tasks.clone());
    backend.provide(python);
    let loot = Arc::new(Mutex::new(Vec::new()));
    let spied = Arc::new(Spied { backend, loot: Arc::clone(&loot) });
    let options = RuntimeOptions::new(scratch.path().to_owned(), cache.clone());
    let modeling = ModelingOptions { work_dir: scratch.path().join("work"), cache_dir: cache, limits: options.limits };
    let runtime = Runtime::with_backend(options, spied, Arc::new(NoProjects), &tasks).await;
    Setting { engine: Engine::new(runtime, modeling), loot, scratch, tasks }
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

fn stored(made: NewModel) -> Model {
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
    let setting = setting().await;
    let dataset = dataset(setting.scratch.path());
    let budget = Budget { time: Duration::from_mins(2), memory_bytes: 2 << 30 };
    let stop = CancellationToken::new();
    let (plan, quiet) = (plan(), |_: &str, _: f64, _: &Value| {});
    let training =
        Training { id: ModelId::random(), project: ProjectId::random(), plan: &plan, dataset: dataset.clone(), budget };

    let work = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let trained = train(&setting.engine, &work, &training, &stop, &quiet).await.unwrap();
    let (files, model) = (trained.files, stored(trained.model));
    let judging = setting.engine.work_directory(JobId::random(), 0).await.unwrap();
    let evaluation = Evaluation { model: &model, files, dataset, budget };
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
    let commands: Vec<&str> = loot.iter().map(|one| one.command.as_str()).collect();
    assert_eq!(commands, ["train", "predict", "score", "diagnose", "predict", "score", "package", "tune"]);
    let of = |command: &str| loot.iter().filter(|one| one.command == command).collect::<Vec<_>>();
    let test = &of("score")[0].labels;
    assert_eq!(test.len(), 40, "the scoring sandbox has the test labels");
    assert_eq!(&of("score")[1].labels, test, "both times the same");
    for command in ["train", "diagnose", "tune"] {
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
