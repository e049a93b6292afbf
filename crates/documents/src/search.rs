//! Hybrid search: chunks that the words find and chunks that the vectors find, fused by their ranks. Works with words alone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gristmill_domain::{
    Caller, ProjectId,
    documents::{ChunkPlace, CitedChunk, DocumentIndex, TextSpan},
    ports::StoreError,
};

use crate::{
    embed::{Embedder, Payer, QueryVectors},
    vectors::{VectorCache, nearest},
};

/// Results of each kind that are fused.
const DEPTH: u32 = 60;
/// The constant of reciprocal rank fusion, as in its paper: how much less a second place is worth than a first.
const RANK_CONSTANT: f64 = 60.0;
/// Characters of a snippet.
const SNIPPET_CHARS: usize = 220;

/// How search is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    /// Memory for vectors, bytes: those that are kept, and once more those that searches hold at the same time, which are the
    /// same mostly. Also the bound of a search by vectors: documents beyond it, the oldest, are found by words only.
    pub vectors_bytes_max: u64,
    /// How long a search waits for the vector of its query before it goes on with words alone.
    pub embedding_timeout: Duration,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { vectors_bytes_max: 256 * 1024 * 1024, embedding_timeout: Duration::from_secs(5) }
    }
}

/// What is looked for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchRequest<'a> {
    /// Only this project's documents; all of the caller's when absent.
    pub project: Option<ProjectId>,
    /// Words, or a question.
    pub query: &'a str,
    /// How many results at most.
    pub limit: usize,
}

/// A result: a chunk, where it is, and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    /// The chunk with its document, page and place.
    pub chunk: CitedChunk,
    /// From 0 to 1: 1 for what is first in every ranking there is.
    pub score: f64,
    /// Its score by words, if words found it; comparable within this search only.
    pub lexical_score: Option<f64>,
    /// Its cosine to the query, if vectors found it.
    pub vector_score: Option<f64>,
}

impl Citation {
    /// The beginning of the text, with `…` when it goes on.
    #[must_use]
    pub fn snippet(&self) -> String {
        let text = &self.chunk.chunk.text;
        match text.char_indices().nth(SNIPPET_CHARS) {
            None => text.clone(),
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        }
    }

    /// Where it is in the document's normalised text.
    #[must_use]
    pub fn span(&self) -> TextSpan {
        self.chunk.chunk.span
    }
}

/// Why nothing could be searched. A model that does not answer is no reason: words are enough.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SearchError {
    /// Storage failed.
    #[error("the documents could not be searched")]
    Store(#[source] Arc<StoreError>),
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Search over documents. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Search {
    index: Arc<dyn DocumentIndex>,
    queries: Option<QueryVectors>,
    vectors: VectorCache,
    options: SearchOptions,
}

/// Which rankings have a chunk.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    fused: f64,
    lexical: Option<f64>,
    vector: Option<f64>,
}

impl Search {
    /// Search over `index`; by vectors too when there is an `embedder`.
    #[must_use]
    pub fn new(index: Arc<dyn DocumentIndex>, embedder: Option<Arc<dyn Embedder>>, options: SearchOptions) -> Self {
        let vectors = VectorCache::new(options.vectors_bytes_max);
        Self { index, queries: embedder.map(QueryVectors::new), vectors, options }
    }

    /// The model that makes vectors, if there is one.
    #[must_use]
    pub fn embedder(&self) -> Option<&dyn Embedder> {
        self.queries.as_ref().map(QueryVectors::embedder)
    }

    /// Finds the chunks that fit best, best first.
    ///
    /// # Errors
    /// [`SearchError`]: `NotFound` when the project is not the caller's.
    ///
    /// # Cancel safety
    /// Nothing is changed but caches.
    pub async fn search(&self, caller: &Caller, request: SearchRequest<'_>) -> Result<Vec<Citation>, SearchError> {
        let words = async { Ok(self.index.find_by_words(caller, request.project, request.query, DEPTH).await?) };
        let (lexical, near) = futures_util::future::try_join(words, self.by_vectors(caller, request)).await?;
        let has_vectors = near.is_some();
        let mut found: HashMap<ChunkPlace, Found> = HashMap::new();
        for (rank, hit) in (1_u32..).zip(lexical) {
            let entry = found.entry(hit.place).or_default();
            entry.fused += reciprocal(rank);
            entry.lexical = Some(hit.score);
        }
        for (rank, (place, cosine)) in (1_u32..).zip(near.into_iter().flatten()) {
            let entry = found.entry(place).or_default();
            entry.fused += reciprocal(rank);
            entry.vector = Some(f64::from(cosine));
        }
        let mut ranked: Vec<(ChunkPlace, Found)> = found.into_iter().collect();
        ranked.sort_by(|one, other| other.1.fused.total_cmp(&one.1.fused).then(one.0.cmp(&other.0)));
        ranked.truncate(request.limit);
        let highest = reciprocal(1) * if has_vectors { 2.0 } else { 1.0 };
        self.cited(caller, ranked, highest).await
    }

    async fn cited(&self, caller: &Caller, ranked: Vec<(ChunkPlace, Found)>, highest: f64) -> Result<Vec<Citation>, SearchError> {
        let places: Vec<ChunkPlace> = ranked.iter().map(|(place, _)| *place).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let cited = self.index.cite(caller, &places).await?;
        let mut by_place: HashMap<ChunkPlace, CitedChunk> = cited.into_iter().map(|chunk| (chunk.place, chunk)).collect();
        // A document that went away meanwhile is no result.
        let citation = |(place, found): (ChunkPlace, Found)| {
            let chunk = by_place.remove(&place)?;
            let score = found.fused / highest;
            Some(Citation { chunk, score, lexical_score: found.lexical, vector_score: found.vector })
        };
        Ok(ranked.into_iter().filter_map(citation).collect())
    }

    /// The nearest chunks, or nothing when there are no vectors to compare. Asks storage for one thing after the other, so a
    /// search takes two connections at most.
    async fn by_vectors(
        &self,
        caller: &Caller,
        request: SearchRequest<'_>,
    ) -> Result<Option<Vec<(ChunkPlace, f32)>>, SearchError> {
        let Some(queries) = &self.queries else { return Ok(None) };
        let model = queries.embedder().model().to_owned();
        let mut documents = self.index.embedded(caller, request.project, &model).await?;
        if documents.is_empty() {
            return Ok(None);
        }
        let Some(query) = self.vector_of(queries, caller, request).await else { return Ok(None) };
        // A model that changed its vectors and kept its name.
        documents.retain(|document| usize::try_from(document.dimension).is_ok_and(|dimension| dimension == query.len()));
        if documents.is_empty() {
            return Ok(None);
        }
        let documents = self.vectors.in_reach(documents);
        if documents.is_empty() {
            return Ok(None);
        }
        let Some(room) = self.vectors.room(&documents).await else {
            tracing::warn!("other searches left no room for vectors; the words of a query are searched alone");
            return Ok(None);
        };
        let all = self.vectors.of(self.index.as_ref(), caller, &documents, &model).await?;
        let limit = usize::try_from(DEPTH).unwrap_or(usize::MAX);
        let compare = move || {
            let near = nearest(&query, &all, limit);
            // They take room as long as they are here, whether somebody waits for the search or not.
            drop(all);
            drop(room);
            near
        };
        match tokio::task::spawn_blocking(compare).await {
            Ok(near) => Ok(Some(near)),
            Err(error) => Err(StoreError::Defect(Box::new(error)).into()),
        }
    }

    /// The query's vector; nothing when the model gives none in time, or finds nothing in the query.
    async fn vector_of(&self, queries: &QueryVectors, caller: &Caller, request: SearchRequest<'_>) -> Option<Arc<Vec<f32>>> {
        let payer = Payer { user: caller.user_id, project: request.project };
        match tokio::time::timeout(self.options.embedding_timeout, queries.vector(request.query, payer)).await {
            Ok(Ok(vector)) => Some(vector).filter(|vector| vector.iter().any(|number| *number != 0.0)),
            Ok(Err(error)) => {
                tracing::warn!(error.cause = %error, "a query has no vector; its words are searched alone");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("the embedding model was too slow for a query; its words are searched alone");
                None
            }
        }
    }
}

fn reciprocal(rank: u32) -> f64 {
    1.0 / (RANK_CONSTANT + f64::from(rank))
}
