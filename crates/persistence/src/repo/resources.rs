//! What a caller has, in one list: projects, then datasets, then documents, each oldest first.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{Caller, DatasetId, DocumentId, ProjectId, ports::StoreError};
use uuid::Uuid;

use crate::{Database, database::DbError};

/// Lists what callers have.
#[derive(Debug, Clone)]
pub struct Resources {
    database: Database,
}

/// A place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourcePlace {
    /// The kind: 0 for projects, 1 for datasets, 2 for documents.
    pub kind: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// What an entry of the list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A project.
    Project,
    /// A dataset of the project.
    Dataset {
        /// Identity.
        id: DatasetId,
        /// How many rows it has.
        rows: u64,
        /// How many columns it has.
        columns: u64,
    },
    /// A document of the project.
    Document(DocumentId),
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The project that it is, or is of.
    pub project: ProjectId,
    /// What it is.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// Where it is in the list.
    pub place: ResourcePlace,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    kind: i32,
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = Integer)]
    column_count: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

/// Profiles can be large: only those of the page are looked at, and none leaves the database.
const PAGE: &str = "
    select page.*, coalesce((select json_array_length(d.profile) from datasets d
            where page.kind = 1 and d.dataset_id = page.id), 0) as column_count
        from (
            select * from (
                select 0 as kind, project_id, project_id as id, name, 0::bigint as row_count, created_at
                    from projects where owner_id = $1
                union all
                select 1, project_id, dataset_id, filename, row_count, created_at
                    from datasets where owner_id = $1 and project_id is not null
                union all
                select 2, project_id, document_id, filename, 0, created_at
                    from documents where owner_id = $1 and project_id is not null
            ) everything
            where (kind, created_at, id) > ($2, $3, $4)
            order by kind, created_at, id
            limit $5
        ) page
        order by kind, created_at, id";

impl Resources {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists at most `limit` entries behind a place, from the beginning without one.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn page(&self, caller: &Caller, after: Option<ResourcePlace>, limit: u32) -> Result<Vec<Resource>, StoreError> {
        let after = after.unwrap_or(ResourcePlace { kind: -1, created_at: DateTime::UNIX_EPOCH, id: Uuid::nil() });
        let mut connection = self.database.connection().await?;
        let rows: Vec<Row> = diesel::sql_query(PAGE)
            .bind::<SqlUuid, _>(caller.user_id.0)
            .bind::<Integer, _>(after.kind)
            .bind::<Timestamptz, _>(after.created_at)
            .bind::<SqlUuid, _>(after.id)
            .bind::<BigInt, _>(i64::from(limit))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(Resource::from).collect())
    }
}

impl From<Row> for Resource {
    fn from(row: Row) -> Self {
        let kind = match row.kind {
            0 => ResourceKind::Project,
            1 => ResourceKind::Dataset {
                id: DatasetId(row.id),
                rows: u64::try_from(row.row_count).unwrap_or(0),
                columns: u64::try_from(row.column_count).unwrap_or(0),
            },
            _ => ResourceKind::Document(DocumentId(row.id)),
        };
        let place = ResourcePlace { kind: row.kind, created_at: row.created_at, id: row.id };
        Self { project: ProjectId(row.project_id), kind, name: row.name, place }
    }
}
