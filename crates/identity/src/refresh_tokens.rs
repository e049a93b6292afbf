//! Refresh tokens: opaque, rotated at every use, with a successor that can be computed again.
//!
//! A token's successor is `HMAC-SHA-512(key, token)`, with a key derived from the server's secret. Only hashes are
//! stored, yet a token that comes a second time within the grace (two tabs refreshing at once, or an answer lost on
//! the way) gets the very successor that the first use got, because it can be derived again. Without the key nobody
//! can go from a token to its successor; from a successor nobody can go back. The chain starts from 512 random bits.

use gristmill_domain::identity::TokenHash;
use secrecy::{ExposeSecret, SecretString};

use crate::secrets::{self, DerivedKey, ServerSecret};

const TOKEN_BYTES: usize = 64;
/// Most rotations that a replay follows. Nobody rotates this often within seconds.
const STEPS_MAX: u32 = 4096;

/// A refresh token in plain: 64 bytes, written as 128 lower-case hex characters.
#[derive(Debug, Clone)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// Reads a presented token; nothing when the text cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        secrets::is_lower_hex(text, TOKEN_BYTES * 2).then(|| Self(text.into()))
    }

    /// The text, for the client.
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

/// Makes refresh tokens.
#[derive(Debug, Clone)]
pub struct RefreshTokens {
    key: DerivedKey,
}

impl RefreshTokens {
    /// Makes tokens whose successors depend on the server's secret.
    #[must_use]
    pub fn new(secret: &ServerSecret) -> Self {
        Self { key: secret.derive("refresh token successor") }
    }

    /// Makes the first token of a family.
    #[must_use]
    pub fn mint(&self) -> RefreshToken {
        RefreshToken(secrets::random_hex::<TOKEN_BYTES>())
    }

    /// The one token that follows this one.
    #[must_use]
    pub fn successor(&self, token: &RefreshToken) -> RefreshToken {
        RefreshToken(hex::encode(self.key.tag512(token.expose().as_bytes())).into())
    }

    /// The token `steps` rotations after this one, if its hash is `expected`. Nothing when it is not: then the
    /// server's secret was changed in between.
    #[must_use]
    pub fn descendant(&self, token: &RefreshToken, steps: u32, expected: TokenHash) -> Option<RefreshToken> {
        if steps > STEPS_MAX {
            return None;
        }
        let newest = (0..steps).fold(token.clone(), |token, _| self.successor(&token));
        (newest.hash() == expected).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_are_repeatable_well_formed_and_bound_to_the_secret() {
        let secret = ServerSecret::generate();
        let tokens = RefreshTokens::new(&secret);
        let first = tokens.mint();
        let second = tokens.successor(&first);
        assert_eq!(second.expose(), RefreshTokens::new(&secret).successor(&first).expose());
        assert!(RefreshToken::parse(second.expose()).is_some());
        assert_ne!(second.expose(), first.expose());
        assert_ne!(second.expose(), RefreshTokens::new(&ServerSecret::generate()).successor(&first).expose());
        assert_ne!(tokens.mint().expose(), tokens.mint().expose());
    }

    #[test]
    fn follows_a_chain_only_to_the_expected_token() {
        let tokens = RefreshTokens::new(&ServerSecret::generate());
        let first = tokens.mint();
        let third = tokens.successor(&tokens.successor(&first));
        assert_eq!(tokens.descendant(&first, 2, third.hash()).unwrap().expose(), third.expose());
        assert!(tokens.descendant(&first, 1, third.hash()).is_none());
        assert!(tokens.descendant(&first, STEPS_MAX + 1, third.hash()).is_none());
    }

    #[test]
    fn only_128_lower_case_hex_digits_are_a_token() {
        let good = "0af9".repeat(32);
        assert!(RefreshToken::parse(&good).is_some());
        for bad in [String::new(), good.to_uppercase(), good.replace('9', "g"), format!("{good}0"), "é".repeat(64)] {
            assert!(RefreshToken::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
