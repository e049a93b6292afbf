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
    attempts_max integer not null check (attempts_max >= 1),
    cancel_requested boolean not null default false,
    idempotency_key text,
    -- Who runs it, until when, and for the how manieth time it was claimed. Writes carry the epoch: a worker that
    -- was taken for dead writes nothing more.
    lease_worker text,
    lease_epoch bigint not null default 0,
    lease_expires_at timestamptz,
    run_after timestamptz not null default now(),
    -- Position of the last event in job_events. Raised under the row lock, so positions have no gaps.
    event_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    check (attempt between 0 and attempts_max),
    check ((state = 'running') = (lease_expires_at is not null)),
    check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
    check (state <> 'queued' or not cancel_requested)
)
-- Room on each page: heartbeats and appends change no indexed column, so they rewrite the row in place.
with (fillfactor = 80);
-- Claiming goes from owner to owner through this index and reads one job of each.
create index jobs_queued_idx on jobs (kind, owner_id, run_after) where state = 'queued';
-- As many entries as jobs are running. Counts an owner's, and finds expired leases by reading all of it: an index on
-- lease_expires_at would be rewritten by every heartbeat.
create index jobs_running_idx on jobs (owner_id) where state = 'running';
create index jobs_owner_idx on jobs (owner_id, created_at desc, job_id desc);
create index jobs_project_idx on jobs (project_id, created_at desc, job_id desc);
create index jobs_finished_idx on jobs (finished_at, job_id) where finished_at is not null;
create unique index jobs_idempotency_idx on jobs (owner_id, kind, idempotency_key) where idempotency_key is not null;

create table job_events (
    job_id uuid not null references jobs on delete cascade,
    seq bigint not null,
    at timestamptz not null default now(),
    event_type text not null,
    data json not null,
    primary key (job_id, seq)
);
