//! Identities at other providers, and the codes of those who came back from one, in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{
        Account, ExternalIdentity, ExternalIdentityStore, IdentityLink, NewSession, NewSignInCode, NewUser, SignInCode, TokenHash,
    },
    ports::StoreError,
    users::User,
};

use super::MemoryStore;

#[async_trait]
impl ExternalIdentityStore for MemoryStore {
    async fn issue_sign_in_code(&self, code: NewSignInCode) -> Result<(), StoreError> {
        self.begin().sign_in_codes.insert(code.code_hash, code);
        Ok(())
    }

    async fn take_sign_in_code(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<SignInCode>, StoreError> {
        let mut state = self.begin();
        let usable = state.sign_in_codes.get(&hash).is_some_and(|code| now < code.expires_at);
        let taken = if usable { state.sign_in_codes.remove(&hash) } else { None };
        Ok(taken.map(|code| SignInCode { client: code.client, profile: code.profile }))
    }

    async fn find_account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreError> {
        let state = self.begin();
        Ok(state.identities.get(identity).and_then(|owner| state.accounts.get(owner)).cloned())
    }

    async fn create_account_of_identity(
        &self,
        user: NewUser,
        session: NewSession,
        identity: ExternalIdentity,
    ) -> Result<User, StoreError> {
        let mut state = self.begin();
        if state.identities.contains_key(&identity) {
            return Err(StoreError::Conflict("identity".to_owned()));
        }
        let made = state.insert_user(user)?;
        state.insert_session(session);
        state.identities.insert(identity, made.id);
        Ok(made)
    }

    async fn link_identity(
        &self,
        user_id: UserId,
        identity: ExternalIdentity,
        _now: DateTime<Utc>,
    ) -> Result<IdentityLink, StoreError> {
        let mut state = self.begin();
        if !state.accounts.contains_key(&user_id) {
            return Err(StoreError::NotFound);
        }
        let owner = *state.identities.entry(identity).or_insert(user_id);
        Ok(if owner == user_id { IdentityLink::Linked } else { IdentityLink::Taken })
    }
}
