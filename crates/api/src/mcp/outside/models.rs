//! Training, judging, deploying and asking models.

use gristmill_api_types::{
    deployments::{DeploymentCreate, DeploymentList, DeploymentView},
    models::{ModelCreate, ModelEnvelope, ModelList, ModelView},
};
use gristmill_domain::{
    DatasetId, ErrorCode, ModelId, ProjectId,
    models::{EvaluationStatus, Model},
    ports::StoreError,
};
use gristmill_modeling::{Catalogue, Template};
use gristmill_persistence::repo::models::EvaluationJob;
use gristmill_workflow::tools::outside::args::{DeployModelArgs, EvaluateModelArgs, ModelArgs, PredictArgs, TrainModelArgs};
use serde_json::{Map, Value, json};

use super::{Done, Refused, body, read};
use crate::{
    deployments::{answer_rows, deploy},
    error::ApiError,
    mcp::{asker::Asker, tasks},
    models::{submit_evaluation, submit_training},
    routes::models::model_error,
};

pub(super) fn list_templates() -> Done {
    Done::Output(json!({ "templates": Catalogue::shared().templates().iter().map(template).collect::<Vec<Value>>() }))
}

fn template(template: &Template) -> Value {
    let parameters: Vec<Value> = template
        .parameters
        .iter()
        .map(|one| {
            let options: Vec<&str> = one.options.iter().map(|option| option.value.as_str()).collect();
            json!({
                "key": one.key,
                "kind": one.kind,
                "default": one.default,
                "min": one.min,
                "max": one.max,
                "options": options,
            })
        })
        .collect();
    json!({
        "id": template.id,
        "name": template.name,
        "taskType": template.task_type,
        "description": template.description,
        "parameters": parameters,
        "metrics": template.metrics,
    })
}

pub(super) async fn train_model(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let TrainModelArgs { dataset_id, template_id, wait, .. } = read(args.clone())?;
    let mut fields = args;
    fields.remove("wait");
    fields.insert("projectId".to_owned(), json!(project));
    fields.insert("datasetId".to_owned(), json!(find_dataset(asker, project, &dataset_id).await?));
    fields.insert("templateId".to_owned(), template_id.into());
    let create: ModelCreate = body(Value::Object(fields))?;
    let job = submit_training(&asker.state, &asker.caller, create, None).await?;
    Ok(Done::started(job, wait))
}

/// A dataset of the project by its id, or by its file name where only one has it.
async fn find_dataset(asker: &Asker, project: ProjectId, text: &str) -> Result<DatasetId, Refused> {
    let all = asker.state.datasets.overviews(&asker.caller, project).await;
    let all = all.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    if let Ok(id) = text.trim().parse::<DatasetId>() {
        let found = all.iter().find(|dataset| dataset.id == id);
        return found.map(|dataset| dataset.id).ok_or_else(|| Refused::missing("Dataset"));
    }
    let named: Vec<DatasetId> = all.iter().filter(|dataset| dataset.filename == text.trim()).map(|dataset| dataset.id).collect();
    match named.as_slice() {
        [] => Err(Refused::missing("Dataset")),
        [one] => Ok(*one),
        several => Err(Refused::new("Several datasets have this name; use an id").with("datasetIds", json!(several))),
    }
}

pub(super) async fn list_models(asker: &Asker, project: ProjectId) -> Result<Done, Refused> {
    let models = asker.state.models.list(&asker.caller, Some(project)).await;
    let models = models.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Done::Output(json!(ModelList { models: models.into_iter().map(ModelView::from).collect() })))
}

pub(super) async fn get_model(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let ModelArgs { model_id } = read(args)?;
    let model = find_model(asker, project, model_id).await?;
    Ok(Done::Output(json!(ModelEnvelope { model: model.into() })))
}

async fn find_model(asker: &Asker, project: ProjectId, id: ModelId) -> Result<Model, Refused> {
    let model = asker.state.models.find(&asker.caller, id).await.map_err(model_error)?;
    if model.project_id == project { Ok(model) } else { Err(model_error(StoreError::NotFound).into()) }
}

pub(super) async fn evaluate_model(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let EvaluateModelArgs { model_id, again, wait } = read(args)?;
    let found = asker.state.models.find_evaluated(&asker.caller, model_id).await;
    let (model, job) = found.map_err(model_error)?;
    if model.project_id != project {
        return Err(model_error(StoreError::NotFound).into());
    }
    if again != Some(true) {
        if model.evaluation_status == EvaluationStatus::Ready {
            return Ok(Done::Output(tasks::evaluation(asker, model_id).await?));
        }
        // Each training is followed by an evaluation: that one is waited for, whether it has ended by now or not.
        if let (Some(id), Some(EvaluationJob::Open)) = (model.evaluation_job, job)
            && let Ok(job) = asker.state.jobs.find(&asker.caller, id).await
        {
            return Ok(Done::started(job, wait));
        }
    }
    let id = submit_evaluation(&asker.state, &asker.caller, model_id).await?;
    let job = asker.state.jobs.find(&asker.caller, id).await.map_err(ApiError::store(ErrorCode::JobNotFound))?;
    Ok(Done::started(job, wait))
}

pub(super) async fn deploy_model(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let DeployModelArgs { model_id, name, wait } = read(args)?;
    let create: DeploymentCreate = body(json!({ "projectId": project, "modelId": model_id, "name": name }))?;
    let (_, job) = deploy(&asker.state, &asker.caller, create, None).await?;
    Ok(Done::started(job, wait))
}

pub(super) async fn list_deployments(asker: &Asker, project: ProjectId) -> Result<Done, Refused> {
    let list = asker.state.deployments.list(&asker.caller, project).await;
    let list = list.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let views = list.into_iter().map(|one| DeploymentView::new(one, &asker.server)).collect();
    Ok(Done::Output(json!(DeploymentList { deployments: views })))
}

pub(super) async fn predict(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let PredictArgs { deployment_id, rows } = read(args)?;
    let answers = answer_rows(&asker.state, &asker.caller, project, deployment_id, &rows).await?;
    Ok(Done::Output(json!({ "deploymentId": deployment_id, "predictions": answers })))
}
