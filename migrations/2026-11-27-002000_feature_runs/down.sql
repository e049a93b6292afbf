drop table dataset_features;
drop table feature_run_calls;
drop table feature_runs;
