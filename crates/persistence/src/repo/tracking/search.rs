//! Finding runs.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    prelude::*,
    sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use gristmill_domain::{
    Caller, ProjectId, RunId,
    ports::StoreError,
    tracking::{
        Run, RunSearch, RunStatus,
        filter::{Order, Subject},
    },
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Tracking, from_json, object, point_of,
    statement::{Bound, Statement, end_of, walk, whole},
};
use crate::{database::DbError, schema::projects};

#[derive(QueryableByName)]
struct RunRow {
    #[diesel(sql_type = SqlUuid)]
    run_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    user_name: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Bool)]
    is_deleted: bool,
    #[diesel(sql_type = BigInt)]
    start_ms: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    end_ms: Option<i64>,
    #[diesel(sql_type = Jsonb)]
    metrics: Value,
    #[diesel(sql_type = Jsonb)]
    params: Value,
    #[diesel(sql_type = Jsonb)]
    tags: Value,
    #[diesel(sql_type = Jsonb)]
    links: Value,
}

impl TryFrom<RunRow> for Run {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let text = |(key, value): (String, Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            (key, text)
        };
        Ok(Self {
            id: RunId(row.run_id),
            project_id: ProjectId(row.project_id),
            name: row.name,
            user: row.user_name,
            status: RunStatus::from_name(&row.status).ok_or_else(|| StoreError::Defect("unknown run status".into()))?,
            is_deleted: row.is_deleted,
            start_ms: row.start_ms,
            end_ms: row.end_ms,
            metrics: object(row.metrics).into_iter().map(|(key, value)| (key, point_of(&value))).collect(),
            params: object(row.params).into_iter().map(text).collect(),
            tags: object(row.tags).into_iter().map(text).collect(),
            links: from_json(row.links)?,
        })
    }
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = SqlUuid)]
    run_id: Uuid,
    #[diesel(sql_type = BigInt)]
    found: i64,
}

const RUNS: &str = "select run_id, project_id, name, user_name, status, is_deleted, start_ms, end_ms, metrics, params, tags, links from all_runs where";
const OWN: &str = "project_id in (select project_id from projects where owner_id = ";
/// Whole indexes are joined by hashing them: a search whose size is misjudged would look up each of many runs.
const JOIN_WHOLE: &str = "set local enable_nestloop = off; set local work_mem = '32MB'";

impl Tracking {
    /// Reads one of the caller's runs, or one of its trainings as a run.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_run(&self, caller: &Caller, id: RunId) -> Result<Run, StoreError> {
        let mut statement = Statement::default();
        let (owner, id) = (statement.bind(Bound::Id(caller.user_id.0)), statement.bind(Bound::Id(id.0)));
        statement.text = format!("{RUNS} {OWN}{owner}) and run_id = {id}");
        let mut connection = self.database.connection().await?;
        let row: RunRow = statement.query().get_result(&mut connection).await.map_err(DbError::from)?;
        row.try_into()
    }

    /// Finds runs in the caller's projects. Projects that are not the caller's have none. A metric that is NaN has no value
    /// to be found or sorted by; of a text that is sorted by, the first 200 characters count.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn search(&self, caller: &Caller, search: &RunSearch) -> Result<Vec<Run>, StoreError> {
        let newest = Order { subject: Subject::Attribute("start_time".to_owned()), is_descending: true };
        let mut search = search.clone();
        // It is what decides at last anyway.
        while search.order.last() == Some(&newest) {
            search.order.pop();
        }
        let mut connection = self.database.connection().await?;
        let rows = connection
            .transaction(async |connection| {
                let sent: Vec<Uuid> = search.projects.iter().map(|project| project.0).collect();
                let own: Vec<Uuid> = projects::table
                    .filter(projects::owner_id.eq(caller.user_id.0))
                    .filter(projects::project_id.eq_any(sent))
                    .select(projects::project_id)
                    .load(connection)
                    .await?;
                let own: Vec<ProjectId> = own.into_iter().map(ProjectId).collect();
                if own.is_empty() {
                    return Ok(Vec::new());
                }
                let ids = found(connection, &own, &search).await?;
                rows_of(connection, ids).await
            })
            .await?;
        rows.into_iter().map(Run::try_from).collect()
    }
}

/// The runs of the page, in order.
async fn found(connection: &mut AsyncPgConnection, own: &[ProjectId], search: &RunSearch) -> Result<Vec<Uuid>, DbError> {
    if let Some(walk) = walk(own, search) {
        let rows: Vec<FoundRow> = walk.query().load(connection).await?;
        let is_full =
            rows.as_slice().first().is_some_and(|row| u64::try_from(row.found).is_ok_and(|found| found >= end_of(search)));
        if is_full {
            return Ok(rows.into_iter().map(|row| row.run_id).collect());
        }
    }
    connection.batch_execute(JOIN_WHOLE).await?;
    let rows: Vec<FoundRow> = whole(own, search).query().load(connection).await?;
    Ok(rows.into_iter().map(|row| row.run_id).collect())
}

/// These runs, in this order.
async fn rows_of(connection: &mut AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<RunRow>, DbError> {
    let places: HashMap<Uuid, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut statement = Statement::default();
    let ids = statement.bind(Bound::Ids(ids));
    statement.text = format!("{RUNS} run_id = any ({ids})");
    let mut rows: Vec<RunRow> = statement.query().load(connection).await?;
    rows.sort_by_key(|row| places.get(&row.run_id).copied());
    Ok(rows)
}
