//! A reply as a stream.

use std::{collections::VecDeque, time::Duration};

use futures_util::stream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::script::{ErrorKind, ErrorReply, Reply};
use crate::{Event, EventStream, LlmError, Request, StopReason, TimeoutStage, ToolCall, Usage};

/// A reply that fails before it said anything fails at once, as with providers.
pub(super) async fn start(reply: Reply, number: u64, request: &Request) -> Result<EventStream, LlmError> {
    let delay = Duration::from_millis(reply.delay_ms);
    let (hangs, error) = (reply.hangs, reply.error.clone());
    let events = events(reply, number, request);
    let mut replay =
        Replay { events, hangs, error, delay, cancel: request.cancel.clone(), deadline: request.deadline, ended: false };
    if replay.events.is_empty()
        && let Some(error) = replay.error.take()
    {
        replay.pause(delay).await?;
        return Err(failure(error));
    }
    Ok(Box::pin(stream::unfold(replay, |mut replay| async move {
        let item = replay.next().await?;
        replay.ended = item.is_err();
        Some((item, replay))
    })))
}

struct Replay {
    events: VecDeque<Event>,
    hangs: bool,
    error: Option<ErrorReply>,
    delay: Duration,
    cancel: CancellationToken,
    deadline: Option<Instant>,
    ended: bool,
}

impl Replay {
    async fn next(&mut self) -> Option<Result<Event, LlmError>> {
        if self.ended {
            return None;
        }
        let Some(event) = self.events.pop_front() else {
            if self.hangs {
                // Nobody waits that long: whoever asked has gone before.
                return self.pause(Duration::from_secs(86_400)).await.err().map(Err);
            }
            return self.error.take().map(|error| Err(failure(error)));
        };
        Some(self.pause(self.delay).await.map(|()| event))
    }

    /// Waits, unless whoever asked gives up meanwhile.
    async fn pause(&self, delay: Duration) -> Result<(), LlmError> {
        if self.cancel.is_cancelled() {
            return Err(LlmError::Cancelled);
        }
        if delay.is_zero() {
            return Ok(());
        }
        let began = Instant::now();
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(LlmError::Cancelled),
            () = deadline => Err(LlmError::Timeout { stage: TimeoutStage::Total, limit: began.elapsed() }),
            () = sleep(delay) => Ok(()),
        }
    }
}

fn events(reply: Reply, number: u64, request: &Request) -> VecDeque<Event> {
    let mut events: VecDeque<Event> = reply.thinking.into_iter().map(Event::Thinking).collect();
    events.extend(reply.text.into_iter().map(Event::Text));
    events.extend(reply.json.map(|json| Event::Text(json.to_string())));
    let calls = reply.tool_calls.len();
    for (index, call) in reply.tool_calls.into_iter().enumerate() {
        let id = call.id.unwrap_or_else(|| format!("call_{number}_{}", index + 1));
        events.push_back(Event::ToolCall(ToolCall { id, name: call.name, arguments: call.arguments, signature: None }));
    }
    if reply.hangs || reply.error.is_some() {
        return events;
    }
    let bytes: usize = events.iter().map(Event::size_bytes).sum();
    let written = u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
    events.push_back(Event::Usage(reply.usage.unwrap_or_else(|| Usage::new(request.input_tokens_estimate(), written))));
    let stop = if calls > 0 { StopReason::ToolCalls } else { StopReason::Finished };
    events.push_back(Event::Done(reply.stop.unwrap_or(stop)));
    events
}

fn failure(error: ErrorReply) -> LlmError {
    let retry_after = error.retry_after_ms.map(Duration::from_millis);
    let detail = error.message;
    match error.kind {
        ErrorKind::Authentication => LlmError::Authentication { detail },
        ErrorKind::RateLimited => LlmError::RateLimited { detail, retry_after },
        ErrorKind::Unavailable => LlmError::Unavailable { detail, retry_after, source: None },
        ErrorKind::Timeout => LlmError::Timeout { stage: TimeoutStage::Idle, limit: retry_after.unwrap_or_default() },
        ErrorKind::Refused => LlmError::Refused { status: 400, detail },
    }
}
