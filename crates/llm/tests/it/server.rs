//! A local server that speaks HTTP as badly as a test wants.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use gristmill_llm::{Endpoint, Timeouts};
/// What came in.
pub(crate) use gristmill_testkit::http::Request as Asked;
use gristmill_testkit::http::read_request;
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

/// One connection, to answer on.
pub(crate) struct Line {
    stream: TcpStream,
    closed: mpsc::Sender<()>,
}

impl Line {
    pub(crate) fn send(&mut self, text: &str) {
        // A client that has gone is what some tests are about.
        drop(self.stream.write_all(text.as_bytes()));
        drop(self.stream.flush());
    }

    /// Begins an answer whose body ends with the connection.
    pub(crate) fn begin(&mut self, status: &str, headers: &str) {
        self.send(&format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n"));
    }

    pub(crate) fn begin_events(&mut self) {
        self.begin("200 OK", "Content-Type: text/event-stream; charset=utf-8\r\n");
    }

    /// An event stream in pieces of so many bytes.
    pub(crate) fn events(&mut self, text: &str, piece_bytes: usize) {
        self.begin_events();
        for piece in text.as_bytes().chunks(piece_bytes) {
            if self.stream.write_all(piece).and_then(|()| self.stream.flush()).is_err() {
                return;
            }
        }
    }

    pub(crate) fn json(&mut self, status: &str, headers: &str, body: &Value) {
        self.begin(status, &format!("Content-Type: application/json\r\n{headers}"));
        self.send(&body.to_string());
    }

    /// Waits until the client closes the connection, and tells the test.
    pub(crate) fn wait_for_close(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.stream.read(&mut buffer), Ok(read) if read > 0) {}
        self.closed.blocking_send(()).ok();
    }
}

pub(crate) struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    closed: mpsc::Receiver<()>,
}

impl Server {
    /// Answers each request with `answer`, on a connection and a thread of its own. The number counts requests from 0.
    pub(crate) fn start(answer: impl Fn(usize, &Asked, &mut Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (closed_sender, closed) = mpsc::channel(100);
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer, closed) = (Arc::clone(&kept), Arc::clone(&answer), closed_sender.clone());
                let stream = stream.unwrap();
                std::thread::spawn(move || {
                    let Some(asked) = read_request(&stream) else { return };
                    let number = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(asked.clone());
                        kept.len() - 1
                    };
                    answer(number, &asked, &mut Line { stream, closed });
                });
            }
        });
        Self { address, asked, closed }
    }

    /// A server that answers every request with these events, in pieces of 7 bytes.
    pub(crate) fn of_events(events: &'static str) -> Self {
        Self::start(move |_, _, line| line.events(events, 7))
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn endpoint(&self, path: &str) -> Endpoint {
        let mut endpoint = Endpoint::new(self.url(path), Some("sk-test-abcdefghijklmnopqrstuvwxyz".into()));
        endpoint.timeouts = Timeouts::of_total(Duration::from_secs(20));
        endpoint
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until a client has closed a connection.
    pub(crate) async fn expect_close(&mut self) {
        let closed = timeout(Duration::from_secs(20), self.closed.recv()).await;
        closed.expect("the client keeps the connection open").expect("the server is there");
    }
}
