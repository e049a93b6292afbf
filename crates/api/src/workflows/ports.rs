//! The engine's ports over the server's repositories: the run under its job's lease, and the job's log.

use actix_web::web;
use async_trait::async_trait;
use gristmill_domain::{
    Caller, ErrorCode, JobId, ProjectId,
    jobs::{Lease, NewJobEvent},
    ports::StoreError,
    workflows::{RunRecord, WorkflowEvent, WorkflowRun, WorkflowRunId, WorkflowStatus},
};
use gristmill_jobs::{EventWriter, JobContext};
use gristmill_persistence::repo::workflows::Workflows;
use gristmill_workflow::{
    agent::{
        machine::{REMEMBERED, left_out},
        ports::{ClientEvent, Told, TurnSink, TurnStore},
        wire::PLAIN,
    },
    ports::PortError,
    tools::ToolOutput,
    training::{Change, ExperimentStore, TrainingRun, experiments::Experiments},
};
use serde_json::{Value, json};

use crate::{error::ApiError, state::AppState};

/// Events of a log that are read at once: each may have a result of 50,000 characters.
const PAGE: u32 = 100;
/// The same where only the beginning matters: the run as it was taken up comes after what tells of queueing and starts.
const FIRST_PAGE: u32 = 32;
/// Where a job event says which event of the run it tells.
const SEQUENCE: &str = "_sequence";

/// A run under the lease of its turn's job.
#[derive(Debug)]
pub(super) struct LeasedRun {
    state: web::Data<AppState>,
    caller: Caller,
    lease: Lease,
    run: WorkflowRunId,
    /// Position of the turn's first event.
    turn: i64,
}

impl LeasedRun {
    /// For the job that `context` is of.
    pub(super) fn new(state: &web::Data<AppState>, caller: Caller, context: &JobContext, run: WorkflowRunId) -> Self {
        let turn = context.job().payload.get("turn").and_then(Value::as_i64).unwrap_or(i64::MAX);
        Self { state: state.clone(), caller, lease: context.lease(), run, turn }
    }
}

#[async_trait]
impl TurnStore for LeasedRun {
    async fn load(&self) -> Result<(WorkflowRun, Vec<WorkflowEvent>), PortError> {
        let mut run = self.state.workflows.find(&self.caller, &self.run).await.map_err(store)?;
        let found = self.state.workflows.turn_events(&self.caller, &self.run, self.turn, &REMEMBERED).await;
        let found = found.map_err(store)?;
        let mut events = found.events;
        if found.left_out > 0 {
            events.insert(0, left_out(found.left_out));
        }
        if !found.is_last && run.status == WorkflowStatus::Running {
            // Another turn has begun while nobody worked on this one's job: it is not this job's business.
            run.status = WorkflowStatus::Interrupted;
        }
        Ok((run, events))
    }

    async fn record(&self, record: RunRecord) -> Result<(WorkflowRun, i64), PortError> {
        self.state.workflows.record(self.lease, &self.run, record, self.state.clock.now()).await.map_err(store)
    }
}

pub(super) fn store(error: StoreError) -> PortError {
    if matches!(error, StoreError::LeaseLost | StoreError::Conflict(_)) {
        return PortError {
            code: ErrorCode::Conflict,
            message: "The turn has ended, or another server has it".to_owned(),
            source: Some(Box::new(error)),
        };
    }
    let error = ApiError::store(ErrorCode::WorkflowNotFound)(error);
    PortError { code: error.code(), message: error.to_string(), source: Some(Box::new(error)) }
}

/// The log of a turn's job. What it tells of the run is committed there already, so it may wait for others here.
#[derive(Debug)]
pub(super) struct LogSink {
    state: web::Data<AppState>,
    caller: Caller,
    job: JobId,
    events: EventWriter,
}

impl LogSink {
    pub(super) fn new(state: &web::Data<AppState>, caller: Caller, context: &JobContext) -> Self {
        Self { state: state.clone(), caller, job: context.job().id, events: context.events().clone() }
    }

    /// Whether something of the turn was told.
    pub(super) async fn has_begun(&self) -> Result<bool, PortError> {
        let events = self.state.jobs.events(&self.caller, self.job, 0, FIRST_PAGE).await.map_err(store)?;
        Ok(events.iter().any(|event| event.event_type == "workflow_state"))
    }
}

#[async_trait]
impl TurnSink for LogSink {
    async fn emit(&self, event: ClientEvent) -> Result<(), PortError> {
        let mut data = event.data;
        if event.sequence > 0
            && let Value::Object(fields) = &mut data
        {
            fields.insert(SEQUENCE.to_owned(), json!(event.sequence));
        }
        let told = NewJobEvent::new(event.name, data);
        let appended =
            if event.name == "done" { self.events.push(told).await.map(drop) } else { self.events.push_delta(told).await };
        appended.map_err(|error| PortError {
            code: ErrorCode::Conflict,
            message: "The log of the turn takes no more events".to_owned(),
            source: Some(Box::new(error)),
        })
    }

    async fn told(&self) -> Result<Told, PortError> {
        let (mut after, mut told, mut states) = (0, Told::default(), 0);
        loop {
            let events = self.state.jobs.events(&self.caller, self.job, after, PAGE).await.map_err(store)?;
            let Some(last) = events.last() else { return Ok(told) };
            after = last.seq;
            for event in &events {
                told.sequence = event.data.get(SEQUENCE).and_then(Value::as_i64).unwrap_or(0).max(told.sequence);
                // The first is the run as it was taken up.
                states += usize::from(event.event_type == "workflow_state");
                told.ending += usize::from(states > 1 && PLAIN.contains(&event.event_type.as_str()));
            }
        }
    }
}

/// The experiments of runs, in their metadata.
#[derive(Debug, Clone)]
pub struct StoredExperiments {
    workflows: Workflows,
}

impl StoredExperiments {
    /// Over this repository.
    #[must_use]
    pub fn new(workflows: Workflows) -> Self {
        Self { workflows }
    }
}

fn training_run(run: &WorkflowRun, begun: &WorkflowEvent) -> TrainingRun {
    TrainingRun {
        turn: begun.sequence,
        target: begun.payload.get("targetColumn").and_then(Value::as_str).map(str::to_owned),
        experiments: Experiments::read(&run.metadata),
    }
}

#[async_trait]
impl ExperimentStore for StoredExperiments {
    async fn load(&self, caller: &Caller, project: ProjectId, run: &WorkflowRunId) -> Result<TrainingRun, StoreError> {
        let (found, begun) = self.workflows.find_with_turn(caller, run).await?;
        if found.project_id != project {
            return Err(StoreError::NotFound);
        }
        Ok(training_run(&found, &begun))
    }

    async fn update(
        &self,
        caller: &Caller,
        project: ProjectId,
        run: &WorkflowRunId,
        _key: &str,
        change: Change<'_>,
    ) -> Result<ToolOutput, StoreError> {
        let decide = |run: &WorkflowRun, begun: &WorkflowEvent| {
            let changed = change(&training_run(run, begun));
            let metadata = changed.experiments.map(|experiments| {
                let mut metadata = run.metadata.clone();
                metadata.insert("experiments".to_owned(), experiments.to_value());
                metadata
            });
            (metadata, changed.output)
        };
        self.workflows.update_metadata(caller, project, run, decide).await
    }
}
