//! Predictions by key, beside `MLServer` with the same pipeline, and over a long time.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    load, models,
    peers::python_with,
    server::Server,
    table::{
        Table,
        Target::{AtLeast, AtMost},
        percentile,
    },
    work::{User, user},
};

/// A linear model and a forest: what costs least, and what costs most.
const TEMPLATES: [&str; 2] = ["logistic_regression", "random_forest_classifier"];
const ROWS: u32 = 10_000;
/// How long each number is measured.
const MEASURING: Duration = Duration::from_secs(10);
/// Over how many predictions memory is watched.
const MANY: usize = 1_000_000;
/// What `MLServer` and the pipeline run on: the versions of the locked environment.
const MLSERVER: [&str; 8] = [
    "mlserver==1.7.1",
    "mlserver-sklearn==1.7.1",
    "scikit-learn==1.9.1",
    "pandas==3.1.1",
    "numpy==2.4.6",
    "joblib==1.6.0",
    "pyarrow==26.0.1",
    // Later ones give its workers no event loop.
    "uvloop==0.21.0",
];
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(120);
/// Minutes of the soak, when nothing else is said.
const SOAK_MINUTES: u64 = 60;

/// A deployment with a key.
struct Deployed {
    path: String,
    key: String,
    row: Map<String, Value>,
    model: String,
}

impl Deployed {
    fn request(&self) -> String {
        post(&format!("{}/predict", self.path), &Value::Object(self.row.clone()), &[("x-api-key", &self.key)])
    }
}

/// One row at a time, alone and from sixteen clients, by this server and by `MLServer`; then a million.
pub(crate) async fn predict(table: &mut Table) -> Result<()> {
    let server = Server::start(None)?;
    let user = user(&server).await?;
    for template in TEMPLATES {
        let deployed = deploy(&user, template).await?;
        measure(table, template, "here", &server.url, &deployed.request(), true).await?;
        let peer = MlServer::start(&user, &deployed).await?;
        let request = post("/v2/models/bench/infer", &tensors(&deployed.row), &[]);
        measure(table, template, "MLServer", &peer.url, &request, false).await?;
        drop(peer);
        if template == TEMPLATES[0] {
            memory_over_many(table, &server, &deployed).await?;
        }
        let stats = user.send(Method::GET, &format!("{}/stats", deployed.path), None).await?;
        table.add(&format!("{template}: predictions that the log lacks"), stats["droppedLogs"].as_f64().unwrap_or(0.0), "", None);
    }
    Ok(())
}

/// Predictions for as long as `BENCH_SOAK_MINUTES` says, with a line a minute.
pub(crate) async fn soak(table: &mut Table) -> Result<()> {
    let minutes = std::env::var("BENCH_SOAK_MINUTES").ok().map_or(Ok(SOAK_MINUTES), |text| text.parse())?;
    let server = Server::start(None)?;
    let user = user(&server).await?;
    let deployed = deploy(&user, TEMPLATES[1]).await?;
    let request = deployed.request();
    let (mut total, mut first) = (0, 0.0);
    let mut slowest = Vec::new();
    for minute in 1..=minutes {
        let (rate, mut latencies) = load::run(&server.url, request.clone(), 16, Duration::from_secs(60)).await?;
        total += latencies.len();
        slowest.push(percentile(&mut latencies, 99.0));
        let memory = server.memory_mb("VmRSS:");
        if minute == 1 {
            first = memory;
        }
        println!("minute {minute}: {rate:.0} /s, p99 {:.2} ms, {memory:.0} MB", slowest.last().copied().unwrap_or_default());
    }
    table.add(&format!("predictions in {minutes} minutes"), total as f64, "", None);
    table.add("p99 of the worst minute", percentile(&mut slowest, 100.0), "ms", None);
    table.add("memory after the first minute", first, "MB", None);
    table.add("memory after the last", server.memory_mb("VmRSS:"), "MB", Some(AtMost(first * 1.1 + 10.0)));
    Ok(())
}

async fn deploy(user: &User, template: &str) -> Result<Deployed> {
    models::ready(user).await?;
    let dataset = models::upload(user, &models::data(ROWS)).await?;
    let (_, model) = models::train(user, &dataset, template, None).await?;
    let request = json!({
        "modelId": model, "projectId": user.project, "name": template, "config": { "rateLimitPerMinute": 1_000_000_000 },
    });
    let deployment = user.send(Method::POST, "/api/deployments", Some(&request)).await?["deployment"].clone();
    ensure!(deployment["status"] == "healthy" && deployment["runtime"] == "native", "{deployment}");
    let path = format!("/api/deployments/{}", deployment["deploymentId"].as_str().context("an id")?);
    let key = user.send(Method::POST, &format!("{path}/api-keys"), Some(&json!({ "name": "bench" }))).await?;
    let schema = user.send(Method::GET, &format!("{path}/schema"), None).await?;
    let row = schema["sampleRequest"].as_object().context("a sample")?.clone();
    Ok(Deployed { path, key: key["rawKey"].as_str().context("a key")?.to_owned(), row, model })
}

async fn measure(table: &mut Table, template: &str, who: &str, url: &str, request: &str, ours: bool) -> Result<()> {
    // What is loaded by the first request is not what is measured.
    load::run(url, request.to_owned(), 1, Duration::from_secs(1)).await?;
    let (_, mut latencies) = load::run(url, request.to_owned(), 1, MEASURING).await?;
    let target = ours.then_some(AtMost(1.0));
    table.add(&format!("{template}, one row, {who}, c=1, p50"), percentile(&mut latencies, 50.0), "ms", target);
    table.add(&format!("{template}, one row, {who}, c=1, p99"), percentile(&mut latencies, 99.0), "ms", None);
    let (rate, mut latencies) = load::run(url, request.to_owned(), 16, MEASURING).await?;
    table.add(&format!("{template}, one row, {who}, c=16"), rate, "/s", ours.then_some(AtLeast(3000.0)));
    table.add(&format!("{template}, one row, {who}, c=16, p99"), percentile(&mut latencies, 99.0), "ms", None);
    Ok(())
}

async fn memory_over_many(table: &mut Table, server: &Server, deployed: &Deployed) -> Result<()> {
    let (request, mut done, mut early) = (deployed.request(), 0, None);
    let began = Instant::now();
    while done < MANY {
        let (_, latencies) = load::run(&server.url, request.clone(), 16, Duration::from_secs(5)).await?;
        done += latencies.len();
        if early.is_none() && done >= MANY / 10 {
            early = Some(server.memory_mb("VmRSS:"));
        }
    }
    let early = early.context("a first look")?;
    table.add(&format!("{done} predictions, c=16"), done as f64 / began.elapsed().as_secs_f64(), "/s", None);
    table.add("memory of the server after a tenth of them", early, "MB", None);
    table.add("… and after all", server.memory_mb("VmRSS:"), "MB", Some(AtMost(early * 1.1 + 10.0)));
    Ok(())
}

/// A request as it goes over the wire.
fn post(path: &str, body: &Value, headers: &[(&str, &str)]) -> String {
    let body = body.to_string();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A row as the tensors that `MLServer` makes a data frame of.
fn tensors(row: &Map<String, Value>) -> Value {
    let inputs: Vec<Value> = row
        .iter()
        .map(|(name, value)| {
            let datatype = if value.is_number() { "FP64" } else { "BYTES" };
            json!({ "name": name, "shape": [1, 1], "datatype": datatype, "data": [value] })
        })
        .collect();
    json!({ "parameters": { "content_type": "pd" }, "inputs": inputs })
}

/// `MLServer` with the pipeline of a model.
struct MlServer {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl MlServer {
    async fn start(user: &User, deployed: &Deployed) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let pipeline = user.download(&format!("/api/models/{}/artifact", deployed.model)).await?;
        std::fs::write(directory.path().join("model.joblib"), pipeline)?;
        let script = directory.path().join("serve.py");
        std::fs::write(&script, include_str!("mlserver.py"))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(python_with("mlserver", &MLSERVER)?)
            .args([script.as_path(), directory.path()])
            .arg(port.to_string())
            .env("PYTHONPATH", package())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log"))?)
            .spawn()?;
        let mut server = Self { child, url: format!("http://127.0.0.1:{port}"), _directory: directory };
        let deadline = Instant::now() + PATIENCE;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        loop {
            let ready = http.get(format!("{}/v2/models/bench/ready", server.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(server);
            }
            let ended = server.child.try_wait()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "MLServer did not start: {}",
                std::fs::read_to_string(server._directory.path().join("log"))?
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for MlServer {
    fn drop(&mut self) {
        // It has processes of its own, which end with it when it is asked.
        let asked = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        if asked.is_err() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// The package that the pipeline's own classes are in.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../modeling/python/gristmill_ml/src")
}
