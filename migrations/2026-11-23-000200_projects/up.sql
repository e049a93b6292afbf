create table projects (
    project_id uuid primary key,
    owner_id uuid not null references users on delete cascade,
    name text not null check (name <> ''),
    description text,
    icon text not null,
    color text not null,
    metadata jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index projects_owner_idx on projects (owner_id, created_at, project_id);
