//! What a turn writes to its run: only what follows the history that it knows, and only while it may. Who waits for whom.

use std::time::Duration;

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, DatasetId, JobId, ProjectId, UserId,
    identity::AccountStore,
    jobs::{JobKind, Lease, NewJob},
    ports::{ClaimRequest, JobStore, StoreError},
    workflows::{NewWorkflowEvent, Phase, RunRecord, WorkflowEvent, WorkflowRun, WorkflowRunId},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    files::LocalFiles,
    repo::{
        datasets::{DatasetDeletion, Datasets},
        identity::Identity,
        jobs::Jobs,
        models::Models,
        projects::Projects,
        workflows::{NewTurn, TURN_ENDED, TurnBegun, Workflows},
    },
};
use gristmill_testkit::{job_store_suite::caller_for, pg::TestDatabase};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{seeds, waits::until_waiting};

/// A run with a turn that is worked on.
struct Turn {
    workflows: Workflows,
    caller: Caller,
    run: WorkflowRunId,
    lease: Lease,
    project: ProjectId,
    database: Database,
    // Last: it is dropped when nobody is connected any more.
    test: TestDatabase,
}

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

async fn turn() -> Turn {
    let test = TestDatabase::create().await.unwrap();
    let (user, project) = seeds::project(&test.client().await.unwrap()).await;
    let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
    let (workflows, jobs) = (Workflows::new(database.clone()), Jobs::new(database.clone()));
    let caller = caller_for(user);
    let new = new_turn(user, project, None);
    let TurnBegun::Begun { run, .. } = workflows.begin_turn(&caller, new, NOW).await.unwrap() else { panic!("no turn") };
    let request =
        ClaimRequest { worker: "test", kinds: &[JobKind::AgentTurn], lease: Duration::from_secs(30), owner_running_max: None };
    let lease = jobs.claim(request).await.unwrap().unwrap().lease;
    Turn { workflows, caller, run: run.id, lease, project, database, test }
}

fn new_job(kind: JobKind, owner_id: UserId, project: ProjectId) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind,
        owner_id,
        project_id: Some(project),
        payload: json!({}),
        attempts_max: 5,
        idempotency_key: None,
    }
}

fn new_turn(user: UserId, project: ProjectId, run: Option<WorkflowRunId>) -> NewTurn {
    NewTurn {
        project,
        phase: Phase::Onboarding,
        run,
        thread_id: None,
        dataset: None,
        notebook: None,
        started: json!({ "prompt": "Look" }),
        job: new_job(JobKind::AgentTurn, user, project),
        idempotency: None,
    }
}

impl Turn {
    async fn record(&self, lease: Lease, record: RunRecord) -> Result<i64, StoreError> {
        self.workflows.record(lease, &self.run, record, NOW).await.map(|(_, last)| last)
    }

    async fn types(&self) -> Vec<String> {
        let events = self.workflows.events(&self.caller, &self.run).await.unwrap();
        let places: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(places, (1..).take(events.len()).collect::<Vec<i64>>(), "without gaps");
        events.into_iter().map(|event| event.event_type).collect()
    }
}

/// Events that follow another one.
fn events(after: i64, types: &[&str]) -> RunRecord {
    let events = types.iter().map(|name| NewWorkflowEvent::new(*name, json!({ "is": name, "text": "ä\"" }))).collect();
    RunRecord { after: Some(after), events, ..RunRecord::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_follow_one_another_however_they_are_written() {
    let turn = turn().await;
    assert_eq!(turn.record(turn.lease, events(1, &["a", "b"])).await.unwrap(), 3);
    let light = RunRecord { may_be_lost: true, ..events(3, &["c"]) };
    assert_eq!(turn.record(turn.lease, light).await.unwrap(), 4);
    let more = json!({ "kept": 1 }).as_object().cloned();
    let with_more = RunRecord { metadata: more.clone(), ..events(4, &["d"]) };
    assert_eq!(turn.record(turn.lease, with_more).await.unwrap(), 5);
    assert_eq!(turn.record(turn.lease, RunRecord { after: None, ..events(0, &["e"]) }).await.unwrap(), 6);
    assert_eq!(turn.record(turn.lease, events(6, &["f"])).await.unwrap(), 7);
    assert_eq!(turn.types().await, ["workflow_turn_started", "a", "b", "c", "d", "e", "f"]);
    let run = turn.workflows.find(&turn.caller, &turn.run).await.unwrap();
    assert_eq!((Some(run.metadata), run.revision), (more, 6), "events leave what the phase keeps");
    let all = turn.workflows.events(&turn.caller, &turn.run).await.unwrap();
    assert_eq!(all[2].payload, json!({ "is": "b", "text": "ä\"" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_writes_only_behind_what_it_knows_and_while_it_may() {
    let turn = turn().await;
    let stale = Lease { epoch: turn.lease.epoch + 1, ..turn.lease };
    for light in [false, true] {
        let record = |after: i64| RunRecord { may_be_lost: light, ..events(after, &["x"]) };
        // What it knows of was lost, or it does not know all.
        for after in [0, 2] {
            assert!(matches!(turn.record(turn.lease, record(after)).await, Err(StoreError::Unavailable(_))), "{after}");
        }
        let with_more = RunRecord { metadata: Some(serde_json::Map::new()), ..record(2) };
        assert!(matches!(turn.record(turn.lease, with_more).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(turn.record(stale, record(1)).await, Err(StoreError::LeaseLost)));
    }
    assert_eq!(turn.types().await, ["workflow_turn_started"]);
    turn.workflows.interrupt(&turn.caller, &turn.run, "stop", NOW).await.unwrap();
    for light in [false, true] {
        let record = RunRecord { may_be_lost: light, ..events(2, &["x"]) };
        let refused = turn.record(turn.lease, record).await;
        assert!(matches!(&refused, Err(StoreError::Conflict(why)) if why == TURN_ENDED), "{refused:?}");
    }
    assert_eq!(turn.types().await, ["workflow_turn_started", "workflow_interrupted"]);
}

/// What a call notes of the run comes with its result: a fork after the call's beginning does not have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_has_what_a_call_noted_once_the_call_has_ended() {
    let turn = turn().await;
    turn.record(turn.lease, events(1, &["tool_started"])).await.unwrap();
    let project = turn.workflows.find(&turn.caller, &turn.run).await.unwrap().project_id;
    let noted = json!({ "noted": 1 }).as_object().cloned();
    let note = |_: &WorkflowRun, _: &WorkflowEvent| (noted.clone(), ());
    turn.workflows.update_metadata(&turn.caller, project, &turn.run, note).await.unwrap();
    turn.record(turn.lease, events(2, &["tool_executed"])).await.unwrap();
    for (after, has_it) in [(2, false), (3, true)] {
        let fork = turn.workflows.fork(&turn.caller, &turn.run, after, NOW).await.unwrap();
        assert_eq!(fork.metadata.contains_key("noted"), has_it, "after {after}");
        // The fork's own events are the same until there.
        let again = turn.workflows.fork(&turn.caller, &fork.id, 2, NOW).await.unwrap();
        assert!(!again.metadata.contains_key("noted"), "a fork of the fork after {after}");
    }
}

/// However long a run is, a turn reads so much of what was before it, and knows how much it did not.
#[tokio::test(flavor = "multi_thread")]
async fn of_earlier_turns_the_last_events_are_read_that_fit() {
    let turn = turn().await;
    let long = json!({ "is": "x".repeat(3 * 1024 * 1024) });
    let result = || NewWorkflowEvent::new("tool_executed", long.clone());
    let began = NewWorkflowEvent::new("workflow_turn_started", json!({ "prompt": "Go on" }));
    let record = RunRecord {
        after: Some(1),
        events: vec![NewWorkflowEvent::new("tool_started", json!({})), result(), result(), result(), began, result()],
        ..RunRecord::default()
    };
    assert_eq!(turn.record(turn.lease, record).await.unwrap(), 7);
    let read = async |at: i64| {
        let types = ["workflow_turn_started", "tool_executed"];
        let found = turn.workflows.turn_events(&turn.caller, &turn.run, at, &types).await.unwrap();
        let places: Vec<i64> = found.events.iter().map(|event| event.sequence).collect();
        (places, found.left_out, found.is_last)
    };
    assert_eq!(read(6).await, (vec![4, 5, 6, 7], 2, true), "its own are read whatever their size");
    assert_eq!(read(1).await, (vec![1, 2, 3, 4, 5], 0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_the_turn_that_takes_up_the_dataset() {
    let turn = turn().await;
    let (holder, observer) = (turn.test.client().await.unwrap(), turn.test.client().await.unwrap());
    let (dataset, user) = (DatasetId::random(), turn.caller.user_id);
    let sql = format!(
        "insert into datasets (dataset_id, owner_id, project_id, filename, file_type, size_bytes, stored_bytes, sql_name,
             physical_name, version, row_count, profile, sample, ingest, metadata)
         values ('{dataset}', '{user}', '{}', 'a.csv', 'csv', 1, 1, 'a', 'a', 1, 1, '[]', '[]', '{{}}', '{{}}')",
        turn.project
    );
    holder.batch_execute(&sql).await.unwrap();
    holder.batch_execute("begin; select from workflow_runs for update").await.unwrap();
    let (workflows, datasets) = (turn.workflows.clone(), Datasets::new(turn.database.clone()));
    let (lease, run, caller) = (turn.lease, turn.run.clone(), turn.caller.clone());
    let mut recording = JoinSet::new();
    recording.spawn(async move {
        let record = RunRecord { active_dataset_id: Some(dataset), ..events(1, &["tool_executed"]) };
        workflows.record(lease, &run, record, NOW).await
    });
    until_waiting(&observer, 1).await;
    let mut deleting = JoinSet::new();
    deleting.spawn(async move { datasets.delete(&caller, dataset, NOW).await });
    until_waiting(&observer, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let (recorded, _) = recording.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(recorded.active_dataset_id, Some(dataset));
    match deleting.join_next().await.unwrap().unwrap().unwrap() {
        DatasetDeletion::InUse { runs, .. } => assert_eq!(runs.iter().map(|one| &one.id).collect::<Vec<_>>(), [&turn.run]),
        DatasetDeletion::Deleted => panic!("a turn works on it"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_records_and_the_deletion_of_its_project_do_not_wait_for_each_other() {
    let turn = turn().await;
    let (holder, observer) = (turn.test.client().await.unwrap(), turn.test.client().await.unwrap());
    holder.batch_execute("begin; select from workflow_runs for update").await.unwrap();
    let (workflows, lease, run) = (turn.workflows.clone(), turn.lease, turn.run.clone());
    let mut recording = JoinSet::new();
    recording.spawn(async move {
        // More than events: it locks its job, then its run.
        let record = RunRecord { metadata: Some(serde_json::Map::new()), ..events(1, &["x"]) };
        workflows.record(lease, &run, record, NOW).await
    });
    until_waiting(&observer, 1).await;
    let (projects, caller, project) = (Projects::new(turn.database.clone()), turn.caller.clone(), turn.project);
    let mut deletion = JoinSet::new();
    deletion.spawn(async move { projects.delete(&caller, project).await });
    until_waiting(&observer, 2).await;
    holder.batch_execute("commit").await.unwrap();
    recording.join_next().await.unwrap().unwrap().unwrap();
    deletion.join_next().await.unwrap().unwrap().unwrap();
    assert!(matches!(turn.record(turn.lease, events(2, &["x"])).await, Err(StoreError::LeaseLost)), "the turn went with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_begins_and_the_deletion_of_its_owner_do_not_wait_for_each_other() {
    let turn = turn().await;
    turn.workflows.interrupt(&turn.caller, &turn.run, "stop", NOW).await.unwrap();
    let (holder, observer) = (turn.test.client().await.unwrap(), turn.test.client().await.unwrap());
    // The turn has locked its project, and not yet stored its job, which refers to the owner.
    holder.batch_execute("begin; select from workflow_runs for update").await.unwrap();
    let (workflows, caller, user) = (turn.workflows.clone(), turn.caller.clone(), turn.caller.user_id);
    let again = new_turn(user, turn.project, Some(turn.run.clone()));
    let mut beginning = JoinSet::new();
    beginning.spawn(async move { workflows.begin_turn(&caller, again, NOW).await });
    until_waiting(&observer, 1).await;
    let identity = Identity::new(turn.database.clone());
    let mut deletion = JoinSet::new();
    deletion.spawn(async move { identity.delete_account(user).await });
    until_waiting(&observer, 2).await;
    holder.batch_execute("commit").await.unwrap();
    let begun = beginning.join_next().await.unwrap().unwrap().unwrap();
    assert!(matches!(begun, TurnBegun::Begun { .. }), "{begun:?}");
    deletion.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_that_is_asked_for_and_the_deletion_of_its_project_do_not_wait_for_each_other() {
    let turn = turn().await;
    let (holder, observer) = (turn.test.client().await.unwrap(), turn.test.client().await.unwrap());
    let (project, user) = (turn.project, turn.caller.user_id);
    let model = seeds::model(&holder, project).await;
    holder.batch_execute("begin; select from models for update").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let models = Models::new(turn.database.clone(), LocalFiles::open(directory.path()).unwrap());
    let (caller, job) = (turn.caller.clone(), new_job(JobKind::ModelEvaluate, user, project));
    let mut restarting = JoinSet::new();
    restarting.spawn(async move { models.restart_evaluation(&caller, model, job, NOW).await });
    until_waiting(&observer, 1).await;
    let (projects, caller) = (Projects::new(turn.database.clone()), turn.caller.clone());
    let mut deletion = JoinSet::new();
    deletion.spawn(async move { projects.delete(&caller, project).await });
    until_waiting(&observer, 2).await;
    // With the model locked before the project, the job that refers to the project would close the circle.
    holder.batch_execute("commit").await.unwrap();
    restarting.join_next().await.unwrap().unwrap().unwrap();
    deletion.join_next().await.unwrap().unwrap().unwrap();
}
