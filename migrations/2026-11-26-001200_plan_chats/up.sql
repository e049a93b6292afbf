create table plan_chats (
    chat_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    user_id uuid not null references users on delete cascade,
    name text not null check (name <> ''),
    status text not null default 'in_progress' check (status in ('in_progress', 'completed')),
    -- The client's own. `json` gives back what was stored, key order included.
    messages json not null default '[]',
    answer_history json not null default '[]',
    current_round integer not null default 0 check (current_round >= 0),
    completed_plan_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index plan_chats_project_idx on plan_chats (project_id, updated_at desc, chat_id desc);
create index plan_chats_user_idx on plan_chats (user_id);
