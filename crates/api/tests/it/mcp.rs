//! The Model Context Protocol, as its clients speak it (contract 2, section 6).

mod approvals;
mod calls;
mod front;
mod jobs;
mod reading;
mod suite;
mod tenancy;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Client};

/// What every request must accept.
const ACCEPT: &str = "application/json, text/event-stream";

/// Somebody who speaks the protocol in one of its revisions.
struct Mcp {
    client: Client,
    revision: &'static str,
    /// What the client says it can do, where each request says so.
    capabilities: Value,
}

impl Mcp {
    /// Of the revision that most clients have.
    fn of(client: &Client) -> Self {
        Self { client: client.clone(), revision: "2025-11-25", capabilities: json!({}) }
    }

    /// Of the revision without a handshake.
    fn newest(client: &Client, capabilities: Value) -> Self {
        Self { client: client.clone(), revision: "2026-07-28", capabilities }
    }

    fn is_newest(&self) -> bool {
        self.revision == "2026-07-28"
    }

    /// A request with what its revision wants beside the method and the parameters.
    fn request(&self, method: &str, params: &Value) -> RequestBuilder {
        let mut params = params.clone();
        let mut request = self.client.request(Method::POST, "/api/mcp").header("Accept", ACCEPT);
        if method != "initialize" {
            request = request.header("MCP-Protocol-Version", self.revision);
        }
        if self.is_newest() {
            request = request.header("Mcp-Method", method);
            if let Some(name) = ["name", "uri", "taskId"].iter().find_map(|key| params[*key].as_str()) {
                request = request.header("Mcp-Name", name);
            }
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.revision,
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            });
        }
        request.json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
    }

    async fn send(&self, method: &str, params: &Value) -> Answer {
        self.client.send(self.request(method, params)).await
    }

    /// All messages that a request is answered with, the answer last.
    async fn messages(&self, method: &str, params: &Value) -> Vec<Value> {
        messages(&self.send(method, params).await)
    }

    /// The result of a request that must have one.
    async fn ask(&self, method: &str, params: &Value) -> Value {
        let answer = self.messages(method, params).await.pop().unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{method}: {answer}");
        assert!(answer["result"].is_object(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The error of a request that must have one.
    async fn refuse(&self, method: &str, params: &Value) -> Value {
        let answer = self.messages(method, params).await.pop().unwrap();
        assert!(answer["error"]["code"].is_i64() && answer["error"]["message"].is_string(), "{method} {params}: {answer}");
        answer["error"].clone()
    }

    /// The result of a call.
    async fn call(&self, tool: &str, args: &Value) -> Value {
        self.ask("tools/call", &json!({ "name": tool, "arguments": args })).await
    }

    /// What a call gives that must succeed, which its text says too.
    async fn give(&self, tool: &str, args: &Value) -> Value {
        let result = self.call(tool, args).await;
        assert_eq!(result["isError"], false, "{tool} {args}: {result}");
        let structured = result["structuredContent"].clone();
        let text = result["content"][0]["text"].as_str().unwrap();
        let said = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let wrapped = [json!({ "items": said }), json!({ "output": said })];
        assert!(said == structured || wrapped.contains(&structured), "{tool}: {result}");
        structured
    }

    /// Why a call fails that must fail, in words and for programs alike.
    async fn fail(&self, tool: &str, args: &Value) -> String {
        let result = self.call(tool, args).await;
        assert_eq!(result["isError"], true, "{tool} {args}: {result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(result["structuredContent"]["error"], text, "{tool}: {result}");
        text.to_owned()
    }
}

/// The messages of an answer, whichever form it has.
fn messages(answer: &Answer) -> Vec<Value> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let media_type = answer.headers.get("content-type").map(|value| value.to_str().unwrap()).unwrap_or_default();
    if media_type.starts_with("application/json") {
        return vec![parse(&answer.text)];
    }
    assert!(media_type.starts_with("text/event-stream"), "{}: {media_type}: {}", answer.status, answer.text);
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
    let found: Vec<Value> = data.filter(|data| !data.trim().is_empty()).map(parse).collect();
    assert!(!found.is_empty(), "no message in {}", answer.text);
    found
}
