//! Sign-in with Google (contract 1, section 5.9; ADR 0019): two addresses for browsers, three routes for the frontend.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use gristmill_api_types::{
    auth::{AuthView, GoogleCallback, GoogleReturn, GoogleStart},
    common::MessageView,
};
use gristmill_domain::ErrorCode;
use utoipa_actix_web::service_config::ServiceConfig;

use super::auth_view;
use crate::{
    error::{ApiError, ApiResult},
    extract::{Account, Signed, ValidJson, ValidQuery, client_info},
    google::GoogleSignIn,
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(start_google)
        .service(redirect_to_google)
        .service(return_from_google)
        .service(finish_google)
        .service(link_google);
}

/// Tells where to send the browser for sign-in with Google.
#[utoipa::path(tag = "auth", security(()), responses((status = 200, description = "The address", body = GoogleStart)))]
#[get("/auth/google")]
pub async fn start_google(state: web::Data<AppState>) -> ApiResult<Json<GoogleStart>> {
    let google = configured(&state)?;
    Ok(Json(GoogleStart { auth_url: google.start_url().to_string() }))
}

/// Sends a browser to Google, with a cookie for its return. For navigation, not for programs.
#[utoipa::path(
    tag = "auth",
    security(()),
    responses((status = 302, description = "To Google; to the frontend, with `error`, when that cannot be now"))
)]
#[get("/auth/google/start")]
pub async fn redirect_to_google(request: HttpRequest, state: web::Data<AppState>) -> ApiResult<HttpResponse> {
    let google = configured(&state)?;
    Ok(google.depart(&state, &client_info(&request)).await)
}

/// Takes a browser back from Google, and sends it on to the frontend with a code of ours, or with an error. For navigation,
/// not for programs.
#[utoipa::path(
    tag = "auth",
    security(()),
    params(GoogleReturn),
    responses((status = 302, description = "To the frontend, with `code` or `error`"))
)]
#[get("/auth/google/return")]
pub async fn return_from_google(
    request: HttpRequest,
    state: web::Data<AppState>,
    ValidQuery(query): ValidQuery<GoogleReturn>,
) -> ApiResult<HttpResponse> {
    let google = configured(&state)?;
    Ok(google.arrive(&state, &request, &query).await)
}

/// Finishes sign-in with Google: logs in by the code of ours that the browser came back with, for 30 days. The code works
/// once, for a minute, and from the same browser.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = GoogleCallback,
    responses((status = 200, description = "The account with its tokens", body = AuthView))
)]
#[post("/auth/google/callback")]
pub async fn finish_google(
    request: HttpRequest,
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<GoogleCallback>,
) -> ApiResult<Json<AuthView>> {
    configured(&state)?;
    Ok(Json(auth_view(state.identity.accounts.login_by_code(&body.code, &client_info(&request)).await?)))
}

/// Links the Google account behind a code to the caller's account, so that it logs in by Google too.
#[utoipa::path(
    tag = "auth",
    request_body = GoogleCallback,
    responses((status = 200, description = "It is linked", body = MessageView))
)]
#[post("/auth/google/link")]
pub async fn link_google(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Account>,
    ValidJson(body): ValidJson<GoogleCallback>,
) -> ApiResult<Json<MessageView>> {
    configured(&state)?;
    state.identity.accounts.link_by_code(&signed.caller, &body.code, &client_info(&request)).await?;
    Ok(Json(MessageView::new("The Google account is linked; log in with either")))
}

fn configured(state: &AppState) -> ApiResult<&GoogleSignIn> {
    state.google.as_ref().ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotConfigured,
            "Sign-in with Google is not set up on this server: set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET",
        )
    })
}
