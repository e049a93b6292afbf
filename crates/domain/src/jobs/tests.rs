use super::*;

fn running(attempt: u32, cancel_requested: bool) -> Job {
    Job {
        id: JobId::random(),
        kind: JobKind::Probe,
        owner_id: UserId::random(),
        project_id: None,
        state: JobState::Running,
        payload: Value::Null,
        result: None,
        error: None,
        progress: JobProgress::default(),
        attempt,
        attempts_max: 2,
        cancel_requested,
        created_at: DateTime::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
    }
}

#[test]
fn a_lost_run_is_repeated_until_attempts_are_used_up() {
    let end = running(1, false).end_of_lost_run();
    assert_eq!((end.state, end.event.event_type.as_str()), (JobState::Queued, JOB_RETRIED));
    assert_eq!(end.event.data["error"]["code"], "worker_lost");
    assert_eq!(end.event.data["attempt"], 1);
    let end = running(2, false).end_of_lost_run();
    assert_eq!((end.state, end.event.event_type.as_str()), (JobState::Failed, JOB_FAILED));
    assert_eq!(end.error.unwrap().code, "worker_lost");
    assert_eq!(running(1, true).end_of_lost_run(), RunEnd::cancelled());
}

#[test]
fn a_released_run_is_queued_again_unless_it_should_stop() {
    assert_eq!(running(2, false).end_of_released_run().state, JobState::Queued);
    assert_eq!(running(2, true).end_of_released_run(), RunEnd::cancelled());
}

#[test]
fn a_job_that_follows_from_another_was_asked_for_where_that_was() {
    let new = |payload: Value| NewJob {
        id: JobId::random(),
        kind: JobKind::Probe,
        owner_id: UserId::random(),
        project_id: None,
        payload,
        attempts_max: 1,
        idempotency_key: None,
    };
    let asked = Job { payload: json!({ "steps": 1, "traceparent": "00-a-b-01" }), ..running(1, false) };
    assert_eq!(new(json!({ "steps": 2 })).following(&asked).payload, json!({ "steps": 2, "traceparent": "00-a-b-01" }));
    assert_eq!(new(Value::Null).following(&asked).payload, Value::Null);
    assert_eq!(new(json!({ "steps": 2 })).following(&running(1, false)).payload, json!({ "steps": 2 }));
}

#[test]
fn a_success_is_kept_even_when_a_cancellation_came_late() {
    let end = running(1, true).end_of_run(JobOutcome::Succeeded(json!({"rows": 3})));
    assert_eq!(end.state, JobState::Succeeded);
    assert_eq!(end.event, NewJobEvent::new(JOB_SUCCEEDED, json!({"result": {"rows": 3}})));
}

#[test]
fn only_final_states_have_closing_events() {
    let error = || JobError::new(ErrorCode::Internal, "x");
    let outcomes =
        [JobOutcome::Succeeded(json!(1)), JobOutcome::Failed(error()), JobOutcome::Retry(error()), JobOutcome::Cancelled];
    for outcome in outcomes {
        for attempt in [1, 2] {
            for cancel_requested in [false, true] {
                let end = running(attempt, cancel_requested).end_of_run(outcome.clone());
                let event = JobEvent {
                    seq: 1,
                    at: DateTime::UNIX_EPOCH,
                    event_type: end.event.event_type.clone(),
                    data: end.event.data.clone(),
                };
                assert_eq!(event.is_closing(), end.state.is_final(), "{outcome:?}: {end:?}");
                assert_eq!(end.error.is_some(), end.state == JobState::Failed, "{end:?}");
            }
        }
    }
}

#[test]
fn a_retry_ends_when_attempts_or_patience_do() {
    let retry = JobOutcome::Retry(JobError::new(ErrorCode::Internal, "x"));
    assert_eq!(state_after(&retry, 1, 3, false), JobState::Queued);
    assert_eq!(state_after(&retry, 3, 3, false), JobState::Failed);
    assert_eq!(state_after(&retry, 1, 3, true), JobState::Cancelled);
    assert_eq!(state_after(&JobOutcome::Succeeded(Value::Null), 1, 3, true), JobState::Succeeded);
}
