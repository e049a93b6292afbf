//! What goes wrong on any wire: slow, cut, malformed, huge, foreign and hostile servers.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use gristmill_llm::{
    Endpoint, Event, LlmError, Message, OUTPUT_BYTES_MAX, Provider, Request, TimeoutStage, Timeouts,
    wire::{AnthropicMessages, ChatCompletions, Responses},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    server::{Line, Server},
    wire::Check,
};

/// The same endpoint on every wire.
fn all(endpoint: &Endpoint) -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(Responses::new(endpoint, "m").unwrap()),
        Arc::new(ChatCompletions::new(endpoint, "m").unwrap()),
        Arc::new(AnthropicMessages::new(endpoint, "m").unwrap()),
    ]
}

fn question() -> Request {
    Request::new(vec![Message::user("x")])
}

/// The beginning of an answer on the wire of chat completions.
const BEGUN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n";

async fn failure(provider: &dyn Provider) -> LlmError {
    provider.complete(&question()).await.unwrap_err()
}

#[tokio::test]
async fn statuses_become_reasons() {
    let cases: [(&str, &str, Check); 7] = [
        ("401 Unauthorized", "", |error| matches!(error, LlmError::Authentication { .. })),
        ("403 Forbidden", "", |error| matches!(error, LlmError::Authentication { .. })),
        ("429 Too Many Requests", "Retry-After: 7\r\n", |error| {
            error.retry_after() == Some(Duration::from_secs(7)) && error.is_transient()
        }),
        ("503 Service Unavailable", "retry-after-ms: 20\r\n", |error| error.retry_after() == Some(Duration::from_millis(20))),
        ("500 Internal Server Error", "", LlmError::is_transient),
        ("404 Not Found", "", |error| matches!(error, LlmError::Refused { status: 404, .. })),
        ("302 Found", "Location: http://127.0.0.1:1/\r\n", |error| matches!(error, LlmError::Refused { status: 302, .. })),
    ];
    for (status, headers, check) in cases {
        let server = Server::start(move |_, _, line| line.json(status, headers, &json!({ "error": { "message": "m" } })));
        for provider in all(&server.endpoint("/v1")) {
            let error = failure(&*provider).await;
            assert!(check(&error), "{status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn keys_stay_secret() {
    let key = "sk-test-abcdefghijklmnopqrstuvwxyz";
    let body = json!({ "error": { "message": format!("Incorrect API key provided: {key}, or sk-test-******wxyz"), "type": "authentication_error" } });
    let event = format!("data: {}\n\n", json!({ "type": "error", "error": body["error"] }));
    let chunk = format!("data: {body}\n\n");
    for (number, text) in [body.to_string(), event, chunk].into_iter().enumerate() {
        let server = Server::start(move |_, _, line| match number {
            0 => line.json("401 Unauthorized", "", &serde_json::from_str(&text).unwrap()),
            _ => line.events(&text, 11),
        });
        for provider in all(&server.endpoint("/v1")) {
            let error = failure(&*provider).await;
            let told = format!("{error} {error:?} {provider:?} {}", error.public_message());
            assert!(!told.contains("abcdef") && !told.contains("wxyz"), "{told}");
        }
    }
}

#[tokio::test]
async fn foreign_answers_are_told() {
    let server = Server::start(|_, _, line| {
        line.begin("200 OK", "Content-Type: text/html\r\n");
        line.send("<html>");
    });
    for provider in all(&server.endpoint("/v1")) {
        let error = failure(&*provider).await.to_string();
        assert!(error.contains("text/html") && error.contains("base URL"), "{error}");
    }
    for events in ["data: {\"not json\n\n", "data: []x\n\n"] {
        let server = Server::of_events(events);
        for provider in all(&server.endpoint("/v1")) {
            assert!(matches!(failure(&*provider).await, LlmError::Protocol { .. }));
        }
    }
    let server = Server::start(|_, _, line| line.json("200 OK", "", &json!("hello")));
    for provider in all(&server.endpoint("/v1")) {
        assert!(matches!(failure(&*provider).await, LlmError::Protocol { .. }));
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let endless = |piece: String| {
        move |_: usize, _: &crate::server::Asked, line: &mut Line| {
            line.begin_events();
            for _ in 0..64 {
                line.send(&piece);
            }
        }
    };
    // A line without an end.
    let server = Server::start(endless("x".repeat(OUTPUT_BYTES_MAX)));
    for provider in all(&server.endpoint("/v1")) {
        let error = failure(&*provider).await;
        assert!(matches!(&error, LlmError::Protocol { detail } if detail.contains("longer than")), "{error:?}");
    }
    // Too much text in lines of a good size.
    let text = "y".repeat(100_000);
    let chunk = json!({ "choices": [{ "delta": { "content": text } }] });
    let server = Server::start(endless(format!("data: {chunk}\n\n")));
    let provider = ChatCompletions::new(&server.endpoint("/v1"), "m").unwrap();
    assert!(matches!(failure(&provider).await, LlmError::TooLarge { .. }));
    // Arguments of a call that never ends.
    let call = json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "f", "arguments": text } }] } }] });
    let piece = format!("data: {call}\n\n").repeat(10);
    let server = Server::start(endless(piece));
    let provider = ChatCompletions::new(&server.endpoint("/v1"), "m").unwrap();
    assert!(matches!(failure(&provider).await, LlmError::TooLarge { .. }));
}

#[tokio::test]
async fn answers_that_break_off_are_no_answers() {
    // Announced as longer than it is.
    let server = Server::start(|_, _, line| {
        line.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\n");
        line.send(BEGUN);
    });
    let provider = ChatCompletions::new(&server.endpoint("/v1"), "m").unwrap();
    let mut events = provider.stream(&question()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Text("one".into()));
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, LlmError::Unavailable { .. }) && error.is_transient(), "{error:?}");
    assert!(events.next().await.is_none());
    // Nothing at all.
    let server = Server::start(|_, _, _| ());
    for provider in all(&server.endpoint("/v1")) {
        assert!(matches!(failure(&*provider).await, LlmError::Unavailable { .. }));
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    // Nobody is given that port meanwhile.
    let address = "127.0.0.1:1";
    let endpoint = Endpoint::new(format!("http://{address}/v1").parse().unwrap(), None);
    for provider in all(&endpoint) {
        let error = failure(&*provider).await.to_string();
        assert!(error.contains(&format!("no connection to {address}")), "{error}");
    }
}

#[tokio::test]
async fn slow_answers_are_given_up_at_each_stage() {
    let stages = async |timeouts: Timeouts, begins: bool| {
        let mut server = Server::start(move |_, _, line| {
            if begins {
                line.begin_events();
                line.send(BEGUN);
            }
            line.wait_for_close();
        });
        let mut endpoint = server.endpoint("/v1");
        endpoint.timeouts = timeouts;
        let provider = ChatCompletions::new(&endpoint, "m").unwrap();
        let error = failure(&provider).await;
        server.expect_close().await;
        let LlmError::Timeout { stage, .. } = error else { panic!("{error:?}") };
        stage
    };
    let long = Duration::from_secs(20);
    let short = Duration::from_millis(50);
    let timeouts = Timeouts { connect: long, first_byte: long, idle: long, total: long, total_thinking: long };
    assert_eq!(stages(Timeouts { first_byte: short, ..timeouts }, false).await, TimeoutStage::FirstByte);
    assert_eq!(stages(Timeouts { idle: short, ..timeouts }, true).await, TimeoutStage::Idle);
    assert_eq!(stages(Timeouts { total: short, ..timeouts }, true).await, TimeoutStage::Total);
}

#[tokio::test]
async fn giving_up_closes_the_connection() {
    let mut server = Server::start(|_, _, line| {
        line.begin_events();
        line.send(BEGUN);
        line.wait_for_close();
    });
    let provider = ChatCompletions::new(&server.endpoint("/v1"), "m").unwrap();
    // By the token, while it waits for more.
    let cancel = CancellationToken::new();
    let mut events = provider.stream(&question().with_cancel(cancel.clone())).await.unwrap();
    events.next().await.unwrap().unwrap();
    let waiting = async { events.next().await };
    let (next, ()) = tokio::join!(waiting, async { cancel.cancel() });
    assert!(matches!(next, Some(Err(LlmError::Cancelled))));
    drop(events);
    server.expect_close().await;
    // By dropping the stream.
    let mut events = provider.stream(&question()).await.unwrap();
    events.next().await.unwrap().unwrap();
    drop(events);
    server.expect_close().await;
    // Before it began.
    let mut silent = Server::start(|_, _, line| line.wait_for_close());
    let provider = ChatCompletions::new(&silent.endpoint("/v1"), "m").unwrap();
    let cancel = CancellationToken::new();
    let request = question().with_cancel(cancel.clone());
    let asking = provider.complete(&request);
    let cancelling = async {
        while silent.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (answer, ()) = tokio::join!(asking, cancelling);
    assert!(matches!(answer, Err(LlmError::Cancelled)));
    silent.expect_close().await;
}

#[tokio::test]
async fn a_cancelled_stream_keeps_its_connection_no_longer_than_its_token() {
    let mut server = Server::start(|_, _, line| {
        line.begin_events();
        line.send(BEGUN);
        line.wait_for_close();
    });
    let provider = ChatCompletions::new(&server.endpoint("/v1"), "m").unwrap();
    let cancel = CancellationToken::new();
    let mut events = provider.stream(&question().with_cancel(cancel.clone())).await.unwrap();
    events.next().await.unwrap().unwrap();
    cancel.cancel();
    assert!(matches!(events.next().await, Some(Err(LlmError::Cancelled))));
    // The stream is still held; its connection is not.
    server.expect_close().await;
    assert!(events.next().await.is_none());
}
