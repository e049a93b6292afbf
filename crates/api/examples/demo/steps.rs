//! The main job, step by step.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Client, print_rows, step},
    generate, models, notebook,
};

const PENGUINS: &[u8] = include_bytes!("../../../../data/penguins/penguins.csv");
/// Rows of the generated table: about 25 MB of CSV.
const ORDERS: u64 = 250_000;

/// Runs every step and tells what was put into `out`, and where.
pub(crate) async fn run(client: &mut Client, out: Option<&Path>) -> Result<Vec<String>> {
    println!("Gristmill at {}", client.base());
    let email = format!("demo-{:08x}@example.org", std::process::id());
    let account = json!({ "email": email, "password": "grind the demo", "name": "Demo" });
    let answer = step("register", async {
        let answer = client.post("/api/auth/register", &account).await?;
        Ok((answer, email.clone()))
    })
    .await?;
    client.token = answer["accessToken"].as_str().map(ToOwned::to_owned);
    let client = &*client;
    let project = step("project", async {
        let answer = client.post("/api/projects", &json!({ "name": "Demo" })).await?;
        let id = answer["project"]["id"].as_str().context("a project id")?.to_owned();
        Ok((id.clone(), id))
    })
    .await?;
    penguins(client, &project).await?;
    let kept = notebook::run(client, &project, out).await?;
    orders(client, &project).await?;
    Ok(kept)
}

async fn penguins(client: &Client, project: &str) -> Result<()> {
    let dataset = step("upload penguins.csv", async {
        let dataset = client.upload(project, "penguins.csv", PENGUINS.to_vec(), false).await?;
        let found = format!(
            "{} rows, {} columns, SQL name `{}`",
            dataset["n_rows"],
            dataset["n_cols"],
            dataset["tableName"].as_str().unwrap_or_default()
        );
        Ok((dataset, found))
    })
    .await?;
    ensure!(dataset["n_rows"] == 344, "the file has 344 penguins, not {}", dataset["n_rows"]);
    let listed = step("profile", async {
        let answer = client.get(&format!("/api/datasets?projectId={project}")).await?;
        Ok((answer["datasets"][0].clone(), "every row, every column".to_owned()))
    })
    .await?;
    for column in listed["columns"].as_array().into_iter().flatten() {
        let range = match (&column["min"], &column["max"]) {
            (Value::Number(min), Value::Number(max)) => format!("{min} … {max}"),
            _ => column["topValues"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|top| top["value"].as_str())
                .take(3)
                .collect::<Vec<_>>()
                .join(", "),
        };
        println!(
            "                 {:<20} {:<8} {:>3} missing  {:>3} distinct  {range}",
            column["name"].as_str().unwrap_or_default(),
            column["dtype"].as_str().unwrap_or_default(),
            column["nullCount"].to_string(),
            column["uniqueCount"].to_string(),
        );
    }
    let sql = "select species, count(*) as penguins, round(avg(body_mass_g), 1) as mean_mass_g,
                      percentile_cont(0.5) within group (order by flipper_length_mm) as median_flipper_mm
               from penguins where sex is not null group by 1 order by 2 desc";
    let result = query(client, project, "SQL: group by", sql).await?;
    ensure!(result["rowCount"] == 3, "there are three species, not {}", result["rowCount"]);
    print_rows(&result);
    let dataset = dataset["datasetId"].as_str().context("a dataset id")?;
    models::species(client, project, dataset).await
}

async fn orders(client: &Client, project: &str) -> Result<()> {
    let content = generate::orders(ORDERS);
    let megabytes = content.len() / 1_000_000;
    let made = step(&format!("upload orders.csv ({megabytes} MB)"), async {
        let made = client.upload(project, "orders.csv", content, true).await?;
        Ok((made, "followed as a job".to_owned()))
    })
    .await?;
    let dataset = made["datasetId"].as_str().context("a dataset id")?;
    let page = step("page in the middle", async {
        let page = client.get(&format!("/api/datasets/{dataset}/rows?offset={}&limit=200", ORDERS / 2)).await?;
        Ok((page, "200 rows".to_owned()))
    })
    .await?;
    ensure!(page["rowCount"] == ORDERS, "there are {ORDERS} orders, not {}", page["rowCount"]);
    let sql = "select region, date_trunc('month', ordered_at) as month, sum(quantity * unit_price) as revenue,
                      rank() over (partition by region order by sum(quantity * unit_price) desc) as place
               from orders where paid group by 1, 2 order by 4, 1 limit 4";
    let result = query(client, project, "SQL: window over group by", sql).await?;
    print_rows(&result);
    query(client, project, "the same, from the cache", sql).await?;
    Ok(())
}

async fn query(client: &Client, project: &str, name: &str, sql: &str) -> Result<Value> {
    step(name, async {
        let answer = client.post("/api/query/sql", &json!({ "projectId": project, "sql": sql })).await?;
        let result = answer["query"].clone();
        let found = format!("{} rows{}", result["rowCount"], if result["cached"] == true { ", cached" } else { "" });
        Ok((result, found))
    })
    .await
}
