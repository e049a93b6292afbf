//! What a person decides about a step is recorded in the agent's run: what, who and when.

use super::*;

const FEWER: &str = "city,people\nAachen,1\nKöln,3\n";

impl Lab {
    /// The agent's run, as a turn leaves it that asked about a step in this state.
    async fn waits(&self, asked: Option<&Value>) {
        let pending = if asked.is_some() { "'approval'" } else { "null" };
        self.sql(&format!(
            "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node, pause_reason,
                 active_dataset_id, pending_input_kind)
             values ('turn-of-the-agent', '{}', 't', 'preprocessing', 'paused', 'validate', 'x', '{}', {pending})",
            self.project, self.dataset
        ))
        .await;
        if let Some(step) = asked {
            self.asks(step, "first").await;
        }
    }

    async fn asks(&self, step: &Value, hash: &str) {
        let subject = json!({ "tool": "commit_transformation_step", "stepId": step["stepId"], "codeHash": step["codeHash"],
            "version": step["version"], "updatedAt": step["updatedAt"] });
        let payload = json!({ "subject": subject, "title": step["title"] });
        self.sql(&format!(
            "insert into workflow_approvals (approval_id, run_id, approval_type, status, subject_hash, payload)
             values ('{}', 'turn-of-the-agent', 'commit_transformation_step', 'pending', '{hash}', $p${payload}$p$::json)",
            uuid::Uuid::new_v4()
        ))
        .await;
    }

    async fn agent_run(&self) -> Value {
        self.ada.get("/api/workflows/turn-of-the-agent").await.expect(200)["run"].clone()
    }

    fn me(&self) -> Value {
        json!(self.caller.user_id)
    }
}

fn statuses(run: &Value) -> Vec<&str> {
    run["approvals"].as_array().unwrap().iter().map(|approval| approval["status"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_yes_answers_the_question_that_the_agent_asked() {
    let lab = Lab::new().await;
    let (step, _, validated) = lab.validated("fill_missing", FEWER).await;
    lab.waits(Some(&validated["step"])).await;
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["status"], "applied", "{answer}");

    let run = lab.agent_run().await;
    let approval = &run["approvals"][0];
    assert_eq!((&approval["status"], &approval["resolvedBy"]), (&json!("approved"), &lab.me()), "{run}");
    assert!(approval["resolvedAt"].is_string(), "{approval}");
    let state = &run["run"];
    assert_eq!((&state["status"], &state["pauseReason"]), (&json!("paused"), &json!("step_approved")));
    assert!(state.get("pendingInputKind").is_none(), "it waits for nothing more: {state}");
    assert_eq!(state["activeDatasetId"], answer["output"]["derivedDatasetId"], "the next turn goes on with what was kept");
    let event = &run["events"][0];
    assert_eq!((&event["eventType"], &event["payload"]["call"]["id"]), (&json!("tool_executed"), &answer["id"]), "{event}");
    assert_eq!(event["payload"]["result"]["output"]["status"], "applied");

    // Two more clicks record nothing more.
    for _ in 0..2 {
        let late = lab.decide(&validated, &step, true).await;
        assert_eq!(late["output"]["checkpointId"], answer["output"]["checkpointId"], "{late}");
    }
    let after = lab.agent_run().await;
    assert_eq!((&after["approvals"], &after["events"]), (&run["approvals"], &run["events"]));
}

#[actix_web::test]
async fn two_clicks_at_once_are_recorded_as_one() {
    let lab = Lab::new().await;
    let (step, _, validated) = lab.validated("fill_missing", FEWER).await;
    lab.waits(None).await;
    let (one, two) = futures_util::future::join(lab.decide(&validated, &step, false), lab.decide(&validated, &step, false)).await;
    for answer in [&one, &two] {
        assert_eq!(answer["output"]["step"]["approvalDecision"], "rejected", "{answer}");
    }
    let run = lab.agent_run().await;
    assert_eq!(statuses(&run), ["rejected"], "recorded though nobody had asked: {run}");
    let approval = &run["approvals"][0];
    assert_eq!((&approval["resolvedBy"], &approval["payload"]["subject"]["stepId"]), (&lab.me(), &json!(step)));
    assert_eq!(run["events"].as_array().unwrap().len(), 1, "{run}");
    let stored = &lab.snapshot(&validated).await["steps"][0];
    assert_eq!((&stored["status"], &stored["approvalDecision"]), (&json!("failed"), &json!("rejected")));
}

#[actix_web::test]
async fn a_question_about_an_earlier_state_is_closed_and_not_answered() {
    let lab = Lab::new().await;
    let (step, _, validated) = lab.validated("fill_missing", FEWER).await;
    lab.waits(Some(&validated["step"])).await;
    // Measured anew, the step is in another state.
    std::fs::write(lab.processed(&lab.dataset, "sales_processed.csv"), "city,people\nAachen,1\n").unwrap();
    let again = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    lab.asks(&again["step"], "second").await;
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["status"], "applied", "{answer}");
    let run = lab.agent_run().await;
    let mut found: Vec<(&str, bool)> = Vec::new();
    for approval in run["approvals"].as_array().unwrap() {
        found.push((approval["status"].as_str().unwrap(), approval.get("resolvedBy").is_some_and(|by| !by.is_null())));
        let is_new = approval["payload"]["subject"]["updatedAt"] == again["step"]["updatedAt"];
        assert_eq!(approval["status"] == "approved", is_new, "{approval}");
    }
    found.sort_unstable();
    assert_eq!(found, [("approved", true), ("superseded", false)], "nobody decided about the earlier one");
}

#[actix_web::test]
async fn a_decision_that_was_not_carried_out_is_none() {
    let lab = Lab::new().await;
    let (step, cell, validated) = lab.validated("fill_missing", FEWER).await;
    lab.waits(Some(&validated["step"])).await;
    lab.ada.patch(&format!("/api/cells/{cell}"), &json!({ "content": "df = df.head(1)" })).await.expect(200);
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["isError"], true, "{answer}");
    let run = lab.agent_run().await;
    assert_eq!((statuses(&run), run["events"].as_array().unwrap().len()), (vec!["pending"], 0), "{run}");
}

/// Whoever decides does so about a state of the step; when it has another by the time that the decision is carried out, the
/// decision is void.
#[actix_web::test]
async fn a_decision_about_another_state_is_void() {
    let lab = Lab::new().await;
    let (step, _, validated) = lab.validated("fill_missing", FEWER).await;
    std::fs::write(lab.processed(&lab.dataset, "sales_processed.csv"), "city,people\nAachen,1\n").unwrap();
    lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    let seen = &validated["step"];
    for (key, approved) in [("yes", true), ("no", false)] {
        let context = ToolContext { run: None, is_approved: approved, ..lab.context(key) };
        let args = json!({ "runId": validated["runId"], "stepId": step, "approved": approved, "version": seen["version"],
            "updatedAt": seen["updatedAt"] });
        refused(lab.call(&context, ToolName::CommitTransformationStep, args).await, "INVALID_OPERATION");
    }
    assert_eq!(lab.snapshot(&validated).await["steps"][0]["status"], "awaiting_approval");
}
