drop table cell_deletions;
