//! Models that go round in circles, call what there is not, claim what is not so, or ask for the same approval again and again.

use serde_json::{Value, json};

use super::{Setting, calls, payloads, picture::cells, setting, snapshot, tools_called};
use crate::notebooks::{cell, notebook};

/// The failure that a turn ended with.
fn failure(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["type"] == "workflow_error").unwrap_or_else(|| panic!("{lines:?}"))
}

#[actix_web::test]
async fn a_model_that_does_not_get_on_ends_its_turn_and_not_the_run() {
    let list = json!({ "name": "list_cells", "arguments": {} });
    let sample = json!({ "name": "get_dataset_sample", "arguments": { "datasetId": "sales.csv" } });
    let cases = [
        ("one-call", json!({ "toolCalls": [list] }), "FEATURE_ENGINEERING_NO_PROGRESS", 4),
        ("two-calls", json!({ "toolCalls": [list, sample] }), "FEATURE_ENGINEERING_NO_PROGRESS", 6),
        ("no-tool", calls("drop_database", &json!({})), "MODEL_TOOL_OUTPUT_INVALID", 0),
        ("no-tool-here", calls("register_model", &json!({})), "MODEL_TOOL_OUTPUT_INVALID", 0),
        ("no-arguments", calls("list_cells", &json!([1, 2])), "MODEL_TOOL_OUTPUT_INVALID", 0),
        ("wrong-arguments", calls("write_cell", &json!({ "contents": 7 })), "FEATURE_ENGINEERING_NO_PROGRESS", 4),
        ("no-words", json!({ "text": "" }), "MODEL_TOOL_OUTPUT_INVALID", 0),
    ];
    let mut turns = vec![json!({ "always": true, "when": { "lastUser": "and-now" }, "reply": { "text": "Fine." } })];
    let reply = |(name, reply, ..): &(&str, Value, &str, usize)| json!({ "always": true, "when": { "anyMessage": format!("case {name}!") }, "reply": reply });
    turns.extend(cases.iter().map(reply));
    let lab = setting(&json!(turns)).await;
    for (name, _, code, made) in &cases {
        let run = format!("fe-{name}");
        let lines = lab.told(&lab.features(&run, &format!("case {name}!"))).await;
        assert_eq!((&failure(&lines)["code"], &failure(&lines)["retryable"]), (&json!(code), &json!(true)), "{name}");
        let failed = snapshot(&lab.ada, &run).await;
        assert_eq!(failed["run"]["status"], "failed_retryable", "{name}");
        assert_eq!(tools_called(&failed).len(), *made, "{name}");
        let is_told = |done: &&Value| done["result"]["error"].as_str().is_some_and(|error| error.contains("Wrong arguments"));
        let wrong = payloads(&failed, "tool_executed").into_iter().filter(is_told).count();
        assert_eq!(wrong, if *name == "wrong-arguments" { *made } else { 0 }, "{name}");
        lab.told(&lab.features(&run, "and-now")).await;
        assert_eq!(snapshot(&lab.ada, &run).await["run"]["status"], "completed", "{name}");
    }
    assert_eq!((lab.datasets().await, cells(&lab.ada, &lab.project).await.len()), (1, 0), "nothing was half done");
}

impl Setting {
    /// Checks that nothing of a dataset was changed, whatever a model said.
    async fn assert_nothing_was_done(&self, run: &str) {
        let told = snapshot(&self.ada, run).await;
        assert!(payloads(&told, "tool_started").is_empty(), "{told}");
        assert_eq!((self.datasets().await, cells(&self.ada, &self.project).await.len()), (1, 0));
        for runs in ["preprocessing", "feature-engineering"] {
            let listed = self.ada.get(&format!("/api/{runs}/runs?projectId={}", self.project)).await.expect(200);
            assert_eq!(listed["runs"], json!([]), "{runs}");
        }
    }
}

#[actix_web::test]
async fn a_success_that_is_only_claimed_is_none() {
    let classified = json!({ "always": true, "when": { "format": "json" },
        "reply": { "text": "{\"turnMode\": \"action_required\"}" } });
    let step = format!("step-{}", uuid::Uuid::new_v4());
    let committed = calls("commit_transformation_step", &json!({ "stepId": step, "approved": true }));
    let executed = calls("execute_transformation_step", &json!({ "stepId": step, "succeeded": true }));
    let lab = setting(&json!([
        classified,
        { "always": true, "when": { "anyMessage": "case words!" }, "reply": { "text": "I dropped the rows and saved it all." } },
        { "always": true, "when": { "anyMessage": "case commit!" }, "reply": committed },
        { "always": true, "when": { "anyMessage": "case execute!" }, "reply": executed },
        { "always": true, "when": { "anyMessage": "case feature!" }, "reply": { "text": "feat-1 is registered." } },
    ]))
    .await;
    // Words are words: they are shown, and nothing is kept.
    lab.told(&lab.preprocessing("words", "case words!")).await;
    assert_eq!(snapshot(&lab.ada, "words").await["run"]["status"], "completed");
    lab.assert_nothing_was_done("words").await;
    // What the server does by itself no model can say to be done.
    for name in ["commit", "execute"] {
        let lines = lab.told(&lab.preprocessing(name, &format!("case {name}!"))).await;
        assert_eq!(failure(&lines)["code"], "MODEL_TOOL_OUTPUT_INVALID", "{name}");
        lab.assert_nothing_was_done(name).await;
    }
    let lines = lab.told(&lab.features("feature", "case feature!\n\nSelected feature IDs to implement: feat-1")).await;
    assert_eq!(failure(&lines)["code"], "MODEL_TOOL_OUTPUT_INVALID");
    lab.assert_nothing_was_done("feature").await;
}

#[actix_web::test]
async fn a_model_that_asks_for_the_same_approval_again_and_again_gets_each_answer_once() {
    let lab = setting(&json!([
        { "always": true, "when": { "lastMessage": "\"success\":true" }, "reply": { "text": "At last." } },
        { "always": true, "when": { "anyMessage": { "regex": "tidy (?<cell>[0-9a-f-]{36})" } },
          "reply": calls("delete_cell", &json!({ "cellId": "{{cell}}" })) },
    ]))
    .await;
    let notebook = notebook(&lab.ada, &lab.project, &json!({})).await;
    let id = cell(&lab.ada, &notebook, "a = 1").await;
    // What decides nothing leaves the question open, and it is asked once.
    let turns =
        [(1, format!("tidy {id}").as_str()), (2, "no"), (3, "no"), (3, "why?"), (4, "no")].map(|(n, it)| (n, it.to_owned()));
    for (asked, prompt) in turns {
        lab.told(&lab.features("fe-1", &prompt)).await;
        let run = snapshot(&lab.ada, "fe-1").await;
        assert_eq!((&run["run"]["status"], &run["run"]["pendingInputKind"]), (&json!("paused"), &json!("approval")), "{prompt}");
        assert!(payloads(&run, "tool_started").is_empty(), "{prompt}");
        assert_eq!(run["approvals"].as_array().unwrap().len(), asked, "each turn ends with a question: {prompt}");
        assert_eq!(run["approvals"].as_array().unwrap().last().unwrap()["status"], "pending", "{prompt}");
    }
    let me = lab.ada.get("/api/auth/me").await.expect(200)["user"]["user_id"].clone();
    let run = snapshot(&lab.ada, "fe-1").await;
    let decided = run["approvals"].as_array().unwrap().iter().filter(|approval| approval["status"] == "rejected");
    let decided: Vec<&Value> = decided.collect();
    assert_eq!(decided.len(), 3, "{}", run["approvals"]);
    assert!(decided.iter().all(|approval| approval["resolvedBy"] == me && approval["resolvedAt"].is_string()), "{decided:?}");

    // A yes is to the cell as it was when they were asked, and not to what they wrote into it since.
    lab.ada.patch(&format!("/api/cells/{id}"), &json!({ "content": "precious = 1" })).await.expect(200);
    lab.told(&lab.features("fe-1", "yes")).await;
    let run = snapshot(&lab.ada, "fe-1").await;
    assert_eq!((run["run"]["status"].as_str(), tools_called(&run)), (Some("paused"), vec!["delete_cell"]));
    let refused = payloads(&run, "tool_executed")[0]["result"]["error"].as_str().unwrap().to_owned();
    assert!(refused.contains("was changed after the person was asked"), "{refused}");
    assert_eq!(lab.ada.get(&format!("/api/cells/{id}")).await.expect(200)["content"], "precious = 1");

    lab.told(&lab.features("fe-1", "yes")).await;
    let run = snapshot(&lab.ada, "fe-1").await;
    assert_eq!((run["run"]["status"].as_str(), tools_called(&run)), (Some("completed"), vec!["delete_cell"; 2]));
    lab.ada.get(&format!("/api/cells/{id}")).await.refused(404, "cell_not_found");
    let approved = run["approvals"].as_array().unwrap().iter().filter(|approval| approval["status"] == "approved").count();
    assert_eq!(approved, 2, "{}", run["approvals"]);
}
