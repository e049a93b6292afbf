//! SQL queries (contract 1, section 10).

use garde::Validate;
use gristmill_domain::{ProjectId, QueryId, eda::EdaSummary, limits::SQL_TEXT_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::common::{Instant, RequestBody};

/// A SQL query over a project's datasets.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SqlRequest {
    /// The project whose datasets are the tables.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// One read-only statement.
    #[garde(length(bytes, min = 1, max = SQL_TEXT_BYTES_MAX))]
    pub sql: String,
}

impl RequestBody for SqlRequest {}

/// A column of a result.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueryColumn {
    /// Its name.
    pub name: String,
    /// OID of the PostgreSQL type.
    #[serde(rename = "dataTypeID")]
    pub data_type_id: u32,
    /// Name of the PostgreSQL type.
    #[serde(rename = "dataType")]
    pub data_type: String,
}

/// The rows of a query.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryResultView<'a> {
    /// Identity; the same when the result comes from the cache.
    pub query_id: QueryId,
    /// The statement as it ran, with its limit.
    pub sql: &'a str,
    /// The columns.
    pub columns: &'a [QueryColumn],
    /// The rows: column name to value.
    #[schema(value_type = Vec<Object>)]
    pub rows: &'a RawValue,
    /// Number of `rows`.
    pub row_count: u64,
    /// Whether there were more rows than may be returned.
    pub truncated: bool,
    /// How long it ran, milliseconds.
    pub execution_ms: u64,
    /// Whether it came from the cache.
    pub cached: bool,
    /// When the cached result was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_timestamp: Option<Instant>,
    /// Exploratory summary of the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EdaSummary>)]
    pub eda: Option<&'a RawValue>,
}

/// `{query}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryEnvelope<'a> {
    /// The result.
    #[schema(value_type = QueryResultView)]
    pub query: QueryResultView<'a>,
}

/// The settings of SQL queries in force for everybody who did not change them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryCacheConfig {
    /// Life of a cached result, milliseconds.
    pub ttl_ms: u64,
    /// Most results kept.
    pub max_entries: u64,
    /// `LIMIT` added to SQL that has none.
    pub sql_default_limit: u32,
    /// Most rows in a result.
    pub sql_max_rows: u32,
}
