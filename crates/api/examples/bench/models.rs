//! Trainings through HTTP beside the same estimators called directly, and what follows a training.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::environment;
use reqwest::{Method, multipart};
use serde_json::json;

use crate::{
    server::Server,
    table::{Table, Target::AtMost, percentile},
    work::{User, user},
};

/// Every template but the searches, which take the time that they are given.
const TEMPLATES: [&str; 17] = [
    "logistic_regression",
    "random_forest_classifier",
    "knn_classifier",
    "gradient_boosting_classifier",
    "hist_gradient_boosting_classifier",
    "lightgbm_classifier",
    "xgboost_classifier",
    "linear_regression",
    "ridge_regression",
    "random_forest_regressor",
    "gradient_boosting_regressor",
    "hist_gradient_boosting_regressor",
    "lightgbm_regressor",
    "xgboost_regressor",
    "kmeans",
    "mini_batch_kmeans",
    "gaussian_mixture",
];
/// Rows, and trainings of each template; the first may find no sandbox ready, the others are what is measured.
const ROWS: [(u32, usize); 2] = [(10_000, 3), (100_000, 2)];
/// What a person takes at least to press a button again: sandboxes get ready meanwhile.
const PAUSE: Duration = Duration::from_secs(5);
/// The columns that are predicted; no model sees both.
const TARGETS: [&str; 2] = ["label", "amount"];
/// How long sandboxes may take to be found after the start.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn models(table: &mut Table) -> Result<()> {
    let server = Server::start(None)?;
    let user = user(&server).await?;
    ready(&user).await?;
    let mut small = None;
    for (rows, runs) in ROWS {
        let text = data(rows);
        let file = tempfile::Builder::new().suffix(".csv").tempfile()?;
        std::fs::write(file.path(), &text)?;
        let direct = direct(file.path())?;
        let dataset = upload(&user, &text).await?;
        let mut ratios = Vec::new();
        for name in TEMPLATES {
            let (alone, score) = direct.get(name).copied().context("a direct time")?;
            let mut times = Vec::new();
            for _ in 0..runs {
                let (seconds, model) = train(&user, &dataset, name, Some(score)).await?;
                times.push(seconds);
                if rows == ROWS[0].0 && name == "logistic_regression" {
                    small = Some(model);
                }
                settled(&user).await?;
            }
            let first = times.remove(0);
            let median = percentile(&mut times, 50.0);
            ratios.push(median / (alone * 1.15 + 0.3));
            table.add(&format!("{name}, {rows} rows, directly"), alone, "s", None);
            table.add(
                &format!("… over HTTP, the first after another template ({first:.2} s) and then"),
                median,
                "s",
                Some(AtMost(alone * 1.15 + 0.3)),
            );
        }
        table.add(&format!("trainings of {rows} rows, times their limit, median"), percentile(&mut ratios, 50.0), "", None);
    }
    let small = small.context("a model")?;
    let began = Instant::now();
    user.send(Method::POST, &format!("/api/experiments/{small}/evaluation/retry"), Some(&json!({}))).await?;
    table.add("evaluate and explain a logistic regression, 10000 rows", began.elapsed().as_secs_f64(), "s", None);
    let began = Instant::now();
    let study = json!({ "modelId": small, "nTrials": 20, "metric": "f1", "timeoutSeconds": 300 });
    user.send(Method::POST, &format!("/api/experiments/{}/tune", user.project), Some(&study)).await?;
    table.add("tune it, 20 trials of 5 folds, and train the best", 20.0 / began.elapsed().as_secs_f64(), "trials/s", None);
    Ok(())
}

/// Trains over HTTP: the seconds until the answer, and the model, which is as good as the one that was trained directly.
pub(crate) async fn train(user: &User, dataset: &str, template: &str, score: Option<f64>) -> Result<(f64, String)> {
    let (target, metric) = match template {
        "kmeans" | "mini_batch_kmeans" | "gaussian_mixture" => (None, None),
        name if name.ends_with("_classifier") || name == "logistic_regression" => (Some(TARGETS[0]), Some("accuracy")),
        _ => (Some(TARGETS[1]), Some("r2")),
    };
    let columns = HEADER.split(',').filter(|column| !TARGETS.contains(column));
    let request = json!({
        "projectId": user.project, "datasetId": dataset, "templateId": template, "targetColumn": target,
        "features": columns.collect::<Vec<_>>(),
    });
    let began = Instant::now();
    let answer = user.send(Method::POST, "/api/models/train", Some(&request)).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(answer["success"] == true, "{}", answer["message"]);
    if let (Some(metric), Some(score)) = (metric, score) {
        let own = answer["model"]["metrics"][metric].as_f64().context("a score")?;
        ensure!((own - score).abs() < 0.02, "{template}: {metric} {own} here, {score} directly");
    }
    Ok((seconds, answer["model"]["modelId"].as_str().context("a model")?.to_owned()))
}

pub(crate) async fn ready(user: &User) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = user.send(Method::GET, "/api/execute/health", None).await?;
        if health["status"] == "healthy" {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no code can be run here: {}; run `gristmill setup`", health["reasons"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ends the evaluations that follow trainings, which would else be measured too.
async fn settled(user: &User) -> Result<()> {
    loop {
        let jobs = user.send(Method::GET, "/api/jobs", None).await?;
        let jobs = jobs["jobs"].as_array().context("a list of jobs")?;
        let open: Vec<_> = jobs.iter().filter(|job| job["status"] == "running" || job["status"] == "queued").collect();
        if open.is_empty() {
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        for job in open {
            let job = job["jobId"].as_str().context("a job")?;
            // It may have ended meanwhile.
            drop(user.send(Method::POST, &format!("/api/jobs/{job}/cancel"), Some(&json!({}))).await);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const HEADER: &str = "a,b,c,d,e,f,g,h,region,kind,day,label,amount";

/// Eleven columns of mixed types with holes, a label and an amount that some of them tell with noise.
pub(crate) fn data(rows: u32) -> String {
    let mut text = format!("{HEADER}\n");
    let mut state = 42_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    for row in 0..rows {
        let values: Vec<f64> = (0..8).map(|_| next()).collect();
        let (region, kind) = (row % 7, (next() * 20.0) as u32);
        let score = values[0] * 2.0 + values[1] - values[2] + f64::from(kind % 3) * 0.4 + next() * 0.5;
        for (column, value) in values.iter().enumerate() {
            if column != 3 || row % 17 != 0 {
                let _ = write!(text, "{value:.4}");
            }
            text.push(',');
        }
        let label = if score > 1.65 { "yes" } else { "no" };
        let _ = writeln!(text, "region {region},kind {kind},2025-{:02}-{:02},{label},{score:.4}", row % 12 + 1, row % 28 + 1);
    }
    text
}

fn direct(file: &std::path::Path) -> Result<BTreeMap<String, (f64, f64)>> {
    let home = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")))?;
    let python = environment::locate(&std::path::Path::new(&home).join("gristmill"), PythonVersion::default())?.interpreter();
    let templates = tempfile::NamedTempFile::new()?;
    std::fs::write(templates.path(), include_str!("../../../modeling/python/gristmill_ml/src/gristmill_ml/templates.json"))?;
    let output = Command::new(python)
        .env("OMP_NUM_THREADS", "1")
        .args(["-c", include_str!("direct.py")])
        .args([file, templates.path()])
        .args(TEMPLATES)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut times = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        times.insert(parts[0].to_owned(), (parts[1].parse()?, parts[2].parse()?));
    }
    Ok(times)
}

pub(crate) async fn upload(user: &User, text: &str) -> Result<String> {
    let part = multipart::Part::bytes(text.as_bytes().to_vec()).file_name("bench.csv");
    let form = multipart::Form::new().part("file", part).text("projectId", user.project.clone());
    let answer = user.upload(form).await?;
    Ok(answer["dataset"]["datasetId"].as_str().context("a dataset id")?.to_owned())
}
