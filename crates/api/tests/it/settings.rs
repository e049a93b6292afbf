//! Settings (contract 1, section 12): checked, stored whole, and applied.

use serde_json::json;

use crate::support::TestApp;

#[actix_web::test]
async fn defaults_come_from_the_server_and_changes_stay() {
    let app = TestApp::start_with(&[("SQL_MAX_ROWS", "500")]).await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let defaults = json!({
        "queryCacheTtlMs": 300_000, "sqlMaxRows": 500, "sqlDefaultLimit": 200,
        "executionTimeoutMs": 600_000, "executionMaxMemoryMb": 2048,
    });
    assert_eq!(ada.get("/api/settings").await.expect(200)["settings"], defaults);
    let changes = json!({ "settings": { "sqlMaxRows": "50", "sqlDefaultLimit": 20, "queryCacheTtlMs": 0.0 } });
    let changed = ada.patch("/api/settings", &changes).await.expect(200);
    assert_eq!(changed["settings"]["sqlMaxRows"], 50);
    assert_eq!(changed["settings"]["executionTimeoutMs"], 600_000);
    assert_eq!(ada.get("/api/settings").await.expect(200), changed);
    assert_eq!(eve.get("/api/settings").await.expect(200)["settings"], defaults);
    // The defaults can be saved unchanged.
    ada.patch("/api/settings", &json!({ "settings": defaults })).await.expect(200);
}

#[actix_web::test]
async fn one_wrong_value_stores_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let before = ada.get("/api/settings").await.expect(200);
    for wrong in [json!(9), json!(10_001), json!("many"), json!(null), json!(true), json!(50.5), json!([50]), json!(1e300)] {
        let body = json!({ "settings": { "sqlDefaultLimit": 20, "sqlMaxRows": wrong } });
        let answer = ada.patch("/api/settings", &body).await.refused(400, "validation_failed");
        assert!(answer["errors"]["sqlMaxRows"].as_str().unwrap().contains("10 to 10000"), "{answer}");
    }
    let answer = ada.patch("/api/settings", &json!({ "settings": { "nonsense": 1 } })).await.refused(400, "validation_failed");
    assert!(answer["errors"]["fieldErrors"]["settings"].is_array(), "{answer}");
    ada.patch("/api/settings", &json!({})).await.refused(400, "validation_failed");
    ada.patch("/api/settings", &json!({ "settings": [] })).await.refused(400, "validation_failed");
    assert_eq!(ada.get("/api/settings").await.expect(200), before);
}

#[actix_web::test]
async fn settings_are_applied_to_sql() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("Numbers").await;
    let numbers: String = (0..1500).map(|n| format!("{n}\n")).collect();
    ada.dataset(&project, "numbers.csv", format!("n\n{numbers}")).await;
    let count = async |sql: &str| {
        let query = ada.sql(&project, sql).await.expect(200)["query"].clone();
        (query["rowCount"].as_u64().unwrap(), query["truncated"].as_bool().unwrap())
    };
    assert_eq!(count("select n from numbers").await, (200, false));
    assert_eq!(count("select n from numbers limit 5000").await, (1000, true));
    ada.patch("/api/settings", &json!({ "settings": { "sqlMaxRows": 1400, "sqlDefaultLimit": 30 } })).await.expect(200);
    assert_eq!(count("select n from numbers").await, (30, false));
    assert_eq!(count("select n from numbers limit 5000").await, (1400, true));
    let cached =
        async || ada.sql(&project, "select count(*) from numbers").await.expect(200)["query"]["cached"].as_bool().unwrap();
    assert!(!cached().await);
    assert!(cached().await);
    ada.patch("/api/settings", &json!({ "settings": { "queryCacheTtlMs": 0 } })).await.expect(200);
    assert!(!cached().await, "0 turns the cache off");
}
