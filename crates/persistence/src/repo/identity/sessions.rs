//! Sessions, but for the rotation of their refresh tokens.

use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{dsl::exists, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        ClientInfo, IdentityChange, NewSession, PhcString, RevocationCause, RotateOutcome, Rotation, SessionAccess,
        SessionLifetime, SessionStore, SessionSummary, TokenHash,
    },
    ports::StoreError,
};
use uuid::Uuid;

use super::{Identity, UserRow, announce, lock_user, rotation, settled};
use crate::{
    database::DbError,
    schema::{refresh_tokens, sessions, users},
};

#[async_trait]
impl SessionStore for Identity {
    async fn open_session(&self, session: NewSession, expected: &PhcString) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let Some(account) = lock_user(connection, session.user_id).await? else { return Ok(false) };
                if account.password_hash != expected.expose() {
                    return Ok(false);
                }
                insert(connection, &session).await?;
                diesel::update(users::table.find(session.user_id.0))
                    .set(users::last_login_at.eq(session.created_at))
                    .execute(connection)
                    .await?;
                Ok::<bool, DbError>(true)
            })
            .await
            .map_err(settled)
    }

    async fn rotate_refresh_token(&self, rotation: Rotation) -> Result<RotateOutcome, StoreError> {
        let mut connection = self.database.connection().await?;
        connection.transaction(async |connection| rotation::rotate_in(connection, &rotation).await).await.map_err(settled)
    }

    async fn find_session_access(&self, id: SessionId, user_id: UserId) -> Result<SessionAccess, StoreError> {
        let mut connection = self.database.connection().await?;
        let living = sessions::session_id.eq(id.0).and(sessions::user_id.eq(users::user_id)).and(sessions::revoked_at.is_null());
        let found: Option<(UserRow, Option<DateTime<Utc>>)> = users::table
            .find(user_id.0)
            .left_join(sessions::table.on(living))
            .select((UserRow::as_select(), sessions::expires_at.nullable()))
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        Ok(match found {
            None => SessionAccess::UserGone,
            Some((_, None)) => SessionAccess::Ended,
            Some((row, Some(expires_at))) => SessionAccess::Active { user: row.try_into()?, expires_at },
        })
    }

    async fn list_sessions(
        &self,
        user_id: UserId,
        current: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let mut connection = self.database.connection().await?;
        let hash = current.as_ref().map(|hash| hash.as_bytes().as_slice());
        let of_current = refresh_tokens::table
            .filter(refresh_tokens::token_hash.nullable().eq(hash))
            .select(refresh_tokens::session_id)
            .single_value();
        let rows: Vec<SummaryRow> = sessions::table
            .filter(sessions::user_id.eq(user_id.0))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(now))
            .order((sessions::created_at.desc(), sessions::session_id.desc()))
            .select((sessions::session_id, sessions::ip_address, sessions::user_agent, sessions::created_at, of_current))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(SessionSummary::try_from).collect()
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let living = sessions::table
                    .find(id.0)
                    .filter(sessions::user_id.eq(user_id.0))
                    .filter(sessions::revoked_at.is_null())
                    .filter(sessions::expires_at.gt(now));
                let revoked = diesel::update(living).set(Revocation::new(now, RevocationCause::User));
                if revoked.execute(connection).await? == 0 {
                    return Err(StoreError::NotFound.into());
                }
                announce(connection, IdentityChange::Session(id)).await
            })
            .await
            .map_err(settled)
    }

    async fn revoke_all_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock_user(connection, user_id).await?;
                let revoked = revoke_all_in(connection, user_id, now, RevocationCause::User).await?;
                announce(connection, IdentityChange::User(user_id)).await?;
                Ok::<u64, DbError>(revoked)
            })
            .await
            .map_err(settled)
    }

    async fn end_sessions(
        &self,
        user_id: UserId,
        id: Option<SessionId>,
        token: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                // Two sessions may end here, in any order: the user's row keeps others from ending the same two.
                lock_user(connection, user_id).await?;
                end_in(connection, user_id, id, token, now).await
            })
            .await
            .map_err(settled)
    }
}

/// Inserts a session with its first refresh token.
pub(super) async fn insert(connection: &mut AsyncPgConnection, session: &NewSession) -> Result<(), DbError> {
    let ClientColumns { ip_address, user_agent } = ClientColumns::of(&session.client);
    diesel::insert_into(sessions::table)
        .values((
            sessions::session_id.eq(session.id.0),
            sessions::user_id.eq(session.user_id.0),
            sessions::remember.eq(session.lifetime == SessionLifetime::Remembered),
            sessions::ip_address.eq(ip_address),
            sessions::user_agent.eq(user_agent),
            sessions::created_at.eq(session.created_at),
            sessions::expires_at.eq(session.expires_at),
        ))
        .execute(connection)
        .await?;
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::token_hash.eq(session.token_hash.as_bytes().as_slice()),
            refresh_tokens::session_id.eq(session.id.0),
            refresh_tokens::generation.eq(0),
            refresh_tokens::created_at.eq(session.created_at),
            refresh_tokens::expires_at.eq(session.expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes all of the user's sessions that are not revoked yet, expired ones too. The caller holds the lock on the
/// user's row.
pub(super) async fn revoke_all_in(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    now: DateTime<Utc>,
    cause: RevocationCause,
) -> Result<u64, DbError> {
    let living = sessions::table.filter(sessions::user_id.eq(user_id.0)).filter(sessions::revoked_at.is_null());
    let revoked = diesel::update(living).set(Revocation::new(now, cause)).execute(connection).await?;
    Ok(u64::try_from(revoked).unwrap_or(u64::MAX))
}

async fn end_in(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    id: Option<SessionId>,
    token: Option<TokenHash>,
    now: DateTime<Utc>,
) -> Result<Vec<SessionId>, DbError> {
    let hash = token.as_ref().map(|hash| hash.as_bytes().as_slice());
    let holds_token = exists(
        refresh_tokens::table
            .filter(refresh_tokens::token_hash.nullable().eq(hash))
            .filter(refresh_tokens::session_id.eq(sessions::session_id)),
    );
    let living = sessions::table
        .filter(sessions::user_id.eq(user_id.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::session_id.nullable().eq(id.map(|id| id.0)).or(holds_token));
    let ended: Vec<Uuid> = diesel::update(living)
        .set(Revocation::new(now, RevocationCause::Logout))
        .returning(sessions::session_id)
        .get_results(connection)
        .await?;
    let ended: Vec<SessionId> = ended.into_iter().map(SessionId).collect();
    for id in &ended {
        announce(connection, IdentityChange::Session(*id)).await?;
    }
    Ok(ended)
}

/// The end of a session.
#[derive(AsChangeset)]
#[diesel(table_name = sessions)]
pub(super) struct Revocation {
    revoked_at: DateTime<Utc>,
    revoked_because: &'static str,
}

impl Revocation {
    pub(super) fn new(now: DateTime<Utc>, cause: RevocationCause) -> Self {
        Self { revoked_at: now, revoked_because: cause.as_str() }
    }
}

/// Where a session is used from, as stored.
pub(super) struct ClientColumns<'a> {
    pub(super) ip_address: Option<String>,
    pub(super) user_agent: Option<&'a str>,
}

impl<'a> ClientColumns<'a> {
    pub(super) fn of(client: &'a ClientInfo) -> Self {
        Self { ip_address: client.address().map(|address| address.to_string()), user_agent: client.user_agent() }
    }
}

#[derive(Queryable)]
struct SummaryRow {
    session_id: Uuid,
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: DateTime<Utc>,
    current: Option<Uuid>,
}

impl TryFrom<SummaryRow> for SessionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        let address = row.ip_address.map(|text| text.parse::<IpAddr>()).transpose();
        Ok(Self {
            id: SessionId(row.session_id),
            address: address.map_err(|error| StoreError::Defect(Box::new(error)))?,
            user_agent: row.user_agent,
            created_at: row.created_at,
            current: row.current == Some(row.session_id),
        })
    }
}
