//! A client with an account of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, multipart};
use serde_json::{Value, json};

/// Longest wait for an answer: a turn of an agent and a run of questions take minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// Makes an account on a server.
    pub(crate) async fn register(url: &str) -> Result<Self> {
        gristmill_llm::tls::install_provider();
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let mut client = Self { http, base: url.trim_end_matches('/').to_owned(), token: String::new() };
        let account = json!({ "email": "eval@example.org", "password": "correct horse battery", "name": "Eval" });
        let answer = client.post("/api/auth/register", &account).await?;
        client.token = answer["accessToken"].as_str().unwrap_or_default().to_owned();
        Ok(client)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        json_of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        json_of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        json_of(self.request(Method::PATCH, path).json(body)).await
    }

    /// Posts, and reads the answer as lines of JSON.
    pub(crate) async fn lines(&self, path: &str, body: &Value) -> Result<Vec<Value>> {
        let text = text_of(self.request(Method::POST, path).json(body)).await?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
    }

    /// Posts as a program that has nothing but a deployment's key.
    pub(crate) async fn post_by_key(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        json_of(self.http.post(format!("{}{path}", self.base)).header("x-api-key", key).json(body)).await
    }

    /// Uploads a file, and waits until it is a dataset.
    pub(crate) async fn upload(&self, project: &str, filename: &str, content: Vec<u8>) -> Result<Value> {
        let part = multipart::Part::bytes(content).file_name(filename.to_owned());
        let form = multipart::Form::new().part("file", part).text("projectId", project.to_owned());
        Ok(json_of(self.request(Method::POST, "/api/upload/dataset").multipart(form)).await?["dataset"].clone())
    }
}

async fn json_of(request: RequestBuilder) -> Result<Value> {
    Ok(serde_json::from_str(&text_of(request).await?)?)
}

async fn text_of(request: RequestBuilder) -> Result<String> {
    let response = request.send().await.context("the server gave no answer")?;
    let (status, path) = (response.status(), response.url().path().to_owned());
    let text = response.text().await?;
    if !status.is_success() {
        bail!("{path} answered {status}: {text}");
    }
    Ok(text)
}
