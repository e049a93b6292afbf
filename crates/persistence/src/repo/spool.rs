//! Which spool directories are still needed. No caller: the janitor asks, and learns only whether a job goes on.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use gristmill_domain::{JobId, ports::StoreError};

use crate::{Database, database::DbError, schema::jobs};

/// Asks about the jobs that spool directories are named after.
#[derive(Debug, Clone)]
pub struct SpoolOwners {
    database: Database,
}

impl SpoolOwners {
    /// Over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Whether a job will still read its spool directory: it is there and has not ended.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn is_needed(&self, job: JobId) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let open = jobs::table.find(job.0).filter(jobs::finished_at.is_null());
        diesel::select(diesel::dsl::exists(open)).get_result(&mut connection).await.map_err(|error| DbError::from(error).into())
    }
}
