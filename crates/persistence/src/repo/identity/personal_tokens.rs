//! Personal access tokens.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Scope, TokenId, UserId,
    identity::{
        IdentityChange, NewPersonalToken, PersonalToken, PersonalTokenAccess, PersonalTokenStore, Scopes, TokenCreation,
        TokenHash, TokenPrefix,
    },
    ports::StoreError,
};
use uuid::Uuid;

use super::{Identity, UserRow, announce, instant_before, lock_user, settled, unreadable};
use crate::{
    database::DbError,
    schema::{personal_access_tokens as tokens, users},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = tokens, check_for_backend(diesel::pg::Pg))]
struct TokenRow {
    token_id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl TryFrom<TokenRow> for PersonalToken {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        // A scope that is not known may not be dropped: the token would still be listed, as less than it is.
        let scopes: Option<Vec<Scope>> = row.scopes.iter().map(|name| Scope::from_name(name)).collect();
        Ok(Self {
            id: TokenId(row.token_id),
            name: row.name,
            prefix: TokenPrefix::parse(&row.prefix).ok_or_else(|| unreadable("personal_access_tokens.prefix"))?,
            scopes: scopes.and_then(Scopes::new).ok_or_else(|| unreadable("personal_access_tokens.scopes"))?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        })
    }
}

#[async_trait]
impl PersonalTokenStore for Identity {
    async fn create_token(&self, token: NewPersonalToken, limit: u32) -> Result<TokenCreation, StoreError> {
        let mut connection = self.database.connection().await?;
        connection.transaction(async |connection| create_in(connection, &token, limit).await).await.map_err(settled)
    }

    async fn list_tokens(&self, user_id: UserId) -> Result<Vec<PersonalToken>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<TokenRow> = tokens::table
            .filter(tokens::user_id.eq(user_id.0))
            .order((tokens::created_at.desc(), tokens::token_id.desc()))
            .select(TokenRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(PersonalToken::try_from).collect()
    }

    async fn revoke_token(&self, user_id: UserId, id: TokenId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let own = tokens::table.find(id.0).filter(tokens::user_id.eq(user_id.0));
                if diesel::delete(own).execute(connection).await? == 0 {
                    return Err(StoreError::NotFound.into());
                }
                announce(connection, IdentityChange::Token(id)).await
            })
            .await
            .map_err(settled)
    }

    async fn find_token(&self, prefix: &TokenPrefix) -> Result<Option<PersonalTokenAccess>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found: Option<(TokenRow, Vec<u8>, UserRow)> = tokens::table
            .inner_join(users::table)
            .filter(tokens::prefix.eq(prefix.as_str()))
            .select((TokenRow::as_select(), tokens::secret_hash, UserRow::as_select()))
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        let Some((token, hash, user)) = found else { return Ok(None) };
        let secret_hash = TokenHash::try_from(hash.as_slice());
        let secret_hash = secret_hash.map_err(|_wrong_length| unreadable("personal_access_tokens.secret_hash"))?;
        Ok(Some(PersonalTokenAccess { token: token.try_into()?, secret_hash, user: user.try_into()? }))
    }

    async fn touch_token(&self, id: TokenId, now: DateTime<Utc>, interval: Duration) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let due = tokens::last_used_at.is_null().or(tokens::last_used_at.le(instant_before(now, interval)));
        diesel::update(tokens::table.find(id.0).filter(due.assume_not_null()))
            .set(tokens::last_used_at.eq(now))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }
}

async fn create_in(connection: &mut AsyncPgConnection, token: &NewPersonalToken, limit: u32) -> Result<TokenCreation, DbError> {
    lock_user(connection, token.user_id).await?.ok_or(StoreError::NotFound)?;
    let living: i64 = tokens::table
        .filter(tokens::user_id.eq(token.user_id.0))
        .filter(tokens::expires_at.gt(token.created_at))
        .count()
        .get_result(connection)
        .await?;
    if living >= i64::from(limit) {
        return Ok(TokenCreation::LimitReached);
    }
    let scopes: Vec<&str> = token.scopes.iter().map(Scope::as_str).collect();
    let inserted: Option<TokenRow> = diesel::insert_into(tokens::table)
        .values((
            tokens::token_id.eq(token.id.0),
            tokens::user_id.eq(token.user_id.0),
            tokens::name.eq(token.name.as_str()),
            tokens::prefix.eq(token.prefix.as_str()),
            tokens::secret_hash.eq(token.secret_hash.as_bytes().as_slice()),
            tokens::scopes.eq(scopes),
            tokens::created_at.eq(token.created_at),
            tokens::expires_at.eq(token.expires_at),
        ))
        .on_conflict(tokens::prefix)
        .do_nothing()
        .returning(TokenRow::as_returning())
        .get_result(connection)
        .await
        .optional()?;
    Ok(match inserted {
        Some(row) => TokenCreation::Created(row.try_into()?),
        None => TokenCreation::PrefixTaken,
    })
}
