//! Identities at other providers, and the codes of those who came back from one, in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{
        Account, ExternalIdentity, ExternalIdentityStore, IdentityLink, IdentityUnlink, LinkedIdentity, NewSession,
        NewSignInCode, NewUser, Provider, SignInCode, TokenHash, next_unlink,
    },
    ports::StoreError,
    users::User,
};

use super::{IdentityRow, MemoryStore, State};

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
        Ok(state.identities.get(identity).and_then(|row| state.accounts.get(&row.user_id)).cloned())
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
        let row = IdentityRow { user_id: made.id, linked_at: made.created_at, made_account: true };
        state.identities.insert(identity, row);
        Ok(made)
    }

    async fn link_identity(
        &self,
        user_id: UserId,
        identity: ExternalIdentity,
        now: DateTime<Utc>,
    ) -> Result<IdentityLink, StoreError> {
        let mut state = self.begin();
        if !state.accounts.contains_key(&user_id) {
            return Err(StoreError::NotFound);
        }
        let row = IdentityRow { user_id, linked_at: now, made_account: false };
        let owner = state.identities.entry(identity).or_insert(row).user_id;
        Ok(if owner == user_id { IdentityLink::Linked } else { IdentityLink::Taken })
    }

    async fn list_identities(&self, user_id: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        Ok(self.begin().identities_of(user_id))
    }

    async fn unlink_identities(&self, user_id: UserId, provider: Provider) -> Result<IdentityUnlink, StoreError> {
        let mut state = self.begin();
        if !state.accounts.contains_key(&user_id) {
            return Err(StoreError::NotFound);
        }
        let outcome = next_unlink(&state.identities_of(user_id), provider);
        if outcome == IdentityUnlink::Unlinked {
            state.identities.retain(|identity, row| row.user_id != user_id || identity.provider != provider);
        }
        Ok(outcome)
    }
}

impl State {
    /// The oldest link first.
    fn identities_of(&self, user_id: UserId) -> Vec<LinkedIdentity> {
        let mine = self.identities.iter().filter(|(_, row)| row.user_id == user_id);
        let mut linked: Vec<LinkedIdentity> = mine
            .map(|(identity, row)| LinkedIdentity {
                provider: identity.provider,
                linked_at: row.linked_at,
                made_account: row.made_account,
            })
            .collect();
        linked.sort_by_key(|identity| identity.linked_at);
        linked
    }
}
