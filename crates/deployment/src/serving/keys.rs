//! Keys of deployments: made, shown once, and compared by their hashes.

use chrono::{DateTime, Utc};
use gristmill_domain::deployments::{ApiKey, KEY_PREFIX_CHARS, KeyHash};
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How every key begins.
const MARK: &str = "ak_";
const SECRET_BYTES: usize = 32;

/// A key as its owner sees it, once.
#[derive(Clone)]
pub struct RawKey(String);

impl std::fmt::Debug for RawKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawKey(…)")
    }
}

impl RawKey {
    /// Makes a key of 256 random bits: `ak_` and 64 hexadecimal digits.
    #[must_use]
    pub fn generate() -> Self {
        let mut secret = [0_u8; SECRET_BYTES];
        rand::rng().fill_bytes(&mut secret);
        Self(format!("{MARK}{}", hex::encode(secret)))
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its beginning, which tells keys apart.
    #[must_use]
    pub fn prefix(&self) -> String {
        prefix_of(&self.0)
    }

    /// What is stored in its place.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        hash_of(&self.0)
    }
}

/// The key that opens, among those of a deployment: not revoked, not expired. Takes the same time whichever it is.
#[must_use]
pub fn opening<'a>(keys: &'a [(ApiKey, KeyHash)], sent: &str, now: DateTime<Utc>) -> Option<&'a ApiKey> {
    let (prefix, hash) = (prefix_of(sent), hash_of(sent));
    let mut found = None;
    for (key, stored) in keys.iter().filter(|(key, _)| key.prefix == prefix) {
        let same = bool::from(stored.0.as_slice().ct_eq(hash.0.as_slice()));
        let valid = key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > now);
        if same && valid {
            found = Some(key);
        }
    }
    found
}

fn prefix_of(key: &str) -> String {
    key.chars().take(KEY_PREFIX_CHARS).collect()
}

fn hash_of(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use gristmill_domain::{ApiKeyId, DeploymentId};

    use super::*;

    fn stored(raw: &RawKey, change: impl FnOnce(&mut ApiKey)) -> (ApiKey, KeyHash) {
        let mut key = ApiKey {
            id: ApiKeyId::random(),
            deployment_id: DeploymentId::random(),
            name: "test".to_owned(),
            prefix: raw.prefix(),
            created_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        change(&mut key);
        (key, raw.hash())
    }

    #[test]
    fn a_key_has_the_contract_s_form_and_is_not_printed() {
        let key = RawKey::generate();
        assert!(key.expose().len() == 67 && key.expose().starts_with("ak_") && key.prefix().len() == 11);
        assert_ne!(key.expose(), RawKey::generate().expose());
        assert_eq!(format!("{key:?}"), "RawKey(…)");
    }

    #[test]
    fn only_the_right_key_opens_and_only_while_it_is_valid() {
        let (raw, other, now) = (RawKey::generate(), RawKey::generate(), DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let keys = [stored(&other, |_| {}), stored(&raw, |_| {})];
        assert_eq!(opening(&keys, raw.expose(), now).unwrap().id, keys[1].0.id);
        let mut wrong = raw.expose().to_owned();
        wrong.pop();
        for sent in [wrong.as_str(), "", "ak_", &raw.prefix(), "ключ"] {
            assert!(opening(&keys, sent, now).is_none(), "{sent:?}");
        }
        let revoked = [stored(&raw, |key| key.revoked_at = Some(now))];
        let expired = [stored(&raw, |key| key.expires_at = Some(now))];
        assert!(opening(&revoked, raw.expose(), now).is_none() && opening(&expired, raw.expose(), now).is_none());
        assert!(opening(&expired, raw.expose(), now - TimeDelta::seconds(1)).is_some());
    }

    #[test]
    fn of_two_keys_with_one_prefix_the_right_one_is_found() {
        let (one, two) = (RawKey::generate(), RawKey::generate());
        let keys = [stored(&one, |key| key.prefix = two.prefix()), stored(&two, |_| {})];
        assert_eq!(opening(&keys, two.expose(), DateTime::UNIX_EPOCH).unwrap().id, keys[1].0.id);
    }
}
