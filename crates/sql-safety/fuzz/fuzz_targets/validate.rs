//! Feeds any text to the gate and checks what it promises about what it lets through.

#![no_main]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use gristmill_sql_safety::functions::is_allowed_function;
use gristmill_sql_safety::sqlparser::ast::{Expr, ObjectName, Query, Statement, TableFactor, Visit, Visitor};
use gristmill_sql_safety::{AllowedTable, RefusalKind, SqlPolicy, validate};
use libfuzzer_sys::fuzz_target;

/// What a tree names, found by the parser's own visitor.
#[derive(Default)]
struct Named {
    relations: BTreeSet<String>,
    with_queries: BTreeSet<String>,
    table_functions: BTreeSet<String>,
}

fn lower(name: &ObjectName) -> String {
    name.to_string().replace('"', "").to_ascii_lowercase()
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.with_queries.insert(cte.alias.name.value.to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations.insert(lower(relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            self.table_functions.insert(lower(name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let name = lower(&function.name);
            assert!(is_allowed_function(&name), "calls {name}");
        }
        ControlFlow::Continue(())
    }
}

fuzz_target!(|sql: &str| {
    let table = |name: &str| AllowedTable { logical: name.to_owned(), physical: format!("{name}_0c6a852e") };
    let policy = SqlPolicy::new(vec![table("sales"), table("order")]);
    let query = match validate(sql, &policy) {
        Ok(query) => query,
        Err(refusal) => {
            assert!(*refusal.kind() != RefusalKind::Unreadable, "the parser broke down");
            return;
        }
    };
    let mut named = Named::default();
    let _: ControlFlow<()> = query.statement().visit(&mut named);
    assert!(matches!(query.statement(), Statement::Query(_)));
    for name in &named.table_functions {
        assert!(name == "generate_series", "reads {name}()");
    }
    for name in &named.relations {
        let is_known = query.tables().contains(name) || named.with_queries.contains(name) || named.table_functions.contains(name);
        assert!(is_known, "reads {name}");
    }
    assert!(query.tables().iter().all(|name| policy.tables.iter().any(|table| table.logical == *name)));
    let again = validate(query.text(), &policy);
    assert!(query.text().len() > 256 * 1024 || again.is_ok_and(|again| again.text() == query.text()), "{}", query.text());
});
