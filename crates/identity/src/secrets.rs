//! The server's secret and the keys derived from it.

use gristmill_domain::identity::TokenHash;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256, Sha512};

use crate::IdentityError;

/// Fewest bytes in a configured secret.
const SECRET_BYTES_MIN: usize = 32;

/// The one secret of an installation (`JWT_SECRET`), equal in all of its server processes.
///
/// It signs access tokens as it is. Every other use gets a key of its own, derived with the use's name, so that
/// nothing made for one can serve another. A new secret ends all access tokens at once; sessions outlive it.
#[derive(Debug, Clone)]
pub struct ServerSecret(SecretString);

impl ServerSecret {
    /// Takes a configured secret.
    ///
    /// # Errors
    /// [`IdentityError::SecretTooShort`] below 32 bytes.
    pub fn new(secret: SecretString) -> Result<Self, IdentityError> {
        if secret.expose_secret().len() < SECRET_BYTES_MIN { Err(IdentityError::SecretTooShort) } else { Ok(Self(secret)) }
    }

    /// Makes a secret of 256 random bits, as 64 hex characters.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_hex::<32>())
    }

    /// The text, to keep it in a file.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(crate) fn derive(&self, purpose: &'static str) -> DerivedKey {
        let mut mac = keyed::<Hmac<Sha256>>(self.expose().as_bytes());
        mac.update(b"gristmill identity v1: ");
        mac.update(purpose.as_bytes());
        DerivedKey(mac.finalize().into_bytes().into())
    }
}

/// A key for one purpose.
#[derive(Clone)]
pub(crate) struct DerivedKey([u8; 32]);

impl DerivedKey {
    /// HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts are the same message.
    pub(crate) fn tag256(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = keyed::<Hmac<Sha256>>(&self.0);
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// HMAC-SHA-512 of a message.
    pub(crate) fn tag512(&self, message: &[u8]) -> [u8; 64] {
        let mut mac = keyed::<Hmac<Sha512>>(&self.0);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DerivedKey(..)")
    }
}

/// What is stored of a random secret: the SHA-256 of its text.
pub(crate) fn hash_of(text: &str) -> TokenHash {
    TokenHash::new(Sha256::digest(text.as_bytes()).into())
}

/// `N` bytes of the process's cryptographic random source, as hex.
pub(crate) fn random_hex<const N: usize>() -> SecretString {
    hex::encode(random_bytes::<N>()).into()
}

/// `N` bytes of the process's cryptographic random source.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// Tells whether a text is `chars` lower-case hex digits: the only spelling of a token that is accepted.
pub(crate) fn is_lower_hex(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_short_secrets() {
        assert!(matches!(ServerSecret::new("x".repeat(31).into()), Err(IdentityError::SecretTooShort)));
        assert!(ServerSecret::new("x".repeat(32).into()).is_ok());
        assert_eq!(ServerSecret::generate().expose().len(), 64);
        assert_ne!(ServerSecret::generate().expose(), ServerSecret::generate().expose());
    }

    #[test]
    fn keys_differ_by_purpose_secret_and_division_of_the_message() {
        let secret = ServerSecret::new("a".repeat(40).into()).unwrap();
        let other = ServerSecret::new("b".repeat(40).into()).unwrap();
        let tag = secret.derive("one").tag256(&[b"ab", b"c"]);
        assert_eq!(tag, secret.derive("one").tag256(&[b"ab", b"c"]));
        assert_ne!(tag, secret.derive("one").tag256(&[b"a", b"bc"]));
        assert_ne!(tag, secret.derive("two").tag256(&[b"ab", b"c"]));
        assert_ne!(tag, other.derive("one").tag256(&[b"ab", b"c"]));
    }

    #[test]
    fn the_stored_hash_is_plain_sha_256_of_the_text() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(hash_of("abc").as_bytes()), expected);
    }
}
