//! Every route, one file a resource. What is not registered here through `service` is not served and not in the
//! OpenAPI document: both come from the same functions.

#![expect(unreachable_pub, reason = "actix repeats the `pub` of a handler inside of a function")]

pub mod auth;
pub mod cells;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod execute;
pub mod experiments;
pub mod feature_engineering;
pub mod golden_questions;
pub mod health;
pub mod jobs;
pub mod llm;
pub mod mcp;
pub mod meta;
pub mod mlflow;
pub mod models;
pub mod notebooks;
pub mod oip;
pub mod plan_chats;
pub mod predict;
pub mod preprocessing;
pub mod projects;
pub mod python;
pub mod query;
pub mod recovery;
pub mod savepoints;
pub mod scoring;
pub mod settings;
pub mod uploads;
pub mod workflows;

use actix_web::{HttpRequest, HttpResponse};
use gristmill_domain::ErrorCode;
use utoipa_actix_web::{scope, service_config::ServiceConfig};

use crate::{
    error::{ApiError, ApiResult},
    extract,
};

/// Registers every route.
pub fn configure(config: &mut ServiceConfig<'_>) {
    let api = scope::scope("/api")
        .configure(health::configure)
        .configure(auth::configure)
        .configure(projects::configure)
        .configure(uploads::configure)
        .configure(datasets::configure)
        .configure(documents::configure)
        .configure(query::configure)
        .configure(golden_questions::configure)
        .configure(notebooks::configure)
        .configure(cells::configure)
        .configure(savepoints::configure)
        .configure(recovery::configure)
        .configure(execute::configure)
        .configure(python::configure)
        .configure(models::configure)
        .configure(experiments::configure)
        .configure(mlflow::configure)
        .configure(predict::configure)
        .configure(scoring::configure)
        .configure(deployments::configure)
        .configure(llm::configure)
        .configure(plan_chats::configure)
        .configure(workflows::configure)
        .configure(preprocessing::configure)
        .configure(feature_engineering::configure)
        .configure(mcp::configure)
        .configure(settings::configure)
        .configure(jobs::configure)
        .configure(meta::configure)
        .default_service(actix_web::web::to(unknown_route));
    config.service(meta::root);
    config.service(mcp::find_mcp_metadata);
    config.configure(oip::configure);
    config.service(api);
    config.default_service(actix_web::web::to(outside_api));
}

/// An unknown path below `/api`: who is not signed in does not learn which paths exist.
async fn unknown_route(request: HttpRequest) -> Result<HttpResponse, actix_web::Error> {
    if request.path().starts_with(mlflow::PREFIX) {
        // Its programs read its own kind of errors.
        extract::authenticate(&request).await.map_err(mlflow::MlflowError::from)?;
        return Err(mlflow::unknown_endpoint(request.path()).into());
    }
    extract::authenticate(&request).await?;
    Ok(outside_api().await?)
}

async fn outside_api() -> ApiResult<HttpResponse> {
    Err(ApiError::new(ErrorCode::NotFound, "Not Found"))
}
