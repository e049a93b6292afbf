-- The code of a program could see every row: what it made is no match for what was scored on sealed labels.
update tracking_runs set tags = tags || '{"gristmill.holdout": "unsealed", "gristmill.unscored": "true"}';
update registered_versions set tags = tags || '{"gristmill.holdout": "unsealed", "gristmill.unscored": "true"}';

-- What runs are searched and sorted by, one row a metric, parameter or tag of a run: an index answers without reading the
-- runs. A metric has its latest value; NaN is no value. Of a text these are the first characters.
create table tracking_entries (
    run_id uuid not null references tracking_runs on delete cascade,
    kind text not null check (kind in ('metric', 'param', 'tag')),
    entry_key text not null,
    -- As the run has them.
    project_id uuid not null,
    start_ms bigint not null,
    is_deleted boolean not null,
    number double precision,
    words text,
    -- Whether `words` is all of it.
    is_whole boolean not null,
    primary key (run_id, kind, entry_key)
);
insert into tracking_entries (run_id, kind, entry_key, project_id, start_ms, is_deleted, number, is_whole)
select run_id, 'metric', key, project_id, start_ms, is_deleted, nullif((value ->> 'value')::double precision, 'NaN'), true
from tracking_runs, jsonb_each(metrics);
insert into tracking_entries (run_id, kind, entry_key, project_id, start_ms, is_deleted, words, is_whole)
select run_id, 'param', key, project_id, start_ms, is_deleted, left(value, 200), char_length(value) <= 200
from tracking_runs, jsonb_each_text(params)
union all
select run_id, 'tag', key, project_id, start_ms, is_deleted, left(value, 200), char_length(value) <= 200
from tracking_runs, jsonb_each_text(tags);
create index tracking_entries_number_idx on tracking_entries (project_id, entry_key, number, start_ms, run_id)
include (is_deleted) where kind = 'metric';
create index tracking_entries_words_idx on tracking_entries (project_id, kind, entry_key, words, start_ms, run_id)
include (is_whole, is_deleted) where kind <> 'metric';

-- The new one answers what every run has from the index alone.
drop index tracking_runs_project_idx;
create index tracking_runs_project_idx on tracking_runs (project_id, start_ms desc, run_id)
include (name, user_name, status, is_deleted, end_ms);
create index tracking_runs_name_idx on tracking_runs (project_id, name, start_ms desc, run_id) include (is_deleted);

-- What a run says to have used and made: {datasets, modelInputs, modelOutputs}.
alter table tracking_runs add column links jsonb not null default '{}';

-- The two halves of `all_runs` are searched in two ways.
drop view all_runs;
create view training_runs as
select
    model_id as run_id, project_id, name, 'gristmill' as user_name,
    case status when 'completed' then 'FINISHED' else 'FAILED' end as status,
    false as is_deleted,
    (extract(epoch from created_at) * 1000)::bigint - coalesce(training_ms, 0) as start_ms,
    (extract(epoch from created_at) * 1000)::bigint as end_ms,
    coalesce((select jsonb_object_agg(key, jsonb_build_object('value', value::text::double precision, 'step', 0, 'timestamp',
        (extract(epoch from models.created_at) * 1000)::bigint)) from json_each(models.metrics)), '{}') as metrics,
    coalesce((select jsonb_object_agg(key, value) from json_each_text(models.parameters)), '{}') as params,
    jsonb_build_object('gristmill.modelId', model_id::text, 'gristmill.templateId', template_id, 'gristmill.algorithm', algorithm,
        'gristmill.taskType', task_type, 'gristmill.version', version::text)
        || case when metadata ->> 'holdout' is null then '{}'
            else jsonb_build_object('gristmill.holdout', metadata ->> 'holdout') end as tags,
    '{}'::jsonb as links
from models;
create view all_runs as
select run_id, project_id, name, user_name, status, is_deleted, start_ms, end_ms, metrics, params, tags, links from tracking_runs
union all
select * from training_runs;

create table logged_models (
    logged_model_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    name text not null,
    model_type text,
    -- No reference: a model outlives its run.
    source_run_id uuid,
    status text not null check (status in ('LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED')),
    params jsonb not null default '{}',
    tags jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index logged_models_project_idx on logged_models (project_id, created_at desc, logged_model_id);

create table logged_model_artifacts (
    logged_model_id uuid not null references logged_models on delete cascade,
    artifact_path text not null,
    file_name text not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    primary key (logged_model_id, artifact_path)
);

-- A name can change, with its versions.
alter table registered_versions drop constraint registered_versions_owner_id_name_fkey;
alter table registered_versions
add constraint registered_versions_owner_id_name_fkey
foreign key (owner_id, name) references registered_models on update cascade on delete cascade;
alter table registered_versions add column stage text not null default 'None'
check (stage in ('None', 'Staging', 'Production', 'Archived'));
alter table registered_versions add column updated_at timestamptz not null default now();
alter table registered_versions add column logged_model_id text;
-- A number is never used twice.
alter table registered_models add column version_last integer not null default 0;
update registered_models set version_last = coalesce((
    select max(version) from registered_versions
    where registered_versions.owner_id = registered_models.owner_id and registered_versions.name = registered_models.name), 0);

create table registered_aliases (
    owner_id uuid not null,
    name text not null,
    alias text not null,
    version integer not null,
    primary key (owner_id, name, alias),
    foreign key (owner_id, name, version) references registered_versions on update cascade on delete cascade
);

-- Bytes of the files of a project's runs and logged models: they are too many to be added up each time.
create table tracking_usage (
    project_id uuid primary key references projects on delete cascade,
    size_bytes bigint not null
);
insert into tracking_usage
select project_id, sum(size_bytes) from tracking_artifacts join tracking_runs using (run_id) group by project_id;

-- Bytes of a model's files, its evaluation's among them.
alter table models add column stored_bytes bigint not null default 0;
update models set stored_bytes = (select coalesce(sum((value ->> 'size')::bigint), 0) from json_array_elements(artifacts));

-- How the rows of a dataset are divided for a target ('' for none): declared once, by the first training, until it is
-- declared again.
create table dataset_splits (
    dataset_id uuid not null references datasets on delete cascade,
    target text not null,
    split json not null,
    declared_at timestamptz not null default now(),
    declared_by uuid references users on delete set null,
    primary key (dataset_id, target)
);
create index dataset_splits_user_idx on dataset_splits (declared_by);
