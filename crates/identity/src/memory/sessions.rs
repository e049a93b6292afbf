//! Sessions in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        IdentityChange, NewSession, PhcString, RefreshState, RevocationCause, RotateOutcome, Rotation, RotationStep,
        SessionAccess, SessionStore, SessionSummary, TokenHash, next_rotation,
    },
    ports::StoreError,
};

use super::{MemoryStore, RefreshRow, SessionRow, State};

#[async_trait]
impl SessionStore for MemoryStore {
    async fn open_session(&self, session: NewSession, expected: &PhcString) -> Result<bool, StoreError> {
        let mut state = self.begin();
        let Some(account) = state.accounts.get_mut(&session.user_id) else { return Ok(false) };
        if account.password_hash.expose() != expected.expose() {
            return Ok(false);
        }
        account.user.last_login_at = Some(session.created_at);
        state.insert_session(session);
        Ok(true)
    }

    async fn rotate_refresh_token(&self, rotation: Rotation) -> Result<RotateOutcome, StoreError> {
        let mut state = self.begin();
        let now = rotation.now;
        let Some(token) = state.refresh_tokens.get(&rotation.token_hash) else { return Ok(RotateOutcome::Unknown) };
        let (session_id, generation) = (token.session_id, token.generation);
        let (expires_at, rotated_at) = (token.expires_at, token.rotated_at);
        let Some(session) = state.sessions.get(&session_id) else { return Ok(RotateOutcome::Unknown) };
        let Some(account) = state.accounts.get(&session.user_id) else { return Ok(RotateOutcome::UserGone) };
        let user = account.user.clone();
        let refresh = RefreshState { revoked: session.revoked.is_some(), expires_at, rotated_at };
        Ok(match next_rotation(refresh, now, rotation.grace) {
            RotationStep::Rotate => {
                state.advance(&rotation, session_id, generation);
                RotateOutcome::Rotated { session_id, user }
            }
            RotationStep::Replay => match state.newest_token(session_id) {
                Some((newest_hash, newest)) => {
                    RotateOutcome::Replayed { session_id, user, steps: newest.generation.saturating_sub(generation), newest_hash }
                }
                None => RotateOutcome::Unknown,
            },
            RotationStep::Revoke => {
                state.revoke_session(session_id, now, RevocationCause::Reuse);
                self.announce(IdentityChange::Session(session_id));
                RotateOutcome::Reused { session_id, user_id: user.id }
            }
            RotationStep::RefuseExpired => RotateOutcome::Expired,
            RotationStep::RefuseRevoked => RotateOutcome::Revoked,
        })
    }

    async fn find_session_access(&self, id: SessionId, user_id: UserId) -> Result<SessionAccess, StoreError> {
        let state = self.begin();
        let Some(account) = state.accounts.get(&user_id) else { return Ok(SessionAccess::UserGone) };
        let living = state.sessions.get(&id).filter(|row| row.user_id == user_id && row.revoked.is_none());
        Ok(match living.and_then(|_| state.newest_token(id)) {
            Some((_, token)) => SessionAccess::Active { user: account.user.clone(), expires_at: token.expires_at },
            None => SessionAccess::Ended,
        })
    }

    async fn list_sessions(
        &self,
        user_id: UserId,
        current: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let state = self.begin();
        let current = current.and_then(|hash| state.refresh_tokens.get(&hash)).map(|token| token.session_id);
        let living = state.sessions.iter().filter(|(id, row)| row.user_id == user_id && state.lives(**id, row, now));
        let mut sessions: Vec<_> = living
            .map(|(id, row)| SessionSummary {
                id: *id,
                address: row.client.address(),
                user_agent: row.client.user_agent().map(str::to_owned),
                created_at: row.created_at,
                current: current == Some(*id),
            })
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
        Ok(sessions)
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut state = self.begin();
        let found = state.sessions.get(&id).is_some_and(|row| row.user_id == user_id && state.lives(id, row, now));
        if !found {
            return Err(StoreError::NotFound);
        }
        state.revoke_session(id, now, RevocationCause::User);
        self.announce(IdentityChange::Session(id));
        Ok(())
    }

    async fn revoke_all_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut state = self.begin();
        let revoked = state.revoke_sessions(user_id, now, RevocationCause::User);
        self.announce(IdentityChange::User(user_id));
        Ok(revoked)
    }

    async fn end_sessions(
        &self,
        user_id: UserId,
        id: Option<SessionId>,
        token: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut state = self.begin();
        let of_token = token.and_then(|hash| state.refresh_tokens.get(&hash)).map(|token| token.session_id);
        let mut ended: Vec<SessionId> = id.into_iter().chain(of_token.filter(|other| Some(*other) != id)).collect();
        ended.retain(|id| state.sessions.get(id).is_some_and(|row| row.user_id == user_id && row.revoked.is_none()));
        for id in &ended {
            state.revoke_session(*id, now, RevocationCause::Logout);
            self.announce(IdentityChange::Session(*id));
        }
        Ok(ended)
    }
}

impl State {
    pub(super) fn insert_session(&mut self, session: NewSession) {
        let NewSession { id, user_id, lifetime, token_hash, client, created_at, expires_at } = session;
        self.sessions.insert(id, SessionRow { user_id, lifetime, client, created_at, revoked: None });
        let first = RefreshRow { session_id: id, generation: 0, expires_at, rotated_at: None };
        self.refresh_tokens.insert(token_hash, first);
    }

    pub(super) fn revoke_sessions(&mut self, user_id: UserId, now: DateTime<Utc>, cause: RevocationCause) -> u64 {
        let living = self.sessions.values_mut().filter(|row| row.user_id == user_id && row.revoked.is_none());
        living.fold(0, |count: u64, row| {
            row.revoked = Some((now, cause));
            count.saturating_add(1)
        })
    }

    pub(super) fn drop_orphans(&mut self) {
        let Self { sessions, refresh_tokens, .. } = self;
        refresh_tokens.retain(|_, token| sessions.contains_key(&token.session_id));
    }

    fn revoke_session(&mut self, id: SessionId, now: DateTime<Utc>, cause: RevocationCause) {
        if let Some(row) = self.sessions.get_mut(&id) {
            row.revoked = Some((now, cause));
        }
    }

    /// Puts the successor in the place of the presented token.
    fn advance(&mut self, rotation: &Rotation, session_id: SessionId, generation: u32) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.client = rotation.client.clone();
        let expires_at = gristmill_domain::identity::instant_after(rotation.now, rotation.ttl.of(session.lifetime));
        if let Some(token) = self.refresh_tokens.get_mut(&rotation.token_hash) {
            token.rotated_at = Some(rotation.now);
        }
        let next = RefreshRow { session_id, generation: generation.saturating_add(1), expires_at, rotated_at: None };
        self.refresh_tokens.insert(rotation.successor_hash, next);
    }

    fn newest_token(&self, session_id: SessionId) -> Option<(TokenHash, &RefreshRow)> {
        let family = self.refresh_tokens.iter().filter(|(_, token)| token.session_id == session_id);
        family.max_by_key(|(_, token)| token.generation).map(|(hash, token)| (*hash, token))
    }

    fn lives(&self, id: SessionId, row: &SessionRow, now: DateTime<Utc>) -> bool {
        row.revoked.is_none() && self.newest_token(id).is_some_and(|(_, token)| now < token.expires_at)
    }
}
