//! Questions in plain words over HTTP, with a scripted model and real tables.

mod connections;
mod golden;
mod large;
mod model;
mod obedient;
mod repair;
mod restart;
mod suggestions;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    llm::StandIn,
    support::{Client, TestApp, eventually},
};

struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    _script: tempfile::NamedTempFile,
}

const SALES: &str = "id,Region,amount\n1,north,10\n2,south,5\n3,north,2.5\n";

/// A server whose model replays these turns, and a project with sales.
async fn setting(turns: Value) -> Setting {
    setting_with(turns, &[]).await
}

/// The same with further variables.
async fn setting_with(turns: Value, variables: &[(&str, &str)]) -> Setting {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), json!({ "turns": turns }).to_string()).unwrap();
    let mut all = vec![("LLM_SCRIPT_FILE", script.path().to_str().unwrap())];
    all.extend(variables);
    let app = TestApp::start_with(&all).await;
    let ada = app.user("ada").await;
    let project = ada.project("Shop").await;
    ada.dataset(&project, "sales.csv", SALES).await;
    Setting { app, ada, project, _script: script }
}

fn plan(times: u32) -> Value {
    json!({ "when": { "format": "nl_plan" }, "times": times, "reply": { "thinking": "Hm.", "json": {
        "intentSummary": "Total by region", "answerable": true, "selectedTables": ["sales"], "aggregations": ["sum"], "confidence": 0.95
    } } })
}

fn sql(format: &str, sql: &str) -> Value {
    json!({ "when": { "format": format }, "reply": { "json": {
        "sql": sql, "rationale": "Sums the amounts.", "assumptions": [], "confidence": 0.95
    } } })
}

const TOTALS: &str = "select region, sum(amount) as total from sales group by region order by total desc";

fn question(project: &str) -> Value {
    json!({ "projectId": project, "query": "What is the total amount by region?", "tableName": "sales" })
}

#[actix_web::test]
async fn a_question_is_answered_over_real_tables() {
    let Setting { app: _app, ada, project, _script } = setting(json!([plan(1), sql("nl_sql", TOTALS)])).await;
    let nl = ada.post("/api/query/nl", &question(&project)).await.expect(200)["nl"].clone();
    assert_eq!(nl["sql"], r#"SELECT "Region", sum(amount) AS total FROM sales GROUP BY "Region" ORDER BY total DESC LIMIT 200"#);
    assert_eq!(nl["query"]["rows"], json!([{ "Region": "north", "total": 12.5 }, { "Region": "south", "total": 5 }]));
    assert_eq!((&nl["query"]["queryId"], &nl["query"]["rowCount"]), (&nl["queryId"], &json!(2)));
    assert_eq!(
        (&nl["provider"]["id"], &nl["queryExecutionError"], &nl["cached"]),
        (&json!("scripted"), &Value::Null, &json!(false))
    );
    assert_eq!(nl["explanation"]["selectedTables"], json!(["sales"]));
    // The rows are in the cache of plain SQL now.
    let again = ada.sql(&project, nl["sql"].as_str().unwrap()).await.expect(200);
    assert_eq!((&again["query"]["cached"], &again["query"]["queryId"]), (&json!(true), &nl["queryId"]));
}

async fn lines(client: &Client, project: &str) -> Vec<Value> {
    let answer = client.post("/api/query/nl/stream", &question(project)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson; charset=utf-8");
    assert_eq!(answer.headers["cache-control"], "no-cache, no-transform");
    answer.text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the job at a path has this status.
async fn becomes(client: &Client, path: &str, status: &str) -> Value {
    eventually(status, async || {
        let job = client.get(path).await.expect(200)["job"].clone();
        (job["status"] == status).then_some(job)
    })
    .await
}

#[actix_web::test]
async fn the_stream_has_the_contracts_events_and_a_log() {
    let Setting { app: _app, ada, project, _script } = setting(json!([plan(1), sql("nl_sql", TOTALS)])).await;
    let lines = lines(&ada, &project).await;
    let phases: Vec<String> = lines
        .iter()
        .filter(|line| line["type"].as_str().unwrap().starts_with("phase_"))
        .map(|line| format!("{} {}", line["phaseId"].as_str().unwrap(), line["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        phases,
        [
            "schema_context phase_started",
            "schema_context phase_completed",
            "planning phase_started",
            "planning phase_completed",
            "sql_generation phase_started",
            "sql_generation phase_progress",
            "sql_generation phase_completed",
            "validation phase_started",
            "validation phase_completed",
            "initial_execution phase_started",
            "initial_execution phase_completed",
            "done phase_completed",
        ]
    );
    let kinds: Vec<&str> = lines
        .iter()
        .filter(|line| line["type"] == "model_work_block_completed")
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["status", "thinking", "plan", "sql", "validation"]);
    assert!(lines.iter().filter(|line| line["type"] == "model_work_block_completed").all(|line| line["status"] == "completed"));
    let [.., result, done_phase, done] = lines.as_slice() else { panic!() };
    assert_eq!((&result["type"], &done_phase["phaseId"], done), (&json!("result"), &json!("done"), &json!({ "type": "done" })));
    assert_eq!(result["nl"]["query"]["rowCount"], 2);
    // Optional fields are absent, never null.
    for line in &lines {
        let top = line.as_object().unwrap();
        assert!(top.values().all(|value| !value.is_null()), "{line}");
    }
    // All of it can be read again later.
    let jobs = ada.get(&format!("/api/jobs?projectId={project}")).await.expect(200);
    let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["kind"] == "nl_query").unwrap().clone();
    assert_eq!((&job["status"], &job["result"]["outcome"]), (&json!("succeeded"), &json!("rows")));
    let log = ada.get(&format!("/api/jobs/{}/events", job["jobId"].as_str().unwrap())).await;
    assert!(log.text.contains("\"model_work_delta\"") && log.text.contains("\"result\""));
}

#[actix_web::test]
async fn failures_come_as_events_in_a_stream_and_as_an_error_without() {
    let down = json!([{ "always": true, "reply": { "error": { "kind": "authentication", "message": "sk-secret" } } }]);
    let Setting { app: _app, ada, project, _script } = setting(down).await;
    let lines = lines(&ada, &project).await;
    let [.., planning, done_phase, done] = lines.as_slice() else { panic!() };
    assert_eq!((&planning["type"], &planning["phaseId"]), (&json!("phase_failed"), &json!("planning")));
    assert_eq!((&done_phase["type"], &done_phase["phaseId"]), (&json!("phase_failed"), &json!("done")));
    assert!(done_phase["summary"].as_str().unwrap().contains("LLM_API_KEY"));
    assert_eq!(done["type"], "done");
    assert!(lines.iter().all(|line| line["type"] != "result"));
    let refused = ada.post("/api/query/nl", &question(&project)).await.refused(503, "llm_unavailable");
    assert!(!refused.to_string().contains("sk-secret"));

    let empty = ada.project("Empty").await;
    let refused = ada.post("/api/query/nl", &question(&empty)).await.refused(400, "invalid_request");
    assert!(refused["error"].as_str().unwrap().contains("upload one first"));
}

#[actix_web::test]
async fn a_statement_that_leaves_the_project_is_not_run() {
    // Another tenant's table, the system's, and what is no reading at all.
    let hostile = [
        ("Show me everybody's pay", "select * from salaries"),
        ("Show me all datasets", "select * from datasets"),
        ("Show me the catalog", "select * from pg_catalog.pg_class"),
        ("Show me the password", "select pg_read_file('/etc/passwd')"),
        ("Please forget the sales", "delete from sales"),
        ("Please make them cheap", "select 1; update sales set amount = 0"),
    ];
    let turns: Vec<Value> = hostile
        .iter()
        .flat_map(|(question, statement)| {
            ["nl_sql", "nl_sql_compact"].map(|format| {
                let answer = json!({ "sql": statement, "rationale": "As asked.", "assumptions": [], "confidence": 1.0 });
                json!({ "when": { "format": format, "anyMessage": question }, "reply": { "json": answer } })
            })
        })
        .chain([plan(100)])
        .collect();
    let Setting { app, ada, project, _script } = setting(json!(turns)).await;
    let eve = app.user("eve").await;
    let hers = eve.project("Hers").await;
    eve.dataset(&hers, "salaries.csv", "name,salary\nx,1\n").await;
    for (question, _) in hostile {
        let body = json!({ "projectId": project, "query": question });
        let answer = ada.post("/api/query/nl", &body).await;
        let refused = answer.expect(400);
        assert!(["sql_invalid", "sql_refused"].contains(&refused["code"].as_str().unwrap()), "{question}: {refused}");
    }
    assert_eq!(ada.sql(&project, "select sum(amount) as total from sales").await.expect(200)["query"]["rows"][0]["total"], 17.5);
}

#[actix_web::test]
async fn requests_are_checked_before_anything_starts() {
    let Setting { app, ada, project, _script } = setting(json!([])).await;
    let eve = app.user("eve").await;
    for path in ["/api/query/nl", "/api/query/nl/stream"] {
        for (field, wrong) in [
            ("query", json!({ "projectId": project, "query": "ab" })),
            ("query", json!({ "projectId": project, "query": "  a " })),
            ("query", json!({ "projectId": project, "query": "x".repeat(9000) })),
            ("query", json!({ "projectId": project })),
            ("tableName", json!({ "projectId": project, "query": "how many", "tableName": "" })),
        ] {
            let answer = ada.post(path, &wrong).await.refused(400, "validation_failed");
            assert!(answer["errors"]["fieldErrors"][field].is_array(), "{answer}");
        }
        eve.post(path, &question(&project)).await.refused(404, "project_not_found");
        app.anonymous().post(path, &question(&project)).await.refused(401, "unauthenticated");
    }
    assert_eq!(ada.get(&format!("/api/jobs?projectId={project}")).await.expect(200)["jobs"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn without_a_model_questions_say_what_to_set() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    for path in
        ["/api/query/nl".to_owned(), "/api/query/nl/stream".to_owned(), format!("/api/projects/{project}/golden-questions/run")]
    {
        let refused = ada.post(&path, &question(&project)).await.refused(503, "not_configured");
        assert!(refused["error"].as_str().unwrap().contains("LLM_API_KEY"), "{refused}");
    }
}

#[actix_web::test]
async fn leaving_a_plain_stream_cancels_the_question_and_leaving_others_does_not() {
    let hangs = json!([{ "always": true, "reply": { "thinking": "Hm.", "hangs": true } }]);
    let Setting { app: _app, ada, project, _script } = setting(hangs).await;
    for (accept, expected) in [("application/x-ndjson", "cancelled"), ("text/event-stream", "running")] {
        let request = ada.request(Method::POST, "/api/query/nl/stream").header("accept", accept).json(&question(&project));
        let mut stream = request.send().await.unwrap().bytes_stream();
        let mut text = String::new();
        while !text.contains("Hm.") {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
        }
        drop(stream);
        let newest = async || ada.get(&format!("/api/jobs?projectId={project}")).await.expect(200)["jobs"][0].clone();
        if expected == "running" {
            let job = newest().await;
            assert_eq!((&job["status"], &job["cancelRequested"]), (&json!("running"), &json!(false)));
            ada.post(&format!("/api/jobs/{}/cancel", job["jobId"].as_str().unwrap()), &json!({})).await.expect(200);
        }
        eventually("the question is cancelled", async || (newest().await["status"] == "cancelled").then_some(())).await;
    }
}

/// A chat completion as a stream of chunks.
fn streamed(content: &str) -> String {
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        format!("data: {}\n\n", json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices }))
    };
    let (head, tail) = content.split_at(content.len() / 2);
    let said = [head, tail].map(|part| chunk(json!({ "content": part }), Value::Null)).concat();
    format!("{said}{}data: [DONE]\n\n", chunk(json!({}), json!("stop")))
}

/// What a model says to the questions of these tests, by the schema that it is asked for.
fn content(schema: &str) -> Value {
    if schema == "nl_plan" {
        json!({ "intentSummary": "Total by region", "answerable": true, "selectedTables": ["sales"], "confidence": 0.95 })
    } else {
        json!({ "sql": TOTALS, "rationale": "Sums.", "assumptions": [], "confidence": 0.95 })
    }
}

/// The same as a server that speaks chat completions sends it.
fn chat_answer(body: &Value) -> String {
    let content = content(body["response_format"]["json_schema"]["name"].as_str().unwrap_or_default()).to_string();
    if body["stream"] == true {
        return streamed(&content);
    }
    let choice = json!({ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" });
    json!({ "id": "c", "object": "chat.completion", "model": "m", "choices": [choice] }).to_string()
}

async fn with_compatible(url: &str) -> (TestApp, Client, String) {
    let provider = ("LLM_PROVIDER", "openai-compatible");
    let app = TestApp::start_with(&[provider, ("LLM_BASE_URL", url), ("LLM_MODEL", "m"), ("LLM_API_KEY", "sk-local")]).await;
    let ada = app.user("ada").await;
    let project = ada.project("Shop").await;
    ada.dataset(&project, "sales.csv", SALES).await;
    (app, ada, project)
}

#[actix_web::test]
async fn a_server_that_speaks_chat_completions_answers_questions() {
    let model = StandIn::start(|_, body| (200, chat_answer(body)));
    let (_app, ada, project) = with_compatible(&model.url).await;
    let nl = ada.post("/api/query/nl", &question(&project)).await.expect(200)["nl"].clone();
    assert_eq!(nl["query"]["rows"][0], json!({ "Region": "north", "total": 12.5 }));
    assert_eq!(nl["provider"]["model"], "m");
    let lines = lines(&ada, &project).await;
    assert!(lines.iter().any(|line| line["type"] == "result" && line["nl"]["query"]["rowCount"] == 2));
    let asked = model.asked();
    assert!(asked.iter().filter(|(path, _, _)| path == "/v1/chat/completions").all(|(_, key, _)| key == "Bearer sk-local"));
}

#[actix_web::test]
async fn what_is_wrong_with_a_provider_is_told_by_its_code() {
    let cut = streamed(&json!({ "sql": TOTALS }).to_string());
    let cut = cut.split_at(cut.len() / 3).0.to_owned();
    for (status, body, answered, code) in [
        (401, json!({ "error": { "message": "bad key sk-local" } }).to_string(), 503, "llm_unavailable"),
        (404, json!({ "error": { "message": "no such model" } }).to_string(), 502, "llm_failed"),
        (200, "data: nonsense\n\n".to_owned(), 502, "llm_failed"),
        (200, "<html>".to_owned(), 502, "llm_failed"),
        (200, cut, 503, "llm_unavailable"),
    ] {
        let said = body.clone();
        let model = StandIn::start(move |_, _| (status, said.clone()));
        let (_app, ada, project) = with_compatible(&model.url).await;
        let refused = ada.post("/api/query/nl", &question(&project)).await.refused(answered, code);
        assert!(!refused.to_string().contains("sk-local"), "{status} {body}: {refused}");
    }
}

#[actix_web::test]
async fn suggestions_need_no_model_and_are_kept() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("Shop").await;
    let path = format!("/api/query/nl/suggestions?projectId={project}");
    let none = ada.get(&path).await.expect(200);
    assert_eq!(none, json!({ "suggestions": [], "cached": false, "schemaFingerprint": "" }));
    ada.dataset(&project, "sales.csv", SALES).await;
    let made = ada.get(&path).await.expect(200);
    assert_eq!((&made["cached"], made["suggestions"].as_array().unwrap().len()), (&json!(false), 8));
    let again = ada.get(&format!("{path}&limit=3")).await.expect(200);
    assert_eq!((&again["cached"], again["suggestions"].as_array().unwrap().len()), (&json!(true), 3));
    assert_eq!((&again["schemaFingerprint"], &again["suggestions"][2]), (&made["schemaFingerprint"], &made["suggestions"][2]));
    // The statements run as they are.
    for statement in made["workflowPlaceholders"]["explore"].as_array().unwrap() {
        ada.sql(&project, statement.as_str().unwrap()).await.expect(200);
    }
    // Another state of the tables is another set.
    ada.dataset(&project, "customers.csv", "id,name\n1,x\n").await;
    let other = ada.get(&path).await.expect(200);
    assert!(other["cached"] == false && other["schemaFingerprint"] != made["schemaFingerprint"]);
    eve.get(&path).await.refused(404, "project_not_found");
    for wrong in ["limit=0", "limit=13", "limit=x"] {
        ada.get(&format!("{path}&{wrong}")).await.refused(400, "validation_failed");
    }
    ada.get("/api/query/nl/suggestions").await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn golden_questions_are_kept_and_asked() {
    let turns = json!([plan(2), sql("nl_sql", TOTALS), sql("nl_sql", "select count(*) from sales where amount > 100")]);
    let Setting { app, ada, project, _script } = setting(turns).await;
    let eve = app.user("eve").await;
    let base = format!("/api/projects/{project}/golden-questions");
    let expected = "select sum(amount) as s, \"Region\" from sales group by 2 order by 1 desc";
    let made = ada.post(&base, &json!({ "question": " Totals by region? ", "expectedSql": expected })).await.expect(201);
    let id = made["goldenQuestion"]["goldenQuestionId"].as_str().unwrap().to_owned();
    assert_eq!(made["goldenQuestion"]["question"], "Totals by region?");
    assert!(made["goldenQuestion"].get("lastAsked").is_none());
    for (field, wrong) in [
        ("question", json!({ "question": "x", "expectedSql": expected })),
        ("expectedSql", json!({ "question": "how many", "expectedSql": "" })),
        ("expectedSql", json!({ "question": "how many", "expectedSql": "delete from sales" })),
        ("expectedSql", json!({ "question": "how many", "expectedSql": "select * from nowhere" })),
        ("expectedSql", json!({ "question": "how many" })),
    ] {
        let answer = ada.post(&base, &wrong).await.refused(400, "validation_failed");
        assert!(answer["errors"]["fieldErrors"][field].is_array(), "{answer}");
    }
    let second = json!({ "question": "How many sales are there?", "expectedSql": "select count(*) from sales" });
    ada.post(&base, &second).await.expect(201);

    let report = ada.post(&format!("{base}/run"), &json!({})).await.expect(200);
    assert_eq!(
        (&report["total"], &report["right"], &report["broken"], &report["executionAccuracy"]),
        (&json!(2), &json!(1), &json!(0), &json!(0.5))
    );
    let listed = ada.get(&base).await.expect(200);
    let verdicts: Vec<&Value> =
        listed["goldenQuestions"].as_array().unwrap().iter().map(|one| &one["lastAsked"]["verdict"]).collect();
    assert_eq!(verdicts, [&json!("right"), &json!("wrong")]);

    let changed = ada.patch(&format!("{base}/{id}"), &json!({ "question": "Sum by region?" })).await.expect(200);
    assert!(changed["goldenQuestion"].get("lastAsked").is_none() && changed["goldenQuestion"]["expectedSql"] == expected);
    ada.patch(&format!("{base}/{id}"), &json!({ "expectedSql": "drop table sales" })).await.refused(400, "validation_failed");

    eve.get(&base).await.refused(404, "project_not_found");
    eve.post(&base, &second).await.refused(404, "project_not_found");
    eve.post(&format!("{base}/run"), &json!({})).await.refused(404, "project_not_found");
    eve.patch(&format!("{base}/{id}"), &json!({ "question": "mine now" })).await.refused(404, "golden_question_not_found");
    eve.delete(&format!("{base}/{id}")).await.refused(404, "golden_question_not_found");
    ada.delete(&format!("{base}/{id}")).await.expect(204);
    ada.delete(&format!("{base}/{id}")).await.refused(404, "golden_question_not_found");
    assert_eq!(ada.get(&base).await.expect(200)["goldenQuestions"].as_array().unwrap().len(), 1);
}
