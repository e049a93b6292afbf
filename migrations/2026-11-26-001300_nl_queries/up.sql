create table nl_placeholder_suggestions (
    suggestion_set_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    schema_fingerprint text not null,
    model_id text not null,
    prompt_version integer not null,
    suggestions json not null,
    workflow_placeholders json,
    created_at timestamptz not null default now(),
    unique (project_id, schema_fingerprint, model_id, prompt_version)
);

create table golden_questions (
    golden_question_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    question text not null check (question <> ''),
    expected_sql text not null check (expected_sql <> ''),
    -- What came of asking it last.
    verdict text check (verdict in ('right', 'wrong', 'failed', 'no_answer', 'broken_case')),
    generated_sql text,
    reason text,
    confidence double precision,
    asked_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index golden_questions_project_idx on golden_questions (project_id, created_at, golden_question_id);
