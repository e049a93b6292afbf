//! Runs of agent workflows with their events, artifacts and approvals.
//!
//! A turn of a run is a job, and what it writes carries the job's lease: a turn whose worker was taken for dead, or that was
//! interrupted, changes nothing more.
//!
//! Transactions over several of these rows lock them in one order, so that no two wait for each other: the owner, the project,
//! its jobs by their ids, the run of preprocessing, the dataset, the notebook, the run. Models come after the jobs. Who needs less
//! leaves out the rest, but none goes back. Whoever deletes an owner or a project locks all of its unfinished jobs before anything
//! goes. None comes in between: a new job holds both.

mod begin;
mod beside;
mod events;
mod fork;
mod record;
mod release;
mod rows;
mod write;

use chrono::{DateTime, Utc};
use diesel::{dsl::exists, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, JobId, NotebookId, ProjectId,
    caller::Credential,
    jobs::{Job, JobState, NewJob},
    ports::StoreError,
    workflows::{
        NewWorkflowEvent, Phase, RunRecord, RunStanding, WorkflowApproval, WorkflowArtifact, WorkflowEvent, WorkflowRun,
        WorkflowRunId, WorkflowStatus, event_types,
    },
};
use serde_json::{Map, Value, json};

use self::{
    begin::{begin_in, reattached},
    fork::fork_in,
    rows::{ApprovalRow, ArtifactRow, EventRow, RunRow},
    write::{keep_state, write_in},
};
pub use self::{beside::DecidedStep, events::TurnEvents};
pub(super) use self::{
    beside::decide_beside,
    release::{lock_turns, release_dataset},
};
use super::{
    Idempotency, jobs,
    ownership::{hold_any_project, hold_project, lock_project, own_project},
};
use crate::{
    Database,
    database::DbError,
    schema::{jobs as job_table, projects, workflow_approvals, workflow_artifacts, workflow_events, workflow_runs},
};

/// The node that every turn begins at.
const FIRST_NODE: &str = "bootstrap_context";
/// Why a change is refused: the run was interrupted, or another turn of it has begun.
pub const TURN_ENDED: &str = "the turn has ended";
/// Why a run is not made: its id is taken by a run of another phase of the project.
pub const OTHER_PHASE: &str = "the run is of another phase";
/// Why a run is not forked: it made steps or features then whose state was not kept.
pub const STATE_NOT_KEPT: &str = "what the run had at that event was not kept";
/// Why a run that nobody works on any more has ended.
const LOST: &str = "The server that worked on this turn went away; send it again";
const LOST_CODE: &str = "WORKFLOW_NO_PROGRESS";
/// Why a run has ended whose turn was stopped while it waited for a worker.
const STOPPED: &str = "The turn was stopped.";

/// The runs of a caller.
#[derive(Debug, Clone)]
pub struct Workflows {
    database: Database,
}

/// A turn to begin.
#[derive(Debug, Clone)]
pub struct NewTurn {
    /// The project.
    pub project: ProjectId,
    /// What is worked at.
    pub phase: Phase,
    /// The run to go on with, or to make under this id; `None` makes one.
    pub run: Option<WorkflowRunId>,
    /// The conversation of a new run; `None` makes one.
    pub thread_id: Option<String>,
    /// The dataset to work on; `None` leaves the run's.
    pub dataset: Option<DatasetId>,
    /// The notebook to work in; `None` leaves the run's.
    pub notebook: Option<NotebookId>,
    /// Fields of `workflow_turn_started`.
    pub started: Value,
    /// The job that works on it. Its payload gets `runId`.
    pub job: NewJob,
    /// The client's key: the same request under it again is the same turn.
    pub idempotency: Option<Idempotency>,
}

/// Whether a turn began.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnBegun {
    /// It did.
    Begun {
        /// The run.
        run: Box<WorkflowRun>,
        /// The job that works on it.
        job: Box<Job>,
    },
    /// Another turn of this phase runs.
    AlreadyRunning {
        /// The run that it is of.
        active: WorkflowRunId,
    },
}

/// A run with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowSnapshot {
    /// The run.
    pub run: WorkflowRun,
    /// The job of its last turn.
    pub turn_job: Option<JobId>,
    /// Its events, oldest first.
    pub events: Vec<WorkflowEvent>,
    /// Its artifacts, oldest first.
    pub artifacts: Vec<WorkflowArtifact>,
    /// Its approvals, oldest first.
    pub approvals: Vec<WorkflowApproval>,
}

impl Workflows {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Begins a turn: makes or takes up the run, and submits the job that works on it, in one commit. A turn that was begun
    /// under the same key is found instead, whether it has ended or not.
    ///
    /// # Errors
    /// `NotFound` when the project or the run is not the caller's; `Conflict` ([`OTHER_PHASE`], or
    /// [`IDEMPOTENCY_MISMATCH`](super::IDEMPOTENCY_MISMATCH) for a key of another request); `Unavailable`, `Defect`.
    pub async fn begin_turn(&self, caller: &Caller, turn: NewTurn, now: DateTime<Utc>) -> Result<TurnBegun, StoreError> {
        let mut connection = self.database.connection().await?;
        let begun = connection
            .transaction(async |connection| {
                // One turn begins after the other: who comes second sees that the first one runs.
                lock_project(connection, caller.user_id, turn.project).await?;
                settle(connection, turn.project, now).await?;
                match reattached(connection, caller, &turn).await? {
                    Some(begun) => Ok(begun),
                    None => begin_in(connection, caller, &turn, now).await,
                }
            })
            .await?;
        Ok(begun)
    }

    /// Finds a run.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: &WorkflowRunId) -> Result<WorkflowRun, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = find_in(&mut connection, caller, id).await?;
        row.try_into()
    }

    /// Reads the events of a run, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn events(&self, caller: &Caller, id: &WorkflowRunId) -> Result<Vec<WorkflowEvent>, StoreError> {
        let mut connection = self.database.connection().await?;
        find_in(&mut connection, caller, id).await?;
        Ok(events_in(&mut connection, id).await?)
    }

    /// Reads a run with all that belongs to it.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn snapshot(
        &self,
        caller: &Caller,
        id: &WorkflowRunId,
        now: DateTime<Utc>,
    ) -> Result<WorkflowSnapshot, StoreError> {
        let mut connection = self.database.connection().await?;
        let (row, events, artifacts, approvals) = connection
            .transaction(async |connection| {
                let row = find_in(connection, caller, id).await?;
                settle(connection, ProjectId(row.project_id), now).await?;
                let row = find_in(connection, caller, id).await?;
                let events = events_in(connection, id).await?;
                let artifacts: Vec<ArtifactRow> = workflow_artifacts::table
                    .filter(workflow_artifacts::run_id.eq(id.as_str()))
                    .order((workflow_artifacts::created_at, workflow_artifacts::artifact_id))
                    .select(ArtifactRow::as_select())
                    .load(connection)
                    .await?;
                let approvals: Vec<ApprovalRow> = workflow_approvals::table
                    .filter(workflow_approvals::run_id.eq(id.as_str()))
                    .order((workflow_approvals::requested_at, workflow_approvals::approval_id))
                    .select(ApprovalRow::as_select())
                    .load(connection)
                    .await?;
                Ok::<_, DbError>((row, events, artifacts, approvals))
            })
            .await?;
        Ok(WorkflowSnapshot {
            turn_job: row.turn_job_id.map(JobId),
            run: row.try_into()?,
            events,
            artifacts: artifacts.into_iter().map(WorkflowArtifact::try_from).collect::<Result<_, _>>()?,
            approvals: approvals.into_iter().map(WorkflowApproval::try_from).collect::<Result<_, _>>()?,
        })
    }

    /// Lists the runs of one of the caller's projects, the last changed first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(
        &self,
        caller: &Caller,
        project: ProjectId,
        phase: Option<Phase>,
        now: DateTime<Utc>,
    ) -> Result<Vec<WorkflowRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<RunRow> = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                settle(connection, project, now).await?;
                let mut query = workflow_runs::table
                    .filter(workflow_runs::project_id.eq(project.0))
                    .order((workflow_runs::updated_at.desc(), workflow_runs::run_id))
                    .select(RunRow::as_select())
                    .into_boxed();
                if let Some(phase) = phase {
                    query = query.filter(workflow_runs::phase.eq(phase.as_str()));
                }
                Ok::<Vec<RunRow>, DbError>(query.load(connection).await?)
            })
            .await?;
        rows.into_iter().map(WorkflowRun::try_from).collect()
    }

    /// Reads one of the caller's runs while a turn of it runs, with the first event of that turn, and keeps the metadata that
    /// `change` decides. Returns what else it decides.
    ///
    /// # Errors
    /// `NotFound` when the run is not the caller's or not the project's; `Conflict` ([`TURN_ENDED`]) when no turn of it
    /// runs; `Unavailable`, `Defect`.
    pub async fn update_metadata<T: Send>(
        &self,
        caller: &Caller,
        project: ProjectId,
        id: &WorkflowRunId,
        change: impl Fn(&WorkflowRun, &WorkflowEvent) -> (Option<Map<String, Value>>, T) + Send + Sync,
    ) -> Result<T, StoreError> {
        let mut connection = self.database.connection().await?;
        let decided = connection
            .transaction(async |connection| {
                find_in(connection, caller, id).await?;
                let row: RunRow = workflow_runs::table
                    .find(id.as_str())
                    .filter(workflow_runs::project_id.eq(project.0))
                    .select(RunRow::as_select())
                    .for_update()
                    .first(connection)
                    .await?;
                // A job changes a run while it is its last turn, and a person at any time that one runs.
                let is_of_another = matches!(caller.credential, Credential::Job(job) if row.turn_job_id != Some(job.0));
                if !row.is_running() || is_of_another {
                    return Err(DbError::from(StoreError::Conflict(TURN_ENDED.to_owned())));
                }
                let begun: EventRow = turn_of(id).first(connection).await?;
                let (metadata, decided) = change(&WorkflowRun::try_from(row)?, &begun.into());
                if let Some(metadata) = metadata {
                    let row: RunRow = diesel::update(workflow_runs::table.find(id.as_str()))
                        .set(workflow_runs::metadata.eq(Value::Object(metadata)))
                        .returning(RunRow::as_returning())
                        .get_result(connection)
                        .await?;
                    // It comes with the result of the call that is under way, which is the next event.
                    keep_state(connection, &row, row.event_seq + 1).await?;
                }
                Ok::<T, DbError>(decided)
            })
            .await?;
        Ok(decided)
    }

    /// Reads a run with the first event of its last turn.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_with_turn(&self, caller: &Caller, id: &WorkflowRunId) -> Result<(WorkflowRun, WorkflowEvent), StoreError> {
        let mut connection = self.database.connection().await?;
        let row = find_in(&mut connection, caller, id).await?;
        let begun: EventRow = turn_of(id).first(&mut connection).await.map_err(DbError::from)?;
        Ok((row.try_into()?, begun.into()))
    }

    /// Interrupts a run that runs or waits, and asks the job of its turn to stop, in one commit. Returns the run, and whether
    /// it was interrupted now.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn interrupt(
        &self,
        caller: &Caller,
        id: &WorkflowRunId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(WorkflowRun, bool), StoreError> {
        let mut connection = self.database.connection().await?;
        let (row, interrupted) = connection
            .transaction(async |connection| {
                let project = ProjectId(find_in(connection, caller, id).await?.project_id);
                // No turn begins meanwhile.
                lock_project(connection, caller.user_id, project).await?;
                settle(connection, project, now).await?;
                let found = find_in(connection, caller, id).await?;
                let job = found.turn_job_id.filter(|_| found.is_running()).map(JobId);
                if let Some(job) = job {
                    // The job first: the lock order of a turn that records what it did.
                    jobs::lock(connection, job).await?;
                }
                let row: RunRow =
                    workflow_runs::table.find(id.as_str()).select(RunRow::as_select()).for_update().first(connection).await?;
                if !row.is_running() && row.status != WorkflowStatus::Paused.as_str() {
                    return Ok::<_, DbError>((row, false));
                }
                if let Some(job) = job.filter(|_| row.is_running()) {
                    jobs::request_cancel_in(connection, caller, job).await?;
                }
                let (row, _) = write_in(connection, row, interruption(reason), now).await?;
                Ok((row, true))
            })
            .await?;
        Ok((row.try_into()?, interrupted))
    }

    /// Makes a new run that has gone as far as an event of another: with its events until there and what it had then, paused.
    /// What it does to steps and features is no longer the other's.
    ///
    /// # Errors
    /// `NotFound` when there is no such run or event; `Conflict` ([`STATE_NOT_KEPT`]); `Unavailable`, `Defect`.
    pub async fn fork(
        &self,
        caller: &Caller,
        id: &WorkflowRunId,
        after_sequence: i64,
        now: DateTime<Utc>,
    ) -> Result<WorkflowRun, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let origin = find_in(connection, caller, id).await?;
                hold_project(connection, caller.user_id, ProjectId(origin.project_id)).await?;
                fork_in(connection, origin, after_sequence, now).await
            })
            .await?;
        row.try_into()
    }
}

fn interruption(reason: &str) -> RunRecord {
    RunRecord {
        events: vec![NewWorkflowEvent::new(event_types::INTERRUPTED, json!({ "reason": reason }))],
        standing: Some(RunStanding {
            status: WorkflowStatus::Interrupted,
            current_node: "interrupted".to_owned(),
            pending_input: None,
            pause_reason: None,
            failure_code: Some("USER_INTERRUPTED".to_owned()),
            failure_message: Some(reason.to_owned()),
        }),
        ..RunRecord::default()
    }
}

async fn find_in(connection: &mut AsyncPgConnection, caller: &Caller, id: &WorkflowRunId) -> Result<RunRow, DbError> {
    let own = projects::table
        .filter(projects::project_id.eq(workflow_runs::project_id))
        .filter(projects::owner_id.eq(caller.user_id.0));
    let row = workflow_runs::table.find(id.as_str()).filter(exists(own)).select(RunRow::as_select()).first(connection).await?;
    Ok(row)
}

/// The first event of a run's last turn.
#[diesel::dsl::auto_type(no_type_alias)]
fn turn_of(id: &WorkflowRunId) -> _ {
    let id: &str = id.as_str();
    let started: &'static str = event_types::TURN_STARTED;
    let select: diesel::dsl::AsSelect<EventRow, diesel::pg::Pg> = EventRow::as_select();
    workflow_events::table
        .filter(workflow_events::run_id.eq(id))
        .filter(workflow_events::event_type.eq(started))
        .order(workflow_events::sequence.desc())
        .select(select)
}

async fn events_in(connection: &mut AsyncPgConnection, id: &WorkflowRunId) -> Result<Vec<WorkflowEvent>, DbError> {
    let rows: Vec<EventRow> = workflow_events::table
        .filter(workflow_events::run_id.eq(id.as_str()))
        .order(workflow_events::sequence)
        .select(EventRow::as_select())
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(WorkflowEvent::from).collect())
}

/// Ends the runs of a project whose turn's job has ended without saying what became of them: it was stopped before anybody
/// worked on it, or its servers went away too often.
async fn settle(connection: &mut AsyncPgConnection, project: ProjectId, now: DateTime<Utc>) -> Result<(), DbError> {
    let forsaken = || {
        let open = job_table::table
            .filter(job_table::job_id.nullable().eq(workflow_runs::turn_job_id))
            .filter(job_table::state.eq_any([JobState::Queued.as_str(), JobState::Running.as_str()]));
        workflow_runs::table
            .filter(workflow_runs::project_id.eq(project.0))
            .filter(workflow_runs::status.eq(WorkflowStatus::Running.as_str()))
            .filter(diesel::dsl::not(exists(open)))
    };
    // Almost never is there any. Where there is, the project's deletion, which takes its runs in any order, has to wait.
    let is_any: bool = diesel::select(exists(forsaken())).get_result(connection).await?;
    if !is_any || !hold_any_project(connection, project).await? {
        return Ok(());
    }
    // One a phase at most. Nobody else holds them: their jobs have no lease any more.
    let rows: Vec<RunRow> =
        forsaken().order(workflow_runs::run_id).select(RunRow::as_select()).for_update().load(connection).await?;
    for row in rows {
        let job = row.turn_job_id.unwrap_or_default();
        let state: Option<String> = job_table::table.find(job).select(job_table::state).first(connection).await.optional()?;
        let record = if state.as_deref() == Some(JobState::Cancelled.as_str()) { interruption(STOPPED) } else { lost(&row) };
        write_in(connection, row, record, now).await?;
    }
    Ok(())
}

fn lost(row: &RunRow) -> RunRecord {
    let told = json!({ "end": "failed", "code": LOST_CODE, "message": LOST });
    RunRecord {
        events: vec![NewWorkflowEvent::new(event_types::FAILED, told)],
        standing: Some(RunStanding {
            status: WorkflowStatus::FailedRetryable,
            current_node: row.current_node.clone(),
            pending_input: None,
            pause_reason: None,
            failure_code: Some(LOST_CODE.to_owned()),
            failure_message: Some(LOST.to_owned()),
        }),
        ..RunRecord::default()
    }
}
