//! Leases: kept while the worker lives, lost when it is not heard of, never held twice.

use std::{
    future::pending,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use gristmill_domain::jobs::{JobState, NewJobEvent};
use gristmill_jobs::{JobVerdict, JobsError, StopReason, WorkerOptions};
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::options;
use crate::support::{World, handler, success};

#[tokio::test(start_paused = true)]
async fn a_long_job_stays_with_its_worker() {
    let world = World::new();
    let long = handler(|_| async {
        sleep(Duration::from_secs(3600)).await;
        success(json!({}))
    });
    let store = world.store();
    world.pool(Arc::clone(&store), Arc::clone(&long), options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    world.pool(world.store(), long, options());
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "job_succeeded"]);
    let heartbeats = store.heartbeats.load(Ordering::SeqCst);
    assert!((350..=365).contains(&heartbeats), "every ten seconds: {heartbeats}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_the_lease_costs_nothing() {
    let world = World::new();
    let store = world.store();
    let handler = handler(|context| async move {
        for number in 0..30 {
            context.events().push(NewJobEvent::new("x", json!({ "number": number }))).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        success(json!({}))
    });
    world.pool(Arc::clone(&store), handler, options());
    let id = world.submit().await;
    sleep(Duration::from_millis(9500)).await;
    store.set_down(true);
    sleep(Duration::from_secs(14)).await;
    store.set_down(false);
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
    let numbers: Vec<u64> = world.log(id).await.iter().filter_map(|event| event.data["number"].as_u64()).collect();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
}

/// A worker that is cut off from the store must have stopped before another can have the job.
#[tokio::test(start_paused = true)]
async fn no_two_handlers_of_a_job_run_at_the_same_time() {
    #[derive(Debug, PartialEq)]
    enum Seen {
        Start(u32),
        Told(u32, Option<StopReason>),
        Dropped(u32),
    }
    struct Leaves(u32, Arc<Mutex<Vec<(Seen, Instant)>>>);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.1.lock().unwrap().push((Seen::Dropped(self.0), Instant::now()));
        }
    }
    let world = World::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let stubborn = handler(move |context| {
        let noted = Arc::clone(&noted);
        async move {
            let attempt = context.job().attempt;
            noted.lock().unwrap().push((Seen::Start(attempt), Instant::now()));
            let _leaves = Leaves(attempt, Arc::clone(&noted));
            if attempt > 1 {
                return success(json!(attempt));
            }
            context.stop_token().cancelled().await;
            noted.lock().unwrap().push((Seen::Told(attempt, context.reason()), Instant::now()));
            pending().await
        }
    });
    let cut_off = world.store();
    world.pool(Arc::clone(&cut_off), Arc::clone(&stubborn), options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    world.pool(world.store(), stubborn, options());
    let before = Instant::now();
    cut_off.set_down(true);
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt, job.result), (JobState::Succeeded, 2, Some(json!(2))));
    let types = world.log_types(id).await;
    assert_eq!(types, ["job_queued", "job_started", "job_retried", "job_started", "job_succeeded"]);
    let seen = seen.lock().unwrap();
    let order: Vec<&Seen> = seen.iter().map(|(seen, _)| seen).collect();
    let told = Seen::Told(1, Some(StopReason::LeaseLost));
    assert_eq!(order, [&Seen::Start(1), &told, &Seen::Dropped(1), &Seen::Start(2), &Seen::Dropped(2)]);
    let at = |index: usize| (seen[index].1 - before).as_secs();
    assert_eq!((at(1), at(2)), (25, 30), "told with five seconds left, dropped when the lease ends");
}

/// A worker that did not notice: its writes are refused, all of them.
#[tokio::test(start_paused = true)]
async fn a_zombie_writes_nothing_after_it_was_replaced() {
    let world = World::new();
    let (replaced, refused) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let (wait, noted) = (Arc::clone(&replaced), Arc::clone(&refused));
    let handler = handler(move |context| {
        let (wait, noted) = (Arc::clone(&wait), Arc::clone(&noted));
        async move {
            let attempt = context.job().attempt;
            let event = |number: u32| NewJobEvent::new("x", json!({ "attempt": attempt, "number": number }));
            context.events().push(event(0)).await.unwrap();
            if attempt > 1 {
                wait.notify_one();
                sleep(Duration::from_secs(1)).await;
                context.events().push(event(1)).await.unwrap();
                return success(json!({}));
            }
            wait.notified().await;
            let result = context.events().push(event(1)).await;
            noted.lock().unwrap().push(matches!(result, Err(JobsError::LeaseLost)));
            // As if it had not understood.
            success(json!("of the zombie"))
        }
    });
    // So long between heartbeats that it does not notice by itself.
    let patient = WorkerOptions { lease: Duration::from_secs(3000), ..options() };
    world.pool(world.store(), Arc::clone(&handler), patient);
    let id = world.submit().await;
    world.logged(id, "x").await;
    // The lease is cut short behind its back, and another takes over.
    let lease = gristmill_domain::jobs::Lease { job_id: id, epoch: 1 };
    gristmill_domain::ports::JobStore::heartbeat(&world.memory, lease, Duration::ZERO).await.unwrap();
    world.pool(world.store(), handler, options());
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt, job.result), (JobState::Succeeded, 2, Some(json!({}))));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*refused.lock().unwrap(), [true]);
    let run = ["job_started", "x"];
    assert_eq!(world.log_types(id).await, [&["job_queued"][..], &run, &["job_retried"], &run, &["x", "job_succeeded"]].concat());
}

#[tokio::test(start_paused = true)]
async fn another_takes_over_when_a_worker_dies_without_a_word() {
    let world = World::new();
    let handler = handler(|context| async move {
        if context.job().attempt == 1 {
            pending::<()>().await;
        }
        success(json!({}))
    });
    let victim = gristmill_jobs::Tasks::new();
    let store = world.store();
    let handlers = vec![Arc::clone(&handler)];
    let _pool = gristmill_jobs::WorkerPool::start(&victim, store, world.signals.clone(), handlers, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    let before = Instant::now();
    assert_eq!(victim.shutdown(Duration::ZERO).await, 1, "cut off in the middle");
    assert_eq!(world.find(id).await.state, JobState::Running, "nothing was released");
    world.pool(world.store(), handler, options());
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2));
    assert!((30..=31).contains(&before.elapsed().as_secs()), "when the lease has ended: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn claims_again_after_an_outage() {
    let world = World::new();
    let store = world.store();
    store.set_down(true);
    world.pool(Arc::clone(&store), handler(|_| async { success(json!({})) }), options());
    let id = world.submit().await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.find(id).await.state, JobState::Queued);
    store.set_down(false);
    timeout(Duration::from_secs(6), world.ended(id)).await.expect("it waits longer than it says");
}

#[tokio::test(start_paused = true)]
async fn an_end_whose_answer_got_lost_is_recorded_once() {
    let world = World::new();
    let store = world.store();
    store.answers_to_lose.store(1, Ordering::SeqCst);
    world.pool(store, handler(|_| async { success(json!({})) }), options());
    let id = world.submit().await;
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "job_succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_waits_for_the_store() {
    let world = World::new();
    let store = world.store();
    let handler = handler(|context| async move {
        context.events().push_delta(NewJobEvent::new("x", json!({}))).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        context.events().push_delta(NewJobEvent::new("y", json!({}))).await.unwrap();
        success(json!({}))
    });
    world.pool(Arc::clone(&store), handler, options());
    let id = world.submit().await;
    world.logged(id, "x").await;
    store.set_down(true);
    sleep(Duration::from_secs(15)).await;
    store.set_down(false);
    let job = world.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "x", "y", "job_succeeded"]);
}

/// In real time, because a thread that is blocked does not care for the paused one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_stop_the_heart() {
    let world = World::new();
    let handler = handler(|context| async move {
        if context.job().attempt == 1 {
            std::thread::sleep(Duration::from_secs(4));
        }
        success(json!({}))
    });
    // Not so short that a busy machine alone stops the heart.
    let short = WorkerOptions { lease: Duration::from_secs(2), ..options() };
    world.pool(world.store(), Arc::clone(&handler), short.clone());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    world.pool(world.store(), handler, short);
    let job = timeout(Duration::from_secs(20), world.ended(id)).await.unwrap();
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_watches_its_token_learns_of_a_lost_lease() {
    let world = World::new();
    let reason = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&reason);
    let handler = handler(move |context| {
        let noted = Arc::clone(&noted);
        async move {
            context.stop_token().cancelled().await;
            *noted.lock().unwrap() = context.reason();
            JobVerdict::Stopped
        }
    });
    world.pool(world.store(), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    // Ended behind its back, as when its project is deleted.
    let lease = gristmill_domain::jobs::Lease { job_id: id, epoch: 1 };
    let outcome = gristmill_domain::jobs::JobOutcome::Cancelled;
    gristmill_domain::ports::JobStore::finish(&world.memory, lease, outcome, Duration::ZERO).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*reason.lock().unwrap(), Some(StopReason::LeaseLost));
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "job_cancelled"]);
}
