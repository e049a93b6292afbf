//! What runs used and made, logged models with their files, and the room that files take.

use reqwest::Method;
use serde_json::json;

use super::{Program, program, value_of};
use crate::support::{Answer, TestApp, files_below};

const STORE: &str = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts";

async fn put(ada: &Program, path: &str, bytes: usize) -> Answer {
    ada.client.send(ada.client.request(Method::PUT, &format!("{STORE}/{path}")).body(vec![7_u8; bytes])).await
}

async fn remove(ada: &Program, path: &str) -> Answer {
    ada.client.send(ada.client.request(Method::DELETE, &format!("{STORE}/{path}"))).await
}

#[actix_web::test]
async fn runs_keep_what_they_used_and_made() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let run = ada.run(&ada.experiment("E").await, "r").await;
    let dataset = json!({ "name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}" });
    let inputs = json!({ "run_id": run, "datasets": [{ "dataset": dataset, "tags": [{ "key": "mlflow.data.context", "value": "train" }] }],
        "models": [{ "model_id": "m-1" }] });
    ada.post("runs/log-inputs", &inputs).await.expect(200);
    ada.post("runs/log-inputs", &inputs).await.expect(200);
    ada.post("runs/outputs", &json!({ "run_id": run, "models": [{ "model_id": "m-2", "step": "3" }] })).await.expect(200);
    let model = json!({ "artifact_path": "model", "flavors": {}, "run_id": run }).to_string();
    ada.post("runs/log-model", &json!({ "run_id": run, "model_json": model })).await.expect(200);
    let shown = ada.get(&format!("runs/get?run_id={run}")).await.expect(200)["run"].clone();
    assert_eq!(shown["inputs"]["dataset_inputs"].as_array().unwrap().len(), 1, "the same one is there once: {shown}");
    assert_eq!(shown["inputs"]["dataset_inputs"][0]["dataset"]["digest"], "1");
    assert_eq!(shown["inputs"]["model_inputs"], json!([{ "model_id": "m-1" }]));
    assert_eq!(shown["outputs"]["model_outputs"], json!([{ "model_id": "m-2", "step": 3 }]));
    assert!(value_of(&shown["data"]["tags"], "mlflow.log-model.history").as_str().unwrap().contains("flavors"));
}

#[actix_web::test]
async fn a_logged_model_lives_from_creation_to_deletion() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let experiment = ada.experiment("E").await;
    let run = ada.run(&experiment, "r").await;
    let create = json!({ "experiment_id": experiment, "name": "model", "source_run_id": run, "params": [{ "key": "depth", "value": "3" }] });
    let model = ada.post("logged-models", &create).await.expect(200)["model"].clone();
    let id = model["info"]["model_id"].as_str().unwrap().to_owned();
    assert_eq!((model["info"]["status"].as_str(), &model["info"]["source_run_id"]), (Some("LOGGED_MODEL_PENDING"), &json!(run)));
    assert_eq!(value_of(&model["info"]["tags"], "gristmill.holdout"), "unsealed");
    let root = model["info"]["artifact_uri"].as_str().unwrap().strip_prefix("mlflow-artifacts:/").unwrap().to_owned();
    put(&ada, &format!("{root}/MLmodel"), 10).await.expect(200);
    put(&ada, &format!("{root}/data/deep/weights.bin"), 20).await.expect(200);
    let of_model = format!("logged-models/{id}");
    let ready = json!({ "model_id": id, "status": "LOGGED_MODEL_READY" });
    assert_eq!(ada.send(Method::PATCH, &of_model, &ready).await.expect(200)["model"]["info"]["status"], "LOGGED_MODEL_READY");
    ada.send(Method::PATCH, &of_model, &json!({ "status": "LOST" })).await.expect(400);
    let params = json!({ "params": [{ "key": "kind", "value": "tree" }] });
    ada.post(&format!("{of_model}/params"), &params).await.expect(200);
    ada.post(&format!("{of_model}/params"), &json!({ "params": [{ "key": "depth", "value": "4" }] })).await.expect(400);
    let tags = json!({ "tags": [{ "key": "team", "value": "a" }] });
    ada.send(Method::PATCH, &format!("{of_model}/tags"), &tags).await.expect(200);
    let search = async |filter: &str| {
        let body = json!({ "experiment_ids": [experiment], "filter": filter, "order_by": [{ "field_name": "name", "ascending": false }] });
        ada.post("logged-models/search", &body).await.expect(200)["models"].as_array().unwrap().len()
    };
    assert_eq!((search("name = 'model' and tags.team = 'a'").await, search("params.kind = 'line'").await), (1, 0));
    assert_eq!(search(&format!("source_run_id = '{run}' and status = 'READY'")).await, 1);
    ada.send(Method::DELETE, &format!("{of_model}/tags/team"), &json!({})).await.expect(200);
    assert_eq!(search("tags.team = 'a'").await, 0);
    let files = ada.get(&format!("{of_model}/artifacts/directories")).await.expect(200);
    assert_eq!(
        files["files"],
        json!([{ "path": "MLmodel", "is_dir": false, "file_size": 10 }, { "path": "data", "is_dir": true }])
    );
    assert_eq!(ada.client.get(&format!("{STORE}/{root}/data/deep/weights.bin")).await.text.len(), 20);
    ada.send(Method::DELETE, &of_model, &json!({})).await.expect(200);
    ada.get(&of_model).await.expect(404);
    ada.client.get(&format!("{STORE}/{root}/MLmodel")).await.expect(404);
    ada.get("logged-models/m-nonsense").await.expect(404);
    crate::support::eventually("its files to go", async || files_below(app.data_dir.path()).is_empty().then_some(())).await;
}

#[actix_web::test]
async fn files_of_programs_count_in_the_quota() {
    let app = TestApp::start_with(&[("USER_DISK_QUOTA_MB", "1")]).await;
    let ada = program(&app, "ada").await;
    let experiment = ada.experiment("E").await;
    let run = ada.run(&experiment, "r").await;
    let root = format!("{experiment}/{run}/artifacts");
    put(&ada, &format!("{root}/a.bin"), 600 * 1024).await.expect(200);
    let refused = put(&ada, &format!("{root}/b.bin"), 600 * 1024).await.expect(413);
    assert_eq!(
        (refused["code"].as_str(), refused["error_code"].as_str()),
        (Some("quota_exceeded"), Some("REQUEST_LIMIT_EXCEEDED"))
    );
    assert_eq!(files_below(app.data_dir.path()).len(), 1, "what was refused is not kept");
    put(&ada, &format!("{root}/a.bin"), 700 * 1024).await.expect(200);
    put(&ada, &format!("{root}/c/d.bin"), 200 * 1024).await.expect(200);
    // And datasets share it.
    let upload = ada.client.upload(Some(&experiment), "big.csv", b"a,b\n1,2\n".repeat(100_000)).await;
    upload.refused(413, "quota_exceeded");
    remove(&ada, &format!("{root}/a.bin")).await.expect(200);
    remove(&ada, &format!("{root}/a.bin")).await.expect(404);
    remove(&ada, &format!("{root}/c")).await.expect(200);
    assert!(files_below(app.data_dir.path()).is_empty(), "what is deleted gives its room back");
    put(&ada, &format!("{root}/b.bin"), 1000 * 1024).await.expect(200);
    put(&ada, &format!("{root}/e.bin"), 100 * 1024).await.expect(413);
    ada.client.delete(&format!("/api/projects/{experiment}")).await;
    let second = ada.experiment("F").await;
    let run = ada.run(&second, "r").await;
    put(&ada, &format!("{second}/{run}/artifacts/b.bin"), 1000 * 1024).await.expect(200);
}
