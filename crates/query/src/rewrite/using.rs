//! Columns of `JOIN … USING`. Unqualified, such a name means the one column that is left of two; the planner knows that in
//! some clauses only, so the name is said of one side here, or of both for a full join.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, SelectItem, TableFactor,
    TableWithJoins,
};

use super::{build::call, names::folded, outside};

/// Says of which side the columns of `USING` are.
pub(super) fn qualify(select: &mut Select) {
    let mut merged = HashMap::new();
    for table in &select.from {
        merge(table, &mut merged);
    }
    if merged.is_empty() {
        return;
    }
    let visit = |expr: &mut Expr| outside::change(expr, |expr| name_side(expr, &merged));
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
                if let Some(stands_for) = merged.get(&folded(ident)) {
                    *item = SelectItem::ExprWithAlias { expr: stands_for.clone(), alias: ident.clone() };
                }
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => visit(expr),
            _ => {}
        }
    }
    select.selection.iter_mut().for_each(visit);
    select.having.iter_mut().for_each(visit);
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.iter_mut().filter(|expr| !matches!(expr, Expr::Identifier(_))).for_each(visit);
    }
}

/// What the names of `USING` stand for, lower-case.
fn merge(table: &TableWithJoins, merged: &mut HashMap<String, Expr>) {
    // Known while there is one table only: of two, either may have the column.
    let mut left = qualifier(&table.relation);
    for join in &table.joins {
        let right = qualifier(&join.relation);
        for name in using(join) {
            let of = |qualifier: &Option<Ident>| {
                qualifier.as_ref().map(|qualifier| Expr::CompoundIdentifier(vec![qualifier.clone(), name.clone()]))
            };
            let key = folded(&name);
            let before = merged.get(&key).cloned().or_else(|| of(&left));
            let now = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => before,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => of(&right),
                JoinOperator::FullOuter(_) => before.zip(of(&right)).map(|(left, right)| call("coalesce", vec![left, right])),
                _ => before.or_else(|| of(&right)),
            };
            match now {
                Some(now) => drop(merged.insert(key, now)),
                None => drop(merged.remove(&key)),
            }
        }
        left = None;
    }
}

fn using(join: &Join) -> Vec<Ident> {
    let constraint = match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => constraint,
        _ => return vec![],
    };
    match constraint {
        JoinConstraint::Using(names) => names.iter().filter_map(last).collect(),
        _ => vec![],
    }
}

fn last(name: &ObjectName) -> Option<Ident> {
    name.0.last().and_then(ObjectNamePart::as_ident).cloned()
}

/// What a table is called in the statement.
fn qualifier(table: &TableFactor) -> Option<Ident> {
    match table {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, alias: None, args: None, .. } => last(name),
        _ => None,
    }
}

fn name_side(expr: &mut Expr, merged: &HashMap<String, Expr>) {
    if let Expr::Identifier(ident) = &*expr
        && let Some(stands_for) = merged.get(&folded(ident))
    {
        *expr = stands_for.clone();
    }
}
