//! Results that are too large for the log of their job: whoever waits gets every row, and the log keeps the first ones.

use gristmill_api::server::RunningServer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Setting, becomes, lines, plan, question, setting, sql};
use crate::{
    sql::take_the_only_place,
    support::{Client, TestApp},
};

const ROWS: usize = 400;
const STATEMENT: &str = "select id, note from sales order by id limit 1000";
/// What a log keeps of rows, bytes.
const LOGGED_BYTES_MAX: usize = 64 * 1024;
/// The model thinks about this for ever.
const ENDLESS: &str = "Which of the sales never ends?";

fn row(id: usize) -> Value {
    json!({ "id": id, "note": format!("sale {id} {}", "x".repeat(400)) })
}

/// The first so many.
fn rows(count: usize) -> Vec<Value> {
    (1..=count).map(row).collect()
}

/// A project with sales of more than twice the size that a log keeps.
async fn with_many_sales(client: &Client) -> String {
    let mut text = "id,note\n".to_owned();
    for id in 1..=ROWS {
        text.push_str(&format!("{id},{}\n", row(id)["note"].as_str().unwrap()));
    }
    assert!(text.len() > 2 * LOGGED_BYTES_MAX);
    let project = client.project("Large").await;
    client.dataset(&project, "sales.csv", text).await;
    project
}

/// A model that asks for all of them whenever it is asked.
fn turns() -> Value {
    let hangs = json!({ "always": true, "when": { "lastUser": ENDLESS }, "reply": { "thinking": "Hm.", "hangs": true } });
    let mut writes = sql("nl_sql", STATEMENT);
    writes["always"] = json!(true);
    json!([hangs, plan(100), writes])
}

#[track_caller]
fn assert_whole(nl: &Value) {
    let query = &nl["query"];
    let answered = query["rows"].as_array().unwrap_or_else(|| panic!("no rows in {nl}"));
    assert!(*answered == rows(ROWS), "{} rows: {:?}", answered.len(), answered.first());
    assert_eq!((&query["rowCount"], &query["truncated"], query.get("rowsLeftOut")), (&json!(ROWS), &json!(false), None));
    assert_eq!(nl["queryId"], query["queryId"]);
}

/// Checks that an answer has the first rows only, and says so.
#[track_caller]
fn assert_cut_off(nl: &Value) {
    let query = &nl["query"];
    let first = query["rows"].as_array().unwrap_or_else(|| panic!("no rows in {nl}"));
    assert!((1..ROWS).contains(&first.len()) && *first == rows(first.len()), "{} rows: {:?}", first.len(), first.first());
    let size: usize = first.iter().map(|row| row.to_string().len()).sum();
    assert!(size <= LOGGED_BYTES_MAX, "{size} bytes of rows");
    assert_eq!((&query["rowCount"], &query["truncated"]), (&json!(first.len()), &json!(true)));
    assert_eq!(query["rowsLeftOut"], json!(ROWS - first.len()));
}

/// The answer that the log of the newest question keeps, which must be one with the first rows only.
async fn logged(client: &Client, project: &str) -> Value {
    let jobs = client.get(&format!("/api/jobs?projectId={project}")).await.expect(200);
    let newest = &jobs["jobs"][0];
    assert_eq!((&newest["kind"], &newest["status"]), (&json!("nl_query"), &json!("succeeded")));
    let log = client.get(&format!("/api/jobs/{}/events", newest["jobId"].as_str().unwrap())).await;
    assert_eq!(log.status, 200, "{}", log.text);
    let events = log.text.lines().filter(|line| !line.is_empty());
    let events: Vec<Value> = events.map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut results = events.into_iter().filter(|event| event["type"] == "result");
    let (mut result, more) = (results.next().expect("a result"), results.next());
    assert!(more.is_none(), "two results");

    assert_cut_off(&result["nl"]);
    result["nl"].take()
}

#[actix_web::test]
async fn a_large_result_is_answered_whole_and_logged_with_its_first_rows() {
    let Setting { app: _app, ada, project: _, _script } = setting(turns()).await;
    let project = with_many_sales(&ada).await;
    let nl = ada.post("/api/query/nl", &question(&project)).await.expect(200)["nl"].clone();
    assert_whole(&nl);
    let kept = logged(&ada, &project).await;
    assert_eq!((&kept["queryId"], &kept["sql"]), (&nl["queryId"], &nl["sql"]));

    let lines = lines(&ada, &project).await;
    let results: Vec<&Value> = lines.iter().filter(|line| line["type"] == "result").collect();
    assert_eq!(results.len(), 1);
    assert_whole(&results[0]["nl"]);
    logged(&ada, &project).await;

    // Whoever follows the log itself has what it keeps, and can ask for the rest.
    let request = ada.request(Method::POST, "/api/query/nl/stream").header("accept", "text/event-stream");
    let followed = ada.send(request.json(&question(&project))).await;
    assert!(followed.status == 200 && followed.text.contains("\"rowsLeftOut\":"), "{}", followed.text);
    let all = ada.sql(&project, kept["sql"].as_str().unwrap()).await.expect(200);
    assert_eq!(all["query"]["rows"], nl["query"]["rows"]);
}

/// A server whose only place for questions is taken, and another one that answers them.
struct Elsewhere {
    ada: Client,
    project: String,
    /// Where the job is that takes the place.
    endless: String,
    _second: RunningServer,
    _app: TestApp,
    _script: tempfile::NamedTempFile,
}

impl Elsewhere {
    /// With further variables for the server that is asked.
    async fn start(more: &[(&str, &str)]) -> Self {
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), json!({ "turns": turns() }).to_string()).unwrap();
        let variables =
            [("LLM_SCRIPT_FILE", script.path().to_str().unwrap()), ("NL2SQL_CONCURRENCY", "1"), ("NL2SQL_TIMEOUT_MS", "300000")];
        let app = TestApp::start_with(&[&variables[..], more].concat()).await;
        let ada = app.user("ada").await;
        let project = with_many_sales(&ada).await;
        let body = json!({ "projectId": project, "query": ENDLESS });
        let request = ada.request(Method::POST, "/api/query/nl/stream").header("Prefer", "respond-async").json(&body);
        let endless = ada.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned();
        let endless = format!("/api/jobs/{endless}");
        becomes(&ada, &endless, "running").await;
        let second = app.second_server(&variables).await;
        Self { ada, project, endless, _second: second, _app: app, _script: script }
    }

    async fn end(self) {
        self.ada.post(&format!("{}/cancel", self.endless), &json!({})).await.expect(200);
        becomes(&self.ada, &self.endless, "cancelled").await;
    }
}

/// What the stream answers.
async fn streamed(client: &Client, project: &str) -> Value {
    let lines = lines(client, project).await;
    lines.iter().find(|line| line["type"] == "result").expect("a result")["nl"].clone()
}

#[actix_web::test]
async fn rows_that_another_server_has_are_computed_again_for_whoever_waits() {
    let elsewhere = Elsewhere::start(&[]).await;
    let (ada, project) = (&elsewhere.ada, &elsewhere.project);
    let nl = ada.post("/api/query/nl", &question(project)).await.expect(200)["nl"].clone();
    assert_whole(&nl);
    let kept = logged(ada, project).await;
    assert_ne!(nl["queryId"], kept["queryId"], "it ran on the server that was asked");
    assert_eq!((&nl["cached"], &kept["cached"]), (&json!(false), &json!(false)));

    let streamed = streamed(ada, project).await;
    assert_whole(&streamed);
    // Each server has its own rows in memory now.
    let kept_again = logged(ada, project).await;
    assert_eq!((&streamed["queryId"], &kept_again["queryId"]), (&nl["queryId"], &kept["queryId"]));
    assert_eq!((&streamed["cached"], &kept_again["cached"]), (&json!(true), &json!(true)));
    elsewhere.end().await;
}

#[actix_web::test]
async fn an_answer_whose_rows_cannot_be_computed_again_says_that_it_was_cut_off() {
    let elsewhere = Elsewhere::start(&[("SQL_USER_CONCURRENCY", "1"), ("SQL_STATEMENT_TIMEOUT_MS", "600000")]).await;
    let (ada, project) = (&elsewhere.ada, &elsewhere.project);
    let statement = take_the_only_place(ada, project).await;
    let nl = ada.post("/api/query/nl", &question(project)).await.expect(200)["nl"].clone();
    assert_cut_off(&nl);
    assert_cut_off(&streamed(ada, project).await);
    assert!(!statement.is_finished(), "it had the place all the time");
    statement.abort();
    elsewhere.end().await;
}
