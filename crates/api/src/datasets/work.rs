//! What ingest and type changes share: running the engine on a blocking thread, with progress and cancellation.

use std::{
    fs::File,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gristmill_domain::{
    ErrorCode,
    jobs::{JobError, JobOutcome, JobProgress},
    ports::StoreError,
};
use gristmill_ingest::{IngestObserver, IngestedDataset};
use gristmill_jobs::{EventWriter, JobContext, JobVerdict, StopReason};
use gristmill_persistence::repo::datasets::DatasetContent;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{error::ApiError, state::AppState};

/// Reports to the job's log, and stops the engine when the job must stop.
pub(super) struct JobObserver {
    events: EventWriter,
    stop: CancellationToken,
}

impl JobObserver {
    pub(super) fn of(context: &JobContext) -> Self {
        Self { events: context.events().clone(), stop: context.stop_token().clone() }
    }
}

impl IngestObserver for JobObserver {
    fn progress(&self, fraction: f64, stage: &str) {
        self.events.progress(JobProgress { fraction: Some(fraction), message: Some(stage.to_owned()) });
    }

    fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// Why a run has no dataset.
pub(crate) enum Stop {
    /// It was told to stop.
    Cancelled,
    /// It gave up.
    Failed(JobError),
}

/// Runs `work` on a blocking thread of low priority, when one of the places for such work is free.
pub(crate) async fn run_low<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    let defect = |text: String| {
        tracing::error!(error.cause = text, "work on a dataset could not run");
        JobError::new(ErrorCode::Internal, "The file could not be processed")
    };
    let place = Arc::clone(places).acquire_owned().await.map_err(|error| defect(error.to_string()))?;
    let task = tokio::task::spawn_blocking(move || {
        let value = low_priority(work);
        drop(place);
        value
    });
    task.await.map_err(|error| defect(error.to_string()))
}

/// Lets requests go first: the thread gives way while they need the CPU.
fn low_priority<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // A thread of its own: the pool's threads serve requests afterwards, and unprivileged processes cannot raise a
    // priority again. Threads that the engine starts inherit it.
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            if let Err(error) = rustix::process::nice(10) {
                tracing::debug!(%error, "the priority could not be lowered");
            }
            work()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The content of a dataset as it is stored.
pub(crate) fn content_of(ingested: IngestedDataset, rejects: &Path) -> DatasetContent {
    let rejects_bytes = std::fs::metadata(rejects).map_or(0, |metadata| metadata.len());
    DatasetContent {
        row_count: ingested.row_count,
        columns: ingested.columns,
        key_sketches: ingested.key_sketches,
        sample: ingested.sample,
        ingest: ingested.report,
        eda: ingested.eda,
        derived_bytes: ingested.parquet_bytes.saturating_add(rejects_bytes),
    }
}

/// Makes a directory's files durable: a dataset that was acknowledged survives a power cut.
pub(crate) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    let began = Instant::now();
    for entry in std::fs::read_dir(directory)? {
        sync_file(&entry?.path())?;
    }
    File::open(directory)?.sync_all()?;
    if began.elapsed() > Duration::from_secs(1) {
        tracing::warn!(elapsed_ms = began.elapsed().as_millis(), "the disk is slow to keep a dataset");
    }
    Ok(())
}

/// Makes one file durable.
pub(super) fn sync_file(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// The end of a run that could not write.
pub(crate) fn stop_of_io(error: &std::io::Error) -> Stop {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        return Stop::Failed(JobError::new(ErrorCode::DiskFull, "The server has no disk space left; try again later"));
    }
    tracing::error!(%error, "a dataset's files could not be kept");
    Stop::Failed(JobError::new(ErrorCode::Internal, "The file could not be kept"))
}

/// The end of a run whose work succeeded but could not be stored.
#[expect(clippy::needless_pass_by_value, reason = "the run ends with it")]
pub(crate) fn not_stored(context: &JobContext, error: StoreError) -> JobVerdict {
    match error {
        StoreError::LeaseLost => JobVerdict::Stopped,
        StoreError::NotFound => failed(JobError::new(ErrorCode::ProjectNotFound, "The project or dataset was deleted meanwhile")),
        StoreError::Conflict(_) => failed(JobError::new(ErrorCode::Conflict, "The dataset changed meanwhile; try again")),
        StoreError::Unavailable(_) | StoreError::Defect(_) => {
            tracing::warn!(job.id = %context.job().id, error.cause = crate::error::chain(&error), "a dataset could not be stored");
            let text = "The database did not take the dataset; trying again";
            JobVerdict::Finished(JobOutcome::Retry(JobError::new(ErrorCode::DatabaseUnavailable, text)))
        }
    }
}

/// The end of a run that gave up.
pub(crate) fn failed(error: JobError) -> JobVerdict {
    JobVerdict::Finished(JobOutcome::Failed(error))
}

/// Whether what a stopped run leaves behind will be needed again: a job that goes back to the queue starts from it.
pub(crate) fn runs_again(context: &JobContext) -> bool {
    // A lease may be lost before it is known here why the run stops.
    !matches!(context.reason(), Some(StopReason::CancelRequested))
}

/// The answer to a request whose job did not succeed.
pub(crate) fn job_failure(error: Option<JobError>) -> ApiError {
    let error = error.unwrap_or_else(|| JobError::new(ErrorCode::JobFailed, "The job failed"));
    let code = ErrorCode::from_name(&error.code).unwrap_or(ErrorCode::JobFailed);
    let failure = ApiError::new(code, error.message);
    match (code, error.detail) {
        (ErrorCode::ConversionFailed, Some(detail)) => failure.with_details(detail),
        (_, Some(detail)) => failure.with_detail(detail),
        (_, None) => failure,
    }
}

/// Free bytes of the file system that holds the files, less what uploads must leave.
pub(crate) fn room(state: &AppState) -> u64 {
    let space = rustix::fs::statvfs(state.files.spool());
    let free = space.map_or(u64::MAX, |space| space.f_bavail.saturating_mul(space.f_frsize));
    free.saturating_sub(state.config.ingest.disk_reserve_bytes)
}
