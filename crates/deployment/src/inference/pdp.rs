//! Partial dependence: what the model answers on average when one feature has each of some values.

use gristmill_domain::models::TaskType;
use serde_json::Value;

use super::{
    dates::Moment,
    error::InferenceError,
    model::NativeModel,
    numbers,
    predictions::{Outcome, Predictions},
    prepare::Block,
    rows::{Column, Rows},
    signature::{Feature, FeatureKind, Signature, ValueType},
};

/// The most values of a grid.
const POINTS_MAX: usize = 20;
const CATEGORIES_MAX: usize = 50;
/// The most rows that are averaged over.
const ROWS_MAX: usize = 1000;

/// Why there is no partial dependence.
#[derive(Debug, thiserror::Error)]
pub enum PdpError {
    /// The model does not use a column of this name.
    #[error("the model has no feature {0:?}")]
    UnknownFeature(String),
    /// A cluster's number has no average.
    #[error("a clustering has no partial dependence")]
    Clustering,
    /// The training saw no value of the feature.
    #[error("the training rows have no value of {0:?} to vary it by")]
    NoValues(String),
    /// No row, or too many.
    #[error("partial dependence needs 1 to {ROWS_MAX} rows to average over, not {0}")]
    Rows(usize),
    /// A prediction failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// The values that a feature is given.
#[derive(Debug, Clone)]
pub struct Grid {
    feature: usize,
    values: Column,
}

/// What a model answers on average for each value of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialDependence {
    /// The feature.
    pub feature: String,
    /// Its values.
    pub values: Vec<Value>,
    /// The labels' texts; empty for a regression.
    pub classes: Vec<String>,
    /// For each value the mean probability of each class, or the mean number.
    pub predictions: Vec<Vec<f64>>,
}

impl Grid {
    /// Makes the grid of a feature from what the training saw: up to twenty quantiles of a number or a date (from
    /// `baseline.json`, where given), the most frequent texts, or true and false.
    ///
    /// # Errors
    /// There is no such feature, or no value of it was seen.
    pub fn new(signature: &Signature, baseline: Option<&Value>, name: &str) -> Result<Self, PdpError> {
        let place = signature.feature(name).ok_or_else(|| PdpError::UnknownFeature(name.to_owned()))?;
        let feature = signature.features.get(place).ok_or_else(|| PdpError::UnknownFeature(name.to_owned()))?;
        let values = match feature.kind {
            FeatureKind::Numeric => Column::Numbers(points(feature, baseline)),
            FeatureKind::Boolean => Column::Flags(vec![Some(false), Some(true)]),
            FeatureKind::Categorical => {
                Column::Texts(feature.categories.iter().take(CATEGORIES_MAX).map(|text| Some(text.as_str().into())).collect())
            }
            FeatureKind::Date => {
                let mut days: Vec<Moment> = points(feature, baseline).into_iter().filter_map(Moment::from_days).collect();
                days.dedup();
                Column::Moments(days.into_iter().map(Some).collect())
            }
        };
        let grid = Self { feature: place, values };
        if grid.len() == 0 { Err(PdpError::NoValues(feature.name.clone())) } else { Ok(grid) }
    }

    /// How many values there are.
    fn len(&self) -> usize {
        match &self.values {
            Column::Numbers(values) => values.len(),
            Column::Flags(values) => values.len(),
            Column::Texts(values) => values.len(),
            Column::Moments(values) => values.len(),
        }
    }

    /// A column that has one of the values in every row.
    fn repeated(&self, point: usize, rows: usize) -> Column {
        fn all<T: Clone>(values: &[T], point: usize, rows: usize) -> Vec<T> {
            values.get(point).map(|value| vec![value.clone(); rows]).unwrap_or_default()
        }
        match &self.values {
            Column::Numbers(values) => Column::Numbers(all(values, point, rows)),
            Column::Flags(values) => Column::Flags(all(values, point, rows)),
            Column::Texts(values) => Column::Texts(all(values, point, rows)),
            Column::Moments(values) => Column::Moments(all(values, point, rows)),
        }
    }
}

/// Quantiles at equal distances, each once.
fn points(feature: &Feature, baseline: Option<&Value>) -> Vec<f64> {
    let sketch = baseline.and_then(|baseline| baseline.get("numeric")).and_then(|numeric| numeric.get(&feature.name));
    let quantiles = sketch.and_then(|sketch| sketch.get("quantiles")).and_then(Value::as_array);
    let known: Vec<f64> = quantiles.into_iter().flatten().filter_map(Value::as_f64).collect();
    let mut points: Vec<f64> = match (known.len().checked_sub(1), feature.range) {
        (Some(last), _) if last > 0 => {
            (0..POINTS_MAX).filter_map(|number| known.get(number * last / (POINTS_MAX - 1)).copied()).collect()
        }
        (_, Some(range)) => vec![range.min, range.q25, range.q50, range.q75, range.max],
        _ => known,
    };
    if feature.value_type == ValueType::Int {
        points.iter_mut().for_each(|point| *point = point.round());
    }
    points.retain(|point| point.is_finite());
    points.sort_by(f64::total_cmp);
    points.dedup();
    points
}

/// Computes partial dependence over rows of the caller. Bounded by 1000 rows and 50 values; belongs on a blocking thread.
///
/// # Errors
/// The model clusters, the rows are none, too many or another model's, or an answer is not finite.
pub fn partial_dependence(model: &NativeModel, grid: &Grid, rows: &Rows) -> Result<PartialDependence, PdpError> {
    let signature = model.shared_signature();
    if signature.task == TaskType::Clustering {
        return Err(PdpError::Clustering);
    }
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(PdpError::Rows(rows.len()));
    }
    model.admit(rows, grid.len())?;
    let feature = signature.features.get(grid.feature).ok_or(InferenceError::RowsOfAnotherModel)?;
    let mut predictions = vec![Predictions::new(model.shared_signature(), model.no_answers(rows.len())); grid.len()];
    let mut start = 0;
    while start < rows.len() {
        let end = rows.len().min(start + model.rows_together());
        let block = Block::new(&signature, rows, start..end);
        for (point, predictions) in predictions.iter_mut().enumerate() {
            let mut varied = block.clone();
            varied.fill(&signature, grid.feature, &grid.repeated(point, end - start), 0..end - start);
            predictions.extend(model.run(varied))?;
        }
        start = end;
    }
    Ok(PartialDependence {
        feature: feature.name.clone(),
        values: (0..grid.len()).map(|point| grid.values.value(point, feature.value_type)).collect(),
        classes: signature.labels.iter().map(|label| label.text.clone()).collect(),
        predictions: predictions.iter().map(|predictions| means(predictions, signature.labels.len())).collect(),
    })
}

fn mean(total: f64, count: usize) -> f64 {
    total / numbers::count(count)
}

fn means(predictions: &Predictions, classes: usize) -> Vec<f64> {
    match predictions.outcome() {
        Outcome::Classes { probabilities, .. } => {
            (0..classes).map(|class| mean(probabilities.iter().skip(class).step_by(classes).sum(), predictions.len())).collect()
        }
        Outcome::Numbers(values) => vec![mean(values.iter().sum(), predictions.len())],
        Outcome::Clusters(clusters) => vec![numbers::count(clusters.len())],
    }
}
