//! The durable job queue and its event logs: the port [`JobStore`] on PostgreSQL.
//!
//! Every write for a running job carries its lease and is refused when the lease's epoch is not the stored one: a
//! worker that was taken for dead changes nothing more. Whoever changes a job locks its row first.

#[cfg(test)]
mod plan_tests;
mod rows;
mod statements;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    dsl::{AsSelect, IntoBoxed, Select, exists, sql},
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, JobId, ProjectId, UserId,
    jobs::{Job, JobEvent, JobKind, JobOutcome, JobState, Lease, NewJob, NewJobEvent, RunEnd},
    ports::{Appended, ClaimRequest, ClaimedJob, EventBatch, Heartbeat, JobFilter, JobStore, StoreError},
};

use self::{
    rows::{AppendedRow, DeletedRow, EventRow, HeartbeatRow, JobRow, stored_count},
    statements::EndOptions,
};
use super::ownership::lock_project;
use crate::{
    Database,
    database::DbError,
    notifications::Channel,
    schema::{job_events, jobs, projects},
};

/// Jobs of workers that died without a word that one claim clears away before it looks for work.
const LOST_JOBS_A_CLAIM: usize = 16;
/// How often an insert that met an idempotency key is tried again because the earlier job was gone when looked for.
const SUBMIT_TRIES: usize = 3;

/// Why a job was not submitted: another one of its kind has not ended.
pub const JOB_OPEN: &str = "job open";

/// The queue, and the jobs of a caller.
#[derive(Debug, Clone)]
pub struct Jobs {
    database: Database,
}

impl Jobs {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Deletes jobs that ended before an instant, with their logs, and returns how many. Goes in batches, each one
    /// transaction, so that nobody waits long for a lock; what was deleted before a failure stays deleted.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn prune(&self, finished_before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut deleted = 0;
        loop {
            let row: DeletedRow = statements::prune(finished_before).get_result(&mut connection).await.map_err(DbError::from)?;
            match u64::try_from(row.deleted) {
                Ok(0) | Err(_) => return Ok(deleted),
                Ok(batch) => deleted += batch,
            }
        }
    }

    /// Submits a job of a project, unless one of its kind waits or runs there.
    ///
    /// # Errors
    /// `Conflict` ([`JOB_OPEN`]) when one does; `NotFound` when it names no project of its owner's; `Unavailable`, `Defect`.
    pub async fn submit_alone(&self, job: NewJob) -> Result<Job, StoreError> {
        let mut connection = self.database.connection().await?;
        let submitted = connection
            .transaction(async |connection| {
                let project = job.project_id.ok_or(StoreError::NotFound)?;
                // Two at once come one after the other.
                lock_project(connection, job.owner_id, project).await?;
                if is_open(connection, job.owner_id, project, job.kind).await? {
                    return Err(DbError::from(StoreError::Conflict(JOB_OPEN.to_owned())));
                }
                Ok::<Job, DbError>(submit_in(connection, &job).await?.0)
            })
            .await?;
        Ok(submitted)
    }

    /// Counts the jobs of all owners that wait or run, by kind and state, for metrics.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn count_open(&self) -> Result<Vec<(JobKind, JobState, u64)>, StoreError> {
        let mut connection = self.database.connection().await?;
        // A plain disjunction, which the two partial indexes answer.
        let counted = jobs::table
            .filter(jobs::state.eq(JobState::Queued.as_str()).or(jobs::state.eq(JobState::Running.as_str())))
            .group_by((jobs::kind, jobs::state))
            .select((jobs::kind, jobs::state, diesel::dsl::count_star()));
        let rows: Vec<(String, String, i64)> = counted.load(&mut connection).await.map_err(DbError::from)?;
        let known = |(kind, state, count): (String, String, i64)| {
            Some((JobKind::from_name(&kind)?, JobState::from_name(&state)?, u64::try_from(count).ok()?))
        };
        Ok(rows.into_iter().filter_map(known).collect())
    }
}

#[async_trait]
impl JobStore for Jobs {
    async fn submit(&self, job: NewJob) -> Result<(Job, bool), StoreError> {
        let mut connection = self.database.connection().await?;
        let submitted = connection.transaction(async |connection| submit_in(connection, &job).await).await?;
        Ok(submitted)
    }

    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Option<ClaimedJob>, StoreError> {
        let mut connection = self.database.connection().await?;
        let claimed = connection.transaction(async |connection| claim_in(connection, request).await).await?;
        Ok(claimed)
    }

    async fn heartbeat(&self, lease: Lease, prolong: Duration) -> Result<Heartbeat, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: Option<HeartbeatRow> =
            statements::heartbeat(lease, prolong).get_result(&mut connection).await.optional().map_err(DbError::from)?;
        let row = row.ok_or(StoreError::LeaseLost)?;
        Ok(Heartbeat { cancel_requested: row.cancel_requested })
    }

    async fn append(&self, lease: Lease, batch: &EventBatch) -> Result<Appended, StoreError> {
        let mut connection = self.database.connection().await?;
        // Almost always one statement, which is its own transaction; the look at where the log stands only reads.
        Ok(append_in(&mut connection, lease, batch).await?)
    }

    async fn finish(&self, lease: Lease, outcome: JobOutcome, retry_after: Duration) -> Result<Job, StoreError> {
        let mut connection = self.database.connection().await?;
        let job = connection.transaction(async |connection| finish_after(connection, lease, outcome, retry_after).await).await?;
        Ok(job)
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let job = fence(connection, lease).await?;
                let options = EndOptions { attempts_returned: 1, ..EndOptions::default() };
                end(connection, job.id, job.end_of_released_run(), options).await
            })
            .await?;
        Ok(())
    }

    async fn state_of(&self, lease: Lease) -> Result<JobState, StoreError> {
        let mut connection = self.database.connection().await?;
        let state = jobs::table.find(lease.job_id.0).select(jobs::state);
        let state: String = state.first(&mut connection).await.map_err(DbError::from)?;
        JobState::from_name(&state).ok_or_else(|| StoreError::Defect(format!("a job has the unknown state {state:?}").into()))
    }

    async fn request_cancel(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        let mut connection = self.database.connection().await?;
        let job = connection.transaction(async |connection| request_cancel_in(connection, caller, id).await).await?;
        Ok(job)
    }

    async fn find(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: JobRow = owned(caller, id).first(&mut connection).await.map_err(DbError::from)?;
        row.try_into()
    }

    async fn list(&self, caller: &Caller, filter: JobFilter) -> Result<Vec<Job>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = connection
            .transaction(async |connection| {
                if let Some(project) = filter.project_id {
                    require_project(connection, caller.user_id, project).await?;
                }
                Ok::<Vec<JobRow>, DbError>(listed(caller, &filter).load(connection).await?)
            })
            .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    async fn events(&self, caller: &Caller, id: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<EventRow> =
            statements::events(caller, id, after, limit).load(&mut connection).await.map_err(DbError::from)?;
        if rows.is_empty() {
            return Err(StoreError::NotFound);
        }
        Ok(rows.into_iter().filter_map(EventRow::into_event).collect())
    }
}

/// Records a job with its first event, in the caller's transaction, so that what the job refers to can be recorded
/// in the same commit. Returns `false` with an earlier job when the idempotency key was used before.
pub(super) async fn submit_in(connection: &mut AsyncPgConnection, job: &NewJob) -> Result<(Job, bool), DbError> {
    if let Some(project) = job.project_id {
        require_project(connection, job.owner_id, project).await?;
    }
    for _ in 0..SUBMIT_TRIES {
        if let Some(row) = insert(connection, job).await? {
            log_first(connection, job).await?;
            return Ok((row.try_into()?, true));
        }
        if let Some(row) = earlier(connection, job).await? {
            return Ok((row.try_into()?, false));
        }
    }
    Err(StoreError::Conflict("idempotency_key".to_owned()).into())
}

/// Inserts the job, unless its idempotency key was used before.
async fn insert(connection: &mut AsyncPgConnection, job: &NewJob) -> Result<Option<JobRow>, DbError> {
    let inserted = diesel::insert_into(jobs::table)
        .values((
            jobs::job_id.eq(job.id.0),
            jobs::kind.eq(job.kind.as_str()),
            jobs::owner_id.eq(job.owner_id.0),
            jobs::project_id.eq(job.project_id.map(|project| project.0)),
            jobs::state.eq(JobState::Queued.as_str()),
            jobs::payload.eq(&job.payload),
            jobs::attempts_max.eq(stored_count(job.attempts_max.max(1))),
            jobs::idempotency_key.eq(&job.idempotency_key),
            jobs::event_seq.eq(1),
        ))
        .on_conflict((jobs::owner_id, jobs::kind, jobs::idempotency_key))
        .filter_target(jobs::idempotency_key.is_not_null())
        .do_nothing()
        .returning(JobRow::as_returning())
        .get_result(connection)
        .await
        .optional()?;
    Ok(inserted)
}

async fn log_first(connection: &mut AsyncPgConnection, job: &NewJob) -> Result<(), DbError> {
    let event = NewJobEvent::queued();
    diesel::insert_into(job_events::table)
        .values((
            job_events::job_id.eq(job.id.0),
            job_events::seq.eq(1),
            job_events::event_type.eq(event.event_type),
            job_events::data.eq(event.data),
        ))
        .execute(connection)
        .await?;
    statements::notify(Channel::JobQueued, job.kind.as_str().to_owned()).execute(connection).await?;
    Ok(())
}

/// The job that was submitted before under the same key.
async fn earlier(connection: &mut AsyncPgConnection, job: &NewJob) -> Result<Option<JobRow>, DbError> {
    let earlier = jobs::table
        .filter(jobs::owner_id.eq(job.owner_id.0))
        .filter(jobs::kind.eq(job.kind.as_str()))
        .filter(jobs::idempotency_key.eq(&job.idempotency_key))
        .select(JobRow::as_select())
        .first(connection)
        .await
        .optional()?;
    Ok(earlier)
}

/// Ends a run in the caller's transaction, with its closing event: what the job made and that it is done are one
/// commit. `LeaseLost` when the worker was taken for dead meanwhile; the caller must then roll back.
pub(super) async fn finish_in(connection: &mut AsyncPgConnection, lease: Lease, outcome: JobOutcome) -> Result<Job, DbError> {
    finish_after(connection, lease, outcome, Duration::ZERO).await
}

async fn finish_after(
    connection: &mut AsyncPgConnection,
    lease: Lease,
    outcome: JobOutcome,
    retry_after: Duration,
) -> Result<Job, DbError> {
    let job = fence(connection, lease).await?;
    end(connection, job.id, job.end_of_run(outcome), EndOptions { retry_after: Some(retry_after), ..EndOptions::default() }).await
}

/// Locks the job for the holder of the lease.
pub(super) async fn fence(connection: &mut AsyncPgConnection, lease: Lease) -> Result<Job, DbError> {
    let row: Option<JobRow> = statements::fence(lease).get_result(connection).await.optional()?;
    let row = row.ok_or(StoreError::LeaseLost)?;
    Ok(row.try_into()?)
}

/// Writes the end of a run of a job that this transaction has locked.
async fn end(connection: &mut AsyncPgConnection, id: JobId, end: RunEnd, options: EndOptions) -> Result<Job, DbError> {
    let row: JobRow = statements::end(id, end, options).get_result(connection).await?;
    Ok(row.try_into()?)
}

async fn claim_in(connection: &mut AsyncPgConnection, request: ClaimRequest<'_>) -> Result<Option<ClaimedJob>, DbError> {
    for _ in 0..LOST_JOBS_A_CLAIM {
        let row: Option<JobRow> = statements::expired(request.kinds).get_result(connection).await.optional()?;
        let Some(row) = row else { break };
        let (lease, after) = (row.lease(), row.event_seq());
        let job = Job::try_from(row)?;
        let lost = job.end_of_lost_run();
        if lost.state.is_final() {
            end(connection, job.id, lost, EndOptions::default()).await?;
            continue;
        }
        append_in(connection, lease, &EventBatch { after, events: vec![lost.event], progress: None }).await?;
        return start(connection, job.id, request).await.map(Some);
    }
    let row: Option<JobRow> = statements::next_queued(&request).get_result(connection).await.optional()?;
    match row {
        Some(row) => start(connection, row.lease().job_id, request).await.map(Some),
        None => Ok(None),
    }
}

async fn start(connection: &mut AsyncPgConnection, id: JobId, request: ClaimRequest<'_>) -> Result<ClaimedJob, DbError> {
    let row: JobRow = statements::start(id, &request).get_result(connection).await?;
    Ok(row.try_into()?)
}

async fn append_in(connection: &mut AsyncPgConnection, lease: Lease, batch: &EventBatch) -> Result<Appended, DbError> {
    let appended: Option<AppendedRow> = statements::append(lease, batch).get_result(connection).await.optional()?;
    if let Some(row) = appended {
        return Ok(Appended { last_seq: row.event_seq, cancel_requested: row.cancel_requested });
    }
    let stands: Option<AppendedRow> = statements::log_position(lease).get_result(connection).await.optional()?;
    let stands = stands.ok_or(StoreError::LeaseLost)?;
    // Only the holder of the lease appends, so a log that stands where this batch ends has this batch at its end.
    let end = i64::try_from(batch.events.len()).ok().and_then(|count| batch.after.checked_add(count));
    if end == Some(stands.event_seq) {
        return Ok(Appended { last_seq: stands.event_seq, cancel_requested: stands.cancel_requested });
    }
    Err(StoreError::Conflict(format!("the log stands at {}, not at {}", stands.event_seq, batch.after)).into())
}

/// Locks a job, if it is there, for a transaction that goes on to lock what the job works on.
pub(super) async fn lock(connection: &mut AsyncPgConnection, id: JobId) -> Result<(), DbError> {
    let _: Option<uuid::Uuid> = jobs::table.find(id.0).select(jobs::job_id).for_update().first(connection).await.optional()?;
    Ok(())
}

/// Locks those of these jobs that are there, as [`lock`] does, in the order in which everybody locks several.
pub(super) async fn lock_all(connection: &mut AsyncPgConnection, ids: Vec<uuid::Uuid>) -> Result<(), DbError> {
    let all = jobs::table.filter(jobs::job_id.eq_any(ids)).order(jobs::job_id);
    let _: Vec<uuid::Uuid> = all.select(jobs::job_id).for_update().load(connection).await?;
    Ok(())
}

/// Locks the unfinished jobs of a project that this transaction has locked for its deletion. No more come to them, and until it
/// ends they store nothing.
pub(super) async fn lock_unfinished(connection: &mut AsyncPgConnection, project: ProjectId) -> Result<(), DbError> {
    let unfinished = jobs::table.filter(jobs::project_id.eq(project.0)).filter(jobs::finished_at.is_null()).order(jobs::job_id);
    let _: Vec<uuid::Uuid> = unfinished.select(jobs::job_id).for_update().load(connection).await?;
    Ok(())
}

/// Reads one of the caller's jobs, in the caller's transaction.
pub(super) async fn find_in(connection: &mut AsyncPgConnection, caller: &Caller, id: JobId) -> Result<Job, DbError> {
    let row: JobRow = owned(caller, id).first(connection).await?;
    Ok(row.try_into()?)
}

/// Asks a job to stop, in the caller's transaction: whoever works on it hears so when that commits.
pub(super) async fn request_cancel_in(connection: &mut AsyncPgConnection, caller: &Caller, id: JobId) -> Result<Job, DbError> {
    let row: JobRow = owned(caller, id).for_update().first(connection).await?;
    let job = Job::try_from(row)?;
    match job.state {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => Ok(job),
        JobState::Queued => end(connection, id, RunEnd::cancelled(), EndOptions::default()).await,
        JobState::Running => {
            let row = diesel::update(jobs::table.find(id.0))
                .set(jobs::cancel_requested.eq(true))
                .returning(JobRow::as_returning())
                .get_result(connection)
                .await?;
            statements::notify(Channel::JobChanged, id.to_string()).execute(connection).await?;
            Ok(Job::try_from(row)?)
        }
    }
}

/// Whether a job of a kind waits or runs for a project.
async fn is_open(connection: &mut AsyncPgConnection, owner: UserId, project: ProjectId, kind: JobKind) -> Result<bool, DbError> {
    // A plain disjunction, which the two partial indexes answer.
    let open = jobs::table
        .filter(jobs::state.eq(JobState::Queued.as_str()).or(jobs::state.eq(JobState::Running.as_str())))
        .filter(jobs::owner_id.eq(owner.0))
        .filter(jobs::kind.eq(kind.as_str()))
        .filter(jobs::project_id.eq(project.0));
    Ok(diesel::select(exists(open)).get_result(connection).await?)
}

async fn require_project(connection: &mut AsyncPgConnection, owner: UserId, project: ProjectId) -> Result<(), DbError> {
    let owned = projects::table.filter(projects::project_id.eq(project.0)).filter(projects::owner_id.eq(owner.0));
    let found: bool = diesel::select(exists(owned)).get_result(connection).await?;
    if found { Ok(()) } else { Err(StoreError::NotFound.into()) }
}

/// The job, if it is the caller's: the only way in which a caller reaches one.
#[diesel::dsl::auto_type]
fn owned<'a>(caller: &'a Caller, id: JobId) -> _ {
    let job: uuid::Uuid = id.0;
    let owner: uuid::Uuid = caller.user_id.0;
    let selection: AsSelect<JobRow, Pg> = JobRow::as_select();
    jobs::table.filter(jobs::job_id.eq(job)).filter(jobs::owner_id.eq(owner)).select(selection)
}

/// The caller's jobs, newest first.
fn listed<'a>(caller: &Caller, filter: &JobFilter) -> IntoBoxed<'a, Select<jobs::table, AsSelect<JobRow, Pg>>, Pg> {
    let mut query = jobs::table
        .select(JobRow::as_select())
        .into_boxed()
        .filter(jobs::owner_id.eq(caller.user_id.0))
        .order((jobs::created_at.desc(), jobs::job_id.desc()));
    if let Some(project) = filter.project_id {
        query = query.filter(jobs::project_id.eq(project.0));
    }
    if let Some((created_at, id)) = filter.before {
        // As one comparison of rows: the index can start there. Written as two with `or`, it cannot.
        let before = sql::<Bool>("(jobs.created_at, jobs.job_id) < (")
            .bind::<Timestamptz, _>(created_at)
            .sql(", ")
            .bind::<SqlUuid, _>(id.0)
            .sql(")");
        query = query.filter(before);
    }
    match filter.limit {
        Some(limit) => query.limit(i64::from(limit)),
        None => query,
    }
}
