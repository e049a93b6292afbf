//! What a browser keeps while it is away: the state and the verifier of its sign-in, sealed with the server's secret.

use std::time::Duration;

use chrono::{DateTime, Utc};
use gristmill_domain::identity::instant_after;
use oauth2::{CsrfToken, PkceCodeVerifier};
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use crate::secrets::{DerivedKey, ServerSecret};

/// How long somebody may take at the provider.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// Makes and checks what browsers keep: `<expiry>.<state>.<verifier>.<tag>`. All servers of an installation agree on it.
pub(super) struct Seal {
    key: DerivedKey,
}

impl Seal {
    pub(super) fn new(secret: &ServerSecret) -> Self {
        Self { key: secret.derive("sign-in state") }
    }

    pub(super) fn close(&self, state: &CsrfToken, verifier: &PkceCodeVerifier, now: DateTime<Utc>) -> SecretString {
        let expiry = instant_after(now, LIFETIME).timestamp().to_string();
        let tag = hex::encode(self.tag(&expiry, state.secret(), verifier.secret()));
        // Both are base64 for URLs, which has no full stop.
        format!("{expiry}.{}.{}.{tag}", state.secret(), verifier.secret()).into()
    }

    /// The verifier, if this was made here, is not too old, and belongs to the state.
    pub(super) fn open(&self, kept: &str, state: &str, now: DateTime<Utc>) -> Option<PkceCodeVerifier> {
        let mut parts = kept.split('.');
        let (expiry, own_state, verifier, tag) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let tag = hex::decode(tag).ok()?;
        // Compared as a whole: the time does not tell how much of it was right.
        let genuine = self.tag(expiry, own_state, verifier).as_slice().ct_eq(tag.as_slice());
        let of_state = own_state.as_bytes().ct_eq(state.as_bytes());
        let in_time = expiry.parse::<i64>().is_ok_and(|expiry| now.timestamp() < expiry);
        (bool::from(genuine & of_state) && in_time).then(|| PkceCodeVerifier::new(verifier.to_owned()))
    }

    fn tag(&self, expiry: &str, state: &str, verifier: &str) -> [u8; 32] {
        self.key.tag256(&[expiry.as_bytes(), state.as_bytes(), verifier.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use oauth2::PkceCodeChallenge;
    use secrecy::ExposeSecret;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::<Utc>::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn holds_for_its_state_and_ten_minutes() {
        let seal = Seal::new(&ServerSecret::generate());
        let (state, (_, verifier)) = (CsrfToken::new_random_len(32), PkceCodeChallenge::new_random_sha256());
        let kept = seal.close(&state, &verifier, at(0));
        let kept = kept.expose_secret();
        assert!(kept.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "fit for a cookie: {kept}");
        assert_eq!(seal.open(kept, state.secret(), at(599)).unwrap().secret(), verifier.secret());
        assert!(seal.open(kept, state.secret(), at(600)).is_none());
        assert!(seal.open(kept, CsrfToken::new_random_len(32).secret(), at(1)).is_none());
        assert!(seal.open(kept, "", at(1)).is_none());
    }

    #[test]
    fn is_worth_nothing_when_altered_or_made_elsewhere() {
        let (seal, other) = (Seal::new(&ServerSecret::generate()), Seal::new(&ServerSecret::generate()));
        let (state, (_, verifier)) = (CsrfToken::new_random_len(32), PkceCodeChallenge::new_random_sha256());
        let kept = seal.close(&state, &verifier, at(0));
        let kept = kept.expose_secret();
        assert!(other.open(kept, state.secret(), at(1)).is_none());
        let parts: Vec<&str> = kept.split('.').collect();
        let later = format!("{}.{}.{}.{}", at(9_000).timestamp(), parts[1], parts[2], parts[3]);
        let swapped = format!("{}.{}.{}.{}", parts[0], parts[2], parts[1], parts[3]);
        let (longer, shorter) = (format!("{kept}.x"), format!("{}.{}.{}", parts[0], parts[1], parts[2]));
        for forged in [later.as_str(), &longer, &shorter, &format!("{kept}0"), "", "...", "...."] {
            assert!(seal.open(forged, state.secret(), at(1)).is_none(), "{forged}");
        }
        assert!(seal.open(&swapped, verifier.secret(), at(1)).is_none());
    }
}
