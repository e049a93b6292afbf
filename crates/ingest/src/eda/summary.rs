//! Puts analysed columns together into the summary of the contract.

use gristmill_domain::{
    datasets::{ColumnType, TopValue},
    eda::{
        CategoricalSummary, ColumnQuality, Correlation, EdaKind, EdaScope, EdaSummary, Histogram, MissingMatrix, NumericSummary,
        Point, Scatter, ScatterPair,
    },
};

use super::correlation::Pair;
use crate::{
    num,
    profile::{ColumnAnalysis, TOP_VALUES, is_numeric, percentage},
};

/// Histograms in a summary: of the first numeric columns.
pub const HISTOGRAMS_MAX: usize = 20;
/// Columns in the picture of missing values: the first ones.
pub const MISSING_COLUMNS_MAX: usize = 100;
const SCATTER_POINTS_MAX: usize = 200;
const PAIR_POINTS_MAX: usize = 300;
const SCATTER_PAIRS_MAX: usize = 15;

/// The summary of a table with this many rows.
pub(crate) fn assemble(rows: u64, columns: &[ColumnAnalysis], pairs: &[Pair], scope: EdaScope) -> EdaSummary {
    let histograms = histograms(columns);
    let has_numbers = !histograms.is_empty();
    EdaSummary {
        numeric_columns: columns.iter().filter_map(numeric).collect(),
        categorical_columns: columns.iter().filter(|column| kind(column.kind) == EdaKind::Categorical).map(categorical).collect(),
        data_quality: columns.iter().map(|column| quality(rows, column)).collect(),
        histogram: histograms.first().cloned(),
        histograms: has_numbers.then_some(histograms),
        scatter: scatter(columns),
        correlations: (!pairs.is_empty()).then(|| pairs.iter().filter_map(|pair| correlation(columns, pair)).collect()),
        scatter_pairs: (!pairs.is_empty())
            .then(|| pairs.iter().take(SCATTER_PAIRS_MAX).filter_map(|pair| scatter_pair(columns, pair)).collect()),
        missing_matrix: missing_matrix(columns),
        scope: Some(scope),
    }
}

fn kind(kind: ColumnType) -> EdaKind {
    match kind {
        ColumnType::Integer | ColumnType::Float => EdaKind::Numeric,
        ColumnType::Boolean => EdaKind::Boolean,
        ColumnType::Date => EdaKind::Datetime,
        ColumnType::String | ColumnType::Unknown => EdaKind::Categorical,
    }
}

fn numeric(column: &ColumnAnalysis) -> Option<NumericSummary> {
    let stats = column.numbers.as_ref()?;
    Some(NumericSummary {
        column: column.name.clone(),
        min: stats.min,
        max: stats.max,
        mean: stats.mean,
        median: stats.median,
        std_dev: stats.std_dev,
        skewness: stats.skewness,
        q1: stats.q1,
        q3: stats.q3,
        outlier_count: stats.outliers,
    })
}

fn categorical(column: &ColumnAnalysis) -> CategoricalSummary {
    let top = |(value, count): &(String, u64)| TopValue {
        value: value.clone(),
        count: *count,
        percentage: percentage(*count, column.values),
    };
    CategoricalSummary {
        column: column.name.clone(),
        unique_count: column.distinct,
        top_values: column.top.iter().take(TOP_VALUES).map(top).collect(),
        missing_count: column.missing,
        mode: column.top.first().map(|(value, _)| value.clone()),
    }
}

fn quality(rows: u64, column: &ColumnAnalysis) -> ColumnQuality {
    ColumnQuality {
        column: column.name.clone(),
        data_type: kind(column.kind),
        total_count: rows,
        missing_count: column.missing,
        missing_percentage: percentage(column.missing, rows),
        unique_count: column.distinct,
        unique_percentage: percentage(column.distinct, rows),
    }
}

fn histograms(columns: &[ColumnAnalysis]) -> Vec<Histogram> {
    columns
        .iter()
        .filter_map(|column| {
            let stats = column.numbers.as_ref()?;
            Some(Histogram { column: column.name.clone(), buckets: stats.buckets.clone() })
        })
        .take(HISTOGRAMS_MAX)
        .collect()
}

/// The first two numeric columns, with their points where there are any.
fn scatter(columns: &[ColumnAnalysis]) -> Option<Scatter> {
    let mut numeric = columns.iter().filter(|column| is_numeric(column.kind) && column.numbers.is_some());
    let (x, y) = (numeric.next()?, numeric.next()?);
    let points = points(x, y, SCATTER_POINTS_MAX);
    (!points.is_empty()).then(|| Scatter { x_column: x.name.clone(), y_column: y.name.clone(), points })
}

/// At most `most` points, evenly chosen among the sampled rows that have both values.
fn points(x: &ColumnAnalysis, y: &ColumnAnalysis, most: usize) -> Vec<Point> {
    let both: Vec<Point> = x.points.iter().zip(&y.points).filter_map(|(x, y)| Some(Point { x: (*x)?, y: (*y)? })).collect();
    if both.len() <= most {
        return both;
    }
    (0..most).filter_map(|at| both.get(at * both.len() / most).cloned()).collect()
}

fn correlation(columns: &[ColumnAnalysis], pair: &Pair) -> Option<Correlation> {
    Some(Correlation {
        column_a: columns.get(pair.x)?.name.clone(),
        column_b: columns.get(pair.y)?.name.clone(),
        coefficient: pair.coefficient,
    })
}

fn scatter_pair(columns: &[ColumnAnalysis], pair: &Pair) -> Option<ScatterPair> {
    let (x, y) = (columns.get(pair.x)?, columns.get(pair.y)?);
    Some(ScatterPair {
        x_column: x.name.clone(),
        y_column: y.name.clone(),
        points: points(x, y, PAIR_POINTS_MAX),
        regression_line: pair.line.clone(),
    })
}

fn missing_matrix(columns: &[ColumnAnalysis]) -> Option<MissingMatrix> {
    if columns.iter().all(|column| column.missing == 0) {
        return None;
    }
    let shown = columns.get(..MISSING_COLUMNS_MAX).unwrap_or(columns);
    let rows = shown.iter().map(|column| column.presence.len()).max().unwrap_or_default();
    let matrix = (0..num::size(num::count(rows)))
        .map(|row| shown.iter().map(|column| u8::from(column.presence.get(row).copied().unwrap_or_default())).collect())
        .collect();
    Some(MissingMatrix { columns: shown.iter().map(|column| column.name.clone()).collect(), matrix })
}
