//! Models that programs log with MLflow 3: a name, files, and the run that made them.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use gristmill_domain::{
    Caller, ErrorCode, LoggedModelId, RunId,
    ports::StoreError,
    tracking::{
        BATCH_ENTRIES_MAX, FileOwner, LoggedModel, LoggedModelStatus, PARAM_CHARS_MAX, TAG_CHARS_MAX,
        filter::{OF_LOGGED_MODELS, Subject},
        matching::Fact,
    },
};
use gristmill_persistence::repo::tracking::{LoggedModelChange, PARAM_CHANGED};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    artifacts::{entries, known},
    experiments::{active_project_of, searched},
    wire::{
        Listing, MlflowBody, MlflowError, MlflowResult, Params, bad, bounded, marked_tags, millis, missing, optional, own_tag,
        pair, pairs, tags_json, text,
    },
};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

/// What ids begin with on the wire.
const PREFIX: &str = "m-";
const NAME_CHARS_MAX: usize = 250;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(search_logged_models)
        .service(create_logged_model)
        .service(list_logged_model_artifacts)
        .service(log_logged_model_params)
        .service(set_logged_model_tags)
        .service(delete_logged_model_tag)
        .service(find_logged_model)
        .service(finalize_logged_model)
        .service(delete_logged_model);
}

/// Makes a logged model; its files follow.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/logged-models")]
pub async fn create_logged_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let experiment = optional(&body, "experiment_id").unwrap_or_else(|| "0".to_owned());
    let (id, now) = (LoggedModelId::random(), state.clock.now());
    let short = |field: &str| optional(&body, field).map(|value| bounded(value, field, NAME_CHARS_MAX)).transpose();
    let source_run = optional(&body, "source_run_id");
    let source_run = source_run.map(|run| uuid::Uuid::try_parse(&run).map_err(|_invalid| missing("run", &run))).transpose()?;
    let name =
        short("name")?.unwrap_or_else(|| format!("model-{}", id.0.simple().to_string().chars().take(8).collect::<String>()));
    let model = LoggedModel {
        id,
        project_id: active_project_of(&state, &signed.caller, &experiment).await?,
        name,
        model_type: short("model_type")?,
        source_run: source_run.map(RunId),
        status: LoggedModelStatus::Pending,
        params: pairs(&body, "params")?,
        tags: marked_tags(&body)?,
        created_at: now,
        updated_at: now,
    };
    let made = state.tracking.create_logged_model(&signed.caller, model).await;
    shown(&made.map_err(ApiError::store(ErrorCode::ProjectNotFound))?)
}

/// Reads a logged model.
#[utoipa::path(
    tag = "mlflow",
    params(("model_id" = String, Path, description = "The logged model")),
    responses((status = 200, description = "`{model}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/logged-models/{model_id}")]
pub async fn find_logged_model(state: web::Data<AppState>, signed: Signed<Read>, path: web::Path<String>) -> MlflowResult {
    shown(&find(&state, &signed.caller, &path).await?)
}

/// Says that a logged model is complete, or that its files could not be uploaded.
#[utoipa::path(
    tag = "mlflow",
    params(("model_id" = String, Path, description = "The logged model")),
    request_body = Object,
    responses((status = 200, description = "`{model}`", body = Object))
)]
#[patch("/mlflow/api/2.0/mlflow/logged-models/{model_id}")]
pub async fn finalize_logged_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    path: web::Path<String>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    find(&state, &signed.caller, &path).await?;
    let name = text(&body, "status")?;
    let status = LoggedModelStatus::from_name(&name).filter(|status| *status != LoggedModelStatus::Pending);
    let status = status.ok_or_else(|| bad("status must be LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED"))?;
    change(&state, &signed.caller, &path, LoggedModelChange::Status(status)).await
}

/// Deletes a logged model with its files.
#[utoipa::path(
    tag = "mlflow",
    params(("model_id" = String, Path, description = "The logged model")),
    responses((status = 200, description = "`{}`", body = Object))
)]
#[delete("/mlflow/api/2.0/mlflow/logged-models/{model_id}")]
pub async fn delete_logged_model(state: web::Data<AppState>, signed: Signed<Write>, path: web::Path<String>) -> MlflowResult {
    let deleted = state.tracking.delete_logged_model(&signed.caller, id_of(&path)?).await;
    deleted.map_err(model_error(&path))?;
    state.file_cleaner.wake();
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Finds logged models by MLflow's filters over what they have, their parameters and tags.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{models, next_page_token}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/logged-models/search")]
pub async fn search_logged_models(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    MlflowBody(mut body): MlflowBody,
) -> MlflowResult {
    // Other than everywhere else the order is a list of objects.
    if let Some(sent) = body.get_mut("order_by")
        && let Some(order) = sent.as_array()
    {
        let texts = order.iter().map(|one| {
            let direction = if one["ascending"] == false { "DESC" } else { "ASC" };
            format!("{} {direction}", one["field_name"].as_str().unwrap_or_default())
        });
        *sent = json!(texts.collect::<Vec<_>>());
    }
    let listing = Listing::of_body(&body, 50, &OF_LOGGED_MODELS)?;
    let projects = searched(&state, &signed.caller, body.get("experiment_ids")).await?;
    let models = state.tracking.logged_models(&signed.caller, &projects).await;
    let (models, next) = listing.page(models.map_err(ApiError::store(ErrorCode::NotFound))?, fact);
    let models: Vec<Value> = models.iter().map(model_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "models": models, "next_page_token": next })))
}

/// Sets tags of a logged model.
#[utoipa::path(
    tag = "mlflow",
    params(("model_id" = String, Path, description = "The logged model")),
    request_body = Object,
    responses((status = 200, description = "`{model}`", body = Object))
)]
#[patch("/mlflow/api/2.0/mlflow/logged-models/{model_id}/tags")]
pub async fn set_logged_model_tags(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    path: web::Path<String>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    find(&state, &signed.caller, &path).await?;
    let tags = listed(&body, "tags", TAG_CHARS_MAX)?;
    tags.iter().try_for_each(|(key, _)| own_tag(key))?;
    change(&state, &signed.caller, &path, LoggedModelChange::SetTags(tags)).await
}

/// Removes a tag of a logged model.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("model_id" = String, Path, description = "The logged model"),
        ("tag_key" = String, Path, description = "The tag's key"),
    ),
    responses((status = 200, description = "`{model}`", body = Object))
)]
#[delete("/mlflow/api/2.0/mlflow/logged-models/{model_id}/tags/{tag_key:.*}")]
pub async fn delete_logged_model_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    path: web::Path<(String, String)>,
) -> MlflowResult {
    let (model, key) = path.into_inner();
    own_tag(&key)?;
    change(&state, &signed.caller, &model, LoggedModelChange::RemoveTag(key)).await
}

/// Adds parameters to a logged model. One that is there cannot change.
#[utoipa::path(
    tag = "mlflow",
    params(("model_id" = String, Path, description = "The logged model")),
    request_body = Object,
    responses((status = 200, description = "`{model}`", body = Object))
)]
#[post("/mlflow/api/2.0/mlflow/logged-models/{model_id}/params")]
pub async fn log_logged_model_params(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    path: web::Path<String>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    find(&state, &signed.caller, &path).await?;
    let params = listed(&body, "params", PARAM_CHARS_MAX)?;
    change(&state, &signed.caller, &path, LoggedModelChange::AddParams(params)).await
}

/// Lists the files of a logged model in a directory.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("model_id" = String, Path, description = "The logged model"),
        ("artifact_directory_path" = Option<String>, Query, description = "A directory below the model's"),
    ),
    responses((status = 200, description = "`{root_uri, files}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/logged-models/{model_id}/artifacts/directories")]
pub async fn list_logged_model_artifacts(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    path: web::Path<String>,
    query: Params,
) -> MlflowResult {
    let model = find(&state, &signed.caller, &path).await?;
    let directory = query.get("artifact_directory_path").unwrap_or_default().trim_matches('/').to_owned();
    let known = known(&state, &signed.caller, model.project_id, FileOwner::Model(model.id)).await?;
    let files = entries(&known, &directory, &directory);
    Ok(HttpResponse::Ok().json(json!({ "root_uri": root(&model), "files": files })))
}

async fn change(state: &AppState, caller: &Caller, id: &str, change: LoggedModelChange) -> MlflowResult {
    let changed = state.tracking.change_logged_model(caller, id_of(id)?, change, state.clock.now()).await;
    shown(&changed.map_err(model_error(id))?)
}

pub(super) async fn find(state: &AppState, caller: &Caller, id: &str) -> Result<LoggedModel, MlflowError> {
    state.tracking.find_logged_model(caller, id_of(id)?).await.map_err(model_error(id))
}

fn id_of(id: &str) -> Result<LoggedModelId, MlflowError> {
    let number = id.strip_prefix(PREFIX).and_then(|rest| uuid::Uuid::try_parse(rest).ok());
    number.map(LoggedModelId).ok_or_else(|| missing("logged model", id))
}

pub(super) fn model_error(id: &str) -> impl Fn(StoreError) -> MlflowError {
    move |error| match error {
        StoreError::NotFound => missing("logged model", id),
        StoreError::Conflict(what) if what == PARAM_CHANGED => {
            bad("A parameter of the model has another value already; log it under another name")
        }
        other => ApiError::store(ErrorCode::NotFound)(other).into(),
    }
}

fn listed(body: &Value, field: &str, chars_max: usize) -> Result<Vec<(String, String)>, MlflowError> {
    match &body[field] {
        Value::Array(entries) if entries.len() <= BATCH_ENTRIES_MAX => {
            entries.iter().map(|entry| pair(entry, chars_max)).collect()
        }
        _ => Err(bad(format!("{field} must be a list of at most {BATCH_ENTRIES_MAX}"))),
    }
}

fn fact(model: &LoggedModel, subject: &Subject) -> Option<Fact> {
    match subject {
        Subject::Tag(key) => model.tags.get(key).cloned().map(Fact::Text),
        Subject::Param(key) => model.params.get(key).cloned().map(Fact::Text),
        Subject::Metric(_) => None,
        Subject::Attribute(name) => Some(match name.as_str() {
            "creation_timestamp" => millis(model.created_at),
            "last_updated_timestamp" => millis(model.updated_at),
            "model_id" => Fact::Text(wire_id(model.id)),
            "model_type" => Fact::Text(model.model_type.clone()?),
            "source_run_id" => Fact::Text(model.source_run?.0.simple().to_string()),
            "status" => Fact::Text(model.status.short().to_owned()),
            _ => Fact::Text(model.name.clone()),
        }),
    }
}

fn wire_id(id: LoggedModelId) -> String {
    format!("{PREFIX}{}", id.0.simple())
}

fn root(model: &LoggedModel) -> String {
    format!("mlflow-artifacts:/{}/models/{}/artifacts", model.project_id, wire_id(model.id))
}

fn shown(model: &LoggedModel) -> MlflowResult {
    Ok(HttpResponse::Ok().json(json!({ "model": model_json(model) })))
}

fn model_json(model: &LoggedModel) -> Value {
    json!({
        "info": {
            "model_id": wire_id(model.id), "experiment_id": model.project_id, "name": model.name,
            "creation_timestamp_ms": model.created_at.timestamp_millis(),
            "last_updated_timestamp_ms": model.updated_at.timestamp_millis(), "artifact_uri": root(model),
            "status": model.status.as_str(), "model_type": model.model_type,
            "source_run_id": model.source_run.map(|run| run.0.simple().to_string()), "tags": tags_json(&model.tags),
        },
        "data": { "params": tags_json(&model.params), "metrics": [] },
    })
}
