drop table job_events;
drop table jobs;
