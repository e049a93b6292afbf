//! Notebooks (contract 3, section 5).

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use gristmill_api_types::{
    common::SuccessView,
    notebooks::{
        NotebookCreate, NotebookDeletedView, NotebookFileView, NotebookImport, NotebookListQuery, NotebookPatch, NotebookView,
    },
    paths::{InProjectPath, NotebookPath, ProjectNotebookPath},
};
use gristmill_domain::{ErrorCode, notebooks::NotebookKind, ports::StoreError};
use gristmill_persistence::repo::notebooks::{self, LAST_NOTEBOOK};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{DetailQuery, OptionalJson, PathParams, Read, Signed, ValidJson, Write},
    notebooks::{files, place_of, runtime_error},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_notebooks)
        .service(create_notebook)
        .service(import_notebook)
        .service(update_notebook)
        .service(delete_notebook)
        .service(export_notebook)
        .service(restart_kernel);
}

/// Lists the notebooks of a project, oldest first.
#[utoipa::path(
    tag = "notebooks",
    params(InProjectPath, NotebookListQuery),
    responses((status = 200, description = "The notebooks", body = Vec<NotebookView>))
)]
#[get("/projects/{projectId}/notebooks")]
pub async fn list_notebooks(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<InProjectPath>,
    DetailQuery(query): DetailQuery<NotebookListQuery>,
) -> ApiResult<Json<Vec<NotebookView>>> {
    let notebooks = state.notebooks.list(&signed.caller, path.project_id, query.kind).await.map_err(project_error)?;
    Ok(Json(notebooks.into_iter().map(NotebookView::from).collect()))
}

/// Makes a notebook.
#[utoipa::path(
    tag = "notebooks",
    params(InProjectPath),
    request_body = NotebookCreate,
    responses((status = 201, description = "The new notebook", body = NotebookView))
)]
#[post("/projects/{projectId}/notebooks")]
pub async fn create_notebook(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<NotebookCreate>,
) -> ApiResult<Created<NotebookView>> {
    let create = notebooks::NotebookCreate {
        name: body.name.as_deref().map(trimmed),
        kind: body.kind.unwrap_or_default(),
        metadata: body.metadata.unwrap_or_default(),
        cells: Vec::new(),
    };
    let notebook = state.notebooks.create(&signed.caller, path.project_id, create, state.clock.now()).await;
    Ok(Created(notebook.map_err(project_error)?.into()))
}

/// Reads a Jupyter notebook file into a new notebook.
#[utoipa::path(
    tag = "notebooks",
    params(InProjectPath),
    request_body = NotebookImport,
    responses((status = 201, description = "The new notebook", body = NotebookView))
)]
#[post("/projects/{projectId}/notebooks/import")]
pub async fn import_notebook(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<NotebookImport>,
) -> ApiResult<Created<NotebookView>> {
    let mut create = files::read(&body.notebook)?;
    create.kind = body.kind.unwrap_or(NotebookKind::Standalone);
    create.name = body.name.as_deref().map(trimmed).or(create.name);
    let notebook = state.notebooks.create(&signed.caller, path.project_id, create, state.clock.now()).await;
    Ok(Created(notebook.map_err(project_error)?.into()))
}

/// Changes a notebook. Absent fields keep their value; metadata keys are laid over the stored ones.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = NotebookPatch,
    responses((status = 200, description = "The notebook as it is now", body = NotebookView))
)]
#[patch("/notebooks/{notebookId}")]
pub async fn update_notebook(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    OptionalJson(body): OptionalJson<NotebookPatch>,
) -> ApiResult<Json<NotebookView>> {
    let patch = notebooks::NotebookPatch { name: body.name.as_deref().map(trimmed), metadata: body.metadata };
    let notebook = state.notebooks.update(&signed.caller, path.notebook_id, patch, state.clock.now()).await;
    Ok(Json(notebook.map_err(notebook_error)?.into()))
}

/// Deletes a notebook with its cells, savepoints and files. A project keeps its last phase notebook.
#[utoipa::path(
    tag = "notebooks",
    params(ProjectNotebookPath),
    responses((status = 200, description = "It is gone", body = NotebookDeletedView))
)]
#[delete("/projects/{projectId}/notebooks/{notebookId}")]
pub async fn delete_notebook(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ProjectNotebookPath>,
) -> ApiResult<Json<NotebookDeletedView>> {
    let fallback = state.notebooks.delete(&signed.caller, path.project_id, path.notebook_id).await.map_err(notebook_error)?;
    state.file_cleaner.wake();
    Ok(Json(NotebookDeletedView { deleted_notebook_id: path.notebook_id, fallback_notebook_id: fallback }))
}

/// Gives a notebook as a Jupyter notebook file (nbformat 4.5).
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    responses((status = 200, description = "The file", body = NotebookFileView))
)]
#[get("/notebooks/{notebookId}/export")]
pub async fn export_notebook(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<NotebookPath>,
) -> ApiResult<HttpResponse> {
    let notebook = state.notebooks.find(&signed.caller, path.notebook_id).await.map_err(notebook_error)?;
    let cells = state.notebooks.list_cells(&signed.caller, path.notebook_id, state.clock.now()).await.map_err(notebook_error)?;
    let file = files::write(&state, &notebook, cells).await;
    let disposition = (header::CONTENT_DISPOSITION, "attachment; filename=\"notebook.ipynb\"");
    Ok(HttpResponse::Ok().insert_header(disposition).json(NotebookFileView(file)))
}

/// Restarts the kernel of a project's notebooks, or starts it. Files stay, variables do not.
#[utoipa::path(
    tag = "notebooks",
    params(InProjectPath),
    responses((status = 200, description = "A new kernel is ready", body = SuccessView))
)]
#[post("/projects/{projectId}/kernel/restart")]
pub async fn restart_kernel(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
) -> ApiResult<Json<SuccessView>> {
    state.projects.find(&signed.caller, path.project_id).await.map_err(project_error)?;
    state.runtime.restart(&place_of(&signed.caller, path.project_id)).await.map_err(runtime_error)?;
    Ok(Json(SuccessView::DONE))
}

fn trimmed(name: &str) -> String {
    name.trim().to_owned()
}

fn project_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::ProjectNotFound)(error)
}

fn notebook_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict(what) if what == LAST_NOTEBOOK => {
            ApiError::new(ErrorCode::Conflict, "A project keeps its last phase notebook; make another one first")
        }
        _ => ApiError::store(ErrorCode::NotebookNotFound)(error),
    }
}
