//! The port to a model that turns text into vectors, and what is done with it: chunks in batches, queries through a cache.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_domain::documents::{DocumentChunk, DocumentVectors, EmbeddedBy, VectorBlock};
use moka::future::Cache;

/// Chunks in one call: providers bound the size of a request.
const BATCH: usize = 64;
/// Chunks in one stored row.
const BLOCK: usize = 256;
/// Queries whose vectors are kept, and for how long.
const QUERIES_MAX: u64 = 500;
const QUERY_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Why there are no vectors.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// The model does not answer; later it may.
    #[error("the embedding model does not answer: {0}")]
    Unavailable(String),
    /// The model answered with something else than as many vectors of its dimension as there were texts.
    #[error("the embedding model answered with something else than vectors: {0}")]
    Malformed(String),
}

/// A model that turns text into vectors.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// The model's name with its version: vectors of different names are never compared.
    fn model(&self) -> &str;

    /// Numbers of a vector.
    fn dimension(&self) -> usize;

    /// Turns each text into a vector of any length but zero. Has a timeout of its own.
    ///
    /// # Errors
    /// [`EmbedError`].
    ///
    /// # Cancel safety
    /// Nothing is kept.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Embeds a document's chunks with their headings. `progress` gets the share that is done.
///
/// # Errors
/// [`EmbedError`].
///
/// # Cancel safety
/// Nothing is kept.
pub async fn embed_chunks(
    embedder: &dyn Embedder,
    chunks: &[DocumentChunk],
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<DocumentVectors, EmbedError> {
    let mut blocks: Vec<VectorBlock> = Vec::new();
    let mut done = 0_usize;
    for batch in chunks.chunks(BATCH) {
        let texts: Vec<String> = batch.iter().map(text_of).collect();
        for vector in checked(embedder, &texts).await? {
            if done % BLOCK == 0 {
                blocks.push(VectorBlock { first_chunk: u32::try_from(done).unwrap_or(u32::MAX), bytes: Vec::new() });
            }
            if let Some(block) = blocks.last_mut() {
                block.bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            }
            done += 1;
        }
        progress(share(done, chunks.len()));
    }
    let dimension = u32::try_from(embedder.dimension()).unwrap_or(u32::MAX);
    Ok(DocumentVectors { by: EmbeddedBy { model: embedder.model().to_owned(), dimension }, blocks })
}

fn text_of(chunk: &DocumentChunk) -> String {
    if chunk.heading.is_empty() || chunk.text.starts_with(&chunk.heading) {
        return chunk.text.clone();
    }
    format!("{}\n{}", chunk.heading, chunk.text)
}

#[expect(clippy::as_conversions, reason = "counts far below 2^52")]
fn share(done: usize, of: usize) -> f64 {
    done as f64 / of.max(1) as f64
}

/// Vectors of unit length, as many as there are texts.
async fn checked(embedder: &dyn Embedder, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
    let vectors = embedder.embed(texts).await?;
    if vectors.len() != texts.len() {
        return Err(EmbedError::Malformed(format!("{} vectors for {} texts", vectors.len(), texts.len())));
    }
    vectors.into_iter().map(|vector| unit(vector, embedder.dimension())).collect()
}

fn unit(mut vector: Vec<f32>, dimension: usize) -> Result<Vec<f32>, EmbedError> {
    if vector.len() != dimension {
        return Err(EmbedError::Malformed(format!("a vector of {} numbers instead of {dimension}", vector.len())));
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err(EmbedError::Malformed("a vector without a direction".to_owned()));
    }
    for number in &mut vector {
        *number /= length;
    }
    Ok(vector)
}

/// Vectors of queries. Equal queries at the same time are one call; failures are not kept.
#[derive(Debug, Clone)]
pub(crate) struct QueryVectors {
    embedder: Arc<dyn Embedder>,
    known: Cache<String, Arc<Vec<f32>>>,
}

impl QueryVectors {
    pub(crate) fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder, known: Cache::builder().max_capacity(QUERIES_MAX).time_to_live(QUERY_LIFETIME).build() }
    }

    pub(crate) fn embedder(&self) -> &dyn Embedder {
        self.embedder.as_ref()
    }

    pub(crate) async fn vector(&self, query: &str) -> Result<Arc<Vec<f32>>, EmbedError> {
        let embedder = Arc::clone(&self.embedder);
        let texts = vec![query.to_owned()];
        let embedding = async move {
            let vector = checked(embedder.as_ref(), &texts).await?.pop();
            vector.map(Arc::new).ok_or_else(|| EmbedError::Malformed("no vector".to_owned()))
        };
        self.known.try_get_with(query.to_owned(), embedding).await.map_err(|error| EmbedError::clone(&error))
    }
}
