alter table dataset_splits drop column is_learned;
