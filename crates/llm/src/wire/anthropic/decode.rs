//! The events of the Messages API.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::{
    Event, LlmError, StopReason, Thought, ToolCall, Usage,
    http::{Decoder, in_band, tool_arguments},
    sse::SseEvent,
};

#[derive(Debug, Default)]
pub(super) struct AnthropicDecoder {
    blocks: BTreeMap<u64, Block>,
    /// What was counted so far: in the first event what was sent, in a later one what was written.
    counted: BTreeMap<String, u64>,
    stop: Option<StopReason>,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking { text: String, signature: String },
    Sealed(String),
    Call { id: String, name: String, input: String },
    Other,
}

impl Decoder for AnthropicDecoder {
    fn event(&mut self, event: &SseEvent, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        let value: Value =
            serde_json::from_str(&event.data).map_err(|error| LlmError::protocol(format!("an event is not JSON: {error}")))?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or(&event.name);
        let index = value.get("index").and_then(Value::as_u64).unwrap_or(0);
        match kind {
            "message_start" => self.count(value.pointer("/message/usage")),
            "content_block_start" => {
                let block = value.get("content_block").unwrap_or(&Value::Null);
                self.begin(index, block, out);
            }
            "content_block_delta" => {
                if let Some(delta) = value.get("delta") {
                    self.delta(index, delta, out);
                }
            }
            "content_block_stop" => {
                if let Some(block) = self.blocks.remove(&index) {
                    finish(block, out);
                }
            }
            "message_delta" => {
                self.count(value.get("usage"));
                self.stop = value.pointer("/delta/stop_reason").and_then(Value::as_str).map(stop_reason).or(self.stop);
            }
            "message_stop" => self.done(out),
            "error" => return Err(in_band(value.get("error").unwrap_or(&value))),
            // `ping`, and what may come.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        let Some(blocks) = answer.get("content").and_then(Value::as_array) else {
            return Err(LlmError::protocol("the answer has no `content`"));
        };
        for block in blocks {
            self.begin(0, block, out);
            if let Some(block) = self.blocks.remove(&0) {
                finish(block, out);
            }
        }
        self.count(answer.get("usage"));
        self.stop = answer.get("stop_reason").and_then(Value::as_str).map(stop_reason);
        self.done(out);
        Ok(())
    }
}

impl AnthropicDecoder {
    fn begin(&mut self, index: u64, block: &Value, out: &mut VecDeque<Event>) {
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let begun = match text("type").as_str() {
            "text" => {
                push(text("text"), Event::Text, out);
                Block::Text
            }
            "thinking" => {
                push(text("thinking"), Event::Thinking, out);
                Block::Thinking { text: text("thinking"), signature: text("signature") }
            }
            "redacted_thinking" => Block::Sealed(text("data")),
            "tool_use" => {
                // In a stream the input is empty here, and comes in pieces.
                let input = block.get("input").filter(|input| input.as_object().is_some_and(|input| !input.is_empty()));
                Block::Call { id: text("id"), name: text("name"), input: input.map(Value::to_string).unwrap_or_default() }
            }
            _ => Block::Other,
        };
        self.blocks.insert(index, begun);
    }

    fn delta(&mut self, index: u64, delta: &Value, out: &mut VecDeque<Event>) {
        let text = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type");
        match self.blocks.get_mut(&index) {
            Some(Block::Thinking { text: whole, signature }) => {
                whole.push_str(text("thinking"));
                signature.push_str(text("signature"));
                push(text("thinking").to_owned(), Event::Thinking, out);
            }
            Some(Block::Call { input, .. }) => input.push_str(text("partial_json")),
            _ if kind == "text_delta" => push(text("text").to_owned(), Event::Text, out),
            _ => {}
        }
    }

    fn count(&mut self, usage: Option<&Value>) {
        for (name, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            if let Some(number) = value.as_u64() {
                self.counted.insert(name.clone(), number);
            }
        }
    }

    fn done(&mut self, out: &mut VecDeque<Event>) {
        for (_, block) in std::mem::take(&mut self.blocks) {
            finish(block, out);
        }
        if !self.counted.is_empty() {
            let number = |name: &str| self.counted.get(name).copied().unwrap_or(0);
            let cached = number("cache_read_input_tokens");
            // Here `input_tokens` leaves out what the cache had to do with; elsewhere it is part of it.
            let input = number("input_tokens").saturating_add(cached).saturating_add(number("cache_creation_input_tokens"));
            let usage = Usage::new(input, number("output_tokens"));
            out.push_back(Event::Usage(if cached > 0 { usage.with_cached(cached) } else { usage }));
        }
        out.push_back(Event::Done(self.stop.unwrap_or(StopReason::Finished)));
    }
}

fn finish(block: Block, out: &mut VecDeque<Event>) {
    match block {
        Block::Thinking { text, signature } if !signature.is_empty() => {
            out.push_back(Event::Thought(Thought { text, signature, sealed: false }));
        }
        Block::Sealed(signature) => out.push_back(Event::Thought(Thought { text: String::new(), signature, sealed: true })),
        Block::Call { id, name, input } => {
            out.push_back(Event::ToolCall(ToolCall { id, name, arguments: tool_arguments(&input), signature: None }));
        }
        Block::Text | Block::Thinking { .. } | Block::Other => {}
    }
}

fn push(text: String, event: fn(String) -> Event, out: &mut VecDeque<Event>) {
    if !text.is_empty() {
        out.push_back(event(text));
    }
}

fn stop_reason(name: &str) -> StopReason {
    match name {
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "tool_use" => StopReason::ToolCalls,
        "refusal" => StopReason::Refused,
        _ => StopReason::Finished,
    }
}
