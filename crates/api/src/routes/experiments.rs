//! Judging, tuning and comparing models (contract 3, section 13).

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use futures_util::StreamExt;
use gristmill_api_types::{
    common::ErrorShape,
    experiments::{
        ComparedModelView, ComparisonCreate, ComparisonView, EvaluationPendingView, EvaluationRetriedView, FilterCreate,
        FilterView, InsightCreate, MetricDeltaView, PredicateView, StudyCreate, StudyLine,
    },
    jobs::{JobEnvelope, JobEventView},
    paths::{InProjectPath, OfModelPath},
};
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    models::{EvaluationStatus, Model},
};
use gristmill_modeling::{
    Compared, incomparable,
    insights::InsightKind,
    nl_filter::{Known, Predicate},
};
use gristmill_persistence::files::model_prefix;
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, Write},
    llm::{Insight, insight_lines, model_predicates},
    models::{EvaluationPart, StudyStream, budget_of, evaluated, evaluation_part, study_stream, submit_study},
    respond::{Json, prefers_async},
    state::AppState,
    streams::{StreamForm, events_response},
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(find_evaluation)
        .service(retry_evaluation)
        .service(find_shap)
        .service(find_error_analysis)
        .service(tune_model)
        .service(compare_models)
        .service(filter_models)
        .service(stream_insight);
}

/// Reads a model's evaluation: metrics, curves, importances, cross-validation. 202 while it is not there.
#[utoipa::path(
    tag = "experiments",
    params(OfModelPath),
    responses(
        (status = 200, description = "The evaluation, in the contract's snake_case", body = Object),
        (status = 202, description = "It is not there yet, or failed", body = EvaluationPendingView),
    )
)]
#[get("/experiments/{modelId}/evaluation")]
pub async fn find_evaluation(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<OfModelPath>,
) -> ApiResult<HttpResponse> {
    Ok(match evaluation_part(&state, &signed.caller, path.model_id, "evaluation.json").await? {
        EvaluationPart::File(bytes) => HttpResponse::Ok().content_type("application/json").body(bytes),
        EvaluationPart::Missing { status, why: message } => {
            // A file that is missing reads as on its way, as the contract has it.
            let status = if status == EvaluationStatus::Ready { EvaluationStatus::Computing } else { status };
            HttpResponse::Accepted().json(EvaluationPendingView { status, message })
        }
    })
}

/// Evaluates a model again and answers when that has ended, also when it failed.
#[utoipa::path(
    tag = "experiments",
    params(OfModelPath),
    responses((status = 200, description = "Where the evaluation stands now", body = EvaluationRetriedView))
)]
#[post("/experiments/{modelId}/evaluation/retry")]
pub async fn retry_evaluation(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<OfModelPath>,
) -> ApiResult<Json<EvaluationRetriedView>> {
    let evaluation_status = evaluated(&state, &signed.caller, path.model_id).await?;
    Ok(Json(EvaluationRetriedView { ok: true, evaluation_status }))
}

/// Reads the SHAP values of up to 200 held out rows. 204 when there are none.
#[utoipa::path(
    tag = "experiments",
    params(OfModelPath),
    responses(
        (status = 200, description = "Values, base values and data, in the contract's snake_case", body = Object),
        (status = 204, description = "There are none"),
    )
)]
#[get("/experiments/{modelId}/shap")]
pub async fn find_shap(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<OfModelPath>,
) -> ApiResult<HttpResponse> {
    let part = evaluation_part(&state, &signed.caller, path.model_id, "shap.json").await?;
    let EvaluationPart::File(bytes) = part else { return Ok(HttpResponse::NoContent().finish()) };
    let available = serde_json::from_slice::<Value>(&bytes).is_ok_and(|shap| shap.get("available") != Some(&Value::Bool(false)));
    if !available {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(HttpResponse::Ok().content_type("application/json").body(bytes))
}

/// Reads where a model is wrong: a tree over the features, and the rows that it was most sure about.
#[utoipa::path(
    tag = "experiments",
    params(OfModelPath),
    responses((status = 200, description = "The analysis, or `{available: false, reason}`", body = Object))
)]
#[get("/experiments/{modelId}/error-analysis")]
pub async fn find_error_analysis(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<OfModelPath>,
) -> ApiResult<HttpResponse> {
    Ok(match evaluation_part(&state, &signed.caller, path.model_id, "error_analysis.json").await? {
        EvaluationPart::File(bytes) => HttpResponse::Ok().content_type("application/json").body(bytes),
        EvaluationPart::Missing { why, .. } => HttpResponse::Ok().json(json!({ "available": false, "reason": why })),
    })
}

/// Searches for better parameters of a model, and trains one with them. Answers a stream of trials; leaving it stops the
/// study. With `Prefer: respond-async`, answers 202 with the job to follow; with `Accept: text/event-stream`, leaving does
/// not stop it.
#[utoipa::path(
    tag = "experiments",
    params(InProjectPath, ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once")),
    request_body = StudyCreate,
    responses(
        (status = 200, description = "The trials, one JSON object a line", body = StudyLine, content_type = "application/x-ndjson"),
        (status = 202, description = "The job that searches", body = JobEnvelope),
    )
)]
#[post("/experiments/{projectId}/tune")]
pub async fn tune_model(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<StudyCreate>,
) -> ApiResult<HttpResponse> {
    let job = match submit_study(&state, &signed.caller, path.project_id, body).await? {
        StudyStream::Started(job) => job,
        StudyStream::Refused(message) => {
            let line = format!("{}\n", json!({ "type": "error", "message": message }));
            return Ok(ndjson().body(line));
        }
    };
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(*job)));
    }
    if StreamForm::of(&request) == StreamForm::ServerSentEvents {
        let events = state.job_reader.follow(signed.caller, job.id, 0);
        let events = events.map(|event| event.map(JobEventView::from).map_err(ApiError::job));
        return Ok(events_response(StreamForm::ServerSentEvents, events));
    }
    Ok(ndjson().streaming(study_stream(&state, signed.caller, job.id)))
}

/// Compares two to five models of a project, on the same held out rows where they have such.
#[utoipa::path(
    tag = "experiments",
    params(InProjectPath),
    request_body = ComparisonCreate,
    responses((status = 200, description = "The comparison", body = ComparisonView))
)]
#[post("/experiments/{projectId}/compare")]
pub async fn compare_models(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<ComparisonCreate>,
) -> ApiResult<Json<ComparisonView>> {
    let all = project_models(&state, &signed.caller, path.project_id).await?;
    let mut chosen: Vec<&Model> = Vec::new();
    for id in &body.model_ids {
        if chosen.iter().any(|model| model.id == *id) {
            return Err(ApiError::field(ErrorShape::Flatten, "modelIds", "names a model twice"));
        }
        chosen.extend(all.iter().find(|model| model.id == *id));
    }
    if chosen.len() < 2 {
        return Err(ApiError::new(ErrorCode::ModelNotFound, "Fewer than two of these models are in the project"));
    }
    let bootstrap = bootstrap(&state, &signed.caller, &chosen).await?;
    let models = chosen.iter().map(|model| ComparedModelView {
        model_id: model.id,
        name: model.plan.name.clone(),
        metrics: model.metrics.clone(),
    });
    Ok(Json(ComparisonView { models: models.collect(), deltas: deltas(&chosen, &bootstrap), bootstrap }))
}

/// Turns a filter in plain words into conditions. What is not understood gives none.
#[utoipa::path(
    tag = "experiments",
    params(InProjectPath),
    request_body = FilterCreate,
    responses((status = 200, description = "The conditions", body = FilterView))
)]
#[post("/experiments/{projectId}/nl-filter")]
pub async fn filter_models(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<FilterCreate>,
) -> ApiResult<Json<FilterView>> {
    let models = project_models(&state, &signed.caller, path.project_id).await?;
    let predicates = model_predicates(&state.llm, &signed.caller, path.project_id, &body.query, &known(&models)).await;
    let views: Result<Vec<PredicateView>, serde_json::Error> = predicates.iter().map(predicate_view).collect();
    Ok(Json(FilterView { predicates: views.map_err(ApiError::internal)? }))
}

/// Writes a text about a project's models, from what was measured.
#[utoipa::path(
    tag = "experiments",
    params(InProjectPath),
    request_body = InsightCreate,
    responses((status = 200, description = "`token` lines, then `done`", body = StudyLine, content_type = "application/x-ndjson"))
)]
#[post("/experiments/{projectId}/insights")]
pub async fn stream_insight(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<InsightCreate>,
) -> ApiResult<HttpResponse> {
    let project = state.projects.find(&signed.caller, path.project_id).await;
    let project = project.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let Some(kind) = InsightKind::from_name(&body.kind) else {
        let names = "must be one of banner, explain, compare, error_narrative, report";
        return Err(ApiError::field(ErrorShape::Flatten, "type", names));
    };
    let models = project_models(&state, &signed.caller, path.project_id).await?;
    let context = body.context.unwrap_or_default();
    let insight = Insight { kind, project_id: path.project_id, project_name: project.name, models, context };
    Ok(ndjson().streaming(insight_lines(&state.llm, &state.insights, &signed.caller, insight).await))
}

fn ndjson() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("application/x-ndjson")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"));
    response
}

async fn project_models(state: &AppState, caller: &Caller, project: ProjectId) -> ApiResult<Vec<Model>> {
    state.models.list(caller, Some(project)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))
}

/// The comparison on common rows, or why there is none: the other numbers stand without it.
async fn bootstrap(state: &AppState, caller: &Caller, models: &[&Model]) -> ApiResult<Value> {
    if let Some(reason) = incomparable(models) {
        return Ok(json!({ "available": false, "reason": reason }));
    }
    let budget = budget_of(state, caller).await?;
    let compared: Vec<Compared<'_>> = models
        .iter()
        .map(|model| Compared { model, files: state.files.path(&model_prefix(model.project_id, model.id)).join(&model.storage) })
        .collect();
    match state.modeling.compare(&compared, budget.into()).await {
        Ok(comparison) => Ok(comparison),
        Err(error) if error.code() == ErrorCode::Internal => Err(ApiError::internal(error)),
        Err(error) => Ok(json!({ "available": false, "reason": error.public_message() })),
    }
}

fn deltas(models: &[&Model], bootstrap: &Value) -> Vec<MetricDeltaView> {
    let mut names: Vec<&String> = models.iter().flat_map(|model| model.metrics.keys()).collect();
    names.sort();
    names.dedup();
    let tested = if models.len() == 2 { bootstrap.pointer("/pairs/0/metrics").and_then(Value::as_array) } else { None };
    names
        .into_iter()
        .map(|name| {
            let values: Vec<Option<f64>> = models.iter().map(|model| model.metrics.get(name).copied()).collect();
            let known = || values.iter().flatten().copied();
            let test = tested.and_then(|metrics| metrics.iter().find(|one| one["metric"] == name.as_str()));
            MetricDeltaView {
                metric: name.clone(),
                delta: known().fold(f64::MIN, f64::max) - known().fold(f64::MAX, f64::min),
                p_value: test.and_then(|test| test["pValue"].as_f64()),
                significant: test.and_then(|test| test["significant"].as_bool()),
                values,
            }
        })
        .collect()
}

fn known(models: &[Model]) -> Known {
    let mut metrics: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in models.iter().flat_map(|model| &model.metrics) {
        metrics.entry(name.clone()).or_default().push(*value);
    }
    let mut algorithms: Vec<String> =
        models.iter().map(|model| model.algorithm.clone()).filter(|name| !name.is_empty()).collect();
    algorithms.sort();
    algorithms.dedup();
    Known { metrics, algorithms }
}

fn predicate_view(predicate: &Predicate) -> serde_json::Result<PredicateView> {
    let operator = serde_json::to_value(predicate.operator)?;
    Ok(PredicateView {
        field: predicate.field.clone(),
        operator: operator.as_str().unwrap_or_default().to_owned(),
        value: serde_json::to_value(&predicate.value)?,
    })
}
