drop table dataset_key_sketches;
