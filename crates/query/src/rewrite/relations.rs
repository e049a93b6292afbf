//! Queries and table functions.

use datafusion::{
    error::Result,
    sql::sqlparser::ast::{Ident, LimitClause, ObjectName, Query, TableAlias, TableAliasColumnDef, TableFactor},
};

use crate::error::invalid;

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
pub(super) fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        return Err(invalid("FETCH FIRST with PERCENT or WITH TIES is not supported"));
    }
    let quantity = fetch.quantity.unwrap_or_else(|| {
        datafusion::sql::sqlparser::ast::Expr::value(datafusion::sql::sqlparser::ast::Value::Number("1".to_owned(), false))
    });
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(quantity),
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: vec![] });
        }
        Some(_) => return Err(invalid("multiple LIMIT clauses not allowed")),
    }
    Ok(())
}

/// The column of a table function is called as its table is: `generate_series(1, 3) n` has a column `n`.
pub(super) fn name_function_columns(factor: &mut TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { name, alias, args: Some(_), with_ordinality, .. } => {
            if *with_ordinality {
                return Err(invalid("WITH ORDINALITY is not supported; row_number() over () numbers rows"));
            }
            let function = function_name(name);
            set_alias(alias, &function);
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
            if *with_ordinality {
                return Err(invalid("WITH ORDINALITY is not supported; row_number() over () numbers rows"));
            }
            if array_exprs.len() == 1 {
                set_alias(alias, "unnest");
            }
        }
        _ => {}
    }
    Ok(())
}

fn function_name(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map_or_else(String::new, |ident| ident.value.to_lowercase())
}

fn set_alias(alias: &mut Option<TableAlias>, function: &str) {
    let alias = alias.get_or_insert_with(|| TableAlias { explicit: true, name: Ident::new(function), columns: vec![], at: None });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}
