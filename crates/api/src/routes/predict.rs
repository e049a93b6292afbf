//! Asking deployed models (contract 3, section 15). Who may, and what is kept of it, is in `crate::deployments`.

use actix_web::{HttpRequest, HttpResponse, post, web};
use gristmill_api_types::{deployments::PredictQuery, errors::ErrorBody, paths::PredictPath};
use gristmill_deployment::serving::Explain;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    deployments::{Batching, Contract, answer_request},
    extract::{PathParams, ValidQuery},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(predict_rows).service(predict_row);
}

/// Predicts for one row: an object of features by their names. Columns that feature engineering made are computed where the row
/// lacks them, from those that they were made from; the deployment's schema tells which. With a key of the deployment in
/// `x-api-key`, or signed in as its owner. At most as many requests a minute as the deployment is set to: `RateLimit-*` and
/// `Retry-After` tell.
#[utoipa::path(
    tag = "deployments",
    params(PredictPath, PredictQuery, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    request_body(content = Object, description = "Features, or what they are made from, by their names; null is a missing value"),
    responses(
        (status = 200, description = "The prediction, in both spellings of the contract", body = Object),
        (status = 422, description = "The row does not fit; each field with the reason", body = ErrorBody),
    )
)]
#[post("/deployments/{deploymentId}/predict")]
pub async fn predict_row(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<PredictPath>,
    ValidQuery(query): ValidQuery<PredictQuery>,
    payload: web::Payload,
) -> HttpResponse {
    let explain = explain(&query);
    answer_request(&state, &request, payload.into_inner(), path.deployment_id, Contract(Batching::One), explain).await
}

/// Predicts for a list of rows; as for one.
#[utoipa::path(
    tag = "deployments",
    params(PredictPath, PredictQuery, ("x-api-key" = Option<String>, Header, description = "A key of the deployment")),
    request_body(content = Object, description = "A list of objects of features"),
    responses(
        (status = 200, description = "A list of predictions, in the order of the rows", body = Object),
        (status = 422, description = "Rows do not fit; each field with the reason", body = ErrorBody),
    )
)]
#[post("/deployments/{deploymentId}/predict/batch")]
pub async fn predict_rows(
    request: HttpRequest,
    state: web::Data<AppState>,
    PathParams(path): PathParams<PredictPath>,
    ValidQuery(query): ValidQuery<PredictQuery>,
    payload: web::Payload,
) -> HttpResponse {
    let explain = explain(&query);
    answer_request(&state, &request, payload.into_inner(), path.deployment_id, Contract(Batching::Many), explain).await
}

fn explain(query: &PredictQuery) -> Explain {
    if query.explain == Some(true) { Explain::Yes } else { Explain::No }
}
