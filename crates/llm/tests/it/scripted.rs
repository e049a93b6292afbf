//! The scripted model: which turn answers, how it answers, and what it says when none does.

use std::time::Duration;

use futures_util::StreamExt;
use gristmill_llm::{
    Effort, EmbedRequest, Event, Format, LlmError, Message, OutputSchema, Provider, Request, StopReason, Tool, ToolChoice, Usage,
    scripted::{ScriptError, Scripted},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn script(value: &Value) -> Scripted {
    Scripted::from_value(value).unwrap()
}

fn said(text: &str) -> Request {
    Request::new(vec![Message::user(text)])
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: "d".into(), parameters: json!({ "type": "object" }) }
}

async fn mismatch(model: &Scripted, request: &Request) -> String {
    match model.complete(request).await {
        Err(LlmError::ScriptMismatch { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_turn_answers_in_the_order_that_models_do() {
    let model = script(&json!({ "turns": [{ "reply": {
        "thinking": ["Let me ", "see."], "text": ["One", " two"],
        "toolCalls": [{ "name": "list_tables" }, { "id": "mine", "name": "count", "arguments": { "table": "t" } }],
        "usage": { "input_tokens": 10, "output_tokens": 4, "total_tokens": 14 },
    } }] }));
    let events: Vec<Event> = model.stream(&said("hello")).await.unwrap().map(Result::unwrap).collect().await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            Event::Thinking(_) => "thinking",
            Event::Text(_) => "text",
            Event::ToolCall(_) => "call",
            Event::Usage(usage) => {
                assert_eq!(*usage, Usage::new(10, 4));
                "usage"
            }
            Event::Done(StopReason::ToolCalls) => "done",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["thinking", "thinking", "text", "text", "call", "call", "usage", "done"]);
    let Event::ToolCall(first) = &events[4] else { panic!() };
    assert_eq!((first.name.as_str(), &first.arguments), ("list_tables", &json!({})));
    let Event::ToolCall(second) = &events[5] else { panic!() };
    assert_eq!((second.id.as_str(), &second.arguments), ("mine", &json!({ "table": "t" })));
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn a_conversation_with_tools_is_replayed_with_what_was_found() {
    let model = script(&json!({ "turns": [
        { "name": "look", "when": { "lastUser": "How many", "tools": ["list_tables"] },
          "reply": { "toolCalls": [{ "name": "list_tables" }] } },
        { "name": "count", "when": { "toolResult": { "tool": "list_tables", "content": { "regex": r#""name":"(?<table>\w+)""# } } },
          "reply": { "toolCalls": [{ "name": "run_sql", "arguments": { "sql": ["SELECT count(*) FROM {{table}}"] } }] } },
        { "name": "retry", "when": { "toolResult": { "isError": true } }, "reply": { "text": "It failed." } },
        { "name": "tell", "when": { "toolResult": { "tool": "run_sql" } }, "reply": { "json": { "table": "{{table}}", "n": 3 } } },
    ] }));
    let mut messages = vec![Message::system("rules"), Message::user("How many orders?")];
    let ask = |messages: &[Message]| Request::new(messages.to_vec()).with_tools(vec![tool("list_tables")], ToolChoice::Auto);
    let first = model.complete(&ask(&messages)).await.unwrap();
    let call = first.tool_calls[0].clone();
    messages.push(first.into_message());
    messages.push(Message::tool_result(&call, r#"[{"name":"orders"}]"#));
    let second = model.complete(&ask(&messages)).await.unwrap();
    let call = second.tool_calls[0].clone();
    assert_eq!(call.arguments, json!({ "sql": ["SELECT count(*) FROM orders"] }));
    messages.push(second.into_message());
    let mut failed = messages.clone();
    failed.push(Message::tool_error(&call, "no such table"));
    assert_eq!(model.complete(&ask(&failed)).await.unwrap().text, "It failed.");
    messages.push(Message::tool_result(&call, "3"));
    let last = model.complete(&ask(&messages)).await.unwrap();
    assert_eq!(last.text, r#"{"table":"{{table}}","n":3}"#, "a name of another turn is left as it is");
    assert_eq!((last.stop, model.unused().len(), model.requests().len()), (StopReason::Finished, 0, 4));
}

#[tokio::test]
async fn what_fits_nothing_is_told_with_what_came_and_what_was_wanted() {
    let model = script(&json!({ "turns": [
        { "name": "greeting", "when": { "lastUser": { "contains": ["hello", "there"], "lacks": "you" } }, "reply": { "text": "hi" } },
        { "when": { "toolResult": { "tool": "count" } }, "reply": { "text": "3" } },
        { "when": { "tools": ["list_tables"] }, "reply": { "text": "x" } },
        { "when": { "format": "plan", "system": "x" }, "reply": { "text": "x" } },
        { "when": { "effort": "high" }, "reply": { "text": "x" } },
        { "when": { "model": "big" }, "reply": { "text": "x" } },
        { "when": { "toolChoice": "any" }, "reply": { "text": "x" } },
        { "when": { "anyMessage": { "regex": "^a+$" } }, "reply": { "text": "x" } },
        { "when": { "lastMessage": { "equals": "hello there" } }, "reply": { "text": "hi" } },
    ] }));
    let detail = mismatch(&model, &said("hello you").with_tools(vec![tool("count")], ToolChoice::Auto)).await;
    for part in [
        r#"what came: 1 messages; the last a person's: "hello you"; format `text`; tools count"#,
        r#"turn 1 `greeting`: the last message of a person must contain "hello" and must contain "there" and must not contain "you", and is "hello you""#,
        "turn 2: the conversation must end with a result of a tool",
        "turn 3: the tool `list_tables` must be offered",
        "turn 4: the format must be `plan` and is `text`",
        "turn 5: the effort must be Some(High) and is None",
        "turn 6: the model must be Some(\"big\") and is None",
        "turn 7: toolChoice must be Some(Any) and is Auto",
        "turn 8: no message must match /^a+$/",
        "turn 9: the last message must be \"hello there\"",
    ] {
        assert!(detail.contains(part), "{part}\nis missing in\n{detail}");
    }
    model.complete(&said("hello there")).await.unwrap();
    assert_eq!(model.complete(&said("hello there")).await.unwrap().text, "hi", "the ninth");
    assert!(mismatch(&model, &said("hello there")).await.contains("turn 1 `greeting`: used up"));
    let schema = OutputSchema::new("plan", json!({}));
    let fits = Request::new(vec![Message::system("x")]).with_format(Format::Schema(schema)).with_effort(Effort::Low);
    model.complete(&fits).await.unwrap();
}

#[tokio::test]
async fn turns_can_be_repeated_or_a_sequence() {
    let model = script(&json!({ "turns": [
        { "times": 2, "when": { "lastMessage": "a" }, "reply": { "text": "A" } },
        { "always": true, "reply": { "text": "else" } },
    ] }));
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(model.complete(&said("a")).await.unwrap().text);
    }
    assert_eq!(answers, ["A", "A", "else", "else"]);

    let turns = json!([{ "when": { "lastMessage": "a" }, "reply": {} }, { "when": { "lastMessage": "b" }, "reply": {} }]);
    let model = script(&json!({ "order": "sequence", "turns": turns }));
    let detail = mismatch(&model, &said("b")).await;
    assert!(detail.contains("sequence") && !detail.contains("turn 2"), "{detail}");
    model.complete(&said("a")).await.unwrap();
    model.complete(&said("b")).await.unwrap();
    assert!(mismatch(&model, &said("b")).await.contains("turn 2: used up"));
}

#[tokio::test]
async fn failures_come_at_once_or_in_the_middle() {
    let fails =
        |kind: &str| script(&json!({ "turns": [{ "reply": { "error": { "kind": kind, "message": "m", "retryAfterMs": 5 } } }] }));
    let error = async |kind: &str| fails(kind).stream(&said("x")).await.err().unwrap();
    assert!(matches!(error("authentication").await, LlmError::Authentication { .. }));
    assert_eq!(error("rate_limited").await.retry_after(), Some(Duration::from_millis(5)));
    assert!(error("unavailable").await.is_transient());
    assert!(matches!(error("timeout").await, LlmError::Timeout { .. }));
    assert!(matches!(error("refused").await, LlmError::Refused { status: 400, .. }));
    let model = script(&json!({ "turns": [{ "reply": { "text": "half", "error": { "kind": "unavailable" } } }] }));
    let mut events = model.stream(&said("x")).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Text("half".into()));
    assert!(matches!(events.next().await, Some(Err(LlmError::Unavailable { .. }))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_can_give_up() {
    let model = script(&json!({ "turns": [{ "always": true, "reply": { "text": "…", "hangs": true } }] }));
    let cancel = CancellationToken::new();
    let mut events = model.stream(&said("x").with_cancel(cancel.clone())).await.unwrap();
    events.next().await.unwrap().unwrap();
    cancel.cancel();
    assert!(matches!(events.next().await, Some(Err(LlmError::Cancelled))));
    let late = said("x").with_deadline(Instant::now() + Duration::from_secs(3));
    assert!(matches!(model.complete(&late).await, Err(LlmError::Timeout { .. })));
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert!(matches!(model.complete(&said("x").with_cancel(cancelled)).await, Err(LlmError::Cancelled)));
}

#[tokio::test]
async fn wrong_scripts_are_refused_with_the_place() {
    for (text, part) in [
        ("{", "line 1"),
        (r#"{"turns": [{"reply": {}, "wen": {}}]}"#, "wen"),
        (r#"{"turns": [{"when": {}}]}"#, "reply"),
        (r#"{"turns": [{"when": {"lastMessage": {"regex": "("}}, "reply": {}}]}"#, "regex"),
        (r#"{"turns": [{"reply": {"error": {"kind": "x"}}}]}"#, "rate_limited"),
        (r#"{"turns": [], "embeddingDimensions": 0}"#, "embeddingDimensions"),
    ] {
        let error = Scripted::from_json(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let path = std::path::Path::new("/nonexistent/script.json");
    assert!(matches!(Scripted::from_file(path), Err(ScriptError::Unreadable { .. })));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"turns": [{"reply": {"text": "from a file"}}]}"#).unwrap();
    let model = Scripted::from_file(file.path()).unwrap();
    assert_eq!(model.probe().await.unwrap(), "a script of 1 turns");
    assert_eq!(model.complete(&said("x")).await.unwrap().text, "from a file");
}

#[tokio::test]
async fn texts_become_vectors() {
    let model = script(&json!({ "turns": [], "embeddingDimensions": 32 }));
    let vectors =
        model.embed(&EmbedRequest::new(vec!["sales by month".into(), "sales by month".into(), "cats".into()])).await.unwrap();
    assert_eq!((vectors.vectors.len(), vectors.vectors[0].len()), (3, 32));
    assert_eq!(vectors.vectors[0], vectors.vectors[1]);
    assert_ne!(vectors.vectors[0], vectors.vectors[2]);
    assert_eq!((vectors.tokens, vectors.model.as_str()), (8, "scripted-32"));
}
