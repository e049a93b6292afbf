create table preprocessing_runs (
    run_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    -- The agent's run that it belongs to, by the id that the client chose. No reference: either may go first.
    workflow_run_id text,
    -- No references to datasets: a run remembers what it worked on when that is deleted.
    active_dataset_id uuid,
    seen_dataset_id uuid,
    derived_dataset_ids json not null default '[]',
    -- Number of the last entry in preprocessing_events. Raised under the row's lock, which every writer of the run takes.
    event_sequence bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index preprocessing_runs_project_idx on preprocessing_runs (project_id, updated_at desc, run_id desc);
create unique index preprocessing_runs_workflow_idx on preprocessing_runs (project_id, workflow_run_id)
    where workflow_run_id is not null;

create table preprocessing_steps (
    step_id uuid primary key,
    run_id uuid not null references preprocessing_runs on delete cascade,
    -- From 0, in the order of the proposals.
    place integer not null check (place >= 0),
    title text not null check (title <> ''),
    rationale text,
    intent_type text not null check (intent_type <> ''),
    status text not null check (status in ('pending', 'running', 'awaiting_approval', 'applied', 'failed', 'diverged')),
    approval text check (approval in ('pending', 'approved', 'rejected')),
    decision_reason text,
    tool_call_id text,
    linked_from uuid,
    code text,
    code_hash text,
    version integer not null check (version >= 0),
    cell_ids json not null default '[]',
    asks_approval boolean not null,
    requires_approval boolean not null,
    validation json,
    executed boolean not null,
    validated boolean not null,
    input json,
    before_divergence text check (before_divergence in ('pending', 'running', 'awaiting_approval', 'applied', 'failed')),
    output json,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (run_id, place),
    -- The lifecycle in the last instance: nothing is applied that did not run, was not measured or lacks its approval.
    check (status <> 'applied' or (executed and validated and (not requires_approval or coalesce(approval, '') = 'approved')))
);

create table preprocessing_checkpoints (
    checkpoint_id uuid primary key,
    run_id uuid not null references preprocessing_runs on delete cascade,
    -- From 0, in the order in which they were made.
    place integer not null check (place >= 0),
    label text not null,
    dataset_id uuid not null,
    dataset_version integer not null,
    step_ids json not null default '[]',
    -- The last event that belongs to it.
    replay_until bigint not null,
    created_at timestamptz not null default now(),
    unique (run_id, place)
);

create table preprocessing_events (
    run_id uuid not null references preprocessing_runs on delete cascade,
    sequence bigint not null,
    event_id uuid not null,
    event_type text not null,
    step_id uuid,
    checkpoint_id uuid,
    dataset_id uuid,
    payload json,
    created_at timestamptz not null default now(),
    primary key (run_id, sequence)
);

-- What calls that changed a run have answered: the same call again changes nothing and gets the same answer.
create table preprocessing_calls (
    run_id uuid not null references preprocessing_runs on delete cascade,
    call_key text not null,
    output json not null,
    error text,
    created_at timestamptz not null default now(),
    primary key (run_id, call_key)
);
