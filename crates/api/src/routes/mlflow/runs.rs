//! Runs: made, logged to, found.

use actix_web::{HttpResponse, get, post, web};
use gristmill_domain::{
    Caller, ErrorCode, RunId,
    ports::StoreError,
    tracking::{
        BATCH_ENTRIES_MAX, NewRun, PARAM_CHARS_MAX, Run, RunBatch, RunPatch, RunSearch, RunStatus, SEARCH_ROWS_MAX,
        TAG_CHARS_MAX,
        filter::{FilterError, parse, parse_order},
    },
};
use gristmill_persistence::repo::tracking::PARAM_CHANGED;
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    experiments::{active_project_of, searched},
    wire::{
        MlflowBody, MlflowError, MlflowResult, Params, bad, info_json, integer, key_of, marked_tags, metric, metric_json,
        missing, optional, own_tag, page, pair, pairs, run_json, text,
    },
};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

const RUN_NAME: &str = "mlflow.runName";
const NAME_CHARS_MAX: usize = 250;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_run)
        .service(find_run)
        .service(update_run)
        .service(delete_run)
        .service(restore_run)
        .service(log_metric)
        .service(log_parameter)
        .service(log_batch)
        .service(set_run_tag)
        .service(delete_run_tag)
        .service(search_runs)
        .service(list_metric_history);
}

/// Begins a run.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{run}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/create")]
pub async fn create_run(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let tags = marked_tags(&body)?;
    let project_id = active_project_of(&state, &signed.caller, &text(&body, "experiment_id")?).await?;
    let id = RunId::random();
    let name = optional(&body, "run_name").or_else(|| tags.get(RUN_NAME).cloned());
    let name = name.unwrap_or_else(|| format!("run-{}", id.0.simple().to_string().chars().take(8).collect::<String>()));
    let run = NewRun {
        id,
        project_id,
        name: short(name),
        user: short(optional(&body, "user_id").or_else(|| tags.get("mlflow.user").cloned()).unwrap_or_default()),
        start_ms: integer(&body, "start_time")?.unwrap_or_else(|| state.clock.now().timestamp_millis()),
        tags,
    };
    let run = state.tracking.create_run(&signed.caller, run).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(HttpResponse::Ok().json(json!({ "run": run_json(&run) })))
}

/// Reads a run, or a training of the project as a run.
#[utoipa::path(
    tag = "mlflow",
    params(("run_id" = String, Query, description = "The run")),
    responses((status = 200, description = "`{run}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/runs/get")]
pub async fn find_run(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let id = query.get("run_id").or_else(|| query.get("run_uuid")).map(ToOwned::to_owned);
    let id = id.ok_or_else(|| bad("Missing value for required parameter 'run_id'"))?;
    let run = find(&state, &signed.caller, &id).await?;
    Ok(HttpResponse::Ok().json(json!({ "run": run_json(&run) })))
}

/// Changes a run's status, end or name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{run_info}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/update")]
pub async fn update_run(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let id = sent_run(&body)?;
    let status = match optional(&body, "status") {
        None => None,
        Some(name) => Some(RunStatus::from_name(&name).ok_or_else(|| bad(format!("there is no status '{name}'")))?),
    };
    let patch =
        RunPatch { status, end_ms: integer(&body, "end_time")?, name: optional(&body, "run_name").map(short), is_deleted: None };
    let name = patch.name.clone();
    state.tracking.update_run(&signed.caller, run_id(&id)?, patch).await.map_err(run_error(&id))?;
    if let Some(name) = name {
        let batch = RunBatch { tags: [(RUN_NAME.to_owned(), name)].into(), ..RunBatch::default() };
        state.tracking.log(&signed.caller, run_id(&id)?, batch).await.map_err(run_error(&id))?;
    }
    let run = find(&state, &signed.caller, &id).await?;
    Ok(HttpResponse::Ok().json(json!({ "run_info": info_json(&run) })))
}

/// Marks a run as deleted.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/delete")]
pub async fn delete_run(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    mark(&state, &signed.caller, &body, true).await
}

/// Takes the mark away again.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/restore")]
pub async fn restore_run(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    mark(&state, &signed.caller, &body, false).await
}

/// Logs a value of a metric.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/log-metric")]
pub async fn log_metric(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let batch = RunBatch { metrics: vec![metric(&body)?], ..RunBatch::default() };
    log(&state, &signed.caller, &body, batch).await
}

/// Logs a parameter. It cannot change afterwards.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/log-parameter")]
pub async fn log_parameter(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let batch = RunBatch { params: [pair(&body, PARAM_CHARS_MAX)?].into(), ..RunBatch::default() };
    log(&state, &signed.caller, &body, batch).await
}

/// Logs metrics, parameters and tags at once: all of them or none.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/log-batch")]
pub async fn log_batch(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let metrics = match body.get("metrics") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => entries.iter().map(metric).collect::<Result<_, _>>()?,
        _ => return Err(bad("metrics must be a list")),
    };
    let batch = RunBatch { metrics, params: pairs(&body, "params")?, tags: pairs(&body, "tags")?, removed_tags: Vec::new() };
    if batch.metrics.len() + batch.params.len() + batch.tags.len() > BATCH_ENTRIES_MAX {
        return Err(bad(format!("a batch has at most {BATCH_ENTRIES_MAX} metrics, params and tags")));
    }
    log(&state, &signed.caller, &body, batch).await
}

/// Sets a tag.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/set-tag")]
pub async fn set_run_tag(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let batch = RunBatch { tags: [pair(&body, TAG_CHARS_MAX)?].into(), ..RunBatch::default() };
    log(&state, &signed.caller, &body, batch).await
}

/// Removes a tag.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/delete-tag")]
pub async fn delete_run_tag(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let batch = RunBatch { removed_tags: vec![key_of(&body)?], ..RunBatch::default() };
    log(&state, &signed.caller, &body, batch).await
}

/// Finds runs, and trainings of the projects among them, by MLflow's filters.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{runs, next_page_token}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/search")]
pub async fn search_runs(state: web::Data<AppState>, signed: Signed<Read>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let (limit, offset) = page(&body, 1000)?;
    let projects = searched(&state, &signed.caller, body.get("experiment_ids")).await?;
    let filter = optional(&body, "filter").unwrap_or_default();
    let order = match body.get("order_by") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => entries
            .iter()
            .filter_map(Value::as_str)
            .map(parse_order)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error))?,
        _ => return Err(bad("order_by must be a list")),
    };
    let deleted = match optional(&body, "run_view_type").as_deref() {
        None | Some("ACTIVE_ONLY") => Some(false),
        Some("DELETED_ONLY") => Some(true),
        Some("ALL") => None,
        Some(other) => return Err(bad(format!("there is no run_view_type '{other}'"))),
    };
    let search = RunSearch {
        projects,
        conditions: parse(&filter).map_err(|error| invalid(&error))?,
        deleted,
        order,
        // One more than asked for tells whether there is a next page.
        limit: u32::try_from(limit + 1).unwrap_or(SEARCH_ROWS_MAX),
        offset: u64::try_from(offset).unwrap_or(u64::MAX),
    };
    let found = state.tracking.search(&signed.caller, &search).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let next = (found.len() > limit).then(|| (offset + limit).to_string());
    let runs: Vec<Value> = found.iter().take(limit).map(run_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "runs": runs, "next_page_token": next })))
}

/// Reads every value of a metric.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("run_id" = String, Query, description = "The run"),
        ("metric_key" = String, Query, description = "The metric"),
        ("max_results" = Option<i64>, Query, description = "At most this many; 25000 when absent"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses((status = 200, description = "`{metrics, next_page_token}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/metrics/get-history")]
pub async fn list_metric_history(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let (id, key) = (query.required("run_id")?, query.required("metric_key")?);
    let (limit, offset) = query.page(25_000)?;
    let run = find(&state, &signed.caller, &id).await?;
    let skipped = u64::try_from(offset).unwrap_or(u64::MAX);
    let most = u32::try_from(limit + 1).unwrap_or(SEARCH_ROWS_MAX);
    let mut points = state.tracking.metric_history(&signed.caller, run.id, &key, most, skipped).await.map_err(run_error(&id))?;
    if points.is_empty() && offset == 0 {
        // A training has one value of each.
        points.extend(run.metrics.get(&key).copied());
    }
    let next = (points.len() > limit).then(|| (offset + limit).to_string());
    let metrics: Vec<Value> = points.iter().take(limit).map(|point| metric_json(&key, point)).collect();
    Ok(HttpResponse::Ok().json(json!({ "metrics": metrics, "next_page_token": next })))
}

fn short(text: String) -> String {
    if text.chars().count() <= NAME_CHARS_MAX { text } else { text.chars().take(NAME_CHARS_MAX).collect() }
}

fn invalid(error: &FilterError) -> MlflowError {
    bad(format!("Invalid filter: {error}"))
}

fn sent_run(body: &Value) -> Result<String, MlflowError> {
    optional(body, "run_id").map_or_else(|| text(body, "run_uuid"), Ok)
}

/// MLflow writes ids without hyphens.
pub(super) fn run_id(id: &str) -> Result<RunId, MlflowError> {
    uuid::Uuid::try_parse(id).map(RunId).map_err(|_invalid| missing("run", id))
}

pub(super) fn run_error(id: &str) -> impl Fn(StoreError) -> MlflowError {
    move |error| match error {
        StoreError::NotFound => missing("run", id),
        StoreError::Conflict(what) if what == PARAM_CHANGED => {
            bad("A parameter of the run has another value already; log it under another name")
        }
        other => ApiError::store(ErrorCode::NotFound)(other).into(),
    }
}

pub(super) async fn find(state: &AppState, caller: &Caller, id: &str) -> Result<Run, MlflowError> {
    state.tracking.find_run(caller, run_id(id)?).await.map_err(run_error(id))
}

async fn log(state: &AppState, caller: &Caller, body: &Value, batch: RunBatch) -> MlflowResult {
    batch.tags.keys().chain(&batch.removed_tags).try_for_each(|key| own_tag(key))?;
    let id = sent_run(body)?;
    let name = batch.tags.get(RUN_NAME).cloned();
    state.tracking.log(caller, run_id(&id)?, batch).await.map_err(run_error(&id))?;
    if let Some(name) = name {
        let patch = RunPatch { name: Some(short(name)), ..RunPatch::default() };
        state.tracking.update_run(caller, run_id(&id)?, patch).await.map_err(run_error(&id))?;
    }
    Ok(HttpResponse::Ok().json(json!({})))
}

async fn mark(state: &AppState, caller: &Caller, body: &Value, is_deleted: bool) -> MlflowResult {
    let id = sent_run(body)?;
    let patch = RunPatch { is_deleted: Some(is_deleted), ..RunPatch::default() };
    state.tracking.update_run(caller, run_id(&id)?, patch).await.map_err(run_error(&id))?;
    Ok(HttpResponse::Ok().json(json!({})))
}
