//! The canonical text: it parses to the checked tree again, keeps every literal, and is its own canonical text.

use gristmill_sql_safety::dialect::SqlDialect;
use gristmill_sql_safety::sqlparser::ast::{Statement, Value, Visit, Visitor};
use gristmill_sql_safety::sqlparser::parser::Parser;
use gristmill_sql_safety::{SqlPolicy, ValidatedSql, validate};

use crate::forms::QUERIES;
use crate::support::{accept, accept_as, policy};

/// Parses a canonical text as an embedding program would.
pub(crate) fn parse_again(text: &str) -> Statement {
    let dialect = SqlDialect::default();
    let mut parser = Parser::new(&dialect).try_with_sql(text).unwrap();
    Statement::Query(parser.parse_query().unwrap())
}

#[track_caller]
pub(crate) fn check_text(query: &ValidatedSql, policy: &SqlPolicy) {
    assert_eq!(&parse_again(query.text()), query.statement(), "{}", query.text());
    let again = validate(query.text(), policy).unwrap_or_else(|refusal| panic!("{}\n  refused again: {refusal}", query.text()));
    assert_eq!(again.text(), query.text());
    assert_eq!(again.tables(), query.tables(), "{}", query.text());
    assert_eq!(again.is_volatile(), query.is_volatile(), "{}", query.text());
}

#[test]
fn the_text_is_the_tree() {
    for sql in QUERIES {
        check_text(&accept(sql), &policy());
    }
}

#[test]
fn literals_keep_their_spelling() {
    for literal in [
        "'a;b'",
        "'it''s'",
        "''",
        "' spaces   kept '",
        "'tab\there'",
        "'line\nbreak'",
        "E'a\\nb'",
        "E'\\''",
        "E'\\\\'",
        "'back\\slash'",
        "'%'",
        "'日本'",
        "$$dollar$$",
        "$$ it's $$",
        "$tag$ $$ $tag$",
        "1",
        "1.50",
        "0.10",
        ".5",
        "1.",
        "1e3",
        "1E-7",
        "1_000",
        "00012",
        "123456789012345678901234567890",
        "1.7976931348623157e308",
        "DATE '2024-01-01'",
        "INTERVAL '1 day'",
        "INTERVAL '1' DAY",
        "NULL",
        "true",
        "'--'",
        "'/* */'",
        "'$1'",
        "'?'",
    ] {
        accept_as(&format!("select {literal} from sales"), &format!("SELECT {literal} FROM sales LIMIT 200"));
        // White space outside counts for nothing, inside for everything.
        accept_as(&format!("  select   {literal}\n from\tsales  "), &format!("SELECT {literal} FROM sales LIMIT 200"));
    }
    // What the parser's printer would misprint gets another spelling of the same value.
    accept_as("select 'a\'\'\'\'b', 'a\\''b', 'a''b'", "SELECT E'a\\'\\'b', E'a\\\\\\'b', 'a''b' LIMIT 200");
    accept_as("select u&'\\00e9 \\\\ x', n'y'", "SELECT 'é \\ x', 'y' LIMIT 200");
}

#[test]
fn different_queries_have_different_texts() {
    let texts = |queries: &[&str]| {
        queries.iter().map(|sql| accept(sql).text().to_owned()).collect::<std::collections::BTreeSet<_>>().len()
    };
    let different = [
        "select 'a  b' from sales",
        "select 'a b' from sales",
        "select 'A b' from sales",
        "select a from sales",
        "select A as b from sales",
        "select \"a\" from sales",
        "select a from customers",
        "select a from sales limit 5",
        "select 1.0 from sales",
        "select 1.00 from sales",
        "select e'a b' from sales",
        "select $$a b$$ from sales",
        "select (a) from sales",
        "select -1 from sales",
        "select -(-1) from sales",
    ];
    assert_eq!(texts(&different), different.len());
    let same = [
        "select a from sales",
        "SELECT a FROM sales;",
        "select a from \"SALES\"",
        "select a\nfrom public.sales -- x",
        "select a from sales limit 200",
    ];
    assert_eq!(texts(&same), 1);
}

/// The parser's printer has been wrong about these, or could be.
#[test]
fn printing_keeps_the_structure() {
    for sql in [
        "select - -1, 1 - -1, 1 -(-1), -(-(1)), - (- 1)",
        "select a - (b - c), (a - b) - c, a / (b * c), (a or b) and c, a or (b and c), not (a and b)",
        "select (a = b) = c, a = (b = c), (a is null) is null, (a is null) = (b is null)",
        "select (a between 1 and 2) and b, a between (1) and (2), not a between 1 and 2",
        "select (a in (1)) in (true), a in ((1), (2)), (a, b) in (select 1, 2)",
        "select cast(a as int)::text, (a::int)::text, (-1)::int, -1::int, (a + b)::int",
        "select (a like 'x') like 'y', a like ('x' || 'y'), a not like 'x' escape '!'",
        "select case when a then case when b then 1 end else case c when 1 then 2 end end",
        "select array[a, array[b]], (array[1])[1], a[1][2], (a || b)[1], (select array[1])[1]",
        "select extract(year from a), extract('year' from a), extract(epoch from (a - b))",
        "select a at time zone 'x' at time zone 'y', (a + b) at time zone 'x', -a::int ^ 2",
        "select (select 1) + (select 2), ((select 1)), exists (select 1) and not exists (select 2)",
        "select a is distinct from (b is distinct from c), (a is distinct from b) is distinct from c",
        "select * from ((select 1) union (select 2)) t, (sales s join customers c using (a)), (values (1)) v(x)",
        "select * from (sales cross join customers) cross join (\"order\" cross join sales s2)",
        "select 1 union (select 2 union all select 3) except (select 4 intersect select 5)",
        "(select 1 union select 2) union all (select 3 order by 1 limit 2) order by 1",
        "select sum(a) filter (where b) over (partition by c order by d desc nulls first rows between unbounded preceding and 1 following) from sales",
        "select string_agg(distinct a, ',' order by a, b desc), array_agg(a order by a nulls last) from sales",
        "select a \"b\", a as \"b c\", a as \"B\", a \"from\", \"a\"\"b\" from sales \"s t\"",
        "with a(x, y) as materialized (select 1, 2), \"B\" as (select 3) select * from a, \"B\"",
        "select timestamp with time zone '2024-01-01', timestamp without time zone '2024-01-01', '2024'::timestamptz, '1'::time with time zone",
        "select a::double precision, a::character varying(5), a::char(3), a::numeric(5,2), a::decimal, a::bigint, a::float(24), a::int2",
        "select trim(both 'y' from a), trim(leading 'x' from a), trim(a, 'x'), substring(a from 1), substring(a for 2), substr(a, 1, 2), overlay(a placing b from 1) from sales",
        "select ceil(a), floor(a), ceiling(a), position(a in b), strpos(a, b) from sales",
        "select interval '1' day, interval '1 day', interval '1.5 hours', - interval '1 day', interval '1' hour + interval '2' minute",
        "select a from sales group by (a), (b, c), rollup (a, (b, c)), cube (a), grouping sets ((a), (a, b), ()), ()",
    ] {
        check_text(&accept(sql), &policy());
    }
}

/// Collects the literals of a tree.
#[derive(Default)]
struct Literals(Vec<Value>);

impl Visitor for Literals {
    type Break = ();

    fn pre_visit_value(&mut self, value: &gristmill_sql_safety::sqlparser::ast::ValueWithSpan) -> std::ops::ControlFlow<()> {
        self.0.push(value.value.clone());
        std::ops::ControlFlow::Continue(())
    }
}

proptest::proptest! {
    #![proptest_config(crate::support::cases(256))]
    #[test]
    fn any_text_survives_in_any_quotes(text in "[^\0]{0,40}") {
        let quoted = text.replace('\'', "''");
        let query = accept(&format!("select '{quoted}' from sales where a = '{quoted}'"));
        check_text(&query, &policy());
        let mut literals = Literals::default();
        let _: std::ops::ControlFlow<()> = query.statement().visit(&mut literals);
        let value = literals.0.into_iter().next().and_then(Value::into_string);
        proptest::prop_assert_eq!(value.as_deref(), Some(text.as_str()));

        let name = text.replace("\\\"", "").replace("\"\"", "");
        let identifier = format!("x{}", name.replace('"', "\"\""));
        check_text(&accept(&format!("select \"{identifier}\" as \"{identifier}\" from sales \"{identifier}\"")), &policy());
        let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
        check_text(&accept(&format!("select e'{escaped}'")), &policy());
        if !text.contains('$') {
            check_text(&accept(&format!("select $q${text}$q$, $${text}$$")), &policy());
        }
        let unicode: String = text.chars().map(|c| format!("\\+{:06x}", u32::from(c))).collect();
        let same = accept(&format!("select '{quoted}'"));
        accept_as(&format!("select u&'{unicode}'"), same.text());
    }

    #[test]
    fn any_number_keeps_its_spelling(number in "[0-9]{1,30}(\\.[0-9]{0,20})?(e[+-]?[0-9]{1,3})?") {
        accept_as(&format!("select {number}"), &format!("SELECT {number} LIMIT 200"));
    }
}
