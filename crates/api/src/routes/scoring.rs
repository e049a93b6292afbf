//! MLflow's scoring protocol, for programs that ask `<endpointUrl>/invocations`. Errors are MLflow's, with `error_code` and
//! `message`. Predictions take the way of all requests for predictions, `crate::deployments`.

use actix_web::{HttpRequest, HttpResponse, ResponseError, get, post, web};
use gristmill_api_types::{errors::ErrorBody, paths::PredictPath};
use gristmill_deployment::serving::Explain;
use utoipa_actix_web::service_config::ServiceConfig;

use super::mlflow::MlflowError;
use crate::{
    deployments::{Scoring, answer_request, authorize, serving_error},
    error::ApiError,
    extract::PathParams,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(invoke).service(ping);
}

/// Predicts for rows in a form of MLflow's: JSON with `dataframe_split`, `dataframe_records`, `instances` or `inputs`, or CSV
/// with a line of names. The limit, the log and the credentials are those of `predict`.
#[utoipa::path(
    tag = "inference",
    params(PredictPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    request_body(content = Object, description = "Rows in one of MLflow's forms"),
    responses(
        (status = 200, description = "`predictions`, in the order of the rows", body = Object),
        (status = 422, description = "Rows do not fit; each field with the reason", body = ErrorBody),
    )
)]
#[post("/deployments/{deploymentId}/invocations")]
pub async fn invoke(
    request: HttpRequest,
    state: web::Data<AppState>,
    path: Result<PathParams<PredictPath>, ApiError>,
    payload: web::Payload,
) -> HttpResponse {
    match path {
        Ok(PathParams(path)) => {
            answer_request(&state, &request, payload.into_inner(), path.deployment_id, Scoring, Explain::No).await
        }
        Err(error) => MlflowError::from(error).error_response(),
    }
}

/// Tells MLflow's programs whether a deployment answers.
#[utoipa::path(
    tag = "inference",
    params(PredictPath, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    responses(
        (status = 200, description = "It does; nothing is said", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, and why", body = ErrorBody),
    )
)]
#[get("/deployments/{deploymentId}/ping")]
pub async fn ping(
    request: HttpRequest,
    state: web::Data<AppState>,
    path: Result<PathParams<PredictPath>, ApiError>,
) -> Result<HttpResponse, MlflowError> {
    let PathParams(path) = path?;
    let (entry, _) = authorize(&state, &request, path.deployment_id).await?;
    entry.is_serving().map_err(serving_error)?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("\n"))
}
