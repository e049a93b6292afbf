//! LIMIT by the tree (weak spot 20).

use gristmill_domain::limits::{SQL_LIMIT_DEFAULT, SQL_ROWS_MAX};
use gristmill_sql_safety::{SqlPolicy, validate};

use crate::support::{accept, accept_as, invalid, policy, refused, table};

#[test]
fn adds_the_default_to_the_outermost_query_only() {
    for (sql, text) in [
        ("select a from sales", "SELECT a FROM sales LIMIT 200"),
        ("select * from (select a from sales limit 5) t", "SELECT * FROM (SELECT a FROM sales LIMIT 5) t LIMIT 200"),
        (
            "with t as (select a from sales limit 5) select * from t",
            "WITH t AS (SELECT a FROM sales LIMIT 5) SELECT * FROM t LIMIT 200",
        ),
        ("select a as \"limit 5\" from sales", "SELECT a AS \"limit 5\" FROM sales LIMIT 200"),
        ("select 'limit 5' from sales", "SELECT 'limit 5' FROM sales LIMIT 200"),
        ("select (select max(a) from sales limit 1)", "SELECT (SELECT max(a) FROM sales LIMIT 1) LIMIT 200"),
        ("select a from sales -- limit 5", "SELECT a FROM sales LIMIT 200"),
        ("select a from sales offset 7", "SELECT a FROM sales LIMIT 200 OFFSET 7"),
        ("select a from sales order by a", "SELECT a FROM sales ORDER BY a LIMIT 200"),
        ("select 1 union select 2", "SELECT 1 UNION SELECT 2 LIMIT 200"),
        (
            "(select a from sales limit 5) union (select a from sales limit 6)",
            "(SELECT a FROM sales LIMIT 5) UNION (SELECT a FROM sales LIMIT 6) LIMIT 200",
        ),
        ("(select a from sales limit 5)", "SELECT a FROM sales LIMIT 5"),
        ("((select a from sales limit 500)) limit 3", "((SELECT a FROM sales LIMIT 500)) LIMIT 3"),
        ("(select a from sales limit 5) order by a", "(SELECT a FROM sales LIMIT 5) ORDER BY a LIMIT 200"),
        ("(with x as (select 1) select * from x)", "WITH x AS (SELECT 1) SELECT * FROM x LIMIT 200"),
    ] {
        accept_as(sql, text);
    }
}

#[test]
fn keeps_the_users_limit_and_caps_the_rows() {
    for (sql, text) in [
        ("select a from sales limit 10", "SELECT a FROM sales LIMIT 10"),
        ("select a from sales limit 400000", "SELECT a FROM sales LIMIT 400000"),
        ("select a from sales limit 0", "SELECT a FROM sales LIMIT 0"),
        ("select a from sales limit 9223372036854775807", "SELECT a FROM sales LIMIT 9223372036854775807"),
        ("select a from sales limit 10 offset 20", "SELECT a FROM sales LIMIT 10 OFFSET 20"),
        ("select a from sales offset 20 limit 10", "SELECT a FROM sales LIMIT 10 OFFSET 20"),
        ("select a from sales offset 20 rows fetch next 10 rows only", "SELECT a FROM sales LIMIT 10 OFFSET 20 ROWS"),
        ("select a from sales fetch first row only", "SELECT a FROM sales LIMIT 1"),
        ("select a from sales fetch first 5 rows only", "SELECT a FROM sales LIMIT 5"),
        (
            "select * from (select a from sales fetch first 5 rows only) t limit 1",
            "SELECT * FROM (SELECT a FROM sales LIMIT 5) t LIMIT 1",
        ),
        ("select a from sales limit all", "SELECT a FROM sales LIMIT 200"),
        ("select a from sales limit null", "SELECT a FROM sales LIMIT 200"),
        ("select a from sales limit all offset 3", "SELECT a FROM sales LIMIT 200 OFFSET 3"),
        ("select a from sales limit 5 offset null", "SELECT a FROM sales LIMIT 5"),
        ("select a from sales limit 1_000", "SELECT a FROM sales LIMIT 1_000"),
        ("select a from sales limit 2 * (3 + 4) - 1", "SELECT a FROM sales LIMIT 13"),
        ("select a from sales limit +5", "SELECT a FROM sales LIMIT 5"),
        ("select a from sales limit 5::bigint", "SELECT a FROM sales LIMIT 5"),
        ("select a from sales limit - - 5", "SELECT a FROM sales LIMIT 5"),
    ] {
        accept_as(sql, text);
        assert_eq!(accept(sql).rows_cap(), SQL_ROWS_MAX);
    }
}

#[test]
fn refuses_limits_that_are_no_constants() {
    for sql in ["limit -1", "limit 1 - 2", "limit (-5)"] {
        invalid(&format!("select a from sales {sql}"), "LIMIT must not be negative");
    }
    invalid("select a from sales offset -1", "OFFSET must not be negative");
    invalid("select * from (select a from sales limit -1) t", "LIMIT must not be negative");
    for limit in [
        "a",
        "'5'",
        "1.5",
        "1e3",
        "(select 5)",
        "random()",
        "length('abc')",
        "true",
        "9223372036854775808",
        "99999999999999999999999",
        "9223372036854775807 + 1",
        "1 / 0",
        "5::text",
        "case when true then 1 end",
        "array[1]",
        "(select count(*) from users)",
    ] {
        invalid(&format!("select a from sales limit {limit}"), "LIMIT must be a constant whole number");
        invalid(&format!("select a from sales offset {limit}"), "OFFSET must be a constant whole number");
        invalid(&format!("select * from (select a from sales limit {limit}) t"), "LIMIT must be a constant whole number");
    }
    invalid("select a from sales limit 5 fetch first 3 rows only", "LIMIT and FETCH cannot be used together");
    invalid("select a from sales limit 1, 2", "syntax error at or near \",\"");
    refused("select a from sales fetch first 3 rows with ties", "WITH TIES");
    invalid("select a from sales fetch first a rows only", "syntax error at or near");
    invalid("select a from sales limit", "syntax error at or near end of input");
    invalid(&format!("select a from sales limit {}1{}", "(".repeat(40), ")".repeat(40)), "LIMIT must be a constant");
}

#[test]
fn the_policy_sets_both_numbers() {
    assert_eq!((policy().limit_default, policy().rows_max), (SQL_LIMIT_DEFAULT, SQL_ROWS_MAX));
    let policy = SqlPolicy { tables: vec![table("sales")], limit_default: 25, rows_max: 50 };
    let query = validate("select a from sales", &policy).unwrap();
    assert_eq!((query.text(), query.rows_cap()), ("SELECT a FROM sales LIMIT 25", 50));
}
