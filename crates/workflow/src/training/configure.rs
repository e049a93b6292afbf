//! `configure_experiment`: what may be trained, on which columns, for which task.

use chrono::{DateTime, Utc};
use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType, Dataset, ROW_ID_COLUMN},
    identifiers::is_identifier,
    models::TaskType,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Changed, TrainingRun, arguments,
    experiments::{Experiment, ExperimentStatus, Experiments, SplitStrategy, TargetProfile},
    family::{canonical, family_of, spoken_of},
};

/// Most experiments that one turn may set up.
pub const EXPERIMENTS_PER_TURN_MAX: usize = 3;
/// Longest name of an experiment, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest model type, characters.
const MODEL_TYPE_CHARS_MAX: usize = 100;
/// Share of the rows to train on, when nothing is said, and its bounds.
const RATIO_DEFAULT: f64 = 0.8;
const RATIO_MIN: f64 = 0.05;
const RATIO_MAX: f64 = 0.95;
/// Most hyperparameters, and the most that their JSON may take, bytes.
const HYPERPARAMETERS_MAX: usize = 100;
const HYPERPARAMETERS_BYTES_MAX: usize = 16 * 1024;
/// Up to so many whole numbers may be classes or may be numbers.
const CLASSES_MAX: u64 = 20;

/// What is known when an experiment is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The id that it gets: the same whenever the call is repeated.
    pub experiment_id: &'a str,
    /// The dataset that the turn works on.
    pub dataset: &'a Dataset,
    /// Whether the project has features that were made for models. They are to be used then.
    pub has_engineered_features: bool,
    /// The time.
    pub now: DateTime<Utc>,
}

/// The arguments.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    experiment_name: String,
    model_type: String,
    #[serde(default)]
    task_type: Option<TaskType>,
    split_strategy: SplitStrategy,
    #[serde(default)]
    hyperparameters: Map<String, Value>,
    #[serde(default)]
    split_ratio: Option<f64>,
    #[serde(default)]
    target_column: Option<String>,
    #[serde(default)]
    feature_columns: Option<Vec<String>>,
    #[serde(default)]
    random_seed: Option<u32>,
}

/// Sets an experiment up. The same call again finds the one that it made.
#[must_use]
pub fn configure(run: &TrainingRun, args: &Map<String, Value>, setting: &Setting<'_>) -> Changed {
    if let Some(made) = run.experiments.get(setting.experiment_id) {
        return Changed::nothing(answer(made, &[]));
    }
    let mine = run.experiments.all().into_iter().filter(|one| one.turn == run.turn).count();
    if mine >= EXPERIMENTS_PER_TURN_MAX {
        return limit_reached(&run.experiments);
    }
    match experiment(run, args, setting) {
        Ok((experiment, left_out)) => {
            let output = answer(&experiment, &left_out);
            Changed::to(run.experiments.with(experiment), output)
        }
        Err(reason) => Changed::refused(reason),
    }
}

fn limit_reached(experiments: &Experiments) -> Changed {
    let configured: Vec<Value> = experiments
        .all()
        .iter()
        .map(|one| {
            json!({ "experimentId": one.experiment_id, "experimentName": one.experiment_name, "modelType": one.model_type,
            "status": one.status })
        })
        .collect();
    let message = format!(
        "{EXPERIMENTS_PER_TURN_MAX} experiments were set up in this turn already, which is the most; propose one of them with \
         propose_training_plan"
    );
    let mut changed = Changed::nothing(json!({ "status": "rejected", "message": message, "configuredExperiments": configured }));
    // Also an error: what was refused is no step forward.
    changed.output.error = Some(message);
    changed
}

fn answer(experiment: &Experiment, left_out: &[String]) -> Value {
    let mut message = format!("\"{}\" is set up; propose it with propose_training_plan", experiment.experiment_name);
    if !left_out.is_empty() {
        message.push_str(&format!(". These columns only name rows and were left out: {}", left_out.join(", ")));
    }
    let mut output = json!({
        "experimentId": experiment.experiment_id,
        "experimentName": experiment.experiment_name,
        "modelType": experiment.model_type,
        "splitStrategy": experiment.split_strategy,
        "status": "configured",
        "message": message,
    });
    if let Some(output) = output.as_object_mut() {
        let optional = [
            ("taskType", experiment.task_type.map(|task| json!(task))),
            ("targetColumn", experiment.target_column.as_ref().map(|target| json!(target))),
            ("featureColumns", experiment.feature_columns.as_ref().map(|columns| json!(columns))),
        ];
        output.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    output
}

/// The experiment, and the columns that were asked for and are not among its features.
fn experiment(run: &TrainingRun, args: &Map<String, Value>, setting: &Setting<'_>) -> Result<(Experiment, Vec<String>), String> {
    let sent: Arguments = arguments::read(args)?;
    let name = name_of(run, &sent.experiment_name)?;
    let dataset = setting.dataset;
    let target = target_of(run, sent.target_column.as_deref(), dataset)?;
    let profile = dataset.columns.iter().find(|column| column.name == target);
    let task = task_of(sent.task_type, profile, &target)?;
    let model_type = model_type_of(&sent.model_type, &name, task)?;
    if sent.split_strategy == SplitStrategy::StratifiedKfold && task != TaskType::Classification {
        return Err("Rows are divided by class for classification only; use kfold or train_test for regression".to_owned());
    }
    let split_ratio = sent.split_ratio.unwrap_or(RATIO_DEFAULT);
    if !(RATIO_MIN..=RATIO_MAX).contains(&split_ratio) {
        return Err(format!("splitRatio is the share of rows to train on, from {RATIO_MIN} to {RATIO_MAX}"));
    }
    let written = serde_json::to_string(&sent.hyperparameters).unwrap_or_default();
    if sent.hyperparameters.len() > HYPERPARAMETERS_MAX || written.len() > HYPERPARAMETERS_BYTES_MAX {
        return Err(format!("hyperparameters may be at most {HYPERPARAMETERS_MAX}, with short values"));
    }
    let (feature_columns, left_out) = features_of(sent.feature_columns.as_deref(), &target, setting)?;
    let experiment = Experiment {
        experiment_id: setting.experiment_id.to_owned(),
        experiment_name: name,
        model_type,
        status: ExperimentStatus::Configured,
        hyperparameters: sent.hyperparameters,
        split_strategy: sent.split_strategy,
        split_ratio,
        target_column: Some(target),
        feature_columns,
        random_seed: sent.random_seed,
        dataset_id: dataset.id,
        dataset_version: Some(dataset.version),
        task_type: Some(task),
        target_column_profile: profile.map(profile_of),
        rationale: None,
        expected_metrics: None,
        risks: Vec::new(),
        alternatives: Vec::new(),
        training_cell_ids: Vec::new(),
        training_metrics: None,
        training_duration_ms: None,
        workflow_prep_segments: Vec::new(),
        error_message: None,
        evaluation_metrics: None,
        learning_curve: None,
        feature_importance: None,
        evaluation_notes: None,
        persisted_model_id: None,
        registered_model_name: None,
        registered_metrics: None,
        registered_at: None,
        artifact_path: None,
        tags: Vec::new(),
        runtime_dependencies: Vec::new(),
        turn: run.turn,
        created_at: setting.now,
        updated_at: setting.now,
    };
    Ok((experiment, left_out))
}

/// The name, which nothing that may still be trained has: it is what a person approves.
fn name_of(run: &TrainingRun, sent: &str) -> Result<String, String> {
    let name = arguments::line(sent, NAME_CHARS_MAX + 1);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("experimentName must have 1 to {NAME_CHARS_MAX} characters"));
    }
    let taken = run
        .experiments
        .all()
        .into_iter()
        .find(|one| one.status != ExperimentStatus::Failed && one.experiment_name.to_lowercase() == name.to_lowercase());
    match taken {
        Some(other) => Err(format!(
            "There is an experiment \"{}\" already ({}, {}); use it, or choose another name",
            other.experiment_name,
            other.experiment_id,
            other.status.as_str()
        )),
        None => Ok(name),
    }
}

/// The column to predict. What the person chose wins, and another one is an error, not a change of mind.
fn target_of(run: &TrainingRun, sent: Option<&str>, dataset: &Dataset) -> Result<String, String> {
    let sent = sent.map(str::trim).filter(|sent| !sent.is_empty());
    let chosen = run.target.as_deref().map(str::trim).filter(|chosen| !chosen.is_empty());
    if let (Some(chosen), Some(sent)) = (chosen, sent)
        && chosen != sent
    {
        return Err(format!("The selected target is \"{chosen}\", and targetColumn is \"{sent}\"; leave targetColumn out"));
    }
    let Some(name) = chosen.or(sent) else {
        return Err("targetColumn is needed: name the column to predict".to_owned());
    };
    if name == ROW_ID_COLUMN || !dataset.columns.iter().any(|column| column.name == name) {
        return Err(no_column(name, dataset));
    }
    Ok(name.to_owned())
}

fn no_column(name: &str, dataset: &Dataset) -> String {
    let columns: Vec<&str> = dataset.columns.iter().map(|column| column.name.as_str()).take(50).collect();
    let name: String = name.chars().take(200).collect();
    format!("The dataset {} has no column \"{name}\"; it has {}", dataset.filename, columns.join(", "))
}

/// What the values of the column to predict say of the task; none when they allow both.
#[must_use]
pub fn task_in(column: &ColumnProfile) -> Option<TaskType> {
    use TaskType::{Classification, Regression};
    let is_flag = |value: &str| matches!(value.trim().to_lowercase().as_str(), "0" | "1" | "0.0" | "1.0" | "true" | "false");
    let flags =
        column.unique_count <= 2 && !column.top_values.is_empty() && column.top_values.iter().all(|top| is_flag(&top.value));
    match column.dtype {
        ColumnType::String | ColumnType::Boolean => Some(Classification),
        ColumnType::Date => Some(Regression),
        ColumnType::Integer | ColumnType::Float if flags => Some(Classification),
        ColumnType::Integer if column.unique_count <= CLASSES_MAX => None,
        ColumnType::Integer | ColumnType::Float => Some(Regression),
        ColumnType::Unknown => None,
    }
}

fn task_of(sent: Option<TaskType>, profile: Option<&ColumnProfile>, target: &str) -> Result<TaskType, String> {
    if sent == Some(TaskType::Clustering) {
        return Err("taskType must be classification or regression".to_owned());
    }
    match (sent, profile.and_then(task_in)) {
        (Some(sent), Some(seen)) if sent != seen => Err(format!(
            "taskType is {}, but the values of \"{target}\" are for {}; change taskType or the target",
            sent.as_str(),
            seen.as_str()
        )),
        (Some(task), _) | (None, Some(task)) => Ok(task),
        (None, None) => Err(format!("\"{target}\" may be classes or numbers; say in taskType which")),
    }
}

/// The model type in its one spelling. A name that speaks of another family would mislead whoever approves it.
fn model_type_of(sent: &str, name: &str, task: TaskType) -> Result<String, String> {
    let sent = arguments::line(sent, MODEL_TYPE_CHARS_MAX + 1);
    if sent.is_empty() || sent.chars().count() > MODEL_TYPE_CHARS_MAX {
        return Err(format!("modelType must have 1 to {MODEL_TYPE_CHARS_MAX} characters"));
    }
    let family = family_of(&sent, Some(task));
    if let Some(other) = family.and_then(|family| family.task).filter(|only| *only != task) {
        return Err(format!("{sent} is for {}, not for {}; choose another modelType", other.as_str(), task.as_str()));
    }
    let spoken = spoken_of(name);
    if let Some(family) = family
        && let Some(other) = spoken.first()
        && !spoken.iter().any(|spoken| spoken.name == family.name)
    {
        return Err(format!("The name \"{name}\" speaks of {}, but modelType is {}; make them agree", other.name, family.name));
    }
    Ok(canonical(&sent, Some(task)))
}

/// The columns to predict from, and those among the named ones that only name rows.
fn features_of(
    sent: Option<&[String]>,
    target: &str,
    setting: &Setting<'_>,
) -> Result<(Option<Vec<String>>, Vec<String>), String> {
    let dataset = setting.dataset;
    let all: Vec<&ColumnProfile> = dataset.columns.iter().filter(|column| column.name != ROW_ID_COLUMN).collect();
    let chosen: Vec<&ColumnProfile> = match sent.filter(|sent| !sent.is_empty()) {
        Some(sent) => {
            let mut chosen: Vec<&ColumnProfile> = Vec::new();
            for name in sent {
                let column = all.iter().find(|column| column.name == *name).ok_or_else(|| no_column(name, dataset))?;
                if !chosen.iter().any(|one| one.name == column.name) {
                    chosen.push(column);
                }
            }
            chosen
        }
        // Engineered features are in the dataset by now: all of it is meant.
        None if setting.has_engineered_features => all,
        None => return Ok((None, Vec::new())),
    };
    let others = chosen.into_iter().filter(|column| column.name != target);
    let (left_out, kept): (Vec<_>, Vec<_>) = others.partition(|column| is_identifier(column));
    if kept.is_empty() {
        return Err("No column is left to predict from; name other featureColumns, or none to use all".to_owned());
    }
    let names = |columns: Vec<&ColumnProfile>| -> Vec<String> { columns.into_iter().map(|column| column.name.clone()).collect() };
    Ok((Some(names(kept)), names(left_out)))
}

fn profile_of(column: &ColumnProfile) -> TargetProfile {
    TargetProfile {
        dtype: column.dtype,
        unique_count: column.unique_count,
        null_count: column.null_count,
        top_values: column.top_values.iter().map(|top| top.value.chars().take(100).collect()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{args, column, customers, new_run, now, output, run_with, valued},
        *,
    };

    fn good() -> Value {
        json!({ "experimentName": "Forest", "modelType": "rf", "taskType": "classification", "splitStrategy": "train_test" })
    }

    fn with(extra: &Value) -> Map<String, Value> {
        let mut sent = args(&good());
        sent.extend(args(extra));
        sent
    }

    fn configured(run: &TrainingRun, sent: &Map<String, Value>, has_engineered_features: bool) -> Changed {
        let dataset = customers();
        let setting = Setting { experiment_id: "exp-new", dataset: &dataset, has_engineered_features, now: now() };
        configure(run, sent, &setting)
    }

    fn refusal(extra: &Value) -> String {
        let changed = configured(&new_run(), &with(extra), false);
        assert_eq!(changed.experiments, None);
        changed.output.error.unwrap_or_else(|| panic!("{extra} was taken: {:?}", changed.output.output))
    }

    #[test]
    fn an_experiment_is_set_up_once() {
        let changed =
            configured(&new_run(), &with(&json!({ "hyperparameters": { "n_estimators": 10 }, "randomSeed": 7 })), false);
        let answered = output(&changed.output);
        assert_eq!(
            (answered["experimentId"].as_str(), answered["modelType"].as_str(), answered["status"].as_str()),
            (Some("exp-new"), Some("random_forest"), Some("configured"))
        );
        assert_eq!((answered["targetColumn"].as_str(), answered.get("featureColumns")), (Some("churned"), None));
        let run = TrainingRun { experiments: changed.experiments.unwrap(), ..new_run() };
        let kept = run.experiments.get("exp-new").unwrap();
        assert_eq!((kept.split_ratio.to_string(), kept.random_seed, kept.turn), ("0.8".to_owned(), Some(7), 1));
        assert_eq!(kept.target_column_profile.as_ref().unwrap().unique_count, 2);
        let again = configured(&run, &with(&json!({ "experimentName": "Something else" })), false);
        assert_eq!(again.experiments, None, "a repeated call finds what it made");
        assert_eq!(output(&again.output)["experimentName"], "Forest");
    }

    #[test]
    fn each_turn_may_set_three_up() {
        let run = run_with(&["A", "B", "C", "D"]);
        let here = |turn| run.experiments.all().iter().filter(|one| one.turn == turn).count();
        assert_eq!(here(0), 1);
        let mut full = TrainingRun { turn: 9, ..run };
        for one in full.experiments.clone().all().into_iter().take(3) {
            full.experiments = full.experiments.with(Experiment { turn: 9, ..one.clone() });
        }
        let changed = configured(&full, &with(&json!({})), false);
        assert_eq!(changed.experiments, None);
        let answered = changed.output.output.unwrap();
        assert_eq!(
            (answered["status"].as_str(), answered["configuredExperiments"].as_array().unwrap().len()),
            (Some("rejected"), 4)
        );
        assert!(changed.output.error.is_some(), "W10: what was refused is no step forward");
        let next = TrainingRun { turn: 10, ..full };
        assert_eq!(configured(&next, &with(&json!({})), false).output.error, None, "the next turn may again");
    }

    #[test]
    fn features_are_what_there_is_to_learn_from() {
        let features = |extra: Value, engineered| {
            let changed = configured(&new_run(), &with(&extra), engineered);
            output(&changed.output).clone()
        };
        let named = features(json!({ "featureColumns": ["age", "customer_id", "churned", "monthly_spend", "age"] }), false);
        assert_eq!(named["featureColumns"], json!(["age", "monthly_spend"]), "W3: numbers are not taken for keys");
        assert!(named["message"].as_str().unwrap().contains("customer_id"));
        let all = features(json!({}), true);
        assert_eq!(all["featureColumns"], json!(["age", "monthly_spend", "plan"]));
        assert_eq!(features(json!({ "featureColumns": [] }), false).get("featureColumns"), None);
        assert!(refusal(&json!({ "featureColumns": ["gone"] })).contains("has no column \"gone\""));
        assert!(refusal(&json!({ "featureColumns": ["customer_id", "churned"] })).contains("No column is left"));
    }

    #[test]
    fn the_selected_target_wins() {
        assert!(refusal(&json!({ "targetColumn": "plan" })).contains("The selected target is \"churned\""));
        let open = TrainingRun { target: None, ..new_run() };
        let changed = configured(&open, &with(&json!({ "targetColumn": "plan" })), false);
        assert_eq!(output(&changed.output)["targetColumn"], "plan");
        for (run, sent) in [
            (TrainingRun { target: Some("gone".to_owned()), ..new_run() }, json!({})),
            (open.clone(), json!({ "targetColumn": "gone" })),
            (open.clone(), json!({ "targetColumn": "__row_id" })),
            (open.clone(), json!({ "targetColumn": " " })),
            (open, json!({})),
        ] {
            assert!(configured(&run, &with(&sent), false).output.error.is_some(), "{sent}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (sent, reason) in [
            (json!({ "taskType": "regression" }), "are for classification"),
            (json!({ "taskType": "clustering" }), "classification or regression"),
            (json!({ "modelType": "xgboost", "experimentName": "Random forest" }), "speaks of random_forest"),
            (json!({ "modelType": "linear_regression" }), "is for regression"),
            (json!({ "modelType": "" }), "modelType"),
            (json!({ "experimentName": " \n " }), "experimentName"),
            (json!({ "experimentName": "x".repeat(201) }), "experimentName"),
            (json!({ "splitRatio": 80 }), "splitRatio"),
            (json!({ "splitStrategy": "magic" }), "Wrong arguments"),
            (json!({ "randomSeed": -1 }), "Wrong arguments"),
            (json!({ "hyperparameters": { "x": "y".repeat(20_000) } }), "hyperparameters"),
        ] {
            assert!(refusal(&sent).contains(reason), "{sent}: {}", refusal(&sent));
        }
        let numbers = TrainingRun { target: Some("age".to_owned()), ..new_run() };
        let stratified = with(&json!({ "taskType": "regression", "splitStrategy": "stratified_kfold" }));
        assert!(configured(&numbers, &stratified, false).output.error.unwrap().contains("by class"));
        let taken = run_with(&["Forest"]);
        assert!(configured(&taken, &with(&json!({ "experimentName": "FOREST" })), false).output.error.unwrap().contains("exp-1"));
    }

    #[test]
    fn unknown_models_keep_their_names() {
        let changed =
            configured(&new_run(), &with(&json!({ "modelType": " TabPFN ", "experimentName": "Random forest" })), false);
        assert_eq!(output(&changed.output)["modelType"], "TabPFN");
        let both = with(&json!({ "modelType": "lgbm", "experimentName": "Gradient boosting with LightGBM" }));
        assert_eq!(output(&configured(&new_run(), &both, false).output)["modelType"], "lightgbm");
    }

    #[test]
    fn the_values_of_the_target_say_what_the_task_is() {
        use ColumnType::{Boolean, Date, Float, Integer, String, Unknown};
        use TaskType::{Classification, Regression};
        for (profile, expected) in [
            (column("y", String, 3), Some(Classification)),
            (column("y", Boolean, 2), Some(Classification)),
            (column("y", Date, 50), Some(Regression)),
            (valued("y", Integer, &["0", "1"]), Some(Classification)),
            (valued("y", Float, &["0.0", "1.0"]), Some(Classification)),
            (valued("y", Integer, &["1", "2"]), None),
            (column("y", Integer, 20), None),
            (column("y", Integer, 21), Some(Regression)),
            (column("y", Float, 5), Some(Regression)),
            (column("y", Unknown, 0), None),
        ] {
            assert_eq!(task_in(&profile), expected, "{:?} {}", profile.dtype, profile.unique_count);
        }
    }
}
