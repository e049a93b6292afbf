//! Documents, their chunks and their vectors.

mod search;
mod vectors;

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DocumentId, ProjectId, UserId,
    documents::{Document, DocumentChunk, DocumentCreate, DocumentFormat, DocumentVectors, EmbeddedBy, VectorBlock},
    jobs::{JobOutcome, Lease},
    ports::StoreError,
};
use serde_json::json;
use uuid::Uuid;

pub use self::vectors::{VectorClaim, VectorsKept};
use super::{
    file_deletions, jobs,
    ownership::{hold_owner, hold_project, own_project},
};
use crate::{
    Database,
    database::DbError,
    files,
    schema::{document_vectors, documents, vector_work},
};

/// Chunks that one statement inserts.
const CHUNKS_AT_ONCE: usize = 2000;

/// The documents of a caller.
#[derive(Debug, Clone)]
pub struct Documents {
    database: Database,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
struct DocumentRow {
    document_id: Uuid,
    owner_id: Uuid,
    project_id: Option<Uuid>,
    filename: String,
    format: String,
    media_type: String,
    size_bytes: i64,
    stored_bytes: i64,
    text_length: i32,
    page_count: Option<i32>,
    chunk_count: i32,
    parse_warning: Option<String>,
    embedding_model: Option<String>,
    embedding_dimension: Option<i32>,
    created_at: DateTime<Utc>,
}

impl TryFrom<DocumentRow> for Document {
    type Error = StoreError;

    fn try_from(row: DocumentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DocumentId(row.document_id),
            owner_id: UserId(row.owner_id),
            project_id: row.project_id.map(ProjectId),
            filename: row.filename,
            format: DocumentFormat::from_name(&row.format).ok_or_else(|| StoreError::Defect("unknown format".into()))?,
            media_type: row.media_type,
            size_bytes: u64::try_from(row.size_bytes).unwrap_or(0),
            text_length: unsigned(row.text_length),
            page_count: row.page_count.map(unsigned),
            chunk_count: unsigned(row.chunk_count),
            parse_warning: row.parse_warning,
            embedded: row
                .embedding_model
                .zip(row.embedding_dimension)
                .map(|(model, dimension)| EmbeddedBy { model, dimension: unsigned(dimension) }),
            created_at: row.created_at,
        })
    }
}

impl Documents {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Stores a document with all of its chunks and the vectors that there are and ends its job, in one commit and only
    /// while the lease holds. Vectors of the first chunks alone are gone on with by whoever claims the document.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound` when project or user went away meanwhile; `Unavailable`, `Defect`.
    pub async fn create_from_job(
        &self,
        lease: Lease,
        owner: UserId,
        create: DocumentCreate,
        now: DateTime<Utc>,
    ) -> Result<Document, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                match create.project_id {
                    Some(project) => hold_project(connection, owner, project).await?,
                    None => hold_owner(connection, owner).await?,
                }
                let row = diesel::insert_into(documents::table)
                    .values(new_row(owner, &create, now))
                    .returning(DocumentRow::as_returning())
                    .get_result(connection)
                    .await?;
                insert_chunks(connection, owner, &create).await?;
                let is_complete = is_embedded(&create);
                if let Some(vectors) = create.vectors {
                    insert_vectors(connection, create.id, vectors, is_complete).await?;
                }
                // The job last: many chunks take longer than its heartbeat may wait.
                let outcome = JobOutcome::Succeeded(json!({ "documentId": create.id }));
                jobs::finish_in(connection, lease, outcome).await?;
                Ok::<DocumentRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Lists the caller's documents, of one project or all, newest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: Option<ProjectId>) -> Result<Vec<Document>, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut query = documents::table
            .filter(documents::owner_id.eq(caller.user_id.0))
            .order((documents::created_at.desc(), documents::document_id))
            .select(DocumentRow::as_select())
            .into_boxed();
        if let Some(project) = project {
            own_project(&mut connection, caller.user_id, project).await?;
            query = query.filter(documents::project_id.eq(project.0));
        }
        let rows: Vec<DocumentRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(Document::try_from).collect()
    }

    /// Reads one of the caller's documents.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: DocumentId) -> Result<Document, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: DocumentRow = documents::table
            .find(id.0)
            .filter(documents::owner_id.eq(caller.user_id.0))
            .select(DocumentRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Deletes one of the caller's documents with its chunks and vectors, and queues its file for removal in the same
    /// transaction.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, id: DocumentId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let target = documents::table.find(id.0).filter(documents::owner_id.eq(caller.user_id.0));
                let project: Option<Uuid> =
                    diesel::delete(target).returning(documents::project_id).get_result(connection).await?;
                let prefix = files::document_prefix(caller.user_id, project.map(ProjectId), id);
                file_deletions::queue(connection, prefix).await
            })
            .await?;
        Ok(())
    }
}

fn new_row(owner: UserId, create: &DocumentCreate, now: DateTime<Utc>) -> DocumentRow {
    let text_bytes: usize = create.chunks.iter().map(|chunk| chunk.text.len() + chunk.heading.len()).sum();
    let vectors = create.vectors.iter().flat_map(|vectors| &vectors.blocks);
    let vector_bytes: usize = vectors.map(|block| block.bytes.len()).sum();
    let derived = u64::try_from(text_bytes.saturating_add(vector_bytes)).unwrap_or(u64::MAX);
    let embedded = create.vectors.as_ref().filter(|_| is_embedded(create)).map(|vectors| &vectors.by);
    DocumentRow {
        document_id: create.id.0,
        owner_id: owner.0,
        project_id: create.project_id.map(|project| project.0),
        filename: create.filename.clone(),
        format: create.format.as_str().to_owned(),
        media_type: create.media_type.clone(),
        size_bytes: i64::try_from(create.size_bytes).unwrap_or(i64::MAX),
        stored_bytes: i64::try_from(create.size_bytes.saturating_add(derived)).unwrap_or(i64::MAX),
        text_length: signed(create.text_length),
        page_count: create.page_count.map(signed),
        chunk_count: i32::try_from(create.chunks.len()).unwrap_or(i32::MAX),
        parse_warning: create.parse_warning.clone(),
        embedding_model: embedded.map(|by| by.model.clone()),
        embedding_dimension: embedded.map(|by| signed(by.dimension)),
        created_at: now,
    }
}

/// Inserts chunks with arrays, a few thousand in a statement: one statement for each would be as many round trips.
async fn insert_chunks(connection: &mut AsyncPgConnection, owner: UserId, create: &DocumentCreate) -> Result<(), DbError> {
    const SQL: &str = "insert into document_chunks
            (chunk_id, document_id, chunk_index, owner_id, project_id, page, heading, span_start, span_end, content)
        select gen_random_uuid(), $1, chunk_index, $2, $3, page, heading, span_start, span_end, content
        from unnest($4::integer[], $5::integer[], $6::text[], $7::integer[], $8::integer[], $9::text[])
            as one (chunk_index, page, heading, span_start, span_end, content)";
    let mut first = 0_i32;
    for batch in create.chunks.chunks(CHUNKS_AT_ONCE) {
        let count = i32::try_from(batch.len()).unwrap_or(i32::MAX);
        let column = |number: fn(&DocumentChunk) -> u32| batch.iter().map(|chunk| signed(number(chunk))).collect::<Vec<_>>();
        sql_query(SQL)
            .bind::<SqlUuid, _>(create.id.0)
            .bind::<SqlUuid, _>(owner.0)
            .bind::<Nullable<SqlUuid>, _>(create.project_id.map(|project| project.0))
            .bind::<Array<Integer>, _>((first..first.saturating_add(count)).collect::<Vec<_>>())
            .bind::<Array<Nullable<Integer>>, _>(batch.iter().map(|chunk| chunk.page.map(signed)).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(batch.iter().map(|chunk| chunk.heading.as_str()).collect::<Vec<_>>())
            .bind::<Array<Integer>, _>(column(|chunk| chunk.span.start))
            .bind::<Array<Integer>, _>(column(|chunk| chunk.span.end))
            .bind::<Array<Text>, _>(batch.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        first = first.saturating_add(count);
    }
    Ok(())
}

/// Whether every chunk has a vector.
fn is_embedded(create: &DocumentCreate) -> bool {
    let count = create.vectors.as_ref().map(DocumentVectors::count);
    count.is_some_and(|count| usize::try_from(count).is_ok_and(|count| count == create.chunks.len()))
}

async fn insert_vectors(
    connection: &mut AsyncPgConnection,
    id: DocumentId,
    vectors: DocumentVectors,
    is_complete: bool,
) -> Result<(), DbError> {
    let (by, count) = (&vectors.by, vectors.count());
    if !is_complete && count > 0 {
        diesel::insert_into(vector_work::table)
            .values((
                vector_work::document_id.eq(id.0),
                vector_work::model.eq(&by.model),
                vector_work::dimension.eq(Some(signed(by.dimension))),
                vector_work::chunks_done.eq(signed(count)),
            ))
            .execute(connection)
            .await?;
    }
    for block in vectors.blocks {
        insert_block(connection, id, block).await?;
    }
    Ok(())
}

async fn insert_block(connection: &mut AsyncPgConnection, id: DocumentId, block: VectorBlock) -> Result<(), DbError> {
    diesel::insert_into(document_vectors::table)
        .values((
            document_vectors::document_id.eq(id.0),
            document_vectors::first_chunk.eq(signed(block.first_chunk)),
            document_vectors::vectors.eq(block.bytes),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
