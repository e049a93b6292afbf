//! The pool: runs, concurrency, failures, cancellation.

mod leases;
mod shutdown;

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gristmill_domain::{
    ErrorCode,
    jobs::{JobError, JobKind, JobOutcome, JobState, NewJob},
    ports::JobStore,
};
use gristmill_jobs::{JobVerdict, StopReason, WorkerOptions, WorkerPool, backoff::Backoff};
use gristmill_testkit::job_store_suite::new_job;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{World, handler, handler_of, success};

fn options() -> WorkerOptions {
    WorkerOptions::default()
}

fn retry(message: &str) -> JobVerdict {
    JobVerdict::Finished(JobOutcome::Retry(JobError::new(ErrorCode::Internal, message)))
}

#[tokio::test(start_paused = true)]
async fn runs_a_job_and_records_what_it_made() {
    let world = World::new();
    let id = world.submit().await;
    let handler = handler(|context| async move {
        assert_eq!((context.job().attempt, context.reason()), (1, None));
        success(context.job().payload.clone())
    });
    let pool = world.pool(world.store(), handler, options());
    let job = world.ended(id).await;
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!({ "steps": 1 }))));
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "job_succeeded"]);
    // And one that comes later, at once.
    let before = Instant::now();
    let id = world.submit().await;
    world.ended(id).await;
    assert!(before.elapsed() < Duration::from_millis(10), "{:?}", before.elapsed());
    assert_ne!(pool.worker(), world.pool(world.store(), handler_of(JobKind::DatasetIngest, |_| pending()), options()).worker());
}

#[tokio::test(start_paused = true)]
async fn runs_as_many_at_once_as_it_may() {
    let world = World::new();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeMap::new())));
    let counting = |kind: JobKind| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        handler_of(kind, move |_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                let of_kind = {
                    let mut most = most.lock().unwrap();
                    let entry: &mut (usize, usize) = most.entry(kind).or_default();
                    entry.0 += 1;
                    entry.1 = entry.1.max(entry.0);
                    entry.1
                };
                assert!(now <= 4 && (kind != JobKind::DatasetIngest || of_kind <= 2), "{now} run, {of_kind} of {kind:?}");
                sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                most.lock().unwrap().get_mut(&kind).unwrap().0 -= 1;
                success(json!({}))
            }
        })
    };
    let options =
        WorkerOptions { concurrency: 4, concurrency_by_kind: BTreeMap::from([(JobKind::DatasetIngest, 2)]), ..options() };
    let mut ids = Vec::new();
    for (kind, count) in [(JobKind::DatasetIngest, 4), (JobKind::Probe, 12)] {
        for _ in 0..count {
            ids.push(world.submit_as(NewJob { kind, attempts_max: 1, ..new_job(&world.owner) }).await);
        }
    }
    let before = Instant::now();
    let handlers = vec![counting(JobKind::DatasetIngest), counting(JobKind::Probe)];
    let _pool = WorkerPool::start(&world.tasks, world.store(), world.signals.clone(), handlers, options);
    for id in ids {
        assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    }
    let most: Vec<usize> = most.lock().unwrap().values().map(|(_, most)| *most).collect();
    assert_eq!(most, [2, 4], "ingests are bounded to two, probes take what is free");
    assert_eq!(before.elapsed().as_secs(), 4, "16 jobs of a second, four at once");
}

#[tokio::test(start_paused = true)]
async fn retries_with_longer_and_longer_pauses() {
    let world = World::new();
    let starts = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&starts);
    let handler = handler(move |_| {
        noted.lock().unwrap().push(Instant::now());
        async { retry("busy") }
    });
    let backoff = Backoff { first: Duration::from_secs(10), max: Duration::from_secs(30) };
    world.pool(world.store(), handler, WorkerOptions { retry: backoff, ..options() });
    let id = world.submit_as(NewJob { attempts_max: 4, ..new_job(&world.owner) }).await;
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt, job.error.unwrap().message.as_str()), (JobState::Failed, 4, "busy"));
    let starts = starts.lock().unwrap();
    let pauses: Vec<f64> = starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    // Half to all of 10, 20 and 30 s, and up to a second until the pool looks.
    for (pause, base) in pauses.iter().zip([10.0, 20.0, 30.0]) {
        assert!((base / 2.0..=base + 1.1).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_that_may_be_mended() {
    let world = World::new();
    let handler = handler(|context| async move {
        context.events().push_delta(gristmill_domain::jobs::NewJobEvent::new("before", json!({}))).await.unwrap();
        assert!(context.job().attempt > 1, "on purpose");
        success(json!({}))
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2));
    let run = ["job_started", "before"];
    assert_eq!(world.log_types(id).await, [&["job_queued"][..], &run, &["job_retried"], &run, &["job_succeeded"]].concat());
    let retried = world.log(id).await.into_iter().find(|event| event.event_type == "job_retried").unwrap();
    assert_eq!(retried.data["error"]["code"], "internal");
    assert!(!retried.data.to_string().contains("on purpose"), "what a panic says is for the log of the server");
}

#[tokio::test(start_paused = true)]
async fn tells_the_handler_at_once_when_the_job_is_cancelled() {
    let world = World::new();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&reasons);
    let handler = handler(move |context| {
        let noted = Arc::clone(&noted);
        async move {
            context.stop_token().cancelled().await;
            noted.lock().unwrap().push(context.reason());
            // What is said while stopping is kept.
            context.events().push(gristmill_domain::jobs::NewJobEvent::new("last_words", json!({}))).await.unwrap();
            JobVerdict::Stopped
        }
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    sleep(Duration::from_secs(3)).await;
    let before = Instant::now();
    world.memory.request_cancel(&world.owner, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Cancelled, 1));
    assert!(before.elapsed() < Duration::from_millis(50), "{:?}", before.elapsed());
    assert_eq!(*reasons.lock().unwrap(), [Some(StopReason::CancelRequested)]);
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "last_words", "job_cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn tells_a_handler_that_writes_all_the_time_without_further_heartbeats() {
    let world = World::new();
    let handler = handler(|context| async move {
        let event = || gristmill_domain::jobs::NewJobEvent::new("token", json!({}));
        while context.reason().is_none() {
            context.events().push_delta(event()).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
        JobVerdict::Stopped
    });
    let store = world.store();
    world.pool(Arc::clone(&store), handler, options());
    let id = world.submit().await;
    sleep(Duration::from_secs(5)).await;
    let heartbeats = store.heartbeats.load(Ordering::SeqCst);
    assert!(heartbeats <= 5, "each append wakes the job's own heart: {heartbeats} heartbeats");
    let before = Instant::now();
    world.memory.request_cancel(&world.owner, id).await.unwrap();
    assert_eq!(world.ended(id).await.state, JobState::Cancelled);
    assert!(before.elapsed() < Duration::from_millis(300), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tells_the_handler_within_seconds_when_signals_are_lost() {
    let world = World::new();
    let handler = handler(|context| async move {
        context.stop_token().cancelled().await;
        JobVerdict::Stopped
    });
    let deaf = gristmill_jobs::Signals::default();
    let _pool = WorkerPool::start(&world.tasks, world.store(), deaf, vec![handler], options());
    let id = world.submit().await;
    sleep(Duration::from_secs(5)).await;
    let before = Instant::now();
    world.memory.request_cancel(&world.owner, id).await.unwrap();
    assert_eq!(world.ended(id).await.state, JobState::Cancelled);
    assert!(before.elapsed() <= Duration::from_millis(1100), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn drops_a_handler_that_does_not_stop() {
    let world = World::new();
    world.pool(world.store(), handler(|_| pending()), options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    let before = Instant::now();
    world.memory.request_cancel(&world.owner, id).await.unwrap();
    assert_eq!(world.ended(id).await.state, JobState::Cancelled);
    assert_eq!(before.elapsed().as_secs(), 5, "after the grace");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_there_wins_over_a_late_cancellation() {
    let world = World::new();
    let handler = handler(|context| async move {
        context.stop_token().cancelled().await;
        success(json!("done all the same"))
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    world.memory.request_cancel(&world.owner, id).await.unwrap();
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn believes_a_handler_that_recorded_its_end_itself() {
    let world = World::new();
    let memory = world.memory.clone();
    let handler = handler(move |context| {
        let memory = memory.clone();
        async move {
            context.events().push_delta(gristmill_domain::jobs::NewJobEvent::new("before", json!({}))).await.unwrap();
            context.events().flush().await.unwrap();
            memory.finish(context.lease(), JobOutcome::Succeeded(json!("by itself")), Duration::ZERO).await.unwrap();
            JobVerdict::Recorded
        }
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    assert_eq!(world.ended(id).await.result, Some(json!("by itself")));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "before", "job_succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn does_not_believe_a_handler_that_did_not() {
    let world = World::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let handler = handler(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { JobVerdict::Recorded }
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    let job = world.ended(id).await;
    assert_eq!((job.state, job.error.unwrap().code.as_str()), (JobState::Failed, "internal"));
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn fails_a_job_whose_result_the_store_refuses() {
    let world = World::new();
    let store = world.store();
    store.refuses_successes.store(true, Ordering::SeqCst);
    world.pool(store, handler(|_| async { success(json!({})) }), options());
    let id = world.submit().await;
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt, job.error.unwrap().code.as_str()), (JobState::Failed, 1, "internal"));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_events_the_store_refuses_does_not_count() {
    let world = World::new();
    let store = world.store();
    store.refuses_appends.store(true, Ordering::SeqCst);
    let handler = handler(|context| async move {
        context.events().push_delta(gristmill_domain::jobs::NewJobEvent::new("x", json!({}))).await.unwrap();
        success(json!({}))
    });
    world.pool(Arc::clone(&store), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_retried").await;
    store.refuses_appends.store(false, Ordering::SeqCst);
    assert_eq!((world.ended(id).await.state, world.log_types(id).await.contains(&"x".to_owned())), (JobState::Succeeded, true));
}

#[tokio::test(start_paused = true)]
async fn one_owner_cannot_hold_up_another() {
    let world = World::new();
    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(world.submit().await);
    }
    let other = gristmill_testkit::job_store_suite::caller_for(gristmill_domain::UserId::random());
    let ones = world.submit_as(new_job(&other)).await;
    let handler = handler(|_| async {
        sleep(Duration::from_secs(10)).await;
        success(json!({}))
    });
    world.pool(world.store(), handler, options());
    let job = world.reader.wait(&other, ones, &tokio_util::sync::CancellationToken::new()).await.unwrap();
    let waited = job.started_at.unwrap() - job.created_at;
    assert!(waited.num_seconds() < 1, "it waited {waited} behind a hundred");
    assert_eq!(world.ended(*many.last().unwrap()).await.state, JobState::Succeeded);
}
