drop table execution_sessions;
drop table notebook_events;
drop table savepoints;
drop table cell_outputs;
drop table cells;
drop table notebooks;
