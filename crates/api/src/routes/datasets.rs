//! Datasets (contract 1, section 7), besides their upload.

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use gristmill_api_types::{
    common::ErrorShape,
    datasets::{
        ColumnTypePatch, DatasetEnvelope, DatasetList, DatasetListQuery, DatasetPatch, DatasetView, RowsPage, RowsQuery,
        SampleView, SuccessView, UploadEnvelope,
    },
    errors::ErrorBody,
    paths::{ColumnPath, DatasetPath},
};
use gristmill_domain::{Caller, DatasetId, ErrorCode, datasets::Dataset, ports::StoreError};
use gristmill_persistence::repo::datasets::DatasetDeletion;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    datasets::{download, retype},
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_datasets)
        .service(migrate_datasets)
        .service(find_dataset_sample)
        .service(list_dataset_rows)
        .service(update_dataset_column)
        .service(update_dataset)
        .service(delete_dataset)
        .service(download_dataset)
        .service(download_dataset_rejects);
}

/// Lists the caller's datasets, of one project or all, oldest first.
#[utoipa::path(tag = "datasets", params(DatasetListQuery), responses((status = 200, description = "The datasets", body = DatasetList)))]
#[get("/datasets")]
pub async fn list_datasets(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<DatasetListQuery>,
) -> ApiResult<Json<DatasetList>> {
    let datasets = state.datasets.list(&signed.caller, query.project_id).await;
    let datasets = datasets.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(DatasetList { datasets: datasets.into_iter().map(DatasetView::from).collect() }))
}

/// Rebuilds the caller's dataset tables. Nothing is ever left to rebuild here: a dataset is stored only when it can
/// be queried.
#[utoipa::path(tag = "datasets", responses((status = 200, description = "Every dataset is in order", body = Object)))]
#[post("/datasets/migrate")]
pub async fn migrate_datasets(state: web::Data<AppState>, signed: Signed<Write>) -> ApiResult<HttpResponse> {
    let datasets = state.datasets.list(&signed.caller, None).await.map_err(dataset_error)?;
    let skipped: Vec<_> = datasets.iter().map(|dataset| dataset.id).collect();
    let results = serde_json::json!({ "migrated": [], "skipped": skipped, "errors": [] });
    Ok(HttpResponse::Ok().json(serde_json::json!({ "success": true, "results": results })))
}

/// Reads the first rows of a dataset.
#[utoipa::path(tag = "datasets", params(DatasetPath), responses((status = 200, description = "The preview", body = SampleView)))]
#[get("/datasets/{datasetId}/sample")]
pub async fn find_dataset_sample(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DatasetPath>,
) -> ApiResult<Json<SampleView>> {
    let dataset = state.datasets.find(&signed.caller, path.dataset_id).await.map_err(dataset_error)?;
    Ok(Json(SampleView { columns: column_names(&dataset), row_count: dataset.row_count, sample: dataset.sample }))
}

/// Reads a page of rows, in file order, in constant time at any offset.
#[utoipa::path(tag = "datasets", params(DatasetPath, RowsQuery), responses((status = 200, description = "The page", body = RowsPage)))]
#[get("/datasets/{datasetId}/rows")]
pub async fn list_dataset_rows(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DatasetPath>,
    ValidQuery(query): ValidQuery<RowsQuery>,
) -> ApiResult<Json<RowsPage>> {
    let page = match page_of(&state, &signed.caller, path.dataset_id, &query).await {
        // A type change may have replaced the file between reading the dataset and opening it.
        Err(error) if error.code() == ErrorCode::FileMissing => page_of(&state, &signed.caller, path.dataset_id, &query).await?,
        page => page?,
    };
    Ok(Json(page))
}

/// Changes the type of a column. Every value must convert; the old version stays until the new one is complete.
#[utoipa::path(
    tag = "datasets",
    params(ColumnPath),
    request_body = ColumnTypePatch,
    responses((status = 200, description = "The dataset as it is now", body = UploadEnvelope))
)]
#[put("/datasets/{datasetId}/columns/{columnName}")]
pub async fn update_dataset_column(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ColumnPath>,
    ValidJson(body): ValidJson<ColumnTypePatch>,
) -> ApiResult<Json<UploadEnvelope>> {
    let dataset = state.datasets.find(&signed.caller, path.dataset_id).await.map_err(dataset_error)?;
    let column = dataset.columns.iter().find(|column| column.name == path.column_name);
    let column = column.ok_or_else(|| ApiError::new(ErrorCode::ColumnNotFound, "Column not found"))?;
    if column.dtype == body.dtype {
        return Ok(Json(UploadEnvelope::of_type_change(dataset)));
    }
    let changed = retype(&state, &signed.caller, dataset, &path.column_name, body.dtype).await?;
    Ok(Json(UploadEnvelope::of_type_change(changed)))
}

/// Changes a dataset's display name. Its SQL names stay.
#[utoipa::path(
    tag = "datasets",
    params(DatasetPath),
    request_body = DatasetPatch,
    responses((status = 200, description = "The dataset as it is now", body = DatasetEnvelope))
)]
#[patch("/datasets/{datasetId}")]
pub async fn update_dataset(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DatasetPath>,
    ValidJson(body): ValidJson<DatasetPatch>,
) -> ApiResult<Json<DatasetEnvelope>> {
    let filename = body.filename.trim();
    if filename.contains(['/', '\\']) || filename.chars().any(char::is_control) || filename.chars().all(|c| c == '.') {
        let message = "must be a plain file name without slashes or control characters";
        return Err(ApiError::field(ErrorShape::Flatten, "filename", message));
    }
    let renamed = state.datasets.rename(&signed.caller, path.dataset_id, filename, state.clock.now()).await;
    Ok(Json(DatasetEnvelope { dataset: renamed.map_err(dataset_error)?.into() }))
}

/// Deletes a dataset with its files. Refused while agents work on it, unless the notebook that they work in is gone: those
/// are interrupted.
#[utoipa::path(
    tag = "datasets",
    params(DatasetPath),
    responses(
        (status = 200, description = "It is gone", body = SuccessView),
        (status = 409, description = "Agents work on it: `activeWorkflows`", body = ErrorBody),
    )
)]
#[delete("/datasets/{datasetId}")]
pub async fn delete_dataset(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DatasetPath>,
) -> ApiResult<Json<SuccessView>> {
    let id = path.dataset_id;
    let deletion = state.datasets.delete(&signed.caller, id, state.clock.now()).await.map_err(dataset_error)?;
    if let DatasetDeletion::InUse { filename, runs } = deletion {
        return Err(ApiError::dataset_in_use(id, filename, &runs));
    }
    state.row_readers.forget(id);
    state.file_cleaner.wake();
    Ok(Json(SuccessView { success: true }))
}

/// Downloads the file as it was uploaded.
#[utoipa::path(
    tag = "datasets",
    params(DatasetPath),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"))
)]
#[get("/datasets/{datasetId}/download")]
pub async fn download_dataset(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DatasetPath>,
) -> ApiResult<HttpResponse> {
    let dataset = state.datasets.find(&signed.caller, path.dataset_id).await.map_err(dataset_error)?;
    let files = state.files.dataset(dataset.owner_id, dataset.project_id, dataset.id);
    download(&files.original(), &dataset.filename, dataset.file_type.media_type()).await
}

/// Downloads the rejects report: one JSON object a line, with the line of the file, the column, the value and the
/// reason. Empty when everything fitted.
#[utoipa::path(
    tag = "datasets",
    params(DatasetPath),
    responses((status = 200, description = "The report", body = String, content_type = "application/x-ndjson"))
)]
#[get("/datasets/{datasetId}/rejects")]
pub async fn download_dataset_rejects(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DatasetPath>,
) -> ApiResult<HttpResponse> {
    match rejects_of(&state, &signed.caller, path.dataset_id).await {
        // As with the rows.
        Err(error) if error.code() == ErrorCode::FileMissing => rejects_of(&state, &signed.caller, path.dataset_id).await,
        rejects => rejects,
    }
}

async fn page_of(state: &AppState, caller: &Caller, id: DatasetId, query: &RowsQuery) -> ApiResult<RowsPage> {
    let dataset = state.datasets.find(caller, id).await.map_err(dataset_error)?;
    let (offset, limit) = (query.offset.unwrap_or(0), query.limit());
    let files = state.files.dataset(dataset.owner_id, dataset.project_id, dataset.id);
    let rows = state.row_readers.rows(files.parquet(dataset.version), &dataset, offset, limit).await?;
    Ok(RowsPage { rows, columns: column_names(&dataset), row_count: dataset.row_count, offset, limit })
}

async fn rejects_of(state: &AppState, caller: &Caller, id: DatasetId) -> ApiResult<HttpResponse> {
    let dataset = state.datasets.find(caller, id).await.map_err(dataset_error)?;
    let files = state.files.dataset(dataset.owner_id, dataset.project_id, dataset.id);
    let name = format!("{}.rejects.ndjson", dataset.filename);
    download(&files.rejects(dataset.version), &name, "application/x-ndjson").await
}

fn column_names(dataset: &Dataset) -> Vec<String> {
    dataset.columns.iter().map(|column| column.name.clone()).collect()
}

pub(crate) fn dataset_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::DatasetNotFound)(error)
}
