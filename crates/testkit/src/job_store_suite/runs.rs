//! Ends of runs, and the fence around writes of workers that do not hold the lease.

use std::time::Duration;

use anyhow::{Result, ensure};
use gristmill_domain::{
    ErrorCode, JobId,
    jobs::{JobError, JobOutcome, JobState, Lease, NewJob, NewJobEvent},
    ports::{EventBatch, StoreError},
};
use serde_json::json;

use super::{JobStoreEnvironment, LEASE, append, claim, log, log_types, new_job, request, start, submit};

fn error(message: &str) -> JobError {
    JobError::new(ErrorCode::UnreadableFile, message)
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn records_success_and_failure_with_their_closing_event(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    let done = store.finish(claimed.lease, JobOutcome::Succeeded(json!({ "rows": 3 })), Duration::ZERO).await?;
    ensure!(done.state == JobState::Succeeded && done.result == Some(json!({ "rows": 3 })) && done.error.is_none());
    ensure!(done.finished_at.is_some() && store.find(&owner, done.id).await? == done);
    let events = log(environment, &done, &owner).await?;
    ensure!(events.last().is_some_and(|last| last.data == json!({ "result": { "rows": 3 } })), "{events:?}");

    let claimed = start(environment, &owner).await?;
    let failed = store.finish(claimed.lease, JobOutcome::Failed(error("no rows")), Duration::ZERO).await?;
    ensure!(failed.state == JobState::Failed && failed.error == Some(error("no rows")) && failed.result.is_none());
    ensure!(failed.attempt == 1, "no further attempt, though there would be two");
    let events = log(environment, &failed, &owner).await?;
    ensure!(events.last().is_some_and(|last| last.data == json!({ "error": error("no rows") })), "{events:?}");
    ensure!(store.claim(request()).await?.is_none());
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn retries_after_a_delay_until_the_attempts_are_used_up(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let delay = Duration::from_secs(60);
    let mut claimed = start(environment, &owner).await?;
    for attempt in 1..=2 {
        ensure!(claimed.job.attempt == attempt && claimed.lease.epoch == i64::from(attempt));
        let waiting = store.finish(claimed.lease, JobOutcome::Retry(error("busy")), delay).await?;
        ensure!(waiting.state == JobState::Queued && waiting.error.is_none() && waiting.finished_at.is_none());
        environment.pass(delay - Duration::from_secs(5)).await?;
        ensure!(store.claim(request()).await?.is_none(), "it is left alone");
        environment.pass(Duration::from_secs(6)).await?;
        claimed = claim(environment).await?;
    }
    let failed = store.finish(claimed.lease, JobOutcome::Retry(error("busy")), delay).await?;
    ensure!(failed.state == JobState::Failed && failed.error == Some(error("busy")) && failed.attempt == 3);
    let types = log_types(environment, &failed, &owner).await?;
    let run = ["job_started", "job_retried"];
    ensure!(types == [&["job_queued"][..], &run, &run, &["job_started", "job_failed"]].concat(), "{types:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn cancels_instead_of_retrying_when_asked_to_stop(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    store.request_cancel(&owner, claimed.job.id).await?;
    let job = store.finish(claimed.lease, JobOutcome::Retry(error("busy")), Duration::ZERO).await?;
    ensure!(job.state == JobState::Cancelled && job.error.is_none());
    ensure!(log_types(environment, &job, &owner).await?.last().is_some_and(|last| last == "job_cancelled"));
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn releases_without_counting_the_attempt(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    store.submit(NewJob { attempts_max: 1, ..new_job(&owner) }).await?;
    let mut epoch = 0;
    for _ in 0..3 {
        let claimed = claim(environment).await?;
        ensure!(claimed.job.attempt == 1, "each time the first");
        ensure!(claimed.lease.epoch > epoch, "a lease is never given out twice");
        epoch = claimed.lease.epoch;
        store.release(claimed.lease).await?;
        let job = store.find(&owner, claimed.job.id).await?;
        ensure!(job.state == JobState::Queued && job.attempt == 0);
        let types = log_types(environment, &job, &owner).await?;
        ensure!(types.last().is_some_and(|last| last == "job_queued"), "{types:?}");
        let late = append(environment, claimed.lease, claimed.last_seq + 1, "late", 1).await;
        ensure!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    }
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn a_released_job_keeps_its_place(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let oldest_first = submit(environment, &owner, 3).await?;
    let first = claim(environment).await?;
    environment.pass(Duration::from_secs(5)).await?;
    store.release(first.lease).await?;
    for id in oldest_first {
        ensure!(claim(environment).await?.job.id == id);
    }
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn cancels_a_released_job_that_should_stop(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    store.request_cancel(&owner, claimed.job.id).await?;
    store.release(claimed.lease).await?;
    let job = store.find(&owner, claimed.job.id).await?;
    ensure!(job.state == JobState::Cancelled);
    log(environment, &job, &owner).await?;
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn refuses_every_write_of_a_worker_that_was_taken_for_dead(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let zombie = start(environment, &owner).await?;
    let seq = append(environment, zombie.lease, zombie.last_seq, "of_zombie", 2).await?;
    environment.pass(LEASE * 2).await?;
    let successor = claim(environment).await?;
    ensure!(successor.last_seq == seq + 2, "after job_retried and job_started");

    refuses_all(environment, zombie.lease, seq).await?;
    refuses_all(environment, zombie.lease, successor.last_seq).await?;
    ensure!(store.find(&owner, zombie.job.id).await? == successor.job, "the zombie changed nothing");

    append(environment, successor.lease, successor.last_seq, "of_successor", 1).await?;
    let done = store.finish(successor.lease, JobOutcome::Succeeded(json!(2)), Duration::ZERO).await?;
    refuses_all(environment, zombie.lease, 8).await?;
    let types = log_types(environment, &done, &owner).await?;
    let before = ["job_queued", "job_started", "of_zombie", "of_zombie"];
    let after = ["job_retried", "job_started", "of_successor", "job_succeeded"];
    ensure!(types == [before, after].concat(), "{types:?}");
    ensure!(done.result == Some(json!(2)));
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn refuses_every_write_after_the_end(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    let done = environment.store().finish(claimed.lease, JobOutcome::Succeeded(json!(1)), Duration::ZERO).await?;
    refuses_all(environment, claimed.lease, 3).await?;
    ensure!(environment.store().find(&owner, done.id).await? == done);
    log(environment, &done, &owner).await?;
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn wakes_nobody_and_writes_nothing_for_a_job_that_is_unknown(environment: &dyn JobStoreEnvironment) -> Result<()> {
    refuses_all(environment, Lease { job_id: JobId::random(), epoch: 1 }, 0).await?;
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    for epoch in [0, claimed.lease.epoch + 1] {
        refuses_all(environment, Lease { epoch, ..claimed.lease }, claimed.last_seq).await?;
    }
    ensure!(environment.store().find(&owner, claimed.job.id).await? == claimed.job);
    Ok(())
}

/// Every write under `lease` must be refused.
async fn refuses_all(environment: &dyn JobStoreEnvironment, lease: Lease, after: i64) -> Result<()> {
    let store = environment.store();
    let lost = |refusal: Option<StoreError>| matches!(refusal, Some(StoreError::LeaseLost));
    let batch = EventBatch { after, events: vec![NewJobEvent::new("of_zombie", json!({}))], progress: None };
    ensure!(lost(store.append(lease, &batch).await.err()), "append");
    ensure!(lost(store.append(lease, &EventBatch { events: Vec::new(), ..batch }).await.err()), "an empty append");
    ensure!(lost(store.heartbeat(lease, LEASE).await.err()), "heartbeat");
    ensure!(lost(store.release(lease).await.err()), "release");
    let outcomes =
        [JobOutcome::Succeeded(json!(1)), JobOutcome::Failed(error("x")), JobOutcome::Retry(error("x")), JobOutcome::Cancelled];
    for outcome in outcomes {
        ensure!(lost(store.finish(lease, outcome, Duration::ZERO).await.err()), "finish");
    }
    Ok(())
}
