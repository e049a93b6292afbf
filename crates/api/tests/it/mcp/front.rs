//! Who gets in and in which form.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ACCEPT, Mcp, messages};
use crate::support::{Answer, Client, TestApp};

const METADATA: &str = "/.well-known/oauth-protected-resource/api/mcp";

fn initialize(revision: &str) -> Value {
    json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

fn post(client: &Client, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = client.request(Method::POST, "/api/mcp").header("Accept", ACCEPT);
    request.header("Content-Type", "application/json").body(body)
}

/// A refusal of the HTTP request, which is JSON-RPC's all the same.
#[track_caller]
fn refused(answer: Answer, status: u16, code: i64) -> String {
    let body = answer.expect(status);
    assert_eq!((&body["jsonrpc"], &body["id"], &body["error"]["code"]), (&json!("2.0"), &Value::Null, &json!(code)), "{body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn revisions_with_a_handshake_are_spoken_as_asked() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let mcp = Mcp { revision, ..Mcp::of(&ada) };
        let answer = mcp.send("initialize", &initialize(revision)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.contains("event: message\ndata: {"), "{}", answer.text);
        assert!(answer.headers.get("mcp-session-id").is_none(), "nothing is kept");
        let result = messages(&answer).pop().unwrap()["result"].clone();
        assert_eq!(result["protocolVersion"], revision);
        assert_eq!(result["capabilities"]["tools"], json!({ "listChanged": true }));
        assert_eq!((result["capabilities"].get("extensions"), result["capabilities"].get("logging")), (None, None));
        assert_eq!((&result["serverInfo"]["name"], &result["serverInfo"]["version"]), (&json!("gristmill"), &json!("1.0.0")));
        let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = ada.send(post(&ada, notification.to_string()).header("MCP-Protocol-Version", revision)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, ""));
        // And without a handshake, too.
        assert_eq!(mcp.ask("ping", &json!({})).await, json!({}));
    }
    // A revision of yesterday or tomorrow is answered with one that is spoken.
    let spoken = Mcp::of(&ada).ask("initialize", &initialize("2031-01-01")).await;
    assert!(["2025-06-18", "2025-11-25"].contains(&spoken["protocolVersion"].as_str().unwrap()), "{spoken}");
}

#[actix_web::test]
async fn the_newest_revision_is_discovered_and_says_so_in_each_request() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let mcp = Mcp::newest(&ada, json!({}));
    let found = mcp.ask("server/discover", &json!({})).await;
    assert_eq!(found["supportedVersions"], json!(["2025-06-18", "2025-11-25", "2026-07-28"]));
    assert!(found["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{found}");
    assert!(found["capabilities"]["tools"].get("listChanged").is_none(), "nobody can subscribe to it: {found}");
    let unknown = mcp.send("tools/unknown", &json!({})).await;
    assert_eq!((unknown.status.as_u16(), messages(&unknown).pop().unwrap()["error"]["code"].as_i64()), (404, Some(-32601)));
    // What the head says and what the body says must be the same.
    let request = mcp.request("tools/list", &json!({})).header("Mcp-Method", "tools/call");
    assert_eq!(ada.send(request).await.status, 400);
    let strange = Mcp::newest(&ada, json!("none"));
    assert_eq!(strange.send("tools/list", &json!({})).await.status, 400);
}

#[actix_web::test]
async fn nobody_is_told_where_to_get_in() {
    let app = TestApp::start().await;
    let challenge = format!("Bearer resource_metadata=\"{}{METADATA}\"", app.url());
    for (method, client) in [
        (Method::POST, app.anonymous()),
        (Method::GET, app.anonymous()),
        (Method::DELETE, app.anonymous()),
        (Method::POST, app.with_token("gmp_12345678_secret")),
    ] {
        let answer = client.send(client.request(method, "/api/mcp").header("Accept", ACCEPT).json(&json!({}))).await;
        assert_eq!(answer.headers["www-authenticate"], challenge.as_str());
        answer.refused(401, "unauthenticated");
    }
    let told = app.anonymous().get(METADATA).await.expect(200);
    assert_eq!(told["resource"], format!("{}/api/mcp", app.url()));
    assert_eq!((&told["bearer_methods_supported"], told.get("authorization_servers")), (&json!(["header"]), None));
}

#[actix_web::test]
async fn only_pages_that_may_get_in() {
    let app = TestApp::start_with(&[("ALLOWED_ORIGINS", "https://app.example.org")]).await;
    let ada = app.user("ada").await;
    let from = |origin: &'static str| ada.send(Mcp::of(&ada).request("tools/list", &json!({})).header("Origin", origin));
    assert_eq!(from("https://app.example.org").await.status, 200);
    for other in ["https://evil.example.org", "http://app.example.org", "https://app.example.org.evil.net", "null", ""] {
        let message = refused(from(other).await, 403, -32000);
        assert!(message.contains("Origin"), "{message}");
    }
    // Before the token is looked at.
    let nobody = app.anonymous();
    refused(nobody.send(post(&nobody, "{}").header("Origin", "https://evil.example.org")).await, 403, -32000);
}

#[actix_web::test]
async fn the_form_of_a_request_is_checked() {
    let app = TestApp::start_with(&[("JSON_BODY_MAX_MB", "1")]).await;
    let ada = app.user("ada").await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    for accept in ["application/json", "text/event-stream", "*/*", "text/html"] {
        let request = ada.request(Method::POST, "/api/mcp").header("Accept", accept).json(&list);
        let message = refused(ada.send(request).await, 406, -32000);
        assert!(message.contains("application/json and text/event-stream"), "{message}");
    }
    let plain = ada.request(Method::POST, "/api/mcp").header("Accept", ACCEPT).header("Content-Type", "text/plain");
    refused(ada.send(plain.body(list.to_string())).await, 415, -32000);
    refused(ada.send(post(&ada, "{\"jsonrpc\":")).await, 400, -32700);
    refused(ada.send(post(&ada, "")).await, 400, -32700);
    for invalid in ["[]", "7", "\"tools/list\"", "{}", "{\"jsonrpc\":\"2.0\",\"id\":1}", "{\"jsonrpc\":\"2.0\",\"method\":7}"] {
        refused(ada.send(post(&ada, invalid)).await, 400, -32600);
    }
    let batch = json!([list, list]).to_string();
    assert!(refused(ada.send(post(&ada, batch)).await, 400, -32600).contains("one message at a time"));
    refused(ada.send(post(&ada, " ".repeat(2 * 1024 * 1024))).await, 413, -32000);
    let strange = post(&ada, list.to_string()).header("MCP-Protocol-Version", "1999-01-01");
    assert!(refused(ada.send(strange).await, 400, -32000).contains("1999-01-01"));
    for method in [Method::GET, Method::DELETE] {
        for session in [None, Some("made-up")] {
            let request = ada.request(method.clone(), "/api/mcp").header("Accept", ACCEPT);
            let request = session.into_iter().fold(request, |request, id| request.header("Mcp-Session-Id", id));
            let answer = ada.send(request).await;
            assert_eq!(answer.headers["allow"], "POST");
            refused(answer, 405, -32000);
        }
    }
}

#[actix_web::test]
async fn methods_that_are_not_there_are_named() {
    let app = TestApp::start().await;
    let mcp = Mcp::of(&app.user("ada").await);
    for method in ["nonsense", "resources/subscribe", "logging/setLevel", "sampling/createMessage"] {
        let error = mcp.refuse(method, &json!({ "uri": "gristmill://projects/x", "level": "info" })).await;
        assert_eq!(error["code"], -32601, "{method}: {error}");
    }
    for (method, params) in [
        ("prompts/get", json!({ "name": 7 })),
        ("resources/read", json!({})),
        ("completion/complete", json!({ "ref": 1 })),
        ("tools/list", json!({ "cursor": "next" })),
        ("initialize", json!({ "protocolVersion": 7 })),
    ] {
        assert_eq!(mcp.refuse(method, &params).await["code"], -32602, "{method} {params}");
    }
}

#[actix_web::test]
async fn the_suite_s_fixtures_are_there_when_asked_for_only() {
    let plain = TestApp::start().await;
    let mcp = Mcp::of(&plain.user("ada").await);
    let listed = mcp.ask("tools/list", &json!({})).await.to_string();
    assert!(!listed.contains("test_simple_text"), "{listed}");
    assert!(mcp.fail("test_simple_text", &json!({})).await.contains("-32602"));
    assert!(!mcp.ask("resources/list", &json!({})).await.to_string().contains("test://"));
    mcp.refuse("prompts/get", &json!({ "name": "test_simple_prompt" })).await;

    let app = TestApp::start_with(&[("GRISTMILL_MCP_FIXTURES", "true")]).await;
    let ada = app.user("ada").await;
    let mcp = Mcp::newest(&ada, json!({}));
    let result = mcp.call("test_simple_text", &json!({})).await;
    assert_eq!(result["content"][0]["text"], "This is a simple text response for testing.");
    mcp.ask("prompts/get", &json!({ "name": "test_simple_prompt" })).await;
    mcp.ask("resources/read", &json!({ "uri": "test://static-text" })).await;
    // Sessions, for questions within a call; still nobody's without a token.
    let opened = Mcp::of(&ada).send("initialize", &initialize("2025-11-25")).await;
    let session = opened.headers["mcp-session-id"].clone();
    let nobody = app.anonymous();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    nobody.send(post(&nobody, list).header("Mcp-Session-Id", session)).await.refused(401, "unauthenticated");
}

#[actix_web::test]
async fn the_newest_revision_has_no_handshake() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": initialize("2026-07-28") }).to_string();
    let answer = ada.send(post(&ada, body).header("MCP-Protocol-Version", "2026-07-28")).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(told["error"]["code"], -32601, "{told}");
}
