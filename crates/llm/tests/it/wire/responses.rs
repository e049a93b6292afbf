//! OpenAI's Responses API.

use gristmill_llm::{
    Effort, EmbedRequest, Format, LlmError, Message, OutputSchema, Provider, Request, StopReason, Tool, ToolCall, ToolChoice,
    wire::Responses,
};
use serde_json::{Value, json};

use crate::{server::Server, wire::Check};

const TEXT: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}

event: response.reasoning_summary_part.added
data: {"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Counting."}

event: response.reasoning_summary_part.added
data: {"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":1,"delta":"Done."}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Drei "}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Äpfel"}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","error":null,"incomplete_details":null,"output":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Drei Äpfel","annotations":[]}]}],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":4},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":123}}}

"#;

const CALLS: &str = r#"event: response.output_item.added
data: {"type":"response.output_item.added","output_index":0,"item":{"id":"fc_1","type":"function_call","status":"in_progress","call_id":"call_a","name":"run_sql","arguments":""}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"{\"sql\":\"sel"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"ect 1\"}"}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":0,"arguments":"{\"sql\":\"select 1\"}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"id":"fc_1","type":"function_call","status":"completed","call_id":"call_a","name":"run_sql","arguments":"{\"sql\":\"select 1\"}"}}

event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[{"id":"fc_1","type":"function_call","call_id":"call_a","name":"run_sql","arguments":"{\"sql\":\"select 1\"}"},{"id":"fc_2","type":"function_call","call_id":"call_b","name":"list_tables","arguments":""}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}

"#;

fn model(server: &Server) -> Responses {
    Responses::new(&server.endpoint("/v1"), "gpt-5.4").unwrap()
}

fn question() -> Request {
    Request::new(vec![Message::user("How many?")])
}

#[tokio::test]
async fn text_thinking_and_usage_come_through() {
    let server = Server::of_events(TEXT);
    let answer = model(&server).complete(&question().with_effort(Effort::High)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.thinking.as_str()), ("Drei Äpfel", "Counting.\n\nDone."));
    let usage = serde_json::to_value(answer.usage.unwrap()).unwrap();
    assert_eq!(
        usage,
        json!({ "input_tokens": 36, "output_tokens": 87, "total_tokens": 123,
            "input_tokens_details": { "cached_tokens": 4 }, "output_tokens_details": { "reasoning_tokens": 64 } }),
        "passed through unchanged"
    );
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/responses"));
    assert_eq!(asked.header("authorization"), Some("Bearer sk-test-abcdefghijklmnopqrstuvwxyz"));
    let expected = json!({ "model": "gpt-5.4", "store": false, "stream": true, "input": [{ "role": "user", "content": "How many?" }],
        "max_output_tokens": 2048, "reasoning": { "effort": "high", "summary": "concise" } });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn calls_come_whole_and_once() {
    let server = Server::of_events(CALLS);
    let answer = model(&server).complete(&question()).await.unwrap();
    let calls: Vec<(&str, &str, &Value)> =
        answer.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), &call.arguments)).collect();
    assert_eq!(calls, [("call_a", "run_sql", &json!({ "sql": "select 1" })), ("call_b", "list_tables", &json!({}))]);
    assert_eq!(answer.stop, StopReason::ToolCalls);
}

#[tokio::test]
async fn a_conversation_is_sent_as_items() {
    let server = Server::of_events(TEXT);
    let call = ToolCall { id: "call_a".into(), name: "run_sql".into(), arguments: json!({ "sql": "select 1" }), signature: None };
    let said = Message::Assistant { text: "Let me see.".into(), thoughts: vec![], tool_calls: vec![call.clone()] };
    let messages = vec![Message::system("Be brief."), Message::user("How many?"), said, Message::tool_result(&call, "1")];
    let parameters = json!({ "type": "object", "properties": { "sql": { "type": "string" } } });
    let tool = Tool { name: "run_sql".into(), description: "Runs SQL.".into(), parameters: parameters.clone() };
    let schema = OutputSchema::new("answer", json!({ "type": "object", "properties": { "n": { "type": "integer" } } }));
    let request = Request::new(messages)
        .with_tools(vec![tool], ToolChoice::Any)
        .with_format(Format::Schema(schema.clone()))
        .with_temperature(0.5)
        .with_output_tokens_max(100);
    model(&server).complete(&request).await.unwrap();
    model(&server).complete(&request.with_model("gpt-4.1").with_format(Format::Json)).await.unwrap();
    let asked = server.asked();
    let input = json!([
        { "role": "system", "content": "Be brief." }, { "role": "user", "content": "How many?" },
        { "role": "assistant", "content": "Let me see." },
        { "type": "function_call", "call_id": "call_a", "name": "run_sql", "arguments": "{\"sql\":\"select 1\"}" },
        { "type": "function_call_output", "call_id": "call_a", "output": "1" },
    ]);
    let tools =
        json!([{ "type": "function", "name": "run_sql", "description": "Runs SQL.", "parameters": parameters, "strict": false }]);
    let body = &asked[0].body;
    assert_eq!((&body["input"], &body["tools"], &body["tool_choice"]), (&input, &tools, &json!("required")));
    let format = json!({ "type": "json_schema", "name": "answer", "schema": schema.schema, "strict": false });
    assert_eq!((&body["text"]["format"], &body["max_output_tokens"]), (&format, &json!(100)));
    assert!(body.get("temperature").is_none() && body.get("reasoning").is_none(), "gpt-5 takes no temperature");
    assert_eq!((&asked[1].body["temperature"], &asked[1].body["text"]["format"]["type"]), (&json!(0.5), &json!("json_object")));
}

#[tokio::test]
async fn what_ends_an_answer_early_is_told() {
    let incomplete = |reason: &str| {
        let response = json!({ "status": "incomplete", "incomplete_details": { "reason": reason },
            "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "half" }] }] });
        format!("data: {}\n\n", json!({ "type": "response.incomplete", "response": response }))
    };
    for (reason, stop) in [("max_output_tokens", StopReason::Length), ("content_filter", StopReason::Refused)] {
        let events = incomplete(reason);
        let server = Server::start(move |_, _, line| line.events(&events, 1000));
        let answer = model(&server).complete(&question()).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.stop), ("half", stop), "text that is only in the end counts");
    }
    let cases: [(Value, Check); 3] = [
        (json!({ "code": "rate_limit_exceeded", "message": "slow down" }), LlmError::is_transient),
        (json!({ "code": "server_error", "message": "oops" }), LlmError::is_transient),
        (json!({ "code": "invalid_prompt", "message": "no" }), |error| matches!(error, LlmError::Refused { .. })),
    ];
    for (error, check) in cases {
        let failed = json!({ "type": "response.failed", "response": { "status": "failed", "error": error, "output": [] } });
        let plain = json!({ "type": "error", "code": error["code"], "message": error["message"] });
        for event in [failed, plain] {
            let server = Server::start(move |_, _, line| line.events(&format!("data: {event}\n\n"), 1000));
            let error = model(&server).complete(&question()).await.unwrap_err();
            assert!(check(&error), "{error:?}");
        }
    }
    let refusal = "data: {\"type\":\"response.refusal.delta\",\"delta\":\"No.\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n";
    let server = Server::of_events(refusal);
    assert_eq!(model(&server).complete(&question()).await.unwrap().stop, StopReason::Refused);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({ "status": "completed", "output": [
        { "type": "message", "content": [{ "type": "output_text", "text": "three" }] },
        { "type": "function_call", "call_id": "c", "name": "f", "arguments": "not json" },
    ], "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2 } });
    let server = Server::start(move |_, _, line| line.json("200 OK", "", &whole));
    let answer = model(&server).complete(&question()).await.unwrap();
    assert_eq!((answer.text.as_str(), &answer.tool_calls[0].arguments), ("three", &json!("not json")));
}

#[tokio::test]
async fn texts_become_vectors_in_batches_and_in_order() {
    let server = Server::start(|_, asked, line| {
        let inputs = asked.body["input"].as_array().unwrap();
        let mut data: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(index, text)| json!({ "index": index, "embedding": [text.as_str().unwrap().parse::<f32>().unwrap(), 1.0] }))
            .collect();
        data.reverse();
        line.json("200 OK", "", &json!({ "data": data, "usage": { "prompt_tokens": inputs.len() } }));
    });
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let answer = model(&server).embed(&EmbedRequest::new(texts)).await.unwrap();
    assert!(answer.vectors.iter().enumerate().all(|(index, vector)| vector[0] == f32::from(u8::try_from(index).unwrap())));
    assert_eq!((answer.tokens, answer.model.as_str(), server.asked().len()), (100, "text-embedding-3-small", 2));
    assert!(model(&server).embed(&EmbedRequest::new(vec![])).await.unwrap().vectors.is_empty());
    assert_eq!(server.asked().len(), 2, "nothing is not asked");
    for wrong in [
        json!({ "data": [] }),
        json!({ "data": [{ "index": 1, "embedding": [1.0] }] }),
        json!({ "data": [{ "embedding": [] }] }),
        json!({ "data": [{ "embedding": "base64" }] }),
        json!({ "embedding": [1.0] }),
    ] {
        let shown = wrong.to_string();
        let server = Server::start(move |_, _, line| line.json("200 OK", "", &wrong));
        let error = model(&server).embed(&EmbedRequest::new(vec!["x".into()])).await.unwrap_err();
        assert!(matches!(error, LlmError::Protocol { .. }), "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn a_sign_of_life_tells_whether_the_model_is_there() {
    let server = Server::start(|_, asked, line| {
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/v1/models"));
        line.json("200 OK", "", &json!({ "data": [{ "id": "gpt-5.4" }, { "id": "gpt-4.1" }] }));
    });
    assert!(model(&server).probe().await.unwrap().contains("`gpt-5.4`"));
    let other = Responses::new(&server.endpoint("/v1/"), "gpt-6").unwrap();
    let error = other.probe().await.unwrap_err().to_string();
    assert!(error.contains("no model `gpt-6`") && error.contains("gpt-4.1"), "{error}");
}
