//! A person's word for calls that lose something. The protocol keeps no state here: the question goes out with a sealed note
//! of exactly what is asked about, and the call comes back with the note and the answer. Of another call, another caller, what
//! was changed since, or after a while the note is worth nothing.

use std::time::Duration;

use gristmill_domain::{CellId, ports::StoreError, workflows::Risk};
use gristmill_workflow::tools::registry;
use rmcp::{
    RoleServer,
    model::{ErrorData, InputRequests, InputRequiredResult, SealOptions},
    service::RequestContext,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    asker::{Asker, can_ask},
    calls::{Call, Reply},
    resources::store_error,
    tools::Known,
};

/// What the question is called among those of a call.
const QUESTION: &str = "approval";
/// How long a person may take.
const VALID_FOR: Duration = Duration::from_mins(10);
/// Characters of the arguments that a person is shown.
const SHOWN_CHARS: usize = 500;
const SEALED: &[u8] = b"asked";

/// Whether a person approved of a call.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nobody needs to be asked, or can be.
    NotAsked,
    /// Somebody is to be asked.
    Asks(Box<InputRequiredResult>),
    /// Yes.
    Approved,
    /// No.
    Declined,
}

/// Where the approval of a call stands. Clients that cannot ask are trusted to have asked: they showed the call to a person,
/// or chose not to.
pub(super) async fn standing(
    asker: &Asker,
    call: &Call,
    context: &RequestContext<RoleServer>,
    reply: &Reply,
) -> Result<Standing, ErrorData> {
    if !loses_something(call) || !can_ask(context) {
        return Ok(Standing::NotAsked);
    }
    // Nobody is asked about what is not there: the tool says so.
    let Some(lost) = lost(asker, call).await? else { return Ok(Standing::NotAsked) };
    let subject = subject(asker, call, &lost);
    let Some(state) = &reply.state else { return question(asker, call, &subject) };
    if asker.state.mcp.seal.open_with(state, &subject).ok().as_deref() != Some(SEALED) {
        let words = "requestState is not of this call, or too old, or the cell was changed since; repeat the call without it";
        return Err(ErrorData::invalid_params(words, None));
    }
    match reply.responses.as_ref().and_then(|responses| responses.get(QUESTION)) {
        Some(answer) => Ok(decision(answer)),
        None => question(asker, call, &subject),
    }
}

fn loses_something(call: &Call) -> bool {
    match call.known {
        Known::Agents(_, tool) => registry::risk(tool, &call.args) == Risk::High,
        // A job that was stopped can be started again.
        Known::Outside(_) => false,
    }
}

/// What the call takes away, as it is now: the text of its cell. `None`: the caller has no such cell.
async fn lost(asker: &Asker, call: &Call) -> Result<Option<String>, ErrorData> {
    let named = call.args.get("cellId").and_then(Value::as_str).and_then(|id| id.parse::<CellId>().ok());
    let Some(id) = named else { return Ok(Some(String::new())) };
    match asker.state.notebooks.find_cell(&asker.caller, id, asker.state.clock.now()).await {
        Ok(cell) => Ok(Some(cell.content)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(store_error(error)),
    }
}

/// Yes only where it says so.
fn decision(answer: &Value) -> Standing {
    let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
    let approved = answer.pointer("/content/approve").and_then(Value::as_bool) == Some(true);
    if accepted && approved { Standing::Approved } else { Standing::Declined }
}

fn question(asker: &Asker, call: &Call, subject: &[u8]) -> Result<Standing, ErrorData> {
    let shown: String = Value::Object(call.args.clone()).to_string().chars().take(SHOWN_CHARS).collect();
    let asked = json!({
        QUESTION: {
            "method": "elicitation/create",
            "params": {
                "message": format!("May {} be called with {shown}? What it takes away does not come back.", call.known.name()),
                "requestedSchema": {
                    "type": "object",
                    "properties": { "approve": { "type": "boolean", "title": "Approve", "description": "Whether to do it" } },
                    "required": ["approve"],
                },
            },
        }
    });
    let asked: InputRequests = serde_json::from_value(asked).map_err(|error| {
        tracing::error!(%error, "a question is none of the protocol's");
        ErrorData::internal_error("the question could not be asked", None)
    })?;
    let options = SealOptions::new().associated_data(subject).ttl(VALID_FOR);
    let state = asker.state.mcp.seal.seal_with(SEALED, &options);
    Ok(Standing::Asks(Box::new(InputRequiredResult::new(Some(asked), Some(state)))))
}

/// What exactly is asked about: the caller, the tool, its arguments, in whatever order they come, and what is lost.
fn subject(asker: &Asker, call: &Call, lost: &str) -> Vec<u8> {
    let args = ordered(&Value::Object(call.args.clone())).to_string();
    let digest = Sha256::new()
        .chain_update(asker.caller.user_id.0.as_bytes())
        .chain_update(call.known.name())
        .chain_update([0_u8])
        .chain_update(args)
        .chain_update([0_u8])
        .chain_update(lost)
        .finalize();
    digest.to_vec()
}

fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            let fields = keys.into_iter().filter_map(|key| Some((key.clone(), ordered(fields.get(key)?))));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, yes) in [
            (json!({ "action": "accept", "content": { "approve": true } }), true),
            (json!({ "action": "accept", "content": { "approve": false } }), false),
            (json!({ "action": "accept", "content": { "approve": "true" } }), false),
            (json!({ "action": "accept" }), false),
            (json!({ "action": "decline", "content": { "approve": true } }), false),
            (json!({ "action": "cancel" }), false),
            (json!(true), false),
            (Value::Null, false),
        ] {
            assert_eq!(matches!(decision(&answer), Standing::Approved), yes, "{answer}");
        }
    }

    #[test]
    fn the_order_of_arguments_does_not_count() {
        let one: Value = serde_json::from_str(r#"{"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 2}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": 2, "a": {"y": [{"q": 2, "p": 1}], "x": 1}}"#).unwrap();
        assert_eq!(ordered(&one).to_string(), ordered(&other).to_string());
        assert_ne!(ordered(&one).to_string(), ordered(&json!({ "a": 1 })).to_string());
    }
}
