//! The allow-list of functions and what calls may look like (weak spot 3).

use gristmill_sql_safety::ALLOWED_TYPES;
use gristmill_sql_safety::functions::{FunctionKind, allowed_functions, is_allowed_function};

use crate::support::{accept, accept_as, check_accepted, invalid, policy, refused};

#[test]
fn accepts_every_function_of_the_list() {
    for info in allowed_functions() {
        let name = info.name;
        let sql = match info.kind {
            FunctionKind::Scalar => format!("select {name}(a, b) from sales"),
            FunctionKind::Aggregate => format!("select {name}(a) from sales"),
            FunctionKind::Window => format!("select {name}(a) over (order by b) from sales"),
            FunctionKind::Table => format!("select * from {name}(1)"),
        };
        // Some names are syntax of their own with fewer arguments.
        let sql = match name {
            "ceil" | "floor" | "date" => format!("select {name}(a) from sales"),
            "overlay" => "select overlay(a placing b from 1) from sales".to_owned(),
            _ => sql,
        };
        let query = accept(&sql);
        check_accepted(&query, &policy());
        assert_eq!(query.is_volatile(), info.volatile, "{sql}");
    }
}

#[test]
fn accepts_every_type_of_the_list_and_no_type_that_looks_names_up() {
    for name in ALLOWED_TYPES {
        accept(&format!("select cast(a as {name}), a::{name}[] from sales"));
    }
    for name in ["regclass", "oid", "xml", "json"] {
        refused(&format!("select cast(a as {name}) from sales"), "is not available");
    }
}

#[test]
fn refuses_dangerous_functions_wherever_they_stand() {
    for call in [
        "query_to_xml('select * from users', true, true, '')",
        "pg_read_file('/etc/passwd')",
        "PG_READ_FILE('/etc/passwd')",
        "\"pg_read_file\"('/etc/passwd')",
        "set_config('search_path', 'x', false)",
        "current_setting('data_directory')",
        "pg_sleep(10)",
        "version()",
        "input_file_name()",
        "dblink('host=x', 'select 1')",
        "lo_import('/etc/passwd')",
        "nextval('x')",
        "arrow_metadata(a)",
    ] {
        for sql in [
            format!("select {call}"),
            format!("select * from sales where {call} is null"),
            format!("select a from sales order by {call}"),
            format!("select a from sales group by {call}"),
            format!("select 1 from sales having {call} is null"),
            format!("select sum(a) filter (where {call} is null) from sales"),
            format!("select sum(a) over (partition by {call}) from sales"),
            format!("select sum(a) over (order by {call}) from sales"),
            format!("select sum(a) over (order by a rows {call} preceding) from sales"),
            format!("select string_agg(a, ',' order by {call}) from sales"),
            format!("select mode() within group (order by {call}) from sales"),
            format!("select case {call} when 1 then 2 end"),
            format!("select case when a then {call} end from sales"),
            format!("select case when a then 1 else {call} end from sales"),
            format!("select coalesce(1, {call})"),
            format!("select cast({call} as text)"),
            format!("select {call}::text"),
            format!("select array[{call}]"),
            format!("select (array[1])[{call}]"),
            format!("select (array[1])[1:{call}]"),
            format!("select a in (1, {call}) from sales"),
            format!("select {call} in (1)"),
            format!("select a between {call} and 2 from sales"),
            format!("select a like {call} from sales"),
            format!("select a ~ {call} from sales"),
            format!("select a = any (array[{call}]) from sales"),
            format!("select extract(year from {call})"),
            format!("select trim({call} from 'x')"),
            format!("select substring('x', {call})"),
            format!("select position({call} in 'x')"),
            format!("select overlay('x' placing {call} from 1)"),
            format!("select ceil({call})"),
            format!("select -{call}"),
            format!("select not {call}"),
            format!("select 1 + {call} * 2"),
            format!("select ({call}, 1) = (1, 2)"),
            format!("select now() at time zone {call}"),
            format!("select {call} is distinct from 1"),
            format!("values ({call})"),
            format!("select * from generate_series(1, {call})"),
            format!("select * from unnest(array[{call}])"),
            format!("select distinct on ({call}) 1 from sales"),
            format!("with x as (select {call}) select 1"),
            format!("select 1 from sales join customers on {call} is null"),
            format!("select 1 from sales group by grouping sets (({call}))"),
            format!("select row_number() over w from sales window w as (order by {call})"),
            format!("select interval '1 day' * {call}"),
        ] {
            refused(&sql, "is not available");
        }
    }
}

#[test]
fn refuses_names_with_a_schema() {
    for name in ["pg_catalog.count", "pg_catalog.pg_read_file", "public.upper", "information_schema._pg_expandarray", "a.b.c"] {
        refused(&format!("select {name}(a) from sales"), &format!("function {name} is not available"));
    }
    refused("select sales.upper(a) from sales", "function sales.upper is not available");
    refused("select \"pg_catalog\".\"count\"(*) from sales", "function pg_catalog.count is not available");
}

#[test]
fn quoted_names_are_functions_too() {
    accept_as("select \"COUNT\"(*), \"Upper\"('a') from sales", "SELECT \"count\"(*), \"upper\"('a') FROM sales LIMIT 200");
    accept_as("select \"substring\"('a', 1) from sales", "SELECT \"substring\"('a', 1) FROM sales LIMIT 200");
    refused("select \"VERSION\"()", "function VERSION is not available");
}

#[test]
fn offers_what_was_probably_meant() {
    refused("select group_concat(a) from sales", "function group_concat is not available; did you mean \"string_agg\"?");
    refused("select IFNULL(a, 1) from sales", "did you mean \"coalesce\"?");
    refused("select date_trunk('day', a) from sales", "did you mean \"date_trunc\"?");
    refused("select strftime(a, 'x') from sales", "did you mean \"to_char\"?");
    refused("select nothing_like_it(a) from sales", "function nothing_like_it is not available");
}

#[test]
fn functions_without_parentheses() {
    for name in ["current_date", "CURRENT_TIME", "current_timestamp", "localtime", "localtimestamp"] {
        assert!(accept(&format!("select {name}")).is_volatile());
        assert!(accept(&format!("select * from sales where day < {name}")).is_volatile());
    }
    for name in ["user", "current_user", "session_user", "current_catalog"] {
        refused(&format!("select {name}"), &format!("function {name} is not available"));
    }
    accept("select \"user\", \"current_user\" from sales");
}

#[test]
fn kinds_have_their_clauses() {
    for sql in [
        "select count(*), count(distinct a), count(all a), count(sales.*) from sales",
        "select sum(a) filter (where b > 1) from sales",
        "select sum(a) filter (where b > 1) over (partition by c) from sales",
        "select string_agg(distinct a, ',' order by a desc nulls last) from sales",
        "select array_agg(a order by b) from sales",
        "select percentile_cont(0.5) within group (order by a), percentile_disc(array[0.1, 0.9]) within group (order by a desc) from sales",
        "select mode() within group (order by a) filter (where b) from sales",
        "select first_value(a) ignore nulls over (order by b) from sales",
        "select lag(a, 1, 0) over (partition by b order by c) from sales",
        "select ntile(4) over (order by a) from sales",
        "select sum(a) over () from sales",
        "select sum(a) over (order by b range between unbounded preceding and 1 following) from sales",
        "select sum(a) over (order by b groups between 1 preceding and unbounded following) from sales",
        "select rank() over w, sum(a) over w from sales window w as (partition by b order by c)",
        "select grouping(a, b) from sales group by cube (a, b)",
        "select make_interval(days => 3)",
    ] {
        accept(sql);
    }
    for (sql, words) in [
        ("select row_number() from sales", "window function row_number requires an OVER clause"),
        ("select upper(a) over () from sales", "OVER specified, but upper is not an aggregate function"),
        ("select upper(distinct a) from sales", "DISTINCT specified, but upper is not an aggregate function"),
        ("select upper(a) filter (where true) from sales", "FILTER specified, but upper is not an aggregate function"),
        ("select upper(a order by b) from sales", "ORDER BY specified, but upper is not an aggregate function"),
        (
            "select upper(a) within group (order by b) from sales",
            "WITHIN GROUP specified, but upper is not an aggregate function",
        ),
        ("select upper(a) ignore nulls from sales", "IGNORE or RESPECT NULLS specified"),
        ("select rank(distinct a) over (order by b) from sales", "but rank is a window function"),
        ("select sum(a) within group (order by b) from sales", "sum is not an ordered-set aggregate"),
        ("select mode() within group (order by a) over () from sales", "WITHIN GROUP goes with neither"),
        ("select sum(*) from sales", "only count(*) is"),
        ("select upper(sales.*) from sales", "only count(*) is"),
        ("select generate_series(1, 3)", "function generate_series can only be called in FROM"),
        ("select sum(a) over nowhere from sales", "window \"nowhere\" does not exist"),
        ("select sum(a) over w from sales window w as (order by b), w as (order by c)", "window \"w\" is already defined"),
    ] {
        invalid(sql, words);
    }
    // The engine looks named windows up in the SELECT list only.
    for sql in [
        "select a from sales window w as (order by b) order by sum(a) over w",
        "select a from sales window w as (order by b) qualify rank() over w = 1",
        "select (select sum(x) over w from customers window w as (order by x)) from sales window w as (order by b)",
        "select (select sum(x) over w from customers window w as (order by x)) from sales",
    ] {
        refused(sql, "a named window outside the SELECT list");
    }
    accept("select * from (select sum(x) over w from customers window w as (order by x)) t");
    invalid("select sum(a) over w from sales window w as (order by b), v as w", "syntax error");
}

#[test]
fn odd_calls_are_refused() {
    for sql in [
        "select array(select a from sales)",
        "select {fn upper('a')}",
        "select histogram(0.5)(a) from sales",
        "select count(a, b limit 1) from sales",
        "select array_agg(a limit 1) from sales",
        "select listagg(a, ',' on overflow truncate with count) from sales",
        "select any_value(a having max b) from sales",
        "select group_concat(a separator ',') from sales",
        "select json_object('a': 1)",
        "select json_object('a' value 1)",
        "select upper(a := 1)",
        "select upper(a = 1 => 2)",
        "select convert(a, int) from sales",
        "select convert(a using utf8) from sales",
        "select f.g.h(1)",
        "select identifier('users')",
        "select xmlparse(document '<a/>')",
        "select 1 from identifier('users')",
    ] {
        crate::support::refuse(sql);
    }
}

#[test]
fn tells_what_must_not_be_cached() {
    for sql in [
        "select now()",
        "select random()",
        "select Random() from sales",
        "select age(a) from sales",
        "select clock_timestamp()",
        "select * from sales where a > now() - interval '1 day'",
        "select current_date - a from sales",
        "select 'now'::timestamp",
        "select date 'today'",
        "select cast(' Yesterday' as date)",
        "select timestamp 'tomorrow'",
        "select * from (select random()) t",
        "with x as (select now()) select 1",
        "select 1 order by random()",
        "select sum(a) over (order by random()) from sales",
        "select \"NOW\"()",
        "select e'now'::timestamptz",
        "select ('now')::text::timestamp",
        "select $$now$$::date",
        "select * from sales where day = 'TODAY'",
        "select * from sales where day >= 'yesterday 10:00'",
    ] {
        assert!(accept(sql).is_volatile(), "{sql}");
    }
    for sql in [
        "select 1",
        "select age(a, b) from sales",
        "select 'nowhere'",
        "select 'not today' from sales",
        "select now from sales",
        "select date '2020-01-01'",
        "select random from sales",
        "select 'random()'",
        "select \"now()\" from sales",
        "select to_char(a, 'YYYY') from sales",
    ] {
        assert!(!accept(sql).is_volatile(), "{sql}");
    }
}

#[test]
fn the_list_answers_for_any_case() {
    assert!(is_allowed_function("Date_Trunc"));
    assert!(!is_allowed_function("date_trunc "));
    assert!(!is_allowed_function(""));
    assert!(!is_allowed_function("pg_catalog.count"));
}
