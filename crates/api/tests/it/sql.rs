//! SQL over HTTP (contract 1, section 10). The gate and the engine have suites of their own.

use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually};

async fn with_sales(app: &TestApp) -> (Client, String) {
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let sales = "id,Region,amount,day,big\n1,north,1.5,2024-01-01,9007199254740993\n2,south,,2024-02-29,1\n3,north,2.25,,2\n";
    ada.dataset(&project, "sales.csv", sales).await;
    ada.dataset(&project, "regions.csv", "name,manager\nnorth,Ann\nsouth,Bob\n").await;
    (ada, project)
}

#[actix_web::test]
async fn a_result_has_types_rows_and_a_summary() {
    let app = TestApp::start().await;
    let (ada, project) = with_sales(&app).await;
    let query = ada
        .sql(&project, "SELECT id, \"Region\", amount, day, big FROM sales ORDER BY id -- a comment")
        .await
        .expect(200)["query"]
        .clone();
    let types: Vec<(&str, u64)> = query["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["dataType"].as_str().unwrap(), column["dataTypeID"].as_u64().unwrap()))
        .collect();
    assert_eq!(types, [("int8", 20), ("text", 25), ("float8", 701), ("timestamp", 1114), ("int8", 20)]);
    assert_eq!(
        query["rows"][0],
        json!({ "id": 1, "Region": "north", "amount": 1.5, "day": "2024-01-01T00:00:00.000Z", "big": "9007199254740993" })
    );
    assert_eq!(query["rows"][1]["amount"], Value::Null);
    assert_eq!(
        (query["rowCount"].as_u64(), query["truncated"].as_bool(), query["cached"].as_bool()),
        (Some(3), Some(false), Some(false))
    );
    assert!(query["sql"].as_str().unwrap().to_uppercase().contains("LIMIT 200"), "{}", query["sql"]);
    assert!(query["eda"]["numericColumns"].is_array() && query["queryId"].is_string() && query["executionMs"].is_u64());
    // A missing amount is left out of the statistics, not counted as 0.
    let amount = query["eda"]["numericColumns"].as_array().unwrap().iter().find(|column| column["column"] == "amount").unwrap();
    assert_eq!((amount["min"].as_f64(), amount["mean"].as_f64()), (Some(1.5), Some(1.875)));
}

#[actix_web::test]
async fn what_people_write_runs() {
    let app = TestApp::start().await;
    let (ada, project) = with_sales(&app).await;
    for (sql, expected) in [
        ("select count(*) filter (where amount > 2) as n from sales", json!([{ "n": 1 }])),
        ("select round(avg(amount)::numeric, 2) as m from sales", json!([{ "m": 1.88 }])),
        (
            "select manager, sum(amount) as s from sales join regions on \"Region\" = name group by 1 order by 1",
            json!([{ "manager": "Ann", "s": 3.75 }, { "manager": "Bob", "s": null }]),
        ),
        ("select 1 as n union all select 2 order by 1", json!([{ "n": 1 }, { "n": 2 }])),
        ("with t as (select id from sales) select max(id) as m from t", json!([{ "m": 3 }])),
        ("select id, row_number() over (order by id desc) as r from sales order by id limit 1", json!([{ "id": 1, "r": 3 }])),
        ("select date_trunc('month', day) as m from sales where id = 2", json!([{ "m": "2024-02-01T00:00:00.000Z" }])),
        ("select 'please update me; -- not a comment' as t", json!([{ "t": "please update me; -- not a comment" }])),
        ("select 7 / 2 as q, mod(7, 2) as r", json!([{ "q": 3, "r": 1 }])),
        ("select id from sales where amount is null;", json!([{ "id": 2 }])),
        ("select percentile_cont(0.5) within group (order by amount) as m from sales", json!([{ "m": 1.875 }])),
        ("select to_char(day, 'YYYY-MM') as m from sales where id = 1", json!([{ "m": "2024-01" }])),
    ] {
        assert_eq!(ada.sql(&project, sql).await.expect(200)["query"]["rows"], expected, "{sql}");
    }
}

#[actix_web::test]
async fn what_is_not_a_query_over_the_project_is_refused() {
    let app = TestApp::start().await;
    let (ada, project) = with_sales(&app).await;
    let eve = app.user("eve").await;
    let hers = eve.project("Hers").await;
    let secret = eve.dataset(&hers, "secret.csv", "x\n1\n").await["physicalTableName"].as_str().unwrap().to_owned();
    for sql in [
        "".to_owned(),
        "   ".into(),
        "-- nothing".into(),
        "insert into sales values (1)".into(),
        "with x as (delete from sales returning *) select * from x".into(),
        "update sales set id = 1".into(),
        "drop table sales".into(),
        "create table t as select 1".into(),
        "copy sales to '/tmp/x'".into(),
        "set search_path = public".into(),
        "explain select 1".into(),
        "select 1; select 2".into(),
        "select * into t from sales".into(),
        "select * from sales for update".into(),
        "select * from users".into(),
        "select * from public.users".into(),
        "select * from \"users\"".into(),
        "select * from pg_catalog.pg_tables".into(),
        "select * from information_schema.tables".into(),
        "select (select count(*) from refresh_tokens)".into(),
        "select * from sales, lateral (select * from pg_stat_activity) x".into(),
        "select pg_read_file('/etc/passwd')".into(),
        "select query_to_xml('select * from users', true, true, '')".into(),
        "select set_config('search_path', 'x', false)".into(),
        "select pg_sleep(10)".into(),
        "select * from '/etc/passwd'".into(),
        "select * from read_csv('/etc/passwd')".into(),
        "select * from \"../../x.parquet\"".into(),
        format!("select * from {secret}"),
        "select * from secret".into(),
        "select $1".into(),
        "select 'a\u{0}b'".into(),
        "selec 1".into(),
        "select from where".into(),
        "(".repeat(100_000),
    ] {
        let answer = ada.sql(&project, &sql).await;
        let shown: String = sql.chars().take(80).collect();
        assert_eq!(answer.status, 400, "{shown} was not refused: {}", answer.text);
        assert!(!answer.text.contains("panick"), "{shown}: {}", answer.text);
    }
    let missing = ada.sql(&project, "select * from nowhere").await.refused(400, "sql_invalid");
    assert!(missing["error"].as_str().unwrap().contains("relation \"nowhere\" does not exist"), "{missing}");
    let column = ada.sql(&project, "select nope from sales").await.refused(400, "sql_invalid");
    assert!(column["error"].as_str().unwrap().contains("column \"nope\" does not exist"), "{column}");
    assert_eq!(column["position"], json!({ "line": 1, "column": 8 }), "{column}");
    // In the text that was sent, not in the canonical one, which has one line.
    let second = ada.sql(&project, "select id,\n  nope\nfrom sales").await.refused(400, "sql_invalid");
    assert_eq!(second["position"], json!({ "line": 2, "column": 3 }), "{second}");
    let syntax = ada.sql(&project, "select *\nform sales").await.refused(400, "sql_invalid");
    assert!(syntax["error"].as_str().unwrap().contains("syntax error at or near"), "{syntax}");
    assert_eq!(syntax["position"]["line"], 2, "{syntax}");
    let alias = ada.sql(&project, "select t.id from sales s").await.refused(400, "sql_invalid");
    assert!(alias["error"].as_str().unwrap().to_lowercase().contains("missing from-clause entry"), "{alias}");
    eve.sql(&project, "select 1").await.refused(404, "project_not_found");
    ada.sql("nonsense", "select 1").await.refused(400, "validation_failed");
    ada.post("/api/query/sql", &json!({ "projectId": project })).await.refused(400, "validation_failed");
    ada.sql(&uuid::Uuid::new_v4().to_string(), "select 1").await.refused(404, "project_not_found");
}

#[actix_web::test]
async fn limits_hold() {
    let app =
        TestApp::start_with(&[("SQL_STATEMENT_TIMEOUT_MS", "1500"), ("SQL_MEMORY_MB", "256"), ("SQL_QUERY_MEMORY_MB", "128")])
            .await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let lines: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    ada.dataset(&project, "t.csv", format!("n\n{lines}")).await;
    for sql in [
        "select count(*) from t a, t b, t c where a.n + b.n + c.n = 7",
        "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
        "select count(*) from generate_series(1, 1000000000000) g",
        "select repeat('x', 1000000000)",
        "select repeat(repeat('x', 100000), 100000)",
        "select string_agg(repeat('x', 10000), ',') from t a, t b",
        "select array_agg(a.n) from t a, t b",
        "select lpad('x', 2000000000)",
        "select a.n, b.n from t a, t b order by a.n * b.n desc, a.n limit 10",
    ] {
        let answer = ada.sql(&project, sql).await;
        assert_eq!(answer.status, 400, "{sql}: {}", answer.text.chars().take(200).collect::<String>());
        let code: Value = serde_json::from_str(&answer.text).unwrap();
        assert!(["sql_timeout", "sql_too_expensive", "sql_failed"].contains(&code["code"].as_str().unwrap()), "{sql}: {code}");
    }
    // And the server is as before.
    assert_eq!(ada.sql(&project, "select count(*) as n from t").await.expect(200)["query"]["rows"][0]["n"], 20_000);
}

#[actix_web::test]
async fn results_are_cached_until_the_data_changes() {
    let app = TestApp::start().await;
    let (ada, project) = with_sales(&app).await;
    let run = async |sql: &str| ada.sql(&project, sql).await.expect(200)["query"].clone();
    let first = run("select  id from sales").await;
    let second = run("select id   from sales -- the same").await;
    assert_eq!((first["cached"].as_bool(), second["cached"].as_bool()), (Some(false), Some(true)));
    assert_eq!(first["queryId"], second["queryId"]);
    assert!(second["cacheTimestamp"].is_string());
    // White space inside a literal is not white space.
    assert_eq!(run("select 'a b' as t").await["rows"], json!([{ "t": "a b" }]));
    assert_eq!(run("select 'a  b' as t").await["rows"], json!([{ "t": "a  b" }]));
    for volatile in ["select now() as n", "select random() as n"] {
        run(volatile).await;
        assert_eq!(run(volatile).await["cached"], false, "{volatile}");
    }
    // The same text in another project is another query.
    let other = ada.project("Other").await;
    ada.dataset(&other, "sales.csv", "id\n99\n").await;
    assert_eq!(ada.sql(&other, "select id from sales").await.expect(200)["query"]["rows"], json!([{ "id": 99 }]));
    let config = ada.get("/api/query/cache/config").await.expect(200);
    assert_eq!(config, json!({ "ttlMs": 300_000, "maxEntries": 500, "sqlDefaultLimit": 200, "sqlMaxRows": 1000 }));
}

#[actix_web::test]
async fn one_user_cannot_take_all_places() {
    let app = TestApp::start_with(&[("SQL_USER_CONCURRENCY", "1"), ("SQL_STATEMENT_TIMEOUT_MS", "3000")]).await;
    let (ada, project) = with_sales(&app).await;
    let heavy = "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r";
    let (one, two) = tokio::join!(ada.sql(&project, heavy), ada.sql(&project, heavy));
    let statuses = [one.status.as_u16(), two.status.as_u16()];
    assert!(statuses.contains(&429) && statuses.contains(&400), "{statuses:?}");
    let refused = if one.status == 429 { one } else { two };
    assert!(refused.refused(429, "too_many_requests")["retryAfter"].as_u64().unwrap() >= 1);
}

/// Runs a statement that never ends, on a server that runs one statement of a user at a time. It runs until the request is
/// dropped.
pub(crate) async fn take_the_only_place(client: &Client, project: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let endless = "select count(*) from generate_series(1, 2000000) a(x), generate_series(1, 2000000) b(y) where x % 7 <> y % 11";
    let send = || {
        let body = json!({ "projectId": project, "sql": endless });
        actix_web::rt::spawn(client.request(Method::POST, "/api/query/sql").json(&body).send())
    };
    let mut waiting = send();
    let taken = async {
        while finds_a_place(client, project).await {
            // The other statement had the only place when this one came.
            if waiting.is_finished() {
                waiting = send();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("the statement runs");
    waiting
}

async fn finds_a_place(client: &Client, project: &str) -> bool {
    // Not from the cache, so it needs a place.
    client.sql(project, "select random()").await.status != 429
}

#[actix_web::test]
async fn leaving_before_the_rows_stops_the_statement() {
    let app = TestApp::start_with(&[("SQL_USER_CONCURRENCY", "1"), ("SQL_STATEMENT_TIMEOUT_MS", "600000")]).await;
    let (ada, project) = with_sales(&app).await;
    take_the_only_place(&ada, &project).await.abort();
    eventually("its place to be free", async || finds_a_place(&ada, &project).await.then_some(())).await;
}

#[actix_web::test]
async fn same_named_columns_are_both_there() {
    let app = TestApp::start().await;
    let (ada, project) = with_sales(&app).await;
    let query = ada.sql(&project, "select a.id, b.id from sales a join sales b on a.id = b.id where a.id = 1").await.expect(200)
        ["query"]
        .clone();
    assert_eq!(query["columns"].as_array().unwrap().len(), 2);
    assert_eq!(query["rows"][0].as_object().unwrap().len(), 2, "{query}");
}
