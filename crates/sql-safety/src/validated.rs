//! From text to [`ValidatedSql`].

use std::collections::BTreeSet;

use sqlparser::ast::{Query, Statement};

use crate::lex::{lex, tokens};
use crate::parse::parse;
use crate::policy::{SqlPolicy, TableIndex};
use crate::refusal::{Gate, RefusalKind, SqlRefusal};
use crate::walk::{Findings, limit_outermost, walk};

/// A query that may run: only [`validate`] makes one.
#[derive(Debug, Clone)]
pub struct ValidatedSql {
    statement: Statement,
    text: String,
    tables: BTreeSet<String>,
    rows_cap: u32,
    is_volatile: bool,
}

impl ValidatedSql {
    /// The checked tree, for the engine. Tables have their logical names, unquoted where that is possible; names of
    /// WITH queries, columns and aliases are as written. Spans are places in the text that was checked, which is not
    /// [`Self::text`] unless it was canonical.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The checked tree, given away.
    #[must_use]
    pub fn into_statement(self) -> Statement {
        self.statement
    }

    /// The query in canonical form, with its limit: for the user to see, and with the versions of [`Self::tables`] the
    /// key of a cache. Parsed with [`crate::dialect::SqlDialect`], it gives [`Self::statement`]. Every literal keeps its
    /// value, and its spelling but for the prefixes `U&` and `N`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The logical names of the tables that the query reads.
    #[must_use]
    pub fn tables(&self) -> &BTreeSet<String> {
        &self.tables
    }

    /// Most rows that may be returned, whatever the query's own limit is. Fetch one more to learn whether rows were cut.
    #[must_use]
    pub fn rows_cap(&self) -> u32 {
        self.rows_cap
    }

    /// Whether two runs over the same data can differ, because of `now()`, `random()` and the like: do not cache.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.is_volatile
    }
}

/// Checks a query against a policy. It depends on nothing but its arguments, and takes time linear in the length of the
/// text. It starts a thread of its own for the parser's sake and waits for it.
///
/// # Errors
/// `SqlInvalid` when the text does not parse or names something that does not exist, `SqlRefused` when a rule forbids
/// it. See [`RefusalKind`].
pub fn validate(sql: &str, policy: &SqlPolicy) -> Result<ValidatedSql, SqlRefusal> {
    on_large_stack(|| validate_here(sql, policy))
}

fn validate_here(sql: &str, policy: &SqlPolicy) -> Gate<ValidatedSql> {
    // An editor's byte order mark.
    let sql = sql.strip_prefix('\u{feff}').unwrap_or(sql);
    let mut query = parse(lex(sql)?)?;
    let Findings { tables, is_volatile } = walk(&mut query, &TableIndex::new(policy))?;
    limit_outermost(&mut query, policy.limit_default);
    let text = query.to_string();
    check_round_trip(&query, &text)?;
    Ok(ValidatedSql { statement: Statement::Query(query), text, tables, rows_cap: policy.rows_max, is_volatile })
}

/// Stack for parsing, bytes. Address space; only what is touched takes memory.
///
/// The parser recurses, and how much stack it takes between two of its own checks is not for us to bound: in a debug build
/// about 100 KiB a level, so that ten subqueries in FROM overflow 2 MiB. [`crate::limits::NESTING_DEPTH_MAX`] levels take
/// a fifth of this.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Runs the check on a thread that the parser cannot overflow. A panic of the parser ends there, too.
fn on_large_stack(check: impl Fn() -> Gate<ValidatedSql> + Send + Sync) -> Gate<ValidatedSql> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql-gate".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, &check);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(checked)) => checked,
            Ok(Err(_panic)) => Err(SqlRefusal::whole(RefusalKind::Unreadable)),
            Err(_) => Err(SqlRefusal::whole(RefusalKind::TooComplex("no thread is free to check it; try again".to_owned()))),
        }
    })
}

/// Two different queries must not print alike, or one would be answered with the other's cached result; and what is
/// shown must be what ran.
fn check_round_trip(query: &Query, text: &str) -> Gate<()> {
    match tokens(text).and_then(parse) {
        Ok(again) if *again == *query => Ok(()),
        _ => Err(SqlRefusal::whole(RefusalKind::construct_but("this combination of operators", "add parentheses or spaces"))),
    }
}
