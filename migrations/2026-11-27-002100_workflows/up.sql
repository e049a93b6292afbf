create table workflow_runs (
    run_id text primary key check (run_id ~ '^[A-Za-z0-9._:-]{1,200}$'),
    project_id uuid not null references projects on delete cascade,
    thread_id text not null check (thread_id <> ''),
    phase text not null check (phase in ('onboarding', 'preprocessing', 'feature_engineering', 'training')),
    status text not null
        check (status in ('running', 'paused', 'failed_retryable', 'failed_terminal', 'completed', 'interrupted')),
    current_node text not null check (current_node <> ''),
    revision integer not null default 1,
    -- Not references: a run outlives what it worked on, and says so.
    active_dataset_id uuid,
    active_notebook_id uuid,
    pending_input_kind text check (pending_input_kind in ('approval', 'clarification', 'selection', 'edit_review')),
    pause_reason text,
    last_failure_code text,
    last_failure_message text,
    metadata json not null default '{}',
    -- The job of the last turn. What it does to the run is refused when another turn has begun since.
    turn_job_id uuid,
    -- Position of the last event. Raised under the row lock, so positions have no gaps.
    event_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (status <> 'running' or turn_job_id is not null)
);
-- One turn at a time in each phase of a project.
create unique index workflow_runs_running_idx on workflow_runs (project_id, phase) where status = 'running';
create index workflow_runs_project_idx on workflow_runs (project_id, phase, updated_at desc, run_id);

create table workflow_events (
    run_id text not null references workflow_runs on delete cascade,
    sequence bigint not null,
    event_type text not null,
    payload json not null,
    created_at timestamptz not null default now(),
    primary key (run_id, sequence)
);

create table workflow_artifacts (
    artifact_id uuid primary key,
    run_id text not null references workflow_runs on delete cascade,
    artifact_type text not null check (artifact_type in ('ui', 'plan', 'summary')),
    label text check (label <> ''),
    payload json not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index workflow_artifacts_run_idx on workflow_artifacts (run_id, created_at, artifact_id);

create table workflow_approvals (
    approval_id uuid primary key,
    run_id text not null references workflow_runs on delete cascade,
    approval_type text not null,
    status text not null check (status in ('pending', 'approved', 'rejected')),
    -- SHA-256 of what is approved: tool, arguments, code and the dataset's version. What was edited since is something else.
    subject_hash text not null,
    requested_at timestamptz not null default now(),
    resolved_at timestamptz,
    -- Who decided. Not a reference: the record outlives the account.
    resolved_by uuid,
    payload json not null,
    check ((status = 'pending') = (resolved_at is null)),
    check ((resolved_at is null) = (resolved_by is null))
);
create index workflow_approvals_run_idx on workflow_approvals (run_id, requested_at, approval_id);
-- A thing is asked for once at a time.
create unique index workflow_approvals_pending_idx on workflow_approvals (run_id, subject_hash) where status = 'pending';
