//! A training: rows are divided, a sandbox that sees training rows only makes the model, another that sees no label
//! predicts the held out rows with it, and a third that loads no model joins predictions and labels.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    JobId, ModelId, ProjectId,
    datasets::iso_millis,
    models::{Artifact, EvaluationStatus, MODEL_FILE, ModelStatus, NewModel, TaskType, TrainingPlan},
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    crew::{Crew, Work, Worked},
    engine::{Budget, Engine, WorkDirectory, blocking, off_thread},
    error::ModelingError,
    results,
    views::{ViewCounts, ViewPlaces, ViewRequest, write_views},
};

/// Files of a model, in the order in which they are listed; the first must be there.
const ARTIFACTS: [&str; 8] =
    [MODEL_FILE, SIGNATURE, "model.onnx", "parity.json", "baseline.json", "report.json", "card.json", "card.md"];
pub(crate) const SIGNATURE: &str = "signature.json";
/// The rows that the server keeps apart.
pub(crate) const TEST_FEATURES: &str = "test-features.parquet";
/// Their labels.
pub(crate) const TEST_LABELS: &str = "test-labels.parquet";
/// What the model says of them.
pub(crate) const PREDICTIONS: &str = "predictions.parquet";

/// Told of what happens: stage, share of it that is done, and the event itself.
pub(crate) type OnStage<'a> = &'a (dyn Fn(&str, f64, &Value) + Send + Sync);

/// A training to be run.
pub(crate) struct Training<'a> {
    pub(crate) id: ModelId,
    pub(crate) project: ProjectId,
    pub(crate) plan: &'a TrainingPlan,
    pub(crate) dataset: PathBuf,
    /// What the dataset was derived from.
    pub(crate) origin: Option<PathBuf>,
    pub(crate) budget: Budget,
}

/// What a training made: the model's row, and its files in a directory that is to be put in place.
pub(crate) struct Trained {
    pub(crate) model: NewModel,
    pub(crate) files: PathBuf,
    /// The evaluation, as far as it is there.
    pub(crate) evaluation: Option<PathBuf>,
}

/// Whether a template searches for its model.
pub(crate) fn is_auto(plan: &TrainingPlan) -> bool {
    plan.template_id.starts_with("auto_")
}

/// Runs a training. Nothing is stored yet.
pub(crate) async fn train(
    engine: &Engine,
    work: &WorkDirectory,
    training: &Training<'_>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Trained, ModelingError> {
    let began = Instant::now();
    on_stage("preparing", 0.0, &Value::Null);
    let plan = training.plan;
    let _busy = engine.ready.begin(&Crew::commands(plan), training.budget.memory_bytes);
    let views = ViewPlaces::in_directory(work.path());
    let (counts, crew) = tokio::try_join!(make_views(training, &views), Crew::gather(engine, work, training))?;
    if stop.is_cancelled() {
        return Err(ModelingError::Stopped);
    }
    let files = make_directory(work.step("files")).await?;
    let worked = crew.work(&Work { engine, training, views: &views, files: &files, stop, on_stage }).await?;
    let (taken, ()) = tokio::join!(take_artifacts(&worked, &files), crew.dismiss());
    let taken = taken?;
    let (report, signature) = (&taken.report, &taken.signature);
    let mut model = describe(training, report, signature, taken.artifacts, counts);
    note_interval(&mut model.metadata, &worked.interval);
    let evaluation = if plan.task_type == TaskType::Clustering {
        let evaluation = work.step("evaluation");
        model.metrics = clusters(report, &evaluation).await?;
        model.evaluation_status = EvaluationStatus::Ready;
        Some(evaluation)
    } else {
        model.metrics = worked.metrics;
        None
    };
    model.training_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    on_stage("saving", 0.97, &Value::Null);
    Ok(Trained { model, files, evaluation })
}

impl Engine {
    /// Trains on a Parquet file and leaves the model's files, and the rows that it was tested on, in `target`, which is made:
    /// for programs without a store. The server's jobs do the same, and store what comes out.
    ///
    /// # Errors
    /// `TrainingFailed` and `OutOfBudget` say what to change; `RuntimeUnavailable`, `SandboxFailed`, `Internal`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the sandbox; nothing is left in `target`.
    pub async fn train_file(
        &self,
        plan: &TrainingPlan,
        dataset: &Path,
        target: &Path,
        budget: Budget,
        stop: &CancellationToken,
    ) -> Result<NewModel, ModelingError> {
        let work = self.work_directory(JobId::random(), 0).await?;
        let dataset = dataset.to_owned();
        let training = Training { id: ModelId::random(), project: ProjectId::random(), plan, dataset, origin: None, budget };
        let trained = train(self, &work, &training, stop, &|_, _, _| {}).await?;
        put_in_place(trained.files, target.to_owned()).await?;
        Ok(trained.model)
    }
}

/// Writes the views of a training.
pub(crate) async fn make_views(training: &Training<'_>, views: &ViewPlaces) -> Result<ViewCounts, ModelingError> {
    let plan = training.plan;
    let request = ViewRequest {
        dataset: training.dataset.clone(),
        origin: training.origin.clone(),
        target: plan.target.clone().filter(|_| plan.task_type != TaskType::Clustering),
        features: plan.features.clone(),
        split: plan.split.clone(),
        classes: plan.task_type == TaskType::Classification,
    };
    let views = views.clone();
    off_thread("dividing the dataset", move || write_views(&request, &views)).await
}

/// `spec.json` of what trains; `extra` is laid over it.
pub(crate) fn training_spec(plan: &TrainingPlan, extra: Option<Value>) -> Value {
    let mut spec = json!({
        "templateId": plan.template_id,
        "problemType": plan.task_type,
        "target": plan.target,
        "features": plan.features,
        "params": plan.parameters,
        "columns": plan.columns,
        "seed": plan.split.seed,
        // Of the model alone: what needs many fits is computed with the evaluation, in the background.
        "cv": null,
        "learningCurve": null,
        "split": { "kind": plan.split.kind, "column": plan.split.column, "testSize": plan.split.test_size, "seed": plan.split.seed },
        "name": plan.name,
        "dataset": { "id": plan.dataset_id, "version": plan.dataset_version, "name": plan.dataset_name },
    });
    if let (Some(spec), Some(Value::Object(extra))) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    spec
}

/// Files of a model that were taken over, and what two of them say.
struct Taken {
    artifacts: Vec<Artifact>,
    report: Value,
    signature: Value,
}

/// Takes the model's files out of the sandbox's directory, those that are not there yet. The signature gets its interval.
async fn take_artifacts(worked: &Worked, files: &Path) -> Result<Taken, ModelingError> {
    let (out, files) = (worked.out.clone(), files.to_owned());
    let mut model = worked.model.clone();
    let interval = worked.interval.clone().ok().flatten();
    off_thread("keeping a model's files", move || {
        let mut artifacts = Vec::new();
        for name in ARTIFACTS {
            let target = files.join(name);
            match (name, model.take()) {
                (MODEL_FILE, Some(model)) => artifacts.push(model),
                (MODEL_FILE | SIGNATURE, _) => artifacts.push(results::take_required(&out, name, &target)?),
                _ => artifacts.extend(results::take_optional(&out, name, &target)?),
            }
        }
        let mut signature = results::json(&files, SIGNATURE)?;
        if let (Some(interval), Some(output)) = (interval, signature.get_mut("output").and_then(Value::as_object_mut)) {
            output.insert("interval".to_owned(), interval);
            let written = results::write_json(&files.join(SIGNATURE), &signature)?;
            artifacts
                .iter_mut()
                .filter(|artifact| artifact.filename == SIGNATURE)
                .for_each(|artifact| *artifact = written.clone());
        }
        Ok(Taken { artifacts, report: results::json(&files, "report.json")?, signature })
    })
    .await
}

/// Tells with the model why it has no interval.
fn note_interval(metadata: &mut Map<String, Value>, interval: &Result<Option<Value>, String>) {
    match interval {
        Ok(Some(interval)) => drop(metadata.insert("interval".to_owned(), interval.clone())),
        Ok(None) => {}
        Err(reason) => {
            let note = Value::from(format!("the prediction interval was left out: {reason}"));
            if let Some(warnings) = metadata.entry("warnings").or_insert_with(|| json!([])).as_array_mut() {
                warnings.push(note);
            }
        }
    }
}

pub(crate) async fn make_directory(path: PathBuf) -> Result<PathBuf, ModelingError> {
    blocking("making a directory", move || fs::create_dir_all(&path).map(|()| path)).await
}

/// The evaluation of clusters, which `train` has measured already.
async fn clusters(report: &Value, evaluation: &Path) -> Result<BTreeMap<String, f64>, ModelingError> {
    let block = &report["clustering_metrics"];
    let metrics: BTreeMap<String, f64> = ["silhouette", "davies_bouldin", "calinski_harabasz"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), block[name].as_f64()?)))
        .collect();
    keep_clusters(report, &metrics, evaluation).await?;
    Ok(metrics)
}

/// Writes the evaluation of clusters.
pub(crate) async fn keep_clusters(
    report: &Value,
    metrics: &BTreeMap<String, f64>,
    evaluation: &Path,
) -> Result<(), ModelingError> {
    let document = json!({
        "version": 1,
        "taskType": "clustering",
        "effectiveTaskType": "clustering",
        "timestamp": iso_millis::format(DateTime::<Utc>::from(SystemTime::now())),
        "computeMs": 0,
        "warnings": report["warnings"],
        "metrics": metrics,
        "clustering_metrics": report["clustering_metrics"],
    });
    let directory = evaluation.to_owned();
    blocking("keeping an evaluation", move || {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("evaluation.json"), document.to_string())?;
        let analysis = json!({ "available": false, "reason": "clusters have no labels that could be wrong" });
        fs::write(directory.join("error_analysis.json"), analysis.to_string())
    })
    .await
}

/// The model's row, from what its sandbox reported.
pub(crate) fn describe(
    training: &Training<'_>,
    report: &Value,
    signature: &Value,
    artifacts: Vec<Artifact>,
    counts: ViewCounts,
) -> NewModel {
    let plan = training.plan;
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    NewModel {
        id: training.id,
        project_id: training.project,
        plan: plan.clone(),
        library: text(&report["library"]),
        algorithm: text(&report["algorithm"]),
        parameters: object(&report["parameters"]),
        metrics: BTreeMap::new(),
        status: ModelStatus::Completed,
        training_ms: None,
        feature_columns: signature["featureColumns"]
            .as_array()
            .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
            .unwrap_or_default(),
        sample_count: report.pointer("/rows/used").and_then(Value::as_u64).map(|used| used + counts.test),
        artifacts,
        storage: String::new(),
        error: None,
        metadata: provenance(plan, report, counts),
        feature_types: object(&signature["featureTypes"])
            .into_iter()
            .filter_map(|(name, kind)| Some((name, kind.as_str()?.to_owned())))
            .collect(),
        sample_request: object(&signature["sampleRequest"]),
        evaluation_status: EvaluationStatus::Pending,
        evaluation_storage: None,
        evaluation_error: None,
    }
}

/// Where a model comes from: what a person needs to trust it, or to repeat it.
fn provenance(plan: &TrainingPlan, report: &Value, counts: ViewCounts) -> Map<String, Value> {
    let parity = &report["parity"];
    let mut metadata = Map::new();
    let mut note = |key: &str, value: Value| {
        if !value.is_null() {
            metadata.insert(key.to_owned(), value);
        }
    };
    if plan.task_type != TaskType::Clustering {
        note("testSize", json!(plan.split.test_size));
        note(
            "split",
            json!({ "kind": plan.split.kind, "column": plan.split.column, "testSize": plan.split.test_size,
            "seed": plan.split.seed, "trainRows": counts.train, "testRows": counts.test }),
        );
        note("holdout", json!("sealed"));
    }
    note("seed", json!(plan.split.seed));
    note("dataset", json!({ "datasetId": plan.dataset_id, "version": plan.dataset_version, "filename": plan.dataset_name }));
    note(
        "onnx",
        json!({ "converted": parity["converted"], "reason": parity["reason"], "maxDifference": parity["maxDifference"],
        "rows": parity["rows"] }),
    );
    for (key, from) in [
        ("columnDecisions", "columns"),
        ("warnings", "warnings"),
        ("libraryVersions", "versions"),
        ("codeHash", "codeHash"),
        ("timing", "timing"),
        ("search", "search"),
        ("leaks", "leaks"),
    ] {
        note(key, report[from].clone());
    }
    note("clusterSizes", report.pointer("/clustering_metrics/cluster_sizes").cloned().unwrap_or_default());
    metadata
}

/// The scores that a scoring command told.
pub(crate) fn metrics_of(done: &Value) -> BTreeMap<String, f64> {
    numbers(&done["metrics"])
}

/// The numbers of an object; what is no finite number is left out.
fn numbers(value: &Value) -> BTreeMap<String, f64> {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_f64().filter(|number| number.is_finite())?))).collect()
}

/// What a sandbox is doing, for people.
pub(crate) fn stage_of(event: &Value) -> String {
    event["stage"].as_str().or(event["type"].as_str()).unwrap_or("working").chars().take(100).collect()
}

/// How far it says it is.
pub(crate) fn fraction_of(event: &Value) -> f64 {
    match event["type"].as_str() {
        Some("done") => 1.0,
        _ => event["progress"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0),
    }
}

/// Puts a directory of files in its place. A run that was taken over meanwhile has a place of its own.
pub(crate) async fn put_in_place(from: PathBuf, to: PathBuf) -> Result<(), ModelingError> {
    blocking("storing a model's files", move || {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_tree(&from, &to)?,
            moved => moved?,
        }
        sync_tree(&to)
    })
    .await
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_numbers() {
        let scores = numbers(&json!({ "accuracy": 0.5, "roc_auc": null, "note": "x", "rows": 3 }));
        assert_eq!(scores, BTreeMap::from([("accuracy".to_owned(), 0.5), ("rows".to_owned(), 3.0)]));
    }

    #[test]
    fn progress_is_bounded_whatever_a_sandbox_says() {
        assert_eq!(fraction_of(&json!({ "progress": 7.0 })).to_string(), "1");
        assert_eq!(fraction_of(&json!({ "progress": "x" })).to_string(), "0");
        assert_eq!(stage_of(&json!({ "stage": "x".repeat(1000) })).len(), 100);
    }
}
