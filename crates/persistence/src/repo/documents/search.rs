//! Finding chunks by words, and reading what search needs of them.
//!
//! PostgreSQL's own ranking does not know how rare a word is. Here a word counts the more the fewer chunks of the same
//! project (or user) have it, and words that very many have do not bring candidates, only order them.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Double, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, ChunkId, DocumentId, ProjectId,
    documents::{ChunkPlace, CitedChunk, DocumentChunk, DocumentIndex, EmbeddedDocument, LexicalHit, TextSpan, VectorBlock},
    ports::StoreError,
};
use uuid::Uuid;

use super::{Documents, signed, unsigned};
use crate::{
    database::DbError,
    repo::{ownership::own_project, statement::Statement},
    schema::{document_vectors, documents},
};

/// Words of a query that are looked for; the longest ones, which tend to be the rarest.
const WORDS_MAX: usize = 16;

#[derive(QueryableByName)]
struct QueryWords {
    #[diesel(sql_type = Array<Text>)]
    stems: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    words: Vec<String>,
    #[diesel(sql_type = Text)]
    strict: String,
}

#[derive(QueryableByName)]
struct HitRow {
    #[diesel(sql_type = SqlUuid)]
    document_id: Uuid,
    #[diesel(sql_type = Integer)]
    chunk_index: i32,
    #[diesel(sql_type = Double)]
    score: f64,
}

#[derive(QueryableByName)]
struct CitedRow {
    #[diesel(sql_type = SqlUuid)]
    chunk_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    document_id: Uuid,
    #[diesel(sql_type = Integer)]
    chunk_index: i32,
    #[diesel(sql_type = Text)]
    filename: String,
    #[diesel(sql_type = Nullable<Integer>)]
    page: Option<i32>,
    #[diesel(sql_type = Text)]
    heading: String,
    #[diesel(sql_type = Integer)]
    span_start: i32,
    #[diesel(sql_type = Integer)]
    span_end: i32,
    #[diesel(sql_type = Text)]
    content: String,
}

/// How a query is read: as web search engines do, by stems and by words as they are.
///
/// And how [`FIND`] is planned, until the transaction ends. How many chunks have a word is not known to the planner: for a
/// frequent one it would read all tenants' rows. The plan that it keeps is as good as one that is made for the values, and to
/// make one takes longer than to find a rare word.
const READ: &str = "select tsvector_to_array(to_tsvector('english', $1)) as stems,
    tsvector_to_array(to_tsvector('simple', $1)) as words,
    -- One of two that are the same: each chunk is compared with all that is here.
    (case when stemmed.query = plain.query then stemmed.query else stemmed.query || plain.query end)::text as strict,
    set_config('enable_seqscan', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)
    from websearch_to_tsquery('english', $1) as stemmed (query), websearch_to_tsquery('simple', $1) as plain (query)";

/// `$1` what every result must have to be sure of a place, `$2` single words, `$3` whose chunks, `$4` the owner, `$5` the
/// project if one is named, `$6` how many, `$7` whether `$1` asks for the same as the only word of `$2`. A word that more than
/// 1000 chunks have brings no candidates unless all are such; the best 200 candidates are scored exactly.
///
/// Its plan is kept and must hold for tables of any size, also those that were empty when it was made. So chunks and documents
/// are looked up one by one (`offset 0` keeps a subquery as it is), and what the values are made into is made once (a
/// subquery that depends on nothing).
const FIND: &str = "with
    size as (
        select greatest(coalesce(case when $5 is null
            then (select sum(chunk_count) from documents where owner_id = $4)
            else (select sum(chunk_count) from documents where owner_id = $4 and project_id = $5)
        end, 0), 1)::float8 as chunks
    ),
    strict as materialized (
        select chunk_id from document_chunks
        -- Of nothing and something, `&&` makes something.
        where not $7 and numnode($1::tsquery) > 0 and search @@ (select $1::tsquery && $3::tsquery) limit 1000
    ),
    word as materialized (
        select place, text::tsquery as query, text::tsquery && $3::tsquery as mine
        from unnest($2::text[]) with ordinality as one (text, place)
    ),
    hit as materialized (
        select word.place, found.chunk_id from word cross join lateral (
            select chunk_id from document_chunks where search @@ word.mine limit 1001
        ) found
    ),
    counted as (select place, count(*) as hits from hit group by place),
    weight as materialized (
        select place, word.query, coalesce(counted.hits, 0) as hits,
            ln(1 + size.chunks / greatest(counted.hits, 1)) as weight
        from word left join counted using (place) cross join size
        -- Sums of floats depend on their order.
        order by place
    ),
    sure as (
        select chunk_id from strict
        union all
        (select chunk_id from hit where $7 limit 1000)
    ),
    candidate as (
        select chunk_id, sum(weight) as score from (
            select chunk_id, coalesce((select sum(weight) from weight), 1) as weight from sure
            union all
            select hit.chunk_id, weight.weight from hit join weight using (place)
            where weight.hits <= 1000 or not exists (select from weight where hits between 1 and 1000)
        ) one
        group by chunk_id order by score desc, chunk_id limit 200
    )
    select chunk.document_id, chunk.chunk_index, (
            coalesce((select sum(weight.weight) from weight where chunk.search @@ weight.query), 0)
            + ts_rank_cd(chunk.search, (select $1::tsquery), 32)
            + coalesce((select sum(weight.weight * ts_rank(chunk.search, weight.query, 32)) from weight), 0)
        )::float8 as score
    from candidate
    cross join lateral (
        select document_id, chunk_index, search from document_chunks where chunk_id = candidate.chunk_id offset 0
    ) chunk
    cross join lateral (
        select owner_id, project_id, created_at from documents where document_id = chunk.document_id offset 0
    ) document
    where document.owner_id = $4 and ($5 is null or document.project_id = $5)
    order by score desc, document.created_at desc, chunk.document_id, chunk.chunk_index
    limit $6";

const CITE: &str = "select chunk_id, document_id, chunk_index, filename, page, heading, span_start, span_end, content
    from unnest($2::uuid[], $3::integer[]) as wanted (document_id, chunk_index)
    join document_chunks using (document_id, chunk_index) join documents using (document_id)
    where documents.owner_id = $1";

#[async_trait]
impl DocumentIndex for Documents {
    async fn find_by_words(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<LexicalHit>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = connection
            .transaction(async |connection| {
                if let Some(project) = project {
                    own_project(connection, caller.user_id, project).await?;
                }
                let read: QueryWords = Statement::new(READ).bind::<Text, _>(query).get_result(connection).await?;
                if read.words.is_empty() {
                    return Ok(Vec::new());
                }
                let words = single_words(query, &read);
                let rows: Vec<HitRow> = find(caller, project, &read, &words, limit).load(connection).await?;
                Ok::<Vec<HitRow>, DbError>(rows)
            })
            .await?;
        let hit = |row: HitRow| LexicalHit { place: place(row.document_id, row.chunk_index), score: row.score };
        Ok(rows.into_iter().map(hit).collect())
    }

    async fn embedded(
        &self,
        caller: &Caller,
        project: Option<ProjectId>,
        model: &str,
    ) -> Result<Vec<EmbeddedDocument>, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut query = documents::table
            .filter(documents::owner_id.eq(caller.user_id.0))
            .filter(documents::embedding_model.eq(model))
            .order((documents::created_at.desc(), documents::document_id))
            .select((documents::document_id, documents::chunk_count, documents::embedding_dimension))
            .into_boxed();
        if let Some(project) = project {
            own_project(&mut connection, caller.user_id, project).await?;
            query = query.filter(documents::project_id.eq(project.0));
        }
        let rows: Vec<(Uuid, i32, Option<i32>)> = query.load(&mut connection).await.map_err(DbError::from)?;
        let document = |(id, count, dimension): (Uuid, i32, Option<i32>)| EmbeddedDocument {
            id: DocumentId(id),
            chunk_count: unsigned(count),
            dimension: dimension.map_or(0, unsigned),
        };
        Ok(rows.into_iter().map(document).collect())
    }

    async fn vectors(
        &self,
        caller: &Caller,
        documents: &[DocumentId],
        model: &str,
    ) -> Result<Vec<(DocumentId, VectorBlock)>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<(Uuid, i32, Vec<u8>)> = document_vectors::table
            .inner_join(documents::table.on(documents::document_id.eq(document_vectors::document_id)))
            .filter(documents::document_id.eq_any(documents.iter().map(|id| id.0).collect::<Vec<_>>()))
            .filter(documents::owner_id.eq(caller.user_id.0))
            .filter(documents::embedding_model.eq(model))
            .order((document_vectors::document_id, document_vectors::first_chunk))
            .select((document_vectors::document_id, document_vectors::first_chunk, document_vectors::vectors))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let block =
            |(id, first, bytes): (Uuid, i32, Vec<u8>)| (DocumentId(id), VectorBlock { first_chunk: unsigned(first), bytes });
        Ok(rows.into_iter().map(block).collect())
    }

    async fn cite(&self, caller: &Caller, places: &[ChunkPlace]) -> Result<Vec<CitedChunk>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<CitedRow> = sql_query(CITE)
            .bind::<SqlUuid, _>(caller.user_id.0)
            .bind::<Array<SqlUuid>, _>(places.iter().map(|place| place.document_id.0).collect::<Vec<_>>())
            .bind::<Array<Integer>, _>(places.iter().map(|place| signed(place.index)).collect::<Vec<_>>())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(CitedChunk::from).collect())
    }
}

impl From<CitedRow> for CitedChunk {
    fn from(row: CitedRow) -> Self {
        Self {
            id: ChunkId(row.chunk_id),
            place: place(row.document_id, row.chunk_index),
            filename: row.filename,
            chunk: DocumentChunk {
                page: row.page.map(unsigned),
                heading: row.heading,
                span: TextSpan { start: unsigned(row.span_start), end: unsigned(row.span_end) },
                text: row.content,
            },
        }
    }
}

/// [`FIND`] with its values.
fn find<'a>(caller: &Caller, project: Option<ProjectId>, read: &'a QueryWords, words: &'a [String], limit: u32) -> Statement<'a> {
    let whose = project.map_or(caller.user_id.0, |project| project.0);
    Statement::new(FIND)
        .bind::<Text, _>(read.strict.as_str())
        .bind::<Array<Text>, _>(words)
        .bind::<Text, _>(quoted(&format!(" {whose}")))
        .bind::<SqlUuid, _>(caller.user_id.0)
        .bind::<Nullable<SqlUuid>, _>(project.map(|project| project.0))
        .bind::<Integer, _>(signed(limit))
        .bind::<Bool, _>(is_one_word(read, words))
}

/// Whether a query as a whole finds what its only word finds: it is that word, or that word or another that has it as its stem,
/// for whatever has that one has the stem as well.
fn is_one_word(read: &QueryWords, words: &[String]) -> bool {
    let [word] = words else { return false };
    if read.strict == *word {
        return true;
    }
    match (read.stems.as_slice(), read.words.as_slice()) {
        ([stem], [plain]) => read.strict == format!("{} | {}", quoted(stem), quoted(plain)),
        _ => false,
    }
}

/// The words of a query that are looked for one by one, so that a chunk without all of them is found too. None when the
/// query says how its words belong together.
fn single_words(query: &str, read: &QueryWords) -> Vec<String> {
    let has_operators = query.contains('"')
        || query.split_whitespace().any(|word| (word.len() > 1 && word.starts_with('-')) || word.eq_ignore_ascii_case("or"));
    if has_operators {
        return Vec::new();
    }
    // Stop words are no stems; a query of nothing else is about them.
    let mut words = if read.stems.is_empty() { read.words.clone() } else { read.stems.clone() };
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(WORDS_MAX);
    words.iter().map(|word| quoted(word)).collect()
}

/// A lexeme as `tsquery` reads it, whatever characters it has.
fn quoted(lexeme: &str) -> String {
    format!("'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"))
}

fn place(document: Uuid, index: i32) -> ChunkPlace {
    ChunkPlace { document_id: DocumentId(document), index: unsigned(index) }
}
