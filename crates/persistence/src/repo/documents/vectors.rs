//! Vectors that come after their document, block by block: for the server's own work, which asks for every user's documents.
//!
//! Whoever makes vectors claims the document first, so no two servers pay for the same ones. A block is stored with the
//! number of chunks that have vectors, and whoever claims the document next goes on there. Locks are taken in one order: the
//! document's row, then its work.

use std::time::Duration;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    DocumentId, ProjectId, UserId,
    documents::{DocumentChunk, TextSpan, VectorBlock},
    ports::StoreError,
};
use uuid::Uuid;

use super::{Documents, insert_block, signed, unsigned};
use crate::{
    database::DbError,
    schema::{document_chunks, document_vectors, vector_work},
};

/// How long a claim holds that is not renewed.
const CLAIM_LEASE: Duration = Duration::from_mins(2);
/// Documents that others may claim first before a look for one gives up.
const CLAIM_TRIES: usize = 3;

/// The right to give a document its vectors; nobody else has it at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorClaim {
    /// The document.
    pub id: DocumentId,
    /// Whose it is.
    pub owner_id: UserId,
    /// The project it belongs to, if any.
    pub project_id: Option<ProjectId>,
    /// The first so many chunks have vectors of the model.
    pub chunks_done: u32,
    /// How often it failed in a row.
    pub failures: u32,
    model: String,
    dimension: Option<u32>,
    token: Uuid,
}

/// What is left to do after a block was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorsKept {
    /// Nothing: the document is searched by its vectors from now on.
    Complete,
    /// Further blocks.
    More,
    /// Everything: the model's vectors have another length than before. The block was not stored, and the earlier ones are
    /// gone.
    StartsAnew,
}

#[derive(QueryableByName)]
struct WantedRow {
    #[diesel(sql_type = SqlUuid)]
    document_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    owner_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    project_id: Option<Uuid>,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = Nullable<Integer>)]
    dimension: Option<i32>,
    #[diesel(sql_type = Integer)]
    chunks_done: i32,
    #[diesel(sql_type = Integer)]
    failures: i32,
}

#[derive(QueryableByName)]
struct ChunkCountRow {
    #[diesel(sql_type = Integer)]
    chunk_count: i32,
}

/// `$1` the model, `$2` owners and `$3` documents that are left out. Three reads of an index instead of one of all
/// documents: "is another than" is nothing that an index can be asked.
const FIND: &str = "
    (select document_id, owner_id, project_id from documents
        where chunk_count > 0 and embedding_model is null and owner_id <> all ($2) and document_id <> all ($3) and not exists (
            select from vector_work busy where busy.document_id = documents.document_id
                and (busy.claimed_until > now() or (busy.model = $1 and busy.retry_at > now())))
        order by created_at desc limit 1)
    union all
    (select document_id, owner_id, project_id from documents
        where chunk_count > 0 and embedding_model < $1 and owner_id <> all ($2) and document_id <> all ($3) and not exists (
            select from vector_work busy where busy.document_id = documents.document_id
                and (busy.claimed_until > now() or (busy.model = $1 and busy.retry_at > now())))
        limit 1)
    union all
    (select document_id, owner_id, project_id from documents
        where chunk_count > 0 and embedding_model > $1 and owner_id <> all ($2) and document_id <> all ($3) and not exists (
            select from vector_work busy where busy.document_id = documents.document_id
                and (busy.claimed_until > now() or (busy.model = $1 and busy.retry_at > now())))
        limit 1)
    limit 1";

/// `$1` the document, `$2` the model, `$3` the claim, `$4` how long it holds. No row: somebody else was faster.
const CLAIM: &str = "with free as (
        select document_id from documents where document_id = $1 and embedding_model is distinct from $2
        for no key update skip locked
    )
    insert into vector_work (document_id, model, claim, claimed_until)
    select document_id, $2, $3, now() + $4 * interval '1 millisecond' from free
    on conflict (document_id) do update set
        claim = excluded.claim, claimed_until = excluded.claimed_until, model = excluded.model,
        dimension = case when vector_work.model = excluded.model then vector_work.dimension end,
        chunks_done = case when vector_work.model = excluded.model then vector_work.chunks_done else 0 end,
        failures = case when vector_work.model = excluded.model then vector_work.failures else 0 end,
        retry_at = case when vector_work.model = excluded.model then vector_work.retry_at end
    where (vector_work.claimed_until is null or vector_work.claimed_until <= now())
        and (vector_work.retry_at is null or vector_work.retry_at <= now() or vector_work.model <> excluded.model)
    returning dimension, chunks_done, failures";

/// Takes what vectors a document has out of its size.
const FORGET: &str = "update documents set embedding_model = null, embedding_dimension = null,
        stored_bytes = greatest(size_bytes, stored_bytes - (
            select coalesce(sum(octet_length(vectors)), 0)::bigint from document_vectors one where one.document_id = $1))
    where document_id = $1
        and (embedding_model is not null or exists (select from document_vectors one where one.document_id = $1))";

/// `$2` is the size of a block.
const GROW: &str = "update documents set stored_bytes = stored_bytes + $2 where document_id = $1 returning chunk_count";

/// `$1` the document, `$2` the claim, `$3` how many chunks have vectors now, `$4` numbers of each, `$5` how long the claim
/// holds from now on.
const ADVANCE: &str = "update vector_work set chunks_done = $3, dimension = $4, failures = 0, retry_at = null,
        claimed_until = now() + $5 * interval '1 millisecond'
    where document_id = $1 and claim = $2";

const COMPLETE: &str = "update documents set embedding_model = $2, embedding_dimension = $3 where document_id = $1";

const RENEW: &str = "update vector_work set claimed_until = now() + $3 * interval '1 millisecond'
    where document_id = $1 and claim = $2";

/// `$3` is how long the document is left alone, because it failed; null when it did not.
const RELEASE: &str = "update vector_work set claim = null, claimed_until = null,
        failures = failures + case when $3 is null then 0 else 1 end,
        retry_at = now() + $3 * interval '1 millisecond'
    where document_id = $1 and claim = $2";

impl Documents {
    /// Claims a document that has no vectors of `model`, or not all of them, and is not left alone for a while: none of these
    /// users'. Vectors of another model that it has are gone then.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    ///
    /// # Cancel safety
    /// A document that was claimed and then forgotten is free again after two minutes.
    pub async fn claim_unembedded(&self, model: &str, except_owners: &[UserId]) -> Result<Option<VectorClaim>, StoreError> {
        let mut connection = self.database.connection().await?;
        // Whoever was faster may not be done yet: a further look would find the same document.
        let mut lost: Vec<Uuid> = Vec::new();
        for _ in 0..CLAIM_TRIES {
            let found: Option<WantedRow> = sql_query(FIND)
                .bind::<Text, _>(model)
                .bind::<Array<SqlUuid>, _>(except_owners.iter().map(|id| id.0).collect::<Vec<_>>())
                .bind::<Array<SqlUuid>, _>(lost.clone())
                .get_result(&mut connection)
                .await
                .optional()
                .map_err(DbError::from)?;
            let Some(wanted) = found else { return Ok(None) };
            let claimed = connection.transaction(async |connection| claim_in(connection, model, &wanted).await).await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
            lost.push(wanted.document_id);
        }
        Ok(None)
    }

    /// Holds a claim for two minutes more.
    ///
    /// # Errors
    /// `LeaseLost`; `Unavailable`, `Defect`.
    pub async fn renew_vector_claim(&self, claim: &VectorClaim) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let renewed = sql_query(RENEW)
            .bind::<SqlUuid, _>(claim.id.0)
            .bind::<SqlUuid, _>(claim.token)
            .bind::<BigInt, _>(milliseconds(CLAIM_LEASE))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        if renewed == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
    }

    /// Stores the vectors of the next chunks of a claimed document, and holds the claim for two minutes more.
    ///
    /// # Errors
    /// `LeaseLost` when the claim is another's by now; `NotFound` when the document is gone; `Unavailable`, `Defect`.
    pub async fn keep_vectors(
        &self,
        claim: &mut VectorClaim,
        vectors: Vec<u8>,
        dimension: u32,
    ) -> Result<VectorsKept, StoreError> {
        let block = VectorBlock { first_chunk: claim.chunks_done, bytes: vectors };
        let done = claim.chunks_done.saturating_add(block.count(dimension));
        let mut connection = self.database.connection().await?;
        let kept = connection
            .transaction(async |connection| {
                if claim.dimension.is_some_and(|known| known != dimension) {
                    start_anew(connection, claim).await?;
                    return Ok::<VectorsKept, DbError>(VectorsKept::StartsAnew);
                }
                keep_in(connection, claim, block, dimension, done).await
            })
            .await?;
        (claim.chunks_done, claim.dimension) = match kept {
            VectorsKept::StartsAnew => (0, None),
            VectorsKept::Complete | VectorsKept::More => (done, Some(dimension)),
        };
        Ok(kept)
    }

    /// Gives a claim back. A document that failed is left alone for a while; what was stored of it stays.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn release_vector_claim(&self, claim: &VectorClaim, failed_for: Option<Duration>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        sql_query(RELEASE)
            .bind::<SqlUuid, _>(claim.id.0)
            .bind::<SqlUuid, _>(claim.token)
            .bind::<Nullable<BigInt>, _>(failed_for.map(milliseconds))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }

    /// Reads chunks of a document, in order, at most `chunks_max` of them, the first with the index `first`; none when it is
    /// gone.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn list_chunks(&self, id: DocumentId, first: u32, chunks_max: u32) -> Result<Vec<DocumentChunk>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<(Option<i32>, String, i32, i32, String)> = document_chunks::table
            .filter(document_chunks::document_id.eq(id.0))
            .filter(document_chunks::chunk_index.ge(signed(first)))
            .order(document_chunks::chunk_index)
            .limit(i64::from(chunks_max))
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
}

async fn claim_in(connection: &mut AsyncPgConnection, model: &str, wanted: &WantedRow) -> Result<Option<VectorClaim>, DbError> {
    let token = Uuid::new_v4();
    let claimed: Option<ClaimedRow> = sql_query(CLAIM)
        .bind::<SqlUuid, _>(wanted.document_id)
        .bind::<Text, _>(model)
        .bind::<SqlUuid, _>(token)
        .bind::<BigInt, _>(milliseconds(CLAIM_LEASE))
        .get_result(connection)
        .await
        .optional()?;
    let Some(claimed) = claimed else { return Ok(None) };
    if claimed.chunks_done == 0 {
        forget_vectors(connection, wanted.document_id).await?;
    }
    Ok(Some(VectorClaim {
        id: DocumentId(wanted.document_id),
        owner_id: UserId(wanted.owner_id),
        project_id: wanted.project_id.map(ProjectId),
        chunks_done: unsigned(claimed.chunks_done),
        failures: unsigned(claimed.failures),
        model: model.to_owned(),
        dimension: claimed.dimension.map(unsigned),
        token,
    }))
}

async fn keep_in(
    connection: &mut AsyncPgConnection,
    claim: &VectorClaim,
    block: VectorBlock,
    dimension: u32,
    done: u32,
) -> Result<VectorsKept, DbError> {
    let size = i64::try_from(block.bytes.len()).unwrap_or(i64::MAX);
    let row: Option<ChunkCountRow> =
        sql_query(GROW).bind::<SqlUuid, _>(claim.id.0).bind::<BigInt, _>(size).get_result(connection).await.optional()?;
    let chunk_count = row.ok_or(StoreError::NotFound)?.chunk_count;
    advance(connection, claim, Some((done, dimension))).await?;
    insert_block(connection, claim.id, block).await?;
    if done < unsigned(chunk_count) {
        return Ok(VectorsKept::More);
    }
    sql_query(COMPLETE)
        .bind::<SqlUuid, _>(claim.id.0)
        .bind::<Text, _>(claim.model.as_str())
        .bind::<Integer, _>(signed(dimension))
        .execute(connection)
        .await?;
    diesel::delete(vector_work::table.find(claim.id.0)).execute(connection).await?;
    Ok(VectorsKept::Complete)
}

/// The claim's work begins from the first chunk again.
async fn start_anew(connection: &mut AsyncPgConnection, claim: &VectorClaim) -> Result<(), DbError> {
    forget_vectors(connection, claim.id.0).await?;
    advance(connection, claim, None).await
}

/// Notes how many chunks have vectors, and of how many numbers; fails when the claim is lost, and the caller rolls back.
async fn advance(connection: &mut AsyncPgConnection, claim: &VectorClaim, done: Option<(u32, u32)>) -> Result<(), DbError> {
    let advanced = sql_query(ADVANCE)
        .bind::<SqlUuid, _>(claim.id.0)
        .bind::<SqlUuid, _>(claim.token)
        .bind::<Integer, _>(done.map_or(0, |(chunks, _)| signed(chunks)))
        .bind::<Nullable<Integer>, _>(done.map(|(_, dimension)| signed(dimension)))
        .bind::<BigInt, _>(milliseconds(CLAIM_LEASE))
        .execute(connection)
        .await?;
    if advanced == 0 { Err(StoreError::LeaseLost.into()) } else { Ok(()) }
}

async fn forget_vectors(connection: &mut AsyncPgConnection, document: Uuid) -> Result<(), DbError> {
    sql_query(FORGET).bind::<SqlUuid, _>(document).execute(connection).await?;
    let vectors = document_vectors::table.filter(document_vectors::document_id.eq(document));
    diesel::delete(vectors).execute(connection).await?;
    Ok(())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
