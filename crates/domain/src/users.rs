//! User accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::UserId;

/// A user's role. `admin` is given only by `gristmill admin`, never through the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum UserRole {
    /// An ordinary user.
    User,
    /// An operator.
    Admin,
}

impl UserRole {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }
}

/// An e-mail address in the form it is stored and compared: lower case, checked for shape only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// Says that a text is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Checks and lower-cases an address. Does not trim: a leading blank is an error, not a typo to guess about.
    ///
    /// # Errors
    /// [`InvalidEmail`] unless the text is `local@domain` with a dot in the domain, at most 254 bytes, printable.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
        let domain_ok = domain.contains('.') && domain.split('.').all(label_ok);
        if text.len() <= 254 && local_ok && domain_ok { Ok(Self(text.to_lowercase())) } else { Err(InvalidEmail) }
    }

    /// The address, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account as the rest of the system sees it: no password hash, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// Lower-case address, unique.
    pub email: String,
    /// Display name, 1 to 100 characters.
    pub name: String,
    /// Role.
    pub role: UserRole,
    /// Whether the address was proved, or mail is not configured.
    pub email_verified: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The login before the current one.
    pub last_login_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ordinary_addresses_and_lower_cases_them() {
        for (input, expected) in [("A.B+c@Example.COM", "a.b+c@example.com"), ("ü@münchen.example", "ü@münchen.example")] {
            assert_eq!(Email::parse(input).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn refuses_what_is_not_an_address() {
        for bad in [
            "", "a", "a@", "@b.c", "a@b", " a@b.c", "a@b.c ", "a b@c.d", "a@b..c", "a..b@c.d", ".a@b.c", "a@-b.c", "a\0@b.c",
            "a@b.c\n",
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad:?}");
        }
    }
}
