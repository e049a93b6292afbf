-- Finds the documents that have no vectors of a model, newest first, without reading those that have.
create index documents_embedding_idx on documents (embedding_model, created_at desc) where chunk_count > 0;

-- Documents whose vectors are being made, or could not be made so far: gone when all are there. Those that were made are in
-- document_vectors already.
create table vector_work (
    document_id uuid primary key references documents on delete cascade,
    model text not null,
    -- Numbers of each of the vectors that there are.
    dimension integer,
    -- The first so many chunks have vectors.
    chunks_done integer not null default 0,
    -- Who makes them, and until when nobody else does.
    claim uuid,
    claimed_until timestamptz,
    -- In a row, and until when it is left alone.
    failures integer not null default 0,
    retry_at timestamptz,
    check ((chunks_done = 0) = (dimension is null)),
    check ((claim is null) = (claimed_until is null))
);
