//! Personal access tokens: making, listing, revoking.

use gristmill_domain::{
    Caller, Scope, TokenId,
    identity::{
        DisplayName, NewPersonalToken, PERSONAL_TOKENS_MAX, PersonalToken, Scopes, TokenCreation, TokenLifetime, instant_after,
    },
    ports::StoreError,
};
use secrecy::SecretString;

use super::{Accounts, profile::gone, require};
use crate::{IdentityError, PersonalTokenText};

/// How often a taken prefix is replaced by another. Among 62^8 prefixes one try is nearly always enough.
const PREFIX_TRIES: u32 = 5;

/// What somebody sends to make a token.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// What to call it.
    pub name: DisplayName,
    /// What it may do.
    pub scopes: Scopes,
    /// How long it lasts.
    pub lifetime: TokenLifetime,
}

/// A token that was just made.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// The token as it will be listed.
    pub token: PersonalToken,
    /// Its text. Shown now and never again.
    pub secret: SecretString,
}

impl Accounts {
    /// Makes a personal access token.
    ///
    /// # Errors
    /// `InsufficientScope`, `TooManyPersonalTokens`, `UserGone`; `Store`, `PrefixesExhausted`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn create_token(&self, caller: &Caller, request: TokenRequest) -> Result<CreatedToken, IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        for _ in 0..PREFIX_TRIES {
            let now = core.now();
            let text = PersonalTokenText::mint().ok_or(IdentityError::PrefixesExhausted)?;
            let token = NewPersonalToken {
                id: TokenId::random(),
                user_id: caller.user_id,
                name: request.name.clone(),
                prefix: text.prefix().clone(),
                secret_hash: text.secret_hash(),
                scopes: request.scopes.clone(),
                created_at: now,
                expires_at: instant_after(now, request.lifetime.duration()),
            };
            match core.ports.personal_tokens.create_token(token, PERSONAL_TOKENS_MAX).await.map_err(gone)? {
                TokenCreation::Created(token) => return Ok(CreatedToken { token, secret: text.to_secret() }),
                TokenCreation::LimitReached => {
                    return Err(IdentityError::TooManyPersonalTokens { limit: PERSONAL_TOKENS_MAX });
                }
                TokenCreation::PrefixTaken => {}
            }
        }
        Err(IdentityError::PrefixesExhausted)
    }

    /// Lists the caller's personal access tokens, expired ones too, newest first. Never their secrets.
    ///
    /// # Errors
    /// `InsufficientScope`; `Store`.
    pub async fn list_tokens(&self, caller: &Caller) -> Result<Vec<PersonalToken>, IdentityError> {
        require(caller, Scope::Account)?;
        Ok(self.core.ports.personal_tokens.list_tokens(caller.user_id).await?)
    }

    /// Revokes one of the caller's personal access tokens.
    ///
    /// # Errors
    /// `InsufficientScope`, `PersonalTokenNotFound`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id, token.id = %id))]
    pub async fn revoke_token(&self, caller: &Caller, id: TokenId) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        core.ports.personal_tokens.revoke_token(caller.user_id, id).await.map_err(|error| match error {
            StoreError::NotFound => IdentityError::PersonalTokenNotFound,
            other => other.into(),
        })?;
        core.cache.evict_token(id);
        Ok(())
    }
}
