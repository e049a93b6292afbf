//! `execute_training`, `evaluate_results`, `register_model`, `compare_models`: what is recorded of trainings.
//!
//! Scores are those that the cells printed, read by the server from their recorded outputs. What a model sends as scores is
//! compared with them, and never takes their place.

use chrono::{DateTime, Utc};
use gristmill_domain::datasets::iso_millis;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Changed, TrainingRun, arguments,
    experiments::{Experiment, ExperimentStatus},
    markers::{Metrics, numbers},
};
use crate::tools::ToolOutput;

mod compare;

pub use compare::{Scored, compare, is_lower_better};

/// Longest texts that are kept, characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// Most cells of a training, and most characters of each that are kept as its code.
pub const CELLS_MAX: usize = 50;
const SEGMENT_CHARS_MAX: usize = 20_000;
/// Longest JSON of what a model says beside scores, bytes.
const CLAIM_BYTES_MAX: usize = 64 * 1024;
/// Most labels of a model, and longest label.
const TAGS_MAX: usize = 20;
const TAG_CHARS_MAX: usize = 60;

/// What `execute_training` was asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingReport {
    /// The experiment, as the model names it.
    pub experiment_id: String,
    /// Whether the model says that it went well.
    pub succeeded: bool,
    /// The cells that trained it.
    #[serde(default)]
    pub cell_ids: Vec<String>,
    /// What it says of the scores.
    #[serde(default)]
    pub metrics: Map<String, Value>,
    /// Why it failed, in its words.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl TrainingReport {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(args: &Map<String, Value>) -> Result<Self, String> {
        let report: Self = arguments::read(args)?;
        if report.cell_ids.len() > CELLS_MAX {
            return Err(format!("At most {CELLS_MAX} cells can be named in cellIds"));
        }
        Ok(report)
    }
}

/// What the server found in the outputs of a training's cells.
#[derive(Debug, Clone, PartialEq)]
pub enum CellsFound {
    /// All of them ran to their end, and one printed the completion marker.
    Completed {
        /// The cells.
        cells: Vec<String>,
        /// Their code.
        code: Vec<String>,
        /// The scores that were printed.
        metrics: Metrics,
        /// How long they ran, milliseconds.
        duration_ms: u64,
    },
    /// One failed, or none completed.
    Failed {
        /// The cells.
        cells: Vec<String>,
        /// Why, for people and models.
        reason: String,
    },
}

/// The experiment that is to be trained, when it may be.
///
/// # Errors
/// Why it may not, in words for the model.
pub fn trainable<'run>(run: &'run TrainingRun, named: &str) -> Result<&'run Experiment, String> {
    let experiment = run.experiments.resolve(named)?;
    match experiment.status {
        ExperimentStatus::Configured => Err(format!(
            "\"{}\" was not proposed yet: call propose_training_plan, and wait for approval",
            experiment.experiment_name
        )),
        ExperimentStatus::Registered => Err(format!(
            "\"{}\" is registered already as model {}",
            experiment.experiment_name,
            experiment.persisted_model_id.as_deref().unwrap_or_default()
        )),
        ExperimentStatus::Proposed | ExperimentStatus::Training | ExperimentStatus::Evaluated | ExperimentStatus::Failed => {
            Ok(experiment)
        }
    }
}

/// Records how a training ran.
#[must_use]
pub fn record_training(run: &TrainingRun, report: &TrainingReport, found: &CellsFound, now: DateTime<Utc>) -> Changed {
    let experiment = match trainable(run, &report.experiment_id) {
        Ok(experiment) => experiment.clone(),
        Err(reason) => return Changed::refused(reason),
    };
    match found {
        CellsFound::Completed { cells, code, metrics, duration_ms } => {
            let unlike = unlike(&report.metrics, metrics);
            let segments = code.iter().take(CELLS_MAX).map(|code| arguments::cut(code, SEGMENT_CHARS_MAX));
            let trained = Experiment {
                status: ExperimentStatus::Training,
                training_cell_ids: cells.clone(),
                training_metrics: Some(metrics.clone()),
                training_duration_ms: Some(*duration_ms),
                workflow_prep_segments: segments.collect(),
                error_message: None,
                evaluation_metrics: None,
                updated_at: now,
                ..experiment
            };
            let mut output = json!({
                "experimentId": trained.experiment_id, "status": "training", "metrics": metrics,
                "trainingDurationMs": duration_ms, "cellIds": cells,
                "message": "The scores are those that the cells printed; record them with evaluate_results",
            });
            if let (false, Some(output)) = (unlike.is_empty(), output.as_object_mut()) {
                output.insert("ignoredMetrics".to_owned(), json!(unlike));
            }
            Changed::to(run.experiments.with(trained), output)
        }
        CellsFound::Failed { cells, reason } => {
            let reason = arguments::cut(reason, TEXT_CHARS_MAX);
            let failed = Experiment {
                status: ExperimentStatus::Failed,
                training_cell_ids: cells.clone(),
                training_metrics: None,
                error_message: Some(reason.clone()),
                updated_at: now,
                ..experiment
            };
            let output = json!({
                "experimentId": failed.experiment_id, "status": "failed", "errorMessage": reason,
                "message": "The training failed; mend its cell and run it again",
            });
            let mut changed = Changed::to(run.experiments.with(failed), output);
            changed.output.error = Some(reason);
            changed
        }
    }
}

/// The names of sent scores that differ from those that were printed, or were not printed at all.
fn unlike(sent: &Map<String, Value>, printed: &Metrics) -> Vec<String> {
    let is_alike = |name: &str, value: f64| {
        printed.get(name).is_some_and(|printed| (printed - value).abs() <= 1e-4 * printed.abs().max(1.0))
    };
    numbers(sent).into_iter().filter(|(name, value)| !is_alike(name, *value)).map(|(name, _)| name).collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvaluateArguments {
    experiment_id: String,
    #[serde(default)]
    metrics: Map<String, Value>,
    #[serde(default)]
    learning_curve: Option<LearningCurve>,
    #[serde(default)]
    feature_importance: Vec<Importance>,
    #[serde(default)]
    notes: Option<String>,
}

#[derive(Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct LearningCurve {
    train_scores: Vec<f64>,
    val_scores: Vec<f64>,
    train_sizes: Vec<f64>,
}

#[derive(Debug, Deserialize, serde::Serialize)]
struct Importance {
    feature: String,
    importance: f64,
}

/// `evaluate_results`: records the scores of a training.
#[must_use]
pub fn evaluate(run: &TrainingRun, args: &Map<String, Value>, now: DateTime<Utc>) -> Changed {
    match evaluated(run, args, now) {
        Ok((experiment, output)) => Changed::to(run.experiments.with(experiment), output),
        Err(reason) => Changed::refused(reason),
    }
}

fn evaluated(run: &TrainingRun, args: &Map<String, Value>, now: DateTime<Utc>) -> Result<(Experiment, Value), String> {
    let sent: EvaluateArguments = arguments::read(args)?;
    let experiment = trainable(run, &sent.experiment_id)?;
    let metrics = experiment.training_metrics.clone().filter(|_| experiment.status != ExperimentStatus::Failed);
    let metrics = metrics.ok_or("No scores of this experiment were recorded; run its cells, and call execute_training first")?;
    if metrics.is_empty() {
        return Err("The cells printed no score: print a number in __TRAIN_COMPLETE__|{...}, and run them again".to_owned());
    }
    let unlike = unlike(&sent.metrics, &metrics);
    let small = |value: Value| Some(value).filter(|value| value.to_string().len() <= CLAIM_BYTES_MAX);
    let curve = sent.learning_curve.and_then(|curve| small(json!(curve)));
    let importance = small(json!(sent.feature_importance)).unwrap_or_else(|| json!([]));
    let notes = sent.notes.map(|notes| arguments::cut(&notes, TEXT_CHARS_MAX)).filter(|notes| !notes.is_empty());
    let mut message =
        format!("The scores of \"{}\" are recorded; register its model with register_model", experiment.experiment_name);
    if !unlike.is_empty() {
        message.push_str(&format!(". Not what the cells printed, and so ignored: {}", unlike.join(", ")));
    }
    let output = json!({
        "experimentId": experiment.experiment_id, "status": "evaluated", "metrics": metrics, "learningCurve": curve,
        "featureImportance": importance, "notes": notes, "message": message,
    });
    let experiment = Experiment {
        status: ExperimentStatus::Evaluated,
        evaluation_metrics: Some(metrics),
        learning_curve: curve,
        feature_importance: Some(importance).filter(|value| value.as_array().is_some_and(|all| !all.is_empty())),
        evaluation_notes: notes,
        updated_at: now,
        ..experiment.clone()
    };
    Ok((experiment, output))
}

/// What `register_model` was asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The experiment, as the model names it.
    pub experiment_id: String,
    /// Display name of the model.
    pub model_name: String,
    /// What it is, in the model's words.
    #[serde(default)]
    pub model_type: Option<String>,
    /// The file with the model, below the workspace.
    pub artifact_path: String,
    /// Parameters as they were used.
    #[serde(default)]
    pub hyperparameters: Map<String, Value>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Registration {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(args: &Map<String, Value>) -> Result<Self, String> {
        let sent: Self = arguments::read(args)?;
        let model_name = arguments::line(&sent.model_name, gristmill_domain::models::NAME_CHARS_MAX);
        if model_name.is_empty() {
            return Err("modelName is needed".to_owned());
        }
        let tags = sent.tags.iter().map(|tag| arguments::line(tag, TAG_CHARS_MAX)).filter(|tag| !tag.is_empty());
        let tags = tags.take(TAGS_MAX).collect();
        let artifact_path = relative(&sent.artifact_path)?;
        Ok(Self { model_name, tags, artifact_path, ..sent })
    }
}

/// The path of a file below the workspace. Whoever opens it checks again that it does not lead out.
fn relative(path: &str) -> Result<String, String> {
    let path = path.trim();
    let path = path.strip_prefix("/workspace/").or_else(|| path.strip_prefix("./")).unwrap_or(path);
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\']);
    let good = !path.is_empty() && path.len() <= 255 && !path.starts_with('/') && path.split('/').all(is_plain);
    if good {
        Ok(path.to_owned())
    } else {
        Err("artifactPath is the relative name of a file in the workspace, such as model.joblib".to_owned())
    }
}

/// The experiment whose model may be registered.
///
/// # Errors
/// Why it may not, in words for the model.
pub fn registrable<'run>(run: &'run TrainingRun, sent: &Registration) -> Result<&'run Experiment, String> {
    let experiment = trainable(run, &sent.experiment_id)?;
    let has_scores = experiment.metrics().is_some_and(|metrics| !metrics.is_empty());
    if !has_scores || experiment.status == ExperimentStatus::Failed {
        return Err("No scores of this experiment were recorded; call execute_training and evaluate_results first".to_owned());
    }
    if let Some(model_type) = &sent.model_type {
        let named = super::family::canonical(model_type, experiment.task_type);
        if named != experiment.model_type && named.to_lowercase() != experiment.model_type.to_lowercase() {
            return Err(format!(
                "modelType is {named}, but the experiment that was approved is {}; leave it as it was approved",
                experiment.model_type
            ));
        }
    }
    Ok(experiment)
}

/// A model that was registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// Its id.
    pub model_id: String,
    /// What it is for.
    pub task_type: &'static str,
    /// Bytes of its file.
    pub artifact_size: u64,
    /// Its scores on the server's held out rows; none when it could not be scored.
    pub metrics: Option<Metrics>,
    /// Why it could not be scored.
    pub unscored: Option<String>,
    /// Libraries that it needs.
    pub runtime_dependencies: Vec<String>,
}

/// Records that the model of an experiment is registered.
#[must_use]
pub fn record_registration(run: &TrainingRun, sent: &Registration, made: &Registered, now: DateTime<Utc>) -> Changed {
    let known = run.experiments.resolve(&sent.experiment_id);
    let is_repeated = known.as_ref().is_ok_and(|one| one.persisted_model_id.as_deref() == Some(made.model_id.as_str()));
    let experiment = if is_repeated { known } else { registrable(run, sent) };
    let experiment = match experiment {
        Ok(experiment) => experiment,
        Err(reason) => return Changed::refused(reason),
    };
    let reported = experiment.metrics().cloned().unwrap_or_default();
    let message = match (&made.metrics, &made.unscored) {
        (Some(_), _) => "The model is registered; its scores are on rows that the server holds out".to_owned(),
        (None, Some(reason)) => format!("The model is registered, but the server could not score it: {reason}"),
        (None, None) => "The model is registered".to_owned(),
    };
    let mut output = json!({
        "experimentId": experiment.experiment_id, "modelId": made.model_id, "modelName": sent.model_name,
        "modelType": experiment.model_type, "taskType": made.task_type, "status": "registered",
        "metrics": made.metrics.as_ref().unwrap_or(&reported), "reportedMetrics": reported, "tags": sent.tags,
        "artifactPath": sent.artifact_path, "artifactSize": made.artifact_size, "unscored": made.metrics.is_none(),
        "message": message,
    });
    if let (true, Some(output)) = (made.metrics.is_some(), output.as_object_mut()) {
        output.insert("holdout".to_owned(), json!("unsealed"));
    }
    let registered = Experiment {
        status: ExperimentStatus::Registered,
        persisted_model_id: Some(made.model_id.clone()),
        registered_model_name: Some(sent.model_name.clone()),
        registered_metrics: made.metrics.clone(),
        registered_at: experiment.registered_at.or(Some(now)),
        artifact_path: Some(sent.artifact_path.clone()),
        tags: sent.tags.clone(),
        runtime_dependencies: made.runtime_dependencies.clone(),
        updated_at: now,
        ..experiment.clone()
    };
    Changed::to(run.experiments.with(registered), output)
}

/// What is kept with a registered model of where it comes from.
#[must_use]
pub fn provenance(
    run: Option<&str>,
    experiment: &Experiment,
    sent: &Registration,
    dependencies: &[String],
) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("source".to_owned(), json!("llm-workflow"));
    metadata.insert("experimentId".to_owned(), json!(experiment.experiment_id));
    metadata.insert("experimentName".to_owned(), json!(experiment.experiment_name));
    metadata.insert("tags".to_owned(), json!(sent.tags));
    metadata.insert("workflowPrepSegments".to_owned(), json!(experiment.workflow_prep_segments));
    metadata.insert("runtimeDependencies".to_owned(), json!(dependencies));
    metadata.insert("reportedMetrics".to_owned(), json!(experiment.metrics()));
    metadata.insert("trainingCellIds".to_owned(), json!(experiment.training_cell_ids));
    metadata.insert("configuredAt".to_owned(), json!(iso_millis::format(experiment.created_at)));
    if let Some(run) = run {
        metadata.insert("workflowRunId".to_owned(), json!(run));
    }
    metadata
}

/// An answer of `register_model` for a model that an earlier call registered.
#[must_use]
pub fn already_registered(experiment: &Experiment) -> ToolOutput {
    ToolOutput::failed(format!(
        "\"{}\" is registered already as model {}; configure another experiment to train one more",
        experiment.experiment_name,
        experiment.persisted_model_id.as_deref().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests;
