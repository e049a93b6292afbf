//! What is measured.

use std::{
    path::PathBuf,
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::{
    load,
    server::Server,
    table::{
        Table,
        Target::{AtLeast, AtMost},
        percentile,
    },
};

/// Repetitions of one query: enough for a median.
const TIMES: usize = 15;

/// A registered user with a project.
pub(crate) struct User {
    http: reqwest::Client,
    url: String,
    token: String,
    pub(crate) project: String,
    email: String,
}

impl User {
    /// Uploads a dataset.
    pub(crate) async fn upload(&self, form: multipart::Form) -> Result<Value> {
        self.upload_to("dataset", form).await
    }

    /// Uploads a `dataset` or a `doc`.
    pub(crate) async fn upload_to(&self, what: &str, form: multipart::Form) -> Result<Value> {
        let request = self.http.post(format!("{}/api/upload/{what}", self.url)).bearer_auth(&self.token).multipart(form);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// The bytes that a path answers with.
    pub(crate) async fn download(&self, path: &str) -> Result<Vec<u8>> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec())
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        Ok(self.timed(method, path, body).await?.1)
    }

    /// The answer, and how many milliseconds passed until its last byte. Reading it is the client's business.
    async fn timed(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(f64, Value)> {
        let began = Instant::now();
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let elapsed = began.elapsed().as_secs_f64() * 1000.0;
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok((elapsed, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The body of an answer to a request, as it comes.
    pub(crate) async fn stream(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Pin<Box<impl Stream<Item = reqwest::Result<Bytes>> + use<>>>> {
        Ok(Box::pin(self.post(path, body).send().await?.error_for_status()?.bytes_stream()))
    }

    /// The whole answer to a request with these headers.
    pub(crate) async fn post_for(&self, headers: &[(&str, &str)], path: &str, body: &Value) -> Result<String> {
        let request = headers.iter().fold(self.post(path, body), |request, (name, value)| request.header(*name, *value));
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(text)
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body)
    }

    async fn sql(&self, sql: &str) -> Result<(f64, Value)> {
        let body = json!({ "projectId": self.project, "sql": sql });
        self.timed(Method::POST, "/api/query/sql", Some(&body)).await
    }
}

pub(crate) async fn user(server: &Server) -> Result<User> {
    gristmill_llm::tls::install_provider();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(600)).build()?;
    let email = "bench@example.org".to_owned();
    let body = json!({ "email": email, "password": "grind the bench", "name": "Bench" });
    let answer: Value = http.post(format!("{}/api/auth/register", server.url)).json(&body).send().await?.json().await?;
    let token = answer["accessToken"].as_str().context("a token")?.to_owned();
    let mut user = User { http, url: server.url.clone(), token, project: String::new(), email };
    let made = user.send(Method::POST, "/api/projects", Some(&json!({ "name": "Bench" }))).await?;
    user.project = made["project"]["id"].as_str().context("a project")?.to_owned();
    Ok(user)
}

pub(crate) async fn startup(table: &mut Table) -> Result<()> {
    let first = Server::start_with(None, &[])?;
    table.add("start on an empty directory", first.started_in.as_secs_f64() * 1000.0, "ms", Some(AtMost(4000.0)));
    let (directory, _kept) = first.stop()?;
    let mut times = Vec::new();
    let mut idle = 0.0;
    for _ in 0..5 {
        let server = Server::start_with(Some(&directory), &[])?;
        times.push(server.started_in.as_secs_f64() * 1000.0);
        user_once(&server).await?;
        idle = server.memory_mb("VmRSS:");
        server.stop()?;
    }
    table.add("start, migrated database, p50", percentile(&mut times, 50.0), "ms", Some(AtMost(500.0)));
    table.add("idle memory of the server", idle, "MB", Some(AtMost(150.0)));
    Ok(())
}

async fn user_once(server: &Server) -> Result<()> {
    gristmill_llm::tls::install_provider();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
    http.get(format!("{}/api/health", server.url)).send().await?.error_for_status()?;
    Ok(())
}

pub(crate) async fn requests(table: &mut Table) -> Result<()> {
    let server = Server::start(None)?;
    let user = user(&server).await?;
    let time = Duration::from_secs(5);
    let (rate, _) = load::run(&server.url, "GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n".into(), 16, time).await?;
    table.add("health, c=16", rate, "/s", Some(AtLeast(10_000.0)));
    let request = format!("GET /api/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", user.token);
    let (rate, mut latencies) = load::run(&server.url, request, 16, time).await?;
    table.add("authenticated project list, c=16", rate, "/s", Some(AtLeast(6_000.0)));
    table.add("authenticated project list, c=16, p99", percentile(&mut latencies, 99.0), "ms", None);
    let body = json!({ "email": user.email, "password": "grind the bench" });
    let mut logins = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        user.http.post(format!("{}/api/auth/login", server.url)).json(&body).send().await?.error_for_status()?;
        logins.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    table.add("login, p50", percentile(&mut logins, 50.0), "ms", None);
    Ok(())
}

/// The 100 MB file, made once by the generator of the ingest crate.
pub(crate) fn big_file() -> Result<PathBuf> {
    let path = std::env::temp_dir().join("gristmill-bench-928k.csv");
    if !path.exists() {
        let program = std::env::current_exe()?.with_file_name("generate_csv");
        let status = std::process::Command::new(program)
            .arg(&path)
            .status()
            .context("`cargo xtask bench` builds generate_csv beside this program")?;
        ensure!(status.success(), "the file could not be generated");
    }
    Ok(path)
}

pub(crate) async fn upload(table: &mut Table, server: &Server, user: &User, file: &PathBuf) -> Result<()> {
    let content = std::fs::read(file)?;
    let megabytes = content.len() as f64 / 1_000_000.0;
    let form = multipart::Form::new()
        .part("file", multipart::Part::bytes(content).file_name("big.csv"))
        .text("projectId", user.project.clone());
    let began = Instant::now();
    let uploading = async {
        let answer = user.upload(form).await?;
        anyhow::Ok((began.elapsed(), answer))
    };
    let (stall_tx, mut stall_rx) = tokio::sync::mpsc::channel::<f64>(100_000);
    let probe = async {
        loop {
            let sent = Instant::now();
            user.send(Method::GET, "/api/projects", None).await?;
            // A full channel has measurements enough.
            stall_tx.try_send(sent.elapsed().as_secs_f64() * 1000.0).ok();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        #[expect(unreachable_code, reason = "names the type of the loop")]
        anyhow::Ok(())
    };
    let (elapsed, answer) = tokio::select! {
        done = uploading => done?,
        failed = probe => return failed.map(drop),
    };
    let mut stalls = Vec::new();
    while let Ok(one) = stall_rx.try_recv() {
        stalls.push(one);
    }
    println!("uploaded {megabytes:.0} MB, {} rows", answer["dataset"]["n_rows"]);
    table.add("upload 100 MB CSV to queryable", elapsed.as_secs_f64(), "s", Some(AtMost(3.5)));
    table.add("server memory at its peak", server.memory_mb("VmHWM:"), "MB", Some(AtMost(450.0)));
    table.add("other requests meanwhile, p99", percentile(&mut stalls, 99.0), "ms", Some(AtMost(50.0)));
    Ok(())
}

/// The kinds of SQL that are measured: name, text, target in milliseconds.
pub(crate) const KINDS: [(&str, &str, f64); 5] = [
    ("limit", "select * from big limit 200", 8.0),
    ("group by", "select product, count(*) as n, avg(total) as mean from big group by product order by n desc", 25.0),
    (
        "join",
        "select a.product, count(*) as n from big a join (select product, region, max(quantity) as most from big group by 1, 2) b on a.product = b.product and a.region = b.region where a.quantity = b.most group by 1 order by 2 desc",
        40.0,
    ),
    (
        "window",
        "select * from (select id, region, total, row_number() over (partition by region order by total desc, id) as place from big) t where place <= 3",
        60.0,
    ),
    ("count distinct", "select count(distinct customer) as n from big", 60.0),
];

pub(crate) async fn sql(table: &mut Table, user: &User) -> Result<()> {
    for (name, sql, target) in KINDS {
        user.send(Method::PATCH, "/api/settings", Some(&json!({ "settings": { "queryCacheTtlMs": 0 } }))).await?;
        let mut cold = Vec::new();
        for _ in 0..TIMES {
            cold.push(user.sql(sql).await?.0);
        }
        table.add(&format!("SQL {name}, p50"), percentile(&mut cold, 50.0), "ms", Some(AtMost(target)));
        user.send(Method::PATCH, "/api/settings", Some(&json!({ "settings": { "queryCacheTtlMs": 300_000 } }))).await?;
        user.sql(sql).await?;
        let mut cached = Vec::new();
        for _ in 0..100 {
            let (ms, answer) = user.sql(sql).await?;
            ensure!(answer["query"]["cached"] == true, "not from the cache");
            cached.push(ms);
        }
        table.add(&format!("SQL {name}, cached, p50"), percentile(&mut cached, 50.0), "ms", Some(AtMost(1.0)));
    }
    Ok(())
}

pub(crate) async fn paging(table: &mut Table, user: &User) -> Result<()> {
    let datasets = user.send(Method::GET, &format!("/api/datasets?projectId={}", user.project), None).await?;
    let id = datasets["datasets"][0]["datasetId"].as_str().context("a dataset")?.to_owned();
    let rows = datasets["datasets"][0]["nRows"].as_u64().context("its rows")?;
    for (name, offset) in [("start", 0), ("middle", rows / 2), ("end", rows - 200)] {
        let mut times = Vec::new();
        for _ in 0..50 {
            let path = format!("/api/datasets/{id}/rows?offset={offset}&limit=200");
            times.push(user.timed(Method::GET, &path, None).await?.0);
        }
        table.add(&format!("page of 200 rows at the {name}, p50"), percentile(&mut times, 50.0), "ms", Some(AtMost(8.0)));
    }
    Ok(())
}
