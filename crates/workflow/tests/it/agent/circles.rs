//! Models that loop, call what there is not, say nothing, or do what a document says.

use gristmill_domain::workflows::{Phase, ToolName, WorkflowStatus};
use gristmill_workflow::{
    agent::{Engine, EngineOptions},
    tools::ToolOutput,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::support::{Bench, Tools, calls};

fn listing() -> Tools {
    Tools::default()
        .with(ToolName::ListCells, |_, _| ToolOutput::of(json!({ "cells": [] })))
        .with(ToolName::ListProjectFiles, |_, before| ToolOutput::of(json!({ "datasets": [], "page": before })))
        .with(ToolName::GetDatasetSample, |_, _| ToolOutput::of(json!({ "sample": [] })))
}

#[tokio::test]
async fn the_same_call_with_the_same_result_ends_the_turn() {
    let script = json!({ "turns": [{ "always": true, "reply": calls("list_cells", json!({})) }] });
    let bench = Bench::new(Phase::FeatureEngineering, listing(), script);
    let run = bench.turn("go").await;
    assert_eq!(run.failure_code.as_deref(), Some("FEATURE_ENGINEERING_NO_PROGRESS"));
    assert_eq!(bench.tools.called().len(), 4);
}

#[tokio::test]
async fn the_same_call_with_other_results_ends_the_turn_too() {
    let script = json!({ "turns": [{ "always": true, "reply": calls("list_project_files", json!({})) }] });
    let bench = Bench::new(Phase::FeatureEngineering, listing(), script);
    let run = bench.turn("go").await;
    assert_eq!(run.failure_code.as_deref(), Some("TOOL_CALL_LIMIT_EXCEEDED"));
    assert_eq!(bench.tools.called().len(), 5);
}

#[tokio::test]
async fn two_calls_in_turns_end_the_turn() {
    let both = json!({ "toolCalls": [
        { "name": "list_cells", "arguments": {} }, { "name": "get_dataset_sample", "arguments": { "datasetId": "x" } },
    ]});
    let bench = Bench::new(Phase::FeatureEngineering, listing(), json!({ "turns": [{ "always": true, "reply": both }] }));
    let run = bench.turn("go").await;
    assert_eq!(run.failure_code.as_deref(), Some("FEATURE_ENGINEERING_NO_PROGRESS"));
    assert_eq!(bench.tools.called().len(), 6);
}

#[tokio::test]
async fn other_arguments_each_time_end_at_the_48th_call() {
    let script = json!({ "turns": [{ "always": true, "reply": calls("read_cell", json!({ "cellId": "{{n}}" })),
        "when": { "lastMessage": { "regex": "\"next\":(?<n>[0-9]+)|go" } } }] });
    let tools = Tools::default().with(ToolName::ReadCell, |_, before| ToolOutput::of(json!({ "next": before })));
    let bench = Bench::new(Phase::FeatureEngineering, tools, script);
    let run = bench.turn("go").await;
    assert_eq!(run.failure_code.as_deref(), Some("MAX_ITERATIONS_EXCEEDED"), "{:?}", run.failure_message);
    assert_eq!(bench.tools.called().len(), 47);
}

#[tokio::test]
async fn unknown_tools_wrong_arguments_and_silence_are_told_and_then_end_the_turn() {
    for reply in [
        calls("drop_database", json!({})),
        calls("register_model", json!({})),
        calls("list_cells", json!([1, 2])),
        json!({ "text": "" }),
    ] {
        let bench = Bench::new(Phase::FeatureEngineering, listing(), json!({ "turns": [{ "always": true, "reply": reply }] }));
        let run = bench.turn("go").await;
        assert_eq!(run.failure_code.as_deref(), Some("MODEL_TOOL_OUTPUT_INVALID"), "{reply}");
        assert_eq!(run.status, WorkflowStatus::FailedRetryable);
        assert!(bench.tools.called().is_empty(), "{reply}");
        assert_eq!(bench.model.requests().len(), 3, "{reply}");
        assert!(bench.client.of("tool_executed").is_empty());
    }
}

#[tokio::test]
async fn a_model_that_fails_ends_the_turn_with_its_code() {
    let bench = Bench::new(
        Phase::FeatureEngineering,
        listing(),
        json!({ "turns": [{ "reply": { "error": { "kind": "authentication", "message": "sk-secret" } } }] }),
    );
    let run = bench.turn("go").await;
    assert_eq!(run.failure_code.as_deref(), Some("UPSTREAM_AUTH_FAILED"));
    assert_eq!(run.status, WorkflowStatus::FailedTerminal);
    assert!(!bench.store.picture().to_string().contains("sk-secret"));
}

#[tokio::test]
async fn a_turn_has_a_budget_of_tokens_that_a_restart_does_not_renew() {
    let script = json!({ "turns": [{ "always": true, "reply": calls("list_project_files", json!({})) }] });
    let mut bench = Bench::new(Phase::FeatureEngineering, listing(), script);
    bench.begin("go");
    *bench.store.breaks.lock().unwrap() = Some((1, true));
    bench.work().await.unwrap_err();
    *bench.store.breaks.lock().unwrap() = None;
    bench.another_server();
    let options = EngineOptions { turn_tokens_max: 1, ..EngineOptions::default() };
    let engine = Engine { options, ..bench.engine() };
    bench.work_by(&engine, &CancellationToken::new()).await.unwrap();
    assert_eq!(bench.store.run().failure_code.as_deref(), Some("WORKFLOW_BUDGET_EXHAUSTED"));
    assert!(bench.model.requests().is_empty(), "what the first server asked had used it up");
}

#[tokio::test]
async fn code_that_was_cut_off_does_not_run() {
    let mut script = super::preprocessing::script();
    script["turns"][3]["reply"]["stop"] = json!("length");
    let bench = Bench::new(Phase::Preprocessing, super::preprocessing::tools(), script);
    let run = bench.turn("Drop rows").await;
    assert_eq!(run.failure_code.as_deref(), Some("MODEL_TOOL_OUTPUT_INVALID"));
    assert_eq!(bench.tools.called(), [ToolName::ProposeTransformationStep]);
}
