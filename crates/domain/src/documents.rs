//! Documents: files of prose that were read into chunks which can be searched and cited.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Caller, ChunkId, DocumentId, ProjectId, UserId, named::named, ports::StoreError};

named! {
    /// What a document's bytes were found to be.
    DocumentFormat {
        /// Portable Document Format.
        Pdf = "pdf",
        /// An Office Open XML text document.
        Docx = "docx",
        /// Text with Markdown's marks.
        Markdown = "markdown",
        /// HTML or XML; its text was taken without tags.
        Html = "html",
        /// Text, tables of separated values among it.
        Text = "text",
        /// None of these; kept, but not read.
        Unknown = "unknown",
    }
}

impl DocumentFormat {
    /// The media type under which the original is downloaded.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Text => "text/plain",
            Self::Unknown => "application/octet-stream",
        }
    }
}

/// Where a piece of text is: Unicode characters (code points) of the document's normalised text, `end` not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextSpan {
    /// The first character.
    pub start: u32,
    /// Behind the last character.
    pub end: u32,
}

/// Which model made a document's vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBy {
    /// The model's name; vectors of different models are never compared.
    pub model: String,
    /// Numbers of a vector.
    pub dimension: u32,
}

/// A document: where it belongs, what it is called, what was read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Identity.
    pub id: DocumentId,
    /// The user who uploaded it.
    pub owner_id: UserId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// Display name; never a path.
    pub filename: String,
    /// What its content is.
    pub format: DocumentFormat,
    /// The media type under which it is downloaded.
    pub media_type: String,
    /// Size of the original, bytes.
    pub size_bytes: u64,
    /// Characters of the normalised text.
    pub text_length: u32,
    /// Pages, of a format that has them.
    pub page_count: Option<u32>,
    /// Pieces that can be found and cited.
    pub chunk_count: u32,
    /// Why its text is missing or incomplete, for a person.
    pub parse_warning: Option<String>,
    /// The model of its vectors, when it has them.
    pub embedded: Option<EmbeddedBy>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChunk {
    /// The page it is on, from 1, of a format that has pages.
    pub page: Option<u32>,
    /// The headings above it, outermost first, joined by ` › `; empty when there are none.
    pub heading: String,
    /// Where it is.
    pub span: TextSpan,
    /// Its text: the normalised text at `span`.
    pub text: String,
}

/// Vectors of consecutive chunks, as stored: little-endian 32-bit floats of unit length, one vector after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorBlock {
    /// Index of the first chunk.
    pub first_chunk: u32,
    /// The numbers.
    pub bytes: Vec<u8>,
}

impl VectorBlock {
    /// How many vectors of so many numbers it holds.
    #[must_use]
    pub fn count(&self, dimension: u32) -> u32 {
        let each = u64::from(dimension).saturating_mul(4);
        let bytes = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        u32::try_from(bytes.checked_div(each).unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

/// A document's vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentVectors {
    /// Who made them.
    pub by: EmbeddedBy,
    /// Those of all chunks, or of the first ones, in the order of the chunks.
    pub blocks: Vec<VectorBlock>,
}

impl DocumentVectors {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.blocks.iter().map(|block| block.count(self.by.dimension)).fold(0, u32::saturating_add)
    }
}

/// A document to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentCreate {
    /// Identity; the file is stored under it already.
    pub id: DocumentId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// What its content is.
    pub format: DocumentFormat,
    /// The media type under which it is downloaded.
    pub media_type: String,
    /// Size of the original, bytes.
    pub size_bytes: u64,
    /// Characters of the normalised text.
    pub text_length: u32,
    /// Pages, of a format that has them.
    pub page_count: Option<u32>,
    /// Why the text is missing or incomplete.
    pub parse_warning: Option<String>,
    /// The pieces, in order.
    pub chunks: Vec<DocumentChunk>,
    /// Their vectors, when there is a model: of all of them, or of the first ones.
    pub vectors: Option<DocumentVectors>,
}

/// A chunk by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkPlace {
    /// The document.
    pub document_id: DocumentId,
    /// The chunk's index in it, from 0.
    pub index: u32,
}

/// A chunk that the full text search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LexicalHit {
    /// The chunk.
    pub place: ChunkPlace,
    /// How well it fits; comparable within one search only, greater is better.
    pub score: f64,
}

/// A document whose vectors can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedDocument {
    /// The document.
    pub id: DocumentId,
    /// How many vectors it has.
    pub chunk_count: u32,
    /// Numbers of each of them.
    pub dimension: u32,
}

/// A chunk with what a citation of it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CitedChunk {
    /// Identity.
    pub id: ChunkId,
    /// Its place.
    pub place: ChunkPlace,
    /// Display name of the document.
    pub filename: String,
    /// The chunk.
    pub chunk: DocumentChunk,
}

/// What search asks of storage. Every answer is about the caller's documents only: of one project, or of all.
#[async_trait]
pub trait DocumentIndex: Send + Sync + std::fmt::Debug {
    /// Finds chunks by words, best first, at most `limit`. Understands quotes, `or` and `-` as web search engines do.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    async fn find_by_words(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<LexicalHit>, StoreError>;

    /// Lists the documents that have vectors of a model, newest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    async fn embedded(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        model: &str,
    ) -> Result<Vec<EmbeddedDocument>, StoreError>;

    /// Reads the vectors of documents, those of each document in the order of its chunks. A document that has none of the
    /// model, or is not the caller's, is left out.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn vectors(
        &self,
        caller: &Caller,
        documents: &[DocumentId],
        model: &str,
    ) -> Result<Vec<(DocumentId, VectorBlock)>, StoreError>;

    /// Reads chunks, in any order; those that are not there or not the caller's are left out.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn cite(&self, caller: &Caller, places: &[ChunkPlace]) -> Result<Vec<CitedChunk>, StoreError>;
}
