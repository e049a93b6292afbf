-- The notebook that was filled with what the run left in one that is gone. No reference: when it goes, too, the run can be
-- recovered once more.
alter table workflow_runs add column recovered_into uuid;
