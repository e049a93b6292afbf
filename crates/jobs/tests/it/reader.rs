//! Waiting and following: everything once, in order, through outages; and nothing for strangers.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};
use gristmill_domain::{
    JobId, UserId,
    jobs::{JobOutcome, JobState, NewJobEvent},
    ports::{ClaimedJob, EventBatch, JobStore, StoreError},
};
use gristmill_jobs::{JobReader, JobsError, Signals, memory::MemoryJobStore, reader::ReaderOptions};
use gristmill_testkit::job_store_suite::{caller_for, new_job, request};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::{FaultyStore, World};

async fn start(world: &World) -> ClaimedJob {
    world.submit().await;
    world.memory.claim(request()).await.unwrap().unwrap()
}

/// Appends `count` events, each some milliseconds after the other, then ends the job.
async fn write(memory: MemoryJobStore, claimed: ClaimedJob, count: i64, pause: Duration) {
    for number in 0..count {
        let events = vec![NewJobEvent::new("x", json!({ "number": number }))];
        let batch = EventBatch { after: claimed.last_seq + number, events, progress: None };
        memory.append(claimed.lease, &batch).await.unwrap();
        sleep(pause).await;
    }
    memory.finish(claimed.lease, JobOutcome::Succeeded(json!(count)), Duration::ZERO).await.unwrap();
}

fn reader(world: &World, store: &Arc<FaultyStore>, page_events: u32) -> JobReader {
    let options = ReaderOptions { page_events, ..ReaderOptions::default() };
    let port: Arc<dyn JobStore> = store.clone();
    JobReader::with_options(port, world.signals.clone(), options)
}

async fn followed(world: &World, reader: &JobReader, id: JobId, after: i64) -> Vec<i64> {
    let events = reader.follow(world.owner.clone(), id, after);
    events.map_ok(|event| event.seq).try_collect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn replays_page_by_page_and_then_follows_to_the_end() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let store = world.store();
    world.tasks.spawn("writer", write(world.memory.clone(), claimed, 100, Duration::from_millis(5)));
    // Some are there already, and more come while the first pages are read.
    sleep(Duration::from_millis(200)).await;
    for page_events in [1, 7, 103, 1000] {
        let all = followed(&world, &reader(&world, &store, page_events), id, 0).await;
        assert_eq!(all, (1..=103).collect::<Vec<_>>(), "pages of {page_events}");
        assert!(store.page_max.swap(0, Ordering::SeqCst) <= page_events, "no more is kept in memory");
    }
}

#[tokio::test(start_paused = true)]
async fn starts_where_it_is_told_to() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let store = world.store();
    world.tasks.spawn("writer", write(world.memory.clone(), claimed, 10, Duration::from_millis(5)));
    let reader = reader(&world, &store, 4);
    assert_eq!(followed(&world, &reader, id, 7).await, (8..=13).collect::<Vec<_>>());
    // Again, when all is over: from the middle, from the end, from beyond it.
    assert_eq!(followed(&world, &reader, id, 11).await, [12, 13]);
    assert_eq!(followed(&world, &reader, id, 13).await, Vec::<i64>::new());
    assert_eq!(followed(&world, &reader, id, 1_000_000).await, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn sees_everything_once_through_outages() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let store = world.store();
    world.tasks.spawn("writer", write(world.memory.clone(), claimed, 200, Duration::from_millis(100)));
    let flaky = Arc::clone(&store);
    world.tasks.spawn("outages", async move {
        for down in [true, false].into_iter().cycle().take(40) {
            flaky.set_down(down);
            // Up for a little longer than the reader's longest pause.
            sleep(Duration::from_millis(if down { 3000 } else { 2100 })).await;
        }
    });
    assert_eq!(followed(&world, &reader(&world, &store, 5), id, 0).await, (1..=203).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn gives_up_when_the_outage_does_not_end() {
    let world = World::new();
    let claimed = start(&world).await;
    let store = world.store();
    let reader = reader(&world, &store, 10);
    let mut events = std::pin::pin!(reader.follow(world.owner.clone(), claimed.job.id, 0));
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    store.set_down(true);
    assert_eq!(events.next().await.unwrap().unwrap().seq, 2, "it was read before");
    let before = Instant::now();
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, JobsError::Store(StoreError::Unavailable(_))), "{error:?}");
    assert!((30..33).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    assert!(events.next().await.is_none(), "and that was all");

    let error = reader.wait(&world.owner, claimed.job.id, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, JobsError::Store(StoreError::Unavailable(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn is_late_but_complete_when_signals_get_lost() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    // Hears, as far as it knows, but nobody tells it anything.
    let silent = Signals::default();
    silent.resynchronize();
    let reader = JobReader::new(Arc::new(world.memory.clone()), silent);
    let mut events = std::pin::pin!(reader.follow(world.owner.clone(), id, 2));
    let first = async {
        sleep(Duration::from_millis(1500)).await;
        let batch = EventBatch { after: 2, events: vec![NewJobEvent::new("x", json!({}))], progress: None };
        world.memory.append(claimed.lease, &batch).await.unwrap();
        Instant::now()
    };
    let (written_at, event) = tokio::join!(first, events.next());
    assert_eq!(event.unwrap().unwrap().seq, 3);
    assert!(written_at.elapsed() <= Duration::from_secs(1), "one slow poll: {:?}", written_at.elapsed());
    world.memory.finish(claimed.lease, JobOutcome::Cancelled, Duration::ZERO).await.unwrap();
    let job = reader.wait(&world.owner, id, &CancellationToken::new()).await.unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(events.map(|event| event.unwrap().seq).collect::<Vec<_>>().await, [4]);
}

#[tokio::test(start_paused = true)]
async fn follows_across_a_retry() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let error = gristmill_domain::jobs::JobError::new(gristmill_domain::ErrorCode::Internal, "x");
    let memory = world.memory.clone();
    world.tasks.spawn("writer", async move {
        memory.finish(claimed.lease, JobOutcome::Retry(error), Duration::ZERO).await.unwrap();
        let again = memory.claim(request()).await.unwrap().unwrap();
        write(memory, again, 3, Duration::from_millis(5)).await;
    });
    assert_eq!(followed(&world, &world.reader, id, 0).await, (1..=8).collect::<Vec<_>>(), "a retry does not close the log");
}

#[tokio::test(start_paused = true)]
async fn shows_strangers_nothing() {
    let world = World::new();
    let claimed = start(&world).await;
    let stranger = caller_for(UserId::random());
    for id in [claimed.job.id, JobId::random()] {
        let mut events = std::pin::pin!(world.reader.follow(stranger.clone(), id, 0));
        let error = events.next().await.unwrap().unwrap_err();
        assert!(matches!(error, JobsError::Store(StoreError::NotFound)), "{error:?}");
        assert!(events.next().await.is_none());
        let error = world.reader.wait(&stranger, id, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, JobsError::Store(StoreError::NotFound)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ends_when_the_job_is_deleted() {
    let world = World::new();
    let claimed = start(&world).await;
    world.memory.finish(claimed.lease, JobOutcome::Cancelled, Duration::ZERO).await.unwrap();
    let mut events = std::pin::pin!(reader(&world, &world.store(), 1).follow(world.owner.clone(), claimed.job.id, 0));
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.memory.prune(chrono::DateTime::<chrono::Utc>::MAX_UTC), 1);
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, JobsError::Store(StoreError::NotFound)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_returns_the_ended_job_at_once_and_can_be_called_off() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let call_off = CancellationToken::new();
    let (soon, waiting) = (call_off.clone(), world.reader.clone());
    world.tasks.spawn("calls off", async move {
        sleep(Duration::from_secs(60)).await;
        soon.cancel();
    });
    assert!(matches!(waiting.wait(&world.owner, id, &call_off).await, Err(JobsError::CalledOff)));

    let memory = world.memory.clone();
    world.tasks.spawn("writer", write(memory, claimed, 10, Duration::from_secs(60)));
    let before = Instant::now();
    let job = world.reader.wait(&world.owner, id, &CancellationToken::new()).await.unwrap();
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!(10))));
    assert_eq!(before.elapsed(), Duration::from_secs(600), "not a moment later");
    assert_eq!(world.reader.wait(&world.owner, id, &CancellationToken::new()).await.unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn many_followers_see_the_same() {
    let world = World::new();
    let claimed = start(&world).await;
    let id = claimed.job.id;
    let (queued, _) = world.memory.submit(new_job(&world.owner)).await.unwrap();
    let followers = (0..20).map(|_| followed(&world, &world.reader, id, 0));
    let writer = write(world.memory.clone(), claimed, 50, Duration::from_millis(3));
    let (all, ()) = tokio::join!(futures_util::future::join_all(followers), writer);
    assert!(all.iter().all(|seen| *seen == (1..=53).collect::<Vec<_>>()));
    assert_eq!(world.log_types(queued.id).await, ["job_queued"]);
}
