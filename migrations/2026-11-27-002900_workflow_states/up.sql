-- What a run had when an event of it was written, where it differs from what it had before: a fork begins with that.
create table workflow_states (
    run_id text not null references workflow_runs on delete cascade,
    -- The event after which it was so.
    sequence bigint not null,
    metadata json not null,
    active_dataset_id uuid,
    active_notebook_id uuid,
    primary key (run_id, sequence)
);
insert into workflow_states (run_id, sequence, metadata, active_dataset_id, active_notebook_id)
    select run_id, event_seq, metadata, active_dataset_id, active_notebook_id from workflow_runs;
