//! A server that speaks chat completions as a test wants: it answers, waits, or says nothing and sees who leaves.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use gristmill_testkit::http::{Request, read_request};
use serde_json::{Value, json};

use super::{content, streamed};

/// What the model does when it is asked.
pub(super) enum Does {
    /// Says this, in two pieces.
    Says(Value),
    /// Begins an answer that never ends.
    Begins,
    /// Says nothing at all.
    Nothing,
}

/// What the model was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The name of the schema that the answer must be of.
    pub(super) schema: String,
    messages: Vec<(String, String)>,
}

impl Asked {
    fn of(body: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = body["messages"].as_array().into_iter().flatten();
        let messages = messages.map(|message| (text(&message["role"]), text(&message["content"]))).collect();
        Self { schema: text(&body["response_format"]["json_schema"]["name"]), messages }
    }

    /// The last message of a person.
    pub(super) fn prompt(&self) -> &str {
        self.last_of("user")
    }

    /// The instructions.
    pub(super) fn system(&self) -> &str {
        self.last_of("system")
    }

    fn last_of(&self, wanted: &str) -> &str {
        let found = self.messages.iter().rev().find(|message| message.0 == wanted);
        found.map_or("", |message| message.1.as_str())
    }
}

/// The server. Each request has a connection and a thread of its own.
pub(super) struct ModelServer {
    pub(super) url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<Asked>>,
    left: Mutex<Vec<Instant>>,
}

impl ModelServer {
    pub(super) fn start(answer: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::<Seen>::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(&mut stream, &kept, &*answer));
            }
        });
        Self { url, seen }
    }

    /// What it was asked for with this schema, oldest first.
    pub(super) fn asked(&self, schema: &str) -> Vec<Asked> {
        let asked = self.seen.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.schema == schema).cloned().collect()
    }

    /// When those who were never answered closed their connections.
    pub(super) fn left(&self) -> Vec<Instant> {
        self.seen.left.lock().unwrap().clone()
    }
}

fn serve(stream: &mut TcpStream, seen: &Seen, answer: &dyn Fn(&Asked) -> Does) {
    let Some(Request { path, body, .. }) = read_request(stream) else { return };
    if path != "/v1/chat/completions" {
        // Somebody looks for a sign of life.
        send(stream, "application/json", &json!({ "data": [{ "id": "m" }] }).to_string());
        return;
    }
    let asked = Asked::of(&body);
    seen.asked.lock().unwrap().push(asked.clone());
    match answer(&asked) {
        Does::Says(content) => send(stream, "text/event-stream", &streamed(&content.to_string())),
        Does::Begins => {
            let delta = json!({ "reasoning_content": "Hm." });
            let chunk = json!({ "id": "c", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(format!("{head}data: {chunk}\n\n").as_bytes()));
            watch(stream, seen);
        }
        Does::Nothing => watch(stream, seen),
    }
}

fn send(stream: &mut TcpStream, kind: &str, text: &str) {
    let length = text.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    // A client that has gone is what some tests are about.
    drop(stream.write_all(format!("{head}{text}").as_bytes()));
}

/// Waits until the client closes the connection.
fn watch(stream: &mut TcpStream, seen: &Seen) {
    let mut buffer = [0; 64];
    while matches!(stream.read(&mut buffer), Ok(read) if read > 0) {}
    seen.left.lock().unwrap().push(Instant::now());
}

/// Holds answers back until it is opened.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(super) fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }

    /// Waits for at most a minute.
    pub(super) fn wait(&self) {
        let (is_open, opened) = &*self.0;
        let closed = is_open.lock().unwrap();
        drop(opened.wait_timeout_while(closed, Duration::from_secs(60), |is_open| !*is_open).unwrap());
    }
}

/// The mark and the text of the first block of a kind in a prompt.
pub(super) fn block<'p>(prompt: &'p str, kind: &str) -> Option<(&'p str, &'p str)> {
    let (_, rest) = prompt.split_once(&format!("<data kind=\"{kind}\" mark=\""))?;
    let (mark, rest) = rest.split_once("\">\n")?;
    let (inside, _) = rest.split_once(&format!("\n</data mark=\"{mark}\">"))?;
    Some((mark, inside))
}

/// What of a prompt stands outside of all blocks.
pub(super) fn outside(prompt: &str) -> String {
    let mut outside = String::new();
    let mut rest = prompt;
    while let Some((before, after)) = rest.split_once("<data kind=\"") {
        outside.push_str(before);
        let (_, after) = after.split_once("mark=\"").expect("a mark");
        let (mark, after) = after.split_once("\">").expect("the end of the mark");
        (_, rest) = after.split_once(&format!("</data mark=\"{mark}\">")).expect("the end of the block");
    }
    outside.push_str(rest);
    outside
}

/// A model that answers these questions, and its plans only once the gate is open.
pub(super) fn gated() -> (Gate, ModelServer) {
    let gate = Gate::default();
    let held = gate.clone();
    let model = ModelServer::start(move |asked| {
        if asked.schema == "nl_plan" {
            held.wait();
        }
        Does::Says(content(&asked.schema))
    });
    (gate, model)
}
