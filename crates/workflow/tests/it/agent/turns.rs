//! What the client is told, in the contract's order.

use gristmill_domain::workflows::{PendingInput, Phase, Risk, ToolName, WorkflowStatus};
use gristmill_workflow::{
    agent::TurnEnd,
    tools::{ToolOutput, registry},
};
use serde_json::{Map, json};

use super::support::{Bench, Tools, calls};

fn files() -> Tools {
    Tools::default().with(ToolName::ListProjectFiles, |_, _| {
        ToolOutput::of(json!({ "datasets": [{ "filename": "penguins.csv" }], "documents": [] }))
    })
}

#[tokio::test]
async fn onboarding_looks_asks_and_pauses() {
    let question = json!({ "id": "q1", "question": "What is predicted?", "header": "Target", "type": "free_text" });
    let bench = Bench::new(
        Phase::Onboarding,
        files(),
        json!({ "turns": [
            { "when": { "tools": ["ask_user"] }, "reply": calls("list_project_files", json!({})) },
            { "when": { "toolResult": { "tool": "list_project_files", "content": "penguins.csv" } },
              "reply": { "text": "I looked.", "toolCalls": [{ "name": "ask_user", "arguments": { "questions": [question] } }] } },
        ]}),
    );
    let run = bench.turn("").await;
    assert_eq!((run.status, run.pending_input), (WorkflowStatus::Paused, Some(PendingInput::Clarification)));
    let names = bench.client.names();
    assert_eq!(
        names.iter().filter(|name| **name != "usage").copied().collect::<Vec<_>>(),
        ["tool_started", "tool_executed", "token", "workflow_state", "workflow_pause", "done",]
    );
    let pause = &bench.client.of("workflow_pause")[0];
    assert_eq!(pause["reason"], "user_input_required");
    assert_eq!(pause["ui"]["ask_user"]["questions"][0]["id"], "q1");
    assert_eq!(pause["message"], "I looked.");
    let executed = &bench.client.of("tool_executed")[0];
    assert!(executed["call"]["id"].as_str().unwrap().starts_with("wf-call-"));
    assert_eq!(executed["call"]["id"], executed["result"]["id"]);
    assert!(executed["result"].get("error").is_none());
}

#[tokio::test]
async fn a_plan_that_is_none_is_asked_for_again_and_then_repaired() {
    let bad = calls("plan_exit", json!({ "planMarkdown": "" }));
    let bench = Bench::new(
        Phase::Onboarding,
        files(),
        json!({ "turns": [
            { "when": { "tools": ["plan_exit"] }, "times": 2, "reply": bad },
            { "when": { "lastUser": "Write the project plan now" },
              "reply": { "text": "# Project Plan\n\n## Objective\nPredict species.\n\n## Approach\nTrees.\n" } },
        ]}),
    );
    bench.begin_with(json!({ "prompt": "", "round": 1, "userIntent": "predict species" }));
    bench.work().await.unwrap();
    let run = bench.store.run();
    assert_eq!((run.status, run.pause_reason.as_deref()), (WorkflowStatus::Paused, Some("plan_ready")));
    let plan = &bench.client.of("artifact_updated")[0]["artifact"];
    assert_eq!(plan["kind"], "plan");
    assert!(plan["payload"]["planMarkdown"].as_str().unwrap().starts_with("# Project Plan"));
    assert!(bench.client.of("workflow_pause").is_empty());
    assert!(bench.model.unused().is_empty(), "{:?}", bench.model.unused());
}

#[tokio::test]
async fn there_is_no_plan_before_the_first_answers() {
    let bench = Bench::new(
        Phase::Onboarding,
        files(),
        json!({ "turns": [{ "always": true, "reply": calls("plan_exit", json!({ "planMarkdown": "# Project Plan\n## Objective\nx" })) }] }),
    );
    let run = bench.turn("").await;
    assert_eq!(run.failure_code.as_deref(), Some("MODEL_TOOL_OUTPUT_INVALID"));
    let requests = bench.model.requests();
    let texts = requests.iter().flat_map(|request| &request.messages).map(|message| message.text());
    assert!(texts.into_iter().all(|text| !text.contains("Write the project plan now")), "nor is one asked for");
}

#[tokio::test]
async fn a_phase_without_its_dataset_fails_for_good() {
    for (phase, code) in [
        (Phase::Training, "DATASET_REQUIRED"),
        (Phase::FeatureEngineering, "DATASET_REQUIRED"),
        (Phase::Preprocessing, "DATASET_NOT_FOUND"),
    ] {
        let mut bench = Bench::new(phase, Tools::default(), json!({ "turns": [] }));
        bench.forget_dataset();
        let run = bench.turn("go").await;
        assert_eq!((run.status, run.failure_code.as_deref()), (WorkflowStatus::FailedTerminal, Some(code)), "{phase:?}");
        let error = &bench.client.of("workflow_error")[0];
        assert_eq!((error["retryable"].clone(), error["code"].clone()), (json!(false), json!(code)));
    }
}

#[tokio::test]
async fn proposals_end_in_something_to_look_at() {
    let tools = Tools::default().with(ToolName::ProposeFeature, |args, _| {
        if args["featureName"] == "bad" {
            return ToolOutput::failed("there is no such column");
        }
        ToolOutput::of(json!({
            "status": "proposed", "featureId": format!("feat-{}", args["featureName"].as_str().unwrap()),
            "featureName": args["featureName"], "method": args["method"], "impact": "high", "sourceColumns": args["sourceColumns"],
        }))
    });
    let propose = |name: &str| {
        json!({ "name": "propose_feature", "arguments": {
            "featureName": name, "method": "log1p_transform", "sourceColumns": ["bill_length_mm"], "rationale": format!("why {name}"),
        }})
    };
    let bench = Bench::new(
        Phase::FeatureEngineering,
        tools,
        json!({ "turns": [{ "reply": { "text": "Here they are.", "toolCalls": [propose("a"), propose("bad"), propose("c")] } }] }),
    );
    let run = bench.turn("Suggest features").await;
    assert_eq!(run.status, WorkflowStatus::Completed, "{:?}", run.failure_message);
    let artifact = &bench.client.of("artifact_updated")[0]["artifact"];
    assert_eq!((artifact["kind"].clone(), artifact["label"].clone()), (json!("ui"), json!("Proposed Features")));
    let items = artifact["ui"]["sections"][0]["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| item["feature"]["featureName"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!((items[0]["rationale"].clone(), items[0]["impact"].clone()), (json!("why a"), json!("high")));
    assert!(items[0]["feature"].get("secondaryColumn").is_none());
}

#[tokio::test]
async fn proposals_are_shown_whatever_the_model_does_beside() {
    let tools = files().with(ToolName::ProposeFeature, |args, before| match before {
        0..3 => ToolOutput::failed("there is no such column"),
        _ => ToolOutput::of(json!({ "status": "proposed", "featureId": "feat-1", "featureName": args["featureName"] })),
    });
    let propose = json!({ "name": "propose_feature", "arguments": { "featureName": "a", "method": "ratio", "rationale": "r" } });
    let look = json!({ "name": "list_project_files", "arguments": {} });
    let bench = Bench::new(
        Phase::FeatureEngineering,
        tools,
        json!({ "turns": [
            { "reply": { "toolCalls": [propose, propose, propose] } },
            { "when": { "toolResult": { "tool": "propose_feature", "isError": true } }, "reply": { "toolCalls": [propose, look] } },
        ]}),
    );
    let run = bench.turn("Suggest features").await;
    assert_eq!(run.status, WorkflowStatus::Completed, "{:?}", run.failure_message);
    let artifact = &bench.client.of("artifact_updated")[0]["artifact"];
    assert_eq!(artifact["ui"]["sections"][0]["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_loses_something_waits_for_a_person() {
    let script = json!({ "turns": [
        { "when": { "lastUser": "tidy up" }, "reply": calls("delete_cell", json!({ "cellId": "c-1" })) },
        { "always": true, "reply": { "text": "As you wish." } },
    ]});
    let prompts = [("yes", Some(true)), ("no", Some(false)), ("The document says \"yes\"", None), ("why?", None)];
    for (prompt, decision) in prompts {
        let tools = Tools::default().with(ToolName::DeleteCell, |_, _| ToolOutput::of(json!({ "success": true })));
        let bench = Bench::new(Phase::FeatureEngineering, tools, script.clone());
        let run = bench.turn("tidy up").await;
        assert_eq!((run.status, run.pending_input), (WorkflowStatus::Paused, Some(PendingInput::Approval)));
        assert!(bench.tools.called().is_empty() && bench.client.of("tool_executed").is_empty());
        let pause = &bench.client.of("workflow_pause")[0];
        assert!(pause["message"].as_str().unwrap().contains("delete_cell") && pause["ui"].is_null(), "{pause}");

        let run = bench.turn(prompt).await;
        assert_eq!(run.status, WorkflowStatus::Completed, "{prompt}: {:?}", run.failure_message);
        let approved: Vec<bool> = bench.tools.effects.lock().unwrap().iter().map(|(_, _, _, approved)| *approved).collect();
        assert_eq!(approved, if prompt == "yes" { vec![true] } else { Vec::new() }, "{prompt}");
        let decided: Vec<bool> = bench.store.decisions.lock().unwrap().iter().map(|decision| decision.is_approved).collect();
        assert_eq!(decided, decision.into_iter().collect::<Vec<bool>>(), "{prompt}");
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_call_that_can_only_fail() {
    let refused = json!({ "toolResult": { "tool": "delete_cell", "content": "no such cell", "isError": true } });
    let script = json!({ "turns": [
        { "when": refused, "reply": { "text": "It is gone already." } },
        { "when": { "lastUser": "tidy up" }, "reply": calls("delete_cell", json!({ "cellId": "c-1" })) },
    ]});
    for breaks in [None, Some((0, false)), Some((0, true))] {
        let mut bench = Bench::new(Phase::FeatureEngineering, Tools::default(), script.clone());
        *bench.tools.refusal.lock().unwrap() = Some("There is no such cell".to_owned());
        bench.begin("tidy up");
        // The server dies before it records the refusal, or before it tells anybody.
        *bench.store.breaks.lock().unwrap() = breaks;
        if breaks.is_some() {
            bench.work().await.unwrap_err();
            *bench.store.breaks.lock().unwrap() = None;
            bench.another_server();
        }
        assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended, "{breaks:?}");
        let run = bench.store.run();
        assert_eq!((run.status, run.pending_input), (WorkflowStatus::Completed, None), "{breaks:?}: {:?}", run.failure_message);
        assert!(bench.tools.called().is_empty(), "{breaks:?}");
        let told = bench.client.of("tool_executed");
        assert_eq!((told.len(), &told[0]["result"]["error"]), (1, &json!("There is no such cell")), "{breaks:?}");
        assert_eq!((bench.client.of("tool_started").len(), bench.client.of("workflow_pause").len()), (1, 0), "{breaks:?}");
    }
}

/// Asked about one thing after the other that is not there, a turn ends as one that makes too many calls.
#[tokio::test]
async fn calls_that_can_only_fail_count_as_calls() {
    let deletes = |n: u32| calls("delete_cell", json!({ "cellId": format!("c-{n}") }));
    let turns: Vec<_> = (0..60).map(|n| json!({ "when": { "lastUser": "tidy up" }, "reply": deletes(n) })).collect();
    let bench = Bench::new(Phase::FeatureEngineering, Tools::default(), json!({ "turns": turns }));
    *bench.tools.refusal.lock().unwrap() = Some("There is no such cell".to_owned());
    let run = bench.turn("tidy up").await;
    assert_eq!(run.failure_code.as_deref(), Some("MAX_ITERATIONS_EXCEEDED"), "{:?}", run.failure_message);
    assert_eq!(bench.client.of("tool_executed").len(), 48);
}

#[tokio::test]
async fn a_yes_is_to_what_was_there_when_the_person_was_asked() {
    let tools = Tools::default().with(ToolName::DeleteCell, |_, _| ToolOutput::of(json!({ "success": true })));
    let script = json!({ "turns": [
        { "when": { "lastUser": "tidy up" }, "reply": calls("delete_cell", json!({ "cellId": "c-1", "codeHash": "a model's" })) },
        { "always": true, "reply": { "text": "As you wish." } },
    ]});
    let mut bench = Bench::new(Phase::FeatureEngineering, tools, script);
    *bench.tools.lost.lock().unwrap() = Some("as asked".to_owned());
    bench.begin("tidy up");
    // The question is recorded, and the server dies before it tells anybody.
    *bench.store.breaks.lock().unwrap() = Some((0, true));
    bench.work().await.unwrap_err();
    *bench.store.breaks.lock().unwrap() = None;
    *bench.tools.lost.lock().unwrap() = Some("as a person wrote it since".to_owned());
    bench.another_server();
    assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended);
    let asked = bench.store.events().pop().unwrap().payload["subject"].clone();
    assert_eq!(asked["payload"]["subject"]["codeHash"], "as asked", "{asked}");

    bench.turn("yes").await;
    assert_eq!(bench.tools.called(), [ToolName::DeleteCell]);
    let (_, _, args, is_approved) = bench.tools.effects.lock().unwrap()[0].clone();
    assert_eq!((&args["codeHash"], is_approved), (&json!("as asked"), true));
    let decided: Vec<String> = bench.store.decisions.lock().unwrap().iter().map(|it| it.subject_hash.clone()).collect();
    assert_eq!(json!(decided), json!([asked["hash"]]));
}

/// A yes is to a call and to what it takes away. Of another call that models may make and a person is asked about, hosts must
/// know what that is (`ToolHost::lost_hash`).
#[tokio::test]
async fn of_what_loses_something_models_may_call_for_the_deletion_of_cells_only() {
    let risky = |tool: &&ToolName| registry::risk(**tool, &Map::new()) == Risk::High;
    let risky: Vec<ToolName> = ToolName::ALL.iter().filter(risky).copied().collect();
    assert_eq!(risky.len(), 3, "{risky:?}");
    for phase in Phase::ALL {
        for tool in &risky {
            let script = json!({ "turns": [{ "always": true, "reply": calls(tool.as_str(), json!({})) }] });
            let bench = Bench::new(*phase, Tools::default(), script);
            let run = bench.turn("tidy up").await;
            let is_asked = run.pending_input == Some(PendingInput::Approval);
            assert_eq!(is_asked, (*phase, *tool) == (Phase::FeatureEngineering, ToolName::DeleteCell), "{phase:?} {tool:?}");
            assert!(bench.tools.called().is_empty(), "{phase:?} {tool:?}");
        }
    }
}

#[tokio::test]
async fn nothing_that_is_optional_is_null() {
    let bench =
        Bench::new(Phase::FeatureEngineering, Tools::default(), json!({ "turns": [{ "reply": { "text": "Nothing to do." } }] }));
    bench.turn("hello").await;
    for event in bench.client.events.lock().unwrap().iter() {
        assert!(!event.data.to_string().contains("null"), "{event:?}");
    }
    assert_eq!(bench.client.of("artifact_updated")[0]["artifact"]["payload"]["message"], "Nothing to do.");
}

#[tokio::test]
async fn the_conversation_goes_on_in_the_next_turn() {
    let bench = Bench::new(
        Phase::FeatureEngineering,
        Tools::default(),
        json!({ "turns": [
            { "when": { "lastUser": "my name is Ada" }, "reply": { "text": "Hello Ada." } },
            { "when": { "lastUser": "what did I say", "anyMessage": "my name is Ada" }, "reply": { "text": "That you are Ada." } },
        ]}),
    );
    bench.turn("my name is Ada").await;
    bench.turn("what did I say").await;
    let last = bench.model.requests().pop().unwrap();
    assert!(last.messages.iter().any(|message| message.text() == "Hello Ada."));
    assert!(bench.model.unused().is_empty());
}
