//! Experiments: an experiment is a project. What MLflow calls deleted is a mark: the project stays, with its data.

use actix_web::{HttpResponse, get, post, web};
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    projects::Project,
    tracking::{
        TAG_CHARS_MAX,
        filter::{OF_EXPERIMENTS, Subject},
        matching::Fact,
    },
};
use gristmill_persistence::repo::projects::{ProjectCreate, ProjectPatch};
use serde_json::{Map, Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::wire::{
    Listing, MlflowBody, MlflowError, MlflowResult, Params, bad, key_of, millis, missing, own_tag, pair, pairs, text,
};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

/// Key of a project's metadata that holds an experiment's tags.
const TAGS: &str = "mlflowTags";
/// Key of a project's metadata that says that programs have deleted the experiment.
const DELETED: &str = "mlflowDeleted";
/// The experiment of programs that name none.
const DEFAULT_EXPERIMENT: &str = "0";
const DEFAULT_NAME: &str = "Default";
const NAME_CHARS_MAX: usize = 200;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_experiment)
        .service(find_experiment)
        .service(find_experiment_by_name)
        .service(search_experiments)
        .service(rename_experiment)
        .service(delete_experiment)
        .service(restore_experiment)
        .service(set_experiment_tag)
        .service(delete_experiment_tag);
}

/// Makes an experiment: a project.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{experiment_id}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/create")]
pub async fn create_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let name = checked(text(&body, "name")?, "name")?;
    if let Some(there) = named(&state, &signed.caller, &name).await? {
        let deleted = if is_deleted(&there) { " It is deleted; restore it, or choose another name." } else { "" };
        return Err(ApiError::new(ErrorCode::Conflict, format!("Experiment '{name}' already exists.{deleted}")).into());
    }
    let project = make(&state, &signed.caller, &name, json!(pairs(&body, "tags")?)).await?;
    Ok(HttpResponse::Ok().json(json!({ "experiment_id": project.id })))
}

/// Reads an experiment.
#[utoipa::path(
    tag = "mlflow",
    params(("experiment_id" = String, Query, description = "The project's id")),
    responses((status = 200, description = "`{experiment}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/experiments/get")]
pub async fn find_experiment(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let project = find(&state, &signed.caller, &query.required("experiment_id")?).await?;
    Ok(HttpResponse::Ok().json(json!({ "experiment": experiment(&project) })))
}

/// Finds an experiment by its name: the oldest project of that name.
#[utoipa::path(
    tag = "mlflow",
    params(("experiment_name" = String, Query, description = "The project's name")),
    responses((status = 200, description = "`{experiment}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/experiments/get-by-name")]
pub async fn find_experiment_by_name(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let name = query.required("experiment_name")?;
    let project = named(&state, &signed.caller, &name).await?.ok_or_else(|| missing("experiment", &name))?;
    Ok(HttpResponse::Ok().json(json!({ "experiment": experiment(&project) })))
}

/// Lists the caller's experiments.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{experiments, next_page_token}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/search")]
pub async fn search_experiments(state: web::Data<AppState>, signed: Signed<Read>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let listing = Listing::of_body(&body, 1000, &OF_EXPERIMENTS)?;
    let deleted = match body.get("view_type").and_then(Value::as_str) {
        None | Some("ACTIVE_ONLY") => Some(false),
        Some("DELETED_ONLY") => Some(true),
        Some("ALL") => None,
        Some(other) => return Err(bad(format!("there is no view_type '{other}'"))),
    };
    let mut projects = state.projects.list(&signed.caller).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    projects.retain(|project| deleted.is_none_or(|deleted| is_deleted(project) == deleted));
    // Newest first, as MLflow has them.
    projects.reverse();
    let (shown, next) = listing.page(projects, fact);
    let shown: Vec<Value> = shown.iter().map(experiment).collect();
    Ok(HttpResponse::Ok().json(json!({ "experiments": shown, "next_page_token": next })))
}

/// Renames an experiment.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/update")]
pub async fn rename_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let name = checked(text(&body, "new_name")?, "new_name")?;
    let project = find(&state, &signed.caller, &text(&body, "experiment_id")?).await?;
    if named(&state, &signed.caller, &name).await?.is_some_and(|there| there.id != project.id) {
        return Err(ApiError::new(ErrorCode::Conflict, format!("Experiment '{name}' already exists.")).into());
    }
    update(&state, &signed.caller, project.id, ProjectPatch { name: Some(name), ..Default::default() }).await
}

/// Marks an experiment as deleted. The project stays, with its datasets and models.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/delete")]
pub async fn delete_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    mark(&state, &signed.caller, &body, true).await
}

/// Takes the mark away again.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/restore")]
pub async fn restore_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    mark(&state, &signed.caller, &body, false).await
}

/// Sets a tag of an experiment.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/set-experiment-tag")]
pub async fn set_experiment_tag(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let (key, value) = pair(&body, TAG_CHARS_MAX)?;
    own_tag(&key)?;
    let project = find(&state, &signed.caller, &text(&body, "experiment_id")?).await?;
    let mut tags = tags_of(&project);
    tags.insert(key, Value::from(value));
    retag(&state, &signed.caller, project.id, tags).await
}

/// Removes a tag of an experiment.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/delete-experiment-tag")]
pub async fn delete_experiment_tag(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    MlflowBody(body): MlflowBody,
) -> MlflowResult {
    let key = key_of(&body)?;
    let project = find(&state, &signed.caller, &text(&body, "experiment_id")?).await?;
    let mut tags = tags_of(&project);
    tags.remove(&key).ok_or_else(|| missing("tag", &key))?;
    retag(&state, &signed.caller, project.id, tags).await
}

async fn retag(state: &AppState, caller: &Caller, id: ProjectId, tags: Map<String, Value>) -> MlflowResult {
    let metadata = Map::from_iter([(TAGS.to_owned(), Value::Object(tags))]);
    update(state, caller, id, ProjectPatch { metadata: Some(metadata), ..Default::default() }).await
}

async fn mark(state: &AppState, caller: &Caller, body: &Value, is_deleted: bool) -> MlflowResult {
    let project = find(state, caller, &text(body, "experiment_id")?).await?;
    let metadata = Map::from_iter([(DELETED.to_owned(), Value::from(is_deleted))]);
    update(state, caller, project.id, ProjectPatch { metadata: Some(metadata), ..Default::default() }).await
}

async fn update(state: &AppState, caller: &Caller, id: ProjectId, patch: ProjectPatch) -> MlflowResult {
    let changed = state.projects.update(caller, id, patch, state.clock.now()).await;
    changed.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

fn checked(name: String, field: &str) -> Result<String, MlflowError> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains('\0') {
        return Err(bad(format!("{field} must have 1 to {NAME_CHARS_MAX} characters, and no NUL")));
    }
    Ok(name)
}

fn is_deleted(project: &Project) -> bool {
    project.metadata.as_map().get(DELETED) == Some(&Value::Bool(true))
}

fn tags_of(project: &Project) -> Map<String, Value> {
    project.metadata.as_map().get(TAGS).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn fact(project: &Project, subject: &Subject) -> Option<Fact> {
    match subject {
        Subject::Tag(key) => tags_of(project).get(key).and_then(Value::as_str).map(|value| Fact::Text(value.to_owned())),
        Subject::Attribute(name) => Some(match name.as_str() {
            "creation_time" => millis(project.created_at),
            "last_update_time" => millis(project.updated_at),
            "experiment_id" => Fact::Text(project.id.to_string()),
            _ => Fact::Text(project.name.clone()),
        }),
        Subject::Metric(_) | Subject::Param(_) => None,
    }
}

fn experiment(project: &Project) -> Value {
    let tags: Vec<Value> = tags_of(project).iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({
        "experiment_id": project.id, "name": project.name, "artifact_location": format!("mlflow-artifacts:/{}", project.id),
        "lifecycle_stage": if is_deleted(project) { "deleted" } else { "active" },
        "creation_time": project.created_at.timestamp_millis(),
        "last_update_time": project.updated_at.timestamp_millis(), "tags": tags,
    })
}

async fn find(state: &AppState, caller: &Caller, id: &str) -> Result<Project, MlflowError> {
    if id == DEFAULT_EXPERIMENT {
        return named(state, caller, DEFAULT_NAME).await?.ok_or_else(|| missing("experiment", DEFAULT_EXPERIMENT));
    }
    let id = id.parse().map_err(|_invalid| missing("experiment", id))?;
    Ok(state.projects.find(caller, id).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?)
}

async fn named(state: &AppState, caller: &Caller, name: &str) -> Result<Option<Project>, MlflowError> {
    let projects = state.projects.list(caller).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(projects.into_iter().find(|project| project.name == name))
}

async fn make(state: &AppState, caller: &Caller, name: &str, tags: Value) -> Result<Project, MlflowError> {
    let mut metadata = Map::new();
    if tags.as_object().is_some_and(|tags| !tags.is_empty()) {
        metadata.insert(TAGS.to_owned(), tags);
    }
    let create =
        ProjectCreate { name: name.to_owned(), description: None, icon: "Folder".into(), color: "blue".into(), metadata };
    let made = state.projects.create(caller, create, None, state.clock.now()).await;
    Ok(made.map_err(ApiError::store(ErrorCode::ProjectNotFound))?)
}

/// The project of an experiment's id. Programs that name none log to `0`, which is made when it is first logged to.
pub(super) async fn project_of(state: &AppState, caller: &Caller, id: &str) -> Result<ProjectId, MlflowError> {
    if id == DEFAULT_EXPERIMENT {
        return Ok(match named(state, caller, DEFAULT_NAME).await? {
            Some(project) => project.id,
            None => make(state, caller, DEFAULT_NAME, json!({})).await?.id,
        });
    }
    id.parse().map_err(|_invalid| missing("experiment", id))
}

/// As [`project_of`], of an experiment that is not deleted.
pub(super) async fn active_project_of(state: &AppState, caller: &Caller, id: &str) -> Result<ProjectId, MlflowError> {
    let project = project_of(state, caller, id).await?;
    let found = state.projects.find(caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    if is_deleted(&found) {
        return Err(bad(format!("The experiment {project} is deleted; restore it before you log to it")));
    }
    Ok(project)
}

/// The projects to search: those that are named, or all of the caller's.
pub(super) async fn searched(state: &AppState, caller: &Caller, ids: Option<&Value>) -> Result<Vec<ProjectId>, MlflowError> {
    let own = state.projects.list(caller).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let Some(ids) = ids.and_then(Value::as_array).filter(|ids| !ids.is_empty()) else {
        return Ok(own.into_iter().map(|project| project.id).collect());
    };
    let mut found = Vec::new();
    for id in ids {
        let id = id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
        let project = project_of(state, caller, &id).await?;
        if !own.iter().any(|one| one.id == project) && id != DEFAULT_EXPERIMENT {
            return Err(missing("experiment", &id));
        }
        found.push(project);
    }
    Ok(found)
}
