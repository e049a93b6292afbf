//! Throttles: what is counted, under which key, by which rule.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use gristmill_domain::{
    Clock, UserId,
    identity::{ClientInfo, ThrottleDecision, ThrottleKey, ThrottleRule, ThrottleStore},
};

use crate::{
    IdentityError, ThrottlePolicy,
    secrets::{DerivedKey, ServerSecret},
};

/// Something that is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// Wrong passwords for an e-mail, whether or not it has an account.
    FailedLogins(&'a str),
    /// Logins from an address.
    LoginsFrom(&'a ClientInfo),
    /// Visits from an address on the way to a provider and back.
    VisitsFrom(&'a ClientInfo),
    /// Registrations from an address.
    RegistrationsFrom(&'a ClientInfo),
    /// Reset links for an e-mail, whether or not it has an account.
    Resets(&'a str),
    /// Verification links for an account.
    Verifications(UserId),
}

/// Counts and refuses.
#[derive(Debug)]
pub(crate) struct Throttles {
    store: Arc<dyn ThrottleStore>,
    clock: Arc<dyn Clock>,
    policy: ThrottlePolicy,
    key: DerivedKey,
}

impl Throttles {
    pub(crate) fn new(
        store: Arc<dyn ThrottleStore>,
        clock: Arc<dyn Clock>,
        policy: ThrottlePolicy,
        secret: &ServerSecret,
    ) -> Self {
        Self { store, clock, policy, key: secret.derive("throttle keys") }
    }

    /// Counts one more, and refuses when it is too many.
    pub(crate) async fn hit(&self, subject: Subject<'_>) -> Result<(), IdentityError> {
        refused(self.store.hit(self.key_of(subject), self.rule_of(subject), self.clock.now()).await?)
    }

    /// Counts one more that happens in any case.
    pub(crate) async fn note(&self, subject: Subject<'_>) -> Result<(), IdentityError> {
        self.store.hit(self.key_of(subject), self.rule_of(subject), self.clock.now()).await?;
        Ok(())
    }

    /// Refuses when one more would be too many.
    pub(crate) async fn check(&self, subject: Subject<'_>) -> Result<(), IdentityError> {
        refused(self.store.check(self.key_of(subject), self.rule_of(subject), self.clock.now()).await?)
    }

    /// Refuses when one more would be too many, and forgets the count otherwise.
    pub(crate) async fn forgive(&self, subject: Subject<'_>) -> Result<(), IdentityError> {
        refused(self.store.forgive(self.key_of(subject), self.rule_of(subject), self.clock.now()).await?)
    }

    fn rule_of(&self, subject: Subject<'_>) -> ThrottleRule {
        match subject {
            Subject::FailedLogins(_) => self.policy.failed_logins,
            Subject::LoginsFrom(_) | Subject::VisitsFrom(_) => self.policy.logins,
            Subject::RegistrationsFrom(_) => self.policy.registrations,
            Subject::Resets(_) => self.policy.resets,
            Subject::Verifications(_) => self.policy.verifications,
        }
    }

    fn key_of(&self, subject: Subject<'_>) -> ThrottleKey {
        let tag = |kind: &[u8], what: &[u8]| ThrottleKey::new(self.key.tag256(&[kind, what]));
        match subject {
            Subject::FailedLogins(email) => tag(b"failed logins", email.as_bytes()),
            Subject::LoginsFrom(client) => tag(b"logins", network(client.address()).as_bytes()),
            Subject::VisitsFrom(client) => tag(b"visits", network(client.address()).as_bytes()),
            Subject::RegistrationsFrom(client) => tag(b"registrations", network(client.address()).as_bytes()),
            Subject::Resets(email) => tag(b"resets", email.as_bytes()),
            Subject::Verifications(user) => tag(b"verifications", user.0.as_bytes()),
        }
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, since whoever has one address there has all.
/// Peers without an address (a Unix socket) count together.
pub(crate) fn network(address: Option<IpAddr>) -> String {
    match address {
        None => "local".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

fn refused(decision: ThrottleDecision) -> Result<(), IdentityError> {
    match decision {
        ThrottleDecision::Allowed => Ok(()),
        ThrottleDecision::Denied { retry_after_s } => Err(IdentityError::TooManyRequests { retry_after_s }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_counts_as_one() {
        let of = |text: &str| network(ClientInfo::new(Some(text.parse().unwrap()), None).address());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(network(None), "local");
    }
}
