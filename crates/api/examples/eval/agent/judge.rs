//! Whether a phase got where it should: what the server has, asked of the server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::session::{Seen, Session};

/// How long the evaluation of a model may take.
const EVALUATION_PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);

/// There must be a plan that speaks of the target. The project keeps it, as the client would have it do.
pub(crate) async fn plan(session: &Session<'_>, seen: &Seen) -> Result<String> {
    let run = seen.runs.last().context("there is no run")?;
    let snapshot = session.client.get(&format!("/api/workflows/{run}")).await?["run"].clone();
    let artifacts = list(&snapshot["artifacts"]);
    let plan = artifacts.iter().find(|artifact| artifact["artifactType"] == "plan").context("there is no plan")?;
    let markdown = plan["payload"]["planMarkdown"].as_str().context("the plan is empty")?;
    let name = plan["payload"]["planName"].as_str().unwrap_or_default();
    ensure!(markdown.starts_with("# "), "the plan has no heading: {markdown}");
    ensure!(markdown.contains(&session.set.target), "the plan does not name the target: {markdown}");
    keep(session, &json!({ "projectPlan": markdown, "projectPlanName": name })).await?;
    let sections = markdown.lines().filter(|line| line.starts_with("## ")).count();
    Ok(format!("{name}, {sections} sections"))
}

/// The derived dataset must have the rows that were measured when its step was, and SQL must count as many.
pub(crate) async fn derived(session: &mut Session<'_>, seen: &mut Seen, id: &str) -> Result<String> {
    let runs = session.client.get(&format!("/api/preprocessing/runs?projectId={}", session.project)).await?;
    let run = runs["runs"][0]["runId"].as_str().context("there is no preprocessing run")?;
    let run = session.client.get(&format!("/api/preprocessing/runs/{run}")).await?["run"].clone();
    let steps = list(&run["steps"]);
    let step = steps.iter().rev().find(|step| step["derivedDatasetId"] == id && step["status"] == "applied");
    let measured = &step.context("no applied step made the dataset")?["validation"];
    let rows = measured["rowCountAfter"].as_u64().context("the step was not measured")?;
    let dataset = dataset(session, id).await?;
    let counted = count(session, &dataset, "*").await?;
    ensure!(
        dataset["nRows"] == rows && counted == rows,
        "{rows} rows were measured, the dataset tells of {}, and SQL counts {counted}",
        dataset["nRows"]
    );
    ensure!(rows > 0 && rows <= session.rows, "{rows} rows were made of {}", session.rows);
    let before = std::mem::replace(&mut session.rows, rows);
    id.clone_into(&mut session.dataset);
    seen.rows = Some(rows);
    let gaps = (measured["nullCountBefore"].clone(), measured["nullCountAfter"].clone());
    Ok(format!("{rows} of {before} rows, {} of {} gaps", gaps.1, gaps.0))
}

/// Those of the selected features that are registered.
pub(crate) async fn registered(session: &Session<'_>, selected: &[String]) -> Result<Vec<Value>> {
    let runs = session.client.get(&format!("/api/feature-engineering/runs?projectId={}&limit=1", session.project)).await?;
    let features = &runs["runs"][0]["features"];
    let found = selected.iter().map(|id| features[id.as_str()].clone());
    Ok(found.filter(|feature| feature["status"] == "registered").collect())
}

/// The features must be registered, and a dataset made with them must have their columns, with values.
pub(crate) async fn features(session: &mut Session<'_>, seen: &mut Seen, selected: &[String]) -> Result<String> {
    let made = registered(session, selected).await?;
    ensure!(made.len() == selected.len(), "{} of {} features are registered", made.len(), selected.len());
    let items: Vec<Value> = made.iter().map(feature_of).collect();
    let request = json!({
        "projectId": session.project, "datasetId": session.dataset, "features": items,
        "outputName": format!("{}_features", session.set.stem()),
    });
    let answer = session.client.post("/api/feature-engineering/apply", &request).await?;
    let id = answer["dataset"]["datasetId"].as_str().context("no dataset was made with the features")?;
    let dataset = dataset(session, id).await?;
    ensure!(dataset["nRows"] == session.rows, "{} rows became {}", session.rows, dataset["nRows"]);
    for feature in &made {
        for column in list(&feature["outputColumns"]).iter().filter_map(Value::as_str) {
            let is_there = list(&dataset["columns"]).iter().any(|known| known["name"] == column);
            ensure!(is_there, "the dataset has no column {column}");
            let values = count(session, &dataset, &quoted(column)).await?;
            ensure!(values > 0, "the column {column} has no values");
            seen.columns.push(column.to_owned());
        }
    }
    keep(session, &json!({ "features": items })).await?;
    id.clone_into(&mut session.dataset);
    Ok(seen.columns.join(", "))
}

/// A registered feature as the client asks for it. Its code is what makes it, and not the method that is named.
fn feature_of(feature: &Value) -> Value {
    json!({
        "id": feature["featureId"], "featureName": feature["name"], "code": feature["code"], "method": "square_transform",
        "sourceColumn": feature["sourceColumns"][0].as_str().unwrap_or("-"), "enabled": true,
    })
}

/// The model that the phase's run made, if there is one.
pub(crate) async fn model_of(session: &Session<'_>, seen: &Seen) -> Result<Option<Value>> {
    let Some(run) = seen.runs.last() else { return Ok(None) };
    let models = session.client.get(&format!("/api/models?projectId={}", session.project)).await?;
    Ok(list(&models["models"]).iter().find(|model| model["metadata"]["workflowRunId"] == run.as_str()).cloned())
}

/// The model must be among the project's, evaluated, with a score of the server's on rows that it holds out.
pub(crate) async fn model(session: &mut Session<'_>, seen: &Seen) -> Result<String> {
    let began = Instant::now();
    let model = loop {
        let model = model_of(session, seen).await?.context("no model was registered")?;
        match model["evaluationStatus"].as_str() {
            Some("ready") => break model,
            Some("failed") => bail!("the server could not evaluate the model: {}", model["evaluationError"]),
            status if began.elapsed() > EVALUATION_PATIENCE => bail!("the model's evaluation is still {status:?}"),
            _ => tokio::time::sleep(POLL).await,
        }
    };
    let metric = &session.set.score.metric;
    ensure!(model["unscored"] == false, "the server could not score the model");
    let score = model["metrics"][metric.as_str()].as_f64().with_context(|| format!("the server has no {metric}"))?;
    let rows = model["metadata"]["split"]["testRows"].as_u64().filter(|rows| *rows > 0).context("no row was held out")?;
    let least = session.set.score.least;
    ensure!(score >= least, "{metric} is {score:.3} on {rows} held out rows, and {least} is the least");
    session.model = model["modelId"].as_str().map(str::to_owned);
    Ok(format!("{metric} {score:.3} on {rows} held out rows"))
}

/// The model, deployed, must answer a program that has the deployment's key with something that the target may be.
pub(crate) async fn deployment(session: &Session<'_>) -> Result<String> {
    let model = session.model.as_ref().context("there is no model")?;
    let request = json!({ "modelId": model, "projectId": session.project, "name": session.set.stem() });
    let deployment = session.client.post("/api/deployments", &request).await?["deployment"].clone();
    ensure!(deployment["status"] == "healthy", "the deployment is {}", deployment["status"]);
    let path = format!("/api/deployments/{}", deployment["deploymentId"].as_str().context("a deployment without an id")?);
    let key = session.client.post(&format!("{path}/api-keys"), &json!({ "name": "eval" })).await?;
    let key = key["rawKey"].as_str().context("a key")?.to_owned();
    let row = session.client.get(&format!("{path}/schema")).await?["sampleRequest"].clone();
    let answer = session.client.post_by_key(&format!("{path}/predict"), &key, &row).await?;
    let prediction = &answer["prediction"];
    let dataset = dataset(session, &session.dataset).await?;
    let columns = list(&dataset["columns"]);
    let target = columns.iter().find(|column| column["name"] == session.set.target.as_str()).context("the target is gone")?;
    let is_possible = if session.set.task == "regression" {
        let bound = |key: &str| target[key].as_f64().unwrap_or(f64::NAN);
        prediction.as_f64().is_some_and(|number| (bound("min")..=bound("max")).contains(&number))
    } else {
        list(&target["topValues"]).iter().any(|top| top["value"] == *prediction)
    };
    ensure!(is_possible, "{} cannot be {prediction}", session.set.target);
    Ok(format!("{} is {prediction}", session.set.target))
}

async fn dataset(session: &Session<'_>, id: &str) -> Result<Value> {
    let all = session.client.get(&format!("/api/datasets?projectId={}", session.project)).await?;
    list(&all["datasets"]).iter().find(|dataset| dataset["datasetId"] == id).cloned().context("the dataset is not there")
}

/// What SQL counts in a dataset.
async fn count(session: &Session<'_>, dataset: &Value, what: &str) -> Result<u64> {
    let table = quoted(dataset["tableName"].as_str().context("a dataset without a name in SQL")?);
    let sql = format!("select count({what}) as n from {table}");
    let answer = session.client.post("/api/query/sql", &json!({ "projectId": session.project, "sql": sql })).await?;
    answer["query"]["rows"][0]["n"].as_u64().context("SQL did not count")
}

/// Keeps something with the project.
async fn keep(session: &Session<'_>, metadata: &Value) -> Result<()> {
    session.client.patch(&format!("/api/projects/{}", session.project), &json!({ "metadata": metadata })).await.map(drop)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
