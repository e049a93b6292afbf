//! The chunks of chat completions.

use std::collections::VecDeque;

use rand::RngExt;
use serde_json::Value;

use crate::{
    Event, LlmError, StopReason, ToolCall, Usage,
    http::{Decoder, in_band, tool_arguments},
    sse::SseEvent,
};

/// Calls of one answer beyond this are refused.
const CALLS_MAX: usize = 128;

#[derive(Debug, Default)]
pub(super) struct ChatDecoder {
    calls: Vec<Pending>,
    called: bool,
    refused: bool,
    finish: Option<StopReason>,
    /// The last count: some servers count in every chunk.
    usage: Option<Usage>,
}

#[derive(Debug, Default)]
struct Pending {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

impl Decoder for ChatDecoder {
    fn event(&mut self, event: &SseEvent, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        let data = event.data.trim();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            return self.end(out);
        }
        let chunk: Value =
            serde_json::from_str(data).map_err(|error| LlmError::protocol(format!("an event is not JSON: {error}")))?;
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        if let Some(choice) = chunk.pointer("/choices/0") {
            self.choice(choice, choice.get("delta").unwrap_or(&Value::Null), out)?;
        }
        self.usage = usage(&chunk).or(self.usage);
        Ok(())
    }

    fn whole(&mut self, answer: &Value, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            return Err(in_band(error));
        }
        let Some(choice) = answer.pointer("/choices/0") else {
            return Err(LlmError::protocol("the answer has no `choices`"));
        };
        self.choice(choice, choice.get("message").unwrap_or(&Value::Null), out)?;
        self.usage = usage(answer);
        self.finish = self.finish.or(Some(StopReason::Finished));
        self.end(out)
    }

    fn end(&mut self, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        let Some(finish) = self.finish else {
            return Err(LlmError::unavailable("the answer broke off before its end"));
        };
        self.flush(out);
        out.extend(self.usage.take().map(Event::Usage));
        let stop = match finish {
            _ if self.refused => StopReason::Refused,
            // Some servers say `stop` after calls.
            StopReason::Finished if self.called => StopReason::ToolCalls,
            other => other,
        };
        out.push_back(Event::Done(stop));
        Ok(())
    }
}

impl ChatDecoder {
    fn choice(&mut self, choice: &Value, delta: &Value, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        for key in ["reasoning_content", "reasoning"] {
            if let Some(text) = text(delta, key) {
                out.push_back(Event::Thinking(text.to_owned()));
                break;
            }
        }
        if let Some(refusal) = text(delta, "refusal") {
            self.refused = true;
            out.push_back(Event::Text(refusal.to_owned()));
        }
        out.extend(text(delta, "content").map(|text| Event::Text(text.to_owned())));
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.call(call)?;
        }
        if let Some(reason) = text(choice, "finish_reason") {
            self.finish = Some(match reason {
                "length" => StopReason::Length,
                "content_filter" => StopReason::Refused,
                "tool_calls" | "function_call" => StopReason::ToolCalls,
                _ => StopReason::Finished,
            });
            self.flush(out);
        }
        Ok(())
    }

    /// Adds a piece of a call to the call that it belongs to: by its index, unless it has an id of its own. Some servers
    /// send whole calls that all have the index 0, and some no index at all.
    fn call(&mut self, piece: &Value) -> Result<(), LlmError> {
        let id = text(piece, "id").unwrap_or_default();
        let index = piece.get("index").and_then(Value::as_u64);
        let place = self.calls.iter().rposition(|call| match index {
            Some(index) => call.index == index && (id.is_empty() || call.id.is_empty() || call.id == id),
            None => id.is_empty() || call.id == id,
        });
        let place = match place {
            Some(place) => place,
            None if self.calls.len() >= CALLS_MAX => return Err(LlmError::protocol("it makes too many calls")),
            None => {
                let index = index.unwrap_or_else(|| u64::try_from(self.calls.len()).unwrap_or(u64::MAX));
                self.calls.push(Pending { index, ..Pending::default() });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(place) else { return Ok(()) };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let function = piece.get("function").unwrap_or(&Value::Null);
        // The name comes once, whole; servers that repeat it must not make it longer.
        if let Some(name) = text(function, "name").filter(|_| call.name.is_empty()) {
            name.clone_into(&mut call.name);
        }
        match function.get("arguments") {
            Some(Value::String(text)) => call.arguments.push_str(text),
            // Ollama's own form has an object here.
            Some(arguments @ Value::Object(_)) => call.arguments = arguments.to_string(),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut VecDeque<Event>) {
        for call in std::mem::take(&mut self.calls).into_iter().filter(|call| !call.name.is_empty()) {
            self.called = true;
            let id = if call.id.is_empty() { format!("call_{:016x}", rand::rng().random::<u64>()) } else { call.id };
            let arguments = tool_arguments(&call.arguments);
            out.push_back(Event::ToolCall(ToolCall { id, name: call.name, arguments, signature: None }));
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn usage(chunk: &Value) -> Option<Usage> {
    let usage = chunk.get("usage").filter(|usage| usage.is_object())?;
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let mut counted = Usage::new(number("/prompt_tokens").unwrap_or(0), number("/completion_tokens").unwrap_or(0));
    if let Some(cached) = number("/prompt_tokens_details/cached_tokens") {
        counted = counted.with_cached(cached);
    }
    if let Some(reasoning) = number("/completion_tokens_details/reasoning_tokens") {
        counted = counted.with_reasoning(reasoning);
    }
    Some(counted)
}
