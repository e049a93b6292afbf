//! The server's language model: made from the configuration, watched in the background, handed to who asks.

mod filter;
mod insight;
mod suggestion;
mod usage;

pub use filter::model_predicates;
pub use insight::{Insight, InsightCache, Lines, insight_lines};
pub use suggestion::{SUGGESTION_LEASE, Suggestion, suggestion_lines};
pub use usage::StoredUsage;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use gristmill_api_types::health::{HealthStatus, LlmCheck};
use gristmill_domain::{Clock, ErrorCode};
use gristmill_llm::{
    Endpoint, Provider, Timeouts,
    catalog::{Catalog, ModelEntry},
    layers::{Catalogued, Limited, RetryPolicy, Retrying, UsageStore},
    realtime::Realtime,
    scripted::Scripted,
    wire::{AnthropicMessages, ChatCompletions, Responses, addresses},
};
use url::Url;

use crate::{
    config::{LLM_MISSING, LlmConfig, LlmProvider},
    error::{ApiError, ApiResult},
};

/// How often the provider is asked for a sign of life, which costs no tokens.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);
/// The same while it gives none.
const PROBE_INTERVAL_DOWN: Duration = Duration::from_secs(15);
/// How long it may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's language model, if there is one.
#[derive(Debug)]
pub struct LanguageModels {
    provider: Option<Arc<dyn Provider>>,
    catalog: Arc<Catalog>,
    realtime: Option<Realtime>,
    check: Mutex<LlmCheck>,
}

impl LanguageModels {
    /// Makes it. Asks nobody yet.
    ///
    /// # Errors
    /// When the catalog, the script or the key cannot be used.
    pub fn new(config: &LlmConfig, usage: Arc<dyn UsageStore>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let catalog = Arc::new(catalog(config)?);
        let wire = wire(config, &catalog)?;
        let realtime = match config.provider {
            Some(LlmProvider::OpenAi) if config.api_key.is_some() => Some(Realtime::new(&endpoint(config, addresses::OPENAI)?)?),
            _ => None,
        };
        let provider = wire.map(|wire| {
            let retrying: Arc<dyn Provider> = Arc::new(Retrying::new(wire, RetryPolicy::default()));
            let limited = Limited::new(retrying, config.limits.clone(), usage, Arc::clone(&catalog), clock);
            let catalogued: Arc<dyn Provider> = Arc::new(Catalogued::new(Arc::new(limited), Arc::clone(&catalog)));
            catalogued
        });
        let info = provider.as_ref().map(|provider| provider.info());
        let check = LlmCheck {
            status: if info.is_some() { HealthStatus::Degraded } else { HealthStatus::Ok },
            critical: false,
            configured: info.is_some(),
            provider: info.as_ref().map(|info| info.id.clone()),
            model: info.map(|info| info.model),
            latency_ms: None,
            message: Some(String::from(if provider.is_some() { "not probed yet" } else { LLM_MISSING })),
        };
        Ok(Self { provider, catalog, realtime, check: Mutex::new(check) })
    }

    /// The models that can be chosen.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The language model, for everything that cannot do without.
    ///
    /// # Errors
    /// `not_configured` (503), naming the settings to make.
    pub fn provider(&self) -> ApiResult<Arc<dyn Provider>> {
        self.provider.clone().ok_or_else(|| ApiError::new(ErrorCode::NotConfigured, LLM_MISSING))
    }

    /// The language model, for what is better with one.
    #[must_use]
    pub fn find_provider(&self) -> Option<Arc<dyn Provider>> {
        self.provider.clone()
    }

    /// Sessions for speech.
    ///
    /// # Errors
    /// `not_configured` (503): only OpenAI has them.
    pub fn realtime(&self) -> ApiResult<&Realtime> {
        let missing = "Voice input needs a key of OpenAI: set OPENAI_API_KEY, or LLM_PROVIDER=openai with LLM_API_KEY";
        self.realtime.as_ref().ok_or_else(|| ApiError::new(ErrorCode::NotConfigured, missing))
    }

    /// Asks the provider for a sign of life, and keeps what came for [`Self::check`]. Returns it with the cause, which may
    /// hold what the provider said: it is for the operator, while everybody sees the check.
    pub async fn probe(&self) -> (LlmCheck, Option<String>) {
        let Some(provider) = &self.provider else { return (self.check(), None) };
        let began = Instant::now();
        let answer = tokio::time::timeout(PROBE_TIMEOUT, provider.probe()).await;
        let mut cause = None;
        let (status, message) = match answer {
            Ok(Ok(_)) => (HealthStatus::Ok, None),
            Ok(Err(error)) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "the language model gives no sign of life");
                cause = Some(error.to_string());
                (HealthStatus::Degraded, Some(error.public_message()))
            }
            Err(_) => {
                let seconds = PROBE_TIMEOUT.as_secs();
                (HealthStatus::Degraded, Some(format!("the language model gave no sign of life within {seconds} s")))
            }
        };
        let latency_ms = (status == HealthStatus::Ok).then(|| began.elapsed().as_secs_f64() * 1000.0);
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        *check = LlmCheck { status, latency_ms, message, ..check.clone() };
        (check.clone(), cause)
    }

    /// Probes for ever. Run it in a task that is aborted at shutdown.
    pub async fn keep_probing(&self) {
        if self.provider.is_none() {
            return;
        }
        loop {
            let up = self.probe().await.0.status == HealthStatus::Ok;
            tokio::time::sleep(if up { PROBE_INTERVAL } else { PROBE_INTERVAL_DOWN }).await;
        }
    }

    /// What the last probe found.
    #[must_use]
    pub fn check(&self) -> LlmCheck {
        self.check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn endpoint(config: &LlmConfig, default: &str) -> anyhow::Result<Endpoint> {
    let base_url = match &config.base_url {
        Some(url) => url.clone(),
        None => Url::parse(default)?,
    };
    let timeouts = Timeouts::of_total(config.timeout);
    Ok(Endpoint { base_url, api_key: config.api_key.clone(), timeouts })
}

fn catalog(config: &LlmConfig) -> anyhow::Result<Catalog> {
    let is_openai = matches!(config.provider, None | Some(LlmProvider::OpenAi | LlmProvider::Scripted));
    let mut catalog = match (&config.catalog_file, &config.model) {
        (Some(path), _) => Catalog::from_file(path).context("LLM_CATALOG_FILE cannot be used")?,
        // Others do not have OpenAI's models.
        (None, Some(model)) if !is_openai => Catalog::of(ModelEntry::named(model)),
        (None, _) => Catalog::built_in(),
    };
    if let Some(model) = &config.model {
        catalog = catalog.with_default(model);
    }
    if let Some(model) = &config.small_model {
        catalog = catalog.with_small(model);
    }
    Ok(catalog)
}

fn wire(config: &LlmConfig, catalog: &Catalog) -> anyhow::Result<Option<Arc<dyn Provider>>> {
    let model = catalog.default_model().provider_name();
    Ok(match config.provider {
        None => None,
        Some(LlmProvider::OpenAi) => {
            let mut provider = Responses::new(&endpoint(config, addresses::OPENAI)?, model)?;
            if let Some(model) = &config.embedding_model {
                provider = provider.with_embedding_model(model);
            }
            Some(Arc::new(provider))
        }
        Some(LlmProvider::Compatible) => {
            let mut provider = ChatCompletions::new(&endpoint(config, addresses::OLLAMA)?, model)?;
            if let Some(model) = &config.embedding_model {
                provider = provider.with_embedding_model(model);
            }
            Some(Arc::new(provider))
        }
        Some(LlmProvider::Anthropic) => Some(Arc::new(AnthropicMessages::new(&endpoint(config, addresses::ANTHROPIC)?, model)?)),
        Some(LlmProvider::Scripted) => {
            let path = config.script_file.as_ref().context("LLM_SCRIPT_FILE is not set")?;
            Some(Arc::new(Scripted::from_file(path).context("LLM_SCRIPT_FILE cannot be used")?))
        }
    })
}
