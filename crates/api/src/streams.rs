//! Event logs as HTTP streams: NDJSON, or server-sent events when the client asks for them.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gristmill_api_types::jobs::JobEventView;

use crate::error::{ApiError, ApiResult};

/// A sign of life on a silent stream, so that proxies do not cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

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
    let kept_alive = tokio_stream::StreamExt::timeout_repeating(Box::pin(encoded), tokio::time::interval(KEEP_ALIVE))
        // The first tick of an interval is at once: it sends the headers on their way.
        .map(move |item| item.unwrap_or_else(|_silence| Ok(form.keep_alive())));
    HttpResponse::Ok()
        .content_type(form.media_type())
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(kept_alive)
}
