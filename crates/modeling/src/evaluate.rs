//! An evaluation: what needs many fits or many predictions, in the background of a training.
//!
//! Cross-validation and the learning curve are fitted on training rows only. Permutation importance works on features that
//! the server has shuffled, SHAP on features without labels; the scoring sandbox sees labels and predictions, and no model.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gristmill_domain::models::{Model, PACKAGES_DIRECTORY, TaskType};
use gristmill_runtime::packages::FrozenLayer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Budget, Engine, WorkDirectory, blocking, off_thread},
    error::ModelingError,
    results,
    step::{Done, Step, run, run_with},
    train::{
        OnStage, PREDICTIONS, TEST_FEATURES, TEST_LABELS, Training, fraction_of, keep_clusters, make_views, metrics_of, stage_of,
        training_spec,
    },
    views::{ViewPlaces, row_ids, write_permuted},
};

/// Shuffles of each column.
const REPEATS: u32 = 3;
/// Rows that all shuffled predictions together may have.
const PERMUTED_ROWS_MAX: usize = 2_000_000;
/// Test rows that are explained.
const EXPLAINED_ROWS: u32 = 200;
/// Rows that explanations are relative to.
const BACKGROUND_ROWS: u32 = 50;

/// An evaluation to be run.
pub(crate) struct Evaluation<'a> {
    pub(crate) model: &'a Model,
    /// The directory of the model's files.
    pub(crate) files: PathBuf,
    /// The dataset that it was trained on, as it was then.
    pub(crate) dataset: PathBuf,
    /// What that was derived from.
    pub(crate) origin: Option<PathBuf>,
    pub(crate) budget: Budget,
}

/// What an evaluation found: its files in a directory that is to be put in place.
pub(crate) struct Evaluated {
    pub(crate) files: PathBuf,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Runs an evaluation. Nothing is stored yet.
pub(crate) async fn evaluate(
    engine: &Engine,
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Evaluated, ModelingError> {
    let target = work.step("evaluation");
    make_directory(&target).await?;
    if evaluation.model.plan.task_type == TaskType::Clustering {
        return again_for_clusters(evaluation, target).await;
    }
    let mut notes = Vec::new();
    on_stage("diagnosing", 0.0, &Value::Null);
    let diagnosed = match diagnose(engine, work, evaluation, stop, on_stage).await {
        Ok(report) => report,
        Err(ModelingError::Stopped) => return Err(ModelingError::Stopped),
        Err(error) => {
            // Best effort: the model can be judged on the held out rows without it.
            notes.push(format!("cross-validation and the learning curve were left out: {}", error.public_message()));
            Value::Null
        }
    };
    let permuted = permute(work, evaluation, &mut notes).await?;
    on_stage("predicting", 0.5, &Value::Null);
    let predicted = predict(engine, work, evaluation, &permuted, stop, on_stage).await?;
    on_stage("scoring", 0.8, &Value::Null);
    let kept = keep_predictions(&predicted, &target, permuted.iter().map(|(_, file)| file.clone()).collect()).await?;
    let report = merged_report(evaluation, diagnosed, &target).await?;
    let scored = score(engine, work, evaluation, &Scored { kept: &kept, permuted: &permuted, report: &report }, stop).await?;
    let metrics = metrics_of(&scored.event);
    take_results(&scored.out(), &target, notes).await?;
    on_stage("packaging", 0.95, &Value::Null);
    package(engine, work, evaluation, &target, stop).await?;
    Ok(Evaluated { files: target, metrics })
}

async fn make_directory(path: &Path) -> Result<(), ModelingError> {
    let path = path.to_owned();
    blocking("making a directory", move || fs::create_dir_all(path)).await
}

/// Clusters were measured by their training: their evaluation is put together again from its report.
async fn again_for_clusters(evaluation: &Evaluation<'_>, target: PathBuf) -> Result<Evaluated, ModelingError> {
    let files = evaluation.files.clone();
    let report = off_thread("reading a model's report", move || results::json(&files, "report.json")).await?;
    let metrics = evaluation.model.metrics.clone();
    keep_clusters(&report, &metrics, &target).await?;
    Ok(Evaluated { files: target, metrics })
}

/// Cross-validation and learning curve, in a sandbox that sees training rows only.
async fn diagnose(
    engine: &Engine,
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Value, ModelingError> {
    let model = evaluation.model;
    if model.is_from_notebook() {
        let message = "the model was made in a notebook, so it cannot be fitted again here";
        return Err(ModelingError::refused("unsupported", message, None));
    }
    if model.plan.template_id.starts_with("auto_") {
        let message = "the search of an automatic model has its own validation, which the model's report shows";
        return Err(ModelingError::refused("unsupported", message, None));
    }
    let views = ViewPlaces::in_directory(work.path());
    let training = Training {
        id: model.id,
        project: model.project_id,
        plan: &model.plan,
        dataset: evaluation.dataset.clone(),
        origin: evaluation.origin.clone(),
        budget: evaluation.budget,
    };
    make_views(&training, &views).await?;
    same_rows(&views, &evaluation.files).await?;
    let folds = json!({ "cv": { "folds": 5 }, "learningCurve": { "folds": 3 } });
    let step = Step {
        command: "diagnose",
        spec: training_spec(&model.plan, Some(folds)),
        files: vec![(views.train.clone(), "train.parquet".to_owned())],
        time: evaluation.budget.time,
        memory_bytes: evaluation.budget.memory_bytes,
        on_event: &|event| on_stage(&stage_of(event), 0.5 * fraction_of(event), &Value::Null),
    };
    let done = run(engine, work.path(), step, stop).await?;
    let out = done.out();
    off_thread("reading a report", move || results::json(&out, "report.json")).await
}

/// The rows must be divided as they were for the training: else training rows would be test rows.
async fn same_rows(views: &ViewPlaces, files: &Path) -> Result<(), ModelingError> {
    let (now, then) = (views.labels.clone(), files.join(TEST_LABELS));
    let same = off_thread("comparing the held out rows", move || Ok(row_ids(&now)? == row_ids(&then)?)).await?;
    if same { Ok(()) } else { Err(ModelingError::DatasetGone) }
}

async fn permute(
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, String)>, ModelingError> {
    let features = evaluation.files.join(TEST_FEATURES);
    let counted = features.clone();
    let rows = off_thread("reading the held out rows", move || row_ids(&counted)).await?.len().max(1);
    let all = &evaluation.model.feature_columns;
    let affordable = PERMUTED_ROWS_MAX / rows;
    let repeats = if all.len().saturating_mul(3) <= affordable { REPEATS } else { 1 };
    let columns: Vec<String> = all.iter().take(affordable.max(1)).cloned().collect();
    if columns.len() < all.len() {
        notes.push(format!("permutation importance was measured for the first {} of {} columns", columns.len(), all.len()));
    }
    let directory = work.step("permuted");
    let seed = evaluation.model.plan.split.seed;
    off_thread("shuffling columns", move || {
        fs::create_dir_all(&directory).map_err(ModelingError::io("shuffling columns"))?;
        write_permuted(&features, &directory, &columns, repeats, seed)
    })
    .await
}

async fn predict(
    engine: &Engine,
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    permuted: &[(String, String)],
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Done, ModelingError> {
    let inputs: Vec<Value> = permuted.iter().map(|(_, file)| json!({ "name": stem(file), "file": file })).collect();
    let mut files = model_files(&evaluation.files);
    files.push((evaluation.files.join(TEST_FEATURES), "features.parquet".to_owned()));
    files.extend(permuted.iter().map(|(_, file)| (work.step("permuted").join(file), file.clone())));
    let step = Step {
        command: "predict",
        spec: json!({
            "taskType": evaluation.model.plan.task_type,
            "inputs": inputs,
            "explain": { "rows": EXPLAINED_ROWS, "background": BACKGROUND_ROWS, "seed": evaluation.model.plan.split.seed },
        }),
        files,
        time: evaluation.budget.time,
        memory_bytes: evaluation.budget.memory_bytes,
        on_event: &|event| on_stage(&stage_of(event), 0.5 + 0.3 * fraction_of(event), &Value::Null),
    };
    let packages = packages_of(&evaluation.files).await?;
    run_with(engine, work.path(), packages.as_ref(), step, stop).await
}

/// The packages that were kept with a model.
async fn packages_of(files: &Path) -> Result<Option<FrozenLayer>, ModelingError> {
    let directory = files.join(PACKAGES_DIRECTORY);
    blocking("looking for a model's packages", move || Ok(FrozenLayer::open(directory))).await
}

fn model_files(files: &Path) -> Vec<(PathBuf, String)> {
    ["model.joblib", "signature.json"].map(|name| (files.join(name), name.to_owned())).to_vec()
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".parquet").unwrap_or(file)
}

/// Copies predictions and explanations out of the sandbox that made them, and tells where they are.
async fn keep_predictions(done: &Done, target: &Path, permuted: Vec<String>) -> Result<PathBuf, ModelingError> {
    let (out, target) = (done.out(), target.to_owned());
    off_thread("keeping predictions", move || {
        let kept = target.join("permuted");
        fs::create_dir_all(&kept).map_err(ModelingError::io("keeping predictions"))?;
        results::take_required(&out, PREDICTIONS, &target.join(PREDICTIONS))?;
        results::take_required(&out, "shap.json", &target.join("shap.json"))?;
        for file in permuted {
            results::take_required(&out, &format!("predictions/{file}"), &kept.join(&file))?;
        }
        Ok(kept)
    })
    .await
}

/// The training's report with what was diagnosed since.
async fn merged_report(evaluation: &Evaluation<'_>, diagnosed: Value, target: &Path) -> Result<PathBuf, ModelingError> {
    let (files, path) = (evaluation.files.clone(), target.join("report.json"));
    off_thread("reading a model's report", move || {
        let mut report = results::json(&files, "report.json")?;
        let diagnosed = &diagnosed;
        if let Some(report) = report.as_object_mut() {
            for key in ["cross_validation", "learning_curve"] {
                if !diagnosed[key].is_null() {
                    report.insert(key.to_owned(), diagnosed[key].clone());
                }
            }
            if let (Some(Value::Array(all)), Some(more)) = (report.get_mut("warnings"), diagnosed["warnings"].as_array()) {
                let new: Vec<Value> = more.iter().filter(|warning| !all.contains(warning)).cloned().collect();
                all.extend(new);
            }
        }
        fs::write(&path, report.to_string()).map_err(ModelingError::io("writing a report"))?;
        Ok(path)
    })
    .await
}

/// What the scoring sandbox is given.
struct Scored<'a> {
    kept: &'a Path,
    permuted: &'a [(String, String)],
    report: &'a Path,
}

async fn score(
    engine: &Engine,
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    given: &Scored<'_>,
    stop: &CancellationToken,
) -> Result<Done, ModelingError> {
    let target = work.step("evaluation");
    let mut files = vec![
        (target.join(PREDICTIONS), PREDICTIONS.to_owned()),
        (target.join("shap.json"), "shap.json".to_owned()),
        (given.report.to_owned(), "report.json".to_owned()),
        (evaluation.files.join(TEST_LABELS), "labels.parquet".to_owned()),
        (evaluation.files.join(TEST_FEATURES), "features.parquet".to_owned()),
    ];
    files.extend(given.permuted.iter().map(|(_, file)| (given.kept.join(file), file.clone())));
    let permuted: Vec<Value> = given.permuted.iter().map(|(feature, file)| json!({ "feature": feature, "file": file })).collect();
    let plan = &evaluation.model.plan;
    let step = Step {
        command: "score",
        spec: json!({
            "taskType": plan.task_type, "target": plan.target, "seed": plan.split.seed,
            "report": "report.json", "shap": "shap.json", "permuted": permuted,
        }),
        files,
        time: evaluation.budget.time,
        memory_bytes: evaluation.budget.memory_bytes,
        on_event: &|_| {},
    };
    run(engine, work.path(), step, stop).await
}

/// Keeps what scoring wrote, with the server's own notes among the warnings. The shuffled predictions have done their work.
async fn take_results(out: &Path, target: &Path, notes: Vec<String>) -> Result<(), ModelingError> {
    let (out, target) = (out.to_owned(), target.to_owned());
    off_thread("keeping an evaluation", move || {
        let mut evaluation = results::json(&out, "evaluation.json")?;
        if let Some(Value::Array(warnings)) = evaluation.get_mut("warnings") {
            warnings.extend(notes.into_iter().map(Value::from));
        }
        let keep = || {
            fs::write(target.join("evaluation.json"), evaluation.to_string())?;
            fs::remove_dir_all(target.join("permuted"))
        };
        keep().map_err(ModelingError::io("keeping an evaluation"))?;
        results::take_required(&out, "error_analysis.json", &target.join("error_analysis.json"))?;
        Ok(())
    })
    .await
}

/// The MLflow directory of the model, as one file.
async fn package(
    engine: &Engine,
    work: &WorkDirectory,
    evaluation: &Evaluation<'_>,
    target: &Path,
    stop: &CancellationToken,
) -> Result<(), ModelingError> {
    let model = evaluation.model;
    let names = model.artifacts.iter().map(|artifact| artifact.filename.clone());
    let packages: Vec<String> = model.packages().iter().map(|one| format!("{}=={}", one.name, one.version)).collect();
    let step = Step {
        command: "package",
        spec: json!({ "modelUuid": model.id.0.simple().to_string(), "runId": model.id.0.simple().to_string(),
            "createdAt": model.created_at.to_rfc3339(), "packages": packages }),
        files: names.map(|name| (evaluation.files.join(&name), name)).collect(),
        time: evaluation.budget.time,
        memory_bytes: evaluation.budget.memory_bytes,
        on_event: &|_| {},
    };
    let done = run(engine, work.path(), step, stop).await?;
    let (out, target) = (done.out(), target.join("model.zip"));
    off_thread("keeping a package", move || results::take_required(&out, "model.zip", &target)).await?;
    Ok(())
}
