//! Exploratory summaries: of a dataset over every row, and of a query's result.
//!
//! Kinds follow the column types: integers of 0 and 1 are numbers, text that looks like a date is text. Missing values
//! are left out of every statistic. The same rows give the same summary, whatever the number of threads.

mod correlation;
mod summary;

use std::{num::NonZeroUsize, sync::Arc};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use gristmill_domain::{
    datasets::ColumnType,
    eda::{EdaScope, EdaSummary},
};

pub(crate) use self::summary::assemble;
pub use self::summary::{HISTOGRAMS_MAX, MISSING_COLUMNS_MAX};
use crate::{
    error::IngestError,
    profile::{
        Analysis, ColumnAnalysis,
        columns::{ColumnSet, MemoryColumns},
        runs::RunLimits,
    },
    request::Unobserved,
};

/// Numeric columns that correlations and scatter plots look at: the first ones of a wider table.
pub const PAIRED_COLUMNS_MAX: usize = crate::profile::PAIRED_COLUMNS_MAX;

/// A column to summarise.
#[derive(Debug, Clone, Copy)]
pub struct EdaColumn<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its values, one a row.
    pub values: EdaValues<'a>,
}

/// The values of a column, `None` where there is none.
#[derive(Debug, Clone, Copy)]
pub enum EdaValues<'a> {
    /// Numbers. Those that are not finite count as missing.
    Numbers(&'a [Option<f64>]),
    /// Text. An empty one counts as missing; words such as `N/A` are texts.
    Text(&'a [Option<&'a str>]),
    /// Booleans.
    Booleans(&'a [Option<bool>]),
    /// Instants, microseconds since 1970 in UTC.
    Instants(&'a [Option<i64>]),
}

/// Summarises columns in memory. Shorter columns count as missing behind their end. `None` when there are no rows.
#[must_use]
pub fn summarize(columns: &[EdaColumn<'_>], scope: EdaScope) -> Option<EdaSummary> {
    let (named, arrays) = columns
        .iter()
        .map(|column| {
            let (kind, array): (ColumnType, ArrayRef) = match column.values {
                EdaValues::Numbers(values) => (ColumnType::Float, Arc::new(Float64Array::from(values.to_vec()))),
                EdaValues::Text(values) => (ColumnType::String, Arc::new(StringArray::from(values.to_vec()))),
                EdaValues::Booleans(values) => (ColumnType::Boolean, Arc::new(BooleanArray::from(values.to_vec()))),
                EdaValues::Instants(values) => (ColumnType::Date, Arc::new(TimestampMicrosecondArray::from(values.to_vec()))),
            };
            ((column.name.to_owned(), kind), array)
        })
        .unzip();
    summarize_in_memory(&MemoryColumns::from_arrays(named, arrays), scope)
}

/// Summarises the result of a query: batches with one schema. Numbers, booleans, dates and timestamps are what their
/// types say; everything else is text. `None` when there are no rows.
#[must_use]
pub fn summarize_batches(batches: &[RecordBatch], scope: EdaScope) -> Option<EdaSummary> {
    summarize_in_memory(&MemoryColumns::from_batches(batches), scope)
}

fn summarize_in_memory(set: &MemoryColumns, scope: EdaScope) -> Option<EdaSummary> {
    let directory = std::env::temp_dir();
    let analysis = Analysis {
        threads: NonZeroUsize::MIN,
        observer: &Unobserved,
        directory: &directory,
        limits: RunLimits::default(),
        progress: (0.0, 1.0),
    };
    let summary = analysis.run(set).and_then(|columns| summarize_set(set, &columns, scope, &analysis));
    summary.unwrap_or_else(|error| {
        // Only results of millions of rows need temporary files, and only those can fail.
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "a result could not be summarised");
        None
    })
}

/// Summarises analysed columns. `None` when there are no rows.
pub(crate) fn summarize_set(
    set: &dyn ColumnSet,
    columns: &[ColumnAnalysis],
    scope: EdaScope,
    analysis: &Analysis<'_>,
) -> Result<Option<EdaSummary>, IngestError> {
    if set.rows() == 0 || columns.is_empty() {
        return Ok(None);
    }
    let pairs = correlation::pairs(set, columns, analysis)?;
    Ok(Some(assemble(set.rows(), columns, &pairs, scope)))
}
