//! Datasets and projects that are deleted while agents work on them (contract 1, section 7.9).

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    notebooks::notebook,
    support::{Client, TestApp, eventually, script},
};

const SALES: &str = "city,people\nAachen,1\nBonn,2\n";

/// A server whose model thinks and then says nothing more, and a person with a project.
struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    _script: tempfile::NamedTempFile,
}

async fn setting() -> Setting {
    let script = script(&json!([{ "always": true, "reply": { "thinking": "Hm.", "hangs": true } }]));
    let app = TestApp::start_with(&[("LLM_SCRIPT_FILE", script.path().to_str().unwrap())]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    Setting { app, ada, project, _script: script }
}

impl Setting {
    async fn dataset(&self) -> String {
        self.ada.dataset(&self.project, "sales.csv", SALES).await["datasetId"].as_str().unwrap().to_owned()
    }

    async fn sql(&self, sql: &str) {
        self.app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// A run that nobody works on now, as if an agent had left it so.
    async fn run(&self, id: &str, project: &str, status: &str, dataset: &str, notebook: Option<&str>) {
        let notebook = notebook.map_or("null".to_owned(), |notebook| format!("'{notebook}'"));
        let kind = if status == "paused" { "'approval'" } else { "null" };
        self.sql(&format!(
            "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node, active_dataset_id,
                 active_notebook_id, pending_input_kind)
             values ('{id}', '{project}', 't', 'preprocessing', '{status}', 'plan_step', '{dataset}', {notebook}, {kind})"
        ))
        .await;
    }

    async fn state_of(&self, run: &str) -> Value {
        self.ada.get(&format!("/api/workflows/{run}")).await.expect(200)["run"].clone()
    }

    async fn delete(&self, dataset: &str) -> crate::support::Answer {
        self.ada.delete(&format!("/api/datasets/{dataset}")).await
    }

    async fn has(&self, dataset: &str) -> bool {
        self.ada.get(&format!("/api/datasets/{dataset}/sample")).await.status == 200
    }
}

/// A turn that has begun to think.
async fn begun(client: &Client, body: &Value) -> (String, impl Stream<Item = reqwest::Result<Bytes>> + Unpin) {
    let request = client.request(Method::POST, "/api/workflows/turns/stream").json(body);
    let mut stream = Box::pin(request.send().await.unwrap().bytes_stream());
    let mut text = String::new();
    while !text.contains("Hm.") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    (text, stream)
}

/// The rest of a stream, as its lines.
async fn rest(mut text: String, mut stream: impl Stream<Item = reqwest::Result<Bytes>> + Unpin) -> Vec<Value> {
    while let Some(chunk) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
    }
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn a_dataset_that_an_agent_works_on_stays() {
    let lab = setting().await;
    let (dataset, notebook) = (lab.dataset().await, notebook(&lab.ada, &lab.project, &json!({})).await);
    let body = json!({
        "projectId": lab.project, "phase": "feature_engineering", "datasetId": dataset, "notebookId": notebook, "prompt": "go",
        "runId": "fe-1",
    });
    let (text, stream) = begun(&lab.ada, &body).await;
    let refused = lab.delete(&dataset).await.refused(409, "dataset_in_use");
    assert_eq!(refused["error"], "DATASET_IN_USE");
    assert!(refused["message"].as_str().unwrap().contains("interrupt"), "{refused}");
    assert_eq!((&refused["datasetId"], &refused["datasetFilename"]), (&json!(dataset), &json!("sales.csv")));
    assert_eq!(refused["activeRunIds"], json!(["fe-1"]));
    let expected = json!([{
        "runId": "fe-1", "phase": "feature_engineering", "status": "running", "pendingInputKind": null,
        "activeNotebookId": notebook, "updatedAt": lab.state_of("fe-1").await["run"]["updatedAt"],
    }]);
    assert_eq!(refused["activeWorkflows"], expected);
    assert!(lab.has(&dataset).await);

    lab.ada.post("/api/workflows/fe-1/interrupt", &json!({})).await.expect(200);
    assert_eq!(rest(text, stream).await.last().unwrap()["type"], "done");
    lab.delete(&dataset).await.expect(200);
    lab.delete(&dataset).await.refused(404, "dataset_not_found");
}

#[actix_web::test]
async fn a_run_that_waits_stands_in_the_way_and_one_that_has_ended_does_not() {
    let lab = setting().await;
    for status in ["failed_retryable", "failed_terminal", "completed", "interrupted"] {
        let dataset = lab.dataset().await;
        lab.run(status, &lab.project, status, &dataset, None).await;
        lab.delete(&dataset).await.expect(200);
        assert_eq!(lab.state_of(status).await["run"]["status"], status, "it stays as it ended");
    }
    let dataset = lab.dataset().await;
    lab.run("paused", &lab.project, "paused", &dataset, None).await;
    let refused = lab.delete(&dataset).await.refused(409, "dataset_in_use");
    let run = &refused["activeWorkflows"][0];
    assert_eq!((&run["status"], &run["pendingInputKind"]), (&json!("paused"), &json!("approval")));
    assert_eq!(run["activeNotebookId"], Value::Null);
    // One whose turn was lost with its server does not wait for anybody.
    lab.sql("update workflow_runs set status = 'running', turn_job_id = gen_random_uuid() where run_id = 'paused'").await;
    lab.delete(&dataset).await.expect(200);
    assert_eq!(lab.state_of("paused").await["run"]["status"], "failed_retryable");
}

#[actix_web::test]
async fn runs_whose_notebook_is_gone_are_interrupted() {
    let lab = setting().await;
    let dataset = lab.dataset().await;
    let (gone, _left) = (notebook(&lab.ada, &lab.project, &json!({})).await, notebook(&lab.ada, &lab.project, &json!({})).await);
    let body = json!({
        "projectId": lab.project, "phase": "feature_engineering", "datasetId": dataset, "notebookId": gone, "prompt": "go",
        "runId": "fe-1",
    });
    let (text, stream) = begun(&lab.ada, &body).await;
    lab.run("prep-1", &lab.project, "paused", &dataset, Some(&gone)).await;
    lab.delete(&dataset).await.refused(409, "dataset_in_use");
    lab.ada.delete(&format!("/api/projects/{}/notebooks/{gone}", lab.project)).await.expect(200);

    lab.delete(&dataset).await.expect(200);
    let lines = rest(text, stream).await;
    assert_eq!(lines.last().unwrap()["type"], "done");
    let told = lines.iter().rfind(|line| line["type"] == "workflow_state").unwrap();
    assert_eq!(told["state"]["status"], "interrupted", "{lines:?}");
    for id in ["fe-1", "prep-1"] {
        let snapshot = lab.state_of(id).await;
        let run = &snapshot["run"];
        assert_eq!((&run["status"], &run["lastFailureCode"]), (&json!("interrupted"), &json!("STALE_NOTEBOOK_REFERENCE")));
        assert!(run.get("pendingInputKind").is_none() && run["lastFailureMessage"].is_string(), "{run}");
        let last = snapshot["events"].as_array().unwrap().last().unwrap();
        assert_eq!(last["eventType"], "workflow_interrupted");
        assert!(last["payload"]["reason"].is_string(), "{last}");
    }
    let job = lab.state_of("fe-1").await["turnJobId"].as_str().unwrap().to_owned();
    eventually("the turn's job ends", async || {
        let job = lab.ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone();
        (job["status"] == "cancelled").then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_refused_deletion_interrupts_nobody() {
    let lab = setting().await;
    let dataset = lab.dataset().await;
    lab.run("stale", &lab.project, "paused", &dataset, Some(&uuid::Uuid::new_v4().to_string())).await;
    lab.run("waits", &lab.project, "paused", &dataset, None).await;
    let refused = lab.delete(&dataset).await.refused(409, "dataset_in_use");
    assert_eq!(refused["activeRunIds"], json!(["waits"]));
    assert_eq!(lab.state_of("stale").await["run"]["status"], "paused");
    assert_eq!(lab.state_of("stale").await["events"], json!([]));
    lab.ada.post("/api/workflows/waits/interrupt", &json!({})).await.expect(200);
    lab.delete(&dataset).await.expect(200);
    assert_eq!(lab.state_of("stale").await["run"]["lastFailureCode"], "STALE_NOTEBOOK_REFERENCE");
    assert_eq!(lab.state_of("waits").await["run"]["lastFailureCode"], "USER_INTERRUPTED", "it had ended before");
}

#[actix_web::test]
async fn runs_of_other_projects_and_people_do_not_count() {
    let lab = setting().await;
    let (dataset, other) = (lab.dataset().await, lab.dataset().await);
    let eve = lab.app.user("eve").await;
    let hers = eve.project("Hers").await;
    let second = lab.ada.project("Second").await;
    lab.run("eve-1", &hers, "paused", &dataset, None).await;
    lab.run("ada-2", &second, "paused", &dataset, None).await;
    lab.run("ada-3", &lab.project, "paused", &other, None).await;
    // A notebook of somebody else's is none of this project's: it neither keeps the dataset nor tells that it is there.
    let her_notebook = notebook(&eve, &hers, &json!({})).await;
    lab.run("ada-4", &lab.project, "paused", &dataset, Some(&her_notebook)).await;

    eve.delete(&format!("/api/datasets/{dataset}")).await.refused(404, "dataset_not_found");
    assert!(lab.has(&dataset).await);
    lab.delete(&dataset).await.expect(200);
    assert_eq!(eve.get("/api/workflows/eve-1").await.expect(200)["run"]["run"]["status"], "paused");
    for (run, status) in [("ada-2", "paused"), ("ada-3", "paused"), ("ada-4", "interrupted")] {
        assert_eq!(lab.state_of(run).await["run"]["status"], status, "{run}");
    }
}

#[actix_web::test]
async fn a_deletion_and_a_turn_that_begins_come_one_after_the_other() {
    let lab = setting().await;
    for round in 0..6 {
        let dataset = lab.dataset().await;
        let run = format!("fe-{round}");
        let body = json!({
            "projectId": lab.project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": run,
        });
        let turn = lab.ada.request(Method::POST, "/api/workflows/turns/stream").header("prefer", "respond-async").json(&body);
        let (begun, deleted) = futures_util::future::join(lab.ada.send(turn), lab.delete(&dataset)).await;
        begun.expect(202);
        if deleted.status == 409 {
            assert_eq!(deleted.refused(409, "dataset_in_use")["activeRunIds"], json!([run]));
            assert!(lab.has(&dataset).await);
            lab.ada.post(&format!("/api/workflows/{run}/interrupt"), &json!({})).await.expect(200);
            continue;
        }
        deleted.expect(200);
        let code = eventually("the turn finds no dataset", async || {
            let run = lab.state_of(&run).await["run"].clone();
            (run["status"] != "running").then(|| run["lastFailureCode"].clone())
        })
        .await;
        assert_eq!(code, "DATASET_NOT_FOUND");
    }
}

#[actix_web::test]
async fn a_turn_ends_with_its_project() {
    let lab = setting().await;
    let dataset = lab.dataset().await;
    let body = json!({
        "projectId": lab.project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": "fe-1",
    });
    let (text, stream) = begun(&lab.ada, &body).await;
    lab.ada.delete(&format!("/api/projects/{}", lab.project)).await.expect(204);
    let lines = rest(text, stream).await;
    let [.., error, done] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&error["type"], &error["retryable"], &done["type"]), (&json!("workflow_error"), &json!(false), &json!("done")));
    assert!(error["message"].as_str().unwrap().contains("deleted"), "{error}");
    lab.ada.get("/api/workflows/fe-1").await.refused(404, "workflow_not_found");
    lab.ada.get(&format!("/api/workflows?projectId={}", lab.project)).await.refused(404, "project_not_found");
    // The id is free again, and the server works on.
    let project = lab.ada.project("Next").await;
    let dataset = lab.ada.dataset(&project, "sales.csv", SALES).await["datasetId"].clone();
    let body = json!({
        "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": "fe-1",
    });
    drop(begun(&lab.ada, &body).await);
}
