//! What every job store must do: one suite, run against the one in memory and the one on PostgreSQL.
//!
//! [`job_store_suite!`](macro@crate::job_store_suite) makes one test of each case.

pub mod access;
pub mod claims;
pub mod logs;
pub mod runs;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use gristmill_domain::{
    Caller, JobId, ProjectId, Scope, SessionId, UserId,
    caller::Credential,
    jobs::{Job, JobEvent, JobKind, Lease, NewJob, NewJobEvent},
    ports::{ClaimRequest, ClaimedJob, EventBatch, JobStore, StoreError},
    users::UserRole,
};
use serde_json::json;

/// How long the leases of the suite last.
pub const LEASE: Duration = Duration::from_secs(30);

/// A store with what surrounds it.
#[async_trait]
pub trait JobStoreEnvironment: Send + Sync {
    /// The store; the same at each call.
    fn store(&self) -> Arc<dyn JobStore>;

    /// Makes a user.
    async fn caller(&self) -> Result<Caller>;

    /// Makes a project.
    async fn project(&self, owner: &Caller) -> Result<ProjectId>;

    /// Lets time pass for the store's leases and delays, without waiting for it.
    async fn pass(&self, duration: Duration) -> Result<()>;
}

/// Makes one test of each case of the suite. Takes the test attribute in its brackets, and the name of an async function
/// that makes the environment.
#[macro_export]
macro_rules! job_store_suite {
    ($test:tt, $environment:ident) => {
        $crate::job_store_suite! { @tests $test, $environment,
            access::submits_a_queued_job_with_its_first_event,
            access::finds_the_earlier_job_by_its_idempotency_key,
            access::submits_once_when_the_same_key_comes_twice_at_once,
            access::refuses_an_id_that_is_taken,
            access::hides_jobs_and_projects_from_strangers,
            access::lists_newest_first_page_by_page,
            access::keeps_json_as_it_was,
            access::cancels_a_queued_job_at_once,
            access::asks_a_running_job_to_stop,
            access::leaves_a_job_that_ended_alone_when_it_is_cancelled,
            claims::claims_the_oldest_first_and_only_kinds_that_were_asked_for,
            claims::starts_a_run_with_its_event,
            claims::claims_each_job_once_when_workers_race,
            claims::prefers_owners_with_fewer_running_jobs,
            claims::leaves_owners_alone_who_have_enough_running,
            claims::takes_over_when_the_lease_ran_out,
            claims::leaves_a_job_alone_that_is_prolonged,
            claims::fails_a_job_whose_workers_all_died,
            claims::cancels_a_lost_job_that_should_stop,
            claims::clears_several_lost_jobs_away_on_the_way_to_work,
            runs::records_success_and_failure_with_their_closing_event,
            runs::retries_after_a_delay_until_the_attempts_are_used_up,
            runs::cancels_instead_of_retrying_when_asked_to_stop,
            runs::releases_without_counting_the_attempt,
            runs::a_released_job_keeps_its_place,
            runs::cancels_a_released_job_that_should_stop,
            runs::refuses_every_write_of_a_worker_that_was_taken_for_dead,
            runs::refuses_every_write_after_the_end,
            runs::wakes_nobody_and_writes_nothing_for_a_job_that_is_unknown,
            logs::appends_in_order_and_updates_progress,
            logs::appends_a_repeated_batch_once,
            logs::refuses_a_batch_for_another_position,
            logs::reads_a_log_in_stretches,
            logs::reads_less_at_once_where_events_are_long,
            logs::stays_gapless_when_two_workers_write_at_once,
        }
    };
    (@tests $test:tt, $environment:ident, $($module:ident::$case:ident,)*) => {
        $(
            #$test
            async fn $case() {
                let environment = $environment().await;
                $crate::job_store_suite::$module::$case(&environment).await.unwrap();
            }
        )*
    };
}

/// A caller for a user: logged in, verified, with full scope.
#[must_use]
pub fn caller_for(user_id: UserId) -> Caller {
    Caller {
        user_id,
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Account,
    }
}

/// A probe of three attempts, of no project.
#[must_use]
pub fn new_job(owner: &Caller) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind: JobKind::Probe,
        owner_id: owner.user_id,
        project_id: None,
        payload: json!({ "steps": 1 }),
        attempts_max: 3,
        idempotency_key: None,
    }
}

/// A claim of probes by the worker `suite`.
#[must_use]
pub fn request() -> ClaimRequest<'static> {
    ClaimRequest { worker: "suite", kinds: &[JobKind::Probe], lease: LEASE, owner_running_max: None }
}

/// Submits `count` jobs, a moment apart, and returns their ids in order.
async fn submit(environment: &dyn JobStoreEnvironment, owner: &Caller, count: usize) -> Result<Vec<JobId>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let (job, new) = environment.store().submit(new_job(owner)).await?;
        ensure!(new);
        ids.push(job.id);
        environment.pass(Duration::from_millis(1)).await?;
    }
    Ok(ids)
}

/// Claims a job that must be there.
async fn claim(environment: &dyn JobStoreEnvironment) -> Result<ClaimedJob> {
    environment.store().claim(request()).await?.context("there is no job to claim")
}

/// Submits a job and claims it.
async fn start(environment: &dyn JobStoreEnvironment, owner: &Caller) -> Result<ClaimedJob> {
    let (job, _) = environment.store().submit(new_job(owner)).await?;
    let claimed = claim(environment).await?;
    ensure!(claimed.job.id == job.id);
    Ok(claimed)
}

/// Appends events of one type, numbered from `first`.
async fn append(
    environment: &dyn JobStoreEnvironment,
    lease: Lease,
    after: i64,
    event_type: &str,
    count: usize,
) -> Result<i64, StoreError> {
    let events = (0..count).map(|number| NewJobEvent::new(event_type, json!({ "number": number }))).collect();
    let appended = environment.store().append(lease, &EventBatch { after, events, progress: None }).await?;
    Ok(appended.last_seq)
}

/// The whole log, which must be numbered from 1 without gaps and have a closing event at its end exactly if the job
/// has ended.
async fn log(environment: &dyn JobStoreEnvironment, job: &Job, owner: &Caller) -> Result<Vec<JobEvent>> {
    let events = environment.store().events(owner, job.id, 0, 100_000).await?;
    let job = environment.store().find(owner, job.id).await?;
    for (event, seq) in events.iter().zip(1..) {
        ensure!(event.seq == seq, "the log has a gap: {events:?}");
    }
    ensure!(events.is_sorted_by_key(|event| event.at), "time runs backwards: {events:?}");
    let closed = events.iter().position(JobEvent::is_closing);
    ensure!(closed == job.state.is_final().then(|| events.len() - 1), "{:?} after {events:?}", job.state);
    Ok(events)
}

/// The types of the whole log.
async fn log_types(environment: &dyn JobStoreEnvironment, job: &Job, owner: &Caller) -> Result<Vec<String>> {
    Ok(log(environment, job, owner).await?.into_iter().map(|event| event.event_type).collect())
}
