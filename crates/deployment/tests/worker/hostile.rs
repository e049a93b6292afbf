//! Models that die, hang, lie or flood: whoever asked is told, nobody else suffers, and the worker comes back.

use std::time::Duration;

use gristmill_deployment::worker::{WorkerError, WorkerSettings, WorkerStatus};
use serde_json::json;

use crate::support::{Bench, answer, ready, tell, until};

/// Who asked is told that it died, and the next answer comes from another process.
async fn dies_and_comes_back(what: &str, reason: &str) {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings.line_bytes_max = 1 << 20;
    let worker = bench.ready(spec).await;
    let before = answer(&worker, &json!({ "say": "a" })).await.unwrap();
    match tell(&worker, what).await {
        Err(WorkerError::Died(why)) => assert!(why.contains(reason), "{what}: {why}"),
        other => panic!("{what}: {other:?}"),
    }
    ready(&worker).await;
    let after = answer(&worker, &json!({ "say": "a" })).await.unwrap();
    assert_ne!(before, after, "another process answers");
    assert_eq!(worker.deaths(), 1);
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn killed_in_the_middle_of_a_request() {
    dies_and_comes_back("die", "signal 9").await;
}

#[tokio::test]
async fn ended_in_the_middle_of_a_request() {
    dies_and_comes_back("leave", "left without a word").await;
}

#[tokio::test]
async fn flooding() {
    dies_and_comes_back("flood", "larger than an answer").await;
}

#[tokio::test]
async fn nonsense() {
    dies_and_comes_back("nonsense", "no answer").await;
}

#[tokio::test]
async fn two_answers_to_one_request() {
    dies_and_comes_back("twice", "no answer").await;
}

#[tokio::test]
async fn too_few_answers() {
    dies_and_comes_back("short", "no answer").await;
}

#[tokio::test]
async fn eating_all_memory() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.limits.memory_bytes = 128 << 20;
    let worker = bench.ready(spec).await;
    // Which of the two it is depends on what the machine lets the backend limit: control groups or processes alone.
    match tell(&worker, "eat").await {
        Err(WorkerError::Died(why)) => assert!(why.contains("128 MB") || why.contains("MemoryError"), "{why}"),
        other => panic!("{other:?}"),
    }
    ready(&worker).await;
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn dying_now_and_then_is_forgiven() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings.deaths_max = 2;
    let worker = bench.ready(spec).await;
    for death in 1..=3 {
        assert!(matches!(tell(&worker, "die").await, Err(WorkerError::Died(_))));
        ready(&worker).await;
        answer(&worker, &json!({ "say": "better" })).await.unwrap();
        assert_eq!(worker.deaths(), death);
    }
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn its_sandbox_is_killed_from_outside() {
    let bench = Bench::new().await;
    let worker = bench.ready(bench.spec("plain")).await;
    let hangs = json!({ "do": "hang" });
    let (answered, ()) = tokio::join!(answer(&worker, &hangs), async {
        bench.backend.started().pop().unwrap().kill().await;
    });
    assert!(matches!(answered, Err(WorkerError::Died(_) | WorkerError::NotReady(_))), "{answered:?}");
    ready(&worker).await;
    assert!(answer(&worker, &json!({ "say": "again" })).await.unwrap().starts_with("again"));
    // Also when nobody asks.
    let mut changes = worker.changes();
    changes.mark_unchanged();
    bench.backend.started().pop().unwrap().kill().await;
    let noticed = changes.wait_for(|status| matches!(status, WorkerStatus::Restarting { .. }));
    tokio::time::timeout(crate::support::DEADLINE, noticed).await.expect("it is noticed").unwrap();
    ready(&worker).await;
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn hanging_in_a_request_and_beside_it() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings = WorkerSettings { request_timeout: Duration::from_secs(2), batch_rows_max: 1, ..spec.settings };
    let worker = bench.ready(spec).await;
    let (hangs, waits) = (json!({ "do": "hang" }), json!({ "say": "b" }));
    let (one, two) = tokio::join!(answer(&worker, &hangs), answer(&worker, &waits));
    assert_eq!(one, Err(WorkerError::TimedOut(Duration::from_secs(2))));
    // It waited behind the other one.
    assert!(matches!(two, Err(WorkerError::TimedOut(_) | WorkerError::NotReady(_))), "{two:?}");
    until(&worker, |status| matches!(status, WorkerStatus::Restarting { .. } | WorkerStatus::Ready)).await;
    let died = async {
        while worker.deaths() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::DEADLINE, died).await.expect("it is noticed");
    ready(&worker).await;
    assert!(answer(&worker, &json!({ "say": "c" })).await.unwrap().starts_with("c of 1"));
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn speaking_unasked_and_dying_after_each_answer_are_given_up() {
    let bench = Bench::new().await;
    for manner in ["chatty", "fragile"] {
        let mut spec = bench.spec(manner);
        spec.settings = WorkerSettings { deaths_max: 3, probe_every: Duration::from_millis(20), ..spec.settings };
        let worker = bench.start(spec);
        let status = until(&worker, |status| matches!(status, WorkerStatus::Failed { .. })).await;
        let WorkerStatus::Failed { reason } = status else { unreachable!() };
        let expected = if manner == "chatty" { "no answer" } else { "one is enough" };
        assert!(reason.contains(expected), "{manner}: {reason}");
        assert_eq!(worker.deaths(), 3);
    }
    bench.finish().await;
}
