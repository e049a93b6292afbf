//! Runs of programs over MLflow's protocol: logged, and searched where there are many.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use gristmill_testkit::pg::TestDatabase;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    server::Server,
    table::{
        Table,
        Target::{AtLeast, AtMost},
        percentile,
    },
    work::{User, user},
};

const BASE: &str = "/api/mlflow/api/2.0/mlflow";
/// Runs that are logged as programs do it.
const LOGGED: u32 = 500;
/// Runs that are searched.
const RUNS: u32 = 100_000;
const TIMES: usize = 25;

/// Puts runs into the database as logging them would, at once: through HTTP it would take half an hour.
const FILL: &str = "
    insert into tracking_runs (run_id, project_id, name, user_name, status, start_ms, metrics, params, tags)
    select gen_random_uuid(), '{project}', 'run ' || i, 'ada', (array['FINISHED', 'FAILED'])[1 + (i % 20 = 0)::int], i,
        jsonb_build_object('loss', jsonb_build_object('value', random() * 14, 'timestamp', i, 'step', 9),
            'accuracy', jsonb_build_object('value', random(), 'timestamp', i, 'step', 9),
            'time', jsonb_build_object('value', random() * 1e9, 'timestamp', i, 'step', 9)),
        jsonb_build_object('depth', (i % 9)::text, 'model', (array['tree', 'forest', 'line'])[1 + i % 3], 'seed', i::text),
        jsonb_build_object('team', (array['a', 'b'])[1 + i % 2])
    from generate_series({from}, {to}) i;
    insert into tracking_entries (run_id, kind, entry_key, project_id, start_ms, is_deleted, number, is_whole)
    select run_id, 'metric', key, project_id, start_ms, false, (value ->> 'value')::double precision, true
    from tracking_runs, jsonb_each(metrics) on conflict do nothing;
    insert into tracking_entries (run_id, kind, entry_key, project_id, start_ms, is_deleted, words, is_whole)
    select run_id, 'param', key, project_id, start_ms, false, value, true from tracking_runs, jsonb_each_text(params)
    union all
    select run_id, 'tag', key, project_id, start_ms, false, value, true from tracking_runs, jsonb_each_text(tags)
    on conflict do nothing";

pub(crate) async fn tracking(table: &mut Table) -> Result<()> {
    let database = TestDatabase::create().await?;
    let server = Server::start_with(None, &[("DATABASE_URL", database.url().expose_secret()), ("EXECUTION_POOL_SIZE", "0")])?;
    let user = user(&server).await?;
    log(table, &user).await?;
    let client = database.client().await?;
    let fill = FILL.replace("{project}", &user.project).replace("{from}", &LOGGED.to_string());
    client.batch_execute(&fill.replace("{to}", &(RUNS - 1).to_string())).await?;
    client.batch_execute("vacuum analyze tracking_runs").await?;
    client.batch_execute("vacuum analyze tracking_entries").await?;
    for (what, extra) in [
        ("newest", json!({})),
        ("page 500 of the newest", json!({ "page_token": "50000" })),
        ("by a metric that most have", json!({ "filter": "metrics.loss > 1" })),
        ("by a metric that few have", json!({ "filter": "metrics.loss > 13.999" })),
        ("by a metric and a parameter", json!({ "filter": "metrics.loss > 13.9 and params.depth = '3'" })),
        ("by two metrics that half have each", json!({ "filter": "metrics.loss > 7 and metrics.accuracy < 0.5" })),
        ("by two metrics that few have together", json!({ "filter": "metrics.loss > 7 and metrics.accuracy < 0.0005" })),
        ("by a parameter of one", json!({ "filter": "params.seed = '777'" })),
        ("by a parameter like a text", json!({ "filter": "params.seed like '777%'" })),
        ("by a name", json!({ "filter": "attributes.run_name = 'run 1000'" })),
        ("by a status, and a metric", json!({ "filter": "attributes.status = 'FAILED' and metrics.loss < 0.1" })),
        ("best by a metric", json!({ "order_by": ["metrics.accuracy DESC"] })),
        ("best by a metric, of a tenth", json!({ "filter": "params.depth = '3'", "order_by": ["metrics.accuracy DESC"] })),
        ("best by a metric, of few", json!({ "filter": "metrics.loss > 13.99", "order_by": ["metrics.accuracy ASC"] })),
        ("sorted by a parameter", json!({ "order_by": ["params.seed DESC"] })),
        ("sorted by a name", json!({ "order_by": ["attributes.run_name ASC"] })),
    ] {
        let mut body = json!({ "experiment_ids": [user.project], "max_results": 100 });
        body.as_object_mut().context("an object")?.extend(extra.as_object().context("an object")?.clone());
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            let found = user.send(Method::POST, &format!("{BASE}/runs/search"), Some(&body)).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            ensure!(found["runs"].as_array().is_some_and(|runs| !runs.is_empty()), "{what} found nothing");
        }
        table.add(
            &format!("search {RUNS} runs, 100 a page, {what}, p50"),
            percentile(&mut times, 50.0),
            "ms",
            Some(AtMost(50.0)),
        );
    }
    Ok(())
}

async fn log(table: &mut Table, user: &User) -> Result<()> {
    let began = Instant::now();
    for number in 0..LOGGED {
        let body = json!({ "experiment_id": user.project, "run_name": format!("run {number}"), "start_time": number });
        let run = user.send(Method::POST, &format!("{BASE}/runs/create"), Some(&body)).await?;
        let batch = batch(&run["run"]["info"]["run_id"], number);
        user.send(Method::POST, &format!("{BASE}/runs/log-batch"), Some(&batch)).await?;
    }
    let rate = f64::from(LOGGED) / began.elapsed().as_secs_f64();
    table.add("runs made and logged to, one client", rate, "/s", Some(AtLeast(100.0)));
    Ok(())
}

fn batch(run: &Value, number: u32) -> Value {
    let metric = |key: &str, value: f64| json!({ "key": key, "value": value, "timestamp": 1, "step": 0 });
    json!({
        "run_id": run, "metrics": [metric("loss", f64::from(number % 14)), metric("accuracy", 0.5)],
        "params": [{ "key": "depth", "value": (number % 9).to_string() }, { "key": "seed", "value": number.to_string() }],
    })
}
