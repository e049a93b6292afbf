//! By which providers the caller logs in.

use actix_web::{HttpResponse, delete, get, http::StatusCode, web};
use gristmill_api_types::{
    auth::{IdentityList, IdentityView},
    paths::IdentityPath,
};
use gristmill_domain::identity::Provider;
use gristmill_identity::IdentityError;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::ApiResult,
    extract::{Account, PathParams, Signed},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_identities).service(unlink_identity);
}

/// Lists the accounts at other providers by which the caller logs in, the oldest link first. `POST /api/auth/google/link` adds
/// one.
#[utoipa::path(tag = "auth", responses((status = 200, description = "The identities", body = IdentityList)))]
#[get("/auth/identities")]
pub async fn list_identities(state: web::Data<AppState>, signed: Signed<Account>) -> ApiResult<Json<IdentityList>> {
    let identities = state.identity.accounts.list_identities(&signed.caller).await?;
    Ok(Json(IdentityList { identities: identities.into_iter().map(IdentityView::from).collect() }))
}

/// Unlinks a provider, so that the caller does not log in by it any more; sessions that it opened go on. Answers 409
/// (`last_sign_in`) when the account was made by it and has no password that anybody knows.
#[utoipa::path(tag = "auth", params(IdentityPath), responses((status = 204, description = "It is unlinked")))]
#[delete("/auth/identities/{provider}")]
pub async fn unlink_identity(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    PathParams(path): PathParams<IdentityPath>,
) -> ApiResult<HttpResponse> {
    let provider = Provider::from_name(&path.provider).ok_or(IdentityError::IdentityNotFound)?;
    state.identity.accounts.unlink(&signed.caller, provider).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
