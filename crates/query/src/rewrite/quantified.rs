//! `x > all (select …)`, `x <> any (select …)`, and conditions on sub-queries in a select list. The engine compares a
//! value with a sub-query in a few forms only; these say the same by the smallest and largest value, and by counts that
//! tell whether there was a null.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, visit_expressions,
};

use super::{
    build::{binary, call, count_rows, function_name, not_if, number, select_from, subquery, take, value_column},
    outside,
};
use crate::functions;

/// `<aggregate>(value)` of what a query gives.
fn aggregate(name: &str, query: &Query) -> Expr {
    match plain_value(query) {
        // The engine does not look through a sub-query in FROM for the columns of the statement around it.
        Some((select, value)) => subquery(call(name, vec![value.clone()]), select.from.clone(), select.selection.clone()),
        None => select_from(call(name, vec![value_column()]), query.clone(), None),
    }
}

fn count(query: &Query) -> Expr {
    match plain_value(query) {
        Some((select, _)) => subquery(count_rows(), select.from.clone(), select.selection.clone()),
        None => select_from(count_rows(), query.clone(), None),
    }
}

/// What a quantified comparison gives: from how the decisive comparison came out, and from what tells nulls and an empty
/// query. A function, so that each sub-query is in the plan once.
fn decide(function: &str, compared: Expr, value: &Expr, query: &Query) -> Expr {
    let is_null = Expr::IsNull(Box::new(value.clone()));
    call(function, vec![compared, count(query), aggregate("count", query), is_null])
}

/// `left op all (query)`; `None` when the engine's own form does.
pub(super) fn all(left: &mut Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let Expr::Subquery(query) = right else { return None };
    let value = Expr::Nested(Box::new(take(left)));
    let compared = |name: &str| binary(value.clone(), op.clone(), aggregate(name, query));
    let holds = match op {
        BinaryOperator::NotEq => return Some(is_in(value, true, query)),
        BinaryOperator::Gt | BinaryOperator::GtEq => compared("max"),
        BinaryOperator::Lt | BinaryOperator::LtEq => compared("min"),
        BinaryOperator::Eq => binary(compared("min"), BinaryOperator::And, compared("max")),
        _ => {
            *left = value;
            return None;
        }
    };
    Some(decide("$all", holds, &value, query))
}

/// `left op any (query)`; `None` when the engine's own form does.
pub(super) fn any(left: &mut Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let Expr::Subquery(query) = right else { return None };
    let value = Expr::Nested(Box::new(take(left)));
    let compared = |name: &str| binary(value.clone(), op.clone(), aggregate(name, query));
    let holds = match op {
        BinaryOperator::Eq => return Some(is_in(value, false, query)),
        BinaryOperator::NotEq => binary(compared("min"), BinaryOperator::Or, compared("max")),
        BinaryOperator::Gt | BinaryOperator::GtEq => compared("min"),
        BinaryOperator::Lt | BinaryOperator::LtEq => compared("max"),
        _ => {
            *left = value;
            return None;
        }
    };
    Some(decide("$any", holds, &value, query))
}

fn is_in(value: Expr, negated: bool, query: &Query) -> Expr {
    Expr::InSubquery { expr: Box::new(value), subquery: Box::new(query.clone()), negated }
}

/// The engine has `exists` and `in` with a sub-query as conditions only. In a select list they become counts.
pub(super) fn count_in_select_list(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            outside::change(expr, count_instead);
        }
    }
}

fn count_instead(expr: &mut Expr) {
    match expr {
        Expr::Exists { subquery, negated } => {
            let counted = exists(subquery, *negated);
            *expr = counted;
        }
        Expr::InSubquery { expr: value, subquery, negated } if !matches!(**value, Expr::Tuple(_)) && is_row_by_row(value) => {
            let counted = not_if(*negated, contained(value, subquery));
            *expr = counted;
        }
        _ => {}
    }
}

/// `(select count(*) …) > 0`.
fn exists(query: &Query, negated: bool) -> Expr {
    let counted = match plain_select(query) {
        Some(select) => subquery(count_rows(), select.from.clone(), select.selection.clone()),
        None => count(query),
    };
    let op = if negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
    Expr::Nested(Box::new(binary(counted, op, number(0))))
}

/// A query that has a row for each row of its tables that its condition lets through, or, if it is `distinct`, at least
/// one when there is one.
fn plain_select(query: &Query) -> Option<&Select> {
    let bare = query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let plain_rows = !matches!(select.distinct, Some(Distinct::On(_)))
        && matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty())
        && select.having.is_none()
        && select.qualify.is_none();
    let plain_items = select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_row_by_row(expr),
        _ => true,
    });
    (bare && plain_rows && plain_items).then_some(select)
}

/// The value that a plain query gives for each row.
fn plain_value(query: &Query) -> Option<(&Select, &Expr)> {
    let select = plain_select(query)?;
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some((select, expr)),
        _ => None,
    }
}

/// Whether an expression has one value for each row: it neither aggregates nor makes rows.
fn is_row_by_row(expr: &Expr) -> bool {
    let mut other = false;
    let _: ControlFlow<()> = visit_expressions(expr, |expr| {
        other |= matches!(expr, Expr::Function(function) if function.over.is_some()
            || function_name(function).is_none_or(|name| name == "unnest" || functions::aggregate(&name).is_some()));
        ControlFlow::Continue(())
    });
    !other
}

/// `value in (query)` by counts.
fn contained(value: &Expr, query: &Query) -> Expr {
    let value = Expr::Nested(Box::new(value.clone()));
    let equal = binary(value_column(), BinaryOperator::Eq, value.clone());
    let found = binary(select_from(count_rows(), query.clone(), Some(equal)), BinaryOperator::Gt, number(0));
    decide("$any", found, &value, query)
}
