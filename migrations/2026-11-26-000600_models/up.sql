create table models (
    model_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    -- No reference: a model outlives the dataset that it was made from.
    dataset_id uuid not null,
    name text not null check (name <> ''),
    -- What the training was asked for: enough to repeat it.
    plan json not null,
    task_type text not null check (task_type in ('classification', 'regression', 'clustering')),
    template_id text not null,
    library text not null,
    algorithm text not null,
    parameters json not null,
    metrics json not null,
    status text not null check (status in ('completed', 'failed')),
    version integer not null,
    training_ms bigint,
    feature_columns json not null,
    sample_count bigint,
    artifacts json not null,
    storage text not null,
    error text,
    metadata json not null,
    feature_types json not null,
    sample_request json not null,
    evaluation_status text check (evaluation_status in ('pending', 'computing', 'ready', 'failed')),
    evaluation_computed_at timestamptz,
    evaluation_error text,
    evaluation_storage text,
    evaluation_job_id uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index models_version_idx on models (project_id, version);
create index models_project_idx on models (project_id, created_at desc, model_id desc);
create index models_dataset_idx on models (dataset_id);

create table tuning_studies (
    study_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    source_model_id uuid not null references models on delete cascade,
    job_id uuid not null,
    status text not null check (status in ('pending', 'running', 'completed', 'failed')),
    n_trials integer not null,
    metric text not null,
    best_trial_number integer,
    best_value double precision,
    best_params json,
    result_model_id uuid references models on delete set null,
    error_message text,
    created_at timestamptz not null default now(),
    completed_at timestamptz
);
create index tuning_studies_project_idx on tuning_studies (project_id, created_at desc);
create index tuning_studies_source_idx on tuning_studies (source_model_id);
create index tuning_studies_result_idx on tuning_studies (result_model_id);
