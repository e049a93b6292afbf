//! The caller's login sessions.

use actix_web::{HttpRequest, delete, get, post, web};
use gristmill_api_types::{
    auth::{LoginSessionList, LoginSessionView},
    common::MessageView,
    paths::TokenPath,
};
use gristmill_domain::{SessionId, TokenId};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::ApiResult,
    extract::{Account, PathParams, Signed},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_sessions).service(revoke_session).service(revoke_all_sessions);
}

/// Lists the caller's open sessions, newest first. `current` marks the one of the `x-refresh-token` header, or of
/// the access token.
#[utoipa::path(
    tag = "auth",
    params(("x-refresh-token" = Option<String>, Header, description = "The session's refresh token")),
    responses((status = 200, description = "The sessions", body = LoginSessionList))
)]
#[get("/auth/sessions")]
pub async fn list_sessions(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Account>,
) -> ApiResult<Json<LoginSessionList>> {
    let refresh_token = request.headers().get("x-refresh-token").and_then(|value| value.to_str().ok());
    let sessions = state.identity.accounts.list_sessions(&signed.caller, refresh_token).await?;
    let view = |session: gristmill_domain::identity::SessionSummary| LoginSessionView {
        token_id: TokenId(session.id.0),
        ip_address: session.address.map(|address| address.to_string()),
        user_agent: session.user_agent,
        created_at: session.created_at.into(),
        current: session.current,
    };
    Ok(Json(LoginSessionList { sessions: sessions.into_iter().map(view).collect() }))
}

/// Ends one of the caller's sessions.
#[utoipa::path(tag = "auth", params(TokenPath), responses((status = 200, description = "It is ended", body = MessageView)))]
#[delete("/auth/sessions/{tokenId}")]
pub async fn revoke_session(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    PathParams(path): PathParams<TokenPath>,
) -> ApiResult<Json<MessageView>> {
    state.identity.accounts.revoke_session(&signed.caller, SessionId(path.token_id.0)).await?;
    Ok(Json(MessageView::new("The session is ended")))
}

/// Ends all of the caller's sessions, this one too.
#[utoipa::path(tag = "auth", responses((status = 200, description = "They are ended", body = MessageView)))]
#[post("/auth/revoke-all-sessions")]
pub async fn revoke_all_sessions(state: web::Data<AppState>, signed: Signed<Account>) -> ApiResult<Json<MessageView>> {
    let ended = state.identity.accounts.revoke_all_sessions(&signed.caller).await?;
    Ok(Json(MessageView { message: format!("{ended} sessions are ended") }))
}
