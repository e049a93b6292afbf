//! The committed sets: a dataset each, with what is to become of it.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a set is taken through, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Questions and a plan.
    Onboarding,
    /// A cleaned dataset.
    Preprocessing,
    /// A dataset with features.
    FeatureEngineering,
    /// A model.
    Training,
    /// A deployed model. No agent is needed for it.
    Deployment,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] =
        [Self::Onboarding, Self::Preprocessing, Self::FeatureEngineering, Self::Training, Self::Deployment];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Onboarding => "onboarding",
            Self::Preprocessing => "preprocessing",
            Self::FeatureEngineering => "feature_engineering",
            Self::Training => "training",
            Self::Deployment => "deployment",
        }
    }
}

/// A set.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Set {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
    /// The dataset's file.
    #[serde(skip)]
    pub(crate) content: Vec<u8>,
    /// For people.
    pub(crate) description: String,
    /// Where the dataset's file is, below `data`.
    file: String,
    /// The column to predict.
    pub(crate) target: String,
    /// `classification` or `regression`.
    pub(crate) task: String,
    /// What a model must reach.
    pub(crate) score: Score,
    /// What the project is for.
    pub(crate) intent: String,
    /// What a person answers to questions without choices.
    answers: String,
    /// What a person says first in a phase.
    prompts: BTreeMap<Phase, String>,
    /// How the script fares.
    pub(crate) scripted: BTreeMap<Phase, Expected>,
}

/// A score of the server's, on rows that it holds out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Score {
    /// Its name; larger is better.
    pub(crate) metric: String,
    /// The least that counts as a success.
    pub(crate) least: f64,
}

/// How the script fares in a phase.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// Code that was written anew after it failed.
    pub(crate) repairs: u64,
    /// What the person was asked for, and said yes to.
    pub(crate) approvals: u64,
    /// Claims of success that the server did not believe.
    pub(crate) disbelieved: u64,
    /// Rows of the cleaned dataset.
    #[serde(default)]
    pub(crate) rows: Option<u64>,
    /// Columns that features made.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
}

impl Set {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let named = || file.display().to_string();
        let mut set: Self = serde_json::from_slice(&std::fs::read(file).with_context(named)?).with_context(named)?;
        let data = file.parent().and_then(Path::parent).context("a set outside of data/eval")?;
        let table = data.join(&set.file);
        set.content = std::fs::read(&table).with_context(|| table.display().to_string())?;
        set.name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(set)
    }

    /// The name of the dataset's file.
    pub(crate) fn filename(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// The same without its extension.
    pub(crate) fn stem(&self) -> &str {
        self.filename().rsplit_once('.').map_or(self.filename(), |(stem, _)| stem)
    }

    pub(crate) fn prompt(&self, phase: Phase) -> Result<String> {
        self.prompts.get(&phase).cloned().with_context(|| format!("{} has no prompt for {}", self.name, phase.as_str()))
    }

    /// What a person answers to a question: the choice that is the target, else the first; without choices, in words.
    pub(crate) fn answer(&self, question: &Value) -> Value {
        let labels: Vec<&str> =
            question["options"].as_array().into_iter().flatten().filter_map(|option| option["label"].as_str()).collect();
        let chosen = labels.iter().find(|label| **label == self.target).or_else(|| labels.first());
        let answer = match (question["type"].as_str(), chosen) {
            (Some("multi_select"), Some(label)) => json!([label]),
            (Some("single_select"), Some(label)) => json!(label),
            _ => json!(self.answers),
        };
        json!({ "questionId": question["id"], "answer": answer })
    }
}
