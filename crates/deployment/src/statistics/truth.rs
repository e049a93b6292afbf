//! How right the answers were, once the truth is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::drift::label_text;

/// Labels that are told apart; further ones are counted under one name.
const LABELS_MAX: usize = 100;
const OTHERS: &str = "(other)";

/// Sums over answers whose truth is known. Two of the same kind add up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase")]
pub enum LiveScore {
    /// Labels.
    Classification {
        /// Pairs that could be compared.
        rows: u64,
        /// Right ones.
        correct: u64,
        /// Pairs in which one side was no label.
        unusable: u64,
        /// By label.
        labels: BTreeMap<String, LabelCounts>,
    },
    /// Numbers.
    Regression {
        /// Pairs that could be compared.
        rows: u64,
        /// Pairs in which one side was no number.
        unusable: u64,
        /// Sum of (predicted - actual).
        sum: f64,
        /// Sum of its absolute values.
        sum_absolute: f64,
        /// Sum of its squares.
        sum_squared: f64,
    },
}

/// What was predicted and what was true for one label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// How often it was predicted.
    predicted: u64,
    /// How often it was true.
    actual: u64,
    /// How often both.
    both: u64,
}

/// How right the answers were, for the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveAccuracy {
    /// Answers whose truth is known and could be compared.
    pub rows: u64,
    /// Answers whose truth is known but is no label or number.
    pub unusable: u64,
    /// Classification: share of right answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy: Option<f64>,
    /// Classification: mean of the labels' F1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub macro_f1: Option<f64>,
    /// Classification: each label, by its name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub labels: Vec<LabelScore>,
    /// Regression: mean absolute error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mae: Option<f64>,
    /// Regression: root of the mean squared error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rmse: Option<f64>,
    /// Regression: mean of (predicted - actual).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bias: Option<f64>,
}

/// One label's share of right answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// How often it was true.
    pub support: u64,
    /// Of the rows for which it was predicted, the share for which it was true; absent when it never was predicted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub precision: Option<f64>,
    /// Of the rows for which it was true, the share for which it was predicted; absent when it never was true.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: f64,
}

impl LiveScore {
    /// For a model that predicts labels.
    #[must_use]
    pub fn classification() -> Self {
        Self::Classification { rows: 0, correct: 0, unusable: 0, labels: BTreeMap::new() }
    }

    /// For a model that predicts numbers.
    #[must_use]
    pub fn regression() -> Self {
        Self::Regression { rows: 0, unusable: 0, sum: 0.0, sum_absolute: 0.0, sum_squared: 0.0 }
    }

    /// Adds an answer and its truth. A label may be a text, a number or a truth value: `3`, `3.0` and `"3"` are the same.
    pub fn add(&mut self, predicted: &Value, actual: &Value) {
        match self {
            Self::Classification { rows, correct, unusable, labels } => {
                let (Some(predicted), Some(actual)) = (label_text(predicted), label_text(actual)) else {
                    *unusable = unusable.saturating_add(1);
                    return;
                };
                let right = predicted == actual;
                *rows = rows.saturating_add(1);
                *correct = correct.saturating_add(u64::from(right));
                let counts = counts_of(labels, &predicted);
                counts.predicted = counts.predicted.saturating_add(1);
                counts.both = counts.both.saturating_add(u64::from(right));
                let counts = counts_of(labels, &actual);
                counts.actual = counts.actual.saturating_add(1);
            }
            Self::Regression { rows, unusable, sum, sum_absolute, sum_squared } => {
                let error = number(predicted).zip(number(actual)).map(|(predicted, actual)| predicted - actual);
                // The square of a larger error is no number any more, and would hide all others.
                let Some(error) = error.filter(|error| error.powi(2).is_finite()) else {
                    *unusable = unusable.saturating_add(1);
                    return;
                };
                *rows = rows.saturating_add(1);
                *sum += error;
                *sum_absolute += error.abs();
                *sum_squared += error.powi(2);
            }
        }
    }

    /// Adds the sums of another score; false, and nothing added, when it is of another kind.
    pub fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Classification { rows, correct, unusable, labels },
                Self::Classification { rows: more, correct: more_correct, unusable: more_unusable, labels: more_labels },
            ) => {
                *rows = rows.saturating_add(*more);
                *correct = correct.saturating_add(*more_correct);
                *unusable = unusable.saturating_add(*more_unusable);
                for (label, theirs) in more_labels {
                    let mine = counts_of(labels, label);
                    mine.predicted = mine.predicted.saturating_add(theirs.predicted);
                    mine.actual = mine.actual.saturating_add(theirs.actual);
                    mine.both = mine.both.saturating_add(theirs.both);
                }
                true
            }
            (
                Self::Regression { rows, unusable, sum, sum_absolute, sum_squared },
                Self::Regression {
                    rows: more,
                    unusable: more_unusable,
                    sum: more_sum,
                    sum_absolute: more_absolute,
                    sum_squared: more_squared,
                },
            ) => {
                *rows = rows.saturating_add(*more);
                *unusable = unusable.saturating_add(*more_unusable);
                *sum += more_sum;
                *sum_absolute += more_absolute;
                *sum_squared += more_squared;
                true
            }
            _ => false,
        }
    }

    /// What the sums come to; without rows there are no shares and no errors.
    #[must_use]
    pub fn accuracy(&self) -> LiveAccuracy {
        let mut result = LiveAccuracy {
            rows: 0,
            unusable: 0,
            accuracy: None,
            macro_f1: None,
            labels: Vec::new(),
            mae: None,
            rmse: None,
            bias: None,
        };
        match self {
            Self::Classification { rows, correct, unusable, labels } => {
                (result.rows, result.unusable) = (*rows, *unusable);
                result.accuracy = ratio(*correct, *rows);
                result.labels = labels.iter().map(|(label, counts)| counts.score(label)).collect();
                if !result.labels.is_empty() {
                    let sum: f64 = result.labels.iter().map(|label| label.f1).sum();
                    result.macro_f1 = Some(sum / float(u64::try_from(result.labels.len()).unwrap_or(u64::MAX)));
                }
            }
            Self::Regression { rows, unusable, sum, sum_absolute, sum_squared } => {
                (result.rows, result.unusable) = (*rows, *unusable);
                if *rows > 0 {
                    let rows = float(*rows);
                    result.mae = Some(sum_absolute / rows);
                    result.rmse = Some((sum_squared / rows).sqrt());
                    result.bias = Some(sum / rows);
                }
            }
        }
        result
    }
}

impl LabelCounts {
    fn score(self, label: &str) -> LabelScore {
        let (precision, recall) = (ratio(self.both, self.predicted), ratio(self.both, self.actual));
        let f1 = ratio(self.both.saturating_mul(2), self.predicted.saturating_add(self.actual)).unwrap_or(0.0);
        LabelScore { label: label.to_owned(), support: self.actual, precision, recall, f1 }
    }
}

fn counts_of<'a>(labels: &'a mut BTreeMap<String, LabelCounts>, label: &str) -> &'a mut LabelCounts {
    let known = labels.contains_key(label) || labels.len() < LABELS_MAX;
    labels.entry(if known { label } else { OTHERS }.to_owned()).or_default()
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

#[expect(clippy::as_conversions, reason = "counts of rows are exact in a float")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scored(mut score: LiveScore, pairs: &[(Value, Value)]) -> LiveScore {
        pairs.iter().for_each(|(predicted, actual)| score.add(predicted, actual));
        score
    }

    #[test]
    fn labels_of_any_spelling_are_compared() {
        let pairs = [
            (json!("yes"), json!("yes")),
            (json!("3"), json!(3.0)),
            (json!("true"), json!(true)),
            (json!("yes"), json!("no")),
            (json!("yes"), json!(null)),
        ];
        let result = scored(LiveScore::classification(), &pairs).accuracy();
        assert_eq!((result.rows, result.unusable, result.accuracy), (4, 1, Some(0.75)));
        let yes = result.labels.iter().find(|label| label.label == "yes").unwrap();
        assert_eq!((yes.support, yes.precision, yes.recall), (1, Some(0.5), Some(1.0)));
        assert!((yes.f1 - 2.0 / 3.0).abs() < 1e-12);
        let no = result.labels.iter().find(|label| label.label == "no").unwrap();
        assert_eq!((no.precision, no.recall, no.f1), (None, Some(0.0), 0.0));
    }

    #[test]
    fn errors_of_numbers() {
        let pairs = [(json!(3.0), json!(1)), (json!(1.0), json!("2")), (json!(1.0), json!("?")), (json!(1e200), json!(-1e200))];
        let result = scored(LiveScore::regression(), &pairs).accuracy();
        assert_eq!((result.rows, result.unusable), (2, 2));
        assert_eq!((result.mae, result.rmse, result.bias), (Some(1.5), Some(2.5_f64.sqrt()), Some(0.5)));
    }

    #[test]
    fn parts_add_up() {
        let pairs = [(json!("a"), json!("a")), (json!("a"), json!("b")), (json!("b"), json!("b"))];
        let mut merged = scored(LiveScore::classification(), &pairs[..1]);
        assert!(merged.merge(&scored(LiveScore::classification(), &pairs[1..])));
        assert_eq!(merged, scored(LiveScore::classification(), &pairs));
        assert!(!merged.merge(&LiveScore::regression()));
        let text = serde_json::to_string(&merged).unwrap();
        assert_eq!(serde_json::from_str::<LiveScore>(&text).unwrap(), merged);
    }

    #[test]
    fn labels_are_bounded() {
        let mut score = LiveScore::classification();
        (0..1000).for_each(|label| score.add(&json!(label), &json!(label)));
        let result = score.accuracy();
        assert_eq!((result.labels.len(), result.accuracy), (LABELS_MAX + 1, Some(1.0)));
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        assert_eq!(LiveScore::classification().accuracy().accuracy, None);
        assert_eq!(LiveScore::regression().accuracy().rmse, None);
    }
}
