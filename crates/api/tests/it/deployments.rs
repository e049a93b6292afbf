//! Deployed models: brought up, asked, limited, watched, taken down.

mod failures;
mod features;

use std::collections::BTreeMap;

use gristmill_domain::{DeploymentId, deployments::DeploymentStatus};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    models::{Lab, lab},
    support::{Answer, Client, TestApp, eventually, until_waiting},
    tenancy::deployment_of,
};

pub(crate) const ROW: &str = r#"{"island":"Dream","bill_length_mm":46.5,"bill_depth_mm":17.9,"flipper_length_mm":192,"body_mass_g":3500,"sex":"female","year":2007}"#;

pub(crate) fn row() -> Value {
    serde_json::from_str(ROW).unwrap()
}

impl Lab {
    /// Deploys a model and returns the deployment.
    pub(crate) async fn deploy(&self, model: &str, extra: &Value) -> Value {
        self.try_deploy(model, extra).await.expect(201)["deployment"].clone()
    }

    async fn try_deploy(&self, model: &str, extra: &Value) -> Answer {
        let mut request = json!({ "modelId": model, "projectId": self.project, "name": "species" });
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.ada.post("/api/deployments", &request).await
    }
}

pub(crate) fn path_of(deployment: &Value) -> String {
    format!("/api/deployments/{}", deployment["deploymentId"].as_str().unwrap())
}

pub(crate) async fn key_of(client: &Client, path: &str) -> (String, String) {
    let made = client.post(&format!("{path}/api-keys"), &json!({ "name": "program" })).await.expect(201);
    (made["rawKey"].as_str().unwrap().to_owned(), made["key"]["keyId"].as_str().unwrap().to_owned())
}

async fn ask(lab: &Lab, path: &str, key: &str, body: &Value) -> Answer {
    let nobody = lab.app.anonymous();
    let request = nobody.request(Method::POST, &format!("{path}/predict")).header("x-api-key", key).json(body);
    nobody.send(request).await
}

#[actix_web::test]
async fn a_model_is_deployed_asked_and_taken_down() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let deployment = lab.deploy(&model, &json!({})).await;
    assert_eq!((deployment["status"].as_str(), deployment["runtime"].as_str()), (Some("healthy"), Some("native")));
    let path = path_of(&deployment);
    assert_eq!(deployment["endpointUrl"], format!("{}{path}", lab.app.url()));
    assert!(deployment.get("containerId").is_none() && deployment.get("port").is_none());

    // As the owner, and by a key.
    let (key, key_id) = key_of(&lab.ada, &path).await;
    let mine = lab.ada.post(&format!("{path}/predict"), &row()).await.expect(200);
    let answer = ask(&lab, &path, &key, &row()).await;
    assert_eq!(answer.headers["ratelimit-limit"], "60");
    let answer = answer.expect(200);
    assert_eq!(answer["prediction"], "Chinstrap", "{answer}");
    assert_eq!((&answer["prediction"], &answer["probabilities"]), (&mine["prediction"], &mine["probabilities"]));
    let chances: BTreeMap<String, f64> = serde_json::from_value(answer["probabilities"].clone()).unwrap();
    assert_eq!(chances.keys().collect::<Vec<_>>(), ["Adelie", "Chinstrap", "Gentoo"]);
    assert!((chances.values().sum::<f64>() - 1.0).abs() < 1e-6);

    // Several rows, missing values, a category that nobody knows, a field too many.
    let mut strange = row();
    strange["island"] = json!("Atlantis");
    strange["sex"] = Value::Null;
    strange["comment"] = json!("hello");
    let several = lab.ada.post(&format!("{path}/predict/batch"), &json!([row(), strange])).await.expect(200);
    assert_eq!(several.as_array().unwrap().len(), 2);
    let one = lab.ada.post(&format!("{path}/predict"), &strange).await.expect(200);
    assert_eq!((&one["ignoredFields"], &one["prediction"]), (&json!(["comment"]), &several[1]["prediction"]));

    // Its schema is enough for a form.
    let schema = lab.ada.get(&format!("{path}/schema")).await.expect(200);
    assert_eq!(schema["classLabels"].as_array().map_or(3, Vec::len), 3);
    assert!(schema["featureColumns"].as_array().unwrap().contains(&json!("bill_length_mm")));
    assert!(schema["featureRanges"]["bill_length_mm"]["min"].is_number(), "{schema}");
    assert!(schema["categoricalValues"]["island"].as_array().unwrap().contains(&json!("Dream")));
    assert!(schema.get("engineered").is_none(), "{schema}");

    // A revoked key is refused at once, everywhere.
    lab.ada.delete(&format!("{path}/api-keys/{key_id}")).await.expect(204);
    ask(&lab, &path, &key, &row()).await.refused(401, "api_key_invalid");
    lab.ada.delete(&format!("{path}/api-keys/{key_id}")).await.refused(404, "api_key_not_found");
    let keys = lab.ada.get(&format!("{path}/api-keys")).await.expect(200);
    assert!(
        keys["keys"][0]["revokedAt"].is_string() && keys["keys"][0]["lastUsedAt"].is_string()
            || keys["keys"][0]["revokedAt"].is_string()
    );
    assert!(!keys.to_string().contains(&key) && !keys.to_string().contains("ash"), "{keys}");

    // Stopped, it says so; started again, it answers.
    let stopped = lab.ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    assert_eq!(stopped["deployment"]["status"], "stopped");
    assert!(stopped["deployment"]["stoppedAt"].is_string());
    let refused = lab.ada.post(&format!("{path}/predict"), &row()).await.refused(503, "deployment_not_ready");
    assert!(refused["error"].as_str().unwrap().contains("start it"), "{refused}");
    lab.ada.patch(&path, &json!({ "action": "stop" })).await.refused(409, "conflict");
    let started = lab.ada.patch(&path, &json!({ "action": "start" })).await.expect(200);
    assert_eq!(started["deployment"]["status"], "healthy");
    lab.ada.patch(&path, &json!({ "action": "start" })).await.refused(409, "conflict");
    lab.ada.post(&format!("{path}/predict"), &row()).await.expect(200);
    lab.ada.delete(&path).await.expect(204);
    lab.ada.get(&path).await.refused(404, "deployment_not_found");
    lab.ada.post(&format!("{path}/predict"), &row()).await.refused(404, "deployment_not_found");
}

#[actix_web::test]
async fn what_was_read_before_a_change_is_not_believed_after_it() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = DeploymentId(deployment_of(&app, &ada).await);
    let serving = &app.server.state().serving;
    let (holds, changes) = (app.database.client().await.unwrap(), app.database.client().await.unwrap());
    // The deployment is read, and its keys are waited for.
    holds.batch_execute("begin; lock table deployment_api_keys in access exclusive mode").await.unwrap();
    let meanwhile = async {
        until_waiting(&app.database, "select%from%deployment_api_keys%").await;
        let stop = format!("update deployments set status = 'stopped', stopped_at = now() where deployment_id = '{id}'");
        changes.batch_execute(&stop).await.unwrap();
        // As when the server hears of it.
        serving.forget(id);
        holds.batch_execute("rollback").await.unwrap();
    };
    let (read, ()) = futures_util::future::join(serving.find(id), meanwhile).await;
    assert_eq!(read.unwrap().served.deployment.status, DeploymentStatus::Healthy, "that was then");
    assert_eq!(serving.find(id).await.unwrap().served.deployment.status, DeploymentStatus::Stopped);
}

#[actix_web::test]
async fn what_cannot_be_deployed_is_refused_with_the_reason() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let refused = lab.try_deploy(&uuid::Uuid::new_v4().to_string(), &json!({})).await;
    refused.refused(404, "model_not_found");
    lab.try_deploy(&model, &json!({ "name": "  " })).await.expect(400);
    lab.try_deploy(&model, &json!({ "config": { "rateLimitPerMinute": 0 } })).await.expect(400);
    let other = lab.ada.project("Other").await;
    lab.try_deploy(&model, &json!({ "projectId": other })).await.refused(404, "model_not_found");
    let failed = lab.train(&json!({ "templateId": "kmeans", "parameters": {} })).await;
    let clusters = failed["model"]["modelId"].as_str().unwrap();
    let refused = lab.try_deploy(clusters, &json!({})).await.refused(400, "model_not_deployable");
    assert!(refused["error"].as_str().unwrap().contains("clusters"), "{refused}");

    // Five may be active; a key makes a repetition find the first.
    let request = |name: &str| json!({ "modelId": model, "projectId": lab.project, "name": name });
    let send = |name: &str| {
        let request = lab.ada.request(Method::POST, "/api/deployments").header("Idempotency-Key", name).json(&request(name));
        lab.ada.send(request)
    };
    let first = send("a").await.expect(201);
    assert_eq!(send("a").await.expect(201), first);
    for name in ["b", "c", "d", "e"] {
        send(name).await.expect(201);
    }
    let limit = send("f").await.refused(409, "deployment_limit");
    assert!(limit["error"].as_str().unwrap().contains("stop one"), "{limit}");
    let path = path_of(&first["deployment"]);
    lab.ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    let sixth = send("g").await.expect(201);
    lab.ada.patch(&path, &json!({ "action": "start" })).await.refused(409, "deployment_limit");
    lab.ada.patch(&path, &json!({})).await.expect(400);
    lab.ada.patch(&path, &json!({ "action": "jump" })).await.expect(400);
    let list = lab.ada.get(&format!("/api/deployments?projectId={}", lab.project)).await.expect(200);
    assert_eq!(list["deployments"].as_array().unwrap().len(), 6);
    assert_eq!(list["deployments"][0], sixth["deployment"]);
    lab.ada.get("/api/deployments").await.expect(400);

    // With the model go its deployments, wherever they are known.
    lab.ada.delete(&format!("/api/models/{model}")).await.expect(204);
    let list = lab.ada.get(&format!("/api/deployments?projectId={}", lab.project)).await.expect(200);
    assert_eq!(list["deployments"], json!([]));
    let gone = path_of(&sixth["deployment"]);
    eventually("the deployment to be forgotten", async || {
        (lab.ada.post(&format!("{gone}/predict"), &row()).await.status == 404).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn bad_rows_are_refused_by_field_and_every_outcome_is_logged() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "config": { "rateLimitPerMinute": 1000 } })).await);
    let predict = format!("{path}/predict");
    let with = |field: &str, value: Value| {
        let mut row = row();
        row[field] = value;
        row
    };
    for (field, value, kind) in [
        ("bill_length_mm", json!("wide"), "float_type"),
        ("bill_length_mm", json!([1]), "scalar_type"),
        ("bill_length_mm", json!(true), "float_type"),
        ("island", json!({}), "scalar_type"),
    ] {
        let answer = lab.ada.post(&predict, &with(field, value.clone())).await.refused(422, "rows_refused");
        let detail = &answer["detail"][0];
        assert_eq!((&detail["type"], &detail["loc"]), (&json!(kind), &json!(["body", field])), "{value} {answer}");
        assert!(detail["msg"].is_string());
    }
    let mut short = row();
    short.as_object_mut().unwrap().remove("sex");
    let answer = lab.ada.post(&predict, &short).await.refused(422, "rows_refused");
    assert_eq!(answer["detail"][0]["type"], "missing");
    for body in ["", "{", "[]", "null", "1", r#"{"bill_length_mm": NaN}"#, r#"{"bill_length_mm": 1e999}"#] {
        let request = lab.ada.request(Method::POST, &predict).header("content-type", "application/json").body(body);
        assert_eq!(lab.ada.send(request).await.status, 400, "{body}");
    }
    for body in [json!([]), json!({}), json!([1]), json!(null)] {
        assert_eq!(lab.ada.post(&format!("{predict}/batch"), &body).await.status, 400, "{body}");
    }
    let batch = lab.ada.post(&format!("{predict}/batch"), &json!([row(), short])).await.refused(422, "rows_refused");
    assert_eq!(batch["detail"][0]["loc"], json!(["body", 1, "sex"]));
    let request = lab.ada.request(Method::POST, &predict).body(vec![b' '; (1 << 20) + 1]);
    let large = lab.ada.send(request).await.refused(413, "payload_too_large");
    assert_eq!(large["maxBytes"], 1 << 20);
    let nobody = lab.app.anonymous();
    nobody.post(&predict, &row()).await.refused(401, "unauthenticated");
    ask(&lab, &path, "ak_wrong", &row()).await.refused(401, "api_key_invalid");
    let good = lab.ada.post(&predict, &row()).await.expect(200);

    let logs = lab.ada.get(&format!("{path}/logs?limit=5")).await.expect(200);
    assert_eq!(logs["total"], 4 + 1 + 7 + 4 + 1 + 1 + 1, "{logs}");
    let newest = &logs["logs"][0];
    assert_eq!((newest["status"].as_str(), &newest["predictionId"]), (Some("success"), &good["predictionId"]));
    assert_eq!(newest["inputFeatures"], row());
    assert!(newest["latencyMs"].as_f64().unwrap() > 0.0 && newest["metadata"]["statusCode"] == 200);
    let errors = lab.ada.get(&format!("{path}/logs?status=error&limit=1&offset=1")).await.expect(200);
    assert_eq!((errors["total"].as_u64(), errors["logs"].as_array().unwrap().len()), (Some(18), 1));
    assert_eq!(errors["logs"][0]["status"], "error");
    let before = lab.ada.get(&format!("{path}/logs?endTime=2020-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(before["total"], 0);
    lab.ada.get(&format!("{path}/logs?limit=0")).await.expect(400);
    lab.ada.get(&format!("{path}/logs?startTime=yesterday")).await.expect(400);
    let stats = lab.ada.get(&format!("{path}/stats?range=1h")).await.expect(200);
    let count: u64 = stats["stats"].as_array().unwrap().iter().map(|hour| hour["requestCount"].as_u64().unwrap()).sum();
    assert_eq!(count, 19, "{stats}");
    // An hour may have turned before the one that was answered.
    let has_latency = |hour: &Value| hour["latencyP50Us"].as_u64().is_some_and(|latency_us| latency_us > 0);
    assert!(stats["stats"].as_array().unwrap().iter().any(has_latency), "{stats}");
    lab.ada.get(&format!("{path}/stats?range=1y")).await.expect(400);
}

#[actix_web::test]
async fn the_limit_holds_over_all_servers_and_says_when_to_come_again() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "config": { "rateLimitPerMinute": 5 } })).await);
    let second = lab.app.second_server(&[]).await;
    let other = Client::new(&format!("http://{}", second.address()), lab.ada.token.as_deref());
    let (key, key_id) = key_of(&lab.ada, &path).await;
    let mut statuses = Vec::new();
    for number in 0..7 {
        let client = if number % 2 == 0 { &lab.ada } else { &other };
        statuses.push(client.post(&format!("{path}/predict"), &row()).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let answer = lab.ada.post(&format!("{path}/predict"), &row()).await;
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && answer.headers["ratelimit-remaining"] == "0");
    assert_eq!(answer.refused(429, "too_many_requests")["retryAfter"], wait);
    // More is allowed from now on, on both.
    lab.ada.patch(&path, &json!({ "config": { "rateLimitPerMinute": 1_000_000_000 } })).await.expect(200);
    eventually("the other server to hear of it", async || {
        (other.post(&format!("{path}/predict"), &row()).await.status == 200).then_some(())
    })
    .await;
    // A revoked key is refused there within a second.
    let asked = async || {
        let request = other.request(Method::POST, &format!("{path}/predict")).header("x-api-key", &key).json(&row());
        other.send(request).await.status.as_u16()
    };
    assert_eq!(asked().await, 200);
    lab.ada.delete(&format!("{path}/api-keys/{key_id}")).await.expect(204);
    eventually("the other server to refuse the key", async || (asked().await == 401).then_some(())).await;
    let logs = lab.ada.get(&format!("{path}/logs?status=error")).await.expect(200);
    assert!(logs["total"].as_u64().unwrap() >= 2, "refusals are logged: {logs}");
    second.stop().await;
}

#[actix_web::test]
async fn drift_feedback_and_outcomes() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "config": { "rateLimitPerMinute": 100_000 } })).await);
    let few = lab.ada.post(&format!("{path}/drift"), &json!({})).await.expect(200);
    assert_eq!((&few["available"], &few["reason"]), (&json!(false), &json!("insufficient_predictions")));
    let rows: Vec<Value> = (0..60)
        .map(|number| {
            let mut row = row();
            row["body_mass_g"] = json!(900_000 + number);
            row
        })
        .collect();
    let answers = lab.ada.post(&format!("{path}/predict/batch"), &json!(rows)).await.expect(200);
    let report = lab.ada.post(&format!("{path}/drift"), &json!({})).await.expect(200);
    assert_eq!((&report["available"], &report["overallStatus"]), (&json!(true), &json!("red")), "{report}");
    let of = |name: &str| report["features"].as_array().unwrap().iter().find(|one| one["feature"] == name).unwrap().clone();
    assert_eq!(of("body_mass_g")["status"], "red");
    assert!(report["predictionDrift"]["psi"].is_number(), "{report}");

    let logs = lab.ada.get(&format!("{path}/logs?limit=2")).await.expect(200);
    let log = logs["logs"][0]["id"].as_i64().unwrap();
    let feedback = |id: i64| format!("{path}/logs/{id}/feedback");
    lab.ada.post(&feedback(log), &json!({ "feedback": "positive" })).await.expect(200);
    lab.ada.post(&feedback(log), &json!({ "feedback": "maybe" })).await.expect(400);
    lab.ada.post(&feedback(i64::MAX), &json!({ "feedback": "negative" })).await.refused(404, "prediction_not_found");
    let eve = lab.app.user("eve").await;
    eve.post(&feedback(log), &json!({ "feedback": "negative" })).await.refused(404, "deployment_not_found");
    let logs = lab.ada.get(&format!("{path}/logs?limit=1")).await.expect(200);
    assert_eq!(logs["logs"][0]["feedback"], "positive");

    let told: Vec<Value> = answers.as_array().unwrap()[..4]
        .iter()
        .enumerate()
        .map(|(place, answer)| {
            let actual = if place == 0 { json!("Gentoo-not") } else { answer["prediction"].clone() };
            json!({ "predictionId": answer["predictionId"], "actual": actual })
        })
        .collect();
    let mut actuals = told.clone();
    actuals.push(json!({ "predictionId": uuid::Uuid::new_v4(), "actual": "Adelie" }));
    let stored = lab.ada.post(&format!("{path}/actuals"), &json!({ "actuals": actuals })).await.expect(200);
    assert_eq!((stored["stored"].as_u64(), stored["unknown"].as_array().unwrap().len()), (Some(4), 1));
    let stats = lab.ada.get(&format!("{path}/stats")).await.expect(200);
    assert_eq!(stats["liveAccuracy"]["accuracy"], 0.75, "{stats}");

    let dependence = lab.ada.post(&format!("{path}/pdp"), &json!({ "feature": "bill_length_mm" })).await.expect(200);
    let (values, means) = (dependence["values"].as_array().unwrap(), dependence["predictions"].as_array().unwrap());
    assert!(values.len() > 5 && values.len() == means.len(), "{dependence}");
    lab.ada.post(&format!("{path}/pdp"), &json!({ "feature": "nothing" })).await.expect(400);
}

#[actix_web::test]
async fn a_worker_serves_what_the_server_cannot_and_explains() {
    let lab = lab(&[("SERVING_PROBE_MS", "200")]).await;
    let model = lab.model(&json!({})).await;
    let native = path_of(&lab.deploy(&model, &json!({})).await);
    let deployment = lab.deploy(&model, &json!({ "runtime": "container", "name": "by a worker" })).await;
    assert_eq!((deployment["runtime"].as_str(), deployment["status"].as_str()), (Some("container"), Some("healthy")));
    let path = path_of(&deployment);
    let one = lab.ada.post(&format!("{native}/predict"), &row()).await.expect(200);
    let other = lab.ada.post(&format!("{path}/predict"), &row()).await.expect(200);
    assert_eq!(one["prediction"], other["prediction"]);
    for (class, chance) in one["probabilities"].as_object().unwrap() {
        assert!((chance.as_f64().unwrap() - other["probabilities"][class].as_f64().unwrap()).abs() < 1e-5, "{class}");
    }
    let explained = lab.ada.post(&format!("{native}/predict?explain=true"), &row()).await.expect(200);
    let values = explained["shapValues"].as_array().unwrap();
    assert!(values.len() >= 6 && values[0]["feature"].is_string() && values[0]["value"].is_number(), "{explained}");
    assert_eq!(explained["shap_values"], explained["shapValues"]);
    let logs = lab.ada.get(&format!("{path}/container-logs")).await.expect(200);
    assert!(logs["stdout"].is_string() && logs["stderr"] == "");
    // A model file that was altered is not served.
    lab.ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    let store = lab.app.data_dir.path().join("store");
    let file = walk(&store).into_iter().find(|path| path.ends_with("model.joblib")).unwrap();
    std::fs::write(&file, "altered").unwrap();
    let refused = lab.ada.patch(&path, &json!({ "action": "start" })).await.refused(503, "deployment_not_ready");
    assert!(refused["error"].as_str().unwrap().contains("model.joblib"), "{refused}");
    let found = lab.ada.get(&path).await.expect(200);
    assert_eq!(found["deployment"]["status"], "failed");
    assert!(found["deployment"]["errorMessage"].as_str().unwrap().contains("altered"), "{found}");
    // The server's own form is another file: it goes on.
    lab.ada.post(&format!("{native}/predict"), &row()).await.expect(200);
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(walk(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

#[actix_web::test]
async fn a_regression_gives_a_number_and_its_interval() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({ "templateId": "ridge_regression", "targetColumn": "body_mass_g", "parameters": {} })).await;
    let path = path_of(&lab.deploy(&model, &json!({})).await);
    let mut row = row();
    row.as_object_mut().unwrap().remove("body_mass_g");
    row["species"] = json!("Gentoo");
    let answer = lab.ada.post(&format!("{path}/predict"), &row).await.expect(200);
    let (low, high) =
        (answer["predictionInterval"]["lower"].as_f64().unwrap(), answer["predictionInterval"]["upper"].as_f64().unwrap());
    let number = answer["prediction"].as_f64().unwrap();
    assert!(low < number && number < high && (2000.0..8000.0).contains(&number), "{answer}");
    assert_eq!(answer["prediction_interval"], answer["predictionInterval"]);
    let repeated = |key: &str| {
        let request = lab.ada.request(Method::POST, &format!("{path}/predict")).header("Idempotency-Key", key).json(&row);
        lab.ada.send(request)
    };
    let first = repeated("once").await.expect(200);
    assert_eq!(repeated("once").await.expect(200), first);
    assert_ne!(repeated("twice").await.expect(200)["predictionId"], first["predictionId"]);
    let logs = lab.ada.get(&format!("{path}/logs")).await.expect(200);
    assert_eq!(logs["total"], 3, "a repetition is logged once: {logs}");
}
