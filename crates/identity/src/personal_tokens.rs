//! The text of personal access tokens: `gmp_`, 8 letters and digits, `_`, 43 characters of base64url (256 bits).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gristmill_domain::identity::{TOKEN_PREFIX_CHARS, TokenHash, TokenPrefix};
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::secrets;

/// How every personal access token starts, so that scanners for leaked secrets can find one.
const MARK: &str = "gmp_";
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;

/// A personal access token in plain.
#[derive(Debug, Clone)]
pub struct PersonalTokenText {
    prefix: TokenPrefix,
    secret: SecretString,
}

impl PersonalTokenText {
    /// Makes a token. Nothing only if the random source makes something else than letters and digits.
    #[must_use]
    pub fn mint() -> Option<Self> {
        let prefix = TokenPrefix::parse(&Alphanumeric.sample_string(&mut rand::rng(), TOKEN_PREFIX_CHARS))?;
        let secret = URL_SAFE_NO_PAD.encode(secrets::random_bytes::<SECRET_BYTES>());
        Some(Self { prefix, secret: secret.into() })
    }

    /// Tells whether a text claims to be a personal access token.
    #[must_use]
    pub fn is_claimed_by(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// Reads a presented token; nothing when the text cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.strip_prefix(MARK)?.split_at_checked(TOKEN_PREFIX_CHARS)?;
        let secret = rest.strip_prefix('_')?;
        let well_formed =
            secret.len() == SECRET_CHARS && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let prefix = TokenPrefix::parse(prefix)?;
        well_formed.then(|| Self { prefix, secret: secret.into() })
    }

    /// The public part.
    #[must_use]
    pub fn prefix(&self) -> &TokenPrefix {
        &self.prefix
    }

    /// What is stored of the secret part.
    #[must_use]
    pub fn secret_hash(&self) -> TokenHash {
        secrets::hash_of(self.secret.expose_secret())
    }

    /// Tells, in constant time, whether the secret part has this hash.
    #[must_use]
    pub fn matches(&self, stored: &TokenHash) -> bool {
        self.secret_hash().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    /// The whole text, for the one time that it is shown.
    #[must_use]
    pub fn to_secret(&self) -> SecretString {
        format!("{MARK}{}_{}", self.prefix.as_str(), self.secret.expose_secret()).into()
    }
}
