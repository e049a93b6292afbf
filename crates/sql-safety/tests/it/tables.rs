//! The allow-list of tables: names, schemas, WITH queries and their scope (weak spots 2 and 19).

use std::collections::BTreeSet;

use gristmill_domain::ErrorCode;
use gristmill_domain::sql_names::RESERVED_TABLE_NAMES;
use gristmill_sql_safety::{RefusalKind, SqlPolicy, validate};

use crate::support::{accept, accept_as, check_accepted, invalid, policy, refuse, refused, table};

#[track_caller]
fn reads(sql: &str, tables: &[&str]) {
    let query = accept(sql);
    check_accepted(&query, &policy());
    let expected: BTreeSet<String> = tables.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(query.tables(), &expected, "{sql}");
}

#[test]
fn finds_a_table_by_all_its_names() {
    for name in [
        "sales",
        "SALES",
        "Sales",
        "\"sales\"",
        "\"SALES\"",
        "\"Sales\"",
        "public.sales",
        "PUBLIC.sales",
        "\"public\".\"sales\"",
        "\"PUBLIC\".SALES",
        "sales_0c6a852e",
        "SALES_0C6A852E",
        "\"sales_0c6a852e\"",
        "public.sales_0c6a852e",
        "\"Sales_0c6a852e\"",
    ] {
        accept_as(&format!("select * from {name}"), "SELECT * FROM sales LIMIT 200");
        reads(&format!("select * from {name} s join customers c on s.a = c.a"), &["sales", "customers"]);
    }
}

#[test]
fn qualifiers_follow_the_table() {
    let expected = "SELECT sales.amount FROM sales WHERE sales.a = 1 LIMIT 200";
    for name in ["sales", "SALES", "\"SALES\"", "public.sales", "sales_0c6a852e", "\"sales_0c6a852e\"", "public.sales_0c6a852e"] {
        for qualifier in ["sales", "Sales", "\"SALES\"", "sales_0c6a852e", "public.sales", "public.sales_0c6a852e"] {
            let query = accept(&format!("select {qualifier}.amount from {name} where {qualifier}.a = 1"));
            // An exact match stays as it was written; the engine folds it.
            assert_eq!(query.text().replace("Sales", "sales"), expected, "{qualifier} from {name}");
        }
    }
    accept_as("select \"S\".a from sales s", "SELECT s.a FROM sales s LIMIT 200");
    accept_as("select s.a from sales \"S\"", "SELECT \"S\".a FROM sales \"S\" LIMIT 200");
    accept_as("select count(public.sales.*), sales_0c6a852e.* from sales", "SELECT count(sales.*), sales.* FROM sales LIMIT 200");
    accept_as("select public.\"order\".a from \"order\"", "SELECT \"order\".a FROM \"order\" LIMIT 200");
    accept_as("select order_0c6a852e.a from order_0c6a852e", "SELECT \"order\".a FROM \"order\" LIMIT 200");
}

#[test]
fn a_dataset_with_a_reserved_name_is_the_projects_own() {
    for name in RESERVED_TABLE_NAMES.iter().copied().chain(["pg_stat", "information_schema_x"]) {
        let own = SqlPolicy::new(vec![table(name)]);
        let query = validate(&format!("select * from {name}"), &own).unwrap();
        assert!(query.tables().contains(name));
        refused(&format!("select * from {name}"), &format!("access to table \"{name}\" is not allowed"));
    }
}

#[test]
fn refuses_system_tables_however_they_are_written() {
    for name in RESERVED_TABLE_NAMES {
        refused(&format!("select * from {name}"), &format!("access to table \"{name}\" is not allowed"));
    }
    for name in ["users", "refresh_tokens", "pg_class"] {
        for form in [
            name.to_owned(),
            name.to_uppercase(),
            format!("\"{name}\""),
            format!("public.{name}"),
            format!("PUBLIC.\"{}\"", name.to_uppercase()),
        ] {
            for sql in [
                format!("select * from {form}"),
                format!("select * from sales, {form}"),
                format!("select * from sales join {form} x on true"),
                format!("select * from sales where a in (select a from {form})"),
                format!("select (select max(a) from {form})"),
                format!("select * from (select * from {form}) x"),
                format!("select * from sales, lateral (select * from {form}) x"),
                format!("with x as (select * from {form}) select 1"),
                format!("select 1 union select a from {form}"),
                format!("select 1 order by (select 1 from {form})"),
                format!("select exists (select 1 from {form})"),
                format!("select sum(a) filter (where exists (select 1 from {form})) from sales"),
                format!("select sum(a) over (partition by (select 1 from {form})) from sales"),
                format!("select 1 from sales group by (select 1 from {form})"),
                format!("select 1 from sales having exists (select 1 from {form})"),
                format!("select case when exists (select 1 from {form}) then 1 end"),
                format!("select array[(select 1 from {form})]"),
                format!("select (array[1])[(select 1 from {form})]"),
                format!("select a = any (select 1 from {form}) from sales"),
                format!("select 1 = all (select 1 from {form})"),
                format!("values ((select 1 from {form}))"),
                format!("select cast((select 1 from {form}) as int)"),
                format!("select * from generate_series(1, (select 1 from {form}))"),
                format!("select * from unnest(array[(select 1 from {form})])"),
                format!("select percentile_cont(0.5) within group (order by (select 1 from {form})) from sales"),
                format!("select string_agg('a', ',' order by (select 1 from {form})) from sales"),
                format!("select distinct on ((select 1 from {form})) 1 from sales"),
                format!("select row_number() over w from sales window w as (order by (select 1 from {form}))"),
                format!("select sum(1) over (order by a rows (select 1 from {form}) preceding) from sales"),
                format!("select extract(year from (select now() from {form}))"),
                format!("select trim('x' from (select 'a' from {form}))"),
                format!("select substring('x' from (select 1 from {form}))"),
                format!("select overlay('x' placing 'y' from (select 1 from {form}))"),
                format!("select position((select 'x' from {form}) in 'y')"),
                format!("select interval '1' day * (select 1 from {form})"),
                format!("select 1 from sales where a like (select 'x' from {form})"),
                format!("select 1 from sales where a between 1 and (select 1 from {form})"),
                format!("select now() at time zone (select 'utc' from {form})"),
                format!("select 1 from sales group by grouping sets ((a), ((select 1 from {form})))"),
                format!("select 1 from (sales cross join {form})"),
            ] {
                let refusal = refuse(&sql);
                assert_eq!(refusal.code(), ErrorCode::SqlRefused, "{sql}\n  {refusal}");
                assert!(refusal.message().contains(&format!("\"{}\"", unquoted(&form))), "{sql}\n  {refusal}");
            }
        }
    }
}

fn unquoted(name: &str) -> String {
    name.replace('"', "")
}

#[test]
fn refuses_other_schemas_and_databases() {
    for name in [
        "pg_catalog.pg_class",
        "information_schema.tables",
        "INFORMATION_SCHEMA.\"tables\"",
        "private.sales",
        "\"public \".sales",
        "datafusion.sales",
        "pg_temp.sales",
        "x.parquet",
        "sales.csv",
        "\"\".sales",
    ] {
        refused(&format!("select * from {name}"), &format!("access to table \"{}\" is not allowed", unquoted(name)));
    }
    for name in ["db.public.sales", "datafusion.public.sales", "a.b.c.d", "datafusion.information_schema.tables"] {
        refused(&format!("select * from {name}"), "a reference to another database");
    }
    for name in ["pg_class", "PG_STAT_ACTIVITY", "\"pg_shadow\"", "information_schema_tables", "pg_anything"] {
        refused(&format!("select * from {name}"), "is not allowed");
    }
}

#[test]
fn refuses_files_and_addresses() {
    for name in [
        "'/etc/passwd'",
        "'x.parquet'",
        "'s3://bucket/x.csv'",
        "'sales'",
        "\"/etc/passwd\"",
        "\"s3://bucket/x\"",
        "\"file:///etc/passwd\"",
        "\"http://169.254.169.254/\"",
        "\"..\\x\"",
        "\"./sales\"",
    ] {
        refused(&format!("select * from {name}"), "files and addresses cannot be read as tables");
    }
    for name in ["\"x.parquet\"", "\"sales.parquet\"", "\"sales \"", "\"public.sales\"", "\"sales\"\"\"", "\"\""] {
        invalid(&format!("select * from {name}"), "does not exist");
    }
    for name in ["@stage", "@~/x", "%sales", "$1", "{x}", "#temp", "[sales]", "(sales)"] {
        refuse(&format!("select * from {name}"));
    }
}

#[test]
fn says_which_relation_does_not_exist() {
    invalid("select * from nothing", "relation \"nothing\" does not exist");
    invalid("select * from Slaes", "relation \"Slaes\" does not exist; did you mean \"sales\"?");
    invalid("select * from public.nothing", "relation \"public.nothing\" does not exist");
    invalid("with customer_totals as (select 1) select * from customer_total", "did you mean \"customer_totals\"?");
    // Look-alikes: the Kelvin sign folds to k in Unicode, not here.
    for name in ["\u{212a}ustomers", "ѕales", "sales\u{200b}", "s\u{0430}les"] {
        invalid(&format!("select * from {name}"), "does not exist");
    }
}

#[test]
fn with_queries_are_seen_where_sql_says() {
    reads("with s as (select * from sales) select * from s", &["sales"]);
    reads("with a as (select 1 as x), b as (select * from a) select * from a, b", &[]);
    reads("with sales as (select 1 as a) select * from sales", &[]);
    // Not recursive: inside, the name is still the table.
    reads("with sales as (select * from sales) select * from sales", &["sales"]);
    reads("with users as (select 1) select * from users", &[]);
    reads("with a as (select 1) select * from (with b as (select * from a) select * from b) t", &[]);
    reads("with a as (select 1) select (select max(x) from (select * from a) as t(x))", &[]);
    reads("with \"My CTE\" as (select 1) select * from \"My CTE\"", &[]);
    reads("with Totals as (select 1) select * from TOTALS", &[]);
    reads("with totals as (select 1) select * from \"Totals\"", &[]);
    reads("with a as materialized (select 1), b as not materialized (select 2) select * from a, b", &[]);
    reads("select * from (with x as (select * from sales) select * from x) a join customers x on true", &["sales", "customers"]);
    reads("with a(x, y) as (values (1, 2)) select x from a", &[]);
}

#[test]
fn with_queries_are_not_seen_elsewhere() {
    for sql in [
        "select * from (with x as (select 1) select * from x) t, x",
        "select * from x where exists (with x as (select 1) select 1)",
        "with a as (select * from b), b as (select 1) select * from a",
        "(with x as (select 1) select * from x) union select * from x",
        "select * from x union (with x as (select 1) select * from x)",
        "with a as (with inner_query as (select 1) select 1) select * from inner_query",
        "select (with x as (select 1) select 1 from x), (select 1 from x)",
        "with x as (select 1) select * from public.x",
        "with \"X\" as (select 1) select * from x",
    ] {
        invalid(sql, "does not exist");
    }
    // A WITH query of a system table's name opens nothing outside its scope.
    for sql in [
        "select * from (with users as (select 1) select * from users) t, users",
        "with users as (select * from users) select * from users",
        "(with users as (select 1) select * from users) union select * from users",
        "with a as (select * from users), users as (select 1) select * from a",
        "with users as (select 1) select * from public.users",
        "select (with users as (select 1) select 1 from users) from users",
        "select * from sales where a in (with users as (select 1) select * from users) and b in (select 1 from users)",
        "select 1 as users from users",
        "select * from sales as users, users",
    ] {
        refused(sql, "access to table");
    }
    // An alias is not a table.
    invalid("select * from sales s, s", "relation \"s\" does not exist");
    invalid("select 1 as x from x", "relation \"x\" does not exist");
}

#[test]
fn a_with_query_cannot_capture_a_table() {
    for sql in [
        "with sales as (select 1 as a) select * from public.sales",
        "with sales as (select 1 as a) select * from sales_0c6a852e",
        "with sales as (select 1 as a) select * from \"Sales_0c6a852e\"",
        "with sales as (select 1 as a) select * from (select * from public.sales) t",
    ] {
        refused(sql, "table \"sales\" is hidden by a WITH query of that name");
    }
    // One of another case does not hide it.
    reads("with \"Sales\" as (select 1) select * from sales", &["sales"]);
    // The physical name may be taken as well.
    reads("with sales_0c6a852e as (select 1) select * from sales_0c6a852e", &[]);
    reads("with sales_0c6a852e as (select 1) select * from sales, sales_0c6a852e", &["sales"]);
}

#[test]
fn recursion_is_where_the_engine_sees_it() {
    reads("with recursive t(n) as (select 1 union all select n + 1 from t where n < 10) select * from t", &[]);
    reads("with recursive t(n) as (values (1) union select n + 1 from t where n < 10) select sum(n) from t", &[]);
    reads(
        "with recursive t as (select a, b from sales union all select s.a, s.b from sales s join t on s.a = t.b) select * from t",
        &["sales"],
    );
    reads("with recursive a as (select 1), t(n) as (select * from a union all select n + 1 from t) select * from t, a", &[]);
    reads("with recursive t as (select 1 as n union all select n + 1 from (select * from t) x) select * from t", &[]);
    // Inside its own text the name never means the table, or the result would be cached under the wrong versions.
    invalid(
        "with recursive sales as (select * from sales) select * from sales",
        "relation \"sales\": recursive query does not have the form",
    );
    invalid(
        "with recursive sales as (select * from sales union all select 1) select * from sales",
        "must not appear within the non-recursive term",
    );
    invalid("with recursive t as (select 1 intersect select * from t) select * from t", "does not have the form");
    invalid("with recursive t as ((select 1 union all select * from t)) select * from t", "does not have the form");
    invalid("with recursive a as (select * from b), b as (select 1) select * from a", "must come before those that read it");
    invalid(
        "with recursive a as (select * from sales), sales as (select 1) select * from a",
        "must come before those that read it",
    );
    // The engine would drop these.
    refused(
        "with recursive t as (with sales as (select 1 as x) select x from sales union all select x from t) select * from t",
        "WITH inside a recursive query",
    );
    refused(
        "with recursive t as (select 1 as n union all select n + 1 from t limit 10) select * from t",
        "LIMIT or OFFSET in a recursive query",
    );
    refused(
        "with recursive t as (select 1 as n union all select n + 1 from t order by 1) select * from t",
        "ORDER BY in a recursive query",
    );
    refused(
        "with recursive t as (select 1 as n union all select n + 1 from t for update) select * from t",
        "a clause after a recursive query",
    );
    refused("with recursive t as (select 1 union all select * from users) select * from t", "access to table \"users\"");
    invalid("with a as (select 1), A as (select 2) select 1", "WITH query name \"a\" specified more than once");
}

#[test]
fn lateral_and_table_functions() {
    reads("select * from sales s, lateral (select * from customers c where c.a = s.a limit 1) x", &["sales", "customers"]);
    reads(
        "select * from sales s left join lateral (select max(c.a) from customers c where c.a = s.a) x on true",
        &["sales", "customers"],
    );
    reads("select * from sales s cross join lateral generate_series(1, s.a) g", &["sales"]);
    reads("select * from generate_series(1, 10) as g(n)", &[]);
    reads("select g.generate_series from GENERATE_SERIES(1, 10, 2) g", &[]);
    reads("select * from \"generate_series\"(1, 10)", &[]);
    reads("select * from unnest(array[1, 2]) as t(x)", &[]);
    reads("select unnest(array[1, 2])", &[]);
    // Not lateral: the neighbour is not in sight.
    invalid("select * from sales s, (select s.a) x", "missing FROM-clause entry for table \"s\"");
    for name in [
        "read_csv",
        "read_parquet",
        "parquet_scan",
        "read_json",
        "csv_scan",
        "read_text",
        "read_blob",
        "glob",
        "sniff_csv",
        "parquet_metadata",
        "metadata_cache",
        "statistics_cache",
        "list_files_cache",
        "pg_ls_dir",
        "pg_read_file",
        "dblink",
        "file",
        "url",
        "s3",
        "remote",
        "executable",
        "query_to_xml",
        "json_each",
        "range",
        "duckdb_settings",
        "pragma_table_info",
        "regexp_split_to_table",
        "sales",
        "upper",
        "sum",
    ] {
        refused(&format!("select * from {name}('/etc/passwd')"), &format!("function {name} is not available"));
        refused(&format!("select * from sales s, lateral {name}(s.a) x"), &format!("function {name} is not available"));
        refused(&format!("select * from \"{name}\"('x')"), &format!("function {name} is not available"));
    }
    refused("select * from pg_catalog.generate_series(1, 2)", "function pg_catalog.generate_series is not available");
    refused("select * from public.sales(1)", "function public.sales is not available");
    refused("select * from generate_series(start => 1, stop => 2)", "this form of argument");
    refused("select * from \"unnest\"(array[1])", "write unnest(…)");
}

#[test]
fn knows_a_missing_from_entry() {
    for sql in [
        "select x.a from sales",
        "select x.* from sales",
        "select count(x.*) from sales",
        "select a from sales where x.b = 1",
        "select a from sales order by x.b",
        "select a from sales group by x.b",
        "select a from sales s join customers c on s.a = x.b",
        "select x.a",
        "select a from sales where a in (select x.b from customers)",
        "select a from (select * from sales) t where sales.a = 1",
        "select a from sales union select a from customers order by sales.a",
        "select x.a from (sales join customers using (a)) as j",
        "values (x.a)",
    ] {
        invalid(sql, "missing FROM-clause entry for table");
    }
    invalid("select sales.a from sales s", "missing FROM-clause entry for table \"sales\"; perhaps you meant the alias \"s\"");
    invalid("select sales.a from (sales join customers using (a)) j", "missing FROM-clause entry for table \"sales\"");
    for sql in [
        "select s.a, j.b from (sales s join customers c using (a)) as j, sales s",
        "select sales.a from (sales join customers using (a))",
        "select a from sales where exists (select 1 from customers where customers.a = sales.a)",
        "select a from sales s where exists (select 1 from customers c where exists (select 1 from \"order\" o where o.a = s.a and o.b = c.b))",
        "select s.a from sales s order by s.b",
        "with t as (select 1 as a) select t.a from t",
        "select t.x from (values (1)) as t(x)",
        "select g.g from generate_series(1, 2) g",
        "select generate_series.generate_series from generate_series(1, 2)",
        "select c.a from sales s join customers c on s.a = c.a join \"order\" o on o.a = c.a and o.b = s.b",
    ] {
        accept(sql);
    }
    invalid("select * from sales, sales", "table name \"sales\" specified more than once");
    invalid("select * from sales join sales_0c6a852e using (a)", "table name \"sales\" specified more than once");
    invalid("select * from sales s, customers s", "table name \"s\" specified more than once");
}

#[test]
fn without_tables_nothing_can_be_named() {
    let nobody = SqlPolicy::new(Vec::new());
    for sql in
        ["select * from sales", "select * from users", "with a as (select 1) select * from a, b", "select * from public.sales"]
    {
        validate(sql, &nobody).unwrap_err();
    }
    assert_eq!(validate("with a as (select 1) select * from a", &nobody).unwrap().tables().len(), 0);
}

#[test]
fn every_keyword_can_be_a_table() {
    for keyword in gristmill_sql_safety::sqlparser::keywords::ALL_KEYWORDS {
        if keyword.contains('-') {
            continue;
        }
        let name = keyword.to_ascii_lowercase();
        let policy = SqlPolicy::new(vec![table(&name)]);
        // By its physical name, so that the gate has to make the logical one up.
        let sql = format!("select {name}_0c6a852e.a, count({name}_0c6a852e.*) from {name}_0c6a852e group by {name}_0c6a852e.a");
        let query = validate(&sql, &policy).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert!(query.tables().contains(&name), "{}", query.text());
        let again = validate(query.text(), &policy).unwrap_or_else(|refusal| panic!("{}: {refusal}", query.text()));
        assert_eq!(again.text(), query.text());
    }
}

#[test]
fn a_logical_name_wins_over_another_tables_physical_one() {
    let mut first = table("a");
    first.physical = "b".to_owned();
    let policy = SqlPolicy::new(vec![first, table("b")]);
    assert_eq!(validate("select * from b", &policy).unwrap().tables().iter().next().unwrap(), "b");
    let refusal = validate("select * from c", &policy).unwrap_err();
    assert!(matches!(refusal.kind(), RefusalKind::UnknownRelation { .. }));
}
