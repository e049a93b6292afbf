//! Experiment tracking over MLflow's protocol.

mod client;
mod logged;
mod registry;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    models::lab,
    support::{Answer, Client, TestApp},
};

const BASE: &str = "/api/mlflow/api/2.0/mlflow";

/// A program that logs.
struct Program {
    client: Client,
}

impl Program {
    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(&format!("{BASE}/{path}"), body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.client.get(&format!("{BASE}/{path}")).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.client.send(self.client.request(method, &format!("{BASE}/{path}")).json(body)).await
    }

    async fn experiment(&self, name: &str) -> String {
        let made = self.post("experiments/create", &json!({ "name": name })).await.expect(200);
        made["experiment_id"].as_str().unwrap().to_owned()
    }

    async fn run(&self, experiment: &str, name: &str) -> String {
        let run = self
            .post("runs/create", &json!({ "experiment_id": experiment, "run_name": name, "start_time": 1000 }))
            .await
            .expect(200);
        run["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }

    async fn log(&self, run: &str, batch: Value) {
        let mut body = batch;
        body["run_id"] = json!(run);
        self.post("runs/log-batch", &body).await.expect(200);
    }

    /// Names of the runs that a search finds, in order.
    async fn search(&self, experiment: &str, extra: Value) -> Vec<String> {
        let mut body = json!({ "experiment_ids": [experiment] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let found = self.post("runs/search", &body).await.expect(200);
        found["runs"].as_array().unwrap().iter().map(|run| run["info"]["run_name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn program(app: &TestApp, name: &str) -> Program {
    let user = app.user(name).await;
    // Programs come with a token of their own.
    let token = user.post("/api/auth/tokens", &json!({ "name": "mlflow", "scopes": ["write"] })).await.expect(201);
    let secret = token["secret"].as_str().or(token["rawToken"].as_str()).or(token["value"].as_str());
    let secret = secret.map_or_else(|| panic!("no secret in {token}"), ToOwned::to_owned);
    Program { client: app.with_token(&secret) }
}

fn value_of<'a>(entries: &'a Value, key: &str) -> &'a Value {
    let found = entries.as_array().unwrap().iter().find(|entry| entry["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {entries}"))["value"]
}

#[actix_web::test]
async fn programs_log_and_find_their_runs() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let missing = ada.get("experiments/get-by-name?experiment_name=Trees").await.expect(404);
    assert_eq!(missing["error_code"], "RESOURCE_DOES_NOT_EXIST", "the client makes one then: {missing}");
    let body = json!({ "name": "Trees", "tags": [{ "key": "team", "value": "a" }] });
    let id = ada.post("experiments/create", &body).await.expect(200)["experiment_id"].as_str().unwrap().to_owned();
    let twice = ada.post("experiments/create", &body).await.expect(409);
    assert_eq!(twice["error_code"], "RESOURCE_ALREADY_EXISTS");
    let experiment = ada.get(&format!("experiments/get?experiment_id={id}")).await.expect(200)["experiment"].clone();
    assert_eq!((experiment["name"].as_str(), value_of(&experiment["tags"], "team").as_str()), (Some("Trees"), Some("a")));
    ada.post("experiments/update", &json!({ "experiment_id": id, "new_name": "Forests" })).await.expect(200);
    assert_eq!(
        ada.post("experiments/search", &json!({ "max_results": 10 })).await.expect(200)["experiments"][0]["name"],
        "Forests"
    );

    let run = ada.run(&id, "first").await;
    assert_eq!(run.len(), 32, "MLflow's ids have no hyphens");
    for step in 0..3 {
        let body =
            json!({ "run_id": run, "key": "loss", "value": 1.0 / f64::from(step + 1), "timestamp": 1000 + step, "step": step });
        ada.post("runs/log-metric", &body).await.expect(200);
    }
    ada.post("runs/log-parameter", &json!({ "run_id": run, "key": "depth", "value": "3" })).await.expect(200);
    ada.post("runs/set-tag", &json!({ "run_id": run, "key": "mlflow.runName", "value": "renamed" })).await.expect(200);
    let batch = json!({
        "metrics": [{ "key": "odd", "value": "NaN", "timestamp": "1", "step": "0" }, { "key": "loss", "value": 9, "timestamp": 1, "step": 1 }],
        "params": [{ "key": "depth", "value": "3" }, { "key": "kind", "value": "tree" }],
        "tags": [{ "key": "note", "value": "x" }],
    });
    ada.log(&run, batch).await;
    ada.post("runs/delete-tag", &json!({ "run_id": run, "key": "note" })).await.expect(200);
    let ended = ada.post("runs/update", &json!({ "run_id": run, "status": "FINISHED", "end_time": 2000 })).await.expect(200);
    assert_eq!((ended["run_info"]["status"].as_str(), ended["run_info"]["end_time"].as_i64()), (Some("FINISHED"), Some(2000)));
    let found = ada.get(&format!("runs/get?run_id={run}")).await.expect(200)["run"].clone();
    assert_eq!(
        (found["info"]["run_name"].as_str(), found["info"]["lifecycle_stage"].as_str()),
        (Some("renamed"), Some("active"))
    );
    let metrics = &found["data"]["metrics"];
    assert_eq!(value_of(metrics, "loss").as_f64(), Some(1.0 / 3.0), "the latest step counts, whenever it was logged");
    assert_eq!(value_of(metrics, "odd"), "NaN");
    assert_eq!(
        (value_of(&found["data"]["params"], "depth").as_str(), value_of(&found["data"]["params"], "kind").as_str()),
        (Some("3"), Some("tree"))
    );
    assert!(!found["data"]["tags"].to_string().contains("note"), "{}", found["data"]["tags"]);
    let history = ada.get(&format!("metrics/get-history?run_id={run}&metric_key=loss")).await.expect(200);
    assert_eq!(history["metrics"].as_array().unwrap().len(), 4);
    let page = ada.get(&format!("metrics/get-history?run_id={run}&metric_key=loss&max_results=3")).await.expect(200);
    assert_eq!((page["metrics"].as_array().unwrap().len(), page["next_page_token"].as_str()), (3, Some("3")));
    // And the project is one like any other.
    assert_eq!(ada.client.get("/api/projects").await.expect(200)["projects"][0]["name"], "Forests");
}

#[actix_web::test]
async fn filters_find_what_they_should() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let id =
        ada.post("experiments/create", &json!({ "name": "E" })).await.expect(200)["experiment_id"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let run = ada.run(&id, name).await;
        let mut batch = json!({ "params": [{ "key": "kind", "value": if number < 2 { "tree" } else { "line" } }] });
        if name != "d" {
            batch["metrics"] = json!([{ "key": "a b", "value": number, "timestamp": 1, "step": 0 }]);
        }
        ada.log(&run, batch).await;
        ids.push(run);
    }
    let find = async |filter: &str| {
        let mut names = ada.search(&id, json!({ "filter": filter })).await;
        names.sort();
        names.concat()
    };
    assert_eq!(find("").await, "abcd");
    assert_eq!(find("metrics.`a b` >= 1").await, "bc", "a run without the metric is not found");
    assert_eq!(find("params.kind = 'tree' and metrics.\"a b\" > 0").await, "b");
    assert_eq!(find("params.kind LIKE 'l%'").await, "cd");
    assert_eq!(find("params.kind ILIKE 'TR%'").await, "ab");
    assert_eq!(find("attributes.run_name IN ('a', 'd')").await, "ad");
    assert_eq!(find("run_name NOT IN ('a', 'd')").await, "bc");
    assert_eq!(find("status = 'RUNNING' and start_time = 1000").await, "abcd");
    assert_eq!(find("tags.`mlflow.runName` = 'x'").await, "");
    assert_eq!(find(&format!("run_id = '{}'", ids[2])).await, "c");
    let sorted = ada.search(&id, json!({ "order_by": ["metrics.`a b` DESC", "attributes.run_name"] })).await;
    assert_eq!(sorted.concat(), "cbad", "what has no value comes last");
    let first = ada
        .post("runs/search", &json!({ "experiment_ids": [id], "max_results": 3, "order_by": ["run_name ASC"] }))
        .await
        .expect(200);
    assert_eq!((first["runs"].as_array().unwrap().len(), first["next_page_token"].as_str()), (3, Some("3")));
    assert_eq!(ada.search(&id, json!({ "max_results": 3, "order_by": ["run_name ASC"], "page_token": "3" })).await, ["d"]);
    ada.post("runs/delete", &json!({ "run_id": ids[0] })).await.expect(200);
    assert_eq!(find("").await, "bcd");
    assert_eq!(ada.search(&id, json!({ "run_view_type": "DELETED_ONLY" })).await, ["a"]);
    ada.post("runs/restore", &json!({ "run_id": ids[0] })).await.expect(200);
    assert_eq!(find("").await, "abcd");
    for filter in ["metrics.a >", "'; drop table users; --", "colour = 'x'", "params.kind > 1", "a or b"] {
        let refused = ada.post("runs/search", &json!({ "experiment_ids": [id], "filter": filter })).await.expect(400);
        assert_eq!(refused["error_code"], "INVALID_PARAMETER_VALUE", "{filter}: {refused}");
    }
}

#[actix_web::test]
async fn what_is_wrong_is_said_in_both_shapes() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let id =
        ada.post("experiments/create", &json!({ "name": "E" })).await.expect(200)["experiment_id"].as_str().unwrap().to_owned();
    let run = ada.run(&id, "r").await;
    ada.post("runs/log-parameter", &json!({ "run_id": run, "key": "k", "value": "1" })).await.expect(200);
    let long = "x".repeat(10_000);
    for (path, body) in [
        ("experiments/create", json!({})),
        ("experiments/create", json!({ "name": " " })),
        ("experiments/create", json!({ "name": long })),
        ("runs/create", json!({})),
        ("runs/log-metric", json!({ "run_id": run, "key": "m", "value": "much" })),
        ("runs/log-metric", json!({ "run_id": run, "value": 1 })),
        ("runs/log-metric", json!({ "run_id": run, "key": long, "value": 1 })),
        ("runs/log-parameter", json!({ "run_id": run, "key": "k", "value": "2" })),
        ("runs/log-parameter", json!({ "run_id": run, "key": "l", "value": long })),
        ("runs/log-batch", json!({ "run_id": run, "metrics": 7 })),
        ("runs/log-batch", json!({ "run_id": run, "tags": vec![json!({ "key": "k", "value": "v" }); 3], "params": {} })),
        ("runs/update", json!({ "run_id": run, "status": "LOST" })),
        ("runs/search", json!({ "max_results": 0 })),
        ("runs/search", json!({ "max_results": 1e9 })),
        ("runs/search", json!({ "page_token": "x" })),
        ("runs/search", json!({ "run_view_type": "SOME" })),
        ("registered-models/create", json!({})),
        ("model-versions/create", json!({ "name": "x" })),
        ("runs/create", json!({ "experiment_id": id, "tags": [{ "key": "gristmill.holdout", "value": "sealed" }] })),
        ("runs/set-tag", json!({ "run_id": run, "key": "gristmill.holdout", "value": "sealed" })),
        ("runs/delete-tag", json!({ "run_id": run, "key": "gristmill.unscored" })),
        ("runs/log-model", json!({ "run_id": run, "model_json": "[" })),
        ("runs/log-inputs", json!({ "run_id": run, "datasets": [{ "dataset": { "name": "x" } }] })),
    ] {
        let refused = ada.post(path, &body).await.expect(400);
        assert_eq!(refused["error_code"], "INVALID_PARAMETER_VALUE", "{path} {body}: {refused}");
        assert!(!refused["message"].as_str().unwrap().is_empty() && refused["code"] == "validation_failed", "{path}: {refused}");
    }
    for (path, body) in [
        ("runs/log-metric", json!({ "run_id": "nonsense", "key": "m", "value": 1 })),
        ("runs/log-metric", json!({ "run_id": uuid::Uuid::new_v4(), "key": "m", "value": 1 })),
        ("runs/create", json!({ "experiment_id": uuid::Uuid::new_v4() })),
        ("runs/create", json!({ "experiment_id": "nonsense" })),
        ("model-versions/create", json!({ "name": "x", "source": "s" })),
    ] {
        let refused = ada.post(path, &body).await.expect(404);
        assert_eq!(refused["error_code"], "RESOURCE_DOES_NOT_EXIST", "{path} {body}: {refused}");
    }
    let request = ada.client.request(Method::POST, &format!("{BASE}/runs/search")).header("Content-Type", "application/json");
    ada.client.send(request.body("[1")).await.expect(400);
    // Programs that name no experiment log to one that is made for them.
    let run = ada.run("0", "alone").await;
    let found = ada.get(&format!("runs/get?run_id={run}")).await.expect(200);
    let default = ada.get("experiments/get?experiment_id=0").await.expect(200)["experiment"].clone();
    assert_eq!((default["name"].as_str(), &default["experiment_id"]), (Some("Default"), &found["run"]["info"]["experiment_id"]));
}

#[actix_web::test]
async fn files_of_runs_go_in_and_out() {
    let app = TestApp::start_with(&[("DATASET_UPLOAD_MAX_MB", "1")]).await;
    let ada = program(&app, "ada").await;
    let id =
        ada.post("experiments/create", &json!({ "name": "E" })).await.expect(200)["experiment_id"].as_str().unwrap().to_owned();
    let run = ada.run(&id, "r").await;
    let info = ada.get(&format!("runs/get?run_id={run}")).await.expect(200)["run"]["info"].clone();
    let root = info["artifact_uri"].as_str().unwrap().strip_prefix("mlflow-artifacts:/").unwrap().to_owned();
    let store = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts";
    let put = async |path: &str, content: Vec<u8>| {
        let request = ada.client.request(Method::PUT, &format!("{store}/{root}/{path}")).body(content);
        ada.client.send(request).await
    };
    put("notes.txt", b"one".to_vec()).await.expect(200);
    put("plots/a%20b.txt", b"two".to_vec()).await.expect(200);
    put("notes.txt", b"three".to_vec()).await.expect(200);
    let listed = ada.get(&format!("artifacts/list?run_id={run}")).await.expect(200);
    let expected = json!([
        { "path": "notes.txt", "is_dir": false, "file_size": 5 },
        { "path": "plots", "is_dir": true },
    ]);
    assert_eq!(listed["files"], expected, "{listed}");
    let below = ada.client.get(&format!("{store}?path={root}/plots")).await.expect(200);
    assert_eq!(below["files"][0]["path"], "a b.txt", "{below}");
    assert_eq!(ada.client.get(&format!("{store}/{root}/notes.txt")).await.text, "three");
    put("large.bin", vec![0; 2 * 1024 * 1024]).await.expect(413);
    put("../out.txt", b"x".to_vec()).await.expect(404);
    ada.client.get(&format!("{store}/{root}/gone.txt")).await.expect(404);
    ada.client.get(&format!("{store}/etc/passwd")).await.expect(404);
    let files = crate::support::files_below(app.data_dir.path());
    assert_eq!(files.len(), 2, "one file each, and no half ones: {files:?}");
    assert!(files.iter().all(|path| !path.to_string_lossy().contains("notes")), "names are the server's: {files:?}");
}

#[actix_web::test]
async fn names_have_versions() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let made = ada.post("registered-models/create", &json!({ "name": "Churn", "description": "d" })).await.expect(200);
    assert_eq!(made["registered_model"]["name"], "Churn");
    assert_eq!(
        ada.post("registered-models/create", &json!({ "name": "Churn" })).await.expect(409)["error_code"],
        "RESOURCE_ALREADY_EXISTS"
    );
    for number in ["1", "2"] {
        let version = ada
            .post("model-versions/create", &json!({ "name": "Churn", "source": "runs:/x/model", "run_id": "x" }))
            .await
            .expect(200);
        assert_eq!(
            (version["model_version"]["version"].as_str(), version["model_version"]["status"].as_str()),
            (Some(number), Some("READY"))
        );
    }
    let found = ada.get("registered-models/get?name=Churn").await.expect(200);
    assert_eq!(found["registered_model"]["latest_versions"][0]["version"], "2", "{found}");
    assert_eq!(ada.get("model-versions/get?name=Churn&version=1").await.expect(200)["model_version"]["source"], "runs:/x/model");
    ada.get("model-versions/get?name=Churn&version=9").await.expect(404);
    let versions = ada.get("model-versions/search?filter=name%3D%27Churn%27").await.expect(200);
    assert_eq!(versions["model_versions"].as_array().unwrap().len(), 2, "{versions}");
    assert_eq!(ada.get("model-versions/search?filter=run_id%3D%27y%27").await.expect(200)["model_versions"], json!([]));
    let uri = ada.get("model-versions/get-download-uri?name=Churn&version=2").await.expect(200);
    assert_eq!(uri["artifact_uri"], "runs:/x/model");
    // Another's registry is another's.
    let bob = program(&app, "bob").await;
    assert_eq!(bob.get("registered-models/search").await.expect(200)["registered_models"], json!([]));
    bob.post("registered-models/create", &json!({ "name": "Churn" })).await.expect(200);
    let request =
        ada.client.request(Method::DELETE, &format!("{BASE}/registered-models/delete")).json(&json!({ "name": "Churn" }));
    ada.client.send(request).await.expect(200);
    ada.get("registered-models/get?name=Churn").await.expect(404);
    assert_eq!(bob.get("registered-models/search").await.expect(200)["registered_models"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn trainings_are_among_the_runs() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({ "templateId": "logistic_regression", "parameters": { "C": 0.5 }, "name": "Own" })).await;
    let program = Program { client: lab.ada.clone() };
    let run = program.run(&lab.project, "logged").await;
    program.log(&run, json!({ "metrics": [{ "key": "accuracy", "value": 0.1, "timestamp": 1, "step": 0 }] })).await;
    let names = program.search(&lab.project, json!({ "order_by": ["metrics.accuracy DESC"] })).await;
    assert_eq!(names, ["Own", "logged"]);
    assert_eq!(program.search(&lab.project, json!({ "filter": "metrics.accuracy > 0.5 and params.C = '0.5'" })).await, ["Own"]);
    let id = model.replace('-', "");
    let shown = program.get(&format!("runs/get?run_id={id}")).await.expect(200)["run"].clone();
    assert_eq!(
        (shown["info"]["status"].as_str(), value_of(&shown["data"]["tags"], "gristmill.modelId").as_str()),
        (Some("FINISHED"), Some(&*model))
    );
    // What was scored on sealed labels tells so, and what a program says about itself does not.
    assert_eq!(value_of(&shown["data"]["tags"], "gristmill.holdout"), "sealed");
    let logged = program.get(&format!("runs/get?run_id={run}")).await.expect(200)["run"].clone();
    assert_eq!(value_of(&logged["data"]["tags"], "gristmill.holdout"), "unsealed");
    assert_eq!(value_of(&logged["data"]["tags"], "gristmill.unscored"), "true");
    assert_eq!(program.search(&lab.project, json!({ "filter": "tags.`gristmill.holdout` = 'sealed'" })).await, ["Own"]);
    assert_eq!(program.search(&lab.project, json!({ "filter": "tags.`gristmill.holdout` = 'unsealed'" })).await, ["logged"]);
    program.post("registered-models/create", &json!({ "name": "Both" })).await.expect(200);
    for (run, source, holdout) in [
        (&id, format!("runs:/{id}/model"), "sealed"),
        (&id, "s3://elsewhere/model".to_owned(), "unsealed"),
        (&run, format!("runs:/{run}/model"), "unsealed"),
    ] {
        let version = json!({ "name": "Both", "source": source, "run_id": run });
        let version = program.post("model-versions/create", &version).await.expect(200)["model_version"].clone();
        assert_eq!(value_of(&version["tags"], "gristmill.holdout"), holdout, "{version}");
    }
    let accuracy = lab.find(&model).await["metrics"]["accuracy"].clone();
    assert_eq!(value_of(&shown["data"]["metrics"], "accuracy"), &accuracy);
    let history = program.get(&format!("metrics/get-history?run_id={id}&metric_key=accuracy")).await.expect(200);
    assert_eq!(history["metrics"][0]["value"], accuracy, "{history}");
    let files = program.get(&format!("artifacts/list?run_id={id}&path=model")).await.expect(200);
    assert!(files["files"].to_string().contains("model/model.joblib"), "{files}");
    // They are the server's: programs do not write to them.
    program.post("runs/set-tag", &json!({ "run_id": id, "key": "k", "value": "v" })).await.expect(404);
    program.post("runs/delete", &json!({ "run_id": id })).await.expect(404);
}
