//! Vectors by the language model's provider.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_documents::{EmbedError, Embedder, Texts};
use gristmill_llm::{EmbedRequest, LlmError, Provider, Spender};
use tokio::time::Instant;

/// What is sent of a text. No tokenizer makes more tokens than there are bytes, and models take 8191 and more.
const TEXT_BYTES_MAX: usize = 8000;

#[derive(Debug)]
pub(super) struct ProviderEmbedder {
    provider: Arc<dyn Provider>,
    model: String,
    timeout: Duration,
}

impl ProviderEmbedder {
    /// The provider's model for vectors; `timeout` is for one request.
    pub(super) fn new(provider: Arc<dyn Provider>, model: String, timeout: Duration) -> Self {
        Self { provider, model, timeout }
    }
}

#[async_trait]
impl Embedder for ProviderEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let inputs = texts.all.iter().map(|text| cut(text)).collect();
        let request = EmbedRequest {
            deadline: Some(Instant::now() + self.timeout),
            spender: Some(Spender { user: texts.payer.user, project: texts.payer.project }),
            ..EmbedRequest::new(inputs)
        };
        self.provider.embed(&request).await.map(|answer| answer.vectors).map_err(|error| embed_error(&error))
    }
}

/// The beginning of a text. Providers refuse empty ones, which mean nothing anyway.
fn cut(text: &str) -> String {
    let kept = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    if kept.is_empty() { " ".to_owned() } else { kept.to_owned() }
}

fn embed_error(error: &LlmError) -> EmbedError {
    let reason = crate::error::chain(error);
    match error {
        LlmError::Refused { status: 400 | 413 | 422, .. } => EmbedError::Refused(reason),
        LlmError::BudgetExhausted { .. } | LlmError::Busy { scope: "user" | "project" } => EmbedError::Unaffordable(reason),
        LlmError::Protocol { .. } | LlmError::TooLarge { .. } => EmbedError::Malformed(reason),
        _ => EmbedError::Unavailable(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_never_empty() {
        assert_eq!(cut("mill\u{0}"), "mill\u{0}");
        assert_eq!(cut(""), " ");
        assert_eq!(cut(&"x".repeat(1 << 20)).len(), TEXT_BYTES_MAX);
        assert_eq!(cut(&"水".repeat(3000)).chars().count(), TEXT_BYTES_MAX / 3);
    }
}
