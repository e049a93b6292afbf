//! Login sessions: families of refresh tokens.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{ClientInfo, PhcString, TokenHash};
use crate::{SessionId, UserId, ports::StoreError, users::User};

/// How long a login lasts without use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionLifetime {
    /// The configured time, 7 days unless set.
    #[default]
    Standard,
    /// "Remember me": 30 days unless set, at every rotation again.
    Remembered,
}

/// The time for each lifetime. Applied at each rotation, so a changed setting reaches living sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTtl {
    /// For [`SessionLifetime::Standard`].
    pub standard: Duration,
    /// For [`SessionLifetime::Remembered`].
    pub remembered: Duration,
}

impl SessionTtl {
    /// The time for a lifetime.
    #[must_use]
    pub fn of(self, lifetime: SessionLifetime) -> Duration {
        match lifetime {
            SessionLifetime::Standard => self.standard,
            SessionLifetime::Remembered => self.remembered,
        }
    }
}

/// Why a session ended, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationCause {
    /// The user logged out.
    Logout,
    /// The user ended it from the list of sessions.
    User,
    /// The password was changed or reset.
    PasswordChange,
    /// A refresh token came back after its grace: it was stolen, or its successor was.
    Reuse,
}

impl RevocationCause {
    /// The name in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::User => "user",
            Self::PasswordChange => "password_change",
            Self::Reuse => "reuse",
        }
    }
}

/// A session to be opened, with its first refresh token (generation 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Identity.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// How long it lasts.
    pub lifetime: SessionLifetime,
    /// The hash of the first refresh token.
    pub token_hash: TokenHash,
    /// From where.
    pub client: ClientInfo,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// When the first refresh token expires.
    pub expires_at: DateTime<Utc>,
}

/// A presented refresh token and what is to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the presented token.
    pub token_hash: TokenHash,
    /// The hash of its successor, which follows from the presented token alone.
    pub successor_hash: TokenHash,
    /// Now.
    pub now: DateTime<Utc>,
    /// How long after its rotation a token may come again.
    pub grace: Duration,
    /// How long the successor lasts.
    pub ttl: SessionTtl,
    /// From where; becomes what the list of sessions shows.
    pub client: ClientInfo,
}

/// What became of a [`Rotation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateOutcome {
    /// The token was the family's newest, and its successor took its place.
    Rotated {
        /// The family.
        session_id: SessionId,
        /// Its user.
        user: User,
    },
    /// The token was rotated before, but not longer than the grace ago. Nothing was changed.
    Replayed {
        /// The family.
        session_id: SessionId,
        /// Its user.
        user: User,
        /// How many rotations the newest token is ahead of the presented one; at least 1.
        steps: u32,
        /// The hash of the newest token.
        newest_hash: TokenHash,
    },
    /// The token was rotated longer than the grace ago. The family is revoked now.
    Reused {
        /// The family.
        session_id: SessionId,
        /// Its user.
        user_id: UserId,
    },
    /// The token's time is over. Nothing was changed.
    Expired,
    /// The family was revoked before. Nothing was changed.
    Revoked,
    /// No such token.
    Unknown,
    /// The family is there but its user is not. A store whose deletions cascade says `Unknown` instead.
    UserGone,
}

/// What is known of a presented refresh token, read under the lock of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshState {
    /// Whether the family was revoked.
    pub revoked: bool,
    /// When the presented token expires.
    pub expires_at: DateTime<Utc>,
    /// When it was rotated, if it was.
    pub rotated_at: Option<DateTime<Utc>>,
}

/// What to do about a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// Put the successor in its place.
    Rotate,
    /// Hand out the family's newest token.
    Replay,
    /// Revoke the family.
    Revoke,
    /// Refuse: expired.
    RefuseExpired,
    /// Refuse: revoked before.
    RefuseRevoked,
}

/// Decides about a presented refresh token.
///
/// An expired token is refused without harm to its family even if it was rotated once: it opens nothing, and after
/// pruning it would be unknown anyway. A clock that runs behind the one that rotated counts as no time at all.
#[must_use]
pub fn next_rotation(state: RefreshState, now: DateTime<Utc>, grace: Duration) -> RotationStep {
    if state.revoked {
        return RotationStep::RefuseRevoked;
    }
    if state.expires_at <= now {
        return RotationStep::RefuseExpired;
    }
    let Some(rotated_at) = state.rotated_at else { return RotationStep::Rotate };
    let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
    if now.signed_duration_since(rotated_at) <= grace { RotationStep::Replay } else { RotationStep::Revoke }
}

/// A session in the user's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Identity; stays the same over rotations.
    pub id: SessionId,
    /// From where it was used last.
    pub address: Option<IpAddr>,
    /// With what.
    pub user_agent: Option<String>,
    /// When the login was.
    pub created_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// What an access token of a session is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAccess {
    /// The session lives.
    Active {
        /// The user as it is now.
        user: User,
        /// When the session's newest refresh token expires.
        expires_at: DateTime<Utc>,
    },
    /// The session was revoked, or is not there.
    Ended,
    /// There is no such user.
    UserGone,
}

/// Keeps sessions. One method is one transaction.
#[async_trait]
pub trait SessionStore: Send + Sync + std::fmt::Debug {
    /// Opens a session with its first refresh token, and sets the user's `last_login_at` to `created_at` (but not
    /// `updated_at`), if the stored password hash is still `expected`: a login that was checked against a password
    /// that is replaced meanwhile must not outlive the replacement. Returns whether it did; `false` also when the
    /// user is gone. Checks and writes under a lock on the user's row.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn open_session(&self, session: NewSession, expected: &PhcString) -> Result<bool, StoreError>;

    /// Handles a presented refresh token as [`next_rotation`] decides.
    ///
    /// The family's session row is locked first (`FOR UPDATE`), then the presented token is read (again) under that
    /// lock: so rotations of one family happen one after the other, and of any number of callers with one token
    /// exactly one rotates. `Rotate` sets `rotated_at` to `now` on the presented token, inserts the successor with
    /// the next generation and `expires_at = now + ttl.of(lifetime)`, and stores the client with the session.
    /// `Revoke` revokes the session (cause `Reuse`) and announces `IdentityChange::Session`: it must commit although
    /// the caller gets a refusal.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn rotate_refresh_token(&self, rotation: Rotation) -> Result<RotateOutcome, StoreError>;

    /// Tells what an access token of this session and user is worth. A session of another user counts as `Ended`.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn find_session_access(&self, id: SessionId, user_id: UserId) -> Result<SessionAccess, StoreError>;

    /// Lists the user's sessions that are neither revoked nor expired at `now`, newest login first. `current` is set
    /// on the one whose family holds `current`, whichever generation.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn list_sessions(
        &self,
        user_id: UserId,
        current: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionSummary>, StoreError>;

    /// Revokes one of the user's sessions (cause `User`) and announces `IdentityChange::Session`.
    ///
    /// # Errors
    /// `NotFound` when it is not the user's, revoked before or expired; `Unavailable`, `Defect`.
    async fn revoke_session(&self, user_id: UserId, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Revokes all sessions of the user that are not revoked yet (cause `User`) and announces
    /// `IdentityChange::User`. Returns how many.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn revoke_all_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Logs out: revokes (cause `Logout`) the session `id` and the one whose family holds `token`, where they are the
    /// user's and not revoked yet, and announces `IdentityChange::Session` for each. Returns those it revoked.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn end_sessions(
        &self,
        user_id: UserId,
        id: Option<SessionId>,
        token: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::<Utc>::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn decides_about_every_state_of_a_refresh_token() {
        let fresh = RefreshState { revoked: false, expires_at: at(1000), rotated_at: None };
        let rotated = RefreshState { rotated_at: Some(at(100)), ..fresh };
        let check = |state, now, expected| assert_eq!(next_rotation(state, now, GRACE), expected, "{state:?} at {now}");
        check(fresh, at(0), RotationStep::Rotate);
        check(fresh, at(999), RotationStep::Rotate);
        check(fresh, at(1000), RotationStep::RefuseExpired);
        check(rotated, at(100), RotationStep::Replay);
        check(rotated, at(110), RotationStep::Replay);
        check(rotated, at(111), RotationStep::Revoke);
        check(rotated, at(90), RotationStep::Replay);
        check(rotated, at(1000), RotationStep::RefuseExpired);
        for state in [fresh, rotated] {
            check(RefreshState { revoked: true, ..state }, at(105), RotationStep::RefuseRevoked);
            check(RefreshState { revoked: true, ..state }, at(5000), RotationStep::RefuseRevoked);
        }
    }

    #[test]
    fn a_zero_grace_forgives_nothing_and_a_huge_one_does_not_overflow() {
        let rotated = RefreshState { revoked: false, expires_at: at(1000), rotated_at: Some(at(100)) };
        assert_eq!(next_rotation(rotated, at(101), Duration::ZERO), RotationStep::Revoke);
        assert_eq!(next_rotation(rotated, at(999), Duration::MAX), RotationStep::Replay);
    }
}
