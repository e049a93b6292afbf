//! `EXCEPT ALL` and `INTERSECT ALL` count: of a row that is there three times on the left and once on the right, the
//! difference has two and the intersection one. DataFusion's joins for them do not. So each side's equal rows are
//! numbered, and the number joins with the row.

use datafusion::{
    common::{Column, NullEquality, tree_node::Transformed},
    error::Result,
    functions_window::expr_fn::row_number,
    logical_expr::{Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder},
};

/// The name of the number.
const NUMBER: &str = "\u{1}number";

/// Lets the set operations of a plan count.
pub(crate) fn count_duplicates(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(plan.transform_up_with_subqueries(count_here)?.data)
}

/// The planner makes such joins for nothing else; those without `ALL` have a distinct left side.
fn is_bag_operation(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn count_here(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
    if !is_bag_operation(join) {
        return Ok(Transformed::no(plan));
    }
    let columns = join.left.schema().columns();
    let (mut left_keys, mut right_keys) = (columns.clone(), join.right.schema().columns());
    left_keys.push(Column::new_unqualified(NUMBER));
    right_keys.push(Column::new_unqualified(NUMBER));
    let counted = LogicalPlanBuilder::from(numbered(&join.left)?)
        .join_detailed(numbered(&join.right)?, join.join_type, (left_keys, right_keys), None, NullEquality::NullEqualsNull)?
        .project(columns.into_iter().map(Expr::Column))?
        .build()?;
    Ok(Transformed::yes(counted))
}

/// The rows of a plan, equal ones numbered from 1.
fn numbered(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let columns = || plan.schema().columns().into_iter().map(Expr::Column);
    let number = row_number().partition_by(columns().collect()).build()?;
    let name = Column::new_unqualified(number.schema_name().to_string());
    LogicalPlanBuilder::from(plan.clone())
        .window(vec![number])?
        .project(columns().chain([Expr::Column(name).alias(NUMBER)]))?
        .build()
}
