//! Datasets as lists show them: without what is large.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Json, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{Caller, DatasetId, ProjectId, ports::StoreError};
use serde_json::Value;
use uuid::Uuid;

use super::{Datasets, from_json};
use crate::{database::DbError, repo::ownership::own_project, schema::datasets};

/// A dataset as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetOverview {
    /// Identity.
    pub id: DatasetId,
    /// Display name.
    pub filename: String,
    /// Rows.
    pub row_count: u64,
    /// Names and types of its columns, in file order.
    pub columns: Vec<(String, String)>,
}

#[derive(QueryableByName)]
struct OverviewRow {
    #[diesel(sql_type = SqlUuid)]
    dataset_id: Uuid,
    #[diesel(sql_type = Text)]
    filename: String,
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = Json)]
    columns: Value,
}

impl Datasets {
    /// Lists ids and display names of the datasets of one of the caller's projects, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn names(&self, caller: &Caller, project: ProjectId) -> Result<Vec<(DatasetId, String)>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let rows: Vec<(Uuid, String)> = datasets::table
            .filter(datasets::project_id.eq(project.0))
            .filter(datasets::owner_id.eq(caller.user_id.0))
            .order((datasets::created_at, datasets::dataset_id))
            .select((datasets::dataset_id, datasets::filename))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(|(id, filename)| (DatasetId(id), filename)).collect())
    }

    /// Lists the datasets of one of the caller's projects, oldest first, without profiles and samples.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn overviews(&self, caller: &Caller, project: ProjectId) -> Result<Vec<DatasetOverview>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        // Profiles can be large: only names and types leave the database.
        let rows: Vec<OverviewRow> = diesel::sql_query(
            "select dataset_id, filename, row_count,
                 coalesce((select json_agg(json_build_array(c ->> 'name', c ->> 'dtype')) from json_array_elements(profile) c), '[]')
                     as columns
             from datasets where project_id = $1 and owner_id = $2 order by created_at, dataset_id",
        )
        .bind::<SqlUuid, _>(project.0)
        .bind::<SqlUuid, _>(caller.user_id.0)
        .load(&mut connection)
        .await
        .map_err(DbError::from)?;
        let overview = |row: OverviewRow| -> Result<DatasetOverview, StoreError> {
            Ok(DatasetOverview {
                id: DatasetId(row.dataset_id),
                filename: row.filename,
                row_count: u64::try_from(row.row_count).unwrap_or(0),
                columns: from_json(row.columns)?,
            })
        };
        rows.into_iter().map(overview).collect()
    }
}
