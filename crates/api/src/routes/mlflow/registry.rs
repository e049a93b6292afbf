//! The registry of models: names, and versions of them.

use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use gristmill_domain::{ErrorCode, ports::StoreError};
use gristmill_persistence::repo::tracking::{RegisteredModel, RegisteredVersion, VersionCreate};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::wire::{MlflowBody, MlflowError, MlflowResult, Params, bad, missing, name_filter, optional, pairs, text};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

const NAME_CHARS_MAX: usize = 250;
const TEXT_CHARS_MAX: usize = 5000;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_registered_model)
        .service(find_registered_model)
        .service(search_registered_models)
        .service(delete_registered_model)
        .service(create_model_version)
        .service(find_model_version)
        .service(search_model_versions)
        .service(find_model_version_download);
}

/// Makes a name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{registered_model}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/registered-models/create")]
pub async fn create_registered_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let (name, description) = (bounded(text(&body, "name")?, "name", NAME_CHARS_MAX)?, described(&body)?);
    let tags = pairs(&body, "tags")?;
    let made = state.tracking.create_model(&signed.caller, &name, &description, &tags, state.clock.now()).await;
    let made = made.map_err(|error| match error {
        StoreError::Conflict(_) => ApiError::new(ErrorCode::Conflict, format!("Registered Model (name={name}) already exists.")),
        other => ApiError::store(ErrorCode::NotFound)(other),
    })?;
    Ok(HttpResponse::Ok().json(json!({ "registered_model": model_json(&made) })))
}

/// Reads a name with its latest version.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name")),
    responses((status = 200, description = "`{registered_model}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/registered-models/get")]
pub async fn find_registered_model(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let model = find(&state, &signed.caller, &query.required("name")?).await?;
    Ok(HttpResponse::Ok().json(json!({ "registered_model": model_json(&model) })))
}

/// Lists names.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("filter" = Option<String>, Query, description = "`name = '…'` or `name LIKE '…%'`"),
        ("max_results" = Option<i64>, Query, description = "At most this many; 100 when absent"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses((status = 200, description = "`{registered_models, next_page_token}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/registered-models/search")]
pub async fn search_registered_models(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let filter = name_filter(query.get("filter"))?;
    let (limit, offset) = query.page(100)?;
    let mut models = state.tracking.models(&signed.caller, None).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    models.retain(|model| filter.holds("run_name", &model.name));
    let shown: Vec<Value> = models.iter().skip(offset).take(limit).map(model_json).collect();
    let next = (models.len() > offset + limit).then(|| (offset + limit).to_string());
    Ok(HttpResponse::Ok().json(json!({ "registered_models": shown, "next_page_token": next })))
}

/// Removes a name with its versions.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[delete("/mlflow/api/2.0/mlflow/registered-models/delete")]
pub async fn delete_registered_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let name = text(&body, "name")?;
    state.tracking.delete_model(&signed.caller, &name).await.map_err(registry_error(&name))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Makes the next version of a name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/model-versions/create")]
pub async fn create_model_version(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let create = VersionCreate {
        name: text(&body, "name")?,
        run_id: optional(&body, "run_id").map(|id| bounded(id, "run_id", NAME_CHARS_MAX)).transpose()?,
        source: bounded(text(&body, "source")?, "source", TEXT_CHARS_MAX)?,
        description: described(&body)?,
        tags: pairs(&body, "tags")?,
    };
    let name = create.name.clone();
    let version =
        state.tracking.create_version(&signed.caller, create, state.clock.now()).await.map_err(registry_error(&name))?;
    Ok(HttpResponse::Ok().json(json!({ "model_version": version_json(&version) })))
}

/// Reads a version.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name"), ("version" = String, Query, description = "The version")),
    responses((status = 200, description = "`{model_version}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/get")]
pub async fn find_model_version(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let version = find_version(&state, &signed.caller, &query).await?;
    Ok(HttpResponse::Ok().json(json!({ "model_version": version_json(&version) })))
}

/// Lists versions.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("filter" = Option<String>, Query, description = "`name = '…'` or `run_id = '…'`"),
        ("max_results" = Option<i64>, Query, description = "At most this many; 1000 when absent"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses((status = 200, description = "`{model_versions, next_page_token}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/search")]
pub async fn search_model_versions(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let filter = name_filter(query.get("filter"))?;
    let (limit, offset) = query.page(1000)?;
    let models = state.tracking.models(&signed.caller, None).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    let mut versions: Vec<&RegisteredVersion> = models
        .iter()
        .flat_map(|model| &model.versions)
        .filter(|version| filter.holds("run_name", &version.name))
        .filter(|version| filter.holds("run_id", version.run_id.as_deref().unwrap_or_default()))
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.created_at));
    let shown: Vec<Value> = versions.iter().skip(offset).take(limit).map(|version| version_json(version)).collect();
    let next = (versions.len() > offset + limit).then(|| (offset + limit).to_string());
    Ok(HttpResponse::Ok().json(json!({ "model_versions": shown, "next_page_token": next })))
}

/// Tells where a version's files are.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name"), ("version" = String, Query, description = "The version")),
    responses((status = 200, description = "`{artifact_uri}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/get-download-uri")]
pub async fn find_model_version_download(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let version = find_version(&state, &signed.caller, &query).await?;
    Ok(HttpResponse::Ok().json(json!({ "artifact_uri": version.source })))
}

async fn find(state: &AppState, caller: &gristmill_domain::Caller, name: &str) -> Result<RegisteredModel, MlflowError> {
    let found = state.tracking.models(caller, Some(name)).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    found.into_iter().next().ok_or_else(|| missing("registered model", name))
}

async fn find_version(
    state: &AppState,
    caller: &gristmill_domain::Caller,
    query: &Params,
) -> Result<RegisteredVersion, MlflowError> {
    let (name, version) = (query.required("name")?, query.required("version")?);
    let model = find(state, caller, &name).await?;
    let found = model.versions.into_iter().find(|one| one.version.to_string() == version);
    found.ok_or_else(|| missing("model version", &format!("{name}/{version}")))
}

fn registry_error(name: &str) -> impl Fn(StoreError) -> MlflowError {
    move |error| match error {
        StoreError::NotFound => missing("registered model", name),
        other => ApiError::store(ErrorCode::NotFound)(other).into(),
    }
}

fn described(body: &Value) -> Result<String, MlflowError> {
    bounded(optional(body, "description").unwrap_or_default(), "description", TEXT_CHARS_MAX)
}

fn bounded(value: String, field: &str, most: usize) -> Result<String, MlflowError> {
    if value.chars().count() > most || value.contains('\0') {
        return Err(bad(format!("{field} must have at most {most} characters, and no NUL")));
    }
    Ok(value)
}

fn tags(tags: &std::collections::BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn model_json(model: &RegisteredModel) -> Value {
    json!({
        "name": model.name, "description": model.description, "tags": tags(&model.tags),
        "creation_timestamp": millis(model.created_at), "last_updated_timestamp": millis(model.updated_at),
        "latest_versions": model.versions.first().map(version_json).into_iter().collect::<Vec<_>>(),
    })
}

fn version_json(version: &RegisteredVersion) -> Value {
    json!({
        "name": version.name, "version": version.version.to_string(), "run_id": version.run_id, "source": version.source,
        "description": version.description, "tags": tags(&version.tags), "status": "READY", "current_stage": "None",
        "creation_timestamp": millis(version.created_at), "last_updated_timestamp": millis(version.created_at),
    })
}
