//! Vectors that come after their document: for the server's own work, which asks for every user's documents.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    DocumentId, ProjectId, UserId,
    documents::{DocumentChunk, DocumentVectors, TextSpan, UnembeddedDocument},
    ports::StoreError,
};
use uuid::Uuid;

use super::{Documents, insert_vectors, signed, unsigned};
use crate::{
    database::DbError,
    schema::{document_chunks, document_vectors},
};

#[derive(QueryableByName)]
struct UnembeddedRow {
    #[diesel(sql_type = SqlUuid)]
    document_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    owner_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
}

/// Documents of the last hour first; then any, so that servers which do this at once seldom do the same.
const FIND: &str = "select document_id, owner_id, project_id from documents
    where chunk_count > 0 and embedding_model is distinct from $1
        and document_id <> all ($2) and owner_id <> all ($3)
    order by created_at > now() - interval '1 hour' desc, random() limit 1";

/// `$4` is the size of the new vectors.
const CLAIM: &str = "update documents set embedding_model = $2, embedding_dimension = $3,
        stored_bytes = greatest(size_bytes, stored_bytes + $4 - (
            select coalesce(sum(octet_length(vectors)), 0)::bigint from document_vectors one where one.document_id = $1))
    where document_id = $1 and embedding_model is distinct from $2";

impl Documents {
    /// Finds a document that has no vectors of `model`: none of these documents, and none of these users'.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn find_unembedded(
        &self,
        model: &str,
        except: &[DocumentId],
        except_owners: &[UserId],
    ) -> Result<Option<UnembeddedDocument>, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: Option<UnembeddedRow> = sql_query(FIND)
            .bind::<Text, _>(model)
            .bind::<Array<SqlUuid>, _>(except.iter().map(|id| id.0).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(except_owners.iter().map(|id| id.0).collect::<Vec<_>>())
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        Ok(row.map(|row| UnembeddedDocument {
            id: DocumentId(row.document_id),
            owner_id: UserId(row.owner_id),
            project_id: row.project_id.map(ProjectId),
        }))
    }

    /// Reads all chunks of a document, in order; none when it is gone.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn list_chunks(&self, id: DocumentId) -> Result<Vec<DocumentChunk>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<(Option<i32>, String, i32, i32, String)> = document_chunks::table
            .filter(document_chunks::document_id.eq(id.0))
            .order(document_chunks::chunk_index)
            .select((
                document_chunks::page,
                document_chunks::heading,
                document_chunks::span_start,
                document_chunks::span_end,
                document_chunks::content,
            ))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let chunk = |(page, heading, start, end, text): (Option<i32>, String, i32, i32, String)| DocumentChunk {
            page: page.map(unsigned),
            heading,
            span: TextSpan { start: unsigned(start), end: unsigned(end) },
            text,
        };
        Ok(rows.into_iter().map(chunk).collect())
    }

    /// Gives a document vectors, in the place of another model's. False: it is gone, or has vectors of this model.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn set_vectors(&self, id: DocumentId, vectors: DocumentVectors) -> Result<bool, StoreError> {
        let bytes: usize = vectors.blocks.iter().map(|block| block.bytes.len()).sum();
        let mut connection = self.database.connection().await?;
        let set = connection
            .transaction(async |connection| {
                let changed = sql_query(CLAIM)
                    .bind::<SqlUuid, _>(id.0)
                    .bind::<Text, _>(vectors.by.model.as_str())
                    .bind::<Integer, _>(signed(vectors.by.dimension))
                    .bind::<BigInt, _>(i64::try_from(bytes).unwrap_or(i64::MAX))
                    .execute(connection)
                    .await?;
                if changed == 0 {
                    return Ok::<bool, DbError>(false);
                }
                diesel::delete(document_vectors::table.filter(document_vectors::document_id.eq(id.0)))
                    .execute(connection)
                    .await?;
                insert_vectors(connection, id, vectors).await?;
                Ok(true)
            })
            .await?;
        Ok(set)
    }
}
