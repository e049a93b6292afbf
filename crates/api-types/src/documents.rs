//! Documents and search in them (contract 1, section 9).

use garde::Validate;
use gristmill_domain::{
    ChunkId, DocumentId, ProjectId,
    documents::{Document, DocumentFormat, TextSpan},
    limits::{SEARCH_QUERY_CHARS_MAX, SEARCH_RESULTS_DEFAULT, SEARCH_RESULTS_MAX},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::Instant;

/// A document as its upload answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadedDocumentView {
    /// Identity.
    pub document_id: DocumentId,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// Media type of the download, by content.
    pub mime_type: String,
    /// Pieces that search can find and cite.
    pub chunk_count: u32,
    /// Numbers of a chunk's vector; 0 when it has none, and search finds it by words.
    pub embedding_dimension: u32,
    /// Why text is missing, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parse_warning: Option<String>,
    /// What its content is.
    #[serde(rename = "type")]
    pub format: DocumentFormat,
    /// Pages, of a format that has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
}

impl From<Document> for UploadedDocumentView {
    fn from(document: Document) -> Self {
        Self {
            document_id: document.id,
            project_id: document.project_id,
            filename: document.filename,
            mime_type: document.media_type,
            chunk_count: document.chunk_count,
            embedding_dimension: document.embedded.map_or(0, |embedded| embedded.dimension),
            parse_warning: document.parse_warning,
            format: document.format,
            page_count: document.page_count,
        }
    }
}

/// `{document}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadedDocumentEnvelope {
    /// The document.
    pub document: UploadedDocumentView,
}

impl From<Document> for UploadedDocumentEnvelope {
    fn from(document: Document) -> Self {
        Self { document: document.into() }
    }
}

/// A document in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentView {
    /// Identity.
    pub document_id: DocumentId,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// Media type of the download, by content.
    pub mime_type: String,
    /// Size of the original, bytes.
    pub byte_size: u64,
    /// What was read from it.
    pub metadata: DocumentMetadataView,
    /// When it was made.
    pub created_at: Instant,
}

/// What was read from a document.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentMetadataView {
    /// What its content is.
    #[serde(rename = "type")]
    pub format: DocumentFormat,
    /// Why text is missing, for a person.
    pub parse_error: Option<String>,
    /// Characters of its normalised text.
    pub text_length: u32,
    /// Pieces that search can find and cite.
    pub chunk_count: u32,
    /// Pages, of a format that has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
    /// The model of its vectors, when it has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        Self {
            document_id: document.id,
            project_id: document.project_id,
            filename: document.filename,
            mime_type: document.media_type,
            byte_size: document.size_bytes,
            metadata: DocumentMetadataView {
                format: document.format,
                parse_error: document.parse_warning,
                text_length: document.text_length,
                chunk_count: document.chunk_count,
                page_count: document.page_count,
                embedding_model: document.embedded.map(|embedded| embedded.model),
            },
            created_at: document.created_at.into(),
        }
    }
}

/// `{documents}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentList {
    /// The documents, newest first.
    pub documents: Vec<DocumentView>,
}

/// Which documents to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DocumentListQuery {
    /// Only this project's; all of the caller's when absent.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// What to look for.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DocumentSearchQuery {
    /// Words or a question. Quotes, `or` and `-` work as in web search engines.
    #[garde(custom(is_query))]
    pub q: String,
    /// Only in this project; in all of the caller's documents when absent.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
    /// Most results: 1 to 20, 5 when absent or no number.
    #[garde(skip)]
    #[param(value_type = Option<u32>)]
    pub k: Option<String>,
}

impl DocumentSearchQuery {
    /// Most results.
    #[must_use]
    pub fn limit(&self) -> usize {
        let asked = self.k.as_deref().and_then(|k| k.trim().parse::<i64>().ok());
        let most = i64::from(SEARCH_RESULTS_MAX);
        let limit = asked.map_or(i64::from(SEARCH_RESULTS_DEFAULT), |asked| asked.clamp(1, most));
        usize::try_from(limit).unwrap_or(1)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes the context by reference")]
fn is_query(query: &str, _context: &()) -> garde::Result {
    if query.trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    if query.contains('\0') {
        return Err(garde::Error::new("must not contain NUL"));
    }
    if query.chars().nth(SEARCH_QUERY_CHARS_MAX).is_some() {
        return Err(garde::Error::new(format!("must have at most {SEARCH_QUERY_CHARS_MAX} characters")));
    }
    Ok(())
}

/// A piece of a document that was found: enough to cite it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchResultView {
    /// The piece.
    pub chunk_id: ChunkId,
    /// The document.
    pub document_id: DocumentId,
    /// Its display name.
    pub filename: String,
    /// From 0 to 1, four decimals; 1 is first by words and by vectors.
    pub score: f64,
    /// The beginning of the piece, at most 220 characters, then `…` when it goes on.
    pub snippet: String,
    /// Where the piece is in the document's normalised text.
    pub span: TextSpan,
    /// The page it is on, of a format that has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The headings above it, joined by ` › `.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// Its score by words, if words found it; comparable within one answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexical_score: Option<f64>,
    /// Its cosine to the question, if vectors found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_score: Option<f64>,
}

/// `{results}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResultList {
    /// The results, best first.
    pub results: Vec<SearchResultView>,
}
