//! A person's word for calls that lose something. The protocol keeps no state here: the question goes out with a sealed note
//! of exactly what is asked about, and the call comes back with the note and the answer. Of another call, another caller, or
//! after a while the note is worth nothing; and the tool takes nothing away that was changed since.

use std::{fmt::Display, time::Duration};

use gristmill_domain::workflows::Risk;
use gristmill_workflow::tools::{ToolHost, registry};
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
use crate::agent::ServerTools;

/// What the question is called among those of a call.
const QUESTION: &str = "approval";
/// How long a person may take.
const VALID_FOR: Duration = Duration::from_mins(10);
/// Characters of the arguments that a person is shown.
const SHOWN_CHARS: usize = 500;

/// Whether a person approved of a call.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nobody needs to be asked, or can be.
    NotAsked,
    /// Somebody is to be asked.
    Asks(Box<InputRequiredResult>),
    /// Yes, to losing what has this hash.
    Approved(Option<String>),
    /// No.
    Declined,
    /// The call can only fail, so that nobody is asked: why.
    Refused(String),
}

/// Where the approval of a call stands. Clients that cannot ask are trusted to have asked: they showed the call to a person,
/// or chose not to.
pub(super) async fn standing(
    asker: &Asker,
    call: &Call,
    context: &RequestContext<RoleServer>,
    reply: &Reply,
) -> Result<Standing, ErrorData> {
    // Of the others none does: a job that was stopped can be started again.
    let Known::Agents(_, tool) = call.known else { return Ok(Standing::NotAsked) };
    if registry::risk(tool, &call.args) != Risk::High || !can_ask(context) {
        return Ok(Standing::NotAsked);
    }
    let tools = ServerTools::new(asker.state.clone());
    let place = call.place(asker, context)?;
    if let Some(why) = tools.refusal(&place, tool, &call.args).await {
        return Ok(Standing::Refused(why));
    }
    let subject = subject(asker, call);
    if let Some(state) = &reply.state {
        let Ok(seen) = asker.state.mcp.seal.open_json_with::<Option<String>>(state, &subject) else {
            let words = "requestState is not of this call, or too old; repeat the call without it";
            return Err(ErrorData::invalid_params(words, None));
        };
        match reply.responses.as_ref().and_then(|responses| responses.get(QUESTION)) {
            Some(answer) if is_yes(answer) => return Ok(Standing::Approved(seen)),
            Some(_) => return Ok(Standing::Declined),
            None => {}
        }
    }
    let lost = tools.lost(&asker.caller, tool, &call.args).await.map_err(store_error)?;
    question(asker, call, &subject, lost.as_deref())
}

/// Yes only where it says so.
fn is_yes(answer: &Value) -> bool {
    let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
    let approved = answer.pointer("/content/approve").and_then(Value::as_bool) == Some(true);
    accepted && approved
}

fn question(asker: &Asker, call: &Call, subject: &[u8], lost: Option<&str>) -> Result<Standing, ErrorData> {
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
    let unaskable = |error: &dyn Display| {
        tracing::error!(%error, "a question could not be written for the protocol");
        ErrorData::internal_error("the question could not be asked", None)
    };
    let asked: InputRequests = serde_json::from_value(asked).map_err(|error| unaskable(&error))?;
    let options = SealOptions::new().associated_data(subject).ttl(VALID_FOR);
    let state = asker.state.mcp.seal.seal_json_with(&lost, &options).map_err(|error| unaskable(&error))?;
    Ok(Standing::Asks(Box::new(InputRequiredResult::new(Some(asked), Some(state)))))
}

/// What exactly is asked about: the caller, the tool, and its arguments, in whatever order they come.
fn subject(asker: &Asker, call: &Call) -> Vec<u8> {
    let args = ordered(&Value::Object(call.args.clone())).to_string();
    let digest = Sha256::new()
        .chain_update(asker.caller.user_id.0.as_bytes())
        .chain_update(call.known.name())
        .chain_update([0_u8])
        .chain_update(args)
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
            assert_eq!(is_yes(&answer), yes, "{answer}");
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
