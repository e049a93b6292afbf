//! The port to a model that turns text into vectors, and what is done with it: chunks in batches, queries through a cache.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_domain::{
    ProjectId, UserId,
    documents::{DocumentChunk, DocumentVectors, EmbeddedBy, VectorBlock},
};
use moka::future::Cache;

/// Chunks in one call, and in one stored row: providers bound the size of a request, and what one gave is stored at once.
pub const BLOCK_CHUNKS: u32 = 64;
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

/// Vectors of some chunks, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBlock {
    /// The vectors: little-endian 32-bit floats of unit length, one vector after the other.
    pub bytes: Vec<u8>,
    /// Numbers of each of them.
    pub dimension: u32,
}

/// The vectors of a document as far as its model came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBeginning {
    /// Those of the first chunks; nothing when there are none.
    pub vectors: Option<DocumentVectors>,
    /// Why the others have none, if there are others.
    pub failure: Option<EmbedError>,
}

/// Embeds some chunks of a document, with their headings, in one call: at least one, at most [`BLOCK_CHUNKS`].
///
/// # Errors
/// [`EmbedError`].
///
/// # Cancel safety
/// Nothing is kept.
pub async fn embed_block(embedder: &dyn Embedder, chunks: &[DocumentChunk], payer: Payer) -> Result<EmbeddedBlock, EmbedError> {
    let texts: Vec<String> = chunks.iter().map(text_of).collect();
    let vectors = checked(embedder, Texts { all: &texts, kind: TextKind::Passage, payer }).await?;
    let dimension = u32::try_from(vectors.first().map_or(0, Vec::len)).unwrap_or(u32::MAX);
    Ok(EmbeddedBlock { bytes: vectors.iter().flatten().flat_map(|number| number.to_le_bytes()).collect(), dimension })
}

/// Embeds a document's chunks, block by block, until all are done or the model fails. `progress` gets the share that is
/// done.
///
/// # Cancel safety
/// Nothing is kept.
pub async fn embed_beginning(
    embedder: &dyn Embedder,
    chunks: &[DocumentChunk],
    payer: Payer,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> EmbeddedBeginning {
    let mut vectors: Option<DocumentVectors> = None;
    let mut done = 0_usize;
    for block in chunks.chunks(usize::try_from(BLOCK_CHUNKS).unwrap_or(usize::MAX)) {
        let failure = match embed_block(embedder, block, payer).await {
            Ok(embedded) => append(&mut vectors, embedder.model(), done, embedded).err(),
            Err(error) => Some(error),
        };
        if failure.is_some() {
            return EmbeddedBeginning { vectors, failure };
        }
        done += block.len();
        progress(share(done, chunks.len()));
    }
    EmbeddedBeginning { vectors, failure: None }
}

/// Embeds all chunks of a document. `progress` gets the share that is done.
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
    let EmbeddedBeginning { vectors, failure } = embed_beginning(embedder, chunks, payer, progress).await;
    match failure {
        Some(error) => Err(error),
        None => Ok(vectors.unwrap_or_else(|| nothing_of(embedder.model()))),
    }
}

fn nothing_of(model: &str) -> DocumentVectors {
    DocumentVectors { by: EmbeddedBy { model: model.to_owned(), dimension: 0 }, blocks: Vec::new() }
}

/// Adds a block, unless its vectors have another length than the others.
fn append(
    vectors: &mut Option<DocumentVectors>,
    model: &str,
    first_chunk: usize,
    block: EmbeddedBlock,
) -> Result<(), EmbedError> {
    let EmbeddedBlock { bytes, dimension } = block;
    let all = vectors.get_or_insert_with(|| {
        let mut all = nothing_of(model);
        all.by.dimension = dimension;
        all
    });
    if all.by.dimension != dimension {
        let expected = all.by.dimension;
        return Err(EmbedError::Malformed(format!("vectors of {dimension} numbers after some of {expected}")));
    }
    all.blocks.push(VectorBlock { first_chunk: u32::try_from(first_chunk).unwrap_or(u32::MAX), bytes });
    Ok(())
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

/// Vectors of unit length, as many as there are texts, all with as many numbers.
async fn checked(embedder: &dyn Embedder, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
    let vectors = embedder.embed(texts).await?;
    if vectors.len() != texts.all.len() {
        return Err(EmbedError::Malformed(format!("{} vectors for {} texts", vectors.len(), texts.all.len())));
    }
    let dimension = vectors.first().map_or(0, Vec::len);
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
            let vector = checked(embedder.as_ref(), texts).await?.pop();
            vector.map(Arc::new).ok_or_else(|| EmbedError::Malformed("no vector".to_owned()))
        };
        self.known.try_get_with((payer.user, query.to_owned()), embedding).await.map_err(|error| EmbedError::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gristmill_domain::documents::TextSpan;

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
        checked(&Says(Ok(answer)), Texts { all: &all, kind: TextKind::Passage, payer }).await
    }

    #[tokio::test]
    async fn vectors_get_unit_length_and_zeros_stay() {
        let vectors = embedded(vec![vec![3.0, 4.0], vec![0.0, 0.0]]).await.unwrap();
        assert_eq!(vectors, [[0.6, 0.8], [0.0, 0.0]]);
    }

    /// Answers as often as a test says, and is silent then; from the third time on with longer vectors, if a test says so.
    #[derive(Debug)]
    struct Answers {
        times: usize,
        grows: bool,
        calls: AtomicUsize,
    }

    #[async_trait]
    impl Embedder for Answers {
        fn model(&self) -> &str {
            "answers-1"
        }

        async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            if call >= self.times {
                return Err(EmbedError::Unavailable("gone".to_owned()));
            }
            let numbers = if self.grows && call >= 2 { 3 } else { 2 };
            Ok(texts.all.iter().map(|_| vec![1.0; numbers]).collect())
        }
    }

    async fn beginning(times: usize, grows: bool) -> EmbeddedBeginning {
        let chunk = |n: u32| DocumentChunk {
            page: None,
            heading: String::new(),
            span: TextSpan { start: n, end: n + 1 },
            text: format!("{n}"),
        };
        let chunks: Vec<DocumentChunk> = (0..BLOCK_CHUNKS * 2 + 5).map(chunk).collect();
        let payer = Payer { user: UserId::random(), project: None };
        embed_beginning(&Answers { times, grows, calls: AtomicUsize::new(0) }, &chunks, payer, &|_| {}).await
    }

    #[tokio::test]
    async fn what_a_model_gave_before_it_failed_is_kept() {
        let counted = |beginning: &EmbeddedBeginning| beginning.vectors.as_ref().map(DocumentVectors::count);
        let all = beginning(3, false).await;
        assert_eq!((counted(&all), &all.failure), (Some(BLOCK_CHUNKS * 2 + 5), &None));
        let firsts: Vec<u32> = all.vectors.unwrap().blocks.iter().map(|block| block.first_chunk).collect();
        assert_eq!(firsts, [0, BLOCK_CHUNKS, BLOCK_CHUNKS * 2]);
        let some = beginning(2, false).await;
        assert_eq!(counted(&some), Some(BLOCK_CHUNKS * 2));
        assert!(matches!(some.failure, Some(EmbedError::Unavailable(_))));
        let none = beginning(0, false).await;
        assert!(none.vectors.is_none() && none.failure.is_some());
        let grown = beginning(3, true).await;
        assert_eq!(counted(&grown), Some(BLOCK_CHUNKS * 2), "vectors of different lengths are not mixed");
        assert!(matches!(grown.failure, Some(EmbedError::Malformed(_))));
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
