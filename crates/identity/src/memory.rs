//! All storage ports in one process's memory: for tests, examples, and programs that may forget.
//!
//! It keeps to the contracts of the ports to the letter: one lock makes every method a transaction, and changes are
//! announced. What it does not keep is data: nothing survives the process.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    SessionId, TokenId, UserId,
    identity::{
        Account, ClientInfo, ExternalIdentity, IdentityChange, NewSignInCode, OneTimePurpose, PersonalToken, RevocationCause,
        SessionLifetime, ThrottleDecision, ThrottleKey, ThrottleRule, ThrottleStore, ThrottleWindow, TokenHash,
    },
    ports::StoreError,
};
use tokio::sync::broadcast;

mod accounts;
mod external;
mod personal_tokens;
mod sessions;

/// Announcements that a slow listener may fall behind.
const BACKLOG: usize = 1024;

/// A store without durability.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    calls: AtomicU64,
    changes: broadcast::Sender<IdentityChange>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), calls: AtomicU64::new(0), changes: broadcast::channel(BACKLOG).0 }
    }

    /// Listens to the announcements from now on, as another server process would.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<IdentityChange> {
        self.changes.subscribe()
    }

    /// How many methods of ports were called so far, so that a test can compare the work of two requests.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Opens a transaction: nobody else reads or writes while the guard lives.
    fn begin(&self) -> MutexGuard<'_, State> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, change: IdentityChange) {
        // Fails only when nobody listens.
        let _unheard = self.changes.send(change);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
struct State {
    accounts: HashMap<UserId, Account>,
    sessions: HashMap<SessionId, SessionRow>,
    refresh_tokens: HashMap<TokenHash, RefreshRow>,
    one_time_tokens: HashMap<TokenHash, OneTimeRow>,
    personal_tokens: HashMap<TokenId, PersonalRow>,
    throttles: HashMap<ThrottleKey, ThrottleRow>,
    identities: HashMap<ExternalIdentity, IdentityRow>,
    sign_in_codes: HashMap<TokenHash, NewSignInCode>,
}

#[derive(Debug)]
struct SessionRow {
    user_id: UserId,
    lifetime: SessionLifetime,
    client: ClientInfo,
    created_at: DateTime<Utc>,
    revoked: Option<(DateTime<Utc>, RevocationCause)>,
}

#[derive(Debug)]
struct RefreshRow {
    session_id: SessionId,
    generation: u32,
    expires_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct OneTimeRow {
    user_id: UserId,
    purpose: OneTimePurpose,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct PersonalRow {
    user_id: UserId,
    token: PersonalToken,
    secret_hash: TokenHash,
}

#[derive(Debug)]
struct IdentityRow {
    user_id: UserId,
    linked_at: DateTime<Utc>,
    made_account: bool,
}

#[derive(Debug)]
struct ThrottleRow {
    window: ThrottleWindow,
    ends_at: DateTime<Utc>,
}

#[async_trait]
impl ThrottleStore for MemoryStore {
    async fn hit(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let mut state = self.begin();
        let window = rule.count(state.throttles.get(&key).map(|row| row.window), now);
        state.throttles.insert(key, ThrottleRow { window, ends_at: rule.end_of(window) });
        Ok(rule.decide_counted(window, now))
    }

    async fn check(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let state = self.begin();
        Ok(rule.decide_next(state.throttles.get(&key).map(|row| row.window), now))
    }

    async fn forgive(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let mut state = self.begin();
        let decision = rule.decide_next(state.throttles.get(&key).map(|row| row.window), now);
        if decision == ThrottleDecision::Allowed {
            state.throttles.remove(&key);
        }
        Ok(decision)
    }
}
