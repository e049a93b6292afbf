//! Runs that programs log, with the server's own trainings beside them; and the registry of models.

mod artifacts;
mod entries;
mod logged;
mod registry;
mod search;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, RunId,
    ports::StoreError,
    tracking::{DatasetInput, LINKS_MAX, MetricPoint, NewRun, Run, RunBatch, RunLinks, RunPatch, RunStatus},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::entries::{Entries, PARAM, TAG};
pub use self::{
    artifacts::RunArtifact,
    logged::LoggedModelChange,
    registry::{NameChange, RegisteredModel, RegisteredVersion, VersionChange, VersionCreate},
};
use crate::{
    Database,
    database::DbError,
    schema::{projects, tracking_metrics as points, tracking_runs as runs},
};

/// Says in a `Conflict` that a parameter would change.
pub const PARAM_CHANGED: &str = "param";
/// Says in a `Conflict` that a run would have too many links.
pub const TOO_MANY_LINKS: &str = "links";

/// What a caller's programs log.
#[derive(Debug, Clone)]
pub struct Tracking {
    database: Database,
}

impl Tracking {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a run in one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn create_run(&self, caller: &Caller, run: NewRun) -> Result<Run, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let _: Uuid = projects::table
                    .find(run.project_id.0)
                    .filter(projects::owner_id.eq(caller.user_id.0))
                    .select(projects::project_id)
                    .first(connection)
                    .await?;
                diesel::insert_into(runs::table)
                    .values((
                        runs::run_id.eq(run.id.0),
                        runs::project_id.eq(run.project_id.0),
                        runs::name.eq(&run.name),
                        runs::user_name.eq(&run.user),
                        runs::status.eq(RunStatus::Running.as_str()),
                        runs::start_ms.eq(run.start_ms),
                        runs::tags.eq(texts(&run.tags)),
                    ))
                    .execute(connection)
                    .await?;
                let mut entries = Entries::default();
                entries.texts(TAG, &run.tags);
                entries.write(connection, run.id).await
            })
            .await?;
        Ok(Run {
            id: run.id,
            project_id: run.project_id,
            name: run.name,
            user: run.user,
            status: RunStatus::Running,
            is_deleted: false,
            start_ms: run.start_ms,
            end_ms: None,
            metrics: BTreeMap::new(),
            params: BTreeMap::new(),
            tags: run.tags,
            links: RunLinks::default(),
        })
    }

    /// Changes one of the caller's runs. The server's own trainings do not change so.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn update_run(&self, caller: &Caller, id: RunId, patch: RunPatch) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock(connection, caller, id).await?;
                let row = runs::table.find(id.0);
                if let Some(status) = patch.status {
                    diesel::update(row).set(runs::status.eq(status.as_str())).execute(connection).await?;
                }
                if let Some(end) = patch.end_ms {
                    diesel::update(row).set(runs::end_ms.eq(end)).execute(connection).await?;
                }
                if let Some(name) = &patch.name {
                    diesel::update(row).set(runs::name.eq(name)).execute(connection).await?;
                }
                if let Some(is_deleted) = patch.is_deleted {
                    diesel::update(row).set(runs::is_deleted.eq(is_deleted)).execute(connection).await?;
                    entries::mark(connection, id, is_deleted).await?;
                }
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Logs to one of the caller's runs, all or nothing.
    ///
    /// # Errors
    /// `NotFound`; `Conflict("param")` when a parameter has another value already; `Unavailable`, `Defect`.
    pub async fn log(&self, caller: &Caller, id: RunId, batch: RunBatch) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock(connection, caller, id).await?;
                let (metrics, params, tags): (Value, Value, Value) =
                    runs::table.find(id.0).select((runs::metrics, runs::params, runs::tags)).first(connection).await?;
                let (mut metrics, mut params, mut tags) = (object(metrics), object(params), object(tags));
                for (key, value) in &batch.params {
                    let value = Value::from(value.as_str());
                    if params.get(key).is_some_and(|stored| *stored != value) {
                        return Err(StoreError::Conflict(PARAM_CHANGED.to_owned()).into());
                    }
                    params.insert(key.clone(), value);
                }
                entries::remove_tags(connection, id, &batch.removed_tags).await?;
                for key in &batch.removed_tags {
                    tags.remove(key);
                }
                tags.extend(batch.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
                for (key, point) in &batch.metrics {
                    let is_newer = metrics
                        .get(key)
                        .map(point_of)
                        .is_none_or(|stored| (point.step, point.timestamp_ms) >= (stored.step, stored.timestamp_ms));
                    if is_newer {
                        metrics.insert(key.clone(), point_json(*point));
                    }
                }
                let new: Vec<_> = batch
                    .metrics
                    .iter()
                    .map(|(key, point)| {
                        (
                            points::run_id.eq(id.0),
                            points::metric_key.eq(key),
                            points::point_value.eq(point.value),
                            points::timestamp_ms.eq(point.timestamp_ms),
                            points::step.eq(point.step),
                        )
                    })
                    .collect();
                if !new.is_empty() {
                    diesel::insert_into(points::table).values(new).execute(connection).await?;
                }
                let mut entries = Entries::default();
                entries.texts(PARAM, &batch.params);
                entries.texts(TAG, &batch.tags);
                let logged: BTreeSet<&String> = batch.metrics.iter().map(|(key, _)| key).collect();
                for (key, latest) in logged.into_iter().filter_map(|key| Some((key, metrics.get(key)?))) {
                    entries.metric(key, point_of(latest).value);
                }
                entries.write(connection, id).await?;
                diesel::update(runs::table.find(id.0))
                    .set((
                        runs::metrics.eq(Value::Object(metrics)),
                        runs::params.eq(Value::Object(params)),
                        runs::tags.eq(Value::Object(tags)),
                    ))
                    .execute(connection)
                    .await?;
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Adds to what one of the caller's runs says to have used and made. What is there already is not added again.
    ///
    /// # Errors
    /// `NotFound`; `Conflict("links")` when it would have too many; `Unavailable`, `Defect`.
    pub async fn link(&self, caller: &Caller, id: RunId, more: RunLinks) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock(connection, caller, id).await?;
                let stored: Value = runs::table.find(id.0).select(runs::links).first(connection).await?;
                let mut links: RunLinks = from_json(stored)?;
                for dataset in more.datasets {
                    let same = |one: &DatasetInput| (&one.name, &one.digest) == (&dataset.name, &dataset.digest);
                    match links.datasets.iter_mut().find(|one| same(one)) {
                        Some(known) => known.tags.extend(dataset.tags),
                        None => links.datasets.push(dataset),
                    }
                }
                for (all, more) in [(&mut links.model_inputs, more.model_inputs), (&mut links.model_outputs, more.model_outputs)]
                {
                    for link in more {
                        if !all.contains(&link) {
                            all.push(link);
                        }
                    }
                }
                let most = links.datasets.len().max(links.model_inputs.len()).max(links.model_outputs.len());
                if most > LINKS_MAX {
                    return Err(StoreError::Conflict(TOO_MANY_LINKS.to_owned()).into());
                }
                let links = serde_json::to_value(links).map_err(|error| StoreError::Defect(Box::new(error)))?;
                diesel::update(runs::table.find(id.0)).set(runs::links.eq(links)).execute(connection).await?;
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Reads every point of a metric of one of the caller's runs, in the order in which they were logged.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn metric_history(
        &self,
        caller: &Caller,
        id: RunId,
        key: &str,
        limit: u32,
        offset: u64,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<(f64, i64, i64)> = points::table
            .inner_join(runs::table.on(runs::run_id.eq(points::run_id)))
            .inner_join(projects::table.on(projects::project_id.eq(runs::project_id)))
            .filter(points::run_id.eq(id.0))
            .filter(points::metric_key.eq(key))
            .filter(projects::owner_id.eq(caller.user_id.0))
            .order(points::point_id)
            .limit(limit.into())
            .offset(i64::try_from(offset).unwrap_or(i64::MAX))
            .select((points::point_value, points::timestamp_ms, points::step))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(|(value, timestamp_ms, step)| MetricPoint { value, timestamp_ms, step }).collect())
    }
}

/// Locks one of the caller's runs: writers of a run go one after the other.
async fn lock(connection: &mut AsyncPgConnection, caller: &Caller, id: RunId) -> Result<(), DbError> {
    let own = projects::table.filter(projects::owner_id.eq(caller.user_id.0)).select(projects::project_id);
    let _: Uuid =
        runs::table.find(id.0).filter(runs::project_id.eq_any(own)).select(runs::run_id).for_update().first(connection).await?;
    Ok(())
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn texts(map: &BTreeMap<String, String>) -> Value {
    json!(map)
}

/// JSON has no NaN and no infinities: they are texts, which PostgreSQL reads as numbers again.
fn point_json(point: MetricPoint) -> Value {
    let value = if point.value.is_finite() {
        json!(point.value)
    } else if point.value.is_nan() {
        json!("NaN")
    } else if point.value > 0.0 {
        json!("Infinity")
    } else {
        json!("-Infinity")
    };
    json!({ "value": value, "timestamp": point.timestamp_ms, "step": point.step })
}

fn point_of(value: &Value) -> MetricPoint {
    let number = match &value["value"] {
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap_or(f64::NAN),
    };
    MetricPoint {
        value: number,
        timestamp_ms: value["timestamp"].as_i64().unwrap_or(0),
        step: value["step"].as_i64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_survive() {
        for value in [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let stored = point_of(&point_json(MetricPoint { value, timestamp_ms: 7, step: -1 }));
            assert_eq!((stored.value.to_string(), stored.timestamp_ms, stored.step), (value.to_string(), 7, -1));
        }
    }
}
