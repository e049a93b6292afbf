//! Accounts and logins (contract 1, section 5). Sign-in with Google, sessions and tokens are in files of their own.

mod account;
mod google;
mod identities;
mod sessions;
mod tokens;

use actix_web::{HttpRequest, HttpResponse, get, http::StatusCode, post, web};
use gristmill_api_types::{
    auth::{
        AuthView, ForgotPassword, Login, Logout, Refresh, Register, ResendVerification, ResetPassword, TokenPairView,
        UserEnvelope, VerificationStatusView, VerifyEmail,
    },
    common::{ErrorShape, MessageView},
};
use gristmill_domain::{
    ErrorCode,
    identity::{DisplayName, NewPassword, SessionLifetime},
    users::Email,
};
use gristmill_identity::{IdentityError, Registration, SignedIn};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{Account, OptionalJson, Signed, Unverified, ValidJson, client_info},
    respond::{Created, Json},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(register)
        .service(login)
        .service(refresh)
        .service(logout)
        .service(find_me)
        .service(forgot_password)
        .service(reset_password)
        .service(verify_email)
        .service(resend_verification)
        .service(find_verification_status)
        .configure(account::configure)
        .configure(google::configure)
        .configure(identities::configure)
        .configure(sessions::configure)
        .configure(tokens::configure);
}

/// Makes an account and logs it in.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = Register,
    responses((status = 201, description = "The account, logged in", body = AuthView))
)]
#[post("/auth/register")]
pub async fn register(
    request: HttpRequest,
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<Register>,
) -> ApiResult<Created<AuthView>> {
    let registration = Registration {
        email: email(&body.email)?,
        name: display_name(&body.name)?,
        password: new_password("password", &body.password)?,
    };
    let registered = state.identity.accounts.register(registration, client_info(&request)).await?;
    state.tasks.spawn("verification letter", registered.deferred);
    Ok(Created(auth_view(registered.signed_in)))
}

/// Logs in.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = Login,
    responses((status = 200, description = "The account with its tokens", body = AuthView))
)]
#[post("/auth/login")]
pub async fn login(
    request: HttpRequest,
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<Login>,
) -> ApiResult<Json<AuthView>> {
    let login = gristmill_identity::Login {
        email: email(&body.email)?,
        password: body.password.into(),
        lifetime: if body.remember_me { SessionLifetime::Remembered } else { SessionLifetime::Standard },
    };
    Ok(Json(auth_view(state.identity.accounts.login(login, client_info(&request)).await?)))
}

/// Exchanges a refresh token for the next pair. The same token within 10 seconds gets the same successor; later, it
/// counts as stolen and its session ends.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = Refresh,
    responses((status = 200, description = "The next pair", body = TokenPairView))
)]
#[post("/auth/refresh")]
pub async fn refresh(
    request: HttpRequest,
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<Refresh>,
) -> ApiResult<Json<TokenPairView>> {
    let pair = state.identity.accounts.refresh(&body.refresh_token, client_info(&request)).await?;
    Ok(Json(TokenPairView { access_token: pair.access_text().to_owned(), refresh_token: pair.refresh.expose().to_owned() }))
}

/// Logs out: ends the session of the access token, and the one of the refresh token if it is another.
#[utoipa::path(tag = "auth", request_body = Option<Logout>, responses((status = 204, description = "Logged out")))]
#[post("/auth/logout")]
pub async fn logout(
    state: web::Data<AppState>,
    signed: Signed<Account>,
    OptionalJson(body): OptionalJson<Logout>,
) -> ApiResult<HttpResponse> {
    state.identity.accounts.logout(&signed.caller, body.refresh_token.as_deref()).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}

/// Reads the caller's account; works for unverified ones too.
#[utoipa::path(tag = "auth", responses((status = 200, description = "The account", body = UserEnvelope)))]
#[get("/auth/me")]
pub async fn find_me(state: web::Data<AppState>, signed: Signed<Unverified>) -> ApiResult<Json<UserEnvelope>> {
    Ok(Json(UserEnvelope { user: state.identity.accounts.me(&signed.caller).await?.into() }))
}

/// Asks for a link to choose a new password. The answer is the same whether there is such an account or not.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = ForgotPassword,
    responses((status = 200, description = "Always", body = MessageView))
)]
#[post("/auth/forgot-password")]
pub async fn forgot_password(
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<ForgotPassword>,
) -> ApiResult<Json<MessageView>> {
    let deferred = state.identity.accounts.forgot_password(email(&body.email)?).await?;
    state.tasks.spawn("reset letter", deferred);
    Ok(Json(MessageView::new("If there is an account with this e-mail, a link is on its way")))
}

/// Sets a new password by one-time link and ends all sessions of the account.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = ResetPassword,
    responses((status = 200, description = "The password is set", body = MessageView))
)]
#[post("/auth/reset-password")]
pub async fn reset_password(
    state: web::Data<AppState>,
    ValidJson(body): ValidJson<ResetPassword>,
) -> ApiResult<Json<MessageView>> {
    let password = new_password("password", &body.password)?;
    state.identity.accounts.reset_password(&body.token, &password).await?;
    Ok(Json(MessageView::new("The password is set; log in with it")))
}

/// Proves an e-mail address by one-time link.
#[utoipa::path(
    tag = "auth",
    security(()),
    request_body = VerifyEmail,
    responses((status = 200, description = "The address is verified", body = MessageView))
)]
#[post("/auth/verify-email")]
pub async fn verify_email(state: web::Data<AppState>, ValidJson(body): ValidJson<VerifyEmail>) -> ApiResult<Json<MessageView>> {
    state.identity.accounts.verify_email(&body.token).await?;
    Ok(Json(MessageView::new("The e-mail is verified")))
}

/// Sends the verification link again, to another address if one is given.
#[utoipa::path(
    tag = "auth",
    request_body = ResendVerification,
    responses((status = 200, description = "It is on its way", body = MessageView))
)]
#[post("/auth/resend-verification")]
pub async fn resend_verification(
    state: web::Data<AppState>,
    signed: Signed<Unverified>,
    ValidJson(body): ValidJson<ResendVerification>,
) -> ApiResult<Json<MessageView>> {
    let address = body.email.as_deref().map(email).transpose()?;
    let deferred = state.identity.accounts.resend_verification(&signed.caller, address).await?;
    state.tasks.spawn("verification letter", deferred);
    Ok(Json(MessageView::new("A new link is on its way")))
}

/// Tells whether the caller's address is verified; read from the store, never cached.
#[utoipa::path(tag = "auth", responses((status = 200, description = "Whether it is", body = VerificationStatusView)))]
#[get("/auth/verification-status")]
pub async fn find_verification_status(
    state: web::Data<AppState>,
    signed: Signed<Unverified>,
) -> ApiResult<Json<VerificationStatusView>> {
    let email_verified = state.identity.accounts.verification_status(&signed.caller).await?;
    Ok(Json(VerificationStatusView { email_verified }))
}

fn auth_view(signed_in: SignedIn) -> AuthView {
    AuthView {
        access_token: signed_in.tokens.access_text().to_owned(),
        refresh_token: signed_in.tokens.refresh.expose().to_owned(),
        user: signed_in.user.into(),
    }
}

fn email(text: &str) -> ApiResult<Email> {
    Email::parse(text).map_err(|error| ApiError::field(ErrorShape::Issues, "email", error.to_string()))
}

fn display_name(text: &str) -> ApiResult<DisplayName> {
    DisplayName::parse(text).map_err(|error| ApiError::field(ErrorShape::Issues, "name", error.to_string()))
}

fn new_password(field: &str, text: &str) -> ApiResult<NewPassword> {
    NewPassword::parse(text).map_err(|error| ApiError::field(ErrorShape::Issues, field, error.to_string()))
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        let (code, retry_after) = (error.code(), error.retry_after());
        let failure = match error {
            IdentityError::Store(error) => return Self::store(ErrorCode::UserNotFound)(error),
            IdentityError::CurrentPasswordRequired => {
                return Self::field(ErrorShape::Issues, "currentPassword", "is needed to set a new password");
            }
            error if code == ErrorCode::Internal => return Self::internal(error),
            error => Self::new(code, capitalized(&error.to_string())),
        };
        match retry_after {
            Some(seconds) => failure.retry_after(seconds),
            None => failure,
        }
    }
}

/// Engines write their errors in lower case; people read sentences.
pub(crate) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
