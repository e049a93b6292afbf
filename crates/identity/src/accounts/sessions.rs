//! Sessions: refreshing, listing, ending.

use gristmill_domain::{
    Caller, Scope, SessionId,
    caller::Credential,
    identity::{ClientInfo, RotateOutcome, Rotation, SessionSummary},
    ports::StoreError,
    users::User,
};

use super::{Accounts, TokenPair, require};
use crate::{IdentityError, RefreshToken};

impl Accounts {
    /// Trades a refresh token for the next pair.
    ///
    /// A token that comes again within the grace gets the session's newest refresh token: for two tabs that refresh
    /// at once it is the very one that the other got, and if the session was rotated on meanwhile, the one that works
    /// now. Later, it ends the session.
    ///
    /// # Errors
    /// `RefreshTokenInvalid`, `RefreshTokenReused`, `UserNotFound`; `Store`, `Signing`.
    ///
    /// # Cancel safety
    /// A client that misses the answer may come again within the grace.
    #[tracing::instrument(skip_all)]
    pub async fn refresh(&self, token: &str, client: ClientInfo) -> Result<TokenPair, IdentityError> {
        let core = &self.core;
        let presented = RefreshToken::parse(token).ok_or(IdentityError::RefreshTokenInvalid)?;
        let successor = core.refresh.successor(&presented);
        let rotation = Rotation {
            token_hash: presented.hash(),
            successor_hash: successor.hash(),
            now: core.now(),
            grace: core.tokens.grace,
            ttl: core.tokens.session_ttl,
            client,
        };
        match core.ports.sessions.rotate_refresh_token(rotation).await? {
            RotateOutcome::Rotated { session_id, user } => self.pair(&user, session_id, successor),
            RotateOutcome::Replayed { session_id, user, steps, newest_hash } => {
                let newest = core.refresh.descendant(&presented, steps, newest_hash);
                self.pair(&user, session_id, newest.ok_or(IdentityError::RefreshTokenInvalid)?)
            }
            RotateOutcome::Reused { session_id, user_id } => {
                core.cache.evict_session(session_id);
                tracing::warn!(user.id = %user_id, session.id = %session_id, "refresh token reused: session ended");
                Err(IdentityError::RefreshTokenReused)
            }
            RotateOutcome::Expired | RotateOutcome::Revoked | RotateOutcome::Unknown => Err(IdentityError::RefreshTokenInvalid),
            RotateOutcome::UserGone => Err(IdentityError::UserNotFound),
        }
    }

    /// Ends the caller's session, and the one of the refresh token if that is another one of the same user.
    ///
    /// A text that is no refresh token, or not the user's, is ignored: logging out always works.
    ///
    /// # Errors
    /// `InsufficientScope`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn logout(&self, caller: &Caller, refresh_token: Option<&str>) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let token = refresh_token.and_then(RefreshToken::parse).map(|token| token.hash());
        let ended = core.ports.sessions.end_sessions(caller.user_id, own_session(caller), token, core.now()).await?;
        for session_id in ended {
            core.cache.evict_session(session_id);
        }
        Ok(())
    }

    /// Lists the caller's sessions, newest first. `current` is the one of the given refresh token; without one, the
    /// one of the access token.
    ///
    /// # Errors
    /// `InsufficientScope`; `Store`.
    pub async fn list_sessions(
        &self,
        caller: &Caller,
        refresh_token: Option<&str>,
    ) -> Result<Vec<SessionSummary>, IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let token = refresh_token.and_then(RefreshToken::parse).map(|token| token.hash());
        let mut sessions = core.ports.sessions.list_sessions(caller.user_id, token, core.now()).await?;
        if token.is_none() {
            let own = own_session(caller);
            for session in &mut sessions {
                session.current = Some(session.id) == own;
            }
        }
        Ok(sessions)
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// `InsufficientScope`, `SessionNotFound`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn revoke_session(&self, caller: &Caller, id: SessionId) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        core.ports.sessions.revoke_session(caller.user_id, id, core.now()).await.map_err(|error| match error {
            StoreError::NotFound => IdentityError::SessionNotFound,
            other => other.into(),
        })?;
        core.cache.evict_session(id);
        Ok(())
    }

    /// Ends all of the caller's sessions, its own included. Personal access tokens stay. Returns how many ended.
    ///
    /// # Errors
    /// `InsufficientScope`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn revoke_all_sessions(&self, caller: &Caller) -> Result<u64, IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let ended = core.ports.sessions.revoke_all_sessions(caller.user_id, core.now()).await?;
        core.cache.evict_user(caller.user_id);
        Ok(ended)
    }

    fn pair(&self, user: &User, session_id: SessionId, refresh: RefreshToken) -> Result<TokenPair, IdentityError> {
        let access = self.core.access.issue(user, session_id, self.core.now())?;
        Ok(TokenPair { access, refresh })
    }
}

fn own_session(caller: &Caller) -> Option<SessionId> {
    match caller.credential {
        Credential::Session(id) => Some(id),
        Credential::PersonalToken(_) | Credential::Job(_) => None,
    }
}
