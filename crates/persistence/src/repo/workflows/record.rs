//! What a turn writes to its run. Events alone, which each call of a tool writes twice, take one statement, and wait for the disk
//! only when they must.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    jobs::Lease,
    ports::StoreError,
    workflows::{RunRecord, WorkflowRun, WorkflowRunId, WorkflowStatus},
};
use serde_json::Value;

use super::{
    TURN_ENDED, Workflows,
    rows::RunRow,
    write::{hold_dataset, write_in},
};
use crate::{
    database::DbError,
    repo::{jobs, statement::Statement},
    schema::workflow_runs,
};

/// Why a record is refused whose turn knows another history than the one that is stored.
const ELSEWHERE: &str = "the run does not stand where the turn left it";

/// Appends events to a run that stands where they say, while the turn's job is this lease's.
///
/// Whoever takes the job away or ends it locks its row for an update first, and waits for this; the job's own log does not,
/// because it changes no key. The run is locked by its update: who interrupted it meanwhile has changed its status.
const APPEND: &str = "
with fenced as (
    select job_id from jobs where job_id = $1 and lease_epoch = $2 and state = 'running' for key share
),
changed as (
    update workflow_runs set
        event_seq = event_seq + cardinality($5::text[]), revision = revision + 1, updated_at = $7::timestamptz
    from fenced
    where run_id = $3 and turn_job_id = fenced.job_id and status = 'running' and event_seq = $4
    returning workflow_runs.*
),
logged as (
    insert into workflow_events (run_id, sequence, event_type, payload, created_at)
    select changed.run_id, $4 + event.position, event.event_type, event.payload, changed.updated_at
    from changed
    cross join unnest($5::text[], $6::json[]) with ordinality as event (event_type, payload, position)
    order by event.position
)
select changed.* from changed
cross join lateral set_config('synchronous_commit', coalesce($8::text, current_setting('synchronous_commit')), true)";

impl Workflows {
    /// Writes what a turn did, in one commit and only while its lease holds and it is the run's last. Returns the run, and
    /// the position of its last event.
    ///
    /// # Errors
    /// `LeaseLost`; `Conflict` ([`TURN_ENDED`]) when the run was interrupted; `Unavailable`, also when the run does not stand
    /// where the record says: what was written last is lost, and the turn is to be read again; `Defect`.
    pub async fn record(
        &self,
        lease: Lease,
        id: &WorkflowRunId,
        record: RunRecord,
        now: DateTime<Utc>,
    ) -> Result<(WorkflowRun, i64), StoreError> {
        let mut connection = self.database.connection().await?;
        if let Some(row) = append_in(&mut connection, lease, id, &record, now).await? {
            let last = row.event_seq;
            return Ok((row.try_into()?, last));
        }
        // More than events, or refused: the steps below say why.
        let (row, last) = connection
            .transaction(async |connection| {
                jobs::fence(connection, lease).await?;
                let mut record = record;
                record.active_dataset_id = hold_dataset(connection, record.active_dataset_id).await?;
                let row: Option<RunRow> = workflow_runs::table
                    .find(id.as_str())
                    .filter(workflow_runs::turn_job_id.eq(lease.job_id.0))
                    .filter(workflow_runs::status.eq(WorkflowStatus::Running.as_str()))
                    .select(RunRow::as_select())
                    .for_update()
                    .first(connection)
                    .await
                    .optional()?;
                let row = row.ok_or_else(|| StoreError::Conflict(TURN_ENDED.to_owned()))?;
                if record.after.is_some_and(|after| after != row.event_seq) {
                    return Err(DbError::from(StoreError::Unavailable(ELSEWHERE.into())));
                }
                write_in(connection, row, record, now).await
            })
            .await?;
        Ok((row.try_into()?, last))
    }
}

/// Appends the events of a record that is nothing else. `None`: it is more, or it may not be written; nothing was.
async fn append_in(
    connection: &mut AsyncPgConnection,
    lease: Lease,
    id: &WorkflowRunId,
    record: &RunRecord,
    now: DateTime<Utc>,
) -> Result<Option<RunRow>, DbError> {
    let Some(after) = record.after.filter(|_| is_plain(record)) else { return Ok(None) };
    let types: Vec<&str> = record.events.iter().map(|event| event.event_type.as_str()).collect();
    let payloads: Vec<&Value> = record.events.iter().map(|event| &event.payload).collect();
    let row: Option<RunRow> = Statement::new(APPEND)
        .bind::<SqlUuid, _>(lease.job_id.0)
        .bind::<BigInt, _>(lease.epoch)
        .bind::<Text, _>(id.as_str())
        .bind::<BigInt, _>(after)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Json>, _>(payloads)
        .bind::<Timestamptz, _>(now)
        .bind::<Nullable<Text>, _>(record.may_be_lost.then_some("off"))
        .get_result(connection)
        .await
        .optional()?;
    Ok(row)
}

/// Whether there is nothing to write but events.
fn is_plain(record: &RunRecord) -> bool {
    !record.events.is_empty()
        && record.standing.is_none()
        && record.metadata.is_none()
        && record.active_dataset_id.is_none()
        && record.artifacts.is_empty()
        && record.approvals.is_empty()
        && record.decisions.is_empty()
        && !record.ends_turn
}
