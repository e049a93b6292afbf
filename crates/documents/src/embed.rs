//! The port to a model that turns text into vectors, and what is done with it: chunks in batches, queries through a cache.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_domain::{
    ProjectId, UserId,
    documents::{DocumentChunk, DocumentVectors, EmbeddedBy, VectorBlock},
};
use moka::future::Cache;

/// Chunks in one call: providers bound the size of a request.
const BATCH: usize = 64;
/// Chunks in one stored row.
const BLOCK: usize = 256;
/// Queries whose vectors are kept, and for how long.
const QUERIES_MAX: u64 = 500;
const QUERY_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Longer vectors are not accepted.
const DIMENSION_MAX: usize = 16_384;

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model does not answer; later it may.
    #[error("the embedding model does not answer: {0}")]
    Unavailable(String),
    /// Whoever asks may not ask more now; others may.
    #[error("the embedding model has no room for this user: {0}")]
    Unaffordable(String),
    /// The model does not take these texts; later it will not either.
    #[error("the embedding model refuses the texts: {0}")]
    Refused(String),
    /// The model answered with something else than as many vectors of one length as there were texts.
    #[error("the embedding model answered with something else than vectors: {0}")]
    Malformed(String),
}

/// Who asks: whose budget pays, where vectors cost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payer {
    /// The user.
    pub user: UserId,
    /// The project that it is for, if it is for one.
    pub project: Option<ProjectId>,
}

/// What texts are. Somebody waits for the vector of a query, so queries go before passages where one waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// What is looked for.
    Query,
    /// Pieces of documents.
    Passage,
}

/// Texts that are to become vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The texts. Of any content and length; a model may take only their beginnings into account.
    pub all: &'a [String],
    /// What they are.
    pub kind: TextKind,
    /// Who asks.
    pub payer: Payer,
}

/// A model that turns text into vectors.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// The model's name with its version: vectors of different names are never compared.
    fn model(&self) -> &str;

    /// Turns each text into a vector of any length; all have as many numbers. A text in which the model finds nothing may get
    /// zeros, which are near nothing. Has a timeout of its own.
    ///
    /// # Errors
    /// [`EmbedError`].
    ///
    /// # Cancel safety
    /// Nothing is kept.
    async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Embeds a document's chunks, of which there is at least one, with their headings. `progress` gets the share that is done.
///
/// # Errors
/// [`EmbedError`].
///
/// # Cancel safety
/// Nothing is kept.
pub async fn embed_chunks(
    embedder: &dyn Embedder,
    chunks: &[DocumentChunk],
    payer: Payer,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<DocumentVectors, EmbedError> {
    let mut blocks: Vec<VectorBlock> = Vec::new();
    let mut done = 0_usize;
    let mut dimension = None;
    for batch in chunks.chunks(BATCH) {
        let texts: Vec<String> = batch.iter().map(text_of).collect();
        for vector in checked(embedder, Texts { all: &texts, kind: TextKind::Passage, payer }, dimension).await? {
            dimension = Some(vector.len());
            if done.is_multiple_of(BLOCK) {
                blocks.push(VectorBlock { first_chunk: u32::try_from(done).unwrap_or(u32::MAX), bytes: Vec::new() });
            }
            if let Some(block) = blocks.last_mut() {
                block.bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            }
            done += 1;
        }
        progress(share(done, chunks.len()));
    }
    let dimension = u32::try_from(dimension.unwrap_or(0)).unwrap_or(u32::MAX);
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

/// Vectors of unit length, as many as there are texts, all with as many numbers: `dimension`, when that is known.
async fn checked(embedder: &dyn Embedder, texts: Texts<'_>, dimension: Option<usize>) -> Result<Vec<Vec<f32>>, EmbedError> {
    let vectors = embedder.embed(texts).await?;
    if vectors.len() != texts.all.len() {
        return Err(EmbedError::Malformed(format!("{} vectors for {} texts", vectors.len(), texts.all.len())));
    }
    let dimension = dimension.or_else(|| vectors.first().map(Vec::len)).unwrap_or(0);
    vectors.into_iter().map(|vector| unit(vector, dimension)).collect()
}

fn unit(mut vector: Vec<f32>, dimension: usize) -> Result<Vec<f32>, EmbedError> {
    if vector.len() != dimension || !(1..=DIMENSION_MAX).contains(&dimension) {
        return Err(EmbedError::Malformed(format!("a vector of {} numbers, and {dimension} are expected", vector.len())));
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if !length.is_finite() {
        return Err(EmbedError::Malformed("a vector with numbers that are none".to_owned()));
    }
    if length > 0.0 {
        for number in &mut vector {
            *number /= length;
        }
    }
    Ok(vector)
}

/// Vectors of queries. Equal queries at the same time are one call; failures are not kept.
#[derive(Debug, Clone)]
pub(crate) struct QueryVectors {
    embedder: Arc<dyn Embedder>,
    /// By user too: what others ask, and what they may still ask, is nobody's business.
    known: Cache<(UserId, String), Arc<Vec<f32>>>,
}

impl QueryVectors {
    pub(crate) fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder, known: Cache::builder().max_capacity(QUERIES_MAX).time_to_live(QUERY_LIFETIME).build() }
    }

    pub(crate) fn embedder(&self) -> &dyn Embedder {
        self.embedder.as_ref()
    }

    /// The query's vector, with zeros only when the model finds nothing in it.
    pub(crate) async fn vector(&self, query: &str, payer: Payer) -> Result<Arc<Vec<f32>>, EmbedError> {
        let embedder = Arc::clone(&self.embedder);
        let all = vec![query.to_owned()];
        let embedding = async move {
            let texts = Texts { all: &all, kind: TextKind::Query, payer };
            let vector = checked(embedder.as_ref(), texts, None).await?.pop();
            vector.map(Arc::new).ok_or_else(|| EmbedError::Malformed("no vector".to_owned()))
        };
        self.known.try_get_with((payer.user, query.to_owned()), embedding).await.map_err(|error| EmbedError::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with what a test says.
    #[derive(Debug)]
    struct Says(Result<Vec<Vec<f32>>, EmbedError>);

    #[async_trait]
    impl Embedder for Says {
        fn model(&self) -> &str {
            "says-1"
        }

        async fn embed(&self, _: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
            self.0.clone()
        }
    }

    async fn embedded(answer: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let payer = Payer { user: UserId::random(), project: None };
        let all = ["a".to_owned(), "b".to_owned()];
        checked(&Says(Ok(answer)), Texts { all: &all, kind: TextKind::Passage, payer }, None).await
    }

    #[tokio::test]
    async fn vectors_get_unit_length_and_zeros_stay() {
        let vectors = embedded(vec![vec![3.0, 4.0], vec![0.0, 0.0]]).await.unwrap();
        assert_eq!(vectors, [[0.6, 0.8], [0.0, 0.0]]);
    }

    #[tokio::test]
    async fn other_answers_are_refused() {
        for answer in [
            vec![],
            vec![vec![1.0]],
            vec![vec![1.0], vec![1.0, 2.0]],
            vec![vec![], vec![]],
            vec![vec![1.0], vec![f32::NAN]],
            vec![vec![1.0], vec![f32::INFINITY]],
            vec![vec![1.0; DIMENSION_MAX + 1]; 2],
        ] {
            assert!(matches!(embedded(answer).await, Err(EmbedError::Malformed(_))));
        }
    }
}
