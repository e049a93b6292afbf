//! Answers as JSON of a known shape: asked for with a schema, read tolerantly, tried twice at most.

mod reading;

use serde::de::DeserializeOwned;

pub use reading::{find_json, read};

use crate::{Event, Format, LlmError, Message, OutputSchema, Provider, Request, StopReason, Usage, collect};

/// How much of a bad answer is shown to the model and kept in an error.
const EXCERPT_CHARS: usize = 4000;

/// A read answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Structured<T> {
    /// What it says.
    pub value: T,
    /// How often the model was asked: 1 or 2.
    pub attempts: u8,
    /// What all attempts cost together, as far as the provider said.
    pub usage: Usage,
}

/// Asks for an answer of a shape. A second time, with the bad answer and what is wrong with it, when the first is no JSON
/// or of another shape; never again after a failure of the provider, a timeout or an answer that is cut off.
///
/// `observe` sees every event as it comes, of both attempts: for streams that show thinking and for counting usage.
///
/// ```
/// # use gristmill_llm::{Message, OutputSchema, Request, scripted::Scripted, structured::ask};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[derive(serde::Deserialize)]
/// struct Plan { tables: Vec<String> }
///
/// let model = Scripted::from_json(r#"{"turns": [{"reply": {"text": "Here it is: {\"tables\": [\"orders\"]}"}}]}"#)?;
/// let schema = OutputSchema::new("plan", serde_json::json!({
///     "type": "object", "additionalProperties": false, "required": ["tables"],
///     "properties": {"tables": {"type": "array", "items": {"type": "string"}}},
/// }));
/// let request = Request::new(vec![Message::user("Which tables? Answer as JSON.")]);
/// let plan = ask::<Plan>(&model, request, &schema, &mut |_event| ()).await?;
/// assert_eq!(plan.value.tables, ["orders"]);
/// # Ok(()) }
/// ```
///
/// # Errors
/// `InvalidOutput` when the second answer is bad too, `CutOff`, `TooLarge`, and whatever the provider fails with.
pub async fn ask<T: DeserializeOwned>(
    provider: &dyn Provider,
    mut request: Request,
    schema: &OutputSchema,
    observe: &mut (dyn FnMut(&Event) + Send),
) -> Result<Structured<T>, LlmError> {
    request.format = Format::Schema(schema.clone());
    let mut usage = Usage::default();
    let mut attempts = 0_u8;
    loop {
        attempts += 1;
        let events = provider.stream(&request).await?;
        let answer = collect(events, &mut *observe).await?;
        usage = usage.plus(answer.usage.unwrap_or_default());
        let problem = match read(&answer.text) {
            Ok(value) => return Ok(Structured { value, attempts, usage }),
            Err(problem) => problem,
        };
        if answer.stop == StopReason::Length {
            return Err(LlmError::CutOff);
        }
        if attempts == 2 || answer.stop == StopReason::Refused {
            return Err(LlmError::InvalidOutput { detail: problem, excerpt: excerpt(&answer.text) });
        }
        tracing::debug!(schema.name = %schema.name, %problem, "the model's answer has the wrong form; asking again");
        request.messages.push(Message::assistant(excerpt(&answer.text)));
        request.messages.push(Message::user(correction(&problem, schema)));
    }
}

fn correction(problem: &str, schema: &OutputSchema) -> String {
    format!(
        "Your answer could not be used: {problem}. Answer again with one JSON object and nothing else, of this JSON Schema:\n{}",
        schema.schema
    )
}

fn excerpt(text: &str) -> String {
    if text.trim().is_empty() {
        // An empty message would be refused by some providers.
        return "(nothing)".to_owned();
    }
    text.chars().take(EXCERPT_CHARS).collect()
}
