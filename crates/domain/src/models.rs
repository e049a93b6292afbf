//! Trained models: what is stored of one, how its rows were divided, and who may see which of them.

mod store;

use std::{collections::BTreeMap, ops::Deref};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::store::{EvaluationEnd, ModelStore, NewModel, NewStudy, StudyEnd, TrainingEnd};
use crate::{DatasetId, JobId, UserId, named::named};

/// Smallest share of rows that may be held out.
pub const TEST_SIZE_MIN: f64 = 0.05;
/// Largest share of rows that may be held out.
pub const TEST_SIZE_MAX: f64 = 0.5;
/// Share of rows that is held out when nothing is asked for.
pub const TEST_SIZE_DEFAULT: f64 = 0.2;
/// The seed of everything random when none is sent.
pub const SEED_DEFAULT: u32 = 42;
/// Longest name of a model, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Models that one comparison may have.
pub const COMPARED_MAX: usize = 5;
/// Trials that one study may have.
pub const TRIALS_MAX: u32 = 200;
/// Longest study, seconds.
pub const STUDY_SECONDS_MAX: f64 = 3600.0;

named! {
    /// What a model is for.
    TaskType {
        /// Says which class a row belongs to.
        Classification = "classification",
        /// Says a number.
        Regression = "regression",
        /// Groups rows that are alike.
        Clustering = "clustering",
    }
}

named! {
    /// How a training ended.
    ModelStatus {
        /// There is a model.
        Completed = "completed",
        /// There is none; the model's error says why.
        Failed = "failed",
    }
}

named! {
    /// Where the evaluation of a model stands.
    EvaluationStatus {
        /// It waits for a worker.
        Pending = "pending",
        /// It runs.
        Computing = "computing",
        /// It is there.
        Ready = "ready",
        /// It gave up; the model's evaluation error says why.
        Failed = "failed",
    }
}

named! {
    /// Whether what made a model could see the rows that it is scored on.
    Holdout {
        /// It could not: the server kept them.
        Sealed = "sealed",
        /// It could.
        Unsealed = "unsealed",
    }
}

named! {
    /// How rows are chosen for the test.
    SplitKind {
        /// Any rows.
        Random = "random",
        /// Any rows, the same share of each class.
        Stratified = "stratified",
        /// Whole groups of rows with the same value in a column.
        Group = "group",
        /// The last rows by a column.
        Time = "time",
    }
}

named! {
    /// Where a study stands.
    StudyStatus {
        /// It waits for a worker.
        Pending = "pending",
        /// It runs.
        Running = "running",
        /// It made a model.
        Completed = "completed",
        /// It gave up, or was stopped.
        Failed = "failed",
    }
}

/// How the rows of a dataset are divided: declared once with a training, kept by the server, and repeated exactly for
/// everything that is done with the model. The same rows are chosen for the same dataset, target and declaration, and a
/// smaller test is part of a larger one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// How rows are chosen.
    pub kind: SplitKind,
    /// The column of groups or times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Share of the rows that is held out.
    pub test_size: f64,
    /// What makes it repeatable.
    pub seed: u32,
}

/// A split as it was declared for a dataset and a target.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredSplit {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// The column to predict.
    pub target: String,
    /// How rows are divided.
    pub split: Split,
    /// When it was declared.
    pub declared_at: DateTime<Utc>,
    /// By whom; none when that user is gone.
    pub declared_by: Option<UserId>,
    /// Whether features of the dataset have learned from the rows that it does not hold out. Such a split stays: by another one,
    /// models would be tested on rows whose targets their features know.
    pub is_learned: bool,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its name, one that the server gave.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A package that a project installed, and that one of its models needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPackage {
    /// Its name, normalised.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its record, which has the hashes of its files, hexadecimal.
    pub sha256: String,
}

/// The file that holds the model itself.
pub const MODEL_FILE: &str = "model.joblib";
/// The file that says how the model's engineered columns are computed, where there are such.
pub const FEATURES_FILE: &str = "features.json";
/// The directory among a model's files with the packages that it needs beside those that every sandbox has, where there are
/// such.
pub const PACKAGES_DIRECTORY: &str = "packages";
/// The library of models that an agent trained in a notebook (contract 3, section 11).
pub const NOTEBOOK_LIBRARY: &str = "llm-guided";

/// What a training was asked for: enough to repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingPlan {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Its version when the training was asked for.
    pub dataset_version: u32,
    /// What people called it then.
    pub dataset_name: String,
    /// Display name of the model.
    pub name: String,
    /// The template.
    pub template_id: String,
    /// What the model is for.
    pub task_type: TaskType,
    /// The column to predict; none for clustering.
    #[serde(default)]
    pub target: Option<String>,
    /// The columns to predict from; none: all others.
    #[serde(default)]
    pub features: Option<Vec<String>>,
    /// What a column is taken for, where the caller knows better.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Parameters that differ from the template's.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// How rows are divided.
    pub split: Split,
}

/// A trained model, or a training that failed, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What was made. Its evaluation and scores are the latest ones.
    pub made: NewModel,
    /// Running number in its project, from 1.
    pub version: u32,
    /// When its evaluation was computed.
    pub evaluation_computed_at: Option<DateTime<Utc>>,
    /// The job that evaluates it, or did last.
    pub evaluation_job: Option<JobId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A stored model is read as what was made.
impl Deref for Model {
    type Target = NewModel;

    fn deref(&self) -> &NewModel {
        &self.made
    }
}

impl NewModel {
    /// Whether its scores are on rows that it could not see; none when it has no such scores, as of clusters.
    #[must_use]
    pub fn holdout(&self) -> Option<Holdout> {
        self.metadata.get("holdout").and_then(Value::as_str).and_then(Holdout::from_name)
    }

    /// Whether the server could not score it, because it does not predict from the dataset's columns as they are.
    #[must_use]
    pub fn is_unscored(&self) -> bool {
        self.metadata.get("unscored") == Some(&Value::Bool(true))
    }

    /// Whether it was made in a notebook, and not by a training of the server's.
    #[must_use]
    pub fn is_from_notebook(&self) -> bool {
        self.library == NOTEBOOK_LIBRARY
    }

    /// Why the server could not score it; none when it could.
    #[must_use]
    pub fn unscored_reason(&self) -> Option<&str> {
        let reason = self.evaluation_error.as_deref().unwrap_or("it does not predict from the dataset's columns as they are");
        self.is_unscored().then_some(reason)
    }

    /// The packages of its project that it is loaded with.
    #[must_use]
    pub fn packages(&self) -> Vec<ModelPackage> {
        let packages = self.metadata.get("packages").cloned().unwrap_or_default();
        serde_json::from_value(packages).unwrap_or_default()
    }

    /// The file of this name, if the model has it.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.filename == name)
    }
}

/// Brings the id of a template into the one spelling that the catalogue has (contract 3, section 11).
#[must_use]
pub fn normalized_template_id(id: &str) -> String {
    let mut name = id.trim().to_lowercase();
    while let Some(rest) = name.strip_prefix("seed-").or_else(|| name.strip_prefix("llm-")) {
        name = rest.to_owned();
    }
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_ids_have_one_spelling() {
        for (sent, expected) in [
            ("random_forest_classifier", "random_forest_classifier"),
            (" Random-Forest-Classifier ", "random_forest_classifier"),
            ("seed-llm-seed-kmeans", "kmeans"),
            ("seed-", ""),
            ("", ""),
        ] {
            assert_eq!(normalized_template_id(sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn stored_names_are_read_back() {
        for kind in SplitKind::ALL {
            assert_eq!(SplitKind::from_name(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(TaskType::from_name("forecasting"), None);
    }
}
