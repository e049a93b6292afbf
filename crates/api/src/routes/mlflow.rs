//! Experiment tracking for programs that log to MLflow: `MLFLOW_TRACKING_URI=<server>/api/mlflow` and, as
//! `MLFLOW_TRACKING_TOKEN`, a personal access token. An experiment is a project; a project's trainings are among its runs.

mod artifacts;
mod registry;
mod runs;
mod wire;

use actix_web::{HttpResponse, get, post, web};
use gristmill_domain::{Caller, ErrorCode, ProjectId, projects::Project};
use gristmill_persistence::repo::projects::ProjectCreate;
use serde_json::{Map, Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use self::wire::{MlflowBody, MlflowError, MlflowResult, Params, bad, missing, optional, page, pairs, text};
use crate::{
    error::ApiError,
    extract::{Read, Signed, Write},
    state::AppState,
};

/// Key of a project's metadata that holds an experiment's tags.
const TAGS: &str = "mlflowTags";
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
        .configure(runs::configure)
        .configure(artifacts::configure)
        .configure(registry::configure);
}

/// Makes an experiment: a project.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{experiment_id}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/create")]
pub async fn create_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let name = text(&body, "name")?;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(bad(format!("name must have 1 to {NAME_CHARS_MAX} characters")));
    }
    if named(&state, &signed.caller, &name).await?.is_some() {
        return Err(ApiError::new(ErrorCode::Conflict, format!("Experiment '{name}' already exists.")).into());
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
    let id = query.required("experiment_id")?;
    let project = if id == DEFAULT_EXPERIMENT {
        named(&state, &signed.caller, DEFAULT_NAME).await?.ok_or_else(|| missing("experiment", DEFAULT_EXPERIMENT))?
    } else {
        let id = id.parse().map_err(|_invalid| missing("experiment", &id))?;
        state.projects.find(&signed.caller, id).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?
    };
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
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{experiments}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/search")]
pub async fn search_experiments(state: web::Data<AppState>, signed: Signed<Read>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let (limit, offset) = page(&body, 1000)?;
    let filter = wire::name_filter(optional(&body, "filter").as_deref())?;
    let mut projects = state.projects.list(&signed.caller).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    projects.retain(|project| filter.holds("run_name", &project.name));
    // Newest first, as MLflow has them.
    projects.reverse();
    let rest: Vec<&Project> = projects.iter().skip(offset).collect();
    let shown: Vec<Value> = rest.iter().take(limit).map(|project| experiment(project)).collect();
    let next = (rest.len() > limit).then(|| (offset + limit).to_string());
    Ok(HttpResponse::Ok().json(json!({ "experiments": shown, "next_page_token": next })))
}

/// Renames an experiment.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/experiments/update")]
pub async fn rename_experiment(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let id = text(&body, "experiment_id")?;
    let id: ProjectId = id.parse().map_err(|_invalid| missing("experiment", &id))?;
    let name = text(&body, "new_name")?;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(bad(format!("new_name must have 1 to {NAME_CHARS_MAX} characters")));
    }
    let patch = gristmill_persistence::repo::projects::ProjectPatch { name: Some(name), ..Default::default() };
    let renamed = state.projects.update(&signed.caller, id, patch, state.clock.now()).await;
    renamed.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

fn experiment(project: &Project) -> Value {
    let stored = project.metadata.clone().into_map();
    let tags: Vec<Value> = stored
        .get(TAGS)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "experiment_id": project.id, "name": project.name, "artifact_location": format!("mlflow-artifacts:/{}", project.id),
        "lifecycle_stage": "active", "creation_time": project.created_at.timestamp_millis(),
        "last_update_time": project.updated_at.timestamp_millis(), "tags": tags,
    })
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
async fn project_of(state: &AppState, caller: &Caller, id: &str) -> Result<ProjectId, MlflowError> {
    if id == DEFAULT_EXPERIMENT {
        return Ok(match named(state, caller, DEFAULT_NAME).await? {
            Some(project) => project.id,
            None => make(state, caller, DEFAULT_NAME, json!({})).await?.id,
        });
    }
    id.parse().map_err(|_invalid| missing("experiment", id))
}
