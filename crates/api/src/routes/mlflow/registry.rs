//! The registry of models: names, and the other names of their versions.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use gristmill_domain::{
    Caller, ErrorCode,
    ports::StoreError,
    tracking::{
        Stage, TAG_CHARS_MAX,
        filter::{OF_NAMES, Subject},
        matching::Fact,
    },
};
use gristmill_persistence::repo::tracking::{NameChange, RegisteredModel, RegisteredVersion};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    versions::{version_json, version_number},
    wire::{
        Listing, MlflowBody, MlflowError, MlflowResult, Params, bad, bounded, key_of, marked_tags, millis, missing, optional,
        own_tag, pair, tag_fact, tags_json, text,
    },
};
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
        .service(rename_registered_model)
        .service(update_registered_model)
        .service(delete_registered_model)
        .service(set_registered_model_tag)
        .service(delete_registered_model_tag)
        .service(set_registered_model_alias)
        .service(find_model_version_by_alias)
        .service(delete_registered_model_alias)
        .service(list_latest_versions);
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
    let tags = marked_tags(&body)?;
    let made = state.tracking.create_model(&signed.caller, &name, &description, &tags, state.clock.now()).await;
    let made = made.map_err(registry_error(&name))?;
    Ok(HttpResponse::Ok().json(json!({ "registered_model": model_json(&made) })))
}

/// Reads a name with its latest versions.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name")),
    responses((status = 200, description = "`{registered_model}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/registered-models/get")]
pub async fn find_registered_model(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    shown(&state, &signed.caller, &query.required("name")?).await
}

/// Lists names.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("filter" = Option<String>, Query, description = "MLflow's filter over `name` and tags"),
        ("order_by" = Option<Vec<String>>, Query, description = "`name`, `creation_timestamp` or `last_updated_timestamp`, and a direction"),
        ("max_results" = Option<i64>, Query, description = "At most this many; 100 when absent"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses((status = 200, description = "`{registered_models, next_page_token}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/registered-models/search")]
pub async fn search_registered_models(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let listing = Listing::of_query(&query, 100, &OF_NAMES)?;
    let models = state.tracking.models(&signed.caller, None).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    let (models, next) = listing.page(models, fact);
    let models: Vec<Value> = models.iter().map(model_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "registered_models": models, "next_page_token": next })))
}

/// Changes a name, with all of its versions.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{registered_model}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/registered-models/rename")]
pub async fn rename_registered_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let new = bounded(text(&body, "new_name")?, "new_name", NAME_CHARS_MAX)?;
    change(&state, &signed.caller, &text(&body, "name")?, NameChange::Name(new.clone())).await?;
    shown(&state, &signed.caller, &new).await
}

/// Changes what a name is described as.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{registered_model}`", body = Object)))]
#[patch("/mlflow/api/2.0/mlflow/registered-models/update")]
pub async fn update_registered_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let name = text(&body, "name")?;
    change(&state, &signed.caller, &name, NameChange::Description(described(&body)?)).await?;
    shown(&state, &signed.caller, &name).await
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

/// Sets a tag of a name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/registered-models/set-tag")]
pub async fn set_registered_model_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let (key, value) = pair(&body, TAG_CHARS_MAX)?;
    own_tag(&key)?;
    change(&state, &signed.caller, &text(&body, "name")?, NameChange::SetTag(key, value)).await
}

/// Removes a tag of a name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[delete("/mlflow/api/2.0/mlflow/registered-models/delete-tag")]
pub async fn delete_registered_model_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let key = key_of(&body)?;
    own_tag(&key)?;
    change(&state, &signed.caller, &text(&body, "name")?, NameChange::RemoveTag(key)).await
}

/// Gives a version another name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/registered-models/alias")]
pub async fn set_registered_model_alias(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let (name, alias) = (text(&body, "name")?, bounded(text(&body, "alias")?, "alias", NAME_CHARS_MAX)?);
    let is_number = alias.strip_prefix(['v', 'V']).unwrap_or(&alias).chars().all(|sign| sign.is_ascii_digit());
    if is_number || alias.eq_ignore_ascii_case("latest") {
        return Err(bad(format!("'{alias}' cannot be an alias: it would be taken for a version")));
    }
    let version = version_number(&body)?;
    change(&state, &signed.caller, &name, NameChange::SetAlias(alias, version)).await
}

/// Finds a version by its other name.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name"), ("alias" = String, Query, description = "The version's other name")),
    responses((status = 200, description = "`{model_version}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/registered-models/alias")]
pub async fn find_model_version_by_alias(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let alias = query.required("alias")?;
    let model = find(&state, &signed.caller, &query.required("name")?).await?;
    let version = model.versions.iter().find(|version| version.aliases.contains(&alias));
    let version = version.ok_or_else(|| bad(format!("Registered model alias {alias} not found.")))?;
    Ok(HttpResponse::Ok().json(json!({ "model_version": version_json(version) })))
}

/// Takes another name away.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[delete("/mlflow/api/2.0/mlflow/registered-models/alias")]
pub async fn delete_registered_model_alias(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let alias = text(&body, "alias")?;
    change(&state, &signed.caller, &text(&body, "name")?, NameChange::RemoveAlias(alias)).await
}

/// Lists the latest version of each stage.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_versions}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/registered-models/get-latest-versions")]
pub async fn list_latest_versions(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let stages: Vec<Stage> = match body.get("stages") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().and_then(Stage::from_name).ok_or_else(|| bad(format!("there is no stage {name}"))))
            .collect::<Result<_, _>>()?,
        _ => return Err(bad("stages must be a list")),
    };
    let model = find(&state, &signed.caller, &text(&body, "name")?).await?;
    let latest: Vec<Value> =
        latest(&model).filter(|version| stages.is_empty() || stages.contains(&version.stage)).map(version_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "model_versions": latest })))
}

async fn change(state: &AppState, caller: &Caller, name: &str, change: NameChange) -> MlflowResult {
    state.tracking.change_name(caller, name, change, state.clock.now()).await.map_err(registry_error(name))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

async fn shown(state: &AppState, caller: &Caller, name: &str) -> MlflowResult {
    let model = find(state, caller, name).await?;
    Ok(HttpResponse::Ok().json(json!({ "registered_model": model_json(&model) })))
}

pub(super) async fn find(state: &AppState, caller: &Caller, name: &str) -> Result<RegisteredModel, MlflowError> {
    let found = state.tracking.models(caller, Some(name)).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    found.into_iter().next().ok_or_else(|| missing("registered model", name))
}

pub(super) fn registry_error(name: &str) -> impl Fn(StoreError) -> MlflowError {
    move |error| match error {
        StoreError::NotFound => missing("registered model or version", name),
        StoreError::Conflict(_) => {
            ApiError::new(ErrorCode::Conflict, format!("Registered Model (name={name}), or the new name, already exists.")).into()
        }
        other => ApiError::store(ErrorCode::NotFound)(other).into(),
    }
}

pub(super) fn described(body: &Value) -> Result<String, MlflowError> {
    bounded(optional(body, "description").unwrap_or_default(), "description", TEXT_CHARS_MAX)
}

fn fact(model: &RegisteredModel, subject: &Subject) -> Option<Fact> {
    match subject {
        Subject::Tag(key) => tag_fact(&model.tags, key),
        Subject::Attribute(name) => Some(match name.as_str() {
            "creation_timestamp" => millis(model.created_at),
            "last_updated_timestamp" => millis(model.updated_at),
            _ => Fact::Text(model.name.clone()),
        }),
        Subject::Metric(_) | Subject::Param(_) => None,
    }
}

/// The latest version of each stage; versions are newest first.
fn latest(model: &RegisteredModel) -> impl Iterator<Item = &RegisteredVersion> {
    Stage::ALL.into_iter().filter_map(|stage| model.versions.iter().find(|version| version.stage == stage))
}

fn model_json(model: &RegisteredModel) -> Value {
    let aliases: Vec<Value> =
        model.aliases.iter().map(|(alias, version)| json!({ "alias": alias, "version": version.to_string() })).collect();
    json!({
        "name": model.name, "description": model.description, "tags": tags_json(&model.tags), "aliases": aliases,
        "creation_timestamp": model.created_at.timestamp_millis(),
        "last_updated_timestamp": model.updated_at.timestamp_millis(),
        "latest_versions": latest(model).map(version_json).collect::<Vec<_>>(),
    })
}
