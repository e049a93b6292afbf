create table jobs (
    job_id uuid primary key,
    kind text not null,
    owner_id uuid not null references users on delete cascade,
    project_id uuid references projects on delete cascade,
    state text not null check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    payload json not null,
    result json,
    error json,
    progress json not null default '{}',
    attempt integer not null default 0,
    attempts_max integer not null,
    cancel_requested boolean not null default false,
    idempotency_key text,
    -- Who runs it, until when, and for the how manieth time it was claimed. Writes carry the epoch: a worker that
    -- was taken for dead writes nothing more.
    lease_worker text,
    lease_epoch bigint not null default 0,
    lease_expires_at timestamptz,
    run_after timestamptz not null default now(),
    event_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    check ((state = 'running') = (lease_expires_at is not null)),
    check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null))
);
create index jobs_queued_idx on jobs (run_after, created_at) where state = 'queued';
create index jobs_leased_idx on jobs (lease_expires_at) where state = 'running';
create index jobs_owner_idx on jobs (owner_id, created_at desc, job_id desc);
create index jobs_project_idx on jobs (project_id, created_at desc, job_id desc);
create unique index jobs_idempotency_idx on jobs (owner_id, kind, idempotency_key) where idempotency_key is not null;

create table job_events (
    job_id uuid not null references jobs on delete cascade,
    seq bigint not null,
    at timestamptz not null default now(),
    event_type text not null,
    data json not null,
    primary key (job_id, seq)
);
