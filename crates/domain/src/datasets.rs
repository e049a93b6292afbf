//! Datasets: files that were read into typed columns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{DatasetId, ProjectId, UserId, eda::EdaSummary};

/// The column that numbers the rows of a dataset that was derived from another: the number of each row in its source, a
/// 64-bit integer from 0 on that no other row has. Where there is none, a row's number is its place in the file, from 0.
pub const ROW_ID_COLUMN: &str = "__row_id";

/// The type of a dataset's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ColumnType {
    /// Text.
    String,
    /// 64-bit signed integer.
    Integer,
    /// 64-bit IEEE 754 number.
    Float,
    /// True or false.
    Boolean,
    /// Instant without zone, microseconds, read as UTC.
    Date,
    /// No value was seen; stored as text.
    Unknown,
}

impl ColumnType {
    /// Every type.
    pub const ALL: [Self; 6] = [Self::String, Self::Integer, Self::Float, Self::Boolean, Self::Date, Self::Unknown];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Unknown => "unknown",
        }
    }
}

/// The family of format that a file was uploaded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FileType {
    /// Separated values: comma, tab, bar or semicolon.
    Csv,
    /// A JSON array, a JSON object, or one JSON object a line.
    Json,
    /// An Office Open XML workbook.
    Xlsx,
}

impl FileType {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Csv, Self::Json, Self::Xlsx].into_iter().find(|kind| kind.as_str() == name)
    }

    /// The media type under which the original is downloaded.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// A frequent value of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopValue {
    /// The value as text.
    pub value: String,
    /// How many rows have it.
    pub count: u64,
    /// Share of the non-missing values, 0..100, two decimals.
    pub percentage: f64,
}

/// What is known about one column, from every row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ColumnProfile {
    /// The column's name, as in the file.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
    /// Rows without a value.
    pub null_count: u64,
    /// Rows with a value.
    pub sample_count: u64,
    /// Distinct values.
    pub unique_count: u64,
    /// The most frequent values, most frequent first, at most five.
    pub top_values: Vec<TopValue>,
    /// Numbers only: smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Numbers only: largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Numbers only: arithmetic mean, four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Numbers only: median, four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Numbers only: sample standard deviation (n − 1), four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std_dev: Option<f64>,
    /// Numbers only: mean of the cubed standard scores, four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skewness: Option<f64>,
    /// Numbers only: lower quartile by linear interpolation, four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q1: Option<f64>,
    /// Numbers only: upper quartile by linear interpolation, four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q3: Option<f64>,
    /// Dates only: earliest.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::datasets::iso_millis")]
    pub min_date: Option<DateTime<Utc>>,
    /// Dates only: latest.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::datasets::iso_millis")]
    pub max_date: Option<DateTime<Utc>>,
}

impl ColumnProfile {
    /// A column of so many values, so many of them distinct, of which nothing else is known.
    #[must_use]
    pub fn of_values(name: &str, dtype: ColumnType, count: u64, distinct: u64) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            null_count: 0,
            sample_count: count,
            unique_count: distinct,
            top_values: Vec::new(),
            min: None,
            max: None,
            mean: None,
            median: None,
            std_dev: None,
            skewness: None,
            q1: None,
            q3: None,
            min_date: None,
            max_date: None,
        }
    }
}

/// Values of one column that did not fit its type, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coercion {
    /// The column.
    pub column: String,
    /// The type it got.
    pub dtype: ColumnType,
    /// How many values were affected.
    pub count: u64,
    /// What was done, for a person: "became missing", "kept as text: the decimal separator is ambiguous", …
    pub reason: String,
}

/// What happened while a file was read. Nothing is lost without a number here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IngestReport {
    /// Records found in the file, header and blank lines not counted.
    pub rows_read: u64,
    /// Records that could not be read at all and are not in the dataset.
    pub rows_rejected: u64,
    /// Records that had more fields than the header; the extra fields are in the rejects report.
    pub rows_too_long: u64,
    /// Records that had fewer fields than the header; the missing ones are null.
    pub rows_too_short: u64,
    /// Values that did not fit, by column.
    pub coercions: Vec<Coercion>,
    /// Encoding that the file was read in.
    pub encoding: String,
    /// Remarks on the file as a whole: renamed headers, further sheets that were not read, …
    pub notes: Vec<String>,
    /// Whether the rejects report lists every reject, or only the first ones.
    pub rejects_complete: bool,
    /// How many entries the rejects report has.
    pub rejects_listed: u64,
}

/// One entry of a rejects report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reject {
    /// Line of the file on which the record begins, from 1 (the header is line 1); the sheet row in a workbook.
    pub line: u64,
    /// The column, when one value did not fit; absent when the whole record was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The text that did not fit, at most 200 characters.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// A dataset row for preview: column name to JSON value.
pub type Row = Map<String, Value>;

/// A dataset: where it belongs, what it is called, what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Identity.
    pub id: DatasetId,
    /// The user who uploaded it.
    pub owner_id: UserId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// Display name; never a path.
    pub filename: String,
    /// Format of the original.
    pub file_type: FileType,
    /// Size of the original, bytes.
    pub size_bytes: u64,
    /// Name that users type in SQL.
    pub sql_name: String,
    /// Name that is unique in the system.
    pub physical_name: String,
    /// Grows by one with each change of content or types; part of every cache key.
    pub version: u32,
    /// Rows.
    pub row_count: u64,
    /// Columns, in file order.
    pub columns: Vec<ColumnProfile>,
    /// The first rows, at most 20.
    pub sample: Vec<Row>,
    /// What happened while reading.
    pub ingest: IngestReport,
    /// Exploratory summary.
    pub eda: Option<EdaSummary>,
    /// Further keys (`derivedFrom`, …), as the frontend reads them.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Dataset {
    /// Column name to type, in file order.
    #[must_use]
    pub fn types(&self) -> Vec<(String, ColumnType)> {
        self.columns.iter().map(|column| (column.name.clone(), column.dtype)).collect()
    }

    /// Column name to number of missing values.
    #[must_use]
    pub fn null_counts(&self) -> BTreeMap<String, u64> {
        self.columns.iter().map(|column| (column.name.clone(), column.null_count)).collect()
    }
}

/// Writes instants as ISO 8601 in UTC with milliseconds and `Z`, the form of the whole wire contract.
pub mod iso_millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Formats one instant.
    #[must_use]
    pub fn format(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Serializes an optional instant.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.serialize_str(&format(*at)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an optional instant.
    ///
    /// # Errors
    /// The deserializer's own.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<DateTime<Utc>>::deserialize(deserializer)
    }
}
