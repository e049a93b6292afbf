//! What is written in a project while the project or its owner is deleted. One waits for the other, never both.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, CellId, DatasetId, ProjectId, RunId,
    datasets::IngestReport,
    identity::AccountStore,
    notebooks::NotebookEvent,
    ports::StoreError,
    tracking::{FileOwner, NewRun},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    repo::{
        datasets::Datasets,
        identity::Identity,
        nl_suggestions::{NlSuggestionKey, NlSuggestionSet, NlSuggestions},
        notebooks::Notebooks,
        projects::Projects,
        tracking::{RunArtifact, Tracking},
        workflows::Workflows,
    },
};
use gristmill_testkit::{job_store_suite::caller_for, pg::TestDatabase};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{seeds, waits::until_waiting};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// A call that goes on by itself.
type Call = JoinSet<Result<(), StoreError>>;

/// Somebody's project.
struct Place {
    caller: Caller,
    project: ProjectId,
    database: Database,
    /// Holds what the calls wait for.
    holder: Client,
    observer: Client,
    // Last: it is dropped when nobody is connected any more.
    _test: TestDatabase,
}

async fn place() -> Place {
    let test = TestDatabase::create().await.unwrap();
    let (holder, observer) = (test.client().await.unwrap(), test.client().await.unwrap());
    let (user, project) = seeds::project(&holder).await;
    let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
    Place { caller: caller_for(user), project, database, holder, observer, _test: test }
}

impl Place {
    /// Stops whoever is about to insert such a row into a table, until the gate is opened.
    async fn close_gate(&self, table: &str, row: &str) {
        let sql = format!(
            "create function gate() returns trigger language plpgsql as $$
             begin perform pg_advisory_xact_lock(1); return new; end $$;
             create trigger gate before insert on {table} for each row when ({row}) execute function gate();
             select pg_advisory_lock(1)"
        );
        self.holder.batch_execute(&sql).await.unwrap();
    }

    /// Begins a deletion when somebody stands at the gate, opens it when the deletion waits, and lets both succeed.
    async fn delete_behind(&self, writing: Call, deletion: fn(&Self) -> Call) {
        until_waiting(&self.observer, 1).await;
        let deletion = deletion(self);
        until_waiting(&self.observer, 2).await;
        self.holder.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
        ended(writing).await;
        ended(deletion).await;
    }

    fn delete_project(&self) -> Call {
        let (projects, caller, project) = (Projects::new(self.database.clone()), self.caller.clone(), self.project);
        let mut deletion = JoinSet::new();
        deletion.spawn(async move { projects.delete(&caller, project).await });
        deletion
    }

    fn delete_owner(&self) -> Call {
        let (identity, user) = (Identity::new(self.database.clone()), self.caller.user_id);
        let mut deletion = JoinSet::new();
        deletion.spawn(async move { identity.delete_account(user).await });
        deletion
    }
}

async fn ended(mut call: Call) {
    call.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_that_replace_others_and_the_deletion_of_their_project_do_not_wait_for_each_other() {
    let place = place().await;
    let earlier = format!(
        "insert into nl_placeholder_suggestions (suggestion_set_id, project_id, schema_fingerprint, model_id, prompt_version,
             suggestions) values ('{}', '{}', 'before', 'm', 1, '[]')",
        Uuid::new_v4(),
        place.project
    );
    place.holder.batch_execute(&earlier).await.unwrap();
    place.close_gate("nl_placeholder_suggestions", "true").await;
    let (suggestions, caller, project) = (NlSuggestions::new(place.database.clone()), place.caller.clone(), place.project);
    let mut keeping = JoinSet::new();
    keeping.spawn(async move {
        let key = NlSuggestionKey { project, schema_fingerprint: "after", model: "m", prompt_version: 1 };
        let set = NlSuggestionSet { suggestions: Vec::new(), placeholders: None };
        suggestions.keep(&caller, key, &set, NOW).await.map(drop)
    });
    place.delete_behind(keeping, Place::delete_project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_file_of_a_run_and_the_deletion_of_its_project_do_not_wait_for_each_other() {
    let place = place().await;
    let tracking = Tracking::new(place.database.clone());
    let (caller, id) = (place.caller.clone(), RunId::random());
    let run = NewRun {
        id,
        project_id: place.project,
        name: "r".to_owned(),
        user: "ada".to_owned(),
        start_ms: 1,
        tags: BTreeMap::new(),
    };
    tracking.create_run(&caller, run).await.unwrap();
    place.close_gate("tracking_usage", "true").await;
    let mut putting = JoinSet::new();
    putting.spawn(async move {
        let artifact = RunArtifact { path: "a.txt".to_owned(), file_name: "1".to_owned(), size_bytes: 1 };
        tracking.put_artifact(&caller, FileOwner::Run(id), artifact, u64::MAX, NOW).await.map(drop)
    });
    place.delete_behind(putting, Place::delete_project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn splits_that_are_taken_over_and_the_deletion_of_who_declared_them_do_not_wait_for_each_other() {
    let place = place().await;
    let (source, derived, user) = (DatasetId::random(), DatasetId::random(), place.caller.user_id);
    let column = |name: &str| {
        let values = json!([]);
        json!({ "name": name, "dtype": "integer", "nullCount": 0, "sampleCount": 1, "uniqueCount": 1, "topValues": values })
    };
    let (columns, report) = (json!([column("a"), column("b")]), serde_json::to_string(&IngestReport::default()).unwrap());
    let split = json!({ "kind": "random", "testSize": 0.2, "seed": 42 });
    let mut sql = String::new();
    for (id, name) in [(source, "source"), (derived, "derived")] {
        sql.push_str(&format!(
            "insert into datasets (dataset_id, owner_id, project_id, filename, file_type, size_bytes, stored_bytes, sql_name,
                 physical_name, version, row_count, profile, sample, ingest, metadata)
             values ('{id}', '{user}', '{}', 'a.csv', 'csv', 1, 1, '{name}', '{name}', 1, 1, '{columns}', '[]', '{report}',
                 '{{}}');",
            place.project
        ));
    }
    // Nobody is known to have declared the first.
    sql.push_str(&format!(
        "insert into dataset_splits (dataset_id, target, split, declared_at, declared_by)
         values ('{source}', 'a', '{split}', now(), null), ('{source}', 'b', '{split}', now(), '{user}')"
    ));
    place.holder.batch_execute(&sql).await.unwrap();
    let (datasets, caller) = (Datasets::new(place.database.clone()), place.caller.clone());
    let derived = datasets.find(&caller, derived).await.unwrap();
    place.close_gate("dataset_splits", "new.target = 'b'").await;
    let mut inheriting = JoinSet::new();
    inheriting.spawn(async move { datasets.inherit_splits(&caller, source, &derived).await });
    place.delete_behind(inheriting, Place::delete_owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_in_all_notebooks_and_the_deletion_of_their_project_do_not_wait_for_each_other() {
    let place = place().await;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    // The deletion comes to the older one first, the log to the one with the lower id.
    let sql = format!(
        "insert into notebooks (notebook_id, project_id, name, kind, metadata, created_at)
         values ('{second}', '{0}', 'older', 'phase', '{{}}', '2026-01-01'),
             ('{first}', '{0}', 'newer', 'phase', '{{}}', '2026-01-02')",
        place.project
    );
    place.holder.batch_execute(&sql).await.unwrap();
    let hold = format!("begin; select from notebooks where notebook_id = '{second}' for update");
    place.holder.batch_execute(&hold).await.unwrap();
    let deletion = place.delete_project();
    until_waiting(&place.observer, 1).await;
    let (notebooks, project) = (Notebooks::new(place.database.clone()), place.project);
    let mut logging = JoinSet::new();
    logging.spawn(async move {
        let event = NotebookEvent::CellCreated { cell_id: CellId::random() };
        notebooks.log_in_project(project, &event, NOW).await
    });
    until_waiting(&place.observer, 2).await;
    place.holder.batch_execute("commit").await.unwrap();
    ended(deletion).await;
    ended(logging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_ended_when_they_are_looked_at_and_the_deletion_of_their_project_do_not_wait_for_each_other() {
    let place = place().await;
    // The deletion comes to the phase that is first by its name, who looks to the run that is.
    let sql = format!(
        "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node, turn_job_id)
         values ('b', '{0}', 't', 'feature_engineering', 'running', 'n', gen_random_uuid()),
             ('a', '{0}', 't', 'training', 'running', 'n', gen_random_uuid())",
        place.project
    );
    place.holder.batch_execute(&sql).await.unwrap();
    place.holder.batch_execute("begin; select from workflow_runs where run_id = 'b' for update").await.unwrap();
    let deletion = place.delete_project();
    until_waiting(&place.observer, 1).await;
    let (workflows, caller, project) = (Workflows::new(place.database.clone()), place.caller.clone(), place.project);
    let mut listing = JoinSet::new();
    listing.spawn(async move { workflows.list(&caller, project, None, NOW).await.map(drop) });
    until_waiting(&place.observer, 2).await;
    place.holder.batch_execute("commit").await.unwrap();
    ended(deletion).await;
    ended(listing).await;
}
