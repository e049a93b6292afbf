//! Deleting a dataset, unless agents work on it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{Caller, DatasetId, ProjectId, ports::StoreError, workflows::WorkflowRun};
use uuid::Uuid;

use super::Datasets;
use crate::{
    database::DbError,
    files,
    repo::{
        file_deletions,
        ownership::lock_project,
        workflows::{lock_turns, release_dataset},
    },
    schema::datasets,
};

/// What came of a deletion.
#[derive(Debug, Clone, PartialEq)]
pub enum DatasetDeletion {
    /// It is gone.
    Deleted,
    /// Agents work on it, so it stays.
    InUse {
        /// Its display name.
        filename: String,
        /// Their runs, the last changed first.
        runs: Vec<WorkflowRun>,
    },
}

impl Datasets {
    /// Deletes one of the caller's datasets and queues its files for removal in the same transaction, unless runs of agents
    /// work on it. Runs whose notebook is gone do not count; they are interrupted.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: DatasetId, now: DateTime<Utc>) -> Result<DatasetDeletion, StoreError> {
        let mut connection = self.database.connection().await?;
        let deletion = connection
            .transaction(async |connection| {
                let target = || datasets::table.find(id.0).filter(datasets::owner_id.eq(caller.user_id.0));
                let project: Option<Uuid> = target().select(datasets::project_id).first(connection).await?;
                let project = project.map(ProjectId);
                if let Some(project) = project {
                    // In the order that is stated with the workflows.
                    lock_project(connection, caller.user_id, project).await?;
                    lock_turns(connection, project).await?;
                }
                let filename: String = target().select(datasets::filename).for_update().first(connection).await?;
                if let Some(project) = project {
                    let runs = release_dataset(connection, caller, project, id, now).await?;
                    if !runs.is_empty() {
                        return Ok(DatasetDeletion::InUse { filename, runs });
                    }
                }
                diesel::delete(datasets::table.find(id.0)).execute(connection).await?;
                file_deletions::queue(connection, files::dataset_prefix(caller.user_id, project, id)).await?;
                Ok::<DatasetDeletion, DbError>(DatasetDeletion::Deleted)
            })
            .await?;
        Ok(deletion)
    }
}
