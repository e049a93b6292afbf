//! What a model is asked.

use gristmill_domain::{ProjectId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Thought, ToolCall};

/// Tokens that a model may write when a request does not say: contract 2, section 5.3.
const OUTPUT_TOKENS_MAX: u32 = 2048;

/// One question to a model. Build it with [`Request::new`] and the `with_` methods.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model's name at its provider; absent: the provider's default.
    pub model: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must or may not call something.
    pub tool_choice: ToolChoice,
    /// Tokens that it may write, thinking included.
    pub output_tokens_max: u32,
    /// The form of its text.
    pub format: Format,
    /// How much it should think; absent: as the model does by itself, and its thinking is not shown.
    pub effort: Option<Effort>,
    /// 0 to 2; models that know no temperature are not sent one.
    pub temperature: Option<f32>,
    /// Ends the work: the connection is closed and the answer is [`crate::LlmError::Cancelled`].
    pub cancel: CancellationToken,
    /// When the whole answer must be there, beside the provider's own limits.
    pub deadline: Option<Instant>,
    /// Who pays: whose places and budgets are used. Absent: nobody's, for the server's own work.
    pub spender: Option<Spender>,
}

impl Request {
    /// A question with the given conversation, free text as its answer.
    #[must_use]
    pub fn new(messages: Vec<Message>) -> Self {
        Self {
            model: None,
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            output_tokens_max: OUTPUT_TOKENS_MAX,
            format: Format::Text,
            effort: None,
            temperature: None,
            cancel: CancellationToken::new(),
            deadline: None,
            spender: None,
        }
    }

    /// Asks this model instead of the provider's default.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Lets the model call these tools.
    #[must_use]
    pub fn with_tools(mut self, tools: Vec<Tool>, choice: ToolChoice) -> Self {
        self.tools = tools;
        self.tool_choice = choice;
        self
    }

    /// Bounds what the model may write, in tokens.
    #[must_use]
    pub fn with_output_tokens_max(mut self, tokens: u32) -> Self {
        self.output_tokens_max = tokens;
        self
    }

    /// Asks for this form of text.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Asks the model to think this much, and to show it.
    #[must_use]
    pub fn with_effort(mut self, effort: Effort) -> Self {
        self.effort = Some(effort);
        self
    }

    /// Sets the temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Ends the work when `cancel` fires.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Ends the work at `deadline`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Charges it to somebody.
    #[must_use]
    pub fn with_spender(mut self, spender: Spender) -> Self {
        self.spender = Some(spender);
        self
    }

    /// A rough count of the tokens that it has, for budgets before the provider has counted: four bytes each.
    #[must_use]
    pub fn input_tokens_estimate(&self) -> u64 {
        let messages: usize = self.messages.iter().map(Message::size_bytes).sum();
        let tools: usize = self.tools.iter().map(|tool| tool.description.len() + tool.parameters.to_string().len()).sum();
        u64::try_from((messages + tools) / 4).unwrap_or(u64::MAX)
    }
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions.
    System {
        /// What they say.
        text: String,
    },
    /// What a person, or the program for one, says.
    User {
        /// What it says.
        text: String,
    },
    /// What the model answered earlier.
    Assistant {
        /// Its text; may be empty.
        text: String,
        /// Its thinking, as it came ([`crate::Completion::thoughts`]): some providers want it back beside its calls.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        thoughts: Vec<Thought>,
        /// What it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What came of one of its calls.
    ToolResult {
        /// The id of the call.
        call_id: String,
        /// The tool that was called.
        tool: String,
        /// What came of it, as text or JSON.
        content: String,
        /// Whether it failed.
        is_error: bool,
    },
}

impl Message {
    /// Instructions.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// What a person says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// Text of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: text.into(), thoughts: Vec::new(), tool_calls: Vec::new() }
    }

    /// What came of a call.
    #[must_use]
    pub fn tool_result(call: &ToolCall, content: impl Into<String>) -> Self {
        Self::ToolResult { call_id: call.id.clone(), tool: call.name.clone(), content: content.into(), is_error: false }
    }

    /// Why a call failed.
    #[must_use]
    pub fn tool_error(call: &ToolCall, reason: impl Into<String>) -> Self {
        Self::ToolResult { call_id: call.id.clone(), tool: call.name.clone(), content: reason.into(), is_error: true }
    }

    /// Its text: of calls, there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::System { text } | Self::User { text } | Self::Assistant { text, .. } => text,
            Self::ToolResult { content, .. } => content,
        }
    }

    fn size_bytes(&self) -> usize {
        let calls: usize = match self {
            Self::Assistant { tool_calls, .. } => tool_calls.iter().map(|call| call.arguments.to_string().len()).sum(),
            _ => 0,
        };
        self.text().len() + calls
    }
}

/// Something that a model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub parameters: Value,
}

/// Whether a model must call something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// It must call at least one.
    Any,
    /// It must call none.
    None,
}

/// The form of a model's text.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Format {
    /// Free.
    #[default]
    Text,
    /// A JSON object. The prompt must speak of JSON: some providers insist.
    Json,
    /// JSON of a schema, enforced by providers that can.
    Schema(OutputSchema),
}

/// A named JSON Schema of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSchema {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// The schema: an object. Providers enforce it best with `additionalProperties: false` and every property required.
    pub schema: Value,
}

impl OutputSchema {
    /// A named schema.
    pub fn new(name: impl Into<String>, schema: Value) -> Self {
        Self { name: name.into(), schema }
    }
}

/// How much a model should think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    Xhigh,
}

impl Effort {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
        }
    }

    /// Reads a sent name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh].into_iter().find(|effort| effort.as_str() == name)
    }
}

/// Who pays for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spender {
    /// The user who asked.
    pub user: UserId,
    /// The project that it is for.
    pub project: Option<ProjectId>,
}
