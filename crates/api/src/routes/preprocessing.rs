//! Preprocessing (contract 2, section 7). The tools themselves are agents'; here is what people decide and look at.

use actix_web::{get, post, web};
use gristmill_api_types::{
    paths::PrepRunPath,
    preprocessing::{
        CompatibilityCheck, CompatibilityView, PrepRunEnvelope, PrepRunList, PrepRunQuery, PrepRunsQuery, PrepTable,
        PrepTableList, PrepTablesQuery, StepDecision, StepDecisionView,
    },
};
use gristmill_domain::{Caller, ErrorCode, ProjectId, preprocessing::PrepRunId, workflows::ToolName};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{DetailQuery, PathParams, Read, Signed, ValidJson, Write},
    preprocessing::{check_compatibility, decide_step},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_preprocessing_tables)
        .service(decide_preprocessing_step)
        .service(check_preprocessing_compatibility)
        .service(list_preprocessing_runs)
        .service(find_preprocessing_run);
}

/// Lists the datasets of a project, or all of the caller's, as tables that can be preprocessed, oldest first.
#[utoipa::path(
    tag = "preprocessing",
    params(PrepTablesQuery),
    responses((status = 200, description = "The tables", body = PrepTableList))
)]
#[get("/preprocessing/tables")]
pub async fn list_preprocessing_tables(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    DetailQuery(query): DetailQuery<PrepTablesQuery>,
) -> ApiResult<Json<PrepTableList>> {
    let datasets = state.datasets.list(&signed.caller, query.project_id).await;
    let datasets = datasets.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(PrepTableList { tables: datasets.into_iter().map(PrepTable::from).collect() }))
}

/// Says yes or no to a step that waits for it. Yes keeps what was measured, and nothing else: a step whose code, dataset or
/// output changed since is not applied. That is told in the answer, with status 200. Sent twice, it is one decision. Without
/// `codeHash` it is about the step as it is when the decision arrives. The agent's run records who decided, and when.
#[utoipa::path(
    tag = "preprocessing",
    request_body = StepDecision,
    responses((status = 200, description = "What became of it", body = StepDecisionView))
)]
#[post("/preprocessing/step-decision")]
pub async fn decide_preprocessing_step(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<StepDecision>,
) -> ApiResult<Json<StepDecisionView>> {
    own_project(&state, &signed.caller, body.project_id).await?;
    let args = arguments([
        ("runId", Some(body.run_id)),
        ("stepId", Some(body.step_id)),
        ("rejectionReason", body.rejection_reason),
        ("codeHash", body.code_hash),
        ("datasetId", body.dataset_id),
    ]);
    let args: Map<String, Value> = args.into_iter().chain([("approved".to_owned(), Value::Bool(body.approved))]).collect();
    let (id, answer) = decide_step(&state, &signed.caller, body.project_id, args).await;
    let output = answer.output.unwrap_or_default();
    Ok(Json(StepDecisionView { id, tool: ToolName::CommitTransformationStep, output, error: answer.error }))
}

/// Tells whether the steps up to a checkpoint could be done again on another dataset: which columns are missing, and which
/// have another type.
#[utoipa::path(
    tag = "preprocessing",
    request_body = CompatibilityCheck,
    responses((status = 200, description = "Whether they fit", body = CompatibilityView))
)]
#[post("/preprocessing/check-compatibility")]
pub async fn check_preprocessing_compatibility(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<CompatibilityCheck>,
) -> ApiResult<Json<CompatibilityView>> {
    own_project(&state, &signed.caller, body.project_id).await?;
    let args = arguments([
        ("runId", Some(body.run_id)),
        ("checkpointId", Some(body.checkpoint_id)),
        ("replayDatasetId", Some(body.replay_dataset_id)),
    ]);
    let answer = check_compatibility(&state, &signed.caller, body.project_id, args).await;
    Ok(Json(CompatibilityView { output: answer.output.unwrap_or_default(), error: answer.error }))
}

/// Lists the preprocessing runs of a project, the last changed first.
#[utoipa::path(
    tag = "preprocessing",
    params(PrepRunsQuery),
    responses((status = 200, description = "The runs", body = PrepRunList))
)]
#[get("/preprocessing/runs")]
pub async fn list_preprocessing_runs(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    DetailQuery(query): DetailQuery<PrepRunsQuery>,
) -> ApiResult<Json<PrepRunList>> {
    let runs = state.preprocessing.runs.list(&signed.caller, query.project_id, query.limit).await;
    Ok(Json(PrepRunList::of(query.project_id, runs.map_err(ApiError::store(ErrorCode::ProjectNotFound))?)))
}

/// Reads a preprocessing run with its steps, checkpoints and log.
#[utoipa::path(
    tag = "preprocessing",
    params(PrepRunPath, PrepRunQuery),
    responses((status = 200, description = "The run", body = PrepRunEnvelope))
)]
#[get("/preprocessing/runs/{runId}")]
pub async fn find_preprocessing_run(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<PrepRunPath>,
    DetailQuery(query): DetailQuery<PrepRunQuery>,
) -> ApiResult<Json<PrepRunEnvelope>> {
    let missing = || ApiError::new(ErrorCode::PrepRunNotFound, "Preprocessing run not found");
    let id = PrepRunId::parse(&path.run_id).ok_or_else(missing)?;
    let run = state.preprocessing.runs.find(&signed.caller, id).await;
    let run = run.map_err(ApiError::store(ErrorCode::PrepRunNotFound))?;
    if query.project_id.is_some_and(|project| project != run.project_id) {
        return Err(missing());
    }
    Ok(Json(PrepRunEnvelope { run: run.into() }))
}

/// The project that a body names, and no other, is what the caller must own.
async fn own_project(state: &AppState, caller: &Caller, project: ProjectId) -> ApiResult<()> {
    state.projects.find(caller, project).await.map(drop).map_err(ApiError::store(ErrorCode::ProjectNotFound))
}

fn arguments<const N: usize>(fields: [(&str, Option<String>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?)))).collect()
}
