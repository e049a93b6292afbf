//! The queue's statements. Written out, because what matters in them (which rows are locked, in which order, through
//! which index) is said by SQL itself; a test runs EXPLAIN on the hot ones.
//!
//! Time is the database's, so that the clocks of several servers do not matter: `now()` where one instant a
//! transaction is right, `clock_timestamp()` for events, so that their times grow with their positions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use gristmill_domain::{
    Caller, JobId,
    jobs::{JobKind, Lease, RunEnd, STRETCH_BYTES_MAX},
    ports::{ClaimRequest, EventBatch},
};
use serde_json::{Value, json};

use crate::{notifications::Channel, repo::statement::Statement};

/// The running job whose lease ran out first. Skips rows that others have locked: another worker that is taking the
/// job over, or the old one that prolongs its lease after all.
const EXPIRED: &str = "
select * from jobs
where state = 'running' and kind = any ($1::text[]) and lease_expires_at <= now()
order by lease_expires_at
limit 1
for update skip locked";

/// The next queued job, in an order that is fair to owners.
///
/// `waiting` steps through `jobs_queued_idx` from one (kind, owner) to the next, `ranked` reads the head of each one's
/// queue, and the last part locks one job of the first in rank. Work grows with the number of owners who wait, never
/// with the number of jobs. `ranked` is read one row at a time and only as far as the first lock that succeeds, so
/// one job is locked; a queue whose due jobs are all locked by other claims is passed over.
const NEXT_QUEUED: &str = "
with recursive waiting (kind, owner_id) as (
    select wanted.kind, first.owner_id
    from unnest($1::text[]) as wanted (kind)
    cross join lateral (
        select owner_id from jobs where state = 'queued' and kind = wanted.kind order by owner_id limit 1
    ) as first
  union all
    select waiting.kind, following.owner_id
    from waiting
    cross join lateral (
        select owner_id from jobs
        where state = 'queued' and kind = waiting.kind and owner_id > waiting.owner_id
        order by owner_id limit 1
    ) as following
),
ranked as (
    select waiting.kind, waiting.owner_id
    from waiting
    cross join lateral (
        select run_after from jobs
        where state = 'queued' and kind = waiting.kind and owner_id = waiting.owner_id and run_after <= now()
        order by run_after limit 1
    ) as head
    cross join lateral (
        select count(*) as jobs from jobs where state = 'running' and owner_id = waiting.owner_id
    ) as running
    where running.jobs < $2
    order by running.jobs, head.run_after
)
select head.*
from ranked
cross join lateral (
    select * from jobs
    where state = 'queued' and kind = ranked.kind and owner_id = ranked.owner_id and run_after <= now()
    order by run_after limit 1
    for update skip locked
) as head
limit 1";

/// Starts a run of a job that this transaction has locked.
const START: &str = "
with started as (
    update jobs set
        state = 'running', attempt = attempt + 1, lease_epoch = lease_epoch + 1, lease_worker = $2,
        lease_expires_at = now() + $3 * interval '1 millisecond', started_at = coalesce(started_at, now()),
        event_seq = event_seq + 1
    where job_id = $1
    returning *
),
logged as (
    insert into job_events (job_id, seq, at, event_type, data)
    select job_id, event_seq, clock_timestamp(), 'job_started', json_build_object('attempt', attempt) from started
)
select started.* from started cross join lateral pg_notify($4, started.job_id::text)";

/// Ends a run of a job that this transaction has locked, or cancels a queued one.
const END: &str = "
with ended as (
    update jobs set
        state = $2, result = $3, error = $4, attempt = attempt - $5,
        lease_worker = null, lease_expires_at = null,
        run_after = coalesce(now() + $6 * interval '1 millisecond', run_after),
        finished_at = case when $2 = 'queued' then null else now() end,
        event_seq = event_seq + 1
    where job_id = $1
    returning *
),
logged as (
    insert into job_events (job_id, seq, at, event_type, data)
    select job_id, event_seq, clock_timestamp(), $7, $8 from ended
)
select ended.*, case when $2 = 'queued' then pg_notify($10, ended.kind) end as woken
from ended cross join lateral pg_notify($9, ended.job_id::text)";

/// Locks a running job for the holder of its lease.
const FENCE: &str = "select * from jobs where job_id = $1 and lease_epoch = $2 and state = 'running' for update";

const HEARTBEAT: &str = "
update jobs set lease_expires_at = now() + $3 * interval '1 millisecond'
where job_id = $1 and lease_epoch = $2 and state = 'running'
returning cancel_requested";

/// Appends all events of a batch. The update locks the job's row, so that positions have no gaps and nobody else
/// appends in between.
const APPEND: &str = "
with fenced as (
    update jobs set event_seq = event_seq + cardinality($4::text[]), progress = coalesce($6::json, progress)
    where job_id = $1 and lease_epoch = $2 and state = 'running' and event_seq = $3
    returning job_id, event_seq, cancel_requested
),
logged as (
    insert into job_events (job_id, seq, at, event_type, data)
    select fenced.job_id, $3 + event.position, clock_timestamp(), event.event_type, event.data
    from fenced
    cross join unnest($4::text[], $5::json[]) with ordinality as event (event_type, data, position)
    order by event.position
)
select fenced.event_seq, fenced.cancel_requested
from fenced cross join lateral pg_notify($7, fenced.job_id::text)";

/// Where a log stands, for the holder of the lease.
const LOG_POSITION: &str = "
select event_seq, cancel_requested from jobs where job_id = $1 and lease_epoch = $2 and state = 'running'";

/// A stretch of a log. One row of nulls when the job is the caller's and the stretch is empty; no row when it is not.
const EVENTS: &str = "
select event.seq, event.at, event.event_type, event.data
from jobs
left join lateral (
    select * from (
        select *, sum(octet_length(data::text)) over (order by seq) - octet_length(data::text) as bytes_before
        from (
            select seq, at, event_type, data from job_events
            where job_events.job_id = jobs.job_id and seq > $3
            order by seq limit $4
        ) as stretch
    ) as sized
    where bytes_before < $5
) as event on true
where jobs.job_id = $1 and jobs.owner_id = $2
order by event.seq";

/// Deletes the jobs that ended first, with their logs: as many as have some thousands of events together, but at
/// least one. `event_seq` is the number of a job's events.
const PRUNE: &str = "
with oldest as (
    select job_id, event_seq, sum(event_seq) over (order by finished_at, job_id) as events
    from (
        select job_id, event_seq, finished_at from jobs
        where finished_at < $1
        order by finished_at, job_id limit $2
        for update skip locked
    ) as finished
),
deleted as (
    delete from jobs
    where job_id = any (array(select job_id from oldest where events - event_seq < $3))
    returning job_id
)
select count(*) as deleted from deleted";

/// Most jobs that one [`PRUNE`] deletes.
const PRUNE_JOBS_MAX: i64 = 500;
/// Most events that one [`PRUNE`] deletes, besides those of one job.
const PRUNE_EVENTS_MAX: i64 = 20_000;

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn names(kinds: &[JobKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

pub(super) fn expired<'a>(kinds: &[JobKind]) -> Statement<'a> {
    Statement::new(EXPIRED).bind::<Array<Text>, _>(names(kinds))
}

pub(super) fn next_queued<'a>(request: &ClaimRequest<'_>) -> Statement<'a> {
    let running_max = request.owner_running_max.map_or(i64::MAX, i64::from);
    Statement::new(NEXT_QUEUED).bind::<Array<Text>, _>(names(request.kinds)).bind::<BigInt, _>(running_max)
}

pub(super) fn start<'a>(id: JobId, request: &ClaimRequest<'a>) -> Statement<'a> {
    Statement::new(START)
        .bind::<SqlUuid, _>(id.0)
        .bind::<Text, _>(request.worker)
        .bind::<BigInt, _>(milliseconds(request.lease))
        .bind::<Text, _>(Channel::JobChanged.as_str())
}

/// What [`end`] needs to know besides the end itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EndOptions {
    /// How long a job that is queued again is left alone. None: it keeps its place in the queue.
    pub(super) retry_after: Option<Duration>,
    /// Attempts to take back: 1 when the run does not count.
    pub(super) attempts_returned: i32,
}

pub(super) fn end<'a>(id: JobId, end: RunEnd, options: EndOptions) -> Statement<'a> {
    Statement::new(END)
        .bind::<SqlUuid, _>(id.0)
        .bind::<Text, _>(end.state.as_str())
        .bind::<Nullable<Json>, _>(end.result)
        .bind::<Nullable<Json>, _>(end.error.map(|error| json!(error)))
        .bind::<Integer, _>(options.attempts_returned)
        .bind::<Nullable<BigInt>, _>(options.retry_after.map(milliseconds))
        .bind::<Text, _>(end.event.event_type)
        .bind::<Json, _>(end.event.data)
        .bind::<Text, _>(Channel::JobChanged.as_str())
        .bind::<Text, _>(Channel::JobQueued.as_str())
}

pub(super) fn fence<'a>(lease: Lease) -> Statement<'a> {
    fenced(FENCE, lease)
}

pub(super) fn heartbeat<'a>(lease: Lease, prolong: Duration) -> Statement<'a> {
    fenced(HEARTBEAT, lease).bind::<BigInt, _>(milliseconds(prolong))
}

pub(super) fn append(lease: Lease, batch: &EventBatch) -> Statement<'_> {
    let types: Vec<&str> = batch.events.iter().map(|event| event.event_type.as_str()).collect();
    let data: Vec<&Value> = batch.events.iter().map(|event| &event.data).collect();
    fenced(APPEND, lease)
        .bind::<BigInt, _>(batch.after)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Json>, _>(data)
        .bind::<Nullable<Json>, _>(batch.progress.as_ref().map(|progress| json!(progress)))
        .bind::<Text, _>(Channel::JobChanged.as_str())
}

pub(super) fn log_position<'a>(lease: Lease) -> Statement<'a> {
    fenced(LOG_POSITION, lease)
}

fn fenced<'a>(sql: &'static str, lease: Lease) -> Statement<'a> {
    Statement::new(sql).bind::<SqlUuid, _>(lease.job_id.0).bind::<BigInt, _>(lease.epoch)
}

pub(super) fn events<'a>(caller: &Caller, id: JobId, after: i64, limit: u32) -> Statement<'a> {
    Statement::new(EVENTS)
        .bind::<SqlUuid, _>(id.0)
        .bind::<SqlUuid, _>(caller.user_id.0)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(i64::from(limit))
        .bind::<BigInt, _>(i64::try_from(STRETCH_BYTES_MAX).unwrap_or(i64::MAX))
}

pub(super) fn prune<'a>(finished_before: DateTime<Utc>) -> Statement<'a> {
    Statement::new(PRUNE)
        .bind::<Timestamptz, _>(finished_before)
        .bind::<BigInt, _>(PRUNE_JOBS_MAX)
        .bind::<BigInt, _>(PRUNE_EVENTS_MAX)
}

pub(super) fn notify<'a>(channel: Channel, payload: String) -> Statement<'a> {
    Statement::new("select pg_notify($1, $2)").bind::<Text, _>(channel.as_str()).bind::<Text, _>(payload)
}
