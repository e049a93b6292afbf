//! Accounts and one-time tokens in memory.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{
        Account, AccountChange, AccountStore, AccountUpdate, IdentityChange, NewOneTimeToken, NewSession, NewUser,
        OneTimePurpose, OneTimeTokenStore, PasswordChange, PhcString, RevocationCause, TokenHash, instant_after,
    },
    ports::StoreError,
    users::{Email, User, UserRole},
};

use super::{MemoryStore, OneTimeRow, State};

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create_account(
        &self,
        user: NewUser,
        session: NewSession,
        verification: Option<NewOneTimeToken>,
    ) -> Result<User, StoreError> {
        let mut state = self.begin();
        let made = state.insert_user(user)?;
        state.insert_session(session);
        if let Some(token) = verification {
            state.issue(&token);
        }
        Ok(made)
    }

    async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        Ok(self.begin().accounts.get(&id).cloned())
    }

    async fn find_account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        Ok(self.begin().accounts.values().find(|account| account.user.email == email.as_str()).cloned())
    }

    async fn update_account(&self, id: UserId, change: AccountChange, now: DateTime<Utc>) -> Result<AccountUpdate, StoreError> {
        let mut state = self.begin();
        let account = state.accounts.get(&id).ok_or(StoreError::NotFound)?;
        let email = change.email.filter(|change| change.email.as_str() != account.user.email);
        if change.password.as_ref().is_some_and(|change| change.expected.expose() != account.password_hash.expose()) {
            return Ok(AccountUpdate::PasswordChanged);
        }
        if email.as_ref().is_some_and(|change| state.has_email(change.email.as_str())) {
            return Ok(AccountUpdate::EmailTaken);
        }
        if email.is_some() {
            state.one_time_tokens.retain(|_, row| row.user_id != id);
            state.identities.retain(|_, row| row.user_id != id || row.made_account);
        }
        if let Some(token) = email.as_ref().and_then(|change| change.verification.as_ref()) {
            state.issue(token);
        }
        if change.password.is_some() {
            state.one_time_tokens.retain(|_, row| row.user_id != id || row.purpose != OneTimePurpose::ResetPassword);
            state.revoke_sessions(id, now, RevocationCause::PasswordChange);
        }
        let account = state.accounts.get_mut(&id).ok_or(StoreError::NotFound)?;
        if let Some(name) = change.name {
            name.as_str().clone_into(&mut account.user.name);
        }
        if let Some(change) = email {
            change.email.as_str().clone_into(&mut account.user.email);
            account.user.email_verified = change.verification.is_none();
        }
        if let Some(change) = change.password {
            account.password_hash = change.replacement;
        }
        account.user.updated_at = now;
        let user = account.user.clone();
        self.announce(IdentityChange::User(id));
        Ok(AccountUpdate::Updated(user))
    }

    async fn rehash_password(&self, id: UserId, change: PasswordChange) -> Result<bool, StoreError> {
        let mut state = self.begin();
        let expected = |account: &&mut Account| account.password_hash.expose() == change.expected.expose();
        let Some(account) = state.accounts.get_mut(&id).filter(expected) else { return Ok(false) };
        account.password_hash = change.replacement;
        Ok(true)
    }

    async fn delete_account(&self, id: UserId) -> Result<(), StoreError> {
        let mut state = self.begin();
        state.accounts.remove(&id).ok_or(StoreError::NotFound)?;
        state.sessions.retain(|_, row| row.user_id != id);
        state.drop_orphans();
        state.one_time_tokens.retain(|_, row| row.user_id != id);
        state.personal_tokens.retain(|_, row| row.user_id != id);
        state.identities.retain(|_, row| row.user_id != id);
        self.announce(IdentityChange::User(id));
        Ok(())
    }

    async fn prune(&self, now: DateTime<Utc>, keep: Duration) -> Result<u64, StoreError> {
        let mut state = self.begin();
        let before = state.rows();
        state.refresh_tokens.retain(|_, row| now < row.expires_at);
        state.one_time_tokens.retain(|_, row| now < row.expires_at);
        state.throttles.retain(|_, row| now < row.ends_at);
        state.sign_in_codes.retain(|_, code| now < code.expires_at);
        state.personal_tokens.retain(|_, row| now < instant_after(row.token.expires_at, keep));
        let State { sessions, refresh_tokens, .. } = &mut *state;
        sessions.retain(|id, _| refresh_tokens.values().any(|token| token.session_id == *id));
        Ok(u64::try_from(before.saturating_sub(state.rows())).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl OneTimeTokenStore for MemoryStore {
    async fn issue_one_time_token(&self, token: NewOneTimeToken) -> Result<(), StoreError> {
        let mut state = self.begin();
        if !state.accounts.contains_key(&token.user_id) {
            return Err(StoreError::NotFound);
        }
        state.issue(&token);
        Ok(())
    }

    async fn find_one_time_token(
        &self,
        hash: TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError> {
        Ok(self.begin().usable(hash, purpose, now).map(|row| row.user_id))
    }

    async fn reset_password(
        &self,
        hash: TokenHash,
        replacement: PhcString,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError> {
        let mut state = self.begin();
        let Some(row) = state.usable(hash, OneTimePurpose::ResetPassword, now) else { return Ok(None) };
        row.used_at = Some(now);
        let id = row.user_id;
        state
            .one_time_tokens
            .retain(|other, row| *other == hash || row.user_id != id || row.purpose != OneTimePurpose::ResetPassword);
        state.revoke_sessions(id, now, RevocationCause::PasswordChange);
        state.identities.retain(|_, row| row.user_id != id);
        if let Some(account) = state.accounts.get_mut(&id) {
            account.password_hash = replacement;
            account.user.updated_at = now;
        }
        self.announce(IdentityChange::User(id));
        Ok(Some(id))
    }

    async fn verify_email(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError> {
        let mut state = self.begin();
        let Some(row) = state.usable(hash, OneTimePurpose::VerifyEmail, now) else { return Ok(None) };
        row.used_at = Some(now);
        let id = row.user_id;
        if let Some(account) = state.accounts.get_mut(&id) {
            account.user.email_verified = true;
            account.user.updated_at = now;
        }
        self.announce(IdentityChange::User(id));
        Ok(Some(id))
    }
}

impl State {
    pub(super) fn insert_user(&mut self, user: NewUser) -> Result<User, StoreError> {
        if self.has_email(user.email.as_str()) {
            return Err(StoreError::Conflict("email".to_owned()));
        }
        let made = User {
            id: user.id,
            email: user.email.as_str().to_owned(),
            name: user.name.as_str().to_owned(),
            role: UserRole::User,
            email_verified: user.email_verified,
            created_at: user.created_at,
            updated_at: user.created_at,
            last_login_at: None,
        };
        self.accounts.insert(user.id, Account { user: made.clone(), password_hash: user.password_hash });
        Ok(made)
    }

    fn has_email(&self, email: &str) -> bool {
        self.accounts.values().any(|account| account.user.email == email)
    }

    fn issue(&mut self, token: &NewOneTimeToken) {
        self.one_time_tokens.retain(|_, row| row.user_id != token.user_id || row.purpose != token.purpose);
        let NewOneTimeToken { user_id, purpose, expires_at, .. } = *token;
        self.one_time_tokens.insert(token.token_hash, OneTimeRow { user_id, purpose, expires_at, used_at: None });
    }

    fn usable(&mut self, hash: TokenHash, purpose: OneTimePurpose, now: DateTime<Utc>) -> Option<&mut OneTimeRow> {
        let usable = |row: &&mut OneTimeRow| row.purpose == purpose && row.used_at.is_none() && now < row.expires_at;
        self.one_time_tokens.get_mut(&hash).filter(usable)
    }

    fn rows(&self) -> usize {
        self.refresh_tokens.len()
            + self.one_time_tokens.len()
            + self.throttles.len()
            + self.personal_tokens.len()
            + self.sessions.len()
            + self.sign_in_codes.len()
    }
}
