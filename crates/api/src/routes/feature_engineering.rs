//! Feature engineering (contract 2, section 8).

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use gristmill_api_types::{
    feature_engineering::{
        FeatureApply, FeatureApplyView, FeatureRunEnvelope, FeatureRunList, FeatureRunListQuery, FeatureRunView,
    },
    jobs::JobEnvelope,
    paths::FeatureRunPath,
};
use gristmill_domain::{ErrorCode, feature_runs::FeatureRunId, ports::StoreError};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    features::{applied, submit_apply},
    respond::{Json, prefers_async},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(apply_features).service(list_feature_runs).service(find_feature_run);
}

/// Makes a dataset that has features behind the columns of another: by methods of the catalog, or by code, which runs in a
/// sandbox. With `Prefer: respond-async`, answers 202 with the job to follow.
#[utoipa::path(
    tag = "feature engineering",
    params(
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable"),
    ),
    request_body = FeatureApply,
    responses(
        (status = 201, description = "The new dataset", body = FeatureApplyView),
        (status = 202, description = "The job that makes it", body = JobEnvelope),
    )
)]
#[post("/feature-engineering/apply")]
pub async fn apply_features(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    ValidJson(body): ValidJson<FeatureApply>,
) -> ApiResult<HttpResponse> {
    let job = submit_apply(&state, &signed.caller, body, key.into_key()).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let (dataset, lineage) = applied(&state, &signed.caller, job.id).await?;
    Ok(HttpResponse::Created().json(FeatureApplyView::new(dataset, lineage.warning, lineage.features)))
}

/// Lists the runs of agents that made features in a project, the last changed first.
#[utoipa::path(
    tag = "feature engineering",
    params(FeatureRunListQuery),
    responses((status = 200, description = "The runs", body = FeatureRunList))
)]
#[get("/feature-engineering/runs")]
pub async fn list_feature_runs(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<FeatureRunListQuery>,
) -> ApiResult<Json<FeatureRunList>> {
    let runs = state.feature_runs.list(&signed.caller, query.project_id, query.limit).await;
    let runs = runs.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let runs: Vec<FeatureRunView> = runs.into_iter().map(FeatureRunView::from).collect();
    Ok(Json(FeatureRunList { project_id: query.project_id, count: runs.len(), runs }))
}

/// Reads a run of an agent that makes features.
#[utoipa::path(
    tag = "feature engineering",
    params(FeatureRunPath),
    responses((status = 200, description = "The run", body = FeatureRunEnvelope))
)]
#[get("/feature-engineering/runs/{runId}")]
pub async fn find_feature_run(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<FeatureRunPath>,
) -> ApiResult<Json<FeatureRunEnvelope>> {
    let missing = ApiError::store(ErrorCode::FeatureRunNotFound);
    let Ok(id) = path.run_id.parse::<FeatureRunId>() else { return Err(missing(StoreError::NotFound)) };
    let run = state.feature_runs.find(&signed.caller, id).await.map_err(missing)?;
    Ok(Json(FeatureRunEnvelope { run: run.into() }))
}
