//! What a process remembers about callers, so that most requests ask no database.
//!
//! An entry is believed for at most the configured time (30 s), and forgotten at once when a change is announced: by
//! this process itself after each of its own changes, and by the store's announcements for those of others.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    SessionId, TokenId, UserId,
    caller::Credential,
    identity::{IdentityChange, PersonalTokenAccess, Scopes, TokenHash, TokenPrefix},
    users::{User, UserRole},
};
use moka::sync::Cache;

use crate::CachePolicy;

/// The bounded memory of one process, shared by `Accounts` and the `Authenticator`.
#[derive(Debug)]
pub(crate) struct AuthCache {
    sessions: Cache<SessionId, Arc<SessionEntry>>,
    tokens: Cache<TokenPrefix, Arc<TokenEntry>>,
    ttl: TimeDelta,
    /// Counts evictions. What was read from the store before one of them may be outdated and is not kept.
    evictions: Mutex<u64>,
}

/// Taken before the store is read, handed in with what was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    evictions: u64,
    taken_at: DateTime<Utc>,
}

/// Who the user of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) user_id: UserId,
    pub(crate) role: UserRole,
    pub(crate) email_verified: bool,
}

impl From<&User> for Principal {
    fn from(user: &User) -> Self {
        Self { user_id: user.id, role: user.role, email_verified: user.email_verified }
    }
}

/// A living session.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(crate) principal: Principal,
    pub(crate) expires_at: DateTime<Utc>,
    read_at: DateTime<Utc>,
}

/// A personal access token.
#[derive(Debug)]
pub(crate) struct TokenEntry {
    pub(crate) principal: Principal,
    pub(crate) id: TokenId,
    pub(crate) secret_hash: TokenHash,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: DateTime<Utc>,
    /// Seconds since 1970; the past's end when never used.
    last_used_s: AtomicI64,
    read_at: DateTime<Utc>,
}

impl TokenEntry {
    pub(crate) fn credential(&self) -> Credential {
        Credential::PersonalToken(self.id)
    }

    /// Tells whether its use should be recorded now: true for one of several callers at once, and again after
    /// `interval_s` seconds.
    pub(crate) fn claim_touch(&self, now: DateTime<Utc>, interval_s: i64) -> bool {
        let last_s = self.last_used_s.load(Ordering::Relaxed);
        let due = now.timestamp().saturating_sub(last_s) >= interval_s;
        due && self.last_used_s.compare_exchange(last_s, now.timestamp(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl AuthCache {
    /// An empty memory.
    pub(crate) fn new(policy: &CachePolicy) -> Self {
        Self {
            sessions: Cache::builder().max_capacity(policy.entries_max).time_to_live(policy.ttl).build(),
            tokens: Cache::builder().max_capacity(policy.entries_max).time_to_live(policy.ttl).build(),
            ttl: TimeDelta::from_std(policy.ttl).unwrap_or(TimeDelta::zero()),
            evictions: Mutex::new(0),
        }
    }

    /// Forgets what a change made outdated.
    pub(crate) fn apply(&self, change: IdentityChange) {
        match change {
            IdentityChange::Session(id) => self.evict_session(id),
            IdentityChange::User(id) => self.evict_user(id),
            IdentityChange::Token(id) => self.evict_token(id),
        }
    }

    /// Forgets a session.
    pub(crate) fn evict_session(&self, id: SessionId) {
        self.evict(|| self.sessions.invalidate(&id));
    }

    /// Forgets a user: all of its sessions and tokens.
    pub(crate) fn evict_user(&self, id: UserId) {
        self.evict(|| {
            for (key, _) in self.sessions.iter().filter(|(_, entry)| entry.principal.user_id == id) {
                self.sessions.invalidate(key.as_ref());
            }
            for (key, _) in self.tokens.iter().filter(|(_, entry)| entry.principal.user_id == id) {
                self.tokens.invalidate(key.as_ref());
            }
        });
    }

    /// Forgets a personal access token.
    pub(crate) fn evict_token(&self, id: TokenId) {
        self.evict(|| {
            for (key, _) in self.tokens.iter().filter(|(_, entry)| entry.id == id) {
                self.tokens.invalidate(key.as_ref());
            }
        });
    }

    /// Forgets everything: when announcements may have been missed.
    pub(crate) fn clear(&self) {
        self.evict(|| {
            self.sessions.invalidate_all();
            self.tokens.invalidate_all();
        });
    }

    pub(crate) fn ticket(&self, now: DateTime<Utc>) -> Ticket {
        Ticket { evictions: *self.lock(), taken_at: now }
    }

    pub(crate) fn session(&self, id: SessionId, now: DateTime<Utc>) -> Option<Arc<SessionEntry>> {
        self.sessions.get(&id).filter(|entry| self.is_fresh(entry.read_at, now) && now < entry.expires_at)
    }

    pub(crate) fn keep_session(
        &self,
        ticket: Ticket,
        id: SessionId,
        user: &User,
        expires_at: DateTime<Utc>,
    ) -> Arc<SessionEntry> {
        let entry = Arc::new(SessionEntry { principal: user.into(), expires_at, read_at: ticket.taken_at });
        self.keep(ticket, || self.sessions.insert(id, Arc::clone(&entry)));
        entry
    }

    pub(crate) fn token(&self, prefix: &TokenPrefix, now: DateTime<Utc>) -> Option<Arc<TokenEntry>> {
        self.tokens.get(prefix).filter(|entry| self.is_fresh(entry.read_at, now))
    }

    pub(crate) fn keep_token(&self, ticket: Ticket, access: PersonalTokenAccess) -> Arc<TokenEntry> {
        let token = access.token;
        let entry = Arc::new(TokenEntry {
            principal: (&access.user).into(),
            id: token.id,
            secret_hash: access.secret_hash,
            scopes: token.scopes,
            expires_at: token.expires_at,
            last_used_s: AtomicI64::new(token.last_used_at.map_or(i64::MIN, |at| at.timestamp())),
            read_at: ticket.taken_at,
        });
        self.keep(ticket, || self.tokens.insert(token.prefix, Arc::clone(&entry)));
        entry
    }

    fn is_fresh(&self, read_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now.signed_duration_since(read_at) < self.ttl
    }

    /// Keeps what was read, unless something was evicted since the ticket was taken: the check and the insertion
    /// must not be torn apart by an eviction, or an ended session could stay.
    fn keep(&self, ticket: Ticket, insert: impl FnOnce()) {
        let evictions = self.lock();
        if *evictions == ticket.evictions {
            insert();
        }
    }

    fn evict(&self, remove: impl FnOnce()) {
        let mut evictions = self.lock();
        *evictions = evictions.wrapping_add(1);
        remove();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.evictions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
