//! What tools gave, in the protocol's shapes (contract 2, section 6): a text for models, an object for programs.

use gristmill_workflow::tools::{ToolOutput, registry::ArgsError};
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// Why a call failed, in words for the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    /// The words.
    pub(super) words: String,
    /// What else programs may read.
    pub(super) more: Map<String, Value>,
}

impl Refused {
    /// With these words.
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), more: Map::new() }
    }

    /// There is no such thing for this caller in this project.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(format!("{what} not found"))
    }

    /// The call is not one that the tool takes. The protocol's code stands in the text, where clients of the reference find it.
    pub(super) fn invalid(words: &str) -> Self {
        Self::new(format!("MCP error {}: {words}", ErrorCode::INVALID_PARAMS.0))
    }

    /// With something else for programs.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        error.log();
        let body = error.body();
        let words = match error.code() {
            // Its own text is for people in front of a browser.
            gristmill_domain::ErrorCode::Internal => "The server failed at this; do not repeat it unchanged".to_owned(),
            _ => error.to_string(),
        };
        let mut refused = Self::new(words).with("code", body.code.into());
        if let Some(detail) = body.detail {
            // What is wrong with which field is what mends the call.
            let detail = json!(detail);
            refused.words = format!("{}: {detail}", refused.words);
            refused = refused.with("detail", detail);
        }
        refused
    }
}

/// Arguments that a tool does not take.
pub(super) fn wrong_arguments(tool: &str, error: &ArgsError) -> Refused {
    Refused::invalid(&format!("Invalid arguments for tool {tool}: {error}"))
}

/// A result.
pub(super) fn succeeded(output: Value) -> CallToolResult {
    let text = text_of(&output);
    let structured = match output {
        Value::Object(_) => output,
        Value::Array(items) => json!({ "items": items }),
        scalar => json!({ "output": scalar }),
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

/// A failure.
pub(super) fn failed(refused: Refused) -> CallToolResult {
    let Refused { words, mut more } = refused;
    let mut result = CallToolResult::error(vec![ContentBlock::text(words.clone())]);
    more.insert("error".to_owned(), words.into());
    result.structured_content = Some(Value::Object(more));
    result
}

/// What a tool of agents gave.
pub(super) fn of_output(output: ToolOutput) -> CallToolResult {
    match (output.error, output.output) {
        (None, output) => succeeded(output.unwrap_or(Value::Null)),
        (Some(error), None) => failed(Refused::new(error)),
        (Some(error), Some(output)) => failed(Refused::new(error).with("output", output)),
    }
}

/// Texts as they are, everything else as JSON that people can read.
fn text_of(output: &Value) -> String {
    match output {
        Value::String(text) => text.clone(),
        // Values have only texts as keys: nothing can fail.
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(result: CallToolResult) -> Value {
        serde_json::to_value(result).unwrap()
    }

    #[test]
    fn programs_always_get_an_object() {
        for (output, structured, text) in [
            (json!({ "a": 1 }), json!({ "a": 1 }), "{\n  \"a\": 1\n}"),
            (json!([1]), json!({ "items": [1] }), "[\n  1\n]"),
            (json!("plain"), json!({ "output": "plain" }), "plain"),
            (Value::Null, json!({ "output": null }), "null"),
        ] {
            let result = wire(succeeded(output));
            assert_eq!((&result["structuredContent"], &result["isError"]), (&structured, &json!(false)));
            assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
        }
    }

    #[test]
    fn failures_say_why_and_keep_what_there_is() {
        let result = wire(of_output(ToolOutput { output: Some(json!({ "status": "failed" })), error: Some("no".into()) }));
        assert_eq!(result["isError"], true);
        assert_eq!(result["content"][0]["text"], "no");
        assert_eq!(result["structuredContent"], json!({ "output": { "status": "failed" }, "error": "no" }));
        let wrong = wrong_arguments("run_sql", &ArgsError::new("sql", "is required"));
        assert_eq!(wrong.words, "MCP error -32602: Invalid arguments for tool run_sql: `sql` is required");
    }
}
