//! A run's conversation as messages for a model, within a budget of tokens.
//!
//! What does not fit is shortened from its oldest end: first the results of old calls become digests, then whole old entries
//! become one line that counts them, with those that the store left out. This turn's prompt always stays, and a result never
//! stands without its call. Only as much of a long conversation is looked at as there is room for.

use std::{borrow::Cow, collections::HashSet, io};

use gristmill_llm::{Message, ToolCall as LlmCall};
use serde_json::{Map, Value, json};

use super::{
    machine::{Entry, Exchange, State},
    phases::{CLASSIFY, told},
};
use crate::prompts::{cut, tokens};

/// Results of this many last calls are not shortened while each takes no more than half of the room that is left.
const WHOLE_RESULTS: usize = 4;
/// This many last entries beside results are not shortened.
const WHOLE_TEXTS: usize = 12;
/// Longest digest of a result, and longest text in the arguments of a call with one, characters.
const DIGEST_CHARS: usize = 240;
/// Longest text of an old answer or prompt, characters.
const OLD_TEXT_CHARS: usize = 2_000;
/// Tokens of a message beside its text.
const FRAME: usize = 8;

/// An entry, and whether it is shortened.
type Shown<'a> = (&'a Entry, bool);

/// The conversation, oldest first, in at most about `budget` tokens.
pub(super) fn messages(state: &State, budget: usize) -> Vec<Message> {
    let log: Vec<&Entry> = state.log.iter().filter(|entry| !is_aside(entry)).collect();
    let mut sum = 0_usize;
    let all_fit = log.iter().rev().all(|entry| {
        sum = sum.saturating_add(cost(entry, false));
        sum <= budget
    });
    if all_fit {
        return grouped(&log.into_iter().map(|entry| (entry, false)).collect::<Vec<Shown<'_>>>());
    }
    let prompt = state.log.get(state.began).filter(|entry| matches!(entry, Entry::Asked(_)));
    let kept = kept(&log, prompt, budget);
    let prompt = prompt.filter(|prompt| !kept.iter().any(|(entry, _)| std::ptr::eq(*entry, *prompt)));
    let dropped = log.get(..log.len().saturating_sub(kept.len())).unwrap_or_default();
    let dropped = dropped.iter().filter(|entry| !prompt.is_some_and(|prompt| std::ptr::eq(**entry, prompt)));
    let dropped =
        dropped.fold(0, |sum: u64, entry| sum.saturating_add(if let Entry::LeftOut(count) = entry { *count } else { 1 }));
    let mut messages = Vec::new();
    if dropped > 0 {
        messages.push(Message::user(left_out(dropped)));
    }
    if let Some(prompt) = prompt {
        messages.extend(grouped(&[(prompt, false)]));
    }
    messages.extend(grouped(&kept));
    messages
}

fn left_out(count: u64) -> String {
    format!("({count} earlier entries of this conversation are left out.)")
}

/// Whether an entry is no part of the conversation: the model was asked about the prompt, not by the person.
fn is_aside(entry: &Entry) -> bool {
    match entry {
        Entry::Said(answer) => answer.node == CLASSIFY,
        Entry::Waits(subject) => told(subject).is_none(),
        _ => false,
    }
}

/// The last entries that there is room for, oldest first: the very last in any case. The prompt has its room before all others.
fn kept<'a>(log: &[&'a Entry], prompt: Option<&'a Entry>, budget: usize) -> Vec<Shown<'a>> {
    let mut left = budget.saturating_sub(prompt.map_or(0, |prompt| cost(prompt, false)));
    let mut results = 0;
    let mut kept = Vec::new();
    for (age, entry) in log.iter().copied().rev().enumerate() {
        if prompt.is_some_and(|prompt| std::ptr::eq(prompt, entry)) {
            kept.push((entry, false));
            continue;
        }
        let is_short = if matches!(entry, Entry::Did(_)) {
            results += 1;
            // What old results would take is not looked at: it takes time to write them.
            results > WHOLE_RESULTS || cost(entry, false) > left / 2
        } else {
            age >= WHOLE_TEXTS
        };
        let needed = cost(entry, is_short);
        if needed > left && age > 0 {
            break;
        }
        left = left.saturating_sub(needed);
        kept.push((entry, is_short));
    }
    kept.reverse();
    kept
}

/// Tokens that an entry takes.
fn cost(entry: &Entry, is_short: bool) -> usize {
    match entry {
        Entry::LeftOut(count) => tokens(&left_out(*count)) + FRAME,
        Entry::Asked(prompt) => tokens(&text(prompt, is_short)) + FRAME,
        Entry::Noted(note) => tokens(note) + FRAME,
        Entry::Waits(subject) => told(subject).map_or(0, |told| tokens(&told) + FRAME),
        Entry::Said(answer) => {
            let thoughts: usize = answer.thoughts.iter().map(|thought| tokens(&thought.text) + tokens(&thought.signature)).sum();
            tokens(&text(&answer.text, is_short)) + thoughts + FRAME
        }
        Entry::Did(done) => tokens(&arguments(done, is_short).to_string()) + tokens(&content(done, is_short)) + 2 * FRAME,
    }
}

/// Entries as messages: calls stand in the answer that made them, calls of the server in answers of their own.
fn grouped(entries: &[Shown<'_>]) -> Vec<Message> {
    let mut paired: HashSet<&str> = HashSet::new();
    let mut messages: Vec<Message> = Vec::new();
    for (index, (entry, is_short)) in entries.iter().enumerate() {
        match entry {
            Entry::LeftOut(count) => messages.push(Message::user(left_out(*count))),
            Entry::Asked(prompt) => messages.push(Message::user(text(prompt, *is_short))),
            Entry::Noted(note) => messages.push(Message::user(note.clone())),
            Entry::Waits(subject) => messages.extend(told(subject).map(Message::user)),
            Entry::Said(answer) => {
                let following = entries.iter().skip(index + 1).map_while(|(entry, is_short)| match entry {
                    Entry::Did(done) => Some((done, *is_short, answer.calls.iter().find(|call| call.id == done.call.id)?)),
                    _ => None,
                });
                let mut made: Vec<LlmCall> = Vec::new();
                for (done, is_short, from) in following {
                    paired.insert(done.call.id.as_str());
                    made.push(llm_call(done, from.signature.clone(), is_short));
                }
                let text = text(&answer.text, *is_short);
                if text.is_empty() && made.is_empty() {
                    continue;
                }
                let thoughts = if made.is_empty() { Vec::new() } else { answer.thoughts.clone() };
                messages.push(Message::Assistant { text, thoughts, tool_calls: made });
            }
            Entry::Did(done) => {
                let call = llm_call(done, None, *is_short);
                let result = if done.result.is_failed() {
                    Message::tool_error(&call, content(done, *is_short))
                } else {
                    Message::tool_result(&call, content(done, *is_short))
                };
                if !paired.contains(done.call.id.as_str()) {
                    messages.push(Message::Assistant { text: String::new(), thoughts: Vec::new(), tool_calls: vec![call] });
                }
                messages.push(result);
            }
        }
    }
    messages
}

fn text(text: &str, is_short: bool) -> String {
    if is_short { cut(text, OLD_TEXT_CHARS) } else { text.to_owned() }
}

fn llm_call(done: &Exchange, signature: Option<String>, is_short: bool) -> LlmCall {
    LlmCall {
        id: done.call.id.clone(),
        name: done.call.tool.as_str().to_owned(),
        // What is signed stays as it is.
        arguments: arguments(done, is_short && signature.is_none()),
        signature,
    }
}

fn arguments(done: &Exchange, is_short: bool) -> Value {
    let shown = |value: &Value| match value {
        Value::String(text) if is_short => Value::from(cut(text, DIGEST_CHARS)),
        whole => whole.clone(),
    };
    Value::Object(done.call.args.iter().map(|(key, value)| (key.clone(), shown(value))).collect::<Map<String, Value>>())
}

/// What came of a call, as the model reads it.
fn content(done: &Exchange, is_short: bool) -> String {
    let output = output(done, is_short);
    match &done.result.error {
        Some(error) => json!({ "error": error, "output": output }).to_string(),
        None => output.to_string(),
    }
}

fn output(done: &Exchange, as_digest: bool) -> Cow<'_, Value> {
    let Some(whole) = &done.result.output else { return Cow::Owned(Value::Null) };
    let mut start = Start::default();
    // Of a long one only the beginning is written: it would be, for each answer of the model.
    if !as_digest || (serde_json::to_writer(&mut start, whole).is_ok() && start.chars() <= DIGEST_CHARS) {
        return Cow::Borrowed(whole);
    }
    let mut digest = json!({ "_shortened": true, "start": cut(&start.text(), DIGEST_CHARS) });
    if let Value::Object(fields) = &mut digest {
        for key in ["status", "stepId", "featureId", "experimentId", "cellId", "datasetId", "checkpointId", "modelId"] {
            if let Some(value) = whole.get(key) {
                fields.insert(key.to_owned(), value.clone());
            }
        }
    }
    Cow::Owned(digest)
}

/// Keeps the beginning of what is written, and refuses the rest.
#[derive(Debug, Default)]
struct Start(Vec<u8>);

impl Start {
    /// More than a digest has, of whatever characters.
    const BYTES: usize = 4 * (DIGEST_CHARS + 1);

    /// Only what was refused can end within a character, which no digest has any more.
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    fn chars(&self) -> usize {
        self.text().chars().count()
    }
}

impl io::Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = Self::BYTES.saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room { Err(io::ErrorKind::WriteZero.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gristmill_domain::{
        UserId,
        workflows::{Phase, ToolCall, ToolName, ToolResult, WorkflowRunId},
    };

    use super::*;
    use crate::agent::turn::{Answer, ModelCall, Turn, TurnRequest};

    const PROMPT: &str = "Make the columns that I described";

    /// A turn that begins after these entries, with these.
    fn state(before: Vec<Entry>, entries: Vec<Entry>) -> State {
        let turn = Turn {
            run: WorkflowRunId::parse("run-1").unwrap(),
            phase: Phase::FeatureEngineering,
            number: 1,
            status_before: None,
            by: UserId(uuid::Uuid::nil()),
            began_at: chrono::DateTime::UNIX_EPOCH,
            request: TurnRequest { prompt: format!("{PROMPT}{}", "!".repeat(5_000)), ..TurnRequest::default() },
        };
        let mut state = State::begin(turn, before);
        state.log.extend(entries);
        state
    }

    fn said(text: &str, calls: &[&str]) -> Entry {
        let call = |id: &&str| ModelCall { id: (*id).to_owned(), name: "read_cell".into(), args: json!({}), signature: None };
        Entry::Said(Answer { text: text.to_owned(), calls: calls.iter().map(call).collect(), ..Answer::default() })
    }

    fn did(id: &str, chars: usize) -> Entry {
        let args = [("cellId".to_owned(), Value::from("x".repeat(chars / 10)))].into_iter().collect();
        let call = ToolCall { id: id.to_owned(), tool: ToolName::ReadCell, args, rationale: None };
        let output = json!({ "status": "success", "content": "é".repeat(chars) });
        let result = ToolResult { id: id.to_owned(), tool: ToolName::ReadCell, output: Some(output), error: None };
        Entry::Did(Exchange { call, result, decision: None })
    }

    fn size(messages: &[Message]) -> usize {
        let calls = |message: &Message| -> usize {
            let Message::Assistant { tool_calls, .. } = message else { return 0 };
            tool_calls.iter().map(|call| call.arguments.to_string().len()).sum()
        };
        messages.iter().map(|message| tokens(message.text()) + calls(message) / 4).sum()
    }

    /// Every result follows the answer that has its call, and every call has its result before anything else is said.
    fn check_pairs(messages: &[Message]) {
        let mut open: Vec<String> = Vec::new();
        for message in messages {
            if let Message::ToolResult { call_id, .. } = message {
                let at = open.iter().position(|id| id == call_id).unwrap_or_else(|| panic!("{call_id} has no call"));
                open.remove(at);
                continue;
            }
            assert!(open.is_empty(), "{open:?} have no results");
            if let Message::Assistant { tool_calls, .. } = message {
                open.extend(tool_calls.iter().map(|call| call.id.clone()));
            }
        }
        assert!(open.is_empty(), "{open:?} have no results");
    }

    #[test]
    fn calls_and_results_stay_together_at_every_budget() {
        let before =
            vec![Entry::Asked("earlier".into()), said("", &["a", "b"]), did("a", 900), did("b", 9_000), said("done", &[])];
        let entries = vec![
            said("I look.", &["c", "d", "never made"]),
            did("c", 5_000),
            did("d", 50),
            did("by the server", 3_000),
            said("", &["refused"]),
            Entry::Noted("There is no such tool.".into()),
            said("", &["e"]),
            did("e", 20_000),
        ];
        let state = state(before, entries);
        for budget in (0..60).map(|step| step * 250) {
            let messages = messages(&state, budget);
            check_pairs(&messages);
            let prompts = messages.iter().filter(|message| message.text().starts_with(PROMPT));
            let prompts: Vec<usize> = prompts.map(|message| message.text().len()).collect();
            assert_eq!(prompts, [PROMPT.len() + 5_000], "the prompt stays, once and whole, at {budget}");
            assert!(messages.iter().any(|it| matches!(it, Message::ToolResult { call_id, .. } if call_id == "e")), "{budget}");
        }
        assert_eq!(messages(&state, usize::MAX).iter().filter(|it| matches!(it, Message::ToolResult { .. })).count(), 6);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let before = vec![Entry::LeftOut(700), Entry::Asked("earlier".into()), did("a", 9_000)];
        let state = state(before, vec![said("", &["e"]), did("e", 20_000)]);
        for (budget, told) in [(usize::MAX, "(700 earlier"), (0, "(703 earlier")] {
            let messages = messages(&state, budget);
            assert!(messages[0].text().starts_with(told), "{budget}: {}", messages[0].text());
            assert_eq!(messages.iter().filter(|message| message.text().contains("left out.)")).count(), 1, "{budget}");
        }
    }

    #[test]
    fn a_turn_of_48_long_results_keeps_to_the_budget() {
        let ids: Vec<String> = (0..48).map(|number| format!("call-{number}")).collect();
        let entries = ids.iter().flat_map(|id| [said("", &[id.as_str()]), did(id, 49_000)]).collect();
        let state = state(Vec::new(), entries);
        let messages = messages(&state, 48_000);
        assert!(size(&messages) <= 48_000, "{}", size(&messages));
        check_pairs(&messages);
        assert!(messages.iter().any(|message| message.text().contains("_shortened")));
    }

    #[test]
    fn digests_begin_as_the_result_does_whatever_characters_it_has() {
        for (part, times, is_short) in [("é", 9_000, true), ("𝄞", 900, true), ("\"", 200, true), ("a", 200, false)] {
            let text = part.repeat(times);
            let result = json!({ "cellId": "c-1", "content": text });
            let Entry::Did(mut done) = did("a", 10) else { panic!("a call") };
            done.result.output = Some(result.clone());
            let digest = output(&done, true);
            assert_eq!(digest.get("_shortened").is_some(), is_short, "{text}");
            if is_short {
                assert_eq!(digest["start"], cut(&result.to_string(), DIGEST_CHARS), "{text}");
                assert_eq!(digest["cellId"], "c-1");
            } else {
                assert_eq!(*digest, result);
            }
            assert_eq!(*output(&done, false), result);
        }
    }

    #[test]
    fn what_the_model_said_of_the_prompt_is_no_part_of_the_conversation() {
        let aside = Entry::Said(Answer { node: CLASSIFY.to_owned(), text: "{}".into(), ..Answer::default() });
        let messages = messages(&state(Vec::new(), vec![aside]), 48_000);
        assert!(matches!(messages.as_slice(), [Message::User { .. }]), "{messages:?}");
    }
}
