//! Long work: as a task, waited for with its progress, and the whole main job by the client of the protocol's authors.

use gristmill_domain::ModelId;
use gristmill_persistence::files::model_prefix;
use serde_json::{Value, json};

use super::Mcp;
use crate::{
    deployments::row,
    models::{PENGUINS, lab},
    peers::Peers,
    support::{Client, TestApp, eventually},
    tenancy::things_of,
};

fn tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// Looks at a task until it has ended.
async fn ended(mcp: &Mcp, task: &Value) -> Value {
    let asked = json!({ "taskId": task });
    eventually("the task to end", async || {
        let task = mcp.ask("tasks/get", &asked).await;
        (task["status"] != "working").then_some(task)
    })
    .await
}

#[actix_web::test]
async fn a_training_is_a_task_for_clients_that_know_tasks() {
    let lab = lab(&[]).await;
    let mcp = Mcp::newest(&lab.ada, tasks());
    let began = mcp.call("train_model", &lab.request(&json!({ "name": "Species" }))).await;
    assert_eq!((&began["resultType"], &began["status"]), (&json!("task"), &json!("working")), "{began}");
    assert!(began["ttlMs"].is_u64() && began["pollIntervalMs"].is_u64(), "{began}");
    let task = ended(&mcp, &began["taskId"]).await;
    assert_eq!(task["status"], "completed", "{task}");
    let result = &task["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["success"]), (&json!(false), &json!(true)), "{task}");
    let model = result["structuredContent"]["model"]["modelId"].clone();
    // A task is a job, for whoever does not know tasks.
    let plain = Mcp::of(&lab.ada);
    let job = plain.give("get_job", &json!({ "projectId": lab.project, "jobId": began["taskId"] })).await;
    assert_eq!(job["job"]["status"], "succeeded");
    let listed = plain.give("list_models", &json!({ "projectId": lab.project })).await;
    assert_eq!(listed["models"][0]["modelId"], model);
    // What has ended stays as it is.
    mcp.ask("tasks/cancel", &json!({ "taskId": began["taskId"] })).await;
    assert_eq!(ended(&mcp, &began["taskId"]).await["status"], "completed");
    // Another server, which never heard of it, tells the same.
    let second = lab.app.second_server(&[]).await;
    let client = Client::new(&format!("http://{}", second.address()), lab.ada.token.as_deref());
    let there = Mcp::newest(&client, tasks());
    let told = there.ask("tasks/get", &json!({ "taskId": began["taskId"] })).await["result"].clone();
    for field in ["modelId", "metrics", "featureColumns"] {
        assert_eq!(told["structuredContent"]["model"][field], result["structuredContent"]["model"][field], "{told}");
    }
}

#[actix_web::test]
async fn a_task_is_cancelled() {
    let lab = lab(&[]).await;
    let mcp = Mcp::newest(&lab.ada, tasks());
    let slow = json!({ "templateId": "auto_classifier", "parameters": { "time_budget_seconds": 120 }, "wait": false });
    // Asked not to wait, a call gives its job whatever the client knows.
    let began = mcp.give("train_model", &lab.request(&slow)).await;
    let task = began["job"]["jobId"].clone();
    assert!(began["next"].as_str().unwrap().contains("get_job"), "{began}");
    eventually("the search to begin", async || {
        let task = mcp.ask("tasks/get", &json!({ "taskId": task })).await;
        assert_eq!(task["status"], "working", "{task}");
        let job = mcp.give("get_job", &json!({ "projectId": lab.project, "jobId": task["taskId"] })).await;
        (job["job"]["status"] == "running").then_some(())
    })
    .await;
    mcp.ask("tasks/cancel", &json!({ "taskId": task })).await;
    assert_eq!(ended(&mcp, &task).await["status"], "cancelled");
}

#[actix_web::test]
async fn what_cannot_be_read_just_now_is_no_end_of_a_task() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let things = things_of(&app, &ada).await;
    let (job, model) = (&things.job, things.model);
    // As if the job had evaluated the model, and the disk were not there.
    let sql = format!(
        "update models set evaluation_status = 'ready', evaluation_storage = 'evaluation-1' where model_id = '{model}';
         update jobs set kind = 'model_evaluate', payload = '{{\"modelId\": \"{model}\"}}' where job_id = '{job}'"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    let directory = app.server.state().files.path(&model_prefix(things.project.parse().unwrap(), ModelId(model)));
    let file = directory.join("evaluation-1/evaluation.json");
    std::fs::create_dir_all(&file).unwrap();
    let mcp = Mcp::newest(&ada, tasks());
    let asked = json!({ "taskId": job });
    assert_eq!(mcp.refuse("tasks/get", &asked).await["code"], -32603);
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, "{\"metrics\": {}}").unwrap();
    let task = mcp.ask("tasks/get", &asked).await;
    assert_eq!((&task["status"], &task["result"]["isError"]), (&json!("completed"), &json!(false)), "{task}");
    // What is gone for good is how it ended.
    std::fs::remove_file(&file).unwrap();
    let task = mcp.ask("tasks/get", &asked).await;
    assert_eq!((&task["status"], &task["result"]["isError"]), (&json!("completed"), &json!(true)), "{task}");
}

#[actix_web::test]
async fn progress_is_told_before_the_result() {
    let lab = lab(&[]).await;
    let mcp = Mcp::of(&lab.ada);
    let call = json!({
        "name": "train_model", "arguments": lab.request(&json!({})), "_meta": { "progressToken": "t" },
    });
    let mut said = mcp.messages("tools/call", &call).await;
    let result = said.pop().unwrap()["result"].clone();
    assert_eq!(result["structuredContent"]["success"], true, "{result}");
    let mut told = 0.0;
    assert!(!said.is_empty(), "a training tells of its progress");
    for one in &said {
        let (method, params) = (&one["method"], &one["params"]);
        assert_eq!((method, &params["progressToken"]), (&json!("notifications/progress"), &json!("t")), "{one}");
        let progress = params["progress"].as_f64().unwrap();
        assert!(progress > told && progress <= 1.0, "{said:?}");
        told = progress;
    }
    // What cannot be trained is a result too, with the field that is wrong.
    let text = mcp.fail("train_model", &lab.request(&json!({ "targetColumn": "gone" }))).await;
    assert!(text.contains("targetColumn"), "{text}");
    let text = mcp.fail("train_model", &lab.request(&json!({ "templateId": "gone" }))).await;
    assert!(!text.is_empty());
}

#[actix_web::test]
async fn the_protocol_s_own_client_does_the_main_job() {
    let lab = lab(&[]).await;
    let data = lab.app.data_dir.path().join("penguins.csv");
    std::fs::write(&data, PENGUINS).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp/client.py");
    let (url, row) = (format!("{}/api/mcp", lab.app.url()), row().to_string());
    let token = lab.ada.post("/api/auth/tokens", &json!({ "name": "mcp", "scopes": ["read", "write"] })).await.expect(201);
    let token = token["secret"].as_str().unwrap();
    let variables = [("URL", url.as_str()), ("TOKEN", token), ("DATA", data.to_str().unwrap()), ("ROW", row.as_str())];
    let output = Peers::run(script, &variables).await;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("done"), "{said}\n{errors}");
}
