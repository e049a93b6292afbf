//! The experiments of a run, as `metadata.experiments` keeps them (contract 2, section 3.7).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gristmill_domain::{DatasetId, datasets::ColumnType, models::TaskType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::markers::Metrics;

/// Experiments that a message names, when one is not found.
const LISTED_MAX: usize = 10;

/// How far an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentStatus {
    /// It is set up.
    Configured,
    /// A person is asked whether to train it.
    Proposed,
    /// Its cells have run, and said their scores.
    Training,
    /// Its scores are recorded.
    Evaluated,
    /// Its model is registered.
    Registered,
    /// Its training failed.
    Failed,
}

impl ExperimentStatus {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Proposed => "proposed",
            Self::Training => "training",
            Self::Evaluated => "evaluated",
            Self::Registered => "registered",
            Self::Failed => "failed",
        }
    }
}

/// How the training's code divides its rows. The server's own division of the dataset is another thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitStrategy {
    /// Once.
    TrainTest,
    /// In folds.
    Kfold,
    /// In folds with the same share of each class.
    StratifiedKfold,
    /// The last rows are for the test.
    TimeSeries,
}

impl SplitStrategy {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrainTest => "train_test",
            Self::Kfold => "kfold",
            Self::StratifiedKfold => "stratified_kfold",
            Self::TimeSeries => "time_series",
        }
    }
}

/// What is known of the column to predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetProfile {
    /// Its type.
    pub dtype: ColumnType,
    /// Distinct values.
    pub unique_count: u64,
    /// Rows without a value.
    pub null_count: u64,
    /// Its most frequent values.
    pub top_values: Vec<String>,
}

/// A model that could be trained instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    /// Its type.
    pub model_type: String,
    /// What speaks for it.
    #[serde(default)]
    pub reason: String,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    /// Identity: `exp-<uuid>`.
    pub experiment_id: String,
    /// Its name: what a person approves.
    pub experiment_name: String,
    /// What is trained, in the one spelling of its family where that is known.
    pub model_type: String,
    /// How far it is.
    pub status: ExperimentStatus,
    /// Parameters that the model proposed.
    #[serde(default)]
    pub hyperparameters: Map<String, Value>,
    /// How its code divides its rows.
    pub split_strategy: SplitStrategy,
    /// Share of the rows that its code trains on.
    pub split_ratio: f64,
    /// The column to predict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// The columns to predict from; none: whatever its code uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_columns: Option<Vec<String>>,
    /// What makes its code repeatable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_seed: Option<u32>,
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Which version of it; none of experiments from before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_version: Option<u32>,
    /// What its model is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_type: Option<TaskType>,
    /// What is known of the column to predict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_column_profile: Option<TargetProfile>,
    /// Why it was proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What the model expects of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_metrics: Option<Value>,
    /// What may go wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<String>,
    /// What could be trained instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The cells that trained it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub training_cell_ids: Vec<String>,
    /// The scores that its cells printed, read by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_metrics: Option<Metrics>,
    /// How long its cells ran, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_duration_ms: Option<u64>,
    /// Its code, by cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workflow_prep_segments: Vec<String>,
    /// Why its training failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The scores that were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_metrics: Option<Metrics>,
    /// How scores grew with the rows, in the model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_curve: Option<Value>,
    /// Which columns count, in the model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_importance: Option<Value>,
    /// What the model says of the scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_notes: Option<String>,
    /// Its registered model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persisted_model_id: Option<String>,
    /// The name that its model was registered under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_model_name: Option<String>,
    /// The scores of its model on the server's held out rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_metrics: Option<Metrics>,
    /// When its model was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<DateTime<Utc>>,
    /// The file that its model was taken from, below the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_path: Option<String>,
    /// Labels of its model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Libraries that its model needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_dependencies: Vec<String>,
    /// The turn that set it up.
    #[serde(default)]
    pub turn: i64,
    /// When it was set up.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Experiment {
    /// The best that is known of its scores: those that were recorded, else those that its cells printed.
    #[must_use]
    pub fn metrics(&self) -> Option<&Metrics> {
        self.evaluation_metrics.as_ref().or(self.training_metrics.as_ref())
    }

    /// Without its code, and without what came of it.
    fn without_results(&self) -> Self {
        Self {
            training_cell_ids: Vec::new(),
            training_metrics: None,
            workflow_prep_segments: Vec::new(),
            evaluation_metrics: None,
            learning_curve: None,
            feature_importance: None,
            evaluation_notes: None,
            ..self.clone()
        }
    }
}

/// The experiments of a run, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Experiments(BTreeMap<String, Experiment>);

impl Experiments {
    /// Reads `metadata.experiments`. An entry that is none is left out.
    #[must_use]
    pub fn read(metadata: &Map<String, Value>) -> Self {
        let entries = metadata.get("experiments").and_then(Value::as_object);
        let entries = entries.into_iter().flatten().filter_map(|(id, value)| {
            let experiment: Experiment = serde_json::from_value(value.clone()).ok()?;
            (experiment.experiment_id == *id).then(|| (id.clone(), experiment))
        });
        Self(entries.collect())
    }

    /// As `metadata.experiments` has them.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Plain data always serializes.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Those that may still become a model, also after a turn that failed, as `metadata.experiments` has them but for their code
    /// and scores. Every turn records them among what it found, and a long run does not repeat the rest in each.
    #[must_use]
    pub fn open(&self) -> Map<String, Value> {
        let open = self.0.iter().filter(|(_, one)| one.status != ExperimentStatus::Registered);
        // Plain data always serializes.
        open.map(|(id, one)| (id.clone(), serde_json::to_value(one.without_results()).unwrap_or_default())).collect()
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<&Experiment> {
        let mut all: Vec<&Experiment> = self.0.values().collect();
        all.sort_by(|one, other| (one.created_at, &one.experiment_id).cmp(&(other.created_at, &other.experiment_id)));
        all
    }

    /// The one of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Experiment> {
        self.0.get(id)
    }

    /// These, and this one in the place of the one with its id.
    #[must_use]
    pub fn with(&self, experiment: Experiment) -> Self {
        let mut all = self.0.clone();
        all.insert(experiment.experiment_id.clone(), experiment);
        Self(all)
    }

    /// The one that a model means: by its id; by its name, where only one has it; and where there is only one at all, also
    /// by the id of the conversation, which models take for it.
    ///
    /// # Errors
    /// What there is, in words for the model.
    pub fn resolve(&self, named: &str) -> Result<&Experiment, String> {
        let named = named.trim();
        if let Some(found) = self.get(named) {
            return Ok(found);
        }
        let all = self.all();
        let of_name = |matches: &dyn Fn(&Experiment) -> bool| {
            let mut found = all.iter().filter(|one| matches(one));
            found.next().filter(|_| found.next().is_none()).copied()
        };
        let exact = of_name(&|one| one.experiment_name == named);
        let alive = || of_name(&|one| one.experiment_name == named && one.status != ExperimentStatus::Failed);
        let folded = || of_name(&|one| one.experiment_name.to_lowercase() == named.to_lowercase());
        if let Some(found) = exact.or_else(alive).or_else(folded) {
            return Ok(found);
        }
        if let [only] = all.as_slice()
            && named.starts_with("thread-")
        {
            return Ok(*only);
        }
        if all.is_empty() {
            return Err("There is no experiment yet; call configure_experiment first".to_owned());
        }
        let listed = all.iter().rev().take(LISTED_MAX);
        let listed: Vec<String> =
            listed.map(|one| format!("{} (\"{}\", {})", one.experiment_id, one.experiment_name, one.status.as_str())).collect();
        let named: String = named.chars().take(100).collect();
        Err(format!("There is no experiment \"{named}\", or several of that name; use one of these ids: {}", listed.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::fixtures::run_with, *};

    #[test]
    fn what_is_stored_is_read_back_and_nothing_is_null() {
        let experiments = run_with(&["A", "B"]).experiments;
        let value = experiments.to_value();
        assert!(!value.to_string().contains(":null"), "{value}");
        assert_eq!(value["exp-1"]["splitStrategy"], "train_test");
        let metadata = json!({ "experiments": value, "history": 1 });
        assert_eq!(Experiments::read(metadata.as_object().unwrap()), experiments);
    }

    #[test]
    fn what_is_no_experiment_is_left_out() {
        let good = run_with(&["A"]).experiments.to_value()["exp-1"].clone();
        for (stored, expected) in [
            (json!({}), 0),
            (json!({ "experiments": [1] }), 0),
            (json!({ "experiments": { "exp-1": good, "exp-2": { "experimentId": "exp-2" }, "exp-3": 1 } }), 1),
            (json!({ "experiments": { "other": good } }), 0),
        ] {
            assert_eq!(Experiments::read(stored.as_object().unwrap()).all().len(), expected, "{stored}");
        }
    }

    #[test]
    fn those_without_a_model_are_open_and_told_without_their_results() {
        use ExperimentStatus::{Evaluated, Failed, Proposed, Training};

        let run = run_with(&["A", "B"]).experiments;
        let of_status = |id: &str, status| Experiment { status, ..run.get(id).unwrap().clone() };
        let configured = of_status("exp-1", ExperimentStatus::Configured);
        for status in [Proposed, Training, Evaluated, Failed] {
            let trained = Experiment {
                training_cell_ids: vec!["cell".to_owned()],
                training_metrics: Some(Metrics::from([("f1".to_owned(), 0.5)])),
                workflow_prep_segments: vec!["x = 1".to_owned()],
                evaluation_notes: Some("Good.".to_owned()),
                ..of_status("exp-1", status)
            };
            let all = run.with(trained).with(of_status("exp-2", ExperimentStatus::Registered));
            let told = Experiments::default().with(Experiment { status, ..configured.clone() }).to_value();
            assert_eq!(Value::Object(all.open()), told, "{status:?}");
        }
        assert!(Experiments::default().open().is_empty());
    }

    #[test]
    fn models_may_name_them_loosely() {
        let one = run_with(&["Forest, deep"]).experiments;
        for named in ["exp-1", " exp-1 ", "Forest, deep", "forest, DEEP", "thread-123"] {
            assert_eq!(one.resolve(named).map(|found| found.experiment_id.as_str()), Ok("exp-1"), "{named}");
        }
        assert!(one.resolve("exp-2").unwrap_err().contains("exp-1 (\"Forest, deep\", configured)"));
        assert!(Experiments::default().resolve("x").unwrap_err().contains("configure_experiment"));
        let two = run_with(&["A", "B"]).experiments;
        assert!(two.resolve("thread-123").is_err(), "which one it means is not known");
        let both = two.with(Experiment { experiment_name: "A".to_owned(), ..two.get("exp-2").unwrap().clone() });
        assert!(both.resolve("A").is_err());
        let failed = both.with(Experiment { status: ExperimentStatus::Failed, ..both.get("exp-1").unwrap().clone() });
        assert_eq!(failed.resolve("A").map(|found| found.experiment_id.as_str()), Ok("exp-2"));
    }
}
