drop table feature_states;
delete from feature_runs where workflow_run_id is not null;
alter table feature_runs drop column workflow_run_id;
drop table preprocessing_step_states;
drop table preprocessing_states;
alter table preprocessing_runs drop column states_since;
-- Of runs that share steps or checkpoints, the oldest keeps them: the others are forks.
delete from preprocessing_runs fork
    using preprocessing_runs origin
    where origin.project_id = fork.project_id and (origin.created_at, origin.run_id) < (fork.created_at, fork.run_id)
        and (exists (
            select from preprocessing_steps mine join preprocessing_steps other using (step_id)
            where mine.run_id = fork.run_id and other.run_id = origin.run_id
        ) or exists (
            select from preprocessing_checkpoints mine join preprocessing_checkpoints other using (checkpoint_id)
            where mine.run_id = fork.run_id and other.run_id = origin.run_id
        ));
alter table preprocessing_checkpoints drop constraint preprocessing_checkpoints_pkey, add primary key (checkpoint_id);
alter table preprocessing_steps drop constraint preprocessing_steps_pkey, add primary key (step_id);
