//! Savepoints (contract 3, sections 7.1 to 7.5).

use actix_web::{HttpResponse, delete, get, post, web};
use gristmill_api_types::{
    paths::{NotebookPath, SavepointPath},
    savepoints::{RestoredView, SavepointCreate, SavepointDiffView, SavepointList, SavepointView, SavepointsDelete},
};
use gristmill_domain::{ErrorCode, ports::StoreError};
use gristmill_persistence::repo::notebooks::{CELL_LOCKED, SAVEPOINT_MISSING};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, Write},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_savepoint)
        .service(list_savepoints)
        .service(delete_savepoints)
        .service(restore_savepoint)
        .service(diff_savepoint);
}

/// Stores the state of a notebook, outputs and metadata included. A notebook keeps 50; the one of the lowest turn goes.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = SavepointCreate,
    responses((status = 201, description = "The savepoint", body = SavepointView))
)]
#[post("/notebooks/{notebookId}/savepoints")]
pub async fn create_savepoint(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<SavepointCreate>,
) -> ApiResult<Created<SavepointView>> {
    let now = state.clock.now();
    let made =
        state.notebooks.create_savepoint(&signed.caller, path.notebook_id, body.turn_index, &body.turn_message_id, now).await;
    Ok(Created(made.map_err(savepoint_error)?.into()))
}

/// Lists the savepoints of a notebook by turn.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    responses((status = 200, description = "The savepoints", body = SavepointList))
)]
#[get("/notebooks/{notebookId}/savepoints")]
pub async fn list_savepoints(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<NotebookPath>,
) -> ApiResult<Json<SavepointList>> {
    let savepoints = state.notebooks.list_savepoints(&signed.caller, path.notebook_id).await.map_err(savepoint_error)?;
    Ok(Json(SavepointList { savepoints: savepoints.into_iter().map(SavepointView::from).collect() }))
}

/// Deletes the savepoints of later turns.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = SavepointsDelete,
    responses((status = 204, description = "They are gone"))
)]
#[delete("/notebooks/{notebookId}/savepoints")]
pub async fn delete_savepoints(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<SavepointsDelete>,
) -> ApiResult<HttpResponse> {
    let deleted = state.notebooks.delete_savepoints(&signed.caller, path.notebook_id, body.after_turn_index).await;
    deleted.map_err(savepoint_error)?;
    state.file_cleaner.wake();
    Ok(HttpResponse::NoContent().finish())
}

/// Brings a notebook back to a savepoint, outputs and metadata included. Refused while a cell runs.
#[utoipa::path(
    tag = "notebooks",
    params(SavepointPath),
    responses((status = 200, description = "What was done", body = RestoredView))
)]
#[post("/notebooks/{notebookId}/savepoints/{savepointId}/restore")]
pub async fn restore_savepoint(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<SavepointPath>,
) -> ApiResult<Json<RestoredView>> {
    let now = state.clock.now();
    let restored = state.notebooks.restore_savepoint(&signed.caller, path.notebook_id, path.savepoint_id, now).await;
    let restored = restored.map_err(savepoint_error)?;
    state.file_cleaner.wake();
    Ok(Json(RestoredView {
        cells_restored: restored.restored.len(),
        cells_deleted: restored.deleted.len(),
        cells_created: restored.created.len(),
        affected_cell_ids: [restored.restored, restored.created, restored.deleted].concat(),
    }))
}

/// Tells what changed since a savepoint.
#[utoipa::path(
    tag = "notebooks",
    params(SavepointPath),
    responses((status = 200, description = "What changed", body = SavepointDiffView))
)]
#[get("/notebooks/{notebookId}/savepoints/{savepointId}/diff")]
pub async fn diff_savepoint(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<SavepointPath>,
) -> ApiResult<Json<SavepointDiffView>> {
    let now = state.clock.now();
    let diff = state.notebooks.diff_savepoint(&signed.caller, path.notebook_id, path.savepoint_id, now).await;
    Ok(Json(diff.map_err(savepoint_error)?.into()))
}

fn savepoint_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict(what) if what == SAVEPOINT_MISSING => {
            ApiError::new(ErrorCode::SavepointNotFound, "Savepoint not found")
        }
        StoreError::Conflict(what) if what == CELL_LOCKED => {
            ApiError::new(ErrorCode::CellLocked, "A cell is running or being edited; wait until it is free")
        }
        _ => ApiError::store(ErrorCode::NotebookNotFound)(error),
    }
}
