//! What runs had while agents' runs worked on them, and the copies that forks begin with.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::ports::StoreError;
use uuid::Uuid;

use crate::{database::DbError, repo::workflows::STATE_NOT_KEPT, schema::preprocessing_runs as runs};

/// A call of a turn begins with an event of the agent's run, and its result is another: what it did belongs between the two.
const KEEP: &str = "
with place as (
    select run.run_id, coalesce(workflow.event_seq, 0) as sequence
    from preprocessing_runs run
    left join workflow_runs workflow on workflow.run_id = run.workflow_run_id and workflow.project_id = run.project_id
    where run.run_id = $1 and run.workflow_run_id is not null
),
kept as (
    insert into preprocessing_states (run_id, workflow_sequence, state)
    select run.run_id, place.sequence, to_json(run)
    from place join preprocessing_runs run on run.run_id = place.run_id
    on conflict (run_id, workflow_sequence) do update set state = excluded.state
)
insert into preprocessing_step_states (run_id, step_id, workflow_sequence, state)
select step.run_id, step.step_id, place.sequence, to_json(step)
from place join preprocessing_steps step on step.run_id = place.run_id
where step.step_id = any($2)
on conflict (run_id, step_id, workflow_sequence) do update set state = excluded.state";

const COPY_RUN: &str = "
insert into preprocessing_runs
select made.* from (
    select state from preprocessing_states where run_id = $1 and workflow_sequence < $2 order by workflow_sequence desc limit 1
) kept
cross join lateral json_populate_record(
    json_populate_record(null::preprocessing_runs, kept.state),
    json_build_object(
        'run_id', $3::uuid, 'workflow_run_id', $4::text, 'created_at', $5::timestamptz, 'updated_at', $5::timestamptz
    )
) made";

const COPY_STEPS: &str = "
insert into preprocessing_steps
select made.* from (
    select distinct on (step_id) state from preprocessing_step_states
    where run_id = $1 and workflow_sequence < $2
    order by step_id, workflow_sequence desc
) kept
cross join lateral json_populate_record(
    json_populate_record(null::preprocessing_steps, kept.state), json_build_object('run_id', $3::uuid)
) made";

/// The last event that belongs to a checkpoint is the one that tells of it.
const COPY_CHECKPOINTS: &str = "
insert into preprocessing_checkpoints
    (checkpoint_id, run_id, place, label, dataset_id, dataset_version, step_ids, replay_until, created_at)
select old.checkpoint_id, fork.run_id, old.place, old.label, old.dataset_id, old.dataset_version, old.step_ids,
    old.replay_until, old.created_at
from preprocessing_checkpoints old cross join preprocessing_runs fork
where old.run_id = $1 and fork.run_id = $2 and old.replay_until <= fork.event_sequence";

const COPY_EVENTS: &str = "
insert into preprocessing_events
    (run_id, sequence, event_id, event_type, step_id, checkpoint_id, dataset_id, payload, created_at)
select fork.run_id, old.sequence, old.event_id, old.event_type, old.step_id, old.checkpoint_id, old.dataset_id, old.payload,
    old.created_at
from preprocessing_events old cross join preprocessing_runs fork
where old.run_id = $1 and fork.run_id = $2 and old.sequence <= fork.event_sequence";

/// A fork may be forked after an event that it has from its origin.
const COPY_STATES: &str = "
with kept as (
    insert into preprocessing_states (run_id, workflow_sequence, state)
    select $3::uuid, workflow_sequence, state from preprocessing_states where run_id = $1 and workflow_sequence < $2
)
insert into preprocessing_step_states (run_id, step_id, workflow_sequence, state)
select $3::uuid, step_id, workflow_sequence, state from preprocessing_step_states where run_id = $1 and workflow_sequence < $2";

/// Keeps what a run of an agent, whose row this transaction has locked or made, has now, and of its steps those that changed.
pub(super) async fn keep_state(connection: &mut AsyncPgConnection, run: Uuid, changed: Vec<Uuid>) -> Result<(), DbError> {
    diesel::sql_query(KEEP).bind::<SqlUuid, _>(run).bind::<Array<SqlUuid>, _>(changed).execute(connection).await?;
    Ok(())
}

/// Gives the fork `to` of an agent's run a run like the one that `from` had after its event `after`. Returns the ids of both;
/// `None` when it had none then.
///
/// # Errors
/// `Conflict` ([`STATE_NOT_KEPT`]).
pub(in crate::repo) async fn copy_run(
    connection: &mut AsyncPgConnection,
    project: Uuid,
    (from, to): (&str, &str),
    after: i64,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, Uuid)>, DbError> {
    // Held, so that nobody changes it between the statements below.
    let origin: Option<(Uuid, i64)> = runs::table
        .filter(runs::project_id.eq(project))
        .filter(runs::workflow_run_id.eq(from))
        .select((runs::run_id, runs::states_since))
        .for_share()
        .first(connection)
        .await
        .optional()?;
    let Some((old, since)) = origin else { return Ok(None) };
    if after < since {
        return Err(StoreError::Conflict(STATE_NOT_KEPT.to_owned()).into());
    }
    let new = Uuid::new_v4();
    let made = diesel::sql_query(COPY_RUN)
        .bind::<SqlUuid, _>(old)
        .bind::<BigInt, _>(after)
        .bind::<SqlUuid, _>(new)
        .bind::<Text, _>(to)
        .bind::<Timestamptz, _>(now)
        .execute(connection)
        .await?;
    if made == 0 {
        return Ok(None);
    }
    for copy in [COPY_STEPS, COPY_STATES] {
        let copied = diesel::sql_query(copy).bind::<SqlUuid, _>(old).bind::<BigInt, _>(after).bind::<SqlUuid, _>(new);
        copied.execute(connection).await?;
    }
    for copy in [COPY_CHECKPOINTS, COPY_EVENTS] {
        diesel::sql_query(copy).bind::<SqlUuid, _>(old).bind::<SqlUuid, _>(new).execute(connection).await?;
    }
    Ok(Some((old, new)))
}
