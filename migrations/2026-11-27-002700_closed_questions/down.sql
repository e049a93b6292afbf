delete from workflow_approvals where status = 'superseded';
alter table workflow_approvals
    drop constraint workflow_approvals_status_check,
    drop constraint workflow_approvals_resolver_check,
    add constraint workflow_approvals_status_check check (status in ('pending', 'approved', 'rejected')),
    add constraint workflow_approvals_check1 check ((resolved_at is null) = (resolved_by is null));
