//! Work that an answer does not wait for.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The rest of an operation, for the caller to run after answering: hand it to the process's tracked tasks.
///
/// It never fails; what goes wrong is logged. Dropping it skips the work, which is sending one letter.
#[must_use = "the letter is sent only when this is run"]
pub struct Deferred(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Deferred {
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }

    pub(crate) fn nothing() -> Self {
        Self::new(std::future::ready(()))
    }
}

impl Future for Deferred {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred(..)")
    }
}
