drop table workflow_approvals;
drop table workflow_artifacts;
drop table workflow_events;
drop table workflow_runs;
