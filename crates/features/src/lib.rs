//! Feature specs to a derived dataset: the 33 methods of the [`catalog()`], learned without leaking the target.
//!
//! [`plan()`] checks what is asked for against the columns of a table, before anything is read. [`fit`] learns from a table:
//! means, edges, powers, categories. [`apply()`] learns from a dataset's file and writes another one that has the features
//! behind its columns. What was learned is [`Fitted`], which is stored as JSON and makes the same features of rows that come
//! later ([`Transformer`]). A [`Recipe`] is all that made a dataset's columns; [`RowFeatures`] is what a model's rows need of it.
//!
//! Everything here is synchronous and blocks: call it on a thread of your own. It knows nothing of HTTP or databases.
//!
//! # Examples
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use arrow::array::{ArrayRef, Float64Array, RecordBatch};
//! use gristmill_domain::features::FeatureMethod;
//! use gristmill_features::{FeatureSpec, FitOptions, MemoryTable, TableReader, Transformer, fit, plan};
//! use gristmill_ingest::Unobserved;
//!
//! let ages: ArrayRef = Arc::new(Float64Array::from(vec![Some(20.0), None, Some(40.0)]));
//! let rows = RecordBatch::try_from_iter([("age", ages)])?;
//! let table = MemoryTable::new(vec![rows.clone()])?;
//! let plan = plan(&[FeatureSpec::new(FeatureMethod::MinMaxScale, "age", "age_scaled")], table.columns())?;
//! let options = FitOptions::new("2024-01-01T00:00:00Z".parse()?);
//! let fitted = fit(&plan, &table, &options, &Unobserved)?;
//! let made = Transformer::new(&fitted)?.transform(&rows)?;
//! let expected: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), None, Some(1.0)]));
//! assert_eq!(made.column_by_name("age_scaled"), Some(&expected));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **Missing values.** A row without a value has no feature, but where the catalog says otherwise (`label_encode`,
//!   `one_hot_encode`, `binary_encode`, `target_encode`, `contains_pattern`, `missing_indicator`). A float that is not finite
//!   counts as missing. No feature is ever NaN or infinite: a value whose feature would be one (the logarithm of 0) has none,
//!   and the [`FeatureReport`] counts them with the reason.
//! - **Targets do not leak.** `target_encode` divides the rows that it learns from into folds, by a hash of the seed and the
//!   row's id ([`ROW_ID_COLUMN`](gristmill_domain::datasets::ROW_ID_COLUMN), else its place). In [`apply()`], such a row gets
//!   the mean over the rows of all *other* folds, so that a model trained on it has not seen its own target. Rows that come
//!   later, and those that were [held out](FitOptions::held_out), get the mean over all rows that were learned from.
//! - **Categories that come later** are as missing ones, but that their frequency is 0. Numbers beyond the ranges seen go to
//!   the first or the last range.
//! - **Spreads of 0** count as 1, as in scikit-learn: where all values are equal, `standardize` and `robust_scale` give 0,
//!   `min_max_scale` its lower end, and `max_abs_scale` of zeros gives 0.
//! - **Time.** `time_since` counts until the instant of [`FitOptions::reference`], which is stored; a month has 30.4375 days.
//! - **The same again.** The same rows and options give the same bits, whatever the number of threads.
//!
//! Where methods equal those of pandas, scipy and scikit-learn, `tests/it/reference.rs` compares with them.

mod apply;
pub mod catalog;
mod category;
mod column;
mod error;
mod exact;
mod fitted;
mod learn;
mod learned;
mod make;
mod num;
mod operation;
mod options;
mod outputs;
mod plan;
mod power;
mod recipe;
mod report;
mod row_features;
mod spec;
mod table;
mod text;

pub use self::{
    apply::{Applied, apply, fit},
    catalog::catalog,
    category::Categories,
    error::{FeatureError, Problem, Reason, Unlearnable},
    fitted::{FITTED_VERSION, Fitted, FittedColumn, FittedFeature, Transformer, transform},
    learned::Learned,
    make::Cause,
    operation::{Operation, ParameterError, ParameterFault, Period, TimeUnit},
    options::{FeatureLimits, FitOptions},
    plan::{FEATURES_MAX, NAME_LENGTH_MAX, Plan, columns_of, plan},
    recipe::{CodeNote, RECIPE_VERSION, Recipe, RecipeStep, ServingFeatures},
    report::{BecameNull, FeatureColumn, FeatureOutcome, FeatureReport},
    row_features::{RowFault, RowFeatures, RowProblem, RowsError},
    spec::FeatureSpec,
    table::{MemoryTable, TableBatches, TableReader, fold},
};
