//! What the client sees of a turn (contract 2, section 2.1). Optional fields are absent, never null.

use gristmill_domain::{
    datasets::iso_millis,
    workflows::{Phase, ToolCall, ToolResult, WorkflowMode, WorkflowRun, WorkflowStatus},
};
use gristmill_llm::{FailureCode, Usage};
use serde_json::{Map, Value, json};

use super::{ports::ClientEvent, turn::End};

/// The events that plain NDJSON has.
pub const PLAIN: [&str; 9] = [
    "workflow_state",
    "token",
    "thinking",
    "usage",
    "tool_executed",
    "artifact_updated",
    "workflow_pause",
    "workflow_error",
    "done",
];

/// A run as the client knows it.
#[must_use]
pub fn run_state(run: &WorkflowRun) -> Map<String, Value> {
    let mut state = object(json!({
        "runId": run.id,
        "threadId": run.thread_id,
        "projectId": run.project_id,
        "phase": run.phase,
        "status": run.status,
        "currentNode": run.current_node,
        "revision": run.revision,
        "retryBudget": 3,
        "repairAttemptCount": 0,
        "createdAt": iso_millis::format(run.created_at),
        "updatedAt": iso_millis::format(run.updated_at),
    }));
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            state.insert(key.to_owned(), value);
        }
    };
    add("activeDatasetId", run.active_dataset_id.map(|id| json!(id)));
    add("activeNotebookId", run.active_notebook_id.map(|id| json!(id)));
    add("pendingInputKind", run.pending_input.map(|kind| json!(kind)));
    add("pauseReason", run.pause_reason.clone().map(Value::from));
    add("lastFailureCode", run.failure_code.clone().map(Value::from));
    add("lastFailureMessage", run.failure_message.clone().map(Value::from));
    add("metadata", (!run.metadata.is_empty()).then(|| Value::Object(run.metadata.clone())));
    state
}

/// A run with its mode and what it is about.
#[must_use]
pub fn state(run: &WorkflowRun, target_column: Option<&str>) -> Value {
    let mut state = run_state(run);
    state.insert("mode".to_owned(), json!(mode(run)));
    let mut context = Map::new();
    for (key, value) in [
        ("datasetId", run.active_dataset_id.map(|id| json!(id))),
        ("notebookId", run.active_notebook_id.map(|id| json!(id))),
        ("targetColumn", target_column.map(Value::from)),
    ] {
        if let Some(value) = value {
            context.insert(key.to_owned(), value);
        }
    }
    state.insert("phaseContext".to_owned(), Value::Object(context));
    Value::Object(state)
}

fn mode(run: &WorkflowRun) -> WorkflowMode {
    match run.status {
        WorkflowStatus::Completed => WorkflowMode::Completed,
        WorkflowStatus::FailedRetryable | WorkflowStatus::FailedTerminal => WorkflowMode::Failed,
        WorkflowStatus::Paused => WorkflowMode::AwaitInput,
        _ if run.pending_input.is_some() => WorkflowMode::AwaitInput,
        _ => match run.current_node.as_str() {
            "answer" => WorkflowMode::Answer,
            "summarize" => WorkflowMode::Summarize,
            _ => WorkflowMode::Action,
        },
    }
}

/// The run as it is now.
#[must_use]
pub fn workflow_state(run: &WorkflowRun, target_column: Option<&str>) -> ClientEvent {
    event("workflow_state", json!({ "state": state(run, target_column) }))
}

/// More of the model's text.
#[must_use]
pub fn token(text: &str) -> ClientEvent {
    event("token", json!({ "text": text }))
}

/// More of the model's thinking.
#[must_use]
pub fn thinking(text: &str) -> ClientEvent {
    event("thinking", json!({ "text": text }))
}

/// What an answer cost.
#[must_use]
pub fn usage(usage: &Usage) -> ClientEvent {
    event("usage", json!({ "usage": usage }))
}

/// A call is about to be made. Not on plain NDJSON.
#[must_use]
pub fn tool_started(call: &ToolCall, sequence: i64) -> ClientEvent {
    ClientEvent { name: "tool_started", data: json!({ "call": call }), sequence }
}

/// A call was made.
#[must_use]
pub fn tool_executed(call: &ToolCall, result: &ToolResult, sequence: i64) -> ClientEvent {
    ClientEvent { name: "tool_executed", data: json!({ "call": call, "result": result }), sequence }
}

/// What is told at the end of a turn, in order, `done` last. `run` is as it was saved; `was_streamed` whether the client has
/// seen the last words already.
#[must_use]
pub fn ending(
    run: &WorkflowRun,
    target_column: Option<&str>,
    end: Option<&End>,
    was_streamed: bool,
    artifact: &str,
) -> Vec<ClientEvent> {
    let mut events = vec![workflow_state(run, target_column)];
    let is_onboarding = run.phase == Phase::Onboarding;
    match end {
        Some(End::Completed { message, ui }) => match ui {
            Some(ui) => events.push(artifact_updated(run, artifact, "ui", &label(ui), ui.clone())),
            None => {
                let words = message.as_ref().filter(|_| !(is_onboarding && was_streamed));
                if let Some(message) = words {
                    events.push(artifact_updated(run, artifact, "summary", "Summary", json!({ "message": message })));
                }
            }
        },
        Some(End::Asked { questions, message }) => events.push(pause_for_answers(questions, message.as_deref(), is_onboarding)),
        Some(End::AwaitsApproval { message, .. }) => {
            let mut data = object(json!({ "reason": "awaiting_approval", "pendingInputKind": "approval", "ui": null }));
            if let Some(message) = message {
                data.insert("message".to_owned(), message.clone().into());
            }
            events.push(event("workflow_pause", Value::Object(data)));
        }
        Some(End::PlanReady { plan_name, plan_markdown }) => {
            let payload = json!({ "planName": plan_name, "planMarkdown": plan_markdown });
            events.push(artifact_updated(run, artifact, "plan", plan_name, payload));
        }
        Some(End::Failed { code, message }) => {
            let is_retryable = FailureCode::from_name(code).is_none_or(FailureCode::is_retryable);
            // The client refuses an error without words.
            let message: &str = if message.trim().is_empty() { "The turn failed; try again" } else { message };
            events.push(event("workflow_error", json!({ "message": message, "retryable": is_retryable, "code": code })));
        }
        None => {}
    }
    events.push(event("done", json!({})));
    events
}

/// The client takes the questions apart in onboarding; elsewhere it would fail on them, and reads them in the message.
fn pause_for_answers(questions: &Value, message: Option<&str>, is_onboarding: bool) -> ClientEvent {
    let mut data = object(json!({ "reason": "user_input_required", "pendingInputKind": "clarification" }));
    if is_onboarding {
        if let Some(message) = message {
            data.insert("message".to_owned(), message.into());
        }
        data.insert("ui".to_owned(), json!({ "ask_user": { "questions": questions } }));
    } else {
        let mut words: Vec<String> = message.map(str::to_owned).into_iter().collect();
        for question in questions.as_array().into_iter().flatten() {
            let text = question["question"].as_str().unwrap_or_default();
            let options = question["options"].as_array().into_iter().flatten().filter_map(|it| it["label"].as_str());
            let options: Vec<&str> = options.collect();
            words.push(if options.is_empty() { format!("- {text}") } else { format!("- {text} ({})", options.join(" / ")) });
        }
        data.insert("message".to_owned(), words.join("\n").into());
        data.insert("ui".to_owned(), Value::Null);
    }
    event("workflow_pause", Value::Object(data))
}

fn artifact_updated(run: &WorkflowRun, id: &str, kind: &str, label: &str, payload: Value) -> ClientEvent {
    let mut artifact = object(json!({ "kind": kind, "artifactId": id, "runId": run.id, "label": label }));
    if kind == "ui" {
        // Once, where the client looks for it.
        artifact.insert("payload".to_owned(), json!({}));
        artifact.insert("ui".to_owned(), payload);
    } else {
        artifact.insert("payload".to_owned(), payload);
    }
    event("artifact_updated", json!({ "artifact": artifact }))
}

fn label(ui: &Value) -> String {
    ui["title"].as_str().filter(|title| !title.is_empty()).unwrap_or("Proposals").to_owned()
}

fn event(name: &'static str, data: Value) -> ClientEvent {
    ClientEvent { name, data, sequence: 0 }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
