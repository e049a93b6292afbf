//! Reading an uploaded file into a dataset, as a job.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use actix_web::web;
use async_trait::async_trait;
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, JobId,
    datasets::{ColumnType, Dataset},
    jobs::{Job, JobError, JobKind, JobState, NewJob},
};
use gristmill_ingest::{IngestError, IngestLimits, IngestRequest, IngestedDataset, ingest_typed};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use gristmill_persistence::{files::DatasetFiles, repo::datasets::DatasetCreate};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    retype_job::CHOSEN_TYPES,
    work::{
        JobObserver, Stop, content_of, failed, job_failure, not_stored, room, run_low, runs_again, stop_of_io, sync_directory,
    },
};
use crate::{
    error::{ApiError, ApiResult},
    quota::check_room,
    routes::datasets::dataset_error,
    state::AppState,
    telemetry::traced,
    uploads::{ReceivedFile, Spool},
};

/// How often an ingest may be started: once, and twice more when a worker died.
const ATTEMPTS_MAX: u32 = 3;

/// What the handler needs, as stored with the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    dataset_id: DatasetId,
    filename: String,
    media_type: Option<String>,
    size_bytes: u64,
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
}

/// Checks that a received file may become a dataset of the caller's, and submits the job that makes it one.
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
    if room(state) < file.size_bytes {
        return Err(ApiError::new(ErrorCode::DiskFull, "The server has no disk space left for this file; ask the operator"));
    }
    let payload = Payload {
        dataset_id: DatasetId::random(),
        filename: file.filename,
        media_type: file.media_type,
        size_bytes: file.size_bytes,
        metadata: file.metadata,
    };
    let job = NewJob {
        id: job_id,
        kind: JobKind::DatasetIngest,
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

/// Waits for an ingest and reads the dataset that it made.
///
/// # Errors
/// Why there is none.
///
/// # Cancel safety
/// The job goes on.
pub async fn ingested(state: &AppState, caller: &Caller, job: JobId) -> ApiResult<Dataset> {
    let job = state.job_reader.wait(caller, job, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match job.state {
        JobState::Succeeded => {
            let made = job.result.as_ref().and_then(|result| result["datasetId"].as_str()?.parse().ok());
            let id: DatasetId = made.ok_or_else(|| ApiError::internal("an ingest job without a dataset"))?;
            state.datasets.find(caller, id).await.map_err(dataset_error)
        }
        JobState::Cancelled => Err(ApiError::new(ErrorCode::JobCancelled, "The upload was cancelled")),
        JobState::Failed | JobState::Queued | JobState::Running => Err(job_failure(job.error)),
    }
}

/// Runs [`JobKind::DatasetIngest`].
#[derive(Debug)]
pub struct IngestHandler {
    state: web::Data<AppState>,
    places: Arc<Semaphore>,
}

impl IngestHandler {
    /// A handler that reads as many files at once as `places` has.
    #[must_use]
    pub fn new(state: web::Data<AppState>, places: Arc<Semaphore>) -> Self {
        Self { state, places }
    }

    async fn ingest(&self, context: &JobContext, payload: &Payload, files: &DatasetFiles) -> Result<IngestedDataset, Stop> {
        let spool = self.state.files.spool_directory(context.job().id);
        let (observer, limits) = (JobObserver::of(context), limits(&self.state));
        let (payload, files) = (payload.clone(), files.clone());
        let work = move || {
            let source = take_over(&spool, &files)?;
            let request = IngestRequest {
                source: &source,
                filename: &payload.filename,
                media_type: payload.media_type.as_deref(),
                output: &files.parquet(1),
                rejects: &files.rejects(1),
                limits,
            };
            let ingested = ingest_typed(&request, &types_of(&payload.metadata), &observer).map_err(stop_of)?;
            sync_directory(files.directory()).map_err(|error| stop_of_io(&error))?;
            Ok(ingested)
        };
        run_low(&self.places, work).await.map_err(Stop::Failed)?
    }
}

#[async_trait]
impl JobHandler for IngestHandler {
    fn kind(&self) -> JobKind {
        JobKind::DatasetIngest
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
        let files = self.state.files.dataset(job.owner_id, job.project_id, payload.dataset_id);
        let verdict = match self.ingest(&context, &payload, &files).await {
            Ok(ingested) => self.store(&context, payload, &files, ingested).await,
            Err(Stop::Cancelled) => JobVerdict::Stopped,
            Err(Stop::Failed(error)) => failed(error),
        };
        let kept = match &verdict {
            JobVerdict::Recorded => true,
            JobVerdict::Stopped => runs_again(&context),
            JobVerdict::Finished(outcome) => matches!(outcome, gristmill_domain::jobs::JobOutcome::Retry(_)),
        };
        if !kept {
            self.discard(&context, &files).await;
        }
        verdict
    }
}

impl IngestHandler {
    async fn store(&self, context: &JobContext, payload: Payload, files: &DatasetFiles, ingested: IngestedDataset) -> JobVerdict {
        let job = context.job();
        let create = DatasetCreate {
            id: payload.dataset_id,
            project_id: job.project_id,
            filename: payload.filename,
            file_type: ingested.file_type,
            size_bytes: payload.size_bytes,
            metadata: payload.metadata,
            content: content_of(ingested, &files.rejects(1)),
        };
        // Nothing may be appended after the closing event, which the transaction below writes.
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let stored = self.state.datasets.create_from_job(context.lease(), job.owner_id, create, self.state.clock.now()).await;
        match stored {
            Ok(dataset) => {
                let caller = Caller::of_job(job.owner_id, job.id);
                crate::nl::prepare_suggestions(&self.state, &caller, dataset.project_id);
                JobVerdict::Recorded
            }
            Err(error) => not_stored(context, error),
        }
    }

    async fn discard(&self, context: &JobContext, files: &DatasetFiles) {
        let spool = self.state.files.spool_directory(context.job().id);
        let directory = files.directory().to_owned();
        let removed = tokio::task::spawn_blocking(move || {
            for path in [spool, directory] {
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%error, "files of a failed upload could not be removed; the janitor will");
                    }
                    _ => {}
                }
            }
        });
        drop(removed.await);
    }
}

/// The types that a file was written with. Only the server gives them: uploads bring no metadata along.
fn types_of(metadata: &serde_json::Map<String, serde_json::Value>) -> BTreeMap<String, ColumnType> {
    let given = metadata.get(CHOSEN_TYPES).cloned();
    given.and_then(|types| serde_json::from_value(types).ok()).unwrap_or_default()
}

/// Moves the spooled file to its place, or finds it there when an earlier run did.
fn take_over(spool: &std::path::Path, files: &DatasetFiles) -> Result<PathBuf, Stop> {
    let (spooled, original) = (spool.join("original"), files.original());
    let moved = std::fs::create_dir_all(files.directory()).and_then(|()| match std::fs::rename(&spooled, &original) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && original.exists() => Ok(()),
        result => result,
    });
    moved.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Stop::Failed(JobError::new(ErrorCode::FileMissing, "The uploaded file is gone; upload it again"))
        }
        _ => stop_of_io(&error),
    })?;
    // Only the file was in it.
    drop(std::fs::remove_dir(spool));
    Ok(original)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn stop_of(error: IngestError) -> Stop {
    if matches!(error, IngestError::Cancelled) {
        return Stop::Cancelled;
    }
    let code = error.code();
    if code == ErrorCode::Internal {
        tracing::error!(error.cause = crate::error::chain(&error), "a file could not be ingested");
    }
    let message = error.public_message();
    let mut failure = JobError::new(code, message.clone());
    if code == ErrorCode::UnreadableFile {
        failure.detail = Some(message);
    }
    Stop::Failed(failure)
}

/// What reading a file may use.
pub(crate) fn limits(state: &AppState) -> IngestLimits {
    let threads = std::num::NonZeroUsize::new(state.config.ingest.threads);
    let defaults = IngestLimits::default();
    IngestLimits { threads: threads.unwrap_or(defaults.threads), ..defaults }
}
