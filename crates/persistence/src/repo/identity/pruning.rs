//! What no decision needs any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::instant_before;
use crate::database::DbError;

/// Rows that expired by `$1`. Locked rows are left for the next time: who waits for nobody is in nobody's way, in
/// whatever order it comes to the tables.
const REFRESH_TOKENS: &str = "
with gone as (select token_hash from refresh_tokens where expires_at <= $1 for update skip locked)
delete from refresh_tokens using gone where refresh_tokens.token_hash = gone.token_hash";

/// Sessions whose tokens went, now or before. One that is rotated meanwhile is locked, or has a later expiry when the
/// lock is had: that column is looked at again then, `not exists` is not.
const SESSIONS: &str = "
with gone as (
    select session_id from sessions
    where expires_at <= $1
        and not exists (select from refresh_tokens where refresh_tokens.session_id = sessions.session_id)
    for update skip locked
)
delete from sessions using gone where sessions.session_id = gone.session_id";

const ONE_TIME_TOKENS: &str = "
with gone as (select token_hash from one_time_tokens where expires_at <= $1 for update skip locked)
delete from one_time_tokens using gone where one_time_tokens.token_hash = gone.token_hash";

const THROTTLES: &str = "
with gone as (select throttle_key from throttle_counters where expires_at <= $1 for update skip locked)
delete from throttle_counters using gone where throttle_counters.throttle_key = gone.throttle_key";

const PERSONAL_TOKENS: &str = "
with gone as (select token_id from personal_access_tokens where expires_at <= $1 for update skip locked)
delete from personal_access_tokens using gone where personal_access_tokens.token_id = gone.token_id";

const SIGN_IN_CODES: &str = "
with gone as (select code_hash from sign_in_codes where expires_at <= $1 for update skip locked)
delete from sign_in_codes using gone where sign_in_codes.code_hash = gone.code_hash";

/// Deletes, and returns how many rows went.
pub(super) async fn prune_in(connection: &mut AsyncPgConnection, now: DateTime<Utc>, keep: Duration) -> Result<u64, DbError> {
    let long_ago = instant_before(now, keep);
    let statements = [
        (REFRESH_TOKENS, now),
        (SESSIONS, now),
        (ONE_TIME_TOKENS, now),
        (THROTTLES, now),
        (SIGN_IN_CODES, now),
        (PERSONAL_TOKENS, long_ago),
    ];
    let mut pruned: u64 = 0;
    for (statement, before) in statements {
        let rows = diesel::sql_query(statement).bind::<Timestamptz, _>(before).execute(connection).await?;
        pruned = pruned.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
    Ok(pruned)
}
