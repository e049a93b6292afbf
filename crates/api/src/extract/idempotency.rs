//! The `Idempotency-Key` header.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use gristmill_domain::ErrorCode;
use gristmill_persistence::repo::Idempotency;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

const KEY_BYTES_MAX: usize = 200;

/// The key that a client sent with a create, if any.
#[derive(Debug)]
pub struct IdempotencyKey {
    key: Option<String>,
    route: String,
}

impl IdempotencyKey {
    /// Binds the key to the request, so that its use with another request is noticed. `request` is whatever tells
    /// two requests apart.
    #[must_use]
    pub fn bind(self, request: &[u8]) -> Option<Idempotency> {
        let mut digest = Sha256::new();
        digest.update(self.route.as_bytes());
        digest.update([0]);
        digest.update(request);
        self.key.map(|key| Idempotency { key, fingerprint: digest.finalize().into() })
    }

    /// The key alone, for jobs, which keep it themselves.
    #[must_use]
    pub fn into_key(self) -> Option<String> {
        self.key
    }
}

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let route = format!("{} {}", request.method(), request.path());
        let sent = request.headers().get("idempotency-key").map(|value| value.to_str().unwrap_or_default().trim());
        ready(match sent {
            None => Ok(Self { key: None, route }),
            Some(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(Self { key: Some(key.to_owned()), route }),
            Some(_) => Err(ApiError::new(
                ErrorCode::InvalidRequest,
                format!("Idempotency-Key must be printable ASCII, 1 to {KEY_BYTES_MAX} characters"),
            )),
        })
    }
}
