//! Health (contract 1, section 4). Answered from memory: the probes run in the background.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, get, web};
use gristmill_api_types::health::{HealthStatus, HealthView};
use gristmill_domain::execution::PythonVersion;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::state::AppState;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(check_health);
}

/// The health of the server: 200 when it works, degraded or not; 503 when it does not.
pub struct HealthResponse(HealthView);

impl Responder for HealthResponse {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = match self.0.status {
            HealthStatus::Ok | HealthStatus::Degraded => HttpResponse::Ok(),
            HealthStatus::Error => HttpResponse::ServiceUnavailable(),
        };
        response.json(self.0)
    }
}

/// Tells whether the server and what it needs are in order.
#[utoipa::path(
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It works; `degraded` when something that is not critical is missing", body = HealthView),
        (status = 503, description = "It does not work", body = HealthView),
    )
)]
#[get("/health")]
pub async fn check_health(state: web::Data<AppState>) -> HealthResponse {
    let image = state.config.execution.docker_image.as_deref().unwrap_or_default();
    let image = image.replace("{pythonVersion}", PythonVersion::default().as_str());
    HealthResponse(state.health.view(state.clock.now(), state.runtime.status(), image, state.llm.check()))
}
