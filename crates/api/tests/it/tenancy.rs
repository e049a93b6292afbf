//! Decision 13: every operation of the OpenAPI document, as nobody and as a stranger.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp};

/// Operations that answer without a credential. This list may only shrink.
const PUBLIC: [&str; 19] = [
    // RFC 9728: who has no token yet reads there what opens /api/mcp.
    "GET /.well-known/oauth-protected-resource/api/mcp",
    "GET /",
    "GET /api/auth/google",
    // Where browsers go on their way to Google and back: a navigation has no credential.
    "GET /api/auth/google/return",
    "GET /api/auth/google/start",
    // Pictures in pages: the name of the file carries the server's signature.
    "GET /api/cells/{cellId}/outputs/{filename}",
    "GET /api/docs",
    "GET /api/health",
    "GET /api/openapi.json",
    // As the Open Inference Protocol has them: they say that a server is there, and nothing of anybody's.
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "POST /api/auth/forgot-password",
    "POST /api/auth/google/callback",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/auth/reset-password",
    "POST /api/auth/verify-email",
];

/// What a stranger who names the owner's things gets where that is not 404.
fn allowed_for_strangers(operation: &str) -> Option<&'static [u16]> {
    Some(match operation {
        // These name nothing of the owner's: the stranger acts on its own account.
        "GET /api/auth/me"
        | "GET /api/auth/identities"
        | "GET /api/auth/sessions"
        | "GET /api/auth/tokens"
        | "GET /api/auth/verification-status"
        | "GET /api/execute/health"
        | "GET /api/execute/runtimes"
        | "GET /api/llm/models"
        | "GET /api/llm/tools"
        | "GET /api/projects"
        | "GET /api/query/cache/config"
        | "GET /api/settings"
        | "PATCH /api/settings"
        | "POST /api/datasets/migrate" => &[200],
        "PATCH /api/auth/profile" => &[200],
        "POST /api/auth/tokens" | "POST /api/projects" => &[201],
        "GET /api/models/templates"
        | "POST /api/mlflow/api/2.0/mlflow/experiments/create"
        | "POST /api/mlflow/api/2.0/mlflow/experiments/search"
        | "POST /api/mlflow/api/2.0/mlflow/registered-models/create"
        | "GET /api/mlflow/api/2.0/mlflow/registered-models/search"
        | "GET /api/mlflow/api/2.0/mlflow/model-versions/search" => &[200],
        // A notebook of somebody else's is as one that is not there: an answer that says so, as the contract has it.
        "GET /api/notebooks/{notebookId}/recovery-candidate" | "POST /api/notebooks/{notebookId}/recover" => &[200],
        // A request that does not accept the protocol's forms, and methods that it does not have: nothing is looked at.
        "POST /api/mcp" => &[406],
        "GET /api/mcp" | "DELETE /api/mcp" => &[405],
        // For nobody at all.
        "POST /api/models/seed" | "POST /api/models/seed-one" => &[403],
        "POST /api/auth/resend-verification" | "POST /api/auth/google/link" | "POST /api/realtime/session" => &[503],
        "DELETE /api/projects/reset" => &[403],
        // Ends the stranger's own session or account: called last.
        "POST /api/auth/logout" | "DELETE /api/auth/account" => &[204],
        "POST /api/auth/revoke-all-sessions" => &[200],
        _ => return None,
    })
}

struct Operation {
    method: Method,
    path: String,
    public: bool,
    query: Vec<String>,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let public = operation["security"].as_array().is_some_and(|list| list.contains(&json!({})));
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap().to_owned());
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            found.push(Operation { method, path: path.clone(), public, query: query.collect() });
        }
    }
    found
}

/// The owner's things, by parameter name.
pub(crate) struct Things {
    pub(crate) project: String,
    pub(crate) dataset: String,
    pub(crate) document: String,
    golden: String,
    chat: String,
    pub(crate) job: String,
    token: String,
    pub(crate) notebook: String,
    pub(crate) cell: String,
    savepoint: String,
    session: uuid::Uuid,
    pub(crate) model: uuid::Uuid,
    run: String,
    pub(crate) deployment: uuid::Uuid,
    key: String,
    logged: String,
    pub(crate) preprocessing: String,
}

pub(crate) async fn things_of(app: &TestApp, owner: &Client) -> Things {
    let project = owner.project("Owned").await;
    let dataset = owner.dataset(&project, "secret.csv", "name,salary\nada,1\n").await;
    let jobs = owner.get("/api/jobs").await.expect(200);
    let document = owner.document(&project, "secret.txt", "salary").await;
    let golden = json!({ "question": "Who earns most?", "expectedSql": "select name from secret" });
    let golden = owner.post(&format!("/api/projects/{project}/golden-questions"), &golden).await.expect(201);
    let chat = owner.post(&format!("/api/projects/{project}/plan-chats"), &json!({ "name": "salary" })).await.expect(201);
    let token = owner.post("/api/auth/tokens", &json!({ "name": "t" })).await.expect(201);
    let notebook = owner.post(&format!("/api/projects/{project}/notebooks"), &json!({})).await.expect(201);
    let notebook = notebook["notebookId"].as_str().unwrap().to_owned();
    let cell = json!({ "content": "salary = 1" });
    let cell = owner.post(&format!("/api/notebooks/{notebook}/cells"), &cell).await.expect(201);
    let savepoint = json!({ "turnIndex": 0, "turnMessageId": "m" });
    let savepoint = owner.post(&format!("/api/notebooks/{notebook}/savepoints"), &savepoint).await.expect(201);
    // Straight into the database: a session through HTTP would need a kernel.
    let session = uuid::Uuid::new_v4();
    let sql = format!(
        "insert into execution_sessions (session_id, project_id, python_version) values ('{session}', '{project}', '3.11')"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    let model = model_of(app, &project, dataset["datasetId"].as_str().unwrap()).await;
    let deployment = served(app, &project, model).await;
    let key = owner.post(&format!("/api/deployments/{deployment}/api-keys"), &json!({ "name": "k" })).await.expect(201);
    let mlflow = "/api/mlflow/api/2.0/mlflow";
    let run = owner
        .post(&format!("{mlflow}/runs/create"), &json!({ "experiment_id": project, "run_name": "salary" }))
        .await
        .expect(200);
    let logged = json!({ "experiment_id": project, "name": "salary" });
    let logged = owner.post(&format!("{mlflow}/logged-models"), &logged).await.expect(200);
    let registered = json!({ "name": "x", "description": "salary" });
    owner.post(&format!("{mlflow}/registered-models/create"), &registered).await.expect(200);
    let preprocessing = uuid::Uuid::new_v4();
    let sql = format!("insert into preprocessing_runs (run_id, project_id) values ('{preprocessing}', '{project}')");
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    Things {
        preprocessing: format!("prep-{preprocessing}"),
        logged: logged["model"]["info"]["model_id"].as_str().unwrap().to_owned(),
        run: run["run"]["info"]["run_id"].as_str().unwrap().to_owned(),
        key: key["key"]["keyId"].as_str().unwrap().to_owned(),
        deployment,
        model,
        notebook,
        cell: cell["cellId"].as_str().unwrap().to_owned(),
        savepoint: savepoint["savepointId"].as_str().unwrap().to_owned(),
        session,
        project,
        dataset: dataset["datasetId"].as_str().unwrap().to_owned(),
        golden: golden["goldenQuestion"]["goldenQuestionId"].as_str().unwrap().to_owned(),
        chat: chat["chatId"].as_str().unwrap().to_owned(),
        document: document["documentId"].as_str().unwrap().to_owned(),
        job: jobs["jobs"][0]["jobId"].as_str().unwrap().to_owned(),
        token: token["token"]["tokenId"].as_str().unwrap().to_owned(),
    }
}

/// A model of a project, straight into the database: a training would need a sandbox.
async fn model_of(app: &TestApp, project: &str, dataset_id: &str) -> uuid::Uuid {
    let model = uuid::Uuid::new_v4();
    let plan = json!({
        "datasetId": dataset_id, "datasetVersion": 1, "datasetName": "secret.csv", "name": "salary", "target": "salary",
        "templateId": "ridge_regression", "taskType": "regression",
        "split": { "kind": "random", "testSize": 0.2, "seed": 42 },
    });
    let sql = format!(
        "insert into models (model_id, project_id, dataset_id, name, plan, task_type, template_id, library, algorithm, parameters,
             metrics, status, version, feature_columns, artifacts, storage, metadata, feature_types, sample_request)
         values ('{model}', '{project}', '{dataset_id}', 'salary', '{plan}', 'regression', 'ridge_regression', 'sklearn', 'Ridge',
             '{{}}', '{{}}', 'completed', 1, '[]', '[]', 'files-1', '{{}}', '{{}}', '{{}}')"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    model
}

/// A deployment of a model, as if it were served.
async fn served(app: &TestApp, project: &str, model: uuid::Uuid) -> uuid::Uuid {
    let deployment = uuid::Uuid::new_v4();
    let sql = format!(
        "insert into deployments (deployment_id, project_id, model_id, name, status, runtime, config, job_id)
         values ('{deployment}', '{project}', '{model}', 'salary', 'healthy', 'native', '{{\"rateLimitPerMinute\": 60}}', '{deployment}')"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    deployment
}

/// A deployment in a project of its own.
pub(crate) async fn deployment_of(app: &TestApp, owner: &Client) -> uuid::Uuid {
    let project = owner.project("Served").await;
    let dataset = owner.dataset(&project, "secret.csv", "name,salary\nada,1\n").await;
    let model = model_of(app, &project, dataset["datasetId"].as_str().unwrap()).await;
    served(app, &project, model).await
}

/// A body that has what any operation may want.
fn body(things: &Things) -> Value {
    let (session, model) = (things.session.to_string(), things.model.to_string());
    let mut body = json!({
            "projectId": things.project, "sql": "select * from secret", "name": "x", "filename": "x.csv", "dtype": "string",
            "settings": {}, "password": "correct horse", "code": "x", "token": "x",
            "refreshToken": "x", "notebook": { "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [] }, "content": "x", "cellIds": [things.cell], "turnIndex": 0, "turnMessageId": "x",
            "afterTurnIndex": 0, "line": 1, "column": 0, "sessionId": session, "packageName": "six",
            "datasetId": things.dataset, "templateId": "ridge_regression", "targetColumn": "name", "modelId": model,
            "experiment_id": things.project, "experiment_ids": [things.project], "run_id": things.run, "new_name": "Stolen", "key": "k",
            "value": "1", "source": "s", "modelIds": [model, uuid::Uuid::new_v4()], "nTrials": 1, "metric": "r2", "query": "how many", "type": "banner",
            "version": "1", "alias": "x", "stage": "Staging", "model_json": "{\"artifact_path\": \"m\", \"flavors\": {}}",
    });
    let more = json!({
        "insightContext": {
            "columns": [], "issueType": "x", "severity": "x", "text": "x", "datasetSchema": [], "tableName": "x",
        },
        "question": "Who earns most?", "expectedSql": "select 1", "messages": [], "completedPlanId": "p",
        "runId": things.preprocessing, "stepId": format!("step-{model}"), "approved": true, "checkpointId": format!("ckpt-{model}"),
        "replayDatasetId": things.dataset, "phase": "preprocessing", "afterSequence": 1,
        "action": "stop", "feedback": "positive", "feature": "x", "actuals": [{ "predictionId": model, "actual": 1 }],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Calls an operation with the owner's ids in path, query and body.
async fn call(client: &Client, operation: &Operation, things: &Things) -> Answer {
    let [session, model, deployment] = [things.session, things.model, things.deployment].map(|id| id.to_string());
    let id = match operation.path.as_str() {
        path if path.starts_with("/api/jobs") => &things.job,
        path if path.starts_with("/api/execute/session") => &session,
        path if path.starts_with("/api/models") => &model,
        path if path.starts_with("/api/deployments") => &deployment,
        _ => &things.project,
    };
    let path = operation
        .path
        .replace("{id}", id)
        .replace("{datasetId}", &things.dataset)
        .replace("{documentId}", &things.document)
        .replace("{goldenQuestionId}", &things.golden)
        .replace("{chatId}", &things.chat)
        .replace("{columnName}", "salary")
        .replace("{tokenId}", &things.token)
        .replace("{projectId}", &things.project)
        .replace("{notebookId}", &things.notebook)
        .replace("{cellId}", &things.cell)
        .replace("{savepointId}", &things.savepoint)
        .replace("{sessionId}", &session)
        .replace("{modelId}", &model)
        .replace("{deploymentId}", &deployment)
        .replace("{keyId}", &things.key)
        .replace("{logId}", "1")
        .replace("{version}", "1")
        .replace("{path}", &format!("{}/{}/artifacts/a.txt", things.project, things.run))
        .replace("{model_id}", &things.logged)
        .replace("{tag_key}", "k")
        .replace("{runId}", &things.preprocessing)
        .replace("{provider}", "google")
        .replace("{filename}", "image.png");
    assert!(!path.contains('{'), "tell this test what to put into {path}");
    let mut request = client.request(operation.method.clone(), &path);
    if operation.query.iter().any(|name| name == "projectId") {
        request = request.query(&[("projectId", &things.project)]);
    }
    for name in &operation.query {
        let value = match name.as_str() {
            "experiment_id" => things.project.clone(),
            "q" => "salary".to_owned(),
            "experiment_name" => "Owned".to_owned(),
            "run_id" => things.run.clone(),
            "path" => format!("{}/{}/artifacts", things.project, things.run),
            "name" | "metric_key" | "alias" => "x".to_owned(),
            "version" => "1".to_owned(),
            "phase" => "preprocessing".to_owned(),
            _ => continue,
        };
        request = request.query(&[(name, value)]);
    }
    request = match operation.name().as_str() {
        "POST /api/upload/dataset" | "POST /api/upload/doc" => {
            let part = reqwest::multipart::Part::bytes(b"a\n1\n".to_vec()).file_name("t.csv");
            request.multipart(reqwest::multipart::Form::new().part("file", part).text("projectId", things.project.clone()))
        }
        "POST /api/feature-engineering/apply" => {
            let mut body = body(things);
            body["features"] = json!([{ "sourceColumn": "salary", "featureName": "y", "method": "sqrt_transform" }]);
            request.json(&body)
        }
        _ if operation.method != Method::GET => request.json(&body(things)),
        _ => request,
    };
    client.send(request).await
}

#[actix_web::test]
async fn nobody_gets_in_and_strangers_find_nothing() {
    let app = TestApp::start().await;
    let document = app.anonymous().get("/api/openapi.json").await.expect(200);
    let owner = app.user("owner").await;
    let things = things_of(&app, &owner).await;
    let operations = operations(&document);
    assert!(operations.len() > 110, "the document lists {} operations", operations.len());

    let public: BTreeSet<String> = operations.iter().filter(|one| one.public).map(Operation::name).collect();
    let listed: BTreeSet<String> = PUBLIC.iter().map(ToString::to_string).collect();
    let unexpected: Vec<_> = public.difference(&listed).collect();
    assert!(unexpected.is_empty(), "public, but not on the list: {unexpected:?}");

    for operation in &operations {
        let answer = call(&app.anonymous(), operation, &things).await;
        if operation.public {
            assert_ne!(answer.status, 500, "{}: {}", operation.name(), answer.text);
        } else {
            assert_eq!(answer.status, 401, "{} let nobody in: {}", operation.name(), answer.text);
        }
    }
    for (number, operation) in operations.iter().filter(|one| !one.public).enumerate() {
        // A stranger of its own for each, because some end the session or the account.
        let stranger = app.user(&format!("stranger{number}")).await;
        let answer = call(&stranger, operation, &things).await;
        match allowed_for_strangers(&operation.name()) {
            Some(statuses) => assert!(statuses.contains(&answer.status.as_u16()), "{}: {}", operation.name(), answer.text),
            None => assert_eq!(answer.status, 404, "{} let a stranger in: {}", operation.name(), answer.text),
        }
        assert!(!answer.text.contains("salary"), "{} leaked: {}", operation.name(), answer.text);
    }
    // And the owner's things are as they were.
    let datasets = owner.get(&format!("/api/datasets?projectId={}", things.project)).await.expect(200);
    assert_eq!(datasets["datasets"][0]["columns"][1]["dtype"], "integer");
    assert_eq!(owner.get("/api/projects").await.expect(200)["projects"][0]["name"], "Owned");
    let cell = owner.get(&format!("/api/cells/{}", things.cell)).await.expect(200);
    assert_eq!((cell["content"].as_str(), cell["executionCount"].as_u64()), (Some("salary = 1"), Some(0)));
    assert_eq!(owner.get("/api/jobs").await.expect(200)["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(owner.get("/api/documents").await.expect(200)["documents"][0]["documentId"], things.document.as_str());
}
