//! What a change announces to other processes, and that nothing is announced before it is committed.

use std::time::Duration;

use gristmill_domain::{
    ErrorCode,
    identity::AccountStore,
    jobs::{JobError, JobOutcome, NewJobEvent},
    ports::{EventBatch, JobStore, StoreError},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    notifications::{Channel, Notifications, Signal},
    repo::{identity::Identity, projects::Projects},
};
use gristmill_testkit::job_store_suite::{JobStoreEnvironment, LEASE, new_job, request};
use serde_json::json;
use tokio::{sync::broadcast::Receiver, task::JoinSet, time::timeout};

use super::{Environment, environment};

/// Listens, and returns once the listening has begun.
async fn listen(environment: &Environment, tasks: &mut JoinSet<()>) -> Receiver<Signal> {
    let notifications = Notifications::default();
    let mut signals = notifications.subscribe();
    let url = environment.database.url().clone();
    tasks.spawn(async move { notifications.listen(url).await });
    assert_eq!(next(&mut signals).await, Signal::Resynchronize);
    signals
}

async fn next(signals: &mut Receiver<Signal>) -> Signal {
    timeout(Duration::from_secs(10), signals.recv()).await.expect("nothing was announced").unwrap()
}

async fn heard(signals: &mut Receiver<Signal>, channel: Channel, payload: impl ToString) {
    assert_eq!(next(signals).await, Signal::Notified { channel, payload: payload.to_string() });
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_each_change_once() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let mut tasks = JoinSet::new();
    let mut signals = listen(&environment, &mut tasks).await;
    let jobs = &environment.jobs;

    let (job, _) = jobs.submit(new_job(&owner)).await.unwrap();
    heard(&mut signals, Channel::JobQueued, "probe").await;
    let claimed = jobs.claim(request()).await.unwrap().unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;
    let batch = EventBatch { after: 2, events: vec![NewJobEvent::new("x", json!({}))], progress: None };
    jobs.append(claimed.lease, &batch).await.unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;
    jobs.append(claimed.lease, &batch).await.unwrap();
    jobs.heartbeat(claimed.lease, LEASE).await.unwrap();
    jobs.request_cancel(&owner, job.id).await.unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;
    jobs.finish(claimed.lease, JobOutcome::Cancelled, Duration::ZERO).await.unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;

    let (job, _) = jobs.submit(new_job(&owner)).await.unwrap();
    heard(&mut signals, Channel::JobQueued, "probe").await;
    let claimed = jobs.claim(request()).await.unwrap().unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;
    let retry = JobOutcome::Retry(JobError::new(ErrorCode::Internal, "x"));
    jobs.finish(claimed.lease, retry, Duration::ZERO).await.unwrap();
    let mut both = [next(&mut signals).await, next(&mut signals).await];
    both.sort_by_key(|signal| format!("{signal:?}"));
    let notified = |channel, payload| Signal::Notified { channel, payload };
    assert_eq!(both, [notified(Channel::JobChanged, job.id.to_string()), notified(Channel::JobQueued, "probe".to_owned())]);
    // A queued job that is cancelled, as a marker: nothing else came before it.
    jobs.request_cancel(&owner, job.id).await.unwrap();
    heard(&mut signals, Channel::JobChanged, job.id).await;
    assert!(signals.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_projects_that_are_gone() {
    let environment = environment().await;
    let (owner, stranger) = (environment.caller().await.unwrap(), environment.caller().await.unwrap());
    let (first, second) = (environment.project(&owner).await.unwrap(), environment.project(&owner).await.unwrap());
    let database = Database::connect(&DatabaseOptions::new(environment.database.url().clone())).await.unwrap();
    let projects = Projects::new(database.clone());
    let mut tasks = JoinSet::new();
    let mut signals = listen(&environment, &mut tasks).await;

    assert!(matches!(projects.delete(&stranger, first).await, Err(StoreError::NotFound)));
    assert_eq!(projects.gone(&[first, second]).await.unwrap(), []);
    projects.delete(&owner, first).await.unwrap();
    heard(&mut signals, Channel::ProjectDeleted, first).await;
    assert_eq!(projects.gone(&[first, second]).await.unwrap(), [first]);
    Identity::new(database).delete_account(owner.user_id).await.unwrap();
    heard(&mut signals, Channel::ProjectDeleted, second).await;
    heard(&mut signals, Channel::IdentityChanged, format!("user:{}", owner.user_id)).await;
    assert_eq!(projects.gone(&[]).await.unwrap(), []);
}
