-- Addresses come lower-cased by the program: PostgreSQL's lower() knows other letters than ours.
create table users (
    user_id uuid primary key,
    email text not null unique,
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
    created_at timestamptz not null,
    -- When the newest refresh token expires: kept here too, so that a request's check reads primary keys only.
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_because text check (revoked_because in ('logout', 'user', 'password_change', 'reuse')),
    check ((revoked_at is null) = (revoked_because is null))
);
create index sessions_user_idx on sessions (user_id, created_at desc, session_id desc);
create index sessions_expiry_idx on sessions (expires_at);

create table refresh_tokens (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    session_id uuid not null references sessions on delete cascade,
    generation integer not null check (generation >= 0),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    rotated_at timestamptz,
    unique (session_id, generation)
);
create index refresh_tokens_expiry_idx on refresh_tokens (expires_at);

create table one_time_tokens (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    user_id uuid not null references users on delete cascade,
    purpose text not null check (purpose in ('reset_password', 'verify_email')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    -- A new token replaces the one before.
    unique (user_id, purpose)
);
create index one_time_tokens_expiry_idx on one_time_tokens (expires_at);

create table personal_access_tokens (
    token_id uuid primary key,
    user_id uuid not null references users on delete cascade,
    name text not null,
    prefix text not null unique,
    secret_hash bytea not null check (octet_length(secret_hash) = 32),
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'account']),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    last_used_at timestamptz
);
create index personal_access_tokens_user_idx on personal_access_tokens (user_id, created_at desc, token_id desc);
create index personal_access_tokens_expiry_idx on personal_access_tokens (expires_at);

-- Counters of the throttles, shared by all server processes. Keys are hashes: no address is kept in clear.
-- Unlogged: a hit must not wait for the disk. A crash of PostgreSQL forgets the counts, a restart does not.
create unlogged table throttle_counters (
    throttle_key bytea primary key check (octet_length(throttle_key) = 32),
    started_at timestamptz not null,
    hits bigint not null check (hits > 0),
    expires_at timestamptz not null
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
