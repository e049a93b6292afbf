//! Accounts and the one-time tokens that are mailed to them.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{DisplayName, NewSession, PhcString, TokenHash};
use crate::{
    UserId,
    ports::StoreError,
    users::{Email, User},
};

/// A user together with what proves a login.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The password's hash.
    pub password_hash: PhcString,
}

/// A user to be made, with the role `user`.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Identity.
    pub id: UserId,
    /// Address.
    pub email: Email,
    /// Display name.
    pub name: DisplayName,
    /// The password's hash.
    pub password_hash: PhcString,
    /// Whether the address counts as verified from the start.
    pub email_verified: bool,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What a one-time token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OneTimePurpose {
    /// Choosing a new password.
    ResetPassword,
    /// Proving that mail to the address arrives.
    VerifyEmail,
}

impl OneTimePurpose {
    /// The name in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::VerifyEmail => "verify_email",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ResetPassword, Self::VerifyEmail].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// A one-time token to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOneTimeToken {
    /// Whose it is.
    pub user_id: UserId,
    /// What it allows.
    pub purpose: OneTimePurpose,
    /// The hash of the secret.
    pub token_hash: TokenHash,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// A new address for an account.
#[derive(Debug, Clone)]
pub struct EmailChange {
    /// The address.
    pub email: Email,
    /// With a token (purpose `VerifyEmail`) the address starts unverified; without one it counts as verified.
    pub verification: Option<NewOneTimeToken>,
}

/// A new password for an account.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// The hash that the current password was checked against. Another one in storage means that somebody was faster.
    pub expected: PhcString,
    /// The new hash.
    pub replacement: PhcString,
}

/// What to change about an account.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// A new display name.
    pub name: Option<DisplayName>,
    /// A new address.
    pub email: Option<EmailChange>,
    /// A new password.
    pub password: Option<PasswordChange>,
}

/// What became of an [`AccountChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountUpdate {
    /// Done; the user as it is now.
    Updated(User),
    /// Nothing was changed: another account has the address.
    EmailTaken,
    /// Nothing was changed: the password is not the expected one any more.
    PasswordChanged,
}

/// Keeps accounts. One method is one transaction.
#[async_trait]
pub trait AccountStore: Send + Sync + std::fmt::Debug {
    /// Makes an account together with its first session (and that one's refresh token, generation 0) and with a
    /// verification token if there is one. `updated_at` is `created_at`, `last_login_at` stays empty. All or nothing.
    ///
    /// # Errors
    /// `Conflict` exactly when another account has the address; `Unavailable`, `Defect`.
    async fn create_account(
        &self,
        user: NewUser,
        session: NewSession,
        verification: Option<NewOneTimeToken>,
    ) -> Result<User, StoreError>;

    /// Reads an account.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError>;

    /// Reads the account with an address.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError>;

    /// Changes an account under a lock on its row, all or nothing, sets `updated_at` to `now`, and announces
    /// `IdentityChange::User`.
    ///
    /// A new address that differs from the stored one deletes every one-time token of the user (a link in the old
    /// mailbox must not act on the account any more), forgets the user's external identities (the account may become
    /// somebody else's) but for one that made the account (without it nobody could sign in: the password is nobody's),
    /// then stores `verification`. A new password deletes the user's reset tokens and revokes all of its sessions (cause
    /// `PasswordChange`). An address that is the stored one already is left alone: neither the flag nor the tokens nor
    /// the identities change. The password is compared before the address.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn update_account(&self, id: UserId, change: AccountChange, now: DateTime<Utc>) -> Result<AccountUpdate, StoreError>;

    /// Replaces a password's hash by a costlier one of the same password. Touches nothing else, not even
    /// `updated_at`. Returns whether `expected` was still stored.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn rehash_password(&self, id: UserId, change: PasswordChange) -> Result<bool, StoreError>;

    /// Deletes an account and everything that belongs to it, records its files for removal, and announces
    /// `IdentityChange::User`.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn delete_account(&self, id: UserId) -> Result<(), StoreError>;

    /// Deletes what no decision needs any more: refresh tokens, one-time tokens, codes of sign-ins and throttle windows that
    /// have expired, sessions without a refresh token, and personal access tokens that expired more than `keep` ago.
    /// Returns how many rows went.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn prune(&self, now: DateTime<Utc>, keep: Duration) -> Result<u64, StoreError>;
}

/// Keeps one-time tokens. One method is one transaction.
#[async_trait]
pub trait OneTimeTokenStore: Send + Sync + std::fmt::Debug {
    /// Stores a token and deletes the user's other tokens of the same purpose, under a lock on the user's row.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn issue_one_time_token(&self, token: NewOneTimeToken) -> Result<(), StoreError>;

    /// Tells whose token this is, if it is unused and `now < expires_at`. Uses nothing up.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_one_time_token(
        &self,
        hash: TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError>;

    /// Uses a reset token up and sets the password: under a lock on the row of the token's user, checks what
    /// [`OneTimeTokenStore::find_one_time_token`] checks, marks the token used, stores the hash, sets `updated_at`,
    /// deletes the user's other reset tokens, revokes all of its sessions (cause `PasswordChange`), and announces
    /// `IdentityChange::User`. Returns the user, or nothing (and changes nothing) when the token is not usable. Of two
    /// calls at once one gets nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn reset_password(
        &self,
        hash: TokenHash,
        replacement: PhcString,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError>;

    /// Uses a verification token up and marks the address as verified, with the same lock and checks; sets
    /// `updated_at` and announces `IdentityChange::User`. Returns the user, or nothing when the token is not usable.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn verify_email(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError>;
}
