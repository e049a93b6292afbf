//! Size and depth: a clear refusal, and never an overflow or a hang.

use gristmill_domain::ErrorCode;
use gristmill_sql_safety::limits::{
    BRACKETS_DEPTH_MAX, EXPRESSION_DEPTH_MAX, LIST_ELEMENTS_MAX, RELATIONS_MAX, SET_OPERATIONS_MAX, SQL_TEXT_BYTES_MAX,
    WITH_QUERIES_MAX,
};
use gristmill_sql_safety::{RefusalKind, validate};

use crate::support::{accept, invalid, on_small_stack, policy, refuse, refused};

/// Repeats a part between a head and a tail.
fn chain(head: &str, part: &str, times: usize, tail: &str) -> String {
    format!("{head}{}{tail}", part.repeat(times))
}

fn nested(open: &str, core: &str, close: &str, times: usize) -> String {
    format!("select {}{core}{}", open.repeat(times), close.repeat(times))
}

#[track_caller]
fn too_complex(sql: &str) {
    let refusal = refuse(sql);
    let head: String = sql.chars().take(60).collect();
    assert!(matches!(refusal.kind(), RefusalKind::TooComplex(_)), "{head}… {refusal}");
    assert_eq!(refusal.code(), ErrorCode::SqlRefused);
}

#[test]
fn refuses_long_texts() {
    let sql = format!("select '{}'", "x".repeat(SQL_TEXT_BYTES_MAX));
    assert!(matches!(refuse(&sql).kind(), RefusalKind::TooLong { bytes_max: SQL_TEXT_BYTES_MAX, .. }));
    let sql = format!("select '{}'", "x".repeat(SQL_TEXT_BYTES_MAX - 9));
    assert_eq!(sql.len(), SQL_TEXT_BYTES_MAX);
    accept(&sql);
}

#[test]
fn refuses_nul_characters() {
    for sql in ["select '\0'", "select 1 -- \0", "select \"\0\"", "\0", "select U&'\\0000'"] {
        invalid(sql, "NUL");
    }
    for sql in ["select E'\\0'", "select E'\\x00'", "select E'\\u0000'"] {
        invalid(sql, "syntax error at or near");
    }
}

#[test]
fn survives_what_is_nested_without_end() {
    on_small_stack(|| {
        for times in [500, 100_000] {
            for (open, core, close) in [
                ("(", "1", ")"),
                ("((", "1", "))"),
                ("not ", "true", ""),
                ("- ", "1", ""),
                ("array[", "1", "]"),
                ("a[", "1", "]"),
                ("{", "1", "}"),
                ("(select ", "1", ")"),
                ("exists (select ", "1", ")"),
                ("case when ", "true", " then 1 end"),
                ("1 in (", "1", ")"),
                ("1 + (", "1", ")"),
                ("(1,", "1", ")"),
            ] {
                let mut sql = nested(open, core, close, times);
                let fits = sql.floor_char_boundary(SQL_TEXT_BYTES_MAX);
                sql.truncate(fits);
                let refusal = validate(&sql, &policy()).unwrap_err();
                assert!(matches!(refusal.kind(), RefusalKind::TooComplex(_) | RefusalKind::Syntax { .. }), "{open}: {refusal}");
            }
        }
    });
}

#[test]
fn refuses_deep_nesting_in_from_and_in_types() {
    on_small_stack(|| {
        for times in [70, 126, 5_000] {
            too_complex(&format!("select * from {}select 1{}", "(select * from (".repeat(times), ")) x".repeat(times)));
            too_complex(&format!("select * from {}sales{}", "(".repeat(times), " cross join sales)".repeat(times)));
        }
        refused(&format!("select cast(1 as {}int{})", "array<".repeat(20_000), ">".repeat(20_000)), "ARRAY<…>");
        refused(&format!("select 1::{}int", "table(a ".repeat(20_000)), "TABLE(…)");
        refused(&chain("select 1::int", "[]", 100, ""), "type int[]");
        too_complex(&chain("select 1::int", "[]", 100_000, ""));
        too_complex(&chain("select a", "[1]", 80_000, " from sales"));
        invalid(&chain("select ", "interval ", 20_000, "'1'"), "syntax error at or near \"interval\"");
        refused(&chain("select * from sales ", "unpivot (a for b in (c)) ", 7_000, ""), "UNPIVOT");
        refused(&chain("select * from sales ", "PIVOT(sum(a) for b in ('c')) ", 6_000, ""), "PIVOT");
    });
}

#[test]
fn refuses_long_chains_of_operators() {
    on_small_stack(|| {
        for part in [
            "+a",
            "||'x'",
            " and a",
            " or a=1",
            "::int",
            " is null",
            " = any (array[1])",
            " between 1 and 2",
            " in (1)",
            " like 'x'",
            " at time zone 'utc'",
            "^2",
            "-1",
            " is distinct from a",
            " not in (1)",
            " collate x",
            " is not true",
        ] {
            for times in [EXPRESSION_DEPTH_MAX + 10, 60_000] {
                let mut sql = chain("select a", part, times, "");
                sql.truncate(SQL_TEXT_BYTES_MAX);
                let refusal = validate(&sql, &policy()).unwrap_err();
                let is_bounded = matches!(
                    refusal.kind(),
                    RefusalKind::TooComplex(_) | RefusalKind::Syntax { .. } | RefusalKind::Construct { .. }
                );
                assert!(is_bounded, "{part}: {refusal}");
            }
        }
        // Deep on the left inside brackets, one level after another.
        let mut sql = "a".to_owned();
        for _ in 0..60 {
            sql = format!("({sql}{})", "+a".repeat(200));
        }
        too_complex(&format!("select {sql}"));
    });
}

#[test]
fn accepts_what_people_write_at_length() {
    let conditions = (0..200).map(|n| format!("a = {n}")).collect::<Vec<_>>().join(" or ");
    accept(&format!("select * from sales where {conditions}"));
    let columns = (0..16_384).map(|n| format!("\"column {n}\"")).collect::<Vec<_>>();
    // As many columns as fit.
    accept(&format!("select {} from sales", columns.get(..12_000).unwrap().join(",")));
    let branches = (0..400).map(|n| format!("when a = {n} and b > {n} then 'v{n}' ")).collect::<String>();
    accept(&format!("select case {branches} end from sales"));
    accept(&format!("select * from sales where a in ({})", vec!["1"; LIST_ELEMENTS_MAX].join(",")));
    let rows = vec!["(1,'a')"; 10_000].join(",");
    accept(&format!("select * from (values {rows}) as t(a, b)"));
    accept(&format!("select {}1{}", "coalesce(".repeat(50), ")".repeat(50)));
    accept(&format!("select * from {}sales{}", "(select * from ".repeat(15), ") x".repeat(15)));
}

#[test]
fn bounds_lists_joins_and_queries() {
    too_complex(&format!("select * from sales where a in ({})", vec!["1"; LIST_ELEMENTS_MAX + 1].join(",")));
    too_complex(&format!("select array[{}]", vec!["1"; LIST_ELEMENTS_MAX + 1].join(",")));
    too_complex(&format!("select concat({})", vec!["1"; LIST_ELEMENTS_MAX + 1].join(",")));
    let tables = |count: usize| (0..count).map(|n| format!("sales s{n}")).collect::<Vec<_>>().join(", ");
    accept(&format!("select 1 from {}", tables(RELATIONS_MAX)));
    too_complex(&format!("select 1 from {}", tables(RELATIONS_MAX + 1)));
    let joins = |count: usize| (0..count).map(|n| format!(" join sales s{n} using (a)")).collect::<String>();
    accept(&format!("select 1 from sales{}", joins(RELATIONS_MAX - 1)));
    too_complex(&format!("select 1 from sales{}", joins(RELATIONS_MAX)));
    invalid(&format!("select 1 from sales{}{}", " join customers".repeat(50), " on true".repeat(50)), "");
    accept(&chain("select 1", " union all select 1", SET_OPERATIONS_MAX, ""));
    too_complex(&chain("select 1", " union all select 1", SET_OPERATIONS_MAX + 1, ""));
    too_complex(&chain("select 1", " intersect select 1", 10_000, ""));
    let with = |count: usize| (0..count).map(|n| format!("w{n} as (select 1)")).collect::<Vec<_>>().join(", ");
    accept(&format!("with {} select 1", with(WITH_QUERIES_MAX)));
    too_complex(&format!("with {} select 1", with(WITH_QUERIES_MAX + 1)));
    too_complex(&chain("select 1", ",1", 60_000, ""));
    too_complex(&nested("(", "1", ")", BRACKETS_DEPTH_MAX + 1));
}

/// The parser tries alternatives, and tries them again inside each other.
#[test]
fn does_not_take_time_exponential_in_the_depth() {
    for times in [12, 55] {
        for (open, close) in [
            ("coalesce(", ")"),
            ("position(1,", ")"),
            ("position(", " in 'x')"),
            ("cast(", " as int)"),
            ("trim(", ")"),
            ("substring(", " from 1)"),
            ("extract(year from ", ")"),
            ("interval (", ")"),
            ("floor(", ")"),
            ("overlay(", " placing 'x' from 1)"),
        ] {
            for core in ["1", "!"] {
                // It ends; with what does not matter here.
                let _: Result<_, _> = validate(&nested(open, core, close, times), &policy());
            }
        }
        for tail in ["", " x"] {
            let _: Result<_, _> = validate(&format!("{}{tail}", "select * from ((".repeat(times)), &policy());
            let _: Result<_, _> = validate(&format!("{}1{tail}", "select * from ((select * from (".repeat(times)), &policy());
            let _: Result<_, _> = validate(&format!("{}1{tail}", "with x as (".repeat(times)), &policy());
            let _: Result<_, _> = validate(&format!("select {}1{tail}", "a.(".repeat(times)), &policy());
            let _: Result<_, _> = validate(&format!("select {}1{tail}", "a.cast(".repeat(times)), &policy());
            let _: Result<_, _> = validate(&format!("select {}1{tail}", "case cast(".repeat(times)), &policy());
        }
    }
}

/// What passes can be cloned, compared, printed, walked and dropped on an ordinary stack, in a debug build.
#[test]
fn accepted_trees_fit_on_the_stack() {
    on_small_stack(|| {
        let depth = EXPRESSION_DEPTH_MAX - 2;
        let deepest = [
            chain("select a", "+a", depth, " from sales"),
            chain("select a", " or a=1", depth - 1, " from sales"),
            chain("select a", "::int", depth, " from sales"),
            chain("select 1", " union select 1", SET_OPERATIONS_MAX, ""),
            nested("(", "1", ")", 60),
            nested("coalesce(", "1", ")", 60),
            nested("case when ", "true", " then 1 end", 60),
            nested("(select ", "1", ")", 30),
            format!("select * from {}sales{}", "(select * from ".repeat(30), ") x".repeat(30)),
            format!(
                "select * from {}sales{}",
                "(".repeat(29),
                (0..29).map(|n| format!(" cross join sales s{n})")).collect::<String>()
            ),
        ];
        for sql in deepest {
            let query = match validate(&sql, &policy()) {
                Ok(query) => query,
                Err(refusal) => panic!("{}… {refusal}", sql.chars().take(50).collect::<String>()),
            };
            let copy = query.statement().clone();
            assert!(copy == *query.statement());
            assert!(copy.to_string() == query.text());
            crate::support::check_accepted(&query, &policy());
        }
    });
}
