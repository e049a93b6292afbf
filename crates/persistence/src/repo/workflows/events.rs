//! What a turn that begins or is taken up reads of its run, and of those before it.

use diesel::{
    dsl::{max, sql},
    prelude::*,
    sql_types::BigInt,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, ProjectId,
    ports::StoreError,
    workflows::{Phase, WorkflowEvent, WorkflowRun, WorkflowRunId, event_types},
};

use super::{
    super::ownership::own_project,
    Workflows, find_in,
    rows::{EventRow, RunRow},
};
use crate::{
    database::DbError,
    schema::{workflow_events as events, workflow_runs as runs},
};

/// Most events of earlier turns that are read, and bytes of their payloads together: the run may be of any length.
const EARLIER_MAX: i64 = 1_000;
const EARLIER_BYTES_MAX: i64 = 8 * 1024 * 1024;
/// Runs of a phase that are looked through for what a client answers without naming the run.
const RUNS_SEEN: i64 = 12;

/// What a turn reads of its run.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEvents {
    /// Its own events, and those of earlier turns, oldest first.
    pub events: Vec<WorkflowEvent>,
    /// How many of earlier turns were left out for their number or size: the oldest.
    pub left_out: u64,
    /// Whether it is the last turn.
    pub is_last: bool,
}

impl Workflows {
    /// Reads the events of the turn that began with the event `turn`, and of those of turns before it that are of one of these
    /// types the last 1,000, at most 8 MiB of them. The same for the same turn whenever it is read.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn turn_events(
        &self,
        caller: &Caller,
        id: &WorkflowRunId,
        turn: i64,
        of_earlier: &[&str],
    ) -> Result<TurnEvents, StoreError> {
        let mut connection = self.database.connection().await?;
        // What is appended meanwhile is not seen: another turn that begins now is none of this one's events.
        let stands = find_in(&mut connection, caller, id).await?.event_seq;
        let of_run = || events::table.filter(events::run_id.eq(id.as_str())).filter(events::sequence.le(stands));
        let begins = || of_run().filter(events::event_type.eq(event_types::TURN_STARTED));
        let first: Option<i64> = begins()
            .filter(events::sequence.le(turn))
            .select(max(events::sequence))
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        let next: Option<i64> = begins()
            .filter(events::sequence.gt(turn))
            .order(events::sequence)
            .select(events::sequence)
            .first(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        let first = first.unwrap_or(0);
        let (kept, left_out) = earlier(&mut connection, id, first, of_earlier).await?;
        let rows: Vec<EventRow> = of_run()
            .filter(events::sequence.ge(kept))
            .filter(events::sequence.lt(next.unwrap_or(i64::MAX)))
            .filter(events::sequence.ge(first).or(events::event_type.eq_any(of_earlier)))
            .order(events::sequence)
            .select(EventRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(TurnEvents { events: rows.into_iter().map(WorkflowEvent::from).collect(), left_out, is_last: next.is_none() })
    }

    /// Reads the 12 runs of a phase that changed last, the last one first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn last_runs(&self, caller: &Caller, project: ProjectId, phase: Phase) -> Result<Vec<WorkflowRun>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = last_in(&mut connection, caller, project, phase).await?;
        rows.into_iter().map(WorkflowRun::try_from).collect()
    }

    /// Reads how the last turns of a phase ended that wait for a person, oldest first: of the runs of [`Self::last_runs`].
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn pauses(&self, caller: &Caller, project: ProjectId, phase: Phase) -> Result<Vec<WorkflowEvent>, StoreError> {
        let mut connection = self.database.connection().await?;
        let last = last_in(&mut connection, caller, project, phase).await?;
        let ids: Vec<String> = last.into_iter().map(|run| run.run_id).collect();
        let rows: Vec<EventRow> = events::table
            .filter(events::run_id.eq_any(ids))
            .filter(events::event_type.eq(event_types::PAUSED))
            .order((events::created_at, events::run_id, events::sequence))
            .select(EventRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(WorkflowEvent::from).collect())
    }
}

async fn last_in(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    project: ProjectId,
    phase: Phase,
) -> Result<Vec<RunRow>, DbError> {
    own_project(connection, caller.user_id, project).await?;
    let rows: Vec<RunRow> = runs::table
        .filter(runs::project_id.eq(project.0))
        .filter(runs::phase.eq(phase.as_str()))
        .order((runs::updated_at.desc(), runs::run_id))
        .limit(RUNS_SEEN)
        .select(RunRow::as_select())
        .load(connection)
        .await?;
    Ok(rows)
}

/// Where the events of these types begin that are read of the turns before `first`, and how many there are before them.
async fn earlier(
    connection: &mut AsyncPgConnection,
    id: &WorkflowRunId,
    first: i64,
    types: &[&str],
) -> Result<(i64, u64), DbError> {
    let before = |position: i64| {
        events::table
            .filter(events::run_id.eq(id.as_str()))
            .filter(events::sequence.lt(position))
            .filter(events::event_type.eq_any(types))
    };
    let sizes: Vec<(i64, i64)> = before(first)
        .order(events::sequence.desc())
        .limit(EARLIER_MAX)
        .select((events::sequence, sql::<BigInt>("octet_length(payload::text)::bigint")))
        .load(connection)
        .await?;
    let mut room = EARLIER_BYTES_MAX;
    let fitting = sizes.iter().take_while(|(_, bytes)| {
        room = room.saturating_sub(*bytes);
        room >= 0
    });
    let kept = fitting.last().map_or(first, |(sequence, _)| *sequence);
    let left_out: i64 = before(kept).count().get_result(connection).await?;
    Ok((kept, u64::try_from(left_out).unwrap_or(0)))
}
