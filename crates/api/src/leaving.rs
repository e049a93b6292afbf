//! What becomes of a request whose client leaves before its answer.
//!
//! The server closes a connection as soon as its client has closed its side of it, and what serves the connection is dropped.
//! A handler must not be: it may stand between two steps that belong together. So requests run in tasks of their own, to their
//! end, and a handler whose work nobody else wants asks [`ClientLeft`].

use std::{
    convert::Infallible,
    future::{Ready, ready},
    panic::resume_unwind,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
};
use gristmill_domain::ErrorCode;
use tokio_util::sync::CancellationToken;

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

/// The outermost middleware: runs a request to its end, whether or not its client stays for the answer.
///
/// # Errors
/// Those of the inner service.
///
/// # Cancel safety
/// Dropping the future fires [`ClientLeft`], and the request runs on. Only a server that stops drops it.
pub async fn run_to_the_end(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let left = ClientLeft::default();
    request.extensions_mut().insert(left.clone());
    let leaving = left.0.drop_guard();
    // A task of this worker: a request cannot leave its thread.
    let answered = actix_web::rt::spawn(next.call(request)).await;
    drop(leaving.disarm());
    match answered {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(ended) => Err(ApiError::internal(ended).into()),
        },
    }
}
