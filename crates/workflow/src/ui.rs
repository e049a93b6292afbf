//! What agents show and ask: reports, suggestions, questions, plans (contract 2, section 3.9), and the tolerant reading of what
//! models make of it.
//!
//! Clients check what they get and refuse whole messages for one wrong field, so everything that is given out is one of these
//! types: optional fields are absent, never null.

mod ask;
mod read;

use gristmill_domain::features::FeatureMethod;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::plan::Plan;

pub use ask::AskError;
pub use read::read;

/// The only version of [`UiSchema`].
pub const UI_VERSION: &str = "1";

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Reads a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names! {
    /// The pane that something is shown in.
    UiKind {
        /// Feature engineering.
        FeatureEngineering = "feature_engineering",
        /// Training.
        Training = "training",
        /// Onboarding.
        Onboarding = "onboarding",
        /// Preprocessing.
        Preprocessing = "preprocessing",
    }
}

names! {
    /// How a section is laid out.
    UiLayout {
        /// In a grid.
        Grid = "grid",
        /// Below one another.
        Column = "column",
        /// Side by side.
        Row = "row",
    }
}

names! {
    /// How a report's text is read.
    ReportFormat {
        /// As it is.
        Text = "text",
        /// Markdown.
        Markdown = "markdown",
        /// JSON.
        Json = "json",
    }
}

names! {
    /// How a callout sounds.
    Tone {
        /// Neutral.
        Info = "info",
        /// Take care.
        Warning = "warning",
        /// It worked.
        Success = "success",
    }
}

names! {
    /// How much a feature is expected to help.
    Impact {
        /// Much.
        High = "high",
        /// Some.
        Medium = "medium",
        /// A little.
        Low = "low",
    }
}

names! {
    /// What a control is.
    ControlType {
        /// A number.
        Number = "number",
        /// Yes or no.
        Boolean = "boolean",
        /// One of its options.
        Select = "select",
        /// A text.
        Text = "text",
        /// A column of the dataset.
        Column = "column",
        /// A number on a scale.
        Slider = "slider",
    }
}

names! {
    /// What a parameter of a model is.
    ParamType {
        /// A number.
        Number = "number",
        /// A text.
        String = "string",
        /// Yes or no.
        Boolean = "boolean",
        /// One of its options.
        Select = "select",
    }
}

names! {
    /// What a recommended model says.
    UiTaskType {
        /// A class.
        Classification = "classification",
        /// A number.
        Regression = "regression",
        /// A group.
        Clustering = "clustering",
    }
}

names! {
    /// What a button does.
    ActionType {
        /// Puts code into a notebook.
        InsertCodeCell = "insert_code_cell",
        /// Makes features.
        ApplyFeatures = "apply_features",
        /// Trains a model.
        TrainModel = "train_model",
    }
}

names! {
    /// The language of a code cell.
    CodeLanguage {
        /// Python.
        Python = "python",
    }
}

/// What is shown beside the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UiSchema {
    /// Always [`UI_VERSION`].
    pub version: String,
    /// The pane.
    pub kind: UiKind,
    /// A heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A sentence below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What is in it.
    pub sections: Vec<UiSection>,
}

impl UiSchema {
    /// One section with a heading above it.
    #[must_use]
    pub fn single(kind: UiKind, title: impl Into<String>, section: &str, items: Vec<UiItem>) -> Self {
        let section = UiSection { id: section.to_owned(), title: None, layout: None, columns: None, items };
        Self { version: UI_VERSION.to_owned(), kind, title: Some(title.into()), summary: None, sections: vec![section] }
    }

    /// How many items there are. None means that nothing is shown.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.sections.iter().map(|section| section.items.len()).sum()
    }
}

/// A section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UiSection {
    /// Names it.
    pub id: String,
    /// A heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How it is laid out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<UiLayout>,
    /// How many columns a grid has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Number>,
    /// What is in it.
    pub items: Vec<UiItem>,
}

/// Something that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum UiItem {
    /// A text.
    Report {
        /// Names it.
        id: String,
        /// A heading.
        title: String,
        /// The text.
        content: String,
        /// How it is read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<ReportFormat>,
    },
    /// Something to fill in.
    InputForm {
        /// Names it.
        id: String,
        /// A heading.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What there is to fill in.
        controls: Vec<Control>,
    },
    /// A remark.
    Callout {
        /// How it sounds.
        tone: Tone,
        /// What it says.
        text: String,
    },
    /// What a dataset is.
    DatasetSummary {
        /// The dataset.
        dataset_id: String,
        /// Its name.
        filename: String,
        /// Its rows.
        rows: Number,
        /// How many columns it has.
        columns: Number,
        /// Remarks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notes: Option<Vec<String>>,
    },
    /// A feature to make.
    FeatureSuggestion {
        /// Names it.
        id: String,
        /// The feature.
        feature: FeatureDraft,
        /// Why.
        rationale: String,
        /// How much it should help.
        impact: Impact,
        /// What can be set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        controls: Option<Vec<Control>>,
    },
    /// A model to train.
    ModelRecommendation {
        /// Names it.
        id: String,
        /// What it is made of.
        template: Box<ModelDraft>,
        /// Its settings.
        parameters: Map<String, Value>,
        /// Why.
        rationale: String,
    },
    /// Code.
    CodeCell {
        /// Names it.
        id: String,
        /// A heading.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its language.
        language: CodeLanguage,
        /// The code.
        content: String,
        /// Whether clients run it at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_run: Option<bool>,
    },
    /// A button.
    Action {
        /// Names it.
        id: String,
        /// What it says.
        label: String,
        /// What it does.
        action_type: ActionType,
        /// What it needs for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
}

/// A feature as it is suggested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureDraft {
    /// The column that it is made from.
    pub source_column: String,
    /// The other one, of features of two columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_column: Option<String>,
    /// The name of the new column.
    pub feature_name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is made.
    pub method: FeatureMethod,
    /// Parameters of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Map<String, Value>>,
}

/// A model as it is recommended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelDraft {
    /// Its name.
    pub name: String,
    /// What it says.
    pub task_type: UiTaskType,
    /// The library.
    pub library: String,
    /// The module to import.
    pub import_path: String,
    /// The class in it.
    pub model_class: String,
    /// What can be set.
    pub parameters: Vec<Param>,
    /// The scores that fit it.
    pub metrics: Vec<String>,
}

/// Something to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Its name for programs.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// What it is.
    #[serde(rename = "type")]
    pub control_type: ControlType,
    /// What it is now.
    pub value: Value,
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// The step between values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Number>,
    /// What to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ControlOption>>,
}

/// A parameter of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Param {
    /// Its name for programs.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// What it is.
    #[serde(rename = "type")]
    pub param_type: ParamType,
    /// What it is unless it is set.
    pub default: Value,
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// The step between values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Number>,
    /// What to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ControlOption>>,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlOption {
    /// What is meant.
    pub value: Value,
    /// What it is called.
    pub label: String,
}

/// Questions to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskUser {
    /// The questions; at least one.
    pub questions: Vec<Question>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Names it; the answer refers to it.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// What it is about, in a word or two.
    pub header: String,
    /// Whether an answer in own words is taken too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_custom: Option<bool>,
    /// How it is answered.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

/// How a question is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum QuestionKind {
    /// By one of the options.
    SingleSelect {
        /// The options; at least one.
        options: Vec<QuestionOption>,
    },
    /// By several of the options.
    MultiSelect {
        /// The options; at least one.
        options: Vec<QuestionOption>,
    },
    /// In words.
    FreeText {
        /// Examples.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Vec<QuestionOption>>,
    },
}

/// An answer to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOption {
    /// The answer.
    pub label: String,
    /// What it means.
    pub description: String,
}

/// A finished plan, as it is shown: [`crate::plan`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanExit {
    /// Its name, 1 to 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_name: Option<String>,
    /// The plan in Markdown, 1 to 50,000 characters.
    pub plan_markdown: String,
}

impl From<Plan> for PlanExit {
    fn from(plan: Plan) -> Self {
        Self { plan_name: plan.name, plan_markdown: plan.markdown }
    }
}
