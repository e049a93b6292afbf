//! A project with three tables, and short ways to ask.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use gristmill_domain::ErrorCode;
use gristmill_sql_safety::sqlparser::ast::{Expr, Ident, ObjectName, Query, Statement, TableFactor, Visit, Visitor};
use gristmill_sql_safety::{AllowedTable, SqlPolicy, SqlRefusal, ValidatedSql, validate};

pub(crate) fn table(logical: &str) -> AllowedTable {
    AllowedTable { logical: logical.to_owned(), physical: format!("{logical}_0c6a852e") }
}

/// `sales`, `customers`, and a dataset whose name is a reserved word.
pub(crate) fn policy() -> SqlPolicy {
    SqlPolicy::new(vec![table("sales"), table("customers"), table("order")])
}

/// So many cases, or as many as `PROPTEST_CASES` says if that is more; failures are not written beside the sources.
pub(crate) fn cases(cases: u32) -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config::default();
    proptest::test_runner::Config { cases: config.cases.max(cases), failure_persistence: None, ..config }
}

/// As much of a query as a failed test should show.
pub(crate) fn head(sql: &str) -> String {
    sql.chars().take(400).collect()
}

#[track_caller]
pub(crate) fn accept(sql: &str) -> ValidatedSql {
    validate(sql, &policy()).unwrap_or_else(|refusal| panic!("{}\n  refused: {refusal}", head(sql)))
}

#[track_caller]
pub(crate) fn refuse(sql: &str) -> SqlRefusal {
    match validate(sql, &policy()) {
        Ok(query) => panic!("{}\n  accepted as: {}", head(sql), head(query.text())),
        Err(refusal) => refusal,
    }
}

/// Accepts, with this canonical text.
#[track_caller]
pub(crate) fn accept_as(sql: &str, text: &str) {
    assert_eq!(accept(sql).text(), text, "{sql}");
}

/// Refuses by rule, with these words in the message.
#[track_caller]
pub(crate) fn refused(sql: &str, words: &str) {
    check(sql, ErrorCode::SqlRefused, words);
}

/// Refuses as meaningless, with these words in the message.
#[track_caller]
pub(crate) fn invalid(sql: &str, words: &str) {
    check(sql, ErrorCode::SqlInvalid, words);
}

#[track_caller]
fn check(sql: &str, code: ErrorCode, words: &str) {
    let refusal = refuse(sql);
    let is_right = refusal.code() == code && refusal.message().contains(words);
    assert!(is_right, "{}\n  {}: {refusal}\n  not {code}: {words}", head(sql), refusal.code());
}

/// What a tree names, found by the parser's own visitor: independent of the gate's walk.
#[derive(Default)]
pub(crate) struct Named {
    pub(crate) relations: BTreeSet<String>,
    pub(crate) table_functions: BTreeSet<String>,
    pub(crate) with_queries: BTreeSet<String>,
    pub(crate) functions: BTreeSet<String>,
    pub(crate) statements: usize,
}

impl Named {
    pub(crate) fn of(statement: &Statement) -> Self {
        let mut named = Self::default();
        let _: ControlFlow<()> = statement.visit(&mut named);
        // The visitor calls `relation` for a table function too.
        named.relations = &named.relations - &named.table_functions;
        named
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn full(name: &ObjectName) -> String {
    name.0.iter().map(|part| folded(part.as_ident().expect("a plain name"))).collect::<Vec<_>>().join(".")
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.with_queries.insert(folded(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations.insert(full(relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.table_functions.insert(full(name));
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => {}
            other => panic!("not a table factor that may pass: {other}"),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.functions.insert(full(&function.name).to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<()> {
        self.statements += 1;
        ControlFlow::Continue(())
    }
}

/// Everything that must hold for an accepted query, whatever it is.
#[track_caller]
pub(crate) fn check_accepted(query: &ValidatedSql, policy: &SqlPolicy) {
    let named = Named::of(query.statement());
    let allowed: BTreeSet<String> = policy.tables.iter().map(|table| table.logical.clone()).collect();
    assert!(query.tables().is_subset(&allowed), "{}: reads {:?}", query.text(), query.tables());
    for relation in &named.relations {
        let is_known = query.tables().contains(relation) || named.with_queries.contains(relation);
        assert!(is_known, "{}: names {relation}", query.text());
    }
    for name in query.tables() {
        assert!(named.relations.contains(name), "{}: does not name {name}", query.text());
    }
    for name in &named.table_functions {
        assert_eq!(name, "generate_series", "{}", query.text());
    }
    for name in &named.functions {
        assert!(gristmill_sql_safety::functions::is_allowed_function(name), "{}: calls {name}", query.text());
    }
    assert_eq!(named.statements, 1, "{}", query.text());
    let Statement::Query(statement) = query.statement() else { panic!("{} is no query", query.text()) };
    assert!(statement.limit_clause.is_some(), "{} has no limit", query.text());
}

/// Runs on a thread with the stack that Tokio's workers and test threads have.
pub(crate) fn on_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap()
}
