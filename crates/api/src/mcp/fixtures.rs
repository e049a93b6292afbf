//! Tools, resources and prompts that `@modelcontextprotocol/conformance` calls by name, there with `GRISTMILL_MCP_FIXTURES`
//! only. They touch nothing of anybody's. Names and texts are the suite's.

mod inputs;
mod talk;
mod work;

use std::sync::LazyLock;

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
        GetPromptResult, Prompt, ReadResourceResult, Resource, ResourceTemplate, Tool,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(super) use self::work::{SuiteTask, SuiteTasks};
use super::asker::Asker;

/// A picture of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
/// One sample of silence.
const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

/// Tools without arguments.
const PLAIN: [&str; 20] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    // For servers that end the stream of a call before its answer, which this one never does: it answers.
    "test_reconnection",
];

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let more = ["test_input_required_result_tampered_state", "test_input_required_result_capabilities"];
    let plain = PLAIN.into_iter().chain(more);
    let plain = plain.map(|name| json!({ "name": name, "inputSchema": { "type": "object", "properties": {} } }));
    let text = |name: &str, argument: &str| {
        let schema = json!({ "type": "object", "properties": { argument: { "type": "string" } }, "required": [argument] });
        json!({ "name": name, "inputSchema": schema })
    };
    let speaking = [text("test_sampling", "prompt"), text("test_elicitation", "message"), text("greet", "name")];
    let others = [schema_tool(), header_tool()];
    let described = plain.chain(speaking).chain(others).chain(work::NAMES.map(work::listed)).map(|mut tool| {
        if let Some(fields) = tool.as_object_mut() {
            fields.insert("description".to_owned(), "For the protocol's own test suite".into());
        }
        tool
    });
    described.filter_map(read).collect()
});

/// A tool whose schema has what newer dialects of JSON Schema have.
fn schema_tool() -> Value {
    json!({
        "name": "json_schema_2020_12_tool",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
                },
            },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" },
            },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false,
        },
    })
}

/// A tool with arguments that a header repeats.
fn header_tool() -> Value {
    json!({
        "name": "test_custom_headers",
        "inputSchema": {
            "type": "object",
            "properties": {
                "region": { "type": "string", "x-mcp-header": "Region" },
                "attempt": { "type": "integer", "x-mcp-header": "Attempt" },
            },
            "required": ["region"],
        },
    })
}

static PROMPTS: LazyLock<Vec<Prompt>> = LazyLock::new(|| {
    let argument = |name: &str| json!({ "name": name, "description": "A text", "required": true });
    let prompt = |name: &str, arguments: Vec<Value>| json!({ "name": name, "description": "For the protocol's own test suite", "arguments": arguments });
    let listed = [
        prompt("test_simple_prompt", Vec::new()),
        prompt("test_prompt_with_arguments", vec![argument("arg1"), argument("arg2")]),
        prompt("test_prompt_with_embedded_resource", vec![argument("resourceUri")]),
        prompt("test_prompt_with_image", Vec::new()),
        prompt("test_input_required_result_prompt", Vec::new()),
    ];
    listed.into_iter().filter_map(read).collect()
});

static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| {
    let resource = |uri: &str, name: &str, media_type: &str| json!({ "uri": uri, "name": name, "description": "For the protocol's own test suite", "mimeType": media_type });
    let listed = [
        resource("test://static-text", "Static text", "text/plain"),
        resource("test://static-binary", "Static picture", "image/png"),
        resource("test://watched-resource", "Watched text", "text/plain"),
    ];
    listed.into_iter().filter_map(read).collect()
});

static TEMPLATES: LazyLock<Vec<ResourceTemplate>> = LazyLock::new(|| {
    let template = json!({
        "uriTemplate": "test://template/{id}/data", "name": "Template", "description": "For the protocol's own test suite",
        "mimeType": "application/json",
    });
    [template].into_iter().filter_map(read).collect()
});

/// Reads a thing of the protocol. A test reads all of them.
fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).inspect_err(|error| tracing::error!(%error, "a fixture is none of the protocol's")).ok()
}

/// The suite's tools.
pub(super) fn tools() -> &'static [Tool] {
    &TOOLS
}

/// Whether a tool is the suite's.
pub(super) fn has_tool(name: &str) -> bool {
    TOOLS.iter().any(|tool| tool.name == name)
}

/// The suite's prompts.
pub(super) fn prompts() -> &'static [Prompt] {
    &PROMPTS
}

/// The suite's resources.
pub(super) fn resources() -> &'static [Resource] {
    &RESOURCES
}

/// The suite's templates of resources.
pub(super) fn templates() -> &'static [ResourceTemplate] {
    &TEMPLATES
}

/// Calls one of the suite's tools.
pub(super) async fn call(
    asker: &Asker,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.to_string();
    if name.starts_with("test_input_required_result_") {
        return inputs::call(asker, &name, &request, context);
    }
    if work::NAMES.contains(&name.as_str()) {
        return work::call(asker, &name, &request, context).await;
    }
    let args = request.arguments.unwrap_or_default();
    let result = match name.as_str() {
        "test_missing_capability" => return needs_sampling(context),
        "test_tool_with_logging" => talk::log(context).await?,
        "test_tool_with_progress" => talk::progress(context).await?,
        "test_sampling" | "test_elicitation" | "test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums" => {
            talk::ask(&name, &args, context).await?
        }
        "greet" => text(&format!("Hello, {}!", args.get("name").and_then(Value::as_str).unwrap_or_default())),
        _ => fixed(&name),
    };
    answered::<CallToolResult>(result).map(CallToolResponse::from)
}

/// Turns JSON into what the library sends.
fn answered<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    read(value).ok_or_else(|| ErrorData::internal_error("a fixture is none of the protocol's", None))
}

fn needs_sampling(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    if context.client_capabilities().is_some_and(|client| client.sampling.is_some()) {
        return answered::<CallToolResult>(text("The client can sample")).map(CallToolResponse::from);
    }
    let required = json!({ "requiredCapabilities": { "sampling": {} } });
    Err(ErrorData::new(ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", Some(required)))
}

/// A result of one text.
fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": false, "resultType": "complete" })
}

fn fixed(name: &str) -> Value {
    let content = match name {
        "test_simple_text" => json!([{ "type": "text", "text": "This is a simple text response for testing." }]),
        "test_image_content" => json!([{ "type": "image", "data": PNG, "mimeType": "image/png" }]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => json!([{
            "type": "resource",
            "resource": {
                "uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content.",
            },
        }]),
        "test_multiple_content_types" => json!([
            { "type": "text", "text": "Multiple content types test:" },
            { "type": "image", "data": PNG, "mimeType": "image/png" },
            {
                "type": "resource",
                "resource": {
                    "uri": "test://mixed-content-resource", "mimeType": "application/json",
                    "text": "{\"test\":\"data\",\"value\":123}",
                },
            },
        ]),
        "test_error_handling" => json!([{ "type": "text", "text": "This tool intentionally returns an error for testing" }]),
        _ => json!([{ "type": "text", "text": "Done" }]),
    };
    json!({ "content": content, "isError": name == "test_error_handling", "resultType": "complete" })
}

/// One of the suite's prompts, when it is one.
pub(super) fn get_prompt(request: &GetPromptRequestParams) -> Option<Result<GetPromptResponse, ErrorData>> {
    let empty = Map::new();
    let args = request.arguments.as_ref().unwrap_or(&empty);
    let arg = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
    let user = |content: Value| json!({ "role": "user", "content": content });
    let says = |text: &str| user(json!({ "type": "text", "text": text }));
    let messages = match request.name.as_str() {
        "test_simple_prompt" => json!([says("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            json!([says(&format!("Prompt with arguments: arg1='{}', arg2='{}'", arg("arg1"), arg("arg2")))])
        }
        "test_prompt_with_embedded_resource" => {
            let resource =
                json!({ "uri": arg("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content for testing." });
            let embedded = user(json!({ "type": "resource", "resource": resource }));
            json!([embedded, says("Please process the embedded resource above.")])
        }
        "test_prompt_with_image" => {
            let image = user(json!({ "type": "image", "data": PNG, "mimeType": "image/png" }));
            json!([image, says("Please analyze the image above.")])
        }
        "test_input_required_result_prompt" => return Some(inputs::prompt(request)),
        _ => return None,
    };
    let result = answered::<GetPromptResult>(json!({ "messages": messages, "resultType": "complete" }));
    Some(result.map(GetPromptResponse::from))
}

/// One of the suite's resources, when it is one.
pub(super) fn read_resource(uri: &str) -> Option<ReadResourceResult> {
    let content = match uri {
        "test://static-text" => {
            json!({ "uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource." })
        }
        "test://watched-resource" => json!({ "uri": uri, "mimeType": "text/plain", "text": "This does not change." }),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        }
    };
    read(json!({ "contents": [content], "resultType": "complete" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_the_protocol_s() {
        assert_eq!((tools().len(), prompts().len(), resources().len(), templates().len()), (PLAIN.len() + 13, 5, 3, 1));
        for name in PLAIN {
            assert!(read::<CallToolResult>(fixed(name)).is_some(), "{name}");
        }
        for prompt in prompts() {
            assert!(get_prompt(&GetPromptRequestParams::new(prompt.name.clone())).unwrap().is_ok(), "{}", prompt.name);
        }
        for uri in resources().iter().map(|resource| resource.uri.as_str()).chain(["test://template/123/data"]) {
            assert!(read_resource(uri).is_some(), "{uri}");
        }
        assert!(read_resource("test://nothing").is_none() && !has_tool("run_sql"));
        let schema = &tools().iter().find(|tool| tool.name == "json_schema_2020_12_tool").unwrap().input_schema;
        assert!(["$schema", "$defs", "allOf", "if", "then", "else"].iter().all(|key| schema.contains_key(*key)));
    }
}
