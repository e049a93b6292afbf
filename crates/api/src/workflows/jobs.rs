//! The jobs that work on turns.

use std::sync::Arc;

use actix_web::web;
use async_trait::async_trait;
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    jobs::{JobError, JobKind, JobOutcome},
    ports::StoreError,
    workflows::{NewWorkflowEvent, PendingInput, RunRecord, RunStanding, WorkflowRunId, WorkflowStatus, event_types},
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict, StopReason};
use gristmill_workflow::agent::{
    Engine, EngineOptions, TurnEnd, TurnError,
    turn::{End, TurnEvent},
    wire,
};
use serde_json::{Value, json};

use super::{
    knowledge::StoredKnowledge,
    ports::{LeasedRun, LogSink},
};
use crate::{agent::ServerTools, error::ApiError, state::AppState};

/// Works on turns.
#[derive(Debug)]
pub struct TurnHandler {
    state: web::Data<AppState>,
}

impl TurnHandler {
    /// For this server.
    #[must_use]
    pub fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    async fn work(&self, context: &JobContext) -> Result<JobVerdict, JobError> {
        let job = context.job();
        let run = job.payload.get("runId").and_then(Value::as_str).and_then(WorkflowRunId::parse);
        let (Some(run), Some(project)) = (run, job.project_id) else {
            return Err(JobError::new(ErrorCode::Internal, "The job has no run"));
        };
        let caller = Caller::of_job(job.owner_id, job.id);
        let sink = Arc::new(LogSink::new(&self.state, caller.clone(), context));
        let store = Arc::new(LeasedRun::new(&self.state, caller.clone(), context, run.clone()));
        self.greet(&sink, &caller, &run).await?;
        let engine = Engine {
            provider: self.state.llm.provider().map_err(|error| job_error(&error))?,
            tools: Arc::new(ServerTools::new(self.state.clone())),
            knowledge: Arc::new(StoredKnowledge::new(self.state.clone())),
            store,
            sink: sink.clone(),
            options: EngineOptions::default(),
        };
        match Box::pin(engine.work(&caller, context.stop_token())).await {
            Ok(TurnEnd::Ended) => Ok(JobVerdict::Finished(JobOutcome::Succeeded(json!({ "runId": run })))),
            Ok(TurnEnd::Stopped) => self.stopped(context, &caller, &sink, &run).await,
            Err(error) => self.failed(context, &caller, &sink, &run, project, &error).await,
        }
    }

    /// Tells the client of the run as it was taken up, first of all and once. One that waited is shown as it did.
    async fn greet(&self, sink: &LogSink, caller: &Caller, run: &WorkflowRunId) -> Result<(), JobError> {
        use gristmill_workflow::agent::ports::TurnSink;
        if sink.has_begun().await.map_err(|error| port_error(&error))? {
            return Ok(());
        }
        let found = self.state.workflows.find_with_turn(caller, run).await;
        let (mut run, begun) = found.map_err(|error| job_error(&ApiError::store(ErrorCode::WorkflowNotFound)(error)))?;
        let before = |key: &str| begun.payload.get(key).and_then(Value::as_str);
        if before("statusBefore") == Some(WorkflowStatus::Paused.as_str()) {
            run.status = WorkflowStatus::Paused;
            run.pending_input = before("pendingInputBefore").and_then(PendingInput::from_name);
            run.pause_reason = before("pauseReasonBefore").map(str::to_owned);
        }
        sink.emit(wire::workflow_state(&run, before("targetColumn"))).await.map_err(|error| port_error(&error))
    }

    /// What becomes of a turn that was asked to stop.
    async fn stopped(
        &self,
        context: &JobContext,
        caller: &Caller,
        sink: &LogSink,
        run: &WorkflowRunId,
    ) -> Result<JobVerdict, JobError> {
        if context.reason() != Some(StopReason::CancelRequested) {
            // Another server takes it up.
            return Ok(JobVerdict::Stopped);
        }
        let standing = RunStanding {
            status: WorkflowStatus::Interrupted,
            current_node: "interrupted".to_owned(),
            pending_input: None,
            pause_reason: None,
            failure_code: Some("USER_INTERRUPTED".to_owned()),
            failure_message: Some("The turn was stopped.".to_owned()),
        };
        let told = json!({ "reason": "the client left the stream or asked for it" });
        let event = NewWorkflowEvent::new(event_types::INTERRUPTED, told);
        let record = RunRecord { standing: Some(standing), events: vec![event], ..RunRecord::default() };
        match self.state.workflows.record(context.lease(), run, record, self.state.clock.now()).await {
            // Interrupted by its route already.
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            // The project was deleted meanwhile, or another server has the turn.
            Err(StoreError::LeaseLost) => return Ok(JobVerdict::Stopped),
            Err(error) => return Err(job_error(&ApiError::store(ErrorCode::WorkflowNotFound)(error))),
        }
        self.tell_end(caller, sink, run, None).await?;
        Ok(JobVerdict::Stopped)
    }

    /// What becomes of a turn that could not go on.
    async fn failed(
        &self,
        context: &JobContext,
        caller: &Caller,
        sink: &LogSink,
        run: &WorkflowRunId,
        project: ProjectId,
        error: &TurnError,
    ) -> Result<JobVerdict, JobError> {
        if context.reason().is_some() {
            return self.stopped(context, caller, sink, run).await;
        }
        if self.is_gone(caller, run).await {
            tracing::debug!(project.id = %project, run.id = %run, "a turn ended with its project");
            return Ok(JobVerdict::Finished(JobOutcome::Cancelled));
        }
        if error.code() == ErrorCode::Conflict {
            // It was interrupted, and its route recorded that.
            self.tell_end(caller, sink, run, None).await?;
            return Ok(JobVerdict::Finished(JobOutcome::Cancelled));
        }
        tracing::error!(error.cause = crate::error::chain(error), project.id = %project, run.id = %run, "a turn failed");
        if error.code() == ErrorCode::DatabaseUnavailable {
            return Ok(JobVerdict::Finished(JobOutcome::Retry(JobError::new(error.code(), "The database does not answer"))));
        }
        let end =
            End::Failed { code: "REQUEST_NOT_PREPARED".to_owned(), message: "The turn could not go on; try again".to_owned() };
        let standing = RunStanding {
            status: WorkflowStatus::FailedRetryable,
            current_node: "fail".to_owned(),
            pending_input: None,
            pause_reason: None,
            failure_code: Some("REQUEST_NOT_PREPARED".to_owned()),
            failure_message: Some("The turn could not go on; try again".to_owned()),
        };
        let events = vec![TurnEvent::Ended(Box::new(end.clone())).stored()];
        let record = RunRecord { standing: Some(standing), events, ..RunRecord::default() };
        if let Err(error) = self.state.workflows.record(context.lease(), run, record, self.state.clock.now()).await {
            tracing::warn!(error.cause = crate::error::chain(&error), run.id = %run, "a turn's failure was not recorded");
        }
        self.tell_end(caller, sink, run, Some(&end)).await?;
        Err(JobError::new(error.code(), "The turn could not go on"))
    }

    /// Whether there is no run to work on any more: its project was deleted.
    async fn is_gone(&self, caller: &Caller, run: &WorkflowRunId) -> bool {
        matches!(self.state.workflows.find(caller, run).await, Err(StoreError::NotFound))
    }

    async fn tell_end(&self, caller: &Caller, sink: &LogSink, run: &WorkflowRunId, end: Option<&End>) -> Result<(), JobError> {
        use gristmill_workflow::agent::ports::TurnSink;
        let mut run = match self.state.workflows.find(caller, run).await {
            Ok(run) => run,
            // The project was deleted meanwhile: there is nobody to tell.
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(job_error(&ApiError::store(ErrorCode::WorkflowNotFound)(error))),
        };
        if end.is_none() && run.status == WorkflowStatus::Running {
            // Another turn of it runs already.
            run.status = WorkflowStatus::Interrupted;
        }
        for event in wire::ending(&run, None, end, true, "") {
            if let Err(error) = sink.emit(event).await {
                tracing::debug!(%error, "the end of a turn was not told");
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl JobHandler for TurnHandler {
    fn kind(&self) -> JobKind {
        JobKind::AgentTurn
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        match Box::pin(self.work(&context)).await {
            Ok(verdict) => verdict,
            // What is recorded stays, and another attempt goes on from there.
            Err(error) if error.code == ErrorCode::DatabaseUnavailable.as_str() => JobVerdict::Finished(JobOutcome::Retry(error)),
            Err(error) => JobVerdict::Finished(JobOutcome::Failed(error)),
        }
    }
}

fn port_error(error: &gristmill_workflow::ports::PortError) -> JobError {
    JobError::new(error.code, error.message.clone())
}

fn job_error(error: &ApiError) -> JobError {
    error.log();
    JobError::new(error.code(), error.to_string())
}
