//! Anthropic's Messages API.

use gristmill_llm::{
    Effort, EmbedRequest, Format, LlmError, Message, OutputSchema, Provider, Request, StopReason, Thought, Tool, ToolCall,
    ToolChoice, wire::AnthropicMessages,
};
use serde_json::{Value, json};

use crate::{server::Server, wire::Check};

const ANSWER: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":25,"cache_read_input_tokens":100,"cache_creation_input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"I should "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"look."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Ich schaue nach."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"run_sql","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"sql\": \"sel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"ect 1\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn model(server: &Server) -> AnthropicMessages {
    AnthropicMessages::new(&server.endpoint(""), "claude-opus-5").unwrap()
}

fn question() -> Request {
    Request::new(vec![Message::system("Be brief."), Message::user("How many?")])
}

fn tool() -> Tool {
    Tool { name: "run_sql".into(), description: "d".into(), parameters: json!({ "type": "object" }) }
}

#[tokio::test]
async fn text_thinking_calls_and_usage_come_through() {
    let server = Server::of_events(ANSWER);
    let answer = model(&server).complete(&question().with_effort(Effort::Medium).with_temperature(0.3)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.thinking.as_str()), ("Ich schaue nach.", "I should look."));
    let call = &answer.tool_calls[0];
    assert_eq!(
        (call.id.as_str(), &call.arguments, answer.stop),
        ("toolu_1", &json!({ "sql": "select 1" }), StopReason::ToolCalls)
    );
    let thought = Thought { text: "I should look.".into(), signature: "EqQBCgIYAhIM".into(), sealed: false };
    assert_eq!(answer.thoughts, [thought]);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cached_tokens()), (130, 89, 219, 100));
    let asked = &server.asked()[0];
    assert_eq!((asked.path.as_str(), asked.header("anthropic-version")), ("/v1/messages", Some("2023-06-01")));
    assert_eq!(asked.header("x-api-key"), Some("sk-test-abcdefghijklmnopqrstuvwxyz"));
    assert_eq!(asked.header("authorization"), None);
    let expected = json!({ "model": "claude-opus-5", "max_tokens": 2048, "stream": true, "system": "Be brief.",
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "How many?" }] }],
        "thinking": { "type": "adaptive", "display": "summarized" }, "output_config": { "effort": "medium" } });
    assert_eq!(asked.body, expected, "no temperature beside thinking");
}

#[tokio::test]
async fn a_conversation_goes_on_with_its_thinking() {
    let server = Server::of_events(ANSWER);
    let model = model(&server);
    let request = question().with_effort(Effort::High).with_tools(vec![tool()], ToolChoice::Auto);
    let answer = model.complete(&request).await.unwrap();
    let call = answer.tool_calls[0].clone();
    let mut next = request.clone();
    next.messages.push(answer.into_message());
    next.messages.push(Message::tool_error(&call, "no such table"));
    next.messages.push(Message::user("Try the other one."));
    model.complete(&next).await.unwrap();
    let body = &server.asked()[1].body;
    let expected = json!([
        { "role": "user", "content": [{ "type": "text", "text": "How many?" }] },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "I should look.", "signature": "EqQBCgIYAhIM" },
            { "type": "text", "text": "Ich schaue nach." },
            { "type": "tool_use", "id": "toolu_1", "name": "run_sql", "input": { "sql": "select 1" } } ] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "toolu_1", "content": "no such table", "is_error": true },
            { "type": "text", "text": "Try the other one." } ] },
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(body["tools"], json!([{ "name": "run_sql", "description": "d", "input_schema": { "type": "object" } }]));

    // Calls whose thinking is not there any more, and forced calls, go without thinking.
    let bare = ToolCall { id: "t".into(), name: "run_sql".into(), arguments: json!("no object"), signature: None };
    let said = Message::Assistant { text: String::new(), thoughts: vec![], tool_calls: vec![bare.clone()] };
    let mut lost = request.clone();
    lost.messages.extend([said, Message::tool_result(&bare, "1")]);
    model.complete(&lost).await.unwrap();
    model.complete(&request.with_tools(vec![tool()], ToolChoice::Any)).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[2].body["messages"][1]["content"][0]["input"], json!({}), "an input must be an object");
    assert!(asked[2].body.get("thinking").is_none() && asked[3].body.get("thinking").is_none());
    assert_eq!(asked[3].body["tool_choice"], json!({ "type": "any" }));

    // Results that a person says something after are results still; and where nothing may be called any more, the tools of
    // earlier calls are named, or the conversation is refused.
    lost.messages.push(Message::user("And?"));
    lost.tools.clear();
    model.complete(&lost).await.unwrap();
    let last = &server.asked()[4].body;
    assert!(last.get("thinking").is_none());
    assert_eq!((&last["tools"][0]["name"], &last["tool_choice"]), (&json!("run_sql"), &json!({ "type": "none" })));
    assert_eq!(last["tools"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn older_models_get_a_budget() {
    let server = Server::start(|_, asked, line| match asked.body["thinking"]["type"].as_str() {
        Some("adaptive") => {
            let error = json!({ "type": "invalid_request_error", "message": "adaptive thinking is not supported on this model" });
            line.json("400 Bad Request", "", &json!({ "type": "error", "error": error }));
        }
        _ => line.events(ANSWER, 1000),
    });
    let model = model(&server);
    let request = question().with_effort(Effort::Medium).with_output_tokens_max(4000);
    model.complete(&request).await.unwrap();
    model.complete(&request).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "what it refused once is not tried again");
    for asked in &asked[1..] {
        assert_eq!(asked.body["thinking"], json!({ "type": "enabled", "budget_tokens": 2000 }));
        assert_eq!((&asked.body["max_tokens"], asked.body.get("output_config")), (&json!(6000), None));
    }
}

#[tokio::test]
async fn schemas_are_enforced_or_told_in_words() {
    let server = Server::start(|_, asked, line| match asked.body.get("output_config") {
        Some(_) => {
            line.json("400 Bad Request", "", &json!({ "error": { "message": "output_config: Extra inputs are not permitted" } }))
        }
        None => line.events(ANSWER, 1000),
    });
    let strict = json!({ "type": "object", "additionalProperties": false, "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let request = |schema: &Value| question().with_format(Format::Schema(OutputSchema::new("a", schema.clone())));
    let model = model(&server);
    model.complete(&request(&strict)).await.unwrap();
    model.complete(&request(&strict)).await.unwrap();
    model.complete(&request(&json!({ "type": "object" }))).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0].body["output_config"], json!({ "format": { "type": "json_schema", "schema": strict } }));
    assert!(asked[1].body["system"].as_str().unwrap().contains(&strict.to_string()));
    assert!(asked[3].body["system"].as_str().unwrap().contains(r#"{"type":"object"}"#));
}

#[tokio::test]
async fn failures_inside_of_an_answer_are_told_apart() {
    let cases: [(&str, Check); 4] = [
        ("overloaded_error", LlmError::is_transient),
        ("rate_limit_error", |error| matches!(error, LlmError::RateLimited { .. })),
        ("authentication_error", |error| matches!(error, LlmError::Authentication { .. })),
        ("invalid_request_error", |error| matches!(error, LlmError::Refused { .. })),
    ];
    for (kind, check) in cases {
        let error = json!({ "type": "error", "error": { "type": kind, "message": "m" } });
        let server = Server::start(move |_, _, line| line.events(&format!("event: error\ndata: {error}\n\n"), 9));
        let error = model(&server).complete(&question()).await.unwrap_err();
        assert!(check(&error), "{kind}: {error:?}");
    }
    let server = Server::of_events("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n");
    assert!(matches!(model(&server).complete(&question()).await, Err(LlmError::Unavailable { .. })), "cut off");
}

#[tokio::test]
async fn other_shapes_are_understood() {
    let blocks = json!([{ "type": "redacted_thinking", "data": "opaque" }, { "type": "text", "text": "three" },
        { "type": "tool_use", "id": "t", "name": "f", "input": { "x": 1 } }]);
    let whole = json!({ "type": "message", "content": blocks, "stop_reason": "max_tokens", "usage": { "input_tokens": 3, "output_tokens": 4 } });
    let server = Server::start(move |_, _, line| line.json("200 OK", "", &whole));
    let with_version = AnthropicMessages::new(&server.endpoint("/proxy/v1"), "claude").unwrap();
    let answer = with_version.complete(&question()).await.unwrap();
    assert_eq!(server.asked()[0].path, "/proxy/v1/messages");
    assert_eq!(
        (answer.text.as_str(), answer.stop, &answer.tool_calls[0].arguments),
        ("three", StopReason::Length, &json!({ "x": 1 }))
    );
    assert!(answer.thoughts[0].sealed && answer.usage.unwrap().total_tokens == 7);
    let mut next = question().with_effort(Effort::Low);
    next.messages.push(answer.into_message());
    with_version.complete(&next).await.unwrap();
    let sent = &server.asked()[1].body["messages"][1]["content"][0];
    assert_eq!(*sent, json!({ "type": "redacted_thinking", "data": "opaque" }));
    assert!(matches!(with_version.embed(&EmbedRequest::new(vec!["x".into()])).await, Err(LlmError::Unsupported { .. })));
    // Only instructions: there must be a turn nevertheless.
    with_version.complete(&Request::new(vec![Message::system("s")])).await.unwrap();
    assert_eq!(server.asked()[2].body["messages"][0]["role"], "user");
}
