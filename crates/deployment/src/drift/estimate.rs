//! How well the model does, estimated without labels.
//!
//! For classification this is confidence-based performance estimation (CBPE): a calibrated probability says how often
//! such an answer is right, so the mean of those of the given answers is the accuracy to be expected. Białek, Kuberski,
//! Perrakis and Bifet, "Estimating Model Performance Under Covariate Shift Without Labels" (arXiv:2401.08348), with the
//! reference implementation in `NannyML`. It notices a shift towards rows that are hard; it cannot notice that the
//! relation between rows and labels has changed, because that takes labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ROWS_MIN, number::float};

/// Ranges of confidence in which answers are counted.
const BINS: usize = 50;
/// Labels that are told apart; the answers of further ones are counted under one name.
const LABELS_MAX: usize = 100;
/// Under this name are the answers of labels beyond the most that are told apart.
const OTHERS: &str = "";

/// Answers by label and by the confidence with which they were given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Confidences {
    by_label: BTreeMap<String, Vec<Answers>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Answers {
    count: u64,
    sum: f64,
}

/// How often answers of a given confidence were right on held-out rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// By label: mean probability and share of rows that had the label, ascending.
    curves: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What the model's accuracy should be on the requests of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceEstimate {
    /// Whether there is a value.
    pub available: bool,
    /// Why there is none: `regression_has_no_confidence`, `no_probabilities`, `insufficient_predictions`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// `cbpe`.
    pub method: String,
    /// `accuracy`.
    pub metric: String,
    /// The expected share of right answers, between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// Standard deviation of the share in so many rows, if the probabilities are right.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub standard_error: Option<f64>,
    /// Answers that it is made from.
    pub rows: u64,
    /// Whether the probabilities were corrected by what held-out rows showed.
    pub calibrated: bool,
}

impl Confidences {
    pub(super) fn add(&mut self, label: &str, confidence: f64) {
        if !(0.0..=1.0).contains(&confidence) {
            return;
        }
        let place = (1..BINS).take_while(|bin| confidence >= super::number::size(*bin) / super::number::size(BINS)).count();
        if let Some(answers) = self.bins(label).get_mut(place) {
            answers.count = answers.count.saturating_add(1);
            answers.sum += confidence;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (label, theirs) in &other.by_label {
            for (mine, theirs) in self.bins(label).iter_mut().zip(theirs) {
                mine.count = mine.count.saturating_add(theirs.count);
                mine.sum += theirs.sum;
            }
        }
    }

    /// Whether a stored one has the form that this crate writes.
    pub(super) fn are_sound(&self) -> bool {
        self.by_label.len() <= LABELS_MAX + 1 && self.by_label.values().all(|bins| bins.len() == BINS)
    }

    fn bins(&mut self, label: &str) -> &mut Vec<Answers> {
        let known = self.by_label.contains_key(label) || self.by_label.len() < LABELS_MAX;
        let bins = self.by_label.entry(if known { label.to_owned() } else { OTHERS.to_owned() }).or_default();
        bins.resize(BINS, Answers::default());
        bins
    }
}

impl Calibration {
    /// Reads the calibration curves of an evaluation (`evaluation.json`); without them nothing is corrected.
    #[must_use]
    pub fn from_evaluation(evaluation: &Value) -> Self {
        let mut curves = BTreeMap::new();
        if let Some(by_label) = evaluation.get("calibration_curves").and_then(Value::as_object) {
            curves.extend(by_label.iter().filter_map(|(label, block)| Some((label.clone(), curve(block)?))));
        }
        if let (Some(label), Some(points)) =
            (evaluation.get("positive_class").and_then(Value::as_str), evaluation.get("calibration_curve").and_then(curve))
        {
            // Of two labels the other one is right exactly where this one is not.
            let others = points.iter().rev().map(|(given, true_share)| (1.0 - given, 1.0 - true_share)).collect();
            curves.insert(label.to_owned(), points);
            curves.insert(OTHERS.to_owned(), others);
        }
        Self { curves }
    }

    fn is_empty(&self) -> bool {
        self.curves.is_empty()
    }

    /// The share of right ones among answers of this label and confidence.
    fn corrected(&self, label: &str, confidence: f64) -> f64 {
        let Some(points) = self.curves.get(label).or_else(|| self.curves.get(OTHERS)) else { return confidence };
        let after = points.partition_point(|(given, _)| *given < confidence);
        match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
            (Some((low, low_share)), Some((high, high_share))) => {
                low_share + (high_share - low_share) * (confidence - low) / (high - low)
            }
            (Some((_, edge)), None) | (None, Some((_, edge))) => *edge,
            (None, None) => confidence,
        }
    }
}

/// Points of a curve, at least two, with rising probabilities.
fn curve(block: &Value) -> Option<Vec<(f64, f64)>> {
    let numbers = |key: &str| block.get(key)?.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let (given, shares) = (numbers("prob_pred")?, numbers("prob_true")?);
    let inside = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
    let rising = given.windows(2).all(|pair| matches!(pair, [one, other] if one < other));
    (given.len() == shares.len() && given.len() > 1 && rising && inside(&given) && inside(&shares))
        .then(|| given.into_iter().zip(shares).collect())
}

/// The estimate for a window; `labels` tells whether the model predicts labels.
pub(super) fn estimate(labels: bool, confidences: &Confidences, calibration: Option<&Calibration>) -> PerformanceEstimate {
    let calibration = calibration.filter(|calibration| !calibration.is_empty());
    let mut estimate = PerformanceEstimate {
        available: false,
        reason: None,
        method: "cbpe".to_owned(),
        metric: "accuracy".to_owned(),
        value: None,
        standard_error: None,
        rows: 0,
        calibrated: calibration.is_some(),
    };
    let (mut right, mut variance) = (0.0, 0.0);
    for (label, bins) in &confidences.by_label {
        for answers in bins.iter().filter(|answers| answers.count > 0) {
            let count = float(answers.count);
            let confidence = answers.sum / count;
            let chance = calibration.map_or(confidence, |calibration| calibration.corrected(label, confidence)).clamp(0.0, 1.0);
            right += chance * count;
            variance += chance * (1.0 - chance) * count;
            estimate.rows = estimate.rows.saturating_add(answers.count);
        }
    }
    let reason = match estimate.rows {
        _ if !labels => Some("regression_has_no_confidence"),
        0 => Some("no_probabilities"),
        rows if rows < ROWS_MIN => Some("insufficient_predictions"),
        _ => None,
    };
    estimate.reason = reason.map(str::to_owned);
    if reason.is_none() {
        let rows = float(estimate.rows);
        estimate.available = true;
        estimate.value = Some(right / rows);
        estimate.standard_error = Some(variance.sqrt() / rows);
    }
    estimate
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(confidences: &[(&str, f64)]) -> Confidences {
        let mut sketch = Confidences::default();
        confidences.iter().for_each(|(label, confidence)| sketch.add(label, *confidence));
        sketch
    }

    #[test]
    fn the_mean_confidence_is_the_expected_accuracy() {
        let given: Vec<(&str, f64)> = (0..20).map(|place| if place % 2 == 0 { ("a", 0.9) } else { ("b", 0.6) }).collect();
        let result = estimate(true, &answers(&given), None);
        assert!((result.value.unwrap() - 0.75).abs() < 1e-12);
        assert!((result.standard_error.unwrap() - (20.0 * (0.09 + 0.24) / 2.0_f64).sqrt() / 20.0).abs() < 1e-12);
        assert_eq!((result.rows, result.calibrated), (20, false));
    }

    #[test]
    fn overconfident_probabilities_are_corrected() {
        let evaluation = json!({ "positive_class": "yes",
            "calibration_curve": { "prob_pred": [0.1, 0.9], "prob_true": [0.3, 0.7] } });
        let calibration = Calibration::from_evaluation(&evaluation);
        assert!((calibration.corrected("yes", 0.9) - 0.7).abs() < 1e-12);
        assert!((calibration.corrected("yes", 0.5) - 0.5).abs() < 1e-12);
        assert!((calibration.corrected("no", 0.9) - 0.7).abs() < 1e-12, "the other label is the mirror image");
        assert!((calibration.corrected("yes", 1.0) - 0.7).abs() < 1e-12, "beyond its points it stays");
        let result = estimate(true, &answers(&[("yes", 0.9); 10]), Some(&calibration));
        assert!(result.calibrated && (result.value.unwrap() - 0.7).abs() < 1e-9);
    }

    #[test]
    fn there_is_a_reason_for_no_estimate() {
        let reason = |labels, count: usize| estimate(labels, &answers(&vec![("a", 0.5); count]), None).reason;
        assert_eq!(reason(false, 0).as_deref(), Some("regression_has_no_confidence"));
        assert_eq!(reason(true, 0).as_deref(), Some("no_probabilities"));
        assert_eq!(reason(true, 9).as_deref(), Some("insufficient_predictions"));
        assert_eq!(reason(true, 10), None);
    }

    #[test]
    fn nonsense_is_not_counted_and_labels_are_bounded() {
        let mut sketch = answers(&[("a", 1.5), ("a", f64::NAN), ("a", -0.1)]);
        for label in 0..500 {
            sketch.add(&label.to_string(), 1.0);
        }
        assert!(sketch.by_label.len() <= LABELS_MAX + 1);
        assert_eq!(estimate(true, &sketch, None).rows, 500);
        let odd = json!({ "calibration_curve": { "prob_pred": [0.5, 0.5], "prob_true": [0.5, 0.5] }, "positive_class": "a" });
        assert!(Calibration::from_evaluation(&odd).is_empty());
    }
}
