drop table preprocessing_calls;
drop table preprocessing_events;
drop table preprocessing_checkpoints;
drop table preprocessing_steps;
drop table preprocessing_runs;
