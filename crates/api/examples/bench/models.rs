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

const TEMPLATES: [&str; 3] = ["logistic_regression", "random_forest_classifier", "lightgbm_classifier"];
const ROWS: [u32; 2] = [10_000, 100_000];
/// Trainings of each template; the first may find no sandbox ready, the others are what is measured.
const RUNS: usize = 6;
/// What a person takes at least to press a button again: sandboxes get ready meanwhile.
const PAUSE: Duration = Duration::from_secs(6);
/// How long sandboxes may take to be found after the start.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn models(table: &mut Table) -> Result<()> {
    let server = Server::start(None)?;
    let user = user(&server).await?;
    ready(&user).await?;
    let mut small = None;
    for rows in ROWS {
        let text = data(rows);
        let file = tempfile::Builder::new().suffix(".csv").tempfile()?;
        std::fs::write(file.path(), &text)?;
        let direct = direct(file.path())?;
        let dataset = upload(&user, &text).await?;
        for name in TEMPLATES {
            let request = json!({ "projectId": user.project, "datasetId": dataset, "templateId": name, "targetColumn": "label" });
            let (alone, accuracy) = direct.get(name).copied().context("a direct time")?;
            let mut times = Vec::new();
            let mut answer = json!(null);
            for _ in 0..RUNS {
                let began = Instant::now();
                answer = user.send(Method::POST, "/api/models/train", Some(&request)).await?;
                times.push(began.elapsed().as_secs_f64());
                ensure!(answer["success"] == true, "{}", answer["message"]);
                let own = answer["model"]["metrics"]["accuracy"].as_f64().context("an accuracy")?;
                ensure!((own - accuracy).abs() < 0.02, "{name}: accuracy {own} here, {accuracy} directly");
                settled(&user).await?;
            }
            let first = times.remove(0);
            let limit = AtMost(alone * 1.15 + 0.3);
            table.add(&format!("train {name}, {rows} rows, directly"), alone, "s", None);
            table.add(&format!("train {name}, {rows} rows, HTTP, first or after others"), first, "s", None);
            table.add(&format!("train {name}, {rows} rows, HTTP, median"), percentile(&mut times, 50.0), "s", Some(limit));
            if rows == ROWS[0] && name == "logistic_regression" {
                small = answer["model"]["modelId"].as_str().map(str::to_owned);
            }
        }
    }
    let small = small.context("a model")?;
    let began = Instant::now();
    user.send(Method::POST, &format!("/api/experiments/{small}/evaluation/retry"), Some(&json!({}))).await?;
    table.add("evaluate and explain it, 10000 rows", began.elapsed().as_secs_f64(), "s", None);
    let began = Instant::now();
    let study = json!({ "modelId": small, "nTrials": 20, "metric": "f1", "timeoutSeconds": 300 });
    user.send(Method::POST, &format!("/api/experiments/{}/tune", user.project), Some(&study)).await?;
    table.add("tune it, 20 trials of 5 folds, and train the best", 20.0 / began.elapsed().as_secs_f64(), "trials/s", None);
    Ok(())
}

async fn ready(user: &User) -> Result<()> {
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

/// Waits until the evaluations of earlier trainings are over, which would else be measured too.
async fn settled(user: &User) -> Result<()> {
    loop {
        let jobs = user.send(Method::GET, "/api/jobs", None).await?;
        let jobs = jobs["jobs"].as_array().context("a list of jobs")?;
        if jobs.iter().all(|job| job["status"] != "running" && job["status"] != "queued") {
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Twelve columns of mixed types with holes, and a label that some of them tell with noise.
fn data(rows: u32) -> String {
    let mut text = String::from("a,b,c,d,e,f,g,h,region,kind,day,label\n");
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
        let _ = writeln!(text, "region {region},kind {kind},2025-{:02}-{:02},{label}", row % 12 + 1, row % 28 + 1);
    }
    text
}

fn direct(file: &std::path::Path) -> Result<BTreeMap<String, (f64, f64)>> {
    let home = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")))?;
    let python = environment::locate(&std::path::Path::new(&home).join("gristmill"), PythonVersion::default())?.interpreter();
    let script = include_str!("direct.py");
    let output = Command::new(python)
        .env("OMP_NUM_THREADS", "1")
        .args(["-c", script, &file.to_string_lossy()])
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

async fn upload(user: &User, text: &str) -> Result<String> {
    let part = multipart::Part::bytes(text.as_bytes().to_vec()).file_name("bench.csv");
    let form = multipart::Form::new().part("file", part).text("projectId", user.project.clone());
    let answer = user.upload(form).await?;
    Ok(answer["dataset"]["datasetId"].as_str().context("a dataset id")?.to_owned())
}
