alter table cells
    drop column edit_key,
    drop column edit_before,
    drop column run_key;
