//! Start, batches, refusals, stop.

use std::time::Duration;

use gristmill_deployment::worker::{WorkerError, WorkerSettings, WorkerStatus};
use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, answer, row, tell, until};

#[tokio::test]
async fn answers_after_its_start_and_not_before_or_after() {
    let bench = Bench::new().await;
    let worker = bench.start(bench.spec("plain"));
    assert_eq!(worker.predict(&[row(&json!({}))]).await, Err(WorkerError::NotReady("it is starting".to_owned())));
    crate::support::ready(&worker).await;
    assert!(answer(&worker, &json!({ "say": "hello" })).await.unwrap().starts_with("hello of 1"));
    worker.probe().await.unwrap();
    assert!(worker.log_tail().await.contains("I am loaded"));
    let seen: Value = serde_json::from_str(&tell(&worker, "look").await.unwrap()).unwrap();
    let expected =
        json!({ "/in": false, "/model": false, "/run/gristmill": false, "/opt/gristmill/ml": false, "files": ["manner.json"] });
    assert_eq!(seen, expected, "nothing that it sees can be written to");
    worker.stop().await;
    worker.stop().await;
    assert_eq!((worker.status(), worker.deaths()), (WorkerStatus::Stopped, 0));
    assert_eq!(answer(&worker, &json!({})).await, Err(WorkerError::Stopped));
    assert!(worker.log_tail().await.contains("I am loaded"), "its log outlives it");
    let sandbox = bench.backend.started().pop().unwrap();
    tokio::time::timeout(Duration::from_secs(10), sandbox.wait()).await.expect("the sandbox is gone");
    bench.finish().await;
}

#[tokio::test]
async fn rows_of_several_callers_are_answered_together_and_given_back_to_each() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings.batch_delay = Duration::from_millis(200);
    let worker = bench.ready(spec).await;
    let asks = (0..20).map(|number| {
        let worker = worker.clone();
        async move {
            let rows: Vec<_> = (0..=number % 3).map(|part| row(&json!({ "say": format!("{number}.{part}") }))).collect();
            worker.predict(&rows).await.unwrap()
        }
    });
    let answers = futures_util::future::join_all(asks).await;
    let mut largest = 0;
    for (number, rows) in answers.iter().enumerate() {
        assert_eq!(rows.len(), number % 3 + 1);
        for (part, answered) in rows.iter().enumerate() {
            let text = format!("{:?}", answered.prediction);
            assert!(text.contains(&format!("{number}.{part} of ")), "{text}");
            let together: usize = text.split(" of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            largest = largest.max(together);
        }
    }
    assert!(largest > 3, "some were answered together: {largest}");
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn one_caller_s_bad_rows_are_no_reason_to_refuse_the_others() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings.batch_delay = Duration::from_millis(200);
    let worker = bench.ready(spec).await;
    let (good, bad, fine) = (json!({ "say": 1 }), json!({ "do": "refuse" }), json!({ "say": 2 }));
    let (one, two, three) = tokio::join!(answer(&worker, &good), answer(&worker, &bad), answer(&worker, &fine));
    assert!(one.unwrap().starts_with("1 of") && three.unwrap().starts_with("2 of"));
    let expected = WorkerError::Rejected {
        code: "column_type".to_owned(),
        message: "column 'do' must hold numbers".to_owned(),
        field: Some("columns.do".to_owned()),
    };
    assert_eq!((two, worker.deaths()), (Err(expected), 0));
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings = WorkerSettings { queue_max: 2, batch_rows_max: 1, ..spec.settings };
    let worker = bench.ready(spec).await;
    let hangs = json!({ "do": "hang" });
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(answer(&worker, &hangs))).collect();
    // The first is taken by the worker at some time: until then two wait, and after it one more has a place.
    let refused = async {
        let mut extra = Vec::new();
        loop {
            let mut next = Box::pin(answer(&worker, &hangs));
            match futures_util::poll!(&mut next) {
                std::task::Poll::Ready(answered) => return answered,
                std::task::Poll::Pending => extra.push(next),
            }
            tokio::task::yield_now().await;
        }
    };
    for ask in &mut waiting {
        assert!(futures_util::poll!(ask).is_pending());
    }
    let refused = tokio::time::timeout(DEADLINE, refused).await.unwrap();
    assert_eq!(refused, Err(WorkerError::Busy { waiting: 2 }));
    drop(waiting);
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn too_many_rows_and_none_are_refused_without_asking() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("plain");
    spec.settings.line_bytes_max = 10_000;
    let worker = bench.ready(spec).await;
    let large = row(&json!({ "say": "x".repeat(10_000) }));
    assert!(matches!(worker.predict(&[large]).await, Err(WorkerError::TooLarge(_))));
    assert!(matches!(worker.predict(&[]).await, Err(WorkerError::TooLarge(_))));
    assert!(matches!(worker.predict(&vec![row(&json!({})); 10_001]).await, Err(WorkerError::TooLarge(_))));
    assert_eq!(worker.deaths(), 0);
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn a_worker_ends_with_its_last_handle_and_with_the_server() {
    let bench = Bench::new().await;
    let (dropped, kept) = tokio::join!(bench.ready(bench.spec("plain")), bench.ready(bench.spec("plain")));
    let mut changes = dropped.changes();
    drop(dropped);
    let stopped = changes.wait_for(|status| *status == WorkerStatus::Stopped);
    tokio::time::timeout(DEADLINE, stopped).await.expect("it ended").unwrap();
    assert_eq!(kept.status(), WorkerStatus::Ready);
    bench.finish().await;
    assert_eq!(kept.status(), WorkerStatus::Stopped);
    assert_eq!(answer(&kept, &json!({})).await, Err(WorkerError::Stopped));
}

#[tokio::test]
async fn who_waits_when_it_stops_is_told() {
    let bench = Bench::new().await;
    let worker = bench.ready(bench.spec("plain")).await;
    let hangs = json!({ "do": "hang" });
    let (answered, ()) = tokio::join!(answer(&worker, &hangs), async {
        tokio::task::yield_now().await;
        worker.stop().await;
    });
    assert_eq!(answered, Err(WorkerError::Stopped));
    bench.finish().await;
}

#[tokio::test]
async fn a_model_that_does_not_load_is_given_up_at_once() {
    let bench = Bench::new().await;
    let worker = bench.start(bench.spec("broken"));
    let failed = WorkerError::Failed("model.joblib does not load".to_owned());
    assert_eq!(tokio::time::timeout(DEADLINE, worker.ready()).await.unwrap(), Err(failed.clone()));
    assert_eq!((worker.deaths(), bench.backend.started().len()), (1, 1), "it is not tried again");
    assert_eq!(answer(&worker, &json!({})).await, Err(failed));
    assert!(worker.log_tail().await.contains("artifact_broken"));
    worker.stop().await;
    bench.finish().await;
}

#[tokio::test]
async fn a_model_that_never_loads_is_given_up_after_some_tries() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("silent");
    spec.settings = WorkerSettings { startup_timeout: Duration::from_millis(500), deaths_max: 2, ..spec.settings };
    let worker = bench.start(spec);
    let status = until(&worker, |status| matches!(status, WorkerStatus::Failed { .. })).await;
    assert_eq!(status, WorkerStatus::Failed { reason: "it did not load the model within 0 seconds".to_owned() });
    assert_eq!(worker.deaths(), 2);
    bench.finish().await;
}
