create table notebooks (
    notebook_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    name text not null check (name <> ''),
    kind text not null check (kind in ('phase', 'standalone')),
    metadata jsonb not null,
    -- Runs of all its cells together.
    execution_order integer not null default 0,
    -- Number of the last entry in notebook_events. Raised under the row's lock, which every writer of the notebook
    -- takes first: numbers have no gaps and become visible in their order.
    event_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index notebooks_project_idx on notebooks (project_id, created_at, notebook_id);

create table cells (
    cell_id uuid primary key,
    notebook_id uuid not null references notebooks on delete cascade,
    cell_type text not null check (cell_type in ('code', 'markdown')),
    title text,
    content text not null,
    position integer not null check (position >= 0),
    metadata jsonb not null,
    execution_count integer not null default 0,
    execution_order integer,
    execution_status text not null default 'idle' check (execution_status in ('idle', 'running', 'success', 'error')),
    execution_duration_ms bigint,
    executed_at timestamptz,
    is_dirty boolean not null default false,
    output json not null,
    output_refs json not null,
    locked_by text check (locked_by in ('ai', 'user')),
    locked_at timestamptz,
    -- The right to write for a run. A lock whose time is over counts as free, also before anybody clears it.
    lock_token uuid,
    lock_expires_at timestamptz,
    -- Asks the server that runs the cell, which may be another one, to stop it.
    interrupt_requested boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Checked at commit, so that cells can change places in between.
    constraint cells_position unique (notebook_id, position) deferrable initially deferred,
    check ((locked_by is null) = (locked_at is null)),
    check ((locked_by is null) = (lock_expires_at is null))
);
-- As many entries as cells run: the janitor looks for runs whose server died.
create index cells_running_idx on cells (lock_expires_at) where execution_status = 'running';

create table cell_outputs (
    output_id uuid primary key,
    notebook_id uuid not null references notebooks on delete cascade,
    -- No reference: savepoints keep the outputs of cells that are gone.
    cell_id uuid not null,
    file_name text not null,
    mime_type text not null,
    byte_size bigint not null,
    created_at timestamptz not null default now()
);
create index cell_outputs_notebook_idx on cell_outputs (notebook_id);
create unique index cell_outputs_file_idx on cell_outputs (cell_id, file_name);

create table savepoints (
    savepoint_id uuid primary key,
    notebook_id uuid not null references notebooks on delete cascade,
    turn_index integer not null check (turn_index >= 0),
    turn_message_id text not null,
    cells_snapshot json not null,
    created_at timestamptz not null default now()
);
create index savepoints_notebook_idx on savepoints (notebook_id, turn_index, created_at);

create table notebook_events (
    notebook_id uuid not null references notebooks on delete cascade,
    seq bigint not null,
    payload json not null,
    created_at timestamptz not null default now(),
    primary key (notebook_id, seq)
);
create index notebook_events_age_idx on notebook_events (created_at);

create table execution_sessions (
    session_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    python_version text not null,
    -- Made by a run that named no session, and used by the next such run.
    is_implicit boolean not null default false,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now()
);
create index execution_sessions_project_idx on execution_sessions (project_id, created_at);
create index execution_sessions_used_idx on execution_sessions (last_used_at);
create unique index execution_sessions_implicit_idx on execution_sessions (project_id, python_version) where is_implicit;
