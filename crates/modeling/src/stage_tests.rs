//! What becomes of a run that is stopped, or whose sandbox is lost, at each of its stages. The sandboxes are made up: they
//! write what `gristmill_ml` writes, and do as they are told at the stage in question.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use async_trait::async_trait;
use gristmill_domain::{
    DatasetId, JobId, ModelId, ProjectId,
    execution::PythonVersion,
    models::{Split, SplitKind, TaskType, TrainingPlan},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    ProjectData, ProjectFiles, Runtime, RuntimeOptions,
    packages::GUEST_LAYER_PATH,
    sandbox::{BackendKind, Exit, GuestPython, Isolation, Sandbox, SandboxBackend, SandboxError, SandboxSpec, Usage},
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    adopt::{Adoption, adopt},
    engine::{Budget, Engine, ModelingOptions},
    error::ModelingError,
    evaluate::{Evaluation, evaluate},
    handlers::Adopted,
    sealed_tests::stored,
    train::{Trained, Training, train},
    tune::{Study, tune},
};

/// What happens at one stage.
#[derive(Debug, Clone, PartialEq)]
enum Trouble {
    /// The run is told to stop, and the command does not listen.
    StoppedAndDeaf,
    /// The run is told to stop, and the command does.
    Stopped,
    /// The sandbox ends so.
    Ends(Exit),
    /// The command refuses the data.
    Refuses,
    /// The model cannot predict from the columns as they are.
    CannotPredict,
}

/// Makes up sandboxes.
#[derive(Debug)]
struct Stage {
    trouble: Option<(&'static str, Trouble)>,
    stop: CancellationToken,
    tasks: Tasks,
    with_packages: SawPackages,
}

/// The commands whose sandbox saw packages of a project.
type SawPackages = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
struct MadeUp {
    id: String,
    exit: watch::Sender<Option<Exit>>,
}

#[async_trait]
impl Sandbox for MadeUp {
    fn id(&self) -> &str {
        &self.id
    }
    async fn wait(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        exit.wait_for(Option::is_some).await.map_or(Exit::Killed, |exit| exit.clone().unwrap())
    }
    async fn kill(&self) {
        self.exit.send_if_modified(|exit| exit.is_none().then(|| *exit = Some(Exit::Killed)).is_some());
    }
    async fn usage(&self) -> Usage {
        Usage::default()
    }
    async fn log_tail(&self) -> String {
        "Traceback\nlast words".to_owned()
    }
}

#[async_trait]
impl SandboxBackend for Stage {
    fn kind(&self) -> BackendKind {
        BackendKind::Process
    }
    async fn probe(&self) -> Result<Isolation, SandboxError> {
        Ok(Isolation { backend: BackendKind::Process, measures: Vec::new() })
    }
    fn python(&self, _: PythonVersion) -> Result<GuestPython, SandboxError> {
        Ok(GuestPython { name: "made up".to_owned(), interpreter: "/python".into(), mounts: Vec::new() })
    }
    async fn start(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let command = spec.command.iter().skip_while(|word| *word != "gristmill_ml").nth(1).unwrap().clone();
        let host = |guest: &str| spec.mounts.iter().find(|mount| mount.guest == Path::new(guest)).unwrap().host.clone();
        let has_packages = spec.mounts.iter().any(|mount| mount.guest == Path::new(GUEST_LAYER_PATH));
        assert_eq!(spec.environment["PYTHONPATH"].ends_with(GUEST_LAYER_PATH), has_packages);
        if has_packages {
            self.with_packages.lock().unwrap().push(command.clone());
        }
        let (exit, trouble) =
            (watch::Sender::new(None), self.trouble.clone().filter(|(at, _)| *at == command).map(|(_, what)| what));
        let (input, out, stop, ends) = (host("/in"), host("/out"), self.stop.clone(), exit.clone());
        self.tasks.spawn_until_stopped("a made-up sandbox", async move {
            while !input.join("spec.json").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let used: &[&str] = if has_packages { &["tinyest"] } else { &[] };
            let code = act((command.as_str(), used), trouble, &input, &out, &stop).await;
            ends.send_if_modified(|exit| exit.is_none().then(|| *exit = Some(code)).is_some());
        });
        Ok(Box::new(MadeUp { id: spec.id, exit }))
    }
    async fn sweep(&self) -> Result<usize, SandboxError> {
        Ok(0)
    }
}

async fn act(
    (command, used): (&str, &[&str]),
    trouble: Option<Trouble>,
    input: &Path,
    out: &Path,
    stop: &CancellationToken,
) -> Exit {
    let say = |event: Value| {
        let mut said = fs::read_to_string(out.join("events.ndjson")).unwrap_or_default();
        said.push_str(&format!("{event}\n"));
        fs::write(out.join("events.ndjson"), said).unwrap();
    };
    match trouble {
        None => {}
        Some(Trouble::Ends(exit)) => return exit,
        Some(Trouble::Refuses) => {
            say(json!({ "type": "error", "code": "fit_failed", "message": "it cannot be", "field": "templateId" }));
            return Exit::Code(2);
        }
        Some(Trouble::CannotPredict) => {
            say(json!({ "type": "done", "scorable": false, "reason": "it takes other columns" }));
            return Exit::Code(0);
        }
        Some(trouble) => {
            stop.cancel();
            while trouble == Trouble::StoppedAndDeaf || !input.join("cancel").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            say(json!({ "type": "error", "code": "cancelled", "message": "stopped" }));
            return Exit::Code(3);
        }
    }
    let report = json!({ "library": "sklearn", "algorithm": "Ridge", "parameters": {}, "rows": { "used": 32 }, "warnings": [] });
    let results: &[(&str, Value)] = match command {
        "train" => &[
            ("model.joblib", json!("model")),
            ("signature.json", json!({ "output": {}, "featureColumns": ["x"] })),
            ("report.json", report),
        ],
        "adopt" => &[
            ("signature.json", json!({ "output": {}, "featureColumns": ["x"] })),
            ("baseline.json", json!({})),
            ("report.json", report),
            ("predictions.parquet", json!("rows")),
        ],
        "calibrate" => &[("interval.json", json!({ "interval": { "level": 0.9, "halfWidth": 1.5, "rows": 7 } }))],
        "diagnose" => &[("report.json", json!({ "warnings": [] }))],
        "predict" => &[("predictions.parquet", json!("rows")), ("shap.json", json!({}))],
        "score" => &[("evaluation.json", json!({ "warnings": [] })), ("error_analysis.json", json!({}))],
        "package" => &[("model.zip", json!("zip"))],
        "tune" => &[("result.json", json!({ "status": "completed" })), ("tuning.journal", json!("journal"))],
        other => panic!("no such command: {other}"),
    };
    for (name, value) in results {
        fs::write(out.join(name), value.to_string()).unwrap();
    }
    fs::create_dir_all(out.join("predictions")).unwrap();
    for entry in
        fs::read_dir(input).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("permuted"))
    {
        fs::write(out.join("predictions").join(entry.file_name()), "rows").unwrap();
    }
    if command == "train" {
        say(json!({ "type": "fitted" }));
    }
    say(json!({ "type": "done", "metrics": { "r2": 0.5 }, "scorable": true, "packages": used }));
    Exit::Code(0)
}

#[derive(Debug)]
struct NoProjects;

#[async_trait]
impl ProjectData for NoProjects {
    async fn datasets(&self, _: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        Err("no projects".into())
    }
}

/// An engine over made-up sandboxes, with a dataset.
struct Lab {
    engine: Engine,
    stop: CancellationToken,
    plan: TrainingPlan,
    dataset: PathBuf,
    scratch: tempfile::TempDir,
    tasks: Tasks,
    with_packages: SawPackages,
}

const BUDGET: Budget = Budget { time: Duration::from_mins(1), memory_bytes: 1 << 30 };

async fn lab(trouble: Option<(&'static str, Trouble)>) -> Lab {
    let (scratch, tasks, stop) = (tempfile::tempdir().unwrap(), Tasks::new(), CancellationToken::new());
    let with_packages = SawPackages::default();
    let stage = Stage { trouble, stop: stop.clone(), tasks: tasks.clone(), with_packages: Arc::clone(&with_packages) };
    let stage = Arc::new(stage);
    let options = RuntimeOptions::new(scratch.path().to_owned(), scratch.path().join("cache"));
    let modeling = ModelingOptions {
        ready_trainings: 0,
        ..ModelingOptions::new(scratch.path().join("work"), scratch.path().join("cache"), options.limits)
    };
    let runtime = Runtime::with_backend(options, stage, Arc::new(NoProjects), &tasks).await;
    while !runtime.status().ready {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values((0..40).map(f64::from)));
    let batch = RecordBatch::try_from_iter([("x", Arc::clone(&numbers)), ("y", numbers)]).unwrap();
    let dataset = scratch.path().join("v1.parquet");
    let mut writer = ArrowWriter::try_new(fs::File::create(&dataset).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let plan = TrainingPlan {
        dataset_id: DatasetId::random(),
        dataset_version: 1,
        dataset_name: "stages.csv".to_owned(),
        name: "Stages".to_owned(),
        template_id: "ridge_regression".to_owned(),
        task_type: TaskType::Regression,
        target: Some("y".to_owned()),
        features: None,
        columns: BTreeMap::new(),
        parameters: serde_json::Map::new(),
        split: Split { kind: SplitKind::Random, column: None, test_size: 0.2, seed: 42 },
    };
    Lab { engine: Engine::new(runtime, modeling, &tasks), stop, plan, dataset, scratch, tasks, with_packages }
}

impl Lab {
    fn training(&self) -> Training<'_> {
        let (id, project, dataset) = (ModelId::random(), ProjectId::random(), self.dataset.clone());
        Training { id, project, plan: &self.plan, dataset, origin: None, budget: BUDGET }
    }

    async fn train(&self, stop: &CancellationToken) -> Result<Trained, ModelingError> {
        let work = self.engine.work_directory(JobId::random(), 0).await.unwrap();
        let trained = train(&self.engine, &work, &self.training(), stop, &|_, _, _| {}).await?;
        // As the job does, which keeps the files before its work directory goes.
        let kept = self.scratch.path().join("model");
        fs::rename(&trained.files, &kept).unwrap();
        Ok(Trained { files: kept, ..trained })
    }

    async fn evaluate(&self) -> Result<(), ModelingError> {
        let trained = self.train(&CancellationToken::new()).await?;
        let (model, files) = (stored(trained.model), trained.files);
        let work = self.engine.work_directory(JobId::random(), 0).await.unwrap();
        let evaluation = Evaluation { model: &model, files, dataset: self.dataset.clone(), origin: None, budget: BUDGET };
        evaluate(&self.engine, &work, &evaluation, &self.stop, &|_, _, _| {}).await.map(drop)
    }

    /// Adopts a model whose file is there already.
    async fn adopt(&self) -> Result<Trained, ModelingError> {
        let staging = self.scratch.path().join("staging");
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join("model.joblib"), "model").unwrap();
        let adopted = Adopted { algorithm: "ridge".to_owned(), metadata: serde_json::Map::new(), training_ms: None };
        let work = self.engine.work_directory(JobId::random(), 0).await.unwrap();
        let adoption = Adoption { training: self.training(), adopted: &adopted, staging };
        let made = adopt(&self.engine, &work, &adoption, &self.stop, &|_, _, _| {}).await?;
        let kept = self.scratch.path().join("adopted");
        fs::rename(&made.files, &kept).unwrap();
        Ok(Trained { files: kept, ..made })
    }

    /// Installs a package in the project whose model will be adopted.
    fn install(&self) {
        for (name, text) in [("tinyest/__init__.py", ""), ("tinyest-1.0.dist-info/RECORD", "tinyest/__init__.py,,\n")] {
            let path = self.scratch.path().join("staging/packages").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    async fn tune(&self) -> Result<(), ModelingError> {
        let work = self.engine.work_directory(JobId::random(), 0).await.unwrap();
        let study = Study {
            training: self.training(),
            trials: 2,
            metric: "r2",
            timeout: Duration::from_secs(30),
            sampler: "tpe",
            journal: self.scratch.path().join("journal"),
        };
        tune(&self.engine, &work, &study, &self.stop, &|_, _, _| {}).await.map(drop)
    }

    /// Nothing is left of what was worked on.
    async fn end(self) {
        let left: Vec<_> = fs::read_dir(self.scratch.path().join("work")).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
        self.tasks.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_training_and_its_evaluation_go_through_all_their_stages() {
    let lab = lab(None).await;
    let trained = lab.train(&lab.stop).await.unwrap();
    assert_eq!(trained.model.metrics["r2"].to_string(), "0.5");
    let signature: Value = serde_json::from_slice(&fs::read(trained.files.join("signature.json")).unwrap()).unwrap();
    let interval = json!({ "method": "split_conformal", "level": 0.9, "halfWidth": 1.5, "rows": 7 });
    assert_eq!((&signature["output"]["interval"], &trained.model.metadata["interval"]), (&interval, &interval));
    let listed = trained.model.artifacts.iter().find(|artifact| artifact.filename == "signature.json").unwrap();
    let size = fs::metadata(trained.files.join("signature.json")).unwrap().len();
    assert_eq!(listed.size, size, "the checksum is of the file with the interval");
    fs::remove_dir_all(&trained.files).unwrap();
    lab.evaluate().await.unwrap();
    lab.tune().await.unwrap();
    lab.end().await;
}

#[tokio::test]
async fn a_training_stops_at_each_of_its_stages() {
    for command in ["train", "calibrate", "predict", "score"] {
        for trouble in [Trouble::Stopped, Trouble::StoppedAndDeaf] {
            let lab = lab(Some((command, trouble.clone()))).await;
            let ended = lab.train(&lab.stop).await.map(drop);
            assert!(matches!(ended, Err(ModelingError::Stopped)), "{command} {trouble:?}: {ended:?}");
            lab.end().await;
        }
    }
    let lab = lab(None).await;
    lab.stop.cancel();
    let ended = lab.train(&lab.stop).await.map(drop);
    assert!(matches!(ended, Err(ModelingError::Stopped)), "before it began: {ended:?}");
    lab.end().await;
}

#[tokio::test]
async fn an_evaluation_and_a_study_stop_at_each_of_their_stages() {
    for command in ["diagnose", "package"] {
        let lab = lab(Some((command, Trouble::Stopped))).await;
        let ended = lab.evaluate().await;
        assert!(matches!(ended, Err(ModelingError::Stopped)), "{command}: {ended:?}");
        lab.end().await;
    }
    for trouble in [Trouble::Stopped, Trouble::StoppedAndDeaf] {
        let lab = lab(Some(("tune", trouble.clone()))).await;
        let ended = lab.tune().await;
        assert!(matches!(ended, Err(ModelingError::Stopped)), "{trouble:?}: {ended:?}");
        lab.end().await;
    }
}

#[tokio::test]
async fn a_sandbox_that_is_lost_ends_its_run_with_a_reason_to_act_on() {
    let cases = [
        (Trouble::Ends(Exit::Killed), "try again"),
        (Trouble::Ends(Exit::Signal(9)), "signal 9"),
        (Trouble::Ends(Exit::Code(1)), "last words"),
        (Trouble::Ends(Exit::OutOfMemory), "raise the memory"),
        (Trouble::Ends(Exit::OutOfDisk), "fewer rows"),
        (Trouble::Refuses, "it cannot be"),
    ];
    for command in ["train", "predict", "score"] {
        for (trouble, reason) in cases.clone() {
            let lab = lab(Some((command, trouble.clone()))).await;
            let error = lab.train(&lab.stop).await.map(drop).unwrap_err();
            assert!(error.public_message().contains(reason), "{command} {trouble:?}: {}", error.public_message());
            lab.end().await;
        }
    }
    let lab = lab(Some(("tune", Trouble::Ends(Exit::OutOfMemory)))).await;
    assert!(lab.tune().await.unwrap_err().public_message().contains("raise the memory"));
    lab.end().await;
}

#[tokio::test]
async fn a_model_without_an_interval_or_cross_validation_is_a_model() {
    let lab = lab(Some(("calibrate", Trouble::Ends(Exit::OutOfMemory)))).await;
    let trained = lab.train(&lab.stop).await.unwrap();
    let warnings = trained.model.metadata["warnings"].to_string();
    assert!(warnings.contains("the prediction interval was left out: it needs more than"), "{warnings}");
    assert!(!trained.model.metadata.contains_key("interval"));
    lab.end().await;
    let lab = self::lab(Some(("diagnose", Trouble::Refuses))).await;
    lab.evaluate().await.unwrap();
    lab.end().await;
}

#[tokio::test]
async fn an_adopted_model_has_scores_or_a_reason() {
    let lab = lab(None).await;
    let made = lab.adopt().await.unwrap();
    assert_eq!((made.model.metrics["r2"].to_string(), made.model.is_unscored()), ("0.5".to_owned(), false));
    let kept = |name: &str| made.files.join(name).exists();
    assert!(["model.joblib", "signature.json", "predictions.parquet", "test-labels.parquet"].into_iter().all(kept));
    lab.end().await;
    let lab = self::lab(Some(("adopt", Trouble::CannotPredict))).await;
    let made = lab.adopt().await.unwrap();
    assert_eq!((made.model.unscored_reason(), made.model.holdout()), (Some("it takes other columns"), None));
    assert!(made.model.metrics.is_empty() && made.evaluation.is_none());
    let artifacts: Vec<&str> = made.model.artifacts.iter().map(|artifact| artifact.filename.as_str()).collect();
    assert_eq!(artifacts, ["model.joblib"]);
    lab.end().await;
}

#[tokio::test]
async fn an_adoption_ends_with_a_reason_at_each_of_its_stages() {
    for command in ["adopt", "score"] {
        let lab = lab(Some((command, Trouble::Stopped))).await;
        let ended = lab.adopt().await.map(drop);
        assert!(matches!(ended, Err(ModelingError::Stopped)), "{command}: {ended:?}");
        lab.end().await;
        for (trouble, reason) in [(Trouble::Ends(Exit::Signal(9)), "signal 9"), (Trouble::Refuses, "it cannot be")] {
            let lab = self::lab(Some((command, trouble))).await;
            let error = lab.adopt().await.map(drop).unwrap_err();
            assert!(error.public_message().contains(reason), "{command}: {}", error.public_message());
            lab.end().await;
        }
    }
}

#[tokio::test]
async fn only_what_loads_a_model_sees_the_packages_that_it_was_made_with() {
    let lab = lab(None).await;
    lab.install();
    let made = lab.adopt().await.unwrap();
    assert_eq!(*lab.with_packages.lock().unwrap(), ["adopt"], "what scores it does not");
    let (model, files) = (stored(made.model), made.files);
    let packages: Vec<String> = model.packages().iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    assert_eq!((packages, files.join("packages/tinyest/__init__.py").exists()), (vec!["tinyest 1.0".to_owned()], true));
    let work = lab.engine.work_directory(JobId::random(), 0).await.unwrap();
    let evaluation = Evaluation { model: &model, files, dataset: lab.dataset.clone(), origin: None, budget: BUDGET };
    evaluate(&lab.engine, &work, &evaluation, &lab.stop, &|_, _, _| {}).await.unwrap();
    assert_eq!(*lab.with_packages.lock().unwrap(), ["adopt", "predict"]);
    drop(work);
    lab.end().await;

    // One that used none of them takes none along.
    let lab = self::lab(Some(("adopt", Trouble::CannotPredict))).await;
    lab.install();
    let made = lab.adopt().await.unwrap();
    assert_eq!((made.model.packages(), made.files.join("packages").exists()), (Vec::new(), false));
    lab.end().await;
    let lab = self::lab(Some(("adopt", Trouble::Ends(Exit::Signal(9))))).await;
    lab.install();
    let error = lab.adopt().await.map(drop).unwrap_err().public_message();
    assert!(error.contains("tinyest 1.0") && error.contains("signal 9") && error.contains("uninstall"), "{error}");
    lab.end().await;
}
