-- Runs of feature engineering. `json`, not `jsonb`: what is only stored and sent keeps its order.
create table feature_runs (
    run_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    -- The notebook that it works in; it may be gone.
    scope_notebook_id uuid,
    -- Its features with how far they have come, oldest first.
    features json not null,
    checkpoint_id text,
    checkpoint_label text,
    checkpoint_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index feature_runs_project_idx on feature_runs (project_id, updated_at desc, run_id desc);

-- Tool calls that changed a run: one that is repeated after a crash finds what it did.
create table feature_run_calls (
    project_id uuid not null references projects on delete cascade,
    call_key text not null,
    run_id uuid not null references feature_runs on delete cascade,
    created_at timestamptz not null default now(),
    primary key (project_id, call_key)
);
create index feature_run_calls_run_idx on feature_run_calls (run_id);

-- How a dataset was made from another. What its features have learned is in a file beside its columns.
create table dataset_features (
    dataset_id uuid primary key references datasets on delete cascade,
    -- It may be gone.
    source_id uuid not null,
    source_version integer not null,
    -- What came of each feature.
    features json not null,
    warning text,
    created_at timestamptz not null default now()
);
