//! Which files of uploads are still needed. No caller: the janitor asks, and learns only what nobody will read any more.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{DatasetId, DocumentId, JobId, ProjectId, UserId, jobs::JobKind, ports::StoreError};
use uuid::Uuid;

use crate::{Database, database::DbError, files, schema::jobs};

/// Asks about the jobs that read uploads.
#[derive(Debug, Clone)]
pub struct SpoolOwners {
    database: Database,
}

#[derive(QueryableByName)]
struct AbandonedRow {
    #[diesel(sql_type = SqlUuid)]
    owner_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    document_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    dataset_id: Option<Uuid>,
}

/// What an id looks like.
const ID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

/// What the jobs that did not succeed would have made; nothing of what is there all the same. `$1` since when they ended,
/// `$2`, `$3` and `$5` the kinds of jobs, `$4` what an id looks like: of a job that names something else, there is nothing to
/// find, and it must not hide the others.
const ABANDONED: &str = "
    select owner_id, project_id, document_id, dataset_id from (
        select owner_id, project_id,
            case when (payload ->> 'documentId') ~* $4 then (payload ->> 'documentId')::uuid end as document_id,
            case when (payload ->> 'datasetId') ~* $4 then (payload ->> 'datasetId')::uuid end as dataset_id
        from jobs
        where finished_at >= $1 and state in ('failed', 'cancelled') and kind in ($2, $3, $5)
    ) as ended
    where not exists (select from documents where documents.document_id = ended.document_id)
        and not exists (select from datasets where datasets.dataset_id = ended.dataset_id)";

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

    /// Lists the prefixes of files of datasets and documents that never came to be: their jobs ended without success at
    /// `since` or later. Most have no files any more.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn abandoned(&self, since: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<AbandonedRow> = sql_query(ABANDONED)
            .bind::<Timestamptz, _>(since)
            .bind::<Text, _>(JobKind::DocumentIngest.as_str())
            .bind::<Text, _>(JobKind::DatasetIngest.as_str())
            .bind::<Text, _>(ID)
            .bind::<Text, _>(JobKind::FeatureApply.as_str())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.iter().flat_map(AbandonedRow::prefixes).collect())
    }
}

impl AbandonedRow {
    fn prefixes(&self) -> impl Iterator<Item = String> + use<> {
        let (owner, project) = (UserId(self.owner_id), self.project_id.map(ProjectId));
        let document = self.document_id.map(|id| files::document_prefix(owner, project, DocumentId(id)));
        let dataset = self.dataset_id.map(|id| files::dataset_prefix(owner, project, DatasetId(id)));
        document.into_iter().chain(dataset)
    }
}
