//! The column of `x in (select a + 1 …)`. Where the condition stands under `or`, DataFusion joins with the sub-query and
//! takes a column without a table for two columns. So it gets a table.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    error::Result,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, expr_rewriter::NamePreserver},
};

/// Gives the columns of sub-queries behind `in` a table.
pub(crate) fn qualify_outputs(plan: LogicalPlan) -> Result<LogicalPlan> {
    let number = AtomicUsize::new(0);
    let qualified = plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| qualify(expr, &number))?;
            Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
        })
    })?;
    Ok(qualified.data)
}

fn qualify(mut expr: Expr, number: &AtomicUsize) -> Result<Transformed<Expr>> {
    let Expr::InSubquery(condition) = &mut expr else { return Ok(Transformed::no(expr)) };
    let query = &condition.subquery.subquery;
    let bare = query.schema().iter().any(|(qualifier, _)| qualifier.is_none());
    // One that reads columns of the statement around it is taken apart, and works as it is.
    if !bare || !condition.subquery.outer_ref_columns.is_empty() {
        return Ok(Transformed::no(expr));
    }
    let alias = format!("\u{1}query{}", number.fetch_add(1, Ordering::Relaxed));
    let qualified = LogicalPlanBuilder::from(query.as_ref().clone()).alias(alias)?.build()?;
    condition.subquery.subquery = Arc::new(qualified);
    Ok(Transformed::yes(expr))
}
