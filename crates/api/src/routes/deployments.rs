//! Deployed models (contract 3, sections 14 and 16); asking them is in `predict`.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use gristmill_api_types::{
    common::ErrorShape,
    deployments::{
        ActualsCreate, ActualsView, ApiKeyCreate, ApiKeyList, ApiKeyView, ContainerLogsView, DependenceCreate, DeploymentAction,
        DeploymentCreate, DeploymentEnvelope, DeploymentList, DeploymentListQuery, DeploymentPatch, DeploymentView,
        FeedbackCreate, LogQuery, NewApiKeyView, OkView, PredictionLogList, PredictionLogView, ServingSchemaView, StatsQuery,
    },
    jobs::JobEnvelope,
    paths::{ApiKeyPath, DeploymentPath, PredictionLogPath},
};
use gristmill_deployment::{
    inference::{Grid, PartialDependence, Rows, partial_dependence},
    serving::keys::RawKey,
    statistics::{HourBucket, LiveScore, StatisticsRange, rows},
};
use gristmill_domain::{
    ApiKeyId, ErrorCode,
    deployments::{ApiKey, Deployment, DeploymentConfig, LogFilter, ServingRuntime},
    models::TaskType,
    ports::StoreError,
};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::models::model_error;
use crate::{
    deployments::{
        baseline_of, deploy, deployment_error, drift_of, restart, schema_of, server_url, serving_error, started, stop,
    },
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    respond::{Created, Json, prefers_async},
    state::AppState,
};

/// Logged requests of a page when nothing is asked for.
const LOGS_DEFAULT: u32 = 50;
/// Predictions with known outcomes that live accuracy is computed from.
const JUDGED_MAX: u32 = 10_000;
/// Rows over which a partial dependence is averaged.
const DEPENDENCE_ROWS: u32 = 200;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_deployment)
        .service(list_deployments)
        .service(find_deployment)
        .service(update_deployment)
        .service(delete_deployment)
        .service(find_deployment_schema)
        .service(create_api_key)
        .service(list_api_keys)
        .service(delete_api_key)
        .service(list_prediction_logs)
        .service(find_deployment_stats)
        .service(find_drift)
        .service(give_feedback)
        .service(tell_actuals)
        .service(find_container_logs)
        .service(find_partial_dependence);
}

/// Deploys a model, and answers when it serves. With `Prefer: respond-async`, answers 202 with the job to follow.
#[utoipa::path(
    tag = "deployments",
    params(
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable"),
    ),
    request_body = DeploymentCreate,
    responses(
        (status = 201, description = "It serves", body = DeploymentEnvelope),
        (status = 202, description = "The job that starts it", body = JobEnvelope),
    )
)]
#[post("/deployments")]
pub async fn create_deployment(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    ValidJson(body): ValidJson<DeploymentCreate>,
) -> ApiResult<HttpResponse> {
    let (deployment, job) = deploy(&state, &signed.caller, body, key.into_key()).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let deployment = started(&state, &signed.caller, &deployment).await?;
    Ok(HttpResponse::Created().json(envelope(deployment, &request)))
}

/// Lists a project's deployments, newest first.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentListQuery),
    responses((status = 200, description = "The deployments", body = DeploymentList))
)]
#[get("/deployments")]
pub async fn list_deployments(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<DeploymentListQuery>,
) -> ApiResult<Json<DeploymentList>> {
    let list = state.deployments.list(&signed.caller, query.project_id).await;
    let list = list.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let server = server_url(&request);
    Ok(Json(DeploymentList { deployments: list.into_iter().map(|one| DeploymentView::new(one, &server)).collect() }))
}

/// Reads a deployment.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    responses((status = 200, description = "The deployment", body = DeploymentEnvelope))
)]
#[get("/deployments/{id}")]
pub async fn find_deployment(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<Json<DeploymentEnvelope>> {
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    Ok(Json(envelope(deployment, &request)))
}

/// Starts or stops a deployment, or changes what can be set. A start answers when it serves.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    request_body = DeploymentPatch,
    responses((status = 200, description = "The deployment", body = DeploymentEnvelope))
)]
#[patch("/deployments/{id}")]
pub async fn update_deployment(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidJson(body): ValidJson<DeploymentPatch>,
) -> ApiResult<Json<DeploymentEnvelope>> {
    let limit = body.config.and_then(|config| config.rate_limit_per_minute);
    if body.action.is_none() && limit.is_none() {
        let message = "send an `action` (\"start\" or \"stop\"), or a `config` with `rateLimitPerMinute`";
        return Err(ApiError::field(ErrorShape::BodyDetails, "action", message));
    }
    let mut deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    if let Some(rate_limit_per_minute) = limit {
        let config = DeploymentConfig { rate_limit_per_minute };
        let configured = state.deployments.configure(&signed.caller, path.id, config, state.clock.now()).await;
        deployment = configured.map_err(deployment_error)?;
        state.serving.forget(path.id);
    }
    match body.action {
        None => {}
        Some(DeploymentAction::Stop) => deployment = stop(&state, &signed.caller, path.id).await?,
        Some(DeploymentAction::Start) => {
            let (starting, _) = restart(&state, &signed.caller, path.id).await?;
            deployment = started(&state, &signed.caller, &starting).await?;
        }
    }
    Ok(Json(envelope(deployment, &request)))
}

/// Deletes a deployment with its keys, logs and statistics. What runs of it ends.
#[utoipa::path(tag = "deployments", params(DeploymentPath), responses((status = 204, description = "It is gone")))]
#[delete("/deployments/{id}")]
pub async fn delete_deployment(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<HttpResponse> {
    state.deployments.delete(&signed.caller, path.id).await.map_err(deployment_error)?;
    state.serving.take_down(path.id).await;
    Ok(HttpResponse::NoContent().finish())
}

/// Tells what a deployment takes and gives. Where columns of its model were made by feature engineering, `engineered` tells which
/// of them are computed, from what, and which must be sent.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    responses((status = 200, description = "Its features, ranges, classes and readiness", body = ServingSchemaView))
)]
#[get("/deployments/{id}/schema")]
pub async fn find_deployment_schema(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<Json<ServingSchemaView>> {
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let model = state.models.find(&signed.caller, deployment.model_id).await.map_err(model_error)?;
    let entry = state.serving.find(path.id).await.map_err(serving_error)?;
    // A deployment whose files are broken says so where it stands; the rest of its schema is known all the same.
    let features = entry.features().await.ok().flatten();
    Ok(Json(schema_of(&state, model, features.map(|features| features.columns().clone())).await?))
}

/// Makes a key for a deployment. The answer is the only place that ever shows it.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    request_body = ApiKeyCreate,
    responses((status = 201, description = "The key", body = NewApiKeyView))
)]
#[post("/deployments/{id}/api-keys")]
pub async fn create_api_key(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidJson(body): ValidJson<ApiKeyCreate>,
) -> ApiResult<Created<NewApiKeyView>> {
    let now = state.clock.now();
    if body.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::field(ErrorShape::BodyDetails, "expiresAt", "must be in the future"));
    }
    let raw = RawKey::generate();
    let key = ApiKey {
        id: ApiKeyId::random(),
        deployment_id: path.id,
        name: body.name.trim().to_owned(),
        prefix: raw.prefix(),
        created_at: now,
        expires_at: body.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let key = state.deployments.create_key(&signed.caller, key, raw.hash()).await.map_err(deployment_error)?;
    state.serving.forget(path.id);
    Ok(Created(NewApiKeyView { key: key.into(), raw_key: raw.expose().to_owned() }))
}

/// Lists the keys of a deployment, newest first, revoked ones included.
#[utoipa::path(tag = "deployments", params(DeploymentPath), responses((status = 200, description = "The keys", body = ApiKeyList)))]
#[get("/deployments/{id}/api-keys")]
pub async fn list_api_keys(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<Json<ApiKeyList>> {
    let keys = state.deployments.list_keys(&signed.caller, path.id).await.map_err(deployment_error)?;
    Ok(Json(ApiKeyList { keys: keys.into_iter().map(ApiKeyView::from).collect() }))
}

/// Revokes a key: within a second no server takes it any more.
#[utoipa::path(tag = "deployments", params(ApiKeyPath), responses((status = 204, description = "It is revoked")))]
#[delete("/deployments/{id}/api-keys/{keyId}")]
pub async fn delete_api_key(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ApiKeyPath>,
) -> ApiResult<HttpResponse> {
    state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let revoked = state.deployments.revoke_key(&signed.caller, path.id, path.key_id, state.clock.now()).await;
    revoked.map_err(ApiError::store(ErrorCode::ApiKeyNotFound))?;
    state.serving.forget(path.id);
    Ok(HttpResponse::NoContent().finish())
}

/// Lists logged requests, newest first. They are there about a second after their answer.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath, LogQuery),
    responses((status = 200, description = "A page of them, and how many there are", body = PredictionLogList))
)]
#[get("/deployments/{id}/logs")]
pub async fn list_prediction_logs(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidQuery(query): ValidQuery<LogQuery>,
) -> ApiResult<Json<PredictionLogList>> {
    let filter = LogFilter {
        outcome: query.status,
        from: query.start_time,
        until: query.end_time,
        limit: query.limit.unwrap_or(LOGS_DEFAULT),
        offset: query.offset.unwrap_or(0),
    };
    state.serving.flush().await;
    let (logs, total) = state.deployments.list_logs(&signed.caller, path.id, &filter).await.map_err(deployment_error)?;
    Ok(Json(PredictionLogList { logs: logs.into_iter().map(PredictionLogView::from).collect(), total }))
}

/// Tells how many requests there were hour by hour, how fast they were answered, and how right the answers are as far as
/// outcomes are known.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath, StatsQuery),
    responses((status = 200, description = "Hours, oldest first", body = Object))
)]
#[get("/deployments/{id}/stats")]
pub async fn find_deployment_stats(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidQuery(query): ValidQuery<StatsQuery>,
) -> ApiResult<Json<Value>> {
    let range: StatisticsRange = match query.range.as_deref() {
        None => StatisticsRange::default(),
        Some(text) => {
            text.parse().map_err(|message: &'static str| ApiError::field(ErrorShape::QueryDetails, "range", message))?
        }
    };
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    state.serving.flush().await;
    let from = range.first_hour(state.clock.now());
    let hours = state.deployments.list_hours(&signed.caller, path.id, from).await.map_err(deployment_error)?;
    let buckets = hours.into_iter().filter_map(|hour| serde_json::from_value::<HourBucket>(hour.statistics).ok());
    let stats = rows(buckets);
    let counters = state.serving.recorder_counters();
    let live = live_accuracy(&state, &signed.caller, &deployment).await?;
    Ok(Json(json!({ "stats": stats, "range": range.as_str(), "liveAccuracy": live, "droppedLogs": counters.dropped })))
}

/// Compares what was asked in the last seven days with what the model was trained on.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    responses((status = 200, description = "The report, or why there is none", body = Object))
)]
#[post("/deployments/{id}/drift")]
pub async fn find_drift(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<Json<Value>> {
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let answer = drift_of(&state, &signed.caller, &deployment).await?;
    Ok(Json(serde_json::to_value(answer).map_err(ApiError::internal)?))
}

/// Stores what somebody thinks of a logged prediction.
#[utoipa::path(
    tag = "deployments",
    params(PredictionLogPath),
    request_body = FeedbackCreate,
    responses((status = 200, description = "It is stored", body = OkView))
)]
#[post("/deployments/{id}/logs/{logId}/feedback")]
pub async fn give_feedback(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<PredictionLogPath>,
    ValidJson(body): ValidJson<FeedbackCreate>,
) -> ApiResult<Json<OkView>> {
    state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let given = state.deployments.give_feedback(&signed.caller, path.id, path.log_id, body.feedback, state.clock.now()).await;
    given.map_err(ApiError::store(ErrorCode::PredictionNotFound))?;
    Ok(Json(OkView { ok: true }))
}

/// Stores what really happened, by the ids that answers gave. Live accuracy comes from it.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    request_body = ActualsCreate,
    responses((status = 200, description = "How many were stored, and which are unknown", body = ActualsView))
)]
#[post("/deployments/{id}/actuals")]
pub async fn tell_actuals(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidJson(body): ValidJson<ActualsCreate>,
) -> ApiResult<Json<ActualsView>> {
    if let Some(place) =
        body.actuals.iter().position(|one| one.actual.is_object() || one.actual.is_array() || one.actual.is_null())
    {
        let message = "must be a text, a number, true or false";
        return Err(ApiError::field(ErrorShape::BodyDetails, &format!("actuals.{place}.actual"), message));
    }
    state.serving.flush().await;
    let actuals: Vec<_> = body.actuals.into_iter().map(|one| (one.prediction_id, one.actual)).collect();
    let unknown = state.deployments.tell_actual(&signed.caller, path.id, &actuals).await.map_err(deployment_error)?;
    Ok(Json(ActualsView { stored: actuals.len() - unknown.len(), unknown }))
}

/// Shows the last lines that the worker of a deployment wrote. One that the server runs itself writes none.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    responses((status = 200, description = "The lines", body = ContainerLogsView))
)]
#[get("/deployments/{id}/container-logs")]
pub async fn find_container_logs(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
) -> ApiResult<Json<ContainerLogsView>> {
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let stdout = match (state.serving.log_tail(path.id).await, deployment.runtime) {
        (Some(log), _) => last_lines(&log),
        (None, ServingRuntime::Native) => "The server runs this model itself; there is no worker that writes.".to_owned(),
        (None, ServingRuntime::Container) => "No worker runs here now; one is started by the next request.".to_owned(),
    };
    Ok(Json(ContainerLogsView { stdout, stderr: String::new() }))
}

/// Tells how predictions depend on a feature: the mean prediction over recent requests for each of its values.
#[utoipa::path(
    tag = "deployments",
    params(DeploymentPath),
    request_body = DependenceCreate,
    responses((status = 200, description = "Values and mean predictions", body = Object))
)]
#[post("/deployments/{id}/pdp")]
pub async fn find_partial_dependence(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<DeploymentPath>,
    ValidJson(body): ValidJson<DependenceCreate>,
) -> ApiResult<Json<Value>> {
    let deployment = state.deployments.find(&signed.caller, path.id).await.map_err(deployment_error)?;
    let entry = state.serving.find(path.id).await.map_err(serving_error)?;
    let model = state.serving.native_model(&entry).await.map_err(|error| {
        let message = "Partial dependence needs a model that the server runs itself, with an ONNX form";
        ApiError::new(ErrorCode::ModelNotDeployable, message).caused_by(error.to_string())
    })?;
    let baseline = baseline_of(&state, &entry.served.model).await?;
    state.serving.flush().await;
    let filter = LogFilter {
        limit: DEPENDENCE_ROWS,
        outcome: Some(gristmill_domain::deployments::Outcome::Success),
        ..LogFilter::default()
    };
    let (logs, _) = state.deployments.list_logs(&signed.caller, deployment.id, &filter).await.map_err(deployment_error)?;
    let mut objects: Vec<_> = logs.into_iter().filter_map(|log| log.input_features.as_object().cloned()).collect();
    objects.push(model.signature().sample_request.clone());
    let features = entry.features().await.map_err(serving_error)?;
    let feature = body.feature;
    let work = move || {
        let signature = model.signature();
        if let Some(features) = features {
            // Logged as they were sent.
            objects = objects.into_iter().map(|object| features.complete_row(signature, object)).collect();
        }
        // What was logged was answered once, so it fits; what is cut does not.
        objects.retain(|object| Rows::from_object(signature, object).is_ok());
        let rows = Rows::from_objects(signature, &objects).map_err(|error| error.to_string())?.rows;
        let grid = Grid::new(signature, Some(&baseline), &feature).map_err(|error| error.to_string())?;
        partial_dependence(&model, &grid, &rows).map_err(|error| error.to_string())
    };
    let computed = tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?;
    let dependence = computed.map_err(|message| ApiError::field(ErrorShape::BodyDetails, "feature", message))?;
    Ok(Json(dependence_view(&dependence)))
}

/// The contract has one number for each value: the mean number, or the mean probability of the last class. Beside it all.
fn dependence_view(dependence: &PartialDependence) -> Value {
    let last: Vec<Option<f64>> = dependence.predictions.iter().map(|means| means.last().copied()).collect();
    let mut view = json!({ "feature": dependence.feature, "values": dependence.values, "predictions": last });
    let by_class = dependence.classes.iter().enumerate().map(|(place, class)| {
        let means: Vec<Option<f64>> = dependence.predictions.iter().map(|means| means.get(place).copied()).collect();
        (class.clone(), json!(means))
    });
    if let (Some(object), Some(class)) = (view.as_object_mut(), dependence.classes.last()) {
        object.insert("class".to_owned(), class.as_str().into());
        object.insert("classPredictions".to_owned(), Value::Object(by_class.collect()));
    }
    view
}

fn envelope(deployment: Deployment, request: &HttpRequest) -> DeploymentEnvelope {
    DeploymentEnvelope { deployment: DeploymentView::new(deployment, &server_url(request)) }
}

fn last_lines(log: &str) -> String {
    const LINES: usize = 100;
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LINES)).fold(String::new(), |all, line| all + line + "\n")
}

/// How right the answers were, as far as somebody told what really happened; null when nobody did.
async fn live_accuracy(state: &AppState, caller: &gristmill_domain::Caller, deployment: &Deployment) -> ApiResult<Value> {
    let judged = state.deployments.judged(caller, deployment.id, JUDGED_MAX).await.map_err(deployment_error)?;
    if judged.is_empty() {
        return Ok(Value::Null);
    }
    let model = match state.models.find(caller, deployment.model_id).await {
        Ok(model) => model,
        Err(StoreError::NotFound) => return Ok(Value::Null),
        Err(error) => return Err(model_error(error)),
    };
    let mut score = match model.plan.task_type {
        TaskType::Classification => LiveScore::classification(),
        TaskType::Regression | TaskType::Clustering => LiveScore::regression(),
    };
    for (predicted, actual) in &judged {
        score.add(predicted.get("prediction").unwrap_or(&Value::Null), actual);
    }
    serde_json::to_value(score.accuracy()).map_err(ApiError::internal)
}
