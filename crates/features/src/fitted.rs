//! Features that have learned: stored as JSON beside a model, and made again for rows that come later.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema},
};
use chrono::{DateTime, Utc};
use gristmill_domain::{datasets::ColumnType, features::FeatureMethod};
use gristmill_ingest::storage_type;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::FeatureError,
    learn::Learning,
    learned::Learned,
    make::{Frame, Mode, Step},
    operation::Operation,
    options::FitOptions,
    outputs::Outputs,
    plan::{Input, PlannedFeature},
};

/// The version of [`Fitted`] that this crate writes, and the only one that it reads.
pub const FITTED_VERSION: u32 = 1;

/// Features with everything that they have learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fitted {
    /// [`FITTED_VERSION`].
    pub version: u32,
    /// The seed of the folds that target encodings were learned in.
    pub seed: u32,
    /// How many folds there were.
    pub folds: u32,
    /// The instant until which `time_since` counts.
    pub reference: DateTime<Utc>,
    /// How many rows were learned from.
    pub rows: u64,
    /// The columns that rows must have. Targets are not among them.
    pub inputs: Vec<FittedColumn>,
    /// The features, in the order in which they are made.
    pub features: Vec<FittedFeature>,
}

/// A column with its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FittedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
}

/// A feature that has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FittedFeature {
    /// The caller's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    pub feature_name: String,
    /// How it is made.
    pub method: FeatureMethod,
    /// The column that it is made from.
    pub source_column: String,
    /// The second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_column: Option<String>,
    /// All parameters of the method.
    pub params: Map<String, Value>,
    /// What it has learned.
    pub learned: Learned,
    /// The columns that it makes.
    pub outputs: Vec<FittedColumn>,
}

impl FittedFeature {
    /// The columns that it is made from.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.source_column.as_str()).chain(self.secondary_column.as_deref())
    }
}

impl Fitted {
    /// Reads stored features. [`Transformer::new`] checks them.
    ///
    /// # Errors
    /// [`FeatureError::Fitted`] when the text is something else.
    pub fn from_json(json: &str) -> Result<Self, FeatureError> {
        serde_json::from_str(json).map_err(|error| FeatureError::Fitted { reason: error.to_string() })
    }

    /// Names of all columns that are made, in order.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().flat_map(|feature| &feature.outputs).map(|output| output.name.as_str())
    }

    pub(crate) fn new(learning: &Learning, options: &FitOptions) -> Self {
        let steps = &learning.steps;
        let mut inputs: Vec<FittedColumn> = Vec::new();
        for input in steps.iter().flat_map(|step| step.feature.inputs()).filter(|input| input.made_by.is_none()) {
            if !inputs.iter().any(|known| known.name == input.name) {
                inputs.push(FittedColumn { name: input.name.clone(), dtype: input.kind });
            }
        }
        let micros = options.reference.timestamp_micros();
        Self {
            version: FITTED_VERSION,
            seed: options.seed,
            folds: options.folds(),
            reference: DateTime::from_timestamp_micros(micros).unwrap_or(options.reference),
            rows: learning.rows,
            inputs,
            features: steps.iter().map(fitted).collect(),
        }
    }
}

fn fitted(step: &Step) -> FittedFeature {
    let feature = &step.feature;
    FittedFeature {
        id: feature.id.clone(),
        feature_name: feature.name.clone(),
        method: feature.operation.method(),
        source_column: feature.source.name.clone(),
        secondary_column: feature.secondary.as_ref().map(|input| input.name.clone()),
        params: feature.operation.params(),
        learned: step.learned.clone(),
        outputs: columns_of(step),
    }
}

fn columns_of(step: &Step) -> Vec<FittedColumn> {
    step.outputs.iter().map(|output| FittedColumn { name: output.name.clone(), dtype: output.kind }).collect()
}

/// Makes fitted features, batch by batch. May be kept and shared by threads.
#[derive(Debug)]
pub struct Transformer {
    inputs: Vec<FittedColumn>,
    steps: Vec<Step>,
}

impl Transformer {
    /// Prepares fitted features.
    ///
    /// # Errors
    /// [`FeatureError::Fitted`] when they are damaged or of another version.
    pub fn new(fitted: &Fitted) -> Result<Self, FeatureError> {
        let mut known = fitted.inputs.iter().map(|input| (input.name.as_str(), input.dtype)).collect();
        let steps = steps_of(fitted, &mut known)?;
        Ok(Self { inputs: fitted.inputs.clone(), steps })
    }

    /// The columns that rows must have.
    #[must_use]
    pub fn inputs(&self) -> &[FittedColumn] {
        &self.inputs
    }

    /// Rows with the columns that features make behind their own. Every row is made for itself.
    ///
    /// # Errors
    /// [`FeatureError::Column`] when a column is missing, holds another type, or has the name of one that is made.
    pub fn transform(&self, rows: &RecordBatch) -> Result<RecordBatch, FeatureError> {
        let mut arrays = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let array = rows.column_by_name(&input.name).ok_or_else(|| column(&input.name, "is missing"))?;
            arrays.push((input.name.as_str(), input.dtype, array));
        }
        let mut frame = Frame::read(arrays.into_iter())?;
        let schema = rows.schema();
        let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
        let mut columns = rows.columns().to_vec();
        for step in &self.steps {
            step.run(&mut frame, Mode::Serving)?;
            for output in &step.outputs {
                if schema.index_of(&output.name).is_ok() {
                    return Err(column(&output.name, "is made by a feature, so rows may not have it"));
                }
                fields.push(Arc::new(Field::new(&output.name, storage_type(output.kind), true)));
                columns.push(frame.column(&output.name)?.to_array());
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        RecordBatch::try_new(schema, columns).map_err(FeatureError::arrow("putting features beside rows"))
    }
}

/// As [`Transformer::transform`], for a single batch. For more of them keep a [`Transformer`].
///
/// # Errors
/// As [`Transformer::new`] and [`Transformer::transform`].
pub fn transform(fitted: &Fitted, rows: &RecordBatch) -> Result<RecordBatch, FeatureError> {
    Transformer::new(fitted)?.transform(rows)
}

/// Fitted features, checked, over columns whose types are known. Those that they make are known afterwards.
pub(crate) fn steps_of<'a>(fitted: &'a Fitted, known: &mut HashMap<&'a str, ColumnType>) -> Result<Vec<Step>, FeatureError> {
    if fitted.version != FITTED_VERSION {
        return Err(damaged(format!("version {} is not {FITTED_VERSION}", fitted.version)));
    }
    let reference = fitted.reference.timestamp_micros();
    let mut steps = Vec::with_capacity(fitted.features.len());
    for feature in &fitted.features {
        let step = step(feature, known, reference)?;
        if columns_of(&step) != feature.outputs {
            return Err(damaged(format!("feature {:?} does not make what it says", feature.feature_name)));
        }
        for output in &feature.outputs {
            if known.insert(&output.name, output.dtype).is_some() {
                return Err(damaged(format!("two columns are named {:?}", output.name)));
            }
        }
        steps.push(step);
    }
    Ok(steps)
}

/// A fitted feature, checked.
fn step(feature: &FittedFeature, known: &HashMap<&str, ColumnType>, reference: i64) -> Result<Step, FeatureError> {
    let name = feature.feature_name.as_str();
    let input = |column: &str| {
        let kind = known.get(column).copied().ok_or_else(|| damaged(format!("feature {name:?} lacks {column:?}")))?;
        Ok::<_, FeatureError>(Input { name: column.to_owned(), kind, made_by: None })
    };
    let operation =
        Operation::parse(feature.method, &feature.params).map_err(|error| damaged(format!("feature {name:?}: {error}")))?;
    if crate::catalog::needs_secondary(feature.method) != feature.secondary_column.is_some() {
        return Err(damaged(format!("feature {name:?} has a wrong number of columns")));
    }
    let source = input(&feature.source_column)?;
    let kind = if source.kind == ColumnType::Unknown { ColumnType::String } else { source.kind };
    let is_of_kind = feature.learned.categories().is_none_or(|categories| categories.kind() == kind);
    if !feature.learned.fits(&operation) || !is_of_kind {
        return Err(damaged(format!("feature {name:?} has learned something else")));
    }
    let planned = PlannedFeature {
        id: feature.id.clone(),
        name: name.to_owned(),
        operation,
        source,
        secondary: feature.secondary_column.as_deref().map(input).transpose()?,
        target: None,
        outputs: Outputs::Known(Vec::new()),
        level: 0,
    };
    Ok(Step::new(planned, feature.learned.clone(), None, reference))
}

pub(crate) fn damaged(reason: String) -> FeatureError {
    FeatureError::Fitted { reason }
}

fn column(name: &str, reason: &str) -> FeatureError {
    FeatureError::Column { column: name.to_owned(), reason: reason.to_owned() }
}
