//! Models and the templates that they are trained from (contract 3, sections 10 to 12).

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use gristmill_api_types::{
    jobs::JobEnvelope,
    models::{
        ArtifactQuery, ModelCreate, ModelEnvelope, ModelList, ModelListQuery, ModelView, ParameterOptionView, ParameterView,
        SplitList, SplitView, TemplateList, TemplateView, TrainingView,
    },
    paths::{DatasetPath, ModelPath},
};
use gristmill_domain::{ErrorCode, models::ModelStatus, ports::StoreError};
use gristmill_modeling::{Catalogue, Parameter, Template};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    models::{budget_of, download_artifact, submit_training, trained},
    respond::{Json, prefers_async},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        // Before `{id}`, or `templates` would be taken for an id.
        .service(list_templates)
        .service(train_model)
        .service(seed_models)
        .service(seed_model)
        .service(list_models)
        .service(download_model_artifact)
        .service(find_model)
        .service(delete_model)
        .service(list_dataset_splits);
}

/// Lists what can be trained.
#[utoipa::path(tag = "models", responses((status = 200, description = "Every template", body = TemplateList)))]
#[get("/models/templates")]
pub async fn list_templates(signed: Signed<Read>, state: web::Data<AppState>) -> ApiResult<Json<TemplateList>> {
    // Who looks at templates is likely to train soon.
    state.modeling.warm(budget_of(&state, &signed.caller).await?.memory_bytes);
    Ok(Json(TemplateList { templates: Catalogue::shared().templates().iter().map(template_view).collect() }))
}

/// Lists the caller's models, of one project or all, newest first.
#[utoipa::path(tag = "models", params(ModelListQuery), responses((status = 200, description = "The models", body = ModelList)))]
#[get("/models")]
pub async fn list_models(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<ModelListQuery>,
) -> ApiResult<Json<ModelList>> {
    let models = state.models.list(&signed.caller, query.project_id).await;
    let models = models.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(ModelList { models: models.into_iter().map(ModelView::from).collect() }))
}

/// Trains a model and answers when it is scored; its evaluation follows in the background. A training that fails because
/// of its data is a model with an error. With `Prefer: respond-async`, answers 202 with the job to follow.
#[utoipa::path(
    tag = "models",
    params(
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable"),
    ),
    request_body = ModelCreate,
    responses(
        (status = 200, description = "The model, or the record of its failure", body = TrainingView),
        (status = 202, description = "The job that trains it", body = JobEnvelope),
    )
)]
#[post("/models/train")]
pub async fn train_model(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    ValidJson(body): ValidJson<ModelCreate>,
) -> ApiResult<HttpResponse> {
    let job = submit_training(&state, &signed.caller, body, key.into_key()).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let model = trained(&state, &signed.caller, job.id).await?;
    let success = model.status == ModelStatus::Completed;
    let message = match &model.error {
        None => format!("{} was trained", model.plan.name),
        Some(error) => error.clone(),
    };
    Ok(HttpResponse::Ok().json(TrainingView { model: model.into(), success, message }))
}

/// Reads a model.
#[utoipa::path(tag = "models", params(ModelPath), responses((status = 200, description = "The model", body = ModelEnvelope)))]
#[get("/models/{id}")]
pub async fn find_model(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<ModelPath>,
) -> ApiResult<Json<ModelEnvelope>> {
    let model = state.models.find(&signed.caller, path.id).await.map_err(model_error)?;
    Ok(Json(ModelEnvelope { model: model.into() }))
}

/// Downloads a file of a model: the pipeline, its ONNX form, an MLflow directory, or what is known about it.
#[utoipa::path(
    tag = "models",
    params(ModelPath, ArtifactQuery),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"))
)]
#[get("/models/{id}/artifact")]
pub async fn download_model_artifact(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<ModelPath>,
    ValidQuery(query): ValidQuery<ArtifactQuery>,
) -> ApiResult<HttpResponse> {
    let model = state.models.find(&signed.caller, path.id).await.map_err(model_error)?;
    download_artifact(&state, &model, query.format).await
}

/// Deletes a model with its files.
#[utoipa::path(tag = "models", params(ModelPath), responses((status = 204, description = "It is gone")))]
#[delete("/models/{id}")]
pub async fn delete_model(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ModelPath>,
) -> ApiResult<HttpResponse> {
    state.models.delete(&signed.caller, path.id).await.map_err(model_error)?;
    state.file_cleaner.wake();
    Ok(HttpResponse::NoContent().finish())
}

/// Lists how the rows of a dataset are divided for each target that was trained for.
#[utoipa::path(
    tag = "models",
    params(DatasetPath),
    responses((status = 200, description = "The declared splits", body = SplitList))
)]
#[get("/datasets/{datasetId}/splits")]
pub async fn list_dataset_splits(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DatasetPath>,
) -> ApiResult<Json<SplitList>> {
    let splits = state.models.splits(&signed.caller, path.dataset_id).await;
    let splits = splits.map_err(ApiError::store(ErrorCode::DatasetNotFound))?;
    Ok(Json(SplitList { splits: splits.into_iter().map(SplitView::from).collect() }))
}

/// Made-up models are for development only: refused.
#[utoipa::path(tag = "models", responses((status = 200, description = "Never", body = Object)))]
#[post("/models/seed")]
pub async fn seed_models(_signed: Signed<Write>) -> ApiResult<HttpResponse> {
    Err(no_seeds())
}

/// Made-up models are for development only: refused.
#[utoipa::path(tag = "models", responses((status = 200, description = "Never", body = Object)))]
#[post("/models/seed-one")]
pub async fn seed_model(_signed: Signed<Write>) -> ApiResult<HttpResponse> {
    Err(no_seeds())
}

fn no_seeds() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "Made-up models are not available; train one instead")
}

pub(crate) fn model_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::ModelNotFound)(error)
}

fn template_view(template: &Template) -> TemplateView {
    TemplateView {
        id: template.id.clone(),
        name: template.name.clone(),
        task_type: template.task_type,
        description: template.description.clone(),
        library: template.library.clone(),
        import_path: template.import_path.clone(),
        model_class: template.model_class.clone(),
        parameters: template.parameters.iter().map(parameter_view).collect(),
        default_params: template.default_params.clone(),
        metrics: template.metrics.clone(),
        tunable: template.is_tunable(),
    }
}

fn parameter_view(parameter: &Parameter) -> ParameterView {
    let option =
        |one: &gristmill_modeling::ParameterOption| ParameterOptionView { value: one.value.clone(), label: one.label.clone() };
    ParameterView {
        key: parameter.key.clone(),
        label: parameter.label.clone(),
        kind: parameter.kind.clone(),
        default: parameter.default.clone(),
        min: parameter.min,
        max: parameter.max,
        step: parameter.step,
        integer: parameter.integer,
        options: parameter.options.iter().map(option).collect(),
    }
}
