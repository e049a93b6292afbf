//! Changing the type of a dataset's column, as a job: the original is read again with the type that was asked for.
//!
//! From the original and not from the Parquet file, because a type may have lost what another needs: `007` read as a
//! number cannot become the text `007` again. Datasets that were made from others have no original: of them, the values that
//! they hold are converted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix_web::web;
use async_trait::async_trait;
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, JobId,
    datasets::{ColumnType, Dataset},
    jobs::{JobError, JobKind, JobOutcome, JobState, NewJob},
};
use gristmill_ingest::{IngestError, IngestRequest, IngestedDataset, RetypeError, ingest_typed, retype_from_source};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use gristmill_persistence::{
    files::{DatasetFiles, dataset_prefix},
    repo::datasets::DatasetReplace,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    ingest_job::limits,
    work::{JobObserver, Stop, content_of, failed, job_failure, not_stored, run_low, runs_again, stop_of_io, sync_file},
};
use crate::{
    error::{ApiError, ApiResult},
    routes::datasets::dataset_error,
    state::AppState,
    telemetry::traced,
};

/// The metadata key that keeps the types that users chose or code gave, so that the next change keeps them.
pub(crate) const CHOSEN_TYPES: &str = "columnTypes";
const ATTEMPTS_MAX: u32 = 3;

/// What the handler needs, as stored with the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    dataset_id: DatasetId,
    filename: String,
    /// The version to make.
    version: u32,
    /// The types that users chose, this change included.
    chosen: BTreeMap<String, ColumnType>,
    /// The column of this change. Jobs of older servers do not name it.
    #[serde(default)]
    column: Option<String>,
    /// Whether the file was written together with its types.
    #[serde(default)]
    is_typed: bool,
}

/// Changes the type of a column and waits until the new version is there.
///
/// # Errors
/// 400 with the first value that does not convert, 409 when another change came first, 404 when the original is gone.
///
/// # Cancel safety
/// The job goes on.
pub async fn retype(
    state: &web::Data<AppState>,
    caller: &Caller,
    dataset: Dataset,
    column: &str,
    to: ColumnType,
) -> ApiResult<Dataset> {
    let mut chosen: BTreeMap<String, ColumnType> = match dataset.metadata.get(CHOSEN_TYPES) {
        Some(stored) => serde_json::from_value(stored.clone()).map_err(ApiError::internal)?,
        None => BTreeMap::new(),
    };
    chosen.insert(column.to_owned(), to);
    let (version, column) = (dataset.version + 1, Some(column.to_owned()));
    let is_typed = dataset.metadata.contains_key("preprocessing");
    let payload = Payload { dataset_id: dataset.id, filename: dataset.filename, version, chosen, column, is_typed };
    let job = NewJob {
        id: JobId::random(),
        kind: JobKind::DatasetRetype,
        owner_id: caller.user_id,
        project_id: dataset.project_id,
        payload: serde_json::to_value(payload).map_err(ApiError::internal)?,
        attempts_max: ATTEMPTS_MAX,
        idempotency_key: None,
    };
    let (job, _) = state.jobs.submit(traced(job)).await.map_err(dataset_error)?;
    let job = state.job_reader.wait(caller, job.id, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match job.state {
        JobState::Succeeded => state.datasets.find(caller, dataset.id).await.map_err(dataset_error),
        JobState::Cancelled => Err(ApiError::new(ErrorCode::JobCancelled, "The change of the column was cancelled")),
        JobState::Failed | JobState::Queued | JobState::Running => Err(job_failure(job.error)),
    }
}

/// Runs [`JobKind::DatasetRetype`].
#[derive(Debug)]
pub struct RetypeHandler {
    state: web::Data<AppState>,
    places: Arc<Semaphore>,
}

impl RetypeHandler {
    /// A handler that shares `places` with the ingest.
    #[must_use]
    pub fn new(state: web::Data<AppState>, places: Arc<Semaphore>) -> Self {
        Self { state, places }
    }

    async fn convert(&self, context: &JobContext, payload: &Payload, files: &DatasetFiles) -> Result<IngestedDataset, Stop> {
        let (observer, limits) = (JobObserver::of(context), limits(&self.state));
        let (payload, files) = (payload.clone(), files.clone());
        let work = move || {
            let (output, rejects) = (files.parquet(payload.version), files.rejects(payload.version));
            let converted = if files.features().is_file() {
                convert_values(&payload, &files, &observer)?
            } else {
                let request = IngestRequest {
                    source: &files.original(),
                    filename: &payload.filename,
                    media_type: None,
                    output: &output,
                    rejects: &rejects,
                    limits,
                };
                if payload.is_typed {
                    ingest_typed(&request, &payload.chosen, &observer).map_err(|error| stop_of(error.into()))?
                } else {
                    let types: HashMap<String, ColumnType> = payload.chosen.into_iter().collect();
                    retype_from_source(&request, &types, &observer).map_err(stop_of)?
                }
            };
            for path in [&output, &rejects] {
                sync_file(path).map_err(|error| stop_of_io(&error))?;
            }
            Ok(converted)
        };
        run_low(&self.places, work).await.map_err(Stop::Failed)?
    }
}

#[async_trait]
impl JobHandler for RetypeHandler {
    fn kind(&self) -> JobKind {
        JobKind::DatasetRetype
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let job = context.job();
        let payload: Payload = match serde_json::from_value(job.payload.clone()) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, job.id = %job.id, "a job's payload is not readable");
                return failed(JobError::new(ErrorCode::Internal, "The change could not be processed"));
            }
        };
        let files = self.state.files.dataset(job.owner_id, job.project_id, payload.dataset_id);
        let verdict = match self.convert(&context, &payload, &files).await {
            Ok(converted) => self.store(&context, &payload, &files, converted).await,
            Err(Stop::Cancelled) => JobVerdict::Stopped,
            Err(Stop::Failed(error)) => failed(error),
        };
        let again = matches!(verdict, JobVerdict::Finished(JobOutcome::Retry(_)));
        if !matches!(verdict, JobVerdict::Recorded) && !again && !runs_again(&context) {
            for path in [files.parquet(payload.version), files.rejects(payload.version)] {
                // Not there is what was wanted.
                drop(tokio::fs::remove_file(path).await);
            }
        }
        verdict
    }
}

impl RetypeHandler {
    async fn store(
        &self,
        context: &JobContext,
        payload: &Payload,
        files: &DatasetFiles,
        converted: IngestedDataset,
    ) -> JobVerdict {
        let chosen = serde_json::to_value(&payload.chosen).unwrap_or_default();
        let replace = DatasetReplace {
            version: payload.version,
            content: content_of(converted, &files.rejects(payload.version)),
            metadata: serde_json::Map::from_iter([(CHOSEN_TYPES.to_owned(), chosen)]),
        };
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let job = context.job();
        let prefix = dataset_prefix(job.owner_id, job.project_id, payload.dataset_id);
        let now = self.state.clock.now();
        match self.state.datasets.replace_from_job(context.lease(), payload.dataset_id, replace, &prefix, now).await {
            Ok(dataset) => {
                self.state.file_cleaner.wake();
                crate::nl::prepare_suggestions(&self.state, &Caller::of_job(job.owner_id, job.id), dataset.project_id);
                JobVerdict::Recorded
            }
            Err(error) => not_stored(context, error),
        }
    }
}

/// Converts the values of a dataset that was made from another.
fn convert_values(payload: &Payload, files: &DatasetFiles, observer: &JobObserver) -> Result<IngestedDataset, Stop> {
    let change = payload.column.as_ref().and_then(|column| Some((column, *payload.chosen.get(column)?)));
    let Some((column, to)) = change else {
        return Err(Stop::Failed(JobError::new(ErrorCode::Internal, "The change could not be processed; try again")));
    };
    let source = files.parquet(payload.version.saturating_sub(1));
    let converted = gristmill_ingest::retype(&source, &files.parquet(payload.version), column, to, observer).map_err(stop_of)?;
    // Nothing of it is ever rejected.
    std::fs::write(files.rejects(payload.version), "").map_err(|error| stop_of_io(&error))?;
    Ok(converted)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn stop_of(error: RetypeError) -> Stop {
    if matches!(error, RetypeError::Ingest(IngestError::Cancelled)) {
        return Stop::Cancelled;
    }
    let code = error.code();
    if code == ErrorCode::Internal {
        tracing::error!(error.cause = crate::error::chain(&error), "a column could not be converted");
    }
    let message = error.public_message();
    let mut failure = JobError::new(code, message.clone());
    if code == ErrorCode::ConversionFailed {
        "The column cannot be converted".clone_into(&mut failure.message);
        failure.detail = Some(message);
    }
    Stop::Failed(failure)
}
