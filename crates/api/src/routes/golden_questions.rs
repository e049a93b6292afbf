//! Golden questions: questions of a project with known answers, and how many of them the server gets right.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use gristmill_api_types::{
    common::ErrorShape,
    golden_questions::{
        GoldenQuestionCreate, GoldenQuestionEnvelope, GoldenQuestionList, GoldenQuestionPatch, GoldenQuestionView, GoldenReport,
    },
    jobs::JobEnvelope,
    paths::{GoldenQuestionPath, InProjectPath},
};
use gristmill_domain::{Caller, ErrorCode, ProjectId, golden_questions::GOLDEN_QUESTIONS_MAX, jobs::JobState, ports::StoreError};
use gristmill_persistence::repo::golden_questions::{GOLDEN_QUESTIONS_FULL, GoldenPatch};
use gristmill_workflow::{golden::check_case, ports::SchemaSource};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    datasets::job_failure,
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, Write},
    nl::submit_golden_run,
    respond::{Created, Json, prefers_async},
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_golden_questions)
        .service(create_golden_question)
        .service(update_golden_question)
        .service(delete_golden_question)
        .service(run_golden_questions);
}

/// Lists the golden questions of a project, oldest first, each with what came of asking it last.
#[utoipa::path(
    tag = "query",
    params(InProjectPath),
    responses((status = 200, description = "The questions", body = GoldenQuestionList))
)]
#[get("/projects/{projectId}/golden-questions")]
pub async fn list_golden_questions(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<InProjectPath>,
) -> ApiResult<Json<GoldenQuestionList>> {
    let questions = state.golden_questions.list(&signed.caller, path.project_id).await;
    let questions = questions.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(GoldenQuestionList { golden_questions: questions.into_iter().map(GoldenQuestionView::from).collect() }))
}

/// Makes a golden question. Its statement must be one that can be run over the project's tables as they are now.
#[utoipa::path(
    tag = "query",
    params(InProjectPath),
    request_body = GoldenQuestionCreate,
    responses((status = 201, description = "The question", body = GoldenQuestionEnvelope))
)]
#[post("/projects/{projectId}/golden-questions")]
pub async fn create_golden_question(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
    ValidJson(body): ValidJson<GoldenQuestionCreate>,
) -> ApiResult<Created<GoldenQuestionEnvelope>> {
    check(&state, &signed.caller, path.project_id, Some(&body.expected_sql)).await?;
    let question = body.question.trim().to_owned();
    let now = state.clock.now();
    let made = state.golden_questions.create(&signed.caller, path.project_id, question, body.expected_sql, now).await;
    Ok(Created(made.map_err(golden_error(ErrorCode::ProjectNotFound))?.into()))
}

/// Changes a golden question. What came of asking it before is forgotten.
#[utoipa::path(
    tag = "query",
    params(GoldenQuestionPath),
    request_body = GoldenQuestionPatch,
    responses((status = 200, description = "The question", body = GoldenQuestionEnvelope))
)]
#[patch("/projects/{projectId}/golden-questions/{goldenQuestionId}")]
pub async fn update_golden_question(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<GoldenQuestionPath>,
    ValidJson(body): ValidJson<GoldenQuestionPatch>,
) -> ApiResult<Json<GoldenQuestionEnvelope>> {
    check(&state, &signed.caller, path.project_id, body.expected_sql.as_deref()).await?;
    let patch = GoldenPatch { question: body.question.map(|text| text.trim().to_owned()), expected_sql: body.expected_sql };
    let id = path.golden_question_id;
    let changed = state.golden_questions.update(&signed.caller, path.project_id, id, patch, state.clock.now()).await;
    Ok(Json(changed.map_err(golden_error(ErrorCode::GoldenQuestionNotFound))?.into()))
}

/// Deletes a golden question.
#[utoipa::path(tag = "query", params(GoldenQuestionPath), responses((status = 204, description = "It is gone")))]
#[delete("/projects/{projectId}/golden-questions/{goldenQuestionId}")]
pub async fn delete_golden_question(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<GoldenQuestionPath>,
) -> ApiResult<HttpResponse> {
    let deleted = state.golden_questions.delete(&signed.caller, path.project_id, path.golden_question_id).await;
    deleted.map_err(golden_error(ErrorCode::GoldenQuestionNotFound))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Asks all golden questions of a project with the current model and prompts, and tells how many answers give the rows of
/// their expected statement. With `Prefer: respond-async`, answers 202 with the job to follow. A project has one run at a time:
/// while one waits or runs, which `GET /api/jobs` shows, another is answered 409 (`conflict`).
#[utoipa::path(
    tag = "query",
    params(InProjectPath, ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once")),
    responses(
        (status = 200, description = "How they went", body = GoldenReport),
        (status = 202, description = "The job that asks them", body = JobEnvelope),
    )
)]
#[post("/projects/{projectId}/golden-questions/run")]
pub async fn run_golden_questions(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<InProjectPath>,
) -> ApiResult<HttpResponse> {
    let job = submit_golden_run(&state, &signed.caller, path.project_id).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let job = state.job_reader.wait(&signed.caller, job.id, state.tasks.stopping()).await.map_err(ApiError::job)?;
    match (job.state, job.result) {
        (JobState::Succeeded, Some(report)) => Ok(HttpResponse::Ok().json(report)),
        (JobState::Cancelled, _) => Err(ApiError::new(ErrorCode::JobCancelled, "The run was cancelled")),
        _ => Err(job_failure(job.error)),
    }
}

/// Refuses a statement that cannot be run over the project's tables.
async fn check(state: &AppState, caller: &Caller, project: ProjectId, sql: Option<&str>) -> ApiResult<()> {
    let Some(sql) = sql else { return Ok(()) };
    let schema = state.nl_schema.schema(caller, project).await;
    let schema = schema.map_err(|error| ApiError::new(error.code, error.message.clone()).caused_by(error))?;
    match check_case(&schema, sql) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(ApiError::field(ErrorShape::Flatten, "expectedSql", refusal.message())),
    }
}

fn golden_error(missing: ErrorCode) -> impl Fn(StoreError) -> ApiError {
    move |error| match &error {
        StoreError::Conflict(what) if what == GOLDEN_QUESTIONS_FULL => {
            let message =
                format!("The project has {GOLDEN_QUESTIONS_MAX} golden questions, as many as it may; delete some first");
            ApiError::new(ErrorCode::Conflict, message)
        }
        _ => ApiError::store(missing)(error),
    }
}
