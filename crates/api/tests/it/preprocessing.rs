//! Preprocessing (contract 2, section 7): the tools as an agent calls them, and what people decide over HTTP.

mod changed;
mod decisions;
mod forks;
mod kernel;
mod replay;
mod splits;
mod tenancy;
mod types;

use gristmill_api::preprocessing::run_tool;
use gristmill_domain::{
    Caller, JobId, UserId,
    workflows::{Phase, ToolName, WorkflowRunId},
};
use gristmill_workflow::tools::{ToolContext, ToolOutput};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp},
};

const SALES: &str = "city,people\nAachen,1\nBonn,\nKöln,3\n";

/// A person with a project, a dataset and a notebook, and an agent that works on it.
pub(crate) struct Lab {
    app: TestApp,
    ada: Client,
    caller: Caller,
    project: String,
    notebook: String,
    dataset: String,
}

impl Lab {
    async fn new() -> Self {
        Self::over(TestApp::start().await).await
    }

    async fn over(app: TestApp) -> Self {
        let ada = app.user("ada").await;
        let caller = caller_of(&ada).await;
        let project = ada.project("P").await;
        let notebook = notebook(&ada, &project, &json!({})).await;
        let dataset = ada.dataset(&project, "sales.csv", SALES).await["datasetId"].as_str().unwrap().to_owned();
        Self { app, ada, caller, project, notebook, dataset }
    }

    fn context(&self, key: &str) -> ToolContext {
        ToolContext {
            caller: self.caller.clone(),
            project: self.project.parse().unwrap(),
            run: WorkflowRunId::parse("turn-of-the-agent"),
            phase: Some(Phase::Preprocessing),
            dataset: Some(self.dataset.parse().unwrap()),
            notebook: Some(self.notebook.parse().unwrap()),
            key: key.to_owned(),
            is_approved: false,
            stop: CancellationToken::new(),
        }
    }

    async fn call(&self, context: &ToolContext, tool: ToolName, args: Value) -> ToolOutput {
        run_tool(self.app.server.state(), context, tool, args.as_object().unwrap()).await
    }

    /// A call with a key of its own.
    async fn tool(&self, tool: ToolName, args: Value) -> ToolOutput {
        self.call(&self.context(&uuid::Uuid::new_v4().to_string()), tool, args).await
    }

    /// A call that goes well.
    async fn ok(&self, tool: ToolName, args: Value) -> Value {
        done(self.tool(tool, args).await)
    }

    async fn sql(&self, sql: &str) {
        self.app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// Writes down that a cell ran, as it is now.
    async fn ran(&self, cell: &str, status: &str) {
        self.sql(&format!(
            "update cells set execution_status = '{status}', execution_count = 1, execution_order = 1, is_dirty = false,
                 execution_duration_ms = 5, executed_at = now(), output = '[{{\"type\": \"text\", \"content\": \"said\"}}]'
             where cell_id = '{cell}'"
        ))
        .await;
    }

    /// The file that a kernel would write for a dataset.
    fn processed(&self, dataset: &str, filename: &str) -> std::path::PathBuf {
        let workspace = self.app.data_dir.path().join("runtime/projects").join(&self.project).join("workspace");
        let directory = workspace.join("data").join(dataset);
        std::fs::create_dir_all(&directory).unwrap();
        directory.join(filename)
    }

    async fn proposed(&self, intent: &str) -> String {
        let args = json!({ "title": "Fill the gaps", "intentType": intent, "rationale": "there are some" });
        let step = self.ok(ToolName::ProposeTransformationStep, args).await;
        step["stepId"].as_str().unwrap().to_owned()
    }

    /// Gives a step code and writes that to a cell. Returns the cell.
    async fn written(&self, step: &str, code: &str) -> String {
        let made = self.ok(ToolName::MaterializeStepCode, json!({ "stepId": step, "code": code })).await;
        cell(&self.ada, &self.notebook, made["cells"][0]["content"].as_str().unwrap()).await
    }

    /// A step whose code ran. Returns the step and its cell.
    async fn executed(&self, intent: &str) -> (String, String) {
        let step = self.proposed(intent).await;
        let cell = self.written(&step, "df['people'] = df['people'].fillna(0)").await;
        self.ran(&cell, "success").await;
        let done = self.ok(ToolName::ExecuteTransformationStep, json!({ "stepId": step, "cellId": cell })).await;
        assert_eq!((done["status"].as_str(), done["stdout"].as_str()), (Some("success"), Some("said")), "{done}");
        (step, cell)
    }

    /// A step whose output was measured.
    async fn validated(&self, intent: &str, output: &str) -> (String, String, Value) {
        let (step, cell) = self.executed(intent).await;
        std::fs::write(self.processed(&self.dataset, "sales_processed.csv"), output).unwrap();
        let args = json!({ "stepId": step, "requiresApproval": false, "rowCountAfter": 1000 });
        let validated = self.ok(ToolName::ValidateStepResult, args).await;
        (step, cell, validated)
    }

    async fn decide(&self, run: &Value, step: &str, approved: bool) -> Value {
        let body = json!({ "projectId": self.project, "runId": run["runId"], "stepId": step, "approved": approved });
        self.ada.post("/api/preprocessing/step-decision", &body).await.expect(200)
    }

    async fn snapshot(&self, run: &Value) -> Value {
        let path = format!("/api/preprocessing/runs/{}", run["runId"].as_str().unwrap());
        self.ada.get(&path).await.expect(200)["run"].clone()
    }

    async fn datasets(&self) -> Vec<Value> {
        let list = self.ada.get(&format!("/api/datasets?projectId={}", self.project)).await.expect(200);
        list["datasets"].as_array().unwrap().clone()
    }
}

pub(crate) async fn caller_of(client: &Client) -> Caller {
    let me = client.get("/api/auth/me").await.expect(200);
    let id: UserId = serde_json::from_value(me["user"]["user_id"].clone()).expect("an id");
    Caller::of_job(id, JobId::random())
}

#[track_caller]
fn done(answer: ToolOutput) -> Value {
    assert_eq!(answer.error, None, "{:?}", answer.output);
    let output = answer.output.unwrap();
    assert_eq!((&output["isError"], &output["reasonCode"]), (&json!(false), &Value::Null), "{output}");
    output
}

#[track_caller]
fn refused(answer: ToolOutput, reason: &str) -> Value {
    let output = answer.output.unwrap();
    assert_eq!((&output["isError"], output["reasonCode"].as_str()), (&json!(true), Some(reason)), "{:?} {output}", answer.error);
    assert!(answer.error.is_some_and(|error| !error.is_empty()), "no words for the model in {output}");
    output
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[actix_web::test]
async fn a_step_becomes_a_dataset_with_its_lineage() {
    let lab = Lab::new().await;
    let (step, cell, validated) = lab.validated("fill_missing", "city,people\nAachen,1\nBonn,0\nKöln,3\n").await;
    assert_eq!((&validated["status"], &validated["passed"]), (&json!("running"), &json!(true)), "{validated}");
    let measured = &validated["step"]["validation"];
    for (field, value) in
        [("rowCountBefore", 3), ("rowCountAfter", 3), ("nullCountBefore", 1), ("nullCountAfter", 0)].map(|(f, v)| (f, json!(v)))
    {
        assert_eq!(measured[field], value, "{field} in {measured}");
    }
    assert_eq!((&measured["schemaDrift"], &measured["changes"][0]), (&json!(false), &json!("missing values: 1 before, 0 after")));

    let kept = lab.ok(ToolName::CommitTransformationStep, json!({ "stepId": step, "label": "Filled" })).await;
    assert_eq!((kept["status"].as_str(), kept["checkpoint"]["label"].as_str()), (Some("applied"), Some("Filled")), "{kept}");
    let derived = kept["derivedDatasetId"].as_str().unwrap();
    let datasets = lab.datasets().await;
    let dataset = datasets.iter().find(|dataset| dataset["datasetId"] == derived).unwrap();
    assert_eq!((dataset["filename"].as_str(), dataset["nRows"].as_u64()), (Some("sales_processed.csv"), Some(3)), "{dataset}");
    assert_eq!(dataset["metadata"]["derivedFrom"], lab.dataset);
    let lineage = &dataset["metadata"]["preprocessing"];
    assert_eq!(
        (&lineage["runId"], &lineage["stepId"], &lineage["sourceDatasetId"]),
        (&kept["runId"], &json!(step), &json!(lab.dataset))
    );

    let run = lab.snapshot(&kept).await;
    assert_eq!((&run["activeDatasetId"], &run["derivedDatasetIds"]), (&json!(derived), &json!([derived])), "{run}");
    assert_eq!(run["stateModel"], "hybrid");
    let stored = &run["steps"][0];
    // The client compares this hash with the whole content of the cell.
    let content = lab.ada.get(&format!("/api/cells/{cell}")).await.expect(200)["content"].as_str().unwrap().to_owned();
    assert_eq!(
        (stored["codeHash"].as_str(), stored["cellIds"][0].as_str()),
        (Some(hash(&content).as_str()), Some(cell.as_str()))
    );
    let kinds: Vec<&str> = run["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = ["active_dataset_set", "step_proposed", "step_code_materialized", "step_executed", "step_validated"];
    assert_eq!(kinds, [&expected[..], &["step_committed", "checkpoint_created"]].concat());
    let committed = &run["events"][5]["payload"];
    assert_eq!(committed["requiredInputSchema"]["columns"][1], json!({ "name": "people", "dtype": "integer" }), "{committed}");

    let listed = lab.ada.get(&format!("/api/preprocessing/runs?projectId={}", lab.project)).await.expect(200);
    assert_eq!((&listed["projectId"], &listed["count"]), (&json!(lab.project), &json!(1)));
    let listed = &listed["runs"][0];
    assert_eq!(
        (&listed["stepCount"], &listed["eventCount"], &listed["latestEventType"]),
        (&json!(1), &json!(7), &json!("checkpoint_created"))
    );
    let tables = lab.ada.get(&format!("/api/preprocessing/tables?projectId={}", lab.project)).await.expect(200);
    let table = &tables["tables"][0];
    assert_eq!(
        (&table["name"], &table["nRows"], &table["columns"][0]),
        (&json!("sales"), &json!(3), &json!({ "name": "city", "dtype": "string" }))
    );
    assert_eq!(table["previewRows"].as_array().unwrap().len(), 3);

    // The next step works on what this one made, while the person stays with the dataset that was chosen.
    let next = lab.proposed("cast_types").await;
    let made = lab.ok(ToolName::MaterializeStepCode, json!({ "stepId": next, "code": "```python\nx = 1\n```" })).await;
    assert_eq!(made["datasetId"], derived);
    let content = made["cells"][0]["content"].as_str().unwrap();
    assert!(content.contains(derived) && content.contains("from_original=True") && !content.contains("```"), "{content}");
    assert_eq!(made["cells"][0]["metadata"]["preprocessing"]["codeHash"], hash(content));
}

#[actix_web::test]
async fn whoever_loses_rows_asks_a_person_and_two_clicks_are_one() {
    let lab = Lab::new().await;
    let (step, _, validated) = lab.validated("fill_missing", "city,people\nAachen,1\nKöln,3\n").await;
    assert_eq!(
        (&validated["status"], &validated["step"]["requiresApproval"]),
        (&json!("awaiting_approval"), &json!(true)),
        "{validated}"
    );
    assert_eq!(validated["step"]["approvalDecision"], "pending");
    let commit = ToolName::CommitTransformationStep;
    refused(lab.tool(commit, json!({ "stepId": step })).await, "STEP_APPROVAL_REQUIRED");
    let said = json!({ "stepId": step, "approved": true, "approvalSource": "user" });
    let output = refused(lab.tool(commit, said).await, "STEP_APPROVAL_USER_REQUIRED");
    assert_eq!(output["step"]["status"], "awaiting_approval", "{output}");
    let waiting = lab.tool(ToolName::ProposeTransformationStep, json!({ "title": "x", "intentType": "x" })).await;
    refused(waiting, "RUN_HAS_INCOMPLETE_STEP");

    let (one, two) = futures_util::future::join(lab.decide(&validated, &step, true), lab.decide(&validated, &step, true)).await;
    let late = lab.decide(&validated, &step, true).await;
    for answer in [&one, &two, &late] {
        assert!(answer.get("error").is_none() && answer["output"]["isError"] == false, "{answer}");
        assert_eq!(answer["output"]["derivedDatasetId"], one["output"]["derivedDatasetId"]);
        assert_eq!(answer["output"]["checkpointId"], one["output"]["checkpointId"]);
    }
    assert!(one["id"].as_str().unwrap().starts_with(&format!("approve-{step}-")), "{one}");
    assert_eq!(one["tool"], "commit_transformation_step");
    assert_eq!(lab.datasets().await.len(), 2, "one dataset came of it");
    let run = lab.snapshot(&validated).await;
    assert_eq!((&run["steps"][0]["approvalDecision"], run["checkpoints"].as_array().unwrap().len()), (&json!("approved"), 1));
    let committed = run["events"].as_array().unwrap().iter().find(|event| event["type"] == "step_committed").unwrap();
    assert_eq!(committed["payload"]["approvedBy"], json!(lab.caller.user_id));
    let no = lab.decide(&validated, &step, false).await;
    assert_eq!((no["output"]["reasonCode"].as_str(), no["error"].is_string()), (Some("INVALID_OPERATION"), true), "{no}");
}

#[actix_web::test]
async fn a_yes_to_edited_code_is_void() {
    let lab = Lab::new().await;
    let (step, cell, validated) = lab.validated("drop_rows", "city,people\nAachen,1\nKöln,3\n").await;
    let edited = "df = df.head(1)\nsave_preprocessing_dataset('sales.csv', 'x', 'csv', 'df')";
    lab.ada.patch(&format!("/api/cells/{cell}"), &json!({ "content": edited })).await.expect(200);
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["reasonCode"], "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE", "{answer}");
    assert_eq!((&answer["output"]["step"]["status"], answer["error"].is_string()), (&json!("diverged"), true));
    assert_eq!(lab.datasets().await.len(), 1, "nothing came of it");

    // Taken in, the edit needs everything anew.
    let taken = lab.ok(ToolName::ReconcileDivergedStep, json!({ "stepId": step })).await;
    assert_eq!(
        (&taken["reconciled"], &taken["step"]["version"], &taken["step"]["code"]),
        (&json!(true), &json!(2), &json!(edited)),
        "{taken}"
    );
    assert_eq!(taken["step"]["codeHash"], hash(edited));
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["reasonCode"], "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE", "{answer}");
    let run = ToolName::ExecuteTransformationStep;
    refused(lab.tool(run, json!({ "stepId": step, "succeeded": true })).await, "INVALID_OPERATION");
    lab.ran(&cell, "success").await;
    lab.ok(run, json!({ "stepId": step, "succeeded": false })).await;
    std::fs::write(lab.processed(&lab.dataset, "sales_processed.csv"), "city,people\nAachen,1\n").unwrap();
    lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    let seen = json!({ "projectId": lab.project, "runId": validated["runId"], "stepId": step, "approved": true,
        "codeHash": validated["step"]["codeHash"] });
    let answer = lab.ada.post("/api/preprocessing/step-decision", &seen).await.expect(200);
    assert_eq!(answer["output"]["reasonCode"], "INVALID_OPERATION", "the person saw other code: {answer}");
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["status"], "applied", "{answer}");
}

#[actix_web::test]
async fn what_was_measured_is_what_is_kept() {
    let lab = Lab::new().await;
    let (step, _, _) = lab.validated("fill_missing", "city,people\nAachen,1\nBonn,0\nKöln,3\n").await;
    let file = lab.processed(&lab.dataset, "sales_processed.csv");
    std::fs::write(&file, "city,people\nAachen,1\n").unwrap();
    let commit = || lab.tool(ToolName::CommitTransformationStep, json!({ "stepId": step }));
    let output = refused(commit().await, "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE");
    assert_eq!(
        (&output["step"]["lastValidateSucceeded"], &output["step"]["lastExecuteSucceeded"]),
        (&json!(false), &json!(true))
    );
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    assert_eq!(validated["status"], "awaiting_approval", "now it loses rows");
    std::fs::remove_file(&file).unwrap();
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["reasonCode"], "PROCESSED_DATASET_NOT_FOUND", "{answer}");
    assert_eq!(lab.datasets().await.len(), 1);
}

#[actix_web::test]
async fn a_no_is_kept_and_new_code_takes_the_step_up_again() {
    let lab = Lab::new().await;
    let (step, cell, validated) = lab.validated("drop_rows", "city,people\nAachen,1\n").await;
    let body = json!({ "projectId": lab.project, "runId": validated["runId"], "stepId": step, "approved": false,
        "rejectionReason": "too much" });
    for _ in 0..2 {
        let answer = lab.ada.post("/api/preprocessing/step-decision", &body).await.expect(200);
        assert_eq!(
            (&answer["output"]["status"], &answer["output"]["step"]["approvalDecision"]),
            (&json!("failed"), &json!("rejected")),
            "{answer}"
        );
        assert_eq!(answer["output"]["step"]["decisionReason"], "too much");
        assert!(answer["id"].as_str().unwrap().starts_with("reject-"));
    }
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["reasonCode"], "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE", "{answer}");
    let made = lab.ok(ToolName::MaterializeStepCode, json!({ "stepId": step, "code": "df = df.head(2)" })).await;
    assert_eq!((&made["step"]["version"], &made["cells"][0]["cellId"]), (&json!(2), &json!(cell)), "the cell is written anew");
    assert!(made["step"].get("approvalDecision").is_none(), "{made}");
}

/// W7: a failed run and a failed measurement are both repaired by better code.
#[actix_web::test]
async fn a_failed_step_is_repaired() {
    let lab = Lab::new().await;
    let step = lab.proposed("fill_missing").await;
    let cell = lab.written(&step, "df = df.no_such()").await;
    let (execute, validate) = (ToolName::ExecuteTransformationStep, ToolName::ValidateStepResult);
    refused(lab.tool(execute, json!({ "stepId": step, "cellId": cell, "succeeded": true })).await, "INVALID_OPERATION");
    lab.ran(&cell, "error").await;
    let failed = lab.ok(execute, json!({ "stepId": step, "cellId": cell, "succeeded": true })).await;
    assert_eq!(
        (&failed["status"], &failed["succeeded"], &failed["step"]["status"]),
        (&json!("failed"), &json!(false), &json!("failed"))
    );
    refused(lab.tool(validate, json!({ "stepId": step })).await, "STEP_VALIDATE_REQUIRES_SUCCESSFUL_EXECUTE");

    let made = lab.ok(ToolName::MaterializeStepCode, json!({ "stepId": step, "code": "df = df.copy()" })).await;
    lab.ada.patch(&format!("/api/cells/{cell}"), &json!({ "content": made["cells"][0]["content"] })).await.expect(200);
    refused(lab.tool(execute, json!({ "stepId": step })).await, "INVALID_OPERATION");
    lab.ran(&cell, "success").await;
    lab.ok(execute, json!({ "stepId": step })).await;
    refused(lab.tool(validate, json!({ "stepId": step })).await, "PROCESSED_DATASET_NOT_FOUND");
    let file = lab.processed(&lab.dataset, "sales_processed.csv");
    for bad in ["", "city,people\n"] {
        std::fs::write(&file, bad).unwrap();
        let output = refused(lab.tool(validate, json!({ "stepId": step })).await, "PROCESSED_DATASET_PERSIST_FAILED");
        assert_eq!((&output["step"]["status"], &output["passed"]), (&json!("failed"), &json!(false)), "{output}");
    }
    refused(
        lab.tool(ToolName::CommitTransformationStep, json!({ "stepId": step })).await,
        "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE",
    );
    std::fs::write(&file, SALES).unwrap();
    lab.ok(validate, json!({ "stepId": step })).await;
    lab.ok(ToolName::CommitTransformationStep, json!({ "stepId": step })).await;
}

#[actix_web::test]
async fn files_that_lead_out_are_not_measured() {
    let lab = Lab::new().await;
    let (step, _) = lab.executed("fill_missing").await;
    let secret = lab.app.data_dir.path().join("secret.csv");
    std::fs::write(&secret, "city,people\nsecret,1\n").unwrap();
    std::os::unix::fs::symlink(&secret, lab.processed(&lab.dataset, "sales_processed.csv")).unwrap();
    let answer = lab.tool(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    refused(answer, "PROCESSED_DATASET_PERSIST_FAILED");
    let taken = lab.app.data_dir.path().join("runtime/projects").join(&lab.project).join("exports");
    assert_eq!(std::fs::read_dir(taken).map_or(0, Iterator::count), 0, "nothing stays behind");
}

#[actix_web::test]
async fn a_call_repeated_under_its_key_does_nothing_more() {
    let lab = Lab::new().await;
    let context = lab.context("call-1");
    let args = json!({ "title": "Fill", "intentType": "fill_missing", "toolCallId": "call-1" });
    let first = lab.call(&context, ToolName::ProposeTransformationStep, args.clone()).await;
    assert_eq!(lab.call(&context, ToolName::ProposeTransformationStep, args.clone()).await, first);
    let first = done(first);
    assert_eq!((first["status"].as_str(), first["step"]["toolCallId"].as_str()), (Some("pending"), Some("call-1")));
    assert_eq!(lab.snapshot(&first).await["steps"].as_array().unwrap().len(), 1);
    // At once.
    let context = lab.context("call-2");
    let set = json!({ "datasetId": "sales" });
    let calls = (0..6).map(|_| lab.call(&context, ToolName::SetActiveDataset, set.clone()));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // Runs are made once, too.
    let other = ToolContext { run: WorkflowRunId::parse("another-turn"), ..lab.context("call-3") };
    let calls = (0..6).map(|_| lab.call(&other, ToolName::ProfileActiveDataset, json!({})));
    let runs: std::collections::BTreeSet<String> =
        futures_util::future::join_all(calls).await.into_iter().map(|answer| done(answer)["runId"].to_string()).collect();
    assert_eq!(runs.len(), 1);
}

#[actix_web::test]
async fn edits_are_found_by_content_and_taken_in() {
    let lab = Lab::new().await;
    let (step, cell, _) = lab.validated("fill_missing", SALES).await;
    lab.ok(ToolName::CommitTransformationStep, json!({ "stepId": step })).await;
    let detect = || lab.ok(ToolName::DetectStepDivergence, json!({}));
    let found = detect().await;
    assert_eq!((&found["checkedStepIds"], &found["divergedStepIds"]), (&json!([step]), &json!([])), "{found}");
    let path = format!("/api/cells/{cell}");
    let before = lab.ada.get(&path).await.expect(200)["content"].clone();
    lab.ada.patch(&path, &json!({ "content": "df = df" })).await.expect(200);
    let found = detect().await;
    assert_eq!((&found["divergedStepIds"], &found["results"][0]["status"]), (&json!([step]), &json!("diverged")), "{found}");
    lab.ada.patch(&path, &json!({ "content": before })).await.expect(200);
    assert_eq!(detect().await["results"][0]["status"], "applied", "the edit was taken back");
    refused(lab.tool(ToolName::ReconcileDivergedStep, json!({ "stepId": step })).await, "STEP_RECONCILE_REQUIRES_DIVERGED");
    lab.ada.patch(&path, &json!({ "content": "df = df" })).await.expect(200);
    lab.ok(ToolName::DetectStepDivergence, json!({ "cellId": cell })).await;
    let linked = json!({ "stepId": step, "strategy": "create_linked_step", "title": "Mine" });
    let linked = lab.ok(ToolName::ReconcileDivergedStep, linked).await;
    assert_eq!((&linked["previousStepId"], &linked["step"]["linkedFromStepId"]), (&json!(step), &json!(step)), "{linked}");
    assert_eq!((&linked["previousStep"]["status"], &linked["step"]["title"]), (&json!("applied"), &json!("Mine")));
    // A step whose cell is gone makes way.
    lab.ada.delete(&path).await.expect(204);
    let next = lab.proposed("fill_missing").await;
    assert_ne!(linked["stepId"], next);
}

#[actix_web::test]
async fn wrong_arguments_are_told() {
    let lab = Lab::new().await;
    for (tool, args, reason) in [
        (ToolName::SetActiveDataset, json!({}), "MISSING_REQUIRED_ARG"),
        (ToolName::SetActiveDataset, json!({ "datasetId": 7 }), "MISSING_REQUIRED_ARG"),
        (ToolName::SetActiveDataset, json!({ "datasetId": "nothing.csv" }), "DATASET_NOT_FOUND"),
        (ToolName::ProposeTransformationStep, json!({ "title": "x" }), "MISSING_REQUIRED_ARG"),
        (ToolName::ProposeTransformationStep, json!({ "title": "\u{0}", "intentType": "x" }), "MISSING_REQUIRED_ARG"),
        (ToolName::MaterializeStepCode, json!({ "stepId": "step-1", "code": "x" }), "STEP_NOT_FOUND"),
        (ToolName::ExecuteTransformationStep, json!({ "stepId": "x", "cellId": "x" }), "STEP_NOT_FOUND"),
        (ToolName::ValidateStepResult, json!({}), "MISSING_REQUIRED_ARG"),
        (ToolName::CommitTransformationStep, json!({ "stepId": format!("step-{}", uuid::Uuid::new_v4()) }), "STEP_NOT_FOUND"),
        (ToolName::RestoreCheckpoint, json!({ "checkpointId": "x" }), "CHECKPOINT_NOT_FOUND"),
        (ToolName::RestoreCheckpoint, json!({ "checkpointId": "ckpt-x", "operation": "x" }), "CHECKPOINT_NOT_FOUND"),
        (ToolName::ListCheckpoints, json!({ "runId": "prep-x" }), "RUN_NOT_FOUND"),
        (ToolName::RegisterDerivedDataset, json!({ "datasetId": "x" }), "DATASET_NOT_FOUND"),
        (ToolName::ReadCell, json!({}), "INVALID_OPERATION"),
    ] {
        refused(lab.tool(tool, args).await, reason);
    }
    let step = lab.proposed("fill_missing").await;
    for code in ["", "  ", "a\0b"] {
        refused(lab.tool(ToolName::MaterializeStepCode, json!({ "stepId": step, "code": code })).await, "MISSING_REQUIRED_ARG");
    }
    let output = lab.tool(ToolName::ExecuteTransformationStep, json!({ "stepId": step })).await;
    refused(output, "STEP_EXECUTE_REQUIRES_CODE");
    // Words that the client looks for.
    let lost = lab.tool(ToolName::ListCheckpoints, json!({ "runId": format!("prep-{}", uuid::Uuid::new_v4()) })).await;
    assert!(lost.error.is_some_and(|error| error.starts_with("Run prep-") && error.contains(" not found.")));
    let listed = lab.ok(ToolName::ListProjectDatasets, json!({})).await;
    assert_eq!(
        (&listed["datasets"][0]["filename"], &listed["datasets"][0]["isActive"]),
        (&json!("sales.csv"), &json!(true)),
        "{listed}"
    );
    let context = lab.context("stopped");
    context.stop.cancel();
    refused(lab.call(&context, ToolName::ProfileActiveDataset, json!({})).await, "INTERNAL_ERROR");
}
