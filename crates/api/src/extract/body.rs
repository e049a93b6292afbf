//! JSON bodies: read with a limit, parsed with the path of what is wrong, validated.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gristmill_api_types::{
    common::{ErrorShape, RequestBody},
    errors::FieldError,
};
use gristmill_domain::ErrorCode;

use super::{field_errors, readable};
use crate::{error::ApiError, state::AppState};

/// A valid body.
#[derive(Debug)]
pub struct ValidJson<T>(pub T);

/// A valid body, or the default when there is none.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: RequestBody> FromRequest for ValidJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            match read(&request, payload).await? {
                Some(bytes) => parse(&bytes).map(Self),
                None => Err(missing(T::SHAPE)),
            }
        })
    }
}

impl<T: RequestBody + Default> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            match read(&request, payload).await? {
                Some(bytes) => parse(&bytes).map(Self),
                None => Ok(Self(T::default())),
            }
        })
    }
}

/// Reads the body whole, up to the limit. `None` when it is empty.
pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Option<Bytes>, ApiError> {
    let limit = request.app_data::<web::Data<AppState>>().map_or(0, |state| state.config.http.json_body_bytes_max);
    let too_large =
        || ApiError::new(ErrorCode::PayloadTooLarge, format!("The request body is over the limit of {} MB", limit / 1024 / 1024));
    let body = collect(request, payload, limit, too_large).await?;
    if body.is_empty() {
        return Ok(None);
    }
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        let message = format!("The body must be JSON with Content-Type: application/json, not `{essence}`");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    Ok(Some(body))
}

/// Reads the body whole, up to a limit; `too_large` says so when it is over.
pub(crate) async fn collect(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
    too_large: impl Fn() -> ApiError,
) -> Result<Bytes, ApiError> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(limit));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::new(ErrorCode::InvalidRequest, "The request body ended early").caused_by(error.to_string())
        })?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn parse<T: RequestBody>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() || is_json(bytes) {
            let path = if path == "." { String::new() } else { path };
            let message = if inner.is_data() { readable(&inner.to_string()) } else { "Not one of the allowed values".to_owned() };
            // A missing field is reported at its parent; name the field itself.
            let path = match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
                Some(name) if path.is_empty() => name.to_owned(),
                Some(name) => format!("{path}.{name}"),
                None => path,
            };
            let message = if message.starts_with("missing field") { "Required".into() } else { message };
            ApiError::validation(T::SHAPE, vec![FieldError { path, code: "invalid_type".into(), message }])
        } else {
            ApiError::new(ErrorCode::InvalidRequest, format!("The body is not valid JSON: {inner}"))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, format!("The body is not valid JSON: {error}")))?;
    value.validate().map_err(|report| ApiError::validation(T::SHAPE, field_errors(&report)))?;
    Ok(value)
}

/// Whether it is JSON at all: a value of another kind where one of some words is due is called a wrong syntax by the reader.
fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn missing(shape: ErrorShape) -> ApiError {
    ApiError::validation(shape, vec![FieldError { path: String::new(), code: "invalid_type".into(), message: "Required".into() }])
}
