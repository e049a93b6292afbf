//! Exact nearest neighbours: every vector in reach is compared. A document's vectors of one model never change, so those that
//! were read are kept, up to a number of bytes.

use std::sync::Arc;

use gristmill_domain::{
    Caller, DocumentId,
    documents::{ChunkPlace, DocumentIndex, EmbeddedDocument},
    ports::StoreError,
};
use moka::future::Cache;

/// Vectors of one document, one after the other.
type Vectors = Arc<Vec<f32>>;

/// Documents' vectors in memory.
#[derive(Debug, Clone)]
pub(crate) struct VectorCache {
    kept: Cache<DocumentId, Vectors>,
    bytes_max: u64,
}

impl VectorCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigh = |_: &DocumentId, vectors: &Vectors| u32::try_from(vectors.len().saturating_mul(4)).unwrap_or(u32::MAX);
        Self { kept: Cache::builder().max_capacity(bytes_max).weigher(weigh).build(), bytes_max }
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

    /// The vectors of a document of the caller's. That it is the caller's was asked just before.
    pub(crate) async fn of(
        &self,
        index: &dyn DocumentIndex,
        caller: &Caller,
        document: DocumentId,
        model: &str,
    ) -> Result<Vectors, Arc<StoreError>> {
        let read = async {
            let blocks = index.vectors(caller, document, model).await?;
            let bytes = blocks.iter().flat_map(|block| block.bytes.as_chunks::<4>().0);
            Ok(Arc::new(bytes.map(|number| f32::from_le_bytes(*number)).collect()))
        };
        self.kept.try_get_with(document, read).await
    }
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
