//! Connections while the model takes its time: they are kept alive, and whoever leaves is noticed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    model::{Does, ModelServer, gated},
    question, with_compatible,
};
use crate::support::{Client, eventually};

/// By when the model must know that nobody waits any more (DESIGN, decision 10).
const LEFT_WITHIN: Duration = Duration::from_secs(2);
/// On a busy machine one round may be late, and not all of them.
const ROUNDS: usize = 3;

/// Reads the next piece of a stream into `text`. Returns whether there was one.
async fn read_on(stream: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin), text: &mut String) -> bool {
    let piece = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("a piece within a minute");
    if let Some(piece) = &piece {
        text.push_str(&String::from_utf8_lossy(piece.as_ref().unwrap()));
    }
    piece.is_some()
}

/// A model that never answers a question.
fn mute(does: fn() -> Does) -> ModelServer {
    ModelServer::start(move |asked| if asked.schema == "nl_plan" { does() } else { Does::Says(json!({})) })
}

/// Waits until the model was asked so many questions.
async fn asked(model: &ModelServer, questions: usize) {
    eventually("the model to be asked", async || (model.asked("nl_plan").len() == questions).then_some(())).await;
}

/// Checks that the model knew in time that nobody waited any more, in the best of the rounds.
fn assert_in_time(took: &[Duration]) {
    let best = took.iter().min().copied().unwrap();
    assert!(best <= LEFT_WITHIN, "the connection to the model was closed {took:?} after the client had left");
}

/// Waits until the question of a client that left at `gone` is cancelled. Returns how long the model went on.
async fn went_on(model: &ModelServer, (ada, project): (&Client, &str), round: usize, gone: Instant) -> Duration {
    let what = "the connection to the model to be closed";
    let closed = eventually(what, async || model.left().get(round).copied()).await;
    let took = closed.saturating_duration_since(gone);
    assert!(took < Duration::from_secs(10), "the model went on for {took:?} after the client had left");
    let jobs = format!("/api/jobs?projectId={project}");
    eventually("the question to be cancelled", async || {
        let newest = ada.get(&jobs).await.expect(200)["jobs"][0].clone();
        (newest["status"] == "cancelled").then_some(())
    })
    .await;
    assert_eq!(model.asked("nl_plan").len(), round + 1, "the model is not asked again");
    took
}

#[actix_web::test]
async fn blank_lines_keep_a_silent_stream_alive_and_all_other_lines_are_json() {
    let (gate, model) = gated();
    let (_app, ada, project) = with_compatible(&model.url).await;
    let request = ada.request(Method::POST, "/api/query/nl/stream").json(&question(&project));
    let mut stream = request.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    // Two blank lines behind the last event.
    while !(text.contains("\"planning\"") && text.ends_with("\n\n\n")) {
        assert!(read_on(&mut stream, &mut text).await, "the stream ended: {text}");
    }
    assert_eq!(model.asked("nl_plan").len(), 1, "the model is still being waited for");
    gate.open();
    while read_on(&mut stream, &mut text).await {}
    let (blank, full): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.is_empty());
    assert!(blank.len() >= 2, "{text:?}");
    let lines: Vec<Value> = full.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [.., result, _, done] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((&result["type"], &result["nl"]["query"]["rowCount"]), (&json!("result"), &json!(2)));
    assert_eq!(done, &json!({ "type": "done" }));
}

#[actix_web::test]
async fn leaving_a_stream_closes_the_connection_to_the_model_within_two_seconds() {
    let ways: [fn() -> Does; 2] = [|| Does::Nothing, || Does::Begins];
    for does in ways {
        let model = mute(does);
        let (_app, ada, project) = with_compatible(&model.url).await;
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let request = ada.request(Method::POST, "/api/query/nl/stream").json(&question(&project));
            let mut stream = request.send().await.unwrap().bytes_stream();
            let mut text = String::new();
            while !text.contains("\"planning\"") {
                assert!(read_on(&mut stream, &mut text).await, "the stream ended: {text}");
            }
            asked(&model, round + 1).await;
            let gone = Instant::now();
            drop(stream);
            took.push(went_on(&model, (&ada, &project), round, gone).await);
        }
        assert_in_time(&took);
    }
}

#[actix_web::test]
async fn leaving_before_an_answer_closes_the_connection_to_the_model_within_two_seconds() {
    let ways: [fn() -> Does; 2] = [|| Does::Nothing, || Does::Begins];
    for does in ways {
        let model = mute(does);
        let (_app, ada, project) = with_compatible(&model.url).await;
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let request = ada.request(Method::POST, "/api/query/nl").json(&question(&project));
            let waiting = actix_web::rt::spawn(request.send());
            asked(&model, round + 1).await;
            let gone = Instant::now();
            waiting.abort();
            assert!(waiting.await.is_err(), "there was an answer");
            took.push(went_on(&model, (&ada, &project), round, gone).await);
        }
        assert_in_time(&took);
    }
}
