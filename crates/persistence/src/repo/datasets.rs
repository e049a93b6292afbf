//! Datasets: their control data. Rows live in Parquet files.

mod delete;
mod derived;
mod key_sketches;
mod overviews;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, ProjectId, UserId,
    datasets::{ColumnProfile, Dataset, FileType, IngestReport, Row},
    eda::EdaSummary,
    jobs::{JobOutcome, Lease},
    key_sketches::KeySketch,
    ports::StoreError,
    sql_names,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::{
    delete::DatasetDeletion,
    derived::{DatasetLineage, DerivedDataset},
};
use super::{
    file_deletions, jobs,
    ownership::{hold_owner, lock_project, own_project},
    quota,
};
use crate::{
    Database,
    database::DbError,
    files,
    schema::{datasets, projects},
};

pub use overviews::DatasetOverview;

/// The datasets of a caller.
#[derive(Debug, Clone)]
pub struct Datasets {
    database: Database,
}

/// What an ingest found out, ready to be stored.
#[derive(Debug, Clone)]
pub struct DatasetContent {
    /// Rows.
    pub row_count: u64,
    /// Columns, in file order.
    pub columns: Vec<ColumnProfile>,
    /// Sketches of key-like columns.
    pub key_sketches: Vec<KeySketch>,
    /// The first rows.
    pub sample: Vec<Row>,
    /// What happened while reading.
    pub ingest: IngestReport,
    /// Exploratory summary.
    pub eda: Option<EdaSummary>,
    /// Bytes of the Parquet file and the rejects report.
    pub derived_bytes: u64,
}

/// A dataset to be stored.
#[derive(Debug, Clone)]
pub struct DatasetCreate {
    /// Identity; files are stored under it already.
    pub id: DatasetId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// Format of the original.
    pub file_type: FileType,
    /// Size of the original, bytes.
    pub size_bytes: u64,
    /// Further keys.
    pub metadata: Map<String, Value>,
    /// What is in it.
    pub content: DatasetContent,
}

/// A dataset's next version.
#[derive(Debug, Clone)]
pub struct DatasetReplace {
    /// Its number.
    pub version: u32,
    /// What is in it.
    pub content: DatasetContent,
    /// Keys to lay over the metadata.
    pub metadata: Map<String, Value>,
}

/// What a query needs to know of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetTable {
    /// Identity.
    pub id: DatasetId,
    /// Name that users type.
    pub sql_name: String,
    /// Name that is unique in the system.
    pub physical_name: String,
    /// Version of the content.
    pub version: u32,
}

/// What a sandbox knows of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetOutline {
    /// Identity.
    pub id: DatasetId,
    /// Display name.
    pub filename: String,
    /// Names and types of its columns, in order.
    pub columns: Vec<(String, String)>,
}

#[derive(QueryableByName)]
struct OutlineRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    dataset_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    filename: String,
    #[diesel(sql_type = diesel::sql_types::Json)]
    columns: Value,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = datasets, check_for_backend(diesel::pg::Pg))]
struct DatasetRow {
    dataset_id: Uuid,
    owner_id: Uuid,
    project_id: Option<Uuid>,
    filename: String,
    file_type: String,
    size_bytes: i64,
    stored_bytes: i64,
    sql_name: String,
    physical_name: String,
    version: i32,
    row_count: i64,
    profile: Value,
    sample: Value,
    ingest: Value,
    eda: Option<Value>,
    metadata: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<DatasetRow> for Dataset {
    type Error = StoreError;

    fn try_from(row: DatasetRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DatasetId(row.dataset_id),
            owner_id: UserId(row.owner_id),
            project_id: row.project_id.map(ProjectId),
            filename: row.filename,
            file_type: FileType::from_name(&row.file_type).ok_or_else(|| StoreError::Defect("unknown file type".into()))?,
            size_bytes: u64::try_from(row.size_bytes).unwrap_or(0),
            sql_name: row.sql_name,
            physical_name: row.physical_name,
            version: u32::try_from(row.version).unwrap_or(0),
            row_count: u64::try_from(row.row_count).unwrap_or(0),
            columns: from_json(row.profile)?,
            sample: from_json(row.sample)?,
            ingest: from_json(row.ingest)?,
            eda: row.eda.map(from_json).transpose()?,
            metadata: from_json(row.metadata)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Datasets {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Checks before something is stored that the project is the caller's and that `more_bytes` fit into the
    /// caller's quota.
    ///
    /// # Errors
    /// `NotFound`; `Conflict("quota")` when the quota is used up; `Unavailable`, `Defect`.
    pub async fn check_room(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        more_bytes: u64,
        quota_bytes: u64,
    ) -> Result<(), StoreError> {
        quota::check_room(&self.database, caller, project, more_bytes, quota_bytes).await
    }

    /// Stores an ingested dataset and ends its job, in one commit and only while the lease holds: a worker that was
    /// taken for dead leaves no row behind. The SQL name is chosen here, under a lock of the project.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound` when project or user went away meanwhile; `Unavailable`, `Defect`.
    pub async fn create_from_job(
        &self,
        lease: Lease,
        owner: UserId,
        create: DatasetCreate,
        now: DateTime<Utc>,
    ) -> Result<Dataset, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection.transaction(async |connection| insert_in(connection, lease, owner, create, now).await).await?;
        row.try_into()
    }

    /// Replaces a dataset's content with its next version and ends the job that made it, in one commit. The files of
    /// the version before, below `prefix`, are queued for removal.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound`; `Conflict` when another change came first; `Unavailable`, `Defect`.
    pub async fn replace_from_job(
        &self,
        lease: Lease,
        id: DatasetId,
        replace: DatasetReplace,
        prefix: &str,
        now: DateTime<Utc>,
    ) -> Result<Dataset, StoreError> {
        let mut connection = self.database.connection().await?;
        let DatasetReplace { version, content, metadata } = replace;
        let next = i32::try_from(version).map_err(|error| StoreError::Defect(Box::new(error)))?;
        let row = connection
            .transaction(async |connection| {
                jobs::finish_in(connection, lease, JobOutcome::Succeeded(json!({ "datasetId": id }))).await?;
                for file in files::version_files(next.unsigned_abs() - 1) {
                    file_deletions::queue(connection, format!("{prefix}/{file}")).await?;
                }
                let stored: Value = datasets::table.find(id.0).select(datasets::metadata).for_update().first(connection).await?;
                let mut merged: Map<String, Value> = from_json(stored)?;
                merged.extend(metadata);
                let target = datasets::table.find(id.0).filter(datasets::version.eq(next - 1));
                let row = diesel::update(target)
                    .set((
                        datasets::version.eq(next),
                        datasets::row_count.eq(signed(content.row_count)),
                        datasets::stored_bytes.eq(datasets::size_bytes + signed(content.derived_bytes)),
                        datasets::profile.eq(to_json(&content.columns)?),
                        datasets::sample.eq(to_json(&content.sample)?),
                        datasets::ingest.eq(to_json(&content.ingest)?),
                        datasets::eda.eq(content.eda.as_ref().map(to_json).transpose()?),
                        datasets::metadata.eq(Value::Object(merged)),
                        datasets::updated_at.eq(now),
                    ))
                    .returning(DatasetRow::as_returning())
                    .get_result(connection)
                    .await
                    .optional()?
                    .ok_or_else(|| StoreError::Conflict("dataset version".into()))?;
                key_sketches::replace(connection, id, &content.key_sketches).await?;
                Ok::<DatasetRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Reads the sketches of the key-like columns of tables of one of the caller's projects, with their SQL names.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn key_sketches(
        &self,
        caller: &Caller,
        project: ProjectId,
        tables: &[DatasetId],
    ) -> Result<Vec<(String, KeySketch)>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        key_sketches::list(&mut connection, project, tables).await
    }

    /// Lists the caller's datasets, of one project or all, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: Option<ProjectId>) -> Result<Vec<Dataset>, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut query = datasets::table
            .filter(datasets::owner_id.eq(caller.user_id.0))
            .order((datasets::created_at, datasets::dataset_id))
            .select(DatasetRow::as_select())
            .into_boxed();
        if let Some(project) = project {
            own_project(&mut connection, caller.user_id, project).await?;
            query = query.filter(datasets::project_id.eq(project.0));
        }
        let rows: Vec<DatasetRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(Dataset::try_from).collect()
    }

    /// The tables of one of the caller's projects: names and versions only.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn tables(&self, caller: &Caller, project: ProjectId) -> Result<Vec<DatasetTable>, StoreError> {
        let mut connection = self.database.connection().await?;
        // One round trip: an empty project gives one row of nulls, somebody else's none.
        let rows: Vec<Option<(Uuid, String, String, i32)>> = projects::table
            .left_join(datasets::table.on(datasets::project_id.eq(projects::project_id.nullable())))
            .filter(projects::project_id.eq(project.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .order((datasets::created_at, datasets::dataset_id))
            .select((datasets::dataset_id, datasets::sql_name, datasets::physical_name, datasets::version).nullable())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        if rows.is_empty() {
            return Err(StoreError::NotFound);
        }
        let table = |(id, sql_name, physical_name, version)| DatasetTable {
            id: DatasetId(id),
            sql_name,
            physical_name,
            version: u32::try_from(version).unwrap_or(0),
        };
        Ok(rows.into_iter().flatten().map(table).collect())
    }

    /// Names and columns of a project's datasets, oldest first, for its sandboxes. Whoever may use the sandbox was
    /// asked before.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn outlines(&self, project: ProjectId) -> Result<Vec<DatasetOutline>, StoreError> {
        let mut connection = self.database.connection().await?;
        // Profiles can be large: only names and types leave the database.
        let rows: Vec<OutlineRow> = diesel::sql_query(
            "select dataset_id, filename, coalesce((select json_agg(json_build_array(c ->> 'name', c ->> 'dtype'))
                 from json_array_elements(profile) c), '[]') as columns
             from datasets where project_id = $1 order by created_at, dataset_id",
        )
        .bind::<diesel::sql_types::Uuid, _>(project.0)
        .load(&mut connection)
        .await
        .map_err(DbError::from)?;
        rows.into_iter()
            .map(|row| {
                Ok(DatasetOutline { id: DatasetId(row.dataset_id), filename: row.filename, columns: from_json(row.columns)? })
            })
            .collect()
    }

    /// Reads one of the caller's datasets.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: DatasetId) -> Result<Dataset, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: DatasetRow = datasets::table
            .find(id.0)
            .filter(datasets::owner_id.eq(caller.user_id.0))
            .select(DatasetRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Changes the display name of one of the caller's datasets. SQL names stay.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn rename(
        &self,
        caller: &Caller,
        id: DatasetId,
        filename: &str,
        now: DateTime<Utc>,
    ) -> Result<Dataset, StoreError> {
        let mut connection = self.database.connection().await?;
        let target = datasets::table.find(id.0).filter(datasets::owner_id.eq(caller.user_id.0));
        let row: DatasetRow = diesel::update(target)
            .set((datasets::filename.eq(filename), datasets::updated_at.eq(now)))
            .returning(DatasetRow::as_returning())
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }
}

/// Inserts the dataset that a job made, and ends the job.
async fn insert_in(
    connection: &mut AsyncPgConnection,
    lease: Lease,
    owner: UserId,
    create: DatasetCreate,
    now: DateTime<Utc>,
) -> Result<DatasetRow, DbError> {
    // In the order that is stated with the workflows: the job after those whose deletion waits for it.
    let sql_name = match create.project_id {
        None => {
            hold_owner(connection, owner).await?;
            sql_names::logical_name(&create.filename, |_| false)
        }
        Some(project) => {
            lock_project(connection, owner, project).await?;
            free_name(connection, project, &create.filename).await?
        }
    };
    jobs::finish_in(connection, lease, JobOutcome::Succeeded(json!({ "datasetId": create.id }))).await?;
    let (id, sketches) = (create.id, create.content.key_sketches.clone());
    let row = new_row(owner, create, sql_name, now)?;
    let row =
        diesel::insert_into(datasets::table).values(&row).returning(DatasetRow::as_returning()).get_result(connection).await?;
    key_sketches::replace(connection, id, &sketches).await?;
    Ok(row)
}

fn new_row(owner: UserId, create: DatasetCreate, sql_name: String, now: DateTime<Utc>) -> Result<DatasetRow, StoreError> {
    Ok(DatasetRow {
        dataset_id: create.id.0,
        owner_id: owner.0,
        project_id: create.project_id.map(|project| project.0),
        physical_name: sql_names::physical_name(&create.filename, create.id),
        filename: create.filename,
        file_type: create.file_type.as_str().to_owned(),
        size_bytes: signed(create.size_bytes),
        stored_bytes: signed(create.size_bytes.saturating_add(create.content.derived_bytes)),
        sql_name,
        version: 1,
        row_count: signed(create.content.row_count),
        profile: to_json(&create.content.columns)?,
        sample: to_json(&create.content.sample)?,
        ingest: to_json(&create.content.ingest)?,
        eda: create.content.eda.as_ref().map(to_json).transpose()?,
        metadata: Value::Object(create.metadata),
        created_at: now,
        updated_at: now,
    })
}

async fn free_name(connection: &mut AsyncPgConnection, project: ProjectId, filename: &str) -> Result<String, DbError> {
    let taken: Vec<String> =
        datasets::table.filter(datasets::project_id.eq(project.0)).select(datasets::sql_name).load(connection).await?;
    let taken: std::collections::HashSet<String> = taken.into_iter().collect();
    Ok(sql_names::logical_name(filename, |name| taken.contains(name)))
}

fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
