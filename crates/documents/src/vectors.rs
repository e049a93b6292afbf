//! Exact nearest neighbours: every vector in reach is compared. A document's vectors of one model never change, so those that
//! were read are kept, up to a number of bytes. Searches that go on at the same time hold as many once more at most.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gristmill_domain::{
    Caller, DocumentId,
    documents::{ChunkPlace, DocumentIndex, EmbeddedDocument, VectorBlock},
    ports::StoreError,
};
use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit of the room for vectors stands for.
const ROOM_UNIT: u64 = 1024;
/// How long a search waits until others have left it room for its vectors.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);
/// Searches that read vectors from storage at the same time; others wait, and find in memory what these have read.
const READERS_MAX: usize = 2;
/// Vectors that are read in one go: bytes, and documents.
const READ_BYTES: u64 = 4 * 1024 * 1024;
const READ_DOCUMENTS: usize = 64;

/// Vectors of one document, one after the other.
type Vectors = Arc<Vec<f32>>;

/// Documents' vectors in memory.
#[derive(Debug, Clone)]
pub(crate) struct VectorCache {
    kept: Cache<DocumentId, Vectors>,
    bytes_max: u64,
    /// For what searches hold, whether it is kept or not.
    room: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl VectorCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigh = |_: &DocumentId, vectors: &Vectors| u32::try_from(vectors.len().saturating_mul(4)).unwrap_or(u32::MAX);
        let room = usize::try_from(units(bytes_max)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            kept: Cache::builder().max_capacity(bytes_max).weigher(weigh).build(),
            bytes_max,
            room: Arc::new(Semaphore::new(room)),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// Those of the documents, newest first, whose vectors are compared: as many as the memory holds, without those that alone are
    /// too large.
    pub(crate) fn in_reach(&self, documents: Vec<EmbeddedDocument>) -> Vec<EmbeddedDocument> {
        let mut left = self.bytes_max;
        let all = documents.len();
        let reached: Vec<EmbeddedDocument> = documents
            .into_iter()
            .filter(|document| match left.checked_sub(bytes_of(document)) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            })
            .collect();
        if reached.len() < all {
            tracing::warn!(
                documents = all,
                documents.compared = reached.len(),
                "older documents are found by words only: their vectors are over the limit"
            );
        }
        reached
    }

    /// Room for the vectors of documents that are in reach together, beside those of other searches; waits for it. Nothing
    /// when they take too long. Keep it as long as the vectors.
    pub(crate) async fn room(&self, documents: &[EmbeddedDocument]) -> Option<OwnedSemaphorePermit> {
        let bytes = documents.iter().map(bytes_of).fold(0, u64::saturating_add);
        let waiting = Arc::clone(&self.room).acquire_many_owned(units(bytes));
        tokio::time::timeout(ROOM_TIMEOUT, waiting).await.ok()?.ok()
    }

    /// The vectors of documents of the caller's, in any order; a document that went away is left out. That they are the
    /// caller's was asked just before.
    pub(crate) async fn of(
        &self,
        index: &dyn DocumentIndex,
        caller: &Caller,
        documents: &[EmbeddedDocument],
        model: &str,
    ) -> Result<Vec<(DocumentId, Vectors)>, StoreError> {
        let mut found = Vec::with_capacity(documents.len());
        let missing = self.take_known(documents, &mut found).await;
        if missing.is_empty() {
            return Ok(found);
        }
        // Closed never: an error cannot happen.
        let _turn = self.readers.acquire().await.ok();
        for batch in batches(&missing) {
            let wanted: Vec<DocumentId> =
                self.take_known(batch, &mut found).await.into_iter().map(|document| document.id).collect();
            if wanted.is_empty() {
                continue;
            }
            for (id, vectors) in joined(index.vectors(caller, &wanted, model).await?) {
                let vectors = Arc::new(vectors);
                self.kept.insert(id, Arc::clone(&vectors)).await;
                found.push((id, vectors));
            }
        }
        Ok(found)
    }

    /// Adds those that are in memory to `found`; returns the others.
    async fn take_known(&self, documents: &[EmbeddedDocument], found: &mut Vec<(DocumentId, Vectors)>) -> Vec<EmbeddedDocument> {
        let mut missing = Vec::new();
        for document in documents {
            match self.kept.get(&document.id).await {
                Some(vectors) => found.push((document.id, vectors)),
                None => missing.push(*document),
            }
        }
        missing
    }
}

/// The numbers of each document.
fn joined(blocks: Vec<(DocumentId, VectorBlock)>) -> HashMap<DocumentId, Vec<f32>> {
    let mut all: HashMap<DocumentId, Vec<f32>> = HashMap::new();
    for (id, block) in blocks {
        let numbers = block.bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number));
        all.entry(id).or_default().extend(numbers);
    }
    all
}

/// Documents in groups that are read together.
fn batches(documents: &[EmbeddedDocument]) -> Vec<&[EmbeddedDocument]> {
    let mut batches = Vec::new();
    let mut rest = documents;
    while !rest.is_empty() {
        let mut bytes = 0_u64;
        let fits = |document: &&EmbeddedDocument| {
            bytes = bytes.saturating_add(bytes_of(document));
            bytes <= READ_BYTES
        };
        // One that is too large alone is read alone.
        let count = rest.iter().take(READ_DOCUMENTS).take_while(fits).count().max(1);
        let (batch, more) = rest.split_at(count);
        batches.push(batch);
        rest = more;
    }
    batches
}

/// Permits of the room for so many bytes.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX)
}

fn bytes_of(document: &EmbeddedDocument) -> u64 {
    u64::from(document.dimension).saturating_mul(4).saturating_mul(u64::from(document.chunk_count))
}

/// Chunks with the greatest cosine to `query`, best first. All vectors have unit length.
pub(crate) fn nearest(query: &[f32], documents: &[(DocumentId, Vectors)], limit: usize) -> Vec<(ChunkPlace, f32)> {
    let mut best: Vec<(ChunkPlace, f32)> = Vec::new();
    let mut threshold = f32::NEG_INFINITY;
    for (document_id, vectors) in documents {
        for (index, vector) in (0_u32..).zip(vectors.chunks_exact(query.len().max(1))) {
            let cosine = dot(query, vector);
            if cosine > threshold {
                best.push((ChunkPlace { document_id: *document_id, index }, cosine));
                if best.len() >= limit.saturating_mul(8).max(64) {
                    threshold = shorten(&mut best, limit);
                }
            }
        }
    }
    shorten(&mut best, limit);
    best
}

/// Keeps the best; returns what others must exceed.
fn shorten(best: &mut Vec<(ChunkPlace, f32)>, limit: usize) -> f32 {
    best.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    best.truncate(limit);
    if best.len() < limit { f32::NEG_INFINITY } else { best.last().map_or(f32::NEG_INFINITY, |(_, cosine)| *cosine) }
}

/// In eight sums, which the compiler makes one instruction of.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in ones.iter().zip(others) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(chunk_count: u32) -> EmbeddedDocument {
        EmbeddedDocument { id: DocumentId::random(), chunk_count, dimension: 256 }
    }

    #[tokio::test(start_paused = true)]
    async fn searches_share_the_room_for_vectors() {
        // Room for 100 vectors of 1 KiB.
        let cache = VectorCache::new(100 * 1024);
        let first = cache.room(&[document(40), document(20)]).await;
        let second = cache.room(&[document(40)]).await;
        assert!(first.is_some() && second.is_some());
        assert!(cache.room(&[document(1)]).await.is_none(), "it waits, and gives up");
        drop(first);
        assert!(cache.room(&[document(60)]).await.is_some());
    }

    #[test]
    fn documents_are_read_in_groups() {
        // Of 1 MiB, of more than a group, of next to nothing.
        let (large, huge, small) = (document(1024), document(10_000), document(1));
        let sizes = |documents: &[EmbeddedDocument]| batches(documents).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&[large; 6]), [4, 2]);
        assert_eq!(sizes(&[huge, small, huge, huge]), [1, 1, 1, 1]);
        assert_eq!(sizes(&[small; 130]), [64, 64, 2]);
    }

    #[test]
    fn finds_what_comparing_all_finds() {
        let document = DocumentId::random();
        let vectors: Vec<f32> = (0..5000_u16)
            .flat_map(|n| {
                let angle = f32::from(n) * 0.37;
                [angle.cos(), angle.sin()]
            })
            .collect();
        let query = [1.0, 0.0];
        let found = nearest(&query, &[(document, Arc::new(vectors.clone()))], 5);
        let mut all: Vec<f32> = vectors.chunks_exact(2).map(|vector| vector[0]).collect();
        all.sort_by(|one, other| other.total_cmp(one));
        assert_eq!(found.iter().map(|(_, cosine)| *cosine).collect::<Vec<_>>(), all[..5]);
    }
}
