//! The driver: does what the machine wants, and records it.

mod asking;
mod ending;

use std::{sync::Arc, time::Duration};

use gristmill_domain::{
    Caller, DatasetId, ErrorCode,
    workflows::{
        ApprovalDecision, NewWorkflowEvent, RunRecord, ToolCall, ToolName, ToolResult, WorkflowEvent, WorkflowRun,
        WorkflowStatus, event_types,
    },
};
use gristmill_llm::Provider;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    machine::{self, Effect, State},
    ports::{Knowledge, KnowledgeSource, Told, TurnSink, TurnStore},
    turn::{Decision, PlannedCall, TurnEvent},
    wire,
};
use crate::{
    ports::PortError,
    tools::{
        ToolContext, ToolHost, ToolOutput, output,
        registry::{self, ToolGroup},
    },
};

/// How long a call that should stop may take to do so, before it is dropped.
const STOP_GRACE: Duration = Duration::from_millis(1_500);

/// How turns are worked on.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Tokens of conversation that a model is sent. Default 48,000.
    pub history_tokens: usize,
    /// Longest wait for one answer of a model. Default 180 s.
    pub answer_timeout: Duration,
    /// Most tokens of models that one turn may use. Default 2,000,000.
    pub turn_tokens_max: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { history_tokens: 48_000, answer_timeout: Duration::from_secs(180), turn_tokens_max: 2_000_000 }
    }
}

/// Works on one turn.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The language model.
    pub provider: Arc<dyn Provider>,
    /// The tools.
    pub tools: Arc<dyn ToolHost>,
    /// What is known of projects.
    pub knowledge: Arc<dyn KnowledgeSource>,
    /// The run.
    pub store: Arc<dyn TurnStore>,
    /// The client.
    pub sink: Arc<dyn TurnSink>,
    /// How.
    pub options: EngineOptions,
}

/// How work on a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// The turn has ended, and the client was told.
    Ended,
    /// It was asked to stop. What happened until then is recorded; the turn can be taken up again.
    Stopped,
}

/// Why work on a turn could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The run is gone, or no turn of it has begun.
    #[error("there is no such turn")]
    NoTurn,
    /// The run was interrupted, or another turn of it has begun.
    #[error("the turn has ended")]
    Over,
    /// Something outside failed.
    #[error("{0}")]
    Port(#[from] PortError),
}

/// A turn on its way.
struct Work<'e> {
    engine: &'e Engine,
    caller: Caller,
    run: WorkflowRun,
    state: State,
    knowledge: Knowledge,
    stop: &'e CancellationToken,
    /// Position of the last event that is recorded.
    recorded: i64,
    /// Events that are recorded with the next ones.
    waiting: Vec<NewWorkflowEvent>,
    /// Whether text of the last answer was streamed.
    was_streamed: bool,
    /// Whether the end of the turn is recorded.
    is_recorded: bool,
    /// What the client was told before.
    told: Told,
}

impl Engine {
    /// Works on the last turn of the run until it ends, or until `stop` fires.
    ///
    /// # Errors
    /// When it cannot go on. What was recorded stays; another server may take the turn up.
    ///
    /// # Cancel safety
    /// May be dropped at any time: recorded events lead back to where it was, and a call that had begun is made again under
    /// the same key.
    pub async fn work(&self, caller: &Caller, stop: &CancellationToken) -> Result<TurnEnd, TurnError> {
        let (run, events) = self.store.load().await?;
        let state = State::of(&run, &events).ok_or(TurnError::NoTurn)?;
        let of_turn = events.iter().rev().take_while(|event| event.event_type != event_types::TURN_STARTED);
        let is_recorded = of_turn.filter_map(TurnEvent::read).any(|event| matches!(event, TurnEvent::Ended(_)));
        if run.status != WorkflowStatus::Running && !is_recorded {
            // Nothing that it does could be recorded: no model is asked, and no call is made again.
            return Err(TurnError::Over);
        }
        let told = self.sink.told().await?;
        let was_streamed = matches!(&state.effect, Effect::End(_)) && state.answers().next_back().is_some();
        let work = Work {
            engine: self,
            caller: caller.clone(),
            run,
            state,
            knowledge: Knowledge::default(),
            stop,
            recorded: events.last().map_or(0, |event| event.sequence),
            waiting: Vec::new(),
            was_streamed,
            is_recorded,
            told,
        };
        work.catch_up(&events).await?;
        // The state has what it needs of them; long results would be kept twice for as long as the turn takes.
        drop(events);
        work.go().await
    }
}

impl Work<'_> {
    /// Tells the client what another server recorded and did not tell.
    async fn catch_up(&self, events: &[WorkflowEvent]) -> Result<(), TurnError> {
        let Some(first) = events.iter().rposition(|event| event.event_type == event_types::TURN_STARTED) else { return Ok(()) };
        for event in events.iter().skip(first).filter(|event| event.sequence > self.told.sequence) {
            let untold = match TurnEvent::read(event) {
                Some(TurnEvent::Started(planned)) => wire::tool_started(&planned.call, event.sequence),
                Some(TurnEvent::Executed(done)) => wire::tool_executed(&done.0, &done.1, event.sequence),
                _ => continue,
            };
            self.engine.sink.emit(untold).await?;
        }
        Ok(())
    }

    async fn go(mut self) -> Result<TurnEnd, TurnError> {
        if !matches!(self.state.effect, Effect::End(_) | Effect::Prepare) {
            // Taken up again: what is known is gathered anew, what was decided from it stays.
            let Some(gathered) = self.gather().await? else { return Ok(TurnEnd::Stopped) };
            self.knowledge = gathered;
        }
        loop {
            if self.stop.is_cancelled() {
                return Ok(TurnEnd::Stopped);
            }
            let event = match self.state.effect.clone() {
                Effect::Prepare => {
                    let Some(gathered) = self.gather().await? else { return Ok(TurnEnd::Stopped) };
                    self.knowledge = gathered;
                    Some(TurnEvent::Prepared(Box::new(self.knowledge.facts.clone())))
                }
                Effect::Ask(ask) => Box::pin(self.ask(&ask)).await?,
                Effect::Run(planned) => Box::pin(self.call(*planned)).await?,
                Effect::End(end) => {
                    let refused = Box::pin(self.refuse(&end)).await?;
                    if refused.is_none() {
                        Box::pin(self.end(*end)).await?;
                        return Ok(TurnEnd::Ended);
                    }
                    refused
                }
            };
            let Some(event) = event else { return Ok(TurnEnd::Stopped) };
            self.happened(event);
        }
    }

    /// What is known. `None`: it was asked to stop; a search of documents may wait for a model of vectors.
    async fn gather(&self) -> Result<Option<Knowledge>, TurnError> {
        let request = &self.state.turn.request;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(None),
            gathered = self.engine.knowledge.gather(&self.caller, &self.run, request) => Ok(Some(gathered?)),
        }
    }

    /// Takes an event in that is recorded with the next ones, or was recorded.
    fn happened(&mut self, event: TurnEvent) {
        if !matches!(event, TurnEvent::Executed(_) | TurnEvent::Started(_)) {
            self.waiting.push(event.stored());
        }
        // The state is taken out for a moment, so that it need not be copied.
        let blank = State::begin(self.state.turn.clone(), Vec::new());
        let state = std::mem::replace(&mut self.state, blank);
        self.state = machine::next(state, event).0;
    }

    /// Makes a call: that it begins is recorded first, and then what came of it. `None`: it was asked to stop.
    async fn call(&mut self, planned: PlannedCall) -> Result<Option<TurnEvent>, TurnError> {
        let is_begun = self.state.current.as_ref().is_some_and(|current| current.call.id == planned.call.id);
        if !is_begun {
            let started = TurnEvent::Started(Box::new(planned.clone()));
            let decisions = planned.decision.iter().map(|decision| self.decided(decision)).collect();
            let record = RunRecord { decisions, may_be_lost: is_harmless(planned.call.tool), ..RunRecord::default() };
            let sequence = self.record(vec![started.stored()], record).await?;
            self.engine.sink.emit(wire::tool_started(&planned.call, sequence)).await?;
            self.happened(started);
        }
        let Some(made) = self.make(&planned).await else { return Ok(None) };
        let call = planned.call;
        let result = ToolResult {
            id: call.id.clone(),
            tool: call.tool,
            output: made.output.map(|value| output::cap(call.tool, &call.args, value).output),
            error: made.error.map(|error| output::cap_error(&error)),
        };
        let active = result.output.as_ref().filter(|_| result.error.is_none()).and_then(|made| active_dataset(call.tool, made));
        let executed = TurnEvent::Executed(Box::new((call.clone(), result.clone())));
        let may_be_lost = is_found_again(call.tool);
        let record = RunRecord { active_dataset_id: active, may_be_lost, ..RunRecord::default() };
        let sequence = self.record(vec![executed.stored()], record).await?;
        // Of a call that is made again because the database lost its result, the client may have been told already.
        if !is_begun || sequence > self.told.sequence {
            self.engine.sink.emit(wire::tool_executed(&call, &result, sequence)).await?;
        }
        Ok(Some(executed))
    }

    /// A decision with who made it: whoever sent the turn.
    fn decided(&self, decision: &Decision) -> ApprovalDecision {
        let Decision { subject_hash, is_approved } = decision.clone();
        ApprovalDecision { subject_hash, is_approved, by: self.state.turn.by }
    }

    /// Where a call runs.
    fn context(&self, call: &ToolCall, decision: Option<&Decision>) -> ToolContext {
        let facts = self.state.facts.as_ref();
        ToolContext {
            caller: self.caller.clone(),
            project: self.run.project_id,
            run: Some(self.run.id.clone()),
            phase: Some(self.run.phase),
            dataset: self.run.active_dataset_id,
            notebook: facts.and_then(|facts| facts.notebook).or(self.run.active_notebook_id),
            key: format!("{}/{}", self.run.id, call.id),
            is_approved: decision.is_some_and(|decision| decision.is_approved),
            stop: self.stop.clone(),
        }
    }

    async fn make(&self, planned: &PlannedCall) -> Option<ToolOutput> {
        let call = &planned.call;
        let context = self.context(call, planned.decision.as_ref());
        let args = with_ours(planned, context.dataset);
        let mut running = Box::pin(self.engine.tools.run(&context, call.tool, &args));
        tokio::select! {
            biased;
            // First: it sees the same token, and what it says when it is told to stop is no result. Recorded, it would be a
            // failure to whoever takes the turn up.
            () = self.stop.cancelled() => {}
            made = &mut running => return (!self.stop.is_cancelled()).then_some(made),
        }
        // It may need a moment to leave things in order.
        drop(tokio::time::timeout(STOP_GRACE, running).await);
        None
    }

    /// Records events, with those that wait. Returns the position of the last.
    async fn record(&mut self, events: Vec<NewWorkflowEvent>, record: RunRecord) -> Result<i64, TurnError> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(events);
        let record = RunRecord { after: Some(self.recorded), events: all, ..record };
        let (run, last) = self.engine.store.record(record).await?;
        self.run = run;
        self.recorded = last;
        Ok(last)
    }
}

/// The arguments with those that the server adds (contract 2, section 3.6). The others that the contract names are in the
/// context, where no model can put them.
fn with_ours(planned: &PlannedCall, dataset: Option<DatasetId>) -> Map<String, Value> {
    let call = &planned.call;
    let mut args = call.args.clone();
    args.insert("toolCallId".to_owned(), call.id.clone().into());
    if matches!(call.tool, ToolName::GetDatasetProfile | ToolName::GetDatasetSample)
        && let Some(dataset) = dataset
    {
        args.entry("datasetId").or_insert_with(|| json!(dataset));
    }
    args
}

/// Whether a call changes nothing, so that not even that it begins must be on the disk before it does.
fn is_harmless(tool: ToolName) -> bool {
    registry::group(tool) == ToolGroup::Data
}

/// Whether the result of a call need not wait for the disk, because the call gives it anew when it is made again: it changes
/// nothing, or what it changed is in the database, on the disk before the result is known (ADR 0023). Packages are not.
fn is_found_again(tool: ToolName) -> bool {
    registry::group(tool) != ToolGroup::Packages
}

/// The dataset that is worked on after a call.
fn active_dataset(tool: ToolName, made: &Value) -> Option<DatasetId> {
    let key = match tool {
        ToolName::SetActiveDataset => "datasetId",
        ToolName::RestoreCheckpoint => "activeDatasetId",
        ToolName::CommitTransformationStep => "derivedDatasetId",
        _ => return None,
    };
    made[key].as_str()?.parse().ok()
}

impl TurnError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoTurn => ErrorCode::NotFound,
            Self::Over => ErrorCode::Conflict,
            Self::Port(error) => error.code,
        }
    }
}
