//! What every request goes through: its id, its span, its time, CORS and the headers that harden every response.

use std::time::{Duration, Instant};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use tracing::Instrument;

use crate::{request_id, state::AppState, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
/// Requests from this long on are logged as slow.
const SLOW_MS: f64 = 1000.0;
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

/// The middleware.
///
/// # Errors
/// Those of the inner service; errors of handlers have become responses before.
pub async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request_id::choose(request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()));
    let origin = request.headers().get(header::ORIGIN).cloned();
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        http.method = %request.method(),
        http.path = %request.path(),
        user.id = tracing::field::Empty,
        // What follows is for traces.
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        otel.kind = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    telemetry::adopt(&span, request.headers());
    let allowed = allowed_origin(&request, origin.as_ref());
    let mut response = if is_preflight(&request) {
        preflight(request)
    } else {
        request_id::scope(id.clone(), next.call(request)).instrument(span.clone()).await?.map_into_boxed_body()
    };

    let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
    let status = response.status().as_u16();
    measure(&response, started.elapsed(), &span);
    span.in_scope(|| {
        if elapsed_ms >= SLOW_MS {
            tracing::warn!(http.status = status, elapsed_ms, "slow request");
        } else {
            tracing::debug!(http.status = status, elapsed_ms, "request");
        }
    });
    let headers = response.headers_mut();
    insert(headers, REQUEST_ID, &id);
    insert(headers, RESPONSE_TIME, &format!("{elapsed_ms:.1}ms"));
    insert(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !headers.contains_key(header::CACHE_CONTROL) {
        insert(headers, header::CACHE_CONTROL, "no-store");
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    insert(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    Ok(response)
}

/// Counts a request by its route's pattern: never by its path, nor by a method that a client made up, so that the number of
/// series is bounded.
fn measure(response: &ServiceResponse<BoxBody>, elapsed: Duration, span: &tracing::Span) {
    let request = response.request();
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    telemetry::conclude(span, request.method(), &route, response.status());
    let status = response.status().as_str().to_owned();
    metrics::counter!("gristmill_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    metrics::histogram!("gristmill_http_request_duration_seconds", "route" => route, "method" => method).record(elapsed);
}

fn allowed_origin(request: &ServiceRequest, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let state = request.app_data::<web::Data<AppState>>()?;
    let text = origin?.to_str().ok()?;
    state.config.http.allowed_origins.iter().any(|allowed| allowed == text).then(|| origin.cloned())?
}

fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: 204 for every origin; without `Access-Control-Allow-Origin` the browser stops there.
fn preflight(request: ServiceRequest) -> ServiceResponse<BoxBody> {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = request.into_response(actix_web::HttpResponse::NoContent().finish()).map_into_boxed_body();
    let headers = response.headers_mut();
    insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    insert(headers, header::ACCESS_CONTROL_MAX_AGE, "600");
    if let Some(asked) = asked {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A value that is no header value cannot come up: ids are printable, numbers are digits.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
