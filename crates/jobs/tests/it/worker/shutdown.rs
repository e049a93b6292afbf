//! Stopping: work that can end ends, the rest is given back.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use gristmill_domain::jobs::{JobOutcome, JobState, NewJob, NewJobEvent};
use gristmill_jobs::{JobVerdict, StopReason, WorkerOptions};
use gristmill_testkit::job_store_suite::new_job;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::options;
use crate::support::{World, handler, success};

#[tokio::test(start_paused = true)]
async fn waits_for_jobs_that_end_in_time_and_claims_nothing_more() {
    let world = World::new();
    let handler = handler(|_| async {
        sleep(Duration::from_secs(10)).await;
        success(json!({}))
    });
    let pool = world.pool(world.store(), handler, WorkerOptions { concurrency: 1, ..options() });
    let (running, waiting) = (world.submit().await, world.submit().await);
    world.logged(running, "job_started").await;
    let before = Instant::now();
    pool.shutdown(Duration::from_secs(30)).await;
    assert_eq!(before.elapsed().as_secs(), 10, "no longer than it takes");
    assert_eq!(world.find(running).await.state, JobState::Succeeded);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.find(waiting).await.state, JobState::Queued);
    assert_eq!(world.tasks.shutdown(Duration::ZERO).await, 0, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn gives_back_what_takes_too_long_without_counting_the_attempt() {
    let world = World::new();
    let reason = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&reason);
    let handler = handler(move |context| {
        let noted = Arc::clone(&noted);
        async move {
            context.events().push_delta(NewJobEvent::new("half", json!({}))).await.unwrap();
            context.stop_token().cancelled().await;
            *noted.lock().unwrap() = context.reason();
            JobVerdict::Stopped
        }
    });
    let pool = world.pool(world.store(), handler, options());
    let id = world.submit_as(NewJob { attempts_max: 1, ..new_job(&world.owner) }).await;
    world.logged(id, "half").await;
    let before = Instant::now();
    pool.shutdown(Duration::from_secs(20)).await;
    assert_eq!(before.elapsed().as_secs(), 20);
    assert_eq!(*reason.lock().unwrap(), Some(StopReason::Shutdown));
    let job = world.find(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    assert_eq!(world.log_types(id).await, ["job_queued", "job_started", "half", "job_queued"]);
    // Another takes it at once, though it has one attempt only.
    world.pool(world.store(), super::handler(|_| async { success(json!({})) }), options());
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn gives_back_what_a_handler_takes_for_a_cancellation_or_a_failure() {
    let world = World::new();
    let verdicts = Arc::new(Mutex::new(vec![JobVerdict::Finished(JobOutcome::Cancelled), super::retry("cut short")]));
    let handler = handler(move |context| {
        let verdict = verdicts.lock().unwrap().pop().unwrap();
        async move {
            context.stop_token().cancelled().await;
            verdict
        }
    });
    let pool = world.pool(world.store(), handler, options());
    let ids = [world.submit().await, world.submit().await];
    for id in ids {
        world.logged(id, "job_started").await;
    }
    pool.shutdown(Duration::ZERO).await;
    for id in ids {
        let job = world.find(id).await;
        assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn drops_handlers_that_do_not_stop_and_gives_their_jobs_back() {
    let world = World::new();
    let pool = world.pool(world.store(), handler(|_| pending()), options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    let before = Instant::now();
    pool.shutdown(Duration::from_secs(2)).await;
    assert_eq!(before.elapsed().as_secs(), 2 + 5, "deadline and grace");
    assert_eq!(world.find(id).await.state, JobState::Queued);
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_a_store_that_does_not_answer() {
    let world = World::new();
    let store = world.store();
    let handler = handler(|context| async move {
        context.stop_token().cancelled().await;
        JobVerdict::Stopped
    });
    let pool = world.pool(Arc::clone(&store), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    store.set_down(true);
    let before = Instant::now();
    pool.shutdown(Duration::ZERO).await;
    assert!(before.elapsed() <= Duration::from_secs(6), "{:?}", before.elapsed());
    assert_eq!(world.find(id).await.state, JobState::Running, "its lease runs out, as after a crash");
}

#[tokio::test(start_paused = true)]
async fn stopping_the_tasks_stops_the_pool_gracefully() {
    let world = World::new();
    let handler = handler(|context| async move {
        context.stop_token().cancelled().await;
        JobVerdict::Stopped
    });
    let pool = world.pool(world.store(), handler, options());
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    drop(pool);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.find(id).await.state, JobState::Running, "dropping the pool's handle changes nothing");
    assert_eq!(world.tasks.shutdown(Duration::from_secs(10)).await, 0);
    assert_eq!(world.find(id).await.state, JobState::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_may_shorten_the_first() {
    let world = World::new();
    let handler = handler(|context| async move {
        context.stop_token().cancelled().await;
        JobVerdict::Stopped
    });
    let pool = Arc::new(world.pool(world.store(), handler, options()));
    let id = world.submit().await;
    world.logged(id, "job_started").await;
    let patient = Arc::clone(&pool);
    world.tasks.spawn("patient", async move { patient.shutdown(Duration::from_secs(3600)).await });
    sleep(Duration::from_secs(5)).await;
    let before = Instant::now();
    pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!(before.elapsed().as_secs(), 1);
    assert_eq!(world.find(id).await.state, JobState::Queued);
}
