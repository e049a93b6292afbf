//! The event writer: order, grouping, back-pressure, throttling, and what happens when the store fails.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gristmill_domain::{
    JobId,
    jobs::{JobOutcome, JobProgress, Lease, NewJobEvent},
    ports::JobStore,
};
use gristmill_jobs::{EventWriter, JobsError, events::EventOptions};
use gristmill_testkit::job_store_suite::request;
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{FaultyStore, World};

/// A running job with a writer for its log.
struct Log {
    world: World,
    store: Arc<FaultyStore>,
    id: JobId,
    lease: Lease,
    lease_lost: CancellationToken,
    writer: EventWriter,
}

async fn log_with(options: EventOptions) -> Log {
    let world = World::new();
    let id = world.submit().await;
    let claimed = world.memory.claim(request()).await.unwrap().unwrap();
    let store = world.store();
    let port: Arc<dyn JobStore> = store.clone();
    let (writer, pump) = EventWriter::new(port, claimed.lease, claimed.last_seq, options);
    let lease_lost = CancellationToken::new();
    world.tasks.spawn("pump", pump.run(lease_lost.clone()));
    Log { world, store, id, lease: claimed.lease, lease_lost, writer }
}

async fn log() -> Log {
    log_with(EventOptions::default()).await
}

fn delta(number: usize) -> NewJobEvent {
    NewJobEvent::new("delta", json!({ "number": number }))
}

fn half(message: &str) -> JobProgress {
    JobProgress { fraction: Some(0.5), message: Some(message.to_owned()) }
}

impl Log {
    /// The events after those of the queue, as `type:number`.
    async fn written(&self) -> Vec<String> {
        let name = |data: &Value| data.get("number").or(data.get("message")).map_or(String::new(), Value::to_string);
        let events = self.world.log(self.id).await;
        events.iter().skip(2).map(|event| format!("{}:{}", event.event_type, name(&event.data))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_committed_when_push_returns_with_all_before_it() {
    let log = log().await;
    for number in 0..3 {
        log.writer.push_delta(delta(number)).await.unwrap();
    }
    let before = Instant::now();
    let seq = log.writer.push(NewJobEvent::new("state", json!({ "number": 3 }))).await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(10), "it does not wait for the group");
    assert_eq!(seq, 6);
    assert_eq!(log.written().await, ["delta:0", "delta:1", "delta:2", "state:3"]);
    assert_eq!(log.store.append_sizes(), [4], "one commit");
}

#[tokio::test(start_paused = true)]
async fn deltas_wait_for_each_other_but_not_for_long() {
    let log = log().await;
    // For 3 s, one every 10 ms.
    for number in 0..300 {
        log.writer.push_delta(delta(number)).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    log.writer.flush().await.unwrap();
    let sizes = log.store.append_sizes();
    assert_eq!(sizes.iter().sum::<usize>(), 300);
    assert!((50..=61).contains(&sizes.len()), "a commit each 50 ms: {} commits", sizes.len());
    let pushed_at = Instant::now();
    log.writer.push_delta(delta(300)).await.unwrap();
    sleep(Duration::from_millis(60)).await;
    let committed_at = log.store.appends.lock().unwrap().last().unwrap().0;
    assert!(committed_at - pushed_at <= Duration::from_millis(53), "{:?}", committed_at - pushed_at);
}

#[tokio::test(start_paused = true)]
async fn much_at_once_goes_in_groups_of_bounded_size() {
    let log = log().await;
    let text = "x".repeat(1000);
    let before = Instant::now();
    for number in 0..200 {
        log.writer.push_delta(NewJobEvent::new("delta", json!({ "number": number, "text": text }))).await.unwrap();
    }
    log.writer.close().await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(50), "no group waited for its age");
    let sizes = log.store.append_sizes();
    assert!(sizes.iter().all(|events| *events <= 17), "16 KiB and the last: {sizes:?}");
    assert_eq!((sizes.iter().sum::<usize>(), sizes.len()), (200, 13), "{sizes:?}");
    let expected: Vec<String> = (0..200).map(|number| format!("delta:{number}")).collect();
    assert_eq!(log.written().await, expected);
}

#[tokio::test(start_paused = true)]
async fn pushing_waits_while_the_store_is_behind() {
    let log = log_with(EventOptions { queue_bytes_max: 10_000, ..EventOptions::default() }).await;
    log.store.set_down(true);
    let text = "x".repeat(1000);
    let event = || NewJobEvent::new("delta", json!({ "text": text }));
    let mut accepted = 0;
    while timeout(Duration::from_secs(1), log.writer.push_delta(event())).await.is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 9, "10,000 bytes");
    log.store.set_down(false);
    log.writer.push_delta(event()).await.unwrap();
    log.writer.flush().await.unwrap();
    assert_eq!(log.written().await.len(), accepted + 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_the_queue_passes_alone() {
    let log = log_with(EventOptions { queue_bytes_max: 1000, ..EventOptions::default() }).await;
    log.writer.push_delta(delta(1)).await.unwrap();
    log.writer.push(NewJobEvent::new("large", json!({ "text": "x".repeat(100_000), "number": 2 }))).await.unwrap();
    log.writer.push(delta(3)).await.unwrap();
    assert_eq!(log.written().await, ["delta:1", "large:2", "delta:3"]);
}

#[tokio::test(start_paused = true)]
async fn progress_is_throttled_and_the_last_one_is_written() {
    let log = log().await;
    for step in 0..=1000_u32 {
        log.writer.progress(JobProgress { fraction: Some(f64::from(step) / 1000.0), message: None });
        sleep(Duration::from_millis(1)).await;
    }
    log.writer.progress(half("the end"));
    log.writer.close().await.unwrap();
    let written = log.written().await;
    assert!((9..=13).contains(&written.len()), "one each 100 ms and the last: {}", written.len());
    assert_eq!(written.last().unwrap(), "progress:\"the end\"");
    assert_eq!(log.world.find(log.id).await.progress, half("the end"));
}

#[tokio::test(start_paused = true)]
async fn the_latest_progress_is_written_without_a_further_call() {
    let log = log().await;
    log.writer.progress(half("first"));
    log.writer.progress(half("second"));
    sleep(Duration::from_millis(10)).await;
    log.writer.progress(half("third"));
    log.writer.progress(half("fourth"));
    sleep(Duration::from_millis(150)).await;
    assert_eq!(log.written().await, ["progress:\"second\"", "progress:\"fourth\""]);
}

#[tokio::test(start_paused = true)]
async fn progress_that_was_reported_before_an_event_is_written_before_it() {
    let log = log().await;
    for number in 0..3 {
        log.writer.progress(half(&format!("before {number}")));
        log.writer.push(NewJobEvent::new("state", json!({ "number": number }))).await.unwrap();
    }
    let expected = ["progress:\"before 0\"", "state:0", "progress:\"before 1\"", "state:1", "progress:\"before 2\"", "state:2"];
    assert_eq!(log.written().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_doubles_nothing() {
    let log = log().await;
    log.store.answers_to_lose.store(3, Ordering::SeqCst);
    for number in 0..5 {
        log.writer.push(delta(number)).await.unwrap();
    }
    assert_eq!(log.written().await, ["delta:0", "delta:1", "delta:2", "delta:3", "delta:4"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_delays_and_loses_nothing() {
    let log = log().await;
    log.store.set_down(true);
    let writer = log.writer.clone();
    log.world.tasks.spawn("writer", async move {
        for number in 0..5 {
            writer.push(delta(number)).await.unwrap();
        }
    });
    sleep(Duration::from_secs(10)).await;
    assert_eq!(log.written().await, [""; 0]);
    log.store.set_down(false);
    log.world.logged(log.id, "delta").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(log.written().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn every_call_fails_once_the_lease_is_lost() {
    let log = log().await;
    log.world.memory.finish(log.lease, JobOutcome::Cancelled, Duration::ZERO).await.unwrap();
    let lost = |result: Result<i64, JobsError>| assert!(matches!(result, Err(JobsError::LeaseLost)), "{result:?}");
    lost(log.writer.push(delta(0)).await);
    lost(log.writer.push_delta(delta(1)).await.map(|()| 0));
    lost(log.writer.flush().await);
    lost(log.writer.close().await);
    log.writer.progress(half("in vain"));
    assert_eq!(log.written().await, ["job_cancelled:"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_store_ends_when_the_lease_is_given_up() {
    let log = log().await;
    log.store.set_down(true);
    let (writer, lease_lost) = (log.writer.clone(), log.lease_lost.clone());
    log.world.tasks.spawn("gives up", async move {
        sleep(Duration::from_secs(5)).await;
        lease_lost.cancel();
    });
    assert!(matches!(writer.push(delta(0)).await, Err(JobsError::LeaseLost)));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_store_refuses_ends_the_log() {
    let log = log().await;
    log.store.refuses_appends.store(true, Ordering::SeqCst);
    assert!(matches!(log.writer.push(delta(0)).await, Err(JobsError::LogRefused)));
    log.store.refuses_appends.store(false, Ordering::SeqCst);
    assert!(matches!(log.writer.push(delta(1)).await, Err(JobsError::LogRefused)), "or there would be a hole");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_after_the_end() {
    let log = log().await;
    log.writer.push_delta(delta(0)).await.unwrap();
    assert_eq!(log.writer.close().await.unwrap(), 3);
    assert!(matches!(log.writer.push_delta(delta(1)).await, Err(JobsError::Closed)));
    assert!(matches!(log.writer.close().await, Err(JobsError::Closed)));
    assert_eq!(log.written().await, ["delta:0"]);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_dropped_leaves_nothing_behind() {
    let Log { world, id, writer, .. } = log().await;
    writer.push_delta(delta(0)).await.unwrap();
    writer.progress(half("last"));
    drop(writer);
    world.logged(id, "progress").await;
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "delta", "progress"]);
    advance(Duration::from_secs(1)).await;
    assert_eq!(world.tasks.shutdown(Duration::from_secs(1)).await, 0, "the pump has ended");
}
