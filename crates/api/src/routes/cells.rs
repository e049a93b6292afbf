//! Cells (contract 3, section 6).

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use gristmill_api_types::{
    cells::{
        CellCreate, CellLockView, CellPatch, CellReorder, CellRun, CellRunView, CellSuggest, CellSummary, CellView,
        SuggestionLine,
    },
    common::SuccessView,
    paths::{CellPath, NotebookPath, OutputPath},
};
use gristmill_domain::{CellId, ErrorCode, ports::StoreError};
use gristmill_persistence::repo::notebooks::{self, CELL_LOCKED, NOTEBOOK_FULL};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, Write},
    llm::{SUGGESTION_LEASE, Suggestion, suggestion_lines},
    notebooks::{interrupt_cell, run_cell as run},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_cells)
        .service(create_cell)
        .service(reorder_cells)
        .service(find_cell)
        .service(update_cell)
        .service(delete_cell)
        .service(run_cell)
        .service(interrupt_cell_run)
        .service(find_cell_lock)
        .service(download_cell_output)
        .service(suggest_cell);
}

/// Lists the cells of a notebook by position.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    responses((status = 200, description = "The cells", body = Vec<CellSummary>))
)]
#[get("/notebooks/{notebookId}/cells")]
pub async fn list_cells(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<NotebookPath>,
) -> ApiResult<Json<Vec<CellSummary>>> {
    let cells = state.notebooks.list_cells(&signed.caller, path.notebook_id, state.clock.now()).await.map_err(notebook_error)?;
    Ok(Json(cells.into_iter().map(CellSummary::from).collect()))
}

/// Makes a cell. Those from its place on move down by one.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = CellCreate,
    responses((status = 201, description = "The new cell", body = CellView))
)]
#[post("/notebooks/{notebookId}/cells")]
pub async fn create_cell(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<CellCreate>,
) -> ApiResult<Created<CellView>> {
    let create = notebooks::CellCreate {
        cell_type: body.cell_type.unwrap_or_default(),
        title: body.title,
        content: body.content,
        position: body.position,
        ..notebooks::CellCreate::default()
    };
    let cell = state.notebooks.create_cell(&signed.caller, path.notebook_id, body.project_id, create, state.clock.now()).await;
    Ok(Created(cell.map_err(notebook_error)?.into()))
}

/// Puts cells into a new order.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = CellReorder,
    responses((status = 200, description = "They are in that order", body = SuccessView))
)]
#[post("/notebooks/{notebookId}/reorder")]
pub async fn reorder_cells(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<CellReorder>,
) -> ApiResult<Json<SuccessView>> {
    let now = state.clock.now();
    let order = state.notebooks.reorder_cells(&signed.caller, path.notebook_id, body.project_id, &body.cell_ids, now).await;
    order.map_err(cell_error)?;
    Ok(Json(SuccessView::DONE))
}

/// Reads a cell.
#[utoipa::path(tag = "notebooks", params(CellPath), responses((status = 200, description = "The cell", body = CellView)))]
#[get("/cells/{cellId}")]
pub async fn find_cell(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<CellPath>,
) -> ApiResult<Json<CellView>> {
    let cell = state.notebooks.find_cell(&signed.caller, path.cell_id, state.clock.now()).await.map_err(cell_error)?;
    Ok(Json(cell.into()))
}

/// Changes a cell's text or heading. Absent fields keep their value, and so do metadata.
#[utoipa::path(
    tag = "notebooks",
    params(CellPath),
    request_body = CellPatch,
    responses((status = 200, description = "The cell as it is now", body = CellView))
)]
#[patch("/cells/{cellId}")]
pub async fn update_cell(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<CellPath>,
    ValidJson(body): ValidJson<CellPatch>,
) -> ApiResult<Json<CellView>> {
    let patch = notebooks::CellPatch { content: body.content, title: body.title };
    let cell = state.notebooks.update_cell(&signed.caller, path.cell_id, body.project_id, patch, state.clock.now()).await;
    Ok(Json(cell.map_err(cell_error)?.into()))
}

/// Deletes a cell. Those behind it move up by one.
#[utoipa::path(tag = "notebooks", params(CellPath), responses((status = 204, description = "It is gone")))]
#[delete("/cells/{cellId}")]
pub async fn delete_cell(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<CellPath>,
) -> ApiResult<HttpResponse> {
    state.notebooks.delete_cell(&signed.caller, path.cell_id, state.clock.now()).await.map_err(cell_error)?;
    state.file_cleaner.wake();
    Ok(HttpResponse::NoContent().finish())
}

/// Runs a cell and answers when it is done. Code that fails, and a kernel that cannot be had, are results too. The run
/// goes on when the client goes away.
#[utoipa::path(
    tag = "notebooks",
    params(CellPath),
    request_body = CellRun,
    responses((status = 200, description = "The result", body = CellRunView))
)]
#[post("/cells/{cellId}/run")]
pub async fn run_cell(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<CellPath>,
    ValidJson(body): ValidJson<CellRun>,
) -> ApiResult<Json<CellRunView>> {
    Ok(Json(run(&state, &signed.caller, path.cell_id, body.project_id).await?))
}

/// Interrupts the run of a cell: it ends with `KeyboardInterrupt`. Does nothing when the cell does not run.
#[utoipa::path(
    tag = "notebooks",
    params(CellPath),
    request_body = CellRun,
    responses((status = 200, description = "It was asked to stop", body = SuccessView))
)]
#[post("/cells/{cellId}/interrupt")]
pub async fn interrupt_cell_run(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<CellPath>,
    ValidJson(body): ValidJson<CellRun>,
) -> ApiResult<Json<SuccessView>> {
    interrupt_cell(&state, &signed.caller, path.cell_id, body.project_id).await?;
    Ok(Json(SuccessView::DONE))
}

/// Tells whether somebody holds a cell.
#[utoipa::path(tag = "notebooks", params(CellPath), responses((status = 200, description = "Who", body = CellLockView)))]
#[get("/cells/{cellId}/lock")]
pub async fn find_cell_lock(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<CellPath>,
) -> ApiResult<Json<CellLockView>> {
    let cell = state.notebooks.find_cell(&signed.caller, path.cell_id, state.clock.now()).await.map_err(cell_error)?;
    Ok(Json(cell.into()))
}

/// Gives a file of a cell's outputs. Needs no credential: the name carries the server's signature, so that whoever was
/// shown the output can show it in a page.
#[utoipa::path(
    tag = "notebooks",
    security(()),
    params(OutputPath),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"))
)]
#[get("/cells/{cellId}/outputs/{filename}")]
pub async fn download_cell_output(
    state: web::Data<AppState>,
    PathParams(path): PathParams<OutputPath>,
) -> ApiResult<HttpResponse> {
    let is_path = |text: &str| text.contains("..") || text.contains(['/', '\\', '\0']);
    if is_path(&path.cell_id) || is_path(&path.filename) {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "The name of the file is not allowed"));
    }
    let missing = || ApiError::new(ErrorCode::FileMissing, "Not found");
    let cell: CellId = path.cell_id.parse().map_err(|_error| missing())?;
    if !state.output_links.is_signed(cell, &path.filename) {
        return Err(missing());
    }
    let found = state.notebooks.find_output(cell, &path.filename).await.map_err(ApiError::store(ErrorCode::FileMissing))?;
    let (place, output) = found;
    let bytes = tokio::fs::read(state.files.path(&place)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(),
        _ => ApiError::internal(error),
    })?;
    Ok(HttpResponse::Ok()
        .content_type(output.mime_type)
        // Pages that embed it may be isolated, and what a cell made is not to be run in the server's origin.
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"))
        .insert_header((header::CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .body(bytes))
}

/// Has the language model write a new cell for a finding. 503 without one. Leaving stops the writing; the cell stays.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = CellSuggest,
    responses((
        status = 200,
        description = "`cell_created`, `token`s, then `done` or `error`",
        body = SuggestionLine,
        content_type = "application/x-ndjson"
    ))
)]
#[post("/notebooks/{notebookId}/cells/suggest")]
pub async fn suggest_cell(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<CellSuggest>,
) -> ApiResult<HttpResponse> {
    let notebook = state.notebooks.find(&signed.caller, path.notebook_id).await.map_err(notebook_error)?;
    let provider = state.llm.provider()?;
    let now = state.clock.now();
    let lease = state.notebooks.start_suggestion(&signed.caller, path.notebook_id, SUGGESTION_LEASE, now).await;
    let suggestion = Suggestion {
        caller: signed.caller,
        project: notebook.project_id,
        lease: lease.map_err(notebook_error)?,
        model: state.llm.catalog().small_model().id.clone(),
        context: body.insight_context,
    };
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(suggestion_lines(&state, provider, suggestion)))
}

fn notebook_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict(what) if what == NOTEBOOK_FULL => {
            ApiError::new(ErrorCode::Conflict, "The notebook has as many cells as it may; delete some or make another notebook")
        }
        _ => ApiError::store(ErrorCode::NotebookNotFound)(error),
    }
}

fn cell_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict(what) if what == CELL_LOCKED => {
            ApiError::new(ErrorCode::CellLocked, "The cell is running or being edited; wait until it is free")
        }
        _ => ApiError::store(ErrorCode::CellNotFound)(error),
    }
}
