//! What code saved to the project becomes datasets, through the same job as uploads.

use actix_web::web;
use gristmill_api_types::cells::ExportedDatasetView;
use gristmill_domain::{Caller, JobId, datasets::iso_millis};
use gristmill_runtime::{Export, KernelPlace};
use serde_json::json;

use crate::{
    datasets::{ingested, submit_ingest},
    error::{ApiError, ApiResult, chain},
    state::AppState,
    uploads::{ReceivedFile, Spool, io_error},
};

/// Takes over the exports of a place. What is not right is skipped and logged: the run itself went well.
pub(super) async fn take_over(state: &web::Data<AppState>, caller: &Caller, place: &KernelPlace) -> Vec<ExportedDatasetView> {
    let exports = match state.runtime.drain_exports(place).await {
        Ok(exports) => exports,
        Err(error) => {
            tracing::warn!(error.cause = chain(&error), "exports could not be taken over");
            return Vec::new();
        }
    };
    let mut taken = Vec::with_capacity(exports.len());
    for export in exports {
        match ingest(state, caller, place, &export).await {
            Ok(dataset) => taken.push(dataset),
            Err(error) => tracing::warn!(%error, export.id = export.export_id, "an export did not become a dataset"),
        }
        // Moved when all went well.
        drop(tokio::fs::remove_file(&export.path).await);
    }
    taken
}

async fn ingest(
    state: &web::Data<AppState>,
    caller: &Caller,
    place: &KernelPlace,
    export: &Export,
) -> ApiResult<ExportedDatasetView> {
    let job_id = JobId::random();
    let spool = Spool::create(&state.files, job_id).map_err(io_error)?;
    let (from, to) = (export.path.clone(), spool.file());
    let moved = move || {
        // Another file system is possible, though not usual.
        std::fs::rename(&from, &to).or_else(|_error| std::fs::copy(&from, &to).map(drop))?;
        Ok(std::fs::metadata(&to)?.len())
    };
    let size_bytes = tokio::task::spawn_blocking(moved).await.map_err(ApiError::internal)?.map_err(io_error)?;
    let metadata = json!({
        "source": "notebook_export",
        "exportedAt": iso_millis::format(state.clock.now()),
        "exportId": export.export_id,
    });
    let file = ReceivedFile {
        filename: format!("{}.csv", export.name),
        media_type: Some("text/csv".into()),
        size_bytes,
        project_id: Some(place.project),
        metadata: metadata.as_object().cloned().unwrap_or_default(),
    };
    let job = submit_ingest(state, caller, job_id, spool, file, None).await?;
    let dataset = ingested(state, caller, job.id).await?;
    Ok(ExportedDatasetView {
        id: dataset.id,
        name: export.name.clone(),
        rows: dataset.row_count,
        cols: u64::try_from(dataset.columns.len()).unwrap_or(u64::MAX),
    })
}
