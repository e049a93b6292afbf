//! From the body of an answer to events.

use std::collections::VecDeque;

use futures_util::stream;
use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::Value;

use super::{BODY_BYTES_MAX, Watch, body, failure};
use crate::{
    Event, EventStream, LlmError, OUTPUT_BYTES_MAX, TimeoutStage,
    secret::Scrubber,
    sse::{SseEvent, SseParser},
};

/// The last event of some providers repeats the whole answer and the request, so lines may be much longer than answers.
const LINE_BYTES_MAX: usize = 8 * OUTPUT_BYTES_MAX;

/// Reads one provider's events.
pub(crate) trait Decoder: Send {
    /// Takes an event. After it has put [`Event::Done`] into `out`, nothing more is read.
    fn event(&mut self, event: &SseEvent, out: &mut VecDeque<Event>) -> Result<(), LlmError>;

    /// Takes a whole answer: some servers send one although a stream was asked for.
    fn whole(&mut self, answer: &Value, out: &mut VecDeque<Event>) -> Result<(), LlmError>;

    /// Takes the end of the stream, when there was no [`Event::Done`] yet.
    fn end(&mut self, _out: &mut VecDeque<Event>) -> Result<(), LlmError> {
        Err(LlmError::unavailable("the answer broke off before its end"))
    }
}

/// The events of a response.
pub(super) async fn events(
    mut response: Response,
    watch: Watch,
    mut decoder: Box<dyn Decoder>,
    scrubber: Scrubber,
) -> Result<EventStream, LlmError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_lowercase();
    let mut queue = VecDeque::new();
    if kind.starts_with("application/json") {
        let bytes = body(&mut response, &watch, BODY_BYTES_MAX).await?;
        let answer = serde_json::from_slice(&bytes).map_err(|error| LlmError::protocol(format!("it is not JSON: {error}")))?;
        decoder.whole(&answer, &mut queue).map_err(|error| error.cleaned(&scrubber))?;
        check_size(queue.iter().map(Event::size_bytes).sum())?;
        return Ok(Box::pin(stream::iter(queue.into_iter().map(Ok))));
    }
    if !kind.is_empty() && !kind.starts_with("text/event-stream") {
        let kind = scrubber.clean(&kind);
        return Err(LlmError::protocol(format!("it is `{kind}` instead of an event stream; check the base URL")));
    }
    let parser = SseParser::new(LINE_BYTES_MAX);
    let pump = Pump { response: Some(response), watch, decoder, scrubber, parser, queue, bytes: 0, bytes_read: 0, ended: false };
    Ok(Box::pin(stream::unfold(pump, |mut pump| async move {
        let item = pump.next().await?;
        // After a failure nothing comes any more.
        if item.is_err() {
            pump.ended = true;
            pump.response = None;
            pump.queue.clear();
        }
        Some((item, pump))
    })))
}

struct Pump {
    /// Gone when nothing more is read, and with it the connection.
    response: Option<Response>,
    watch: Watch,
    decoder: Box<dyn Decoder>,
    scrubber: Scrubber,
    parser: SseParser,
    queue: VecDeque<Event>,
    bytes: usize,
    bytes_read: usize,
    /// Nothing more is read.
    ended: bool,
}

impl Pump {
    async fn next(&mut self) -> Option<Result<Event, LlmError>> {
        loop {
            if self.watch.cancel.is_cancelled() && !self.ended {
                return Some(Err(LlmError::Cancelled));
            }
            if let Some(event) = self.queue.pop_front() {
                return Some(self.counted(event));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.read().await {
                return Some(Err(error.cleaned(&self.scrubber)));
            }
        }
    }

    fn counted(&mut self, event: Event) -> Result<Event, LlmError> {
        self.bytes = self.bytes.saturating_add(event.size_bytes());
        check_size(self.bytes)?;
        Ok(event)
    }

    /// Reads the next piece of the body.
    async fn read(&mut self) -> Result<(), LlmError> {
        let Some(response) = &mut self.response else { return Ok(()) };
        let piece = self.watch.wait(TimeoutStage::Idle, self.watch.idle, response.chunk()).await?;
        let mut events = Vec::new();
        let piece = piece.map_err(failure::broken)?;
        match &piece {
            Some(bytes) => {
                // What is put together from many events, such as arguments, is bounded by this.
                self.bytes_read = self.bytes_read.saturating_add(bytes.len());
                if self.bytes_read > BODY_BYTES_MAX {
                    return Err(LlmError::TooLarge { bytes_max: BODY_BYTES_MAX });
                }
                self.parser.push(bytes, &mut events).map_err(|error| LlmError::protocol(error.to_string()))?;
            }
            None => self.parser.finish(&mut events),
        }
        for event in &events {
            self.decoder.event(event, &mut self.queue)?;
            if matches!(self.queue.back(), Some(Event::Done(_))) {
                self.ended = true;
                return Ok(());
            }
        }
        if piece.is_none() {
            self.decoder.end(&mut self.queue)?;
            self.ended = true;
        }
        Ok(())
    }
}

fn check_size(bytes: usize) -> Result<(), LlmError> {
    if bytes > OUTPUT_BYTES_MAX { Err(LlmError::TooLarge { bytes_max: OUTPUT_BYTES_MAX }) } else { Ok(()) }
}

/// The arguments of a call, from the text that models write: nothing is no arguments, and what is not JSON stays a text.
pub(crate) fn tool_arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
