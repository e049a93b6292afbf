//! The settings of identity, with the defaults of the product.

use std::{num::NonZeroUsize, time::Duration};

use gristmill_domain::identity::{SessionTtl, ThrottleRule};

use crate::{IdentityError, PasswordCost};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Longest leeway for clocks that differ.
const LEEWAY_MAX: Duration = Duration::from_secs(5);
/// Longest time that a process may answer from its cache when it hears nothing from the others.
const CACHE_TTL_MAX: Duration = Duration::from_secs(30);

/// Every setting of this crate.
#[derive(Debug, Clone, Default)]
pub struct IdentityPolicy {
    /// How passwords are hashed.
    pub hashing: HashingPolicy,
    /// How long tokens last.
    pub tokens: TokenPolicy,
    /// How often things may happen.
    pub throttles: ThrottlePolicy,
    /// How much is remembered about callers.
    pub cache: CachePolicy,
}

impl IdentityPolicy {
    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// [`IdentityError::InvalidSetting`], naming the setting.
    pub fn check(&self) -> Result<(), IdentityError> {
        let tokens = &self.tokens;
        let invalid = |setting, problem| Err(IdentityError::InvalidSetting { setting, problem });
        if tokens.access_ttl < Duration::from_secs(1) {
            return invalid("JWT_ACCESS_EXPIRES_IN", "must be at least a second");
        }
        if tokens.leeway > LEEWAY_MAX {
            return invalid("the leeway of access tokens", "must be at most 5 seconds");
        }
        if tokens.session_ttl.standard <= tokens.grace || tokens.session_ttl.remembered <= tokens.grace {
            return invalid("JWT_REFRESH_EXPIRES_IN", "must be longer than the grace of refresh tokens");
        }
        if tokens.reset_ttl.is_zero() || tokens.verification_ttl.is_zero() {
            return invalid("the lifetime of one-time tokens", "must not be zero");
        }
        if self.cache.ttl > CACHE_TTL_MAX {
            return invalid("the lifetime of cached callers", "must be at most 30 seconds");
        }
        Ok(())
    }
}

/// How passwords are hashed.
#[derive(Debug, Clone, Copy)]
pub struct HashingPolicy {
    /// What one hash costs.
    pub cost: PasswordCost,
    /// Hashes computed at once, one a core by default. Each needs the memory that `cost` says.
    pub concurrent: NonZeroUsize,
    /// Callers that may wait for their turn; further ones are refused and told to come back.
    pub queued: usize,
}

impl Default for HashingPolicy {
    fn default() -> Self {
        Self {
            cost: PasswordCost::default(),
            concurrent: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            queued: 64,
        }
    }
}

/// How long tokens last.
#[derive(Debug, Clone, Copy)]
pub struct TokenPolicy {
    /// Access tokens: 1 hour.
    pub access_ttl: Duration,
    /// How long after its end an access token is still taken, for clocks that differ: 2 s, at most 5.
    pub leeway: Duration,
    /// Refresh tokens, from each rotation: 7 days, or 30 when remembered.
    pub session_ttl: SessionTtl,
    /// How long after its rotation a refresh token may come again: 10 s.
    pub grace: Duration,
    /// Links for a new password: 1 hour.
    pub reset_ttl: Duration,
    /// Links for verification: 24 hours.
    pub verification_ttl: Duration,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            access_ttl: HOUR,
            leeway: Duration::from_secs(2),
            session_ttl: SessionTtl { standard: 7 * DAY, remembered: 30 * DAY },
            grace: Duration::from_secs(10),
            reset_ttl: HOUR,
            verification_ttl: DAY,
        }
    }
}

/// How often things may happen.
#[derive(Debug, Clone, Copy)]
pub struct ThrottlePolicy {
    /// Wrong passwords for one account, or for an address without one: 10 in 15 minutes. Success clears the count.
    pub failed_logins: ThrottleRule,
    /// Logins from one network address, whatever comes of them: 60 a minute. Visits on the way to a provider and back are
    /// counted apart, by the same rule.
    pub logins: ThrottleRule,
    /// Registrations from one network address: 30 a minute.
    pub registrations: ThrottleRule,
    /// Reset links for one e-mail: 1 a minute.
    pub resets: ThrottleRule,
    /// Verification links for one account, registration's own included: 1 a minute.
    pub verifications: ThrottleRule,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            failed_logins: ThrottleRule::new(10, 15 * 60),
            logins: ThrottleRule::new(60, 60),
            registrations: ThrottleRule::new(30, 60),
            resets: ThrottleRule::new(1, 60),
            verifications: ThrottleRule::new(1, 60),
        }
    }
}

/// How much is remembered about callers.
#[derive(Debug, Clone, Copy)]
pub struct CachePolicy {
    /// Longest time without asking the store again: 30 s, which is also the most.
    pub ttl: Duration,
    /// Most sessions, and most personal access tokens, that are remembered: 10,000 each.
    pub entries_max: u64,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self { ttl: CACHE_TTL_MAX, entries_max: 10_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones_and_pass_the_check() {
        let policy = IdentityPolicy::default();
        policy.check().unwrap();
        assert_eq!(policy.tokens.session_ttl.remembered.as_secs(), 2_592_000);
        assert_eq!(policy.throttles.failed_logins, ThrottleRule { limit: 10, window: Duration::from_secs(900) });
    }

    #[test]
    fn names_the_setting_that_makes_no_sense() {
        let check = |change: fn(&mut IdentityPolicy), expected: &str| {
            let mut policy = IdentityPolicy::default();
            change(&mut policy);
            let message = policy.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(|policy| policy.tokens.access_ttl = Duration::ZERO, "JWT_ACCESS_EXPIRES_IN");
        check(|policy| policy.tokens.leeway = Duration::from_secs(6), "leeway");
        check(|policy| policy.tokens.session_ttl.standard = Duration::from_secs(10), "JWT_REFRESH_EXPIRES_IN");
        check(|policy| policy.tokens.reset_ttl = Duration::ZERO, "one-time");
        check(|policy| policy.cache.ttl = Duration::from_secs(31), "cached");
    }
}
