create table users (
    user_id uuid primary key,
    email text not null unique check (email = lower(email)),
    password_hash text not null,
    name text not null,
    role text not null default 'user' check (role in ('user', 'admin')),
    email_verified boolean not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_login_at timestamptz
);

-- One login. Its refresh tokens form a family: each rotation adds one, and a reuse revokes the whole family.
create table sessions (
    session_id uuid primary key,
    user_id uuid not null references users on delete cascade,
    remember boolean not null,
    ip_address text,
    user_agent text,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    revoked_because text
);
create index sessions_user_idx on sessions (user_id, created_at desc) where revoked_at is null;

create table refresh_tokens (
    token_id uuid primary key,
    session_id uuid not null references sessions on delete cascade,
    token_hash bytea not null unique,
    generation integer not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    rotated_at timestamptz,
    unique (session_id, generation)
);

create table one_time_tokens (
    token_id uuid primary key,
    user_id uuid not null references users on delete cascade,
    purpose text not null check (purpose in ('reset_password', 'verify_email')),
    token_hash bytea not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index one_time_tokens_user_idx on one_time_tokens (user_id, purpose, created_at desc);

create table personal_access_tokens (
    token_id uuid primary key,
    user_id uuid not null references users on delete cascade,
    name text not null,
    prefix text not null unique,
    secret_hash bytea not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    last_used_at timestamptz
);
create index personal_access_tokens_user_idx on personal_access_tokens (user_id, created_at desc);

-- Counters of the throttles, shared by all server processes. Keys are hashes: no address is kept in clear.
create table throttle_counters (
    throttle_key bytea not null,
    window_start timestamptz not null,
    hits integer not null,
    expires_at timestamptz not null,
    primary key (throttle_key, window_start)
);
create index throttle_counters_expiry_idx on throttle_counters (expires_at);

create table user_settings (
    user_id uuid not null references users on delete cascade,
    setting_key text not null,
    setting_value bigint not null,
    updated_at timestamptz not null default now(),
    primary key (user_id, setting_key)
);

-- What a POST with an Idempotency-Key made, so that its repetition finds it.
create table idempotency_keys (
    owner_id uuid not null references users on delete cascade,
    idempotency_key text not null,
    fingerprint bytea not null,
    resource_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (owner_id, idempotency_key)
);

-- Files whose rows are gone. Written in the transaction that deletes the rows, worked off afterwards.
create table file_deletions (
    deletion_id bigint generated always as identity primary key,
    prefix text not null,
    created_at timestamptz not null default now()
);
