//! Wake-ups come at once when they are heard, and late but surely when they are not.

use std::time::Duration;

use gristmill_domain::{JobId, jobs::JobKind};
use gristmill_jobs::{Signals, signals::PollIntervals};
use tokio::time::{Instant, timeout};

const POLL: PollIntervals = PollIntervals { hearing: Duration::from_secs(10), deaf: Duration::from_millis(200) };

fn hearing() -> Signals {
    let signals = Signals::new(POLL);
    signals.resynchronize();
    signals
}

async fn took(wait: impl Future<Output = ()>) -> Duration {
    let before = Instant::now();
    wait.await;
    before.elapsed()
}

#[tokio::test(start_paused = true)]
async fn wakes_the_listeners_of_the_kind_and_of_the_job() {
    let signals = hearing();
    let (mut probes, mut ingests) =
        (signals.listen_to_queues(&[JobKind::Probe]), signals.listen_to_queues(&[JobKind::DatasetIngest]));
    signals.job_queued(JobKind::Probe);
    assert_eq!(took(probes.wait()).await, Duration::ZERO);
    assert_eq!(took(ingests.wait()).await, POLL.hearing, "not of another kind");
    assert_eq!(took(probes.wait()).await, POLL.hearing, "one signal wakes once");

    let (id, other) = (JobId::random(), JobId::random());
    let (mut one, mut same, mut another) = (signals.listen_to_job(id), signals.listen_to_job(id), signals.listen_to_job(other));
    signals.job_changed(id);
    assert_eq!(took(one.wait()).await, Duration::ZERO);
    assert_eq!(took(same.wait()).await, Duration::ZERO);
    assert_eq!(took(another.wait()).await, POLL.hearing);
}

#[tokio::test(start_paused = true)]
async fn keeps_a_signal_that_comes_before_the_wait_or_while_a_wait_is_dropped() {
    let signals = hearing();
    let id = JobId::random();
    let mut listener = signals.listen_to_job(id);
    for _ in 0..1000 {
        signals.job_changed(id);
    }
    assert_eq!(took(listener.wait()).await, Duration::ZERO);
    timeout(Duration::from_secs(1), listener.wait()).await.expect_err("a thousand signals are one");
    signals.job_changed(id);
    drop(listener.wait());
    assert_eq!(took(listener.wait()).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn looks_often_while_nothing_is_heard() {
    let signals = Signals::new(POLL);
    let mut listener = signals.listen_to_job(JobId::random());
    let mut queue = signals.listen_to_queues(&JobKind::ALL);
    assert!(!signals.is_hearing());
    assert_eq!(took(listener.wait()).await, POLL.deaf);
    signals.resynchronize();
    assert_eq!(took(listener.wait()).await, Duration::ZERO, "something may have been missed");
    assert_eq!(took(queue.wait()).await, Duration::ZERO);
    assert_eq!(took(listener.wait()).await, POLL.hearing);
    signals.lost();
    assert_eq!(took(listener.wait()).await, Duration::ZERO);
    assert_eq!(took(listener.wait()).await, POLL.deaf);
}

#[tokio::test(start_paused = true)]
async fn a_listener_to_nothing_polls() {
    let mut nothing = hearing().listen_to_queues(&[]);
    assert_eq!(took(nothing.wait()).await, POLL.hearing);
}
