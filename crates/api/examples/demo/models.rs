//! Training, comparing, deploying and asking models of the penguins.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, step};

/// What is compared: one of each kind that people reach for first.
const TEMPLATES: [(&str, &str); 3] = [
    ("random_forest_classifier", "train a random forest"),
    ("logistic_regression", "train a logistic regression"),
    ("lightgbm_classifier", "train LightGBM"),
];
/// Single predictions that are timed.
const ASKED: usize = 50;

/// Trains, compares, deploys and asks, where code can be run; it says so where it cannot.
pub(crate) async fn species(client: &Client, project: &str, dataset: &str) -> Result<()> {
    let health = client.get("/api/execute/health").await?;
    if health["status"] != "healthy" {
        println!("  no model is trained: {}", health["reasons"]);
        return Ok(());
    }
    let mut models = Vec::new();
    for (template, name) in TEMPLATES {
        models.push(train(client, project, dataset, template, name).await?);
    }
    let (best, _) = models.iter().max_by(|one, other| one.1.total_cmp(&other.1)).context("a best model")?;
    evaluate(client, best).await?;
    let ids: Vec<&str> = models.iter().map(|(id, _)| id.as_str()).collect();
    step("compare the three", async {
        let compared = client.post(&format!("/api/experiments/{project}/compare"), &json!({ "modelIds": ids })).await?;
        let accuracy = compared["deltas"].as_array().into_iter().flatten().find(|delta| delta["metric"] == "accuracy");
        let delta = accuracy.and_then(|delta| delta["delta"].as_f64()).context("a difference in accuracy")?;
        Ok(((), format!("accuracies differ by {delta:.3}")))
    })
    .await?;
    serve(client, project, best).await
}

async fn train(client: &Client, project: &str, dataset: &str, template: &str, name: &str) -> Result<(String, f64)> {
    let request = json!({
        "projectId": project, "datasetId": dataset, "templateId": template, "targetColumn": "species",
    });
    step(name, async {
        let answer = client.post("/api/models/train", &request).await?;
        ensure!(answer["success"] == true, "{}", answer["message"]);
        let model = &answer["model"];
        let rows = model["metadata"]["split"]["testRows"].clone();
        let accuracy = model["metrics"]["accuracy"].as_f64().context("an accuracy")?;
        let id = model["modelId"].as_str().context("a model id")?.to_owned();
        Ok(((id, accuracy), format!("accuracy {accuracy:.3} on {rows} held out rows")))
    })
    .await
}

async fn evaluate(client: &Client, model: &str) -> Result<()> {
    let evaluation = step("evaluate the best", async {
        client.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await?;
        let evaluation = client.get(&format!("/api/experiments/{model}/evaluation")).await?;
        let folds = evaluation["cross_validation"]["mean"].as_f64().context("a cross-validation")?;
        Ok((evaluation, format!("{folds:.3} in cross-validation")))
    })
    .await?;
    let permutation = &evaluation["feature_importance"]["permutation"];
    let names = permutation["features"].as_array().into_iter().flatten();
    for (name, value) in names.zip(permutation["importances_mean"].as_array().into_iter().flatten()).take(3) {
        println!("                 {:<20} {:.3}", name.as_str().unwrap_or_default(), value.as_f64().unwrap_or_default());
    }
    Ok(())
}

/// Deploys, and asks as a program with a key would.
async fn serve(client: &Client, project: &str, model: &str) -> Result<()> {
    let deployment = step("deploy it", async {
        let request = json!({
            "modelId": model, "projectId": project, "name": "species", "config": { "rateLimitPerMinute": 100_000 },
        });
        let deployment = client.post("/api/deployments", &request).await?["deployment"].clone();
        ensure!(deployment["status"] == "healthy", "it is {}", deployment["status"]);
        let runtime = deployment["runtime"].as_str().unwrap_or_default().to_owned();
        Ok((deployment, format!("healthy, runtime `{runtime}`")))
    })
    .await?;
    let path = format!("/api/deployments/{}", deployment["deploymentId"].as_str().context("a deployment id")?);
    let key = client.post(&format!("{path}/api-keys"), &json!({ "name": "demo" })).await?;
    let key = key["rawKey"].as_str().context("a key")?.to_owned();
    let row = client.get(&format!("{path}/schema")).await?["sampleRequest"].clone();
    let ask = async |row: &Value| {
        let request = client.request(Method::POST, &format!("{path}/predict")).header("x-api-key", &key).json(row);
        client.send(request).await
    };
    let answer = step("predict, by its key", async {
        let answer = ask(&row).await?;
        let label = answer["prediction"].as_str().context("a species")?.to_owned();
        let sure = answer["probabilities"][&label].as_f64().context("a probability")?;
        Ok((answer, format!("{label}, {:.0} % sure", sure * 100.0)))
    })
    .await?;
    step(&format!("predict {ASKED} more"), async {
        let mut times = Vec::with_capacity(ASKED);
        for number in 0..ASKED {
            let mut other = row.clone();
            other["body_mass_g"] = json!(3000 + 60 * number);
            let began = Instant::now();
            ask(&other).await?;
            times.push(began.elapsed());
        }
        times.sort();
        let median = times.get(ASKED / 2).copied().unwrap_or(Duration::ZERO);
        Ok(((), format!("{:.2} ms each (median, one after the other)", median.as_secs_f64() * 1000.0)))
    })
    .await?;
    let logs = client.get(&format!("{path}/logs?limit=1")).await?;
    let log = logs["logs"][0]["id"].as_i64().context("a logged prediction")?;
    step("feedback and outcome", async {
        client.post(&format!("{path}/logs/{log}/feedback"), &json!({ "feedback": "positive" })).await?;
        let actuals = json!({ "actuals": [{ "predictionId": answer["predictionId"], "actual": answer["prediction"] }] });
        client.post(&format!("{path}/actuals"), &actuals).await?;
        let stats = client.get(&format!("{path}/stats")).await?;
        let right = stats["liveAccuracy"]["accuracy"].as_f64().context("a live accuracy")?;
        Ok(((), format!("{} logged, {:.0} % of the known outcomes were right", logs["total"], right * 100.0)))
    })
    .await?;
    step("drift", async {
        let report = client.post(&format!("{path}/drift"), &json!({})).await?;
        ensure!(report["available"] == true, "there is no report: {}", report["reason"]);
        let features = report["features"].as_array().into_iter().flatten();
        let drifted = features.filter(|feature| feature["status"] != "green").count();
        let verdict = report["overallStatus"].as_str().unwrap_or_default().to_owned();
        Ok(((), format!("{verdict}: {drifted} columns look unlike the training, as all rows but one number are the same")))
    })
    .await
}
