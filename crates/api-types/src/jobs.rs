//! Jobs (DESIGN decision 9) and their event logs (decision 10).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use garde::Validate;
use gristmill_domain::{
    JobId, ProjectId,
    jobs::{Job, JobError, JobEvent, JobKind, JobProgress, JobState},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::common::Instant;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Identity.
    pub job_id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Where it stands.
    pub status: JobState,
    /// How far it has come.
    pub progress: JobProgress,
    /// What it made, once it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it ended, once it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// How often it was started.
    pub attempt: u32,
    /// Whether somebody asked to stop it.
    pub cancel_requested: bool,
    /// When it was submitted.
    pub created_at: Instant,
    /// When it was first started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Instant>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Instant>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            job_id: job.id,
            kind: job.kind,
            project_id: job.project_id,
            status: job.state,
            progress: job.progress,
            result: job.result,
            error: job.error,
            attempt: job.attempt,
            cancel_requested: job.cancel_requested,
            created_at: job.created_at.into(),
            started_at: job.started_at.map(Instant),
            finished_at: job.finished_at.map(Instant),
        }
    }
}

/// `{job}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobEnvelope {
    /// The job.
    pub job: JobView,
}

impl From<Job> for JobEnvelope {
    fn from(job: Job) -> Self {
        Self { job: job.into() }
    }
}

/// `{jobs}`, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobList {
    /// The caller's jobs.
    pub jobs: Vec<JobView>,
    /// Send as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which jobs to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct JobListQuery {
    /// Only this project's.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
    /// At most this many, 1 to 200; all when absent.
    #[garde(inner(range(min = 1, max = 200)))]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[garde(inner(length(max = 200)))]
    pub cursor: Option<String>,
}

/// Where to start in an event log.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct JobEventsQuery {
    /// Only events with a larger `seq`; 0 (the default) for all. `Last-Event-ID` means the same.
    #[garde(inner(range(min = 0)))]
    #[param(minimum = 0)]
    pub after: Option<i64>,
}

/// One event of a job's log: `seq`, `type` and `timestamp`, and the event's own fields beside them.
///
/// Types: `job_queued`, `job_started` (`attempt`), `progress` (`fraction`, `message`), `job_retried` (`error`),
/// and one closing event: `job_succeeded` (`result`), `job_failed` (`error`) or `job_cancelled`.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobEventView {
    /// Position in the log, from 1, without gaps.
    pub seq: i64,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened, by the event's own account, or else when it was appended.
    pub timestamp: Instant,
    /// The event's own fields.
    #[serde(flatten)]
    pub data: BTreeMap<String, Value>,
}

impl From<JobEvent> for JobEventView {
    fn from(event: JobEvent) -> Self {
        let mut data: BTreeMap<String, Value> = match event.data {
            Value::Object(map) => map.into_iter().collect(),
            Value::Null => BTreeMap::new(),
            other => BTreeMap::from([("data".to_owned(), other)]),
        };
        // Of a key that is there twice, one reader takes the first, another the last, and a third refuses the line.
        let own: Option<DateTime<Utc>> = data.remove("timestamp").and_then(|own| own.as_str()?.parse().ok());
        for key in ["seq", "type"] {
            data.remove(key);
        }
        Self { seq: event.seq, event_type: event.event_type, timestamp: own.unwrap_or(event.at).into(), data }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The line of an event with this data, which was appended half a second after ten.
    fn line(data: Value) -> String {
        let at = "2026-01-31T10:00:00.500Z".parse().unwrap();
        let event = JobEvent { seq: 7, at, event_type: "phase_started".to_owned(), data };
        serde_json::to_string(&JobEventView::from(event)).unwrap()
    }

    #[test]
    fn an_event_has_each_key_once_and_its_own_time() {
        for (data, expected) in [
            (json!({ "phaseId": "planning", "timestamp": "2026-01-31T10:00:00.123Z" }), "2026-01-31T10:00:00.123Z"),
            (json!({ "phaseId": "planning" }), "2026-01-31T10:00:00.500Z"),
            (json!({ "phaseId": "planning", "timestamp": "soon" }), "2026-01-31T10:00:00.500Z"),
            (json!({ "phaseId": "planning", "timestamp": null, "seq": 1, "type": "done" }), "2026-01-31T10:00:00.500Z"),
        ] {
            let line = line(data);
            for key in ["seq", "type", "timestamp"] {
                assert_eq!(line.matches(&format!("\"{key}\":")).count(), 1, "{line}");
            }
            let read: Value = serde_json::from_str(&line).unwrap();
            let view = json!({ "seq": 7, "type": "phase_started", "timestamp": expected, "phaseId": "planning" });
            assert_eq!(read, view);
        }
    }
}
