create table tracking_runs (
    run_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    name text not null,
    user_name text not null,
    status text not null check (status in ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
    is_deleted boolean not null default false,
    -- Milliseconds since 1970, as programs send them.
    start_ms bigint not null,
    end_ms bigint,
    -- The latest point of each metric: {key: {value, timestamp, step}}. The history is in tracking_metrics.
    metrics jsonb not null default '{}',
    params jsonb not null default '{}',
    tags jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index tracking_runs_project_idx on tracking_runs (project_id, start_ms desc, run_id);

create table tracking_metrics (
    run_id uuid not null references tracking_runs on delete cascade,
    metric_key text not null,
    point_id bigint generated always as identity,
    point_value double precision not null,
    timestamp_ms bigint not null,
    step bigint not null,
    primary key (run_id, metric_key, point_id)
);

create table tracking_artifacts (
    run_id uuid not null references tracking_runs on delete cascade,
    -- What the program called it, with its directories.
    artifact_path text not null,
    -- What the server called it.
    file_name text not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    primary key (run_id, artifact_path)
);

create table registered_models (
    owner_id uuid not null references users on delete cascade,
    name text not null check (name <> ''),
    description text not null default '',
    tags jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (owner_id, name)
);

create table registered_versions (
    owner_id uuid not null,
    name text not null,
    version integer not null,
    run_id text,
    source text not null,
    description text not null default '',
    tags jsonb not null default '{}',
    created_at timestamptz not null default now(),
    primary key (owner_id, name, version),
    foreign key (owner_id, name) references registered_models on delete cascade
);

-- Runs of programs and the server's own trainings, side by side.
create view all_runs as
select run_id, project_id, name, user_name, status, is_deleted, start_ms, end_ms, metrics, params, tags
from tracking_runs
union all
select
    model_id, project_id, name, 'gristmill',
    case status when 'completed' then 'FINISHED' else 'FAILED' end,
    false,
    (extract(epoch from created_at) * 1000)::bigint - coalesce(training_ms, 0),
    (extract(epoch from created_at) * 1000)::bigint,
    coalesce((select jsonb_object_agg(key, jsonb_build_object('value', value::text::double precision, 'step', 0, 'timestamp',
        (extract(epoch from models.created_at) * 1000)::bigint)) from json_each(models.metrics)), '{}'),
    coalesce((select jsonb_object_agg(key, value) from json_each_text(models.parameters)), '{}'),
    jsonb_build_object('gristmill.modelId', model_id::text, 'gristmill.templateId', template_id, 'gristmill.algorithm', algorithm,
        'gristmill.taskType', task_type, 'gristmill.version', version::text)
from models;
