//! Columns of a model that are computed before it sees a row: those that its training data got by feature engineering.
//!
//! What computes them is outside ([`RowFeatures`]); which of them a row lacks is decided here, by the model's signature.

use std::sync::Arc;

use gristmill_domain::features::ServedColumns;
use serde_json::{Map, Value};

use super::{ServingError, predict::INLINE_WORK_MAX};
use crate::inference::{FieldErrors, InferenceError, Problem, Rows, Signature};

/// The largest file of a model's features that is read, bytes.
pub(super) const FEATURES_BYTES_MAX: u64 = 64 << 20;

/// Computes columns of a model. Synchronous; how long it takes, [`RowFeatures::work`] tells.
pub trait RowFeatures: Send + Sync + std::fmt::Debug {
    /// What is computed, from what, and what is not.
    fn columns(&self) -> &ServedColumns;

    /// How much work so many rows are, in elementary operations: a million take about a millisecond.
    fn work(&self, rows: usize) -> u64;

    /// Computes what rows lack: `wanted` has, for each row, places in [`ServedColumns::computed_columns`]. Gives the values of
    /// each row by the names of the columns.
    ///
    /// # Errors
    /// `Rows` with every column that a row lacks or has no usable value in, each with the number of its row.
    fn compute(&self, rows: &[Map<String, Value>], wanted: &[Vec<usize>]) -> Result<Vec<Map<String, Value>>, FeaturesError>;
}

/// Why columns were not computed.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// The rows do not fit.
    #[error("the rows do not have what features are computed from: {0}")]
    Rows(FieldErrors),
    /// The features themselves cannot be computed.
    #[error("the features cannot be computed: {0}")]
    Broken(String),
}

/// The features of a model that is served.
#[derive(Debug)]
pub struct ServedFeatures {
    features: Box<dyn RowFeatures>,
    /// Where the signature has the columns that are computed.
    places: Vec<usize>,
}

impl ServedFeatures {
    /// Features for the rows of a model.
    ///
    /// # Errors
    /// `Features`, when they compute a column that the model does not have.
    pub fn new(features: Box<dyn RowFeatures>, signature: &Signature) -> Result<Self, InferenceError> {
        let place = |name: &str| signature.features.iter().position(|feature| feature.name == name);
        let mut places = Vec::new();
        for column in &features.columns().computed_columns {
            let unknown = || InferenceError::Features { reason: format!("the model has no column {:?}", column.name) };
            places.push(place(&column.name).ok_or_else(unknown)?);
        }
        Ok(Self { features, places })
    }

    /// What is computed, from what, and what is not.
    #[must_use]
    pub fn columns(&self) -> &ServedColumns {
        self.features.columns()
    }

    /// Whether a field is one that columns are computed from.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        self.columns().raw_columns.iter().any(|column| column.name == name)
    }

    /// The rows with the columns that they lacked; `None` when they have them all. Blocks.
    ///
    /// # Errors
    /// As [`RowFeatures::compute`]; rows that lack other columns too are told so at once.
    pub fn complete(
        &self,
        signature: &Signature,
        rows: &[Map<String, Value>],
    ) -> Result<Option<Vec<Map<String, Value>>>, FeaturesError> {
        let lacks = |row: &Map<String, Value>| {
            let places = self.places.iter().enumerate();
            places.filter(|(_, place)| !signature.is_given(**place, row)).map(|(number, _)| number).collect::<Vec<usize>>()
        };
        let wanted: Vec<Vec<usize>> = rows.iter().map(lacks).collect();
        if wanted.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        match self.features.compute(rows, &wanted) {
            Ok(computed) => Ok(Some(rows.iter().zip(computed).map(|(row, computed)| joined(row, computed)).collect())),
            Err(FeaturesError::Rows(errors)) => Err(FeaturesError::Rows(self.with_others(signature, rows, errors))),
            Err(error) => Err(error),
        }
    }

    /// A row with the columns that it lacked; as it is where they cannot be computed. Blocks.
    #[must_use]
    pub fn complete_row(&self, signature: &Signature, row: Map<String, Value>) -> Map<String, Value> {
        let completed = self.complete(signature, std::slice::from_ref(&row));
        completed.ok().flatten().and_then(|mut rows| rows.pop()).unwrap_or(row)
    }

    /// As [`Self::complete`], off the threads where other requests wait when it takes long.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn complete_rows(
        self: &Arc<Self>,
        signature: &Arc<Signature>,
        rows: &[Map<String, Value>],
    ) -> Result<Option<Vec<Map<String, Value>>>, ServingError> {
        let completed = if self.features.work(rows.len()) <= INLINE_WORK_MAX {
            self.complete(signature, rows)
        } else {
            let (features, signature, rows) = (Arc::clone(self), Arc::clone(signature), rows.to_vec());
            let completing = tokio::task::spawn_blocking(move || features.complete(&signature, &rows));
            completing.await.unwrap_or_else(|_| Err(FeaturesError::Broken("it was ended".to_owned())))
        };
        completed.map_err(|error| match error {
            FeaturesError::Rows(errors) => ServingError::Rows(errors),
            FeaturesError::Broken(reason) => ServingError::Model(Arc::new(InferenceError::Features { reason })),
        })
    }

    /// Adds what is wrong with the columns that are not computed.
    fn with_others(&self, signature: &Signature, rows: &[Map<String, Value>], mut errors: FieldErrors) -> FieldErrors {
        if let [_] = rows {
            // Of a row that was sent alone, no number is told.
            errors.errors.iter_mut().for_each(|error| error.row = None);
        }
        let others = match rows {
            [row] => Rows::from_object(signature, row),
            rows => Rows::from_objects(signature, rows),
        };
        let Err(others) = others else { return errors };
        let is_computed = |name: &str| self.columns().computed_columns.iter().any(|column| column.name == name);
        for error in others.errors {
            let is_known = errors.errors.iter().any(|known| known.row == error.row && known.field == error.field);
            let is_made = error.problem == Problem::Missing && is_computed(&error.field);
            if !is_known && !is_made {
                errors.push(error);
            }
        }
        errors
    }
}

fn joined(row: &Map<String, Value>, computed: Map<String, Value>) -> Map<String, Value> {
    let mut joined = row.clone();
    joined.extend(computed);
    joined
}
