//! What a user keeps, in bytes: datasets, documents, models with their evaluations, and files of runs and logged models.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{Caller, ProjectId, UserId, ports::StoreError};

use super::ownership::own_project;
use crate::{Database, database::DbError};

/// Says in a `Conflict` that the quota is used up.
pub const QUOTA: &str = "quota";

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Checks that a project is the caller's, if one is named, and that `more_bytes` fit into the caller's quota.
///
/// # Errors
/// `NotFound`; `Conflict("quota")` when the quota is used up; `Unavailable`, `Defect`.
pub async fn check_room(
    database: &Database,
    caller: &Caller,
    project: Option<ProjectId>,
    more_bytes: u64,
    quota_bytes: u64,
) -> Result<(), StoreError> {
    let mut connection = database.connection().await?;
    if let Some(project) = project {
        own_project(&mut connection, caller.user_id, project).await?;
    }
    let stored = stored_in(&mut connection, caller.user_id).await?;
    if stored.saturating_add(more_bytes) > quota_bytes { Err(StoreError::Conflict(QUOTA.to_owned())) } else { Ok(()) }
}

/// What a user keeps.
pub(super) async fn stored_in(connection: &mut AsyncPgConnection, owner: UserId) -> Result<u64, DbError> {
    // Files of runs are many: each project has their sum.
    const SQL: &str = "select (
        coalesce((select sum(stored_bytes) from datasets where owner_id = $1), 0)
        + coalesce((select sum(stored_bytes) from documents where owner_id = $1), 0)
        + coalesce((select sum(stored_bytes) from models join projects using (project_id) where owner_id = $1), 0)
        + coalesce((select sum(size_bytes) from tracking_usage join projects using (project_id) where owner_id = $1), 0)
        )::bigint as bytes";
    let stored: Stored = sql_query(SQL).bind::<SqlUuid, _>(owner.0).get_result(connection).await?;
    Ok(u64::try_from(stored.bytes).unwrap_or(0))
}

/// Notes that the files of a project's runs and logged models grew by so much, or shrank.
pub(super) async fn add_tracked(connection: &mut AsyncPgConnection, project: ProjectId, bytes: i64) -> Result<(), DbError> {
    const SQL: &str = "insert into tracking_usage (project_id, size_bytes) values ($1, greatest($2, 0))
        on conflict (project_id) do update set size_bytes = greatest(tracking_usage.size_bytes + $2, 0)";
    sql_query(SQL).bind::<SqlUuid, _>(project.0).bind::<BigInt, _>(bytes).execute(connection).await?;
    Ok(())
}
