-- Features of the dataset have learned from the rows that this split does not hold out: another one would test models on rows
-- whose targets their features know.
alter table dataset_splits add column is_learned boolean not null default false;
