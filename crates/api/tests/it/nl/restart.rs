//! Questions whose server goes away in the middle.

use gristmill_testkit::pg::TestDatabase;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{SALES, TOTALS, plan, question, sql};
use crate::{
    crash::{Process, register},
    support::{Client, eventually},
};

/// The model thinks about this for ever.
const ENDLESS: &str = "Which of the sales never ends?";

/// A database, files and a model that servers can share one after another.
struct World {
    database: TestDatabase,
    data_dir: tempfile::TempDir,
    script: tempfile::NamedTempFile,
}

impl World {
    async fn new() -> Self {
        let hangs = json!({ "always": true, "when": { "lastUser": ENDLESS }, "reply": { "thinking": "Hm.", "hangs": true } });
        let mut writes = sql("nl_sql", TOTALS);
        writes["always"] = json!(true);
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), json!({ "turns": [hangs, plan(100), writes] }).to_string()).unwrap();
        let database = TestDatabase::create().await.unwrap();
        Self { database, data_dir: tempfile::tempdir().unwrap(), script }
    }

    /// A server that answers one question at a time.
    fn serve(&self) -> Process {
        let variables = [
            ("DATABASE_URL", self.database.url().expose_secret()),
            ("LLM_SCRIPT_FILE", self.script.path().to_str().unwrap()),
            ("EMBEDDINGS", "none"),
            ("NL2SQL_CONCURRENCY", "1"),
            ("NL2SQL_TIMEOUT_MS", "300000"),
            ("SHUTDOWN_TIMEOUT_MS", "1000"),
        ];
        Process::start(self.data_dir.path(), &variables)
    }

    /// Waits until the model thinks about a question.
    async fn thinks(&self, job: &str) {
        let client = self.database.client().await.unwrap();
        let sql = format!("select count(*) from job_events where job_id = '{job}' and data::text like '%Hm.%'");
        eventually("the model to think", async || {
            let events: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
            (events > 0).then_some(())
        })
        .await;
    }

    /// How many jobs have not ended.
    async fn open_jobs(&self) -> i64 {
        let client = self.database.client().await.unwrap();
        let sql = "select count(*) from jobs where state in ('queued', 'running')";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

/// Asks, and does not wait. Returns the job.
async fn ask(client: &Client, project: &str, query: &str) -> String {
    let body = json!({ "projectId": project, "query": query });
    let request = client.request(Method::POST, "/api/query/nl/stream").header("Prefer", "respond-async").json(&body);
    client.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned()
}

async fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/jobs/{id}")).await.expect(200)["job"].clone()
}

async fn end_of(client: &Client, id: &str) -> Value {
    eventually("the end of the question", async || {
        let job = job(client, id).await;
        (job["status"] != "queued" && job["status"] != "running").then_some(job)
    })
    .await
}

/// The log of a question that has ended, as it can be replayed.
async fn replayed(client: &Client, id: &str, after: usize) -> Vec<Value> {
    let answer = client.get(&format!("/api/jobs/{id}/events?after={after}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks a whole log: it has no gaps, begins with the question, ends once, and can be taken up anywhere.
async fn assert_whole(client: &Client, id: &str, end: &str) -> Vec<Value> {
    let events = replayed(client, id, 0).await;
    let sequence: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!((1..).zip(&sequence).all(|(expected, seq)| expected == *seq), "{sequence:?}");
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"job_queued"), Some(&end)), "{kinds:?}");
    let closing = ["job_succeeded", "job_failed", "job_cancelled"];
    assert_eq!(kinds.iter().filter(|kind| closing.contains(kind)).count(), 1, "{kinds:?}");
    let middle = events.len() / 2;
    assert_eq!(replayed(client, id, middle).await, events[middle..]);
    events
}

/// A server with sales whose model thinks about a question for ever: the server, the user's token, the project, the job.
async fn begun(world: &World) -> (Process, String, String, String) {
    let server = world.serve();
    let token = register(&server).await;
    let ada = server.client(Some(&token));
    let project = ada.project("Shop").await;
    ada.dataset(&project, "sales.csv", SALES).await;
    let endless = ask(&ada, &project, ENDLESS).await;
    world.thinks(&endless).await;
    (server, token, project, endless)
}

#[actix_web::test]
async fn a_killed_server_s_question_ends_with_the_reason_and_one_that_waited_is_answered() {
    let world = World::new().await;
    let (first, token, project, endless) = begun(&world).await;
    let ada = first.client(Some(&token));
    let waiting = ask(&ada, &project, "What is the total amount by region?").await;
    assert_eq!(job(&ada, &waiting).await["status"], "queued");
    first.kill();

    let second = world.serve();
    let ada = second.client(Some(&token));
    let answered = end_of(&ada, &waiting).await;
    assert_eq!((&answered["status"], &answered["result"]["outcome"]), (&json!("succeeded"), &json!("rows")), "{answered}");
    let log = assert_whole(&ada, &waiting, "job_succeeded").await;
    let result = log.iter().find(|event| event["type"] == "result").unwrap();
    assert_eq!(result["nl"]["query"]["rowCount"], 2);

    // Whoever asked has gone with the server: tokens are not spent again.
    let ended = end_of(&ada, &endless).await;
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("failed"), &json!(1)), "{ended}");
    assert_eq!(ended["error"]["code"], "worker_lost");
    assert!(ended["error"]["message"].as_str().is_some_and(|message| message.contains("went away")), "{ended}");
    let log = assert_whole(&ada, &endless, "job_failed").await;
    assert!(log.iter().any(|event| event["delta"] == "Hm."), "what was said is kept: {log:?}");
    assert_eq!(log.last().unwrap()["error"]["code"], "worker_lost");
    assert_eq!(world.open_jobs().await, 0);

    let nl = ada.post("/api/query/nl", &question(&project)).await.expect(200)["nl"].clone();
    assert_eq!(nl["query"]["rowCount"], 2, "the only place is free again");
}

#[actix_web::test]
async fn a_question_of_a_server_that_stops_ends_with_the_reason() {
    let world = World::new().await;
    let (first, token, _, endless) = begun(&world).await;
    assert!(first.terminate().success());
    assert_eq!(world.open_jobs().await, 0, "the server leaves nothing open");

    let second = world.serve();
    let ada = second.client(Some(&token));
    let ended = job(&ada, &endless).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("shutting_down")), "{ended}");
    assert!(ended["error"]["message"].as_str().is_some_and(|message| message.contains("ask again")), "{ended}");
    let log = assert_whole(&ada, &endless, "job_failed").await;
    let failed: Vec<_> = log.iter().filter(|event| event["type"] == "phase_failed").collect();
    let phases: Vec<_> = failed.iter().map(|event| event["phaseId"].as_str().unwrap()).collect();
    assert_eq!(phases, ["planning", "done"], "{log:?}");
    assert!(failed.iter().all(|event| event["summary"] == ended["error"]["message"]), "{failed:?}");
    assert!(log.iter().any(|event| event["type"] == "done"), "{log:?}");
}
