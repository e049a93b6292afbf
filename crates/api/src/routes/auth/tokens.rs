//! Personal access tokens, for scripts and programs that cannot refresh a JWT.

use actix_web::{HttpResponse, delete, get, http::StatusCode, post, web};
use gristmill_api_types::{
    auth::{PersonalTokenCreate, PersonalTokenCreated, PersonalTokenList, PersonalTokenView},
    common::{ErrorShape, Instant},
    paths::TokenPath,
};
use gristmill_domain::{
    Scope,
    identity::{PersonalToken, Scopes, TokenLifetime},
};
use gristmill_identity::TokenRequest;
use secrecy::ExposeSecret;
use utoipa_actix_web::service_config::ServiceConfig;

use super::display_name;
use crate::{
    error::{ApiError, ApiResult},
    extract::{Account, PathParams, Signed, ValidJson},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_tokens).service(create_token).service(revoke_token);
}

/// Lists the caller's personal access tokens, newest first.
#[utoipa::path(tag = "auth", responses((status = 200, description = "The tokens", body = PersonalTokenList)))]
#[get("/auth/tokens")]
pub async fn list_tokens(state: web::Data<AppState>, signed: Signed<Account>) -> ApiResult<Json<PersonalTokenList>> {
    let tokens = state.identity.accounts.list_tokens(&signed.caller).await?;
    Ok(Json(PersonalTokenList { tokens: tokens.into_iter().map(view).collect() }))
}

/// Makes a personal access token. Its secret is in this answer and nowhere else.
#[utoipa::path(
    tag = "auth",
    request_body = PersonalTokenCreate,
    responses((status = 201, description = "The token with its secret", body = PersonalTokenCreated))
)]
#[post("/auth/tokens")]
pub async fn create_token(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    ValidJson(body): ValidJson<PersonalTokenCreate>,
) -> ApiResult<Created<PersonalTokenCreated>> {
    let bad = |field: &str, message: String| ApiError::field(ErrorShape::Issues, field, message);
    let scopes = Scopes::new(body.scopes.unwrap_or_else(|| vec![Scope::Read, Scope::Write]))
        .ok_or_else(|| bad("scopes", "must name at least one scope".into()))?;
    let lifetime = match body.expires_in_days {
        None => TokenLifetime::default(),
        Some(days) => TokenLifetime::from_days(days.into()).map_err(|error| bad("expiresInDays", error.to_string()))?,
    };
    let request = TokenRequest { name: display_name(&body.name)?, scopes, lifetime };
    let created = state.identity.accounts.create_token(&signed.caller, request).await?;
    Ok(Created(PersonalTokenCreated { token: view(created.token), secret: created.secret.expose_secret().to_owned() }))
}

/// Revokes a personal access token.
#[utoipa::path(tag = "auth", params(TokenPath), responses((status = 204, description = "It is revoked")))]
#[delete("/auth/tokens/{tokenId}")]
pub async fn revoke_token(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    PathParams(path): PathParams<TokenPath>,
) -> ApiResult<HttpResponse> {
    state.identity.accounts.revoke_token(&signed.caller, path.token_id).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}

fn view(token: PersonalToken) -> PersonalTokenView {
    PersonalTokenView {
        token_id: token.id,
        name: token.name,
        prefix: token.prefix.as_str().to_owned(),
        scopes: token.scopes.iter().collect(),
        created_at: token.created_at.into(),
        expires_at: token.expires_at.into(),
        last_used_at: token.last_used_at.map(Instant),
    }
}
