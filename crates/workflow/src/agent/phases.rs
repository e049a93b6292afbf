//! What each phase does next, from the state of the turn alone.

mod feature_engineering;
mod onboarding;
mod preprocessing;
mod risky;
mod special;
mod training;

use gristmill_domain::workflows::{Phase, ToolCall, ToolName};
use gristmill_llm::FailureCode;
use serde_json::{Map, Value};

use super::{
    machine::{Exchange, Heard, Next, State, no_progress},
    turn::{Answer, Decision, End},
};
use crate::tools::output::ENVIRONMENT_ERROR;

pub(super) use self::{
    preprocessing::CLASSIFY,
    risky::{asked_call, subject_of, told},
};

/// Most runs of cells that are made again in a turn because the server that had begun them went away.
const LOST_RUNS_MAX: usize = 2;

/// What a call must be like to be made: what the node that asked allows.
pub(super) struct Allowed<'a> {
    pub(super) tools: &'a [ToolName],
    pub(super) may_render: bool,
}

/// What is next when no call is waiting.
pub(super) fn decide(state: &State) -> Next {
    if let Some(end) = missing_dataset(state) {
        return Next::End(end);
    }
    if let Some(next) = risky::approved(state) {
        return next;
    }
    match state.turn.phase {
        Phase::Onboarding => onboarding::decide(state),
        Phase::Preprocessing => preprocessing::decide(state),
        Phase::FeatureEngineering => feature_engineering::decide(state),
        Phase::Training => training::decide(state),
    }
}

/// What becomes of an answer. It is not in the log yet.
pub(super) fn hear(state: &State, answer: &Answer) -> Heard {
    match state.turn.phase {
        Phase::Onboarding => onboarding::hear(state, answer),
        Phase::Preprocessing => preprocessing::hear(state, answer),
        Phase::FeatureEngineering => feature_engineering::hear(state, answer),
        Phase::Training => training::hear(state, answer),
    }
}

/// What the person has said no to with this turn's prompt, besides steps.
pub(super) fn rejected(state: &State) -> Option<Decision> {
    risky::rejected(state)
}

/// What follows from the call that was made last, before anything else. `None`: nothing does.
pub(super) fn executed(state: &State) -> Option<Next> {
    if let Some(why) = state.exchanges().next_back().and_then(without_environment) {
        return Some(Next::End(End::failed_with(no_progress(state.turn.phase), why)));
    }
    match state.turn.phase {
        Phase::Onboarding => None,
        Phase::Preprocessing => preprocessing::executed(state),
        Phase::FeatureEngineering => feature_engineering::executed(state),
        Phase::Training => training::executed(state),
    }
}

fn missing_dataset(state: &State) -> Option<End> {
    let facts = state.facts.as_ref()?;
    if state.turn.phase == Phase::Onboarding || facts.dataset.is_some() {
        return None;
    }
    let code = if facts.is_dataset_missing || state.turn.phase == Phase::Preprocessing {
        FailureCode::DatasetNotFound
    } else {
        FailureCode::DatasetRequired
    };
    Some(End::failed(code))
}

/// An answer as calls to make, questions, something drawn, or text. Calls of tools that there are not, or not here, are
/// told to the model instead.
pub(super) fn hear_calls(state: &State, answer: &Answer, allowed: &Allowed<'_>) -> Heard {
    let mut calls = Vec::new();
    for call in &answer.calls {
        if let Some(heard) = special::hear(state, call, answer, allowed) {
            // What was to be done before a question or a plan is done first, and then asked again.
            return if calls.is_empty() { heard } else { Heard::Calls(calls) };
        }
        let Some(tool) = ToolName::from_name(&call.name) else {
            return Heard::Useless(format!(
                "There is no tool \"{}\". Call one of: {}.",
                crate::prompts::line(&call.name, 60),
                names(allowed.tools)
            ));
        };
        if !allowed.tools.contains(&tool) {
            return Heard::Useless(format!("{} cannot be called now. Call one of: {}.", call.name, names(allowed.tools)));
        }
        let Some(mut args) = arguments(&call.args) else {
            return Heard::Useless(format!("The arguments of {} are no JSON object. Call it again with one.", call.name));
        };
        let rationale = args.remove("rationale").and_then(|why| why.as_str().map(str::to_owned));
        if let Some(why) = rationale.as_ref().filter(|_| keeps_rationale(tool)) {
            args.insert("rationale".to_owned(), why.clone().into());
        }
        let planned = ToolCall { id: call.id.clone(), tool, args, rationale };
        if let Some(end) = risky::question(&planned, &answer.text) {
            // What was to be done before is done first.
            return if calls.is_empty() { Heard::End(end) } else { Heard::Calls(calls) };
        }
        calls.push(planned);
    }
    if !calls.is_empty() {
        return Heard::Calls(calls);
    }
    if answer.text.trim().is_empty() {
        return Heard::Useless("The last answer was empty. Call a tool, or answer in words.".to_owned());
    }
    Heard::End(End::said(answer.text.clone()))
}

/// Tools of whose records the reason is a part.
fn keeps_rationale(tool: ToolName) -> bool {
    matches!(tool, ToolName::ProposeTransformationStep | ToolName::ProposeFeature | ToolName::ProposeTrainingPlan)
}

/// Arguments as an object: models also send them as the text of one.
fn arguments(args: &Value) -> Option<Map<String, Value>> {
    match args {
        Value::Object(fields) => Some(fields.clone()),
        Value::Null => Some(Map::new()),
        Value::String(text) if text.trim().is_empty() => Some(Map::new()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn names(tools: &[ToolName]) -> String {
    if tools.is_empty() {
        return "none; answer in words".to_owned();
    }
    tools.iter().map(|tool| tool.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether a call is of a cell's run that ended because its server went away, and not by the cell's own fault.
fn was_lost(done: &Exchange) -> bool {
    done.call.tool == ToolName::RunCell && done.output("lost") == &Value::Bool(true)
}

/// Why no code could be run at all, when a call says so. A model that is asked to mend code would mend what is not at fault.
fn without_environment(done: &Exchange) -> Option<String> {
    let code = done.output(ENVIRONMENT_ERROR).as_str().filter(|_| done.call.tool == ToolName::RunCell)?;
    let why = done.output("error").as_str().unwrap_or("the server could not run it");
    Some(format!("The code was not run, and is not at fault ({code}): {}", crate::prompts::cut(why, 1_000)))
}

/// Why a cell was not run, though its code may be good: it is not there, or in use.
fn not_run(done: &Exchange) -> Option<String> {
    let is_refused = done.call.tool == ToolName::RunCell && done.result.is_failed() && done.output("status").is_null();
    is_refused.then(|| format!("The cell could not be run: {}", done.result.error.as_deref().unwrap_or_default()))
}

/// The fields of a JSON object that is written out here.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
