//! Projects (contract 1, section 6). The exemplary resource: docs/ADDING-AN-ENDPOINT.md walks through it.

use actix_web::{HttpResponse, delete, get, http::StatusCode, patch, post, web};
use gristmill_api_types::{
    paths::ProjectPath,
    projects::{ProjectCreate, ProjectEnvelope, ProjectList, ProjectPatch, ProjectView},
};
use gristmill_domain::ErrorCode;
use gristmill_persistence::repo::projects;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, PathParams, Read, Signed, ValidJson, Write},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_projects)
        .service(create_project)
        // Before `{id}`, or `reset` would be taken for an id.
        .service(reset_projects)
        .service(find_project)
        .service(update_project)
        .service(delete_project);
}

/// Lists the caller's projects, oldest first.
#[utoipa::path(tag = "projects", responses((status = 200, description = "The projects", body = ProjectList)))]
#[get("/projects")]
pub async fn list_projects(state: web::Data<AppState>, signed: Signed<Read>) -> ApiResult<Json<ProjectList>> {
    let projects = state.projects.list(&signed.caller).await.map_err(project_error)?;
    Ok(Json(ProjectList { projects: projects.into_iter().map(ProjectView::from).collect() }))
}

/// Makes a project. With an `Idempotency-Key`, a repetition finds the project that the first call made.
#[utoipa::path(
    tag = "projects",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable")),
    request_body = ProjectCreate,
    responses((status = 201, description = "The new project", body = ProjectEnvelope))
)]
#[post("/projects")]
pub async fn create_project(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    ValidJson(body): ValidJson<ProjectCreate>,
) -> ApiResult<Created<ProjectEnvelope>> {
    let idempotency = key.bind(format!("{body:?}").as_bytes());
    let create = projects::ProjectCreate {
        name: body.name,
        description: body.description,
        icon: body.icon.unwrap_or_else(|| "Folder".into()),
        color: body.color.unwrap_or_else(|| "blue".into()),
        metadata: body.metadata.unwrap_or_default(),
    };
    let created = state.projects.create(&signed.caller, create, idempotency.as_ref(), state.clock.now()).await;
    Ok(Created(created.map_err(project_error)?.into()))
}

/// Clears all projects. Only a test runtime of the reference system did; here it is always refused.
#[utoipa::path(tag = "projects", responses((status = 204, description = "Never")))]
#[delete("/projects/reset")]
pub async fn reset_projects(_signed: Signed<Write>) -> ApiResult<HttpResponse> {
    Err(ApiError::new(ErrorCode::Forbidden, "Projects cannot be reset on this server; delete them one by one"))
}

/// Reads a project.
#[utoipa::path(tag = "projects", params(ProjectPath), responses((status = 200, description = "The project", body = ProjectEnvelope)))]
#[get("/projects/{id}")]
pub async fn find_project(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<ProjectPath>,
) -> ApiResult<Json<ProjectEnvelope>> {
    let project = state.projects.find(&signed.caller, path.id).await.map_err(project_error)?;
    Ok(Json(project.into()))
}

/// Changes a project. Absent fields keep their value; metadata keys are laid over the stored ones.
#[utoipa::path(
    tag = "projects",
    params(ProjectPath),
    request_body = ProjectPatch,
    responses((status = 200, description = "The project as it is now", body = ProjectEnvelope))
)]
#[patch("/projects/{id}")]
pub async fn update_project(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ProjectPath>,
    ValidJson(body): ValidJson<ProjectPatch>,
) -> ApiResult<Json<ProjectEnvelope>> {
    let patch = projects::ProjectPatch {
        name: body.name,
        description: body.description,
        icon: body.icon,
        color: body.color,
        metadata: body.metadata,
    };
    let project = state.projects.update(&signed.caller, path.id, patch, state.clock.now()).await.map_err(project_error)?;
    Ok(Json(project.into()))
}

/// Deletes a project with everything in it, files included.
#[utoipa::path(tag = "projects", params(ProjectPath), responses((status = 204, description = "It is gone")))]
#[delete("/projects/{id}")]
pub async fn delete_project(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ProjectPath>,
) -> ApiResult<HttpResponse> {
    state.projects.delete(&signed.caller, path.id).await.map_err(project_error)?;
    state.file_cleaner.wake();
    state.runtime.discard_project(path.id).await;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}

fn project_error(error: gristmill_domain::ports::StoreError) -> ApiError {
    ApiError::store(ErrorCode::ProjectNotFound)(error)
}
