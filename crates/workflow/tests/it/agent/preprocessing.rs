//! Preprocessing from the proposal to the kept result, with code that fails first and a step that must be approved.

use gristmill_domain::workflows::{PendingInput, Phase, ToolName, WorkflowStatus};
use gristmill_workflow::tools::ToolOutput;
use serde_json::{Value, json};

use super::support::{Bench, Tools, calls};

fn step(version: u64, status: &str) -> Value {
    json!({ "stepId": "step-1", "title": "Drop rows", "status": status, "version": version, "codeHash": format!("hash-{version}") })
}

/// Tools whose first run of a cell fails, and whose validation asks for approval.
pub(crate) fn tools() -> Tools {
    Tools::default()
        .with(ToolName::ProfileActiveDataset, |_, _| ToolOutput::of(json!({ "isError": false, "dataset": { "rows": 344 } })))
        .with(ToolName::ProposeTransformationStep, |_, _| {
            ToolOutput::of(json!({ "isError": false, "stepId": "step-1", "status": "pending", "step": step(0, "pending") }))
        })
        .with(ToolName::MaterializeStepCode, |_, before| {
            let version = u64::try_from(before).unwrap() + 1;
            let mut cell =
                json!({ "content": format!("load()\n# version {version}\nsave()"), "title": "Drop rows", "metadata": {} });
            if before > 0 {
                cell["cellId"] = json!("cell-0");
            }
            ToolOutput::of(json!({ "isError": false, "stepId": "step-1", "status": "pending", "step": step(version, "pending"),
                "cells": [cell] }))
        })
        .with(ToolName::WriteCell, |args, before| {
            let cell = args.get("cellId").cloned().unwrap_or_else(|| json!(format!("cell-{before}")));
            ToolOutput::of(json!({ "cellId": cell }))
        })
        .with(ToolName::RunCell, |_, before| {
            if before == 0 {
                let output = json!({ "status": "error", "stdout": "", "stderr": "KeyError: 'nope'" });
                return ToolOutput { output: Some(output), error: None };
            }
            ToolOutput::of(json!({ "status": "success", "stdout": "", "stderr": "", "executionMs": 5 }))
        })
        .with(ToolName::ExecuteTransformationStep, |args, _| {
            let succeeded = args["succeeded"] == true;
            ToolOutput::of(
                json!({ "isError": false, "succeeded": succeeded, "status": if succeeded { "success" } else { "failed" },
                "stderr": if succeeded { "" } else { "KeyError: 'nope'" }, "step": step(1, "running") }),
            )
        })
        .with(ToolName::ValidateStepResult, |_, _| {
            ToolOutput::of(json!({ "isError": false, "status": "awaiting_approval", "stepId": "step-1",
                "step": step(2, "awaiting_approval"), "datasetId": "d" }))
        })
        .with(ToolName::CommitTransformationStep, |args, _| {
            if args.get("approved") == Some(&json!(true)) {
                return ToolOutput::of(json!({ "isError": false, "status": "applied", "step": step(2, "applied"),
                    "derivedDatasetId": uuid::Uuid::from_u128(77).to_string() }));
            }
            ToolOutput::of(json!({ "isError": false, "status": "failed", "step": step(2, "failed") }))
        })
}

pub(crate) fn script() -> Value {
    json!({ "turns": [
        { "name": "classify", "always": true, "when": { "format": "json" }, "reply": { "text": "{\"turnMode\": \"action_required\"}" } },
        { "name": "propose", "times": 1, "when": { "tools": ["propose_transformation_step"] },
          "reply": calls("propose_transformation_step", json!({ "title": "Drop rows", "intentType": "drop" })) },
        { "name": "mend", "always": true, "when": { "lastUser": "failed. Write all of it again" },
          "reply": { "text": "```python\ndf = df.dropna()\n```" } },
        { "name": "code", "always": true, "when": { "lastUser": "Write the Python code of step step-1" },
          "reply": { "text": "```python\ndf = df.drop(columns=['nope'])\n```" } },
        { "name": "sum up", "always": true, "when": { "toolResult": { "tool": "commit_transformation_step" } },
          "reply": { "text": "Done." } },
    ]})
}

#[tokio::test]
async fn code_that_fails_is_mended_and_a_risky_step_waits_for_a_person() {
    let bench = Bench::new(Phase::Preprocessing, tools(), script());
    let run = bench.turn("Drop rows with missing values").await;
    assert_eq!(
        (run.status, run.pending_input),
        (WorkflowStatus::Paused, Some(PendingInput::Approval)),
        "{:?}",
        run.failure_message
    );
    assert_eq!(
        bench.tools.called(),
        [
            ToolName::ProposeTransformationStep,
            ToolName::MaterializeStepCode,
            ToolName::WriteCell,
            ToolName::RunCell,
            ToolName::ExecuteTransformationStep,
            ToolName::MaterializeStepCode,
            ToolName::WriteCell,
            ToolName::RunCell,
            ToolName::ExecuteTransformationStep,
            ToolName::ValidateStepResult,
        ]
    );
    {
        let effects = bench.tools.effects.lock().unwrap();
        let first = &effects[2].2;
        assert_eq!(first["content"], "load()\n# version 1\nsave()", "the cell is as the tool made it");
        assert_eq!(effects[6].2["cellId"], "cell-0", "the second version goes into the first one's cell");
    }
    let pause = &bench.client.of("workflow_pause")[0];
    assert_eq!((pause["reason"].clone(), pause["ui"].clone()), (json!("awaiting_approval"), Value::Null));

    let run = bench.turn("yes, go ahead").await;
    assert_eq!(run.status, WorkflowStatus::Completed, "{:?}", run.failure_message);
    assert_eq!(run.active_dataset_id.unwrap().0, uuid::Uuid::from_u128(77));
    let effects = bench.tools.effects.lock().unwrap();
    let (_, tool, args, approved) = effects.last().unwrap();
    assert_eq!((*tool, args["approved"].clone(), *approved), (ToolName::CommitTransformationStep, json!(true), true));
    assert_eq!(args["codeHash"], "hash-2", "yes was said to this code");
}

#[tokio::test]
async fn a_no_rejects_and_a_question_keeps_it_waiting() {
    let mut script = script();
    script["turns"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "always": true, "when": { "lastUser": "why" }, "reply": { "text": "Because of gaps." } }));
    let bench = Bench::new(Phase::Preprocessing, tools(), script);
    bench.turn("Drop rows with missing values").await;
    let run = bench.turn("why would you drop them?").await;
    assert_eq!((run.status, run.pending_input), (WorkflowStatus::Paused, Some(PendingInput::Approval)));
    let run = bench.turn("no, reject it").await;
    assert_eq!(run.status, WorkflowStatus::Completed, "{:?}", run.failure_message);
    let effects = bench.tools.effects.lock().unwrap();
    let (_, tool, args, approved) = effects.last().unwrap();
    assert_eq!((*tool, args["approved"].clone(), *approved), (ToolName::CommitTransformationStep, json!(false), false));
}

#[tokio::test]
async fn words_in_quotes_do_not_approve() {
    let mut script = script();
    script["turns"].as_array_mut().unwrap().push(json!({ "always": true, "reply": { "text": "Do you want it?" } }));
    let bench = Bench::new(Phase::Preprocessing, tools(), script);
    bench.turn("Drop rows with missing values").await;
    let run = bench.turn("The document says \"yes, approve it\"").await;
    assert_eq!((run.status, run.pending_input), (WorkflowStatus::Paused, Some(PendingInput::Approval)));
    assert!(!bench.tools.called().contains(&ToolName::CommitTransformationStep));
}

#[tokio::test]
async fn code_that_never_works_is_given_up_after_three_versions() {
    let tools = tools()
        .with(ToolName::RunCell, |_, _| ToolOutput { output: Some(json!({ "status": "error", "stderr": "boom" })), error: None });
    let bench = Bench::new(Phase::Preprocessing, tools, script());
    let run = bench.turn("Drop rows").await;
    assert_eq!(run.failure_code.as_deref(), Some("PREPROCESSING_NO_PROGRESS"));
    assert!(run.failure_message.unwrap().contains("KeyError: 'nope'"), "what the tool found in the cells is told");
    assert_eq!(bench.tools.called().iter().filter(|tool| **tool == ToolName::MaterializeStepCode).count(), 3);
}

#[tokio::test]
async fn a_question_is_answered_without_acting() {
    let script = json!({ "turns": [
        { "when": { "format": "json" }, "reply": { "text": "{\"turnMode\": \"answer_only\"}" } },
        { "reply": { "text": "It has 344 rows." } },
    ]});
    let bench = Bench::new(Phase::Preprocessing, tools(), script);
    let run = bench.turn("How many rows are there?").await;
    assert_eq!(run.status, WorkflowStatus::Completed);
    assert!(bench.tools.called().is_empty());
    assert_eq!(bench.client.of("token")[0]["text"], "It has 344 rows.");
}

#[tokio::test]
async fn a_run_whose_server_died_is_made_again_and_no_model_is_asked_to_mend_it() {
    let tools = tools().with(ToolName::RunCell, |_, before| {
        if before == 0 {
            return ToolOutput::of(json!({ "status": "error", "error": "The server stopped during the run.", "lost": true }));
        }
        ToolOutput::of(json!({ "status": "success", "stdout": "", "stderr": "" }))
    });
    let bench = Bench::new(Phase::Preprocessing, tools, script());
    let run = bench.turn("Drop rows with missing values").await;
    assert_eq!(run.pending_input, Some(PendingInput::Approval), "{:?}", run.failure_message);
    let called = bench.tools.called();
    let count = |tool: ToolName| called.iter().filter(|called| **called == tool).count();
    assert_eq!((count(ToolName::RunCell), count(ToolName::MaterializeStepCode)), (2, 1), "{called:?}");
    let cells: Vec<_> =
        bench.tools.effects.lock().unwrap().iter().filter_map(|(_, _, args, _)| args.get("cellId").cloned()).collect();
    assert_eq!(cells, [json!("cell-0"), json!("cell-0")]);
}

#[tokio::test]
async fn a_cell_that_cannot_be_run_ends_the_turn_with_its_reason() {
    let tools = tools().with(ToolName::RunCell, |_, _| ToolOutput::failed("The cell runs or is being edited by a person"));
    let bench = Bench::new(Phase::Preprocessing, tools, script());
    let run = bench.turn("Drop rows").await;
    assert_eq!(run.failure_code.as_deref(), Some("PREPROCESSING_NO_PROGRESS"));
    assert!(run.failure_message.unwrap().contains("being edited by a person"));
    assert!(!bench.tools.called().contains(&ToolName::ExecuteTransformationStep), "its code is not at fault");
}

/// The environment is at fault, and no model could mend it by other code.
#[tokio::test]
async fn where_no_code_runs_the_turn_ends_with_the_reason() {
    let tools = tools().with(ToolName::RunCell, |_, _| {
        let why = "Code cannot be run here: bubblewrap is missing";
        ToolOutput::of(json!({ "status": "error", "stdout": "", "stderr": why, "error": why,
            "environmentError": "runtime_unavailable" }))
    });
    let bench = Bench::new(Phase::Preprocessing, tools, script());
    let run = bench.turn("Drop rows").await;
    assert_eq!((run.status, run.failure_code.as_deref()), (WorkflowStatus::FailedRetryable, Some("PREPROCESSING_NO_PROGRESS")));
    let why = run.failure_message.unwrap();
    assert!(why.contains("runtime_unavailable") && why.contains("bubblewrap is missing"), "{why}");
    let begun = [ToolName::ProposeTransformationStep, ToolName::MaterializeStepCode, ToolName::WriteCell, ToolName::RunCell];
    assert_eq!(bench.tools.called(), begun);
    assert_eq!(bench.model.requests().len(), 3, "to tell the turn, for the step, and for its code");
}

#[tokio::test]
async fn a_step_that_was_left_unfinished_is_given_up_for_another_one() {
    let tools = tools().with(ToolName::ProposeTransformationStep, |_, before| {
        if before == 0 {
            let output = json!({ "isError": true, "reasonCode": "RUN_HAS_INCOMPLETE_STEP", "stepId": "step-0", "status": "running",
                "step": { "stepId": "step-0", "status": "running" } });
            return ToolOutput { output: Some(output), error: Some("Step step-0 is running. Finish it first.".to_owned()) };
        }
        ToolOutput::of(json!({ "isError": false, "stepId": "step-1", "status": "pending", "step": step(0, "pending") }))
    });
    let mut script = script();
    script["turns"][1]["times"] = json!(2);
    let bench = Bench::new(Phase::Preprocessing, tools, script);
    let run = bench.turn("Drop rows with missing values").await;
    assert_eq!(run.pending_input, Some(PendingInput::Approval), "{:?}", run.failure_message);
    let called = bench.tools.called();
    let begun = [ToolName::ProposeTransformationStep, ToolName::CommitTransformationStep, ToolName::ProposeTransformationStep];
    assert_eq!(called[..3], begun);
    let effects = bench.tools.effects.lock().unwrap();
    let (_, _, args, approved) = &effects[1];
    assert_eq!((&args["stepId"], &args["approved"], *approved), (&json!("step-0"), &json!(false), false));
}

/// Models make several calls at once. Only one step is on its way at a time, and the others do not cost it.
#[tokio::test]
async fn of_several_steps_that_are_proposed_at_once_the_first_is_made() {
    let propose = |title: &str| {
        let arguments = json!({ "title": title, "intentType": "drop" });
        json!({ "name": "propose_transformation_step", "arguments": arguments })
    };
    let look = json!({ "name": "profile_active_dataset", "arguments": {} });
    let mut script = script();
    script["turns"][1]["reply"] = json!({ "toolCalls": [look, propose("Drop rows"), propose("Drop a column"), look] });
    let bench = Bench::new(Phase::Preprocessing, tools(), script);
    let run = bench.turn("Drop rows with missing values, and a column").await;
    assert_eq!(run.pending_input, Some(PendingInput::Approval), "{:?}", run.failure_message);
    let begun = [ToolName::ProfileActiveDataset, ToolName::ProposeTransformationStep, ToolName::MaterializeStepCode];
    let called = bench.tools.called();
    assert_eq!(called[..3], begun);
    assert_eq!(called.iter().filter(|tool| **tool == ToolName::ProposeTransformationStep).count(), 1, "{called:?}");
}
