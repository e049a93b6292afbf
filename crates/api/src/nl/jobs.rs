//! The jobs that answer questions.

use actix_web::web;
use async_trait::async_trait;
use gristmill_api_types::golden_questions::GoldenReport;
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    golden_questions::{GoldenAsked, GoldenQuestion, GoldenVerdict},
    jobs::{Job, JobError, JobKind, JobOutcome, JobProgress, NewJobEvent},
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict, StopReason};
use gristmill_workflow::{
    NlError,
    golden::{self, GoldenCase, GoldenOutcome, execution_accuracy},
    nl2sql::{NlEngine, NlQuestion},
};
use serde_json::json;

use super::{
    QuestionPayload, engine,
    ports::{LogSink, STOPPED},
};
use crate::{error::ApiError, state::AppState};

/// Answers questions.
#[derive(Debug)]
pub struct NlQueryHandler {
    state: web::Data<AppState>,
}

impl NlQueryHandler {
    /// For this server.
    #[must_use]
    pub fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    async fn answer(&self, context: &JobContext) -> Result<JobVerdict, JobError> {
        let (project, caller) = on_behalf(context.job())?;
        let payload: QuestionPayload =
            serde_json::from_value(context.job().payload.clone()).map_err(|error| job_error(&ApiError::internal(error)))?;
        let engine = engine(&self.state).map_err(|error| job_error(&error))?;
        let question = NlQuestion { caller, project, text: payload.query, table: payload.table_name };
        let sink = LogSink::new(context.clone(), self.state.parked_results.clone());
        match Box::pin(engine.answer(&question, &sink, context.stop_token())).await {
            Ok(result) => {
                let made = json!({ "queryId": result.query_id, "sql": result.sql, "outcome": result.explanation.outcome });
                Ok(JobVerdict::Finished(JobOutcome::Succeeded(made)))
            }
            Err(error) => ended(context, &error),
        }
    }
}

#[async_trait]
impl JobHandler for NlQueryHandler {
    fn kind(&self) -> JobKind {
        JobKind::NlQuery
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        match self.answer(&context).await {
            Ok(verdict) => verdict,
            Err(error) => JobVerdict::Finished(JobOutcome::Failed(error)),
        }
    }
}

/// Asks golden questions.
#[derive(Debug)]
pub struct GoldenRunHandler {
    state: web::Data<AppState>,
}

impl GoldenRunHandler {
    /// For this server.
    #[must_use]
    pub fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    async fn ask_all(&self, context: &JobContext) -> Result<JobVerdict, JobError> {
        let (project, caller) = on_behalf(context.job())?;
        let engine = engine(&self.state).map_err(|error| job_error(&error))?;
        let questions = self.state.golden_questions.list(&caller, project).await;
        let questions = questions.map_err(|error| job_error(&ApiError::store(ErrorCode::ProjectNotFound)(error)))?;
        let mut outcomes: Vec<GoldenOutcome> = Vec::with_capacity(questions.len());
        for question in &questions {
            let asked = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
            let total = u32::try_from(questions.len()).unwrap_or(u32::MAX).max(1);
            context.events().progress(JobProgress {
                fraction: Some(f64::from(asked) / f64::from(total)),
                message: Some(format!("{asked} of {total} questions asked")),
            });
            match self.ask(context, &engine, &caller, question).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return ended(context, &error),
            }
        }
        let report = report(&outcomes, &self.state);
        let made = serde_json::to_value(&report).map_err(|error| job_error(&ApiError::internal(error)))?;
        Ok(JobVerdict::Finished(JobOutcome::Succeeded(made)))
    }

    async fn ask(
        &self,
        context: &JobContext,
        engine: &NlEngine,
        caller: &Caller,
        question: &GoldenQuestion,
    ) -> Result<GoldenOutcome, NlError> {
        let case = GoldenCase { question: question.question.clone(), expected_sql: question.expected_sql.clone() };
        let outcome = Box::pin(golden::ask(engine, caller, question.project_id, &case, context.stop_token())).await?;
        let asked = GoldenAsked {
            verdict: outcome.verdict,
            generated_sql: outcome.sql.clone(),
            reason: outcome.reason.clone(),
            confidence: outcome.confidence,
            at: self.state.clock.now(),
        };
        match self.state.golden_questions.keep_asked(caller, question, &asked).await {
            Ok(true) => {}
            Ok(false) => tracing::info!(golden.id = %question.id, "a golden question changed while it was asked"),
            Err(error) => return Err(NlError::Internal(crate::error::chain(&error))),
        }
        let data = json!({
            "goldenQuestionId": question.id, "verdict": outcome.verdict, "sql": outcome.sql, "reason": outcome.reason,
            "confidence": outcome.confidence,
        });
        let told = context.events().push_delta(NewJobEvent::new("golden_question_asked", data)).await;
        told.map_err(|error| NlError::Internal(crate::error::chain(&error)))?;
        Ok(outcome)
    }
}

#[async_trait]
impl JobHandler for GoldenRunHandler {
    fn kind(&self) -> JobKind {
        JobKind::GoldenRun
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        match self.ask_all(&context).await {
            Ok(verdict) => verdict,
            Err(error) => JobVerdict::Finished(JobOutcome::Failed(error)),
        }
    }
}

fn report(outcomes: &[GoldenOutcome], state: &AppState) -> GoldenReport {
    let of = |verdict: GoldenVerdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    GoldenReport {
        total: number(outcomes.len()),
        right: number(of(GoldenVerdict::Right)),
        broken: number(of(GoldenVerdict::BrokenCase)),
        execution_accuracy: execution_accuracy(outcomes),
        model: state.llm.catalog().small_model().id.clone(),
    }
}

/// The project and the owner of a job.
fn on_behalf(job: &Job) -> Result<(ProjectId, Caller), JobError> {
    let project = job.project_id.ok_or_else(|| JobError::new(ErrorCode::Internal, "The job has no project"))?;
    Ok((project, Caller::of_job(job.owner_id, job.id)))
}

/// What becomes of a job that ended without what it was for.
fn ended(context: &JobContext, error: &NlError) -> Result<JobVerdict, JobError> {
    match (context.reason(), error) {
        // Whoever asked is gone with the server; nobody wants it again later.
        (Some(StopReason::Shutdown), NlError::Cancelled) => Err(JobError::new(ErrorCode::ShuttingDown, STOPPED)),
        (Some(StopReason::CancelRequested | StopReason::LeaseLost), _) => Ok(JobVerdict::Stopped),
        // Also of one that failed by itself while the server stopped: its log has said so.
        (Some(StopReason::Shutdown) | None, _) => {
            if error.code() == ErrorCode::Internal {
                tracing::error!(error.cause = crate::error::chain(error), job.id = %context.job().id, "a question failed");
            }
            Err(JobError::new(error.code(), error.public_message()))
        }
    }
}

fn job_error(error: &ApiError) -> JobError {
    error.log();
    JobError::new(error.code(), error.to_string())
}
