//! Calls that end a turn instead of running: questions, plans, drawings.

use gristmill_domain::workflows::{Phase, ToolName};
use serde_json::json;

use super::Allowed;
use crate::{
    agent::{
        machine::{Heard, State},
        turn::{Answer, End, ModelCall},
    },
    plan::{self, Plan, file_name},
    ui::{AskUser, UiKind, UiSchema},
};

/// What becomes of a special call. `None`: it is an ordinary one.
pub(super) fn hear(state: &State, call: &ModelCall, answer: &Answer, allowed: &Allowed<'_>) -> Option<Heard> {
    let message = Some(answer.text.trim().to_owned()).filter(|text| !text.is_empty());
    match call.name.as_str() {
        "ask_user" if allowed.tools.contains(&ToolName::AskUser) => Some(match AskUser::read(&call.args) {
            Ok(asked) => Heard::End(End::Asked { questions: json!(asked.questions), message }),
            Err(why) => Heard::Useless(format!("The questions could not be used: {why}. Call ask_user again.")),
        }),
        "plan_exit" if allowed.tools.contains(&ToolName::PlanExit) => Some(match plan::read(&call.args) {
            Some(plan) => Heard::End(ready(state, plan)),
            None => Heard::Useless(unusable_plan(&call.args.to_string())),
        }),
        "render_ui" if allowed.may_render => {
            let ui = UiSchema::read(&call.args, kind(state.turn.phase));
            Some(if ui.item_count() > 0 {
                Heard::End(End::Completed { message, ui: Some(json!(ui)) })
            } else {
                Heard::Useless("render_ui had nothing to show. Call it with at least one item, or answer in words.".to_owned())
            })
        }
        _ => None,
    }
}

/// A plan to be looked at. Without a name it is called after the day on which its turn began.
pub(super) fn ready(state: &State, plan: Plan) -> End {
    let day = state.turn.began_at.format("%Y-%m-%d").to_string();
    End::PlanReady { plan_name: file_name(plan.name.as_deref(), &day), plan_markdown: plan.markdown }
}

fn kind(phase: Phase) -> UiKind {
    match phase {
        Phase::Onboarding => UiKind::Onboarding,
        Phase::Preprocessing => UiKind::Preprocessing,
        Phase::FeatureEngineering => UiKind::FeatureEngineering,
        Phase::Training => UiKind::Training,
    }
}

/// What the model is told of a plan that is none.
pub(super) fn unusable_plan(was: &str) -> String {
    format!(
        "The plan could not be used: planMarkdown must be the whole plan in Markdown and begin with `# Project Plan`. Its sections are Objective, Data Summary, Approach, Feature Engineering, Evaluation, \
         Risks & Assumptions and Next Steps. It was: {}",
        crate::prompts::cut(was, 1200)
    )
}
