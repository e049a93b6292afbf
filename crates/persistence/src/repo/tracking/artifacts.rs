//! Files of runs and logged models, as programs call them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{Caller, ProjectId, ports::StoreError, tracking::FileOwner};
use uuid::Uuid;

use super::Tracking;
use crate::{
    database::DbError,
    repo::{
        ownership::hold_project,
        quota::{self, QUOTA},
    },
    schema::{logged_models, tracking_runs},
};

/// A file of a run or a logged model.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct RunArtifact {
    /// What the program called it, with its directories.
    #[diesel(sql_type = Text, column_name = artifact_path)]
    pub path: String,
    /// What the server called it.
    #[diesel(sql_type = Text)]
    pub file_name: String,
    /// Bytes.
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
}

/// The table of an owner's files, and its column of owners.
fn table(of: FileOwner) -> (&'static str, &'static str, Uuid) {
    match of {
        FileOwner::Run(id) => ("tracking_artifacts", "run_id", id.0),
        FileOwner::Model(id) => ("logged_model_artifacts", "logged_model_id", id.0),
    }
}

impl Tracking {
    /// Notes a file of one of the caller's runs or logged models. Returns the name of the file that it takes the place of.
    ///
    /// # Errors
    /// `NotFound`; `Conflict("quota")` when the file does not fit into the caller's quota; `Unavailable`, `Defect`.
    pub async fn put_artifact(
        &self,
        caller: &Caller,
        of: FileOwner,
        artifact: RunArtifact,
        quota_bytes: u64,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, StoreError> {
        let (table, column, id) = table(of);
        let mut connection = self.database.connection().await?;
        let before = connection
            .transaction(async |connection| {
                let project = lock_owner(connection, caller, of).await?;
                let before = remove(connection, of, &artifact.path, false).await?;
                sql_query(format!(
                    "insert into {table} ({column}, artifact_path, file_name, size_bytes, created_at) values ($1, $2, $3, $4, $5)"
                ))
                .bind::<SqlUuid, _>(id)
                .bind::<Text, _>(&artifact.path)
                .bind::<Text, _>(&artifact.file_name)
                .bind::<BigInt, _>(artifact.size_bytes)
                .bind::<Timestamptz, _>(now)
                .execute(connection)
                .await?;
                let freed: i64 = before.iter().map(|file| file.size_bytes).sum();
                quota::add_tracked(connection, project, artifact.size_bytes - freed).await?;
                // After the change: what it takes the place of does not count.
                if quota::stored_in(connection, caller.user_id).await? > quota_bytes {
                    return Err(StoreError::Conflict(QUOTA.to_owned()).into());
                }
                Ok::<Option<String>, DbError>(before.into_iter().next().map(|file| file.file_name))
            })
            .await?;
        Ok(before)
    }

    /// Forgets a file of one of the caller's runs or logged models, or all files of a directory. Returns what was forgotten.
    ///
    /// # Errors
    /// `NotFound`, also when there is no such file; `Unavailable`, `Defect`.
    pub async fn remove_artifacts(&self, caller: &Caller, of: FileOwner, path: &str) -> Result<Vec<RunArtifact>, StoreError> {
        let mut connection = self.database.connection().await?;
        let gone = connection
            .transaction(async |connection| {
                let project = lock_owner(connection, caller, of).await?;
                let gone = remove(connection, of, path, true).await?;
                if gone.is_empty() {
                    return Err(StoreError::NotFound.into());
                }
                let freed: i64 = gone.iter().map(|file| file.size_bytes).sum();
                quota::add_tracked(connection, project, -freed).await?;
                Ok::<Vec<RunArtifact>, DbError>(gone)
            })
            .await?;
        Ok(gone)
    }

    /// The files of one of the caller's runs or logged models, by path.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn artifacts(&self, caller: &Caller, of: FileOwner) -> Result<Vec<RunArtifact>, StoreError> {
        // What has no files has no rows: ask for it first.
        match of {
            FileOwner::Run(id) => drop(self.find_run(caller, id).await?),
            FileOwner::Model(id) => drop(self.find_logged_model(caller, id).await?),
        }
        let (table, column, id) = table(of);
        let mut connection = self.database.connection().await?;
        let sql = format!("select artifact_path, file_name, size_bytes from {table} where {column} = $1 order by artifact_path");
        Ok(sql_query(sql).bind::<SqlUuid, _>(id).load(&mut connection).await.map_err(DbError::from)?)
    }
}

/// Removes a file's row, or those of a directory too.
async fn remove(
    connection: &mut AsyncPgConnection,
    of: FileOwner,
    path: &str,
    with_directory: bool,
) -> Result<Vec<RunArtifact>, DbError> {
    let (table, column, id) = table(of);
    let below = if with_directory { " or starts_with(artifact_path, $2 || '/') or $2 = ''" } else { "" };
    let sql = format!(
        "delete from {table} where {column} = $1 and (artifact_path = $2{below}) returning artifact_path, file_name, size_bytes"
    );
    Ok(sql_query(sql).bind::<SqlUuid, _>(id).bind::<Text, _>(path).load(connection).await?)
}

/// Locks what the files belong to, and tells its project: writers of files of one come one after the other.
async fn lock_owner(connection: &mut AsyncPgConnection, caller: &Caller, of: FileOwner) -> Result<ProjectId, DbError> {
    let project: Uuid = match of {
        FileOwner::Run(id) => tracking_runs::table.find(id.0).select(tracking_runs::project_id).first(connection).await?,
        FileOwner::Model(id) => logged_models::table.find(id.0).select(logged_models::project_id).first(connection).await?,
    };
    // What is noted of its files refers to the project, whose deletion waits for what they belong to.
    hold_project(connection, caller.user_id, ProjectId(project)).await?;
    let _: Uuid = match of {
        FileOwner::Run(id) => {
            tracking_runs::table.find(id.0).select(tracking_runs::project_id).for_update().first(connection).await?
        }
        FileOwner::Model(id) => {
            logged_models::table.find(id.0).select(logged_models::project_id).for_update().first(connection).await?
        }
    };
    Ok(ProjectId(project))
}
