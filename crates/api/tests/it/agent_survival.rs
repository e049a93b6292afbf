//! What turns of agents survive: servers that die, a database that goes away, sandboxes and providers that break, clients that
//! come and go, and models that do what they should not. docs/TESTING.md says which test proves what.

mod behaviour;
mod boundaries;
mod clients;
mod deleted;
mod obedient;
mod outage;
mod picture;
mod provider;
mod sandboxes;
mod tenancy;

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_domain::Caller;
use gristmill_workflow::tools::ToolContext;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    kernels::running,
    support::{Client, TestApp, calls, eventually, parsed, script},
};

const SALES: &str = "city,people\nAachen,1\nBonn,\nKöln,3\n";
const TURNS: &str = "/api/workflows/turns/stream";

/// A body as it comes.
type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>;

/// A server with a scripted model, and a person with a project and a dataset in it.
struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    dataset: String,
    _script: tempfile::NamedTempFile,
}

/// Where no code has to run.
async fn setting(turns: &Value) -> Setting {
    let script = script(turns);
    let app = TestApp::start_with(&[("LLM_SCRIPT_FILE", script.path().to_str().unwrap())]).await;
    Setting::over(app, script).await
}

/// Where code runs.
async fn running_setting(turns: &Value) -> Setting {
    let script = script(turns);
    let app = running(&[("LLM_SCRIPT_FILE", script.path().to_str().unwrap())]).await;
    Setting::over(app, script).await
}

impl Setting {
    async fn over(app: TestApp, script: tempfile::NamedTempFile) -> Self {
        let ada = app.user("ada").await;
        let project = ada.project("Mill").await;
        let dataset = ada.dataset(&project, "sales.csv", SALES).await["datasetId"].as_str().unwrap().to_owned();
        Self { app, ada, project, dataset, _script: script }
    }

    /// A turn in which the model may call most of the general tools.
    fn features(&self, run: &str, prompt: &str) -> Value {
        json!({
            "projectId": self.project, "phase": "feature_engineering", "datasetId": self.dataset, "prompt": prompt, "runId": run,
        })
    }

    fn preprocessing(&self, run: &str, prompt: &str) -> Value {
        preprocessing(&self.project, &self.dataset, run, prompt)
    }

    /// What the client is told of a turn, until its end.
    async fn told(&self, body: &Value) -> Vec<Value> {
        told(&self.ada, body).await
    }

    async fn datasets(&self) -> usize {
        let listed = self.ada.get(&format!("/api/datasets?projectId={}", self.project)).await.expect(200);
        listed["datasets"].as_array().unwrap().len()
    }

    /// What kernels of the project see as their directory.
    fn workspace(&self) -> std::path::PathBuf {
        workspace(self.app.data_dir.path(), &self.project)
    }
}

fn workspace(data_dir: &std::path::Path, project: &str) -> std::path::PathBuf {
    data_dir.join("runtime/projects").join(project).join("workspace")
}

fn preprocessing(project: &str, dataset: &str, run: &str, prompt: &str) -> Value {
    json!({ "projectId": project, "phase": "preprocessing", "datasetId": dataset, "prompt": prompt, "runId": run })
}

/// What a model says that makes one step of preprocessing, however often it is asked for the same.
fn one_step(intent: &str, code: &str) -> Vec<Value> {
    let step = json!({ "title": "Mend the people", "intentType": intent, "rationale": "Some are missing." });
    vec![
        json!({ "always": true, "when": { "format": "json" }, "reply": { "text": "{\"turnMode\": \"action_required\"}" } }),
        json!({ "always": true, "when": { "toolResult": { "tool": "commit_transformation_step" } },
            "reply": { "text": "Done." } }),
        json!({ "always": true, "when": { "lastUser": "Write the Python code of step" },
            "reply": { "text": format!("```python\n{code}\n```") } }),
        json!({ "always": true, "when": { "tools": ["propose_transformation_step"] },
            "reply": calls("propose_transformation_step", &step) }),
    ]
}

async fn told(client: &Client, body: &Value) -> Vec<Value> {
    let answer = client.post(TURNS, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = parsed(&answer.text);
    assert_eq!(lines.last().unwrap()["type"], "done", "{lines:?}");
    lines
}

/// Begins a turn for which nobody waits. Returns its job.
async fn begin(client: &Client, body: &Value) -> String {
    let request = client.request(Method::POST, TURNS).header("Prefer", "respond-async").json(body);
    client.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned()
}

/// Begins a turn and reads what is told of it until this comes.
async fn begun(client: &Client, body: &Value, until: &str) -> (String, Pieces) {
    let response = client.request(Method::POST, TURNS).json(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream: Pieces = Box::pin(response.bytes_stream());
    let mut text = String::new();
    read_until(&mut stream, &mut text, until).await;
    (text, stream)
}

async fn read_until(stream: &mut Pieces, text: &mut String, until: &str) {
    while !text.contains(until) {
        let Some(piece) = stream.next().await else { panic!("it ended without {until}: {text}") };
        text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
    }
}

/// The rest of a stream, as its lines.
async fn rest(mut text: String, mut stream: Pieces) -> Vec<Value> {
    while let Some(piece) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
    }
    parsed(&text)
}

/// A run with its events.
async fn snapshot(client: &Client, run: &str) -> Value {
    client.get(&format!("/api/workflows/{run}")).await.expect(200)["run"].clone()
}

/// Waits until the turn of a run has ended, and all was told of it.
async fn ended(client: &Client, run: &str) -> Value {
    let found = eventually("the turn to end", async || {
        let found = snapshot(client, run).await;
        (found["run"]["status"] != "running").then_some(found)
    })
    .await;
    let job = found["turnJobId"].as_str().unwrap().to_owned();
    eventually("the turn's job to end", async || {
        let job = client.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone();
        (job["status"] != "queued" && job["status"] != "running").then_some(())
    })
    .await;
    found
}

/// What events of a type have, oldest first.
fn payloads<'s>(snapshot: &'s Value, kind: &str) -> Vec<&'s Value> {
    let events = snapshot["events"].as_array().unwrap().iter();
    events.filter(|event| event["eventType"] == kind).map(|event| &event["payload"]).collect()
}

/// The tools whose calls have a result, oldest first.
fn tools_called(snapshot: &Value) -> Vec<&str> {
    payloads(snapshot, "tool_executed").iter().map(|done| done["call"]["tool"].as_str().unwrap()).collect()
}

/// Where and for whom a tool is called, under a key.
fn context_of(caller: &Caller, project: &str, key: &str) -> ToolContext {
    ToolContext {
        caller: caller.clone(),
        project: project.parse().unwrap(),
        run: None,
        phase: None,
        dataset: None,
        notebook: None,
        key: key.to_owned(),
        is_approved: false,
        stop: CancellationToken::new(),
    }
}
