//! What runs say to have used and made: datasets, and logged models.

use actix_web::{HttpResponse, post, web};
use gristmill_domain::{
    ErrorCode,
    ports::StoreError,
    tracking::{DatasetInput, LINKS_MAX, ModelLink, RunBatch, RunLinks},
};
use gristmill_persistence::repo::tracking::TOO_MANY_LINKS;
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    runs::{find, run_error, run_id},
    wire::{MlflowBody, MlflowError, MlflowResult, bad, bounded, integer, optional, pairs, tags_json, text},
};
use crate::{
    error::ApiError,
    extract::{Signed, Write},
    state::AppState,
};

/// Where programs before MLflow 3 look for the models of a run.
const HISTORY: &str = "mlflow.log-model.history";
const TEXT_CHARS_MAX: usize = 100_000;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(log_inputs).service(log_outputs).service(log_model);
}

/// Notes the datasets and models that a run used.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/log-inputs")]
pub async fn log_inputs(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let datasets = list(&body, "datasets")?.iter().map(dataset).collect::<Result<_, _>>()?;
    let links = RunLinks { datasets, model_inputs: models(&body)?, ..RunLinks::default() };
    link(&state, &signed, &body, links).await
}

/// Notes the models that a run made.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/outputs")]
pub async fn log_outputs(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    link(&state, &signed, &body, RunLinks { model_outputs: models(&body)?, ..RunLinks::default() }).await
}

/// Notes a model directory among a run's files, as programs before MLflow 3 do.
#[utoipa::path(tag = "mlflow", request_body = Object, responses((status = 200, description = "`{}`", body = Object)))]
#[post("/mlflow/api/2.0/mlflow/runs/log-model")]
pub async fn log_model(state: web::Data<AppState>, signed: Signed<Write>, MlflowBody(body): MlflowBody) -> MlflowResult {
    let id = text(&body, "run_id")?;
    let model: Value = serde_json::from_str(&text(&body, "model_json")?)
        .map_err(|error| bad(format!("model_json is not valid JSON: {error}")))?;
    if !model.is_object() || ["artifact_path", "flavors"].iter().any(|key| model.get(key).is_none()) {
        return Err(bad("model_json must be an object with artifact_path and flavors"));
    }
    let run = find(&state, &signed.caller, &id).await?;
    let known = run.tags.get(HISTORY).and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    let mut history = known.unwrap_or_default();
    history.push(model);
    let history = Value::Array(history).to_string();
    if history.chars().count() > TEXT_CHARS_MAX {
        return Err(bad("the run has too many models; log this one to another run"));
    }
    let batch = RunBatch { tags: [(HISTORY.to_owned(), history)].into(), ..RunBatch::default() };
    state.tracking.log(&signed.caller, run.id, batch).await.map_err(run_error(&id))?;
    Ok(HttpResponse::Ok().json(json!({})))
}

async fn link(state: &AppState, signed: &Signed<Write>, body: &Value, links: RunLinks) -> MlflowResult {
    let id = text(body, "run_id")?;
    state.tracking.link(&signed.caller, run_id(&id)?, links).await.map_err(|error| match error {
        StoreError::Conflict(what) if what == TOO_MANY_LINKS => bad(format!("a run has at most {LINKS_MAX} datasets and models")),
        StoreError::NotFound => run_error(&id)(StoreError::NotFound),
        other => ApiError::store(ErrorCode::NotFound)(other).into(),
    })?;
    Ok(HttpResponse::Ok().json(json!({})))
}

fn list<'a>(body: &'a Value, field: &str) -> Result<&'a [Value], MlflowError> {
    match &body[field] {
        Value::Null => Ok(&[]),
        Value::Array(entries) if entries.len() <= LINKS_MAX => Ok(entries),
        _ => Err(bad(format!("{field} must be a list of at most {LINKS_MAX}"))),
    }
}

fn models(body: &Value) -> Result<Vec<ModelLink>, MlflowError> {
    let link = |entry: &Value| {
        Ok(ModelLink {
            model_id: bounded(text(entry, "model_id")?, "model_id", TEXT_CHARS_MAX)?,
            step: integer(entry, "step")?.unwrap_or(0),
        })
    };
    list(body, "models")?.iter().map(link).collect()
}

fn dataset(entry: &Value) -> Result<DatasetInput, MlflowError> {
    let described = &entry["dataset"];
    let field = |name: &str| bounded(optional(described, name).unwrap_or_default(), name, TEXT_CHARS_MAX);
    let long = |name: &str| optional(described, name).map(|value| bounded(value, name, TEXT_CHARS_MAX)).transpose();
    Ok(DatasetInput {
        name: bounded(text(described, "name")?, "name", TEXT_CHARS_MAX)?,
        digest: bounded(text(described, "digest")?, "digest", TEXT_CHARS_MAX)?,
        source_type: field("source_type")?,
        source: field("source")?,
        schema: long("schema")?,
        profile: long("profile")?,
        tags: pairs(entry, "tags")?,
    })
}

/// What a run used, as it is written.
pub(super) fn inputs_json(links: &RunLinks) -> Value {
    let datasets: Vec<Value> = links
        .datasets
        .iter()
        .map(|input| {
            json!({
                "tags": tags_json(&input.tags),
                "dataset": {
                    "name": input.name, "digest": input.digest, "source_type": input.source_type, "source": input.source,
                    "schema": input.schema, "profile": input.profile,
                },
            })
        })
        .collect();
    let models: Vec<Value> = links.model_inputs.iter().map(|link| json!({ "model_id": link.model_id })).collect();
    json!({ "dataset_inputs": datasets, "model_inputs": models })
}

/// What a run made, as it is written.
pub(super) fn outputs_json(links: &RunLinks) -> Value {
    let models: Vec<Value> =
        links.model_outputs.iter().map(|link| json!({ "model_id": link.model_id, "step": link.step })).collect();
    json!({ "model_outputs": models })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_read_as_it_is_written() {
        let sent = json!({ "dataset": { "name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}" },
            "tags": [{ "key": "mlflow.data.context", "value": "train" }] });
        let links = RunLinks { datasets: vec![dataset(&sent).unwrap()], ..RunLinks::default() };
        let written = inputs_json(&links);
        assert_eq!(written["dataset_inputs"][0]["dataset"]["schema"], "{}");
        assert_eq!(written["dataset_inputs"][0]["tags"], sent["tags"]);
        assert!(dataset(&json!({ "dataset": { "name": "d" } })).is_err());
    }
}
