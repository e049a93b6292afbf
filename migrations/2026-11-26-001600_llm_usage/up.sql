-- What was asked of language models, summed by the hour: for budgets and costs.
create table llm_usage (
    user_id uuid not null references users on delete cascade,
    -- Null UUID: in no project. No reference: whoever deletes a project does not get its budget back.
    project_id uuid not null,
    hour timestamptz not null,
    model text not null check (model <> '' and length(model) <= 200),
    requests bigint not null,
    input_tokens bigint not null,
    cached_tokens bigint not null,
    output_tokens bigint not null,
    reasoning_tokens bigint not null,
    -- Millionths of a US dollar, of those requests whose model has a price.
    cost_micros bigint not null,
    primary key (user_id, hour, project_id, model)
);
create index llm_usage_project_idx on llm_usage (project_id, hour);
create index llm_usage_hour_idx on llm_usage (hour);
