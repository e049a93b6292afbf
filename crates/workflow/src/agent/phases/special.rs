//! Calls that end a turn instead of running: questions, plans, drawings.

use gristmill_domain::workflows::ToolName;

use super::Allowed;
use crate::{
    agent::{
        machine::Heard,
        turn::{Answer, End, ModelCall},
    },
    plan,
    ui::{self, AskUser},
};

/// What becomes of a special call. `None`: it is an ordinary one.
pub(super) fn hear(call: &ModelCall, answer: &Answer, allowed: &Allowed<'_>) -> Option<Heard> {
    let message = Some(answer.text.trim().to_owned()).filter(|text| !text.is_empty());
    match call.name.as_str() {
        "ask_user" if allowed.tools.contains(&ToolName::AskUser) => Some(match AskUser::read(&call.args) {
            Ok(asked) => Heard::End(End::Asked { questions: serde_json::json!(asked.questions), message }),
            Err(why) => Heard::Useless(format!("The questions could not be used: {why}. Call ask_user again.")),
        }),
        "plan_exit" if allowed.tools.contains(&ToolName::PlanExit) => Some(match plan::read(&call.args) {
            Some(plan) => Heard::End(End::PlanReady { plan_name: plan.name, plan_markdown: plan.markdown }),
            None => Heard::Useless(unusable_plan(&call.args.to_string())),
        }),
        "render_ui" if allowed.may_render => Some(match ui::read(&call.args) {
            Some(ui) => Heard::End(End::Completed { message, ui: Some(serde_json::json!(ui)) }),
            None => Heard::Useless("render_ui had nothing to show. Call it with at least one item, or answer in words.".to_owned()),
        }),
        _ => None,
    }
}

/// What the model is told of a plan that is none.
pub(super) fn unusable_plan(was: &str) -> String {
    let was = crate::prompts::cut(was, 1200);
    format!(
        "The plan could not be used: planMarkdown must be Markdown that begins with a level-1 heading and has the sections \
         Objective, Data Summary, Approach, Feature Engineering, Evaluation, Risks & Assumptions and Next Steps. It was: {was}"
    )
}
