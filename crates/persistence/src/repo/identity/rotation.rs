//! The rotation of refresh tokens.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        IdentityChange, RefreshState, RevocationCause, RotateOutcome, Rotation, RotationStep, SessionLifetime, TokenHash,
        instant_after, next_rotation,
    },
    users::User,
};
use uuid::Uuid;

use super::{
    UserRow, announce,
    sessions::{ClientColumns, Revocation},
    unreadable,
};
use crate::{
    database::DbError,
    schema::{refresh_tokens, sessions, users},
};

/// Puts a successor in the place of a family's newest token, in one round trip.
const ADVANCE: &str = "
with rotated as (
    update refresh_tokens set rotated_at = $2 where token_hash = $1
),
successor as (
    insert into refresh_tokens (token_hash, session_id, generation, created_at, expires_at)
    values ($3, $4, $5, $2, $6)
)
update sessions set expires_at = $6, ip_address = $7, user_agent = $8 where session_id = $4";

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct FamilyRow {
    session_id: Uuid,
    user_id: Uuid,
    remember: bool,
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = refresh_tokens, check_for_backend(diesel::pg::Pg))]
struct TokenRow {
    token_hash: Vec<u8>,
    generation: i32,
    expires_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
}

/// Does what [`next_rotation`] decides about a presented token.
pub(super) async fn rotate_in(connection: &mut AsyncPgConnection, rotation: &Rotation) -> Result<RotateOutcome, DbError> {
    let Some(family) = lock_family(connection, rotation.token_hash).await? else { return Ok(RotateOutcome::Unknown) };
    // Read only now: whoever held the lock before may have rotated it.
    let Some(token) = lock_token(connection, rotation.token_hash).await? else { return Ok(RotateOutcome::Unknown) };
    let session_id = SessionId(family.session_id);
    let user_id = UserId(family.user_id);
    let state = RefreshState { revoked: family.revoked_at.is_some(), expires_at: token.expires_at, rotated_at: token.rotated_at };
    match next_rotation(state, rotation.now, rotation.grace) {
        RotationStep::Rotate => {
            advance(connection, rotation, &family, &token).await?;
            Ok(RotateOutcome::Rotated { session_id, user: read_user(connection, user_id).await? })
        }
        RotationStep::Replay => {
            let newest = newest_token(connection, session_id).await?;
            let steps = newest.generation.checked_sub(token.generation).and_then(|steps| u32::try_from(steps).ok());
            let Some(steps @ 1..) = steps else {
                // Every later token was pruned: what the presented one stood for is over.
                return Ok(RotateOutcome::Expired);
            };
            let newest_hash = TokenHash::try_from(newest.token_hash.as_slice());
            let newest_hash = newest_hash.map_err(|_wrong_length| unreadable("refresh_tokens.token_hash"))?;
            Ok(RotateOutcome::Replayed { session_id, user: read_user(connection, user_id).await?, steps, newest_hash })
        }
        RotationStep::Revoke => {
            let revocation = Revocation::new(rotation.now, RevocationCause::Reuse);
            diesel::update(sessions::table.find(session_id.0)).set(revocation).execute(connection).await?;
            announce(connection, IdentityChange::Session(session_id)).await?;
            Ok(RotateOutcome::Reused { session_id, user_id })
        }
        RotationStep::RefuseExpired => Ok(RotateOutcome::Expired),
        RotationStep::RefuseRevoked => Ok(RotateOutcome::Revoked),
    }
}

/// Locks the session whose family holds a token.
async fn lock_family(connection: &mut AsyncPgConnection, hash: TokenHash) -> Result<Option<FamilyRow>, DbError> {
    let family = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash.as_bytes().as_slice()))
        .select(refresh_tokens::session_id)
        .single_value();
    let row = sessions::table
        .filter(sessions::session_id.nullable().eq(family))
        .select(FamilyRow::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(row)
}

/// Locks a token, so that it is not pruned before its successor is there.
async fn lock_token(connection: &mut AsyncPgConnection, hash: TokenHash) -> Result<Option<TokenRow>, DbError> {
    let row = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash.as_bytes().as_slice()))
        .select(TokenRow::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(row)
}

async fn newest_token(connection: &mut AsyncPgConnection, id: SessionId) -> Result<TokenRow, DbError> {
    let row = refresh_tokens::table
        .filter(refresh_tokens::session_id.eq(id.0))
        .order(refresh_tokens::generation.desc())
        .select(TokenRow::as_select())
        .first(connection)
        .await?;
    Ok(row)
}

/// The user of a locked session. It cannot be gone: its deletion waits for the session.
async fn read_user(connection: &mut AsyncPgConnection, id: UserId) -> Result<User, DbError> {
    let row: UserRow = users::table.find(id.0).select(UserRow::as_select()).first(connection).await?;
    Ok(row.try_into()?)
}

async fn advance(
    connection: &mut AsyncPgConnection,
    rotation: &Rotation,
    family: &FamilyRow,
    token: &TokenRow,
) -> Result<(), DbError> {
    let lifetime = if family.remember { SessionLifetime::Remembered } else { SessionLifetime::Standard };
    let client = ClientColumns::of(&rotation.client);
    diesel::sql_query(ADVANCE)
        .bind::<Binary, _>(rotation.token_hash.as_bytes().as_slice())
        .bind::<Timestamptz, _>(rotation.now)
        .bind::<Binary, _>(rotation.successor_hash.as_bytes().as_slice())
        .bind::<SqlUuid, _>(family.session_id)
        .bind::<Integer, _>(token.generation.saturating_add(1))
        .bind::<Timestamptz, _>(instant_after(rotation.now, rotation.ttl.of(lifetime)))
        .bind::<Nullable<Text>, _>(client.ip_address)
        .bind::<Nullable<Text>, _>(client.user_agent)
        .execute(connection)
        .await?;
    Ok(())
}
