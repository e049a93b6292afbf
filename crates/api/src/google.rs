//! Sign-in with Google as a browser goes through it (ADR 0019): the cookie, the redirects, and where they lead.

use actix_web::{HttpRequest, HttpResponse, http::header};
use anyhow::Context;
use gristmill_api_types::auth::GoogleReturn;
use gristmill_domain::identity::ClientInfo;
use gristmill_identity::{Arrival, Departure, Google, GoogleSettings, IdentityError, OneTimeToken, ServerSecret};
use secrecy::ExposeSecret;
use url::Url;

use crate::{config::Config, error::chain, extract::client_info, state::AppState};

/// What a browser keeps while it is at Google.
const COOKIE: &str = "gristmill_google";
/// What Google says when somebody does not consent; the frontend knows the word.
const DENIED: &str = "access_denied";

/// Sign-in with Google, as this server offers it.
#[derive(Debug)]
pub struct GoogleSignIn {
    google: Google,
    start_url: Url,
    callback_url: Url,
    /// Who gets the cookie back.
    cookie_attributes: String,
}

/// Why a browser goes back to the frontend without a code.
enum Refusal {
    Denied,
    Failed(IdentityError),
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        Self::Failed(error)
    }
}

impl GoogleSignIn {
    /// As configured; nothing when it is not.
    ///
    /// # Errors
    /// The machine has no certificates to check Google's with.
    pub(crate) fn new(config: &Config, secret: &ServerSecret) -> anyhow::Result<Option<Self>> {
        let Some(google) = &config.google else { return Ok(None) };
        let settings = GoogleSettings {
            client_id: google.client_id.clone(),
            client_secret: google.client_secret.clone(),
            auth_url: google.auth_url.clone(),
            token_url: google.token_url.clone(),
            userinfo_url: google.userinfo_url.clone(),
            redirect_url: redirect_url(config),
        };
        let secure = if config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
        let cookie_path = address(config, &[]);
        Ok(Some(Self {
            google: Google::new(settings, secret)
                .context("sign-in with Google needs CA certificates on this machine (package ca-certificates)")?,
            start_url: address(config, &["start"]),
            callback_url: google.callback_url.clone(),
            cookie_attributes: format!("Path={}; HttpOnly; SameSite=Lax{secure}", cookie_path.path()),
        }))
    }

    /// Where a browser begins.
    pub(crate) fn start_url(&self) -> &Url {
        &self.start_url
    }

    /// Sends a browser to Google.
    pub(crate) async fn depart(&self, state: &AppState, client: &ClientInfo) -> HttpResponse {
        match state.identity.accounts.count_visit(client).await {
            Ok(()) => {
                let departure = self.google.depart(state.clock.now());
                self.redirect(&departure.consent_url, Some(&departure))
            }
            Err(error) => self.to_frontend(Err(error.into())),
        }
    }

    /// Takes a browser back from Google.
    pub(crate) async fn arrive(&self, state: &AppState, request: &HttpRequest, query: &GoogleReturn) -> HttpResponse {
        let outcome = self.code_for(state, request, query).await;
        self.to_frontend(outcome)
    }

    async fn code_for(&self, state: &AppState, request: &HttpRequest, query: &GoogleReturn) -> Result<OneTimeToken, Refusal> {
        let (client, accounts) = (client_info(request), &state.identity.accounts);
        accounts.count_visit(&client).await?;
        match query.error.as_deref() {
            None => {}
            Some(DENIED) => return Err(Refusal::Denied),
            Some(_) => return Err(IdentityError::SignInFailed.into()),
        }
        let (Some(cookie), Some(sent), Some(code)) = (cookie_of(request), query.state.as_deref(), query.code.as_deref()) else {
            return Err(IdentityError::SignInFailed.into());
        };
        let profile = self.google.profile(Arrival { cookie, state: sent, code }, state.clock.now()).await?;
        Ok(accounts.issue_sign_in_code(profile, &client).await?)
    }

    /// Sends a browser to the page of the frontend that waits for it. Its cookie has done its work.
    fn to_frontend(&self, outcome: Result<OneTimeToken, Refusal>) -> HttpResponse {
        let (key, value) = match outcome {
            Ok(code) => ("code", code.expose().to_owned()),
            Err(Refusal::Denied) => ("error", DENIED.to_owned()),
            Err(Refusal::Failed(error)) => {
                let code = error.code();
                tracing::warn!(error.code = %code, error.cause = chain(&error), "a sign-in with Google did not succeed");
                ("error", code.to_string())
            }
        };
        let mut page = self.callback_url.clone();
        page.query_pairs_mut().append_pair(key, &value);
        self.redirect(&page, None)
    }

    /// With a cookie, or without the one that there is.
    fn redirect(&self, location: &Url, departure: Option<&Departure>) -> HttpResponse {
        let (value, seconds) = match departure {
            Some(departure) => (departure.cookie.expose_secret(), departure.lifetime.as_secs()),
            None => ("", 0),
        };
        let cookie = format!("{COOKIE}={value}; Max-Age={seconds}; {}", self.cookie_attributes);
        HttpResponse::Found()
            .insert_header((header::LOCATION, location.as_str()))
            .insert_header((header::SET_COOKIE, cookie))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish()
    }
}

/// Where Google sends browsers back to: what is registered there.
pub(crate) fn redirect_url(config: &Config) -> Url {
    address(config, &["return"])
}

/// An address of sign-in with Google, as browsers reach it.
fn address(config: &Config, more: &[&str]) -> Url {
    let mut url = config.http.public_url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "auth", "google"]).extend(more);
    }
    url
}

/// What our cookie holds, if the browser sent it.
fn cookie_of(request: &HttpRequest) -> Option<&str> {
    request
        .headers()
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn addresses_lie_below_the_public_one() {
        for (public, expected) in [
            ("https://mill.example.org", "https://mill.example.org/api/auth/google/return"),
            ("https://example.org/mill/", "https://example.org/mill/api/auth/google/return"),
            ("http://localhost:4000/mill", "http://localhost:4000/mill/api/auth/google/return"),
        ] {
            let variables = BTreeMap::from([("PUBLIC_URL".to_owned(), public.to_owned())]);
            assert_eq!(redirect_url(&Config::read(&variables).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn finds_its_cookie_among_others() {
        for (sent, expected) in [
            ("gristmill_google=a.b", Some("a.b")),
            ("x=1; gristmill_google=a=b;y=2", Some("a=b")),
            ("xgristmill_google=a; gristmill_google", None),
            ("", None),
        ] {
            let request = TestRequest::default().insert_header((header::COOKIE, sent)).to_http_request();
            assert_eq!(cookie_of(&request), expected, "{sent}");
        }
    }
}
