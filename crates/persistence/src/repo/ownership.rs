//! Whether a project is somebody's, asked inside of the transaction that relies on it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{ProjectId, UserId};
use uuid::Uuid;

use crate::{
    database::DbError,
    schema::{projects, users},
};

/// `NotFound` unless the project is the owner's.
pub(super) async fn own_project(connection: &mut AsyncPgConnection, owner: UserId, project: ProjectId) -> Result<(), DbError> {
    let _: Uuid = projects::table
        .find(project.0)
        .filter(projects::owner_id.eq(owner.0))
        .select(projects::project_id)
        .first(connection)
        .await?;
    Ok(())
}

/// Holds the owner's row until this commits; `NotFound` when it is gone. What is stored in a project may refer to the owner as
/// well, whose deletion locks the owner and then the projects with all that is in them: who locks any of that, and then stores
/// what refers to the owner, locks the owner before.
pub(super) async fn hold_owner(connection: &mut AsyncPgConnection, owner: UserId) -> Result<(), DbError> {
    let _: Uuid = users::table.find(owner.0).select(users::user_id).for_key_share().first(connection).await?;
    Ok(())
}

/// As [`own_project`], and locks the project's row, so that two writers that count or name within the project come one
/// after the other. Those who only refer to the project do not wait, and nobody waits for them.
pub(super) async fn lock_project(connection: &mut AsyncPgConnection, owner: UserId, project: ProjectId) -> Result<(), DbError> {
    hold_owner(connection, owner).await?;
    let _: Uuid = projects::table
        .find(project.0)
        .filter(projects::owner_id.eq(owner.0))
        .select(projects::project_id)
        .for_no_key_update()
        .first(connection)
        .await?;
    Ok(())
}

/// As [`own_project`], and holds the project's row until this commits: its deletion comes before or after, as a whole.
pub(super) async fn hold_project(connection: &mut AsyncPgConnection, owner: UserId, project: ProjectId) -> Result<(), DbError> {
    hold_owner(connection, owner).await?;
    let _: Uuid = projects::table
        .find(project.0)
        .filter(projects::owner_id.eq(owner.0))
        .select(projects::project_id)
        .for_key_share()
        .first(connection)
        .await?;
    Ok(())
}

/// Holds a project's row as [`hold_project`] does, whoever's it is, for what refers to no owner; `false` when it is gone.
pub(super) async fn hold_any_project(connection: &mut AsyncPgConnection, project: ProjectId) -> Result<bool, DbError> {
    let held = projects::table.find(project.0).select(projects::project_id).for_key_share();
    let held: Option<Uuid> = held.first(connection).await.optional()?;
    Ok(held.is_some())
}
