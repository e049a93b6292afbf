//! The names of output columns, as PostgreSQL gives them: `count(*)` is `count`, `a + 1` is `?column?`, a cast keeps
//! the name of its column. DataFusion wants the names of a list to differ; a repeated one gets a mark behind it, which
//! the result drops again.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Function, Ident, Query, Select, SelectItem, SetExpr};

use super::{build, type_names};

/// Begins what is behind a repeated name.
pub(crate) const MARK: char = '\u{1}';

/// Gives every expression of a select list its name.
pub(super) fn name_columns(select: &mut Select) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let has_star = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let column = plain_column(expr);
                let name = column.clone().or_else(|| figure(expr).map(|(name, _)| name));
                let name = name.unwrap_or_else(|| "?column?".to_owned());
                // A column beside `*` is there twice.
                let number = count(&mut seen, &name) + usize::from(has_star && column.is_some());
                if column.is_some() && number == 0 {
                    continue;
                }
                *item = SelectItem::ExprWithAlias { expr: build::take(expr), alias: marked(&name, number) };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = folded(alias);
                let number = count(&mut seen, &name);
                if number > 0 {
                    *alias = marked(&name, number);
                }
            }
            _ => {}
        }
    }
}

/// How often a name was seen before.
fn count(seen: &mut HashMap<String, usize>, name: &str) -> usize {
    let times = seen.entry(name.to_owned()).or_default();
    *times += 1;
    *times - 1
}

fn marked(name: &str, number: usize) -> Ident {
    Ident::with_quote('"', if number == 0 { name.to_owned() } else { format!("{name}{MARK}{number}") })
}

/// A name as PostgreSQL reads it: lower case, unless it is quoted.
pub(crate) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The name of a column that is selected as it is.
fn plain_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded),
        _ => None,
    }
}

/// How much a name says: a type's or `case` give way to that of a column or function inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Strong,
}

fn strong(name: &str) -> Option<(String, Strength)> {
    Some((name.to_owned(), Strength::Strong))
}

/// The name that PostgreSQL gives to an expression.
fn figure(expr: &Expr) -> Option<(String, Strength)> {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Some((plain_column(expr)?, Strength::Strong)),
        Expr::Nested(inner) => figure(inner),
        Expr::Collate { expr, .. } => figure(expr),
        Expr::CompoundFieldAccess { root, .. } => figure(root),
        Expr::Cast { expr, data_type, .. } => {
            let own = || Some((type_names::shown(data_type)?, Strength::Weak));
            figure(expr).filter(|(_, strength)| *strength == Strength::Strong).or_else(own)
        }
        Expr::TypedString(typed) => Some((type_names::shown(&typed.data_type)?, Strength::Weak)),
        Expr::Interval(_) => Some(("interval".to_owned(), Strength::Weak)),
        Expr::Case { else_result, .. } => {
            let inner = else_result.as_ref().and_then(|result| figure(result));
            inner.filter(|(_, strength)| *strength == Strength::Strong).or_else(|| Some(("case".to_owned(), Strength::Weak)))
        }
        Expr::Function(function) => figure_function(function),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => figure_query(query),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Trim { trim_where, .. } => {
            use datafusion::sql::sqlparser::ast::TrimWhereField::{Leading, Trailing};
            strong(match trim_where {
                Some(Leading) => "ltrim",
                Some(Trailing) => "rtrim",
                _ => "btrim",
            })
        }
        _ => None,
    }
}

fn figure_function(function: &Function) -> Option<(String, Strength)> {
    let last = function.name.0.last()?.as_ident()?;
    Some((folded(last), Strength::Strong))
}

/// A sub-query is called after its column.
fn figure_query(query: &Query) -> Option<(String, Strength)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => figure(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some((folded(alias), Strength::Strong)),
        _ => None,
    }
}
