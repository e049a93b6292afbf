//! Passwords: argon2id on a bounded pool of blocking threads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::{self, PasswordHasher as _},
};
use gristmill_domain::identity::{NewPassword, PASSWORD_BYTES_MAX, PhcString};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::{HashingPolicy, IdentityError, secrets};

/// When to come back after the queue was full, seconds.
const BUSY_RETRY_AFTER_S: u64 = 1;

/// What one argon2id hash costs. The default is OWASP's: 19 MiB, 2 passes, 1 lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, KiB, at least 8 a lane.
    pub memory_kib: u32,
    /// Passes over the memory, at least 1.
    pub passes: u32,
    /// Lanes, at least 1.
    pub lanes: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// What a check of a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password, or no such account.
    Wrong,
    /// The password, and its hash is of today's cost.
    Right,
    /// The password, but its hash should be made anew: the cost was changed.
    RightButStale,
}

/// Hashes and checks passwords.
///
/// At most `concurrent` at a time, each on a blocking thread; at most `queued` callers wait, and further ones are
/// refused at once. A caller that goes away leaves its hash running, still counted.
#[derive(Debug)]
pub struct PasswordHasher {
    engine: Arc<Engine>,
    /// Verified for accounts that do not exist, so that they take as long.
    dummy: PhcString,
    seats: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

impl PasswordHasher {
    /// Sets the pool up. Computes one hash, so it blocks for as long as one takes.
    ///
    /// # Errors
    /// [`IdentityError::InvalidSetting`] when argon2 does not take the cost; `Hashing`, a defect.
    pub fn new(policy: &HashingPolicy) -> Result<Self, IdentityError> {
        let cost = policy.cost;
        let Ok(params) = Params::new(cost.memory_kib, cost.passes, cost.lanes, None) else {
            return Err(IdentityError::InvalidSetting {
                setting: "the cost of passwords",
                problem: "is outside of what argon2 takes",
            });
        };
        let engine = Engine { params, hashes: AtomicU64::new(0) };
        let dummy = engine.hash(&secrets::random_hex::<32>())?;
        let concurrent = policy.concurrent.get();
        Ok(Self {
            engine: Arc::new(engine),
            dummy,
            seats: Arc::new(Semaphore::new(concurrent.saturating_add(policy.queued).min(Semaphore::MAX_PERMITS))),
            workers: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Hashes a password that a user chose.
    ///
    /// # Errors
    /// [`IdentityError::TooManyRequests`] when the queue is full; `Hashing`, a defect.
    pub async fn hash(&self, password: &NewPassword) -> Result<PhcString, IdentityError> {
        self.hash_secret(password.secret().clone()).await
    }

    /// Checks a typed password. Without an account (`None`) it does the same work and finds it wrong; so it does for
    /// one that is too long to be a password.
    ///
    /// # Errors
    /// [`IdentityError::TooManyRequests`] when the queue is full; `Hashing` when the stored hash is unreadable.
    pub async fn verify(&self, stored: Option<&PhcString>, candidate: &SecretString) -> Result<Verdict, IdentityError> {
        let possible = candidate.expose_secret().len() <= PASSWORD_BYTES_MAX;
        let (hash, candidate) = match stored {
            Some(stored) if possible => (stored.clone(), candidate.clone()),
            Some(_) => (self.dummy.clone(), SecretString::default()),
            None if possible => (self.dummy.clone(), candidate.clone()),
            None => (self.dummy.clone(), SecretString::default()),
        };
        let known = stored.is_some() && possible;
        let verdict = self.run(move |engine| engine.verify(&hash, &candidate)).await?;
        // The dummy's password is unknown, but no chance must open an account that is not there.
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// How many hashes were computed so far, for metrics.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.engine.hashes.load(Ordering::Relaxed)
    }

    /// Hashes a password that proved right, whatever today's rules for new ones say.
    pub(crate) async fn hash_secret(&self, password: SecretString) -> Result<PhcString, IdentityError> {
        self.run(move |engine| engine.hash(&password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            return Err(IdentityError::TooManyRequests { retry_after_s: BUSY_RETRY_AFTER_S });
        };
        let turn = Arc::clone(&self.workers).acquire_owned().await.map_err(|closed| IdentityError::Hashing(closed.into()))?;
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || {
            let _held = (seat, turn);
            work(&engine)
        });
        task.await.map_err(|died| IdentityError::Hashing(died.into()))?
    }
}

/// The blocking part.
#[derive(Debug)]
struct Engine {
    params: Params,
    hashes: AtomicU64,
}

impl Engine {
    fn hash(&self, password: &SecretString) -> Result<PhcString, IdentityError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let salt = secrets::random_bytes::<16>();
        let hash: PasswordHash =
            self.argon2().hash_password_with_salt(password.expose_secret().as_bytes(), &salt).map_err(defect)?;
        Ok(hash.to_string().into())
    }

    /// Checks with the cost that the hash itself names.
    fn verify(&self, hash: &PhcString, candidate: &SecretString) -> Result<Verdict, IdentityError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let parsed = PasswordHash::new(hash.expose()).map_err(|error| IdentityError::Hashing(error.into()))?;
        match self.argon2().verify_password(candidate.expose_secret().as_bytes(), &parsed) {
            Ok(()) if self.is_current(&parsed) => Ok(Verdict::Right),
            Ok(()) => Ok(Verdict::RightButStale),
            Err(password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(error) => Err(defect(error)),
        }
    }

    fn is_current(&self, parsed: &PasswordHash) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        parsed.algorithm == Algorithm::Argon2id.ident()
            && parsed.version == Some(u32::from(Version::V0x13))
            && Params::try_from(parsed).is_ok_and(|params| cost(&params) == cost(&self.params))
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }
}

fn defect(error: password_hash::Error) -> IdentityError {
    IdentityError::Hashing(error.into())
}
