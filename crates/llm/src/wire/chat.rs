//! Chat completions, as OpenAI has them and Ollama, vLLM, llama.cpp and gateways after it.

mod decode;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use self::decode::ChatDecoder;
use super::{
    embeddings,
    form::{Form, Forms, messages_for},
    is_strict, list_models, sign_of_life, takes_no_temperature,
};
use crate::{
    EmbedRequest, Embeddings, EventStream, Format, LlmError, Message, Provider, ProviderInfo, Request, ToolChoice,
    http::{Endpoint, Http, KeyHeader},
};

/// Asks by `POST {base}/chat/completions`.
#[derive(Debug, Clone)]
pub struct ChatCompletions {
    http: Http,
    label: String,
    model: String,
    embedding_model: Option<String>,
    forms: Arc<Forms>,
    /// OpenAI itself has another name for the limit.
    is_openai: bool,
}

impl ChatCompletions {
    /// A client of an endpoint, with the model that is asked when a request names none.
    ///
    /// # Errors
    /// `Unavailable` when the machine has no certificates; `Authentication` when the key cannot be sent.
    pub fn new(endpoint: &Endpoint, model: impl Into<String>) -> Result<Self, LlmError> {
        let http = Http::new(endpoint, KeyHeader::Bearer)?;
        let host = http.base_url().host_str().unwrap_or_default().to_owned();
        let is_openai = host == "api.openai.com";
        Ok(Self { http, label: host, model: model.into(), embedding_model: None, forms: Arc::default(), is_openai })
    }

    /// Turns texts into vectors by this model when a request names none. Without, such requests are refused.
    #[must_use]
    pub fn with_embedding_model(mut self, model: impl Into<String>) -> Self {
        self.embedding_model = Some(model.into());
        self
    }

    fn body(&self, request: &Request, form: Form) -> Value {
        let model = request.model.as_deref().unwrap_or(&self.model);
        let mut body = Map::new();
        body.insert("model".into(), json!(model));
        body.insert("stream".into(), json!(true));
        body.insert("stream_options".into(), json!({ "include_usage": true }));
        body.insert("messages".into(), messages_for(request, form).iter().map(message).collect());
        let limit = if self.is_openai { "max_completion_tokens" } else { "max_tokens" };
        body.insert(limit.into(), json!(request.output_tokens_max));
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                let function = json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters });
                json!({ "type": "function", "function": function })
            });
            body.insert("tools".into(), tools.collect());
            let choice = match request.tool_choice {
                ToolChoice::Auto => "auto",
                ToolChoice::Any => "required",
                ToolChoice::None => "none",
            };
            body.insert("tool_choice".into(), json!(choice));
        }
        match (&request.format, form) {
            (Format::Text, _) | (_, Form::Words) => {}
            (Format::Schema(schema), Form::Schema) => {
                let strict = is_strict(&schema.schema);
                let schema = json!({ "name": schema.name, "schema": schema.schema, "strict": strict });
                body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": schema }));
            }
            (Format::Json, _) | (Format::Schema(_), Form::Json) => {
                body.insert("response_format".into(), json!({ "type": "json_object" }));
            }
        }
        if let Some(effort) = request.effort {
            body.insert("reasoning_effort".into(), json!(effort));
        }
        if let Some(temperature) = request.temperature.filter(|_| !takes_no_temperature(model)) {
            body.insert("temperature".into(), json!(temperature));
        }
        Value::Object(body)
    }
}

#[async_trait]
impl Provider for ChatCompletions {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            id: "openai-compatible".into(),
            label: self.label.clone(),
            model: self.model.clone(),
            embedding_model: self.embedding_model.clone(),
        }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let watch = self.http.watch(&request.cancel, request.deadline, request.effort.is_some());
        let mut form = self.forms.best();
        loop {
            let body = self.body(request, form);
            let answer = self.http.stream("chat/completions", &body, watch.clone(), Box::new(ChatDecoder::default())).await;
            match answer {
                Ok(events) => {
                    self.forms.settle(form);
                    return Ok(events);
                }
                Err(error) => form = Forms::after(form, request, &error).ok_or(error)?,
            }
        }
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        let model = match (&request.model, &self.embedding_model) {
            (Some(model), _) | (None, Some(model)) => model,
            (None, None) => return Err(LlmError::Unsupported { what: "vectors of texts (no LLM_EMBEDDING_MODEL is set)" }),
        };
        embeddings::embed(&self.http, request, model).await
    }

    async fn probe(&self) -> Result<String, LlmError> {
        let watch = self.http.watch(&Default::default(), None, false);
        sign_of_life(&list_models(&self.http, "models", &watch).await?, &self.model)
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({ "role": "system", "content": text }),
        Message::User { text } => json!({ "role": "user", "content": text }),
        Message::Assistant { text, tool_calls, .. } if tool_calls.is_empty() => json!({ "role": "assistant", "content": text }),
        Message::Assistant { text, tool_calls, .. } => {
            let calls = tool_calls.iter().map(|call| {
                let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
                json!({ "id": call.id, "type": "function", "function": function })
            });
            json!({ "role": "assistant", "content": text, "tool_calls": calls.collect::<Value>() })
        }
        Message::ToolResult { call_id, content, .. } => json!({ "role": "tool", "tool_call_id": call_id, "content": content }),
    }
}
