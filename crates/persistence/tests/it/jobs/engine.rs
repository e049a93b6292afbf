//! The engine of `gristmill-jobs` on PostgreSQL, with its notifications, outages and deaths.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use gristmill_domain::{
    Caller, JobId,
    jobs::{Job, JobEvent, JobKind, JobState, NewJob},
    ports::{JobStore, StoreError},
};
use gristmill_jobs::{
    JobReader, Signals, Tasks, WorkerOptions, WorkerPool,
    probe::{Probe, ProbeHandler},
    signals::PollIntervals,
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    notifications::{Channel, Notifications, Signal},
    repo::jobs::Jobs,
};
use gristmill_testkit::job_store_suite::{JobStoreEnvironment, new_job};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Environment, environment};

const PATIENCE: Duration = Duration::from_secs(60);

/// One server process, as far as jobs are concerned.
struct Server {
    tasks: Tasks,
    pool: WorkerPool,
    reader: JobReader,
}

/// Starts a server whose signals come through PostgreSQL only: with polls an hour apart, whatever is in time was
/// announced.
fn start_server(environment: &Environment, options: WorkerOptions) -> Server {
    let hour = Duration::from_secs(3600);
    start_server_with(environment, options, PollIntervals { hearing: hour, deaf: Duration::from_millis(50) })
}

fn start_server_with(environment: &Environment, options: WorkerOptions, poll: PollIntervals) -> Server {
    let tasks = Tasks::new();
    let signals = Signals::new(poll);
    let notifications = Notifications::default();
    let mut heard = notifications.subscribe();
    let url = environment.database.url().clone();
    let stopping = tasks.stopping().clone();
    tasks.spawn("listen", async move {
        stopping.run_until_cancelled(notifications.listen(url)).await;
    });
    let forwarded = signals.clone();
    let stopping = tasks.stopping().clone();
    tasks.spawn("forward", async move {
        while let Some(Ok(signal)) = stopping.run_until_cancelled(heard.recv()).await {
            match signal {
                Signal::Notified { channel: Channel::JobQueued, payload } => {
                    forwarded.job_queued(JobKind::from_name(&payload).unwrap());
                }
                Signal::Notified { channel: Channel::JobChanged, payload } => forwarded.job_changed(payload.parse().unwrap()),
                Signal::Notified { .. } => {}
                Signal::Resynchronize => forwarded.resynchronize(),
                Signal::Lost => forwarded.lost(),
            }
        }
    });
    let pool = WorkerPool::start(&tasks, environment.store(), signals.clone(), vec![Arc::new(ProbeHandler)], options);
    Server { tasks, pool, reader: JobReader::new(environment.store(), signals) }
}

async fn submit(environment: &Environment, owner: &Caller, probe: Probe) -> JobId {
    let job = NewJob { payload: json!(probe), ..new_job(owner) };
    environment.jobs.submit(job).await.unwrap().0.id
}

async fn ended(server: &Server, owner: &Caller, id: JobId) -> Job {
    let call_off = CancellationToken::new();
    timeout(PATIENCE, server.reader.wait(owner, id, &call_off)).await.expect("the job did not end").unwrap()
}

async fn followed(server: &Server, owner: &Caller, id: JobId) -> Vec<JobEvent> {
    let events = server.reader.follow(owner.clone(), id, 0).try_collect();
    timeout(PATIENCE, events).await.expect("the log did not end").unwrap()
}

fn assert_gapless(events: &[JobEvent]) {
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert!(events.last().unwrap().is_closing());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_a_job_of_another_process_as_soon_as_it_is_announced() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let server = start_server(&environment, WorkerOptions::default());
    let id = submit(&environment, &owner, Probe { steps: 20, step_ms: 5, ..Probe::default() }).await;
    let (events, job) = tokio::join!(followed(&server, &owner, id), ended(&server, &owner, id));
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!({ "steps": 20 }))));
    assert_gapless(&events);
    assert_eq!(events.iter().filter(|event| event.event_type == "probe_step").count(), 20);
    assert_eq!(server.tasks.shutdown(PATIENCE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_the_worker_through_the_database() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let server = start_server(&environment, WorkerOptions::default());
    let id = submit(&environment, &owner, Probe { steps: 1, step_ms: 600_000, ..Probe::default() }).await;
    let mut events = std::pin::pin!(server.reader.follow(owner.clone(), id, 1));
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap().event_type, "job_started");
    let asked_at = Instant::now();
    environment.jobs.request_cancel(&owner, id).await.unwrap();
    assert_eq!(ended(&server, &owner, id).await.state, JobState::Cancelled);
    // The lease lasts 30 s, so the next heartbeat would have come after 10.
    assert!(asked_at.elapsed() < Duration::from_secs(9), "{:?}", asked_at.elapsed());
}

#[test]
fn another_server_takes_over_when_one_dies() {
    let options = || WorkerOptions { lease: Duration::from_secs(2), ..WorkerOptions::default() };
    let survivor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let victim = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let environment = survivor.block_on(environment());
    let owner = survivor.block_on(environment.caller()).unwrap();
    // Its own pool of connections, which dies with it.
    let url = environment.database.url().clone();
    let server = victim.block_on(async {
        let jobs = Jobs::new(Database::connect(&DatabaseOptions::new(url)).await.unwrap());
        let tasks = Tasks::new();
        let store: Arc<dyn JobStore> = Arc::new(jobs);
        let pool = WorkerPool::start(&tasks, store, Signals::default(), vec![Arc::new(ProbeHandler)], options());
        (tasks, pool)
    });
    let id = survivor.block_on(submit(&environment, &owner, Probe { steps: 30, step_ms: 100, ..Probe::default() }));
    survivor.block_on(async {
        let appended = async {
            while environment.jobs.events(&owner, id, 0, 100).await.unwrap().len() < 6 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, appended).await.expect("the first server did not start");
    });
    // No farewell: every task stops where it is.
    victim.shutdown_background();
    drop(server);
    survivor.block_on(async {
        // A lease runs out without a notice: only looking finds it.
        let server = start_server_with(&environment, options(), PollIntervals::default());
        let job = ended(&server, &owner, id).await;
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2));
        let events = followed(&server, &owner, id).await;
        assert_gapless(&events);
        let retried = events.iter().find(|event| event.event_type == "job_retried").expect("it was taken over");
        assert_eq!(retried.data["error"]["code"], "worker_lost");
        let steps = |attempt: u32| {
            events.iter().filter(move |event| event.data["attempt"] == attempt && event.event_type == "probe_step")
        };
        assert!((1..30).contains(&steps(1).count()), "the first was cut off");
        assert_eq!(steps(2).count(), 30);
        server.tasks.shutdown(PATIENCE).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_of_the_database_costs_nothing() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let server = start_server(&environment, WorkerOptions::default());
    let id = submit(&environment, &owner, Probe { steps: 40, step_ms: 50, ..Probe::default() }).await;
    let mut events = Box::pin(server.reader.follow(owner.clone(), id, 0));
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap());
    }
    environment.database.refuse_connections().await.unwrap();
    // Both sides have to notice before it ends.
    let outage = async {
        while !matches!(environment.jobs.find(&owner, id).await, Err(StoreError::Unavailable(_))) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, outage).await.expect("there is no outage");
    environment.database.allow_connections().await.unwrap();
    let rest: Vec<JobEvent> = timeout(PATIENCE, events.try_collect()).await.expect("it did not recover").unwrap();
    seen.extend(rest);
    assert_gapless(&seen);
    let steps: Vec<u64> = seen.iter().filter_map(|event| event.data["step"].as_u64()).collect();
    assert_eq!(steps, (1..=40).collect::<Vec<_>>(), "nothing lost, nothing doubled");
    let job = ended(&server, &owner, id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_hands_its_job_to_another_at_once() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let first = start_server(&environment, WorkerOptions::default());
    let id = submit(&environment, &owner, Probe { steps: 10, step_ms: 100, ..Probe::default() }).await;
    let mut events = std::pin::pin!(first.reader.follow(owner.clone(), id, 1));
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap().event_type, "job_started");
    let second = start_server(&environment, WorkerOptions::default());
    timeout(PATIENCE, first.pool.shutdown(Duration::ZERO)).await.expect("it did not stop");
    let job = ended(&second, &owner, id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "the interrupted attempt does not count");
}
