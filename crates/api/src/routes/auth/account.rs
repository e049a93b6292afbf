//! The caller's own account: profile and deletion.

use actix_web::{HttpResponse, delete, http::StatusCode, patch, web};
use gristmill_api_types::auth::{AccountDelete, ProfilePatch, UserEnvelope};
use gristmill_domain::ErrorCode;
use gristmill_identity::ProfileUpdate;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{display_name, email, new_password};
use crate::{
    error::{ApiError, ApiResult},
    extract::{Account, Signed, Unverified, ValidJson},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(update_profile).service(delete_account);
}

/// Changes name, address or password, all or none. A new password ends all sessions of the account.
#[utoipa::path(
    tag = "auth",
    request_body = ProfilePatch,
    responses((status = 200, description = "The account as it is now", body = UserEnvelope))
)]
#[patch("/auth/profile")]
pub async fn update_profile(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    ValidJson(body): ValidJson<ProfilePatch>,
) -> ApiResult<Json<UserEnvelope>> {
    let update = ProfileUpdate {
        name: body.name.as_deref().map(display_name).transpose()?,
        email: body.email.as_deref().map(email).transpose()?,
        current_password: body.current_password.map(Into::into),
        new_password: body.new_password.as_deref().map(|text| new_password("newPassword", text)).transpose()?,
    };
    let updated = state.identity.accounts.update_profile(&signed.caller, update).await?;
    state.tasks.spawn("verification letter", updated.deferred);
    Ok(Json(UserEnvelope { user: updated.user.into() }))
}

/// Deletes the account with everything that belongs to it: projects, datasets, files, tokens.
#[utoipa::path(tag = "auth", request_body = AccountDelete, responses((status = 204, description = "It is gone")))]
#[delete("/auth/account")]
pub async fn delete_account(
    state: web::Data<AppState>,
    signed: Signed<Unverified>,
    ValidJson(body): ValidJson<AccountDelete>,
) -> ApiResult<HttpResponse> {
    let projects = state.projects.list(&signed.caller).await.map_err(ApiError::store(ErrorCode::UserNotFound))?;
    state.identity.accounts.delete_account(&signed.caller, &body.password.into()).await?;
    state.file_cleaner.wake();
    for project in projects {
        state.runtime.discard_project(project.id).await;
    }
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
