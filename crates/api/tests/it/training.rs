//! What may go wrong with trainings, and what is kept of them: splits, room, bad input, endings at any time.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    models::{Lab, lab},
    support::{eventually, files_below},
};

/// The quickest of the trainings.
fn quick(extra: Value) -> Value {
    let mut request = json!({ "templateId": "logistic_regression", "parameters": {} });
    let Value::Object(extra) = extra else { panic!("{extra} is no object") };
    request.as_object_mut().unwrap().extend(extra);
    request
}

impl Lab {
    async fn evaluated(&self, model: &str) -> Value {
        eventually("the evaluation to end", async || {
            let found = self.find(model).await;
            matches!(found["evaluationStatus"].as_str(), Some("ready" | "failed")).then_some(found)
        })
        .await
    }

    async fn splits(&self) -> Value {
        self.ada.get(&format!("/api/datasets/{}/splits", self.dataset)).await.expect(200)["splits"].clone()
    }

    /// Bytes that count in the quota.
    async fn stored(&self) -> u64 {
        let sql =
            "select ((select coalesce(sum(stored_bytes), 0) from datasets) + (select coalesce(sum(stored_bytes), 0) from models)
            + (select coalesce(sum(size_bytes), 0) from tracking_usage))::bigint";
        let row = self.app.database.client().await.unwrap().query_one(sql, &[]).await.unwrap();
        u64::try_from(row.get::<_, i64>(0)).unwrap()
    }
}

#[actix_web::test]
async fn a_split_is_declared_once() {
    let lab = lab(&[]).await;
    assert_eq!(lab.splits().await, json!([]));
    let first = lab.model(&quick(json!({}))).await;
    let declared = lab.splits().await;
    assert_eq!(
        (
            declared[0]["target"].as_str(),
            declared[0]["kind"].as_str(),
            declared[0]["testSize"].as_f64(),
            declared[0]["seed"].as_u64()
        ),
        (Some("species"), Some("stratified"), Some(0.2), Some(42)),
        "{declared}"
    );
    assert!(declared[0]["declaredAt"].is_string() && declared[0]["declaredBy"].is_string());
    // What the frontend sends: a share, which is a smaller part of the same rows or a larger one.
    let smaller = lab.find(&lab.model(&quick(json!({ "testSize": 0.1 }))).await).await;
    assert_eq!(
        (smaller["metadata"]["split"]["kind"].as_str(), smaller["metadata"]["split"]["testSize"].as_f64()),
        (Some("stratified"), Some(0.1))
    );
    assert_eq!(lab.splits().await, declared, "that declares nothing");
    let again = quick(json!({ "split": { "kind": "stratified" }, "seed": 42 }));
    lab.model(&again).await;
    for other in [
        json!({ "split": { "kind": "random" } }),
        json!({ "split": { "kind": "group", "column": "island" } }),
        json!({ "seed": 7 }),
    ] {
        let refused = lab.ada.post("/api/models/train", &lab.request(&quick(other.clone()))).await.refused(409, "conflict");
        let error = refused["error"].as_str().unwrap();
        assert!(
            error.contains("stratified") && error.contains("20 % held out") && error.contains("redeclareSplit"),
            "{other}: {error}"
        );
    }
    // Another target has another split.
    let group = json!({ "templateId": "ridge", "targetColumn": "body_mass_g", "split": { "kind": "group", "column": "island" } });
    lab.model(&quick(group)).await;
    assert_eq!(lab.splits().await.as_array().unwrap().len(), 2);

    let random = quick(json!({ "split": { "kind": "random" }, "seed": 7, "redeclareSplit": true }));
    let new = lab.find(&lab.model(&random).await).await;
    assert_eq!(new["metadata"]["split"]["seed"], 7);
    let of_species = lab.splits().await.as_array().unwrap().iter().find(|split| split["target"] == "species").unwrap().clone();
    assert_eq!((of_species["kind"].as_str(), of_species["seed"].as_u64()), (Some("random"), Some(7)));
    assert_eq!(lab.find(&first).await["metadata"]["split"]["kind"], "stratified", "models keep theirs");
    let next = lab.find(&lab.model(&quick(json!({}))).await).await;
    assert_eq!(
        (next["metadata"]["split"]["kind"].as_str(), next["metadata"]["split"]["seed"].as_u64()),
        (Some("random"), Some(7))
    );
    assert_eq!((next["holdout"].as_str(), next["unscored"].as_bool()), (Some("sealed"), Some(false)));
    let bob = lab.app.user("bob").await;
    bob.get(&format!("/api/datasets/{}/splits", lab.dataset)).await.refused(404, "dataset_not_found");
}

#[actix_web::test]
async fn a_split_that_scored_nothing_does_not_bind() {
    let lab = lab(&[]).await;
    let rows: String = (0..40).map(|row| format!("{},one,{}\n", row % 7, ["a", "b"][row % 2])).collect();
    let dataset = lab.ada.dataset(&lab.project, "groups.csv", format!("x,g,y\n{rows}")).await;
    let request = |extra: Value| {
        let mut request = quick(json!({ "datasetId": dataset["datasetId"], "targetColumn": "y" }));
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request
    };
    let failed = lab.train(&request(json!({ "split": { "kind": "group", "column": "g" } }))).await;
    assert_eq!(failed["success"], false, "one group cannot be held out: {failed}");
    let trained = lab.train(&request(json!({ "split": { "kind": "random" } }))).await;
    assert_eq!(trained["success"], true, "{trained}");
    lab.ada
        .post("/api/models/train", &lab.request(&request(json!({ "split": { "kind": "stratified" } }))))
        .await
        .refused(409, "conflict");
}

#[actix_web::test]
async fn models_count_in_the_quota_until_they_go() {
    let lab = lab(&[("USER_DISK_QUOTA_MB", "20")]).await;
    let before = lab.stored().await;
    let model = lab.model(&quick(json!({}))).await;
    let trained = lab.stored().await;
    let found = lab.evaluated(&model).await;
    assert_eq!(found["evaluationStatus"], "ready", "{found}");
    let files: u64 = found["artifacts"].as_array().unwrap().iter().map(|file| file["size"].as_u64().unwrap()).sum();
    let evaluated = lab.stored().await;
    assert!(trained > files && evaluated > trained, "{files} in files, {trained} stored, {evaluated} with the evaluation");
    // The rest of the quota, to the byte.
    let body = json!({ "experiment_id": lab.project });
    let run = lab.ada.post("/api/mlflow/api/2.0/mlflow/runs/create", &body).await.expect(200);
    let run = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let path = format!("/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{}/{run}/artifacts/rest.bin", lab.project);
    let rest = vec![0_u8; usize::try_from(20 * 1024 * 1024 - evaluated).unwrap()];
    lab.ada.send(lab.ada.request(Method::PUT, &path).body(rest)).await.expect(200);
    assert_eq!(lab.stored().await, 20 * 1024 * 1024);

    let refused = lab.ada.post("/api/models/train", &lab.request(&quick(json!({})))).await.refused(413, "quota_exceeded");
    assert!(refused["error"].as_str().unwrap().contains("delete datasets, models or files"), "{refused}");
    lab.ada.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await.refused(413, "quota_exceeded");
    let study = json!({ "modelId": model, "nTrials": 2, "metric": "f1" });
    lab.ada.post(&format!("/api/experiments/{}/tune", lab.project), &study).await.refused(413, "quota_exceeded");
    assert_eq!(lab.ada.delete(&format!("/api/models/{model}")).await.status, 204);
    assert_eq!(lab.stored().await, 20 * 1024 * 1024 - (evaluated - before), "deleting gives all of it back");
    lab.model(&quick(json!({}))).await;
}

#[actix_web::test]
async fn targets_that_cannot_be_learned_say_why() {
    let lab = lab(&[]).await;
    let mut rows = String::from("x,names,far,half\n");
    for row in 0..40 {
        let far = if row % 2 == 0 { "inf" } else { "-inf" };
        let half = if row < 38 { String::new() } else { "1".to_owned() };
        rows.push_str(&format!("{},name {row},{far},{half}\n", row % 7));
    }
    let dataset = lab.ada.dataset(&lab.project, "odd.csv", rows).await;
    for (target, template) in [
        ("names", "logistic_regression"),
        ("names", "ridge_regression"),
        ("far", "ridge_regression"),
        ("half", "ridge_regression"),
    ] {
        let extra =
            json!({ "datasetId": dataset["datasetId"], "targetColumn": target, "templateId": template, "features": ["x"] });
        let answer = lab.train(&quick(extra)).await;
        assert_eq!(
            (answer["success"].as_bool(), answer["model"]["status"].as_str()),
            (Some(false), Some("failed")),
            "{target}: {answer}"
        );
        let error = answer["model"]["error"].as_str().unwrap();
        assert!(error.len() > 20 && !error.contains("Traceback"), "{target}, {template}: {error}");
        assert!(answer["model"]["metadata"]["failure"]["code"].is_string(), "{target}, {template}: {answer}");
    }
    // A feature that is the target is told, not hidden.
    let rows: String = (0..60).map(|row| format!("{},{}\n", ["a", "b"][row % 2], ["a", "b"][row % 2])).collect();
    let copy = lab.ada.dataset(&lab.project, "copy.csv", format!("copy,y\n{rows}")).await;
    let answer = lab.train(&quick(json!({ "datasetId": copy["datasetId"], "targetColumn": "y" }))).await;
    let told = format!("{}{}", answer["model"]["error"], answer["model"]["metadata"]);
    assert!(told.contains("copy"), "{answer}");
}

#[actix_web::test]
async fn a_dataset_that_changed_is_told_and_nothing_breaks() {
    let lab = lab(&[]).await;
    let model = lab.model(&quick(json!({}))).await;
    assert_eq!(lab.evaluated(&model).await["evaluationStatus"], "ready");
    let column = format!("/api/datasets/{}/columns/bill_length_mm", lab.dataset);
    lab.ada.put(&column, &json!({ "dtype": "string" })).await.expect(200);
    let again = lab.ada.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await.expect(200);
    assert_eq!(again["evaluationStatus"], "ready", "the held out rows are kept with the model");
    let study = json!({ "modelId": model, "nTrials": 2, "metric": "f1" });
    let answer = lab.ada.post(&format!("/api/experiments/{}/tune", lab.project), &study).await;
    assert!(answer.status == 200 && answer.text.contains("changed since"), "{}", answer.text);
    // And it can be trained on as it is now.
    let trained = lab.train(&quick(json!({}))).await;
    assert_eq!(trained["success"], true, "{trained}");
}

/// Cancels a training when it has come so far, and returns how it ended.
async fn cancelled_at(lab: &Lab, fraction: f64) -> String {
    let job = lab.start(&quick(json!({}))).await;
    if fraction > 0.0 {
        eventually("the training to come so far", async || {
            let job = lab.job(&job).await;
            let is_over = matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled"));
            (is_over || job["progress"]["fraction"].as_f64().unwrap_or(0.0) >= fraction).then_some(())
        })
        .await;
    }
    let answer = lab.ada.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    assert!(answer.status.is_success() || answer.status == 409, "{}: {}", answer.status, answer.text);
    lab.ended(&job).await["status"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_training_is_cancelled_at_any_stage() {
    let lab = lab(&[]).await;
    let mut succeeded = 0;
    for fraction in [0.0, 0.01, 0.3, 0.6, 0.9] {
        match cancelled_at(&lab, fraction).await.as_str() {
            "cancelled" => {}
            "succeeded" => succeeded += 1,
            other => panic!("cancelled at {fraction}, it ended {other}"),
        }
    }
    assert!(succeeded < 4, "hardly any was cancelled");
    let models = lab.ada.get("/api/models").await.expect(200);
    assert_eq!(models["models"].as_array().unwrap().len(), succeeded, "nothing half-made is left: {models}");
    // One that waits for a worker has nothing to stop.
    let busy: Vec<String> = vec![lab.start(&json!({})).await, lab.start(&json!({})).await];
    let waiting = lab.start(&json!({})).await;
    lab.ada.post(&format!("/api/jobs/{waiting}/cancel"), &json!({})).await.expect(200);
    assert_eq!(lab.ended(&waiting).await["status"], "cancelled");
    for job in &busy {
        assert_eq!(lab.ended(job).await["status"], "succeeded");
    }
}

#[actix_web::test]
async fn a_cancelled_evaluation_says_so_and_can_be_repeated() {
    let lab = lab(&[("MODELING_WORKERS", "1")]).await;
    let model = lab.model(&quick(json!({}))).await;
    let jobs = lab.ada.get("/api/jobs").await.expect(200);
    let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["kind"] == "model_evaluate").unwrap()["jobId"].clone();
    let job = job.as_str().unwrap();
    lab.ada.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await.expect(200);
    let ended = lab.ended(job).await["status"].as_str().unwrap().to_owned();
    if ended == "cancelled" {
        let standing = lab.ada.get(&format!("/api/experiments/{model}/evaluation")).await.expect(202);
        assert_eq!(standing["status"], "failed", "{standing}");
        assert!(standing["message"].as_str().unwrap().contains("cancelled"), "{standing}");
    }
    let again = lab.ada.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await.expect(200);
    assert_eq!(again["evaluationStatus"], "ready");
}

#[actix_web::test]
async fn names_and_values_that_are_code_are_text() {
    let lab = lab(&[]).await;
    let code = "__import__('os').system('touch /tmp/owned')";
    let rows: String =
        (0..40).map(|row| format!("{}.5,\"{code}\",{}\n", row % 7, ["'; drop table users; --", "{{7*7}}"][row % 2])).collect();
    let text = format!("\"{code}\",\"x'); import os; (\",\"$(reboot)\"\n{rows}");
    let dataset = lab.ada.dataset(&lab.project, "code.csv", text).await;
    let extra = json!({ "datasetId": dataset["datasetId"], "targetColumn": "$(reboot)", "name": code });
    let answer = lab.train(&quick(extra)).await;
    assert_eq!((answer["success"].as_bool(), answer["model"]["name"].as_str()), (Some(true), Some(code)), "{answer}");
    let classes = lab.evaluated(answer["model"]["modelId"].as_str().unwrap()).await;
    assert_eq!(classes["evaluationStatus"], "ready", "{classes}");
    assert!(files_below(lab.app.data_dir.path()).iter().all(|path| !path.to_string_lossy().contains("import")));
}
