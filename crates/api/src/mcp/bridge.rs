//! From an HTTP request to the protocol's library and back: who asks, from where, in which form.

use std::convert::Infallible;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http_body_util::{BodyDataStream, BodyExt, Full, combinators::BoxBody};
use rmcp::model::{ErrorCode as RpcCode, ProtocolVersion};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    asker::Asker,
    endpoint::InSession,
    late::{HEAD_PATIENCE, late_response},
};
use crate::{
    deployments::server_url,
    error::ApiError,
    extract::{Read, admit, authenticate, collect_body},
    state::AppState,
};

/// Where clients find out how to get in (RFC 9728).
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource/api/mcp";
/// The JSON-RPC code of what is wrong with the HTTP request (contract 2, section 6).
const SERVER_ERROR: i32 = -32_000;
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Answers a request of the protocol.
///
/// # Cancel safety
/// actix does not cancel handlers; a client that goes away cancels what still runs for it, once the answer has begun: after five
/// seconds at the latest.
pub async fn answer(request: &HttpRequest, state: &web::Data<AppState>, payload: Payload) -> HttpResponse {
    match served(request, state, payload).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(request, state),
    }
}

/// Tells what opens this resource (RFC 9728): bearer tokens in the header. There is no authorization server; people make the
/// tokens themselves.
#[must_use]
pub fn resource_metadata(request: &HttpRequest, state: &AppState) -> Value {
    let server = public_url(request, state);
    json!({
        "resource": format!("{server}/api/mcp"),
        "resource_name": "Gristmill",
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "write"],
        "resource_documentation": format!("{server}/api/docs"),
    })
}

/// Why a request is none of the protocol's.
enum Refusal {
    /// Who asks is unknown, or may not.
    Caller(ApiError),
    /// Its form is wrong.
    Form { status: StatusCode, code: i32, message: String },
}

impl Refusal {
    fn form(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self::Form { status, code, message: message.into() }
    }

    fn into_response(self, request: &HttpRequest, state: &AppState) -> HttpResponse {
        match self {
            Self::Form { status, code, message } => rpc_error(status, code, &message),
            Self::Caller(error) => {
                let mut response = error.error_response();
                if response.status() == StatusCode::UNAUTHORIZED {
                    let challenge = format!("Bearer resource_metadata=\"{}{METADATA_PATH}\"", public_url(request, state));
                    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                    }
                }
                response
            }
        }
    }
}

/// The address that the client reached this server at, or the configured one when it named none that could be one.
fn public_url(request: &HttpRequest, state: &AppState) -> String {
    let url = Url::parse(&server_url(request)).ok().filter(Url::has_host);
    let url = url.as_ref().unwrap_or(&state.config.http.public_url);
    url.as_str().trim_end_matches('/').to_owned()
}

async fn served(request: &HttpRequest, state: &web::Data<AppState>, payload: Payload) -> Result<HttpResponse, Refusal> {
    check_origin(request, state)?;
    let caller = authenticate(request).await.map_err(Refusal::Caller)?;
    admit::<Read>(&caller).map_err(Refusal::Caller)?;
    let belongs = request.headers().contains_key(SESSION) && state.mcp.has_sessions();
    let (body, in_session) = if request.method() == Method::POST {
        let (body, head) = message(request, state, payload).await?;
        if head.method.as_deref() == Some("initialize") && is_without_handshake(request) {
            let message = "Method not found: this revision has no handshake, ask server/discover";
            return Err(Refusal::form(StatusCode::NOT_FOUND, RpcCode::METHOD_NOT_FOUND.0, message));
        }
        let opens = head.method.as_deref() == Some("initialize") && state.mcp.has_sessions();
        (body, if belongs || opens { InSession::Yes } else { InSession::No })
    } else if belongs {
        (Bytes::new(), InSession::Yes)
    } else {
        let message = "Method not allowed: this server keeps no sessions, send each message with POST";
        return Err(Refusal::form(StatusCode::METHOD_NOT_ALLOWED, SERVER_ERROR, message));
    };
    let server = public_url(request, state);
    let asker = Asker { state: state.clone(), caller, server, span: tracing::Span::current() };
    let Some(bridged) = bridged(request, asker, body) else {
        return Err(Refusal::form(StatusCode::BAD_REQUEST, RpcCode::INVALID_REQUEST.0, "The request's head is not readable"));
    };
    if in_session == InSession::Yes {
        return Ok(response_of(state.mcp.handle(bridged, in_session).await).await);
    }
    let shared = state.clone();
    let mut answering = async move { shared.mcp.handle(bridged, InSession::No).await }.boxed_local();
    match tokio::time::timeout(HEAD_PATIENCE, &mut answering).await {
        Ok(answer) => Ok(response_of(answer).await),
        Err(_elapsed) => Ok(late_response(answering)),
    }
}

/// Whether a request names a revision of the protocol that has no `initialize`. Clients of others name theirs after it.
fn is_without_handshake(request: &HttpRequest) -> bool {
    let revision = request.headers().get(REVISION).and_then(|value| value.to_str().ok());
    revision.is_some_and(|revision| revision >= ProtocolVersion::V_2026_07_28.as_str())
}

/// Browsers say from which page a request comes: only from pages that may.
fn check_origin(request: &HttpRequest, state: &AppState) -> Result<(), Refusal> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let http = &state.config.http;
    let is_ours = |origin: &str| {
        origin == http.public_url.origin().ascii_serialization() || http.allowed_origins.iter().any(|one| one == origin)
    };
    if origin.to_str().is_ok_and(is_ours) {
        return Ok(());
    }
    let message = "Forbidden: requests from this Origin are not taken; the operator may add it to ALLOWED_ORIGINS";
    Err(Refusal::form(StatusCode::FORBIDDEN, SERVER_ERROR, message))
}

/// What is looked at of a message before the library reads it.
#[derive(Debug, Deserialize)]
struct Head {
    method: Option<String>,
}

/// The message of a request, which is one in form.
async fn message(request: &HttpRequest, state: &AppState, payload: Payload) -> Result<(Bytes, Head), Refusal> {
    let text = |name: HeaderName| {
        let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
        values.collect::<Vec<&str>>().join(",").to_ascii_lowercase()
    };
    let accepted = text(header::ACCEPT);
    if !["application/json", "text/event-stream"].iter().all(|wanted| accepted.contains(wanted)) {
        let message = "Not Acceptable: Client must accept both application/json and text/event-stream";
        return Err(Refusal::form(StatusCode::NOT_ACCEPTABLE, SERVER_ERROR, message));
    }
    if text(header::CONTENT_TYPE).split(';').next().map(str::trim) != Some("application/json") {
        let message = "Unsupported Media Type: Content-Type must be application/json";
        return Err(Refusal::form(StatusCode::UNSUPPORTED_MEDIA_TYPE, SERVER_ERROR, message));
    }
    let limit = state.config.http.json_body_bytes_max;
    let too_large = || {
        let message = format!("The request body is over the limit of {} MB", limit / 1024 / 1024);
        ApiError::new(gristmill_domain::ErrorCode::PayloadTooLarge, message)
    };
    let body = collect_body(request, payload, limit, too_large).await;
    let body = body.map_err(|error| Refusal::form(error.status_code(), SERVER_ERROR, error.to_string()))?;
    let invalid = |message: &str| Refusal::form(StatusCode::BAD_REQUEST, RpcCode::INVALID_REQUEST.0, message);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(invalid("Invalid Request: send one message at a time"));
    }
    match serde_json::from_slice::<Head>(&body) {
        Ok(head) => Ok((body, head)),
        Err(error) if error.is_data() => Err(invalid("Invalid Request: the body is no JSON-RPC message")),
        Err(error) => {
            let message = format!("Parse error: the body is not valid JSON: {error}");
            Err(Refusal::form(StatusCode::BAD_REQUEST, RpcCode::PARSE_ERROR.0, message))
        }
    }
}

/// The request as the library takes it. What proves the caller stays here.
fn bridged(request: &HttpRequest, asker: Asker, body: Bytes) -> Option<::http::Request<Full<Bytes>>> {
    let mut builder = ::http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        if *name != header::AUTHORIZATION && *name != header::COOKIE {
            builder = builder.header(name.as_str(), value.as_bytes());
        }
    }
    let mut bridged = builder.body(Full::new(body)).ok()?;
    bridged.extensions_mut().insert(asker);
    Some(bridged)
}

/// The library's response, in the contract's forms: every refusal is a JSON-RPC error.
async fn response_of(response: ::http::Response<BoxBody<Bytes, Infallible>>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = media_type(&parts.headers);
    if !status.is_success() && !media_type.starts_with("application/json") {
        let text = body.collect().await.map(|collected| collected.to_bytes()).unwrap_or_default();
        return plain_refusal(status, &String::from_utf8_lossy(&text));
    }
    let mut answer = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    if status == StatusCode::ACCEPTED {
        return answer.finish();
    }
    if media_type.starts_with("text/event-stream") {
        // Named as the contract has it; to clients it is the same.
        return answer.streaming(BodyDataStream::new(body).map(|event| event.map(named)));
    }
    answer.streaming(BodyDataStream::new(body))
}

/// The form of an answer of the library's.
pub(super) fn media_type(headers: &::http::HeaderMap) -> &str {
    headers.get(::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What the library refused without JSON.
fn plain_refusal(status: StatusCode, text: &str) -> HttpResponse {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => rpc_error(status, RpcCode::INTERNAL_ERROR.0, "Internal error"),
        // The media type was looked at before: the body is valid JSON, and no message.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let message = "Invalid Request: the body is no JSON-RPC message";
            rpc_error(StatusCode::BAD_REQUEST, RpcCode::INVALID_REQUEST.0, message)
        }
        _ => rpc_error(status, SERVER_ERROR, text),
    }
}

/// An event of a stream that carries a message, with its name. Others stay.
pub(super) fn named(event: Bytes) -> Bytes {
    if !event.starts_with(b"data: {") {
        return event;
    }
    let mut with_name = BytesMut::from("event: message\n");
    with_name.extend_from_slice(&event);
    with_name.freeze()
}

fn rpc_error(status: StatusCode, code: i32, message: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.insert_header((header::ALLOW, "POST"));
    }
    response.json(json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message }, "id": Value::Null }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_get_a_name() {
        for (event, expected) in [
            ("data: {\"id\":1}\n\n", "event: message\ndata: {\"id\":1}\n\n"),
            ("data: \nid: 0\nretry: 3000\n\n", "data: \nid: 0\nretry: 3000\n\n"),
            (":\n\n", ":\n\n"),
        ] {
            assert_eq!(named(Bytes::from_static(event.as_bytes())), Bytes::from_static(expected.as_bytes()));
        }
    }
}
