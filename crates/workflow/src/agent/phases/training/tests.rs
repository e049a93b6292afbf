//! What is refused of a training that was approved of.

use gristmill_domain::{
    DatasetId, UserId,
    workflows::{Phase, ToolCall, ToolResult, WorkflowRunId},
};

use super::*;
use crate::{
    agent::{
        machine::Entry,
        turn::{DatasetFacts, Facts, PlannedCall, Turn, TurnRequest},
    },
    training::approval::PHRASE,
};

const CODE: &str = "# Cell 1: Fit\nm = XGBClassifier()\n# Cell 2: Save\njoblib.dump(m, 'model.joblib')";

/// A turn that approves of an experiment, which trains XGBoost on the penguins.
fn approved(target: Option<&str>, dataset: u128) -> State {
    let request =
        TurnRequest { prompt: format!("{PHRASE} Boosted"), target_column: target.map(str::to_owned), ..TurnRequest::default() };
    let turn = Turn {
        run: WorkflowRunId::parse("run-1").unwrap(),
        phase: Phase::Training,
        number: 3,
        status_before: None,
        by: UserId(uuid::Uuid::nil()),
        began_at: chrono::DateTime::UNIX_EPOCH,
        request,
    };
    let experiment = json!({
        "experimentId": "exp-1", "experimentName": "Boosted", "modelType": "xgboost", "status": "proposed",
        "splitStrategy": "train_test", "splitRatio": 0.8, "targetColumn": "species", "taskType": "classification",
        "datasetId": DatasetId(uuid::Uuid::from_u128(9)), "datasetVersion": 1,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    });
    let dataset = DatasetFacts {
        id: DatasetId(uuid::Uuid::from_u128(dataset)),
        version: 1,
        filename: "penguins.csv".to_owned(),
        file_type: "csv".to_owned(),
        columns: Vec::new(),
    };
    let facts = Facts { dataset: Some(dataset), experiments: fields(json!({ "exp-1": experiment })), ..Facts::default() };
    let mut state = State::begin(turn, Vec::new());
    state.facts = Some(facts);
    state
}

fn said(node: &str, text: &str) -> Answer {
    Answer { node: node.to_owned(), text: text.to_owned(), ..Answer::default() }
}

fn did(tool: ToolName, args: Value, output: Value) -> Entry {
    let call = ToolCall { id: "call".to_owned(), tool, args: fields(args), rationale: None };
    let result = ToolResult { id: "call".to_owned(), tool, output: Some(output), error: None };
    Entry::Did(Exchange { call, result, decision: None })
}

/// The same, with its first cell written, run, and failed.
fn failed() -> State {
    let mut state = approved(Some("species"), 9);
    let written = json!({ "cellId": "c-1", "content": "m = XGBClassifier()" });
    state.log.push(Entry::Said(said(GENERATE, CODE)));
    state.log.push(did(ToolName::WriteCell, written.clone(), written));
    let ran = json!({ "status": "error", "error": "ValueError: no" });
    state.log.push(did(ToolName::RunCell, json!({ "cellId": "c-1" }), ran));
    state
}

fn ended(next: &Next) -> Option<(&str, &str)> {
    match next {
        Next::End(End::Failed { code, message }) => Some((code.as_str(), message.as_str())),
        _ => None,
    }
}

#[test]
fn what_was_approved_is_what_is_selected() {
    for selected in [Some("species"), Some(" species "), Some(""), None] {
        assert!(matches!(decide(&approved(selected, 9)), Next::Ask(ask) if ask.node == GENERATE), "{selected:?}");
    }
    let mut retyped = approved(None, 9);
    retyped.facts.as_mut().and_then(|facts| facts.dataset.as_mut()).unwrap().version = 2;
    for (state, why) in [
        (approved(Some("sex"), 9), "selected target is \"sex\""),
        (approved(None, 8), "another dataset"),
        (retyped, "types of its columns were changed"),
    ] {
        let next = decide(&state);
        let (code, message) = ended(&next).unwrap();
        assert!(code == "TRAINING_SELECTION_MISMATCH" && message.contains(why), "{code}: {message}");
    }
}

#[test]
fn an_experiment_may_be_named_after_another_file() {
    let mut state = approved(Some("species"), 9);
    let facts = state.facts.as_mut().unwrap();
    facts.other_datasets = vec!["other.csv".to_owned()];
    facts.experiments["exp-1"]["experimentName"] = json!("Boosted, unlike other.csv");
    state.turn.request.prompt = format!("{PHRASE} Boosted, unlike other.csv");
    assert!(matches!(decide(&state), Next::Ask(ask) if ask.node == GENERATE));
    state.turn.request.prompt = "Boost, unlike other.csv".to_owned();
    assert_eq!(ended(&decide(&state)).map(|(code, _)| code), Some("TRAINING_SELECTION_MISMATCH"));
}

#[test]
fn words_instead_of_a_yes_lead_to_another_proposal() {
    let mut state = approved(Some("species"), 9);
    state.turn.request.prompt = "What may go wrong?".to_owned();
    let asks = |state: &State, node: &str| matches!(decide(state), Next::Ask(ask) if ask.node == node);
    assert!(asks(&state, CONFIGURE));
    state.turn.status_before = Some(WorkflowStatus::Paused);
    assert!(asks(&state, PROPOSE));
}

#[test]
fn a_training_that_came_to_no_model_is_trained_again() {
    for status in ["proposed", "training", "evaluated", "failed"] {
        let mut state = approved(Some("species"), 9);
        state.facts.as_mut().unwrap().experiments["exp-1"]["status"] = json!(status);
        assert!(matches!(decide(&state), Next::Ask(ask) if ask.node == GENERATE), "{status}");
    }
}

#[test]
fn generated_code_trains_what_was_approved() {
    let state = approved(None, 9);
    assert!(matches!(hear(&state, &said(GENERATE, CODE)), Heard::GoOn));
    for (code, reason) in [
        ("# Cell 1: Fit\nm = RandomForestClassifier()", "xgboost was approved"),
        ("# Cell 1: Fit\nm = XGBClassifier(device='cuda')", "processors only"),
        ("# Cell 1: Load\np = resolve_dataset_path('other.csv')", "selected dataset is penguins.csv"),
        ("# Cell 1: Load\ny = df['sex']", "selected target is \"species\""),
        ("", "there is no code"),
    ] {
        let Heard::Useless(why) = hear(&state, &said(GENERATE, code)) else { panic!("{code} was taken") };
        assert!(why.contains(reason), "{code}: {why}");
    }
}

#[test]
fn a_mended_cell_trains_what_was_approved() {
    let state = failed();
    assert!(matches!(decide(&state), Next::Ask(ask) if ask.node == REPAIR));
    assert!(matches!(hear(&state, &said(REPAIR, "```python\nm = XGBClassifier(max_depth=2)\n```")), Heard::GoOn));
    let long = "x = 1\n".repeat(101);
    for (code, reason) in [
        ("m = RandomForestClassifier()", "xgboost was approved"),
        ("!pip install x\nm = XGBClassifier()", "install_package"),
        ("m = XGBClassifier()\ny = df['sex']", "selected target is \"species\""),
        (long.as_str(), "at most 100 are allowed"),
        ("# nothing", "there is no code"),
    ] {
        let Heard::Useless(why) = hear(&state, &said(REPAIR, code)) else { panic!("{code} was taken") };
        assert!(why.contains(reason), "{code}: {why}");
    }
}

/// The cell that is run next.
fn runs(state: &State) -> Option<String> {
    match decide(state) {
        Next::Calls(_, calls) if calls[0].0 == ToolName::RunCell => calls[0].1["cellId"].as_str().map(str::to_owned),
        _ => None,
    }
}

#[test]
fn a_kernel_that_has_forgotten_everything_runs_all_cells_again() {
    let forgot = json!({ "status": "error", "error": "NameError: name 'm' is not defined" });
    let lost = json!({ "status": "error", "error": "The server stopped during the run.", "lost": true });
    for ended in [forgot.clone(), lost] {
        let mut state = approved(Some("species"), 9);
        state.log.push(Entry::Said(said(GENERATE, CODE)));
        for (id, code) in [("c-1", "m = XGBClassifier()"), ("c-2", "joblib.dump(m, 'model.joblib')")] {
            let written = json!({ "cellId": id, "content": code });
            state.log.push(did(ToolName::WriteCell, written.clone(), written));
            let result = if id == "c-1" { json!({ "status": "success" }) } else { ended.clone() };
            state.log.push(did(ToolName::RunCell, json!({ "cellId": id }), result));
        }
        assert_eq!(runs(&state).as_deref(), Some("c-1"), "{ended}");
        state.log.push(did(ToolName::RunCell, json!({ "cellId": "c-1" }), json!({ "status": "success" })));
        assert_eq!(runs(&state).as_deref(), Some("c-2"), "{ended}");
    }
    // A name that no cell before has is a mistake.
    let mut state = failed();
    state.log.push(did(ToolName::RunCell, json!({ "cellId": "c-1" }), forgot));
    assert!(matches!(decide(&state), Next::Ask(ask) if ask.node == REPAIR));
}

#[test]
fn no_model_is_asked_to_mend_what_is_not_at_fault() {
    let ends = |state: &State| match super::super::executed(state) {
        Some(next) => ended(&next).map(|(code, message)| (code.to_owned(), message.to_owned())),
        None => None,
    };
    let mut state = failed();
    assert_eq!(ends(&state), None, "its own code failed");
    let ran = json!({ "status": "error", "error": "Code cannot be run here", "environmentError": "runtime_unavailable" });
    state.log.push(did(ToolName::RunCell, json!({ "cellId": "c-1" }), ran));
    let (code, why) = ends(&state).unwrap();
    assert_eq!(code, "TRAINING_NO_PROGRESS");
    assert!(why.contains("runtime_unavailable") && why.contains("cannot be run here"), "{why}");
    if let Some(Entry::Did(last)) = state.log.last_mut() {
        (last.result.output, last.result.error) = (None, Some("The cell is being edited".to_owned()));
    }
    let (code, why) = ends(&state).unwrap();
    assert!(code == "TRAINING_NO_PROGRESS" && why.contains("being edited"), "{code}: {why}");
}

#[test]
fn a_mended_cell_takes_the_place_of_the_one_that_failed() {
    let mut state = failed();
    state.log.push(Entry::Said(said(REPAIR, "# Cell 1: Fit\nm = XGBClassifier(max_depth=2)")));
    let Next::Calls(node, calls) = decide(&state) else { panic!("nothing is written") };
    let (tool, args, _) = &calls[0];
    assert_eq!((node, *tool, args["cellId"].as_str()), ("write_code", ToolName::WriteCell, Some("c-1")));
    assert_eq!(args["content"], "# Cell 1: Fit\nm = XGBClassifier(max_depth=2)");
}

/// A person chooses one of several: none of the proposals that a model makes at once is lost.
#[test]
fn all_proposals_of_an_answer_are_made_before_a_person_is_asked() {
    let propose = |id: &str| ToolCall {
        id: format!("call-{id}"),
        tool: ToolName::ProposeTrainingPlan,
        args: fields(json!({ "experimentId": id })),
        rationale: None,
    };
    let waiting = |id: &str| json!({ "experimentId": id, "status": "awaiting_approval" });
    let mut state = approved(None, 9);
    state.turn.request.prompt = "Compare two models".to_owned();
    state.log.push(did(ToolName::ProposeTrainingPlan, json!({ "experimentId": "exp-1" }), waiting("exp-1")));
    state.pending.push_back(PlannedCall { call: propose("exp-2"), decision: None });
    assert!(executed(&state).is_none(), "another one is to be proposed");

    let planned = state.pending.pop_front().unwrap();
    let (refused, made) = (Some("no such experiment".to_owned()), Some(waiting("exp-2")));
    for (output, error, others) in [(made, None, vec!["exp-1"]), (None, refused, Vec::new())] {
        let mut state = state.clone();
        let result = ToolResult { id: planned.call.id.clone(), tool: planned.call.tool, output, error };
        state.log.push(Entry::Did(Exchange { call: planned.call.clone(), result, decision: None }));
        let Some(Next::End(End::AwaitsApproval { others: asked, .. })) = executed(&state) else { panic!("nobody is asked") };
        let ids: Vec<&str> = asked.iter().map(|it| it.payload["proposal"]["experimentId"].as_str().unwrap()).collect();
        assert_eq!(ids, others);
    }
}
