//! Logins, tokens and mail.

use std::time::Duration;

use gristmill_domain::identity::ThrottleRule;
use gristmill_identity::IdentityPolicy;
use secrecy::SecretString;

use super::Environment;

/// Logins and tokens.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// `JWT_SECRET`; absent: made at random and kept in the data directory.
    pub jwt_secret: Option<SecretString>,
    /// `JWT_ACCESS_EXPIRES_IN`.
    pub access_ttl: Duration,
    /// `JWT_REFRESH_EXPIRES_IN`.
    pub refresh_ttl: Duration,
    /// `PASSWORD_HASH_MEMORY_KIB`: memory of one argon2id hash.
    pub hash_memory_kib: u32,
    /// `REGISTRATIONS_PER_MINUTE`: registrations from one address.
    pub registrations_per_minute: u32,
    /// `LOGINS_PER_MINUTE`: logins from one address.
    pub logins_per_minute: u32,
    /// `DEV_BYPASS_EMAIL_VERIFICATION`.
    pub bypass_verification: bool,
}

impl IdentityConfig {
    /// The policy of the identity engine.
    #[must_use]
    pub fn policy(&self) -> IdentityPolicy {
        let mut policy = IdentityPolicy::default();
        policy.hashing.cost.memory_kib = self.hash_memory_kib;
        policy.tokens.access_ttl = self.access_ttl;
        policy.tokens.session_ttl.standard = self.refresh_ttl;
        policy.throttles.logins = ThrottleRule::new(self.logins_per_minute, 60);
        policy.throttles.registrations = ThrottleRule::new(self.registrations_per_minute, 60);
        policy
    }
}

/// Mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `SMTP_HOST`.
    pub host: String,
    /// `SMTP_PORT`.
    pub port: u16,
    /// `SMTP_SECURE`: TLS from the first byte.
    pub implicit_tls: bool,
    /// `SMTP_USER`.
    pub user: String,
    /// `SMTP_PASSWORD`.
    pub password: SecretString,
    /// `SMTP_FROM`.
    pub from: String,
}

pub(super) fn identity(env: &mut Environment<'_>) -> IdentityConfig {
    let jwt_secret = env.text("JWT_SECRET");
    if jwt_secret.as_ref().is_some_and(|secret| secret.len() < 32) {
        env.problem("JWT_SECRET", "must have 32 characters or more");
    }
    IdentityConfig {
        jwt_secret: jwt_secret.map(SecretString::from),
        access_ttl: env.duration("JWT_ACCESS_EXPIRES_IN", Duration::from_secs(3600)),
        refresh_ttl: env.duration("JWT_REFRESH_EXPIRES_IN", Duration::from_secs(7 * 86_400)),
        hash_memory_kib: env.number("PASSWORD_HASH_MEMORY_KIB", 8..=1_048_576, 19_456),
        registrations_per_minute: env.number("REGISTRATIONS_PER_MINUTE", 1..=1_000_000, 30),
        logins_per_minute: env.number("LOGINS_PER_MINUTE", 1..=1_000_000, 60),
        bypass_verification: env.flag("DEV_BYPASS_EMAIL_VERIFICATION"),
    }
}

pub(super) fn mail(env: &mut Environment<'_>) -> Option<MailConfig> {
    let (host, user, password) = (env.text("SMTP_HOST"), env.text("SMTP_USER"), env.text("SMTP_PASSWORD"));
    let port = env.number("SMTP_PORT", 1..=65_535, 587);
    let implicit_tls = env.flag("SMTP_SECURE");
    let from = env.text("SMTP_FROM");
    let (Some(host), Some(user), Some(password)) = (host, user, password) else { return None };
    let from = from.unwrap_or_else(|| user.clone());
    Some(MailConfig { host, port, implicit_tls, user, password: password.into(), from })
}
