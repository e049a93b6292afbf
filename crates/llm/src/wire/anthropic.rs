//! Anthropic's Messages API.

mod decode;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use self::decode::AnthropicDecoder;
use super::{
    form::{Form, Forms, messages_for},
    is_strict, list_models, sign_of_life,
};
use crate::{
    Effort, EmbedRequest, Embeddings, EventStream, Format, LlmError, Message, Provider, ProviderInfo, Request, ToolChoice,
    http::{Endpoint, Http, KeyHeader, is_format_refusal},
};

/// Thinking with a budget needs at least this many tokens.
const BUDGET_MIN: u32 = 1024;

/// Asks by `POST {base}/v1/messages`.
#[derive(Debug, Clone)]
pub struct AnthropicMessages {
    http: Http,
    model: String,
    forms: Arc<Forms>,
    /// Models before 4.6 want a budget of tokens for thinking, later ones refuse it: found out by asking.
    wants_budget: Arc<AtomicBool>,
}

/// How a request asks for thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thinking {
    No,
    Adaptive(Effort),
    Budget(u32),
}

impl AnthropicMessages {
    /// A client of an endpoint, with the model that is asked when a request names none.
    ///
    /// # Errors
    /// `Unavailable` when the machine has no certificates; `Authentication` when the key cannot be sent.
    pub fn new(endpoint: &Endpoint, model: impl Into<String>) -> Result<Self, LlmError> {
        let http = Http::new(endpoint, KeyHeader::XApiKey)?;
        // It has schemas or words, nothing between; a server that refuses schemas is asked in words.
        let forms = Arc::new(Forms::at_most(Form::Schema));
        Ok(Self { http, model: model.into(), forms, wants_budget: Arc::default() })
    }

    /// `v1/…`, unless the base address has it already.
    fn path(&self, route: &str) -> String {
        let has = self.http.base_url().path().trim_end_matches('/').ends_with("/v1");
        if has { route.to_owned() } else { format!("v1/{route}") }
    }

    fn thinking(&self, request: &Request) -> Thinking {
        let Some(effort) = request.effort else { return Thinking::No };
        // Not together with a forced call, and not after calls whose thinking is not there any more.
        if request.tool_choice == ToolChoice::Any || calls_without_thoughts(&request.messages) {
            return Thinking::No;
        }
        if !self.wants_budget.load(Ordering::Relaxed) {
            return Thinking::Adaptive(effort);
        }
        let share = match effort {
            Effort::Minimal => return Thinking::No,
            Effort::Low => 4,
            Effort::Medium => 2,
            Effort::High | Effort::Xhigh => 1,
        };
        let budget = (request.output_tokens_max / share).max(BUDGET_MIN);
        Thinking::Budget(budget)
    }

    fn body(&self, request: &Request, form: Form, thinking: Thinking) -> Value {
        let messages = messages_for(request, form);
        let system: Vec<&str> = messages
            .iter()
            .filter_map(|message| match message {
                Message::System { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        // The budget is part of the limit, so that the text keeps what it was given.
        let limit = match thinking {
            Thinking::Budget(budget) => request.output_tokens_max.saturating_add(budget),
            _ => request.output_tokens_max,
        };
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model.as_deref().unwrap_or(&self.model)));
        body.insert("max_tokens".into(), json!(limit));
        body.insert("stream".into(), json!(true));
        if !system.is_empty() {
            body.insert("system".into(), json!(system.join("\n\n")));
        }
        body.insert("messages".into(), turns(&messages, thinking != Thinking::No));
        if !request.tools.is_empty() {
            let tools = request
                .tools
                .iter()
                .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }));
            body.insert("tools".into(), tools.collect());
            let choice = match request.tool_choice {
                ToolChoice::Auto => "auto",
                ToolChoice::Any => "any",
                ToolChoice::None => "none",
            };
            body.insert("tool_choice".into(), json!({ "type": choice }));
        } else if let used @ [_, ..] = tools_used(&messages).as_slice() {
            body.insert("tools".into(), json!(used));
            body.insert("tool_choice".into(), json!({ "type": "none" }));
        }
        let mut output = Map::new();
        if let (Format::Schema(schema), Form::Schema) = (&request.format, form) {
            output.insert("format".into(), json!({ "type": "json_schema", "schema": schema.schema }));
        }
        match thinking {
            Thinking::No => {
                if let Some(temperature) = request.temperature {
                    body.insert("temperature".into(), json!(temperature.min(1.0)));
                }
            }
            Thinking::Adaptive(effort) => {
                body.insert("thinking".into(), json!({ "type": "adaptive", "display": "summarized" }));
                output.insert("effort".into(), json!(effort_name(effort)));
            }
            Thinking::Budget(budget) => {
                body.insert("thinking".into(), json!({ "type": "enabled", "budget_tokens": budget }));
            }
        }
        if !output.is_empty() {
            body.insert("output_config".into(), Value::Object(output));
        }
        Value::Object(body)
    }
}

fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh => "max",
    }
}

#[async_trait]
impl Provider for AnthropicMessages {
    fn info(&self) -> ProviderInfo {
        ProviderInfo { id: "anthropic".into(), label: "Anthropic".into(), model: self.model.clone(), embedding_model: None }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let watch = self.http.watch(&request.cancel, request.deadline, request.effort.is_some());
        let mut form = match &request.format {
            // It enforces only schemas that say everything.
            Format::Schema(schema) if is_strict(&schema.schema) => self.forms.best(),
            _ => Form::Words,
        };
        loop {
            let thinking = self.thinking(request);
            let body = self.body(request, form, thinking);
            let decoder = Box::new(AnthropicDecoder::default());
            let error = match self.http.stream(&self.path("messages"), &body, watch.clone(), decoder).await {
                Ok(events) => {
                    if matches!(request.format, Format::Schema(_)) && form != Form::Words {
                        self.forms.settle(form);
                    }
                    return Ok(events);
                }
                Err(error) => error,
            };
            let says = error.to_string();
            if is_format_refusal(&error)
                && matches!(thinking, Thinking::Adaptive(_))
                && ["thinking", "adaptive", "effort"].iter().any(|word| says.contains(word))
            {
                self.wants_budget.store(true, Ordering::Relaxed);
            } else if form == Form::Schema && is_format_refusal(&error) {
                self.forms.settle(Form::Words);
                form = Form::Words;
            } else {
                return Err(error);
            }
        }
    }

    async fn embed(&self, _request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        Err(LlmError::Unsupported { what: "vectors of texts" })
    }

    async fn probe(&self) -> Result<String, LlmError> {
        let watch = self.http.watch(&Default::default(), None, false);
        // All of them: the default page has twenty.
        sign_of_life(&list_models(&self.http, &self.path("models?limit=1000"), &watch).await?, &self.model)
    }
}

/// Whether the conversation ends in results of calls that came without signed thinking, whatever a person says after them.
fn calls_without_thoughts(messages: &[Message]) -> bool {
    let last = messages.iter().rev().find(|message| matches!(message, Message::Assistant { .. }));
    matches!(last, Some(Message::Assistant { thoughts, tool_calls, .. }) if thoughts.is_empty() && !tool_calls.is_empty())
}

/// The tools of earlier calls, by name. A conversation with calls in it is refused without any, also when nothing is to be
/// called any more.
fn tools_used(messages: &[Message]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for message in messages {
        let Message::Assistant { tool_calls, .. } = message else { continue };
        for call in tool_calls.iter().filter(|call| !call.name.is_empty()) {
            if !names.contains(&call.name.as_str()) {
                names.push(&call.name);
            }
        }
    }
    let tool = |name: &str| json!({ "name": name, "description": "Called before.", "input_schema": { "type": "object" } });
    names.into_iter().map(tool).collect()
}

/// The conversation as turns that alternate, results of calls in front of what a person says.
fn turns(messages: &[Message], thinks: bool) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = match message {
            Message::System { .. } => continue,
            Message::User { text } => ("user", text_block(text).into_iter().collect()),
            Message::Assistant { .. } => ("assistant", assistant_blocks(message, thinks)),
            Message::ToolResult { call_id, content, is_error, .. } => {
                let block = json!({ "type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": is_error });
                ("user", vec![block])
            }
        };
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if turns.is_empty() {
        // There must be one; instructions alone are a question too.
        turns.push(("user", text_block("Follow the instructions.").into_iter().collect()));
    }
    turns.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

fn assistant_blocks(message: &Message, thinks: bool) -> Vec<Value> {
    let Message::Assistant { text, thoughts, tool_calls } = message else { return Vec::new() };
    let thoughts = thoughts.iter().filter(|_| thinks).map(|thought| {
        if thought.sealed {
            json!({ "type": "redacted_thinking", "data": thought.signature })
        } else {
            json!({ "type": "thinking", "thinking": thought.text, "signature": thought.signature })
        }
    });
    let calls = tool_calls.iter().map(|call| {
        // It must be an object.
        let input = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
    });
    thoughts.chain(text_block(text)).chain(calls).collect()
}

/// Empty blocks are refused.
fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }))
}
