//! What serves deployments reads and writes.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    ApiKeyId, DeploymentId, UserId,
    deployments::{Deployment, DeploymentStatus, DeploymentStore, Event, HourRow, LoggedPrediction, RateGrant, Served},
    jobs::{JobOutcome, Lease},
    ports::StoreError,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    Deployments, locked_status,
    rows::{DeploymentRow, KeyRow, to_json},
};
use crate::{
    database::DbError,
    repo::{jobs, models::rows::ModelRow},
    schema::{deployment_api_keys as keys, deployment_hours as hours, deployments, models, prediction_logs as logs, projects},
};

/// Rows of a batch come as one JSON value, so that the statement is the same for every size.
const LOG: &str = "insert into prediction_logs
    (deployment_id, prediction_id, created_at, latency_us, input_features, prediction, status, error_message, metadata)
select row.deployment_id, row.prediction_id, row.created_at, row.latency_us, row.input_features, row.prediction, row.status,
    row.error_message, row.metadata
from json_to_recordset($1::json) as row (place integer, deployment_id uuid, prediction_id uuid, created_at timestamptz, latency_us bigint,
    input_features json, prediction json, status text, error_message text, metadata json)
join deployments on deployments.deployment_id = row.deployment_id
order by row.place
on conflict (deployment_id, prediction_id) do nothing";
const WRITE_HOURS: &str = "insert into deployment_hours (deployment_id, hour, process_id, statistics, sketches, updated_at)
select row.deployment_id, row.hour, row.process_id, row.statistics, row.sketches, row.updated_at
from json_to_recordset($1::json) as row (deployment_id uuid, hour timestamptz, process_id uuid, statistics json,
    sketches json, updated_at timestamptz)
join deployments on deployments.deployment_id = row.deployment_id
on conflict (deployment_id, hour, process_id) do update
    set statistics = excluded.statistics, sketches = excluded.sketches, updated_at = excluded.updated_at";
const FAIL_LOST: &str = "update deployments
set status = 'failed', error_message = 'Its start was given up; start it again', updated_at = $1
where status in ('creating', 'starting')
    and not exists (select from jobs where jobs.job_id = deployments.job_id and jobs.state in ('queued', 'running'))";
/// Rows that one statement removes: the table stays usable meanwhile.
const PRUNED_AT_ONCE: i64 = 10_000;

#[derive(QueryableByName)]
struct Granted {
    #[diesel(sql_type = BigInt)]
    granted: i64,
    #[diesel(sql_type = BigInt)]
    remaining: i64,
    #[diesel(sql_type = BigInt)]
    retry_after: i64,
}

#[async_trait]
impl DeploymentStore for Deployments {
    async fn served(&self, id: DeploymentId) -> Result<Served, StoreError> {
        let mut connection = self.database.connection().await?;
        let (deployment, model, owner): (DeploymentRow, ModelRow, Uuid) = deployments::table
            .inner_join(models::table)
            .inner_join(projects::table)
            .filter(deployments::deployment_id.eq(id.0))
            .select((DeploymentRow::as_select(), ModelRow::as_select(), projects::owner_id))
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        let rows: Vec<KeyRow> = keys::table
            .filter(keys::deployment_id.eq(id.0))
            .filter(keys::revoked_at.is_null())
            .select(KeyRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(Served {
            deployment: deployment.try_into()?,
            owner: UserId(owner),
            model: model.try_into()?,
            keys: rows.into_iter().map(KeyRow::with_hash).collect::<Result<_, _>>()?,
        })
    }

    async fn happen(
        &self,
        id: DeploymentId,
        event: Event,
        reason: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Deployment, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection.transaction(async |connection| happen_in(connection, id, event, reason, now).await).await?;
        row.try_into()
    }

    async fn conclude_start(
        &self,
        lease: Lease,
        id: DeploymentId,
        event: Event,
        reason: Option<String>,
        outcome: JobOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                // In the order that is stated with the workflows.
                jobs::finish_in(connection, lease, outcome).await?;
                match happen_in(connection, id, event, reason, now).await {
                    Err(DbError::Decided(StoreError::Conflict(_))) => Ok(()),
                    other => other.map(drop),
                }
            })
            .await?;
        Ok(())
    }

    async fn end_forgotten(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let forgotten = deployments::table
            .filter(deployments::status.eq(DeploymentStatus::Stopping.as_str()))
            .filter(deployments::updated_at.lt(before));
        let ended = diesel::update(forgotten)
            .set((
                deployments::status.eq(DeploymentStatus::Stopped.as_str()),
                deployments::stopped_at.eq(now),
                deployments::updated_at.eq(now),
            ))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        let lost =
            diesel::sql_query(FAIL_LOST).bind::<Timestamptz, _>(now).execute(&mut connection).await.map_err(DbError::from)?;
        Ok(ended + lost)
    }

    async fn touch_keys(&self, used: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        for (key, at) in used {
            diesel::update(keys::table.find(key.0))
                .set(keys::last_used_at.eq(at))
                .execute(&mut connection)
                .await
                .map_err(DbError::from)?;
        }
        Ok(())
    }

    async fn log(&self, predictions: &[LoggedPrediction]) -> Result<usize, StoreError> {
        let rows: Vec<_> = predictions
            .iter()
            .enumerate()
            .map(|(place, one)| {
                json!({
                    // The log's numbers are in the order of the requests.
                    "place": place,
                    "deployment_id": one.deployment_id,
                    "prediction_id": one.prediction_id,
                    "created_at": one.at,
                    "latency_us": one.latency_us,
                    "input_features": one.input_features,
                    "prediction": one.prediction,
                    "status": one.outcome.as_str(),
                    // PostgreSQL's text has no NUL.
                    "error_message": one.error.as_ref().map(|error| error.replace('\0', "\u{fffd}")),
                    "metadata": one.metadata,
                })
            })
            .collect();
        let mut connection = self.database.connection().await?;
        let written = diesel::sql_query(LOG)
            .bind::<Text, _>(serde_json::Value::Array(rows).to_string())
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(written)
    }

    async fn write_hours(&self, rows: &[HourRow], now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut list = Vec::with_capacity(rows.len());
        for row in rows {
            list.push(json!({
                "deployment_id": row.deployment_id,
                "hour": row.hour,
                "process_id": row.writer,
                "statistics": row.statistics,
                "sketches": to_json(&row.sketches)?,
                "updated_at": now,
            }));
        }
        let mut connection = self.database.connection().await?;
        diesel::sql_query(WRITE_HOURS)
            .bind::<Text, _>(serde_json::Value::Array(list).to_string())
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }

    async fn reserve(&self, id: DeploymentId, wanted: u32, limit: u32) -> Result<RateGrant, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: Granted = diesel::sql_query("select granted, remaining, retry_after from reserve_requests($1, $2, $3)")
            .bind::<SqlUuid, _>(id.0)
            .bind::<BigInt, _>(i64::from(wanted))
            .bind::<BigInt, _>(i64::from(limit))
            .get_result(&mut connection)
            .await
            .map_err(DbError::from)?;
        let number = |value: i64| u32::try_from(value).unwrap_or(0);
        Ok(RateGrant { granted: number(row.granted), remaining: number(row.remaining), retry_after: number(row.retry_after) })
    }

    async fn prune(&self, logs_before: DateTime<Utc>, hours_before: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let mut removed = 0;
        loop {
            let old = logs::table.filter(logs::created_at.lt(logs_before)).order(logs::id).limit(PRUNED_AT_ONCE);
            let ids: Vec<i64> = old.select(logs::id).load(&mut connection).await.map_err(DbError::from)?;
            if ids.is_empty() {
                break;
            }
            removed +=
                diesel::delete(logs::table.filter(logs::id.eq_any(ids))).execute(&mut connection).await.map_err(DbError::from)?;
        }
        diesel::delete(hours::table.filter(hours::hour.lt(hours_before)))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(removed)
    }
}

async fn happen_in(
    connection: &mut AsyncPgConnection,
    id: DeploymentId,
    event: Event,
    reason: Option<String>,
    now: DateTime<Utc>,
) -> Result<DeploymentRow, DbError> {
    let status = locked_status(connection, id).await?;
    let next = status.after(event).map_err(|error| StoreError::Conflict(error.to_string()))?;
    let stopped_at = (next == DeploymentStatus::Stopped).then_some(now);
    let row = diesel::update(deployments::table.find(id.0))
        .set((
            deployments::status.eq(next.as_str()),
            deployments::error_message.eq(reason),
            deployments::stopped_at.eq(stopped_at),
            deployments::updated_at.eq(now),
        ))
        .returning(DeploymentRow::as_returning())
        .get_result(connection)
        .await?;
    Ok(row)
}
