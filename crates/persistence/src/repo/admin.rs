//! What operators do from the command line. No caller: whoever can run it owns the machine.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    UserId,
    identity::IdentityChange,
    ports::StoreError,
    users::{Email, UserRole},
};
use uuid::Uuid;

use crate::{Database, database::DbError, notifications::Channel, schema::users};

/// Operations on any account.
#[derive(Debug, Clone)]
pub struct Admin {
    database: Database,
}

impl Admin {
    /// Over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Gives a user a role, and makes servers forget what they remember of the user.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn set_role(&self, email: &Email, role: UserRole) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let id: Uuid = diesel::update(users::table.filter(users::email.eq(email.as_str())))
                    .set(users::role.eq(role.as_str()))
                    .returning(users::user_id)
                    .get_result(connection)
                    .await?;
                announce(connection, Channel::IdentityChanged, &IdentityChange::User(UserId(id)).to_string()).await
            })
            .await?;
        Ok(())
    }
}

/// Announces on a channel, in the caller's transaction: nobody hears it unless that commits.
pub(super) async fn announce(connection: &mut AsyncPgConnection, channel: Channel, payload: &str) -> Result<(), DbError> {
    diesel::sql_query("select pg_notify($1, $2)")
        .bind::<diesel::sql_types::Text, _>(channel.as_str())
        .bind::<diesel::sql_types::Text, _>(payload)
        .execute(connection)
        .await?;
    Ok(())
}
