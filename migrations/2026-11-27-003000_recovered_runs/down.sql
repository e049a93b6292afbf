alter table workflow_runs drop column recovered_into;
