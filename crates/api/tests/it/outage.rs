//! The database goes away and comes back.

use serde_json::json;

use crate::support::{TestApp, eventually};

#[actix_web::test]
async fn requests_answer_503_while_the_database_is_gone_and_work_afterwards() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("Before").await;
    ada.dataset(&project, "t.csv", "a\n1\n").await;
    app.database.refuse_connections().await.unwrap();
    for path in ["/api/projects", "/api/datasets", "/api/jobs", "/api/settings"] {
        let answer = ada.get(path).await;
        assert!(answer.headers.contains_key("retry-after"), "{path}");
        answer.refused(503, "database_unavailable");
    }
    ada.post("/api/projects", &json!({ "name": "During" })).await.refused(503, "database_unavailable");
    ada.upload(Some(&project), "u.csv", "a\n1\n").await.refused(503, "database_unavailable");
    let login = json!({ "email": "ada@example.org", "password": "correct horse" });
    app.anonymous().post("/api/auth/login", &login).await.refused(503, "database_unavailable");
    eventually("health to notice", async || (app.anonymous().get("/api/health").await.status == 503).then_some(())).await;

    app.database.allow_connections().await.unwrap();
    eventually("recovery", async || (ada.get("/api/projects").await.status == 200).then_some(())).await;
    eventually("health to recover", async || (app.anonymous().get("/api/health").await.status == 200).then_some(())).await;
    assert_eq!(ada.get("/api/projects").await.expect(200)["projects"].as_array().unwrap().len(), 1);
    // Workers and notifications are back too.
    ada.dataset(&project, "after.csv", "a\n1\n").await;
}
