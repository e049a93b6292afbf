//! Arguments of the tools that end a turn: asking, planning, showing. [`crate::ui`] and [`crate::plan`] read what models make
//! of them, more tolerantly than the schemas say.

use schemars::JsonSchema;
use serde::Deserialize;

choices! {
    /// How a question is answered.
    QuestionTypeArg {
        /// By one of the options.
        SingleSelect = "single_select",
        /// By several of the options.
        MultiSelect = "multi_select",
        /// In words.
        FreeText = "free_text",
    }
}

/// An answer to choose.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuestionOptionArg {
    /// The answer, short.
    #[schemars(length(min = 1))]
    pub label: String,
    /// What it means, in a sentence.
    pub description: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuestionArg {
    /// A name for the question, to find its answer by.
    #[schemars(length(min = 1))]
    pub id: String,
    /// The question.
    #[schemars(length(min = 1))]
    pub question: String,
    /// What it is about, in a word or two.
    pub header: String,
    /// How it is answered.
    #[serde(rename = "type")]
    pub question_type: QuestionTypeArg,
    /// The answers to choose from; at least one unless it is answered in words.
    pub options: Option<Vec<QuestionOptionArg>>,
    /// Whether an answer in own words is taken too.
    pub allow_custom: Option<bool>,
}

/// Of `ask_user`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskUserArgs {
    /// The questions.
    #[schemars(length(min = 1, max = 20))]
    pub questions: Vec<QuestionArg>,
}

/// Of `plan_exit`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanExitArgs {
    /// The whole plan in Markdown, from its heading on.
    #[schemars(length(min = 1, max = 50_000))]
    pub plan_markdown: String,
    /// A name for the plan.
    #[schemars(length(max = 120))]
    pub plan_name: Option<String>,
}

/// Of `render_ui`, which is no tool of the closed set: it never appears as a call that was executed.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenderUiArgs {
    /// What to show: a JSON text of `{version:"1", kind, title?, summary?, sections:[{id, title?, items:[...]}]}`, the items of
    /// the types `report`, `callout`, `dataset_summary`, `feature_suggestion`, `model_recommendation`, `code_cell`.
    #[schemars(length(min = 1))]
    pub payload: String,
    /// A sentence to say beside it.
    pub message: Option<String>,
}

arguments_of! {
    AskUser: AskUserArgs;
    PlanExit: PlanExitArgs;
}
