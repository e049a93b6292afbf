//! Documents and search in them (contract 1, section 9).

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use gristmill_api_types::{
    common::SuccessView,
    documents::{
        DocumentList, DocumentListQuery, DocumentSearchQuery, DocumentView, SearchResultList, SearchResultView,
        UploadedDocumentEnvelope,
    },
    jobs::JobEnvelope,
    paths::DocumentPath,
};
use gristmill_documents::{Citation, SearchError, SearchRequest};
use gristmill_domain::{ErrorCode, JobId, ports::StoreError};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    datasets::download,
    documents::{ingested, submit_ingest},
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, PathParams, Read, Signed, ValidQuery, Write},
    respond::{Json, prefers_async},
    state::AppState,
    uploads::{Spool, io_error, receive},
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(upload_document)
        .service(list_documents)
        .service(download_document)
        .service(delete_document)
        .service(search_documents);
}

/// The form of an upload.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document; the parts are read one by one")]
#[schema(rename_all = "camelCase")]
struct DocumentUpload {
    /// PDF, DOCX, Markdown, HTML, XML or text of any kind. What it is, is told from its content.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The project that it is for.
    #[schema(value_type = Option<String>, format = Uuid)]
    project_id: Option<String>,
}

/// Uploads a document and reads it into pieces that search can cite. What cannot be read is kept all the same, and
/// `parseWarning` says why. With `Prefer: respond-async`, answers 202 with the job to follow.
#[utoipa::path(
    tag = "documents",
    params(
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable"),
    ),
    request_body(content = DocumentUpload, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The document", body = UploadedDocumentEnvelope),
        (status = 202, description = "The job that reads it", body = JobEnvelope),
    )
)]
#[post("/upload/doc")]
pub async fn upload_document(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    form: Multipart,
) -> ApiResult<HttpResponse> {
    let job_id = JobId::random();
    let spool = Spool::create(&state.files, job_id).map_err(io_error)?;
    let file = receive(form, &spool, state.config.documents.upload_bytes_max).await?;
    let job = submit_ingest(&state, &signed.caller, job_id, spool, file, key.into_key()).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let document = ingested(&state, &signed.caller, job.id).await?;
    Ok(HttpResponse::Created().json(UploadedDocumentEnvelope::from(document)))
}

/// Lists the caller's documents, of one project or all, newest first.
#[utoipa::path(tag = "documents", params(DocumentListQuery), responses((status = 200, description = "The documents", body = DocumentList)))]
#[get("/documents")]
pub async fn list_documents(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<DocumentListQuery>,
) -> ApiResult<Json<DocumentList>> {
    let documents = state.documents.list(&signed.caller, query.project_id).await;
    let documents = documents.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(DocumentList { documents: documents.into_iter().map(DocumentView::from).collect() }))
}

/// Downloads the file as it was uploaded.
#[utoipa::path(
    tag = "documents",
    params(DocumentPath),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"))
)]
#[get("/documents/{documentId}/download")]
pub async fn download_document(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DocumentPath>,
) -> ApiResult<HttpResponse> {
    let document = state.documents.find(&signed.caller, path.document_id).await.map_err(document_error)?;
    let directory = state.files.document(document.owner_id, document.project_id, document.id);
    download(&directory.join("original"), &document.filename, &document.media_type).await
}

/// Deletes a document with its pieces and its file.
#[utoipa::path(tag = "documents", params(DocumentPath), responses((status = 200, description = "It is gone", body = SuccessView)))]
#[delete("/documents/{documentId}")]
pub async fn delete_document(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DocumentPath>,
) -> ApiResult<Json<SuccessView>> {
    state.documents.delete(&signed.caller, path.document_id).await.map_err(document_error)?;
    state.file_cleaner.wake();
    Ok(Json(SuccessView::DONE))
}

/// Finds pieces of the caller's documents, best first: by words, and by meaning too where documents have vectors.
#[utoipa::path(
    tag = "documents",
    params(DocumentSearchQuery),
    responses((status = 200, description = "What was found", body = SearchResultList))
)]
#[get("/docs/search")]
pub async fn search_documents(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<DocumentSearchQuery>,
) -> ApiResult<Json<SearchResultList>> {
    let request = SearchRequest { project: query.project_id, query: query.q.trim(), limit: query.limit() };
    let found = state.document_search.search(&signed.caller, request).await.map_err(search_error)?;
    Ok(Json(SearchResultList { results: found.into_iter().map(result_view).collect() }))
}

fn result_view(citation: Citation) -> SearchResultView {
    let (snippet, span) = (citation.snippet(), citation.span());
    let found = citation.chunk;
    SearchResultView {
        chunk_id: found.id,
        document_id: found.place.document_id,
        filename: found.filename,
        score: four_decimals(citation.score),
        snippet,
        span,
        page: found.chunk.page,
        heading: Some(found.chunk.heading).filter(|heading| !heading.is_empty()),
        lexical_score: citation.lexical_score.map(four_decimals),
        vector_score: citation.vector_score.map(four_decimals),
    }
}

fn four_decimals(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn document_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::DocumentNotFound)(error)
}

fn search_error(error: SearchError) -> ApiError {
    let SearchError::Store(error) = error;
    match std::sync::Arc::try_unwrap(error) {
        Ok(error) => ApiError::store(ErrorCode::ProjectNotFound)(error),
        // Another search waits for the same vectors and got the same failure.
        Err(shared) => match shared.as_ref() {
            StoreError::NotFound => ApiError::store(ErrorCode::ProjectNotFound)(StoreError::NotFound),
            StoreError::Unavailable(_) => ApiError::store(ErrorCode::ProjectNotFound)(StoreError::Unavailable(Box::new(shared))),
            _ => ApiError::internal(shared),
        },
    }
}
