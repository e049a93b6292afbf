//! The Open Inference Protocol v2, for clients of `KServe`, Triton and the like: a deployment is a model, its id the name.
//!
//! Errors are `{"error": …}` as the protocol has them, which is what every route answers. Predictions take the way of all
//! requests for predictions, `crate::deployments`.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use gristmill_api_types::{
    errors::ErrorBody,
    oip::{ModelReadyView, ServerLiveView, ServerMetadataView, ServerReadyView},
    paths::{PredictPath, VersionPath},
};
use gristmill_deployment::serving::Explain;
use gristmill_domain::{DeploymentId, ErrorCode};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    deployments::{Tensors, answer_request, authorize, metadata_of, serving_error, version_of},
    error::{ApiError, ApiResult},
    extract::PathParams,
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(find_inference_server)
        .service(check_inference_live)
        .service(check_inference_ready)
        .service(find_inference_model)
        .service(check_inference_model)
        .service(infer)
        .service(find_inference_version)
        .service(check_inference_version)
        .service(infer_version);
}

/// Tells which inference server this is, and what it can do beyond the protocol.
#[utoipa::path(tag = "inference", security(()), responses((status = 200, description = "Name and extensions", body = ServerMetadataView)))]
#[get("/v2")]
pub async fn find_inference_server() -> Json<ServerMetadataView> {
    Json(ServerMetadataView {
        name: "gristmill".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: vec!["binary_tensor_data".to_owned()],
    })
}

/// Tells that the server runs.
#[utoipa::path(tag = "inference", security(()), responses((status = 200, description = "It runs", body = ServerLiveView)))]
#[get("/v2/health/live")]
pub async fn check_inference_live() -> Json<ServerLiveView> {
    Json(ServerLiveView { live: true })
}

/// Tells whether the server can answer. Which deployments do is asked for each.
#[utoipa::path(
    tag = "inference",
    security(()),
    responses(
        (status = 200, description = "It can", body = ServerReadyView),
        (status = 503, description = "The database does not answer", body = ErrorBody),
    )
)]
#[get("/v2/health/ready")]
pub async fn check_inference_ready(state: web::Data<AppState>) -> ApiResult<Json<ServerReadyView>> {
    if !state.health.works() {
        return Err(ApiError::new(ErrorCode::DatabaseUnavailable, "The database does not answer"));
    }
    Ok(Json(ServerReadyView { ready: true }))
}

/// Tells what a deployment takes and gives, as tensors: one input for each column. Where columns of the model are computed from
/// those of the dataset that was engineered, `parameters` has the `raw_inputs` that may be sent in their place, the
/// `computed_inputs` that may be left out then, and what `must_be_sent` all the same.
#[utoipa::path(
    tag = "inference",
    params(PredictPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    responses((status = 200, description = "Versions, inputs and outputs", body = Object))
)]
#[get("/v2/models/{deploymentId}")]
pub async fn find_inference_model(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<PredictPath>,
) -> ApiResult<HttpResponse> {
    metadata(&state, &request, path.deployment_id, None).await
}

/// As the metadata of a deployment, when it serves this version of the model.
#[utoipa::path(
    tag = "inference",
    params(VersionPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    responses((status = 200, description = "Versions, inputs and outputs", body = Object))
)]
#[get("/v2/models/{deploymentId}/versions/{version}")]
pub async fn find_inference_version(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<VersionPath>,
) -> ApiResult<HttpResponse> {
    metadata(&state, &request, path.deployment_id, Some(&path.version)).await
}

/// Tells whether a deployment answers.
#[utoipa::path(
    tag = "inference",
    params(PredictPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    responses(
        (status = 200, description = "It does", body = ModelReadyView),
        (status = 503, description = "It does not, and why", body = ErrorBody),
    )
)]
#[get("/v2/models/{deploymentId}/ready")]
pub async fn check_inference_model(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<PredictPath>,
) -> ApiResult<Json<ModelReadyView>> {
    ready(&state, &request, path.deployment_id, None).await
}

/// Tells whether a deployment answers with this version of the model.
#[utoipa::path(
    tag = "inference",
    params(VersionPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    responses(
        (status = 200, description = "It does", body = ModelReadyView),
        (status = 503, description = "It does not, and why", body = ErrorBody),
    )
)]
#[get("/v2/models/{deploymentId}/versions/{version}/ready")]
pub async fn check_inference_version(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<VersionPath>,
) -> ApiResult<Json<ModelReadyView>> {
    ready(&state, &request, path.deployment_id, Some(&path.version)).await
}

/// Predicts for rows as tensors, of shape `[n]` or `[n, 1]`, named as the columns; as JSON or, with
/// `Inference-Header-Content-Length`, as bytes behind it. Missing values are NaN, or `null` in JSON. The limit, the log and
/// the credentials are those of `predict`; the request's `id` makes it repeatable.
#[utoipa::path(
    tag = "inference",
    params(
        PredictPath,
        ("x-api-key" = Option<String>, Header, description = "A key of the deployment"),
        ("Inference-Header-Content-Length" = Option<u64>, Header, description = "Bytes of JSON before the binary data"),
    ),
    request_body(content = Object, description = "`inputs`, and what more the protocol has"),
    responses(
        (status = 200, description = "`outputs`: the prediction, probabilities or an interval, and ids", body = Object),
        (status = 422, description = "Rows do not fit; each field with the reason", body = ErrorBody),
    )
)]
#[post("/v2/models/{deploymentId}/infer")]
pub async fn infer(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<PredictPath>,
    payload: web::Payload,
) -> HttpResponse {
    answer_request(&state, &request, payload.into_inner(), path.deployment_id, Tensors::new(None), Explain::No).await
}

/// As for a deployment, when it serves this version of the model.
#[utoipa::path(
    tag = "inference",
    params(
        VersionPath,
        ("x-api-key" = Option<String>, Header, description = "A key of the deployment"),
        ("Inference-Header-Content-Length" = Option<u64>, Header, description = "Bytes of JSON before the binary data"),
    ),
    request_body(content = Object, description = "`inputs`, and what more the protocol has"),
    responses((status = 200, description = "`outputs`", body = Object))
)]
#[post("/v2/models/{deploymentId}/versions/{version}/infer")]
pub async fn infer_version(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<VersionPath>,
    payload: web::Payload,
) -> HttpResponse {
    let tensors = Tensors::new(Some(path.version));
    answer_request(&state, &request, payload.into_inner(), path.deployment_id, tensors, Explain::No).await
}

async fn metadata(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    id: DeploymentId,
    version: Option<&str>,
) -> ApiResult<HttpResponse> {
    let (entry, _) = authorize(state, request, id).await?;
    let version = version_of(&entry, version)?;
    let signature = entry.signature().await.map_err(serving_error)?;
    let features = entry.features().await.map_err(serving_error)?;
    Ok(HttpResponse::Ok().json(metadata_of(&entry, &version, &signature, features.as_deref())))
}

async fn ready(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    id: DeploymentId,
    version: Option<&str>,
) -> ApiResult<Json<ModelReadyView>> {
    let (entry, _) = authorize(state, request, id).await?;
    version_of(&entry, version)?;
    entry.is_serving().map_err(serving_error)?;
    Ok(Json(ModelReadyView { name: id, ready: true }))
}
