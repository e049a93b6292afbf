//! The PostgreSQL that analysts and models write must pass (issue 2, item 7).

use crate::support::{accept, accept_as, check_accepted, invalid, policy, refused};

/// Queries of every flavour; also the seeds of the hostile tests.
pub(crate) const QUERIES: &[&str] = &[
    "select ~a, a & ~b, array[a] && array[b, 1], region ^@ 'n' from sales where not region ^@ 's'",
    "select count(*) from sales",
    "select region, sum(amount) total from sales group by region having sum(amount) > 10 order by total desc nulls last limit 10",
    "select \"region\", COUNT(*) FILTER (WHERE \"amount\" > 10) AS \"big\", ROUND(AVG(\"amount\"), 2) FROM \"sales\" GROUP BY 1 LIMIT 10000",
    "select date_trunc('month', day) as m, stddev(amount) from sales where day >= date '2024-01-01' group by 1 order by 1",
    "with monthly as (select date_trunc('month', day) m, sum(amount) a from sales group by 1) select m, a, lag(a) over (order by m) from monthly",
    "select case when amount > 100 then 'big' when amount is null then null else 'small' end as size, count(*) from sales group by 1",
    "select case region when 'n' then 1 else 2 end from sales",
    "select s.*, c.name from sales s left outer join customers c on s.customer_id = c.id and c.active is not false",
    "select * from sales natural join customers",
    "select * from sales full join customers using (id, region) where sales.id is null",
    "select * from sales s right join (customers c cross join \"order\" o) on s.id = c.id",
    "select * from sales, customers where sales.id = customers.id",
    "select distinct region from sales order by region",
    "select distinct on (region) region, amount from sales order by region, amount desc",
    "select row_number() over (partition by region order by amount desc, id) rn, ntile(4) over (order by amount) from sales",
    "select sum(amount) over (order by day rows between 6 preceding and current row) from sales",
    "select first_value(amount) over w, last_value(amount) over w from sales window w as (partition by region order by day)",
    "select region, product, sum(amount), grouping(region, product) from sales group by rollup (region, product)",
    "select region, sum(amount) from sales group by cube (region, (product, day))",
    "select region, sum(amount) from sales group by grouping sets ((region, product), (region), ())",
    "select region, sum(amount) from sales group by region, rollup (product)",
    "select percentile_cont(0.5) within group (order by amount), mode() within group (order by region) from sales",
    "select corr(a, b), covar_pop(a, b), regr_slope(a, b), regr_r2(a, b), var_samp(a), stddev_pop(b), median(a) from sales",
    "select string_agg(name, ', ' order by name), array_agg(distinct name) from customers",
    "select extract(year from day), extract(epoch from day), extract(dow from day), date_part('week', day) from sales",
    "select day::date, amount::numeric(10,2), cast(id as varchar(20)), try_cast(name as int), id::text || 'x' from sales",
    "select interval '1 day', interval '2' hour, interval '1 year 2 months', day + interval '3 days', now() - interval '1' month from sales",
    "select timestamp '2024-01-01 10:00:00', timestamp with time zone '2024-01-01 10:00:00+01', time '10:00', date '2024-01-01'",
    "select day at time zone 'UTC', date_bin('15 minutes', day, timestamp '2001-01-01') from sales",
    "select to_char(day, 'YYYY-MM'), to_date('2024', 'YYYY'), to_timestamp(0), make_date(2024, 1, 1), age(day, day) from sales",
    "select substring(name from 2 for 3), substring(name, 2), substr(name, 1, 2), position('a' in name), overlay(name placing 'x' from 1 for 2) from customers",
    "select trim(name), trim(both 'x' from name), trim(leading 'x' from name), trim(trailing 'y' from name), trim(name, 'z'), btrim(name, 'x') from customers",
    "select left(name, 2), right(name, 2), replace(name, 'a', 'b'), lpad(name, 10, '0'), split_part(name, '-', 1), initcap(name) from customers",
    "select name like 'a%', name not like '%b', name ilike '_c', name like 'a\\%' escape '\\', name similar to '(a|b)%' from customers",
    "select name ~ '^a', name !~ 'b', name ~* 'C', name !~* 'd', name ~~ 'a%', name !~~* 'b%' from customers",
    "select regexp_replace(name, '(a)(b)', '\\2\\1', 'g'), regexp_match(name, 'x(.)'), regexp_like(name, 'x') from customers",
    "select amount between 1 and 10, amount not between 5 and 6, amount in (1, 2, 3), amount not in (4) from sales",
    "select a is null, b is not null, c is true, d is not true, e is false, f is unknown, g is not unknown, h notnull from sales",
    "select a is distinct from b, a is not distinct from b from sales where a is distinct from 1 and b is not distinct from 2 or c",
    "select * from sales where (a, b) in ((1, 2), (3, 4)) and (a, b) = (select 1, 2)",
    "select * from sales where amount = any (array[1, 2]) and amount > all (select 1) and amount <> some (select 2)",
    "select * from sales where exists (select 1 from customers c where c.id = sales.id) and not exists (select 1)",
    "select (select max(amount) from sales s2 where s2.region = s1.region) from sales s1",
    "select a + b - c * d / e % f ^ g, -a, +b, - -c, -(a + b), a | b & c # d << 1 >> 2 from sales",
    "select 1, 1.5, .5, 1., 1e10, 1.5E-3, 1_000_000, -1, 9223372036854775807, 123456789012345678901234567890.123456789",
    "select 'a', 'it''s', '', e'tab\\t', E'a\\\\b', $$x$$, $tag$it's $$ inside$tag$, u&'\\00e9', n'x', 'ünïcödé 日本 🙂'",
    "select true, false, null, null::int, array[1, 2, 3], array[[1, 2], [3, 4]], array[]::int[], '{1,2}'::int[]",
    "select (array[1, 2, 3])[1], (array[1, 2, 3])[1:2], tags[1], tags[:2], tags[2:], cardinality(tags), tags @> array['a'] from sales",
    "select coalesce(a, b, 0), nullif(a, 0), greatest(a, b), least(a, b) from sales",
    "select abs(a), ceil(a), ceiling(a), floor(a), round(a, 2), trunc(a), sqrt(a), power(a, 2), exp(a), ln(a), log(10, a), mod(a, 2), div(a, 2), sign(a) from sales",
    "select width_bucket(amount, 0, 100, 10), random(), md5(name), encode(sha256(name::bytea), 'hex') from sales",
    "select * from generate_series(1, 10) as n",
    "select d::date from generate_series(timestamp '2024-01-01', timestamp '2024-02-01', interval '1 day') as g(d)",
    "select * from (values (1, 'a'), (2, 'b')) as t(id, name) where id > 1",
    "select u.x from sales s cross join lateral unnest(s.tags) as u(x)",
    "select * from sales s, lateral (select count(*) n from customers c where c.region = s.region) x",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select * from t",
    "with a as (select 1 x), b as (select x + 1 y from a) select * from a, b",
    "select a from sales union select b from customers union all select c from \"order\" except select 1 intersect select 2 order by 1 limit 3",
    "(select a from sales order by a limit 1) union all (select b from customers order by b desc limit 1)",
    "select * from sales order by 1, amount desc, lower(region) asc nulls first offset 5 rows fetch next 10 rows only",
    "select current_date, current_timestamp, localtimestamp, now()::date",
    "select sum(case when a then 1 else 0 end)::float8 / nullif(count(*), 0) from sales",
    "select count(distinct (a, b)) from sales",
    "select a as \"Mixed Case\", b \"with \"\"quotes\"\"\", c as \"select\" from sales",
    "select \"Mixed Case\", sales.\"a.b\", \"sales\".\"x y\" from sales",
    "select région, 名前 from sales",
    "select date, time, timestamp, year, name, value, type, key, count, data, level, status, comment, index, id from sales",
    "select s.date, s.year, s.order, s.user, s.end, s.select, s.interval, s.left, s.values, s.case, s.current_date, s.array from sales s",
    "select s.exists, s.not, s.cast, s.trim, s.from, s.where, s.group, s.table, s.limit, s.row, s.time, s.timestamp, s.position from sales s",
    "select max(date) from sales group by year order by date",
    "select 'foo'\n  'bar'",
    "select region, rank() over (order by sum(amount) desc) from sales group by region",
    "select region, amount from sales qualify row_number() over (partition by region order by amount) = 1",
    "select region, sum(amount) from sales group by all",
    "select exists (select from sales)",
    "select all a from sales",
    "select a\nfrom -- comment\n sales /* another */ where /* x */ b = 1",
];

#[test]
fn accepts_what_analysts_write() {
    for sql in QUERIES {
        let query = accept(sql);
        check_accepted(&query, &policy());
    }
}

#[test]
fn binds_operators_as_postgres_does() {
    for (sql, text) in [
        ("select -2 ^ 2", "SELECT -2 ^ 2 LIMIT 200"),
        ("select a is distinct from b and c", "SELECT a IS DISTINCT FROM b AND c LIMIT 200"),
        (
            "select a>-1, a>=-1, a<-1, a<=-1, a=-1, a<>-1, a!=-1, a+-1, a*-1",
            "SELECT a > -1, a >= -1, a < -1, a <= -1, a = -1, a <> -1, a <> -1, a + -1, a * -1 LIMIT 200",
        ),
        ("select - -1, - - -1, -(-1), + -1, - +1", "SELECT -(-1), -(-(-1)), -(-1), +(-1), -(+1) LIMIT 200"),
    ] {
        accept_as(sql, text);
    }
    accept_as("select s.USER, s.localtime from sales s", "SELECT s.\"user\", s.\"localtime\" FROM sales s LIMIT 200");
    use gristmill_sql_safety::sqlparser::ast::{BinaryOperator, Expr, SelectItem, SetExpr, Statement};
    let top = |sql: &str| {
        let Statement::Query(query) = accept(sql).into_statement() else { panic!("no query") };
        let SetExpr::Select(mut select) = *query.body else { panic!("no select") };
        let Some(SelectItem::UnnamedExpr(expr)) = select.projection.pop() else { panic!("no expression") };
        expr
    };
    // (-2) ^ 2, not -(2 ^ 2).
    assert!(matches!(top("select -2 ^ 2"), Expr::BinaryOp { op: BinaryOperator::PGExp, .. }));
    assert!(matches!(top("select -a::int"), Expr::UnaryOp { .. }));
    assert!(matches!(top("select a is distinct from b and c"), Expr::BinaryOp { op: BinaryOperator::And, .. }));
    assert!(matches!(top("select a is not distinct from b or c"), Expr::BinaryOp { op: BinaryOperator::Or, .. }));
    assert!(matches!(top("select a is distinct from b + 1"), Expr::IsDistinctFrom(..)));
    assert!(matches!(top("select a is distinct from (b and c)"), Expr::IsDistinctFrom(..)));
    assert!(matches!(top("select a || b like c || d"), Expr::Like { .. }));
    assert!(matches!(top("select not a = b"), Expr::UnaryOp { .. }));
    assert!(matches!(top("select a or b and c"), Expr::BinaryOp { op: BinaryOperator::Or, .. }));
}

#[test]
fn refuses_forms_that_the_engine_reads_otherwise() {
    for (sql, words) in [
        ("select a -> 'b' from sales", "the operator ->"),
        ("select a ->> 'b' from sales", "the operator ->>"),
        ("select a #> 'b' from sales", "the operator #>"),
        ("select a @? b from sales", "the operator @?"),
        ("select (a, b) overlaps (c, d) from sales", "the operator OVERLAPS"),
        ("select a operator(pg_catalog.+) b from sales", "the operator OPERATOR(pg_catalog.+)"),
        ("select @ a from sales", "the operator @"),
        ("select a collate \"C\" from sales", "COLLATE"),
        ("select a is normalized from sales", "IS NORMALIZED"),
        ("select x'1f', b'101'", "hexadecimal literal"),
        ("select 0x1f", "hexadecimal literal"),
        ("select a rlike 'x' from sales", "RLIKE"),
        ("select a like any (array['x']) from sales", "LIKE ANY"),
        ("select safe_cast(a as int) from sales", "TRY_CAST"),
        ("select interval '1' year to month", "an interval with a precision"),
        ("select interval '1' second (3)", "an interval with a precision"),
        ("select floor(day to month) from sales", "CEIL or FLOOR"),
        ("select (sales).a.b, a.b(1) from sales", "is not available"),
        ("select 'a'::regclass", "type regclass"),
        ("select 'users'::regproc", "type regproc"),
        ("select 1::oid", "type oid"),
        ("select 'a'::json, 'b'::jsonb", "type json"),
        ("select 'a'::xml", "type xml"),
        ("select 'a'::pg_catalog.text", "type pg_catalog.text"),
        ("select 'a'::public.mood", "type public.mood"),
        ("select cast(1 as enum('a'))", "type enum"),
        ("select cast(1 as set('a'))", "type set"),
        ("select 1::money", "type money"),
        ("select 1::int[][][][][][][][]", "type int[]"),
        ("select \"a\"\"\"\"b\" from sales", "a name with"),
        ("select a as \"\\\"\"\" from sales", "a name with"),
    ] {
        refused(sql, words);
    }
    invalid("select extract('ye ar' from day) from sales", "unit \"ye ar\" not recognized");
    invalid("select a from sales join customers", "a JOIN needs ON or USING");
    invalid("select a from sales inner join customers", "a JOIN needs ON or USING");
    invalid("select a from sales left join customers", "a JOIN needs ON or USING");
    invalid("select a from sales cross join customers on true", "syntax error at or near \"on\"");
    invalid("select a from sales join customers using (sales.a)", "USING takes plain column names");
    invalid("select * + 1 from sales", "syntax error at or near");
    invalid("select date 5", "syntax error");
}
