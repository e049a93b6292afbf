drop table dataset_splits;
drop table tracking_usage;
drop table registered_aliases;
alter table registered_models drop column version_last;
alter table registered_versions drop column logged_model_id;
alter table registered_versions drop column updated_at;
alter table registered_versions drop column stage;
alter table registered_versions drop constraint registered_versions_owner_id_name_fkey;
alter table registered_versions
add constraint registered_versions_owner_id_name_fkey
foreign key (owner_id, name) references registered_models on delete cascade;
drop table logged_model_artifacts;
drop table logged_models;
drop view all_runs;
drop view training_runs;
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
drop index tracking_runs_name_idx;
drop index tracking_runs_project_idx;
create index tracking_runs_project_idx on tracking_runs (project_id, start_ms desc, run_id);
drop table tracking_entries;
alter table tracking_runs drop column links;
alter table models drop column stored_bytes;
