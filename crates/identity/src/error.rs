//! What can go wrong, one variant per decision that a caller can act on.

use gristmill_domain::{ErrorCode, ports::StoreError};

use crate::ProviderError;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error as a log field, with its chain.
pub(crate) fn as_dyn<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    error
}

/// Why an operation of this crate was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No credential was sent.
    #[error("no credential was sent: log in, or send a personal access token")]
    MissingCredential,
    /// The credential is neither an access token nor a personal access token.
    #[error("the credential is malformed")]
    MalformedCredential,
    /// The credential's time is over.
    #[error("the credential has expired: refresh it or log in")]
    ExpiredCredential,
    /// The credential is forged, revoked, or its session has ended.
    #[error("the credential is not valid: log in")]
    InvalidCredential,
    /// The credential is genuine, but its user was deleted.
    #[error("the account behind the credential is gone")]
    UserGone,
    /// The personal access token does not cover the operation.
    #[error("the personal access token does not cover this operation")]
    InsufficientScope,
    /// Unknown address or wrong password; which of the two is not told.
    #[error("the e-mail or the password is wrong")]
    InvalidLogin,
    /// The current password that was sent is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// A new password was sent without the current one.
    #[error("the current password is needed to set a new one")]
    CurrentPasswordRequired,
    /// Another account has the address.
    #[error("another account has this e-mail")]
    EmailTaken,
    /// There is nothing to verify.
    #[error("the e-mail is verified already")]
    EmailAlreadyVerified,
    /// The one-time token is wrong, used or expired.
    #[error("the link is wrong, used or expired: ask for a new one")]
    OneTimeTokenInvalid,
    /// The code or the state of a sign-in is wrong, used, expired, or another browser's.
    #[error("the sign-in could not be finished: start again")]
    SignInFailed,
    /// The provider knows the person, but has not verified the address.
    #[error("the provider has not verified this e-mail")]
    AddressUnverified,
    /// There is an account with the provider's address, and the provider is not linked to it.
    #[error("an account with this e-mail exists: sign in with its password and link Google in the profile")]
    AccountExists,
    /// The provider's account is linked to another user.
    #[error("this Google account is linked to another user")]
    IdentityTaken,
    /// The caller has no identity at the provider.
    #[error("the account is not linked to this provider")]
    IdentityNotFound,
    /// Without the provider nobody could sign in to the account.
    #[error(
        "this is the only way to sign in to the account: set a password by a link of \"forgot password\" first, which also unlinks it"
    )]
    LastSignIn,
    /// The provider does not do its part.
    #[error("the sign-in provider does not answer as it should: try again shortly")]
    Provider(#[source] ProviderError),
    /// The refresh token is malformed, unknown, revoked or expired.
    #[error("the refresh token is not valid: log in")]
    RefreshTokenInvalid,
    /// The refresh token was used before; its session is revoked now.
    #[error("the refresh token was used before, so its session was ended: log in")]
    RefreshTokenReused,
    /// The account was deleted, though its session was not.
    #[error("the account is gone")]
    UserNotFound,
    /// No such session of the caller.
    #[error("there is no such session")]
    SessionNotFound,
    /// No such personal access token of the caller.
    #[error("there is no such personal access token")]
    PersonalTokenNotFound,
    /// The caller has as many personal access tokens as allowed.
    #[error("there are {limit} personal access tokens already: revoke one first")]
    TooManyPersonalTokens {
        /// How many are allowed.
        limit: u32,
    },
    /// A throttle refused, or too many passwords are being checked.
    #[error("too many requests: try again in {retry_after_s} s")]
    TooManyRequests {
        /// When to come back, whole seconds, at least 1.
        retry_after_s: u64,
    },
    /// No mail server is set up.
    #[error("mail is not configured: set SMTP_HOST, SMTP_USER and SMTP_PASSWORD")]
    MailNotConfigured,
    /// The configured secret is too short to be safe.
    #[error("JWT_SECRET must have at least 32 bytes")]
    SecretTooShort,
    /// A setting makes no sense.
    #[error("{setting} {problem}")]
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A password could not be hashed or checked: a defect.
    #[error("a password could not be processed")]
    Hashing(#[source] BoxError),
    /// An access token could not be made: a defect.
    #[error("an access token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
    /// No free token prefix was found: a defect of the random source.
    #[error("a personal access token could not be made")]
    PrefixesExhausted,
    /// The store failed.
    #[error("the identity store failed")]
    Store(#[source] StoreError),
}

impl IdentityError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::MissingCredential
            | Self::MalformedCredential
            | Self::ExpiredCredential
            | Self::InvalidCredential
            | Self::UserGone
            | Self::RefreshTokenInvalid => ErrorCode::Unauthenticated,
            Self::InsufficientScope => ErrorCode::InsufficientScope,
            Self::InvalidLogin => ErrorCode::InvalidCredentials,
            Self::WrongPassword => ErrorCode::WrongPassword,
            Self::CurrentPasswordRequired => ErrorCode::ValidationFailed,
            Self::EmailTaken => ErrorCode::EmailTaken,
            Self::EmailAlreadyVerified => ErrorCode::EmailAlreadyVerified,
            Self::OneTimeTokenInvalid => ErrorCode::TokenInvalid,
            Self::SignInFailed => ErrorCode::SignInFailed,
            Self::AddressUnverified => ErrorCode::EmailNotVerified,
            Self::AccountExists => ErrorCode::AccountExists,
            Self::IdentityTaken => ErrorCode::IdentityTaken,
            Self::IdentityNotFound => ErrorCode::IdentityNotFound,
            Self::LastSignIn => ErrorCode::LastSignIn,
            Self::Provider(_) => ErrorCode::ProviderFailed,
            Self::RefreshTokenReused => ErrorCode::RefreshTokenReused,
            Self::UserNotFound => ErrorCode::UserNotFound,
            Self::SessionNotFound => ErrorCode::SessionNotFound,
            Self::PersonalTokenNotFound => ErrorCode::TokenNotFound,
            Self::TooManyPersonalTokens { .. } => ErrorCode::Conflict,
            Self::TooManyRequests { .. } => ErrorCode::TooManyRequests,
            Self::MailNotConfigured | Self::SecretTooShort | Self::InvalidSetting { .. } => ErrorCode::NotConfigured,
            Self::Store(StoreError::Unavailable(_)) => ErrorCode::DatabaseUnavailable,
            Self::Hashing(_) | Self::Signing(_) | Self::PrefixesExhausted | Self::Store(_) => ErrorCode::Internal,
        }
    }

    /// When to come back, whole seconds, if that would help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }
}

impl From<ProviderError> for IdentityError {
    fn from(source: ProviderError) -> Self {
        Self::Provider(source)
    }
}

impl From<StoreError> for IdentityError {
    fn from(source: StoreError) -> Self {
        Self::Store(source)
    }
}
