-- A document and its chunks come in one transaction and never change afterwards.
create table documents (
    document_id uuid primary key,
    owner_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete cascade,
    filename text not null check (filename <> ''),
    format text not null check (format in ('pdf', 'docx', 'markdown', 'html', 'text', 'unknown')),
    media_type text not null,
    size_bytes bigint not null,
    -- The file and everything that was made of it.
    stored_bytes bigint not null,
    text_length integer not null,
    page_count integer,
    chunk_count integer not null,
    parse_warning text,
    embedding_model text,
    embedding_dimension integer,
    created_at timestamptz not null default now(),
    check ((embedding_model is null) = (embedding_dimension is null))
);
create index documents_owner_idx on documents (owner_id, created_at desc, document_id);
create index documents_project_idx on documents (project_id, created_at desc, document_id);

create table document_chunks (
    chunk_id uuid primary key,
    document_id uuid not null references documents on delete cascade,
    chunk_index integer not null,
    -- As in `documents`: repeated for the column `search`, which can only be made of its own row.
    owner_id uuid not null,
    project_id uuid,
    page integer,
    heading text not null,
    span_start integer not null,
    span_end integer not null check (span_end > span_start),
    content text not null,
    -- Stems for English prose; words as they are for names and other languages. The last two lexemes say whose it is: they
    -- begin with a space, as no word does, so one question to the index is about one project or one user only, however
    -- much the others have.
    search tsvector not null generated always as (
        setweight(to_tsvector('english', heading), 'B')
        || to_tsvector('english', content)
        || to_tsvector('simple', content)
        || array_to_tsvector(array[' ' || owner_id::text, ' ' || coalesce(project_id::text, '')])
    ) stored
);
create unique index document_chunks_place_idx on document_chunks (document_id, chunk_index);
-- Without the list of pending entries, which every search would read from end to end.
create index document_chunks_search_idx on document_chunks using gin (search) with (fastupdate = off);

-- Vectors of consecutive chunks: little-endian 32-bit floats of unit length. Rows are few and are read whole.
create table document_vectors (
    document_id uuid not null references documents on delete cascade,
    first_chunk integer not null,
    vectors bytea not null,
    primary key (document_id, first_chunk)
);
-- Random bits do not compress: do not try.
alter table document_vectors alter column vectors set storage external;
