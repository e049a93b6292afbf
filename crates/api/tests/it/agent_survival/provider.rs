//! Providers that break off in the middle of a call, and providers that must learn in time that nobody waits any more.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use gristmill_testkit::http::{Request, read_request};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Pieces, SALES, TURNS, begun, ended, payloads, picture::cells, read_until, rest, snapshot, told, tools_called};
use crate::support::{Client, TestApp, eventually};

/// By when the model must know (DESIGN, decision 10).
const STOPPED_WITHIN: Duration = Duration::from_secs(2);
/// On a busy machine one round may be late, and not all of them.
const ROUNDS: usize = 3;

/// What the model does when it is asked.
pub(super) enum Does {
    /// Says this.
    Says(&'static str),
    /// Makes a call.
    Calls(&'static str, Value),
    /// Begins a call and closes the connection within its arguments: as a server does that ends, or that breaks down.
    BreaksOff(&'static str, Value, Ending),
    /// Begins an answer that never ends.
    Thinks,
}

#[derive(Clone, Copy)]
pub(super) enum Ending {
    Orderly,
    Abrupt,
}

/// A server that speaks chat completions. Each request has a connection and a thread of its own.
pub(super) struct ModelServer {
    url: String,
    left: Arc<Mutex<Vec<Instant>>>,
}

impl ModelServer {
    /// `answer` gets what the model is asked.
    pub(super) fn start(answer: impl Fn(&Value) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (left, answer) = (Arc::<Mutex<Vec<Instant>>>::default(), Arc::new(answer));
        let seen = Arc::clone(&left);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, answer) = (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(&mut stream, &seen, &*answer));
            }
        });
        Self { url, left }
    }

    /// When those who were never answered closed their connections.
    fn left(&self) -> Vec<Instant> {
        self.left.lock().unwrap().clone()
    }

    /// A server whose model this is, and a person with a project and a dataset: the server, the person, and what a turn of it
    /// needs.
    pub(super) async fn app(&self) -> (TestApp, Client, Value) {
        let provider = ("LLM_PROVIDER", "openai-compatible");
        let address = ("LLM_BASE_URL", self.url.as_str());
        let app = TestApp::start_with(&[provider, address, ("LLM_MODEL", "m"), ("LLM_API_KEY", "sk-local")]).await;
        let ada = app.user("ada").await;
        let project = ada.project("Mill").await;
        let dataset = ada.dataset(&project, "sales.csv", SALES).await["datasetId"].clone();
        let body = json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go" });
        (app, ada, body)
    }
}

fn serve(stream: &mut TcpStream, left: &Mutex<Vec<Instant>>, answer: &dyn Fn(&Value) -> Does) {
    let Some(Request { path, body, .. }) = read_request(stream) else { return };
    if path != "/v1/chat/completions" {
        // Somebody looks for a sign of life.
        let models = json!({ "data": [{ "id": "m" }] }).to_string();
        send(stream, &format!("Content-Type: application/json\r\nContent-Length: {}", models.len()), &models);
        return;
    }
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        format!("data: {}\n\n", json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices }))
    };
    let call = |name: &str, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        chunk(json!({ "tool_calls": [{ "index": 0, "id": "call_1", "type": "function", "function": function }] }), Value::Null)
    };
    let events = "Content-Type: text/event-stream";
    match answer(&body) {
        Does::Says(text) => {
            let said = chunk(json!({ "content": text }), Value::Null) + &chunk(json!({}), json!("stop"));
            send(stream, events, &format!("{said}data: [DONE]\n\n"));
        }
        Does::Calls(name, arguments) => {
            let said = call(name, &arguments.to_string()) + &chunk(json!({}), json!("tool_calls"));
            send(stream, events, &format!("{said}data: [DONE]\n\n"));
        }
        Does::BreaksOff(name, arguments, ending) => {
            let arguments = arguments.to_string();
            let said = call(name, arguments.split_at(arguments.len() / 2).0);
            match ending {
                Ending::Orderly => send(stream, events, &said),
                // Less comes than was announced.
                Ending::Abrupt => send(stream, &format!("{events}\r\nContent-Length: 100000"), &said),
            }
        }
        Does::Thinks => {
            send(stream, events, &chunk(json!({ "reasoning_content": "Hm." }), Value::Null));
            let mut buffer = [0; 64];
            while matches!(stream.read(&mut buffer), Ok(read) if read > 0) {}
            left.lock().unwrap().push(Instant::now());
        }
    }
}

/// A client that has gone is what some tests are about.
fn send(stream: &mut TcpStream, head: &str, text: &str) {
    drop(stream.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n\r\n{text}").as_bytes()));
}

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }

    /// Waits for at most a minute.
    fn wait(&self) {
        let (is_open, opened) = &*self.0;
        let closed = is_open.lock().unwrap();
        drop(opened.wait_timeout_while(closed, Duration::from_secs(60), |is_open| !*is_open).unwrap());
    }
}

/// A model that looks at the files, and says something when the gate is open.
pub(super) fn gated() -> (Gate, ModelServer) {
    let gate = Gate::default();
    let held = gate.clone();
    let model = ModelServer::start(move |asked| {
        if last(asked)["role"] != "tool" {
            return Does::Calls("list_project_files", json!({}));
        }
        held.wait();
        Does::Says("Seen.")
    });
    (gate, model)
}

fn last(asked: &Value) -> &Value {
    asked["messages"].as_array().and_then(|messages| messages.last()).unwrap_or(&Value::Null)
}

#[actix_web::test]
async fn a_call_that_broke_off_is_not_made_and_the_run_goes_on_with_the_next_turn() {
    for ending in [Ending::Orderly, Ending::Abrupt] {
        let call = json!({ "content": "x = 1", "title": "A title that is long enough to be cut" });
        let model = ModelServer::start(move |asked| match last(asked)["role"].as_str() {
            Some("tool") => Does::Says("Written."),
            _ if asked["messages"].to_string().contains("once-more") => Does::Calls("write_cell", call.clone()),
            _ => Does::BreaksOff("write_cell", call.clone(), ending),
        });
        let (_app, ada, mut body) = model.app().await;
        body["runId"] = json!("fe-1");
        let lines = told(&ada, &body).await;
        let error = lines.iter().find(|line| line["type"] == "workflow_error").unwrap_or_else(|| panic!("{lines:?}"));
        assert_eq!((&error["code"], &error["retryable"]), (&json!("UPSTREAM_MODEL_UNAVAILABLE"), &json!(true)));
        let failed = snapshot(&ada, "fe-1").await;
        assert_eq!(failed["run"]["status"], "failed_retryable");
        assert!(payloads(&failed, "tool_started").is_empty(), "{failed}");
        assert_eq!(cells(&ada, body["projectId"].as_str().unwrap()).await.len(), 0);

        body["prompt"] = json!("once-more");
        told(&ada, &body).await;
        let run = snapshot(&ada, "fe-1").await;
        assert_eq!((run["run"]["status"].as_str(), tools_called(&run)), (Some("completed"), vec!["write_cell"]));
        assert_eq!(cells(&ada, body["projectId"].as_str().unwrap()).await.len(), 1);
    }
}

/// Waits until the model of a turn that was stopped at `stopped` knows. Returns how long that took.
async fn took(model: &ModelServer, round: usize, stopped: Instant) -> Duration {
    let closed = eventually("the connection to the model to be closed", async || model.left().get(round).copied()).await;
    closed.saturating_duration_since(stopped)
}

fn assert_in_time(took: &[Duration]) {
    let best = took.iter().min().copied().unwrap();
    assert!(best <= STOPPED_WITHIN, "the model was told {took:?} after the stop");
}

#[actix_web::test]
async fn an_interruption_closes_the_connection_to_the_model() {
    let model = ModelServer::start(|_| Does::Thinks);
    let (_app, ada, mut body) = model.app().await;
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let run = format!("fe-{round}");
        body["runId"] = json!(run);
        let (text, stream) = begun(&ada, &body, "Hm.").await;
        let stopped = Instant::now();
        ada.post(&format!("/api/workflows/{run}/interrupt"), &json!({})).await.expect(200);
        all.push(took(&model, round, stopped).await);
        assert_eq!(rest(text, stream).await.last().unwrap()["type"], "done");
        assert_eq!(ended(&ada, &run).await["run"]["status"], "interrupted");
    }
    assert_in_time(&all);
}

#[actix_web::test]
async fn leaving_the_stream_closes_the_connection_to_the_model_and_detaching_does_not() {
    let model = ModelServer::start(|_| Does::Thinks);
    let (_app, ada, mut body) = model.app().await;
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let run = format!("fe-{round}");
        body["runId"] = json!(run);
        let (_, stream) = begun(&ada, &body, "Hm.").await;
        drop(stream);
        let stopped = Instant::now();
        all.push(took(&model, round, stopped).await);
        assert_eq!(ended(&ada, &run).await["run"]["status"], "interrupted");
    }
    assert_in_time(&all);

    // A client of server-sent events may come back.
    body["runId"] = json!("fe-sse");
    let request = ada.request(Method::POST, TURNS).header("Accept", "text/event-stream").json(&body);
    let mut stream: Pieces = Box::pin(request.send().await.unwrap().bytes_stream());
    read_until(&mut stream, &mut String::new(), "Hm.").await;
    drop(stream);
    // As long as it took the others to be noticed, and more: another turn comes and goes meanwhile.
    let (_, other) = begun(&ada, &onboarding(&body), "Hm.").await;
    drop(other);
    took(&model, ROUNDS, Instant::now()).await;
    assert_eq!(snapshot(&ada, "fe-sse").await["run"]["status"], "running");
    assert_eq!(model.left().len(), ROUNDS + 1);
    ada.post("/api/workflows/fe-sse/interrupt", &json!({})).await.expect(200);
}

/// The same in another phase.
fn onboarding(body: &Value) -> Value {
    json!({ "projectId": body["projectId"], "phase": "onboarding", "prompt": "go", "runId": "on-1", "round": 0 })
}
