drop table tuning_studies;
drop table models;
