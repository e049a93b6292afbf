//! Running code outside of notebooks (contract 3, section 2): what holds with and without a sandbox.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, eventually};

/// Records a session without starting its kernel.
async fn session(app: &TestApp, project: &str) -> String {
    let id = Uuid::new_v4().to_string();
    let sql =
        format!("insert into execution_sessions (session_id, project_id, python_version) values ('{id}', '{project}', '3.11')");
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    id
}

async fn ndjson(client: &Client, path: &str, body: &Value) -> Vec<Value> {
    let answer = client.send(client.request(Method::POST, path).json(body)).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn health_and_runtimes_say_what_is_there() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let health = eventually("the sandboxes to be looked at", async || {
        let health = ada.get("/api/execute/health").await.expect(200);
        (!health["reasons"].to_string().contains("prepared")).then_some(health)
    })
    .await;
    let ready = health["dockerAvailable"].as_bool().unwrap();
    assert_eq!(health["status"], if ready { "healthy" } else { "degraded" }, "{health}");
    let shown = app.anonymous().get("/api/health").await.expect(200)["checks"].clone();
    for check in ["docker", "runtimeImage"] {
        assert_eq!(shown[check]["status"], if ready { "ok" } else { "degraded" }, "{shown}");
        assert!(shown[check]["message"].is_string(), "{shown}");
    }
    assert_eq!(health["activeSessions"], 0);
    // A backend without a Python environment is not enough; either way it says what is missing.
    assert!(health["backend"].is_string() || !ready, "{health}");
    assert!(ready || health["reasons"] != json!([]), "{health}");
    let runtimes = ada.get("/api/execute/runtimes").await.expect(200);
    let versions: Vec<&str> =
        runtimes["runtimes"].as_array().unwrap().iter().map(|one| one["pythonVersion"].as_str().unwrap()).collect();
    assert_eq!(versions[..2], ["3.10", "3.11"]);
    assert_eq!(runtimes["runtimes"][0]["dockerEnabled"].as_bool(), Some(ready));
}

#[actix_web::test]
async fn wrong_fields_are_named_in_the_contract_s_shape() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    for (path, body, field) in [
        ("/api/execute", json!({ "projectId": project }), "code"),
        ("/api/execute", json!({ "projectId": project, "code": "" }), "code"),
        ("/api/execute", json!({ "projectId": "p", "code": "1" }), "projectId"),
        ("/api/execute", json!({ "projectId": project, "code": "1", "timeout": 999 }), "timeout"),
        ("/api/execute", json!({ "projectId": project, "code": "1", "timeout": 300_001 }), "timeout"),
        ("/api/execute", json!({ "projectId": project, "code": "1", "pythonVersion": "2.7" }), "pythonVersion"),
        ("/api/execute/session", json!({}), "projectId"),
        ("/api/execute/packages", json!({ "sessionId": "x" }), "packageName"),
        ("/api/execute/packages", json!({ "sessionId": "", "packageName": "six" }), "sessionId"),
        ("/api/execute/packages/stream", json!({ "sessionId": "x", "packageName": "" }), "packageName"),
    ] {
        let answer = ada.post(path, &body).await.refused(400, "validation_failed");
        assert_eq!(answer["error"], "Validation failed", "{path} {body}: {answer}");
        assert_eq!(answer["issues"][0]["path"], json!([field]), "{path} {body}: {answer}");
    }
}

#[actix_web::test]
async fn code_runs_in_sessions_of_the_caller_only() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let (project, foreign) = (ada.project("P").await, eve.project("E").await);
    let (own, other) = (session(&app, &project).await, session(&app, &foreign).await);
    ada.post("/api/execute", &json!({ "projectId": foreign, "code": "1" })).await.refused(404, "project_not_found");
    let run = async |id: Value| {
        let body = json!({ "projectId": project, "code": "raise ValueError('on purpose')", "sessionId": id });
        let answer = ada.post("/api/execute", &body).await.expect(200);
        assert_eq!((answer["success"].clone(), answer["result"]["status"].as_str()), (json!(true), Some("error")), "{answer}");
        answer["sessionId"].as_str().unwrap().to_owned()
    };
    assert_eq!(run(json!(own)).await, own);
    let common = run(Value::Null).await;
    // Nobody else's session, and not a new one each time.
    for id in [json!(other), json!(Uuid::new_v4()), json!("nonsense"), Value::Null] {
        assert_eq!(run(id).await, common);
    }
    let count = app.database.client().await.unwrap().query_one("select count(*) from execution_sessions", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 3);
}

#[actix_web::test]
async fn sessions_are_read_and_ended_by_their_owner() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("P").await;
    let id = session(&app, &project).await;
    let path = format!("/api/execute/session/{id}");
    let found = ada.get(&path).await.expect(200)["session"].clone();
    assert_eq!((found["id"].as_str(), found["pythonVersion"].as_str()), (Some(id.as_str()), Some("3.11")));
    assert!(found["installedPackages"].is_array() && found["createdAt"].is_string() && found["lastUsedAt"].is_string());
    eve.get(&path).await.refused(404, "execution_session_not_found");
    eve.delete(&path).await.refused(404, "execution_session_not_found");
    eve.get(&format!("/api/execute/packages/{id}")).await.refused(404, "execution_session_not_found");
    let install = json!({ "sessionId": id, "packageName": "six" });
    eve.post("/api/execute/packages", &install).await.refused(404, "execution_session_not_found");
    eve.post("/api/execute/packages/stream", &install).await.refused(404, "execution_session_not_found");
    assert_eq!(ada.delete(&path).await.expect(200), json!({ "success": true }));
    assert_eq!(ada.delete(&path).await.expect(200), json!({ "success": true }), "one that is not there is ended");
    ada.get(&path).await.refused(404, "execution_session_not_found");
    assert_eq!(ada.get(&format!("/api/execute/packages/{id}")).await.expect(200), json!({ "packages": [] }));
}

#[actix_web::test]
async fn installs_without_a_session_end_at_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let body = json!({ "sessionId": Uuid::new_v4(), "packageName": "six" });
    assert_eq!(ada.post("/api/execute/packages", &body).await.expect(200)["success"], false);
    let lines = ndjson(&ada, "/api/execute/packages/stream", &body).await;
    assert_eq!(
        (lines.len(), lines[0]["type"].as_str(), lines[0]["success"].clone()),
        (1, Some("done"), json!(false)),
        "{lines:?}"
    );
}

#[actix_web::test]
async fn suggestions_are_bounded() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    for (query, most) in [("", 30), ("?q=p", 8), ("?limit=3", 3), ("?limit=100&q=pan", 20), ("?limit=-5", 1), ("?limit=x&q=p", 8)]
    {
        let list = ada.get(&format!("/api/execute/packages/suggest{query}")).await.expect(200);
        assert!((1..=most).contains(&list["suggestions"].as_array().unwrap().len()), "{query}: {list}");
    }
}

#[actix_web::test]
async fn suggestions_for_a_project_are_its_owners() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("P").await;
    let path = format!("/api/execute/packages/suggest?q=pan&projectId={project}");
    assert_eq!(ada.get(&path).await.expect(200)["suggestions"][0]["name"], "pandas");
    eve.get(&path).await.refused(404, "project_not_found");
    let wrong = ada.get("/api/execute/packages/suggest?q=pan&projectId=nonsense").await.expect(400);
    assert_eq!(wrong["fields"][0]["path"], "projectId", "{wrong}");
}
