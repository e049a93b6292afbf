//! What a handler learns of a client that leaves, and that it runs on without one.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, middleware::from_fn, web};
use gristmill_api::{
    error::{ApiError, ApiResult},
    leaving::{ClientLeft, run_to_the_end},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::eventually;

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
fn serve() -> (SocketAddr, web::Data<Seen>) {
    let seen = web::Data::new(Seen::default());
    let shared = seen.clone();
    let server =
        HttpServer::new(move || App::new().app_data(shared.clone()).service(write).service(ask).wrap(from_fn(run_to_the_end)));
    let server = server.workers(1).h1_allow_half_closed(false).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (address, seen)
}

async fn send(address: SocketAddr, path: &str, seen: &Seen) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    seen.began.notified().await;
    stream
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await;
    read.expect("the connection is closed within a minute").unwrap();
    answer
}

#[actix_web::test]
async fn a_client_that_stays_gets_the_answer_of_either() {
    for (path, expected) in [("/write", "written"), ("/ask", "answered")] {
        let (address, seen) = serve();
        let mut stream = send(address, path, &seen).await;
        seen.go_on.notify_one();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(expected), "{answer}");
    }
}

#[actix_web::test]
async fn a_request_runs_to_its_end_when_its_client_leaves() {
    let (address, seen) = serve();
    let mut stream = send(address, "/write", &seen).await;
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "", "the connection is closed at once");
    drop(stream);
    assert!(!seen.is_dropped.load(Ordering::SeqCst), "the handler still stands between its steps");
    seen.go_on.notify_one();
    eventually("the second step", async || seen.is_done.load(Ordering::SeqCst).then_some(())).await;
}

#[actix_web::test]
async fn work_that_nobody_else_wants_is_dropped_when_its_client_leaves() {
    let (address, seen) = serve();
    drop(send(address, "/ask", &seen).await);
    eventually("the work to be dropped", async || seen.is_dropped.load(Ordering::SeqCst).then_some(())).await;
    assert!(!seen.is_done.load(Ordering::SeqCst), "it did not go on");
}
