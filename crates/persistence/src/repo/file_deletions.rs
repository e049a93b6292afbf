//! Files whose rows are gone: queued in the transaction that deletes the rows, removed afterwards.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::ports::StoreError;

use crate::{Database, backup, database::DbError, schema::file_deletions};

/// The queue of files to remove. It belongs to no caller: its entries name nothing that anybody still sees.
#[derive(Debug, Clone)]
pub struct FileDeletions {
    database: Database,
}

/// An entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDeletion {
    /// Identity.
    pub id: i64,
    /// The prefix under which all files go.
    pub prefix: String,
}

impl FileDeletions {
    /// A queue over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads the oldest entries, at most `limit`; none while a backup is being made, which needs the files of rows that
    /// were there when it began.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn oldest(&self, limit: u32) -> Result<Vec<FileDeletion>, StoreError> {
        let mut connection = self.database.connection().await?;
        // An entry that was committed before the lock was taken belongs to rows that the backup does not have.
        let rows: Vec<(i64, String)> = file_deletions::table
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&backup::no_backup_runs()))
            .order(file_deletions::deletion_id)
            .limit(limit.into())
            .select((file_deletions::deletion_id, file_deletions::prefix))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(|(id, prefix)| FileDeletion { id, prefix }).collect())
    }

    /// Takes an entry off the queue, once its files are gone.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn done(&self, id: i64) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        diesel::delete(file_deletions::table.find(id)).execute(&mut connection).await.map_err(DbError::from)?;
        Ok(())
    }
}

/// Queues the files under `prefix` for removal, in the caller's transaction.
pub(super) async fn queue(connection: &mut AsyncPgConnection, prefix: String) -> Result<(), DbError> {
    diesel::insert_into(file_deletions::table).values(file_deletions::prefix.eq(prefix)).execute(connection).await?;
    Ok(())
}
