drop table workflow_states;
