//! A run in memory, a client that keeps what it is told, and tools whose effects are counted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::DateTime;
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, ProjectId, UserId,
    workflows::{
        ApprovalDecision, Phase, RunRecord, ToolName, WorkflowEvent, WorkflowRun, WorkflowRunId, WorkflowStatus, event_types,
    },
};
use gristmill_llm::scripted::Scripted;
use gristmill_workflow::{
    agent::{
        Engine, EngineOptions, TurnEnd, TurnError,
        ports::{ClientEvent, Knowledge, KnowledgeSource, Material, Told, TurnSink, TurnStore},
        turn::{ColumnFacts, DatasetFacts, Facts, TurnRequest},
    },
    ports::PortError,
    tools::{ToolContext, ToolHost, ToolOutput},
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// A run in memory. It breaks after so many more writes: before a write, or after it. Or it crashes, and loses what may be lost.
#[derive(Debug, Default)]
pub(crate) struct Store {
    state: Mutex<Option<(WorkflowRun, Vec<WorkflowEvent>)>>,
    pub(crate) breaks: Mutex<Option<(usize, bool)>>,
    /// After how many more writes it crashes.
    pub(crate) crashes: Mutex<Option<usize>>,
    /// Events that crashes took.
    pub(crate) lost: Mutex<usize>,
    /// How many events are on the disk.
    durable: Mutex<usize>,
    pub(crate) writes: Mutex<usize>,
    pub(crate) decisions: Mutex<Vec<ApprovalDecision>>,
}

fn broken() -> PortError {
    PortError::new(ErrorCode::DatabaseUnavailable, "the store broke")
}

impl Store {
    pub(crate) fn run(&self) -> WorkflowRun {
        self.state.lock().unwrap().clone().unwrap().0
    }

    pub(crate) fn events(&self) -> Vec<WorkflowEvent> {
        self.state.lock().unwrap().clone().unwrap().1
    }

    /// The run without times, with its events.
    pub(crate) fn picture(&self) -> Value {
        let (run, events) = (self.run(), self.events());
        let events: Vec<Value> = events.iter().map(|event| json!([event.sequence, event.event_type, event.payload])).collect();
        json!({
            "status": run.status, "node": run.current_node, "pending": run.pending_input, "pause": run.pause_reason,
            "failure": [run.failure_code, run.failure_message], "dataset": run.active_dataset_id, "events": events,
        })
    }

    /// Somebody interrupts the run.
    pub(crate) fn interrupt(&self) {
        self.state.lock().unwrap().as_mut().unwrap().0.status = WorkflowStatus::Interrupted;
    }

    /// Counts a write, and loses at the last one what is not on the disk. Returns whether it did.
    fn crash(&self) -> bool {
        let mut crashes = self.crashes.lock().unwrap();
        let Some(left) = crashes.as_mut() else { return false };
        if *left > 0 {
            *left -= 1;
            return false;
        }
        let mut state = self.state.lock().unwrap();
        let events = &mut state.as_mut().unwrap().1;
        let durable = *self.durable.lock().unwrap();
        *self.lost.lock().unwrap() += events.len() - durable;
        events.truncate(durable);
        true
    }

    /// All that was written until now is on the disk.
    fn flush(&self) {
        *self.durable.lock().unwrap() = self.events().len();
    }

    fn append(&self, event_type: &str, payload: Value) {
        let mut state = self.state.lock().unwrap();
        let events = &mut state.as_mut().unwrap().1;
        let sequence = i64::try_from(events.len()).unwrap() + 1;
        events.push(WorkflowEvent { sequence, event_type: event_type.to_owned(), payload, created_at: DateTime::UNIX_EPOCH });
    }
}

#[async_trait]
impl TurnStore for Store {
    async fn load(&self) -> Result<(WorkflowRun, Vec<WorkflowEvent>), PortError> {
        Ok((self.run(), self.events()))
    }

    async fn record(&self, record: RunRecord) -> Result<(WorkflowRun, i64), PortError> {
        let breaks = {
            let mut breaks = self.breaks.lock().unwrap();
            match breaks.as_mut() {
                Some((0, after)) => Some(*after),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            }
        };
        if breaks == Some(false) || self.crash() {
            return Err(broken());
        }
        if self.run().status != WorkflowStatus::Running {
            return Err(PortError::new(ErrorCode::Conflict, "the turn has ended"));
        }
        assert_eq!(record.after, self.events().last().map(|event| event.sequence), "what is recorded follows what is known");
        *self.writes.lock().unwrap() += 1;
        let is_plain = record.standing.is_none() && record.active_dataset_id.is_none() && record.decisions.is_empty();
        let waits = !(record.may_be_lost && is_plain);
        self.decisions.lock().unwrap().extend(record.decisions);
        for event in record.events {
            self.append(&event.event_type, event.payload);
        }
        if waits {
            self.flush();
        }
        let mut state = self.state.lock().unwrap();
        let (run, events) = state.as_mut().unwrap();
        if let Some(standing) = record.standing {
            run.status = standing.status;
            run.current_node = standing.current_node;
            run.pending_input = standing.pending_input;
            run.pause_reason = standing.pause_reason;
            run.failure_code = standing.failure_code;
            run.failure_message = standing.failure_message;
        }
        run.active_dataset_id = record.active_dataset_id.or(run.active_dataset_id);
        if breaks == Some(true) {
            return Err(broken());
        }
        Ok((run.clone(), i64::try_from(events.len()).unwrap()))
    }
}

/// A client that keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) events: Mutex<Vec<ClientEvent>>,
}

impl Client {
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().iter().map(|event| event.name).collect()
    }

    pub(crate) fn of(&self, name: &str) -> Vec<Value> {
        self.events.lock().unwrap().iter().filter(|event| event.name == name).map(|event| event.data.clone()).collect()
    }
}

#[async_trait]
impl TurnSink for Client {
    async fn emit(&self, event: ClientEvent) -> Result<(), PortError> {
        self.events.lock().unwrap().push(event);
        Ok(())
    }

    async fn told(&self) -> Result<Told, PortError> {
        let events = self.events.lock().unwrap();
        let sequence = events.iter().map(|event| event.sequence).max().unwrap_or(0);
        let of_turn = events.iter().rev().take_while(|event| event.name != "done");
        let place = of_turn.enumerate().filter(|(_, event)| event.name == "workflow_state").last();
        Ok(Told { sequence, ending: place.map_or(0, |(at, _)| at + 1) })
    }
}

/// What a tool answers: its arguments, and how often it was called before.
pub(crate) type Answer = fn(&Map<String, Value>, usize) -> ToolOutput;

/// The key of an effect, its tool, its arguments, and whether a person approved.
type EffectOf = (String, ToolName, Map<String, Value>, bool);

/// Tools that answer as told, once under each key.
#[derive(Default)]
pub(crate) struct Tools {
    answers: HashMap<ToolName, Answer>,
    /// The hash of what calls would take away now.
    pub(crate) lost: Mutex<Option<String>>,
    /// Why calls that a person would be asked about can only fail.
    pub(crate) refusal: Mutex<Option<String>>,
    pub(crate) effects: Mutex<Vec<EffectOf>>,
    done: Mutex<BTreeMap<String, ToolOutput>>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

impl Tools {
    pub(crate) fn with(mut self, tool: ToolName, answer: Answer) -> Self {
        self.answers.insert(tool, answer);
        self
    }

    pub(crate) fn called(&self) -> Vec<ToolName> {
        self.effects.lock().unwrap().iter().map(|(_, tool, ..)| *tool).collect()
    }
}

#[async_trait]
impl ToolHost for Tools {
    async fn run(&self, context: &ToolContext, tool: ToolName, args: &Map<String, Value>) -> ToolOutput {
        if let Some(done) = self.done.lock().unwrap().get(&context.key) {
            return done.clone();
        }
        let before = self.called().iter().filter(|called| **called == tool).count();
        self.effects.lock().unwrap().push((context.key.clone(), tool, args.clone(), context.is_approved));
        let output = match self.answers.get(&tool) {
            Some(answer) => answer(args, before),
            None => ToolOutput::failed("there is no such tool in this test"),
        };
        self.done.lock().unwrap().insert(context.key.clone(), output.clone());
        output
    }

    async fn refusal(&self, _: &ToolContext, _: ToolName, _: &Map<String, Value>) -> Option<String> {
        self.refusal.lock().unwrap().clone()
    }

    async fn lost_hash(&self, _: &ToolContext, _: ToolName, _: &Map<String, Value>) -> Result<Option<String>, PortError> {
        Ok(self.lost.lock().unwrap().clone())
    }
}

#[derive(Debug)]
struct Known(Facts);

#[async_trait]
impl KnowledgeSource for Known {
    async fn gather(&self, _: &Caller, _: &WorkflowRun, _: &TurnRequest) -> Result<Knowledge, PortError> {
        let material = vec![Material { kind: "dataset", text: "penguins.csv, 344 rows".to_owned() }];
        Ok(Knowledge { facts: self.0.clone(), material })
    }
}

/// A run with what works on it.
pub(crate) struct Bench {
    pub(crate) store: Arc<Store>,
    pub(crate) client: Arc<Client>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) model: Scripted,
    script: Value,
    facts: Facts,
    caller: Caller,
}

impl Bench {
    pub(crate) fn new(phase: Phase, tools: Tools, script: Value) -> Self {
        let project = ProjectId(uuid::Uuid::from_u128(7));
        let dataset = DatasetId(uuid::Uuid::from_u128(9));
        let run = WorkflowRun {
            id: WorkflowRunId::parse("run-1").unwrap(),
            thread_id: "thread-1".to_owned(),
            project_id: project,
            phase,
            status: WorkflowStatus::Running,
            current_node: "bootstrap_context".to_owned(),
            revision: 1,
            active_dataset_id: (phase != Phase::Onboarding).then_some(dataset),
            active_notebook_id: None,
            pending_input: None,
            pause_reason: None,
            failure_code: None,
            failure_message: None,
            metadata: Map::new(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let facts = Facts {
            dataset: Some(DatasetFacts {
                id: dataset,
                version: 1,
                filename: "penguins.csv".to_owned(),
                file_type: "csv".to_owned(),
                columns: vec![ColumnFacts { name: "bill_length_mm".to_owned(), dtype: "float".to_owned() }],
            }),
            ..Facts::default()
        };
        let store = Store { state: Mutex::new(Some((run, Vec::new()))), ..Store::default() };
        Self {
            store: Arc::new(store),
            client: Arc::default(),
            tools: Arc::new(tools),
            model: Scripted::from_value(&script).unwrap(),
            script,
            facts,
            caller: Caller::of_job(UserId(uuid::Uuid::from_u128(3)), gristmill_domain::JobId(uuid::Uuid::from_u128(5))),
        }
    }

    /// Begins a turn, as the server does.
    pub(crate) fn begin(&self, prompt: &str) {
        self.begin_with(json!({ "prompt": prompt }));
    }

    pub(crate) fn begin_with(&self, request: Value) {
        let was = self.store.run().status;
        let is_first = self.store.events().is_empty();
        let mut payload = request;
        payload["statusBefore"] = if is_first { json!("new") } else { json!(was) };
        payload["by"] = json!(self.caller.user_id);
        self.store.append(event_types::TURN_STARTED, payload);
        self.store.flush();
        let mut state = self.store.state.lock().unwrap();
        let run = &mut state.as_mut().unwrap().0;
        run.status = WorkflowStatus::Running;
        (run.pending_input, run.pause_reason) = (None, None);
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine {
            provider: Arc::new(self.model.clone()),
            tools: self.tools.clone(),
            knowledge: Arc::new(Known(self.facts.clone())),
            store: self.store.clone(),
            sink: self.client.clone(),
            options: EngineOptions::default(),
        }
    }

    pub(crate) async fn work(&self) -> Result<TurnEnd, TurnError> {
        self.work_by(&self.engine(), &CancellationToken::new()).await
    }

    /// As [`Self::work`], by another engine and until it is told to stop.
    pub(crate) async fn work_by(&self, engine: &Engine, stop: &CancellationToken) -> Result<TurnEnd, TurnError> {
        engine.work(&self.caller, stop).await
    }

    /// A turn from its beginning to its end.
    pub(crate) async fn turn(&self, prompt: &str) -> WorkflowRun {
        self.begin(prompt);
        assert_eq!(self.work().await.unwrap(), TurnEnd::Ended);
        self.store.run()
    }

    /// The dataset is not there.
    pub(crate) fn forget_dataset(&mut self) {
        self.facts.dataset = None;
    }

    /// The same model from the beginning of its script: another server has its own.
    pub(crate) fn another_server(&mut self) {
        self.model = Scripted::from_value(&self.script).unwrap();
    }
}

pub(crate) fn calls(name: &str, arguments: Value) -> Value {
    json!({ "toolCalls": [{ "name": name, "arguments": arguments }] })
}
