//! Features that a person selected, from their code to its run.

use gristmill_domain::workflows::{Phase, ToolName};
use gristmill_workflow::tools::ToolOutput;
use serde_json::json;

use super::support::{Answer, Bench, Tools, calls};

const SELECTED: &str = "Make these features.\nSelected feature IDs to implement: f-1";

/// Tools that write cells, and run them as told.
fn tools(run: Answer) -> Tools {
    Tools::default()
        .with(ToolName::MaterializeFeatureCode, |_, _| ToolOutput::of(json!({ "status": "ok", "featureId": "f-1" })))
        .with(ToolName::WriteCell, |_, before| ToolOutput::of(json!({ "cellId": format!("cell-{before}") })))
        .with(ToolName::RunCell, run)
}

/// What a turn came to: its code and message, and what was called.
async fn turn(run: Answer) -> (Option<String>, String, Vec<ToolName>) {
    let code = json!({ "featureId": "f-1", "code": "df['area'] = df['bill_length_mm'] ** 2", "outputColumns": ["area"] });
    let script = json!({ "turns": [{ "always": true, "reply": calls("materialize_feature_code", code) }] });
    let bench = Bench::new(Phase::FeatureEngineering, tools(run), script);
    let run = bench.turn(SELECTED).await;
    assert_eq!(bench.model.requests().len(), 1, "no model is asked to mend what is not at fault");
    (run.failure_code, run.failure_message.unwrap_or_default(), bench.tools.called())
}

#[tokio::test]
async fn where_no_code_runs_the_turn_ends_with_the_reason() {
    let (code, why, called) = turn(|_, _| {
        let why = "The sandbox could not be started: no user namespaces";
        ToolOutput::of(json!({ "status": "error", "stderr": why, "error": why, "environmentError": "sandbox_failed" }))
    })
    .await;
    assert_eq!(code.as_deref(), Some("FEATURE_ENGINEERING_NO_PROGRESS"));
    assert!(why.contains("sandbox_failed") && why.contains("no user namespaces"), "{why}");
    assert_eq!(called, [ToolName::MaterializeFeatureCode, ToolName::WriteCell, ToolName::RunCell]);
}

#[tokio::test]
async fn a_cell_that_cannot_be_run_ends_the_turn_with_its_reason() {
    let (code, why, called) = turn(|_, _| ToolOutput::failed("The cell runs or is being edited by a person")).await;
    assert_eq!(code.as_deref(), Some("FEATURE_ENGINEERING_NO_PROGRESS"));
    assert!(why.contains("being edited by a person"), "{why}");
    assert_eq!(called, [ToolName::MaterializeFeatureCode, ToolName::WriteCell, ToolName::RunCell]);
}

#[tokio::test]
async fn cells_load_the_stored_dataset_and_have_no_fences() {
    let code = "```python\ndf['area'] = df['bill_length_mm'] ** 2\n```";
    let code = json!({ "featureId": "f-1", "code": code, "outputColumns": ["area"] });
    let script = json!({ "turns": [{ "always": true, "reply": calls("materialize_feature_code", code) }] });
    let ran: Answer = |_, before| match before {
        0 => ToolOutput::of(json!({ "status": "success" })),
        _ => ToolOutput::failed("That is enough"),
    };
    let bench = Bench::new(Phase::FeatureEngineering, tools(ran), script);
    bench.turn(SELECTED).await;
    let effects = bench.tools.effects.lock().unwrap();
    let written = effects.iter().filter(|(_, tool, ..)| *tool == ToolName::WriteCell);
    let contents: Vec<&str> = written.map(|(_, _, args, _)| args["content"].as_str().unwrap()).collect();
    let [load, feature] = contents[..] else { panic!("{contents:?}") };
    assert!(load.starts_with("load_preprocessing_dataset(") && load.ends_with(", \"df\", from_original=True)"), "{load}");
    assert_eq!(feature, "df['area'] = df['bill_length_mm'] ** 2");
}
