-- Control data only: the rows of a dataset live in its Parquet file. `json`, not `jsonb`, where the text is only
-- stored and sent: it keeps key order and numbers as they are and costs no conversion.
create table datasets (
    dataset_id uuid primary key,
    owner_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete cascade,
    filename text not null check (filename <> ''),
    file_type text not null check (file_type in ('csv', 'json', 'xlsx')),
    size_bytes bigint not null,
    stored_bytes bigint not null,
    sql_name text not null,
    physical_name text not null unique,
    version integer not null,
    row_count bigint not null,
    profile json not null,
    sample json not null,
    ingest json not null,
    eda json,
    metadata jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index datasets_sql_name_idx on datasets (project_id, sql_name) where project_id is not null;
create index datasets_owner_idx on datasets (owner_id, created_at, dataset_id);
