//! Projects (contract 1, section 6).

use serde_json::json;

use crate::support::TestApp;

#[actix_web::test]
async fn a_project_lives_from_create_to_delete() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let created = ada.post("/api/projects", &json!({ "name": "Penguins", "unknown": 1 })).await.expect(201);
    let project = &created["project"];
    assert_eq!((project["icon"].as_str(), project["color"].as_str()), (Some("Folder"), Some("blue")));
    assert_eq!(project["metadata"]["unlockedPhases"], json!(["upload"]));
    let path = format!("/api/projects/{}", project["id"].as_str().unwrap());

    let patch = json!({ "description": "", "metadata": { "currentPhase": "training", "customColor": "#123456" } });
    let patched = ada.patch(&path, &patch).await.expect(200);
    assert_eq!(patched["project"]["metadata"]["unlockedPhases"], json!(["upload", "training"]));
    assert_eq!(patched["project"]["metadata"]["customColor"], "#123456");
    assert_eq!(patched["project"]["description"], "");
    assert_eq!(ada.get(&path).await.expect(200)["project"], patched["project"]);
    assert_eq!(ada.get("/api/projects").await.expect(200)["projects"], json!([patched["project"]]));

    ada.delete(&path).await.expect(204);
    ada.get(&path).await.refused(404, "project_not_found");
    ada.delete(&path).await.refused(404, "project_not_found");
}

#[actix_web::test]
async fn foreign_and_malformed_ids_are_404_and_400() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let path = format!("/api/projects/{}", ada.project("Secret").await);
    eve.get(&path).await.refused(404, "project_not_found");
    eve.patch(&path, &json!({ "name": "Mine" })).await.refused(404, "project_not_found");
    eve.delete(&path).await.refused(404, "project_not_found");
    assert_eq!(eve.get("/api/projects").await.expect(200), json!({ "projects": [] }));
    for bad in ["1", "not-a-uuid", "%00", "00000000000000000000000000000000", "..%2f.."] {
        let body = ada.get(&format!("/api/projects/{bad}")).await.refused(400, "invalid_id");
        assert!(body["error"].as_str().unwrap().contains("projectId"), "{body}");
    }
}

#[actix_web::test]
async fn wrong_fields_are_named() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": 7 }), "name"),
        (json!({ "name": null }), "name"),
        (json!({ "name": "x".repeat(201) }), "name"),
        (json!({ "name": "a\u{0}b" }), "name"),
        (json!({ "name": "x", "description": null }), "description"),
        (json!({ "name": "x", "metadata": null }), "metadata"),
        (json!({ "name": "x", "metadata": [] }), "metadata"),
        (json!({ "name": "x", "metadata": { "currentPhase": "nonsense" } }), "metadata"),
        (json!({ "name": "x", "metadata": { "unlockedPhases": ["upload", 1] } }), "metadata"),
        (json!({ "name": "x", "metadata": { "customInstructions": "x".repeat(5001) } }), "metadata"),
        (json!({ "name": "x", "metadata": { "note": "a\u{0}b" } }), "metadata"),
    ] {
        let answer = ada.post("/api/projects", &body).await.refused(400, "validation_failed");
        assert!(answer["errors"]["fieldErrors"][field].is_array(), "{body} gave {answer}");
        assert_eq!(answer["fields"][0]["path"], field, "{body} gave {answer}");
    }
    assert_eq!(ada.get("/api/projects").await.expect(200), json!({ "projects": [] }), "nothing was half-written");
}

#[actix_web::test]
async fn two_tabs_do_not_lose_each_others_metadata() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let path = format!("/api/projects/{}", ada.project("Shared").await);
    let patches = (0..20).map(|n| {
        let (ada, path) = (ada.clone(), path.clone());
        async move { ada.patch(&path, &json!({ "metadata": { format!("key{n}"): n } })).await.expect(200) }
    });
    futures_util::future::join_all(patches).await;
    let metadata = ada.get(&path).await.expect(200)["project"]["metadata"].clone();
    for n in 0..20 {
        assert_eq!(metadata[format!("key{n}")], n, "{metadata}");
    }
}

#[actix_web::test]
async fn a_repeated_create_finds_the_first_one() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let create = async |name: &str, key: &str| {
        let request = ada.request(reqwest::Method::POST, "/api/projects").header("Idempotency-Key", key);
        ada.send(request.json(&json!({ "name": name }))).await
    };
    let first = create("Once", "k1").await.expect(201);
    assert_eq!(create("Once", "k1").await.expect(201), first);
    assert_ne!(create("Once", "k2").await.expect(201), first);
    create("Other", "k1").await.refused(409, "idempotency_mismatch");
    create("Once", "").await.refused(400, "invalid_request");
    assert_eq!(ada.get("/api/projects").await.expect(200)["projects"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn reset_is_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    ada.project("Kept").await;
    ada.delete("/api/projects/reset").await.refused(403, "forbidden");
    assert_eq!(ada.get("/api/projects").await.expect(200)["projects"].as_array().unwrap().len(), 1);
}
