//! Texts about models: by the language model when there is one, from the templates of `modeling` otherwise.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use gristmill_domain::{Caller, ProjectId, models::Model};
use gristmill_llm::{Event, EventStream, Message, Request, Spender, StopReason};
use gristmill_modeling::insights::{InsightKind, tell};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::LanguageModels;

const PROMPT: &str = include_str!("prompts/insight.md");
/// What is told of the context and of the models, at most.
const CONTEXT_CHARS: usize = 24_000;
const MODELS_MAX: usize = 50;
/// Texts that are kept, bytes of all of them.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

type Key = [u8; 32];

/// Lines of an answer.
pub type Lines = BoxStream<'static, Result<Bytes, Infallible>>;

/// Keeps what was written about models that have not changed since.
#[derive(Debug, Clone)]
pub struct InsightCache(moka::sync::Cache<Key, Arc<str>>);

impl InsightCache {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let weight = |_: &Key, text: &Arc<str>| u32::try_from(text.len().saturating_add(64)).unwrap_or(u32::MAX);
        Self(moka::sync::Cache::builder().max_capacity(CACHE_BYTES).weigher(weight).build())
    }
}

impl Default for InsightCache {
    fn default() -> Self {
        Self::new()
    }
}

/// What is to be told, of what.
#[derive(Debug)]
pub struct Insight {
    /// What.
    pub kind: InsightKind,
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Its models.
    pub models: Vec<Model>,
    /// What the client shows.
    pub context: Value,
}

impl Insight {
    fn template_text(&self) -> String {
        tell(self.kind, &self.project_name, &self.models, &self.context)
    }

    fn facts(&self) -> Value {
        let models: Vec<Value> = self.models.iter().take(MODELS_MAX).map(model_facts).collect();
        let shown: String = self.context.to_string().chars().take(CONTEXT_CHARS).collect();
        json!({
            "kind": kind_name(self.kind), "project": self.project_name, "models": models,
            "context": shown, "facts": self.template_text(),
        })
    }
}

fn kind_name(kind: InsightKind) -> &'static str {
    match kind {
        InsightKind::Banner => "banner",
        InsightKind::Explain => "explain",
        InsightKind::Compare => "compare",
        InsightKind::ErrorNarrative => "error_narrative",
        InsightKind::Report => "report",
    }
}

fn model_facts(model: &Model) -> Value {
    json!({
        "name": model.plan.name, "algorithm": model.algorithm, "status": format!("{:?}", model.status),
        "metrics": model.metrics,
    })
}

/// The lines of the answer: `token`s, then `done` or `error` (contract 3, section 13.8).
pub async fn insight_lines(models: &LanguageModels, cache: &InsightCache, caller: &Caller, insight: Insight) -> Lines {
    let Some(provider) = models.find_provider() else { return whole(&insight.template_text()) };
    let facts = insight.facts().to_string();
    let mut hash = Sha256::new();
    hash.update(insight.project_id.to_string());
    hash.update(&facts);
    let key: Key = hash.finalize().into();
    if let Some(text) = cache.0.get(&key) {
        return whole(&text);
    }
    let report = insight.kind == InsightKind::Report;
    let catalog = models.catalog();
    let (model, tokens, seconds) = if report { (catalog.default_model(), 4096, 180) } else { (catalog.small_model(), 1024, 60) };
    let request = Request::new(vec![Message::system(PROMPT), Message::user(facts)])
        .with_model(&model.id)
        .with_output_tokens_max(tokens)
        .with_deadline(Instant::now() + Duration::from_secs(seconds))
        .with_spender(Spender { user: caller.user_id, project: Some(insight.project_id) });
    match provider.stream(&request).await {
        Ok(events) => told(events, insight, cache.clone(), key),
        Err(error) => {
            tracing::warn!(error.cause = crate::error::chain(&error), "a template tells: the language model failed");
            whole(&insight.template_text())
        }
    }
}

fn line(value: &Value) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(format!("{value}\n")))
}

fn token(text: &str) -> Result<Bytes, Infallible> {
    line(&json!({ "type": "token", "content": text }))
}

fn whole(text: &str) -> Lines {
    stream::iter([token(text), line(&json!({ "type": "done" }))]).boxed()
}

/// A text that is being written.
struct Telling {
    /// Gone when the last line was sent.
    events: Option<EventStream>,
    insight: Insight,
    cache: InsightCache,
    key: Key,
    text: String,
}

fn told(events: EventStream, insight: Insight, cache: InsightCache, key: Key) -> Lines {
    let telling = Telling { events: Some(events), insight, cache, key, text: String::new() };
    stream::unfold(telling, |mut telling| async move {
        let line = telling.next().await?;
        Some((line, telling))
    })
    .boxed()
}

impl Telling {
    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        let events = self.events.as_mut()?;
        loop {
            match events.next().await {
                Some(Ok(Event::Text(text))) => {
                    self.text.push_str(&text);
                    return Some(token(&text));
                }
                Some(Ok(Event::Done(stop))) => {
                    self.events = None;
                    if stop == StopReason::Finished && !self.text.trim().is_empty() {
                        self.cache.0.insert(self.key, self.text.as_str().into());
                    }
                    return Some(self.last(true));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.events = None;
                    tracing::warn!(error.cause = crate::error::chain(&error), "the language model failed while it told");
                    return Some(self.last(false));
                }
                None => {
                    self.events = None;
                    return Some(self.last(false));
                }
            }
        }
    }

    /// The last lines. When nothing was told yet, the template tells.
    fn last(&self, ended_well: bool) -> Result<Bytes, Infallible> {
        let done = json!({ "type": "done" });
        if self.text.is_empty() {
            let told = json!({ "type": "token", "content": self.insight.template_text() });
            return Ok(Bytes::from(format!("{told}\n{done}\n")));
        }
        line(&if ended_well { done } else { json!({ "type": "error" }) })
    }
}
