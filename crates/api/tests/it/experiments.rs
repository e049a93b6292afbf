//! Evaluations, studies and comparisons of real models.

use gristmill_domain::ModelId;
use gristmill_persistence::files::model_prefix;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    models::{Lab, lab},
    support::{TestApp, eventually, files_below},
    tenancy::things_of,
};

impl Lab {
    /// Waits for the evaluation of a model.
    async fn evaluation(&self, model: &str) -> Value {
        eventually("the evaluation", async || {
            let answer = self.ada.get(&format!("/api/experiments/{model}/evaluation")).await;
            match answer.status.as_u16() {
                200 => Some(answer.expect(200)),
                202 => {
                    let pending = answer.expect(202);
                    assert!(pending["status"] != "failed", "{pending}");
                    None
                }
                status => panic!("{status}: {}", answer.text),
            }
        })
        .await
    }
}

#[actix_web::test]
async fn an_evaluation_agrees_with_itself() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({ "features": ["bill_length_mm", "sex", "body_mass_g", "island"] })).await;
    let evaluation = lab.evaluation(&model).await;
    let matrix: Vec<Vec<u64>> = serde_json::from_value(evaluation["confusion_matrix"]["matrix"].clone()).unwrap();
    let rows: u64 = matrix.iter().flatten().sum();
    let right: u64 = (0..matrix.len()).map(|class| matrix[class][class]).sum();
    assert_eq!(rows, 69, "{evaluation}");
    let accuracy = evaluation["metrics"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - f64::from(u32::try_from(right).unwrap()) / 69.0).abs() < 1e-9);
    let report = &evaluation["classification_report"]["Adelie"];
    assert_eq!(report["f1"], report["f1-score"], "{report}");
    for block in ["roc_curves", "precision_recall_curves", "class_distribution", "learning_curve", "cross_validation"] {
        assert!(evaluation[block].is_object(), "no {block}: {}", evaluation["warnings"]);
    }
    let permutation = &evaluation["feature_importance"]["permutation"];
    assert_eq!(
        (permutation["features"].as_array().unwrap().len(), permutation["repeats"].as_u64()),
        (4, Some(3)),
        "{permutation}"
    );
    assert_eq!(permutation["features"][3], "sex", "the sex tells least of the species: {permutation}");

    let analysis = lab.ada.get(&format!("/api/experiments/{model}/error-analysis")).await.expect(200);
    let tree = &analysis["error_tree"];
    assert_eq!((tree["sample_count"].as_u64(), tree["error_count"].as_u64()), (Some(69), Some(69 - right)), "{tree}");
    let listed = u64::try_from(analysis["misclassifications"].as_array().unwrap().len()).unwrap();
    assert_eq!(listed, (69 - right).min(50));
    let shap = lab.ada.get(&format!("/api/experiments/{model}/shap")).await.expect(200);
    let (values, names) = (shap["values"].as_array().unwrap(), shap["feature_names"].as_array().unwrap());
    assert_eq!((values.len(), values[0].as_array().unwrap().len()), (69, names.len()));
    assert_eq!(shap["mean_abs_values"].as_array().unwrap().len(), names.len());

    let found = lab.find(&model).await;
    assert_eq!((found["evaluationStatus"].as_str(), found["metrics"]["accuracy"].as_f64()), (Some("ready"), Some(accuracy)));
    assert!(found["evaluationComputedAt"].is_string());
    let zip = lab.ada.request(Method::GET, &format!("/api/models/{model}/artifact?format=mlflow")).send().await.unwrap();
    assert_eq!(zip.status(), 200);
    assert!(zip.bytes().await.unwrap().starts_with(b"PK"));
    let again = lab.ada.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await.expect(200);
    assert_eq!(again, json!({ "ok": true, "evaluationStatus": "ready" }));
    assert_eq!(lab.evaluation(&model).await["confusion_matrix"], evaluation["confusion_matrix"], "it is repeatable");
}

#[actix_web::test]
async fn an_evaluation_that_ends_while_it_is_asked_for_has_not_failed() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let things = things_of(&app, &ada).await;
    let (job, model) = (&things.job, things.model);
    let directory = app.server.state().files.path(&model_prefix(things.project.parse().unwrap(), ModelId(model)));
    std::fs::create_dir_all(directory.join("evaluation-1")).unwrap();
    std::fs::write(directory.join("evaluation-1/evaluation.json"), "{}").unwrap();
    // Again and again, as its job begins it and ends it: what changes of model and job is one commit.
    let begins = format!(
        "update jobs set kind = 'model_evaluate', state = 'running', lease_expires_at = now() + interval '1 hour',
             finished_at = null where job_id = '{job}';
         update models set evaluation_status = 'computing', evaluation_storage = 'evaluation-1', evaluation_job_id = '{job}'
             where model_id = '{model}'"
    );
    let ends = format!(
        "update jobs set state = 'succeeded', lease_expires_at = null, finished_at = now() where job_id = '{job}';
         update models set evaluation_status = 'ready' where model_id = '{model}'"
    );
    let database = app.database.client().await.unwrap();
    database.batch_execute(&begins).await.unwrap();
    let evaluating = async {
        for _ in 0..300 {
            database.batch_execute(&ends).await.unwrap();
            database.batch_execute(&begins).await.unwrap();
        }
    };
    let asking = async {
        for _ in 0..200 {
            let answer = ada.get(&format!("/api/experiments/{model}/evaluation")).await;
            let told = (answer.status.as_u16(), answer.text.contains("\"computing\""));
            assert!([(200, false), (202, true)].contains(&told), "{}", answer.text);
        }
    };
    futures_util::future::join(evaluating, asking).await;
}

#[actix_web::test]
async fn an_evaluation_stands_without_its_dataset() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({ "templateId": "ridge", "targetColumn": "body_mass_g", "parameters": {} })).await;
    let first = lab.evaluation(&model).await;
    lab.ada.delete(&format!("/api/datasets/{}", lab.dataset)).await.expect(200);
    let path = format!("/datasets/{}", lab.dataset);
    eventually("the dataset's files to go", async || {
        files_below(lab.app.data_dir.path()).iter().all(|file| !file.to_string_lossy().contains(&path)).then_some(())
    })
    .await;
    let again = lab.ada.post(&format!("/api/experiments/{model}/evaluation/retry"), &json!({})).await.expect(200);
    assert_eq!(again["evaluationStatus"], "ready");
    let second = lab.evaluation(&model).await;
    assert_eq!(second["residuals"], first["residuals"], "the held out rows are kept with the model");
    assert!(second["warnings"].to_string().contains("deleted"), "{}", second["warnings"]);
    assert!(second.get("learning_curve").is_none_or(Value::is_null));
}

#[actix_web::test]
async fn what_is_not_there_is_told() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let nothing = uuid::Uuid::new_v4();
    for path in ["evaluation", "shap", "error-analysis"] {
        ada.get(&format!("/api/experiments/{nothing}/{path}")).await.refused(404, "model_not_found");
        ada.get(&format!("/api/experiments/..%2F{nothing}/{path}")).await.refused(400, "invalid_id");
    }
    ada.post(&format!("/api/experiments/{nothing}/evaluation/retry"), &json!({})).await.refused(404, "model_not_found");
    let tune = |extra: Value| {
        let mut body = json!({ "modelId": nothing, "nTrials": 3, "metric": "r2" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let path = format!("/api/experiments/{project}/tune");
    for (extra, field) in [
        (json!({ "nTrials": 0 }), "nTrials"),
        (json!({ "nTrials": 500 }), "nTrials"),
        (json!({ "nTrials": 1.5 }), "nTrials"),
        (json!({ "timeoutSeconds": 0 }), "timeoutSeconds"),
        (json!({ "timeoutSeconds": 1e9 }), "timeoutSeconds"),
        (json!({ "sampler": "grid" }), "sampler"),
        (json!({ "modelId": "x" }), "modelId"),
    ] {
        let answer = ada.post(&path, &tune(extra.clone())).await.refused(400, "validation_failed");
        assert!(answer["error"].as_str().unwrap().contains(field), "{extra}: {answer}");
    }
    let answer = ada.post(&path, &tune(json!({}))).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{\"type\":\"error\",\"message\":\"Model not found\"}\n"));
    let path = format!("/api/experiments/{project}/compare");
    for ids in [
        json!([]),
        json!([nothing]),
        json!([nothing, nothing, nothing, nothing, nothing, nothing]),
        json!("x"),
        json!(["x", "y"]),
    ] {
        ada.post(&path, &json!({ "modelIds": ids })).await.refused(400, "validation_failed");
    }
    ada.post(&path, &json!({ "modelIds": [nothing, uuid::Uuid::new_v4()] })).await.refused(404, "model_not_found");
}

#[actix_web::test]
async fn filters_and_texts_need_no_language_model() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let path = format!("/api/experiments/{project}/nl-filter");
    let filter = ada.post(&path, &json!({ "query": "failed classification models" })).await.expect(200);
    let expected = json!([
        { "field": "taskType", "operator": "eq", "value": "classification" },
        { "field": "status", "operator": "eq", "value": "failed" },
    ]);
    assert_eq!(filter["predicates"], expected);
    assert_eq!(ada.post(&path, &json!({ "query": "mumble" })).await.expect(200)["predicates"], json!([]));
    for query in [json!(""), json!("  "), json!(7), Value::Null] {
        ada.post(&path, &json!({ "query": query })).await.refused(400, "validation_failed");
    }
    let path = format!("/api/experiments/{project}/insights");
    for kind in ["banner", "explain", "compare", "error_narrative", "report"] {
        let answer = ada.post(&path, &json!({ "type": kind, "context": { "metrics": { "accuracy": 0.5 } } })).await;
        assert_eq!(answer.status, 200);
        let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines[0]["type"] == "token" && !lines[0]["content"].as_str().unwrap().is_empty(), "{kind}: {lines:?}");
        assert_eq!(lines.last().unwrap(), &json!({ "type": "done" }));
        if kind == "report" {
            assert_eq!(lines[0]["content"].as_str().unwrap().matches("\n## ").count(), 6);
        }
    }
    ada.post(&path, &json!({ "type": "poem" })).await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn a_study_ends_in_a_model_like_any_other() {
    let lab = lab(&[]).await;
    let source = lab.model(&json!({ "templateId": "logistic_regression", "parameters": { "C": 0.01 }, "name": "Plain" })).await;
    let body = json!({ "modelId": source, "nTrials": 4, "metric": "f1", "timeoutSeconds": 60 });
    let answer = lab.ada.post(&format!("/api/experiments/{}/tune", lab.project), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "trial_result").count(), 4, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "convergence_update").count(), 4, "{kinds:?}");
    assert_eq!((lines[0]["trial_number"].as_u64(), lines[0]["n_total"].as_u64()), (Some(0), Some(4)), "{}", lines[0]);
    let done = lines.last().unwrap();
    assert!(done["type"] == "done" && done["best_value"].as_f64().unwrap() > 0.5 && done["best_params"].is_object(), "{done}");
    assert_eq!(done["optimization_history"]["values"].as_array().unwrap().len(), 4, "{done}");
    let id = done["resultModelId"].as_str().unwrap();
    let tuned = lab.find(id).await;
    let name = tuned["name"].as_str().unwrap();
    assert!(name.starts_with("Plain (tuned · 20") && tuned["status"] == "completed", "{name}");
    assert_eq!(tuned["metadata"]["tuning"]["sourceModelId"], source.as_str(), "{}", tuned["metadata"]["tuning"]);
    assert_eq!(tuned["parameters"]["C"], done["best_params"]["C"]);
    lab.evaluation(id).await;
    let wrong = json!({ "modelId": source, "nTrials": 4, "metric": "r2" });
    let answer = lab.ada.post(&format!("/api/experiments/{}/tune", lab.project), &wrong).await.refused(400, "validation_failed");
    assert!(answer["error"].as_str().unwrap().contains("accuracy"), "{answer}");
}

#[actix_web::test]
async fn a_study_stops_when_its_client_goes() {
    let lab = lab(&[]).await;
    let source = lab.model(&json!({ "templateId": "gradient_boosting_classifier", "parameters": {} })).await;
    let body = json!({ "modelId": source, "nTrials": 200, "metric": "accuracy", "timeoutSeconds": 600 });
    let request = lab.ada.request(Method::POST, &format!("/api/experiments/{}/tune", lab.project)).json(&body);
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some(), "a first trial");
    drop(response);
    let jobs = lab.ada.get("/api/jobs").await.expect(200);
    let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["kind"] == "model_tune").unwrap()["jobId"].clone();
    let ended = lab.ended(job.as_str().unwrap()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    let models = lab.ada.get("/api/models").await.expect(200);
    assert_eq!(models["models"].as_array().unwrap().len(), 1, "no model of a study that was stopped");
    let study = lab.app.database.client().await.unwrap();
    let row = study.query_one("select status, error_message from tuning_studies", &[]).await.unwrap();
    assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, String>(1).as_str()), ("failed", "cancelled"));
}

#[actix_web::test]
async fn models_are_compared_on_the_same_rows() {
    let lab = lab(&[]).await;
    let weak = json!({ "templateId": "logistic_regression", "parameters": {}, "features": ["year", "sex"] });
    let (weak, strong) = (lab.model(&weak).await, lab.model(&json!({})).await);
    let path = format!("/api/experiments/{}/compare", lab.project);
    let compared = lab.ada.post(&path, &json!({ "modelIds": [weak, strong] })).await.expect(200);
    assert_eq!(
        (compared["models"][0]["modelId"].as_str(), compared["models"][1]["modelId"].as_str()),
        (Some(&*weak), Some(&*strong))
    );
    let accuracy = compared["deltas"].as_array().unwrap().iter().find(|one| one["metric"] == "accuracy").unwrap();
    assert!(accuracy["significant"] == true && accuracy["pValue"].as_f64().unwrap() < 0.05, "{compared}");
    assert!(accuracy["delta"].as_f64().unwrap() > 0.1);
    assert_eq!(compared["bootstrap"]["rows"], 69, "{compared}");
    let pair = &compared["bootstrap"]["pairs"][0]["metrics"][0];
    assert!(pair["low"].as_f64().unwrap() > 0.0 && pair["high"].as_f64().unwrap() > pair["low"].as_f64().unwrap(), "{pair}");
    let other = lab.model(&json!({ "templateId": "ridge", "targetColumn": "body_mass_g", "parameters": {} })).await;
    let compared = lab.ada.post(&path, &json!({ "modelIds": [weak, other] })).await.expect(200);
    assert_eq!(compared["bootstrap"]["available"], false, "{compared}");
    let accuracy = compared["deltas"].as_array().unwrap().iter().find(|one| one["metric"] == "accuracy").unwrap();
    assert!(accuracy["values"][1].is_null() && accuracy.get("pValue").is_none(), "{accuracy}");
    lab.ada.post(&path, &json!({ "modelIds": [weak, weak] })).await.refused(400, "validation_failed");
}
