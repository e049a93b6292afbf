//! What becomes of a request whose client leaves before its answer.
//!
//! The server closes a connection as soon as its client has closed its side of it, and what serves the connection is dropped.
//! A handler must not be: it may stand between two steps that belong together. So requests run in tasks of their own, to their
//! end, and a handler whose work nobody else wants asks [`ClientLeft`]. Nor does a server that stops drop them: it waits for
//! [`Requests`].

use std::{
    convert::Infallible,
    future::{Ready, ready},
    panic::resume_unwind,
    time::Duration,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::BoxBody,
    dev::{Payload, ServerHandle, ServiceRequest, ServiceResponse},
    http::ConnectionType,
    middleware::Next,
};
use gristmill_domain::ErrorCode;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error::{ApiError, ApiResult};

/// Tells that the client of a request left before the answer began. Never does where [`run_to_the_end`] is not in use.
#[derive(Debug, Clone, Default)]
pub struct ClientLeft(CancellationToken);

impl ClientLeft {
    /// Does the work, or drops it where it stands when the client leaves. It is begun in any case, so that what it does when
    /// it is dropped is done.
    ///
    /// # Errors
    /// Those of the work; `JobCancelled`, which nobody hears, when the client left.
    pub async fn unless_left<T>(&self, work: impl Future<Output = ApiResult<T>>) -> ApiResult<T> {
        let work = Box::pin(work);
        tokio::select! {
            biased;
            done = work => done,
            () = self.0.cancelled() => Err(ApiError::new(ErrorCode::JobCancelled, "The client left before the answer")),
        }
    }
}

impl FromRequest for ClientLeft {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let given = request.extensions().get::<Self>().cloned();
        ready(Ok(given.unwrap_or_default()))
    }
}

/// The requests that are being handled: data of the application, for [`run_to_the_end`].
#[derive(Debug, Clone, Default)]
pub struct Requests(TaskTracker);

impl Requests {
    /// Stops their server in order: no new connections, the requests finish, what is left of their answers is sent, the
    /// workers end. The server by itself would wait for connections only, and a request whose client left has none.
    ///
    /// Requests that take longer than `deadline` are dropped. Answers have the server's own timeout after it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a server that takes no connections.
    pub async fn finish(&self, server: &ServerHandle, deadline: Duration) {
        server.pause().await;
        self.0.close();
        let finished = tokio::time::timeout(deadline, self.0.wait()).await.is_ok();
        if !finished {
            tracing::warn!(requests = self.0.len(), "dropping requests that did not finish in time");
        }
        server.stop(finished).await;
    }
}

/// The outermost middleware: runs a request to its end, whether or not its client stays for the answer.
///
/// # Errors
/// Those of the inner service.
///
/// # Cancel safety
/// Dropping the future fires [`ClientLeft`], and the request runs on. It is dropped only with its worker, which ends when the
/// server has stopped: see [`Requests::finish`].
pub async fn run_to_the_end(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Requests(requests) = request.app_data::<Requests>().cloned().unwrap_or_default();
    let left = ClientLeft::default();
    request.extensions_mut().insert(left.clone());
    let leaving = left.0.drop_guard();
    // A task of this worker: a request cannot leave its thread.
    let answered = requests.spawn_local(next.call(request)).await;
    drop(leaving.disarm());
    match answered {
        // Or a client that keeps its connection and keeps asking would keep the server from stopping.
        Ok(Ok(answer)) if requests.is_closed() => Ok(closing(answer)),
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(ended) => Err(ApiError::internal(ended).into()),
        },
    }
}

/// Asks the client to close the connection after the answer.
fn closing(mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if !answer.response().upgrade() {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}
