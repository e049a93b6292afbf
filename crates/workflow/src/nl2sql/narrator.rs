//! Tells what is going on, in the contract's events and in their order.

use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use gristmill_domain::{
    Clock,
    datasets::iso_millis,
    nl::{NlBlockEvent, NlBlockKind, NlBlockStatus, NlEvent, NlPhase, NlPhaseEvent, NlResult},
};
use gristmill_llm::{Event, LlmError, OutputSchema, Provider, ProviderInfo, Request, structured};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    error::NlError,
    ports::{EventSink, PortError},
    prompts::printable,
};

/// A block that is said in one go.
pub(super) struct Block<'b> {
    pub(super) kind: NlBlockKind,
    pub(super) title: &'b str,
    pub(super) markdown: &'b str,
    pub(super) attempt: u32,
    pub(super) status: NlBlockStatus,
}

/// Emits events.
#[derive(Debug)]
pub(super) struct Narrator<'a> {
    sink: &'a dyn EventSink,
    clock: &'a dyn Clock,
    provider: ProviderInfo,
    /// The phase that is going on, to be failed when something ends it.
    active: Option<NlPhase>,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(sink: &'a dyn EventSink, clock: &'a dyn Clock, provider: ProviderInfo) -> Self {
        Self { sink, clock, provider, active: None }
    }

    fn now(&self) -> String {
        iso_millis::format(self.clock.now())
    }

    fn phase(&self, phase_id: NlPhase, summary: impl Into<String>, details: Option<Map<String, Value>>) -> NlPhaseEvent {
        let summary: String = summary.into();
        NlPhaseEvent { phase_id, summary: printable(&summary), timestamp: self.now(), details }
    }

    pub(super) async fn start(&mut self, phase: NlPhase, summary: &str) -> Result<(), PortError> {
        self.active = Some(phase);
        self.sink.emit(NlEvent::PhaseStarted(self.phase(phase, summary, None))).await
    }

    pub(super) async fn progress(&self, phase: NlPhase, summary: impl Into<String>) -> Result<(), PortError> {
        self.sink.emit(NlEvent::PhaseProgress(self.phase(phase, summary, None))).await
    }

    pub(super) async fn complete(&mut self, phase: NlPhase, summary: impl Into<String>) -> Result<(), PortError> {
        self.active = None;
        self.sink.emit(NlEvent::PhaseCompleted(self.phase(phase, summary, None))).await
    }

    pub(super) async fn complete_with(&mut self, phase: NlPhase, summary: String, details: Value) -> Result<(), PortError> {
        self.active = None;
        let details = if let Value::Object(details) = details { Some(details) } else { None };
        self.sink.emit(NlEvent::PhaseCompleted(self.phase(phase, summary, details))).await
    }

    /// A phase that failed. What goes on with it takes it up again with [`Self::resume`].
    pub(super) async fn fail(&mut self, phase: NlPhase, summary: impl Into<String>) -> Result<(), PortError> {
        self.active = None;
        self.sink.emit(NlEvent::PhaseFailed(self.phase(phase, summary, None))).await
    }

    /// Takes a failed phase up again.
    pub(super) fn resume(&mut self, phase: NlPhase) {
        self.active = Some(phase);
    }

    fn block(&self, block_id: Uuid, phase: NlPhase, kind: NlBlockKind, title: &str, attempt: u32) -> NlBlockEvent {
        let details = json!({ "provider": self.provider.id, "attempt": attempt });
        NlBlockEvent {
            block_id,
            phase_id: phase,
            kind,
            title: title.to_owned(),
            timestamp: self.now(),
            details: if let Value::Object(details) = details { Some(details) } else { None },
            delta: None,
            status: None,
        }
    }

    pub(super) async fn say(&self, phase: NlPhase, block: Block<'_>) -> Result<(), PortError> {
        let event = self.block(Uuid::new_v4(), phase, block.kind, block.title, block.attempt);
        self.sink.emit(NlEvent::ModelWorkBlockStarted(event.clone())).await?;
        let delta = NlBlockEvent { delta: Some(printable(block.markdown)), timestamp: self.now(), ..event.clone() };
        self.sink.emit(NlEvent::ModelWorkDelta(delta)).await?;
        let end = NlBlockEvent { status: Some(block.status), timestamp: self.now(), ..event };
        self.sink.emit(NlEvent::ModelWorkBlockCompleted(end)).await
    }

    /// The answer and the end.
    pub(super) async fn finish(&mut self, result: &NlResult) -> Result<(), PortError> {
        self.sink.emit(NlEvent::Result { nl: Box::new(result.clone()) }).await?;
        self.complete(NlPhase::Done, "The answer is ready").await?;
        self.sink.emit(NlEvent::Done).await
    }

    /// The end without an answer.
    pub(super) async fn abandon(&mut self, error: &NlError) -> Result<(), PortError> {
        let known = if matches!(error, NlError::Cancelled) { self.sink.why_cancelled() } else { None };
        let message = known.unwrap_or_else(|| error.public_message());
        if let Some(phase) = self.active.take() {
            self.fail(phase, message.clone()).await?;
        }
        self.fail(NlPhase::Done, message).await?;
        self.sink.emit(NlEvent::Done).await
    }
}

/// A question to the model that is shown as it goes.
pub(super) struct ModelCall<'c> {
    pub(super) provider: &'c dyn Provider,
    pub(super) request: Request,
    pub(super) schema: OutputSchema,
    pub(super) phase: NlPhase,
    pub(super) attempt: u32,
    pub(super) cancel: &'c CancellationToken,
}

impl Narrator<'_> {
    /// Asks the model, and shows its thinking as it comes. A slow receiver makes pieces larger, not the memory.
    pub(super) async fn ask<T: DeserializeOwned + Send>(&self, call: ModelCall<'_>) -> Result<T, NlError> {
        let tap = Tap::default();
        let mut observe = |event: &Event| {
            if let Event::Thinking(text) = event {
                tap.push(text);
            }
        };
        let mut asking = Box::pin(structured::ask::<T>(call.provider, call.request, &call.schema, &mut observe));
        let mut block: Option<NlBlockEvent> = None;
        let answer = loop {
            tokio::select! {
                biased;
                // Dropping the future closes the connection to the provider.
                () = call.cancel.cancelled() => break Err(LlmError::Cancelled),
                answer = &mut asking => break answer,
                () = tap.came.notified() => self.think(&mut block, &tap, &call.schema, call.phase, call.attempt).await?,
            }
        };
        self.think(&mut block, &tap, &call.schema, call.phase, call.attempt).await?;
        if let Some(block) = block {
            let status = if answer.is_ok() { NlBlockStatus::Completed } else { NlBlockStatus::Failed };
            let end = NlBlockEvent { status: Some(status), timestamp: self.now(), ..block };
            self.sink.emit(NlEvent::ModelWorkBlockCompleted(end)).await?;
        }
        Ok(answer?.value)
    }

    async fn think(
        &self,
        block: &mut Option<NlBlockEvent>,
        tap: &Tap,
        schema: &OutputSchema,
        phase: NlPhase,
        attempt: u32,
    ) -> Result<(), PortError> {
        let text = tap.take();
        if text.is_empty() {
            return Ok(());
        }
        let event = match block {
            Some(event) => event.clone(),
            None => {
                let title = if schema.name == "nl_plan" { "Thinking about the plan" } else { "Thinking about the SQL" };
                let event = self.block(Uuid::new_v4(), phase, NlBlockKind::Thinking, title, attempt);
                self.sink.emit(NlEvent::ModelWorkBlockStarted(event.clone())).await?;
                block.insert(event).clone()
            }
        };
        let delta = NlBlockEvent { delta: Some(printable(&text)), timestamp: self.now(), ..event };
        self.sink.emit(NlEvent::ModelWorkDelta(delta)).await
    }
}

/// Thinking on its way from the model to the receiver: at most what one answer may hold.
#[derive(Debug, Default)]
struct Tap {
    text: Mutex<String>,
    came: Notify,
}

impl Tap {
    fn push(&self, text: &str) {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        self.came.notify_one();
    }

    fn take(&self) -> String {
        std::mem::take(&mut self.text.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
