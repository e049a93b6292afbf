//! The exploratory summary of a table (contract 1, section 8): shapes only; `ingest` computes it.

use serde::{Deserialize, Serialize};

/// Exploratory summary of a dataset or of a query's result. Every number is finite; missing values are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdaSummary {
    /// Numeric columns with at least one value.
    pub numeric_columns: Vec<NumericSummary>,
    /// Categorical columns.
    pub categorical_columns: Vec<CategoricalSummary>,
    /// Every column.
    pub data_quality: Vec<ColumnQuality>,
    /// The first of `histograms`; kept for older clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
    /// The first numeric columns, at most 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<Vec<Histogram>>,
    /// The first two numeric columns, at most 200 points; kept for older clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scatter: Option<Scatter>,
    /// Pearson coefficients of the numeric pairs, strongest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlations: Option<Vec<Correlation>>,
    /// The strongest pairs, at most 15, with at most 300 points each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scatter_pairs: Option<Vec<ScatterPair>>,
    /// Which values are there, on at most 100 evenly spaced rows; only when something is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_matrix: Option<MissingMatrix>,
    /// What was analysed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<EdaScope>,
}

/// Statistics of a numeric column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NumericSummary {
    /// The column.
    pub column: String,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub median: f64,
    /// Sample standard deviation (n − 1); 0 for one value.
    pub std_dev: f64,
    /// Mean of the cubed standard scores; 0 when the deviation is 0.
    pub skewness: f64,
    /// Lower quartile, linear interpolation.
    pub q1: f64,
    /// Upper quartile, linear interpolation.
    pub q3: f64,
    /// Values outside q1 − 1.5·IQR … q3 + 1.5·IQR.
    pub outlier_count: u64,
}

/// Statistics of a categorical column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CategoricalSummary {
    /// The column.
    pub column: String,
    /// Distinct values.
    pub unique_count: u64,
    /// The most frequent values, at most ten; percentages unrounded.
    pub top_values: Vec<crate::datasets::TopValue>,
    /// Rows without a value.
    pub missing_count: u64,
    /// The most frequent value.
    pub mode: Option<String>,
}

/// What a column is treated as in the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EdaKind {
    /// Numbers.
    Numeric,
    /// Text with repeated values, or no value at all.
    Categorical,
    /// Instants.
    Datetime,
    /// True or false.
    Boolean,
}

/// Completeness and variety of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ColumnQuality {
    /// The column.
    pub column: String,
    /// What it was treated as.
    pub data_type: EdaKind,
    /// Rows.
    pub total_count: u64,
    /// Rows without a value.
    pub missing_count: u64,
    /// 0..100.
    pub missing_percentage: f64,
    /// Distinct values.
    pub unique_count: u64,
    /// 0..100, of all rows.
    pub unique_percentage: f64,
}

/// Counts in equal-width buckets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Histogram {
    /// The column.
    pub column: String,
    /// 15 buckets, or one when all values are equal.
    pub buckets: Vec<Bucket>,
}

/// One bucket: `start <= value < end`, and the last one includes its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// Lower edge.
    pub start: f64,
    /// Upper edge.
    pub end: f64,
    /// Values inside.
    pub count: u64,
}

/// A point of a scatter plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Point {
    /// Value of the x column.
    pub x: f64,
    /// Value of the y column.
    pub y: f64,
}

/// A scatter plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scatter {
    /// Column of x.
    pub x_column: String,
    /// Column of y.
    pub y_column: String,
    /// Points, evenly chosen.
    pub points: Vec<Point>,
}

/// A scatter plot with its regression line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScatterPair {
    /// Column of x.
    pub x_column: String,
    /// Column of y.
    pub y_column: String,
    /// Points, evenly chosen.
    pub points: Vec<Point>,
    /// Ordinary least squares over all pairs; absent when all x are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression_line: Option<RegressionLine>,
}

/// A least-squares line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegressionLine {
    /// Slope.
    pub slope: f64,
    /// Value at x = 0.
    pub intercept: f64,
    /// Share of variance explained, 0..1; 1 when all y are equal.
    pub r2: f64,
}

/// Pearson correlation of two columns over the rows where both have a value (at least 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Correlation {
    /// One column.
    pub column_a: String,
    /// The other.
    pub column_b: String,
    /// −1..1.
    pub coefficient: f64,
}

/// Presence of values: 1 = there, 0 = missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissingMatrix {
    /// Columns, in order.
    pub columns: Vec<String>,
    /// One list per chosen row.
    pub matrix: Vec<Vec<u8>>,
}

/// What a summary was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdaScope {
    /// Dataset or query.
    pub source: EdaSource,
    /// Rows that were analysed.
    pub rows_analyzed: u64,
    /// Rows that there are.
    pub total_rows: u64,
}

/// Where the rows of a summary came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EdaSource {
    /// A dataset, at upload.
    DatasetProfile,
    /// The rows of a query.
    QueryResult,
}
