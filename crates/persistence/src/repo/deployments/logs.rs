//! Logged requests of a caller's deployments, and what was seen hour by hour.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DeploymentId, PredictionId,
    deployments::{Feedback, HourRow, Judged, LogFilter, PredictionLog},
    ports::StoreError,
};
use serde_json::Value;

use super::{
    Deployments, own,
    rows::{LogRow, from_json},
};
use crate::{
    database::DbError,
    schema::{deployment_hours as hours, prediction_logs as logs},
};

impl Deployments {
    /// Lists logged requests, newest first, and counts all that the filter lets through.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn list_logs(
        &self,
        caller: &Caller,
        id: DeploymentId,
        filter: &LogFilter,
    ) -> Result<(Vec<PredictionLog>, u64), StoreError> {
        let mut connection = self.database.connection().await?;
        let deployment = super::Deployment::try_from(own(&mut connection, caller.user_id, id).await?)?;
        let matching = || {
            let mut query = logs::table.filter(logs::deployment_id.eq(id.0)).into_boxed();
            if let Some(outcome) = filter.outcome {
                query = query.filter(logs::status.eq(outcome.as_str()));
            }
            if let Some(from) = filter.from {
                query = query.filter(logs::created_at.ge(from));
            }
            if let Some(until) = filter.until {
                query = query.filter(logs::created_at.le(until));
            }
            query
        };
        let total: i64 = matching().count().get_result(&mut connection).await.map_err(DbError::from)?;
        let rows: Vec<LogRow> = matching()
            .order(logs::id.desc())
            .limit(i64::from(filter.limit))
            .offset(i64::try_from(filter.offset).unwrap_or(i64::MAX))
            .select(LogRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let list: Result<Vec<_>, _> = rows.into_iter().map(|row| row.of(deployment.model_id, deployment.project_id)).collect();
        Ok((list?, u64::try_from(total).unwrap_or(0)))
    }

    /// Stores what somebody thought of a logged prediction.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's or has no such log; `Unavailable`, `Defect`.
    pub async fn give_feedback(
        &self,
        caller: &Caller,
        deployment: DeploymentId,
        log: i64,
        feedback: Feedback,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                own(connection, caller.user_id, deployment).await?;
                let changed = diesel::update(logs::table.find(log).filter(logs::deployment_id.eq(deployment.0)))
                    .set((logs::feedback.eq(feedback.as_str()), logs::feedback_at.eq(now)))
                    .execute(connection)
                    .await?;
                if changed == 0 { Err(StoreError::NotFound.into()) } else { Ok::<(), DbError>(()) }
            })
            .await?;
        Ok(())
    }

    /// Stores what really happened, by the ids that answers gave. Returns those that there is no log of.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn tell_actual(
        &self,
        caller: &Caller,
        deployment: DeploymentId,
        actual: &[(PredictionId, Value)],
    ) -> Result<Vec<PredictionId>, StoreError> {
        let mut connection = self.database.connection().await?;
        let unknown = connection
            .transaction(async |connection| {
                own(connection, caller.user_id, deployment).await?;
                let mut unknown = Vec::new();
                for (id, value) in actual {
                    let target = logs::table.filter(logs::deployment_id.eq(deployment.0)).filter(logs::prediction_id.eq(id.0));
                    if diesel::update(target).set(logs::actual.eq(value)).execute(connection).await? == 0 {
                        unknown.push(*id);
                    }
                }
                Ok::<_, DbError>(unknown)
            })
            .await?;
        Ok(unknown)
    }

    /// Reads what was predicted beside what really happened, newest first, at most so many.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn judged(&self, caller: &Caller, deployment: DeploymentId, limit: u32) -> Result<Judged, StoreError> {
        let mut connection = self.database.connection().await?;
        own(&mut connection, caller.user_id, deployment).await?;
        let rows: Vec<(Value, Option<Value>)> = logs::table
            .filter(logs::deployment_id.eq(deployment.0))
            .filter(logs::actual.is_not_null())
            .order(logs::id.desc())
            .limit(i64::from(limit))
            .select((logs::prediction, logs::actual))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().filter_map(|(predicted, actual)| Some((predicted, actual?))).collect())
    }

    /// Reads what all server processes saw of a deployment since then, oldest hour first; one row a process and hour.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn list_hours(
        &self,
        caller: &Caller,
        deployment: DeploymentId,
        from: DateTime<Utc>,
    ) -> Result<Vec<HourRow>, StoreError> {
        let mut connection = self.database.connection().await?;
        own(&mut connection, caller.user_id, deployment).await?;
        let rows: Vec<(DateTime<Utc>, uuid::Uuid, Value, Value)> = hours::table
            .filter(hours::deployment_id.eq(deployment.0))
            .filter(hours::hour.ge(from))
            .order((hours::hour, hours::process_id))
            .select((hours::hour, hours::process_id, hours::statistics, hours::sketches))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let row = |(hour, writer, statistics, sketches)| {
            Ok(HourRow { deployment_id: deployment, hour, writer, statistics, sketches: from_json(sketches)? })
        };
        rows.into_iter().map(row).collect()
    }
}
