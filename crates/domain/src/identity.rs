//! Identity as storage sees it: hashed secrets, sessions, tokens, throttles, and the ports to keep them.
//!
//! No plain secret appears here. `gristmill-identity` makes and checks secrets; a store only ever gets their hashes.
//! Every decision that two stores must take alike ([`next_rotation`], [`ThrottleRule`]) is a pure function.
//!
//! Where a method locks rows it does so in one order, so that no two wait for each other: the user's, then its
//! sessions', then its tokens'.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use crate::{SessionId, TokenId, UserId};

mod accounts;
mod external;
mod personal_tokens;
mod sessions;
mod throttles;

pub use accounts::*;
pub use external::*;
pub use personal_tokens::*;
pub use sessions::*;
pub use throttles::*;

/// Fewest characters in a new password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Most bytes in a password, so that nobody can keep the hashing pool busy with long ones.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Most characters in the name of a user or of a personal access token.
pub const NAME_CHARS_MAX: usize = 100;
/// Characters of a `User-Agent` that are kept.
pub const USER_AGENT_CHARS_MAX: usize = 512;

/// The instant `after` later, or the end of time.
#[must_use]
pub fn instant_after(now: DateTime<Utc>, after: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(after).ok().and_then(|delta| now.checked_add_signed(delta)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The SHA-256 of a random secret: what is stored in its place.
///
/// Enough for secrets of 256 bits and more, which nobody can guess; passwords get a [`PhcString`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Wraps a digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest. Compare it in constant time, unless it is only looked up.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for TokenHash {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A password's hash in PHC form (`$argon2id$v=19$…`). Kept out of `Debug`, so that it cannot reach a log.
#[derive(Debug, Clone)]
pub struct PhcString(SecretString);

impl PhcString {
    /// The text, for storage and for the verifier.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for PhcString {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Why a text may not become a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("must have at least 8 characters")]
    TooShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("must have at most 1024 bytes")]
    TooLong,
    /// It holds a NUL character.
    #[error("must not hold a NUL character")]
    Nul,
}

/// A password that a user may choose. What somebody types to log in is not one of these: it may be anything.
#[derive(Debug, Clone)]
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Checks the length. There are no rules of composition: they make passwords worse.
    ///
    /// # Errors
    /// [`InvalidPassword`], with what to change.
    pub fn parse(text: &str) -> Result<Self, InvalidPassword> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(InvalidPassword::TooLong);
        }
        if text.contains('\0') {
            return Err(InvalidPassword::Nul);
        }
        if text.chars().count() < PASSWORD_CHARS_MIN {
            return Err(InvalidPassword::TooShort);
        }
        Ok(Self(text.into()))
    }

    /// The text, for the hasher.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// Says that a text cannot name a user or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 100 characters and no control characters")]
pub struct InvalidName;

/// The name of a user or of a personal access token: 1 to 100 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Checks a name. Does not trim.
    ///
    /// # Errors
    /// [`InvalidName`] unless it has 1 to 100 characters without control characters: a line break could forge a mail
    /// header, and PostgreSQL stores no NUL.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let length_ok = (1..=NAME_CHARS_MAX).contains(&text.chars().count());
        if length_ok && !text.chars().any(char::is_control) { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a request came from, as shown in the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientInfo {
    address: Option<IpAddr>,
    user_agent: Option<String>,
}

impl ClientInfo {
    /// Takes the peer's address and its `User-Agent`, of which control characters and an overlong tail are dropped.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let kept = |text: &str| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect::<String>();
        Self {
            address: address.map(|address| address.to_canonical()),
            user_agent: user_agent.map(kept).filter(|text| !text.is_empty()),
        }
    }

    /// The address, an IPv4 one never in its IPv6 spelling.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The program, as it names itself.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

/// Something that caches of callers must forget. A store announces it in the transaction that makes the change.
///
/// The text form is the payload of the announcement: `session:<id>`, `user:<id>` or `token:<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityChange {
    /// A session ended.
    Session(SessionId),
    /// A user changed or went, or all of its sessions ended.
    User(UserId),
    /// A personal access token was revoked.
    Token(TokenId),
}

/// Says that a text does not describe an [`IdentityChange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the announcement of an identity change")]
pub struct InvalidIdentityChange;

impl fmt::Display for IdentityChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
        }
    }
}

impl FromStr for IdentityChange {
    type Err = InvalidIdentityChange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, id) = text.split_once(':').ok_or(InvalidIdentityChange)?;
        let change = match kind {
            "session" => id.parse().ok().map(Self::Session),
            "user" => id.parse().ok().map(Self::User),
            "token" => id.parse().ok().map(Self::Token),
            _ => None,
        };
        change.ok_or(InvalidIdentityChange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_passwords_of_8_characters_to_1024_bytes() {
        for good in ["12345678", "ééééééééé", " spaces  ", &"x".repeat(1024)] {
            assert_eq!(NewPassword::parse(good).unwrap().secret().expose_secret(), good);
        }
        for (bad, why) in [
            ("", InvalidPassword::TooShort),
            ("1234567", InvalidPassword::TooShort),
            ("ééééé", InvalidPassword::TooShort),
            ("12345678\0", InvalidPassword::Nul),
            (&"x".repeat(1025), InvalidPassword::TooLong),
            (&"é".repeat(513), InvalidPassword::TooLong),
        ] {
            assert_eq!(NewPassword::parse(bad).unwrap_err(), why, "{bad:?}");
        }
    }

    #[test]
    fn refuses_names_that_could_break_a_header_or_a_row() {
        assert_eq!(DisplayName::parse(&"é".repeat(100)).unwrap().as_str().chars().count(), 100);
        for bad in ["", "a\nb", "a\rBcc: x", "a\0b", &"x".repeat(101)] {
            assert_eq!(DisplayName::parse(bad), Err(InvalidName), "{bad:?}");
        }
    }

    #[test]
    fn cleans_what_the_client_says_of_itself() {
        let info = ClientInfo::new(Some("::ffff:10.0.0.7".parse().unwrap()), Some("curl\u{7}/8\0"));
        assert_eq!((info.address().unwrap().to_string().as_str(), info.user_agent()), ("10.0.0.7", Some("curl/8")));
        let long = ClientInfo::new(None, Some(&"ü".repeat(600)));
        assert_eq!(long.user_agent().unwrap().chars().count(), USER_AGENT_CHARS_MAX);
        assert_eq!(ClientInfo::new(None, Some("\0")).user_agent(), None);
    }

    #[test]
    fn announcements_survive_the_round_trip_and_others_are_refused() {
        for change in [
            IdentityChange::Session(SessionId::random()),
            IdentityChange::User(UserId::random()),
            IdentityChange::Token(TokenId::random()),
        ] {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for bad in ["", "user", "user:", "user:x", "job:6d0f4a4e-0000-4000-8000-000000000000", "session:user:1"] {
            assert_eq!(bad.parse::<IdentityChange>(), Err(InvalidIdentityChange), "{bad:?}");
        }
    }

    #[test]
    fn nothing_secret_is_printed_by_debug() {
        let hash = PhcString::from("$argon2id$secret".to_owned());
        let password = NewPassword::parse("correct horse").unwrap();
        let printed = format!("{hash:?} {password:?} {:?}", TokenHash::new([7; 32]));
        assert!(!printed.contains("argon2id") && !printed.contains("horse") && !printed.contains('7'), "{printed}");
    }

    #[test]
    fn far_instants_do_not_overflow() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(instant_after(now, Duration::from_secs(60)).timestamp(), 60);
        assert_eq!(instant_after(now, Duration::MAX), DateTime::<Utc>::MAX_UTC);
    }
}
