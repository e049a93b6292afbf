//! Finding runs: a filter becomes a statement with parameters; nothing of what a program sent is part of its text.

use std::fmt::Write as _;

use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::BoxedSqlQuery,
    sql_query,
    sql_types::{Array, BigInt, Bool, Double, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use gristmill_domain::{
    Caller, ProjectId, RunId,
    ports::StoreError,
    tracking::{
        Run, RunSearch, RunStatus,
        filter::{Condition, Operand, Order, Subject},
    },
};
use serde_json::Value;
use uuid::Uuid;

use super::{Tracking, object, point_of};
use crate::database::DbError;

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
        })
    }
}

/// A value that a statement is given.
#[derive(Debug, Clone, PartialEq)]
enum Bound {
    Text(String),
    Texts(Vec<String>),
    Number(f64),
    Integer(i64),
    Ids(Vec<Uuid>),
    Id(Uuid),
}

/// A statement with its values.
#[derive(Debug, Default)]
struct Statement {
    text: String,
    bound: Vec<Bound>,
}

impl Statement {
    fn bind(&mut self, value: Bound) -> String {
        self.bound.push(value);
        format!("${}", self.bound.len())
    }

    /// The expression of what is looked at.
    fn expression(&mut self, subject: &Subject) -> String {
        match subject {
            Subject::Metric(key) => {
                let key = self.bind(Bound::Text(key.clone()));
                format!("(metrics -> {key} ->> 'value')::double precision")
            }
            Subject::Param(key) => {
                let key = self.bind(Bound::Text(key.clone()));
                format!("params ->> {key}")
            }
            Subject::Tag(key) => {
                let key = self.bind(Bound::Text(key.clone()));
                format!("tags ->> {key}")
            }
            Subject::Attribute(name) => match name.as_str() {
                "run_id" => "replace(run_id::text, '-', '')",
                "run_name" => "name",
                "user_id" => "user_name",
                "start_time" => "start_ms",
                "end_time" => "end_ms",
                _ => "status",
            }
            .to_owned(),
        }
    }

    fn condition(&mut self, condition: &Condition) {
        let expression = self.expression(&condition.subject);
        let comparison = match &condition.operand {
            Operand::Number(number) => {
                let value = self.bind(Bound::Number(*number));
                format!("{} {value}", condition.comparator.sql())
            }
            Operand::Text(text) => {
                let value = self.bind(Bound::Text(text.clone()));
                format!("{} {value}", condition.comparator.sql())
            }
            Operand::Among { texts, is_in } => {
                let value = self.bind(Bound::Texts(texts.clone()));
                if *is_in { format!("= any ({value})") } else { format!("<> all ({value})") }
            }
        };
        let _ = write!(self.text, " and {expression} {comparison}");
    }

    fn order(&mut self, orders: &[Order]) {
        self.text.push_str(" order by ");
        for order in orders {
            let expression = self.expression(&order.subject);
            let direction = if order.is_descending { "desc" } else { "asc" };
            let _ = write!(self.text, "{expression} {direction} nulls last, ");
        }
        self.text.push_str("start_ms desc, run_id");
    }

    fn query<'a>(self) -> BoxedSqlQuery<'a, Pg, diesel::query_builder::SqlQuery> {
        let mut query = sql_query(self.text).into_boxed::<Pg>();
        for value in self.bound {
            query = match value {
                Bound::Text(text) => query.bind::<Text, _>(text),
                Bound::Texts(texts) => query.bind::<Array<Text>, _>(texts),
                Bound::Number(number) => query.bind::<Double, _>(number),
                Bound::Integer(number) => query.bind::<BigInt, _>(number),
                Bound::Ids(ids) => query.bind::<Array<SqlUuid>, _>(ids),
                Bound::Id(id) => query.bind::<SqlUuid, _>(id),
            };
        }
        query
    }
}

const RUNS: &str =
    "select run_id, project_id, name, user_name, status, is_deleted, start_ms, end_ms, metrics, params, tags from all_runs where";
const OWN: &str = "project_id in (select project_id from projects where owner_id = ";

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

    /// Finds runs in the caller's projects. Projects that are not the caller's have none.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn search(&self, caller: &Caller, search: &RunSearch) -> Result<Vec<Run>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows: Vec<RunRow> = statement(caller, search).query().load(&mut connection).await.map_err(DbError::from)?;
        rows.into_iter().map(Run::try_from).collect()
    }
}

fn statement(caller: &Caller, search: &RunSearch) -> Statement {
    let mut statement = Statement::default();
    let owner = statement.bind(Bound::Id(caller.user_id.0));
    statement.text = match search.projects.as_slice() {
        // Of one project the newest page comes straight from an index: a list of one would be sorted as a whole.
        [one] => {
            let project = statement.bind(Bound::Id(one.0));
            format!("{RUNS} (select owner_id from projects where project_id = {project}) = {owner} and project_id = {project}")
        }
        all => {
            let projects = statement.bind(Bound::Ids(all.iter().map(|project| project.0).collect()));
            format!("{RUNS} {OWN}{owner}) and project_id = any ({projects})")
        }
    };
    match search.deleted {
        Some(true) => statement.text.push_str(" and is_deleted"),
        Some(false) => statement.text.push_str(" and not is_deleted"),
        None => {}
    }
    for condition in &search.conditions {
        statement.condition(condition);
    }
    statement.order(&search.order);
    let limit = statement.bind(Bound::Integer(search.limit.into()));
    let offset = statement.bind(Bound::Integer(i64::try_from(search.offset).unwrap_or(i64::MAX)));
    let _ = write!(statement.text, " limit {limit} offset {offset}");
    statement
}

#[cfg(test)]
mod tests {
    use gristmill_domain::tracking::filter::{parse, parse_order};

    use super::*;

    #[test]
    fn nothing_that_is_sent_is_part_of_the_text() {
        let hostile = "params.`a' or '1'='1` = 'x''; drop table users; --' and metrics.\"b)); --\" > 1 and run_id in ('c;')";
        let Ok(conditions) = parse(hostile) else {
            // MLflow has no way to write a quote within its own kind of quotes.
            let conditions = parse("params.`a' or '1'='1` = \"x'; drop table users; --\" and metrics.\"b)); --\" > 1").unwrap();
            return check(conditions);
        };
        check(conditions);
    }

    fn check(conditions: Vec<Condition>) {
        let caller = gristmill_domain::Caller {
            user_id: gristmill_domain::UserId::random(),
            role: gristmill_domain::users::UserRole::User,
            email_verified: true,
            credential: gristmill_domain::caller::Credential::Session(gristmill_domain::SessionId::random()),
            scope: gristmill_domain::Scope::Account,
        };
        let search = RunSearch {
            projects: vec![ProjectId::random()],
            conditions,
            deleted: Some(false),
            order: vec![parse_order("metrics.`z'; --` DESC").unwrap()],
            limit: 10,
            offset: 0,
        };
        let statement = statement(&caller, &search);
        for part in ["'1'", "drop", "--", "z'"] {
            assert!(!statement.text.contains(part), "{part} is in {}", statement.text);
        }
        assert!(statement.bound.contains(&Bound::Text("a' or '1'='1".into())), "{:?}", statement.bound);
    }
}
