//! People whom another provider vouches for: who they are there, and the code between their return and their login.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Account, DisplayName, NewSession, NewUser, TokenHash};
use crate::{
    UserId,
    ports::StoreError,
    users::{Email, User},
};

/// Most characters in an id of a person: what the standard for such providers allows.
pub const SUBJECT_CHARS_MAX: usize = 255;

/// Who vouches for people beside us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Google.
    Google,
}

impl Provider {
    /// The name in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Google].into_iter().find(|provider| provider.as_str() == name)
    }
}

/// Says that a text is no provider's id of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 printable ASCII characters")]
pub struct InvalidSubject;

/// A provider's own id of a person: never given to another one, while addresses change hands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderSubject(String);

impl ProviderSubject {
    /// Checks an id. It is compared as it is, with regard to case.
    ///
    /// # Errors
    /// [`InvalidSubject`] unless it has 1 to 255 printable ASCII characters.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        let length_ok = (1..=SUBJECT_CHARS_MAX).contains(&text.len());
        if length_ok && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSubject)
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who somebody is at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalIdentity {
    /// The provider.
    pub provider: Provider,
    /// Its id of the person.
    pub subject: ProviderSubject,
}

/// What a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalProfile {
    /// Who it is.
    pub identity: ExternalIdentity,
    /// The address, which the provider has verified.
    pub email: Email,
    /// A name to show.
    pub name: DisplayName,
}

/// Where and with what a browser came, as a keyed hash: what a code is bound to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientBinding([u8; 32]);

impl ClientBinding {
    /// Wraps a digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for ClientBinding {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Debug for ClientBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientBinding(..)")
    }
}

/// A code to be stored: single use, for the browser that came back from a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignInCode {
    /// The hash of the code.
    pub code_hash: TokenHash,
    /// The browser that it was made for.
    pub client: ClientBinding,
    /// Whom it logs in.
    pub profile: ExternalProfile,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// A code that was used up just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInCode {
    /// The browser that it was made for.
    pub client: ClientBinding,
    /// Whom it logs in.
    pub profile: ExternalProfile,
}

/// What became of linking an identity to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityLink {
    /// It is the account's now, or was before.
    Linked,
    /// Another account has it.
    Taken,
}

/// An identity of a user, as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider.
    pub provider: Provider,
    /// Since when it is the user's.
    pub linked_at: DateTime<Utc>,
    /// Whether the account was made by signing in with it: then nobody knows the account's password.
    pub made_account: bool,
}

/// What became of unlinking a provider from an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityUnlink {
    /// The account has no identity of the provider any more.
    Unlinked,
    /// It had none.
    NotLinked,
    /// It stays: without it nobody could sign in to the account.
    LastWay,
}

/// Decides about unlinking a provider from an account with these identities.
#[must_use]
pub fn next_unlink(identities: &[LinkedIdentity], provider: Provider) -> IdentityUnlink {
    let is_of_it = |identity: &LinkedIdentity| identity.provider == provider;
    if !identities.iter().any(is_of_it) {
        return IdentityUnlink::NotLinked;
    }
    let without_password = identities.iter().any(|identity| identity.made_account);
    if without_password && identities.iter().all(is_of_it) { IdentityUnlink::LastWay } else { IdentityUnlink::Unlinked }
}

/// Keeps who people are at other providers, and the codes of those who just came back from one. One method is one
/// transaction.
#[async_trait]
pub trait ExternalIdentityStore: Send + Sync + fmt::Debug {
    /// Stores a code.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn issue_sign_in_code(&self, code: NewSignInCode) -> Result<(), StoreError>;

    /// Uses a code up: deletes it, if `now < expires_at`, and returns what it stands for. Of two calls at once one gets
    /// nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn take_sign_in_code(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<SignInCode>, StoreError>;

    /// Reads the account of an identity.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreError>;

    /// Makes an account with its first session, as
    /// [`AccountStore::create_account`](super::AccountStore::create_account) does, that is the identity's. All or
    /// nothing.
    ///
    /// # Errors
    /// `Conflict` exactly when another account has the address or the identity; `Unavailable`, `Defect`.
    async fn create_account_of_identity(
        &self,
        user: NewUser,
        session: NewSession,
        identity: ExternalIdentity,
    ) -> Result<User, StoreError>;

    /// Makes an identity the user's, unless it is another's, under a lock on the user's row.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn link_identity(
        &self,
        user_id: UserId,
        identity: ExternalIdentity,
        now: DateTime<Utc>,
    ) -> Result<IdentityLink, StoreError>;

    /// Lists a user's identities, the oldest link first.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn list_identities(&self, user_id: UserId) -> Result<Vec<LinkedIdentity>, StoreError>;

    /// Forgets all identities of a user at a provider, if [`next_unlink`] says so, under a lock on the user's row.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    async fn unlink_identities(&self, user_id: UserId, provider: Provider) -> Result<IdentityUnlink, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_providers_use_as_ids() {
        for good in ["110169484474386276334", "a", &"x".repeat(255)] {
            assert_eq!(ProviderSubject::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " 1", "1\n", "é", "a b", &"x".repeat(256)] {
            assert_eq!(ProviderSubject::parse(bad), Err(InvalidSubject), "{bad:?}");
        }
    }

    #[test]
    fn the_last_way_into_an_account_stays() {
        let identity =
            |made_account| LinkedIdentity { provider: Provider::Google, linked_at: DateTime::UNIX_EPOCH, made_account };
        for (identities, expected) in [
            (vec![], IdentityUnlink::NotLinked),
            (vec![identity(false)], IdentityUnlink::Unlinked),
            (vec![identity(true)], IdentityUnlink::LastWay),
            (vec![identity(true), identity(false)], IdentityUnlink::LastWay),
        ] {
            assert_eq!(next_unlink(&identities, Provider::Google), expected, "{identities:?}");
        }
    }

    #[test]
    fn names_of_providers_survive_the_round_trip() {
        assert_eq!(Provider::from_name(Provider::Google.as_str()), Some(Provider::Google));
        assert_eq!(Provider::from_name("Google"), None);
    }
}
