//! Answers that are a while in coming. Without a handshake the protocol's library gives no head before the first message, actix
//! does not see a client go before it writes to it, and proxies cut what is silent for long.

use std::{convert::Infallible, time::Duration};

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use http_body_util::{BodyDataStream, BodyExt, combinators::BoxBody};
use rmcp::model::ErrorCode as RpcCode;
use serde_json::{Value, json};

use super::bridge::{media_type, named};
use crate::{error::ApiError, streams::sse_response};

/// How long the head of an answer waits for what is in it.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// The library's answer, on its way.
pub(super) type Answering = LocalBoxFuture<'static, Answer>;
type Answer = ::http::Response<BoxBody<Bytes, Infallible>>;

/// Begins an answer before it is known: as a stream, in which whatever comes is a message. When its client goes away, what
/// answers is dropped, which cancels the call.
pub(super) fn late_response(answering: Answering) -> HttpResponse {
    sse_response(stream::once(answering).flat_map(messages))
}

/// The messages of an answer. A status cannot be told any more: the error says what it said.
fn messages(answer: Answer) -> LocalBoxStream<'static, Result<Bytes, ApiError>> {
    let media_type = media_type(answer.headers()).to_owned();
    let body = answer.into_body();
    if media_type.starts_with("text/event-stream") {
        let events = BodyDataStream::new(body);
        return events.map(|event| event.map(named).map_err(|never| -> ApiError { match never {} })).boxed_local();
    }
    let message = async move {
        if media_type.starts_with("application/json") {
            let message = body.collect().await.map(|collected| collected.to_bytes());
            return Ok::<Bytes, ApiError>(event_of(&message.unwrap_or_default()));
        }
        let error = json!({ "code": RpcCode::INTERNAL_ERROR.0, "message": "Internal error" });
        Ok(event_of(json!({ "jsonrpc": "2.0", "error": error, "id": Value::Null }).to_string().as_bytes()))
    };
    stream::once(message).boxed_local()
}

/// A message of one line as an event.
fn event_of(message: &[u8]) -> Bytes {
    let mut event = BytesMut::from("data: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    named(event.freeze())
}

#[cfg(test)]
mod tests {
    use actix_web::body::{MessageBody, to_bytes};
    use futures_util::FutureExt;
    use http_body_util::Full;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_client_that_goes_away_ends_what_answers_it() {
        let (alive, ended) = oneshot::channel::<()>();
        let answering = async move {
            let _alive = alive;
            std::future::pending::<Answer>().await
        };
        let response = late_response(answering.boxed_local());
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream; charset=utf-8");
        let mut body = Box::pin(response.into_body());
        let first = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await.unwrap().unwrap();
        assert_eq!(first, ":\n\n");
        drop(body);
        assert!(ended.await.is_err(), "what answers is dropped");
    }

    #[tokio::test]
    async fn whatever_comes_is_a_message() {
        let error = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32603,\"message\":\"Internal error\"},\"id\":null}";
        for (media_type, sent, told) in [
            ("text/event-stream", "data: {\"id\":7}\n\n", "event: message\ndata: {\"id\":7}\n\n".to_owned()),
            ("application/json", "{\"id\":7}", "event: message\ndata: {\"id\":7}\n\n".to_owned()),
            ("text/plain", "empty response", format!("event: message\ndata: {error}\n\n")),
        ] {
            let answer = ::http::Response::builder().header("content-type", media_type);
            let answer = answer.body(Full::new(Bytes::from_static(sent.as_bytes())).boxed()).unwrap();
            let body = to_bytes(late_response(std::future::ready(answer).boxed_local()).into_body()).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(body.trim_start_matches(":\n\n"), told, "{media_type}");
        }
    }
}
