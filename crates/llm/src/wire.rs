//! Providers over HTTP, one module a wire format.

mod anthropic;
mod chat;
mod embeddings;
mod form;
mod responses;

pub use anthropic::AnthropicMessages;
pub use chat::ChatCompletions;
pub use responses::Responses;

use serde_json::Value;

use crate::http::Http;
use crate::{EmbedRequest, LlmError, http::Watch};

/// The default address of each provider.
pub mod addresses {
    /// OpenAI.
    pub const OPENAI: &str = "https://api.openai.com/v1";
    /// Anthropic.
    pub const ANTHROPIC: &str = "https://api.anthropic.com";
    /// Ollama on this machine.
    pub const OLLAMA: &str = "http://127.0.0.1:11434/v1";
}

/// Model names of OpenAI that take no temperature.
fn takes_no_temperature(model: &str) -> bool {
    ["gpt-5", "o1", "o3", "o4"].iter().any(|prefix| model.starts_with(prefix))
}

/// Whether a schema is of the kind that providers enforce to the letter: every object names all of its properties as
/// required, and allows no others.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            let is_object = properties.is_some() || fields.get("type").is_some_and(|kind| kind == "object");
            let closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
            let required: Vec<&str> =
                fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let complete = properties.is_none_or(|properties| properties.keys().all(|name| required.contains(&name.as_str())));
            (!is_object || (closed && complete)) && fields.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

/// The names of a provider's models, from the listing that all of them have: a request that costs nothing.
async fn list_models(http: &Http, path: &str, watch: &Watch) -> Result<Vec<String>, LlmError> {
    let answer = http.get(path, watch).await?;
    let Some(models) = answer.get("data").and_then(Value::as_array) else {
        return Err(LlmError::protocol("the list of models has no `data`"));
    };
    Ok(models.iter().filter_map(|model| model.get("id").and_then(Value::as_str)).map(ToOwned::to_owned).collect())
}

/// What a sign of life says: whether the provider has the model that is asked by default.
fn sign_of_life(models: &[String], default: &str) -> Result<String, LlmError> {
    let has = models.iter().any(|id| id == default || id.strip_suffix(":latest") == Some(default));
    if models.is_empty() || has {
        return Ok(format!("it answers and has the model `{default}`"));
    }
    let shown: Vec<&str> = models.iter().map(String::as_str).take(10).collect();
    let detail = format!("it answers, but has no model `{default}`; it has {} such as {}", models.len(), shown.join(", "));
    Err(LlmError::Refused { status: 404, detail })
}

/// An empty list of texts needs no request.
fn nothing_to_embed(request: &EmbedRequest, model: &str) -> Option<crate::Embeddings> {
    request.inputs.is_empty().then(|| crate::Embeddings { vectors: Vec::new(), tokens: 0, model: model.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strict_schemas_are_told() {
        let strict = json!({ "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": "array", "items": { "type": "string" } } } });
        assert!(is_strict(&strict));
        for (path, value) in [("/additionalProperties", json!(true)), ("/required", json!([]))] {
            let mut loose = strict.clone();
            *loose.pointer_mut(path).unwrap() = value;
            assert!(!is_strict(&loose), "{path}");
        }
        let nested = json!({ "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": "array", "items": { "type": "object" } } } });
        assert!(!is_strict(&nested));
    }

    #[test]
    fn the_default_model_must_be_there() {
        let models = ["a".to_owned(), "llama3:latest".to_owned()];
        for there in ["a", "llama3", "llama3:latest"] {
            sign_of_life(&models, there).unwrap();
        }
        assert!(sign_of_life(&models, "b").unwrap_err().to_string().contains("has no model `b`"));
        sign_of_life(&[], "b").unwrap();
    }
}
