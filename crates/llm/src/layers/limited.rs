//! Places and budgets.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::Stream;
use gristmill_domain::{Clock, ProjectId, UserId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::ledger::{UsageEntry, UsageStore};
use crate::{
    EmbedRequest, Embeddings, Event, EventStream, LlmError, Provider, ProviderInfo, Request, Spender, TimeoutStage, Usage,
    catalog::Catalog,
};

/// How much may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests of the server under way.
    pub concurrency: usize,
    /// Requests of one user under way.
    pub user_concurrency: usize,
    /// Requests of one project under way.
    pub project_concurrency: usize,
    /// How long a request waits for one of the server's places.
    pub queue_timeout: Duration,
    /// Tokens of one user in any 24 hours; absent: as many as they like.
    pub user_tokens_per_day: Option<u64>,
    /// Tokens of one project in any 24 hours; absent: as many as it likes.
    pub project_tokens_per_day: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 32,
            user_concurrency: 8,
            project_concurrency: 8,
            queue_timeout: Duration::from_secs(30),
            user_tokens_per_day: None,
            project_tokens_per_day: None,
        }
    }
}

/// Lets requests through as far as places and budgets reach, and takes note of what they used.
#[derive(Debug, Clone)]
pub struct Limited {
    inner: Arc<dyn Provider>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    places: Arc<Semaphore>,
    under_way: Mutex<UnderWay>,
    store: Arc<dyn UsageStore>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
}

/// Requests and tokens that are not in the store yet.
#[derive(Debug, Default)]
struct UnderWay {
    users: HashMap<UserId, Share>,
    projects: HashMap<ProjectId, Share>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    requests: usize,
    tokens: u64,
}

impl Limited {
    /// Limits a provider.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Provider>,
        limits: Limits,
        store: Arc<dyn UsageStore>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.concurrency));
        let shared = Shared { limits, places, under_way: Mutex::default(), store, catalog, clock };
        Self { inner, shared: Arc::new(shared) }
    }

    /// Waits for a place, and checks the budget against what is used, under way and asked for.
    async fn admit(&self, spender: Option<Spender>, model: String, input_tokens: u64, tokens: u64) -> Result<Ticket, LlmError> {
        let shared = &self.shared;
        let mut ticket = Ticket {
            shared: Arc::clone(shared),
            spender,
            model,
            reserved: tokens,
            input_tokens,
            output_bytes: 0,
            usage: None,
            counts: false,
            registered: false,
            _place: None,
        };
        if let Some(spender) = spender {
            // First its own share: who has too many requests under way is told so at once.
            shared.register(spender, tokens)?;
            ticket.registered = true;
            shared.check_budget(spender).await?;
        }
        let limit = shared.limits.queue_timeout;
        let place = timeout(limit, Arc::clone(&shared.places).acquire_owned()).await;
        let waited = |_| LlmError::Timeout { stage: TimeoutStage::Queue, limit };
        let place = place.map_err(waited)?;
        ticket._place = Some(place.map_err(|_closed| LlmError::Busy { scope: "server" })?);
        ticket.counts = true;
        Ok(ticket)
    }

    fn ticket_for(&self, request: &Request) -> impl Future<Output = Result<Ticket, LlmError>> + Send + '_ {
        let input = request.input_tokens_estimate();
        let tokens = input.saturating_add(u64::from(request.output_tokens_max));
        let model = request.model.clone().unwrap_or_else(|| self.inner.info().model);
        self.admit(request.spender, model, input, tokens)
    }
}

impl Shared {
    fn register(&self, spender: Spender, tokens: u64) -> Result<(), LlmError> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let user = under_way.users.get(&spender.user).map_or(0, |share| share.requests);
        if user >= self.limits.user_concurrency {
            return Err(LlmError::Busy { scope: "user" });
        }
        let of_project = |id| under_way.projects.get(id).map_or(0, |share: &Share| share.requests);
        if spender.project.as_ref().map_or(0, of_project) >= self.limits.project_concurrency {
            return Err(LlmError::Busy { scope: "project" });
        }
        under_way.change(spender, |share| {
            share.requests += 1;
            share.tokens = share.tokens.saturating_add(tokens);
        });
        Ok(())
    }

    /// What is under way counts as used, or many requests at once would each find the budget untouched.
    async fn check_budget(&self, spender: Spender) -> Result<(), LlmError> {
        let limits = &self.limits;
        if limits.user_tokens_per_day.is_none() && limits.project_tokens_per_day.is_none() {
            return Ok(());
        }
        let since = self.clock.now() - TimeDelta::hours(24);
        let totals = self.store.totals(spender, since).await.map_err(|error| LlmError::Unavailable {
            detail: "what was used so far cannot be read".into(),
            retry_after: None,
            source: Some(Box::new(error)),
        })?;
        let (user, project) = {
            let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let user = under_way.users.get(&spender.user).map_or(0, |share| share.tokens);
            let project = spender.project.and_then(|id| under_way.projects.get(&id)).map_or(0, |share| share.tokens);
            (user, project)
        };
        let checks = [
            ("user", totals.user_tokens.saturating_add(user), limits.user_tokens_per_day),
            (
                "project",
                totals.project_tokens.saturating_add(project),
                limits.project_tokens_per_day.filter(|_| spender.project.is_some()),
            ),
        ];
        for (scope, used, limit) in checks {
            if let Some(limit) = limit.filter(|limit| used > *limit) {
                let retry_after = Some(Duration::from_secs(3600));
                return Err(LlmError::BudgetExhausted { scope, used, limit, retry_after });
            }
        }
        Ok(())
    }
}

impl UnderWay {
    fn change(&mut self, spender: Spender, change: impl Fn(&mut Share)) {
        change(self.users.entry(spender.user).or_default());
        if let Some(project) = spender.project {
            change(self.projects.entry(project).or_default());
        }
        // Who has nothing under way is forgotten.
        self.users.retain(|_, share| share.requests > 0);
        self.projects.retain(|_, share| share.requests > 0);
    }
}

/// The right to one request. When it goes, so does the place, and what was used is noted.
#[derive(Debug)]
struct Ticket {
    shared: Arc<Shared>,
    spender: Option<Spender>,
    model: String,
    reserved: u64,
    input_tokens: u64,
    output_bytes: usize,
    usage: Option<Usage>,
    /// Whether the provider was asked.
    counts: bool,
    registered: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    fn see(&mut self, event: &Event) {
        self.output_bytes = self.output_bytes.saturating_add(event.size_bytes());
        if let Event::Usage(usage) = event {
            self.usage = Some(*usage);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.counts {
            let written = u64::try_from(self.output_bytes.div_ceil(4)).unwrap_or(u64::MAX);
            let usage = self.usage.unwrap_or_else(|| Usage::new(self.input_tokens, written));
            let cost_micros = self.shared.catalog.cost_micros(&self.model, &usage);
            self.shared.store.record(UsageEntry {
                at: self.shared.clock.now(),
                spender: self.spender,
                model: std::mem::take(&mut self.model),
                estimated: self.usage.is_none(),
                usage,
                cost_micros,
            });
        }
        if let Some(spender) = self.spender.filter(|_| self.registered) {
            let mut under_way = self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.change(spender, |share| {
                share.requests = share.requests.saturating_sub(1);
                share.tokens = share.tokens.saturating_sub(self.reserved);
            });
        }
    }
}

/// A stream that holds its ticket until it ends.
struct Counted {
    events: EventStream,
    ticket: Option<Ticket>,
}

impl Stream for Counted {
    type Item = Result<Event, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.events.as_mut().poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(event))) => {
                if let Some(ticket) = &mut self.ticket {
                    ticket.see(event);
                }
                if matches!(event, Event::Done(_)) {
                    self.ticket = None;
                }
            }
            // Also who keeps an ended stream gives its place back.
            Poll::Ready(_) => self.ticket = None,
            Poll::Pending => {}
        }
        next
    }
}

#[async_trait]
impl Provider for Limited {
    fn info(&self) -> ProviderInfo {
        self.inner.info()
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let mut ticket = self.ticket_for(request).await?;
        match self.inner.stream(request).await {
            Ok(events) => Ok(Box::pin(Counted { events, ticket: Some(ticket) })),
            Err(error) => {
                // Nothing was answered, so nothing is charged.
                ticket.counts = false;
                Err(error)
            }
        }
    }

    async fn complete(&self, request: &Request) -> Result<crate::Completion, LlmError> {
        let mut ticket = self.ticket_for(request).await?;
        // Asked whole, so that what is inside may repeat it.
        let answer = self.inner.complete(request).await;
        match &answer {
            Ok(completion) => {
                ticket.usage = completion.usage;
                ticket.output_bytes = completion.text.len().saturating_add(completion.thinking.len());
            }
            Err(_) => ticket.counts = false,
        }
        answer
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        let bytes: usize = request.inputs.iter().map(String::len).sum();
        let tokens = u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
        let model = request.model.clone().unwrap_or_else(|| "embedding".to_owned());
        let mut ticket = self.admit(request.spender, model, tokens, tokens).await?;
        let answer = self.inner.embed(request).await;
        match &answer {
            Ok(vectors) => {
                ticket.model.clone_from(&vectors.model);
                ticket.usage = Some(Usage::new(vectors.tokens, 0));
            }
            Err(_) => ticket.counts = false,
        }
        answer
    }

    async fn probe(&self) -> Result<String, LlmError> {
        self.inner.probe().await
    }
}
