//! Asks the golden questions of sets over HTTP and prints how they went. `cargo xtask eval nl2sql` starts a server and
//! runs this against it.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for people at a terminal, which stops at the first surprise"
)]

mod tpch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

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

    async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    async fn upload(&self, project: &str, filename: String, content: Vec<u8>) -> Result<()> {
        let part = multipart::Part::bytes(content).file_name(filename);
        let form = multipart::Form::new().part("file", part).text("projectId", project.to_owned());
        self.send(self.http.post(format!("{}/api/upload/dataset", self.base)).multipart(form)).await?;
        Ok(())
    }
}

/// A set of questions with its name and its tables.
struct Set {
    name: String,
    content: Value,
    tables: Vec<(String, Vec<u8>)>,
}

impl Set {
    fn read(file: &Path) -> Result<Self> {
        let content: Value = serde_json::from_slice(&std::fs::read(file).with_context(|| file.display().to_string())?)?;
        let tables = if content["generated"]["benchmark"] == "tpc-h" {
            tpch::tables(content["generated"]["scaleFactor"].as_f64().context("a set without a scale factor")?)
        } else {
            let data = file.parent().and_then(Path::parent).context("a set outside of data/eval")?;
            let files = content["files"].as_array().context("a set without files")?;
            files.iter().map(|path| table(&data.join(path.as_str().unwrap_or_default()))).collect::<Result<_>>()?
        };
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, content, tables })
    }
}

fn table(file: &Path) -> Result<(String, Vec<u8>)> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, std::fs::read(file).with_context(|| file.display().to_string())?))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut url, mut sets, mut is_scripted) = (None, Vec::new(), false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--url" => url = arguments.next(),
            "--set" => sets.push(PathBuf::from(arguments.next().context("--set takes a file")?)),
            "--scripted" => is_scripted = true,
            _ => bail!("usage: eval --url URL --set FILE [--set FILE …] [--scripted]"),
        }
    }
    gristmill_llm::tls::install_provider();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(1800)).build()?;
    let mut client = Client { http, base: url.context("--url is missing")?, token: String::new() };
    let account = json!({ "email": "eval@example.org", "password": "correct horse battery", "name": "Eval" });
    client.token = client.post("/api/auth/register", &account).await?["accessToken"].as_str().unwrap_or_default().to_owned();
    for file in &sets {
        let set = Set::read(file)?;
        let right = ask(&client, &set).await?;
        // The script has one wrong answer in each set: an evaluation that finds nothing wrong is broken too.
        if is_scripted && Some(right) != set.content["scriptedRight"].as_u64() {
            bail!("{}: {right} right, but the script has {} right answers", set.name, set.content["scriptedRight"]);
        }
    }
    Ok(())
}

/// Asks a set's questions and tells how many answers are right.
async fn ask(client: &Client, set: &Set) -> Result<u64> {
    let made = client.post("/api/projects", &json!({ "name": set.name })).await?;
    let project = made["project"]["id"].as_str().context("a project without an id")?.to_owned();
    for (name, content) in &set.tables {
        client.upload(&project, name.clone(), content.clone()).await?;
    }
    let base = format!("/api/projects/{project}/golden-questions");
    for question in set.content["questions"].as_array().context("a set without questions")? {
        client.post(&base, question).await?;
    }
    let report = client.post(&format!("{base}/run"), &json!({})).await?;
    println!("\n{}: {}", set.name, set.content["description"].as_str().unwrap_or_default());
    for question in client.get(&base).await?["goldenQuestions"].as_array().into_iter().flatten() {
        print_question(question);
    }
    let accuracy = report["executionAccuracy"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    println!("{} of {} right, execution accuracy {accuracy}, model {}", report["right"], report["total"], report["model"]);
    report["right"].as_u64().context("a report without a count")
}

fn print_question(question: &Value) {
    let asked = &question["lastAsked"];
    let confidence = asked["confidence"].as_f64().map_or_else(|| "-".to_owned(), |confidence| format!("{confidence:.2}"));
    let verdict = asked["verdict"].as_str().unwrap_or("-");
    println!("{verdict:<12} {confidence:>5}  {}", question["question"].as_str().unwrap_or_default());
    if verdict != "right" {
        for told in [&asked["generatedSql"], &asked["reason"]].into_iter().filter_map(Value::as_str) {
            println!("{:20}{told}", "");
        }
    }
}
