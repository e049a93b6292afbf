//! Turns that stop and are taken up again: what is told, and what is left alone.

use std::sync::Arc;

use async_trait::async_trait;
use gristmill_domain::{
    Caller,
    workflows::{Phase, ToolName, WorkflowEvent, WorkflowRun, WorkflowStatus, event_types},
};
use gristmill_workflow::{
    agent::{
        Engine, TurnEnd, TurnError,
        machine::{REMEMBERED, State},
        ports::{Knowledge, KnowledgeSource},
        turn::TurnRequest,
    },
    ports::PortError,
    tools::{ToolContext, ToolHost, ToolOutput},
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::support::{Bench, Tools, calls};

/// A turn that looks at the files, and says so.
fn looking() -> Bench {
    let tools = Tools::default().with(ToolName::ListProjectFiles, |_, _| ToolOutput::of(json!({ "datasets": [] })));
    let turns = json!({ "turns": [
        { "when": { "toolResult": { "tool": "list_project_files" } }, "reply": { "text": "Seen." } },
        { "reply": calls("list_project_files", json!({})) },
    ]});
    Bench::new(Phase::FeatureEngineering, tools, turns)
}

/// A store may leave out of earlier turns what was of use only while they went on.
#[tokio::test]
async fn a_turn_is_folded_from_what_is_remembered_of_those_before_it() {
    let bench = Bench::new(Phase::Preprocessing, super::preprocessing::tools(), super::preprocessing::script());
    bench.turn("Drop rows with missing values").await;
    bench.turn("yes, go ahead").await;
    let (run, all) = (bench.store.run(), bench.store.events());
    let began = all.iter().rposition(|event| event.event_type == event_types::TURN_STARTED).unwrap();
    let is_needed = |at: usize, kind: &str| at >= began || REMEMBERED.contains(&kind);
    let kept: Vec<WorkflowEvent> =
        all.iter().enumerate().filter(|(at, event)| is_needed(*at, &event.event_type)).map(|(_, event)| event.clone()).collect();
    assert!(kept.len() < all.len(), "{}", all.len());
    assert_eq!(State::of(&run, &kept), State::of(&run, &all));
}

/// Tools that go on until they are told to stop, and then say so.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl ToolHost for Endless {
    async fn run(&self, context: &ToolContext, _: ToolName, _: &Map<String, Value>) -> ToolOutput {
        context.stop.cancelled().await;
        ToolOutput::failed("The call was stopped")
    }
}

#[tokio::test]
async fn what_a_stopped_call_says_is_no_result() {
    let mut bench = looking();
    bench.begin("look");
    let stop = CancellationToken::new();
    let engine = Engine { tools: Arc::new(Endless), ..bench.engine() };
    let stopping = async {
        while !bench.client.names().contains(&"tool_started") {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(bench.work_by(&engine, &stop), stopping);
    assert_eq!(ended.unwrap(), TurnEnd::Stopped);
    assert!(bench.store.events().iter().all(|event| event.event_type != "tool_executed"));
    // A server that shut down is followed by another.
    bench.another_server();
    assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended);
    assert_eq!(bench.tools.called(), [ToolName::ListProjectFiles]);
    assert_eq!(bench.store.run().status, WorkflowStatus::Completed, "{:?}", bench.store.run().failure_message);
}

/// A search that never ends, and tells that it began.
#[derive(Debug)]
struct Searching(CancellationToken);

#[async_trait]
impl KnowledgeSource for Searching {
    async fn gather(&self, _: &Caller, _: &WorkflowRun, _: &TurnRequest) -> Result<Knowledge, PortError> {
        self.0.cancel();
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_turn_stops_while_it_gathers_what_is_known() {
    let mut bench = looking();
    bench.begin("look");
    // What begins the search stops the turn too.
    let stop = CancellationToken::new();
    let engine = Engine { knowledge: Arc::new(Searching(stop.clone())), ..bench.engine() };
    assert_eq!(bench.work_by(&engine, &stop).await.unwrap(), TurnEnd::Stopped);
    assert_eq!(bench.store.events().len(), 1, "nothing is known of it");
    bench.another_server();
    assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended);
}

#[tokio::test]
async fn what_was_recorded_and_not_told_is_told_by_the_next_server() {
    for writes in [0, 1] {
        let mut bench = looking();
        bench.begin("look");
        *bench.store.breaks.lock().unwrap() = Some((writes, true));
        bench.work().await.unwrap_err();
        *bench.store.breaks.lock().unwrap() = None;
        // Nothing of it had reached the log.
        bench.client.events.lock().unwrap().clear();
        bench.another_server();
        assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended);
        let names: Vec<_> = bench.client.names().into_iter().filter(|name| *name != "usage").collect();
        let expected = ["tool_started", "tool_executed", "token", "workflow_state", "artifact_updated", "done"];
        assert_eq!(names, expected, "after {writes} writes");
    }
}

#[tokio::test]
async fn an_end_that_was_told_in_part_is_told_to_its_end() {
    let mut bench = looking();
    bench.turn("look").await;
    let whole = bench.client.names();
    for told in 0..3 {
        let length = whole.len() - 3 + told;
        bench.client.events.lock().unwrap().truncate(length);
        bench.another_server();
        assert_eq!(bench.work().await.unwrap(), TurnEnd::Ended);
        assert_eq!(bench.client.names(), whole, "{told} of 3 were told");
    }
    assert!(bench.model.requests().is_empty(), "the end was recorded");
}

#[tokio::test]
async fn an_interrupted_run_is_left_alone() {
    let bench = looking();
    bench.begin("look");
    bench.store.interrupt();
    assert!(matches!(bench.work().await, Err(TurnError::Over)));
    assert!(bench.model.requests().is_empty() && bench.tools.called().is_empty() && bench.client.names().is_empty());
}
