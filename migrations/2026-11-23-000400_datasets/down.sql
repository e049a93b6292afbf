drop table datasets;
