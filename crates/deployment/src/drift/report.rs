//! The report: every column and the predictions compared, and one verdict.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{
    ROWS_MIN, VALUES_MIN,
    bins::{Bin, bins, sides},
    distance::{jensen_shannon, psi},
    estimate::{Calibration, PerformanceEstimate, estimate},
    number::{float, share},
    reference::{Kind, Omission, Reference},
    significance::{TestKind, TestResult, chi_square, kolmogorov_smirnov},
    window::{Counts, Window},
};

const YELLOW_FROM: f64 = 0.1;
const RED_FROM: f64 = 0.25;
/// Under this key are the rows whose category the reference does not list.
const OTHER: &str = "(other)";

/// How far something has drifted. The only place where a PSI becomes a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// PSI below 0.1.
    Green,
    /// PSI below 0.25.
    Yellow,
    /// Any other.
    Red,
}

impl Status {
    /// The verdict on a PSI.
    #[must_use]
    pub fn of(psi: f64) -> Self {
        if psi < YELLOW_FROM {
            Self::Green
        } else if psi < RED_FROM {
            Self::Yellow
        } else {
            Self::Red
        }
    }
}

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// The model has no baseline, or one that cannot be read.
    NoBaseline,
    /// Fewer than ten requests.
    InsufficientPredictions,
}

/// What the comparison came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DriftAnswer {
    /// A report.
    Report(Box<DriftReport>),
    /// None, with the reason.
    Unavailable {
        /// Always false.
        available: bool,
        /// Why.
        reason: Unavailable,
        /// The same for people, with what to do.
        message: String,
        /// Requests so far.
        rows: u64,
    },
}

/// A comparison of requests with the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftReport {
    /// Always true.
    pub available: bool,
    /// When it was made.
    pub timestamp: DateTime<Utc>,
    /// The worst of all columns and of the predictions; green when there are none.
    pub overall_status: Status,
    /// Every column of the reference, numbers first.
    pub features: Vec<FeatureDrift>,
    /// Absent when the reference does not describe predictions or fewer than ten succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prediction_drift: Option<Comparison>,
    /// The accuracy to be expected, without labels.
    pub performance_estimate: PerformanceEstimate,
    /// Requests that were compared.
    pub rows: u64,
    /// Training rows that they were compared with.
    pub baseline_rows: u64,
    /// What could not be compared, and why.
    pub omitted: Vec<Omission>,
}

/// What kind of column it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// Numbers and dates.
    Numeric,
    /// Texts and truth values.
    Categorical,
}

/// How one column has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDrift {
    /// The column's original name.
    pub feature: String,
    /// How.
    #[serde(flatten)]
    pub drift: Comparison,
}

/// How the values of a column, or the predictions, have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What kind of values they are.
    #[serde(rename = "type")]
    pub kind: FeatureKind,
    /// Population stability index over `bins`.
    pub psi: f64,
    /// The verdict on it.
    pub status: Status,
    /// Jensen-Shannon distance over `bins`, natural units.
    pub jensen_shannon: f64,
    /// The test's statistic; null when there are fewer than five values, or when it is infinite because of a category
    /// that the reference does not have.
    pub test_statistic: Option<f64>,
    /// Null only when there are fewer than five values.
    pub p_value: Option<f64>,
    /// Which test.
    pub test_type: TestKind,
    /// Rows of the reference: by cell, or by category.
    pub baseline_distribution: Distribution,
    /// Of the window: shares of the usable values by cell, or rows by category.
    pub current_distribution: Distribution,
    /// Bounds of the cells of both distributions, one more than cells; numbers only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bin_edges: Option<Vec<f64>>,
    /// Rows of the window outside the cells; numbers only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub out_of_range: Option<OutOfRange>,
    /// Shares of rows without a value.
    pub missing: MissingShares,
    /// What `psi` and `jensenShannon` were computed over.
    pub bins: Vec<Bin>,
}

/// A distribution on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Distribution {
    /// By cell.
    Cells(Vec<f64>),
    /// By category; what is not listed is under `(other)`.
    Categories(Map<String, Value>),
}

/// Rows outside the range of the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfRange {
    /// Smaller than any training value.
    pub below: u64,
    /// Larger than any training value.
    pub above: u64,
}

/// Shares of rows without a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MissingShares {
    /// Of the training rows.
    pub baseline: f64,
    /// Of the window.
    pub current: f64,
}

/// Compares a window with its reference. Take no window of another reference: it compares as one without rows.
///
/// Time is in proportion to the columns: up to a million steps for each numeric one (the exact p-value), some
/// milliseconds. Not for a thread that serves requests.
#[must_use]
pub fn report(reference: &Reference, window: &Window, calibration: Option<&Calibration>, now: DateTime<Utc>) -> DriftAnswer {
    let rows = if window.check(reference).is_ok() { window.rows } else { 0 };
    if rows < ROWS_MIN {
        return DriftAnswer::insufficient(rows);
    }
    let mut number = 0;
    let mut place_of = |kind: &Kind| {
        let place = number;
        number += usize::from(matches!(kind, Kind::Numeric(_)));
        place
    };
    let features: Vec<FeatureDrift> = reference
        .columns
        .iter()
        .zip(&window.columns)
        .map(|(column, counts)| {
            let place = place_of(&column.kind);
            let drift = Comparison::new(&column.kind, counts, || window.sample.column(place));
            FeatureDrift { feature: column.name.clone(), drift }
        })
        .collect();
    let prediction_drift = match (&reference.prediction, &window.prediction) {
        (Some(kind), Some(counts)) if counts.usable() >= ROWS_MIN => {
            let place = place_of(kind);
            Some(Comparison::new(kind, counts, || window.sample.column(place)))
        }
        _ => None,
    };
    let worst =
        features.iter().map(|feature| feature.drift.status).chain(prediction_drift.iter().map(|drift| drift.status)).max();
    DriftAnswer::Report(Box::new(DriftReport {
        available: true,
        timestamp: now,
        overall_status: worst.unwrap_or(Status::Green),
        features,
        prediction_drift,
        performance_estimate: estimate(reference.predicts_labels() != Some(false), &window.confidences, calibration),
        rows,
        baseline_rows: reference.rows,
        omitted: reference.omissions.clone(),
    }))
}

impl DriftAnswer {
    /// The answer for a model without a readable baseline.
    #[must_use]
    pub fn no_baseline() -> Self {
        let message = "the model has no readable baseline; train it again to get one".to_owned();
        Self::Unavailable { available: false, reason: Unavailable::NoBaseline, message, rows: 0 }
    }

    fn insufficient(rows: u64) -> Self {
        let message = format!("{rows} requests so far; drift is measured from {ROWS_MIN} on");
        Self::Unavailable { available: false, reason: Unavailable::InsufficientPredictions, message, rows }
    }
}

impl Comparison {
    fn new(kind: &Kind, counts: &Counts, sample: impl FnOnce() -> Vec<f64>) -> Self {
        let bins = bins(kind, counts, false);
        let (before, now) = sides(&bins);
        let (test_type, test) = test(kind, counts, sample);
        let (baseline_distribution, current_distribution) = distributions(kind, counts);
        let (bin_edges, out_of_range) = match (kind, counts) {
            (Kind::Numeric(numeric), Counts::Numeric { below, above, .. }) => {
                (Some(numeric.cells.edges()), Some(OutOfRange { below: *below, above: *above }))
            }
            _ => (None, None),
        };
        let psi = psi(&before, &now);
        Self {
            kind: if bin_edges.is_some() { FeatureKind::Numeric } else { FeatureKind::Categorical },
            psi,
            status: Status::of(psi),
            jensen_shannon: jensen_shannon(&before, &now),
            test_statistic: test.map(|test| test.statistic).filter(|statistic| statistic.is_finite()),
            p_value: test.map(|test| test.p_value),
            test_type,
            baseline_distribution,
            current_distribution,
            bin_edges,
            out_of_range,
            missing: missing(kind, counts),
            bins,
        }
    }
}

fn missing(kind: &Kind, counts: &Counts) -> MissingShares {
    let (missing, usable) = match kind {
        Kind::Numeric(numeric) => (float(numeric.missing), numeric.cells.counts.iter().sum::<f64>()),
        Kind::Categorical(known) => {
            (float(known.missing), known.counts.iter().copied().chain([known.other]).map(float).sum::<f64>())
        }
    };
    let now = float(counts.missing());
    MissingShares { baseline: share(missing, usable + missing), current: share(now, float(counts.usable()) + now) }
}

/// Kolmogorov-Smirnov over the sampled values, or chi-square over the bins of the usable values.
fn test(kind: &Kind, counts: &Counts, sample: impl FnOnce() -> Vec<f64>) -> (TestKind, Option<TestResult>) {
    let Kind::Numeric(numeric) = kind else {
        let (before, now) = sides(&bins(kind, counts, true));
        let enough = counts.usable() >= VALUES_MIN;
        return (TestKind::Chi2, enough.then(|| chi_square(&before, &now)).flatten());
    };
    let values = sample();
    let enough = u64::try_from(values.len()).is_ok_and(|values| values >= VALUES_MIN);
    (TestKind::Ks, enough.then(|| kolmogorov_smirnov(&numeric.points(), &values)).flatten())
}

fn distributions(kind: &Kind, counts: &Counts) -> (Distribution, Distribution) {
    match (kind, counts) {
        (Kind::Numeric(numeric), Counts::Numeric { cells, .. }) => {
            let usable = float(counts.usable());
            let shares = cells.iter().map(|count| share(float(*count), usable)).collect();
            (Distribution::Cells(numeric.cells.counts.clone()), Distribution::Cells(shares))
        }
        (Kind::Categorical(categorical), Counts::Categorical { known, other, .. }) => (
            Distribution::Categories(named(&categorical.names, &categorical.counts, categorical.other)),
            Distribution::Categories(named(&categorical.names, known, *other)),
        ),
        _ => (Distribution::Cells(Vec::new()), Distribution::Cells(Vec::new())),
    }
}

fn named(names: &[String], counts: &[u64], other: u64) -> Map<String, Value> {
    let others = (other > 0).then(|| (OTHER.to_owned(), Value::from(other)));
    let known = names.iter().cloned().zip(counts.iter().map(|count| Value::Number(Number::from(*count))));
    known.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_has_one_threshold_each() {
        let status = [0.0, 0.099_999, 0.1, 0.249_999, 0.25, 9.0].map(Status::of);
        assert_eq!(status, [Status::Green, Status::Green, Status::Yellow, Status::Yellow, Status::Red, Status::Red]);
        assert!(Status::Green < Status::Yellow && Status::Yellow < Status::Red);
    }
}
