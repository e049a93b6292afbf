//! A study: Optuna over a template's space, in a sandbox that sees training rows only. Its journal is kept, so that a study
//! whose worker died goes on where it was.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use gristmill_domain::models::TrainingPlan;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Engine, WorkDirectory, blocking, off_thread},
    error::ModelingError,
    results,
    step::{Step, run_in},
    train::{OnStage, Training, make_views, training_spec},
    views::ViewPlaces,
    worker::Worker,
};

/// What a study may take beyond its own time: reading, and the trial that runs.
const STUDY_EXTRA: Duration = Duration::from_secs(60);
const JOURNAL: &str = "tuning.journal";

/// A study to be run.
pub(crate) struct Study<'a> {
    pub(crate) training: Training<'a>,
    pub(crate) trials: u32,
    pub(crate) metric: &'a str,
    pub(crate) timeout: Duration,
    pub(crate) sampler: &'a str,
    /// Where the journal is kept between runs.
    pub(crate) journal: PathBuf,
}

/// What a study found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) best_trial: Option<u32>,
    pub(crate) best_value: Option<f64>,
    pub(crate) best_parameters: Map<String, Value>,
    pub(crate) history: Value,
    pub(crate) importances: Value,
    /// `completed`, `timeout` or `cancelled`.
    pub(crate) status: String,
    pub(crate) trials: u64,
}

/// Runs a study to its end.
pub(crate) async fn tune(
    engine: &Engine,
    work: &WorkDirectory,
    study: &Study<'_>,
    stop: &CancellationToken,
    on_stage: OnStage<'_>,
) -> Result<Found, ModelingError> {
    on_stage("preparing", 0.0, &Value::Null);
    let views = ViewPlaces::in_directory(work.path());
    make_views(&study.training, &views).await?;
    let mut files = vec![(views.train.clone(), "train.parquet".to_owned())];
    let mut extra = json!({
        "nTrials": study.trials, "metric": study.metric, "timeoutSeconds": study.timeout.as_secs_f64(),
        "sampler": study.sampler, "cv": { "folds": 5 },
    });
    if study.journal.exists() {
        files.push((study.journal.clone(), JOURNAL.to_owned()));
        if let Some(extra) = extra.as_object_mut() {
            extra.insert("journal".to_owned(), Value::from(JOURNAL));
        }
    }
    let trials = f64::from(study.trials.max(1));
    let step = Step {
        command: "tune",
        spec: training_spec(study.training.plan, Some(extra)),
        files,
        time: study.timeout + STUDY_EXTRA,
        memory_bytes: study.training.budget.memory_bytes,
        on_event: &|event| {
            let done = event["n_total"].as_u64().and(event["n_complete"].as_u64()).and_then(|done| u32::try_from(done).ok());
            on_stage("searching", 0.8 * (f64::from(done.unwrap_or(0)) / trials).min(1.0), event);
        },
    };
    let worker = Worker::start(&engine.starter, step.command, step.memory_bytes, work.path(), None).await?;
    let ended = run_in(engine, &worker, step, stop).await;
    let out = worker.places.output();
    // Also of one that was cut off: the next run goes on from there.
    keep_journal(&out, &study.journal).await;
    ended?;
    worker.ended().await;
    let result = &off_thread("reading a study's result", move || results::json(&out, "result.json")).await?;
    Ok(Found {
        best_trial: result["bestTrialNumber"].as_u64().and_then(|number| u32::try_from(number).ok()),
        best_value: result["bestValue"].as_f64(),
        best_parameters: result["bestParams"].as_object().cloned().unwrap_or_default(),
        history: result["optimization_history"].clone(),
        importances: result["param_importances"].clone(),
        status: result["status"].as_str().unwrap_or_default().to_owned(),
        trials: result["nComplete"].as_u64().unwrap_or(0),
    })
}

/// Without it a next run starts anew, which is no failure.
async fn keep_journal(out: &Path, journal: &Path) {
    let (out, journal) = (out.to_owned(), journal.to_owned());
    let kept = blocking("keeping a study's journal", move || {
        if let Some(parent) = journal.parent() {
            fs::create_dir_all(parent)?;
        }
        results::take(&out, JOURNAL, &journal)
    });
    if let Err(error) = kept.await {
        tracing::debug!(error = crate::error::chain(&error), "a study left no journal");
    }
}

/// The plan of the model that a study ends in: the source's, with what was found.
pub(crate) fn tuned_plan(source: &TrainingPlan, name: String, found: &Map<String, Value>) -> TrainingPlan {
    let mut parameters = source.parameters.clone();
    parameters.extend(found.clone());
    TrainingPlan { name, parameters, ..source.clone() }
}
