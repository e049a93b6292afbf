//! Reads a document, divides it into chunks and answers questions from it: the engine, embedded without the server.
//!
//! ```text
//! cargo run -p gristmill-documents --example search_text -- README.md 'how do I start it?'
//! ```
//!
//! An embedding service brings storage of its own, as [`Words`] does in memory, and may bring a model that makes vectors.
//! A file that others send is read in a process of its own instead (`gristmill_documents::worker`).

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use async_trait::async_trait;
use gristmill_documents::{ChunkOptions, ParseLimits, Search, SearchOptions, SearchRequest, parse, split};
use gristmill_domain::{
    Caller, ChunkId, DocumentId, ProjectId, Scope, SessionId, UserId,
    caller::Credential,
    documents::{ChunkPlace, CitedChunk, DocumentChunk, DocumentIndex, EmbeddedDocument, LexicalHit, VectorBlock},
    ports::StoreError,
    users::UserRole,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(query)) = (arguments.next(), arguments.next()) else {
        return Err("name a file and a question".into());
    };
    let document = parse(&std::fs::read(&path)?, &path, &ParseLimits::default());
    let split = split(&document.blocks, ChunkOptions::default());
    let mut output = io::stdout().lock();
    writeln!(output, "{}: {} chunks, {} characters", document.format.as_str(), split.chunks.len(), split.text_length)?;
    if let Some(warning) = document.warning {
        writeln!(output, "warning: {warning}")?;
    }
    let index = Words { document: DocumentId::random(), filename: path, chunks: split.chunks };
    let search = Search::new(Arc::new(index), None, SearchOptions::default());
    let request = SearchRequest { project: None, query: &query, limit: 3 };
    for found in search.search(&nobody(), request).await? {
        let (span, chunk) = (found.span(), &found.chunk.chunk);
        writeln!(output, "\n{:.2}  {} [{}..{}]\n{}", found.score, chunk.heading, span.start, span.end, found.snippet())?;
    }
    Ok(())
}

/// One document in memory, searched by the words that few of its chunks have.
#[derive(Debug)]
struct Words {
    document: DocumentId,
    filename: String,
    chunks: Vec<DocumentChunk>,
}

#[async_trait]
impl DocumentIndex for Words {
    async fn find_by_words(
        &self,
        _: &Caller,
        _: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<LexicalHit>, StoreError> {
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for word in words(query) {
            let having = || (0_u32..).zip(&self.chunks).filter(|(_, chunk)| words(&chunk.text).any(|other| other == word));
            let weight = 1.0 / f64::from(u32::try_from(having().count()).unwrap_or(u32::MAX)).max(1.0);
            for (index, _) in having() {
                *scores.entry(index).or_default() += weight;
            }
        }
        let hit = |(index, score)| LexicalHit { place: ChunkPlace { document_id: self.document, index }, score };
        let mut hits: Vec<LexicalHit> = scores.into_iter().map(hit).collect();
        hits.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.place.cmp(&other.place)));
        hits.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(hits)
    }

    async fn embedded(&self, _: &Caller, _: Option<ProjectId>, _: &str) -> Result<Vec<EmbeddedDocument>, StoreError> {
        Ok(Vec::new())
    }

    async fn vectors(&self, _: &Caller, _: &[DocumentId], _: &str) -> Result<Vec<(DocumentId, VectorBlock)>, StoreError> {
        Ok(Vec::new())
    }

    async fn cite(&self, _: &Caller, places: &[ChunkPlace]) -> Result<Vec<CitedChunk>, StoreError> {
        let cite = |place: &ChunkPlace| {
            let chunk = self.chunks.get(usize::try_from(place.index).ok()?)?.clone();
            Some(CitedChunk { id: ChunkId::random(), place: *place, filename: self.filename.clone(), chunk })
        };
        Ok(places.iter().filter_map(cite).collect())
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    words.map(str::to_lowercase).collect::<Vec<_>>().into_iter()
}

/// Storage of one's own decides whom it asks for what; this one has nobody's secrets.
fn nobody() -> Caller {
    Caller {
        user_id: UserId::random(),
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Read,
    }
}
