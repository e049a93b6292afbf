//! Versions of the models in the registry.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use gristmill_domain::{
    Caller, ErrorCode,
    tracking::{
        Stage, TAG_CHARS_MAX,
        filter::{OF_VERSIONS, Subject},
        matching::Fact,
    },
};
use gristmill_persistence::repo::tracking::{RegisteredVersion, VersionChange, VersionCreate};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    registry::{described, find, registry_error},
    runs,
    wire::{
        Listing, MlflowBody, MlflowError, MlflowResult, Params, bad, bounded, integer, key_of, marked_tags, millis, missing,
        optional, own_tag, pair, tag_fact, tags_json, text,
    },
};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

const NAME_CHARS_MAX: usize = 250;
const TEXT_CHARS_MAX: usize = 5000;
/// The tags that say how a model was scored.
const HOLDOUT: &str = "gristmill.holdout";
const UNSCORED: &str = "gristmill.unscored";
/// The tag that a training has, and no run of a program.
const MODEL_ID: &str = "gristmill.modelId";

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_model_version)
        .service(find_model_version)
        .service(search_model_versions)
        .service(find_model_version_download)
        .service(update_model_version)
        .service(transition_model_version_stage)
        .service(set_model_version_tag)
        .service(delete_model_version_tag)
        .service(delete_model_version);
}

/// Makes the next version of a name.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/model-versions/create")]
pub async fn create_model_version(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let short = |field: &str| optional(&body, field).map(|id| bounded(id, field, NAME_CHARS_MAX)).transpose();
    let mut create = VersionCreate {
        name: text(&body, "name")?,
        run_id: short("run_id")?,
        logged_model: short("model_id")?,
        source: bounded(text(&body, "source")?, "source", TEXT_CHARS_MAX)?,
        description: described(&body)?,
        tags: marked_tags(&body)?,
    };
    mark(&state, &signed.caller, &mut create).await;
    let name = create.name.clone();
    let version = state.tracking.create_version(&signed.caller, create, state.clock.now()).await;
    Ok(HttpResponse::Ok().json(json!({ "model_version": version_json(&version.map_err(registry_error(&name))?) })))
}

/// A version that is the file of a training was scored as the training was.
async fn mark(state: &AppState, caller: &Caller, create: &mut VersionCreate) {
    let Some(id) = &create.run_id else { return };
    let Ok(run) = runs::find(state, caller, id).await else { return };
    let id = run.id.0.simple().to_string();
    let root = format!("mlflow-artifacts:/{}/{id}/artifacts/", run.project_id);
    let is_its_file = create.source.starts_with(&format!("runs:/{id}/")) || create.source.starts_with(&root);
    if is_its_file && run.tags.contains_key(MODEL_ID) {
        create.tags.remove(UNSCORED);
        create.tags.remove(HOLDOUT);
        if let Some(holdout) = run.tags.get(HOLDOUT) {
            create.tags.insert(HOLDOUT.to_owned(), holdout.clone());
        }
    }
}

/// Reads a version.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name"), ("version" = String, Query, description = "The version")),
    responses((status = 200, description = "`{model_version}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/get")]
pub async fn find_model_version(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    shown(&state, &signed.caller, &query.required("name")?, &query.required("version")?).await
}

/// Lists versions, newest first.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("filter" = Option<String>, Query, description = "MLflow's filter over `name`, `run_id`, `source_path`, `version_number` and tags"),
        ("order_by" = Option<Vec<String>>, Query, description = "`name`, `version_number`, `creation_timestamp` or `last_updated_timestamp`, and a direction"),
        ("max_results" = Option<i64>, Query, description = "At most this many; 1000 when absent"),
        ("page_token" = Option<String>, Query, description = "`next_page_token` of the page before"),
    ),
    responses((status = 200, description = "`{model_versions, next_page_token}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/search")]
pub async fn search_model_versions(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let listing = Listing::of_query(&query, 1000, &OF_VERSIONS)?;
    let models = state.tracking.models(&signed.caller, None).await.map_err(ApiError::store(ErrorCode::NotFound))?;
    let mut versions: Vec<RegisteredVersion> = models.into_iter().flat_map(|model| model.versions).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.created_at));
    let (versions, next) = listing.page(versions, fact);
    let versions: Vec<Value> = versions.iter().map(version_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "model_versions": versions, "next_page_token": next })))
}

/// Tells where a version's files are.
#[utoipa::path(
    tag = "mlflow",
    params(("name" = String, Query, description = "The name"), ("version" = String, Query, description = "The version")),
    responses((status = 200, description = "`{artifact_uri}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/model-versions/get-download-uri")]
pub async fn find_model_version_download(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let (name, version) = (query.required("name")?, query.required("version")?);
    let version = find_version(&state, &signed.caller, &name, &version).await?;
    Ok(HttpResponse::Ok().json(json!({ "artifact_uri": version.source })))
}

/// Changes what a version is described as.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[patch("/mlflow/api/2.0/mlflow/model-versions/update")]
pub async fn update_model_version(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let description = described(&body)?;
    change(&state, &signed.caller, &body, VersionChange::Description(description)).await
}

/// Moves a version to a stage.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/model-versions/transition-stage")]
pub async fn transition_model_version_stage(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let name = text(&body, "stage")?;
    let stage = Stage::from_name(&name)
        .ok_or_else(|| bad(format!("there is no stage '{name}'; there are {}", Stage::ALL.map(Stage::as_str).join(", "))))?;
    let archive_others = body.get("archive_existing_versions") == Some(&Value::Bool(true));
    if archive_others && !matches!(stage, Stage::Staging | Stage::Production) {
        return Err(bad("archive_existing_versions goes with the stages Staging and Production only"));
    }
    change(&state, &signed.caller, &body, VersionChange::Stage { stage, archive_others }).await
}

/// Sets a tag of a version.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/model-versions/set-tag")]
pub async fn set_model_version_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let (key, value) = pair(&body, TAG_CHARS_MAX)?;
    own_tag(&key)?;
    change(&state, &signed.caller, &body, VersionChange::SetTag(key, value)).await
}

/// Removes a tag of a version.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{model_version}`", body = Object)))]
#[delete("/mlflow/api/2.0/mlflow/model-versions/delete-tag")]
pub async fn delete_model_version_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let key = key_of(&body)?;
    own_tag(&key)?;
    change(&state, &signed.caller, &body, VersionChange::RemoveTag(key)).await
}

/// Removes a version. Its number is not used again.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[delete("/mlflow/api/2.0/mlflow/model-versions/delete")]
pub async fn delete_model_version(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let name = text(&body, "name")?;
    let deleted = state.tracking.delete_version(&signed.caller, &name, version_number(&body)?).await;
    deleted.map_err(registry_error(&name))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

async fn change(state: &AppState, caller: &Caller, body: &Value, change: VersionChange) -> MlflowResult {
    let (name, version) = (text(body, "name")?, version_number(body)?);
    let changed = state.tracking.change_version(caller, &name, version, change, state.clock.now()).await;
    changed.map_err(registry_error(&name))?;
    shown(state, caller, &name, &version.to_string()).await
}

async fn shown(state: &AppState, caller: &Caller, name: &str, version: &str) -> MlflowResult {
    let version = find_version(state, caller, name, version).await?;
    Ok(HttpResponse::Ok().json(json!({ "model_version": version_json(&version) })))
}

async fn find_version(state: &AppState, caller: &Caller, name: &str, version: &str) -> Result<RegisteredVersion, MlflowError> {
    let model = find(state, caller, name).await?;
    let found = model.versions.into_iter().find(|one| one.version.to_string() == version);
    found.ok_or_else(|| missing("model version", &format!("{name}/{version}")))
}

/// The `version` of a body, which programs send as a text.
pub(super) fn version_number(body: &Value) -> Result<u32, MlflowError> {
    let number = integer(body, "version")?.ok_or_else(|| bad("Missing value for required parameter 'version'"))?;
    u32::try_from(number).map_err(|_negative| bad("version must be a whole number from 1"))
}

fn fact(version: &RegisteredVersion, subject: &Subject) -> Option<Fact> {
    match subject {
        Subject::Tag(key) => tag_fact(&version.tags, key),
        Subject::Attribute(name) => Some(match name.as_str() {
            "version_number" => Fact::Number(f64::from(version.version)),
            "creation_timestamp" => millis(version.created_at),
            "last_updated_timestamp" => millis(version.updated_at),
            "run_id" => Fact::Text(version.run_id.clone().unwrap_or_default()),
            "source_path" => Fact::Text(version.source.clone()),
            _ => Fact::Text(version.name.clone()),
        }),
        Subject::Metric(_) | Subject::Param(_) => None,
    }
}

pub(super) fn version_json(version: &RegisteredVersion) -> Value {
    json!({
        "name": version.name, "version": version.version.to_string(), "run_id": version.run_id, "source": version.source,
        "model_id": version.logged_model, "description": version.description, "tags": tags_json(&version.tags),
        "aliases": version.aliases, "status": "READY", "current_stage": version.stage.as_str(),
        "creation_timestamp": version.created_at.timestamp_millis(),
        "last_updated_timestamp": version.updated_at.timestamp_millis(),
    })
}
