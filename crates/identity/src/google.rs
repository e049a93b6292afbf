//! Google as a provider of identities: OAuth 2.0 with state and PKCE, spoken through the crate `oauth2`.
//!
//! [`Google::depart`] sends a browser away with a cookie, [`Google::profile`] learns who came back with it. Cookies and
//! redirects are the server's; what becomes of a profile is told by [`Accounts`](crate::Accounts). Nothing that Google
//! answers reaches a log or an error's text.

mod seal;

use std::time::Duration;

use chrono::{DateTime, Utc};
use gristmill_domain::{
    identity::{DisplayName, ExternalIdentity, ExternalProfile, NAME_CHARS_MAX, Provider, ProviderSubject},
    users::Email,
};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeChallenge, RedirectUrl, RequestTokenError, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{IdentityError, ServerSecret};
use seal::Seal;

/// For the connection to the provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole question and its answer, of which a sign-in needs two.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Answers of a few kilobytes are usual.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Random bytes of a state.
const STATE_BYTES: u32 = 32;
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// The provider's endpoints for sending browsers there, and for codes.
type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// How Google is asked.
#[derive(Debug, Clone)]
pub struct GoogleSettings {
    /// What Google calls us.
    pub client_id: String,
    /// What proves that it is us.
    pub client_secret: SecretString,
    /// Google's page for consent.
    pub auth_url: Url,
    /// Where codes become tokens. Plain http is for this machine only, here and below: the caller's to check.
    pub token_url: Url,
    /// Where a token tells who it is.
    pub userinfo_url: Url,
    /// Where Google sends browsers back to, as it is registered there.
    pub redirect_url: Url,
}

/// Why the provider did not do its part. What it answered is not in here.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider cannot be asked, or does not answer in time.
    #[error("it could not be asked")]
    Unreachable(#[source] reqwest::Error),
    /// It refuses us, in OAuth's words: usually a setting is wrong.
    #[error("it refused: {0}")]
    Refused(&'static str),
    /// It does not tell who somebody is.
    #[error("it answered with status {0}")]
    Status(u16),
    /// Its answer is too large.
    #[error("its answer is over {} bytes", BODY_BYTES_MAX)]
    TooLarge,
    /// Its answer is not what it should be.
    #[error("its answer could not be read")]
    Unreadable,
}

/// A browser that goes to Google.
#[derive(Debug, Clone)]
pub struct Departure {
    /// Where it goes.
    pub consent_url: Url,
    /// What it keeps until it is back. It must reach nobody else.
    pub cookie: SecretString,
    /// How long that holds.
    pub lifetime: Duration,
}

/// A browser that came back from Google.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// What it kept.
    pub cookie: &'a str,
    /// The state that Google gave back.
    pub state: &'a str,
    /// Google's code.
    pub code: &'a str,
}

/// Sign-in with Google.
pub struct Google {
    client: Client,
    userinfo_url: Url,
    http: reqwest::Client,
    seal: Seal,
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Google(..)")
    }
}

impl Google {
    /// Sets it up; asks nobody. The process must have a provider of cryptography for TLS (ADR 0016).
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`] when the machine has no certificates to check Google's with.
    pub fn new(settings: GoogleSettings, secret: &ServerSecret) -> Result<Self, ProviderError> {
        let http = http_client(&settings).map_err(ProviderError::Unreachable)?;
        let client = BasicClient::new(ClientId::new(settings.client_id))
            .set_client_secret(ClientSecret::new(settings.client_secret.expose_secret().to_owned()))
            // As Google documents it.
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(settings.auth_url))
            .set_token_uri(TokenUrl::from_url(settings.token_url))
            .set_redirect_uri(RedirectUrl::from_url(settings.redirect_url));
        Ok(Self { client, userinfo_url: settings.userinfo_url, http, seal: Seal::new(secret) })
    }

    /// Prepares a browser's way to Google.
    #[must_use]
    pub fn depart(&self, now: DateTime<Utc>) -> Departure {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (consent_url, state) = self
            .client
            .authorize_url(|| CsrfToken::new_random_len(STATE_BYTES))
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("access_type", "offline")
            .add_extra_param("prompt", "consent")
            .set_pkce_challenge(challenge)
            .url();
        Departure { consent_url, cookie: self.seal.close(&state, &verifier, now), lifetime: seal::LIFETIME }
    }

    /// Learns from Google who came back.
    ///
    /// # Errors
    /// `SignInFailed` when the cookie is not ours, too old, or not of this state, and when Google does not know the code;
    /// `AddressUnverified`; `Provider`.
    pub async fn profile(&self, arrival: Arrival<'_>, now: DateTime<Utc>) -> Result<ExternalProfile, IdentityError> {
        let verifier = self.seal.open(arrival.cookie, arrival.state, now).ok_or(IdentityError::SignInFailed)?;
        let ask = |request: HttpRequest| self.forward(request);
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(arrival.code.to_owned()))
            .set_pkce_verifier(verifier)
            .request_async(&ask)
            .await
            .map_err(refused)?;
        self.read_profile(answer.access_token()).await
    }

    /// Sends what `oauth2` wants to be sent.
    async fn forward(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let request = reqwest::Request::try_from(request).map_err(unreached)?;
        self.ask(request).await
    }

    /// One question and its whole answer, within time and size.
    async fn ask(&self, request: reqwest::Request) -> Result<HttpResponse, ProviderError> {
        let mut response = self.http.execute(request).await.map_err(unreached)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreached)? {
            if body.len().saturating_add(piece.len()) > BODY_BYTES_MAX {
                return Err(ProviderError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = response.status();
        answer.headers_mut().clone_from(response.headers());
        Ok(answer)
    }

    async fn read_profile(&self, token: &AccessToken) -> Result<ExternalProfile, IdentityError> {
        let request = self.http.get(self.userinfo_url.clone()).bearer_auth(token.secret());
        let answer = self.ask(request.build().map_err(unreached)?).await?;
        if !answer.status().is_success() {
            return Err(ProviderError::Status(answer.status().as_u16()).into());
        }
        profile_of(answer.body())
    }
}

/// What Google tells of somebody, as far as it is used.
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    name: Option<String>,
}

fn profile_of(body: &[u8]) -> Result<ExternalProfile, IdentityError> {
    let Ok(info) = serde_json::from_slice::<UserInfo>(body) else { return Err(ProviderError::Unreadable.into()) };
    let email = info.email.as_deref().map(Email::parse);
    let (Ok(subject), Some(Ok(email))) = (ProviderSubject::parse(&info.sub), email) else {
        return Err(ProviderError::Unreadable.into());
    };
    if info.email_verified != Value::Bool(true) {
        return Err(IdentityError::AddressUnverified);
    }
    let name = display_name(info.name.as_deref(), &email).ok_or(ProviderError::Unreadable)?;
    Ok(ExternalProfile { identity: ExternalIdentity { provider: Provider::Google, subject }, email, name })
}

/// A name to show: Google's, else what stands before the address's `@`.
fn display_name(name: Option<&str>, email: &Email) -> Option<DisplayName> {
    let local = email.as_str().rsplit_once('@').map(|(local, _)| local);
    [name, local].into_iter().flatten().find_map(|text| {
        let kept: String = text.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        DisplayName::parse(kept.trim()).ok()
    })
}

/// Why a code did not become a token. What was answered stays here: it may hold what is secret.
fn refused(error: RequestTokenError<ProviderError, BasicErrorResponse>) -> IdentityError {
    let error = match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            // Made up, used before, too old, or asked for with another challenge.
            BasicErrorResponseType::InvalidGrant => return IdentityError::SignInFailed,
            BasicErrorResponseType::InvalidClient => ProviderError::Refused("invalid_client"),
            BasicErrorResponseType::InvalidRequest => ProviderError::Refused("invalid_request"),
            BasicErrorResponseType::InvalidScope => ProviderError::Refused("invalid_scope"),
            BasicErrorResponseType::UnauthorizedClient => ProviderError::Refused("unauthorized_client"),
            BasicErrorResponseType::UnsupportedGrantType => ProviderError::Refused("unsupported_grant_type"),
            BasicErrorResponseType::Extension(_) => ProviderError::Refused("for a reason of its own"),
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => ProviderError::Unreadable,
    };
    error.into()
}

fn unreached(error: reqwest::Error) -> ProviderError {
    ProviderError::Unreachable(error.without_url())
}

/// Follows no redirects: they would carry the secret elsewhere.
fn http_client(settings: &GoogleSettings) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("gristmill/", env!("CARGO_PKG_VERSION")));
    if [&settings.token_url, &settings.userinfo_url].iter().all(|url| url.scheme() == "http") {
        // On this machine: nothing to verify, and no proxy between.
        builder = builder.tls_certs_only([]).no_proxy();
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use gristmill_domain::ErrorCode;

    use super::*;

    const PERSON: &str = r#"{"sub":"110169484474386276334","email":"Ada@Example.org","email_verified":true,"name":"Ada"}"#;

    #[test]
    fn reads_who_somebody_is() {
        let profile = profile_of(PERSON.as_bytes()).unwrap();
        assert_eq!((profile.email.as_str(), profile.name.as_str()), ("ada@example.org", "Ada"));
        assert_eq!(profile.identity.subject.as_str(), "110169484474386276334");
    }

    #[test]
    fn only_true_is_verified() {
        for said in ["false", "null", "\"true\"", "1", "{}"] {
            let error = profile_of(PERSON.replace("true", said).as_bytes()).unwrap_err();
            assert!(matches!(error, IdentityError::AddressUnverified), "{said}");
        }
        let silent = PERSON.replace("\"email_verified\":true,", "");
        assert!(matches!(profile_of(silent.as_bytes()).unwrap_err(), IdentityError::AddressUnverified));
    }

    #[test]
    fn rubbish_is_the_providers_failure() {
        for rubbish in ["", "null", "[]", "<html>", r#"{"sub":"1"}"#, &PERSON.replace("@", ""), &PERSON.replace("1101", "é")] {
            assert_eq!(profile_of(rubbish.as_bytes()).unwrap_err().code(), ErrorCode::ProviderFailed, "{rubbish}");
        }
    }

    #[test]
    fn names_are_made_to_fit() {
        let shown = |name: Option<&str>| {
            let email = Email::parse("ada.l@example.org").unwrap();
            display_name(name, &email).unwrap().as_str().to_owned()
        };
        assert_eq!(shown(Some(" Ada\r\nBcc: x ")), "AdaBcc: x");
        assert_eq!(shown(Some(&"é".repeat(300))).chars().count(), 100);
        for nothing in [None, Some(""), Some(" \n ")] {
            assert_eq!(shown(nothing), "ada.l");
        }
    }

    #[test]
    fn what_was_answered_is_in_no_error() {
        let answer = BasicErrorResponse::new(BasicErrorResponseType::Extension("hush".into()), Some("hush".into()), None);
        for error in [RequestTokenError::ServerResponse(answer), RequestTokenError::Other("hush".into())] {
            let error = refused(error);
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }
}
