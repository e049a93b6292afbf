//! What methods learn from data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{category::Categories, exact, num, operation::Operation};

/// Categories that a summary names.
const NAMES_SHOWN: usize = 20;

/// What a feature learned. In JSON, floats are texts, so that they come back bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Learned {
    /// Nothing: a row's feature depends on that row only.
    Nothing,
    /// For `standardize`.
    Standard {
        /// Arithmetic mean.
        #[serde(with = "exact")]
        mean: f64,
        /// Sample standard deviation, with `n − 1`; 0 where all values are equal.
        #[serde(with = "exact")]
        std: f64,
    },
    /// For `min_max_scale`.
    Range {
        /// Smallest value.
        #[serde(with = "exact")]
        min: f64,
        /// Largest value.
        #[serde(with = "exact")]
        max: f64,
    },
    /// For `robust_scale`.
    Quartiles {
        /// Lower quartile.
        #[serde(with = "exact")]
        lower: f64,
        /// Median.
        #[serde(with = "exact")]
        median: f64,
        /// Upper quartile.
        #[serde(with = "exact")]
        upper: f64,
    },
    /// For `max_abs_scale`.
    Magnitude {
        /// Largest magnitude.
        #[serde(with = "exact")]
        max: f64,
    },
    /// For `box_cox` and `yeo_johnson`.
    Power {
        /// The power.
        #[serde(with = "exact")]
        lambda: f64,
    },
    /// For `bucketize` and `quantile_bin`.
    Edges {
        /// Edges of the ranges, ascending; a range has its upper edge and not its lower one. A single edge: one range.
        #[serde(with = "exact::list")]
        edges: Vec<f64>,
    },
    /// For `one_hot_encode`, `label_encode` and `binary_encode`.
    Categories {
        /// All of them.
        categories: Categories,
    },
    /// For `frequency_encode`.
    Frequencies {
        /// All of them.
        categories: Categories,
        /// How many rows have each.
        counts: Vec<u64>,
    },
    /// For `target_encode`: the encodings from all rows, for rows that they were not learned from.
    Target {
        /// All of them.
        categories: Categories,
        /// What each becomes.
        #[serde(with = "exact::list")]
        encodings: Vec<f64>,
        /// The overall mean: what missing and new values become.
        #[serde(with = "exact")]
        mean: f64,
        /// The classes of a target of texts, in order: 0 and 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        classes: Vec<String>,
    },
}

impl Learned {
    /// What was learned, for people: floats as numbers, categories by their number and the first names.
    #[must_use]
    pub fn summary(&self) -> Map<String, Value> {
        let pairs: Vec<(&str, Value)> = match self {
            Self::Nothing => Vec::new(),
            Self::Standard { mean, std } => vec![("mean", json!(mean)), ("std", json!(std))],
            Self::Range { min, max } => vec![("min", json!(min)), ("max", json!(max))],
            Self::Quartiles { lower, median, upper } => {
                vec![("lowerQuartile", json!(lower)), ("median", json!(median)), ("upperQuartile", json!(upper))]
            }
            Self::Magnitude { max } => vec![("maxAbs", json!(max))],
            Self::Power { lambda } => vec![("lambda", json!(lambda))],
            Self::Edges { edges } => vec![("edges", json!(edges))],
            Self::Categories { categories } => shown(categories).into(),
            Self::Frequencies { categories, counts } => {
                let counts = counts.get(..NAMES_SHOWN).unwrap_or(counts);
                shown(categories).into_iter().chain([("counts", json!(counts))]).collect()
            }
            Self::Target { categories, encodings, mean, classes } => {
                let encodings = encodings.get(..NAMES_SHOWN).unwrap_or(encodings);
                let target = [("encodings", json!(encodings)), ("mean", json!(mean)), ("classes", json!(classes))];
                shown(categories).into_iter().chain(target).collect()
            }
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Whether it is what an operation needs, and sound in itself.
    pub(crate) fn fits(&self, operation: &Operation) -> bool {
        match self {
            Self::Nothing => !crate::catalog::learns(operation.method()),
            Self::Standard { mean, std } => matches!(operation, Operation::Standardize) && mean.is_finite() && *std >= 0.0,
            Self::Range { min, max } => matches!(operation, Operation::MinMaxScale { .. }) && min <= max,
            Self::Quartiles { lower, median, upper } => {
                matches!(operation, Operation::RobustScale) && lower <= upper && median.is_finite()
            }
            Self::Magnitude { max } => matches!(operation, Operation::MaxAbsScale) && *max >= 0.0,
            Self::Power { lambda } => matches!(operation, Operation::BoxCox | Operation::YeoJohnson) && lambda.is_finite(),
            Self::Edges { edges } => {
                matches!(operation, Operation::Bucketize { .. } | Operation::QuantileBin { .. })
                    && !edges.is_empty()
                    && edges.iter().all(|edge| edge.is_finite())
                    && edges.is_sorted()
            }
            Self::Categories { .. } => {
                matches!(operation, Operation::OneHotEncode { .. } | Operation::LabelEncode | Operation::BinaryEncode)
            }
            Self::Frequencies { categories, counts } => {
                matches!(operation, Operation::FrequencyEncode { .. }) && categories.len() == counts.len()
            }
            Self::Target { categories, encodings, mean, .. } => {
                matches!(operation, Operation::TargetEncode { .. })
                    && categories.len() == encodings.len()
                    && encodings.iter().chain([mean]).all(|value| value.is_finite())
            }
        }
    }

    /// The categories, where there are such.
    pub(crate) fn categories(&self) -> Option<&Categories> {
        match self {
            Self::Categories { categories } | Self::Frequencies { categories, .. } | Self::Target { categories, .. } => {
                Some(categories)
            }
            _ => None,
        }
    }
}

fn shown(categories: &Categories) -> [(&'static str, Value); 2] {
    let mut names = categories.names();
    names.truncate(NAMES_SHOWN);
    [("categories", json!(num::count(categories.len()))), ("first", json!(names))]
}
