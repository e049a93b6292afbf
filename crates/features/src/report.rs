//! What became of the values: nothing is lost without a number here.

use gristmill_domain::{datasets::ColumnType, features::FeatureMethod};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    learn::Learning,
    make::{Cause, Lost, Step},
};

/// What came of making features.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureReport {
    /// Rows of the dataset.
    pub rows: u64,
    /// Rows that were learned from.
    pub rows_learned_from: u64,
    /// Of each feature, in order.
    pub features: Vec<FeatureOutcome>,
}

/// What came of one feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureOutcome {
    /// The caller's own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    pub feature_name: String,
    /// How it was made.
    pub method: FeatureMethod,
    /// The column that it was made from.
    pub source_column: String,
    /// Rows without a value in a column that it was made from.
    pub nulls_in: u64,
    /// The columns that it made.
    pub outputs: Vec<FeatureColumn>,
    /// Values that have no feature, by why; of methods that make several columns, counted for each.
    pub became_null: Vec<BecameNull>,
    /// What it learned, for people.
    pub learned: Map<String, Value>,
    /// Remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A column that a feature made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
    /// Rows without a value.
    pub null_count: u64,
}

/// Values that have no feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BecameNull {
    /// Why.
    pub reason: Cause,
    /// How many.
    pub count: u64,
}

/// Counts of one feature in some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) nulls_in: u64,
    pub(crate) lost: Lost,
    /// Of each column.
    pub(crate) nulls_out: Vec<u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.nulls_in += other.nulls_in;
        for (cause, count) in other.lost {
            *self.lost.entry(cause).or_default() += count;
        }
        self.nulls_out.resize(self.nulls_out.len().max(other.nulls_out.len()), 0);
        for (all, more) in self.nulls_out.iter_mut().zip(other.nulls_out) {
            *all += more;
        }
    }
}

impl FeatureReport {
    pub(crate) fn new(learning: &Learning, rows: u64, tallies: Vec<Tally>) -> Self {
        let features = learning.steps.iter().zip(tallies).zip(&learning.notes);
        Self {
            rows,
            rows_learned_from: learning.rows,
            features: features.map(|((step, tally), notes)| outcome(step, tally, notes)).collect(),
        }
    }
}

fn outcome(step: &Step, tally: Tally, notes: &[String]) -> FeatureOutcome {
    let nulls_out = tally.nulls_out.into_iter().chain(std::iter::repeat(0));
    let outputs = step.outputs.iter().zip(nulls_out);
    FeatureOutcome {
        id: step.feature.id.clone(),
        feature_name: step.feature.name.clone(),
        method: step.feature.operation.method(),
        source_column: step.feature.source.name.clone(),
        nulls_in: tally.nulls_in,
        outputs: outputs
            .map(|(output, null_count)| FeatureColumn { name: output.name.clone(), dtype: output.kind, null_count })
            .collect(),
        became_null: tally.lost.into_iter().map(|(reason, count)| BecameNull { reason, count }).collect(),
        learned: step.learned.summary(),
        notes: notes.to_vec(),
    }
}
