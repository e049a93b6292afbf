//! Accounts, sessions and tokens (contract 1, section 5).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp};

const PASSWORD: &str = "correct horse";

async fn register(app: &TestApp, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
    app.anonymous().post("/api/auth/register", &body).await.expect(201)
}

async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.anonymous().post("/api/auth/login", &json!({ "email": email, "password": password })).await
}

async fn refresh(app: &TestApp, token: &Value) -> Answer {
    app.anonymous().post("/api/auth/refresh", &json!({ "refreshToken": token })).await
}

fn client(app: &TestApp, answer: &Value) -> Client {
    app.with_token(answer["accessToken"].as_str().unwrap())
}

#[actix_web::test]
async fn registers_logs_in_and_shows_the_account() {
    let app = TestApp::start().await;
    let made = register(&app, "Ada@Example.org").await;
    let user = &made["user"];
    assert_eq!((user["email"].as_str(), user["role"].as_str()), (Some("ada@example.org"), Some("user")));
    assert_eq!(user["email_verified"], true, "without mail, addresses count as verified");
    assert_eq!(user["last_login_at"], Value::Null);
    let again = login(&app, "ADA@example.org", PASSWORD).await.expect(200);
    assert_eq!(again["user"]["user_id"], user["user_id"]);
    let keys: Vec<&String> = again["user"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["user_id", "email", "name", "role", "email_verified", "created_at", "updated_at", "last_login_at"]);
    assert_eq!(client(&app, &again).get("/api/auth/me").await.expect(200)["user"]["email"], "ada@example.org");
    let text = serde_json::to_string(&again).unwrap();
    assert!(!text.contains("$argon2") && !text.contains("password"), "{text}");
}

#[actix_web::test]
async fn wrong_registrations_are_refused_field_by_field() {
    let app = TestApp::start().await;
    let good = json!({ "email": "a@b.example", "password": PASSWORD, "name": "Ada" });
    for (field, value) in [
        ("email", json!("nonsense")),
        ("email", json!(" a@b.example")),
        ("email", Value::Null),
        ("password", json!("short")),
        ("password", json!("x".repeat(2000))),
        ("password", json!("with\u{0}nul")),
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("name", json!("a\u{0}b")),
        ("name", json!("a\nb")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = app.anonymous().post("/api/auth/register", &body).await.refused(400, "validation_failed");
        assert_eq!(answer["error"], "Validation failed");
        assert_eq!(answer["issues"][0]["path"], json!([field]), "{value}: {answer}");
    }
    register(&app, "taken@b.example").await;
    let body = json!({ "email": "TAKEN@b.example", "password": PASSWORD, "name": "Eve" });
    app.anonymous().post("/api/auth/register", &body).await.refused(409, "email_taken");
}

#[actix_web::test]
async fn a_wrong_login_does_not_tell_what_was_wrong() {
    let app = TestApp::start().await;
    register(&app, "ada@example.org").await;
    let wrong = login(&app, "ada@example.org", "wrong horse").await.refused(401, "invalid_credentials");
    let unknown = login(&app, "eve@example.org", "wrong horse").await.refused(401, "invalid_credentials");
    assert_eq!(wrong["error"], unknown["error"]);
}

#[actix_web::test]
async fn ten_wrong_passwords_lock_the_account_for_a_while() {
    let app = TestApp::start().await;
    register(&app, "ada@example.org").await;
    for _ in 0..10 {
        login(&app, "ada@example.org", "wrong horse").await.refused(401, "invalid_credentials");
    }
    let answer = login(&app, "ada@example.org", PASSWORD).await;
    assert!(answer.headers.contains_key("retry-after"));
    let body = answer.refused(429, "too_many_requests");
    assert!((1..=900).contains(&body["retryAfter"].as_u64().unwrap()), "{body}");
    // Addresses without an account are throttled alike, or the throttle would tell which exist.
    for _ in 0..10 {
        login(&app, "nobody@example.org", "wrong horse").await.refused(401, "invalid_credentials");
    }
    login(&app, "nobody@example.org", "wrong horse").await.refused(429, "too_many_requests");
}

#[actix_web::test]
async fn registrations_from_one_address_are_throttled() {
    let app = TestApp::start_with(&[("REGISTRATIONS_PER_MINUTE", "2")]).await;
    register(&app, "a@example.org").await;
    register(&app, "b@example.org").await;
    let body = json!({ "email": "c@example.org", "password": PASSWORD, "name": "C" });
    app.anonymous().post("/api/auth/register", &body).await.refused(429, "too_many_requests");
}

#[actix_web::test]
async fn two_tabs_get_the_same_successor_and_both_stay_logged_in() {
    let app = TestApp::start().await;
    let made = register(&app, "ada@example.org").await;
    let (one, two) = tokio::join!(refresh(&app, &made["refreshToken"]), refresh(&app, &made["refreshToken"]));
    let (one, two) = (one.expect(200), two.expect(200));
    assert_eq!(one["refreshToken"], two["refreshToken"]);
    assert!(one.get("user").is_none());
    client(&app, &one).get("/api/auth/me").await.expect(200);
    client(&app, &two).get("/api/auth/me").await.expect(200);
    refresh(&app, &one["refreshToken"]).await.expect(200);
}

#[actix_web::test]
async fn a_late_replay_ends_the_whole_session() {
    let app = TestApp::start().await;
    let made = register(&app, "ada@example.org").await;
    let next = refresh(&app, &made["refreshToken"]).await.expect(200);
    let database = app.database.client().await.unwrap();
    database.execute("update refresh_tokens set rotated_at = rotated_at - interval '11 seconds'", &[]).await.unwrap();
    refresh(&app, &made["refreshToken"]).await.refused(401, "refresh_token_reused");
    refresh(&app, &next["refreshToken"]).await.refused(401, "unauthenticated");
    client(&app, &next).get("/api/projects").await.refused(401, "unauthenticated");
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

#[actix_web::test]
async fn unknown_and_malformed_refresh_tokens_are_401_and_missing_ones_400() {
    let app = TestApp::start().await;
    for bad in ["x".to_owned(), "0".repeat(128), "é".repeat(64), "\u{0}".repeat(128)] {
        refresh(&app, &json!(bad)).await.refused(401, "unauthenticated");
    }
    refresh(&app, &json!("")).await.refused(400, "validation_failed");
    refresh(&app, &Value::Null).await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn logout_ends_the_session_at_once() {
    let app = TestApp::start().await;
    let made = register(&app, "ada@example.org").await;
    let ada = client(&app, &made);
    ada.get("/api/projects").await.expect(200);
    ada.post("/api/auth/logout", &json!({ "refreshToken": made["refreshToken"] })).await.expect(204);
    ada.get("/api/projects").await.refused(401, "unauthenticated");
    refresh(&app, &made["refreshToken"]).await.refused(401, "unauthenticated");
    // Without a body, the session of the access token ends.
    let again = client(&app, &login(&app, "ada@example.org", PASSWORD).await.expect(200));
    again.send(again.request(Method::POST, "/api/auth/logout")).await.expect(204);
    again.get("/api/projects").await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn logout_on_one_server_is_noticed_by_another() {
    let app = TestApp::start().await;
    let second = app.second_server(&[]).await;
    let ada = client(&app, &register(&app, "ada@example.org").await);
    let elsewhere = Client::new(&format!("http://{}", second.address()), ada.token.as_deref());
    elsewhere.get("/api/projects").await.expect(200);
    ada.send(ada.request(Method::POST, "/api/auth/logout")).await.expect(204);
    crate::support::eventually("the end of the session on the other server", async || {
        (elsewhere.get("/api/projects").await.status == 401).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn the_profile_changes_all_or_nothing() {
    let app = TestApp::start().await;
    register(&app, "eve@example.org").await;
    let made = register(&app, "ada@example.org").await;
    let ada = client(&app, &made);
    let patched = ada.patch("/api/auth/profile", &json!({ "name": "Countess" })).await.expect(200);
    assert_eq!(patched["user"]["name"], "Countess");
    ada.patch("/api/auth/profile", &json!({ "name": "X", "email": "EVE@example.org" })).await.refused(409, "email_taken");
    ada.patch("/api/auth/profile", &json!({ "newPassword": "another horse" })).await.refused(400, "validation_failed");
    let wrong = json!({ "name": "X", "currentPassword": "wrong", "newPassword": "another horse" });
    ada.patch("/api/auth/profile", &wrong).await.refused(401, "wrong_password");
    assert_eq!(ada.get("/api/auth/me").await.expect(200)["user"]["name"], "Countess");

    let right = json!({ "currentPassword": PASSWORD, "newPassword": "another horse" });
    ada.patch("/api/auth/profile", &right).await.expect(200);
    ada.get("/api/projects").await.refused(401, "unauthenticated");
    refresh(&app, &made["refreshToken"]).await.refused(401, "unauthenticated");
    login(&app, "ada@example.org", PASSWORD).await.refused(401, "invalid_credentials");
    login(&app, "ada@example.org", "another horse").await.expect(200);
}

#[actix_web::test]
async fn sessions_are_listed_and_revoked() {
    let app = TestApp::start().await;
    let first = register(&app, "ada@example.org").await;
    let second = login(&app, "ada@example.org", PASSWORD).await.expect(200);
    let ada = client(&app, &second);
    let request =
        ada.request(Method::GET, "/api/auth/sessions").header("x-refresh-token", second["refreshToken"].as_str().unwrap());
    let sessions = ada.send(request).await.expect(200)["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!((sessions[0]["current"].as_bool(), sessions[1]["current"].as_bool()), (Some(true), Some(false)));
    assert_eq!(sessions[0]["ip_address"], "127.0.0.1");
    let other = sessions[1]["token_id"].as_str().unwrap();
    let eve = client(&app, &register(&app, "eve@example.org").await);
    eve.delete(&format!("/api/auth/sessions/{other}")).await.refused(404, "session_not_found");
    ada.delete(&format!("/api/auth/sessions/{other}")).await.expect(200);
    ada.delete(&format!("/api/auth/sessions/{other}")).await.refused(404, "session_not_found");
    ada.delete("/api/auth/sessions/nonsense").await.refused(400, "invalid_id");
    client(&app, &first).get("/api/projects").await.refused(401, "unauthenticated");
    ada.post("/api/auth/revoke-all-sessions", &json!({})).await.expect(200);
    ada.get("/api/projects").await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn mail_and_google_say_what_is_missing() {
    let app = TestApp::start().await;
    let ada = client(&app, &register(&app, "ada@example.org").await);
    let nobody = app.anonymous();
    nobody.get("/api/auth/google").await.refused(503, "not_configured");
    nobody.post("/api/auth/google/callback", &json!({ "code": "x" })).await.refused(503, "not_configured");
    nobody.post("/api/auth/google/callback", &json!({})).await.refused(400, "validation_failed");
    let known = nobody.post("/api/auth/forgot-password", &json!({ "email": "ada@example.org" })).await.expect(200);
    let unknown = nobody.post("/api/auth/forgot-password", &json!({ "email": "eve@example.org" })).await.expect(200);
    assert_eq!(known, unknown);
    nobody.post("/api/auth/forgot-password", &json!({ "email": "ada@example.org" })).await.refused(429, "too_many_requests");
    ada.post("/api/auth/resend-verification", &json!({})).await.refused(503, "not_configured");
    assert_eq!(ada.get("/api/auth/verification-status").await.expect(200), json!({ "emailVerified": true }));
    for path in ["/api/auth/verify-email", "/api/auth/reset-password"] {
        let body = json!({ "token": "0".repeat(64), "password": "another horse" });
        nobody.post(path, &body).await.refused(400, "token_invalid");
    }
}

#[actix_web::test]
async fn personal_tokens_do_what_their_scope_says() {
    let app = TestApp::start().await;
    let ada = client(&app, &register(&app, "ada@example.org").await);
    let create = async |scopes: Value| {
        let body = json!({ "name": "script", "scopes": scopes, "expiresInDays": 7 });
        ada.post("/api/auth/tokens", &body).await.expect(201)
    };
    let (reading, writing) = (create(json!(["read"])).await, create(json!(["read", "write"])).await);
    let reader = app.with_token(reading["secret"].as_str().unwrap());
    let writer = app.with_token(writing["secret"].as_str().unwrap());
    reader.get("/api/projects").await.expect(200);
    reader.post("/api/projects", &json!({ "name": "x" })).await.refused(403, "insufficient_scope");
    writer.post("/api/projects", &json!({ "name": "x" })).await.expect(201);
    for path in ["/api/auth/tokens", "/api/auth/sessions"] {
        writer.get(path).await.refused(403, "insufficient_scope");
    }
    let listed = ada.get("/api/auth/tokens").await;
    assert!(!listed.text.contains(reading["secret"].as_str().unwrap()), "a secret is shown once");
    let tokens = listed.expect(200)["tokens"].clone();
    assert_eq!(tokens.as_array().unwrap().len(), 2);
    let id = reading["token"]["tokenId"].as_str().unwrap();
    ada.delete(&format!("/api/auth/tokens/{id}")).await.expect(204);
    reader.get("/api/projects").await.refused(401, "unauthenticated");
    ada.delete(&format!("/api/auth/tokens/{id}")).await.refused(404, "token_not_found");
    for bad in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["root"] }),
        json!({ "name": "x", "expiresInDays": 0 }),
        json!({ "name": "x", "expiresInDays": 366 }),
    ] {
        ada.post("/api/auth/tokens", &bad).await.refused(400, "validation_failed");
    }
}

#[actix_web::test]
async fn expired_tokens_are_refused() {
    let app = TestApp::start_with(&[("JWT_ACCESS_EXPIRES_IN", "1s")]).await;
    let ada = client(&app, &register(&app, "ada@example.org").await);
    crate::support::eventually("the end of the access token", async || {
        (ada.get("/api/auth/me").await.status == 401).then_some(())
    })
    .await;
    let long = TestApp::start().await;
    let made = register(&long, "ada@example.org").await;
    let body = json!({ "name": "script", "expiresInDays": 1 });
    let token = client(&long, &made).post("/api/auth/tokens", &body).await.expect(201);
    let database = long.database.client().await.unwrap();
    database.execute("update personal_access_tokens set expires_at = now() - interval '1 second'", &[]).await.unwrap();
    long.with_token(token["secret"].as_str().unwrap()).get("/api/projects").await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn deleting_the_account_leaves_nothing() {
    let app = TestApp::start().await;
    let made = register(&app, "ada@example.org").await;
    let ada = client(&app, &made);
    let project = ada.project("Mine").await;
    ada.dataset(&project, "t.csv", "a,b\n1,2\n").await;
    ada.upload(None, "loose.csv", "a\n1\n").await.expect(201);
    let remove = async |password: &str| {
        ada.send(ada.request(Method::DELETE, "/api/auth/account").json(&json!({ "password": password }))).await
    };
    remove("wrong horse").await.refused(401, "wrong_password");
    remove(PASSWORD).await.expect(204);
    ada.get("/api/auth/me").await.refused(401, "unauthenticated");
    login(&app, "ada@example.org", PASSWORD).await.refused(401, "invalid_credentials");
    let database = app.database.client().await.unwrap();
    for table in ["users", "sessions", "refresh_tokens", "projects", "datasets", "jobs"] {
        let count: i64 = database.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{table}");
    }
    crate::support::eventually("the removal of the files", async || {
        crate::support::files_below(app.data_dir.path()).is_empty().then_some(())
    })
    .await;
}
