//! The events of the Responses API.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use crate::{
    Event, LlmError, StopReason, ToolCall, Usage,
    http::{Decoder, in_band, tool_arguments},
    sse::SseEvent,
};

#[derive(Debug, Default)]
pub(super) struct ResponseDecoder {
    /// Calls under way: id of the item to id of the call, name and arguments so far.
    pending: HashMap<String, Pending>,
    /// Ids of calls that were handed on.
    emitted: BTreeSet<String>,
    said_text: bool,
    refused: bool,
}

#[derive(Debug, Default)]
struct Pending {
    call_id: String,
    name: String,
    arguments: String,
}

impl Decoder for ResponseDecoder {
    fn event(&mut self, event: &SseEvent, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        if event.data == "[DONE]" {
            // Not of this API, but gateways end every stream with it.
            return Ok(());
        }
        let value: Value =
            serde_json::from_str(&event.data).map_err(|error| LlmError::protocol(format!("an event is not JSON: {error}")))?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or(&event.name);
        match kind {
            "response.output_text.delta" => self.text(&value, out),
            "response.refusal.delta" => {
                self.refused = true;
                self.text(&value, out);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                out.extend(delta(&value).map(|text| Event::Thinking(text.to_owned())));
            }
            // Parts of a summary are paragraphs.
            "response.reasoning_summary_part.added" if value.get("summary_index").and_then(Value::as_u64) > Some(0) => {
                out.push_back(Event::Thinking("\n\n".into()));
            }
            "response.output_item.added" => self.begin(&value),
            "response.function_call_arguments.delta" => {
                if let (Some(pending), Some(text)) = (self.pending_of(&value), delta(&value)) {
                    pending.arguments.push_str(text);
                }
            }
            "response.function_call_arguments.done" => self.arguments_done(&value, out),
            "response.output_item.done" => self.item(value.get("item").unwrap_or(&Value::Null), out),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.whole(value.get("response").unwrap_or(&Value::Null), out)?;
            }
            "error" => return Err(in_band(value.get("error").unwrap_or(&value))),
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        let status = answer.get("status").and_then(Value::as_str).unwrap_or_default();
        if let Some(error) = answer.get("error").filter(|error| !error.is_null())
            && status != "completed"
        {
            return Err(in_band(error));
        }
        let Some(items) = answer.get("output").and_then(Value::as_array) else {
            return Err(LlmError::protocol("the answer has no `output`"));
        };
        let text_came = self.said_text;
        for item in items {
            if !text_came {
                self.texts(item, out);
            }
            self.item(item, out);
        }
        if let Some(usage) = answer.get("usage").filter(|usage| !usage.is_null()) {
            let usage: Usage = serde_json::from_value(usage.clone())
                .map_err(|error| LlmError::protocol(format!("`usage` has another form: {error}")))?;
            out.push_back(Event::Usage(usage));
        }
        out.push_back(Event::Done(self.stop(answer, status)));
        Ok(())
    }
}

impl ResponseDecoder {
    fn text(&mut self, value: &Value, out: &mut VecDeque<Event>) {
        if let Some(text) = delta(value) {
            self.said_text = true;
            out.push_back(Event::Text(text.to_owned()));
        }
    }

    /// The text of a message that came whole.
    fn texts(&mut self, item: &Value, out: &mut VecDeque<Event>) {
        for part in item.get("content").and_then(Value::as_array).into_iter().flatten() {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
            self.refused |= kind == "refusal";
            let text = match kind {
                "output_text" => string(part, "text"),
                "refusal" => string(part, "refusal"),
                _ => "",
            };
            if !text.is_empty() {
                self.said_text = true;
                out.push_back(Event::Text(text.to_owned()));
            }
        }
    }

    fn begin(&mut self, value: &Value) {
        let item = value.get("item").unwrap_or(&Value::Null);
        if string(item, "type") == "function_call" {
            let pending = Pending {
                call_id: string(item, "call_id").to_owned(),
                name: string(item, "name").to_owned(),
                arguments: String::new(),
            };
            self.pending.insert(string(item, "id").to_owned(), pending);
        }
    }

    fn pending_of(&mut self, value: &Value) -> Option<&mut Pending> {
        self.pending.get_mut(string(value, "item_id"))
    }

    /// Hands a call on as soon as its name is known; else the item or the whole answer will tell it.
    fn arguments_done(&mut self, value: &Value, out: &mut VecDeque<Event>) {
        let Some(pending) = self.pending_of(value) else { return };
        let named = string(value, "name");
        let name = if pending.name.is_empty() { named.to_owned() } else { pending.name.clone() };
        let arguments = value.get("arguments").and_then(Value::as_str).unwrap_or(&pending.arguments);
        let (call_id, arguments) = (pending.call_id.clone(), arguments.to_owned());
        self.emit(&call_id, &name, &arguments, out);
    }

    fn item(&mut self, item: &Value, out: &mut VecDeque<Event>) {
        if string(item, "type") == "function_call" {
            let (call_id, name) = (string(item, "call_id"), string(item, "name"));
            self.emit(call_id, name, string(item, "arguments"), out);
        }
    }

    fn emit(&mut self, call_id: &str, name: &str, arguments: &str, out: &mut VecDeque<Event>) {
        if name.is_empty() || call_id.is_empty() || !self.emitted.insert(call_id.to_owned()) {
            return;
        }
        let arguments = tool_arguments(arguments);
        out.push_back(Event::ToolCall(ToolCall { id: call_id.to_owned(), name: name.to_owned(), arguments, signature: None }));
    }

    fn stop(&self, answer: &Value, status: &str) -> StopReason {
        let reason = answer.pointer("/incomplete_details/reason").and_then(Value::as_str);
        match reason {
            Some("content_filter") => StopReason::Refused,
            _ if self.refused => StopReason::Refused,
            _ if status == "incomplete" => StopReason::Length,
            _ if !self.emitted.is_empty() => StopReason::ToolCalls,
            _ => StopReason::Finished,
        }
    }
}

fn delta(value: &Value) -> Option<&str> {
    value.get("delta").and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
