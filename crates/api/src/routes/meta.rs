//! The API about itself: its OpenAPI document and a page to read it.

use actix_web::{HttpResponse, get, http::header, web};
use gristmill_api_types::common::MessageView;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{respond::Json, state::AppState};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(openapi_document).service(docs_page);
}

/// Greets whoever opens the server's address.
#[utoipa::path(tag = "meta", security(()), responses((status = 200, description = "A greeting", body = MessageView)))]
#[get("/")]
pub async fn root() -> Json<MessageView> {
    Json(MessageView::new("Gristmill is running. The API is described at /api/docs."))
}

/// The OpenAPI document of this server.
#[utoipa::path(tag = "meta", security(()), responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
#[get("/openapi.json")]
pub async fn openapi_document(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(state.openapi.clone())
}

/// A page that shows the OpenAPI document. Self-contained: it loads nothing from elsewhere.
#[utoipa::path(tag = "meta", security(()), responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
#[get("/docs")]
pub async fn docs_page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .body(include_str!("../docs_page.html"))
}
