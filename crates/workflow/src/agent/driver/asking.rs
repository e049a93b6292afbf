//! Questions to the model.

use std::time::Duration;

use futures_util::StreamExt;
use gristmill_domain::{ErrorCode, ports::StoreError, workflows::ToolName};
use gristmill_llm::{Event, FailureCode, Format, LlmError, OUTPUT_BYTES_MAX, Request, Spender, StopReason, Tool};
use serde_json::json;
use tokio::time::Instant;

use super::{TurnError, Work};
use crate::{
    agent::{
        machine::{Ask, AskMode},
        prompts,
        turn::{Answer, ModelCall, TurnEvent},
        wire,
    },
    ports::PortError,
    tools::{derived_id, registry},
};

/// Shortest pause before the model is asked again when all places of the person or the project are taken.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

impl Work<'_> {
    /// Asks the model, and shows what it says as it comes. `None`: it was asked to stop.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Option<TurnEvent>, TurnError> {
        self.was_streamed = false;
        let used = self.state.answers().fold(0, |sum: u64, answer| sum.saturating_add(answer.tokens));
        if used >= self.engine.options.turn_tokens_max {
            let code = FailureCode::WorkflowBudgetExhausted;
            return Ok(Some(TurnEvent::Unanswered { code: code.as_str().to_owned(), message: code.advice().to_owned() }));
        }
        let deadline = Instant::now() + self.engine.options.answer_timeout;
        let answered = loop {
            let request = self.request(ask, deadline);
            let answered = tokio::select! {
                biased;
                // Dropping the stream closes the connection to the provider.
                () = self.stop.cancelled() => return Ok(None),
                answered = self.hear(ask, request) => answered?,
            };
            let pause = BUSY_PAUSE + Duration::from_millis(rand::random::<u64>() % 200);
            if !matches!(answered, Err(LlmError::Busy { .. })) || Instant::now() + pause > deadline {
                break answered;
            }
            // Other turns of the same person are asking, and will be done: nobody waits at a browser for the refusal.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
        };
        Ok(Some(match answered {
            Ok(answer) => TurnEvent::Answered(Box::new(answer)),
            Err(LlmError::Cancelled) => return Ok(None),
            // Not the model is silent: its budget could not be read. The turn is taken up again.
            Err(error) if is_outage(&error) => {
                let silent = PortError::new(ErrorCode::DatabaseUnavailable, "what was used of the budget cannot be read");
                return Err(PortError { source: Some(Box::new(error)), ..silent }.into());
            }
            Err(error) => {
                tracing::info!(%error, run.id = %self.run.id, "the model did not answer");
                TurnEvent::Unanswered { code: error.failure_code().as_str().to_owned(), message: error.public_message() }
            }
        }))
    }

    fn request(&self, ask: &Ask, deadline: Instant) -> Request {
        let turn = &self.state.turn;
        let messages = prompts::messages(&self.state, ask, &self.knowledge.material, self.engine.options.history_tokens);
        let mut request = Request::new(messages)
            .with_output_tokens_max(ask.output_tokens_max)
            .with_cancel(self.stop.clone())
            .with_deadline(deadline)
            .with_spender(Spender { user: self.caller.user_id, project: Some(self.run.project_id) });
        let tools: Vec<Tool> = tools(ask);
        if !tools.is_empty() {
            request = request.with_tools(tools, ask.choice);
        }
        if let Some(model) = &turn.request.model {
            request = request.with_model(model.clone());
        }
        if ask.mode == AskMode::Json {
            request = request.with_format(Format::Json);
        }
        match (ask.mode, turn.request.reasoning_effort) {
            (AskMode::Text | AskMode::Code, Some(effort)) => request.with_effort(effort),
            _ => request,
        }
    }

    async fn hear(&mut self, ask: &Ask, request: Request) -> Result<Result<Answer, LlmError>, TurnError> {
        let mut stream = match self.engine.provider.stream(&request).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let is_shown = ask.mode == AskMode::Text;
        let mut answer = Answer { node: ask.node.to_owned(), ..Answer::default() };
        let (mut bytes, mut cost, mut stop) = (0_usize, None, StopReason::Finished);
        while let Some(event) = stream.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return Ok(Err(error)),
            };
            bytes = bytes.saturating_add(match &event {
                Event::Text(text) | Event::Thinking(text) => text.len(),
                Event::ToolCall(call) => call.arguments.to_string().len(),
                _ => 0,
            });
            if bytes > OUTPUT_BYTES_MAX {
                return Ok(Err(LlmError::TooLarge { bytes_max: OUTPUT_BYTES_MAX }));
            }
            match event {
                Event::Text(text) => {
                    if is_shown && !text.is_empty() {
                        self.engine.sink.emit(wire::token(&text)).await?;
                        self.was_streamed = true;
                    }
                    answer.text.push_str(&text);
                }
                Event::Thinking(text) => {
                    if is_shown && !text.is_empty() {
                        self.engine.sink.emit(wire::thinking(&text)).await?;
                    }
                }
                Event::Thought(thought) => answer.thoughts.push(thought),
                Event::ToolCall(call) => {
                    let place = format!("{}/{}/{}", self.state.turn.number, self.state.log.len(), answer.calls.len());
                    let id = derived_id(self.run.id.as_str(), &place);
                    answer.calls.push(ModelCall {
                        id: format!("wf-call-{id}"),
                        name: call.name,
                        args: call.arguments,
                        signature: call.signature,
                    });
                }
                // Of several, the last has all of it.
                Event::Usage(usage) => cost = Some(usage),
                Event::Done(reason) => stop = reason,
            }
        }
        if let Some(usage) = cost {
            answer.tokens = usage.total_tokens;
            self.engine.sink.emit(wire::usage(&usage)).await?;
        }
        if ask.mode == AskMode::Code && stop == StopReason::Length {
            // The beginning of the code would run, and do half of what it should.
            return Ok(Err(LlmError::CutOff));
        }
        Ok(Ok(answer))
    }
}

/// Whether a question failed because of the database.
fn is_outage(error: &LlmError) -> bool {
    let LlmError::Unavailable { source: Some(cause), .. } = error else { return false };
    matches!(cause.downcast_ref::<StoreError>(), Some(StoreError::Unavailable(_)))
}

/// What the model may call, as it is told.
fn tools(ask: &Ask) -> Vec<Tool> {
    let mut tools: Vec<Tool> =
        ask.tools.iter().filter_map(|tool: &ToolName| registry::find(*tool)).map(registry::llm_tool).collect();
    if ask.may_render {
        tools.push(registry::llm_tool(registry::render_ui()));
    }
    for tool in &mut tools {
        // The reason is shown with the call.
        if let Some(properties) = tool.parameters.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
            properties.entry("rationale").or_insert_with(|| json!({ "type": "string", "description": "Why, in one sentence." }));
        }
    }
    tools
}
