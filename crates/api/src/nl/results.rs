//! Large results of questions on their way to whoever waits for them.
//!
//! A job's log keeps the first rows of a large result only, or a question would cost the database tens of megabytes. The
//! whole goes through the memory of this process; where the job ran in another one, the statement is run again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::web;
use gristmill_domain::JobId;
use moka::{policy::EvictionPolicy, sync::Cache};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::stream::Asked;
use crate::{
    error::{ApiError, ApiResult},
    sql::SqlAnswer,
    state::AppState,
};

/// A result up to this size is in the log as a whole; of a larger one, rows of about this size are. Bytes of JSON.
const LOGGED_BYTES_MAX: usize = 64 * 1024;
/// Results that wait to be fetched, bytes of all of them. One that finds no room is computed again.
const PARKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long they wait: whoever wants one follows the log and comes at once.
const PARKED_FOR: Duration = Duration::from_secs(30);
/// How many rows of a result the log does not have. The field is there when the log does not have everything.
const ROWS_LEFT_OUT: &str = "rowsLeftOut";

/// Results that were too large for the log, for a moment.
#[derive(Clone)]
pub struct ParkedResults(Cache<JobId, Arc<RawValue>>);

impl std::fmt::Debug for ParkedResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParkedResults").field("count", &self.0.entry_count()).finish_non_exhaustive()
    }
}

impl Default for ParkedResults {
    fn default() -> Self {
        Self::new()
    }
}

impl ParkedResults {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let weigh = |_: &JobId, view: &Arc<RawValue>| u32::try_from(view.get().len()).unwrap_or(u32::MAX);
        let cache = Cache::builder().max_capacity(PARKED_BYTES_MAX).weigher(weigh).time_to_live(PARKED_FOR);
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }

    fn park(&self, job: JobId, view: Arc<RawValue>) {
        self.0.insert(job, view);
    }

    fn take(&self, job: JobId) -> Option<Arc<RawValue>> {
        self.0.remove(&job)
    }
}

/// A result as `POST /query/sql` gives it, written where it keeps nobody waiting.
pub(super) async fn raw_view(answer: SqlAnswer) -> ApiResult<Arc<RawValue>> {
    let write = move || serde_json::value::to_raw_value(&answer.view()).map(Arc::<RawValue>::from);
    let written = tokio::task::spawn_blocking(write).await.map_err(ApiError::internal)?;
    written.map_err(ApiError::internal)
}

/// What the log keeps of a job's result. The whole of a large one is parked for whoever waits for it.
pub(super) async fn for_log(parked: &ParkedResults, job: JobId, view: Arc<RawValue>) -> ApiResult<Value> {
    if view.get().len() <= LOGGED_BYTES_MAX {
        return serde_json::from_str(view.get()).map_err(ApiError::internal);
    }
    let whole = Arc::clone(&view);
    let cut = tokio::task::spawn_blocking(move || beginning(&view)).await.map_err(ApiError::internal)?;
    parked.park(job, whole);
    cut.map_err(ApiError::internal)
}

/// A large result with its first rows, without a large summary, and with the number of rows that are left out. To who does
/// not know that number, it is one that was cut off: it has more rows than are there.
fn beginning(view: &RawValue) -> serde_json::Result<Value> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(view.get())?;
    let rows: Vec<&RawValue> = fields.remove("rows").map_or(Ok(Vec::new()), |rows| serde_json::from_str(rows.get()))?;
    let first = first_rows(&rows)?;
    let left_out = rows.len().saturating_sub(first.len());
    let mut kept = Map::new();
    for (name, value) in fields {
        let is_too_large = name == "eda" && value.get().len() > LOGGED_BYTES_MAX;
        kept.insert(name, if is_too_large { Value::Null } else { serde_json::from_str(value.get())? });
    }
    if left_out > 0 {
        kept.insert("rowCount".to_owned(), first.len().into());
        kept.insert("truncated".to_owned(), true.into());
    }
    kept.insert(ROWS_LEFT_OUT.to_owned(), left_out.into());
    kept.insert("rows".to_owned(), Value::Array(first));
    Ok(Value::Object(kept))
}

fn first_rows(rows: &[&RawValue]) -> serde_json::Result<Vec<Value>> {
    let mut room = LOGGED_BYTES_MAX;
    let mut first = Vec::new();
    for row in rows {
        let Some(left) = room.checked_sub(row.get().len()) else { break };
        room = left;
        first.push(serde_json::from_str(row.get())?);
    }
    Ok(first)
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `{nl}`.
    Answer,
    /// The event `result`, as a line of NDJSON.
    Line,
}

/// The answer that a log has, with all of its rows. Where they cannot be had any more, it has the first ones, is `truncated`,
/// and says how many are left out.
pub(super) async fn written(
    state: &web::Data<AppState>,
    asked: &Asked,
    mut nl: Map<String, Value>,
    form: Form,
) -> ApiResult<String> {
    let is_cut = nl.get("query").is_some_and(|query| query.get(ROWS_LEFT_OUT).is_some());
    let whole = if is_cut { whole_view(state, asked, &mut nl).await } else { None };
    let written = tokio::task::spawn_blocking(move || write(nl, whole.as_deref(), form)).await;
    written.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

async fn whole_view(state: &web::Data<AppState>, asked: &Asked, nl: &mut Map<String, Value>) -> Option<Arc<RawValue>> {
    if let Some(parked) = state.parked_results.take(asked.job) {
        return Some(parked);
    }
    let sql = nl.get("sql")?.as_str()?;
    let again = async {
        let answer = state.sql.run(state, &asked.caller, asked.project, sql).await?;
        let (query_id, cached) = (answer.view().query_id, answer.view().cached);
        Ok::<_, ApiError>((raw_view(answer).await?, query_id, cached))
    };
    let again = again.await;
    match again {
        Ok((view, query_id, cached)) => {
            nl.insert("queryId".to_owned(), Value::from(query_id.to_string()));
            nl.insert("cached".to_owned(), cached.into());
            Some(view)
        }
        Err(error) => {
            let cause = crate::error::chain(&error);
            tracing::warn!(error.cause = cause, job.id = %asked.job, "an answer is sent with its first rows only");
            None
        }
    }
}

fn write(mut nl: Map<String, Value>, whole: Option<&RawValue>, form: Form) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<&'static str>,
        nl: Nl<'a>,
    }
    #[derive(Serialize)]
    struct Nl<'a> {
        #[serde(flatten)]
        fields: Map<String, Value>,
        /// In place of the field of the same name.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<&'a RawValue>,
    }
    if whole.is_some() {
        nl.remove("query");
    }
    let kind = (form == Form::Line).then_some("result");
    let mut text = serde_json::to_string(&Answer { kind, nl: Nl { fields: nl, query: whole } })?;
    if form == Form::Line {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Arc<RawValue> {
        RawValue::from_string(value.to_string()).unwrap().into()
    }

    fn result(rows: usize) -> Value {
        let rows: Vec<Value> = (0..rows).map(|n| json!({ "n": n, "text": "x".repeat(1000) })).collect();
        let count = rows.len();
        json!({
            "queryId": "q", "sql": "SELECT 1", "columns": [], "rows": rows, "rowCount": count, "truncated": false, "eda": null,
        })
    }

    #[tokio::test]
    async fn small_results_are_logged_whole_and_large_ones_cut_and_parked() {
        let (parked, job) = (ParkedResults::new(), JobId::random());
        let small = result(3);
        assert_eq!(for_log(&parked, job, raw(&small)).await.unwrap(), small);
        assert!(parked.take(job).is_none());
        let large = result(1000);
        let logged = for_log(&parked, job, raw(&large)).await.unwrap();
        assert!(logged.to_string().len() < 2 * LOGGED_BYTES_MAX);
        let kept = logged["rows"].as_array().unwrap();
        assert!(!kept.is_empty() && kept[..] == large["rows"].as_array().unwrap()[..kept.len()]);
        assert_eq!(logged[ROWS_LEFT_OUT], json!(1000 - kept.len()));
        assert_eq!((&logged["rowCount"], &logged["truncated"]), (&json!(kept.len()), &json!(true)));
        assert_eq!(logged["sql"], large["sql"]);
        assert_eq!(parked.take(job).unwrap().get(), large.to_string());
        assert!(parked.take(job).is_none(), "once");
    }

    #[test]
    fn a_large_summary_is_not_logged() {
        let mut wide = result(1);
        wide["eda"] = json!("x".repeat(LOGGED_BYTES_MAX));
        let logged = beginning(&raw(&wide)).unwrap();
        assert_eq!((&logged["eda"], &logged[ROWS_LEFT_OUT]), (&Value::Null, &json!(0)));
        for complete in ["rows", "rowCount", "truncated"] {
            assert_eq!(logged[complete], wide[complete], "{complete}");
        }
    }

    #[test]
    fn answers_are_written_with_the_rows_that_there_are() {
        let nl = json!({ "sql": "s", "query": { "rows": [1], "rowsLeftOut": 1 }, "cached": false });
        let written = |whole: Option<&RawValue>, form| write(nl.as_object().unwrap().clone(), whole, form).unwrap();
        let whole = raw(&json!({ "rows": [1, 2] }));
        let answer: Value = serde_json::from_str(&written(Some(&whole), Form::Answer)).unwrap();
        assert_eq!(answer, json!({ "nl": { "sql": "s", "cached": false, "query": { "rows": [1, 2] } } }));
        let line = written(None, Form::Line);
        assert!(line.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({ "type": "result", "nl": nl }));
    }
}
