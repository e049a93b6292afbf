//! What deployments need of features: kept with a model when it is trained, computed for its rows when it is deployed.

use std::{fs, io};

use gristmill_deployment::{
    inference::{FieldError, FieldErrors, Problem},
    serving::{FeaturesError, RowFeatures},
};
use gristmill_domain::features::ServedColumns;
use gristmill_features::{Recipe, RowFault, RowProblem, RowsError, ServingFeatures};
use gristmill_ingest::derive::DatasetFile;
use gristmill_persistence::files::DatasetFiles;
use serde_json::{Map, Value};

use crate::error::chain;

/// Most that is kept with a model, bytes: it stays in memory while the model is served.
const KEPT_BYTES_MAX: usize = 64 << 20;
const TOO_LARGE: &str = "what its features have learned is too large to be kept with the model";

/// What makes a model's columns from those of the dataset that was engineered, as a file that is kept with the model. `None`
/// when nothing made any of them. Blocks.
///
/// # Errors
/// The dataset's files cannot be read.
pub(crate) fn features_of_model(files: &DatasetFiles, version: u32, columns: &[String]) -> io::Result<Option<Vec<u8>>> {
    let json = match fs::read(files.features()) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let recipe = match Recipe::from_json(&json) {
        Ok(recipe) => recipe,
        // The model is none the worse for it: its rows must have all of its columns then.
        Err(error) => {
            tracing::warn!(error.cause = chain(&error), "what made a dataset's features cannot be read");
            return Ok(None);
        }
    };
    let dataset = DatasetFile::open(&files.parquet(version)).map_err(io::Error::other)?;
    let Some(features) = recipe.serving(dataset.columns(), columns) else { return Ok(None) };
    let kept = serde_json::to_vec(&features)?;
    if kept.len() <= KEPT_BYTES_MAX {
        return Ok(Some(kept));
    }
    tracing::warn!(size_bytes = kept.len(), "the features of a model are too large to be kept with it");
    Ok(Some(serde_json::to_vec(&features.sent_instead(TOO_LARGE))?))
}

/// Prepares what was kept with a model. Blocks.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn row_features(json: &[u8]) -> Result<Box<dyn RowFeatures>, String> {
    let features = ServingFeatures::from_json(json).and_then(|features| gristmill_features::RowFeatures::new(&features));
    match features {
        Ok(features) => Ok(Box::new(Fitted(features))),
        Err(error) => Err(chain(&error)),
    }
}

/// The engine of features, as the engine of deployments asks it.
#[derive(Debug)]
struct Fitted(gristmill_features::RowFeatures);

impl RowFeatures for Fitted {
    fn columns(&self) -> &ServedColumns {
        self.0.served()
    }

    fn work(&self, rows: usize) -> u64 {
        self.0.work(rows)
    }

    fn compute(&self, rows: &[Map<String, Value>], wanted: &[Vec<usize>]) -> Result<Vec<Map<String, Value>>, FeaturesError> {
        self.0.compute(rows, wanted).map_err(|error| match error {
            RowsError::Rows { problems, more } => {
                FeaturesError::Rows(FieldErrors { errors: problems.iter().map(field_error).collect(), more })
            }
            RowsError::Features(error) => FeaturesError::Broken(chain(&error)),
        })
    }
}

fn field_error(problem: &RowProblem) -> FieldError {
    let kind = match problem.fault {
        RowFault::Missing { .. } => Problem::Missing,
        RowFault::NotPlain => Problem::NotPlain,
        RowFault::NotANumber => Problem::NotANumber,
        RowFault::NotWhole => Problem::NotWhole,
        RowFault::NotABoolean => Problem::NotABoolean,
        RowFault::NotADate => Problem::NotADate,
    };
    let error = FieldError::new(kind, &problem.column, problem.fault.to_string(), &problem.input);
    FieldError { row: Some(problem.row), ..error }
}
