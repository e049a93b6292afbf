//! A small HTTP client that shows what it does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, multipart};
use serde_json::Value;

/// A client with a base URL and, after the first step, a token.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    pub(crate) token: Option<String>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Result<Self> {
        gristmill_llm::tls::install_provider();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(600)).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token: None })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await.context("the server gave no answer")?;
        let (status, url) = (response.status(), response.url().path().to_owned());
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Uploads a file and waits until it can be queried, or, with `follow`, shows the progress of its job.
    pub(crate) async fn upload(&self, project: &str, filename: &str, content: Vec<u8>, follow: bool) -> Result<Value> {
        let part = multipart::Part::bytes(content).file_name(filename.to_owned());
        let form = multipart::Form::new().part("file", part).text("projectId", project.to_owned());
        let request = self.request(Method::POST, "/api/upload/dataset").multipart(form);
        if !follow {
            return Ok(self.send(request).await?["dataset"].clone());
        }
        let job = self.send(request.header("Prefer", "respond-async")).await?["job"].clone();
        let id = job["jobId"].as_str().context("a job id")?;
        let closing = self.follow(id).await?;
        if closing["type"] != "job_succeeded" {
            bail!("the ingest ended with {closing}");
        }
        Ok(closing["result"].clone())
    }

    /// Follows a job's log to its end and returns the closing event.
    async fn follow(&self, job: &str) -> Result<Value> {
        let mut response = self.request(Method::GET, &format!("/api/jobs/{job}/events")).send().await?;
        let mut buffer = Vec::new();
        let mut last = Value::Null;
        while let Some(chunk) = response.chunk().await? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
                if event["type"] == "progress" {
                    let share = event["fraction"].as_f64().unwrap_or(0.0) * 100.0;
                    println!("      {share:>3.0} %  {}", event["message"].as_str().unwrap_or_default());
                }
                last = event;
            }
        }
        Ok(last)
    }
}

/// Runs a step and prints its name, its time and what it found.
pub(crate) async fn step<T>(name: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
    let began = Instant::now();
    let (value, found) = work.await.with_context(|| format!("the step `{name}` failed"))?;
    println!("  {:>8.1} ms  {name:<28} {found}", began.elapsed().as_secs_f64() * 1000.0);
    Ok(value)
}

/// Prints rows as a table.
pub(crate) fn print_rows(result: &Value) {
    let columns: Vec<&str> = result["columns"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "·".into(),
        Value::Number(number) => {
            number.as_f64().filter(|n| n.fract() != 0.0).map_or_else(|| number.to_string(), |n| format!("{n:.2}"))
        }
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> =
        result["rows"].as_array().into_iter().flatten().map(|row| columns.iter().map(|c| text(&row[*c])).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| rows.iter().map(|row| row[at].chars().count()).chain([name.len()]).max().unwrap_or(0))
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("                 {}", padded.join("  "));
    };
    line(columns.iter().map(|name| (*name).to_owned()).collect());
    rows.into_iter().for_each(line);
}
