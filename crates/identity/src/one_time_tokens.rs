//! The tokens in mailed links.

use gristmill_domain::identity::TokenHash;
use secrecy::{ExposeSecret, SecretString};

use crate::secrets;

const TOKEN_BYTES: usize = 32;

/// A one-time token in plain: 32 bytes, written as 64 lower-case hex characters.
#[derive(Debug, Clone)]
pub struct OneTimeToken(SecretString);

impl OneTimeToken {
    /// Makes a token.
    #[must_use]
    pub fn mint() -> Self {
        Self(secrets::random_hex::<TOKEN_BYTES>())
    }

    /// Reads a presented token; nothing when the text cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        secrets::is_lower_hex(text, TOKEN_BYTES * 2).then(|| Self(text.into()))
    }

    /// The text, for the link.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        secrets::hash_of(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_64_hex_digits_and_differ() {
        let token = OneTimeToken::mint();
        assert_eq!(token.expose().len(), 64);
        assert_eq!(OneTimeToken::parse(token.expose()).unwrap().hash(), token.hash());
        assert_ne!(OneTimeToken::mint().expose(), token.expose());
        for bad in ["", "0", &token.expose().to_uppercase().replace('0', "A"), &format!("{} ", token.expose())] {
            assert!(OneTimeToken::parse(bad).is_none(), "{bad:?}");
        }
    }
}
