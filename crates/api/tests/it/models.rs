//! Models: trained on real data in real sandboxes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    kernels::running,
    support::{Client, TestApp, eventually, files_below, sandbox_backend},
};

pub(crate) const PENGUINS: &str = include_str!("../../../../data/penguins/penguins.csv");

/// A project with the penguins in it.
pub(crate) struct Lab {
    pub(crate) app: TestApp,
    pub(crate) ada: Client,
    pub(crate) project: String,
    pub(crate) dataset: String,
}

/// Fails, and says why, where no code can be run.
pub(crate) async fn lab(variables: &[(&str, &str)]) -> Lab {
    let app = running(variables).await;
    let ada = app.user("ada").await;
    let project = ada.project("Penguins").await;
    let dataset = ada.dataset(&project, "penguins.csv", PENGUINS).await["datasetId"].as_str().unwrap().to_owned();
    Lab { app, ada, project, dataset }
}

impl Lab {
    /// A training of the penguins, with these fields over the usual ones.
    pub(crate) fn request(&self, extra: &Value) -> Value {
        let mut request = json!({
            "projectId": self.project, "datasetId": self.dataset, "templateId": "random_forest_classifier",
            "targetColumn": "species", "parameters": { "n_estimators": 20 },
        });
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request
    }

    pub(crate) async fn train(&self, extra: &Value) -> Value {
        self.ada.post("/api/models/train", &self.request(extra)).await.expect(200)
    }

    pub(crate) async fn model(&self, extra: &Value) -> String {
        let trained = self.train(extra).await;
        assert_eq!(trained["success"], true, "{trained}");
        trained["model"]["modelId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn find(&self, model: &str) -> Value {
        self.ada.get(&format!("/api/models/{model}")).await.expect(200)["model"].clone()
    }

    /// Starts a training and returns its job.
    pub(crate) async fn start(&self, extra: &Value) -> String {
        let request = self.ada.request(Method::POST, "/api/models/train").header("Prefer", "respond-async");
        let answer = self.ada.send(request.json(&self.request(extra))).await.expect(202);
        answer["job"]["jobId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn job(&self, job: &str) -> Value {
        self.ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone()
    }

    /// Waits until a job has ended.
    pub(crate) async fn ended(&self, job: &str) -> Value {
        eventually("the job to end", async || {
            let job = self.job(job).await;
            matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(job)
        })
        .await
    }
}

#[actix_web::test]
async fn templates_are_the_contract_s_and_more() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let answer = ada.get("/api/models/templates").await.expect(200);
    let templates = answer["templates"].as_array().unwrap();
    let find = |id: &str| templates.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id}"));
    let forest = find("random_forest_classifier");
    assert_eq!((forest["name"].as_str(), forest["taskType"].as_str()), (Some("Random Forest"), Some("classification")));
    let trees = &forest["parameters"][0];
    assert_eq!(
        (trees["key"].as_str(), trees["label"].as_str(), trees["type"].as_str(), trees["default"].as_u64()),
        (Some("n_estimators"), Some("Trees"), Some("number"), Some(200))
    );
    assert_eq!((trees["min"].as_f64(), trees["max"].as_f64(), trees["step"].as_f64()), (Some(10.0), Some(1000.0), Some(10.0)));
    assert_eq!(find("knn_classifier")["parameters"][1]["options"][0], json!({ "value": "uniform", "label": "Uniform" }));
    for id in ["lightgbm_classifier", "xgboost_regressor", "hist_gradient_boosting_classifier", "auto_classifier"] {
        find(id);
    }
    assert_eq!((find("kmeans")["tunable"].clone(), find("ridge_regression")["tunable"].clone()), (json!(false), json!(true)));
}

#[actix_web::test]
async fn made_up_models_are_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    for path in ["/api/models/seed", "/api/models/seed-one"] {
        ada.post(path, &json!({})).await.refused(403, "forbidden");
    }
}

#[actix_web::test]
async fn a_model_lives_from_training_to_deletion() {
    let lab = lab(&[]).await;
    let trained = lab.train(&json!({ "name": "Species" })).await;
    assert_eq!(trained["success"], true, "{trained}");
    let model = &trained["model"];
    assert_eq!(
        (model["name"].as_str(), model["status"].as_str(), model["algorithm"].as_str(), model["version"].as_u64()),
        (Some("Species"), Some("completed"), Some("RandomForestClassifier"), Some(1)),
        "{model}"
    );
    for metric in ["accuracy", "precision", "recall", "f1"] {
        let value = model["metrics"][metric].as_f64().unwrap_or_else(|| panic!("no {metric} in {model}"));
        assert!((0.9..=1.0).contains(&value), "{metric} is {value}");
    }
    assert_eq!((model["sampleCount"].as_u64(), model["targetColumn"].as_str()), (Some(344), Some("species")));
    assert_eq!(model["metadata"]["split"]["testRows"], 69, "{}", model["metadata"]["split"]);
    assert_eq!((model["metadata"]["holdout"].as_str(), model["parameters"]["n_estimators"].as_u64()), (Some("sealed"), Some(20)));
    assert_eq!((model["artifact"]["filename"].as_str(), model["artifact"].get("path")), (Some("model.joblib"), None));
    assert!(model["featureTypes"]["bill_length_mm"] == "float" && model["sampleRequest"]["island"].is_string(), "{model}");

    let id = model["modelId"].as_str().unwrap();
    let listed = lab.ada.get(&format!("/api/models?projectId={}", lab.project)).await.expect(200);
    assert_eq!((listed["models"].as_array().unwrap().len(), listed["models"][0]["modelId"].as_str()), (1, Some(id)));
    let joblib = lab.ada.get(&format!("/api/models/{id}/artifact")).await;
    assert_eq!(joblib.status, 200);
    let disposition = joblib.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("attachment") && disposition.contains("model.joblib"), "{disposition}");
    let onnx = lab.ada.request(Method::GET, &format!("/api/models/{id}/artifact?format=onnx")).send().await.unwrap();
    assert_eq!(onnx.status(), 200, "{}", model["metadata"]["onnx"]);
    let parity = lab.ada.get(&format!("/api/models/{id}/artifact?format=parity")).await.expect(200);
    assert!(parity["converted"] == true && parity["maxDifference"].as_f64().unwrap() < 1e-5, "{parity}");
    let signature = lab.ada.get(&format!("/api/models/{id}/artifact?format=signature")).await.expect(200);
    assert_eq!(signature["prepare"]["missing"], "__missing__", "{signature}");
    let card = lab.ada.get(&format!("/api/models/{id}/artifact?format=markdown")).await;
    assert!(card.text.contains("Species"), "{}", card.text);

    assert_eq!(lab.ada.delete(&format!("/api/models/{id}")).await.status, 204);
    lab.ada.get(&format!("/api/models/{id}")).await.refused(404, "model_not_found");
    lab.ada.delete(&format!("/api/models/{id}")).await.refused(404, "model_not_found");
    eventually("the model's files to go", async || {
        files_below(lab.app.data_dir.path()).iter().all(|path| !path.to_string_lossy().contains("/models/")).then_some(())
    })
    .await;
    lab.ada.get("/api/models/nonsense").await.refused(400, "invalid_id");
}

#[actix_web::test]
async fn what_cannot_be_trained_is_refused_at_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let (project, other) = (ada.project("P").await, ada.project("Q").await);
    let dataset = ada.dataset(&project, "t.csv", "x,y,g\n1,a,p\n2,b,p\n3,a,q\n4,b,q\n").await;
    let request = |extra: Value| {
        let mut request = json!({
            "projectId": project, "datasetId": dataset["datasetId"], "templateId": "logistic_regression", "targetColumn": "y",
        });
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request
    };
    for (extra, path) in [
        (json!({ "templateId": "no_such" }), "templateId"),
        (json!({ "templateId": "__import__('os').system('x')" }), "templateId"),
        (json!({ "templateId": "auto" }), "problemType"),
        (json!({ "templateId": "kmeans", "problemType": "regression" }), "problemType"),
        (json!({ "targetColumn": null }), "targetColumn"),
        (json!({ "targetColumn": "gone" }), "targetColumn"),
        (json!({ "testSize": 0.01 }), "testSize"),
        (json!({ "testSize": 0.9 }), "testSize"),
        (json!({ "parameters": { "C": 1000 } }), "parameters"),
        (json!({ "parameters": { "C": "__import__('os')" } }), "parameters"),
        (json!({ "parameters": { "C); import os; (": 1 } }), "parameters"),
        (json!({ "features": ["x", "gone"] }), "features"),
        (json!({ "features": [] }), "features"),
        (json!({ "features": ["x", "y"] }), "features"),
        (json!({ "columns": { "gone": "numeric" } }), "columns"),
        (json!({ "columns": { "x": "code" } }), "columns"),
        (json!({ "split": { "kind": "group" } }), "split"),
        (json!({ "split": { "kind": "time", "column": "gone" } }), "split"),
        (json!({ "split": { "kind": "group", "column": "y" } }), "split"),
        (json!({ "split": { "kind": "whim" } }), "split"),
        (json!({ "name": "  " }), "name"),
        (json!({ "seed": -1 }), "seed"),
        (json!({ "parameters": [1] }), "parameters"),
    ] {
        let answer = ada.post("/api/models/train", &request(extra.clone())).await.refused(400, "validation_failed");
        assert_eq!(answer["error"], "Validation failed", "{extra}");
        assert_eq!(answer["issues"][0]["path"][0], path, "{extra}: {answer}");
    }
    let gone = json!({ "datasetId": uuid::Uuid::new_v4() });
    ada.post("/api/models/train", &request(gone)).await.refused(404, "dataset_not_found");
    ada.post("/api/models/train", &request(json!({ "projectId": other }))).await.refused(404, "dataset_not_found");
    ada.post("/api/models/train", &request(json!({ "projectId": uuid::Uuid::new_v4() }))).await.refused(404, "project_not_found");
    assert_eq!(ada.get("/api/models").await.expect(200)["models"], json!([]));
    assert!(ada.get("/api/jobs").await.expect(200)["jobs"].as_array().unwrap().iter().all(|job| job["kind"] != "model_train"));
}

#[actix_web::test]
async fn data_that_cannot_be_learned_from_says_why() {
    let lab = lab(&[]).await;
    let mut rows = String::from("x,constant,empty,single,copy,y,size\n");
    for row in 0..40 {
        let single = if row == 0 { "one" } else { ["a", "b"][row % 2] };
        let y = ["a", "b"][row % 2];
        let size = if row == 3 { "inf".to_owned() } else { format!("{}.5", row % 7) };
        rows.push_str(&format!("{row},1,,{single},{y},{y},{size}\n"));
    }
    let dataset = lab.ada.dataset(&lab.project, "odd.csv", rows).await;
    let cases = [
        ("constant", json!({})),
        ("empty", json!({})),
        ("single", json!({})),
        ("y", json!({ "features": ["x", "empty", "constant"] })),
    ];
    for (target, more) in cases {
        let mut extra = json!({ "datasetId": dataset["datasetId"], "targetColumn": target, "templateId": "logistic_regression",
            "parameters": {} });
        extra.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = lab.train(&extra).await;
        assert_eq!((answer["success"].as_bool(), answer["model"]["status"].as_str()), (Some(false), Some("failed")), "{answer}");
        let error = answer["model"]["error"].as_str().unwrap();
        assert!(!error.is_empty() && error == answer["model"]["evaluationError"] && error == answer["message"], "{answer}");
        assert!(answer["model"]["metadata"]["failure"]["code"].is_string(), "{target}: {error}");
        assert_eq!((answer["model"]["evaluationStatus"].as_str(), answer["model"].get("artifact")), (Some("failed"), None));
        let id = answer["model"]["modelId"].as_str().unwrap();
        lab.ada.get(&format!("/api/models/{id}/artifact")).await.refused(404, "file_missing");
        lab.ada.post(&format!("/api/experiments/{id}/evaluation/retry"), &json!({})).await.refused(409, "conflict");
    }
    // A copy of the target is noted with the model, for a person to judge.
    let extra = json!({ "datasetId": dataset["datasetId"], "targetColumn": "y", "features": ["copy", "size"],
        "templateId": "logistic_regression", "parameters": {} });
    let answer = lab.train(&extra).await;
    assert_eq!((answer["success"].as_bool(), &answer["model"]["metadata"]["leaks"]), (Some(true), &json!(["copy"])), "{answer}");
    // Infinities and columns without values are no reason to fail; the report says what became of them.
    let extra = json!({ "datasetId": dataset["datasetId"], "targetColumn": "y", "features": ["x", "empty", "constant", "size"],
        "templateId": "logistic_regression", "parameters": {} });
    let answer = lab.train(&extra).await;
    assert_eq!(answer["success"], true, "{answer}");
    let decisions = answer["model"]["metadata"]["columnDecisions"].to_string();
    for decision in ["all_missing", "constant", "identifier"] {
        assert!(decisions.contains(decision), "{decision} is not in {decisions}");
    }
}

#[actix_web::test]
async fn regression_clusters_and_other_splits_work() {
    let lab = lab(&[]).await;
    let regression = json!({ "templateId": "ridge", "targetColumn": "body_mass_g", "parameters": {}, "testSize": 0.3 });
    let answer = lab.train(&regression).await;
    assert_eq!(answer["success"], true, "{answer}");
    let metrics = &answer["model"]["metrics"];
    assert!(metrics["r2"].as_f64().unwrap() > 0.7 && metrics["rmse"].as_f64().unwrap() < 500.0, "{metrics}");
    assert_eq!(answer["model"]["sampleCount"], 342, "two penguins have no mass");
    let group = json!({ "split": { "kind": "group", "column": "island" } });
    let answer = lab.train(&group).await;
    assert_eq!(answer["success"], true, "{answer}");
    assert!(!answer["model"]["featureColumns"].to_string().contains("island"), "{}", answer["model"]["featureColumns"]);
    let clusters = json!({ "templateId": "kmeans", "targetColumn": null, "parameters": { "n_clusters": 3 } });
    let answer = lab.train(&clusters).await;
    assert_eq!(
        (answer["success"].as_bool(), answer["model"]["evaluationStatus"].as_str()),
        (Some(true), Some("ready")),
        "{answer}"
    );
    assert!(answer["model"]["metrics"]["silhouette"].as_f64().unwrap() > 0.0, "{answer}");
    let id = answer["model"]["modelId"].as_str().unwrap();
    let evaluation = lab.ada.get(&format!("/api/experiments/{id}/evaluation")).await.expect(200);
    assert_eq!(evaluation["clustering_metrics"]["n_clusters"], 3, "{evaluation}");
    let versions: Vec<u64> = lab.ada.get("/api/models").await.expect(200)["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, [3, 2, 1]);
}

#[actix_web::test]
async fn two_trainings_of_a_project_run_at_once() {
    let lab = lab(&[]).await;
    let quick = json!({ "templateId": "logistic_regression", "parameters": {} });
    let (one, two) = tokio::join!(lab.train(&quick), lab.train(&quick));
    assert!(one["success"] == true && two["success"] == true, "{one}\n{two}");
    assert_eq!(one["model"]["metrics"], two["model"]["metrics"], "the same seed and split give the same model");
    assert_ne!(one["model"]["version"], two["model"]["version"]);
}

#[actix_web::test]
async fn a_training_can_be_followed_and_cancelled() {
    let lab = lab(&[]).await;
    let slow = json!({ "templateId": "auto_classifier", "parameters": { "time_budget_seconds": 120 } });
    let job = lab.start(&slow).await;
    eventually("the search to begin", async || {
        let events = lab.job(&job).await;
        (events["status"] == "running" && events["progress"]["fraction"].as_f64().unwrap_or(0.0) > 0.0).then_some(())
    })
    .await;
    lab.ada.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await.expect(200);
    let began = std::time::Instant::now();
    assert_eq!(lab.ended(&job).await["status"], "cancelled");
    // Less than the search was given; what it takes to stop is the machine's affair.
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?} to stop", began.elapsed());
    assert_eq!(lab.ada.get("/api/models").await.expect(200)["models"], json!([]), "nothing half-made is left");
    let work = lab.app.data_dir.path().join("runtime/modeling");
    eventually("its files to go", async || (std::fs::read_dir(&work).unwrap().count() == 0).then_some(())).await;
}

#[actix_web::test]
async fn a_dataset_that_goes_during_a_training_fails_it_with_a_reason() {
    let lab = lab(&[("MODELING_WORKERS", "1")]).await;
    // The only worker is busy, so the second training has not begun when its data goes.
    let other = lab.ada.dataset(&lab.project, "other.csv", PENGUINS).await["datasetId"].as_str().unwrap().to_owned();
    let first = lab.start(&json!({})).await;
    let second = lab.start(&json!({ "datasetId": other })).await;
    lab.ada.delete(&format!("/api/datasets/{other}")).await.expect(200);
    let path = format!("/datasets/{other}");
    eventually("the dataset's files to go", async || {
        files_below(lab.app.data_dir.path()).iter().all(|file| !file.to_string_lossy().contains(&path)).then_some(())
    })
    .await;
    let ended = lab.ended(&second).await;
    assert_eq!(lab.ended(&first).await["status"], "succeeded");
    assert_eq!(
        (ended["status"].as_str(), ended["error"]["code"].as_str()),
        (Some("failed"), Some("dataset_not_found")),
        "{ended}"
    );
    let models = lab.ada.get("/api/models").await.expect(200);
    let failed: Vec<&Value> = models["models"].as_array().unwrap().iter().filter(|model| model["status"] == "failed").collect();
    assert!(failed.len() == 1 && failed[0]["error"].as_str().unwrap().contains("deleted"), "{failed:?}");
}

/// Ends every sandbox that was started for this server's trainings.
#[expect(clippy::disallowed_methods, reason = "no runtime of tokio's is needed to ask the container engine")]
fn kill_sandboxes(data_dir: &std::path::Path) -> usize {
    if sandbox_backend() == "docker" {
        let script = "docker ps --quiet --filter \"label=gristmill.state=$0\" | xargs --no-run-if-empty docker kill";
        let killed = std::process::Command::new("sh").args(["-c", script]).arg(data_dir.join("runtime/sandboxes")).output();
        return String::from_utf8_lossy(&killed.unwrap().stdout).lines().count();
    }
    let place = data_dir.join("runtime/modeling").to_string_lossy().into_owned();
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("bwrap") && line.contains(&place) {
            let process = rustix::process::Pid::from_raw(id).unwrap();
            killed += usize::from(rustix::process::kill_process(process, rustix::process::Signal::KILL).is_ok());
        }
    }
    killed
}

#[actix_web::test]
async fn a_sandbox_that_is_killed_fails_its_training_with_a_reason() {
    let lab = lab(&[]).await;
    let job = lab.start(&json!({ "templateId": "auto_classifier", "parameters": { "time_budget_seconds": 120 } })).await;
    eventually("the search to begin", async || {
        let job = lab.job(&job).await;
        (job["progress"]["fraction"].as_f64().unwrap_or(0.0) > 0.0).then_some(())
    })
    .await;
    assert!(kill_sandboxes(lab.app.data_dir.path()) > 0);
    let ended = lab.ended(&job).await;
    assert_eq!((ended["status"].as_str(), ended["error"]["code"].as_str()), (Some("failed"), Some("sandbox_failed")), "{ended}");
    let models = lab.ada.get("/api/models").await.expect(200);
    let error = models["models"][0]["error"].as_str().unwrap_or_else(|| panic!("no record: {models}"));
    assert!(error.contains("sandbox ended") && models["models"][0]["status"] == "failed", "{error}");
    // And the next training works.
    lab.model(&json!({ "templateId": "logistic_regression", "parameters": {} })).await;
}

#[actix_web::test]
async fn thousands_of_columns_are_trained_on_or_refused_with_a_reason() {
    let lab = lab(&[]).await;
    let names: Vec<String> = (0..5000).map(|column| format!("c{column}")).collect();
    let mut text = format!("{},y\n", names.join(","));
    for row in 0..40_usize {
        let cells: Vec<String> = (0..5000).map(|column| format!("{}.5", (row * 7 + column * 3) % 11)).collect();
        text.push_str(&format!("{},{}\n", cells.join(","), ["a", "b"][row % 2]));
    }
    let wide = lab.ada.dataset(&lab.project, "wide.csv", text).await;
    let extra =
        json!({ "datasetId": wide["datasetId"], "targetColumn": "y", "templateId": "logistic_regression", "parameters": {} });
    let answer = lab.train(&extra).await;
    assert_eq!(answer["success"], true, "{}", answer["message"]);
    assert_eq!(answer["model"]["featureColumns"].as_array().unwrap().len(), 5000);
}
