//! From a request to the job that makes a dataset with features, and from its end to an answer.

use actix_web::web;
use chrono::{DateTime, Utc};
use gristmill_api_types::feature_engineering::FeatureApply;
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, JobId, ProjectId,
    datasets::{Dataset, FileType},
    execution::PythonVersion,
    jobs::{Job, JobKind, JobState, NewJob},
    ports::StoreError,
};
use gristmill_ingest::{SHEET_COLUMNS_MAX, SHEET_ROWS_MAX};
use gristmill_modeling::JobBudget;
use gristmill_persistence::repo::datasets::DatasetLineage;
use serde::{Deserialize, Serialize};

use super::{
    naming,
    request::{FeatureItem, checked_items},
    splits::{TargetSplit, target_splits, withheld_targets},
};
use crate::{
    datasets::{free_room, job_failure},
    error::{ApiError, ApiResult},
    models::budget_of,
    quota::check_room,
    routes::datasets::dataset_error,
    state::AppState,
    telemetry::traced,
};

/// How often a job may be started: once, and twice more when its worker died.
const ATTEMPTS_MAX: u32 = 3;

/// What the handler needs, as stored with the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    /// The dataset that is made.
    pub(super) dataset_id: DatasetId,
    pub(super) source_id: DatasetId,
    pub(super) source_version: u32,
    pub(super) filename: String,
    pub(super) file_type: FileType,
    pub(super) python: PythonVersion,
    pub(super) budget: JobBudget,
    /// Until when `time_since` counts: the same when the job is repeated.
    pub(super) reference: DateTime<Utc>,
    pub(super) features: Vec<FeatureItem>,
    /// Of the targets that features learn from.
    pub(super) splits: Vec<TargetSplit>,
    /// Columns to be predicted, which code does not get to see.
    #[serde(default)]
    pub(super) withheld: Vec<String>,
}

/// Checks a request and submits its job.
///
/// # Errors
/// 404 for a project that is not the caller's; 400 for whatever cannot be made so; 413 over the quota; 507 when the disk is
/// full.
pub async fn submit_apply(
    state: &web::Data<AppState>,
    caller: &Caller,
    request: FeatureApply,
    idempotency_key: Option<String>,
) -> ApiResult<Job> {
    let project = request.project_id;
    state.projects.find(caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let source = source_of(state, caller, project, request.dataset_id).await?;
    let items = checked_items(request.features, &source)?;
    let asked = request.output_name.as_deref();
    let file_type = naming::format(request.output_format, asked, &source.filename);
    check_format(file_type, &source, items.len())?;
    // What it makes is larger, but how much is not known yet.
    check_room(state, caller, Some(project), source.size_bytes.max(1)).await?;
    if free_room(state) < source.size_bytes {
        let text = "The server has no disk space left for this dataset; ask the operator";
        return Err(ApiError::new(ErrorCode::DiskFull, text));
    }
    let now = state.clock.now();
    let withheld = withheld_targets(state, caller, &source, &items, request.target_column.as_deref()).await?;
    let payload = Payload {
        dataset_id: DatasetId::random(),
        source_id: source.id,
        source_version: source.version,
        filename: naming::filename(asked, &source.filename, file_type, now),
        file_type,
        python: request.python_version.unwrap_or_default(),
        budget: budget_of(state, caller).await?,
        reference: now,
        splits: target_splits(state, caller, &source, &items).await?,
        withheld,
        features: items,
    };
    let job = NewJob {
        id: JobId::random(),
        kind: JobKind::FeatureApply,
        owner_id: caller.user_id,
        project_id: Some(project),
        payload: serde_json::to_value(payload).map_err(ApiError::internal)?,
        attempts_max: ATTEMPTS_MAX,
        idempotency_key,
    };
    let (job, _) = state.jobs.submit(traced(job)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(job)
}

/// The dataset that features are made from. The contract has 400 for one that is missing.
async fn source_of(state: &AppState, caller: &Caller, project: ProjectId, id: DatasetId) -> ApiResult<Dataset> {
    let missing = || ApiError::new(ErrorCode::FeaturesRefused, "Dataset not found in this project");
    let source = match state.datasets.find(caller, id).await {
        Ok(source) if source.project_id == Some(project) => source,
        Ok(_) | Err(StoreError::NotFound) => return Err(missing()),
        Err(error) => return Err(dataset_error(error)),
    };
    let file = state.files.dataset(source.owner_id, source.project_id, source.id).parquet(source.version);
    if tokio::fs::try_exists(file).await.map_err(ApiError::internal)? {
        Ok(source)
    } else {
        Err(ApiError::new(ErrorCode::FeaturesRefused, "The stored file of the dataset is gone; upload it again"))
    }
}

fn check_format(file_type: FileType, source: &Dataset, features: usize) -> ApiResult<()> {
    let columns = source.columns.len().saturating_add(features);
    if file_type == FileType::Xlsx && (source.row_count >= SHEET_ROWS_MAX || columns > SHEET_COLUMNS_MAX) {
        let rows = SHEET_ROWS_MAX - 1;
        let text = format!("A workbook holds at most {rows} rows and {SHEET_COLUMNS_MAX} columns; ask for csv or json");
        return Err(ApiError::new(ErrorCode::FeaturesRefused, text));
    }
    Ok(())
}

/// Waits for a job, and reads the dataset that it made with what is recorded of its making.
///
/// # Errors
/// Why there is none.
///
/// # Cancel safety
/// The job goes on.
pub async fn applied(state: &AppState, caller: &Caller, job: JobId) -> ApiResult<(Dataset, DatasetLineage)> {
    let job = state.job_reader.wait(caller, job, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match job.state {
        JobState::Succeeded => {
            let made = job.result.as_ref().and_then(|result| result["datasetId"].as_str()?.parse().ok());
            let id: DatasetId = made.ok_or_else(|| ApiError::internal("a job that made features without a dataset"))?;
            let dataset = state.datasets.find(caller, id).await.map_err(dataset_error)?;
            let lineage = state.datasets.lineage(caller, id).await.map_err(dataset_error)?;
            Ok((dataset, lineage))
        }
        JobState::Cancelled => Err(ApiError::new(ErrorCode::JobCancelled, "Making the features was cancelled")),
        JobState::Failed | JobState::Queued | JobState::Running => Err(job_failure(job.error)),
    }
}
