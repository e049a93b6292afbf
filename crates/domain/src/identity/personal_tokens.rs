//! Personal access tokens: what scripts and MCP clients authenticate with.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{DisplayName, TokenHash};
use crate::{Scope, TokenId, UserId, ports::StoreError, users::User};

/// Most personal access tokens of one user that have not expired.
pub const PERSONAL_TOKENS_MAX: u32 = 50;
/// Characters in a token's public part.
pub const TOKEN_PREFIX_CHARS: usize = 8;

/// What a token may do: one scope or more. The widest is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes {
    listed: BTreeSet<Scope>,
    widest: Scope,
}

impl Scopes {
    /// Collects scopes; duplicates count once. Nothing when there are none.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let listed: BTreeSet<Scope> = scopes.into_iter().collect();
        let widest = *listed.last()?;
        Some(Self { listed, widest })
    }

    /// The widest of them.
    #[must_use]
    pub fn widest(&self) -> Scope {
        self.widest
    }

    /// All of them, narrowest first.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.listed.iter().copied()
    }
}

/// Says that a number of days is not a token's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and 365 days")]
pub struct InvalidTokenLifetime;

/// How long a personal access token lives: 1 to 365 days, 90 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetime(u16);

impl TokenLifetime {
    /// Checks a number of days.
    ///
    /// # Errors
    /// [`InvalidTokenLifetime`] outside 1 to 365.
    pub fn from_days(days: i64) -> Result<Self, InvalidTokenLifetime> {
        match u16::try_from(days) {
            Ok(days @ 1..=365) => Ok(Self(days)),
            _ => Err(InvalidTokenLifetime),
        }
    }

    /// The time it stands for.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 86_400)
    }
}

impl Default for TokenLifetime {
    fn default() -> Self {
        Self(90)
    }
}

/// The public part of a token, by which it is looked up: 8 ASCII letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenPrefix(String);

impl TokenPrefix {
    /// Reads a prefix; nothing when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == TOKEN_PREFIX_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ok.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// Identity.
    pub id: TokenId,
    /// What the owner calls it.
    pub name: String,
    /// The public part, to tell tokens apart.
    pub prefix: TokenPrefix,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
    /// When it was used last, give or take a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct NewPersonalToken {
    /// Identity.
    pub id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// What the owner calls it.
    pub name: DisplayName,
    /// The public part; unique.
    pub prefix: TokenPrefix,
    /// The hash of the secret part.
    pub secret_hash: TokenHash,
    /// What it may do.
    pub scopes: Scopes,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// What became of a [`NewPersonalToken`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCreation {
    /// Stored.
    Created(PersonalToken),
    /// Not stored: the user has as many unexpired tokens as allowed.
    LimitReached,
    /// Not stored: another token has the prefix.
    PrefixTaken,
}

/// What is needed to check a presented token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalTokenAccess {
    /// The token.
    pub token: PersonalToken,
    /// The hash of its secret part.
    pub secret_hash: TokenHash,
    /// Its owner as it is now.
    pub user: User,
}

/// Keeps personal access tokens. One method is one transaction.
#[async_trait]
pub trait PersonalTokenStore: Send + Sync + std::fmt::Debug {
    /// Stores a token unless the user has `limit` tokens with `expires_at > created_at` of the new one. Counts and
    /// inserts under a lock on the user's row, so that the limit holds for callers at once.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn create_token(&self, token: NewPersonalToken, limit: u32) -> Result<TokenCreation, StoreError>;

    /// Lists the user's tokens, expired ones too, newest first.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn list_tokens(&self, user_id: UserId) -> Result<Vec<PersonalToken>, StoreError>;

    /// Deletes one of the user's tokens and announces `IdentityChange::Token`.
    ///
    /// # Errors
    /// `NotFound` when it is not the user's; `Unavailable`, `Defect`.
    async fn revoke_token(&self, user_id: UserId, id: TokenId) -> Result<(), StoreError>;

    /// Reads the token with a prefix and its owner, expired or not.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_token(&self, prefix: &TokenPrefix) -> Result<Option<PersonalTokenAccess>, StoreError>;

    /// Sets `last_used_at` to `now`, unless it is later than `now - interval` already. Does nothing for a token that
    /// is gone, and announces nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn touch_token(&self, id: TokenId, now: DateTime<Utc>, interval: Duration) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_scope_counts() {
        let scopes = Scopes::new([Scope::Write, Scope::Read, Scope::Write]).unwrap();
        assert_eq!((scopes.widest(), scopes.iter().collect::<Vec<_>>()), (Scope::Write, vec![Scope::Read, Scope::Write]));
        assert_eq!(Scopes::new([]), None);
    }

    #[test]
    fn lifetimes_are_1_to_365_days() {
        assert_eq!(TokenLifetime::default().duration(), Duration::from_secs(90 * 86_400));
        assert_eq!(TokenLifetime::from_days(365).unwrap().duration(), Duration::from_secs(365 * 86_400));
        for bad in [i64::MIN, -1, 0, 366, i64::MAX] {
            assert_eq!(TokenLifetime::from_days(bad), Err(InvalidTokenLifetime), "{bad}");
        }
    }

    #[test]
    fn prefixes_are_8_letters_and_digits() {
        assert_eq!(TokenPrefix::parse("aZ09bY18").unwrap().as_str(), "aZ09bY18");
        for bad in ["", "aZ09bY1", "aZ09bY188", "aZ09bY1_", "aZ09bY1é", "aZ09bYé", "aZ 9bY18"] {
            assert_eq!(TokenPrefix::parse(bad), None, "{bad:?}");
        }
    }
}
