//! Questions in plain words: the engine's ports, its jobs, and its stream.

mod jobs;
mod ports;
mod results;
mod stream;

use std::sync::Arc;

use actix_web::web;
use gristmill_domain::{
    Caller, ErrorCode, JobId, ProjectId,
    jobs::{Job, JobKind, NewJob},
    ports::StoreError,
};
use gristmill_persistence::repo::jobs::{JOB_OPEN, Jobs};
use gristmill_workflow::{nl2sql::NlEngine, suggestions::Suggester};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::{
    jobs::{GoldenRunHandler, NlQueryHandler},
    ports::{StoredSchema, StoredSuggestions},
    results::ParkedResults,
    stream::{Asked, nl_answer, nl_stream},
};
use crate::{
    config::NlConfig,
    error::{ApiError, ApiResult},
    llm::LanguageModels,
    state::AppState,
    telemetry::traced,
};

/// What the job of a question is given.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuestionPayload {
    query: String,
    #[serde(default)]
    table_name: Option<String>,
}

/// The engine for one job.
///
/// # Errors
/// `not_configured` (503) without a language model.
fn engine(state: &web::Data<AppState>) -> ApiResult<NlEngine> {
    let provider = state.llm.provider()?;
    let sql = Arc::new(ports::ServiceSql::new(state.clone()));
    let schema = Arc::new(state.nl_schema.clone());
    let snippets = Arc::new(ports::StoredSnippets::new(state.document_search.clone()));
    let engine = NlEngine::new(provider, schema, sql, Arc::clone(&state.clock)).with_snippets(snippets);
    Ok(engine.with_options(options(&state.config.nl, &state.llm)))
}

fn options(config: &NlConfig, llm: &LanguageModels) -> gristmill_workflow::nl2sql::NlOptions {
    gristmill_workflow::nl2sql::NlOptions { model: Some(llm.catalog().small_model().id.clone()), ..config.options.clone() }
}

/// The suggester of a server.
#[must_use]
pub fn suggester(llm: &LanguageModels, config: &NlConfig, schema: StoredSchema, store: StoredSuggestions) -> Suggester {
    let suggester = Suggester::new(Arc::new(schema), Arc::new(store));
    match llm.find_provider() {
        Some(provider) => {
            let model = Some(llm.catalog().small_model().id.clone());
            suggester.with_model(provider, model, config.options.timeout)
        }
        None => suggester,
    }
}

/// Lets a model suggest in the background for the tables as they are now, unless it did or does.
pub fn prepare_suggestions(state: &web::Data<AppState>, caller: &Caller, project: Option<ProjectId>) {
    let Some(project) = project else { return };
    let (state, caller) = (state.clone(), caller.clone());
    state.tasks.clone().spawn("suggestions", async move {
        if let Err(error) = state.suggester.prepare(&caller, project, state.tasks.stopping()).await {
            tracing::info!(error.cause = crate::error::chain(&error), "no suggestions were made");
        }
    });
}

/// Submits the job of a question.
///
/// # Errors
/// 404 for a project that is not the caller's, 503 without a language model.
pub async fn submit_question(
    state: &AppState,
    caller: &Caller,
    project: ProjectId,
    query: String,
    table_name: Option<String>,
) -> ApiResult<Job> {
    state.projects.find(caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    state.llm.provider()?;
    let payload = QuestionPayload { query, table_name };
    let job = new_job(caller, project, JobKind::NlQuery, json!(payload));
    let (job, _) = state.jobs.submit(traced(job)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(job)
}

/// Submits the job that asks a project's golden questions: one at a time, since each asks a model for every question.
///
/// # Errors
/// 404 for a project that is not the caller's, 409 while another run has not ended, 503 without a language model.
pub async fn submit_golden_run(state: &AppState, caller: &Caller, project: ProjectId) -> ApiResult<Job> {
    state.projects.find(caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    state.llm.provider()?;
    let job = new_job(caller, project, JobKind::GoldenRun, json!({}));
    let submitted = Jobs::new(state.database.clone()).submit_alone(traced(job)).await;
    submitted.map_err(|error| match &error {
        StoreError::Conflict(what) if what == JOB_OPEN => {
            let message = "The golden questions of this project are being asked already; wait for that run, or cancel its job";
            ApiError::new(ErrorCode::Conflict, message)
        }
        _ => ApiError::store(ErrorCode::ProjectNotFound)(error),
    })
}

fn new_job(caller: &Caller, project: ProjectId, kind: JobKind, payload: serde_json::Value) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind,
        owner_id: caller.user_id,
        project_id: Some(project),
        payload,
        // Whoever asked has gone when its server dies; tokens are not spent again for nobody.
        attempts_max: 1,
        idempotency_key: None,
    }
}
