//! SQL queries (contract 1, section 10).

use garde::Validate;
use gristmill_domain::{
    ProjectId, QueryId,
    eda::EdaSummary,
    limits::SQL_TEXT_BYTES_MAX,
    nl::{NlResult, NlSuggestion, QUESTION_BYTES_MAX, QUESTION_CHARS_MIN, WorkflowPlaceholders},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::common::{Instant, RequestBody, not_null};

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

/// A question in plain words.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NlRequest {
    /// The project whose datasets are asked about.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The question, from 3 characters.
    #[garde(length(bytes, max = QUESTION_BYTES_MAX), custom(is_question))]
    #[schema(min_length = 3)]
    pub query: String,
    /// The table that the person has open.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub table_name: Option<String>,
}

impl RequestBody for NlRequest {}

/// Refuses what is too short to be a question.
///
/// # Errors
/// When it is.
pub fn is_question(text: &str, (): &()) -> garde::Result {
    if text.trim().chars().count() < QUESTION_CHARS_MIN {
        return Err(garde::Error::new("must have 3 characters or more"));
    }
    Ok(())
}

/// `{nl}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct NlEnvelope {
    /// The answer.
    #[schema(value_type = NlResult)]
    pub nl: Box<RawValue>,
}

/// Which suggestions to read.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct NlSuggestionsQuery {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// At most this many, 1 to 12; 8 when absent.
    #[garde(inner(range(min = 1, max = 12)))]
    #[param(minimum = 1, maximum = 12)]
    pub limit: Option<usize>,
}

/// Suggested questions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NlSuggestionsView {
    /// The questions.
    pub suggestions: Vec<NlSuggestion>,
    /// Whether they were made before.
    pub cached: bool,
    /// Hash of the tables and columns that they were made from; empty without tables.
    pub schema_fingerprint: String,
    /// What the composers of the phases show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_placeholders: Option<WorkflowPlaceholders>,
}
