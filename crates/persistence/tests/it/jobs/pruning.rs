//! Old jobs and their logs are deleted, and only they.

use std::time::Duration;

use gristmill_domain::{
    Caller, JobId,
    jobs::{JobOutcome, NewJobEvent},
    ports::{EventBatch, JobFilter, JobStore},
};
use gristmill_testkit::job_store_suite::{JobStoreEnvironment, new_job, request};
use serde_json::json;

use super::{Environment, environment};

async fn ended_job(environment: &Environment, owner: &Caller, events: usize) -> JobId {
    environment.jobs.submit(new_job(owner)).await.unwrap();
    let claimed = environment.jobs.claim(request()).await.unwrap().unwrap();
    let events = (0..events).map(|_| NewJobEvent::new("more", json!({}))).collect();
    environment.jobs.append(claimed.lease, &EventBatch { after: 2, events, progress: None }).await.unwrap();
    environment.jobs.finish(claimed.lease, JobOutcome::Succeeded(json!(1)), Duration::ZERO).await.unwrap().id
}

async fn count(environment: &Environment, table: &str) -> i64 {
    environment.client.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_old_ended_jobs_with_their_logs_and_nothing_else() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(ended_job(&environment, &owner, 5).await);
    }
    environment.client.execute("update jobs set finished_at = finished_at - interval '40 days'", &[]).await.unwrap();
    let recent = ended_job(&environment, &owner, 5).await;
    let (queued, _) = environment.jobs.submit(new_job(&owner)).await.unwrap();
    environment.client.execute("update jobs set created_at = created_at - interval '90 days'", &[]).await.unwrap();

    let month_ago = environment.jobs.find(&owner, recent).await.unwrap().finished_at.unwrap() - chrono::TimeDelta::days(30);
    assert_eq!(environment.jobs.prune(month_ago).await.unwrap(), 3);
    assert_eq!(environment.jobs.prune(month_ago).await.unwrap(), 0);
    let mut left: Vec<JobId> =
        environment.jobs.list(&owner, JobFilter::default()).await.unwrap().iter().map(|job| job.id).collect();
    left.sort();
    let mut expected = vec![recent, queued.id];
    expected.sort();
    assert_eq!(left, expected, "a job that never ran is not old");
    assert_eq!(count(&environment, "job_events").await, 8 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_through_more_than_one_batch_of_jobs_and_of_events() {
    let environment = environment().await;
    let owner = environment.caller().await.unwrap();
    // More jobs than one batch takes, and three whose events alone fill one each.
    let many = "insert into jobs (job_id, kind, owner_id, state, payload, attempts_max, event_seq, finished_at)
                select gen_random_uuid(), 'probe', $1::text::uuid, 'succeeded', '{}', 1,
                       case when number <= 3 then 15000 else 1 end, now() - number * interval '1 hour'
                from generate_series(1, 1200) as number";
    environment.client.execute(many, &[&owner.user_id.to_string()]).await.unwrap();
    let events = "insert into job_events (job_id, seq, event_type, data)
                  select job_id, seq, 'x', '{}' from jobs cross join lateral generate_series(1, event_seq) as seq";
    environment.client.execute(events, &[]).await.unwrap();

    let far = chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    assert_eq!(environment.jobs.prune(far).await.unwrap(), 1200);
    assert_eq!((count(&environment, "jobs").await, count(&environment, "job_events").await), (0, 0));
}
