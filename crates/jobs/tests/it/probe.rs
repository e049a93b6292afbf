//! The probe does what its payload says.

use gristmill_domain::jobs::{JobState, NewJob};
use gristmill_jobs::{WorkerOptions, probe::ProbeHandler};
use gristmill_testkit::job_store_suite::new_job;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::World;

async fn ended(payload: Value) -> (World, gristmill_domain::jobs::Job) {
    let world = World::new();
    world.pool(world.store(), Arc::new(ProbeHandler), WorkerOptions::default());
    let id = world.submit_as(NewJob { payload, ..new_job(&world.owner) }).await;
    let job = world.ended(id).await;
    (world, job)
}

#[tokio::test(start_paused = true)]
async fn takes_its_steps_and_reports_them() {
    let before = tokio::time::Instant::now();
    let (world, job) = ended(json!({ "steps": 10, "stepMs": 1000 })).await;
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!({ "steps": 10 }))));
    assert_eq!((job.progress.fraction, job.progress.message.as_deref()), (Some(1.0), Some("Step 10 of 10")));
    assert_eq!(before.elapsed().as_secs(), 10);
    let log = world.log(job.id).await;
    let steps: Vec<u64> = log.iter().filter_map(|event| event.data["step"].as_u64()).collect();
    assert_eq!(steps, (1..=10).collect::<Vec<_>>());
    assert_eq!(log.iter().filter(|event| event.event_type == "progress").count(), 10);
}

#[tokio::test(start_paused = true)]
async fn fails_and_panics_where_it_is_told_to() {
    let (world, job) = ended(json!({ "steps": 4, "failAtAttempts": [1], "panicAtAttempts": [2] })).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 3));
    let log = world.log(job.id).await;
    let steps =
        |attempt: u32| log.iter().filter(move |event| event.event_type == "probe_step" && event.data["attempt"] == attempt);
    assert_eq!([steps(1).count(), steps(2).count(), steps(3).count()], [2, 2, 4]);
    let errors: Vec<_> =
        log.iter().filter(|event| event.event_type == "job_retried").map(|event| &event.data["error"]["code"]).collect();
    assert_eq!(errors, ["job_failed", "internal"]);
}

#[tokio::test(start_paused = true)]
async fn takes_no_steps_when_there_are_none() {
    let (_, job) = ended(json!({ "steps": 0 })).await;
    assert_eq!(job.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_payload_that_is_no_probe() {
    for payload in [json!(null), json!({}), json!({ "steps": -1 }), json!({ "steps": "x" }), json!({ "steps": 100_001 })] {
        let (_, job) = ended(payload.clone()).await;
        assert_eq!((job.state, job.attempt), (JobState::Failed, 1), "{payload}: once is enough");
        assert_eq!(job.error.unwrap().code, "validation_failed", "{payload}");
    }
}
