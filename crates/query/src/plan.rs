//! From the validated syntax tree to a logical plan. Names resolve against the tables of the request and the engine's
//! functions, and against nothing else.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    common::{DFSchema, TableReference, config::ConfigOptions, plan_datafusion_err},
    datasource::{cte_worktable::CteWorkTable, provider_as_source},
    error::{DataFusionError, Result},
    execution::session_state::SessionState,
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner},
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::ast::Statement,
    },
};

use crate::{
    bags, common_types,
    error::{SqlError, missing_column},
    functions, operators, rewrite,
    scope::QueryScope,
    subqueries,
    table::ParquetTable,
};

/// How often a statement is planned again with one more column name put right.
const SPELLINGS_MAX: usize = 32;

/// What a statement may refer to.
pub(crate) struct Names<'a> {
    state: &'a SessionState,
    scope: &'a Arc<QueryScope>,
    tables: HashMap<String, Arc<dyn TableSource>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(
        state: &'a SessionState,
        scope: &'a Arc<QueryScope>,
        tables: impl IntoIterator<Item = (String, ParquetTable)>,
    ) -> Self {
        let tables = tables.into_iter().map(|(name, table)| (name, provider_as_source(Arc::new(table)))).collect();
        Self { state, scope, tables, planners: operators::planners(scope) }
    }

    /// Plans a statement, with at most `rows_max` rows.
    ///
    /// An unquoted name folds to lower case, as in PostgreSQL. When no such column is there but exactly one that
    /// differs in case only, it is meant: headers of files are often in mixed case, and nobody who types `Age` wants
    /// to hear that `age` does not exist. A statement that PostgreSQL accepts is never read differently for it.
    pub(crate) fn plan(&self, statement: &Statement, rows_max: usize) -> Result<LogicalPlan> {
        let mut statement = statement.clone();
        rewrite::apply(&mut statement)?;
        let mut first_error = None;
        for _ in 0..SPELLINGS_MAX {
            self.scope.check()?;
            let error = match self.plan_once(statement.clone()) {
                Ok(plan) => {
                    let plan = subqueries::qualify_outputs(bags::count_duplicates(plan)?)?;
                    let plan = common_types::prefer_floats(plan, self.scope)?;
                    return LogicalPlanBuilder::from(plan).limit(0, Some(rows_max))?.build();
                }
                Err(error) => error,
            };
            let respelled =
                only_spelling(&error).is_some_and(|(folded, actual)| rewrite::respell(&mut statement, &folded, &actual));
            let first = first_error.get_or_insert(error);
            if !respelled {
                return Err(std::mem::replace(first, SqlError::Stopped.into()));
            }
        }
        Err(first_error.unwrap_or_else(|| SqlError::Stopped.into()))
    }

    fn plan_once(&self, statement: Statement) -> Result<LogicalPlan> {
        // Errors tell where they are.
        let options = ParserOptions::new().with_parse_float_as_decimal(true).with_collect_spans(true);
        SqlToRel::new_with_options(self, options).sql_statement_to_plan(statement)
    }
}

/// The one column that differs from a missing one in case only.
fn only_spelling(error: &DataFusionError) -> Option<(String, String)> {
    let (missing, valid) = missing_column(error)?;
    let folded = missing.name.to_lowercase();
    let mut found: Option<&str> = None;
    for column in valid {
        let in_reach = missing.relation.is_none() || missing.relation == column.relation;
        if in_reach && column.name != missing.name && column.name.to_lowercase() == folded {
            if found.is_some_and(|other| other != column.name) {
                return None;
            }
            found = Some(&column.name);
        }
    }
    found.map(|actual| (missing.name.clone(), actual.to_owned()))
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = match &name {
            TableReference::Bare { table } => self.tables.get(table.as_ref()),
            TableReference::Partial { schema, table } if schema.as_ref() == "public" => self.tables.get(table.as_ref()),
            _ => None,
        };
        found.cloned().ok_or_else(|| SqlError::Invalid(format!("relation \"{}\" does not exist", name.table()), None).into())
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let context = SimplifyContext::builder().with_config_options(Arc::clone(self.state.config_options())).build();
        let simplifier = ExprSimplifier::new(context);
        let empty = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| simplifier.coerce(arg, &empty).and_then(|arg| simplifier.simplify(arg)))
            .collect::<Result<Vec<_>>>()?;
        functions::table(name, &args, self.scope)
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::scalar(name, self.scope)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        functions::aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions::window(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        // Only used to suggest a similar name, and without any name DataFusion calls it an internal error.
        vec!["count".to_owned()]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        vec!["count".to_owned()]
    }

    fn udwf_names(&self) -> Vec<String> {
        vec!["row_number".to_owned()]
    }
}

/// The error for a table function that is not there.
pub(crate) fn no_table_function(name: &str) -> DataFusionError {
    plan_datafusion_err!("Invalid function '{name}'")
}
