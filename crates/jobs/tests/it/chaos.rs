//! Everything at once: workers that die, stores that fall silent and lose answers. Whatever happens, each job ends,
//! and its log tells what happened exactly once.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gristmill_domain::{
    JobId,
    jobs::{JobEvent, JobState, NewJob},
};
use gristmill_jobs::{
    Tasks, WorkerOptions, WorkerPool,
    probe::{PROBE_STEP, Probe, ProbeHandler},
};
use gristmill_testkit::job_store_suite::new_job;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{FaultyStore, World};

const JOBS: usize = 30;
const STEPS: u32 = 40;

/// A server process: a pool with its own way to the store.
struct Server {
    tasks: Tasks,
    store: Arc<FaultyStore>,
    _pool: WorkerPool,
}

fn start_server(world: &World) -> Server {
    let (tasks, store) = (Tasks::new(), world.store());
    let options = WorkerOptions { concurrency: 4, ..WorkerOptions::default() };
    let pool = WorkerPool::start(&tasks, store.clone(), world.signals.clone(), vec![Arc::new(ProbeHandler)], options);
    Server { tasks, store, _pool: pool }
}

/// Does something nasty to one of the servers.
async fn disturb(world: &World, servers: &mut [Server], random: &mut StdRng) {
    let index = random.random_range(0..servers.len());
    let server = &mut servers[index];
    match random.random_range(0..6) {
        0 => {
            server.tasks.shutdown(Duration::ZERO).await;
            *server = start_server(world);
        }
        1 => {
            server.tasks.shutdown(Duration::from_secs(20)).await;
            *server = start_server(world);
        }
        2 => server.store.set_down(true),
        3 => server.store.set_down(false),
        _ => server.store.answers_to_lose.store(random.random_range(1..4), Ordering::SeqCst),
    }
}

/// The steps of each attempt must be 1, 2, 3, …, those of the last attempt up to the end if the job succeeded.
fn check_log(id: JobId, state: JobState, log: &[JobEvent]) {
    let mut expected = 1;
    let mut started = 0;
    for event in log {
        match event.event_type.as_str() {
            "job_started" => (expected, started) = (1, started + 1),
            PROBE_STEP => {
                assert_eq!(event.data["step"], expected, "{id}: a step is missing or doubled: {log:#?}");
                expected += 1;
            }
            _ => {}
        }
    }
    assert!(started >= 1, "{id} was never started");
    assert_eq!(log.iter().filter(|event| event.is_closing()).count(), 1, "{id}");
    assert!(log.last().unwrap().is_closing(), "{id}");
    if state == JobState::Succeeded {
        assert_eq!(expected, STEPS + 1, "{id}: {log:#?}");
    }
}

async fn survive(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new();
    let probe = Probe { steps: STEPS, step_ms: 700, fail_at_attempts: vec![2], ..Probe::default() };
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(world.submit_as(NewJob { payload: json!(probe), attempts_max: 6, ..new_job(&world.owner) }).await);
    }
    let mut servers = [start_server(&world), start_server(&world), start_server(&world)];
    for _ in 0..150 {
        sleep(Duration::from_millis(random.random_range(10..6000))).await;
        disturb(&world, &mut servers, &mut random).await;
    }
    servers.iter().for_each(|server| server.store.set_down(false));
    let mut succeeded = 0;
    for id in ids {
        let job = world.ended(id).await;
        check_log(id, job.state, &world.log(id).await);
        match job.state {
            JobState::Succeeded => succeeded += 1,
            JobState::Failed => assert_eq!(job.error.unwrap().code, "worker_lost"),
            other => panic!("{id} ended as {other:?}"),
        }
    }
    assert!(succeeded > JOBS / 2, "seed {seed}: only {succeeded} of {JOBS} came through");
}

#[tokio::test(start_paused = true)]
async fn every_job_ends_and_its_log_is_right_whatever_happens() {
    for seed in 0..3 {
        survive(seed).await;
    }
}
