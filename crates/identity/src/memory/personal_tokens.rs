//! Personal access tokens in memory.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    TokenId, UserId,
    identity::{
        IdentityChange, NewPersonalToken, PersonalToken, PersonalTokenAccess, PersonalTokenStore, TokenCreation, TokenPrefix,
        instant_after,
    },
    ports::StoreError,
};

use super::{MemoryStore, PersonalRow};

#[async_trait]
impl PersonalTokenStore for MemoryStore {
    async fn create_token(&self, token: NewPersonalToken, limit: u32) -> Result<TokenCreation, StoreError> {
        let mut state = self.begin();
        if !state.accounts.contains_key(&token.user_id) {
            return Err(StoreError::NotFound);
        }
        let counts = |row: &&PersonalRow| row.user_id == token.user_id && row.token.expires_at > token.created_at;
        let living = state.personal_tokens.values().filter(counts).count();
        if u32::try_from(living).is_ok_and(|living| living < limit) {
            if state.personal_tokens.values().any(|row| row.token.prefix == token.prefix) {
                return Ok(TokenCreation::PrefixTaken);
            }
        } else {
            return Ok(TokenCreation::LimitReached);
        }
        let made = PersonalToken {
            id: token.id,
            name: token.name.as_str().to_owned(),
            prefix: token.prefix,
            scopes: token.scopes,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: None,
        };
        let row = PersonalRow { user_id: token.user_id, token: made.clone(), secret_hash: token.secret_hash };
        state.personal_tokens.insert(token.id, row);
        Ok(TokenCreation::Created(made))
    }

    async fn list_tokens(&self, user_id: UserId) -> Result<Vec<PersonalToken>, StoreError> {
        let state = self.begin();
        let own = state.personal_tokens.values().filter(|row| row.user_id == user_id);
        let mut tokens: Vec<_> = own.map(|row| row.token.clone()).collect();
        tokens.sort_by_key(|token| std::cmp::Reverse((token.created_at, token.id)));
        Ok(tokens)
    }

    async fn revoke_token(&self, user_id: UserId, id: TokenId) -> Result<(), StoreError> {
        let mut state = self.begin();
        if state.personal_tokens.get(&id).is_none_or(|row| row.user_id != user_id) {
            return Err(StoreError::NotFound);
        }
        state.personal_tokens.remove(&id);
        self.announce(IdentityChange::Token(id));
        Ok(())
    }

    async fn find_token(&self, prefix: &TokenPrefix) -> Result<Option<PersonalTokenAccess>, StoreError> {
        let state = self.begin();
        let Some(row) = state.personal_tokens.values().find(|row| row.token.prefix == *prefix) else { return Ok(None) };
        Ok(state.accounts.get(&row.user_id).map(|account| PersonalTokenAccess {
            token: row.token.clone(),
            secret_hash: row.secret_hash,
            user: account.user.clone(),
        }))
    }

    async fn touch_token(&self, id: TokenId, now: DateTime<Utc>, interval: Duration) -> Result<(), StoreError> {
        let mut state = self.begin();
        if let Some(row) = state.personal_tokens.get_mut(&id) {
            let due = row.token.last_used_at.is_none_or(|last| instant_after(last, interval) <= now);
            row.token.last_used_at = if due { Some(now) } else { row.token.last_used_at };
        }
        Ok(())
    }
}
