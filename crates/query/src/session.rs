//! DataFusion's settings, and the per-query part of its environment.

mod spill;

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    common::tree_node::Transformed,
    error::Result,
    execution::{
        SessionState, SessionStateBuilder, TaskContext,
        cache::cache_manager::{CacheManager, CacheManagerConfig},
        config::SessionConfig,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::GreedyMemoryPool,
        object_store::ObjectStoreRegistry,
        runtime_env::RuntimeEnv,
    },
    logical_expr::{Expr, LogicalPlan, expr::ScalarFunction},
    optimizer::{Optimizer, OptimizerConfig, OptimizerRule},
};
use object_store::{ObjectStore, memory::InMemory};
use url::Url;

use crate::{config::EngineConfig, error::invalid, functions, scope::QueryScope};
pub(crate) use spill::SpillDirectory;

/// How a plan runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// On all threads.
    Parallel,
    /// On one thread, which keeps the order of the file: for `select … from t limit 20`.
    InOrder,
}

/// The states that plans are made with.
pub(crate) struct Sessions {
    parallel: SessionState,
    in_order: SessionState,
    stores: Arc<dyn ObjectStoreRegistry>,
    caches: Arc<CacheManager>,
}

impl Sessions {
    pub(crate) fn new(config: &EngineConfig) -> Result<Self> {
        // `distinct on` becomes `first_value`, which the optimiser looks up here.
        let first_value = datafusion::functions_aggregate::first_last::first_value_udaf();
        let state = |threads: usize| {
            SessionStateBuilder::new()
                .with_config(session_config(threads))
                .with_aggregate_functions(vec![first_value.clone()])
                .build()
        };
        Ok(Self {
            parallel: state(config.threads.max(1)),
            in_order: state(1),
            stores: Arc::new(EmptyStores { store: Arc::new(InMemory::new()) }),
            caches: CacheManager::try_new(&CacheManagerConfig::default())?,
        })
    }

    pub(crate) fn state(&self, shape: Shape) -> &SessionState {
        match shape {
            Shape::Parallel => &self.parallel,
            Shape::InOrder => &self.in_order,
        }
    }

    /// The environment of one query: a memory pool and a spill directory of its own, and no way to any data.
    pub(crate) fn task(
        &self,
        shape: Shape,
        batch_rows: usize,
        config: &EngineConfig,
        spill: &SpillDirectory,
    ) -> Result<Arc<TaskContext>> {
        let disk_manager = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill.path().to_owned()]))
            .with_max_temp_directory_size(config.spill_bytes_max)
            .build()?;
        let environment = RuntimeEnv {
            memory_pool: Arc::new(GreedyMemoryPool::new(config.memory_per_query_bytes)),
            disk_manager: Arc::new(disk_manager),
            cache_manager: self.caches.clone(),
            object_store_registry: self.stores.clone(),
        };
        let session_config = self.state(shape).config().clone().with_batch_size(batch_rows);
        Ok(Arc::new(TaskContext::new(
            None,
            String::new(),
            session_config,
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::new(environment),
        )))
    }
}

fn session_config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.enforce_batch_size_in_joins = true;
    options.execution.sort_spill_reservation_bytes = 4 * 1024 * 1024;
    options.sql_parser.parse_float_as_decimal = true;
    // It fails over sorted input, such as `SELECT DISTINCT` of a window with a limit: "Ordering direction required".
    options.optimizer.enable_distinct_aggregation_soft_limit = false;
    config
}

/// Analyses and optimises a plan, looking at the deadline between the steps.
pub(crate) fn optimize(state: &SessionState, plan: LogicalPlan, scope: &Arc<QueryScope>) -> Result<LogicalPlan> {
    let analyzed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    scope.check()?;
    let checkpoint: Rule = Arc::new(Checkpoint { scope: scope.clone() });
    let rules = state.optimizers().iter().flat_map(|rule| [checkpoint.clone(), rule.clone()]).collect();
    let optimized = Optimizer::with_rules(rules).optimize(analyzed, state, |_, _| {})?;
    Ok(optimized.transform_up_with_subqueries(|plan| stoppable(plan, scope))?.data)
}

/// A join with a condition that hardly any pair meets can compare for hours before it has a row to hand on, and is
/// dropped only where it hands on one. So its condition looks at the deadline, too.
fn stoppable(plan: LogicalPlan, scope: &Arc<QueryScope>) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
    let Some(condition) = join.filter.take() else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let alive = functions::scalar(functions::ALIVE, scope).ok_or_else(|| invalid("function does not exist"))?;
    let alive = Expr::ScalarFunction(ScalarFunction::new_udf(alive, vec![]));
    join.filter = Some(alive.and(condition));
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

/// Whether a plan hands on the rows of one file as they come: then it runs on one thread, and `select … limit 20` gives
/// the first rows of the file every time.
pub(crate) fn keeps_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Unnest(_) => plan.inputs().into_iter().all(keeps_order),
        _ => false,
    }
}

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// Changes nothing, but fails once the query is over.
#[derive(Debug)]
struct Checkpoint {
    scope: Arc<QueryScope>,
}

impl OptimizerRule for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        self.scope.check()?;
        Ok(Transformed::no(plan))
    }
}

/// Gives an empty store for every address.
#[derive(Debug)]
struct EmptyStores {
    store: Arc<dyn ObjectStore>,
}

impl ObjectStoreRegistry for EmptyStores {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, _url: &Url) -> Result<Arc<dyn ObjectStore>> {
        Ok(self.store.clone())
    }
}
