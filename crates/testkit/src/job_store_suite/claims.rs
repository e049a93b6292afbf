//! Claiming: who gets which job, and what becomes of jobs whose worker is gone.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gristmill_domain::{
    JobId,
    jobs::{JobKind, JobOutcome, JobState, NewJob},
    ports::ClaimRequest,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{JobStoreEnvironment, LEASE, claim, log, log_types, new_job, request, start, submit};

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn claims_the_oldest_first_and_only_kinds_that_were_asked_for(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    ensure!(store.claim(request()).await?.is_none());
    let retype = NewJob { kind: JobKind::DatasetRetype, ..new_job(&owner) };
    store.submit(retype.clone()).await?;
    environment.pass(Duration::from_millis(1)).await?;
    let oldest_first = submit(environment, &owner, 3).await?;
    for id in oldest_first {
        ensure!(claim(environment).await?.job.id == id);
    }
    ensure!(store.claim(request()).await?.is_none(), "the retype is not for this worker");
    ensure!(store.claim(ClaimRequest { kinds: &[], ..request() }).await?.is_none());
    let claimed = store.claim(ClaimRequest { kinds: &JobKind::ALL, ..request() }).await?.context("the retype waits")?;
    ensure!(claimed.job.id == retype.id);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn starts_a_run_with_its_event(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    let job = &claimed.job;
    ensure!(job.state == JobState::Running && job.attempt == 1 && job.started_at.is_some() && job.finished_at.is_none());
    ensure!(claimed.lease.job_id == job.id && claimed.lease.epoch == 1);
    ensure!(environment.store().find(&owner, job.id).await? == *job);
    let events = log(environment, job, &owner).await?;
    let last = events.last().context("there are events")?;
    ensure!(last.seq == claimed.last_seq && last.event_type == "job_started" && last.data == json!({ "attempt": 1 }));
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn claims_each_job_once_when_workers_race(environment: &dyn JobStoreEnvironment) -> Result<()> {
    const JOBS: usize = 200;
    let owners = [environment.caller().await?, environment.caller().await?, environment.caller().await?];
    let store = environment.store();
    let mut submitted = HashSet::new();
    for owner in owners.iter().cycle().take(JOBS) {
        submitted.insert(store.submit(new_job(owner)).await?.0.id);
    }
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let store = environment.store();
        workers.spawn(async move {
            let mut claimed: Vec<JobId> = Vec::new();
            while let Some(next) = store.claim(request()).await? {
                anyhow::ensure!(next.job.attempt == 1 && next.lease.epoch == 1);
                store.finish(next.lease, JobOutcome::Succeeded(json!({})), Duration::ZERO).await?;
                claimed.push(next.job.id);
                tokio::task::yield_now().await;
            }
            Ok(claimed)
        });
    }
    let mut claimed = Vec::new();
    while let Some(worker) = workers.join_next().await {
        claimed.extend(worker??);
    }
    ensure!(claimed.len() == JOBS, "{} claims of {JOBS} jobs", claimed.len());
    ensure!(claimed.into_iter().collect::<HashSet<_>>() == submitted);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn prefers_owners_with_fewer_running_jobs(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let (many, few, one) = (environment.caller().await?, environment.caller().await?, environment.caller().await?);
    submit(environment, &many, 20).await?;
    submit(environment, &few, 2).await?;
    submit(environment, &one, 1).await?;
    let names = [(many.user_id, "many"), (few.user_id, "few"), (one.user_id, "one")];
    let mut order = Vec::new();
    for _ in 0..7 {
        let owner = claim(environment).await?.job.owner_id;
        order.extend(names.iter().filter(|(id, _)| *id == owner).map(|(_, name)| *name));
    }
    // Everybody's first, then everybody's second, each by age.
    ensure!(order == ["many", "few", "one", "many", "few", "many", "many"], "{order:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn leaves_owners_alone_who_have_enough_running(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let (many, other) = (environment.caller().await?, environment.caller().await?);
    let store = environment.store();
    submit(environment, &many, 5).await?;
    let bounded = ClaimRequest { owner_running_max: Some(2), ..request() };
    let first = store.claim(bounded).await?.context("one")?;
    store.claim(bounded).await?.context("two")?;
    ensure!(store.claim(bounded).await?.is_none(), "two are enough");
    submit(environment, &other, 1).await?;
    ensure!(store.claim(bounded).await?.context("the other's")?.job.owner_id == other.user_id);
    store.finish(first.lease, JobOutcome::Cancelled, Duration::ZERO).await?;
    ensure!(store.claim(bounded).await?.context("there is room again")?.job.owner_id == many.user_id);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn takes_over_when_the_lease_ran_out(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let first = start(environment, &owner).await?;
    // A store with a clock of its own goes on meanwhile, on a busy machine by more than a moment.
    environment.pass(LEASE - Duration::from_secs(10)).await?;
    ensure!(store.claim(request()).await?.is_none(), "the lease holds");
    environment.pass(Duration::from_secs(11)).await?;
    let none = store.claim(ClaimRequest { kinds: &[JobKind::DatasetIngest], ..request() }).await?;
    ensure!(none.is_none(), "not by a worker of another kind");
    let second = claim(environment).await?;
    ensure!(second.job.id == first.job.id && second.job.attempt == 2 && second.lease.epoch == 2);
    ensure!(second.job.started_at == first.job.started_at, "when it was first started");
    let events = log(environment, &first.job, &owner).await?;
    let tail: Vec<_> = events.iter().skip(1).map(|event| (event.event_type.as_str(), event.data.get("attempt"))).collect();
    ensure!(
        tail == [("job_started", Some(&json!(1))), ("job_retried", Some(&json!(1))), ("job_started", Some(&json!(2)))],
        "{tail:?}"
    );
    ensure!(events.iter().any(|event| event.data.pointer("/error/code") == Some(&json!("worker_lost"))));
    ensure!(second.last_seq == 4);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn leaves_a_job_alone_that_is_prolonged(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    for _ in 0..5 {
        environment.pass(LEASE * 2 / 3).await?;
        store.heartbeat(claimed.lease, LEASE).await?;
        ensure!(store.claim(request()).await?.is_none());
    }
    // Late, but before anybody took over: still its own.
    environment.pass(LEASE * 2).await?;
    store.heartbeat(claimed.lease, LEASE).await?;
    ensure!(store.claim(request()).await?.is_none());
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn fails_a_job_whose_workers_all_died(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let (job, _) = store.submit(new_job(&owner)).await?;
    for attempt in 1..=3 {
        ensure!(claim(environment).await?.job.attempt == attempt);
        environment.pass(LEASE * 2).await?;
    }
    ensure!(store.claim(request()).await?.is_none());
    let job = store.find(&owner, job.id).await?;
    ensure!(job.state == JobState::Failed && job.attempt == 3 && job.finished_at.is_some());
    ensure!(job.error.as_ref().is_some_and(|error| error.code == "worker_lost"), "{:?}", job.error);
    let events = log(environment, &job, &owner).await?;
    let last = events.last().context("there are events")?;
    ensure!(last.event_type == "job_failed" && last.data.pointer("/error/code") == Some(&json!("worker_lost")));
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn cancels_a_lost_job_that_should_stop(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let claimed = start(environment, &owner).await?;
    environment.store().request_cancel(&owner, claimed.job.id).await?;
    environment.pass(LEASE * 2).await?;
    ensure!(environment.store().claim(request()).await?.is_none());
    let job = environment.store().find(&owner, claimed.job.id).await?;
    ensure!(job.state == JobState::Cancelled && job.attempt == 1);
    ensure!(log_types(environment, &job, &owner).await? == ["job_queued", "job_started", "job_cancelled"]);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn clears_several_lost_jobs_away_on_the_way_to_work(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let mut lost = BTreeSet::new();
    for _ in 0..5 {
        store.submit(NewJob { attempts_max: 1, ..new_job(&owner) }).await?;
        lost.insert(claim(environment).await?.job.id);
    }
    environment.pass(LEASE * 2).await?;
    let (waiting, _) = store.submit(new_job(&owner)).await?;
    ensure!(claim(environment).await?.job.id == waiting.id);
    for id in lost {
        ensure!(store.find(&owner, id).await?.state == JobState::Failed);
    }
    Ok(())
}
