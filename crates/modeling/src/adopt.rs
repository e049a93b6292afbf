//! Adopting a model that a notebook made: it predicts the held out rows in a sandbox that sees no test label, and a sandbox
//! that loads no model scores what it said. Only then is it stored.
//!
//! The notebook could see every row, so that its scores are `unsealed`. A model that cannot predict from the dataset's columns
//! as they are is stored without scores, with the reason.
//!
//! It sees the packages that its project had installed when it was registered. They stay with the model when it used any of
//! them: all of them, since which others it would use for other rows cannot be told.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gristmill_domain::models::{
    Artifact, EvaluationStatus, Holdout, MODEL_FILE, ModelPackage, NOTEBOOK_LIBRARY, NewModel, PACKAGES_DIRECTORY, TrainingPlan,
};
use gristmill_runtime::packages::{FrozenLayer, GUEST_LAYER_PATH};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    crew::keep_held_out,
    engine::{Engine, WorkDirectory, blocking, off_thread},
    error::ModelingError,
    handlers::Adopted,
    results,
    step::{Done, Step, run, run_with},
    train::{
        OnStage, PREDICTIONS, SIGNATURE, TEST_LABELS, Trained, Training, describe, fraction_of, make_directory, make_views,
        metrics_of, stage_of,
    },
    views::{ViewCounts, ViewPlaces},
};

/// Longest reason that is kept, characters.
const REASON_CHARS_MAX: usize = 500;
/// Packages that an error names.
const PACKAGES_NAMED: usize = 10;

/// A model to be adopted.
pub(crate) struct Adoption<'a> {
    /// What it is for, and the rows that it is scored on.
    pub(crate) training: Training<'a>,
    pub(crate) adopted: &'a Adopted,
    /// The directory with its file, and with the packages of its project.
    pub(crate) staging: PathBuf,
}

/// Adopts a model. Nothing is stored yet.
pub(crate) async fn adopt(
    engine: &Engine,
    work: &WorkDirectory,
    adoption: &Adoption<'_>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Trained, ModelingError> {
    on_stage("preparing", 0.0, &Value::Null);
    // All columns: which of them the model takes, it knows itself.
    let all = TrainingPlan { features: None, ..adoption.training.plan.clone() };
    let views = ViewPlaces::in_directory(work.path());
    let counts = make_views(&with_plan(&adoption.training, &all), &views).await?;
    let files = make_directory(work.step("files")).await?;
    let model = take_model(&adoption.staging, &files).await?;
    let packages = take_packages(&adoption.staging, &files).await?;
    let asked = ask(engine, work, adoption, &views, packages.as_ref(), stop, on_stage).await;
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return Err(naming(error, packages).await),
    };
    let packages = keep_used(packages, &asked.event).await?;
    if asked.event.get("scorable") != Some(&Value::Bool(true)) {
        let reason = asked
            .event
            .get("reason")
            .and_then(Value::as_str)
            .unwrap_or("it gave no reason")
            .chars()
            .take(REASON_CHARS_MAX)
            .collect();
        return Ok(Trained { model: unscored(adoption, model, counts, reason, &packages), files, evaluation: None });
    }
    let taken = take_described(asked.out(), &files, model).await?;
    keep_held_out(&views, &files).await?;
    on_stage("scoring", 0.8, &Value::Null);
    let metrics = score(engine, work, adoption, &files, stop).await?;
    on_stage("saving", 0.97, &Value::Null);
    let mut model = describe(&adoption.training, &taken.report, &taken.signature, taken.artifacts, counts);
    model.metrics = metrics;
    model.metadata.insert("holdout".to_owned(), json!(Holdout::Unsealed));
    finish(&mut model, adoption, &packages);
    Ok(Trained { model, files, evaluation: None })
}

fn with_plan<'a>(training: &Training<'_>, plan: &'a TrainingPlan) -> Training<'a> {
    Training {
        id: training.id,
        project: training.project,
        plan,
        dataset: training.dataset.clone(),
        origin: training.origin.clone(),
        budget: training.budget,
    }
}

async fn take_model(staging: &Path, files: &Path) -> Result<Artifact, ModelingError> {
    let (staging, target) = (staging.to_owned(), files.join(MODEL_FILE));
    off_thread("keeping a model's files", move || results::take_required(&staging, MODEL_FILE, &target)).await
}

/// The packages that the model may need, among its files. What is tried again begins with those in the staging directory.
async fn take_packages(staging: &Path, files: &Path) -> Result<Option<FrozenLayer>, ModelingError> {
    let (staging, target) = (staging.join(PACKAGES_DIRECTORY), files.join(PACKAGES_DIRECTORY));
    blocking("keeping a model's packages", move || FrozenLayer::open(staging).map(|packages| packages.copy(&target)).transpose())
        .await
}

/// Tells the packages that stay with the model: none of them when it used none.
async fn keep_used(packages: Option<FrozenLayer>, event: &Value) -> Result<Vec<ModelPackage>, ModelingError> {
    let Some(packages) = packages else { return Ok(Vec::new()) };
    let is_used = event["packages"].as_array().is_some_and(|modules| !modules.is_empty());
    blocking("keeping a model's packages", move || {
        if is_used {
            return packages.packages();
        }
        fs::remove_dir_all(packages.directory())?;
        Ok(Vec::new())
    })
    .await
}

/// A sandbox that ended at the project's packages does not say so: the error names them.
async fn naming(error: ModelingError, packages: Option<FrozenLayer>) -> ModelingError {
    let Some(packages) = packages else { return error };
    let why = match error {
        ModelingError::Died(why) => why,
        other => return other,
    };
    let listed = blocking("reading a model's packages", move || packages.packages()).await;
    let Ok(all) = listed else { return ModelingError::Died(why) };
    let names: Vec<String> = all.iter().take(PACKAGES_NAMED).map(|one| format!("{} {}", one.name, one.version)).collect();
    let more = if all.len() > names.len() { ", …" } else { "" };
    let message = format!(
        "The model could not be asked with the packages that the project has installed ({}{more}): {why}. Try again; if it ends \
         so again, uninstall those that replace what comes with Gristmill, train again, and register the new model",
        names.join(", ")
    );
    ModelingError::refused("packages_unusable", message, None)
}

/// Lets the model predict the held out rows, where no label of theirs is.
async fn ask(
    engine: &Engine,
    work: &WorkDirectory,
    adoption: &Adoption<'_>,
    views: &ViewPlaces,
    packages: Option<&FrozenLayer>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Done, ModelingError> {
    let plan = adoption.training.plan;
    let spec = json!({
        "taskType": plan.task_type, "target": plan.target, "templateId": plan.template_id, "columns": plan.features,
        "params": plan.parameters, "seed": plan.split.seed, "name": plan.name,
        "split": { "kind": plan.split.kind, "column": plan.split.column, "testSize": plan.split.test_size, "seed": plan.split.seed },
        "dataset": { "id": plan.dataset_id, "version": plan.dataset_version, "name": plan.dataset_name },
        "packages": packages.map(|_| GUEST_LAYER_PATH),
    });
    let step = Step {
        command: "adopt",
        spec,
        files: vec![
            (adoption.staging.join(MODEL_FILE), MODEL_FILE.to_owned()),
            (views.train.clone(), "train.parquet".to_owned()),
            (views.features.clone(), "features.parquet".to_owned()),
        ],
        time: adoption.training.budget.time,
        memory_bytes: adoption.training.budget.memory_bytes,
        on_event: &|event| on_stage(&stage_of(event), 0.1 + 0.6 * fraction_of(event), &Value::Null),
    };
    run_with(engine, work.path(), packages, step, stop).await
}

/// What the sandbox wrote of the model.
struct Taken {
    artifacts: Vec<Artifact>,
    report: Value,
    signature: Value,
}

async fn take_described(out: PathBuf, files: &Path, model: Artifact) -> Result<Taken, ModelingError> {
    let files = files.to_owned();
    off_thread("keeping a model's files", move || {
        let mut artifacts = vec![model];
        for name in [SIGNATURE, "baseline.json", "report.json"] {
            artifacts.push(results::take_required(&out, name, &files.join(name))?);
        }
        results::take_required(&out, PREDICTIONS, &files.join(PREDICTIONS))?;
        Ok(Taken { artifacts, report: results::json(&files, "report.json")?, signature: results::json(&files, SIGNATURE)? })
    })
    .await
}

/// Scores what the model said, where no model is.
async fn score(
    engine: &Engine,
    work: &WorkDirectory,
    adoption: &Adoption<'_>,
    files: &Path,
    stop: &CancellationToken,
) -> Result<BTreeMap<String, f64>, ModelingError> {
    let plan = adoption.training.plan;
    let step = Step {
        command: "score",
        spec: json!({ "taskType": plan.task_type, "target": plan.target, "seed": plan.split.seed, "metricsOnly": true }),
        files: vec![(files.join(PREDICTIONS), PREDICTIONS.to_owned()), (files.join(TEST_LABELS), "labels.parquet".to_owned())],
        time: adoption.training.budget.time,
        memory_bytes: adoption.training.budget.memory_bytes,
        on_event: &|_| {},
    };
    Ok(metrics_of(&run(engine, work.path(), step, stop).await?.event))
}

/// The row of a model that could not be scored.
fn unscored(adoption: &Adoption<'_>, model: Artifact, counts: ViewCounts, reason: String, packages: &[ModelPackage]) -> NewModel {
    let mut row = describe(&adoption.training, &Value::Null, &Value::Null, vec![model], counts);
    // There are no scores that could be on rows of one kind or another.
    row.metadata.remove("holdout");
    row.metadata.insert("unscored".to_owned(), json!(true));
    row.metadata.insert("unscoredReason".to_owned(), json!(reason));
    row.evaluation_status = EvaluationStatus::Failed;
    row.evaluation_error = Some(reason);
    finish(&mut row, adoption, packages);
    row
}

/// What is the same of all adopted models.
fn finish(row: &mut NewModel, adoption: &Adoption<'_>, packages: &[ModelPackage]) {
    let plan = adoption.training.plan;
    NOTEBOOK_LIBRARY.clone_into(&mut row.library);
    row.algorithm.clone_from(&adoption.adopted.algorithm);
    row.parameters = plan.parameters.clone();
    row.training_ms = adoption.adopted.training_ms;
    let reason = "the model was made in a notebook";
    row.metadata.insert("onnx".to_owned(), json!({ "converted": false, "reason": reason }));
    if !packages.is_empty() {
        row.metadata.insert("packages".to_owned(), json!(packages));
    }
    // What the caller knows comes beside what was found, never in its place.
    for (key, value) in &adoption.adopted.metadata {
        row.metadata.entry(key.clone()).or_insert_with(|| value.clone());
    }
}
