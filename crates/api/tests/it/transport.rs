//! What holds for every request (contract 1, sections 1 and 2): ids, CORS, bodies, credentials.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::TestApp;

#[actix_web::test]
async fn every_answer_has_an_id_and_a_time() {
    let app = TestApp::start().await;
    let nobody = app.anonymous();
    let answer = nobody.get("/api/health").await;
    assert!(answer.headers["x-request-id"].to_str().unwrap().parse::<uuid::Uuid>().is_ok());
    assert!(answer.headers["x-response-time"].to_str().unwrap().ends_with("ms"));
    let request = nobody.request(Method::GET, "/api/projects").header("X-Request-Id", "from-the-client");
    let answer = nobody.send(request).await;
    assert_eq!(answer.headers["x-request-id"], "from-the-client");
    assert_eq!(answer.refused(401, "unauthenticated")["requestId"], "from-the-client");
}

#[actix_web::test]
async fn broken_bodies_are_400_and_large_ones_413() {
    let app = TestApp::start_with(&[("JSON_BODY_MAX_MB", "1")]).await;
    let ada = app.user("ada").await;
    let post = |body: Vec<u8>, media_type: &'static str| {
        ada.send(ada.request(Method::POST, "/api/projects").header(header::CONTENT_TYPE, media_type).body(body))
    };
    post(b"{\"name\":".to_vec(), "application/json").await.refused(400, "invalid_request");
    post(b"{\"name\":\"x\"} trailing".to_vec(), "application/json").await.refused(400, "invalid_request");
    post(b"\xff\xfe".to_vec(), "application/json").await.refused(400, "invalid_request");
    post(b"name=x".to_vec(), "application/x-www-form-urlencoded").await.refused(400, "invalid_request");
    post(b"{\"name\":\"x\"}".to_vec(), "text/plain").await.refused(400, "invalid_request");
    let body = post(Vec::new(), "application/json").await.refused(400, "validation_failed");
    assert_eq!(body["errors"]["formErrors"], json!(["Required"]));
    post(b"[]".to_vec(), "application/json").await.refused(400, "validation_failed");
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = post(deep.into_bytes(), "application/json").await;
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.text);
    let large = serde_json::to_vec(&json!({ "name": "x", "description": "y".repeat(2 * 1024 * 1024) })).unwrap();
    post(large, "application/json").await.refused(413, "payload_too_large");
    assert_eq!(ada.get("/api/projects").await.expect(200), json!({ "projects": [] }));
}

#[actix_web::test]
async fn origins_are_allowed_by_list() {
    let app = TestApp::start_with(&[("ALLOWED_ORIGINS", "https://app.example.org")]).await;
    let nobody = app.anonymous();
    let preflight = |origin: &'static str| {
        let request = nobody.request(Method::OPTIONS, "/api/projects");
        nobody.send(
            request
                .header(header::ORIGIN, origin)
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
                .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, x-refresh-token"),
        )
    };
    let good = preflight("https://app.example.org").await;
    assert_eq!(good.status, 204);
    assert_eq!(good.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.org");
    assert_eq!(good.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization, x-refresh-token");
    assert_eq!(good.headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,HEAD,PUT,PATCH,POST,DELETE");
    let bad = preflight("https://evil.example.org").await;
    assert_eq!(bad.status, 204);
    assert!(!bad.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let request = nobody.request(Method::GET, "/api/health").header(header::ORIGIN, "https://app.example.org");
    let answer = nobody.send(request).await;
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.org");
    assert_eq!(answer.headers[header::VARY], "Origin");
}

#[actix_web::test]
async fn unknown_paths_are_401_for_nobody_and_404_for_users() {
    let app = TestApp::start().await;
    app.anonymous().get("/api/nonsense").await.refused(401, "unauthenticated");
    app.user("ada").await.get("/api/nonsense").await.refused(404, "not_found");
    app.anonymous().get("/nonsense").await.refused(404, "not_found");
    assert!(app.anonymous().get("/").await.expect(200)["message"].is_string());
}

#[actix_web::test]
async fn bad_credentials_are_401() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let token = ada.token.clone().unwrap();
    let tampered = format!("{}x", token.get(..token.len() - 1).unwrap());
    for bad in ["", "x", "a.b.c", &tampered, &"x".repeat(100_000), "gmp_12345678_secret"] {
        app.with_token(bad).get("/api/projects").await.refused(401, "unauthenticated");
    }
    for value in ["Basic YTpi", "Bearer", "bearer", "Token x"] {
        let nobody = app.anonymous();
        let request = nobody.request(Method::GET, "/api/projects").header(header::AUTHORIZATION, value);
        nobody.send(request).await.refused(401, "unauthenticated");
    }
}

#[actix_web::test]
async fn the_documentation_is_self_contained() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/api/docs").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "the page must load nothing from elsewhere");
    assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'"));
    let document = app.anonymous().get("/api/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
}

#[actix_web::test]
async fn health_answers_from_memory() {
    let app = TestApp::start().await;
    let health = app.anonymous().get("/api/health").await.expect(200);
    assert_eq!(health["checks"]["database"]["status"], "ok", "{health}");
    assert_eq!(health["checks"]["database"]["critical"], true);
    assert!(health["checks"]["memory"]["rssBytes"].as_u64().unwrap() > 1_000_000);
    assert!(health["uptime"].as_f64().unwrap() > 0.0 && health["host"].is_string());
}
