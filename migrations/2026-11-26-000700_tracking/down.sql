drop view all_runs;
drop table registered_versions;
drop table registered_models;
drop table tracking_artifacts;
drop table tracking_metrics;
drop table tracking_runs;
