//! Language models over HTTP: what can be chosen, voice sessions, health, and texts that are better with a model.

use std::{
    io::Write,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use gristmill_testkit::http::read_request;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually};

/// A stand-in for a provider: answers each path with a status and a body, which is a stream when it begins as one.
pub(crate) struct StandIn {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<(String, String, Value)>>>,
}

impl StandIn {
    pub(crate) fn start(answer: impl Fn(&str, &Value) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else { continue };
                let (status, text) = answer(&request.path, &request.body);
                let authorization = request.header("authorization").unwrap_or_default().to_owned();
                kept.lock().unwrap().push((request.path, authorization, request.body));
                let kind = if text.starts_with("data: ") { "text/event-stream" } else { "application/json" };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    text.len()
                );
                stream.write_all(format!("{head}{text}").as_bytes()).ok();
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<(String, String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

const KEY: &str = "sk-voice-0123456789abcdef";

async fn with_openai(base_url: &str) -> (TestApp, Client) {
    let app = TestApp::start_with(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", base_url)]).await;
    let ada = app.user("ada").await;
    (app, ada)
}

/// A server whose language model replays these turns.
async fn with_script(turns: Value) -> (TestApp, Client, String, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({ "turns": turns }).to_string()).unwrap();
    let app = TestApp::start_with(&[("LLM_SCRIPT_FILE", file.path().to_str().unwrap())]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    (app, ada, project, file)
}

#[actix_web::test]
async fn the_general_tools_are_listed() {
    let app = TestApp::start().await;
    let list = app.user("ada").await.get("/api/llm/tools").await.expect(200);
    let tools = list["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = [
        "list_project_files",
        "get_dataset_profile",
        "get_dataset_sample",
        "search_documents",
        "list_cells",
        "read_cell",
        "write_cell",
        "edit_cell",
        "run_cell",
        "delete_cell",
        "reorder_cells",
        "insert_cell",
        "install_package",
        "uninstall_package",
        "list_packages",
    ];
    assert_eq!(names, expected);
    for tool in tools {
        assert!(tool["description"].as_str().is_some_and(|text| !text.is_empty()), "{tool}");
        let schema = &tool["parameters"];
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{tool}");
    }
    assert_eq!(tools[6]["parameters"]["required"], json!(["content"]));
    app.anonymous().get("/api/llm/tools").await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn models_are_listed_without_a_key() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let list = ada.get("/api/llm/models").await.expect(200);
    assert_eq!((list["defaultModel"].as_str(), list["defaultReasoningEffort"].as_str()), (Some("gpt-5.4"), Some("high")));
    assert_eq!(list["models"], list["featuredModels"]);
    let table: Vec<(&str, &str, &str, u64)> = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            assert_eq!(
                (&model["featured"], &model["reasoningEfforts"]),
                (&json!(true), &json!(["low", "medium", "high", "xhigh"]))
            );
            let text = |key: &str| model[key].as_str().unwrap();
            (text("id"), text("kind"), text("defaultReasoningEffort"), model["featuredOrder"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("gpt-5.4", "base", "high", 0),
        ("gpt-5.3-codex", "codex", "high", 1),
        ("gpt-5.4-mini", "mini", "medium", 2),
        ("gpt-5.4-nano", "nano", "low", 3),
    ];
    assert_eq!(table, expected);
    app.anonymous().get("/api/llm/models").await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn operators_choose_the_models() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let own = json!({ "id": "house", "label": "House model", "kind": "base", "contextWindow": 8192, "price": { "input": 1, "output": 2 } });
    std::fs::write(file.path(), json!({ "models": [own, { "id": "quick", "label": "Quick", "kind": "mini" }] }).to_string())
        .unwrap();
    let app = TestApp::start_with(&[("LLM_CATALOG_FILE", file.path().to_str().unwrap()), ("LLM_MODEL", "quick")]).await;
    let list = app.user("ada").await.get("/api/llm/models").await.expect(200);
    assert_eq!((&list["defaultModel"], &list["defaultReasoningEffort"]), (&json!("quick"), &json!("medium")));
    assert_eq!(list["models"][0]["price"], json!({ "input": 1.0, "cachedInput": 1.0, "output": 2.0 }));
    assert_eq!((&list["models"][0]["contextWindow"], list["models"].as_array().unwrap().len()), (&json!(8192), 2));
}

#[actix_web::test]
async fn voice_needs_a_key_of_openai() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let answer = ada.post("/api/realtime/session", &json!({})).await.refused(503, "not_configured");
    assert!(answer["error"].as_str().unwrap().contains("OPENAI_API_KEY"), "{answer}");
    app.anonymous().post("/api/realtime/session", &json!({})).await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn a_voice_session_comes_from_the_provider() {
    let provider = StandIn::start(|path, _| match path {
        "/v1/realtime/client_secrets" => (200, json!({ "value": "ek_1", "expires_at": 1_790_000_000 }).to_string()),
        _ => (200, json!({ "data": [{ "id": "gpt-5.4" }] }).to_string()),
    });
    let (_app, ada) = with_openai(&provider.url).await;
    let session = ada.post("/api/realtime/session", &json!({})).await.expect(200);
    assert_eq!(session, json!({ "clientSecret": "ek_1", "expiresAt": 1_790_000_000 }));
    let asked = provider.asked();
    let (_, key, body) = asked.iter().find(|(path, ..)| path.contains("realtime")).unwrap();
    assert_eq!(key, &format!("Bearer {KEY}"));
    let input = &body["session"]["audio"]["input"];
    assert_eq!(
        (&body["session"]["type"], &input["transcription"]["model"]),
        (&json!("transcription"), &json!("gpt-4o-transcribe"))
    );
    let detection = json!({ "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 1000 });
    assert_eq!((&input["turn_detection"], &input["noise_reduction"]["type"]), (&detection, &json!("near_field")));
}

#[actix_web::test]
async fn a_gateway_of_the_beta_is_understood() {
    let provider = StandIn::start(|path, _| match path {
        "/v1/realtime/transcription_sessions" => (200, json!({ "client_secret": { "value": "ek_2" } }).to_string()),
        _ => (404, json!({ "error": "no such route" }).to_string()),
    });
    let (_app, ada) = with_openai(&provider.url).await;
    let session = ada.post("/api/realtime/session", &json!({})).await.expect(200);
    assert_eq!(session, json!({ "clientSecret": "ek_2", "expiresAt": 0 }));
}

#[actix_web::test]
async fn what_the_provider_refuses_is_passed_on_without_the_key() {
    for (status, body, expected, code) in [
        (
            401,
            json!({ "error": { "message": format!("Incorrect API key provided: {KEY}") } }).to_string(),
            401,
            "llm_unavailable",
        ),
        (429, json!({ "error": { "message": "slow down" } }).to_string(), 429, "llm_unavailable"),
        (200, json!({ "hello": "world" }).to_string(), 502, "llm_failed"),
        (200, "not json".to_owned(), 502, "llm_failed"),
    ] {
        let provider = StandIn::start(move |_, _| (status, body.clone()));
        let (_app, ada) = with_openai(&provider.url).await;
        let answer = ada.post("/api/realtime/session", &json!({})).await.refused(expected, code);
        assert!(!answer.to_string().contains("sk-voice"), "{answer}");
    }
    let (_app, ada) = with_openai("http://127.0.0.1:1/v1").await;
    ada.post("/api/realtime/session", &json!({})).await.refused(503, "llm_unavailable");
}

#[actix_web::test]
async fn health_tells_about_the_language_model() {
    let health = async |app: &TestApp, status: &str| {
        eventually("the probe", async || {
            let answer = app.anonymous().get("/api/health").await.expect(200);
            let llm = answer["checks"]["llm"].clone();
            (llm["status"] == status && llm["message"] != "not probed yet").then_some(llm)
        })
        .await
    };
    let app = TestApp::start().await;
    let none = health(&app, "ok").await;
    assert_eq!((&none["configured"], &none["critical"]), (&json!(false), &json!(false)));
    assert!(none["message"].as_str().unwrap().contains("LLM_API_KEY"), "{none}");

    let provider = StandIn::start(|_, _| (200, json!({ "data": [{ "id": "gpt-5.4" }] }).to_string()));
    let (app, _ada) = with_openai(&provider.url).await;
    let up = health(&app, "ok").await;
    assert_eq!((&up["configured"], &up["provider"], &up["model"]), (&json!(true), &json!("openai"), &json!("gpt-5.4")));
    assert!(up["latencyMs"].is_number() && up.get("message").is_none(), "{up}");

    let provider = StandIn::start(|_, _| (401, json!({ "error": { "message": format!("bad key {KEY}") } }).to_string()));
    let (app, _ada) = with_openai(&provider.url).await;
    let down = health(&app, "degraded").await;
    assert!(down["message"].as_str().unwrap().contains("check LLM_API_KEY"), "{down}");
    assert!(!down.to_string().contains("sk-voice") && !down.to_string().contains("bad key"), "{down}");
}

#[actix_web::test]
async fn a_filter_is_read_by_the_model_and_checked() {
    let made_up = json!({ "predicates": [
        { "field": "status", "operator": "eq", "value": "failed" },
        { "field": "password", "operator": "eq", "value": "x" },
        { "field": "name", "operator": "drop", "value": "x" },
    ] });
    let (_app, ada, project, _file) = with_script(json!([
        { "when": { "format": "model_filter", "lastUser": "\"filter\":\"kaputte Modelle\"" }, "reply": { "json": made_up } },
        { "when": { "lastUser": "prose" }, "times": 2, "reply": { "text": "I would rather not." } },
    ]))
    .await;
    let path = format!("/api/experiments/{project}/nl-filter");
    let answer = ada.post(&path, &json!({ "query": "kaputte Modelle" })).await.expect(200);
    assert_eq!(answer["predicates"], json!([{ "field": "status", "operator": "eq", "value": "failed" }]));
    // Prose, and a model that is down: the grammar reads it.
    let grammar = json!([{ "field": "taskType", "operator": "eq", "value": "regression" }]);
    for query in ["regression models, prose", "regression models"] {
        assert_eq!(ada.post(&path, &json!({ "query": query })).await.expect(200)["predicates"], grammar, "{query}");
    }
    ada.post(&path, &json!({ "query": " " })).await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn an_insight_is_streamed_kept_and_never_missing() {
    let (_app, ada, project, _file) = with_script(json!([
        { "when": { "lastUser": "\"kind\":\"banner\"" }, "reply": { "thinking": "Hm.", "text": ["Nothing ", "yet."] } },
        { "when": { "lastUser": "\"kind\":\"explain\"" }, "reply": { "text": "half", "error": { "kind": "unavailable" } } },
        { "when": { "lastUser": "\"kind\":\"report\"" }, "reply": { "error": { "kind": "refused" } } },
    ]))
    .await;
    let lines = async |kind: &str| -> Vec<Value> {
        let path = format!("/api/experiments/{project}/insights");
        let answer = ada.post(&path, &json!({ "type": kind })).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let token = |text: &str| json!({ "type": "token", "content": text });
    let done = json!({ "type": "done" });
    assert_eq!(lines("banner").await, [token("Nothing "), token("yet."), done.clone()]);
    assert_eq!(lines("banner").await, [token("Nothing yet."), done.clone()], "the turn is used up: it was kept");
    assert_eq!(lines("explain").await, [token("half"), json!({ "type": "error" })]);
    let report = lines("report").await;
    assert!(report[0]["content"].as_str().unwrap().contains("## ") && report[1] == done, "the template: {report:?}");
}

fn finding() -> Value {
    json!({ "insightContext": { "columns": ["age"], "issueType": "missing", "severity": "high", "text": "12 % are missing",
        "datasetSchema": [{ "column": "age", "dtype": "float64" }], "tableName": "people" } })
}

#[actix_web::test]
async fn a_cell_is_written_by_the_model() {
    let (_app, ada, project, _file) = with_script(json!([
        { "when": { "lastUser": "12 % are missing" }, "reply": { "text": ["```python\n", "df.isna()", ".sum()\n```"] } },
        { "reply": { "text": "half", "error": { "kind": "unavailable" } } },
        { "reply": { "error": { "kind": "authentication" } } },
    ]))
    .await;
    let notebook = crate::notebooks::notebook(&ada, &project, &json!({})).await;
    let path = format!("/api/notebooks/{notebook}/cells/suggest");
    let lines = async |body: Value| -> Vec<Value> {
        let answer = ada.post(&path, &body).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let cell = async |line: &Value| {
        assert_eq!(line["type"], "cell_created", "{line}");
        let cell = ada.get(&format!("/api/cells/{}", line["cellId"].as_str().unwrap())).await.expect(200);
        assert_eq!((&cell["lockedBy"], &cell["metadata"]["isSuggested"]), (&Value::Null, &json!(true)), "{cell}");
        cell["content"].as_str().unwrap().to_owned()
    };
    let told = lines(finding()).await;
    assert_eq!(cell(&told[0]).await, "df.isna().sum()");
    let token = |text: &str| json!({ "type": "token", "content": text });
    assert_eq!(told[1..], [token("```python\n"), token("df.isna()"), token(".sum()\n```"), json!({ "type": "done" })]);
    let told = lines(finding()).await;
    assert_eq!((cell(&told[0]).await.as_str(), &told[1], &told[2]["type"]), ("half", &token("half"), &json!("error")));
    let told = lines(finding()).await;
    assert_eq!((cell(&told[0]).await.as_str(), told.len()), ("", 2));
    assert!(told[1]["message"].as_str().unwrap().contains("LLM_API_KEY"), "{}", told[1]);
}

#[actix_web::test]
async fn a_suggestion_needs_a_model_a_notebook_and_a_finding() {
    let (app, ada, project, _file) = with_script(json!([{ "always": true, "reply": { "text": "x" } }])).await;
    let notebook = crate::notebooks::notebook(&ada, &project, &json!({})).await;
    let path = format!("/api/notebooks/{notebook}/cells/suggest");
    let cells = format!("/api/notebooks/{notebook}/cells");
    let before = ada.get(&cells).await.expect(200);
    for (field, value) in [
        ("columns", json!(vec!["x"; 21])),
        ("issueType", json!("")),
        ("text", json!("x".repeat(501))),
        ("tableName", json!("a; drop table b")),
        ("datasetSchema", json!([{ "column": "x".repeat(129), "dtype": "int" }])),
    ] {
        let mut body = finding();
        body["insightContext"][field] = value;
        ada.post(&path, &body).await.refused(400, "validation_failed");
    }
    let eve = app.user("eve").await;
    eve.post(&path, &finding()).await.refused(404, "notebook_not_found");
    let bare = app.second_server(&[]).await;
    let same = Client::new(&format!("http://{}", bare.address()), ada.token.as_deref());
    let answer = same.post(&path, &finding()).await.refused(503, "not_configured");
    assert!(answer["error"].as_str().unwrap().contains("LLM_API_KEY"), "{answer}");
    assert_eq!(ada.get(&cells).await.expect(200), before, "nothing is made");
}

#[actix_web::test]
async fn a_budget_holds_on_every_server_and_over_restarts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let usage = json!({ "input_tokens": 8000, "output_tokens": 1000, "total_tokens": 9000 });
    let turns = json!([{ "always": true, "reply": { "text": "x", "usage": usage } }]);
    std::fs::write(file.path(), json!({ "turns": turns }).to_string()).unwrap();
    let settings = [("LLM_SCRIPT_FILE", file.path().to_str().unwrap()), ("LLM_USER_TOKENS_PER_DAY", "10000")];
    let app = TestApp::start_with(&settings).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let notebook = crate::notebooks::notebook(&ada, &project, &json!({})).await;
    let path = format!("/api/notebooks/{notebook}/cells/suggest");
    let last_line = async |client: &Client| -> Value {
        let answer = client.post(&path, &finding()).await;
        serde_json::from_str(answer.text.lines().last().unwrap()).unwrap()
    };
    assert_eq!(last_line(&ada).await, json!({ "type": "done" }));
    let database = app.database.client().await.unwrap();
    eventually("the usage to be stored", async || {
        let sql = "select sum(requests)::bigint, sum(input_tokens + output_tokens)::bigint from llm_usage";
        let row = database.query_one(sql, &[]).await.unwrap();
        let sums: (Option<i64>, Option<i64>) = (row.get(0), row.get(1));
        (sums == (Some(1), Some(9000))).then_some(())
    })
    .await;
    let other = app.second_server(&settings).await;
    let refused = last_line(&Client::new(&format!("http://{}", other.address()), ada.token.as_deref())).await;
    assert!(refused["message"].as_str().unwrap().contains("has used its 10000 tokens"), "{refused}");
    // Another's budget is another's.
    let eve = app.user("eve").await;
    let hers = eve.project("E").await;
    let notebook = crate::notebooks::notebook(&eve, &hers, &json!({})).await;
    let answer = eve.post(&format!("/api/notebooks/{notebook}/cells/suggest"), &finding()).await;
    assert!(answer.text.ends_with("{\"type\":\"done\"}\n"), "{}", answer.text);
}

#[actix_web::test]
async fn wrong_files_stop_the_start() {
    use gristmill_api::{config::Config, llm::LanguageModels};
    use gristmill_llm::layers::MemoryUsage;
    for (name, content, part) in [
        ("LLM_SCRIPT_FILE", "{\"turns\": [{}]}", "LLM_SCRIPT_FILE cannot be used: the script is wrong: missing field `reply`"),
        ("LLM_CATALOG_FILE", "{\"models\": []}", "LLM_CATALOG_FILE cannot be used: the catalog is wrong: it has no models"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let variables = [(name.to_owned(), file.path().to_str().unwrap().to_owned())];
        let config = Config::read(&variables.into()).unwrap().llm;
        let clock = Arc::new(gristmill_domain::SystemClock);
        let error = LanguageModels::new(&config, Arc::new(MemoryUsage::default()), clock).unwrap_err();
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
}
