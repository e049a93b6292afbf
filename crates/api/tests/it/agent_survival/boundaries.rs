//! A real server is killed whenever it is about to record an event of a turn, for each event of a turn that cleans a dataset on
//! a real kernel. Another server finishes the turn, and what is left is what an undisturbed turn leaves.

use gristmill_testkit::pg::TestDatabase;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    TURNS, begin, ended, one_step, parsed, payloads,
    picture::{assert_alike, cells, datasets, picture},
    preprocessing, script, snapshot, tools_called, workspace,
};
use crate::{
    crash::{Process, register, until_it_runs_code},
    support::{Client, Containers, eventually},
};

/// The events are divided among so many tests, which run beside each other.
const SHARES: usize = 4;

/// Stops whoever records an event that has the number in the table, in the middle of the transaction, until the table is empty.
const GATE: &str = "
    create table survival_gate (sequence bigint);
    create function survival_gate() returns trigger language plpgsql as $$
    begin
        while exists (select 1 from survival_gate where sequence = new.sequence) loop
            perform pg_sleep(0.02);
        end loop;
        return new;
    end $$;
    create trigger survival_gate before insert on workflow_events for each row execute function survival_gate();
";
const STOPPED: &str = "from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/// A database, files and a model that servers share one after another.
struct World {
    _containers: Containers,
    database: TestDatabase,
    data_dir: tempfile::TempDir,
    script: tempfile::NamedTempFile,
}

/// A turn in a project of its own.
struct Turn {
    project: String,
    run: String,
    body: Value,
}

impl World {
    async fn new(code: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let containers = Containers::of(data_dir.path());
        let script = script(&json!(one_step("fill_missing", code)));
        let world = Self { _containers: containers, database, data_dir, script };
        world.sql(GATE).await;
        world
    }

    fn serve(&self) -> Process {
        let variables = [
            ("DATABASE_URL", self.database.url().expose_secret()),
            ("LLM_SCRIPT_FILE", self.script.path().to_str().unwrap()),
            ("EMBEDDINGS", "none"),
            ("PACKAGE_LOOKUP", "off"),
            ("NOTEBOOK_RUN_LEASE_MS", "3000"),
        ];
        Process::start(self.data_dir.path(), &variables)
    }

    async fn sql(&self, sql: &str) {
        self.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// The events of a run that are the first of a commit.
    async fn commits(&self, run: &str) -> Vec<i64> {
        let sql = format!("select min(sequence) from workflow_events where run_id = '{run}' group by xmin::text order by 1");
        let rows = self.database.client().await.unwrap().query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until a server is about to record the event that the gate is at.
    async fn stopped(&self) {
        let client = self.database.client().await.unwrap();
        eventually("the event to be recorded", async || {
            let stopped: i64 = client.query_one(&format!("select count(*) {STOPPED}"), &[]).await.unwrap().get(0);
            (stopped > 0).then_some(())
        })
        .await;
    }

    /// Ends what the killed server left at the gate, and opens it.
    async fn open(&self) {
        self.sql(&format!("select pg_terminate_backend(pid) {STOPPED}; delete from survival_gate")).await;
    }
}

/// A project with a dataset, and the turn that is to clean it.
async fn prepared(ada: &Client) -> Turn {
    let project = ada.project("Mill").await;
    let dataset = ada.dataset(&project, "sales.csv", super::SALES).await["datasetId"].as_str().unwrap().to_owned();
    let run = Uuid::new_v4().to_string();
    let body = preprocessing(&project, &dataset, &run, "Fill the gaps in people");
    Turn { project, run, body }
}

/// Checks that the client was told of every call once, in order, and of the end once.
async fn assert_told_once(ada: &Client, snapshot: &Value, place: &str) {
    let log = ada.get(&format!("/api/jobs/{}/events", snapshot["turnJobId"].as_str().unwrap())).await;
    let log = parsed(&log.text);
    let of = |kind: &str| log.iter().filter(|event| event["type"] == kind).collect::<Vec<&Value>>();
    let told: Vec<&Value> = of("tool_executed").into_iter().map(|event| &event["call"]["id"]).collect();
    let made: Vec<&Value> = payloads(snapshot, "tool_executed").into_iter().map(|done| &done["call"]["id"]).collect();
    assert_eq!(told, made, "{place}");
    assert_eq!((of("done").len(), of("job_succeeded").len()), (1, 1), "{place}: {log:?}");
}

/// Kills a server at every event of one share, and compares.
async fn kill_at_events(share: usize) {
    let world = World::new("df['people'] = df['people'].fillna(0)").await;
    let mut server = world.serve();
    let token = register(&server).await;
    let mut ada = server.client(Some(&token));
    until_it_runs_code(&ada).await;
    let whole = prepared(&ada).await;
    begin(&ada, &whole.body).await;
    let undisturbed = ended(&ada, &whole.run).await;
    assert_eq!(undisturbed["run"]["status"], "completed", "{undisturbed}");
    let expected = picture(&ada, &whole.project, &whole.run).await;
    assert_eq!(expected["datasets"].as_array().unwrap().len(), 2, "{expected}");
    let commits = world.commits(&whole.run).await;
    assert!(commits.len() >= 12, "a turn worth killing: {commits:?}");

    for place in commits.into_iter().skip(share).step_by(SHARES) {
        let turn = prepared(&ada).await;
        world.sql(&format!("insert into survival_gate values ({place})")).await;
        let request = ada.request(Method::POST, TURNS).header("Prefer", "respond-async").json(&turn.body);
        // At the first event the answer never comes.
        let request = actix_web::rt::spawn(request.send());
        world.stopped().await;
        server.kill();
        drop(request);
        world.open().await;

        server = world.serve();
        ada = server.client(Some(&token));
        if place == 1 {
            // Nothing had begun.
            ada.get(&format!("/api/workflows/{}", turn.run)).await.refused(404, "workflow_not_found");
            begin(&ada, &turn.body).await;
        }
        let finished = ended(&ada, &turn.run).await;
        assert_alike(&picture(&ada, &turn.project, &turn.run).await, &expected, &format!("killed at event {place}"));
        assert_told_once(&ada, &finished, &format!("killed at event {place}")).await;
    }
}

#[actix_web::test]
async fn a_turn_whose_server_is_killed_at_any_event_ends_alike_first_quarter() {
    kill_at_events(0).await;
}

#[actix_web::test]
async fn a_turn_whose_server_is_killed_at_any_event_ends_alike_second_quarter() {
    kill_at_events(1).await;
}

#[actix_web::test]
async fn a_turn_whose_server_is_killed_at_any_event_ends_alike_third_quarter() {
    kill_at_events(2).await;
}

#[actix_web::test]
async fn a_turn_whose_server_is_killed_at_any_event_ends_alike_last_quarter() {
    kill_at_events(3).await;
}

/// Between two events: the code is lost with its kernel, and is run again, and no model is asked about it.
#[actix_web::test]
async fn code_that_ran_when_its_server_was_killed_is_run_again() {
    let waiting = "import os, time\nopen('began', 'w').close()\nwhile not os.path.exists('go'):\n    time.sleep(0.02)\n";
    let world = World::new(&format!("{waiting}df['people'] = df['people'].fillna(0)")).await;
    let first = world.serve();
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    until_it_runs_code(&ada).await;
    let turn = prepared(&ada).await;
    begin(&ada, &turn.body).await;
    let workspace = workspace(world.data_dir.path(), &turn.project);
    eventually("the code to run", async || workspace.join("began").exists().then_some(())).await;
    first.kill();
    std::fs::write(workspace.join("go"), "").unwrap();

    let second = world.serve();
    let ada = second.client(Some(&token));
    let finished = ended(&ada, &turn.run).await;
    assert_eq!(finished["run"]["status"], "completed", "{finished}");
    let called = tools_called(&finished);
    let count = |tool: &str| called.iter().filter(|called| **called == tool).count();
    assert_eq!((count("run_cell"), count("write_cell"), count("commit_transformation_step")), (2, 1, 1), "{called:?}");
    let runs = payloads(&finished, "tool_executed").into_iter().filter(|done| done["call"]["tool"] == "run_cell");
    let lost: Vec<&Value> = runs.map(|done| &done["result"]["output"]["lost"]).collect();
    assert_eq!(lost, [&json!(true), &Value::Null]);
    assert_eq!(payloads(&finished, "model_answered").len(), 4, "the model was not asked about the loss");
    let left = cells(&ada, &turn.project).await;
    assert_eq!((left.len(), &left[0]["executionStatus"]), (1, &json!("success")), "{left:?}");
    let datasets = datasets(&ada, &turn.project).await;
    let filled = datasets.iter().find(|dataset| dataset[0]["filename"] == "sales_processed.csv").unwrap();
    let people: Vec<&Value> = filled[1].as_array().unwrap().iter().map(|row| &row["people"]).collect();
    assert_eq!((datasets.len(), people), (2, vec![&json!(1), &json!(0), &json!(3)]));
    assert_told_once(&ada, &snapshot(&ada, &turn.run).await, "killed during a run").await;
}
