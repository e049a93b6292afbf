-- The smallest hashes of the values of key-like columns: which columns of different tables belong together.
create table dataset_key_sketches (
    dataset_id uuid not null references datasets on delete cascade,
    -- Among the dataset's key-like columns, from 0.
    place smallint not null,
    column_name text not null,
    distinct_count bigint not null,
    -- Of 8 bytes each, least significant first, ascending.
    hashes bytea not null,
    primary key (dataset_id, place)
);
