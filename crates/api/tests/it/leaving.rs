//! What a handler learns of a client that leaves, and that it runs on without one, also while its server stops.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, middleware::from_fn, rt::task::JoinHandle, web};
use gristmill_api::{
    error::{ApiError, ApiResult},
    leaving::{ClientLeft, Requests, run_to_the_end},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::eventually;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Seen {
    began: Notify,
    go_on: Notify,
    is_done: AtomicBool,
    is_dropped: AtomicBool,
}

/// Says that it was dropped.
struct Guard(web::Data<Seen>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.is_dropped.store(true, Ordering::SeqCst);
    }
}

async fn take_two_steps(seen: web::Data<Seen>) -> ApiResult<()> {
    let guard = Guard(seen.clone());
    seen.began.notify_one();
    seen.go_on.notified().await;
    seen.is_done.store(true, Ordering::SeqCst);
    drop(guard);
    Ok(())
}

#[actix_web::post("/write")]
async fn write(seen: web::Data<Seen>) -> Result<HttpResponse, ApiError> {
    take_two_steps(seen).await?;
    Ok(HttpResponse::Ok().body("written"))
}

#[actix_web::post("/ask")]
async fn ask(seen: web::Data<Seen>, client: ClientLeft) -> Result<HttpResponse, ApiError> {
    client.unless_left(take_two_steps(seen)).await?;
    Ok(HttpResponse::Ok().body("answered"))
}

/// A server that notices leaving clients as the real one does.
struct Server {
    address: SocketAddr,
    seen: web::Data<Seen>,
    requests: Requests,
    handle: ServerHandle,
}

impl Server {
    fn start() -> Self {
        let (seen, requests) = (web::Data::new(Seen::default()), Requests::default());
        let (shared, counted) = (seen.clone(), requests.clone());
        let app = move || {
            let app = App::new().app_data(shared.clone()).app_data(counted.clone());
            app.service(write).service(ask).wrap(from_fn(run_to_the_end))
        };
        let server = HttpServer::new(app).workers(1).h1_allow_half_closed(false).disable_signals();
        let server = server.bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, seen, requests, handle }
    }

    /// Sends a request, and waits until its handler runs.
    async fn send(&self, path: &str, connection: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        self.seen.began.notified().await;
        stream
    }

    fn stop(&self, deadline: Duration) -> JoinHandle<()> {
        let (requests, handle) = (self.requests.clone(), self.handle.clone());
        actix_web::rt::spawn(async move { requests.finish(&handle, deadline).await })
    }

    fn is_done(&self) -> bool {
        self.seen.is_done.load(Ordering::SeqCst)
    }

    fn is_dropped(&self) -> bool {
        self.seen.is_dropped.load(Ordering::SeqCst)
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::time::timeout(MINUTE, stream.read_to_string(&mut answer)).await;
    read.expect("the connection is closed within a minute").unwrap();
    answer
}

#[actix_web::test]
async fn a_client_that_stays_gets_the_answer_of_either() {
    for (path, expected) in [("/write", "written"), ("/ask", "answered")] {
        let server = Server::start();
        let mut stream = server.send(path, "close").await;
        server.seen.go_on.notify_one();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(expected), "{answer}");
    }
}

#[actix_web::test]
async fn a_request_runs_to_its_end_when_its_client_leaves() {
    let server = Server::start();
    let mut stream = server.send("/write", "close").await;
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "", "the connection is closed at once");
    drop(stream);
    assert!(!server.is_dropped(), "the handler still stands between its steps");
    server.seen.go_on.notify_one();
    eventually("the second step", async || server.is_done().then_some(())).await;
}

#[actix_web::test]
async fn work_that_nobody_else_wants_is_dropped_when_its_client_leaves() {
    let server = Server::start();
    drop(server.send("/ask", "close").await);
    eventually("the work to be dropped", async || server.is_dropped().then_some(())).await;
    assert!(!server.is_done(), "it did not go on");
}

#[actix_web::test]
async fn a_server_that_stops_waits_for_a_request_whether_or_not_its_client_stays() {
    for stays in [false, true] {
        let server = Server::start();
        let mut stream = server.send("/write", "keep-alive").await;
        if !stays {
            stream.shutdown().await.unwrap();
            assert_eq!(read_to_end(&mut stream).await, "", "the connection is closed at once");
        }
        let mut stopping = server.stop(MINUTE);
        let early = tokio::time::timeout(Duration::from_millis(500), &mut stopping).await;
        assert!(early.is_err() && !server.is_dropped(), "the handler still stands between its steps");
        server.seen.go_on.notify_one();
        tokio::time::timeout(MINUTE, stopping).await.expect("it stops within a minute").unwrap();
        assert!(server.is_done());
        if stays {
            let answer = read_to_end(&mut stream).await;
            assert!(answer.ends_with("written") && answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        }
    }
}

#[actix_web::test]
async fn a_server_that_stops_waits_no_longer_than_it_may() {
    let server = Server::start();
    let mut stream = server.send("/write", "keep-alive").await;
    let stopping = server.stop(Duration::ZERO);
    tokio::time::timeout(MINUTE, stopping).await.expect("it stops within a minute").unwrap();
    assert_eq!(read_to_end(&mut stream).await, "", "there is no answer");
    eventually("the request to be dropped", async || server.is_dropped().then_some(())).await;
    assert!(!server.is_done());
}
