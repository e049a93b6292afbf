//! Texts that nobody means well: no panic, no hang, and what passes keeps every promise.

use gristmill_sql_safety::{RefusalKind, SqlPolicy, validate};
use proptest::prelude::*;

use crate::forms::QUERIES;
use crate::round_trip::check_text;
use crate::support::{cases, check_accepted, policy};

/// Words and signs that mean something somewhere in the parser.
const TOKENS: &[&str] = &[
    "select",
    "from",
    "where",
    "with",
    "recursive",
    "as",
    "union",
    "all",
    "except",
    "intersect",
    "minus",
    "values",
    "table",
    "lateral",
    "join",
    "left",
    "cross",
    "natural",
    "on",
    "using",
    "group",
    "by",
    "having",
    "order",
    "limit",
    "offset",
    "fetch",
    "first",
    "rows",
    "only",
    "for",
    "update",
    "into",
    "insert",
    "delete",
    "merge",
    "set",
    "show",
    "explain",
    "copy",
    "do",
    "call",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast",
    "try_cast",
    "extract",
    "substring",
    "position",
    "trim",
    "overlay",
    "interval",
    "date",
    "timestamp",
    "array",
    "row",
    "struct",
    "map",
    "unnest",
    "exists",
    "not",
    "and",
    "or",
    "is",
    "null",
    "in",
    "between",
    "like",
    "any",
    "some",
    "distinct",
    "over",
    "partition",
    "window",
    "filter",
    "within",
    "qualify",
    "rollup",
    "cube",
    "grouping",
    "sets",
    "at",
    "time",
    "zone",
    "collate",
    "operator",
    "pivot",
    "match_recognize",
    "tablesample",
    "settings",
    "format",
    "prewhere",
    "top",
    "sales",
    "customers",
    "\"SALES\"",
    "sales_0c6a852e",
    "users",
    "\"users\"",
    "pg_class",
    "public",
    "pg_catalog",
    "information_schema",
    "tables",
    "x",
    "t",
    "count",
    "sum",
    "pg_read_file",
    "query_to_xml",
    "version",
    "generate_series",
    "read_csv",
    "now",
    "coalesce",
    "lambda",
    "identifier",
    "json_table",
    "(",
    ")",
    "(",
    ")",
    "(",
    ")",
    ",",
    ",",
    ".",
    ".",
    ";",
    "*",
    "+",
    "-",
    "/",
    "%",
    "^",
    "=",
    "<",
    ">",
    "::",
    ":",
    ":=",
    "=>",
    "->",
    "->>",
    "|>",
    "||",
    "!",
    "@",
    "#",
    "$",
    "?",
    "[",
    "]",
    "{",
    "}",
    "~",
    "&",
    "|",
    "\\",
    "`",
    "1",
    "0",
    "1.5",
    "1e3",
    "0x1f",
    "12ab",
    "'a'",
    "'/etc/passwd'",
    "e'\\n'",
    "u&'\\0041'",
    "n'x'",
    "x'1f'",
    "b'1'",
    "$$a$$",
    "$t$b$t$",
    "$1",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    "\n",
    "\t",
    "é",
    "日",
    "\u{0}",
    "\u{feff}",
    "\u{a0}",
    "\u{202e}",
];

/// Whatever the text is, these hold.
fn check(sql: &str) -> Result<(), TestCaseError> {
    let policy = policy();
    match validate(sql, &policy) {
        Ok(query) => {
            check_accepted(&query, &policy);
            check_text(&query, &policy);
            let nobody = SqlPolicy::new(Vec::new());
            if !query.tables().is_empty() {
                prop_assert!(validate(sql, &nobody).is_err(), "{sql}");
            }
        }
        Err(refusal) if *refusal.kind() == RefusalKind::Unreadable => prop_assert!(false, "{sql}\n  breaks the parser"),
        Err(refusal) => prop_assert!(!refusal.message().is_empty() && refusal.message().len() < 1_000, "{sql}\n  {refusal}"),
    }
    Ok(())
}

fn tokens() -> impl Strategy<Value = String> {
    let word = prop::sample::select(TOKENS);
    prop::collection::vec((word, prop::bool::weighted(0.85)), 0..40)
        .prop_map(|parts| parts.iter().map(|(word, space)| format!("{word}{}", if *space { " " } else { "" })).collect())
}

/// A good query with pieces of it dropped, doubled, swapped or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..5, prop::sample::select(TOKENS));
    (prop::sample::select(QUERIES), prop::collection::vec(edit, 1..6)).prop_map(|(sql, edits)| {
        let mut pieces: Vec<String> = split(sql);
        for (at, other, kind, word) in edits {
            if pieces.is_empty() {
                break;
            }
            let (at, other) = (at.index(pieces.len()), other.index(pieces.len()));
            match kind {
                0 => {
                    pieces.remove(at);
                }
                1 => pieces.insert(at, pieces[other].clone()),
                2 => pieces.swap(at, other),
                3 => pieces[at] = word.to_owned(),
                _ => pieces.insert(at, format!(" {word} ")),
            }
        }
        pieces.concat()
    })
}

fn split(sql: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in sql.chars() {
        match pieces.last_mut() {
            Some(last) if c.is_alphanumeric() && last.chars().all(char::is_alphanumeric) => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

/// A good query with a piece of another one in it.
fn spliced() -> impl Strategy<Value = String> {
    let query = || prop::sample::select(QUERIES);
    (query(), query(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::bool::ANY).prop_map(
        |(left, right, from, to, parens)| {
            let left = split(left);
            let at = from.index(left.len());
            let (head, tail) = left.split_at(at);
            let right = split(right);
            let kept = right[to.index(right.len())..].concat();
            if parens {
                format!("{}({kept}){}", head.concat(), tail.concat())
            } else {
                format!("{}{kept}{}", head.concat(), tail.concat())
            }
        },
    )
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn any_text(sql in any::<String>()) {
        check(&sql)?;
        check(&format!("select {sql}"))?;
        check(&format!("select * from sales where {sql}"))?;
        check(&format!("select * from {sql}"))?;
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_tokens(sql in tokens()) {
        check(&sql)?;
        check(&format!("select {sql}"))?;
        check(&format!("select * from {sql}"))?;
        check(&format!("select * from sales where {sql}"))?;
        check(&format!("with x as (select 1) {sql}"))?;
    }

    #[test]
    fn any_mutation_of_a_good_query(sql in mutated()) {
        check(&sql)?;
    }

    #[test]
    fn any_splice_of_good_queries(sql in spliced()) {
        check(&sql)?;
    }
}
