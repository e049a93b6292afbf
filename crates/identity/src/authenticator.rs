//! From the text behind `Bearer` to a caller.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, Clock, Scope,
    caller::Credential,
    identity::{PersonalTokenStore, SessionAccess, SessionStore},
};

use crate::{
    AccessTokens, IdentityError, PersonalTokenText,
    cache::{AuthCache, Principal, SessionEntry, TokenEntry},
    error::as_dyn,
};

/// Longest credential that is looked at, bytes. Ours have at most about 800.
const CREDENTIAL_BYTES_MAX: usize = 4096;
/// How often the use of a personal access token is recorded, seconds.
const TOUCH_INTERVAL_S: u32 = 60;

/// Whether an address must be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerificationRule {
    /// Callers are as verified as their accounts.
    #[default]
    Required,
    /// All callers count as verified: there is no mail server, or the developers' bypass is on.
    Waived,
}

/// Takes the credential out of an `Authorization` header.
///
/// # Errors
/// [`IdentityError::MissingCredential`] without a header, for another scheme, and for an empty credential.
pub fn bearer_text(header: Option<&str>) -> Result<&str, IdentityError> {
    let (scheme, rest) = header.and_then(|text| text.trim().split_once(' ')).ok_or(IdentityError::MissingCredential)?;
    let text = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !text.is_empty() { Ok(text) } else { Err(IdentityError::MissingCredential) }
}

/// Authenticates callers.
#[derive(Debug)]
pub struct Authenticator {
    pub(crate) access: Arc<AccessTokens>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) personal_tokens: Arc<dyn PersonalTokenStore>,
    pub(crate) cache: Arc<AuthCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) verification: VerificationRule,
}

impl Authenticator {
    /// Tells who presents this credential: an access token whose session lives, or a personal access token.
    ///
    /// Whether an unverified caller may pass is for the route to decide, by
    /// [`Caller::email_verified`](gristmill_domain::Caller).
    ///
    /// # Errors
    /// `MissingCredential`, `MalformedCredential`, `ExpiredCredential`, `InvalidCredential`, `UserGone`; `Store`.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller, IdentityError> {
        if bearer.is_empty() {
            return Err(IdentityError::MissingCredential);
        }
        if bearer.len() > CREDENTIAL_BYTES_MAX {
            return Err(IdentityError::MalformedCredential);
        }
        let now = self.clock.now();
        if PersonalTokenText::is_claimed_by(bearer) {
            let presented = PersonalTokenText::parse(bearer).ok_or(IdentityError::MalformedCredential)?;
            self.by_personal_token(&presented, now).await
        } else {
            self.by_access_token(bearer, now).await
        }
    }

    async fn by_access_token(&self, text: &str, now: DateTime<Utc>) -> Result<Caller, IdentityError> {
        let claims = self.access.verify(text, now)?;
        let (id, user_id) = (claims.session_id, claims.user_id);
        let entry = match self.cache.session(id, now) {
            Some(entry) => entry,
            None => {
                let ticket = self.cache.ticket(now);
                match self.sessions.find_session_access(id, user_id).await? {
                    SessionAccess::Active { user, expires_at } => self.cache.keep_session(ticket, id, &user, expires_at),
                    SessionAccess::Ended => return Err(IdentityError::InvalidCredential),
                    SessionAccess::UserGone => return Err(IdentityError::UserGone),
                }
            }
        };
        let SessionEntry { principal, expires_at, .. } = &*entry;
        if principal.user_id != user_id {
            return Err(IdentityError::InvalidCredential);
        }
        if *expires_at <= now {
            return Err(IdentityError::ExpiredCredential);
        }
        Ok(self.caller(*principal, Credential::Session(id), Scope::Account))
    }

    async fn by_personal_token(&self, presented: &PersonalTokenText, now: DateTime<Utc>) -> Result<Caller, IdentityError> {
        let entry = match self.cache.token(presented.prefix(), now) {
            Some(entry) => entry,
            None => {
                let ticket = self.cache.ticket(now);
                let found = self.personal_tokens.find_token(presented.prefix()).await?;
                self.cache.keep_token(ticket, found.ok_or(IdentityError::InvalidCredential)?)
            }
        };
        if !presented.matches(&entry.secret_hash) {
            return Err(IdentityError::InvalidCredential);
        }
        if entry.expires_at <= now {
            return Err(IdentityError::ExpiredCredential);
        }
        self.record_use(&entry, now).await;
        Ok(self.caller(entry.principal, entry.credential(), entry.scopes.widest()))
    }

    /// Records the use at most once a minute. A failure costs the record, not the request.
    async fn record_use(&self, entry: &TokenEntry, now: DateTime<Utc>) {
        if !entry.claim_touch(now, TOUCH_INTERVAL_S.into()) {
            return;
        }
        let interval = Duration::from_secs(TOUCH_INTERVAL_S.into());
        if let Err(error) = self.personal_tokens.touch_token(entry.id, now, interval).await {
            tracing::warn!(token.id = %entry.id, error = as_dyn(&error), "use of a token was not recorded");
        }
    }

    fn caller(&self, principal: Principal, credential: Credential, scope: Scope) -> Caller {
        Caller {
            user_id: principal.user_id,
            role: principal.role,
            email_verified: principal.email_verified || self.verification == VerificationRule::Waived,
            credential,
            scope,
        }
    }
}
