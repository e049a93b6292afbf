//! SQL over the datasets of a project: gate, cache, engine, summary.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use gristmill_api_types::query::{QueryColumn, QueryResultView};
use gristmill_domain::{
    Caller, ErrorCode, ProjectId, QueryId,
    eda::{EdaScope, EdaSource},
    settings::Settings,
};
use gristmill_ingest::eda;
use gristmill_persistence::repo::datasets::DatasetTable;
use gristmill_query::{CacheKey, EngineConfig, QueryEngine, QueryError, QueryOutput, QueryRequest, ResultCache, TableFile, json};
use gristmill_sql_safety::{AllowedTable, SqlPolicy, SqlRefusal, validate};
use serde_json::value::RawValue;

use crate::{
    config::Config,
    error::{ApiError, ApiResult},
    routes::auth::capitalized,
    state::AppState,
};

/// Runs SQL for callers and remembers results.
#[derive(Debug)]
pub struct SqlService {
    engine: QueryEngine,
    cache: ResultCache<StoredResult>,
    timeout: Duration,
}

/// A result, in the form in which it is sent: rows and summary are JSON text already.
#[derive(Debug)]
pub struct StoredResult {
    query_id: QueryId,
    sql: String,
    columns: Vec<QueryColumn>,
    rows: Box<RawValue>,
    row_count: u64,
    truncated: bool,
    execution_ms: u64,
    eda: Option<Box<RawValue>>,
    made_at: DateTime<Utc>,
}

/// A result and where it came from.
#[derive(Debug)]
pub struct SqlAnswer {
    result: Arc<StoredResult>,
    cached: bool,
}

impl SqlAnswer {
    /// The wire form.
    #[must_use]
    pub fn view(&self) -> QueryResultView<'_> {
        let result = &self.result;
        QueryResultView {
            query_id: result.query_id,
            sql: &result.sql,
            columns: &result.columns,
            rows: &result.rows,
            row_count: result.row_count,
            truncated: result.truncated,
            execution_ms: result.execution_ms,
            cached: self.cached,
            cache_timestamp: self.cached.then(|| result.made_at.into()),
            eda: result.eda.as_deref(),
        }
    }
}

impl SqlService {
    /// Starts the engine.
    ///
    /// # Errors
    /// When the spill directory cannot be made.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let sql = &config.sql;
        let engine = QueryEngine::start(EngineConfig {
            memory_bytes: sql.memory_bytes,
            memory_per_query_bytes: sql.query_memory_bytes,
            threads: sql.threads,
            spill_dir: config.data_dir.join("sql-spill"),
            result_bytes_max: sql.result_bytes_max,
            concurrent_per_caller_max: sql.user_concurrency,
            ..EngineConfig::default()
        })?;
        let cache = ResultCache::new(usize::try_from(sql.cache_bytes_max).unwrap_or(usize::MAX), sql.cache_entries_max);
        Ok(Self { engine, cache, timeout: sql.timeout })
    }

    /// Runs a statement over the caller's project, or finds its result in the cache.
    ///
    /// # Errors
    /// 404 for a project that is not the caller's, 400 for SQL that is refused or fails, 429 when too much runs.
    ///
    /// # Cancel safety
    /// Dropping the future stops the query.
    pub async fn run(&self, state: &AppState, caller: &Caller, project: ProjectId, sql: &str) -> ApiResult<SqlAnswer> {
        match self.attempt(state, caller, project, sql).await {
            // A type change may have replaced a file between reading the tables and opening them.
            Err(error) if error.code() == ErrorCode::FileMissing => self.attempt(state, caller, project, sql).await,
            done => done,
        }
    }

    async fn attempt(&self, state: &AppState, caller: &Caller, project: ProjectId, sql: &str) -> ApiResult<SqlAnswer> {
        let not_found = ApiError::store(ErrorCode::ProjectNotFound);
        let tables = state.datasets.tables(caller, project).await.map_err(&not_found)?;
        let settings = state.settings.overrides(caller).await.map_err(&not_found)?.over(state.config.settings);
        let validated = validate(sql, &policy(&tables, settings))?;
        let used: Vec<&DatasetTable> = tables.iter().filter(|table| validated.tables().contains(&table.sql_name)).collect();
        let versions: Vec<_> = used.iter().map(|table| (table.id, table.version)).collect();
        let key = CacheKey::new(project, &validated, &versions);
        let ttl = Duration::from_millis(u64::try_from(settings.query_cache_ttl_ms).unwrap_or(0));
        let cacheable = !validated.is_volatile() && !ttl.is_zero();
        if cacheable && let Some(result) = self.cache.get(&key) {
            return Ok(SqlAnswer { result, cached: true });
        }
        let files = used
            .into_iter()
            .map(|table| TableFile {
                name: table.sql_name.clone(),
                path: state.files.dataset(caller.user_id, Some(project), table.id).parquet(table.version),
                version: table.version,
                dataset_id: table.id,
            })
            .collect();
        let text = validated.text().to_owned();
        let request = QueryRequest { sql: validated, tables: files, timeout: self.timeout, caller: caller.user_id };
        let output = self.engine.run(request).await?;
        let now = state.clock.now();
        // Writing JSON and summarising is CPU work of some milliseconds.
        let stored = actix_web::web::block(move || store(output, text, now)).await.map_err(ApiError::internal)??;
        let result = Arc::new(stored);
        if cacheable {
            self.cache.insert(key, Arc::clone(&result), weight(&result), ttl);
        }
        Ok(SqlAnswer { result, cached: false })
    }
}

fn policy(tables: &[DatasetTable], settings: Settings) -> SqlPolicy {
    let allowed = |table: &DatasetTable| AllowedTable { logical: table.sql_name.clone(), physical: table.physical_name.clone() };
    SqlPolicy {
        tables: tables.iter().map(allowed).collect(),
        limit_default: u32::try_from(settings.sql_default_limit).unwrap_or(u32::MAX),
        rows_max: u32::try_from(settings.sql_max_rows).unwrap_or(u32::MAX),
    }
}

fn store(output: QueryOutput, sql: String, made_at: DateTime<Utc>) -> ApiResult<StoredResult> {
    let rows = RawValue::from_string(json::rows(&output)?).map_err(ApiError::internal)?;
    let row_count = u64::try_from(output.row_count).unwrap_or(u64::MAX);
    let scope = EdaScope { source: EdaSource::QueryResult, rows_analyzed: row_count, total_rows: row_count };
    let eda = eda::summarize_batches(&output.batches, scope);
    let eda = eda.map(|eda| serde_json::value::to_raw_value(&eda)).transpose().map_err(ApiError::internal)?;
    let columns = output
        .columns
        .into_iter()
        .map(|column| QueryColumn { name: column.name, data_type_id: column.type_oid, data_type: column.type_name })
        .collect();
    Ok(StoredResult {
        query_id: QueryId::random(),
        sql,
        columns,
        rows,
        row_count,
        truncated: output.truncated,
        execution_ms: output.execution_ms,
        eda,
        made_at,
    })
}

/// Bytes that a cached result takes, near enough.
fn weight(result: &StoredResult) -> usize {
    let eda = result.eda.as_ref().map_or(0, |eda| eda.get().len());
    result.rows.get().len() + eda + result.sql.len() + result.columns.len() * 64 + 256
}

impl From<SqlRefusal> for ApiError {
    fn from(refusal: SqlRefusal) -> Self {
        let error = Self::new(refusal.code(), refusal.message());
        match refusal.position() {
            Some(position) => error.at_position(position.line.into(), position.column.into()),
            None => error,
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let (code, message, position) = (error.code(), error.public_message(), error.position());
        match &error {
            QueryError::Internal { .. } => Self::internal(error),
            QueryError::TooMany { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                Self::new(code, capitalized(&message)).retry_after(seconds)
            }
            _ => {
                let failure = Self::new(code, message).caused_by(error);
                match position {
                    Some(position) => failure.at_position(position.line.into(), position.column.into()),
                    None => failure,
                }
            }
        }
    }
}
