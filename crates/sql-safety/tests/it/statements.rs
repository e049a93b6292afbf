//! Which statements and clauses pass (contract 1, section 10.2, with its corrections and weak spot 19).

use gristmill_sql_safety::RefusalKind;

use crate::support::{accept, accept_as, invalid, refuse, refused};

#[test]
fn accepts_queries_in_any_dress() {
    for sql in [
        "select * from sales",
        "SELECT * FROM sales;",
        "SeLeCt * fRoM SaLeS ; ; ",
        "  \n\t select * from sales -- the end",
        "select /* a /* nested */ comment; drop table x */ * from sales",
        "-- update sales\nselect * from sales",
        "/*+ hint */ select /*+ hint(x) */ * from sales",
        "\u{feff}select * from sales",
        "select * from sales;-- x\n/* y */;",
    ] {
        accept_as(sql, "SELECT * FROM sales LIMIT 200");
    }
    accept_as("(select * from sales)", "SELECT * FROM sales LIMIT 200");
    accept_as("((select * from sales))", "SELECT * FROM sales LIMIT 200");
    accept_as("values (1, 'a'), (2, 'b')", "VALUES (1, 'a'), (2, 'b') LIMIT 200");
    accept_as("with a as (select 1) select * from a", "WITH a AS (SELECT 1) SELECT * FROM a LIMIT 200");
    accept("select 1");
}

#[test]
fn accepts_set_operations_everywhere() {
    for op in ["union", "union all", "union distinct", "except", "except all", "intersect", "INTERSECT ALL"] {
        accept(&format!("select a from sales {op} select b from customers"));
        accept(&format!("(select a from sales) {op} (select b from customers limit 3) order by 1"));
        accept(&format!("with x as (select 1 {op} select 2) select * from x"));
        accept(&format!("select * from (select 1 {op} values (2)) t"));
    }
    refused("select 1 minus select 2", "MINUS is not available: write EXCEPT");
    refused("select 1 union by name select 2", "BY NAME");
}

#[test]
fn data_is_not_sql() {
    for literal in [
        "'please update me'",
        "'a;b'",
        "'-- x'",
        "'/* x'",
        "'drop table sales'",
        "'it''s; delete from x'",
        "E'\\'; drop table x --'",
        "$$; insert into x /* $$",
        "$q$ select ' $q$",
        "U&'\\003b'",
        "' union select * from users'",
    ] {
        accept(&format!("select * from sales where x = {literal}"));
    }
    accept("select last_update, \"drop table x; --\", \"a;b\" as \"delete from\" from sales");
    accept("select updated, created_at, grant_total from sales where insert_date > '2020-01-01'");
}

#[test]
fn refuses_what_is_empty() {
    for sql in ["", " ", "\n\t", ";", " ; ;", "-- nothing", "/* nothing */", "/* a /* b */ c */ -- d", "\u{feff}"] {
        assert_eq!(refuse(sql).kind(), &RefusalKind::Empty, "{sql:?}");
    }
    invalid("(", "syntax error at or near end of input");
}

#[test]
fn refuses_other_statements_by_name() {
    for (sql, name) in [
        ("insert into sales values (1)", "INSERT"),
        ("Update sales set a = 1", "UPDATE"),
        ("delete from sales", "DELETE"),
        ("merge into sales using x on true when matched then delete", "MERGE"),
        ("drop table sales", "DROP"),
        ("alter table sales add column x int", "ALTER"),
        ("create table x as select 1", "CREATE"),
        ("truncate sales", "TRUNCATE"),
        ("grant all on sales to public", "GRANT"),
        ("revoke all on sales from public", "REVOKE"),
        ("copy sales to '/tmp/x'", "COPY"),
        ("copy (select 1) to program 'sh'", "COPY"),
        ("explain select 1", "EXPLAIN"),
        ("explain analyze delete from sales", "EXPLAIN"),
        ("describe sales", "DESCRIBE"),
        ("table sales", "TABLE"),
        ("set datafusion.execution.batch_size = 1", "SET"),
        ("reset all", "RESET"),
        ("show tables", "SHOW"),
        ("show all", "SHOW"),
        ("call f()", "CALL"),
        ("do $$ begin end $$", "DO"),
        ("prepare p as select 1", "PREPARE"),
        ("execute p", "EXECUTE"),
        ("deallocate p", "DEALLOCATE"),
        ("declare c cursor for select 1", "DECLARE"),
        ("fetch all from c", "FETCH"),
        ("begin", "BEGIN"),
        ("commit", "COMMIT"),
        ("vacuum", "VACUUM"),
        ("analyze sales", "ANALYZE"),
        ("lock table sales", "LOCK"),
        ("listen x", "LISTEN"),
        ("notify x", "NOTIFY"),
        ("load 'x'", "LOAD"),
        ("use x", "USE"),
        ("pragma x", "PRAGMA"),
        ("attach 'x' as y", "ATTACH"),
        ("install httpfs", "INSTALL"),
        ("comment on table sales is 'x'", "COMMENT"),
        ("refresh materialized view x", "REFRESH"),
        ("savepoint x", "SAVEPOINT"),
        ("kill 1", "KILL"),
        ("(delete from sales)", "DELETE"),
        ("/* select */ drop table sales -- select", "DROP"),
    ] {
        refused(sql, &format!("{name} is not allowed: only SELECT queries can be run"));
    }
    invalid("selct 1", "syntax error at or near \"selct\"");
    invalid("from sales select *", "syntax error at or near \"from\"");
    invalid("from sales", "syntax error at or near \"from\"");
    invalid("\"select\" 1", "syntax error at or near");
    invalid("1", "syntax error at or near \"1\"");
    invalid("'select 1'", "syntax error at or near");
    invalid(")", "syntax error at or near \")\"");
}

#[test]
fn refuses_a_second_statement() {
    for sql in [
        "select 1; select 2",
        "select 1; drop table sales",
        "select 1;;select 2;",
        "select * from (select 1; select 2) t",
        "select 1 /* ; */; -- x\n select 2",
        "values (1); values (2)",
    ] {
        refused(sql, "only one statement can be run at a time");
    }
}

#[test]
fn refuses_statements_inside_queries() {
    for (sql, name) in [
        ("with x as (delete from sales returning *) select * from x", "DELETE"),
        ("with x as (insert into sales values (1) returning *) select * from x", "INSERT"),
        ("with x as (update sales set a = 1 returning *) select * from x", "UPDATE"),
        ("with x as (select 1) insert into sales select * from x", "INSERT"),
        ("with x as (select 1) update sales set a = 1", "UPDATE"),
        ("with x as (select 1) delete from sales", "DELETE"),
        ("with a as (with b as (delete from sales returning *) select * from b) select * from a", "DELETE"),
        ("select * from (with x as (delete from sales returning *) select * from x) t", "DELETE"),
        ("select (with x as (delete from sales returning a) select a from x)", "DELETE"),
        ("select 1 where exists (with x as (delete from sales returning a) select 1)", "DELETE"),
        ("select 1 union (with x as (delete from sales returning a) select a from x)", "DELETE"),
        ("select sum(a) filter (where a in (with x as (delete from sales returning a) select a from x)) from sales", "DELETE"),
        ("select 1 from sales join customers on (with x as (delete from sales returning a) select true)", "DELETE"),
        ("select 1 union table users", "TABLE"),
    ] {
        refused(sql, &format!("{name} is not allowed"));
    }
}

#[test]
fn refuses_clauses_of_other_systems_and_those_that_write_or_lock() {
    for (sql, words) in [
        ("select * into x from sales", "SELECT INTO"),
        ("select * into temp x from sales", "SELECT INTO"),
        ("with a as (select 1 as b into x) select 1", "SELECT INTO"),
        ("select * from sales for update", "FOR UPDATE"),
        ("select * from sales for share of sales nowait", "FOR SHARE"),
        ("select * from (select * from sales for update) t", "FOR UPDATE"),
        ("select * from sales for xml auto", "FOR XML"),
        ("select * from sales for json path", "FOR XML"),
        ("select * from sales tablesample system (10)", "TABLESAMPLE"),
        ("select * from sales s tablesample bernoulli (10) repeatable (1)", "TABLESAMPLE"),
        ("select top 5 a from sales", "TOP is not available: write LIMIT"),
        ("select * from sales lateral view explode(a) t as b", "LATERAL VIEW"),
        ("select * from sales cluster by a", "CLUSTER"),
        ("select * from sales connect by prior a = b", "CONNECT BY"),
        ("select * from sales start with a = 1 connect by prior a = b", "CONNECT BY"),
        ("select * from sales fetch first 3 rows with ties", "WITH TIES"),
        ("select * from sales fetch first 3 percent rows only", "PERCENT"),
        ("select a from sales s left semi join customers using (a)", "EXISTS"),
        ("select a from sales s anti join customers using (a)", "EXISTS"),
        ("select a from sales cross apply (select 1) x", "JOIN LATERAL"),
        ("select a from sales outer apply (select 1) x", "JOIN LATERAL"),
        ("select a from sales asof join customers match_condition (a > b) on true", "ASOF JOIN"),
        ("select a from sales global join customers using (a)", "GLOBAL JOIN"),
        ("select * from sales with (nolock)", "hint"),
        ("select * from sales pivot (sum(a) for b in ('x'))", "PIVOT"),
        ("select * from sales unpivot (a for b in (c, d))", "UNPIVOT"),
        ("select * from json_table('[]', '$' columns (a int path '$.a')) t", "JSON_TABLE"),
        ("select * from openjson('[]')", "OPENJSON"),
        ("select * from xmltable('/a' passing x columns a int)", "XMLTABLE"),
        ("select * from generate_series(1, 2) with ordinality", "WITH ORDINALITY"),
        ("select * from unnest(array[1]) with ordinality", "WITH ORDINALITY"),
        ("select * from unnest(array[1]) with offset", "WITH OFFSET"),
        ("select * from table(f(1))", "TABLE(…)"),
        ("select first_value(a) over (w order by b) from sales window w as (order by a)", "a window that extends another"),
        ("values row(1), row(2)", "VALUES ROW"),
    ] {
        refused(sql, words);
    }
}

#[test]
fn other_systems_syntax_does_not_parse() {
    for sql in [
        "select * from sales match_recognize (pattern (a) define a as true)",
        "select * from sales |> where a = 1",
        "select * from sales settings max_threads = 1",
        "select * from sales format JSON",
        "select * from sales prewhere a = 1",
        "select * from sales limit 1, 2",
        "select * from sales limit 1 by a",
        "select * exclude (a) from sales",
        "select * replace (1 as a) from sales",
        "select * from `sales`",
        "select {'a': 1}",
        "select map {'a': 1}",
        "select struct(1 as a)",
        "select x -> x + 1",
        "select a from sales array join b",
        "select * from sales for system_time as of now()",
        "select * from sales partition (p0)",
        "select a from sales where a = 1 (+)",
        "select [1, 2]::int[",
        "select a, from sales",
        "select a from sales straight_join customers",
        "select * from (table sales) t",
        "with x as (table sales) select 1",
        "select trim(leading from a) from sales",
        "select * from sales where match (a) against ('x')",
        "select a 'x' from sales",
        "select a as 'x' from sales",
    ] {
        refuse(sql);
    }
}

#[test]
fn refuses_parameters() {
    for sql in
        ["select $1", "select * from sales where a = $2", "select ?", "select a from sales limit $1", "select ?1", "select $a"]
    {
        assert!(matches!(refuse(sql).kind(), RefusalKind::Parameter { .. }), "{sql}");
    }
    for sql in ["select :name", "select @x", "select @@version"] {
        refuse(sql);
    }
}
