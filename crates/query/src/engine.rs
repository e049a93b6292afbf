//! Runs queries.

mod admission;
mod collect;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use gristmill_domain::UserId;
use gristmill_sql_safety::ValidatedSql;
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::{
    complexity,
    config::EngineConfig,
    error::{BoxError, QueryError, translate},
    guard,
    output::{self, QueryOutput},
    plan::Names,
    runtime,
    scope::QueryScope,
    session::{self, Sessions, Shape, SpillDirectory},
    table::{Footers, Mentioned, ParquetTable, TableFile},
};
use admission::Admission;

/// A query to run.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// The statement.
    pub sql: ValidatedSql,
    /// The tables that it uses, and only those.
    pub tables: Vec<TableFile>,
    /// How long it may take, waiting for its turn included.
    pub timeout: Duration,
    /// Who asks: a caller may have only so many queries at once.
    pub caller: UserId,
}

/// What runs queries. A cluster of engines can stand behind it.
#[async_trait]
pub trait SqlEngine: Send + Sync + std::fmt::Debug {
    /// Runs one query to its end. Dropping the future stops the work.
    ///
    /// # Errors
    /// `SqlInvalid`, `SqlFailed`, `SqlTimeout`, `SqlTooExpensive`, `TooManyRequests`, `FileMissing`, `Internal`.
    async fn run(&self, request: QueryRequest) -> Result<QueryOutput, QueryError>;
}

/// The engine of this process: DataFusion on threads and memory of its own.
pub struct QueryEngine {
    /// Taken when the engine is dropped.
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

/// What running queries share.
struct Shared {
    config: EngineConfig,
    sessions: Sessions,
    footers: Footers,
    spill: SpillDirectory,
    admission: Admission,
}

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl QueryEngine {
    /// Starts an engine: its threads, and an empty spill directory.
    ///
    /// # Errors
    /// `Internal` when the threads or the spill directory cannot be made.
    pub fn start(config: EngineConfig) -> Result<Self, QueryError> {
        let internal = |source: BoxError| QueryError::Internal { source };
        let runtime = runtime::start(config.threads).map_err(|error| internal(error.into()))?;
        let spill = SpillDirectory::create(&config.spill_dir).map_err(|error| internal(error.into()))?;
        let sessions = Sessions::new(&config).map_err(|error| internal(error.into()))?;
        let footers = Footers::new(config.footers_max);
        let admission = Admission::new(config.concurrency(), config.waiting_max, config.concurrent_per_caller_max);
        Ok(Self { runtime: Some(runtime), shared: Arc::new(Shared { config, sessions, footers, spill, admission }) })
    }

    /// The bounds of this engine.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    /// Runs one query to its end. Call it inside a Tokio runtime with a timer; the work itself runs on the engine's
    /// threads.
    ///
    /// # Errors
    /// `SqlInvalid`, `SqlFailed`, `SqlTimeout`, `SqlTooExpensive`, `TooManyRequests`, `FileMissing`, `Internal`.
    ///
    /// # Cancel safety
    /// Dropping the future stops the work; nothing is left behind.
    pub async fn run(&self, request: QueryRequest) -> Result<QueryOutput, QueryError> {
        let Some(runtime) = &self.runtime else {
            return Err(QueryError::Cancelled);
        };
        let started = Instant::now();
        let deadline = started + request.timeout;
        let started_us =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0));
        let scope = Arc::new(QueryScope::new(&self.shared.config, deadline, started_us));
        let mut work = Work { scope: scope.clone(), task: runtime.spawn(Box::pin(execute(self.shared.clone(), request, scope))) };
        let mut output = tokio::select! {
            biased;
            () = tokio::time::sleep_until(deadline.into()) => return Err(QueryError::Timeout),
            ended = &mut work.task => match ended {
                Ok(output) => output.map_err(|error| late(error, deadline))?,
                Err(error) => return Err(QueryError::Internal { source: error.into() }),
            },
        };
        output.execution_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(output)
    }
}

#[async_trait]
impl SqlEngine for QueryEngine {
    async fn run(&self, request: QueryRequest) -> Result<QueryOutput, QueryError> {
        Self::run(self, request).await
    }
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed where an async function drops the engine.
            runtime.shutdown_background();
        }
    }
}

/// What stopped at its deadline may say so before the clock of the caller does.
fn late(error: QueryError, deadline: Instant) -> QueryError {
    match error {
        QueryError::Cancelled if Instant::now() >= deadline => QueryError::Timeout,
        other => other,
    }
}

/// A running query, which ends with its caller.
struct Work {
    scope: Arc<QueryScope>,
    task: JoinHandle<Result<QueryOutput, QueryError>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.scope.stop();
        self.task.abort();
    }
}

async fn execute(shared: Arc<Shared>, request: QueryRequest, scope: Arc<QueryScope>) -> Result<QueryOutput, QueryError> {
    // Held until the work has really ended, so that a query that cannot be stopped at once counts as running.
    let _turn = shared.admission.turn(request.caller).await?;
    let rows_max = usize::try_from(request.sql.rows_cap()).unwrap_or(usize::MAX);
    let (plan, shape) = logical(&shared, &request, &scope, rows_max)?;
    let state = shared.sessions.state(shape);
    let physical = state.query_planner().create_physical_plan(&plan, state).await.map_err(translate)?;
    let columns = output::columns(&physical.schema());
    let batch_rows = guard::batch_rows(&physical);
    let guarded = guard::guard(physical, &scope).map_err(translate)?;
    let task = shared.sessions.task(shape, batch_rows, &shared.config, &shared.spill).map_err(translate)?;
    let stream = datafusion::physical_plan::execute_stream(guarded, task).map_err(translate)?;
    let rows = collect::collect(stream, rows_max, shared.config.result_bytes_max).await?;
    Ok(QueryOutput { columns, batches: rows.batches, row_count: rows.count, truncated: rows.truncated, execution_ms: 0 })
}

/// The optimised plan of a request, and how it should run.
fn logical(
    shared: &Shared,
    request: &QueryRequest,
    scope: &Arc<QueryScope>,
    rows_max: usize,
) -> Result<(LogicalPlan, Shape), QueryError> {
    let mentioned = Mentioned::of(request.sql.text());
    let mut tables = Vec::with_capacity(request.tables.len());
    for table in &request.tables {
        tables.push((table.name.clone(), ParquetTable::new(shared.footers.get(table)?, &mentioned)));
    }
    complexity::check(request.sql.statement(), shared.config.relations_max).map_err(translate)?;
    let state = shared.sessions.state(Shape::Parallel);
    let plan = Names::new(state, scope, tables)
        .plan(request.sql.statement(), rows_max.saturating_add(1))
        .and_then(|plan| session::optimize(state, plan, scope))
        .map_err(translate)?;
    let shape = if session::keeps_order(&plan) { Shape::InOrder } else { Shape::Parallel };
    Ok((plan, shape))
}
