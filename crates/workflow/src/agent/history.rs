//! A run's conversation as messages for a model, within a budget of tokens.
//!
//! What does not fit is shortened from its oldest end: first the results of old calls become digests, then whole old entries
//! become one line that counts them. This turn's prompt always stays.

use gristmill_llm::{Message, ToolCall as LlmCall};
use serde_json::{Value, json};

use super::machine::{Entry, Exchange, State};
use crate::prompts::{cut, tokens};

/// Results of this many last calls are never shortened.
const WHOLE_RESULTS: usize = 4;
/// Longest digest of a result, characters.
const DIGEST_CHARS: usize = 240;
/// Longest text of an old answer or prompt, characters.
const OLD_TEXT_CHARS: usize = 2_000;

/// The conversation, oldest first, in at most about `budget` tokens.
pub(super) fn messages(state: &State, budget: usize) -> Vec<Message> {
    let mut whole = grouped(&state.log, usize::MAX);
    if size(&whole) <= budget {
        return whole;
    }
    whole = grouped(&state.log, WHOLE_RESULTS);
    let mut dropped = 0;
    let mut entries: &[Entry] = &state.log;
    let mut began = state.began;
    while size(&whole) > budget && began > 0 {
        let Some((_, rest)) = entries.split_first() else { break };
        (entries, began, dropped) = (rest, began - 1, dropped + 1);
        whole = grouped(entries, WHOLE_RESULTS);
    }
    // A single turn of many calls: its own oldest calls go, its prompt stays.
    let kept_prompt = state.log.get(state.began).cloned();
    while size(&whole) > budget && entries.len() > WHOLE_RESULTS * 2 {
        let Some((_, rest)) = entries.split_first() else { break };
        (entries, dropped) = (rest, dropped + 1);
        whole = grouped(entries, WHOLE_RESULTS);
    }
    if dropped > 0 {
        let mut shortened = vec![Message::user(format!("({dropped} earlier entries of this conversation are left out.)"))];
        if let Some(Entry::Asked(prompt)) = kept_prompt.filter(|_| entries.len() < state.log.len() - state.began) {
            shortened.push(Message::user(prompt));
        }
        shortened.append(&mut whole);
        return shortened;
    }
    whole
}

fn size(messages: &[Message]) -> usize {
    messages
        .iter()
        .map(|message| {
            let calls: usize = match message {
                Message::Assistant { tool_calls, .. } => tool_calls.iter().map(|call| call.arguments.to_string().len()).sum(),
                _ => 0,
            };
            tokens(message.text()) + calls / 4 + 8
        })
        .sum()
}

/// Entries as messages: calls stand in the answer that made them, calls of the server in answers of their own.
fn grouped(entries: &[Entry], whole_results: usize) -> Vec<Message> {
    let calls = entries.iter().filter(|entry| matches!(entry, Entry::Did(_))).count();
    let mut seen = 0;
    let mut messages: Vec<Message> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let is_old = entries.len() - index > whole_results.saturating_mul(3);
        match entry {
            Entry::Asked(prompt) => messages.push(Message::user(shortened(prompt, is_old && whole_results != usize::MAX))),
            Entry::Noted(note) => messages.push(Message::user(note.clone())),
            Entry::Said(answer) => {
                let following = entries.iter().skip(index + 1).map_while(|entry| match entry {
                    Entry::Did(done) if answer.calls.iter().any(|call| call.id == done.call.id) => Some(done),
                    Entry::Did(_) => None,
                    _ => None,
                });
                let made: Vec<LlmCall> = following
                    .map(|done| {
                        let from = answer.calls.iter().find(|call| call.id == done.call.id);
                        llm_call(done, from.and_then(|call| call.signature.clone()))
                    })
                    .collect();
                let text = shortened(&answer.text, is_old && whole_results != usize::MAX);
                if text.is_empty() && made.is_empty() {
                    continue;
                }
                let thoughts = if made.is_empty() { Vec::new() } else { answer.thoughts.clone() };
                messages.push(Message::Assistant { text, thoughts, tool_calls: made });
            }
            Entry::Did(done) => {
                seen += 1;
                let is_told = messages.iter().rev().any(
                    |message| matches!(message, Message::Assistant { tool_calls, .. } if tool_calls.iter().any(|call| call.id == done.call.id)),
                );
                if !is_told {
                    let made = vec![llm_call(done, None)];
                    messages.push(Message::Assistant { text: String::new(), thoughts: Vec::new(), tool_calls: made });
                }
                messages.push(result_message(done, calls - seen >= whole_results));
            }
        }
    }
    messages
}

fn shortened(text: &str, is_old: bool) -> String {
    if is_old { cut(text, OLD_TEXT_CHARS) } else { text.to_owned() }
}

fn llm_call(done: &Exchange, signature: Option<String>) -> LlmCall {
    LlmCall {
        id: done.call.id.clone(),
        name: done.call.tool.as_str().to_owned(),
        arguments: Value::Object(done.call.args.clone()),
        signature,
    }
}

fn result_message(done: &Exchange, as_digest: bool) -> Message {
    let call = llm_call(done, None);
    match &done.result.error {
        Some(error) => Message::tool_error(&call, json!({ "error": error, "output": output(done, as_digest) }).to_string()),
        None => Message::tool_result(&call, output(done, as_digest).to_string()),
    }
}

fn output(done: &Exchange, as_digest: bool) -> Value {
    let whole = done.result.output.clone().unwrap_or(Value::Null);
    if !as_digest {
        return whole;
    }
    let text = whole.to_string();
    if text.chars().count() <= DIGEST_CHARS {
        return whole;
    }
    let mut digest = json!({ "_shortened": true, "start": cut(&text, DIGEST_CHARS) });
    if let Value::Object(fields) = &mut digest {
        for key in ["status", "stepId", "featureId", "experimentId", "cellId", "datasetId", "checkpointId", "modelId"] {
            if let Some(value) = whole.get(key) {
                fields.insert(key.to_owned(), value.clone());
            }
        }
    }
    digest
}
