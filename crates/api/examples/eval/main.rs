//! Asks the golden questions of a set over HTTP and prints how they went. `cargo xtask eval nl2sql` starts a server and
//! runs this against it.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for people at a terminal, which stops at the first surprise"
)]

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{RequestBuilder, multipart};
use serde_json::{Value, json};

struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.bearer_auth(&self.token).send().await.context("the server gave no answer")?;
        let (status, path) = (response.status(), response.url().path().to_owned());
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let option = |name: &str| std::env::args().skip_while(|argument| argument != name).nth(1);
    let url = option("--url").context("usage: eval --url URL --set FILE")?;
    let set_file = PathBuf::from(option("--set").context("usage: eval --url URL --set FILE")?);
    let set: Value = serde_json::from_slice(&std::fs::read(&set_file)?)?;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(1800)).build()?;
    let mut client = Client { http, base: url, token: String::new() };
    let account = json!({ "email": "eval@example.org", "password": "correct horse battery", "name": "Eval" });
    client.token = client.post("/api/auth/register", &account).await?["accessToken"].as_str().unwrap_or_default().to_owned();
    let made = client.post("/api/projects", &json!({ "name": "Evaluation" })).await?;
    let project = made["project"]["id"].as_str().context("a project without an id")?.to_owned();

    let data = set_file.parent().and_then(|sets| sets.parent()).context("a set outside of data/eval")?;
    let dataset = data.join(set["dataset"].as_str().context("a set without a dataset")?);
    let filename = dataset.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = multipart::Part::bytes(std::fs::read(&dataset)?).file_name(filename);
    let form = multipart::Form::new().part("file", part).text("projectId", project.clone());
    client.send(client.http.post(format!("{}/api/upload/dataset", client.base)).multipart(form)).await?;

    let base = format!("/api/projects/{project}/golden-questions");
    for question in set["questions"].as_array().context("a set without questions")? {
        client.post(&base, question).await?;
    }
    let report = client.post(&format!("{base}/run"), &json!({})).await?;
    let listed = client.send(client.http.get(format!("{}{base}", client.base))).await?;
    for question in listed["goldenQuestions"].as_array().into_iter().flatten() {
        let asked = &question["lastAsked"];
        let confidence = asked["confidence"].as_f64().map_or_else(|| "-".to_owned(), |confidence| format!("{confidence:.2}"));
        let verdict = asked["verdict"].as_str().unwrap_or("-");
        println!("{verdict:<12} {confidence:>5}  {}", question["question"].as_str().unwrap_or_default());
        if verdict != "right" {
            println!("{:20}{}", "", asked["generatedSql"].as_str().or(asked["reason"].as_str()).unwrap_or_default());
        }
    }
    let accuracy = report["executionAccuracy"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    println!("\n{} of {} right, execution accuracy {accuracy}, model {}", report["right"], report["total"], report["model"]);
    Ok(())
}
