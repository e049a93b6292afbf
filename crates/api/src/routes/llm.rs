//! Language models: what can be chosen, what they may call, and sessions for speech (contract 2, sections 5 and 12).

use actix_web::{HttpResponse, get, http::StatusCode, post, web};
use gristmill_api_types::llm::{ModelCatalogView, ModelChoiceView, ModelPriceView, RealtimeSessionView, ToolList, ToolView};
use gristmill_domain::ErrorCode;
use gristmill_llm::{
    Effort,
    catalog::{Catalog, ModelEntry, ModelKind},
    realtime::RealtimeError,
};
use gristmill_workflow::tools::registry;
use secrecy::ExposeSecret;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, Signed, Write},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_llm_models).service(list_llm_tools).service(create_realtime_session);
}

/// Lists the language models that can be chosen, also when none is configured.
#[utoipa::path(tag = "llm", responses((status = 200, description = "The models", body = ModelCatalogView)))]
#[get("/llm/models")]
pub async fn list_llm_models(state: web::Data<AppState>, _signed: Signed<Read>) -> Json<ModelCatalogView> {
    Json(catalog_view(state.llm.catalog()))
}

/// Lists the tools that agents have in every phase, as language models are told of them.
#[utoipa::path(tag = "llm", responses((status = 200, description = "The tools", body = ToolList)))]
#[get("/llm/tools")]
pub async fn list_llm_tools(_signed: Signed<Read>) -> Json<ToolList> {
    let general = registry::specs().iter().filter(|spec| spec.group.is_general());
    let view = |spec: &registry::ToolSpec| ToolView {
        name: spec.name.to_owned(),
        description: spec.description.to_owned(),
        parameters: spec.parameters.clone(),
    };
    Json(ToolList { tools: general.map(view).collect() })
}

/// Makes a session in which a browser transcribes speech at the provider. 503 without an OpenAI key.
#[utoipa::path(
    tag = "llm",
    responses((status = 200, description = "The secret for the session", body = RealtimeSessionView))
)]
#[post("/realtime/session")]
pub async fn create_realtime_session(state: web::Data<AppState>, _signed: Signed<Write>) -> ApiResult<HttpResponse> {
    match state.llm.realtime()?.create_transcription_session().await {
        Ok(secret) => Ok(HttpResponse::Ok()
            .json(RealtimeSessionView { client_secret: secret.value.expose_secret().to_owned(), expires_at: secret.expires_at })),
        // The contract passes the provider's status on.
        Err(RealtimeError::Upstream { status, detail }) => {
            tracing::warn!(upstream.status = status, %detail, "no transcription session");
            let message = format!("The provider of transcription refused the session ({status})");
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            Ok(HttpResponse::build(status).json(ApiError::new(ErrorCode::LlmUnavailable, message).body()))
        }
        Err(error @ RealtimeError::Malformed) => {
            let message = "The provider of transcription answered something unexpected";
            Err(ApiError::new(ErrorCode::LlmFailed, message).caused_by(error))
        }
        Err(RealtimeError::Unreached(error)) => Err(ApiError::llm(error)),
    }
}

fn catalog_view(catalog: &Catalog) -> ModelCatalogView {
    let models: Vec<ModelChoiceView> = (0_u32..).zip(catalog.models()).map(|(order, model)| choice(order, model)).collect();
    let default = catalog.default_model();
    ModelCatalogView {
        default_model: default.id.clone(),
        default_reasoning_effort: default_effort(default),
        featured_models: models.clone(),
        models,
    }
}

fn choice(featured_order: u32, model: &ModelEntry) -> ModelChoiceView {
    // The contract's clients do not know `minimal`.
    let efforts = model.reasoning_efforts.iter().filter(|effort| **effort != Effort::Minimal);
    let kind = match model.kind {
        ModelKind::Base => "base",
        ModelKind::Codex => "codex",
        ModelKind::Mini => "mini",
        ModelKind::Nano => "nano",
    };
    ModelChoiceView {
        id: model.id.clone(),
        label: model.label.clone(),
        kind: kind.to_owned(),
        description: model.description.clone(),
        tip: model.tip.clone(),
        reasoning_efforts: efforts.map(|effort| effort.as_str().to_owned()).collect(),
        default_reasoning_effort: default_effort(model),
        featured: true,
        featured_order,
        context_window: model.context_window,
        price: model.price.map(|price| ModelPriceView {
            input: price.input,
            cached_input: price.cached_input.unwrap_or(price.input),
            output: price.output,
        }),
    }
}

/// Clients want one, also of a model that takes none; then it is not sent on.
fn default_effort(model: &ModelEntry) -> String {
    let effort = model.default_reasoning_effort.filter(|effort| *effort != Effort::Minimal).unwrap_or(Effort::Medium);
    effort.as_str().to_owned()
}
