//! Event logs as HTTP streams: NDJSON, or server-sent events when the client asks for them.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_api_types::jobs::JobEventView;
use gristmill_domain::{Caller, JobId};

use crate::{
    error::{ApiError, ApiResult},
    state::AppState,
};

/// A sign of life on a silent stream, so that proxies do not cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The same where a client that goes away cancels the work. That it went shows when something is written to it, the second
/// time at the latest.
const KEEP_WATCHED: Duration = Duration::from_millis(800);

/// The form in which a client wants a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamForm {
    /// One JSON object a line; a blank line keeps it alive.
    Ndjson,
    /// `text/event-stream`; a comment keeps it alive.
    ServerSentEvents,
}

impl StreamForm {
    /// What the `Accept` header asks for.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.contains("text/event-stream") { Self::ServerSentEvents } else { Self::Ndjson }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson; charset=utf-8",
            Self::ServerSentEvents => "text/event-stream; charset=utf-8",
        }
    }

    fn keep_alive(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Ndjson => b"\n",
            Self::ServerSentEvents => b":\n\n",
        })
    }

    fn encode(self, event: &JobEventView) -> ApiResult<Bytes> {
        let json = serde_json::to_string(event).map_err(ApiError::internal)?;
        Ok(Bytes::from(match self {
            Self::Ndjson => format!("{json}\n"),
            Self::ServerSentEvents => format!("id: {}\nevent: {}\ndata: {json}\n\n", event.seq, event.event_type),
        }))
    }
}

/// The `Last-Event-ID` that a reconnecting client sends.
#[must_use]
pub fn last_event_id(request: &HttpRequest) -> Option<i64> {
    request.headers().get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// Streams events to the client until they end. Nothing is cancelled when the client goes away: the log stays, and
/// can be followed again from where it was left.
#[must_use]
pub fn events_response<S, E>(form: StreamForm, events: S) -> HttpResponse
where
    S: Stream<Item = Result<JobEventView, E>> + 'static,
    E: Into<ApiError> + 'static,
{
    let encoded = events.map(move |event| event.map_err(Into::into).and_then(|event| form.encode(&event)));
    kept_alive(form, encoded, KEEP_ALIVE)
}

/// Streams lines that are ready to be sent, until they end, and drops them within two seconds when the client goes away.
/// Silence is kept alive by blank lines.
#[must_use]
pub fn ndjson_response<S>(lines: S) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, ApiError>> + 'static,
{
    kept_alive(StreamForm::Ndjson, lines, KEEP_WATCHED)
}

/// Streams server-sent events that are ready to be sent, under the rules of [`ndjson_response`]: a comment keeps silence alive.
pub(crate) fn sse_response<S>(events: S) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, ApiError>> + 'static,
{
    kept_alive(StreamForm::ServerSentEvents, events, KEEP_WATCHED)
}

fn kept_alive<S>(form: StreamForm, encoded: S, every: Duration) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, ApiError>> + 'static,
{
    let kept_alive = tokio_stream::StreamExt::timeout_repeating(Box::pin(encoded), tokio::time::interval(every))
        // The first tick of an interval is at once: it sends the headers on their way.
        .map(move |item| item.unwrap_or_else(|_silence| Ok(form.keep_alive())));
    HttpResponse::Ok()
        .content_type(form.media_type())
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(kept_alive)
}

/// Asks for a job to be cancelled when its client goes away before the end: the Stop button only ends the request.
#[derive(Debug)]
pub(crate) struct CancelOnDrop {
    state: web::Data<AppState>,
    caller: Caller,
    job: Option<JobId>,
}

impl CancelOnDrop {
    pub(crate) fn new(state: web::Data<AppState>, caller: Caller, job: JobId) -> Self {
        Self { state, caller, job: Some(job) }
    }

    /// The job has ended; there is nothing to cancel any more.
    pub(crate) fn disarm(&mut self) {
        self.job = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        if self.state.live.is_closed() {
            // Not the client goes away but the server, and another one takes the job up.
            return;
        }
        let (state, caller) = (self.state.clone(), self.caller.clone());
        self.state.tasks.spawn("cancellation", async move {
            if let Err(error) = state.jobs.request_cancel(&caller, job).await {
                tracing::warn!(error.cause = crate::error::chain(&error), job.id = %job, "a job was not cancelled");
            }
        });
    }
}
