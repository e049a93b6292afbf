//! Chat completions, and how its many servers differ.

use gristmill_llm::{
    Effort, EmbedRequest, Format, LlmError, Message, OutputSchema, Provider, Request, StopReason, Tool, ToolCall, ToolChoice,
    wire::ChatCompletions,
};
use serde_json::{Value, json};

use crate::server::Server;

const TEXT: &str = r#"data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"c1","choices":[{"index":0,"delta":{"reasoning_content":"Hm."},"finish_reason":null}]}

data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Drei "},"finish_reason":null}]}

data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Äpfel"},"finish_reason":null}]}

data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":2}}}

data: [DONE]

"#;

const SPLIT_CALLS: &str = r#"data: {"choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"run_sql","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"sql\":"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"list_tables","arguments":"{}"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"select 1\"}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: [DONE]

"#;

/// Whole calls that all have the index 0, the end said as `stop`, and no `[DONE]`.
const WHOLE_CALLS: &str = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"a","arguments":"{}"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_2","function":{"name":"b","arguments":{"x":1}}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"c","arguments":"{\"y\":2}"},"id":"call_3"}]},"finish_reason":"stop"}]}

"#;

fn model(server: &Server) -> ChatCompletions {
    ChatCompletions::new(&server.endpoint("/api/v1"), "llama3").unwrap()
}

fn question() -> Request {
    Request::new(vec![Message::user("How many?")])
}

#[tokio::test]
async fn text_thinking_and_usage_come_through() {
    let server = Server::of_events(TEXT);
    let answer = model(&server).complete(&question().with_effort(Effort::Low).with_temperature(0.2)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.thinking.as_str(), answer.stop), ("Drei Äpfel", "Hm.", StopReason::Finished));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.total_tokens, usage.cached_tokens(), usage.reasoning_tokens()), (16, 8, 2));
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/api/v1/chat/completions");
    let expected = json!({ "model": "llama3", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "How many?" }], "max_tokens": 2048, "reasoning_effort": "low",
        "temperature": asked.body["temperature"] });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn calls_are_put_together_however_they_come() {
    let calls = async |events: &'static str| {
        let server = Server::of_events(events);
        let answer = model(&server).complete(&question()).await.unwrap();
        assert_eq!(answer.stop, StopReason::ToolCalls);
        answer.tool_calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect::<Vec<_>>()
    };
    let expect = |id: &str, name: &str, arguments: Value| (id.to_owned(), name.to_owned(), arguments);
    let split = [expect("call_a", "run_sql", json!({ "sql": "select 1" })), expect("call_b", "list_tables", json!({}))];
    assert_eq!(calls(SPLIT_CALLS).await, split);
    let whole =
        [expect("call_1", "a", json!({})), expect("call_2", "b", json!({ "x": 1 })), expect("call_3", "c", json!({ "y": 2 }))];
    assert_eq!(calls(WHOLE_CALLS).await, whole);
}

#[tokio::test]
async fn a_conversation_is_sent_as_messages() {
    let server = Server::of_events(TEXT);
    let call = ToolCall { id: "call_a".into(), name: "f".into(), arguments: json!({ "x": 1 }), signature: None };
    let said = Message::Assistant { text: String::new(), thoughts: vec![], tool_calls: vec![call.clone()] };
    let messages = vec![Message::system("s"), Message::user("u"), said, Message::tool_error(&call, "no")];
    let tool = Tool { name: "f".into(), description: "d".into(), parameters: json!({ "type": "object" }) };
    let request = Request::new(messages).with_tools(vec![tool], ToolChoice::None);
    model(&server).complete(&request).await.unwrap();
    let body = &server.asked()[0].body;
    let expected = json!([
        { "role": "system", "content": "s" }, { "role": "user", "content": "u" },
        { "role": "assistant", "content": "", "tool_calls": [
            { "id": "call_a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }] },
        { "role": "tool", "tool_call_id": "call_a", "content": "no" },
    ]);
    assert_eq!((&body["messages"], &body["tool_choice"]), (&expected, &json!("none")));
    let function = json!({ "name": "f", "description": "d", "parameters": { "type": "object" } });
    assert_eq!(body["tools"], json!([{ "type": "function", "function": function }]));
}

#[tokio::test]
async fn a_server_without_schemas_is_asked_in_words() {
    let server = Server::start(|_, asked, line| match asked.body["response_format"]["type"].as_str() {
        Some(kind) => line.json("400 Bad Request", "", &json!({ "error": { "message": format!("{kind} is not supported") } })),
        None => line.events(TEXT, 1000),
    });
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let request = question().with_format(Format::Schema(OutputSchema::new("answer", schema.clone())));
    let model = model(&server);
    model.complete(&request).await.unwrap();
    model.complete(&request).await.unwrap();
    let asked = server.asked();
    let kinds: Vec<&Value> = asked.iter().map(|asked| &asked.body["response_format"]["type"]).collect();
    assert_eq!(
        kinds,
        [&json!("json_schema"), &json!("json_object"), &Value::Null, &Value::Null],
        "what it refused once is not tried again"
    );
    assert_eq!(asked[0].body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(asked[0].body["messages"].as_array().unwrap().len(), 1);
    assert!(asked[3].body["messages"][0]["content"].as_str().unwrap().contains(&schema.to_string()));
    // Free text has no form that could be the reason.
    let server = Server::start(|_, _, line| line.json("400 Bad Request", "", &json!({ "error": "model 'llama3' not found" })));
    let error = self::model(&server).complete(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Refused { status: 400, .. }) && server.asked().len() == 1, "{error:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_no_answer() {
    let server = Server::of_events("data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n");
    assert!(matches!(model(&server).complete(&question()).await, Err(LlmError::Unavailable { .. })));
    let server = Server::of_events("data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\ndata: [DONE]\n\n");
    assert!(matches!(model(&server).complete(&question()).await, Err(LlmError::Unavailable { .. })));
    let server = Server::of_events("data: {\"choices\":[{\"delta\":{\"content\":\"cut\"},\"finish_reason\":\"length\"}]}\n\n");
    assert_eq!(model(&server).complete(&question()).await.unwrap().stop, StopReason::Length);
    let server = Server::of_events("data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n");
    assert!(matches!(model(&server).complete(&question()).await, Err(LlmError::Unavailable { .. })));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let message = json!({ "content": "three", "tool_calls": [{ "id": "c", "function": { "name": "f", "arguments": "{}" } }] });
    let whole = json!({ "choices": [{ "message": message, "finish_reason": "tool_calls" }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2 } });
    let server = Server::start(move |_, _, line| line.json("200 OK", "", &whole));
    let answer = model(&server).complete(&question()).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.tool_calls.len(), answer.usage.unwrap().total_tokens), ("three", 1, 3));
    let server = Server::start(|_, _, line| line.json("200 OK", "", &json!({ "hello": "world" })));
    assert!(matches!(model(&server).complete(&question()).await, Err(LlmError::Protocol { .. })));
}

#[tokio::test]
async fn vectors_need_a_model_for_them() {
    let server = Server::start(|_, _, line| line.json("200 OK", "", &json!({ "data": [{ "embedding": [1.0, 0.0] }] })));
    let texts = || EmbedRequest::new(vec!["x".into()]);
    assert!(matches!(model(&server).embed(&texts()).await, Err(LlmError::Unsupported { .. })));
    assert_eq!(model(&server).info().embedding_model, None);
    let answer = model(&server).with_embedding_model("nomic-embed-text").embed(&texts()).await.unwrap();
    assert_eq!((answer.vectors, answer.tokens), (vec![vec![1.0, 0.0]], 0));
    assert_eq!(server.asked()[0].body["model"], "nomic-embed-text");
}
