-- Calls of agents that changed or ran a cell last: a call that is repeated after a crash finds here what it did.
alter table cells
    add column edit_key text,
    -- The text before that change.
    add column edit_before text,
    add column run_key text;
