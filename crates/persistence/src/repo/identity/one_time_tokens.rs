//! One-time tokens.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    UserId,
    identity::{IdentityChange, NewOneTimeToken, OneTimePurpose, OneTimeTokenStore, PhcString, RevocationCause, TokenHash},
    ports::StoreError,
};
use uuid::Uuid;

use super::{Identity, announce, external, lock_user, sessions, settled};
use crate::{
    database::DbError,
    schema::{one_time_tokens, users},
};

#[async_trait]
impl OneTimeTokenStore for Identity {
    async fn issue_one_time_token(&self, token: NewOneTimeToken) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock_user(connection, token.user_id).await?.ok_or(StoreError::NotFound)?;
                replace(connection, &token).await
            })
            .await
            .map_err(settled)
    }

    async fn find_one_time_token(
        &self,
        hash: TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError> {
        let mut connection = self.database.connection().await?;
        Ok(owner(&mut connection, hash, purpose, now).await?)
    }

    async fn reset_password(
        &self,
        hash: TokenHash,
        replacement: PhcString,
        now: DateTime<Utc>,
    ) -> Result<Option<UserId>, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let Some(id) = lock_owner(connection, hash, OneTimePurpose::ResetPassword, now).await? else { return Ok(None) };
                sessions::revoke_all_in(connection, id, now, RevocationCause::PasswordChange).await?;
                // The user has no other reset tokens to delete: each replaces the one before.
                use_up(connection, hash, now).await?;
                // Whoever had the account before came in by them too.
                external::delete_of(connection, id).await?;
                let changes = (users::password_hash.eq(replacement.expose()), users::updated_at.eq(now));
                diesel::update(users::table.find(id.0)).set(changes).execute(connection).await?;
                announce(connection, IdentityChange::User(id)).await?;
                Ok::<Option<UserId>, DbError>(Some(id))
            })
            .await
            .map_err(settled)
    }

    async fn verify_email(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<UserId>, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let Some(id) = lock_owner(connection, hash, OneTimePurpose::VerifyEmail, now).await? else { return Ok(None) };
                use_up(connection, hash, now).await?;
                let changes = (users::email_verified.eq(true), users::updated_at.eq(now));
                diesel::update(users::table.find(id.0)).set(changes).execute(connection).await?;
                announce(connection, IdentityChange::User(id)).await?;
                Ok::<Option<UserId>, DbError>(Some(id))
            })
            .await
            .map_err(settled)
    }
}

/// Stores a token in place of the user's token of the same purpose. The caller holds the lock on the user's row.
pub(super) async fn replace(connection: &mut AsyncPgConnection, token: &NewOneTimeToken) -> Result<(), DbError> {
    let earlier = one_time_tokens::table
        .filter(one_time_tokens::user_id.eq(token.user_id.0))
        .filter(one_time_tokens::purpose.eq(token.purpose.as_str()));
    diesel::delete(earlier).execute(connection).await?;
    diesel::insert_into(one_time_tokens::table)
        .values((
            one_time_tokens::token_hash.eq(token.token_hash.as_bytes().as_slice()),
            one_time_tokens::user_id.eq(token.user_id.0),
            one_time_tokens::purpose.eq(token.purpose.as_str()),
            one_time_tokens::created_at.eq(token.created_at),
            one_time_tokens::expires_at.eq(token.expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the user's tokens of some purposes.
pub(super) async fn delete(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    purposes: &[OneTimePurpose],
) -> Result<(), DbError> {
    let names: Vec<&str> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    let tokens =
        one_time_tokens::table.filter(one_time_tokens::user_id.eq(user_id.0)).filter(one_time_tokens::purpose.eq_any(names));
    diesel::delete(tokens).execute(connection).await?;
    Ok(())
}

/// The user of a token, if it is usable.
async fn owner(
    connection: &mut AsyncPgConnection,
    hash: TokenHash,
    purpose: OneTimePurpose,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, DbError> {
    let owner: Option<Uuid> = one_time_tokens::table
        .find(hash.as_bytes().as_slice())
        .filter(one_time_tokens::purpose.eq(purpose.as_str()))
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::expires_at.gt(now))
        .select(one_time_tokens::user_id)
        .first(connection)
        .await
        .optional()?;
    Ok(owner.map(UserId))
}

/// Locks the user of a usable token. Whoever uses or deletes the token holds that lock too, but for pruning, which
/// only takes what nobody may use any more.
async fn lock_owner(
    connection: &mut AsyncPgConnection,
    hash: TokenHash,
    purpose: OneTimePurpose,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, DbError> {
    let Some(id) = owner(connection, hash, purpose, now).await? else { return Ok(None) };
    if lock_user(connection, id).await?.is_none() {
        return Ok(None);
    }
    // Looked at again: whoever held the lock before may have used it.
    owner(connection, hash, purpose, now).await
}

async fn use_up(connection: &mut AsyncPgConnection, hash: TokenHash, now: DateTime<Utc>) -> Result<(), DbError> {
    let token = one_time_tokens::table.find(hash.as_bytes().as_slice());
    diesel::update(token).set(one_time_tokens::used_at.eq(now)).execute(connection).await?;
    Ok(())
}
