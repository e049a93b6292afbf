//! The ports of identity on PostgreSQL: accounts, one-time tokens, sessions, personal access tokens, throttles, identities
//! at other providers.
//!
//! Locks are taken in one order, so that no two methods wait for each other for ever: the user's row, then its
//! sessions, then its tokens. Whoever changes more than one row of a user (or any one-time token) locks the user's row
//! first, and so keeps its like out; a single session or personal token is changed under a lock of its own. Pruning
//! waits for nobody: it passes over rows that are locked. Deletion goes on from the user's row to the projects and their
//! unfinished jobs, as everybody does. Throttles stand apart: each method is one statement on one row.
//!
//! The user's row is locked `for no key update`, so that a login does not wait for a long insert that refers to the
//! user; only a new address and a deletion lock it `for update`.
//!
//! Time comes with each call, because clocks are injected. PostgreSQL keeps microseconds: instants are cut to them.
//!
//! A future that is dropped midway leaves nothing behind: the pool discards a connection with an open transaction.

mod accounts;
mod external;
mod one_time_tokens;
mod personal_tokens;
mod pruning;
mod rotation;
mod sessions;
mod throttles;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    UserId,
    identity::{Account, IdentityChange, PhcString},
    ports::StoreError,
    users::{User, UserRole},
};
use uuid::Uuid;

use super::admin;
use crate::{Database, database::DbError, notifications::Channel, schema::users};

/// Everything that identity keeps. Implements all of its ports.
#[derive(Debug, Clone)]
pub struct Identity {
    database: Database,
}

impl Identity {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
struct UserRow {
    user_id: Uuid,
    email: String,
    name: String,
    role: String,
    email_verified: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login_at: Option<DateTime<Utc>>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.user_id),
            email: row.email,
            name: row.name,
            role: UserRole::from_name(&row.role).ok_or_else(|| unreadable("users.role"))?,
            email_verified: row.email_verified,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
struct AccountRow {
    #[diesel(embed)]
    user: UserRow,
    password_hash: String,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self { user: row.user.try_into()?, password_hash: PhcString::from(row.password_hash) })
    }
}

/// Locks a user's row against other changes, but not against new rows that refer to it.
async fn lock_user(connection: &mut AsyncPgConnection, id: UserId) -> Result<Option<AccountRow>, DbError> {
    let row = users::table.find(id.0).select(AccountRow::as_select()).for_no_key_update().first(connection).await.optional()?;
    Ok(row)
}

/// Locks a user's row against everything, new rows that refer to it included.
async fn lock_user_and_references(connection: &mut AsyncPgConnection, id: UserId) -> Result<Option<AccountRow>, DbError> {
    let row = users::table.find(id.0).select(AccountRow::as_select()).for_update().first(connection).await.optional()?;
    Ok(row)
}

/// Tells every server's cache, if and when the transaction commits.
async fn announce(connection: &mut AsyncPgConnection, change: IdentityChange) -> Result<(), DbError> {
    admin::announce(connection, Channel::IdentityChanged, &change.to_string()).await
}

/// What a failed transaction means to the caller of a port. Every method finds out by itself what is missing or
/// taken, so a row that the database refuses all the same is a defect.
fn settled(error: DbError) -> StoreError {
    match error {
        DbError::Diesel(
            error @ (DieselError::NotFound
            | DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation, _)),
        ) => StoreError::Defect(Box::new(error)),
        other => other.into(),
    }
}

/// A value that this version of the program does not know: written by a newer one, or by hand. It is not shown,
/// because it may be anything.
fn unreadable(column: &str) -> StoreError {
    StoreError::Defect(format!("{column} holds what this version cannot read").into())
}

/// The earliest instant that is compared with stored ones: the year 1. PostgreSQL goes back less far than chrono.
const BEGINNING: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(beginning) => beginning,
    None => DateTime::<Utc>::UNIX_EPOCH,
};

/// The instant `ago` earlier, or the beginning of time.
fn instant_before(now: DateTime<Utc>, ago: Duration) -> DateTime<Utc> {
    let before = TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago));
    before.map_or(BEGINNING, |before| before.max(BEGINNING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_instants_stay_within_what_postgresql_can_hold() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(instant_before(now, Duration::from_secs(60)).timestamp(), -60);
        assert_eq!(BEGINNING.to_rfc3339(), "0001-01-01T00:00:00+00:00");
        for ago in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(86_400 * 366 * 5000)] {
            assert_eq!(instant_before(now, ago), BEGINNING);
        }
    }

    #[test]
    fn what_the_database_refuses_by_itself_is_a_defect() {
        for kind in [DatabaseErrorKind::UniqueViolation, DatabaseErrorKind::ForeignKeyViolation] {
            let error = DbError::Diesel(DieselError::DatabaseError(kind, Box::new("users_pkey".to_owned())));
            assert!(matches!(settled(error), StoreError::Defect(_)));
        }
        assert!(matches!(settled(StoreError::NotFound.into()), StoreError::NotFound));
        assert!(matches!(settled(StoreError::Conflict("email".to_owned()).into()), StoreError::Conflict(_)));
        let deadlock = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new("deadlock detected".to_owned()));
        assert!(matches!(settled(deadlock.into()), StoreError::Unavailable(_)));
    }
}
