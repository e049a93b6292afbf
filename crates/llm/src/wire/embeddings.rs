//! `POST {base}/embeddings`, which OpenAI and its lookalikes have in common.

use serde::Deserialize;
use serde_json::json;

use super::nothing_to_embed;
use crate::{EmbedRequest, Embeddings, LlmError, http::Http};

/// OpenAI's small model for this.
pub(super) const OPENAI_MODEL: &str = "text-embedding-3-small";
/// Texts of one request: what providers accept is 100 to 2048.
const BATCH: usize = 96;
/// Longer vectors are not accepted.
const DIMENSIONS_MAX: usize = 16_384;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Tokens,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Deserialize, Default)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
}

/// Asks in batches, one after the other.
pub(super) async fn embed(http: &Http, request: &EmbedRequest, default_model: &str) -> Result<Embeddings, LlmError> {
    let model = request.model.as_deref().unwrap_or(default_model);
    if let Some(nothing) = nothing_to_embed(request, model) {
        return Ok(nothing);
    }
    let watch = http.watch(&request.cancel, request.deadline, false);
    let mut vectors = Vec::with_capacity(request.inputs.len());
    let mut tokens = 0_u64;
    for batch in request.inputs.chunks(BATCH) {
        let body = json!({ "model": model, "input": batch, "encoding_format": "float" });
        let answer = http.post("embeddings", &body, &watch).await?;
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|error| LlmError::protocol(format!("the vectors have another form: {error}")))?;
        tokens = tokens.saturating_add(answer.usage.prompt_tokens);
        vectors.extend(in_order(answer.data, batch.len())?);
    }
    let length = vectors.first().map_or(0, Vec::len);
    if length == 0 || length > DIMENSIONS_MAX || vectors.iter().any(|vector| vector.len() != length) {
        return Err(LlmError::protocol("the vectors are empty, too long or of different lengths"));
    }
    if vectors.iter().flatten().any(|value| !value.is_finite()) {
        return Err(LlmError::protocol("a vector has a value that is not finite"));
    }
    Ok(Embeddings { vectors, tokens, model: model.to_owned() })
}

/// The vectors in the order of the texts, which `index` tells.
fn in_order(mut items: Vec<Item>, expected: usize) -> Result<Vec<Vec<f32>>, LlmError> {
    if items.len() != expected {
        return Err(LlmError::protocol(format!("there are {} vectors for {expected} texts", items.len())));
    }
    items.sort_by_key(|item| item.index);
    let distinct = items.iter().enumerate().all(|(place, item)| item.index.is_none_or(|index| index == place));
    if !distinct {
        return Err(LlmError::protocol("the vectors are not numbered as the texts"));
    }
    Ok(items.into_iter().map(|item| item.embedding).collect())
}
