//! Plan chats (contract 1, section 13).

use actix_web::{HttpResponse, delete, get, post, put, web};
use gristmill_api_types::{
    common::ErrorShape,
    paths::{PlanChatPath, PlanChatsPath},
    plan_chats::{PlanChatCompletion, PlanChatCreate, PlanChatPatch, PlanChatSummary, PlanChatView, PlanChatsQuery},
};
use gristmill_domain::{ErrorCode, ProjectId, plan_chats::PlanChatStatus};
use gristmill_persistence::repo::plan_chats as repo;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_plan_chats)
        .service(create_plan_chat)
        .service(find_plan_chat)
        .service(update_plan_chat)
        .service(complete_plan_chat)
        .service(delete_plan_chat);
}

/// Lists the plan chats of a project, the last changed first.
#[utoipa::path(
    tag = "plan chats",
    params(PlanChatsPath, PlanChatsQuery),
    responses((status = 200, description = "The chats, without what is said in them", body = Vec<PlanChatSummary>))
)]
#[get("/projects/{projectId}/plan-chats")]
pub async fn list_plan_chats(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<PlanChatsPath>,
    ValidQuery(query): ValidQuery<PlanChatsQuery>,
) -> ApiResult<Json<Vec<PlanChatSummary>>> {
    let only = query.status.as_deref().and_then(PlanChatStatus::from_name);
    let chats = state.plan_chats.list(&signed.caller, project(&path.project_id)?, only).await;
    let chats = chats.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(chats.into_iter().map(PlanChatSummary::from).collect()))
}

/// Makes a plan chat.
#[utoipa::path(
    tag = "plan chats",
    params(PlanChatsPath),
    request_body = PlanChatCreate,
    responses((status = 201, description = "The chat", body = PlanChatView))
)]
#[post("/projects/{projectId}/plan-chats")]
pub async fn create_plan_chat(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<PlanChatsPath>,
    ValidJson(body): ValidJson<PlanChatCreate>,
) -> ApiResult<Created<PlanChatView>> {
    let (project, name) = (project(&path.project_id)?, body.name.trim().to_owned());
    let chat = state.plan_chats.create(&signed.caller, project, name, state.clock.now()).await;
    Ok(Created(chat.map_err(ApiError::store(ErrorCode::ProjectNotFound))?.into()))
}

/// Reads a plan chat.
#[utoipa::path(
    tag = "plan chats",
    params(PlanChatPath),
    responses((status = 200, description = "The chat", body = PlanChatView))
)]
#[get("/projects/{projectId}/plan-chats/{chatId}")]
pub async fn find_plan_chat(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<PlanChatPath>,
) -> ApiResult<Json<PlanChatView>> {
    let chat = state.plan_chats.find(&signed.caller, project(&path.project_id)?, path.chat_id).await;
    Ok(Json(chat.map_err(ApiError::store(ErrorCode::PlanChatNotFound))?.into()))
}

/// Changes a plan chat. Given fields are replaced whole.
#[utoipa::path(
    tag = "plan chats",
    params(PlanChatPath),
    request_body = PlanChatPatch,
    responses((status = 200, description = "The chat", body = PlanChatView))
)]
#[put("/projects/{projectId}/plan-chats/{chatId}/state")]
pub async fn update_plan_chat(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<PlanChatPath>,
    ValidJson(body): ValidJson<PlanChatPatch>,
) -> ApiResult<Json<PlanChatView>> {
    if body.is_empty() {
        return Err(ApiError::field(ErrorShape::Flatten, "", "At least one field is needed"));
    }
    let patch = repo::PlanChatPatch {
        messages: body.messages,
        answer_history: body.answer_history,
        current_round: body.current_round,
        name: body.name.map(|name| name.trim().to_owned()),
        completed_plan_id: None,
    };
    change(&state, &signed, &path, patch).await
}

/// Ends a plan chat with the plan that it led to.
#[utoipa::path(
    tag = "plan chats",
    params(PlanChatPath),
    request_body = PlanChatCompletion,
    responses((status = 200, description = "The chat", body = PlanChatView))
)]
#[post("/projects/{projectId}/plan-chats/{chatId}/complete")]
pub async fn complete_plan_chat(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<PlanChatPath>,
    ValidJson(body): ValidJson<PlanChatCompletion>,
) -> ApiResult<Json<PlanChatView>> {
    let patch = repo::PlanChatPatch {
        name: Some(body.name.trim().to_owned()),
        completed_plan_id: Some(body.completed_plan_id.trim().to_owned()),
        ..repo::PlanChatPatch::default()
    };
    change(&state, &signed, &path, patch).await
}

/// Deletes a plan chat.
#[utoipa::path(tag = "plan chats", params(PlanChatPath), responses((status = 204, description = "It is gone")))]
#[delete("/projects/{projectId}/plan-chats/{chatId}")]
pub async fn delete_plan_chat(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<PlanChatPath>,
) -> ApiResult<HttpResponse> {
    let deleted = state.plan_chats.delete(&signed.caller, project(&path.project_id)?, path.chat_id).await;
    deleted.map_err(ApiError::store(ErrorCode::PlanChatNotFound))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(
    state: &AppState,
    signed: &Signed<Write>,
    path: &PlanChatPath,
    patch: repo::PlanChatPatch,
) -> ApiResult<Json<PlanChatView>> {
    let project = project(&path.project_id)?;
    let chat = state.plan_chats.update(&signed.caller, project, path.chat_id, patch, state.clock.now()).await;
    Ok(Json(chat.map_err(ApiError::store(ErrorCode::PlanChatNotFound))?.into()))
}

/// The contract answers 404 for what is no id of a project here.
fn project(text: &str) -> ApiResult<ProjectId> {
    text.parse().map_err(|error| ApiError::new(ErrorCode::ProjectNotFound, "Project not found").caused_by(error))
}
