//! What features were at which time, and the copies of runs that forks of agents' runs begin with.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Bool, Text, Timestamptz, Uuid as SqlUuid},
    upsert::excluded,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    feature_runs::{FeatureRun, FeatureStep},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{database::DbError, repo::workflows::STATE_NOT_KEPT, schema::feature_states as states};

/// The run that an agent's run worked on, if that was there at a time; and whether it had features then that are not known.
const ORIGIN: &str = "
select run.run_id, exists (
    select from json_array_elements(run.features) feature
    where (feature ->> 'createdAt')::timestamptz <= $3 and not exists (
        select from feature_states kept
        where kept.run_id = run.run_id and kept.feature_id = feature ->> 'featureId' and kept.changed_at <= $3
    )
) as is_unknown
from feature_runs run
where run.project_id = $1 and run.created_at <= $3 and (run.workflow_run_id = $2 or run.run_id = (
    select call.run_id from feature_run_calls call
    where call.project_id = $1 and starts_with(call.call_key, $2 || '/')
    order by call.created_at limit 1
))
order by run.workflow_run_id nulls last
limit 1";

const COPY_RUN: &str = "
insert into feature_runs (run_id, project_id, scope_notebook_id, features, checkpoint_id, checkpoint_label, checkpoint_at,
    created_at, updated_at, workflow_run_id)
select $2, run.project_id, run.scope_notebook_id,
    coalesce((select json_agg(kept.state order by kept.place) from (
        select distinct on (feature_id) place, state from feature_states
        where run_id = $1 and changed_at <= $3
        order by feature_id, changed_at desc
    ) kept), '[]'),
    case when run.checkpoint_at <= $3 then run.checkpoint_id end,
    case when run.checkpoint_at <= $3 then run.checkpoint_label end,
    case when run.checkpoint_at <= $3 then run.checkpoint_at end,
    run.created_at, $4, $5
from feature_runs run where run.run_id = $1";

/// A fork may be forked after an event that it has from its origin.
const COPY_STATES: &str = "
insert into feature_states (run_id, feature_id, changed_at, place, state)
select $2, feature_id, changed_at, place, state from feature_states where run_id = $1 and changed_at <= $3";

#[derive(Insertable)]
#[diesel(table_name = states)]
struct StateRow<'a> {
    run_id: Uuid,
    feature_id: &'a str,
    changed_at: DateTime<Utc>,
    place: i32,
    state: Value,
}

#[derive(QueryableByName)]
struct Origin {
    #[diesel(sql_type = SqlUuid)]
    run_id: Uuid,
    #[diesel(sql_type = Bool)]
    is_unknown: bool,
}

/// Keeps the features of a run that are other than before.
pub(super) async fn keep_states(
    connection: &mut AsyncPgConnection,
    before: &[FeatureStep],
    run: &FeatureRun,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let changed = (0_i32..).zip(&run.features).zip((0_usize..).map(|place| before.get(place)));
    let changed = changed.filter(|((_, step), before)| *before != Some(*step)).map(|(changed, _)| changed);
    let mut rows = Vec::new();
    for (place, step) in changed {
        let state = serde_json::to_value(step).map_err(|error| StoreError::Defect(Box::new(error)))?;
        rows.push(StateRow { run_id: run.id.0, feature_id: &step.feature_id, changed_at: now, place, state });
    }
    if rows.is_empty() {
        return Ok(());
    }
    diesel::insert_into(states::table)
        .values(&rows)
        .on_conflict((states::run_id, states::feature_id, states::changed_at))
        .do_update()
        .set(states::state.eq(excluded(states::state)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives the fork `to` of an agent's run a run like the one that `from` worked on at a time. Returns the ids of both; `None`
/// when there was none.
///
/// # Errors
/// `Conflict` ([`STATE_NOT_KEPT`]).
pub(in crate::repo) async fn copy_run(
    connection: &mut AsyncPgConnection,
    project: Uuid,
    (from, to): (&str, &str),
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, Uuid)>, DbError> {
    let origin: Option<Origin> = diesel::sql_query(ORIGIN)
        .bind::<SqlUuid, _>(project)
        .bind::<Text, _>(from)
        .bind::<Timestamptz, _>(at)
        .get_result(connection)
        .await
        .optional()?;
    let Some(origin) = origin else { return Ok(None) };
    if origin.is_unknown {
        return Err(StoreError::Conflict(STATE_NOT_KEPT.to_owned()).into());
    }
    let (old, new) = (origin.run_id, Uuid::new_v4());
    diesel::sql_query(COPY_RUN)
        .bind::<SqlUuid, _>(old)
        .bind::<SqlUuid, _>(new)
        .bind::<Timestamptz, _>(at)
        .bind::<Timestamptz, _>(now)
        .bind::<Text, _>(to)
        .execute(connection)
        .await?;
    diesel::sql_query(COPY_STATES)
        .bind::<SqlUuid, _>(old)
        .bind::<SqlUuid, _>(new)
        .bind::<Timestamptz, _>(at)
        .execute(connection)
        .await?;
    Ok(Some((old, new)))
}
