//! What a model answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One piece of an answer, in the order in which the model made them. The last one is [`Event::Done`].
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// More text.
    Text(String),
    /// More of what it thinks, or of a summary of it.
    Thinking(String),
    /// A stretch of thinking is over. Its text was in [`Event::Thinking`]; this is to be sent back with the call that
    /// follows it ([`crate::Message::Assistant`]), and not to be shown.
    Thought(Thought),
    /// A call, with all its arguments.
    ToolCall(ToolCall),
    /// What it cost so far. Once an answer, mostly at its end.
    Usage(Usage),
    /// The end.
    Done(StopReason),
}

impl Event {
    /// What it adds to the answer.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Thinking(text) => text.len(),
            Self::Thought(thought) => thought.signature.len(),
            Self::ToolCall(call) => call.name.len().saturating_add(call.arguments.to_string().len()),
            Self::Usage(_) | Self::Done(_) => 0,
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call in its conversation; the result refers to it.
    pub id: String,
    /// The tool. The model may have made it up.
    pub name: String,
    /// The arguments: an object when the model kept to the rules, a text when it was no JSON.
    pub arguments: Value,
    /// What the provider wants back with the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A stretch of thinking, as its provider wants it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// What was shown of it; may be empty.
    pub text: String,
    /// What proves to the provider that it is unaltered, or all of it in a form that only the provider reads.
    pub signature: String,
    /// Whether `signature` is all of it.
    #[serde(default)]
    pub sealed: bool,
}

/// Tokens of an answer, in the contract's form (2.1, `usage`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// What was sent, cached or not.
    pub input_tokens: u64,
    /// What was written, thinking included.
    pub output_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of those sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_details: Option<InputTokens>,
    /// Of those written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputTokens>,
}

/// Of the tokens sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InputTokens {
    /// Read from the provider's cache, at a lower price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
}

/// Of the tokens written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputTokens {
    /// Thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Tokens sent and written.
    #[must_use]
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        let total_tokens = input_tokens.saturating_add(output_tokens);
        Self { input_tokens, output_tokens, total_tokens, input_tokens_details: None, output_tokens_details: None }
    }

    /// The same with tokens that came from a cache.
    #[must_use]
    pub fn with_cached(mut self, tokens: u64) -> Self {
        self.input_tokens_details = Some(InputTokens { cached_tokens: Some(tokens) });
        self
    }

    /// The same with tokens of thinking.
    #[must_use]
    pub fn with_reasoning(mut self, tokens: u64) -> Self {
        self.output_tokens_details = Some(OutputTokens { reasoning_tokens: Some(tokens) });
        self
    }

    /// Tokens that came from a cache.
    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.input_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0)
    }

    /// Tokens of thinking.
    #[must_use]
    pub fn reasoning_tokens(&self) -> u64 {
        self.output_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0)
    }

    /// The sum of two answers.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = Self::new(
            self.input_tokens.saturating_add(other.input_tokens),
            self.output_tokens.saturating_add(other.output_tokens),
        );
        let cached = self.cached_tokens().saturating_add(other.cached_tokens());
        let reasoning = self.reasoning_tokens().saturating_add(other.reasoning_tokens());
        let sum = if cached > 0 { sum.with_cached(cached) } else { sum };
        if reasoning > 0 { sum.with_reasoning(reasoning) } else { sum }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model had said what it had to say.
    Finished,
    /// It wants results of its calls.
    ToolCalls,
    /// It ran into the limit of tokens: the text is cut off.
    Length,
    /// The provider or the model refuses to answer this.
    Refused,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// All of its text.
    pub text: String,
    /// All of its thinking that was shown.
    pub thinking: String,
    /// What is to be sent back with its calls.
    pub thoughts: Vec<Thought>,
    /// What it called.
    pub tool_calls: Vec<ToolCall>,
    /// What it cost, if the provider said.
    pub usage: Option<Usage>,
    /// Why it ended.
    pub stop: StopReason,
}

impl Completion {
    /// Nothing said yet.
    pub(crate) fn empty() -> Self {
        Self {
            text: String::new(),
            thinking: String::new(),
            thoughts: Vec::new(),
            tool_calls: Vec::new(),
            usage: None,
            stop: StopReason::Finished,
        }
    }

    /// Adds what came.
    pub(crate) fn add(&mut self, event: Event) {
        match event {
            Event::Text(text) => self.text.push_str(&text),
            Event::Thinking(text) => self.thinking.push_str(&text),
            Event::Thought(thought) => self.thoughts.push(thought),
            Event::ToolCall(call) => self.tool_calls.push(call),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Done(stop) => self.stop = stop,
        }
    }

    /// It as a part of the conversation that goes on.
    #[must_use]
    pub fn into_message(self) -> crate::Message {
        crate::Message::Assistant { text: self.text, thoughts: self.thoughts, tool_calls: self.tool_calls }
    }
}
