//! Experiments and the registry: what programs change and take away.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BASE, Program, program, value_of};
use crate::support::{Client, TestApp};

async fn names(ada: &Program, query: &str) -> String {
    let found = ada.get(&format!("registered-models/search?{query}")).await.expect(200);
    let names: Vec<&str> =
        found["registered_models"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.concat()
}

#[actix_web::test]
async fn experiments_are_deleted_and_restored() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let (one, two) = (ada.experiment("One").await, ada.experiment("Two").await);
    let list = async |extra: Value| {
        let found = ada.post("experiments/search", &extra).await.expect(200);
        let names = found["experiments"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let tag = json!({ "experiment_id": one, "key": "team", "value": "a" });
    ada.post("experiments/set-experiment-tag", &tag).await.expect(200);
    assert_eq!(list(json!({ "filter": "tags.team = 'a'" })).await, ["One"]);
    assert_eq!(list(json!({ "filter": "name LIKE '%o'", "order_by": ["name ASC"] })).await, ["Two"]);
    assert_eq!(list(json!({ "order_by": ["creation_time ASC"], "max_results": 1 })).await, ["One"]);
    ada.post("experiments/delete-experiment-tag", &json!({ "experiment_id": one, "key": "team" })).await.expect(200);
    ada.post("experiments/delete-experiment-tag", &json!({ "experiment_id": one, "key": "team" })).await.expect(404);
    assert_eq!(list(json!({ "filter": "tags.team = 'a'" })).await, Vec::<String>::new());

    ada.post("experiments/delete", &json!({ "experiment_id": one })).await.expect(200);
    assert_eq!(list(json!({})).await, ["Two"]);
    assert_eq!(list(json!({ "view_type": "DELETED_ONLY" })).await, ["One"]);
    assert_eq!(list(json!({ "view_type": "ALL" })).await, ["Two", "One"]);
    let shown = ada.get(&format!("experiments/get?experiment_id={one}")).await.expect(200);
    assert_eq!(shown["experiment"]["lifecycle_stage"], "deleted");
    let refused = ada.post("runs/create", &json!({ "experiment_id": one })).await.expect(400);
    assert!(refused["message"].as_str().unwrap().contains("restore"), "{refused}");
    let taken = ada.post("experiments/create", &json!({ "name": "One" })).await.expect(409);
    assert!(taken["message"].as_str().unwrap().contains("deleted"), "{taken}");
    // What people made of the project is still there.
    assert_eq!(ada.client.get("/api/projects").await.expect(200)["projects"].as_array().unwrap().len(), 2);
    ada.post("experiments/restore", &json!({ "experiment_id": one })).await.expect(200);
    ada.run(&one, "r").await;
    let taken = ada.post("experiments/update", &json!({ "experiment_id": two, "new_name": "One" })).await.expect(409);
    assert_eq!(taken["error_code"], "RESOURCE_ALREADY_EXISTS");
}

/// A name with three versions, and one without.
async fn churn(ada: &Program) {
    for name in ["Churn", "Price"] {
        ada.post("registered-models/create", &json!({ "name": name })).await.expect(200);
    }
    for number in 1..=3 {
        let version = json!({ "name": "Churn", "source": format!("s{number}") });
        let made = ada.post("model-versions/create", &version).await.expect(200);
        assert_eq!(value_of(&made["model_version"]["tags"], "gristmill.holdout"), "unsealed");
    }
}

#[actix_web::test]
async fn registered_models_change_and_go() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    churn(&ada).await;
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    let described = json!({ "name": "Churn", "description": "who leaves" });
    let shown = ada.send(patch.clone(), "registered-models/update", &described).await.expect(200);
    assert_eq!(shown["registered_model"]["description"], "who leaves");
    ada.post("registered-models/set-tag", &json!({ "name": "Churn", "key": "team", "value": "a" })).await.expect(200);
    assert_eq!(names(&ada, "filter=tags.team%20%3D%20%27a%27").await, "Churn");
    ada.send(delete.clone(), "registered-models/delete-tag", &json!({ "name": "Churn", "key": "team" })).await.expect(200);
    assert_eq!(names(&ada, "filter=tags.team%20%3D%20%27a%27").await, "");
    assert_eq!(names(&ada, "order_by=name%20DESC").await, "PriceChurn");
    assert_eq!(names(&ada, "order_by=name%20ASC&max_results=1").await, "Churn");

    // Other names of versions.
    let alias = |alias: &str, version: &str| json!({ "name": "Churn", "alias": alias, "version": version });
    ada.post("registered-models/alias", &alias("champion", "1")).await.expect(200);
    ada.post("registered-models/alias", &alias("champion", "2")).await.expect(200);
    ada.post("registered-models/alias", &alias("champion", "9")).await.expect(404);
    for wrong in ["latest", "v1", "7"] {
        ada.post("registered-models/alias", &alias(wrong, "1")).await.expect(400);
    }
    let by_alias = ada.get("registered-models/alias?name=Churn&alias=champion").await.expect(200);
    assert_eq!(
        (by_alias["model_version"]["version"].as_str(), &by_alias["model_version"]["aliases"]),
        (Some("2"), &json!(["champion"]))
    );
    let model = ada.get("registered-models/get?name=Churn").await.expect(200)["registered_model"].clone();
    assert_eq!(model["aliases"], json!([{ "alias": "champion", "version": "2" }]));

    // Stages.
    let stage = |version: &str, stage: &str, archive: bool| json!({ "name": "Churn", "version": version, "stage": stage, "archive_existing_versions": archive });
    ada.post("model-versions/transition-stage", &stage("1", "production", false)).await.expect(200);
    let moved = ada.post("model-versions/transition-stage", &stage("2", "Production", true)).await.expect(200);
    assert_eq!(moved["model_version"]["current_stage"], "Production");
    let first = ada.get("model-versions/get?name=Churn&version=1").await.expect(200);
    assert_eq!(first["model_version"]["current_stage"], "Archived");
    ada.post("model-versions/transition-stage", &stage("2", "Moon", false)).await.expect(400);
    ada.post("model-versions/transition-stage", &stage("2", "None", true)).await.expect(400);
    let latest = ada.post("registered-models/get-latest-versions", &json!({ "name": "Churn", "stages": ["Production"] })).await;
    assert_eq!(latest.expect(200)["model_versions"][0]["version"], "2");
    let latest = ada.post("registered-models/get-latest-versions", &json!({ "name": "Churn" })).await.expect(200);
    assert_eq!(latest["model_versions"].as_array().unwrap().len(), 3, "{latest}");
}

#[actix_web::test]
async fn versions_change_and_go_and_follow_their_name() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    churn(&ada).await;
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    let alias = json!({ "name": "Churn", "alias": "champion", "version": "2" });
    ada.post("registered-models/alias", &alias).await.expect(200);
    let version = json!({ "name": "Churn", "version": "2", "description": "better" });
    assert_eq!(ada.send(patch, "model-versions/update", &version).await.expect(200)["model_version"]["description"], "better");
    let tag = json!({ "name": "Churn", "version": "2", "key": "k", "value": "v" });
    ada.post("model-versions/set-tag", &tag).await.expect(200);
    let find = async |filter: &str| {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = ada.get(&format!("model-versions/search?filter={filter}&order_by=version_number%20ASC")).await.expect(200);
        let versions = found["model_versions"].as_array().unwrap().iter().map(|one| one["version"].as_str().unwrap().to_owned());
        versions.collect::<Vec<_>>().concat()
    };
    assert_eq!(
        (find("tags.k = 'v'").await, find("name = 'Churn'").await, find("version_number > 1").await),
        ("2".into(), "123".into(), "23".into())
    );
    ada.send(delete.clone(), "model-versions/delete-tag", &tag).await.expect(200);
    assert_eq!(find("tags.k = 'v'").await, "");
    let third = json!({ "name": "Churn", "version": "3" });
    ada.send(delete.clone(), "model-versions/delete", &third).await.expect(200);
    ada.send(delete.clone(), "model-versions/delete", &third).await.expect(404);
    let made = ada.post("model-versions/create", &json!({ "name": "Churn", "source": "s" })).await.expect(200);
    assert_eq!(made["model_version"]["version"], "4", "a number is not used twice");

    // Its name, with everything.
    ada.post("registered-models/rename", &json!({ "name": "Churn", "new_name": "Price" })).await.expect(409);
    let renamed = ada.post("registered-models/rename", &json!({ "name": "Churn", "new_name": "Leave" })).await.expect(200);
    assert_eq!(
        (renamed["registered_model"]["name"].as_str(), renamed["registered_model"]["aliases"][0]["version"].as_str()),
        (Some("Leave"), Some("2"))
    );
    ada.get("model-versions/get?name=Churn&version=2").await.expect(404);
    ada.get("model-versions/get?name=Leave&version=2").await.expect(200);
    ada.send(delete.clone(), "registered-models/alias", &json!({ "name": "Leave", "alias": "champion" })).await.expect(200);
    ada.get("registered-models/alias?name=Leave&alias=champion").await.expect(400);
    ada.send(delete, "registered-models/delete", &json!({ "name": "Leave" })).await.expect(200);
    ada.get("registered-models/get?name=Leave").await.expect(404);
}

#[actix_web::test]
async fn an_unknown_endpoint_says_so_in_mlflow_s_words() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    for (method, path) in [
        (Method::GET, format!("{BASE}/traces/x/info")),
        (Method::POST, format!("{BASE}/gateway/endpoints/create")),
        (Method::GET, "/api/mlflow/version".to_owned()),
        (Method::POST, "/api/mlflow/api/3.0/mlflow/traces".to_owned()),
    ] {
        let answer = ada.client.send(ada.client.request(method.clone(), &path)).await.expect(404);
        assert_eq!(answer["error_code"], "ENDPOINT_NOT_FOUND", "{method} {path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(&path), "{answer}");
        let nobody: Client = app.anonymous();
        let answer = nobody.send(nobody.request(method, &path)).await.expect(401);
        assert_eq!(answer["error_code"], "UNAUTHENTICATED");
    }
    // Other paths keep the server's own shape.
    assert!(ada.client.get("/api/nothing").await.expect(404).get("error_code").is_none());
}
