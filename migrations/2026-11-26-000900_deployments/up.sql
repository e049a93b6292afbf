create table deployments (
    deployment_id uuid primary key,
    project_id uuid not null references projects on delete cascade,
    model_id uuid not null references models on delete cascade,
    name text not null check (name <> ''),
    status text not null
        check (status in ('creating', 'starting', 'healthy', 'unhealthy', 'stopping', 'stopped', 'failed')),
    runtime text not null check (runtime in ('native', 'container')),
    config json not null,
    error_message text,
    -- The job that starts it, or did last.
    job_id uuid not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    stopped_at timestamptz
);
create index deployments_project_idx on deployments (project_id, created_at desc, deployment_id desc);
create index deployments_model_idx on deployments (model_id);
-- Those that are on their way.
create index deployments_passing_idx on deployments (updated_at) where status in ('creating', 'starting', 'stopping');

create table deployment_api_keys (
    key_id uuid primary key,
    deployment_id uuid not null references deployments on delete cascade,
    name text not null check (name <> ''),
    key_prefix text not null,
    -- SHA-256 of the key. The key has 256 random bits, so there is nothing to guess and nothing to salt.
    key_hash bytea not null check (length(key_hash) = 32),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
create index deployment_api_keys_deployment_idx on deployment_api_keys (deployment_id, created_at desc);
create index deployment_api_keys_prefix_idx on deployment_api_keys (key_prefix);

create table prediction_logs (
    id bigint generated always as identity primary key,
    deployment_id uuid not null references deployments on delete cascade,
    prediction_id uuid not null,
    created_at timestamptz not null,
    latency_us bigint,
    input_features json not null,
    prediction json not null,
    status text not null check (status in ('success', 'error')),
    error_message text,
    feedback text check (feedback in ('positive', 'negative')),
    feedback_at timestamptz,
    -- What really happened, once somebody tells.
    actual json,
    metadata json not null
);
create index prediction_logs_deployment_idx on prediction_logs (deployment_id, id desc);
create index prediction_logs_created_idx on prediction_logs (deployment_id, created_at desc);
create index prediction_logs_errors_idx on prediction_logs (deployment_id, id desc) where status = 'error';
create index prediction_logs_actual_idx on prediction_logs (deployment_id, id desc) where actual is not null;
-- A request that is repeated is logged once.
create unique index prediction_logs_prediction_idx on prediction_logs (deployment_id, prediction_id);

-- What one server process saw of one deployment in one hour. It writes the whole row each time; readers add rows up. A
-- process that comes back to an hour begins another row.
create table deployment_hours (
    deployment_id uuid not null references deployments on delete cascade,
    hour timestamptz not null,
    process_id uuid not null,
    statistics json not null,
    -- Sketches of inputs and predictions, for drift.
    sketches json not null,
    updated_at timestamptz not null default now(),
    primary key (deployment_id, hour, process_id)
);

-- Requests that were let through, by second. The limit is on any 60 seconds.
create table deployment_rates (
    deployment_id uuid not null references deployments on delete cascade,
    second bigint not null,
    requests bigint not null,
    primary key (deployment_id, second)
);

-- Lets through as many of the wanted requests as the limit for any 60 seconds allows. By the database's clock, which all
-- server processes share; one after the other for one deployment.
create function reserve_requests(target uuid, wanted bigint, allowed bigint)
    returns table (granted bigint, remaining bigint, retry_after bigint) language plpgsql as $$
declare
    now_second constant bigint := floor(extract(epoch from clock_timestamp()));
    used bigint;
    bucket record;
begin
    perform pg_advisory_xact_lock(hashtextextended(target::text, 0));
    delete from deployment_rates where deployment_id = target and second <= now_second - 60;
    select coalesce(sum(requests), 0) into used from deployment_rates where deployment_id = target;
    granted := least(wanted, greatest(allowed - used, 0));
    remaining := greatest(allowed - used - granted, 0);
    retry_after := 0;
    if granted > 0 then
        insert into deployment_rates values (target, now_second, granted)
            on conflict (deployment_id, second) do update set requests = deployment_rates.requests + excluded.requests;
    else
        for bucket in select second, requests from deployment_rates where deployment_id = target order by second loop
            used := used - bucket.requests;
            retry_after := greatest(bucket.second + 60 - now_second, 1);
            exit when used < allowed;
        end loop;
    end if;
    return next;
end
$$;

-- Every server process keeps deployments and their keys in memory, and forgets one when it hears of it: also when it went
-- with its project or model.
create function announce_deployment() returns trigger language plpgsql as $$
declare
    changed record;
begin
    if tg_op = 'DELETE' then changed := old; else changed := new; end if;
    perform pg_notify('gristmill_deployment_changed', changed.deployment_id::text);
    return null;
end
$$;
create trigger deployments_announce after insert or update or delete on deployments
    for each row execute function announce_deployment();
create trigger deployment_api_keys_announce after insert or delete or update of revoked_at, expires_at on deployment_api_keys
    for each row execute function announce_deployment();
