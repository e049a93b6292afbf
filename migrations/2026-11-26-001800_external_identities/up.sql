-- Who users are at other providers. The subject is the provider's own id of a person: an address may change hands.
create table external_identities (
    provider text not null check (provider in ('google')),
    subject text not null check (length(subject) between 1 and 255),
    user_id uuid not null references users on delete cascade,
    created_at timestamptz not null,
    primary key (provider, subject)
);
create index external_identities_user_idx on external_identities (user_id);

-- What a browser that came back from a provider carries to its login: single use, for a minute, and only as a hash.
-- Unlogged: whoever loses one to a crash of PostgreSQL starts again.
create unlogged table sign_in_codes (
    code_hash bytea primary key check (octet_length(code_hash) = 32),
    client_hash bytea not null check (octet_length(client_hash) = 32),
    provider text not null check (provider in ('google')),
    subject text not null,
    email text not null,
    name text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index sign_in_codes_expiry_idx on sign_in_codes (expires_at);
