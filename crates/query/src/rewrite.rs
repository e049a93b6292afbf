//! Rewrites of the syntax tree, before it is planned: what PostgreSQL's syntax means, said in the engine's words.

mod build;
mod expressions;
mod names;
mod outside;
mod quantified;
mod relations;
mod spelling;
mod type_names;
mod using;

use std::ops::ControlFlow;

use datafusion::{
    error::{DataFusionError, Result},
    sql::sqlparser::ast::{Expr, Query, Select, Statement, TableFactor, VisitMut, VisitorMut},
};

pub(crate) use names::{MARK, folded};
pub(crate) use spelling::respell;

/// Prepares a statement for planning.
pub(crate) fn apply(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter;

/// Turns an error into a break.
fn flow(result: Result<()>) -> ControlFlow<Box<DataFusionError>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl VisitorMut for Rewriter {
    type Break = Box<DataFusionError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        flow(relations::fetch_to_limit(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        // Before the expressions are rewritten: a column is named after what was typed.
        names::name_columns(select);
        using::qualify(select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        expressions::type_select_literals(select);
        quantified::count_in_select_list(select);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        expressions::type_values(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        flow(relations::name_function_columns(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        flow(expressions::rewrite(expr))
    }
}
