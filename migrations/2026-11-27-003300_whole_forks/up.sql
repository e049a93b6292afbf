-- A fork of an agent's run has a preprocessing run of its own, with the steps and checkpoints of the one that it was made of.
alter table preprocessing_steps drop constraint preprocessing_steps_pkey, add primary key (run_id, step_id);
alter table preprocessing_checkpoints drop constraint preprocessing_checkpoints_pkey, add primary key (run_id, checkpoint_id);
-- Forks after earlier events of the agent's run are refused: what there was then was not kept.
alter table preprocessing_runs add column states_since bigint not null default 0;

-- What a preprocessing run had while an agent's run worked on it, as rows of preprocessing_runs: a fork begins with that.
create table preprocessing_states (
    run_id uuid not null references preprocessing_runs on delete cascade,
    -- The last event of the agent's run when it became so: a fork after that one does not have it yet.
    workflow_sequence bigint not null,
    state json not null,
    primary key (run_id, workflow_sequence)
);
-- The same of its steps, as rows of preprocessing_steps, where they changed.
create table preprocessing_step_states (
    run_id uuid not null references preprocessing_runs on delete cascade,
    step_id uuid not null,
    workflow_sequence bigint not null,
    state json not null,
    primary key (run_id, step_id, workflow_sequence)
);
update preprocessing_runs set states_since = workflow_runs.event_seq
    from workflow_runs
    where workflow_runs.run_id = preprocessing_runs.workflow_run_id and workflow_runs.project_id = preprocessing_runs.project_id;
insert into preprocessing_states (run_id, workflow_sequence, state)
    select run.run_id, greatest(run.states_since - 1, 0), to_json(run)
    from preprocessing_runs run where run.workflow_run_id is not null;
insert into preprocessing_step_states (run_id, step_id, workflow_sequence, state)
    select step.run_id, step.step_id, greatest(run.states_since - 1, 0), to_json(step)
    from preprocessing_steps step join preprocessing_runs run on run.run_id = step.run_id
    where run.workflow_run_id is not null;

-- The fork that alone works on it. Null: whoever works in its notebook does.
alter table feature_runs add column workflow_run_id text;
create unique index feature_runs_workflow_idx on feature_runs (project_id, workflow_run_id) where workflow_run_id is not null;
-- What the features of runs were, since when.
create table feature_states (
    run_id uuid not null references feature_runs on delete cascade,
    feature_id text not null,
    changed_at timestamptz not null,
    -- From 0, in the order of the proposals.
    place integer not null,
    state json not null,
    primary key (run_id, feature_id, changed_at)
);
insert into feature_states (run_id, feature_id, changed_at, place, state)
    select run.run_id, feature.state ->> 'featureId', (feature.state ->> 'updatedAt')::timestamptz, feature.place - 1, feature.state
    from feature_runs run cross join lateral json_array_elements(run.features) with ordinality as feature (state, place);
