//! Reading an uploaded document into chunks, as a job.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::web;
use async_trait::async_trait;
use gristmill_documents::{CHUNKS_MAX, ChunkOptions, ParsedDocument, Payer, SplitDocument, embed_beginning, split};
use gristmill_domain::{
    Caller, DocumentId, ErrorCode, JobId,
    documents::{Document, DocumentCreate, DocumentFormat, DocumentVectors},
    jobs::{Job, JobError, JobKind, JobOutcome, JobProgress, JobState, NewJob},
    ports::StoreError,
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Parser;
use crate::{
    datasets::{Stop, failed, free_room, job_failure, run_low, runs_again, stop_of_io, sync_directory},
    error::{ApiError, ApiResult},
    quota::check_room,
    state::AppState,
    telemetry::traced,
    uploads::{ReceivedFile, Spool},
};

/// How often an ingest may be started: once, and twice more when a worker died.
const ATTEMPTS_MAX: u32 = 3;
const EMBEDDING: &str = "Embedding the text";
/// Chunks whose vectors an upload waits for: some seconds on one core. Of larger documents they come afterwards.
const WAITS_FOR_CHUNKS: usize = 256;
/// Text formats whose media type, as the client gave it, is kept for the download.
const KEPT_MEDIA_TYPES: [&str; 6] =
    ["text/csv", "text/tab-separated-values", "application/json", "text/xml", "application/xml", "application/yaml"];

/// What the handler needs, as stored with the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    document_id: DocumentId,
    filename: String,
    media_type: Option<String>,
    size_bytes: u64,
}

/// Checks that a received file may become a document of the caller's, and submits the job that reads it.
///
/// # Errors
/// 404 for a project that is not the caller's, 413 over the quota, 507 when the disk is full.
pub async fn submit_ingest(
    state: &web::Data<AppState>,
    caller: &Caller,
    job_id: JobId,
    spool: Spool,
    file: ReceivedFile,
    idempotency_key: Option<String>,
) -> ApiResult<Job> {
    check_room(state, caller, file.project_id, file.size_bytes).await?;
    if free_room(state) < file.size_bytes {
        return Err(ApiError::new(ErrorCode::DiskFull, "The server has no disk space left for this file; ask the operator"));
    }
    let payload = Payload {
        document_id: DocumentId::random(),
        filename: file.filename,
        media_type: file.media_type,
        size_bytes: file.size_bytes,
    };
    let job = NewJob {
        id: job_id,
        kind: JobKind::DocumentIngest,
        owner_id: caller.user_id,
        project_id: file.project_id,
        payload: serde_json::to_value(payload).map_err(ApiError::internal)?,
        attempts_max: ATTEMPTS_MAX,
        idempotency_key,
    };
    let (job, is_new) = state.jobs.submit(traced(job)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    if is_new {
        spool.keep();
    }
    Ok(job)
}

/// Waits for an ingest and reads the document that it made.
///
/// # Errors
/// Why there is none.
///
/// # Cancel safety
/// The job goes on.
pub async fn ingested(state: &AppState, caller: &Caller, job: JobId) -> ApiResult<Document> {
    let job = state.job_reader.wait(caller, job, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match job.state {
        JobState::Succeeded => {
            let made = job.result.as_ref().and_then(|result| result["documentId"].as_str()?.parse().ok());
            let id: DocumentId = made.ok_or_else(|| ApiError::internal("an ingest job without a document"))?;
            state.documents.find(caller, id).await.map_err(ApiError::store(ErrorCode::DocumentNotFound))
        }
        JobState::Cancelled => Err(ApiError::new(ErrorCode::JobCancelled, "The upload was cancelled")),
        JobState::Failed | JobState::Queued | JobState::Running => Err(job_failure(job.error)),
    }
}

/// Runs [`JobKind::DocumentIngest`].
#[derive(Debug)]
pub struct DocumentHandler {
    state: web::Data<AppState>,
    places: Arc<Semaphore>,
}

/// What was made of a file.
struct Ingested {
    parsed: ParsedDocument,
    split: SplitDocument,
    vectors: Option<DocumentVectors>,
}

impl DocumentHandler {
    /// A handler that reads as many files at once as `places` has.
    #[must_use]
    pub fn new(state: web::Data<AppState>, places: Arc<Semaphore>) -> Self {
        Self { state, places }
    }

    async fn ingest(&self, context: &JobContext, payload: &Payload, directory: &Path) -> Result<Ingested, Stop> {
        let original = self.take_over(context, directory).await?;
        let config = &self.state.config.documents;
        progress(context, 0.05, "Reading the document");
        let parsed = {
            // The process counts as one of the files that are read at once.
            let _place = self.places.acquire().await.map_err(|error| defect("the places are closed", &error))?;
            let parsing = Parser::new(config).parse(&original, &payload.filename).await;
            parsing.map_err(|error| defect("a document could not be given to its parser", &error))?
        };
        progress(context, 0.4, "Dividing the text");
        let options = ChunkOptions::new(config.chunk_size, config.chunk_overlap);
        let work = move || {
            let split = split(&parsed.blocks, options);
            (ParsedDocument { blocks: Vec::new(), ..parsed }, split)
        };
        let (mut parsed, split) = run_low(&self.places, work).await.map_err(Stop::Failed)?;
        if split.is_cut {
            parsed.warn(&format!("The document has more than {CHUNKS_MAX} pieces; only the first were kept"));
        }
        let vectors = self.embed(context, &split).await;
        progress(context, 0.9, "Storing the document");
        Ok(Ingested { parsed, split, vectors })
    }

    /// Vectors when there is a model, as far as it answers. A document without them is found by its words.
    async fn embed(&self, context: &JobContext, split: &SplitDocument) -> Option<DocumentVectors> {
        let embedder = self.state.document_search.embedder()?;
        if split.chunks.is_empty() || is_large(split) {
            return None;
        }
        let payer = Payer { user: context.job().owner_id, project: context.job().project_id };
        let tell = |share: f64| progress(context, 0.5 + share * 0.4, EMBEDDING);
        tell(0.0);
        let embedded = embed_beginning(embedder, &split.chunks, payer, &tell).await;
        if let Some(error) = embedded.failure {
            tracing::warn!(%error, job.id = %context.job().id, "a document does not have all of its vectors");
        }
        embedded.vectors
    }

    /// Moves the spooled file to its place, or finds it there when an earlier run did.
    async fn take_over(&self, context: &JobContext, directory: &Path) -> Result<PathBuf, Stop> {
        let spool = self.state.files.spool_directory(context.job().id);
        let directory = directory.to_owned();
        let moved = tokio::task::spawn_blocking(move || {
            let (spooled, original) = (spool.join("original"), directory.join("original"));
            std::fs::create_dir_all(&directory)?;
            match std::fs::rename(&spooled, &original) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && original.exists() => {}
                result => result?,
            }
            sync_directory(&directory)?;
            // Only the file was in it.
            drop(std::fs::remove_dir(spool));
            Ok(original)
        });
        let moved: std::io::Result<PathBuf> = moved.await.map_err(|error| defect("a file could not be moved", &error))?;
        moved.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Stop::Failed(JobError::new(ErrorCode::FileMissing, "The uploaded file is gone; upload it again"))
            }
            _ => stop_of_io(&error),
        })
    }

    async fn store(&self, context: &JobContext, payload: Payload, ingested: Ingested) -> JobVerdict {
        let job = context.job();
        let Ingested { parsed, split, vectors } = ingested;
        let is_large = is_large(&split);
        let create = DocumentCreate {
            id: payload.document_id,
            project_id: job.project_id,
            media_type: media_type(parsed.format, payload.media_type.as_deref()),
            filename: payload.filename,
            format: parsed.format,
            size_bytes: payload.size_bytes,
            text_length: split.text_length,
            page_count: parsed.page_count,
            parse_warning: parsed.warning,
            chunks: split.chunks,
            vectors,
        };
        // Nothing may be appended after the closing event, which the transaction below writes.
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let stored = self.state.documents.create_from_job(context.lease(), job.owner_id, create, self.state.clock.now()).await;
        match stored {
            Ok(_) => {
                if is_large {
                    self.state.backfill.wake();
                }
                JobVerdict::Recorded
            }
            Err(error) => not_stored(context, &error),
        }
    }

    async fn discard(&self, context: &JobContext, directory: PathBuf) {
        let spool = self.state.files.spool_directory(context.job().id);
        let removed = tokio::task::spawn_blocking(move || {
            for path in [spool, directory] {
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%error, "files of a failed upload could not be removed");
                    }
                    _ => {}
                }
            }
        });
        drop(removed.await);
    }
}

#[async_trait]
impl JobHandler for DocumentHandler {
    fn kind(&self) -> JobKind {
        JobKind::DocumentIngest
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let job = context.job();
        let payload: Payload = match serde_json::from_value(job.payload.clone()) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, job.id = %job.id, "a job's payload is not readable");
                return failed(JobError::new(ErrorCode::Internal, "The upload could not be processed"));
            }
        };
        let directory = self.state.files.document(job.owner_id, job.project_id, payload.document_id);
        let stop = context.stop_token().clone();
        let verdict = match stop.run_until_cancelled(self.ingest(&context, &payload, &directory)).await {
            None | Some(Err(Stop::Cancelled)) => JobVerdict::Stopped,
            Some(Err(Stop::Failed(error))) => failed(error),
            Some(Ok(ingested)) => self.store(&context, payload, ingested).await,
        };
        let kept = match &verdict {
            JobVerdict::Recorded => true,
            JobVerdict::Stopped => runs_again(&context),
            JobVerdict::Finished(outcome) => matches!(outcome, JobOutcome::Retry(_)),
        };
        if !kept {
            self.discard(&context, directory).await;
        }
        verdict
    }
}

fn is_large(split: &SplitDocument) -> bool {
    split.chunks.len() > WAITS_FOR_CHUNKS
}

fn progress(context: &JobContext, fraction: f64, message: &str) {
    context.events().progress(JobProgress { fraction: Some(fraction), message: Some(message.to_owned()) });
}

/// Content decides; what the client said only refines what is text.
fn media_type(format: DocumentFormat, sent: Option<&str>) -> String {
    let essence = sent.and_then(|sent| sent.split(';').next()).map(|essence| essence.trim().to_ascii_lowercase());
    let kept = essence.filter(|essence| {
        matches!(format, DocumentFormat::Text | DocumentFormat::Html) && KEPT_MEDIA_TYPES.contains(&essence.as_str())
    });
    kept.unwrap_or_else(|| format.media_type().to_owned())
}

fn defect(what: &str, error: &dyn std::fmt::Display) -> Stop {
    tracing::error!(error.cause = %error, "{what}");
    Stop::Failed(JobError::new(ErrorCode::Internal, "The document could not be processed"))
}

/// The end of a run whose work succeeded but could not be stored.
fn not_stored(context: &JobContext, error: &StoreError) -> JobVerdict {
    match error {
        StoreError::LeaseLost => JobVerdict::Stopped,
        StoreError::NotFound => failed(JobError::new(ErrorCode::ProjectNotFound, "The project was deleted meanwhile")),
        StoreError::Conflict(_) | StoreError::Unavailable(_) | StoreError::Defect(_) => {
            tracing::warn!(job.id = %context.job().id, error.cause = crate::error::chain(error), "a document could not be stored");
            let text = "The database did not take the document; trying again";
            JobVerdict::Finished(JobOutcome::Retry(JobError::new(ErrorCode::DatabaseUnavailable, text)))
        }
    }
}
