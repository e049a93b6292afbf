//! The front door, and what has to be plugged into it.

use std::sync::Arc;

use gristmill_domain::{
    Clock,
    identity::{
        AccountStore, ExternalIdentityStore, IdentityChange, OneTimeTokenStore, PersonalTokenStore, SessionStore, ThrottleStore,
    },
};

use crate::{
    AccessTokens, Accounts, Authenticator, IdentityError, IdentityPolicy, Mailer, PasswordHasher, RefreshTokens, ServerSecret,
    VerificationRule, accounts::Core, cache::AuthCache, throttles::Throttles,
};

/// What identity needs from outside.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Accounts.
    pub accounts: Arc<dyn AccountStore>,
    /// One-time tokens.
    pub one_time_tokens: Arc<dyn OneTimeTokenStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Personal access tokens.
    pub personal_tokens: Arc<dyn PersonalTokenStore>,
    /// Throttles.
    pub throttles: Arc<dyn ThrottleStore>,
    /// Identities at other providers.
    pub external_identities: Arc<dyn ExternalIdentityStore>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Plugs one store into all the storage ports.
    #[must_use]
    pub fn of<S>(store: Arc<S>, mailer: Arc<dyn Mailer>, clock: Arc<dyn Clock>) -> Self
    where
        S: AccountStore + OneTimeTokenStore + SessionStore + PersonalTokenStore + ThrottleStore + ExternalIdentityStore + 'static,
    {
        Self {
            accounts: Arc::<S>::clone(&store),
            one_time_tokens: Arc::<S>::clone(&store),
            sessions: Arc::<S>::clone(&store),
            personal_tokens: Arc::<S>::clone(&store),
            throttles: Arc::<S>::clone(&store),
            external_identities: store,
            mailer,
            clock,
        }
    }
}

/// Everything about who is who, for one process.
#[derive(Debug)]
pub struct Identity {
    /// What people do with their accounts.
    pub accounts: Accounts,
    /// Who presents a credential.
    pub authenticator: Authenticator,
    cache: Arc<AuthCache>,
    hasher: Arc<PasswordHasher>,
}

impl Identity {
    /// Puts it together. Computes one password hash, so it blocks for some 20 ms.
    ///
    /// Verification is required exactly when mail is configured; see [`Identity::waive_verification`].
    ///
    /// # Errors
    /// [`IdentityError::InvalidSetting`]; `Hashing`, a defect.
    pub fn new(secret: &ServerSecret, policy: &IdentityPolicy, ports: Ports) -> Result<Self, IdentityError> {
        policy.check()?;
        let tokens = policy.tokens;
        let access = Arc::new(AccessTokens::new(secret, tokens.access_ttl, tokens.leeway));
        let cache = Arc::new(AuthCache::new(&policy.cache));
        let hasher = Arc::new(PasswordHasher::new(&policy.hashing)?);
        let throttles = Throttles::new(Arc::clone(&ports.throttles), Arc::clone(&ports.clock), policy.throttles, secret);
        let verification = if ports.mailer.is_configured() { VerificationRule::Required } else { VerificationRule::Waived };
        let authenticator = Authenticator {
            access: Arc::clone(&access),
            sessions: Arc::clone(&ports.sessions),
            personal_tokens: Arc::clone(&ports.personal_tokens),
            cache: Arc::clone(&cache),
            clock: Arc::clone(&ports.clock),
            verification,
        };
        let core = Core {
            ports,
            hasher: Arc::clone(&hasher),
            access,
            refresh: RefreshTokens::new(secret),
            throttles,
            binding_key: secret.derive("clients of sign-in codes"),
            cache: Arc::clone(&cache),
            tokens,
        };
        Ok(Self { accounts: Accounts::new(core), authenticator, cache, hasher })
    }

    /// Lets all callers count as verified although mail is configured: the developers' bypass.
    #[must_use]
    pub fn waive_verification(mut self) -> Self {
        self.authenticator.verification = VerificationRule::Waived;
        self
    }

    /// Forgets what a change made outdated. Call it for every announcement of the store.
    pub fn apply(&self, change: IdentityChange) {
        self.cache.apply(change);
    }

    /// Forgets everything about callers. Call it when announcements may have been missed.
    pub fn forget_callers(&self) {
        self.cache.clear();
    }

    /// How many password hashes this process computed, for metrics.
    #[must_use]
    pub fn password_hashes(&self) -> u64 {
        self.hasher.hashes()
    }
}
