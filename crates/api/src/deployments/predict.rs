//! A request for predictions: who asks, whether it may, what is answered, and what is kept of it.
//!
//! In this order: the deployment, the key or token, the limit, the body, the rows. Every outcome from the limit on is
//! logged.

use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{StatusCode, header::HeaderValue},
    web,
};
use chrono::{DateTime, Utc};
use gristmill_deployment::serving::{Answers, Entry, Explain, RatePass, Recorded, ServingError};
use gristmill_domain::{DeploymentId, ErrorCode, PredictionId, deployments::RateGrant};
use serde_json::{Map, Value, json};

use super::serving_error;
use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, admit, authenticate, collect_body},
    request_id,
    state::AppState,
};

/// Largest body, bytes (contract 3, section 15).
const BODY_BYTES_MAX: u64 = 1 << 20;
/// Most rows of a request.
const ROWS_MAX: usize = 10_000;

/// Whether a request has one row or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// An object.
    One,
    /// A list of objects.
    Many,
}

/// Who asked, for the log.
type Principal = Map<String, Value>;

/// A request that failed: with what is known of the limit.
struct Failed {
    error: ApiError,
    rows: Vec<Map<String, Value>>,
    limit: Option<Limits>,
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self { error, rows: Vec::new(), limit: None }
    }
}

/// What the headers tell of a limit.
#[derive(Clone, Copy)]
struct Limits {
    limit: u32,
    remaining: u32,
    reset: u32,
}

/// Finds a deployment and checks the key or token of a request for it.
///
/// # Errors
/// 404 for an unknown deployment, or one that the token's owner may not know; 401 without, or with a wrong, key or token.
///
/// # Cancel safety
/// Cancel safe.
async fn authorize(state: &web::Data<AppState>, request: &HttpRequest, id: DeploymentId) -> ApiResult<(Arc<Entry>, Principal)> {
    let entry = state.serving.find(id).await.map_err(serving_error)?;
    if let Some(sent) = request.headers().get("x-api-key") {
        let Some(principal) = by_key(state, &entry, sent.to_str().unwrap_or_default()) else {
            let message = "The key is unknown, revoked, expired or another deployment's; make a new one";
            return Err(ApiError::new(ErrorCode::ApiKeyInvalid, message));
        };
        return Ok((entry, principal));
    }
    // A key may come as a bearer token too: clients of other protocols can send nothing else.
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok()?.split_once(' '));
    if let Some((_, sent)) = bearer.filter(|(scheme, sent)| scheme.eq_ignore_ascii_case("bearer") && sent.starts_with("ak_"))
        && let Some(principal) = by_key(state, &entry, sent.trim())
    {
        return Ok((entry, principal));
    }
    let caller = authenticate(request).await?;
    admit::<Read>(&caller)?;
    if entry.served.owner != caller.user_id {
        return Err(ApiError::new(ErrorCode::DeploymentNotFound, "Deployment not found"));
    }
    Ok((entry, Map::from_iter([("userId".to_owned(), json!(caller.user_id))])))
}

/// Who asks with a key, when it opens the deployment.
fn by_key(state: &AppState, entry: &Entry, sent: &str) -> Option<Principal> {
    let key = entry.opened_by(sent, state.clock.now())?;
    state.serving.touch(key.id);
    Some(Map::from_iter([("apiKey".to_owned(), key.prefix.clone().into())]))
}

/// Answers a request for predictions in the contract's shape, and records it.
///
/// # Cancel safety
/// actix does not cancel handlers.
pub async fn answer_request(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    payload: Payload,
    id: DeploymentId,
    batching: Batching,
    explain: Explain,
) -> HttpResponse {
    let (began, at) = (Instant::now(), state.clock.now());
    let (entry, principal) = match authorize(state, request, id).await {
        Ok(authorized) => authorized,
        Err(error) => return error.error_response(),
    };
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    match answered(state, &entry, payload, request, batching, explain).await {
        Ok((rows, answers, limits)) => {
            let ids = prediction_ids(id, key.as_deref(), rows.len());
            let body = body_of(batching, &answers, &ids);
            keep(
                state,
                &entry,
                Kept { at, began, principal, status: StatusCode::OK, ids: &ids, rows: &rows, answers: &answers, error: None },
            );
            let mut response = HttpResponse::Ok();
            limits.write(&mut response);
            response.json(body)
        }
        Err(failed) => {
            let ids = prediction_ids(id, None, 1);
            let status = failed.error.status_code();
            let text = failed.error.to_string();
            let none = Answers { rows: Vec::new(), ignored: Vec::new(), unexplained: None };
            keep(
                state,
                &entry,
                Kept { at, began, principal, status, ids: &ids, rows: &failed.rows, answers: &none, error: Some(text) },
            );
            refused(&failed)
        }
    }
}

async fn answered(
    state: &web::Data<AppState>,
    entry: &Entry,
    payload: Payload,
    request: &HttpRequest,
    batching: Batching,
    explain: Explain,
) -> Result<(Vec<Map<String, Value>>, Answers, Limits), Failed> {
    let pass = state.serving.admit(entry).await.map_err(|error| {
        let limit = match &error {
            ServingError::Limited { limit, grant } => Some(Limits::reached(*limit, *grant)),
            _ => None,
        };
        Failed { limit, ..serving_error(error).into() }
    })?;
    let limits = Limits::passed(pass);
    let within = |error: ApiError| Failed { limit: Some(limits), ..error.into() };
    let too_large =
        || ApiError::new(ErrorCode::PayloadTooLarge, "The request body is over the limit of 1 MB").at_most(BODY_BYTES_MAX);
    let limit = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let body = collect_body(request, payload, limit, too_large).await.map_err(within)?;
    let rows = parse_rows(&body, batching).map_err(within)?;
    match state.serving.predict(entry, &rows, explain).await {
        Ok(answers) => Ok((rows, answers, limits)),
        Err(error) => Err(Failed { error: serving_error(error), rows, limit: Some(limits) }),
    }
}

fn parse_rows(body: &[u8], batching: Batching) -> ApiResult<Vec<Map<String, Value>>> {
    let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
    let value: Value = serde_json::from_slice(body).map_err(|error| invalid(format!("The body is not valid JSON: {error}")))?;
    match (batching, value) {
        (Batching::One, Value::Object(row)) => Ok(vec![row]),
        (Batching::One, _) => Err(invalid("The body must be an object of features".to_owned())),
        (Batching::Many, Value::Array(rows)) => {
            if rows.is_empty() || rows.len() > ROWS_MAX {
                return Err(invalid(format!("The body must be a list of 1 to {ROWS_MAX} rows; it has {}", rows.len())));
            }
            let row = |(place, row)| match row {
                Value::Object(row) => Ok(row),
                _ => Err(invalid(format!("Row {place} is no object of features"))),
            };
            rows.into_iter().enumerate().map(row).collect()
        }
        (Batching::Many, _) => Err(invalid("The body must be a list of objects of features".to_owned())),
    }
}

/// New ids; of a request that can be repeated, the same each time.
fn prediction_ids(deployment: DeploymentId, key: Option<&str>, rows: usize) -> Vec<PredictionId> {
    use sha2::{Digest, Sha256};
    let id = |row: usize| match key {
        None => PredictionId::random(),
        Some(key) => {
            let digest = Sha256::new().chain_update(deployment.0.as_bytes()).chain_update(key).chain_update(row.to_le_bytes());
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
            PredictionId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
        }
    };
    (0..rows).map(id).collect()
}

fn body_of(batching: Batching, answers: &Answers, ids: &[PredictionId]) -> Value {
    let mut rows = answers.rows.iter().zip(ids).map(|(answer, id)| {
        let mut object = answer.to_json();
        if let Some(object) = object.as_object_mut() {
            object.insert("predictionId".to_owned(), json!(id));
            if let Some(reason) = &answers.unexplained {
                object.insert("explanationReason".to_owned(), reason.as_str().into());
            }
            if batching == Batching::One && !answers.ignored.is_empty() {
                object.insert("ignoredFields".to_owned(), json!(answers.ignored));
            }
        }
        object
    });
    match batching {
        Batching::One => rows.next().unwrap_or_default(),
        Batching::Many => Value::Array(rows.collect()),
    }
}

/// What is kept of a request.
struct Kept<'a> {
    at: DateTime<Utc>,
    began: Instant,
    principal: Principal,
    status: StatusCode,
    ids: &'a [PredictionId],
    rows: &'a [Map<String, Value>],
    answers: &'a Answers,
    error: Option<String>,
}

fn keep(state: &web::Data<AppState>, entry: &Entry, kept: Kept<'_>) {
    let mut metadata = kept.principal;
    metadata.insert("statusCode".to_owned(), kept.status.as_u16().into());
    if let Some(id) = request_id::current() {
        metadata.insert("requestId".to_owned(), id.into());
    }
    let recorded = Recorded {
        ids: kept.ids,
        at: kept.at,
        latency: kept.began.elapsed(),
        rows: kept.rows,
        answers: &kept.answers.rows,
        error: kept.error,
        metadata,
    };
    state.serving.record(entry, &recorded);
}

fn refused(failed: &Failed) -> HttpResponse {
    let mut response = failed.error.error_response();
    if let Some(limits) = failed.limit {
        for (name, value) in limits.headers() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl Limits {
    fn passed(pass: RatePass) -> Self {
        Self { limit: pass.limit, remaining: pass.remaining, reset: 60 }
    }

    fn reached(limit: u32, grant: RateGrant) -> Self {
        Self { limit, remaining: 0, reset: grant.retry_after }
    }

    fn headers(self) -> [(actix_web::http::header::HeaderName, HeaderValue); 3] {
        use actix_web::http::header::HeaderName;
        [
            (HeaderName::from_static("ratelimit-limit"), self.limit.into()),
            (HeaderName::from_static("ratelimit-remaining"), self.remaining.into()),
            (HeaderName::from_static("ratelimit-reset"), self.reset.into()),
        ]
    }

    fn write(self, response: &mut actix_web::HttpResponseBuilder) {
        for header in self.headers() {
            response.insert_header(header);
        }
    }
}
