//! Submitting, reading, listing, cancelling: what callers do.

use std::time::Duration;

use anyhow::{Result, ensure};
use gristmill_domain::{
    Caller, JobId,
    jobs::{Job, JobKind, JobOutcome, JobProgress, JobState, NewJob, NewJobEvent},
    ports::{EventBatch, JobFilter, StoreError},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{JobStoreEnvironment, claim, log, log_types, new_job, start, submit};

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn submits_a_queued_job_with_its_first_event(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let new = NewJob { project_id: Some(environment.project(&owner).await?), ..new_job(&owner) };
    let (job, is_new) = environment.store().submit(new.clone()).await?;
    ensure!(is_new);
    let expected = Job {
        id: new.id,
        kind: new.kind,
        owner_id: owner.user_id,
        project_id: new.project_id,
        state: JobState::Queued,
        payload: new.payload,
        result: None,
        error: None,
        progress: JobProgress::default(),
        attempt: 0,
        attempts_max: 3,
        cancel_requested: false,
        created_at: job.created_at,
        started_at: None,
        finished_at: None,
    };
    ensure!(job == expected);
    ensure!(environment.store().find(&owner, new.id).await? == expected);
    ensure!(log_types(environment, &job, &owner).await? == ["job_queued"]);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn finds_the_earlier_job_by_its_idempotency_key(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let (owner, other) = (environment.caller().await?, environment.caller().await?);
    let store = environment.store();
    let with_key = |caller: &Caller| NewJob { idempotency_key: Some("once".to_owned()), ..new_job(caller) };
    let (first, is_new) = store.submit(with_key(&owner)).await?;
    ensure!(is_new);
    let (second, is_new) = store.submit(with_key(&owner)).await?;
    ensure!(!is_new && second == first);
    let (others, is_new) = store.submit(with_key(&other)).await?;
    ensure!(is_new && others.id != first.id, "the key is the owner's alone");
    let retype = NewJob { kind: JobKind::DatasetRetype, ..with_key(&owner) };
    ensure!(store.submit(retype).await?.1, "and of one kind");
    ensure!(store.submit(new_job(&owner)).await?.1);
    // Also when the earlier one has ended meanwhile.
    store.request_cancel(&owner, first.id).await?;
    let (late, is_new) = store.submit(with_key(&owner)).await?;
    ensure!(!is_new && late.id == first.id && late.state == JobState::Cancelled);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn submits_once_when_the_same_key_comes_twice_at_once(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let mut submitting = JoinSet::new();
    for _ in 0..8 {
        let (store, job) = (environment.store(), NewJob { idempotency_key: Some("at once".to_owned()), ..new_job(&owner) });
        submitting.spawn(async move { store.submit(job).await });
    }
    let mut ids = Vec::new();
    let mut made = 0;
    while let Some(submitted) = submitting.join_next().await {
        let (job, is_new) = submitted??;
        ids.push(job.id);
        made += usize::from(is_new);
    }
    ids.dedup();
    ensure!(made == 1 && ids.len() == 1, "{made} were made: {ids:?}");
    ensure!(environment.store().list(&owner, JobFilter::default()).await?.len() == 1);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn refuses_an_id_that_is_taken(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let job = new_job(&owner);
    environment.store().submit(job.clone()).await?;
    let again = environment.store().submit(job).await;
    ensure!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn hides_jobs_and_projects_from_strangers(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let (owner, stranger) = (environment.caller().await?, environment.caller().await?);
    let store = environment.store();
    let project = environment.project(&owner).await?;
    let new = NewJob { project_id: Some(project), ..new_job(&owner) };
    let (job, _) = store.submit(new.clone()).await?;
    let of_project = JobFilter { project_id: Some(project), ..JobFilter::default() };
    for id in [job.id, JobId::random()] {
        ensure!(matches!(store.find(&stranger, id).await, Err(StoreError::NotFound)));
        ensure!(matches!(store.events(&stranger, id, 0, 10).await, Err(StoreError::NotFound)));
        ensure!(matches!(store.request_cancel(&stranger, id).await, Err(StoreError::NotFound)));
    }
    ensure!(matches!(store.list(&stranger, of_project).await, Err(StoreError::NotFound)));
    ensure!(store.list(&stranger, JobFilter::default()).await?.is_empty());
    let planted = NewJob { id: JobId::random(), owner_id: stranger.user_id, ..new };
    ensure!(matches!(store.submit(planted).await, Err(StoreError::NotFound)));
    ensure!(store.list(&owner, of_project).await? == [job.clone()], "nothing was planted");
    ensure!(store.find(&owner, job.id).await? == job, "the stranger changed nothing");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn lists_newest_first_page_by_page(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let mut newest_first = submit(environment, &owner, 7).await?;
    let project = environment.project(&owner).await?;
    let in_project = NewJob { project_id: Some(project), ..new_job(&owner) };
    newest_first.push(in_project.id);
    store.submit(in_project.clone()).await?;
    newest_first.reverse();
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    ensure!(ids(&store.list(&owner, JobFilter::default()).await?) == newest_first, "complete without a limit");
    let mut paged = Vec::new();
    let mut filter = JobFilter { limit: Some(3), ..JobFilter::default() };
    loop {
        let page = store.list(&owner, filter).await?;
        let Some(last) = page.last() else { break };
        ensure!(page.len() <= 3);
        filter.before = Some((last.created_at, last.id));
        paged.extend(ids(&page));
    }
    ensure!(paged == newest_first, "every job once: {paged:?}");
    let of_project = JobFilter { project_id: Some(project), ..JobFilter::default() };
    ensure!(ids(&store.list(&owner, of_project).await?) == [in_project.id]);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn keeps_json_as_it_was(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let odd = json!({
        "z": "first", "a": "nul \u{0}, quote \", backslash \\, line\nbreak, \u{1F9C2}, \u{FFFF}",
        "numbers": [u64::MAX, i64::MIN, 0.1, 1e300, -0.0], "empty": {}, "null": null, "deep": [[[[[[[[1]]]]]]]],
    });
    store.submit(NewJob { payload: odd.clone(), ..new_job(&owner) }).await?;
    let claimed = claim(environment).await?;
    ensure!(claimed.job.payload == odd);
    let progress = JobProgress { fraction: Some(1.0 / 3.0), message: Some("nul \u{0}".to_owned()) };
    let events = vec![NewJobEvent::new("odd", odd.clone())];
    store.append(claimed.lease, &EventBatch { after: 2, events, progress: Some(progress.clone()) }).await?;
    let job = store.finish(claimed.lease, JobOutcome::Succeeded(odd.clone()), Duration::ZERO).await?;
    ensure!(job.result.as_ref() == Some(&odd) && job.progress == progress);
    let events = log(environment, &job, &owner).await?;
    let data: Vec<_> = events.into_iter().skip(2).map(|event| event.data.to_string()).collect();
    ensure!(data == [odd.to_string(), json!({ "result": odd }).to_string()], "keys keep their order: {data:?}");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn cancels_a_queued_job_at_once(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let (job, _) = environment.store().submit(new_job(&owner)).await?;
    let cancelled = environment.store().request_cancel(&owner, job.id).await?;
    ensure!(cancelled.state == JobState::Cancelled && cancelled.finished_at.is_some() && cancelled.attempt == 0);
    ensure!(log_types(environment, &job, &owner).await? == ["job_queued", "job_cancelled"]);
    ensure!(environment.store().claim(super::request()).await?.is_none(), "nobody runs it");
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn asks_a_running_job_to_stop(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    ensure!(!store.heartbeat(claimed.lease, super::LEASE).await?.cancel_requested);
    for _ in 0..2 {
        let asked = store.request_cancel(&owner, claimed.job.id).await?;
        ensure!(asked.state == JobState::Running && asked.cancel_requested, "{asked:?}");
    }
    ensure!(store.heartbeat(claimed.lease, super::LEASE).await?.cancel_requested);
    let batch = EventBatch { after: 2, events: vec![NewJobEvent::new("last_words", json!({}))], progress: None };
    ensure!(store.append(claimed.lease, &batch).await?.cancel_requested);
    let job = store.finish(claimed.lease, JobOutcome::Cancelled, Duration::ZERO).await?;
    ensure!(job.state == JobState::Cancelled && job.finished_at.is_some());
    ensure!(log_types(environment, &job, &owner).await? == ["job_queued", "job_started", "last_words", "job_cancelled"]);
    Ok(())
}

/// The case of this name.
///
/// # Errors
/// When the store does otherwise.
pub async fn leaves_a_job_that_ended_alone_when_it_is_cancelled(environment: &dyn JobStoreEnvironment) -> Result<()> {
    let owner = environment.caller().await?;
    let store = environment.store();
    let claimed = start(environment, &owner).await?;
    let done = store.finish(claimed.lease, JobOutcome::Succeeded(json!(1)), Duration::ZERO).await?;
    ensure!(store.request_cancel(&owner, done.id).await? == done);
    ensure!(log_types(environment, &done, &owner).await? == ["job_queued", "job_started", "job_succeeded"]);
    Ok(())
}
