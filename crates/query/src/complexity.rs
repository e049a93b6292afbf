//! How large a statement becomes once it is a plan. A `WITH` query is planned anew wherever it is named, so that a chain
//! of twenty, each naming the one before twice, stands for a million tables.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::{
    error::Result,
    sql::sqlparser::ast::{ObjectName, Query, Statement, TableFactor, Visit, Visitor},
};

use crate::{error::too_expensive, rewrite::folded};

/// Refuses a statement that stands for more than `relations_max` tables, sub-queries and table functions.
pub(crate) fn check(statement: &Statement, relations_max: usize) -> Result<()> {
    let Statement::Query(query) = statement else { return Ok(()) };
    let relations = count(query, &HashMap::new(), relations_max);
    if relations > relations_max {
        return Err(too_expensive(format!(
            "the query joins more than {relations_max} tables and sub-queries, each use of a WITH query counted; simplify it"
        )));
    }
    Ok(())
}

/// The relations of a query, given those of the `WITH` queries in reach. Counts up to somewhere above `max`.
fn count(query: &Query, outer: &HashMap<String, usize>, max: usize) -> usize {
    let mut known = outer.clone();
    if let Some(with) = &query.with {
        for cte in &with.cte_tables {
            let name = folded(&cte.alias.name);
            let mut inner = known.clone();
            if with.recursive {
                inner.insert(name.clone(), 1);
            }
            let relations = count(&cte.query, &inner, max);
            known.insert(name, relations.max(1));
        }
    }
    let mut counter = Counter { known: &known, max, depth: 0, relations: 0 };
    let _: ControlFlow<()> = query.body.visit(&mut counter);
    counter.relations
}

/// Counts the relations of a body. Queries in it that have a `WITH` of their own are counted on their own.
struct Counter<'a> {
    known: &'a HashMap<String, usize>,
    max: usize,
    /// Inside queries that are counted already.
    depth: usize,
    relations: usize,
}

impl Counter<'_> {
    fn add(&mut self, relations: usize) -> ControlFlow<()> {
        self.relations = self.relations.saturating_add(relations);
        if self.relations > self.max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Visitor for Counter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth > 0 || query.with.is_some() {
            self.depth += 1;
        }
        if self.depth == 1 {
            let inner = count(query, self.known, self.max);
            return self.add(inner);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let relations = cte_relations(name, self.known);
                self.add(relations)
            }
            TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            _ => self.add(1),
        }
    }
}

fn cte_relations(name: &ObjectName, known: &HashMap<String, usize>) -> usize {
    match name.0.as_slice() {
        [part] => part.as_ident().and_then(|ident| known.get(&folded(ident))).copied().unwrap_or(1),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    use super::*;

    fn relations(sql: &str) -> usize {
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let Statement::Query(query) = &statements[0] else { panic!("{sql}") };
        count(query, &HashMap::new(), 1_000_000_000)
    }

    #[test]
    fn counts_every_use_of_a_with_query() {
        for (sql, expected) in [
            ("select 1", 0),
            ("select * from a, b join c on true", 3),
            ("select * from a where x in (select x from b) and exists (select 1 from c)", 3),
            ("select * from (select * from a) s", 2),
            ("with t as (select * from a, b) select * from t x, t y, c", 5),
            ("with t as (select * from a), u as (select * from t, t t2) select * from u, u u2", 4),
            ("with t as (select * from a, b) select (with t as (select * from c) select count(*) from t) from t", 3),
            ("with recursive t as (select 1 union all select * from t, a) select * from t, t t2", 4),
            ("select * from generate_series(1, 3) g", 1),
            ("select * from a union all select * from b", 2),
        ] {
            assert_eq!(relations(sql), expected, "{sql}");
        }
    }

    #[test]
    fn refuses_a_chain_that_doubles_without_counting_it_out() {
        let mut sql = String::from("with t0 as (select * from a)");
        for level in 1..60 {
            sql.push_str(&format!(", t{level} as (select * from t{} x, t{} y)", level - 1, level - 1));
        }
        sql.push_str(" select * from t59");
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap();
        let error = check(&statements[0], 200).unwrap_err().to_string();
        assert!(error.contains("more than 200"), "{error}");
    }
}
