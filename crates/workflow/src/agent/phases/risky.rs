//! Calls of models that lose something: a person is asked first, and decides about exactly that call, and about what it takes
//! away as it was then.

use gristmill_domain::workflows::{Risk, ToolCall, WorkflowStatus};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    agent::{
        machine::{Entry, Next, State},
        turn::{ApprovalSubject, Decision, End},
    },
    phrases,
    prompts::line,
    tools::{CODE_HASH, registry},
};

/// Longest arguments that a person is shown, characters.
const SHOWN_CHARS: usize = 300;

/// The question that a call is, instead of being made. `None`: it may be made.
pub(super) fn question(call: &ToolCall, said: &str) -> Option<End> {
    if registry::risk(call.tool, &call.args) != Risk::High {
        return None;
    }
    let asked = format!(
        "{} cannot be undone. May it be called with {}? Answer yes or no.",
        call.tool.as_str(),
        line(&Value::Object(call.args.clone()).to_string(), SHOWN_CHARS)
    );
    let message = [said.trim(), asked.as_str()].join("\n\n").trim().to_owned();
    Some(End::AwaitsApproval { subject: subject_of(call, None), others: Vec::new(), message: Some(message) })
}

/// What a person is asked about: the call, with the hash of what it takes away.
pub(in crate::agent) fn subject_of(call: &ToolCall, lost: Option<&str>) -> ApprovalSubject {
    let mut subject = json!({ "tool": call.tool, "args": call.args });
    if let (Value::Object(fields), Some(lost)) = (&mut subject, lost) {
        fields.insert(CODE_HASH.to_owned(), lost.into());
    }
    let hash: String = Sha256::digest(subject.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = json!({ "subject": subject, "call": call });
    ApprovalSubject { tool: call.tool.as_str().to_owned(), hash, payload }
}

/// The call of a model that a question is. `None`: it is about something else.
pub(in crate::agent) fn asked_call(subject: &ApprovalSubject) -> Option<ToolCall> {
    serde_json::from_value(subject.payload.get("call")?.clone()).ok()
}

/// The call that the turn before ended with as a question, and what the person says to it. `None`: there is none, or it says
/// nothing clear; then it is not asked about any more.
fn answered(state: &State) -> Option<(ToolCall, Decision)> {
    if state.turn.status_before != Some(WorkflowStatus::Paused) {
        return None;
    }
    let Entry::Waits(subject) = state.log.get(state.began.checked_sub(1)?)? else { return None };
    let mut call = asked_call(subject)?;
    // What a person wrote since is something else, to which nobody said yes: the tool refuses it.
    if let Some(lost) = subject.payload.pointer("/subject/codeHash").filter(|lost| !lost.is_null()) {
        call.args.insert(CODE_HASH.to_owned(), lost.clone());
    }
    let is_approved = match phrases::decision(state.prompt()) {
        phrases::Decision::Approve => true,
        phrases::Decision::Reject => false,
        phrases::Decision::Undecided => return None,
    };
    Some((call, Decision { subject_hash: subject.hash.clone(), is_approved }))
}

/// The call that the person approves of, which is the first of the turn.
pub(super) fn approved(state: &State) -> Option<Next> {
    if state.exchanges().next().is_some() {
        return None;
    }
    let (call, decision) = answered(state).filter(|(_, decision)| decision.is_approved)?;
    Some(Next::Calls("approved_call", vec![(call.tool, call.args, Some(decision))]))
}

/// What the person says no to: nothing is called then, and the model goes on from there.
pub(super) fn rejected(state: &State) -> Option<Decision> {
    answered(state).map(|(_, decision)| decision).filter(|decision| !decision.is_approved)
}

/// What the model is told of a question that waited. `None`: the phase tells by itself.
pub(in crate::agent) fn told(subject: &ApprovalSubject) -> Option<String> {
    let args = subject.payload.pointer("/call/args")?;
    let shown = line(&args.to_string(), SHOWN_CHARS);
    Some(format!(
        "(From the server, not from the person.) {} with {shown} was not called: the person is asked first.",
        subject.tool
    ))
}
