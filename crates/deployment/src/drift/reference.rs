//! The reference: what the rows of the training looked like, read from `baseline.json`.
//!
//! The file was written in a sandbox beside a model, so it is bounded and odd parts are left out with a reason.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{cells::Cells, number::float, values::Unit};

/// Largest file that is read.
const BYTES_MAX: usize = 64 << 20;
/// Columns that are watched; further ones are left out with a reason.
const COLUMNS_MAX: usize = 1000;
const EDGES_MAX: usize = 257;
const QUANTILES_MAX: usize = 1001;
const CATEGORIES_MAX: usize = 200;
/// Values that stand for the reference in the Kolmogorov-Smirnov test.
const POINTS_MAX: u64 = 2000;

/// Why there is no reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The file is larger than any that is written.
    #[error("the baseline has more than {} bytes", BYTES_MAX)]
    TooLarge,
    /// It is not JSON, or not an object.
    #[error("the baseline cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// It describes no column that could be compared.
    #[error("the baseline describes no column that can be compared")]
    Empty,
}

/// A part of the baseline that is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omission {
    /// The column, or `prediction`.
    pub part: String,
    /// Why.
    pub reason: String,
}

/// What the training rows and the predictions for them looked like.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub(super) fingerprint: String,
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
    pub(super) prediction: Option<Kind>,
    pub(super) omissions: Vec<Omission>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Numeric(NumericReference),
    Categorical(CategoricalReference),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumericReference {
    pub(super) cells: Cells,
    pub(super) missing: u64,
    pub(super) unit: Unit,
    quantiles: Vec<f64>,
    rows: u64,
}

/// Known categories, most frequent first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CategoricalReference {
    pub(super) names: Vec<String>,
    pub(super) counts: Vec<u64>,
    pub(super) other: u64,
    pub(super) missing: u64,
    places: HashMap<String, usize>,
}

impl Reference {
    /// Reads `baseline.json`. Parts that make no sense are left out: see [`Reference::omissions`].
    ///
    /// # Errors
    /// `TooLarge`, `Unreadable`, or `Empty` when nothing is left to compare.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReferenceError> {
        if bytes.len() > BYTES_MAX {
            return Err(ReferenceError::TooLarge);
        }
        let file: Map<String, Value> = serde_json::from_slice(bytes).map_err(ReferenceError::Unreadable)?;
        let mut omissions = Vec::new();
        let mut columns = Vec::new();
        let mut add = |name: &String, kind: Result<Kind, &'static str>| match kind {
            Ok(kind) if columns.len() < COLUMNS_MAX => columns.push(Column { name: name.clone(), kind }),
            Ok(_) => omissions.push(omission(name, "only the first 1000 columns are watched")),
            Err(reason) => omissions.push(omission(name, reason)),
        };
        for (name, sketch) in blocks(&file, "numeric") {
            add(name, numeric(sketch, sketch.get("histogram").unwrap_or(&Value::Null)).map(Kind::Numeric));
        }
        for (name, counts) in blocks(&file, "categorical") {
            let details = file.get("categorical_details").and_then(|details| details.get(name));
            add(name, categorical(counts, details).map(Kind::Categorical));
        }
        let prediction = match prediction(file.get("prediction_distribution")) {
            Ok(kind) => Some(kind),
            Err(reason) => {
                omissions.push(omission("prediction", reason));
                None
            }
        };
        if columns.is_empty() && prediction.is_none() {
            return Err(ReferenceError::Empty);
        }
        let fingerprint = hex::encode(Sha256::digest(bytes).get(..8).unwrap_or_default());
        let rows = file.get("rows").and_then(Value::as_u64).unwrap_or_default();
        Ok(Self { fingerprint, rows, columns, prediction, omissions })
    }

    /// What is not compared, and why.
    #[must_use]
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }

    /// Names this reference: a window belongs to the one that it was made for.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Training rows; 0 when the baseline does not say.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the predictions are labels; `None` when nothing is known of them.
    #[must_use]
    pub fn predicts_labels(&self) -> Option<bool> {
        self.prediction.as_ref().map(|kind| matches!(kind, Kind::Categorical(_)))
    }
}

impl NumericReference {
    /// Sorted values that stand for the training rows: as many as there were, at most 2000, evenly along the quantiles.
    pub(super) fn points(&self) -> Vec<f64> {
        let intervals = u64::try_from(self.quantiles.len()).unwrap_or_default().saturating_sub(1);
        let last = self.rows.clamp(2, POINTS_MAX) - 1;
        (0..=last).map(|point| self.quantile(point * intervals, last)).collect()
    }

    /// The value at `numerator / denominator` intervals of the quantiles.
    fn quantile(&self, numerator: u64, denominator: u64) -> f64 {
        let place = usize::try_from(numerator / denominator).unwrap_or(usize::MAX);
        let start = self.quantiles.get(place).copied().unwrap_or_default();
        let end = self.quantiles.get(place.saturating_add(1)).copied().unwrap_or(start);
        start + (end - start) * float(numerator % denominator) / float(denominator)
    }
}

impl CategoricalReference {
    /// The place of a category, if it is known.
    pub(super) fn place(&self, text: &str) -> Option<usize> {
        self.places.get(text).or_else(|| self.places.get(self.truth(text)?)).copied()
    }

    /// The one spelling of a truth value, where the categories are truth values: the model takes the others too.
    fn truth(&self, text: &str) -> Option<&'static str> {
        let boolean = !self.names.is_empty() && self.names.iter().all(|name| name == "true" || name == "false");
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" if boolean => Some("true"),
            "false" | "f" | "no" | "n" | "0" if boolean => Some("false"),
            _ => None,
        }
    }
}

fn omission(part: &str, reason: &str) -> Omission {
    Omission { part: part.to_owned(), reason: reason.to_owned() }
}

fn blocks<'a>(file: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    file.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn numeric(sketch: &Value, histogram: &Value) -> Result<NumericReference, &'static str> {
    let edges = numbers(histogram.get("bins"), EDGES_MAX).ok_or("its histogram has no bins")?;
    let counts = whole_numbers(histogram.get("counts")).ok_or("its histogram has no counts")?;
    let mut quantiles = numbers(sketch.get("quantiles"), QUANTILES_MAX).unwrap_or_default();
    if quantiles.windows(2).any(|pair| matches!(pair, [one, other] if one > other)) {
        return Err("its quantiles are not in order");
    }
    let rows = counts.iter().sum();
    if quantiles.len() < 2 {
        quantiles = quantiles_of_histogram(&edges, &counts);
    }
    let cells = Cells::choose(&edges, &counts, &quantiles).ok_or("its histogram is empty or out of order")?;
    let missing = sketch.get("missing").and_then(Value::as_u64).unwrap_or_default();
    let dates = sketch.get("unit").and_then(Value::as_str).is_some_and(|unit| unit.starts_with("days"));
    let unit = if dates { Unit::Days } else { Unit::Number };
    Ok(NumericReference { cells, missing, unit, quantiles, rows })
}

/// 101 quantiles as if the rows of each bin were spread evenly over it.
fn quantiles_of_histogram(edges: &[f64], counts: &[u64]) -> Vec<f64> {
    let rows: f64 = counts.iter().copied().map(float).sum();
    let mut quantiles = Vec::new();
    let mut passed = 0.0;
    let mut bins = counts.iter().copied().map(float).zip(edges.windows(2)).peekable();
    for percent in 0..=100 {
        let wanted = f64::from(percent) / 100.0 * rows;
        while bins.peek().is_some_and(|(count, _)| passed + count < wanted) {
            passed += bins.next().map_or(0.0, |(count, _)| count);
        }
        if let Some((count, [low, high])) = bins.peek() {
            let part = if *count > 0.0 { ((wanted - passed) / count).clamp(0.0, 1.0) } else { 0.0 };
            quantiles.push(low + (high - low) * part);
        }
    }
    quantiles
}

fn categorical(counts: &Value, details: Option<&Value>) -> Result<CategoricalReference, &'static str> {
    let counts = counts.as_object().ok_or("its counts are not an object")?;
    let mut ranked: Vec<(&String, u64)> = Vec::with_capacity(counts.len());
    for (name, count) in counts {
        ranked.push((name, count.as_u64().ok_or("its counts are not whole numbers")?));
    }
    ranked.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    let detail = |key: &str| details.and_then(|details| details.get(key)).and_then(Value::as_u64).unwrap_or_default();
    let rare: u64 = ranked.iter().skip(CATEGORIES_MAX).map(|(_, count)| count).sum();
    ranked.truncate(CATEGORIES_MAX);
    let (names, counts): (Vec<String>, Vec<u64>) = ranked.into_iter().map(|(name, count)| (name.clone(), count)).unzip();
    let other = detail("other") + rare;
    if counts.iter().all(|count| *count == 0) && other == 0 {
        return Err("it had no values");
    }
    let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
    Ok(CategoricalReference { names, counts, other, missing: detail("missing"), places })
}

/// Label counts, or a histogram: which is told by `bins` being a list.
fn prediction(block: Option<&Value>) -> Result<Kind, &'static str> {
    let block = block.ok_or("the baseline does not describe predictions")?;
    if block.get("bins").is_some_and(Value::is_array) {
        return numeric(block, block).map(Kind::Numeric);
    }
    categorical(block, None).map(Kind::Categorical)
}

fn numbers(value: Option<&Value>, most: usize) -> Option<Vec<f64>> {
    let values = value?.as_array().filter(|values| !values.is_empty() && values.len() <= most)?;
    values.iter().map(Value::as_f64).collect()
}

fn whole_numbers(value: Option<&Value>) -> Option<Vec<u64>> {
    value?.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_parts_are_left_out_with_a_reason() {
        let baseline = json!({
            "numeric": {
                "good": { "histogram": { "bins": [0, 1, 2], "counts": [1, 2] } },
                "short": { "histogram": { "bins": [0], "counts": [1] } },
                "backward": { "histogram": { "bins": [2, 1], "counts": [1] } },
                "text": "nothing",
            },
            "categorical": { "empty": {}, "fractions": { "a": 0.5 }, "fine": { "a": 1 } },
        });
        let reference = Reference::parse(baseline.to_string().as_bytes()).unwrap();
        let names: Vec<&str> = reference.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["good", "fine"]);
        let parts: Vec<&str> = reference.omissions().iter().map(|omission| omission.part.as_str()).collect();
        assert_eq!(parts, ["short", "backward", "text", "empty", "fractions", "prediction"]);
        assert!(reference.omissions().iter().all(|omission| !omission.reason.is_empty()));
    }

    #[test]
    fn nothing_to_compare_is_no_reference() {
        assert!(matches!(Reference::parse(b"{}"), Err(ReferenceError::Empty)));
        assert!(matches!(Reference::parse(b"[]"), Err(ReferenceError::Unreadable(_))));
        assert!(matches!(Reference::parse(b"{\"numeric\": NaN}"), Err(ReferenceError::Unreadable(_))));
    }

    #[test]
    fn a_truth_value_has_many_spellings_and_a_category_one() {
        let truth = categorical(&json!({ "true": 5, "false": 4 }), None).unwrap();
        assert_eq!(
            ["true", "1", "Yes", "False", "0", "2"].map(|text| truth.place(text)),
            [Some(0), Some(0), Some(0), Some(1), Some(1), None]
        );
        let texts = categorical(&json!({ "true": 5, "maybe": 4 }), None).unwrap();
        assert_eq!(["true", "1", "Yes"].map(|text| texts.place(text)), [Some(0), None, None]);
    }

    #[test]
    fn a_label_may_be_called_bins() {
        let labels = prediction(Some(&json!({ "bins": 3, "counts": 4 }))).unwrap();
        assert!(matches!(labels, Kind::Categorical(_)));
        let numbers = prediction(Some(&json!({ "bins": [0.0, 1.0], "counts": [4] }))).unwrap();
        assert!(matches!(numbers, Kind::Numeric(_)));
        assert!(prediction(Some(&json!({ "bins": [], "counts": [] }))).is_err());
    }

    #[test]
    fn as_many_points_as_rows_stand_for_them() {
        let quantiles: Vec<f64> = (0..=100).map(|value| f64::from(value * value)).collect();
        let sketch = json!({ "quantiles": quantiles });
        let whole = numeric(&sketch, &json!({ "bins": [0, 5000, 10000], "counts": [71, 30] })).unwrap();
        assert_eq!(whole.points(), quantiles, "101 rows are their own quantiles");
        let many = numeric(&sketch, &json!({ "bins": [0, 5000, 10000], "counts": [7100, 3000] })).unwrap();
        assert_eq!(many.points().len(), 2000);
        assert_eq!((many.points()[0], many.points()[1999]), (0.0, 10000.0));
        assert!(many.points().is_sorted());
    }

    #[test]
    fn a_histogram_alone_has_quantiles() {
        let quantiles = quantiles_of_histogram(&[0.0, 1.0, 2.0], &[50, 50]);
        assert_eq!((quantiles.len(), quantiles[0], quantiles[50], quantiles[100]), (101, 0.0, 1.0, 2.0));
        assert!((quantiles[25] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn names_of_the_same_bytes_are_the_same() {
        let bytes = br#"{"categorical": {"a": {"x": 1}}}"#;
        let fingerprint = Reference::parse(bytes).unwrap().fingerprint().to_owned();
        assert_eq!((fingerprint.len(), fingerprint.as_str()), (16, Reference::parse(bytes).unwrap().fingerprint()));
    }
}
