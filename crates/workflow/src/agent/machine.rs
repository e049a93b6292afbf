//! The state machine of a turn: pure, so that recorded events give the same state again.

use std::collections::VecDeque;

use chrono::DateTime;
use gristmill_domain::workflows::{
    Phase, STAGE_HOPS_MAX, TURN_ITERATIONS_MAX, TURN_STEPS_MAX, ToolCall, ToolName, ToolResult, WorkflowEvent, WorkflowRun,
    WorkflowStatus, event_types,
};
use gristmill_llm::{FailureCode, ToolChoice};
use serde_json::{Map, Value, json};

use super::{
    guards, phases,
    turn::{Answer, ApprovalSubject, Decision, End, Facts, PlannedCall, Turn, TurnEvent, TurnRequest},
};
use crate::tools::derived_id;

/// Types of the events of earlier turns that say something to a turn. The others were of use while their turn went on.
pub const REMEMBERED: [&str; 6] = [
    event_types::TURN_STARTED,
    "model_answered",
    event_types::TOOL_EXECUTED,
    event_types::COMPLETED,
    event_types::PAUSED,
    event_types::FAILED,
];
/// Type of the event that stands for what a store left out.
const LEFT_OUT: &str = "earlier_left_out";

/// The event that stands, before all others, for so many events of earlier turns that a store left out. It is stored nowhere.
#[must_use]
pub fn left_out(count: u64) -> WorkflowEvent {
    WorkflowEvent {
        sequence: 0,
        event_type: LEFT_OUT.to_owned(),
        payload: json!({ "count": count }),
        created_at: DateTime::UNIX_EPOCH,
    }
}

/// How a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskMode {
    /// What it says is streamed.
    Text,
    /// It must act; what it says beside is not streamed.
    Action,
    /// It is asked for code, which is not streamed.
    Code,
    /// It is asked for JSON, which is not streamed.
    Json,
}

/// A question to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The node that it is asked at.
    pub node: &'static str,
    /// How.
    pub mode: AskMode,
    /// What it may call.
    pub tools: Vec<ToolName>,
    /// Whether it may draw something for the person (`render_ui`).
    pub may_render: bool,
    /// Whether it must call something.
    pub choice: ToolChoice,
    /// What it is told to do now, beside what the phase always tells it.
    pub directive: Option<String>,
    /// Tokens that it may write.
    pub output_tokens_max: u32,
}

impl Ask {
    /// Asks for text, with tools as the model sees fit.
    #[must_use]
    pub fn text(node: &'static str, tools: Vec<ToolName>) -> Self {
        Self {
            node,
            mode: AskMode::Text,
            tools,
            may_render: false,
            choice: ToolChoice::Auto,
            directive: None,
            output_tokens_max: 4096,
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Gather what is known.
    Prepare,
    /// Ask the model.
    Ask(Box<Ask>),
    /// Make a call.
    Run(Box<PlannedCall>),
    /// End the turn.
    End(Box<End>),
}

/// An entry of a run's conversation, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// So many entries of earlier turns are not known any more.
    LeftOut(u64),
    /// The person said this.
    Asked(String),
    /// The model said this, and made these calls.
    Said(Answer),
    /// A call was made.
    Did(Exchange),
    /// The server tells the model something.
    Noted(String),
    /// The turn ended with a question to the person.
    Waits(ApprovalSubject),
}

/// A call with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The call.
    pub call: ToolCall,
    /// What came of it.
    pub result: ToolResult,
    /// What was decided by a person, if it carried a decision out.
    pub decision: Option<Decision>,
}

impl Exchange {
    /// A field of its output.
    #[must_use]
    pub fn output(&self, key: &str) -> &Value {
        self.result.output.as_ref().map_or(&Value::Null, |output| &output[key])
    }
}

/// A turn on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The turn.
    pub turn: Turn,
    /// What was known when it began; absent: that is not gathered yet.
    pub facts: Option<Facts>,
    /// The conversation of the run until now.
    pub log: Vec<Entry>,
    /// Where this turn begins in it.
    pub began: usize,
    /// Calls to be made.
    pub pending: VecDeque<PlannedCall>,
    /// The call that is being made.
    pub current: Option<PlannedCall>,
    /// The node that it is at.
    pub node: &'static str,
    /// What to do next.
    pub effect: Effect,
    /// Calls that were made or begun in this turn.
    pub iterations: u32,
    /// Changes of node since the last call.
    pub hops: u32,
    /// Steps of the machine.
    pub steps: u32,
    /// Answers that could not be used, one after the other.
    pub useless: u32,
    /// Calls that the server made by itself, for their ids.
    made: u32,
}

/// What a phase wants next.
pub(super) enum Next {
    /// Ask the model.
    Ask(Ask),
    /// Make these calls.
    Calls(&'static str, Vec<(ToolName, Map<String, Value>, Option<Decision>)>),
    /// End the turn.
    End(End),
}

/// What becomes of an answer.
pub(super) enum Heard {
    /// These calls are to be made.
    Calls(Vec<ToolCall>),
    /// It cannot be used; the model is told so and asked again.
    Useless(String),
    /// The turn ends.
    End(End),
    /// The phase decides again.
    GoOn,
}

/// A change of the state by what happened. The effects are to be done in order; there is always one.
#[must_use]
pub fn next(mut state: State, event: TurnEvent) -> (State, Vec<Effect>) {
    if matches!(state.effect, Effect::End(_)) && !matches!(event, TurnEvent::Ended(_)) && !is_refusal(&state.effect, &event) {
        let effect = state.effect.clone();
        return (state, vec![effect]);
    }
    let effect = match event {
        TurnEvent::Prepared(facts) => {
            state.facts = Some(*facts);
            state.decide()
        }
        TurnEvent::Answered(answer) => state.hear(*answer),
        TurnEvent::Unanswered { code, message } => Effect::End(Box::new(End::Failed { code, message })),
        TurnEvent::Started(planned) => {
            state.start(&planned);
            Effect::Run(planned)
        }
        TurnEvent::Executed(done) => state.finish(done.0, done.1),
        TurnEvent::Ended(end) => Effect::End(end),
    };
    state.effect = effect.clone();
    (state, vec![effect])
}

/// Whether an event is the call that a person was to be asked about: it could only fail, and the turn goes on with that.
fn is_refusal(effect: &Effect, event: &TurnEvent) -> bool {
    let (Effect::End(end), TurnEvent::Started(planned)) = (effect, event) else { return false };
    let End::AwaitsApproval { subject, .. } = end.as_ref() else { return false };
    phases::asked_call(subject).is_some_and(|call| call.id == planned.call.id)
}

impl State {
    /// The state that a run's events lead to, its last turn at the end. `None` when no turn has begun.
    #[must_use]
    pub fn of(run: &WorkflowRun, events: &[WorkflowEvent]) -> Option<Self> {
        let first = events.iter().rposition(|event| event.event_type == event_types::TURN_STARTED)?;
        let (earlier, turn) = events.split_at(first);
        let mut log = Vec::new();
        for event in earlier {
            remember(&mut log, event);
        }
        let (started, rest) = turn.split_first()?;
        let mut state = Self::begin(read_turn(run, started), log);
        for event in rest.iter().filter_map(TurnEvent::read) {
            state = next(state, event).0;
        }
        Some(state)
    }

    /// The state of a turn that begins.
    #[must_use]
    pub fn begin(turn: Turn, mut log: Vec<Entry>) -> Self {
        let began = log.len();
        if !turn.request.prompt.trim().is_empty() {
            log.push(Entry::Asked(turn.request.prompt.clone()));
        }
        Self {
            turn,
            facts: None,
            log,
            began,
            pending: VecDeque::new(),
            current: None,
            node: "prepare",
            effect: Effect::Prepare,
            iterations: 0,
            hops: 0,
            steps: 0,
            useless: 0,
            made: 0,
        }
    }

    /// The exchanges of this turn, oldest first.
    pub fn exchanges(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.log.iter().skip(self.began).filter_map(exchange)
    }

    /// The exchanges of the whole run, oldest first.
    pub fn all_exchanges(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.log.iter().filter_map(exchange)
    }

    /// What the model said in this turn, oldest first.
    pub fn answers(&self) -> impl DoubleEndedIterator<Item = &Answer> {
        self.log.iter().skip(self.began).filter_map(|entry| match entry {
            Entry::Said(answer) => Some(answer),
            _ => None,
        })
    }

    /// The prompt of this turn.
    #[must_use]
    pub fn prompt(&self) -> &str {
        &self.turn.request.prompt
    }

    /// What the person has said no to with the prompt, when nothing is called for it.
    #[must_use]
    pub fn rejected(&self) -> Option<Decision> {
        phases::rejected(self)
    }

    /// Whether the run was going on when the turn began.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        matches!(self.turn.status_before, Some(WorkflowStatus::Running | WorkflowStatus::Paused))
    }

    fn decide(&mut self) -> Effect {
        loop {
            self.steps += 1;
            if self.steps > TURN_STEPS_MAX {
                return failed(FailureCode::WorkflowBudgetExhausted);
            }
            if let Some(planned) = self.pending.front() {
                if self.iterations + 1 >= TURN_ITERATIONS_MAX {
                    return failed(FailureCode::MaxIterationsExceeded);
                }
                if let Some(end) = guards::refuse(self, &planned.call) {
                    return Effect::End(Box::new(end));
                }
                return Effect::Run(Box::new(planned.clone()));
            }
            match phases::decide(self) {
                Next::Ask(ask) => {
                    self.node = ask.node;
                    return Effect::Ask(Box::new(ask));
                }
                Next::Calls(node, calls) => {
                    self.node = node;
                    for (tool, args, decision) in calls {
                        self.plan(tool, args, decision);
                    }
                }
                Next::End(end) => return Effect::End(Box::new(end)),
            }
        }
    }

    /// Plans a call that the server makes by itself. Its id follows from its place in the run.
    fn plan(&mut self, tool: ToolName, args: Map<String, Value>, decision: Option<Decision>) {
        self.made += 1;
        let id = derived_id(&format!("{}/{}", self.turn.run, self.turn.number), &format!("call {}", self.made));
        let call = ToolCall { id: format!("wf-call-{id}"), tool, args, rationale: None };
        self.pending.push_back(PlannedCall { call, decision });
    }

    fn hear(&mut self, answer: Answer) -> Effect {
        let heard = phases::hear(self, &answer);
        self.log.push(Entry::Said(answer));
        match heard {
            Heard::Calls(calls) => {
                self.useless = 0;
                self.pending.extend(calls.into_iter().map(|call| PlannedCall { call, decision: None }));
                self.decide()
            }
            Heard::GoOn => {
                self.useless = 0;
                self.hops += 1;
                if self.hops > STAGE_HOPS_MAX { failed(no_progress(self.turn.phase)) } else { self.decide() }
            }
            Heard::Useless(why) => {
                self.useless += 1;
                if self.useless > guards::USELESS_MAX {
                    return failed(FailureCode::ModelToolOutputInvalid);
                }
                self.log.push(Entry::Noted(why));
                self.decide()
            }
            Heard::End(end) => {
                self.useless = 0;
                Effect::End(Box::new(end))
            }
        }
    }

    fn start(&mut self, planned: &PlannedCall) {
        if self.pending.front().is_some_and(|first| first.call.id == planned.call.id) {
            self.pending.pop_front();
        }
        self.iterations += 1;
        self.hops = 0;
        self.current = Some(planned.clone());
    }

    fn finish(&mut self, call: ToolCall, result: ToolResult) -> Effect {
        let decision = self.current.take().and_then(|planned| planned.decision);
        self.log.push(Entry::Did(Exchange { call, result, decision }));
        // Calls that were refused in a question's place were not counted before they began.
        if self.iterations >= TURN_ITERATIONS_MAX {
            return failed(FailureCode::MaxIterationsExceeded);
        }
        if let Some(end) = guards::stuck(self) {
            return Effect::End(Box::new(end));
        }
        match phases::executed(self) {
            Some(Next::Calls(node, calls)) => {
                self.node = node;
                // What follows from a call comes before what the model wanted next.
                let waiting = std::mem::take(&mut self.pending);
                for (tool, args, decision) in calls {
                    self.plan(tool, args, decision);
                }
                self.pending.extend(waiting);
                self.decide()
            }
            Some(Next::End(end)) => Effect::End(Box::new(end)),
            Some(Next::Ask(_)) | None => self.decide(),
        }
    }
}

fn exchange(entry: &Entry) -> Option<&Exchange> {
    match entry {
        Entry::Did(exchange) => Some(exchange),
        _ => None,
    }
}

fn failed(code: FailureCode) -> Effect {
    Effect::End(Box::new(End::failed(code)))
}

/// The code of a phase that does not move on.
pub(super) fn no_progress(phase: Phase) -> FailureCode {
    match phase {
        Phase::Preprocessing => FailureCode::PreprocessingNoProgress,
        Phase::FeatureEngineering => FailureCode::FeatureEngineeringNoProgress,
        Phase::Training => FailureCode::TrainingNoProgress,
        Phase::Onboarding => FailureCode::WorkflowNoProgress,
    }
}

fn read_turn(run: &WorkflowRun, started: &WorkflowEvent) -> Turn {
    let payload = &started.payload;
    let request = serde_json::from_value::<TurnRequest>(payload.clone()).unwrap_or_default();
    Turn {
        run: run.id.clone(),
        phase: run.phase,
        number: started.sequence,
        status_before: payload["statusBefore"].as_str().and_then(WorkflowStatus::from_name),
        by: serde_json::from_value(payload["by"].clone()).unwrap_or(gristmill_domain::UserId(uuid::Uuid::nil())),
        began_at: started.created_at,
        request,
    }
}

/// Adds what an event of an earlier turn says to the conversation.
fn remember(log: &mut Vec<Entry>, event: &WorkflowEvent) {
    if event.event_type == LEFT_OUT {
        log.extend(event.payload.get("count").and_then(Value::as_u64).map(Entry::LeftOut));
        return;
    }
    if !REMEMBERED.contains(&event.event_type.as_str()) {
        return;
    }
    if event.event_type == event_types::TURN_STARTED {
        let prompt = event.payload.get("prompt").and_then(Value::as_str).unwrap_or_default();
        if !prompt.trim().is_empty() {
            log.push(Entry::Asked(prompt.to_owned()));
        }
        return;
    }
    match TurnEvent::read(event) {
        Some(TurnEvent::Answered(answer)) => log.push(Entry::Said(*answer)),
        Some(TurnEvent::Executed(done)) => log.push(Entry::Did(Exchange { call: done.0, result: done.1, decision: None })),
        Some(TurnEvent::Ended(end)) => {
            if let End::AwaitsApproval { subject, .. } = *end {
                log.push(Entry::Waits(subject));
            }
        }
        _ => {}
    }
}
