-- Calls of agents that deleted a cell: one that is repeated after a crash finds here what it did, when the cell cannot tell.
create table cell_deletions (
    project_id uuid not null references projects on delete cascade,
    call_key text not null,
    cell_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (project_id, call_key)
);
