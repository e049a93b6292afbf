//! Preprocessing runs. One decision is one transaction: the run is locked, a pure function decides, what changed is written.

mod rows;
mod states;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, ProjectId,
    ports::StoreError,
    preprocessing::{Checkpoint, PrepAnswer, PrepEvent, PrepEventKind, PrepRun, PrepRunId, PrepRunOutline, Step},
    workflows::WorkflowRunId,
};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::states::copy_run;
use self::{
    rows::{CheckpointRow, EventRow, RunRow, StepRow, event_kind, to_json},
    states::keep_state,
};
use super::{
    ownership::{hold_project, own_project},
    workflows::{DecidedStep, decide_beside},
};
use crate::{
    Database,
    database::{DbError, at_one_moment},
    schema::{
        preprocessing_calls as calls, preprocessing_checkpoints as checkpoints, preprocessing_events as events,
        preprocessing_runs as runs, preprocessing_steps as steps, projects,
    },
};

/// The preprocessing runs of a caller.
#[derive(Debug, Clone)]
pub struct PreprocessingRuns {
    database: Database,
}

/// A call that decides something about a run.
#[derive(Debug, Clone, Copy)]
pub struct PrepCall<'a> {
    /// The project that the run must be of.
    pub project: ProjectId,
    /// The run.
    pub run: PrepRunId,
    /// The call's key: what was decided under it is not decided again.
    pub key: &'a str,
    /// The person's decision that it carries out beside a turn, which is recorded with it.
    pub decision: Option<&'a DecidedStep>,
}

impl PreprocessingRuns {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the runs of one of the caller's projects, the last changed first; all when there is no `limit`.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: ProjectId, limit: Option<u32>) -> Result<Vec<PrepRunOutline>, StoreError> {
        let mut connection = self.database.connection().await?;
        let (rows, counts, latest) = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let mut query = runs::table
                    .filter(runs::project_id.eq(project.0))
                    .order((runs::updated_at.desc(), runs::run_id.desc()))
                    .select(RunRow::as_select())
                    .into_boxed();
                if let Some(limit) = limit {
                    query = query.limit(i64::from(limit));
                }
                let rows: Vec<RunRow> = query.load(connection).await?;
                let ids: Vec<Uuid> = rows.iter().map(|row| row.run_id).collect();
                let last: Vec<i64> = rows.iter().map(|row| row.event_sequence).collect();
                let counts: Vec<(Uuid, i64)> = steps::table
                    .filter(steps::run_id.eq_any(&ids))
                    .group_by(steps::run_id)
                    .select((steps::run_id, diesel::dsl::count_star()))
                    .load(connection)
                    .await?;
                // Too many by those whose number is another run's last; the right ones are picked below.
                let latest: Vec<(Uuid, i64, String, DateTime<Utc>)> = events::table
                    .filter(events::run_id.eq_any(&ids))
                    .filter(events::sequence.eq_any(&last))
                    .select((events::run_id, events::sequence, events::event_type, events::created_at))
                    .load(connection)
                    .await?;
                Ok::<_, DbError>((rows, counts, latest))
            })
            .await?;
        let counts: HashMap<Uuid, i64> = counts.into_iter().collect();
        let latest: HashMap<(Uuid, i64), (String, DateTime<Utc>)> =
            latest.into_iter().map(|(run, sequence, kind, at)| ((run, sequence), (kind, at))).collect();
        let outline = |row: RunRow| {
            let found = latest.get(&(row.run_id, row.event_sequence));
            Ok::<PrepRunOutline, StoreError>(PrepRunOutline {
                id: PrepRunId(row.run_id),
                project_id: ProjectId(row.project_id),
                active_dataset_id: row.active_dataset_id.map(DatasetId),
                step_count: count(counts.get(&row.run_id).copied().unwrap_or(0)),
                event_count: count(row.event_sequence),
                latest_event: found.map(|(kind, at)| event_kind(kind).map(|kind| (kind, *at))).transpose()?,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        };
        rows.into_iter().map(outline).collect()
    }

    /// Reads a run of one of the caller's projects, with its whole log.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, id: PrepRunId) -> Result<PrepRun, StoreError> {
        self.read(caller, id, Log::Whole).await
    }

    /// Reads a run of one of the caller's projects, with those entries of its log that decisions need.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn peek(&self, caller: &Caller, id: PrepRunId) -> Result<PrepRun, StoreError> {
        self.read(caller, id, Log::Commits).await
    }

    async fn read(&self, caller: &Caller, id: PrepRunId, log: Log) -> Result<PrepRun, StoreError> {
        let mut connection = self.database.connection().await?;
        let run = connection
            .transaction(async |connection| {
                // A step is applied in one commit with what the run works on from then on.
                at_one_moment(connection).await?;
                let row: RunRow = runs::table
                    .inner_join(projects::table)
                    .filter(runs::run_id.eq(id.0))
                    .filter(projects::owner_id.eq(caller.user_id.0))
                    .select(RunRow::as_select())
                    .first(connection)
                    .await?;
                load(connection, row, log).await
            })
            .await?;
        Ok(run)
    }

    /// Finds the run of an agent's run, or without one the last that belongs to none, in one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn current(
        &self,
        caller: &Caller,
        project: ProjectId,
        workflow: Option<&WorkflowRunId>,
    ) -> Result<Option<PrepRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        let run = connection
            .transaction(async |connection| {
                at_one_moment(connection).await?;
                own_project(connection, caller.user_id, project).await?;
                match current_in(connection, project, workflow).await? {
                    Some(row) => load(connection, row, Log::Commits).await.map(Some),
                    None => Ok(None),
                }
            })
            .await?;
        Ok(run)
    }

    /// As [`Self::current`]; makes the run under the id `fresh` when there is none.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn open(
        &self,
        caller: &Caller,
        project: ProjectId,
        workflow: Option<&WorkflowRunId>,
        fresh: PrepRunId,
        now: DateTime<Utc>,
    ) -> Result<PrepRun, StoreError> {
        if let Some(run) = self.current(caller, project, workflow).await? {
            return Ok(run);
        }
        let mut connection = self.database.connection().await?;
        let run = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                if let Some(row) = current_in(connection, project, workflow).await? {
                    return load(connection, row, Log::Commits).await;
                }
                let row = RunRow::of(&PrepRun::new(fresh, project, workflow.cloned(), now))?;
                let made = diesel::insert_into(runs::table).values(&row).on_conflict_do_nothing().execute(connection).await?;
                if made > 0 {
                    keep_state(connection, row.run_id, Vec::new()).await?;
                }
                // Another call may have been faster.
                let row = current_in(connection, project, workflow).await?.ok_or(StoreError::NotFound)?;
                load(connection, row, Log::Commits).await
            })
            .await?;
        Ok(run)
    }

    /// Reads what a call has answered before, if it changed the run of one of the caller's projects.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn answered(&self, caller: &Caller, call: PrepCall<'_>) -> Result<Option<PrepAnswer>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found: Option<(Value, Option<String>)> = calls::table
            .inner_join(runs::table.inner_join(projects::table))
            .filter(calls::run_id.eq(call.run.0))
            .filter(calls::call_key.eq(call.key))
            .filter(runs::project_id.eq(call.project.0))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .select((calls::output, calls::error))
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        Ok(found.map(recorded))
    }

    /// Lets `decide` change a run, and stores what it changed together with its answer. When the call's key was used before,
    /// nothing is decided and the answer is the one from then.
    ///
    /// # Errors
    /// `NotFound` when the run is not in this project of the caller's; `Unavailable`, `Defect`.
    pub async fn decide(
        &self,
        caller: &Caller,
        call: PrepCall<'_>,
        now: DateTime<Utc>,
        decide: impl FnOnce(&mut PrepRun) -> PrepAnswer + Send,
    ) -> Result<PrepAnswer, StoreError> {
        let mut connection = self.database.connection().await?;
        let answer = connection
            .transaction(async |connection| {
                hold_project(connection, caller.user_id, call.project).await?;
                let row: RunRow = runs::table
                    .find(call.run.0)
                    .filter(runs::project_id.eq(call.project.0))
                    .select(RunRow::as_select())
                    .for_no_key_update()
                    .first(connection)
                    .await?;
                let earlier: Option<(Value, Option<String>)> = calls::table
                    .find((call.run.0, call.key))
                    .select((calls::output, calls::error))
                    .first(connection)
                    .await
                    .optional()?;
                if let Some(earlier) = earlier {
                    return Ok(recorded(earlier));
                }
                let before = load(connection, row, Log::Commits).await?;
                let mut after = before.clone();
                let answer = decide(&mut after);
                if answer.is_recorded {
                    // A second no is none.
                    let is_decided = answer.error.is_none() && before.steps != after.steps;
                    store(connection, &before, after, now).await?;
                    keep(connection, call, &answer, now).await?;
                    if let (true, Some(decided), Some(run)) = (is_decided, call.decision, &before.workflow_run) {
                        decide_beside(connection, call.project, run, decided, &answer, now).await?;
                    }
                }
                Ok::<PrepAnswer, DbError>(answer)
            })
            .await?;
        Ok(answer)
    }
}

/// How much of a run's log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    Whole,
    /// Kept steps: what they need is compared with other datasets.
    Commits,
}

fn recorded((output, error): (Value, Option<String>)) -> PrepAnswer {
    PrepAnswer { output, error, is_recorded: true }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

async fn current_in(
    connection: &mut AsyncPgConnection,
    project: ProjectId,
    workflow: Option<&WorkflowRunId>,
) -> Result<Option<RunRow>, DbError> {
    let of_project = runs::table
        .filter(runs::project_id.eq(project.0))
        .order((runs::updated_at.desc(), runs::run_id.desc()))
        .select(RunRow::as_select())
        .into_boxed();
    let query = match workflow {
        Some(workflow) => of_project.filter(runs::workflow_run_id.eq(workflow.as_str().to_owned())),
        None => of_project.filter(runs::workflow_run_id.is_null()),
    };
    Ok(query.first(connection).await.optional()?)
}

async fn load(connection: &mut AsyncPgConnection, row: RunRow, log: Log) -> Result<PrepRun, DbError> {
    let id = row.run_id;
    let stored_steps: Vec<StepRow> =
        steps::table.filter(steps::run_id.eq(id)).order(steps::place).select(StepRow::as_select()).load(connection).await?;
    let stored_checkpoints: Vec<CheckpointRow> = checkpoints::table
        .filter(checkpoints::run_id.eq(id))
        .order(checkpoints::place)
        .select(CheckpointRow::as_select())
        .load(connection)
        .await?;
    let mut query =
        events::table.filter(events::run_id.eq(id)).order(events::sequence).select(EventRow::as_select()).into_boxed();
    if log == Log::Commits {
        query = query.filter(events::event_type.eq(PrepEventKind::StepCommitted.as_str()));
    }
    let stored_events: Vec<EventRow> = query.load(connection).await?;
    let mut run = row.into_run()?;
    run.steps = stored_steps.into_iter().map(Step::try_from).collect::<Result<_, StoreError>>()?;
    run.checkpoints = stored_checkpoints.into_iter().map(Checkpoint::try_from).collect::<Result<_, StoreError>>()?;
    run.events = stored_events.into_iter().map(PrepEvent::try_from).collect::<Result<_, StoreError>>()?;
    Ok(run)
}

/// Writes what is other than before.
async fn store(connection: &mut AsyncPgConnection, before: &PrepRun, after: PrepRun, now: DateTime<Utc>) -> Result<(), DbError> {
    let row = RunRow::of(&after)?;
    diesel::update(runs::table.find(row.run_id))
        .set((
            runs::active_dataset_id.eq(row.active_dataset_id),
            runs::seen_dataset_id.eq(row.seen_dataset_id),
            runs::derived_dataset_ids.eq(row.derived_dataset_ids),
            runs::event_sequence.eq(row.event_sequence),
            runs::updated_at.eq(now),
        ))
        .execute(connection)
        .await?;
    let known: HashMap<Uuid, &Step> = before.steps.iter().map(|step| (step.id.0, step)).collect();
    let changed = (0_i32..).zip(&after.steps).filter(|(_, step)| known.get(&step.id.0) != Some(step));
    let changed: Vec<StepRow> =
        changed.map(|(place, step)| StepRow::of(after.id, place, step)).collect::<Result<_, StoreError>>()?;
    let ids: Vec<Uuid> = changed.iter().map(StepRow::id).collect();
    if !changed.is_empty() {
        // Nothing refers to them. Forks have steps of the same ids.
        let before = steps::table.filter(steps::run_id.eq(after.id.0)).filter(steps::step_id.eq_any(&ids));
        diesel::delete(before).execute(connection).await?;
        diesel::insert_into(steps::table).values(&changed).execute(connection).await?;
    }
    let fresh = (0_i32..).zip(&after.checkpoints).skip(before.checkpoints.len());
    let fresh: Vec<CheckpointRow> =
        fresh.map(|(place, one)| CheckpointRow::of(after.id, place, one)).collect::<Result<_, StoreError>>()?;
    if !fresh.is_empty() {
        diesel::insert_into(checkpoints::table).values(&fresh).execute(connection).await?;
    }
    let (run, last) = (after.id, before.event_sequence);
    let fresh = after.events.into_iter().filter(|event| event.sequence > last);
    let fresh: Vec<EventRow> = fresh.map(|event| EventRow::of(run, event)).collect();
    if !fresh.is_empty() {
        diesel::insert_into(events::table).values(&fresh).execute(connection).await?;
    }
    keep_state(connection, run.0, ids).await
}

/// Remembers what a call has answered.
async fn keep(
    connection: &mut AsyncPgConnection,
    call: PrepCall<'_>,
    answer: &PrepAnswer,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(calls::table)
        .values((
            calls::run_id.eq(call.run.0),
            calls::call_key.eq(call.key),
            calls::output.eq(to_json(&answer.output)?),
            calls::error.eq(answer.error.as_deref()),
            calls::created_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
