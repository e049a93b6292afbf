//! Onboarding: looks at the data, asks, and ends with a plan.

use gristmill_domain::workflows::ToolName;
use gristmill_llm::FailureCode;

use super::{Allowed, hear_calls, special};
use crate::{
    agent::{
        machine::{Ask, AskMode, Heard, Next, State},
        turn::{Answer, End},
    },
    plan,
};

const NODE: &str = "onboarding_converse";
/// Where a plan is asked for as text, when two calls with one could not be used.
const REPAIR: &str = "onboarding_repair_plan";
const LOOK: [ToolName; 4] =
    [ToolName::ListProjectFiles, ToolName::GetDatasetProfile, ToolName::GetDatasetSample, ToolName::SearchDocuments];

fn tools(state: &State) -> Vec<ToolName> {
    let mut tools = LOOK.to_vec();
    tools.push(ToolName::AskUser);
    // Nothing is known of what the person wants before the first answers.
    if state.turn.request.round > 0 {
        tools.push(ToolName::PlanExit);
    }
    tools
}

pub(super) fn decide(state: &State) -> Next {
    let tools = tools(state);
    let is_bad_plan = state.useless == 2
        && tools.contains(&ToolName::PlanExit)
        && state.answers().next_back().is_some_and(|answer| answer.calls.iter().any(|call| call.name == "plan_exit"));
    if is_bad_plan {
        let directive = "Write the project plan now, as Markdown text that begins with a level-1 heading. Nothing else.";
        return Next::Ask(Ask {
            mode: AskMode::Action,
            directive: Some(directive.to_owned()),
            output_tokens_max: 3000,
            ..Ask::text(REPAIR, Vec::new())
        });
    }
    Next::Ask(Ask::text(NODE, tools))
}

pub(super) fn hear(state: &State, answer: &Answer) -> Heard {
    if answer.node == REPAIR {
        return match plan::read(&answer.text.clone().into()) {
            Some(plan) => Heard::End(special::ready(state, plan)),
            None => {
                let told = special::unusable_plan(&answer.text);
                Heard::End(End::failed_with(FailureCode::ModelToolOutputInvalid, told))
            }
        };
    }
    hear_calls(state, answer, &Allowed { tools: &tools(state), may_render: false })
}
