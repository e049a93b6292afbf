//! A request for predictions: who asks, whether it may, what is answered, and what is kept of it.
//!
//! In this order: the deployment, the key or token, the limit, the body, the rows. Every outcome from the limit on is
//! logged. How requests and answers are spelled is a [`Dialect`]'s; all of them come through here.

use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use chrono::{DateTime, Utc};
use gristmill_deployment::serving::{Answers, Entry, Explain, RatePass, Recorded, ServingError};
use gristmill_domain::{Caller, DeploymentId, ErrorCode, PredictionId, ProjectId, deployments::RateGrant};
use serde_json::{Map, Value, json};

use super::{
    dialect::{Answered, Asked, Dialect, Row},
    serving_error,
};
use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, admit, authenticate, collect_body},
    request_id,
    state::AppState,
};

/// Largest body, bytes (contract 3, section 15).
const BODY_BYTES_MAX: u64 = 1 << 20;

/// Who asked, for the log.
type Principal = Map<String, Value>;

/// A request that failed: with what is known of the limit.
struct Failed {
    error: ApiError,
    rows: Vec<Row>,
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
pub(crate) async fn authorize(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    id: DeploymentId,
) -> ApiResult<(Arc<Entry>, Principal)> {
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

/// Answers a request for predictions in the shapes of a dialect, and records it.
///
/// # Cancel safety
/// A request runs to its end, whether or not its client stays ([`crate::leaving`]): what was predicted is recorded.
pub async fn answer_request<D: Dialect>(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    payload: Payload,
    id: DeploymentId,
    mut dialect: D,
    explain: Explain,
) -> HttpResponse {
    let (began, at) = (Instant::now(), state.clock.now());
    let (entry, principal) = match authorize(state, request, id).await {
        Ok(authorized) => authorized,
        Err(error) => return dialect.refuse(error),
    };
    match answered(state, &entry, payload, request, &mut dialect, explain).await {
        Ok(Success { rows, answers, ids, limits, mut response }) => {
            let kept =
                Kept { at, began, principal, status: StatusCode::OK, ids: &ids, rows: &rows, answers: &answers, error: None };
            keep(state, &entry, kept);
            limits.write(&mut response);
            response
        }
        Err(failed) => {
            let ids = prediction_ids(id, None, 1);
            let status = failed.error.status_code();
            let error = Some(failed.error.to_string());
            let none = Answers::default();
            keep(state, &entry, Kept { at, began, principal, status, ids: &ids, rows: &failed.rows, answers: &none, error });
            let mut response = dialect.refuse(failed.error);
            if let Some(limits) = failed.limit {
                limits.write(&mut response);
            }
            response
        }
    }
}

/// Predicts for rows of a project's deployment on behalf of its owner, within its limit, and records it as a request over
/// HTTP is recorded. Gives one answer for each row.
///
/// # Errors
/// 404 for a deployment that is not the caller's or not the project's, 429 over the limit, 422 with the fields for rows that
/// do not fit, 503 when it does not serve.
///
/// # Cancel safety
/// Cancel safe; a request that is called off is not recorded.
pub async fn answer_rows(
    state: &web::Data<AppState>,
    caller: &Caller,
    project: ProjectId,
    id: DeploymentId,
    rows: &[Row],
) -> ApiResult<Vec<Value>> {
    let (began, at) = (Instant::now(), state.clock.now());
    let entry = state.serving.find(id).await.map_err(serving_error)?;
    if entry.served.owner != caller.user_id || entry.served.deployment.project_id != project {
        return Err(ApiError::new(ErrorCode::DeploymentNotFound, "Deployment not found"));
    }
    let answered = match state.serving.admit(&entry).await {
        Ok(_) => state.serving.predict(&entry, rows, Explain::No).await,
        Err(error) => Err(error),
    };
    let principal = Map::from_iter([("userId".to_owned(), json!(caller.user_id))]);
    match answered {
        Ok(answers) => {
            let ids = prediction_ids(id, None, rows.len());
            let status = StatusCode::OK;
            keep(state, &entry, Kept { at, began, principal, status, ids: &ids, rows, answers: &answers, error: None });
            let answers = answers.rows.iter().zip(&ids).map(|(answer, id)| {
                let mut answer = answer.to_json();
                if let Some(fields) = answer.as_object_mut() {
                    fields.insert("predictionId".to_owned(), json!(id));
                }
                answer
            });
            Ok(answers.collect())
        }
        Err(error) => {
            let error = serving_error(error);
            let ids = prediction_ids(id, None, 1);
            let (status, told) = (error.status_code(), Some(error.to_string()));
            let none = Answers::default();
            keep(state, &entry, Kept { at, began, principal, status, ids: &ids, rows, answers: &none, error: told });
            Err(error)
        }
    }
}

/// A request that was answered.
struct Success {
    rows: Vec<Row>,
    answers: Answers,
    ids: Vec<PredictionId>,
    limits: Limits,
    response: HttpResponse,
}

async fn answered<D: Dialect>(
    state: &web::Data<AppState>,
    entry: &Entry,
    payload: Payload,
    request: &HttpRequest,
    dialect: &mut D,
    explain: Explain,
) -> Result<Success, Failed> {
    let pass = state.serving.admit(entry).await.map_err(|error| {
        let limit = match &error {
            ServingError::Limited { limit, grant } => Some(Limits::reached(*limit, *grant)),
            _ => None,
        };
        Failed { limit, ..serving_error(error).into() }
    })?;
    let limits = Limits::passed(pass);
    let within = |error: ApiError| Failed { limit: Some(limits), ..error.into() };
    let body = body_of(request, payload).await.map_err(within)?;
    // A model whose signature cannot be read answers nothing, and says so below.
    let signature = entry.signature().await.ok();
    let features = entry.features().await.ok().flatten();
    let asked = Asked { request, body: &body, entry, signature: signature.as_deref(), features: features.as_deref() };
    let rows = dialect.read(&asked).map_err(within)?;
    let failed = |error: ApiError, rows: Vec<Row>| Failed { error, rows, limit: Some(limits) };
    let answers = match state.serving.predict(entry, &rows, explain).await {
        Ok(answers) => answers,
        Err(error) => return Err(failed(serving_error(error), rows)),
    };
    let Some(signature) = signature else {
        return Err(failed(ApiError::internal("a model without a signature answered"), rows));
    };
    let sent = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let ids = prediction_ids(entry.served.deployment.id, sent.or(dialect.request_key()), rows.len());
    match dialect.write(&Answered { entry, signature: &signature, answers: &answers, ids: &ids }) {
        Ok(response) => Ok(Success { rows, answers, ids, limits, response }),
        Err(error) => Err(failed(error, rows)),
    }
}

async fn body_of(request: &HttpRequest, payload: Payload) -> ApiResult<bytes::Bytes> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        let message = "The body is compressed (Content-Encoding), which is not taken here; send it as it is";
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    let too_large =
        || ApiError::new(ErrorCode::PayloadTooLarge, "The request body is over the limit of 1 MB").at_most(BODY_BYTES_MAX);
    let limit = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
    collect_body(request, payload, limit, too_large).await
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

/// What is kept of a request.
struct Kept<'a> {
    at: DateTime<Utc>,
    began: Instant,
    principal: Principal,
    status: StatusCode,
    ids: &'a [PredictionId],
    rows: &'a [Row],
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
        seen: kept.answers.seen.as_deref(),
        answers: &kept.answers.rows,
        error: kept.error,
        metadata,
    };
    state.serving.record(entry, &recorded);
}

impl Limits {
    fn passed(pass: RatePass) -> Self {
        Self { limit: pass.limit, remaining: pass.remaining, reset: 60 }
    }

    fn reached(limit: u32, grant: RateGrant) -> Self {
        Self { limit, remaining: 0, reset: grant.retry_after }
    }

    fn write(self, response: &mut HttpResponse) {
        for (name, value) in [
            (HeaderName::from_static("ratelimit-limit"), self.limit),
            (HeaderName::from_static("ratelimit-remaining"), self.remaining),
            (HeaderName::from_static("ratelimit-reset"), self.reset),
        ] {
            response.headers_mut().insert(name, HeaderValue::from(value));
        }
    }
}
