//! Judging, tuning and comparing models (contract 3, section 13). Evaluations come from `gristmill_ml` and are `snake_case`.

use std::collections::BTreeMap;

use garde::Validate;
use gristmill_domain::{
    ModelId,
    models::{COMPARED_MAX, EvaluationStatus, STUDY_SECONDS_MAX, TRIALS_MAX},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::common::RequestBody;

/// An evaluation that is not there yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvaluationPendingView {
    /// Where it stands.
    pub status: EvaluationStatus,
    /// What to expect, for people.
    pub message: String,
}

/// An evaluation that was computed again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationRetriedView {
    /// Always true.
    pub ok: bool,
    /// Where it stands now.
    pub evaluation_status: EvaluationStatus,
}

/// How a study searches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SamplerKind {
    /// Looks where the trials so far were good.
    #[default]
    Tpe,
    /// Looks anywhere.
    Random,
}

impl SamplerKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tpe => "tpe",
            Self::Random => "random",
        }
    }
}

/// A study to be run.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StudyCreate {
    /// The model whose parameters it starts from.
    #[garde(skip)]
    pub model_id: ModelId,
    /// Trials, 1 to 200.
    #[garde(range(min = 1, max = TRIALS_MAX))]
    pub n_trials: u32,
    /// What is made better.
    #[garde(length(chars, min = 1, max = 100))]
    pub metric: String,
    /// Longest search, 1 to 3600 seconds; 600 when absent.
    #[serde(default)]
    #[garde(inner(range(min = 1.0, max = STUDY_SECONDS_MAX)))]
    pub timeout_seconds: Option<f64>,
    /// How it searches; `tpe` when absent.
    #[serde(default)]
    #[garde(skip)]
    pub sampler: Option<SamplerKind>,
}

impl RequestBody for StudyCreate {}

/// A line of a study's stream: `trial_result`, `convergence_update`, `importance_update`, and at the end `done`
/// (`resultModelId`) or `error` (`message`).
#[derive(Debug, Serialize, ToSchema)]
pub struct StudyLine {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its own fields.
    #[serde(flatten)]
    pub data: BTreeMap<String, Value>,
}

/// Models to be compared.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonCreate {
    /// Two to five models of the project.
    #[garde(length(min = 2, max = COMPARED_MAX))]
    pub model_ids: Vec<ModelId>,
}

impl RequestBody for ComparisonCreate {}

/// A compared model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedModelView {
    /// Identity.
    pub model_id: ModelId,
    /// Display name.
    pub name: String,
    /// Its scores on its own held out rows.
    pub metrics: BTreeMap<String, f64>,
}

/// How models differ in a metric.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricDeltaView {
    /// The metric.
    pub metric: String,
    /// Its values, in the order that was asked for; null where a model has none.
    pub values: Vec<Option<f64>>,
    /// Largest less smallest.
    pub delta: f64,
    /// Of two models: how likely such a difference is by chance, by resampling the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Of two models: whether the interval of the difference leaves out zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub significant: Option<bool>,
}

/// A comparison.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparisonView {
    /// The models, in the order that was asked for.
    pub models: Vec<ComparedModelView>,
    /// Every metric that one of them has.
    pub deltas: Vec<MetricDeltaView>,
    /// Differences on the rows that all were tested on, with their intervals by paired bootstrap: `{rows, resamples,
    /// confidence, models, pairs}`, or `{available: false, reason}`.
    #[schema(value_type = Object)]
    pub bootstrap: Value,
}

/// A filter in plain words.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct FilterCreate {
    /// What to look for.
    #[garde(length(chars, max = 2000), custom(is_not_blank))]
    pub query: String,
}

impl RequestBody for FilterCreate {}

/// One condition.
#[derive(Debug, Serialize, ToSchema)]
pub struct PredicateView {
    /// A metric, or `algorithm`, `name`, `taskType`, `status`.
    pub field: String,
    /// `gt`, `lt`, `eq`, `gte`, `lte` or `contains`.
    pub operator: String,
    /// A number or a text.
    #[schema(value_type = Object)]
    pub value: Value,
}

/// What a filter was understood as.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilterView {
    /// A model must meet all.
    pub predicates: Vec<PredicateView>,
}

/// A text about models to be written.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct InsightCreate {
    /// `banner`, `explain`, `compare`, `error_narrative` or `report`.
    #[serde(rename = "type")]
    #[garde(length(chars, min = 1, max = 40))]
    pub kind: String,
    /// What the client shows.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[garde(skip)]
    pub context: Option<Value>,
}

impl RequestBody for InsightCreate {}

fn is_not_blank(text: &str, _: &()) -> garde::Result {
    if text.trim().is_empty() { Err(garde::Error::new("must not be blank")) } else { Ok(()) }
}
