//! Trying again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rand::RngExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{Completion, EmbedRequest, Embeddings, EventStream, LlmError, Provider, ProviderInfo, Request, collect};

/// How often and how soon to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts, the first included.
    pub attempts_max: u32,
    /// The pause before the second attempt; it doubles with each. What is waited is between half and all of it.
    pub pause: Duration,
    /// The longest pause. A provider that wants a longer one is not asked again.
    pub pause_max: Duration,
    /// How long after its beginning a request may still be tried again.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(20),
            total: Duration::from_secs(45),
        }
    }
}

/// Asks again after failures that pass: limits of rate, servers that are down, connections that break. A stream is asked
/// again only while nothing of its answer was seen; a whole answer also when it broke off.
#[derive(Debug, Clone)]
pub struct Retrying {
    inner: Arc<dyn Provider>,
    policy: RetryPolicy,
}

/// What is known while a request is tried.
struct Attempts<'a> {
    policy: RetryPolicy,
    cancel: &'a CancellationToken,
    deadline: Instant,
    made: u32,
}

impl<'a> Attempts<'a> {
    fn new(policy: RetryPolicy, cancel: &'a CancellationToken, deadline: Option<Instant>) -> Self {
        let own = Instant::now() + policy.total;
        Self { policy, cancel, deadline: deadline.map_or(own, |deadline| deadline.min(own)), made: 0 }
    }

    /// Waits before the next attempt, or gives the failure back when there is to be none.
    async fn pause_after(&mut self, error: LlmError) -> Result<(), LlmError> {
        self.made += 1;
        let doubled = self.policy.pause.saturating_mul(1_u32.checked_shl(self.made - 1).unwrap_or(u32::MAX));
        let pause = match error.retry_after() {
            // Not before, and not all at once.
            Some(wanted) => wanted.mul_f64(rand::rng().random_range(1.0..=1.1)),
            None => doubled.min(self.policy.pause_max).mul_f64(rand::rng().random_range(0.5..=1.0)),
        };
        let too_late = Instant::now() + pause >= self.deadline;
        if !error.is_transient() || self.made >= self.policy.attempts_max || pause > self.policy.pause_max || too_late {
            return Err(error);
        }
        tracing::info!(attempt = self.made, pause.ms = pause.as_millis(), %error, "asking the language model again");
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(LlmError::Cancelled),
            () = sleep(pause) => Ok(()),
        }
    }
}

impl Retrying {
    /// Tries again by a policy.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
impl Provider for Retrying {
    fn info(&self) -> ProviderInfo {
        self.inner.info()
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let mut attempts = Attempts::new(self.policy, &request.cancel, request.deadline);
        loop {
            match self.inner.stream(request).await {
                Ok(events) => return Ok(events),
                Err(error) => attempts.pause_after(error).await?,
            }
        }
    }

    async fn complete(&self, request: &Request) -> Result<Completion, LlmError> {
        let mut attempts = Attempts::new(self.policy, &request.cancel, request.deadline);
        loop {
            let answer = match self.inner.stream(request).await {
                Ok(events) => collect(events, |_| ()).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.pause_after(error).await?,
            }
        }
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        let mut attempts = Attempts::new(self.policy, &request.cancel, request.deadline);
        loop {
            match self.inner.embed(request).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => attempts.pause_after(error).await?,
            }
        }
    }

    async fn probe(&self) -> Result<String, LlmError> {
        // A probe tells how things are; it does not hide it.
        self.inner.probe().await
    }
}
