//! Who is asking: the `Authorization` header, checked, as an argument of the handler.

use std::{future::Future, marker::PhantomData, net::IpAddr, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use gristmill_domain::{Caller, ErrorCode, Scope, identity::ClientInfo};

use crate::{error::ApiError, state::AppState};

/// What a route asks of its caller.
pub trait Requirement: 'static {
    /// The scope that a personal access token must cover.
    const SCOPE: Scope;
    /// Whether the e-mail address must be verified.
    const VERIFIED: bool = true;
}

/// May read.
#[derive(Debug)]
pub struct Read;
/// May change things.
#[derive(Debug)]
pub struct Write;
/// May change the account.
#[derive(Debug)]
pub struct Account;
/// May be unverified.
#[derive(Debug)]
pub struct Unverified;

impl Requirement for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Requirement for Write {
    const SCOPE: Scope = Scope::Write;
}
impl Requirement for Account {
    const SCOPE: Scope = Scope::Account;
}
impl Requirement for Unverified {
    const SCOPE: Scope = Scope::Read;
    const VERIFIED: bool = false;
}

/// A caller who meets a requirement.
#[derive(Debug)]
pub struct Signed<R> {
    /// The caller.
    pub caller: Caller,
    requirement: PhantomData<R>,
}

impl<R: Requirement> FromRequest for Signed<R> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            admit::<R>(&caller)?;
            Ok(Self { caller, requirement: PhantomData })
        })
    }
}

/// Checks that a caller meets a requirement.
///
/// # Errors
/// `EmailNotVerified`, `InsufficientScope` (403).
pub fn admit<R: Requirement>(caller: &Caller) -> Result<(), ApiError> {
    if R::VERIFIED && !caller.email_verified {
        // The frontend compares this text.
        return Err(ApiError::new(ErrorCode::EmailNotVerified, "Email not verified"));
    }
    if !caller.allows(R::SCOPE) {
        let message = format!("This token does not have the scope `{}`", R::SCOPE.as_str());
        return Err(ApiError::new(ErrorCode::InsufficientScope, message));
    }
    Ok(())
}

/// Checks the bearer token of a request.
///
/// # Errors
/// `Unauthenticated` (401) when it is missing or no good; 503 when the database does not answer.
pub async fn authenticate(request: &HttpRequest) -> Result<Caller, ApiError> {
    let unauthenticated = |message: &str| ApiError::new(ErrorCode::Unauthenticated, message);
    let state = request.app_data::<web::Data<AppState>>().ok_or_else(|| ApiError::internal("no application state"))?;
    let value = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(|| unauthenticated("Sign in first: the Authorization header is missing"))?;
    let text = value.to_str().map_err(|_error| unauthenticated("The Authorization header is not readable"))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(unauthenticated("The Authorization header must be `Bearer <token>`")),
    };
    let caller = state.identity.authenticator.authenticate(token).await?;
    tracing::Span::current().record("user.id", tracing::field::display(caller.user_id));
    Ok(caller)
}

/// Where the request came from. `X-Forwarded-For` is believed only for as many proxies as are configured.
#[must_use]
pub fn client_info(request: &HttpRequest) -> ClientInfo {
    let trusted = request.app_data::<web::Data<AppState>>().map_or(0, |state| state.config.http.trusted_proxies);
    let peer = request.peer_addr().map(|address| address.ip());
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    // Each trusted proxy appends the address that it saw: the client's is the one the outermost of them wrote.
    let address = match trusted {
        0 => peer,
        hops => forwarded.iter().rev().nth(hops - 1).and_then(|text| text.parse::<IpAddr>().ok()).or(peer),
    };
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    ClientInfo::new(address, user_agent)
}
