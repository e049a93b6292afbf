//! What keeps a turn from going round in circles.

use gristmill_domain::workflows::{SAME_CALL_MAX, ToolCall, ToolName};
use gristmill_llm::FailureCode;
use serde_json::Value;

use super::{
    machine::{Exchange, State, no_progress},
    turn::End,
};

/// Most answers in a row that cannot be used.
pub(super) const USELESS_MAX: u32 = 2;
/// Most times in a row that a call may give the same.
const SAME_RESULT_MAX: usize = 3;
/// Most rounds of two calls that alternate and give the same.
const ALTERNATIONS_MAX: usize = 3;

/// Why a call is not made: the same was made too often in this turn. Running a cell again is work, not a circle.
pub(super) fn refuse(state: &State, call: &ToolCall) -> Option<End> {
    if call.tool == ToolName::RunCell {
        return None;
    }
    let same = state.exchanges().filter(|done| done.call.tool == call.tool && plain(&done.call) == plain(call)).count();
    (same >= SAME_CALL_MAX).then(|| {
        let message =
            format!("{} was called {same} times with the same arguments; say what you want to do next", call.tool.as_str());
        End::failed_with(FailureCode::ToolCallLimitExceeded, message)
    })
}

/// Why a turn is ended after a call: it goes round in circles.
pub(super) fn stuck(state: &State) -> Option<End> {
    let recent: Vec<&Exchange> = state.exchanges().rev().take(ALTERNATIONS_MAX * 2).collect();
    let repeated = recent.windows(2).take(SAME_RESULT_MAX).filter(|pair| matches!(pair, [a, b] if alike(a, b))).count();
    let is_repeating = repeated == SAME_RESULT_MAX;
    let is_alternating = recent.len() == ALTERNATIONS_MAX * 2
        && recent.iter().zip(recent.iter().skip(2)).all(|(a, b)| alike(a, b))
        && matches!(recent.as_slice(), [a, b, ..] if !alike(a, b));
    (is_repeating || is_alternating).then(|| {
        let tool = recent.first().map_or("a tool", |done| done.call.tool.as_str());
        let message = format!("The turn went round in circles with {tool}; say what you want to do next");
        End::failed_with(no_progress(state.turn.phase), message)
    })
}

/// Whether two calls were the same and gave the same.
fn alike(a: &Exchange, b: &Exchange) -> bool {
    a.call.tool == b.call.tool
        && plain(&a.call) == plain(&b.call)
        && a.result.error == b.result.error
        && steady(a.result.output.as_ref()) == steady(b.result.output.as_ref())
}

/// The arguments without what the server adds.
fn plain(call: &ToolCall) -> Vec<(&String, &Value)> {
    call.args.iter().filter(|(name, _)| !matches!(name.as_str(), "toolCallId" | "runId" | "approvalSource")).collect()
}

/// An output without what differs each time.
fn steady(output: Option<&Value>) -> Option<Value> {
    let mut output = output?.clone();
    if let Value::Object(fields) = &mut output {
        for name in ["executionMs", "executionOrder", "executionCount", "updatedAt", "createdAt"] {
            fields.remove(name);
        }
    }
    Some(output)
}
