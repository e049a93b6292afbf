//! Throttles. Each method is one statement, which is its own transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Timestamptz},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{
    identity::{ThrottleDecision, ThrottleKey, ThrottleRule, ThrottleStore, ThrottleWindow},
    ports::StoreError,
};

use super::{Identity, instant_before};
use crate::{database::DbError, schema::throttle_counters as counters};

#[async_trait]
impl ThrottleStore for Identity {
    async fn hit(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let mut connection = self.database.connection().await?;
        let counted: WindowRow = Hit::new(key, rule, now).get_result(&mut connection).await.map_err(DbError::from)?;
        Ok(rule.decide_counted(counted.into(), now))
    }

    async fn check(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let mut connection = self.database.connection().await?;
        let stored: Option<WindowRow> = counters::table
            .find(key.as_bytes().as_slice())
            .select((counters::started_at, counters::hits))
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        Ok(rule.decide_next(stored.map(ThrottleWindow::from), now))
    }

    async fn forgive(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError> {
        let mut connection = self.database.connection().await?;
        let forgiveness = Forgiveness { key, limit: rule.limit.into(), over_at: instant_before(now, rule.window) };
        let stored: Option<WindowRow> = forgiveness.get_result(&mut connection).await.optional().map_err(DbError::from)?;
        Ok(rule.decide_next(stored.map(ThrottleWindow::from), now))
    }
}

#[derive(Queryable)]
struct WindowRow {
    started_at: DateTime<Utc>,
    hits: i64,
}

impl From<WindowRow> for ThrottleWindow {
    fn from(row: WindowRow) -> Self {
        // The table's check keeps it positive; beyond the type's range there is no limit to be below.
        Self { started_at: row.started_at, hits: u32::try_from(row.hits).unwrap_or(u32::MAX) }
    }
}

/// Counts a hit as [`ThrottleRule::count`] does, and returns the window after it.
///
/// Written out, like [`Forgiveness`], because Diesel keeps no prepared statement for its own form of an upsert (nor
/// for `sql_query`), and preparing it each time would double the round trips.
#[derive(Debug)]
struct Hit {
    key: ThrottleKey,
    now: DateTime<Utc>,
    /// The end of a window that begins now.
    ends_at: DateTime<Utc>,
    /// A window that began by then is over.
    over_at: DateTime<Utc>,
    limit: i64,
}

impl Hit {
    fn new(key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Self {
        let ends_at = rule.end_of(ThrottleWindow { started_at: now, hits: 1 });
        Self { key, now, ends_at, over_at: instant_before(now, rule.window), limit: rule.limit.into() }
    }
}

impl QueryFragment<Pg> for Hit {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("insert into throttle_counters as stored (throttle_key, started_at, hits, expires_at) values (");
        out.push_bind_param::<Binary, _>(self.key.as_bytes())?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(", 1, ");
        out.push_bind_param::<Timestamptz, _>(&self.ends_at)?;
        out.push_sql(") on conflict (throttle_key) do update set (started_at, hits, expires_at) = (");
        out.push_sql("select excluded.started_at, 1, excluded.expires_at where stored.started_at <= ");
        out.push_bind_param::<Timestamptz, _>(&self.over_at)?;
        out.push_sql(" union all select stored.started_at, least(stored.hits, ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        // The rule may be another than the one that the window began with: its length counts from now on.
        out.push_sql(") + 1, stored.started_at + (excluded.expires_at - excluded.started_at) where stored.started_at > ");
        out.push_bind_param::<Timestamptz, _>(&self.over_at)?;
        out.push_sql(") returning started_at, hits");
        Ok(())
    }
}

impl Query for Hit {
    type SqlType = (Timestamptz, BigInt);
}

impl QueryId for Hit {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Deletes a key's window if [`ThrottleRule::decide_next`] would allow one more hit, and returns the window as it was.
///
/// The window is locked first: what is returned is then what the deletion decided by, whoever counts meanwhile.
#[derive(Debug)]
struct Forgiveness {
    key: ThrottleKey,
    limit: i64,
    /// A window that began by then is over.
    over_at: DateTime<Utc>,
}

impl QueryFragment<Pg> for Forgiveness {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("with stored as (select throttle_key, started_at, hits from throttle_counters where throttle_key = ");
        out.push_bind_param::<Binary, _>(self.key.as_bytes())?;
        out.push_sql(" for update), forgiven as (");
        out.push_sql("delete from throttle_counters using stored where throttle_counters.throttle_key = stored.throttle_key");
        out.push_sql(" and (stored.hits < ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" or (0 < ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" and stored.started_at <= ");
        out.push_bind_param::<Timestamptz, _>(&self.over_at)?;
        out.push_sql("))) select started_at, hits from stored");
        Ok(())
    }
}

impl Query for Forgiveness {
    type SqlType = (Timestamptz, BigInt);
}

impl QueryId for Forgiveness {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
