//! A model that replays a file of turns: for tests, for demos, and for servers without a key.
//!
//! A script is JSON. Each turn says when it is the answer, and what the answer is:
//!
//! ```json
//! {
//!   "turns": [
//!     {
//!       "name": "look first",
//!       "when": { "lastUser": "How many orders", "tools": ["list_tables"] },
//!       "reply": { "thinking": "I need the tables.", "toolCalls": [{ "name": "list_tables", "arguments": {} }] }
//!     },
//!     {
//!       "name": "then count",
//!       "when": { "toolResult": { "tool": "list_tables", "content": { "regex": "\"name\":\"(?<table>[a-z_]+)\"" } } },
//!       "reply": { "text": ["SELECT count(*) ", "FROM {{table}}"] }
//!     }
//!   ]
//! }
//! ```
//!
//! The first turn that fits and is not used up answers; with `"order": "sequence"` only the next one may. Named groups of
//! a turn's patterns stand for themselves in its reply: `{{table}}`. What nothing fits is refused with
//! [`LlmError::ScriptMismatch`], which says what came and what each turn wanted.

mod matching;
mod replay;
mod script;
mod vectors;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;

use crate::{EmbedRequest, Embeddings, EventStream, LlmError, Provider, ProviderInfo, Request};

pub use script::{Reply, Script, ScriptError, ToolCallReply, Turn, When};

/// The name of the scripted model.
const MODEL: &str = "scripted";
/// Requests that are kept for tests to look at. A server, whose script is in a file, keeps none: they have long conversations.
const REQUESTS_KEPT: usize = 1000;

/// A provider that replays a script. Clones share their place in it.
#[derive(Debug, Clone)]
pub struct Scripted {
    script: Arc<Script>,
    state: Arc<Mutex<State>>,
    requests_kept: usize,
}

#[derive(Debug, Default)]
struct State {
    /// How often each turn was the answer.
    used: Vec<u32>,
    calls: u64,
    requests: Vec<Request>,
}

impl Scripted {
    /// Replays a script.
    #[must_use]
    pub fn new(script: Script) -> Self {
        let state = State { used: vec![0; script.turns.len()], ..State::default() };
        Self { script: Arc::new(script), state: Arc::new(Mutex::new(state)), requests_kept: REQUESTS_KEPT }
    }

    /// Replays the script in a file, and keeps no requests.
    ///
    /// # Errors
    /// [`ScriptError`] when it cannot be read, with the place of what is wrong.
    pub fn from_file(path: &Path) -> Result<Self, ScriptError> {
        Ok(Self { requests_kept: 0, ..Self::new(Script::from_file(path)?) })
    }

    /// Replays a script.
    ///
    /// # Errors
    /// [`ScriptError`] with the place of what is wrong.
    pub fn from_json(json: &str) -> Result<Self, ScriptError> {
        Script::from_json(json).map(Self::new)
    }

    /// Replays a script, for tests that write it with `json!`.
    ///
    /// # Errors
    /// [`ScriptError`] with what is wrong.
    pub fn from_value(value: &Value) -> Result<Self, ScriptError> {
        Self::from_json(&value.to_string())
    }

    /// What was asked, oldest first; the last thousand. Of a script in a file nothing is kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// The turns that were never the answer, by name or number: a test's last check.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = self.script.turns.iter().zip(&state.used).enumerate();
        turns.filter(|(_, (_, used))| **used == 0).map(|(index, (turn, _))| turn.label(index)).collect()
    }

    fn embedding_model(&self) -> String {
        format!("scripted-{}", self.script.embedding_dimensions)
    }

    /// The reply to a request, its placeholders filled, and a number that no other reply has.
    fn choose(&self, request: &Request) -> Result<(Reply, u64), LlmError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requests.len() >= self.requests_kept && !state.requests.is_empty() {
            state.requests.remove(0);
        }
        if self.requests_kept > 0 {
            state.requests.push(request.clone());
        }
        state.calls += 1;
        let number = state.calls;
        let chosen = matching::choose(&self.script, &state.used, request);
        match chosen {
            Ok((index, reply)) => {
                if let Some(used) = state.used.get_mut(index) {
                    *used = used.saturating_add(1);
                }
                Ok((reply, number))
            }
            Err(detail) => {
                tracing::warn!(%detail, "the scripted model has no turn for a request");
                Err(LlmError::ScriptMismatch { detail })
            }
        }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            id: "scripted".into(),
            label: "Scripted".into(),
            model: MODEL.into(),
            embedding_model: Some(self.embedding_model()),
        }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        let (reply, number) = self.choose(request)?;
        replay::start(reply, number, request).await
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        let dimensions = self.script.embedding_dimensions;
        let vectors = request.inputs.iter().map(|text| vectors::of(text, dimensions)).collect();
        let bytes: usize = request.inputs.iter().map(String::len).sum();
        let tokens = u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
        Ok(Embeddings { vectors, tokens, model: self.embedding_model() })
    }

    async fn probe(&self) -> Result<String, LlmError> {
        Ok(format!("a script of {} turns", self.script.turns.len()))
    }
}
