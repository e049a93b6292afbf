//! Access tokens: JWT, HS256 and nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use gristmill_domain::{
    SessionId, UserId,
    identity::instant_after,
    users::{User, UserRole},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{IdentityError, ServerSecret};

/// What an access token says. The user's role and address are those of the moment of issue: ask the store for today's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user.
    pub user_id: UserId,
    /// The user's address.
    pub email: String,
    /// The user's role.
    pub role: UserRole,
    /// The login session.
    pub session_id: SessionId,
    /// When it was issued, whole seconds.
    pub issued_at: DateTime<Utc>,
    /// When it expires, whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// The claims as they are written; the frontend reads `exp`, a number.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireClaims {
    user_id: UserId,
    email: String,
    role: UserRole,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

/// Issues and checks access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    ttl: Duration,
    leeway: Duration,
}

impl AccessTokens {
    /// Issues tokens that last `ttl`, and takes them for `leeway` longer, for clocks that differ a little.
    #[must_use]
    pub fn new(secret: &ServerSecret, ttl: Duration, leeway: Duration) -> Self {
        let key = secret.expose().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would read the machine's clock; `verify` compares with the caller's.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self { signing: EncodingKey::from_secret(key), checking: DecodingKey::from_secret(key), validation, ttl, leeway }
    }

    /// Issues a token for a session.
    ///
    /// # Errors
    /// [`IdentityError::Signing`], a defect.
    pub fn issue(&self, user: &User, session_id: SessionId, now: DateTime<Utc>) -> Result<SecretString, IdentityError> {
        let claims = WireClaims {
            user_id: user.id,
            email: user.email.clone(),
            role: user.role,
            sid: session_id,
            iat: now.timestamp(),
            exp: instant_after(now, self.ttl).timestamp(),
        };
        let text =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(IdentityError::Signing)?;
        Ok(text.into())
    }

    /// Checks a token's signature, shape and time. Whether its session still lives is for the
    /// [`Authenticator`](crate::Authenticator) to find out.
    ///
    /// # Errors
    /// `InvalidCredential` for another key or algorithm, `ExpiredCredential`, and `MalformedCredential` for the rest.
    pub fn verify(&self, text: &str, now: DateTime<Utc>) -> Result<AccessClaims, IdentityError> {
        let claims = match jsonwebtoken::decode::<WireClaims>(text, &self.checking, &self.validation) {
            Ok(decoded) => decoded.claims,
            Err(error) => return Err(refusal(error.kind())),
        };
        let instant = |seconds| DateTime::<Utc>::from_timestamp(seconds, 0).ok_or(IdentityError::MalformedCredential);
        let (issued_at, expires_at) = (instant(claims.iat)?, instant(claims.exp)?);
        if instant_after(expires_at, self.leeway) <= now {
            return Err(IdentityError::ExpiredCredential);
        }
        Ok(AccessClaims {
            user_id: claims.user_id,
            email: claims.email,
            role: claims.role,
            session_id: claims.sid,
            issued_at,
            expires_at,
        })
    }
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens").field("ttl", &self.ttl).field("leeway", &self.leeway).finish_non_exhaustive()
    }
}

fn refusal(kind: &ErrorKind) -> IdentityError {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => IdentityError::InvalidCredential,
        _ => IdentityError::MalformedCredential,
    }
}
