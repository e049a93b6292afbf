//! The one trait.

use std::{fmt::Debug, pin::Pin};

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Completion, Event, LlmError, Request, Spender};

/// An answer on its way. Dropping it closes the connection to the provider. After an error nothing more comes, and
/// without one the last event is [`Event::Done`].
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, LlmError>> + Send>>;

/// What is known of a provider without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Names the kind of provider: `openai`, `anthropic`, `openai-compatible`, `scripted`.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// The model that it asks when a request names none.
    pub model: String,
    /// The model that it asks for vectors when a request names none; absent: such requests are refused.
    pub embedding_model: Option<String>,
}

/// Asks language models. Share it as `Arc<dyn Provider>`.
#[async_trait]
pub trait Provider: Send + Sync + Debug {
    /// What is known of it without asking.
    fn info(&self) -> ProviderInfo;

    /// Asks, and hands on the answer as it comes.
    ///
    /// # Errors
    /// Any of [`LlmError`], also later, from the stream.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream closes the connection. What the provider had done is lost and may be charged.
    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError>;

    /// Asks, and waits for all of the answer.
    ///
    /// # Errors
    /// Any of [`LlmError`].
    ///
    /// # Cancel safety
    /// As for [`Self::stream`].
    async fn complete(&self, request: &Request) -> Result<Completion, LlmError> {
        collect(self.stream(request).await?, |_| ()).await
    }

    /// Turns texts into vectors.
    ///
    /// # Errors
    /// Any of [`LlmError`]; `Unsupported` when the provider has no such models.
    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError>;

    /// Asks the provider for a sign of life that costs no tokens, and returns what it said of itself.
    ///
    /// # Errors
    /// Any of [`LlmError`].
    async fn probe(&self) -> Result<String, LlmError>;
}

/// Answers with more text, thinking or calls than this are refused.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Reads a stream to its end, showing each event to `observe` as it comes.
///
/// # Errors
/// What the stream fails with, and `TooLarge` beyond [`OUTPUT_BYTES_MAX`].
pub async fn collect(mut events: EventStream, mut observe: impl FnMut(&Event) + Send) -> Result<Completion, LlmError> {
    let mut completion = Completion::empty();
    let mut bytes = 0_usize;
    while let Some(event) = events.next().await {
        let event = event?;
        bytes = bytes.saturating_add(event.size_bytes());
        if bytes > OUTPUT_BYTES_MAX {
            return Err(LlmError::TooLarge { bytes_max: OUTPUT_BYTES_MAX });
        }
        observe(&event);
        completion.add(event);
    }
    Ok(completion)
}

/// Texts to be turned into vectors.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// The model's name at its provider; absent: the provider's default for this.
    pub model: Option<String>,
    /// The texts, none of them empty.
    pub inputs: Vec<String>,
    /// Ends the work.
    pub cancel: CancellationToken,
    /// When the answer must be there.
    pub deadline: Option<Instant>,
    /// Who pays.
    pub spender: Option<Spender>,
}

impl EmbedRequest {
    /// Texts for the default model.
    #[must_use]
    pub fn new(inputs: Vec<String>) -> Self {
        Self { model: None, inputs, cancel: CancellationToken::new(), deadline: None, spender: None }
    }
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text, in their order, all of the same length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read.
    pub tokens: u64,
    /// The model that made them. Vectors of different models do not compare.
    pub model: String,
}
