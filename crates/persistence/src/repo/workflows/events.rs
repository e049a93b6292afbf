//! What a turn that is taken up reads of its run.

use diesel::{dsl::max, prelude::*};
use diesel_async::RunQueryDsl;
use gristmill_domain::{
    Caller, ProjectId,
    ports::StoreError,
    workflows::{Phase, WorkflowEvent, WorkflowRunId},
};

use super::{super::ownership::own_project, Workflows, find_in, rows::EventRow};
use crate::{
    database::DbError,
    schema::{workflow_events as events, workflow_runs as runs},
};

/// The type of the first event of every turn.
const TURN_STARTED: &str = "workflow_turn_started";
/// The type of the last event of a turn that waits for a person.
const PAUSED: &str = "workflow_paused";

impl Workflows {
    /// Reads the events of the turn that began with the event `turn`, and those of turns before it that are of one of these
    /// types, oldest first; and whether it is the last turn. Arguments and facts of earlier turns need not fit into memory.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn turn_events(
        &self,
        caller: &Caller,
        id: &WorkflowRunId,
        turn: i64,
        of_earlier: &[&str],
    ) -> Result<(Vec<WorkflowEvent>, bool), StoreError> {
        let mut connection = self.database.connection().await?;
        find_in(&mut connection, caller, id).await?;
        let of_run = || events::table.filter(events::run_id.eq(id.as_str()));
        let begins = || of_run().filter(events::event_type.eq(TURN_STARTED));
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
        let rows: Vec<EventRow> = of_run()
            .filter(events::sequence.lt(next.unwrap_or(i64::MAX)))
            .filter(events::sequence.ge(first.unwrap_or(0)).or(events::event_type.eq_any(of_earlier)))
            .order(events::sequence)
            .select(EventRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok((rows.into_iter().map(WorkflowEvent::from).collect(), next.is_none()))
    }

    /// Reads how the last turns of a phase ended that wait for a person, oldest first: of the project's last `runs_max` runs.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn pauses(
        &self,
        caller: &Caller,
        project: ProjectId,
        phase: Phase,
        runs_max: u32,
    ) -> Result<Vec<WorkflowEvent>, StoreError> {
        let mut connection = self.database.connection().await?;
        own_project(&mut connection, caller.user_id, project).await?;
        let ids: Vec<String> = runs::table
            .filter(runs::project_id.eq(project.0))
            .filter(runs::phase.eq(phase.as_str()))
            .order((runs::updated_at.desc(), runs::run_id))
            .limit(i64::from(runs_max))
            .select(runs::run_id)
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let rows: Vec<EventRow> = events::table
            .filter(events::run_id.eq_any(ids))
            .filter(events::event_type.eq(PAUSED))
            .order((events::created_at, events::run_id, events::sequence))
            .select(EventRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(WorkflowEvent::from).collect())
    }
}
