//! Asks a language model, with a tool that it may call, without the server.
//!
//! ```text
//! cargo run -p gristmill-llm --example ask                                   a scripted model, no network
//! cargo run -p gristmill-llm --example ask -- URL MODEL QUESTION...          a server that speaks chat completions
//! cargo run -p gristmill-llm --example ask -- http://127.0.0.1:11434/v1 llama3.2 How many orders are there?
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use futures_util::StreamExt;
use gristmill_llm::{
    Completion, Endpoint, Event, Message, Provider, Request, Tool, ToolChoice, collect,
    layers::{RetryPolicy, Retrying},
    scripted::Scripted,
    wire::ChatCompletions,
};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// Turns by which this program always says the same.
const SCRIPT: &str = r#"{"turns": [
    {"when": {"tools": ["count_rows"], "lastUser": {"regex": "many (?<table>\\w+)"}},
     "reply": {"thinking": "I should count.", "toolCalls": [{"name": "count_rows", "arguments": {"table": "{{table}}"}}]}},
    {"when": {"toolResult": {"tool": "count_rows", "content": {"regex": "(?<n>\\d+)"}}},
     "reply": {"text": ["There are ", "{{n}} of them."]}}
]}"#;
/// Rounds of calls before it gives up.
const ROUNDS_MAX: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (provider, question): (Arc<dyn Provider>, String) = match arguments.as_slice() {
        [url, model, question @ ..] if !question.is_empty() => {
            let wire = ChatCompletions::new(&Endpoint::new(url.parse()?, None), model)?;
            (Arc::new(Retrying::new(Arc::new(wire), RetryPolicy::default())), question.join(" "))
        }
        _ => (Arc::new(Scripted::from_json(SCRIPT)?), "How many orders are there?".to_owned()),
    };
    let parameters = json!({ "type": "object", "required": ["table"], "properties": { "table": { "type": "string" } } });
    let tool = Tool { name: "count_rows".into(), description: "Counts the rows of a table.".into(), parameters };
    let conversation = vec![Message::system("Answer briefly. Count with the tool."), Message::user(question)];
    let mut request = Request::new(conversation).with_tools(vec![tool], ToolChoice::Auto);
    for _ in 0..ROUNDS_MAX {
        let answer = tell(&*provider, &request).await?;
        let calls = answer.tool_calls.clone();
        request.messages.push(answer.into_message());
        if calls.is_empty() {
            return Ok(());
        }
        for call in &calls {
            println!("[calls {} with {}]", call.name, call.arguments);
            request.messages.push(Message::tool_result(call, r#"{"rows": 1042}"#));
        }
    }
    Err("it only makes calls".into())
}

/// Prints an answer as it comes.
async fn tell(provider: &dyn Provider, request: &Request) -> Result<Completion, Failure> {
    let events = provider.stream(request).await?.boxed();
    let answer = collect(events, |event| match event {
        Event::Text(text) => print!("{text}"),
        Event::Thinking(text) => println!("[thinks: {text}]"),
        Event::Done(_) => println!(),
        Event::Usage(usage) => print!(" [{} tokens]", usage.total_tokens),
        Event::Thought(_) | Event::ToolCall(_) => {}
    });
    Ok(answer.await?)
}
