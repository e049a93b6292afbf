//! Rows of the job tables, and what they mean.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Json, Nullable, Text, Timestamptz},
};
use gristmill_domain::{
    JobId, ProjectId, UserId,
    jobs::{Job, JobError, JobEvent, JobKind, JobProgress, JobState, Lease},
    ports::{ClaimedJob, StoreError},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::schema::jobs;

/// A job with what only the store needs to know.
#[derive(Debug, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
pub(super) struct JobRow {
    job_id: Uuid,
    kind: String,
    owner_id: Uuid,
    project_id: Option<Uuid>,
    state: String,
    payload: Value,
    result: Option<Value>,
    error: Option<Value>,
    progress: Value,
    attempt: i32,
    attempts_max: i32,
    cancel_requested: bool,
    lease_epoch: i64,
    event_seq: i64,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl JobRow {
    pub(super) fn lease(&self) -> Lease {
        Lease { job_id: JobId(self.job_id), epoch: self.lease_epoch }
    }

    pub(super) fn event_seq(&self) -> i64 {
        self.event_seq
    }
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId(row.job_id),
            kind: JobKind::from_name(&row.kind).ok_or_else(|| unreadable("kind", &row.kind))?,
            owner_id: UserId(row.owner_id),
            project_id: row.project_id.map(ProjectId),
            state: JobState::from_name(&row.state).ok_or_else(|| unreadable("state", &row.state))?,
            payload: row.payload,
            result: row.result,
            error: row.error.map(read_json::<JobError>).transpose()?,
            progress: read_json::<JobProgress>(row.progress)?,
            attempt: count(row.attempt),
            attempts_max: count(row.attempts_max),
            cancel_requested: row.cancel_requested,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}

impl TryFrom<JobRow> for ClaimedJob {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        Ok(Self { lease: row.lease(), last_seq: row.event_seq, job: row.try_into()? })
    }
}

/// A count as stored. The table's checks keep it from being negative.
fn count(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}

/// A count as it can be stored.
pub(super) fn stored_count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn read_json<T: DeserializeOwned>(stored: Value) -> Result<T, StoreError> {
    serde_json::from_value(stored).map_err(|error| StoreError::Defect(Box::new(error)))
}

/// A value that this version of the program does not know: written by a newer one, or by hand.
fn unreadable(column: &str, value: &str) -> StoreError {
    StoreError::Defect(format!("jobs.{column} holds {value:?}").into())
}

/// The answer to an append.
#[derive(Debug, QueryableByName)]
pub(super) struct AppendedRow {
    #[diesel(sql_type = BigInt)]
    pub(super) event_seq: i64,
    #[diesel(sql_type = Bool)]
    pub(super) cancel_requested: bool,
}

/// The answer to a heartbeat.
#[derive(Debug, QueryableByName)]
pub(super) struct HeartbeatRow {
    #[diesel(sql_type = Bool)]
    pub(super) cancel_requested: bool,
}

/// An event, or none: a job without events in the stretch that was asked for still answers with one row.
#[derive(Debug, QueryableByName)]
pub(super) struct EventRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    event_type: Option<String>,
    #[diesel(sql_type = Nullable<Json>)]
    data: Option<Value>,
}

impl EventRow {
    pub(super) fn into_event(self) -> Option<JobEvent> {
        Some(JobEvent { seq: self.seq?, at: self.at?, event_type: self.event_type?, data: self.data? })
    }
}

/// A number of deleted rows.
#[derive(Debug, QueryableByName)]
pub(super) struct DeletedRow {
    #[diesel(sql_type = BigInt)]
    pub(super) deleted: i64,
}
