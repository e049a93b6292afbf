//! A question in plain words to a statement, its rows, and how far to trust them.
//!
//! The steps are those of contract 1, section 11.4, with an event for each: choose what the model gets to know of the
//! tables ([`context`]), plan, write the statement (with a compact form as the fallback, and more candidates when the first
//! is not sure), check it (the gate of `gristmill-sql-safety`, then names that need quotes), run it, mend it once with the
//! engine's words. Where several statements ran, the result that most of them agree on is the answer.
//!
//! What decides is pure (`context`, `check`, [`crate::confidence`]); the driver is in `run`.

pub(crate) mod answers;
pub(crate) mod check;
pub mod context;
mod narrator;
mod outcome;
mod run;

use std::{sync::Arc, time::Duration};

use gristmill_domain::{
    Caller, Clock, ProjectId,
    nl::{NlPhase, NlResult},
};
use gristmill_llm::Provider;
use tokio_util::sync::CancellationToken;

use crate::{
    error::NlError,
    ports::{EventSink, SchemaSource, SnippetSource, SqlRunner},
};
use context::ContextLimits;
use narrator::Narrator;
use run::Run;

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct NlOptions {
    /// The model to ask; absent: the provider's default. `NL2SQL_MODEL`.
    pub model: Option<String>,
    /// How long one question to the model may take. `NL2SQL_TIMEOUT_MS`.
    pub timeout: Duration,
    /// What the model gets to know. `NL2SQL_MAX_TABLES_CONTEXT`, `NL2SQL_MAX_COLUMNS_PER_TABLE`.
    pub context: ContextLimits,
    /// Most statements that are written before one is chosen: 1 turns voting off.
    pub candidates_max: u32,
    /// Below this confidence of the first statement, another is written; and below it an answer carries a warning.
    /// `NL2SQL_WARN_CONFIDENCE_THRESHOLD`.
    pub warn_below: f64,
    /// Below this confidence, results that differ are not shown as an answer.
    pub abstain_below: f64,
    /// Most passages of documents that the model gets.
    pub snippets_max: usize,
}

impl Default for NlOptions {
    fn default() -> Self {
        Self {
            model: None,
            timeout: Duration::from_millis(25_000),
            context: ContextLimits::default(),
            candidates_max: 2,
            warn_below: 0.72,
            abstain_below: 0.3,
            snippets_max: 3,
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct NlQuestion {
    /// Who asks.
    pub caller: Caller,
    /// The project whose tables are asked about.
    pub project: ProjectId,
    /// The question.
    pub text: String,
    /// The table that the asker has open.
    pub table: Option<String>,
}

/// Answers questions. Share it; it keeps nothing between questions.
#[derive(Debug, Clone)]
pub struct NlEngine {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) schema: Arc<dyn SchemaSource>,
    pub(crate) snippets: Arc<dyn SnippetSource>,
    pub(crate) sql: Arc<dyn SqlRunner>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: NlOptions,
}

impl NlEngine {
    /// An engine without documents and with the default settings.
    #[must_use]
    pub fn new(
        provider: Arc<dyn Provider>,
        schema: Arc<dyn SchemaSource>,
        sql: Arc<dyn SqlRunner>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { provider, schema, snippets: Arc::new(crate::ports::NoSnippets), sql, clock, options: NlOptions::default() }
    }

    /// With other settings.
    #[must_use]
    pub fn with_options(mut self, options: NlOptions) -> Self {
        self.options = options;
        self
    }

    /// With passages of documents.
    #[must_use]
    pub fn with_snippets(mut self, snippets: Arc<dyn SnippetSource>) -> Self {
        self.snippets = snippets;
        self
    }

    /// Answers a question, and tells of each step. The last event is always `done`, unless nobody takes events any more.
    /// A statement that fails when it runs is still an answer: its `query_execution_error` says why.
    ///
    /// # Errors
    /// Why there is no statement that can be shown; the events have said it already.
    ///
    /// # Cancel safety
    /// Fire `cancel` to stop: the connection to the model is closed, a running query is dropped, and the events end
    /// properly. Dropping the future stops as well, without the last events. Nothing is written anywhere.
    pub async fn answer(
        &self,
        question: &NlQuestion,
        sink: &dyn EventSink,
        cancel: &CancellationToken,
    ) -> Result<NlResult, NlError> {
        let mut narrator = Narrator::new(sink, self.clock.as_ref(), self.provider.info());
        let ended = Box::pin(Run { engine: self, question, cancel, narrator: &mut narrator }.stages()).await;
        match ended {
            Ok(result) => {
                narrator.finish(&result).await?;
                Ok(result)
            }
            Err(error) => {
                tracing::info!(nl.error = %error, "a question has no answer");
                if let Err(gone) = narrator.abandon(&error).await {
                    tracing::debug!(phase = %NlPhase::Done, error = %gone, "nobody takes the last events");
                }
                Err(error)
            }
        }
    }
}
