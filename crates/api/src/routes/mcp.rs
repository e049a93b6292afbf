//! The Model Context Protocol (contract 2, section 6). What is said in it is in `crate::mcp`.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    mcp::{answer, resource_metadata},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(call_mcp).service(follow_mcp).service(end_mcp);
}

/// Answers a message of the Model Context Protocol over Streamable HTTP, without sessions: revisions 2025-06-18, 2025-11-25 and
/// 2026-07-28. A notification is answered 202. Errors are JSON-RPC's.
#[utoipa::path(
    tag = "mcp",
    request_body(content = Object, description = "One JSON-RPC message"),
    responses(
        (status = 200, description = "Messages as server-sent events, the last of them the answer", body = String, content_type = "text/event-stream"),
        (status = 202, description = "A notification was taken"),
    )
)]
#[post("/mcp")]
pub async fn call_mcp(request: HttpRequest, state: web::Data<AppState>, payload: web::Payload) -> HttpResponse {
    answer(&request, &state, payload.into_inner()).await
}

/// Follows what a server says by itself. This one keeps no sessions: 405.
#[utoipa::path(tag = "mcp", responses((status = 200, description = "Never")))]
#[get("/mcp")]
pub async fn follow_mcp(request: HttpRequest, state: web::Data<AppState>, payload: web::Payload) -> HttpResponse {
    answer(&request, &state, payload.into_inner()).await
}

/// Ends a session. This server keeps none: 405.
#[utoipa::path(tag = "mcp", responses((status = 200, description = "Never")))]
#[delete("/mcp")]
pub async fn end_mcp(request: HttpRequest, state: web::Data<AppState>, payload: web::Payload) -> HttpResponse {
    answer(&request, &state, payload.into_inner()).await
}

/// Tells clients of the Model Context Protocol what opens it (RFC 9728): a bearer token, such as a personal access token.
#[utoipa::path(tag = "mcp", security(()), responses((status = 200, description = "The protected resource", body = Object)))]
#[get("/.well-known/oauth-protected-resource/api/mcp")]
pub async fn find_mcp_metadata(request: HttpRequest, state: web::Data<AppState>) -> Json<Value> {
    Json(resource_metadata(&request, &state))
}
