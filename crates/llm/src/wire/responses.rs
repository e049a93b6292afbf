//! OpenAI's Responses API, as contract 2, section 5.3, describes its use.

mod decode;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use self::decode::ResponseDecoder;
use super::{embeddings, is_strict, list_models, sign_of_life, takes_no_temperature};
use crate::{
    EmbedRequest, Embeddings, EventStream, Format, LlmError, Message, Provider, ProviderInfo, Request, ToolChoice,
    http::{Endpoint, Http, KeyHeader},
};

/// Asks by `POST {base}/responses`.
#[derive(Debug, Clone)]
pub struct Responses {
    http: Http,
    model: String,
    embedding_model: String,
}

impl Responses {
    /// A client of an endpoint, with the model that is asked when a request names none.
    ///
    /// # Errors
    /// `Unavailable` when the machine has no certificates; `Authentication` when the key cannot be sent.
    pub fn new(endpoint: &Endpoint, model: impl Into<String>) -> Result<Self, LlmError> {
        let http = Http::new(endpoint, KeyHeader::Bearer)?;
        Ok(Self { http, model: model.into(), embedding_model: embeddings::OPENAI_MODEL.into() })
    }

    /// Turns texts into vectors by this model when a request names none.
    #[must_use]
    pub fn with_embedding_model(mut self, model: impl Into<String>) -> Self {
        self.embedding_model = model.into();
        self
    }
}

#[async_trait]
impl Provider for Responses {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            id: "openai".into(),
            label: "OpenAI".into(),
            model: self.model.clone(),
            embedding_model: Some(self.embedding_model.clone()),
        }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let watch = self.http.watch(&request.cancel, request.deadline, request.effort.is_some());
        let body = body(request, &self.model);
        self.http.stream("responses", &body, watch, Box::new(ResponseDecoder::default())).await
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        embeddings::embed(&self.http, request, &self.embedding_model).await
    }

    async fn probe(&self) -> Result<String, LlmError> {
        let watch = self.http.watch(&Default::default(), None, false);
        sign_of_life(&list_models(&self.http, "models", &watch).await?, &self.model)
    }
}

fn body(request: &Request, default_model: &str) -> Value {
    let model = request.model.as_deref().unwrap_or(default_model);
    let mut body = Map::new();
    body.insert("model".into(), json!(model));
    body.insert("store".into(), json!(false));
    body.insert("stream".into(), json!(true));
    body.insert("input".into(), Value::Array(request.messages.iter().flat_map(items).collect()));
    body.insert("max_output_tokens".into(), json!(request.output_tokens_max));
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false,
            })
        });
        body.insert("tools".into(), tools.collect());
        let choice = match request.tool_choice {
            ToolChoice::Auto => "auto",
            ToolChoice::Any => "required",
            ToolChoice::None => "none",
        };
        body.insert("tool_choice".into(), json!(choice));
    }
    if let Some(effort) = request.effort {
        body.insert("reasoning".into(), json!({ "effort": effort, "summary": "concise" }));
    }
    match &request.format {
        Format::Text => {}
        Format::Json => {
            body.insert("text".into(), json!({ "format": { "type": "json_object" } }));
        }
        Format::Schema(schema) => {
            let strict = is_strict(&schema.schema);
            let format = json!({ "type": "json_schema", "name": schema.name, "schema": schema.schema, "strict": strict });
            body.insert("text".into(), json!({ "format": format }));
        }
    }
    if let Some(temperature) = request.temperature.filter(|_| !takes_no_temperature(model)) {
        body.insert("temperature".into(), json!(temperature));
    }
    Value::Object(body)
}

/// A message as items of the input.
fn items(message: &Message) -> Vec<Value> {
    match message {
        Message::System { text } => vec![json!({ "role": "system", "content": text })],
        Message::User { text } => vec![json!({ "role": "user", "content": text })],
        Message::Assistant { text, tool_calls, .. } => {
            let said = (!text.is_empty()).then(|| json!({ "role": "assistant", "content": text }));
            let calls = tool_calls.iter().map(|call| {
                json!({
                    "type": "function_call", "call_id": call.id, "name": call.name,
                    "arguments": call.arguments.to_string(),
                })
            });
            said.into_iter().chain(calls).collect()
        }
        Message::ToolResult { call_id, content, .. } => {
            vec![json!({ "type": "function_call_output", "call_id": call_id, "output": content })]
        }
    }
}
