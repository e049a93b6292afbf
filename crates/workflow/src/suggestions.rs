//! Questions worth asking of a project's tables, and texts for the composers of the other phases.
//!
//! Made once for each state of the tables' schema and kept: by the language model when there is one, else by rules from
//! the columns' profiles. The rules also fill up what the model leaves short, and stand in while the model fails.

mod model;
mod rules;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gristmill_domain::{Caller, ProjectId, datasets::ColumnType, nl::NlSuggestion};
use gristmill_llm::Provider;
use gristmill_sql_safety::validate;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    error::NlError,
    ports::{ProjectSchema, SchemaSource, SuggestionKey, SuggestionSet, SuggestionStore},
};

/// Version of the prompt and the rules: sets of another version are made anew.
pub const PROMPT_VERSION: i32 = 5;
/// Suggestions that are made.
pub const SUGGESTIONS_MADE: usize = 12;
/// The name under which sets of the rules are kept.
pub const RULES_MODEL: &str = "rules";

const FINGERPRINT_TABLES_MAX: usize = 24;
const FINGERPRINT_COLUMNS_MAX: usize = 18;

/// What a project is suggested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    /// The set.
    pub set: SuggestionSet,
    /// Whether it was made before.
    pub cached: bool,
    /// Hash of the schema that it was made from; empty without tables.
    pub schema_fingerprint: String,
}

/// Suggests. Share it: calls for the same state of the same project wait for one generation.
#[derive(Debug)]
pub struct Suggester {
    provider: Option<Arc<dyn Provider>>,
    model: Option<String>,
    timeout: Duration,
    schema: Arc<dyn SchemaSource>,
    store: Arc<dyn SuggestionStore>,
    flights: Mutex<HashMap<SuggestionKey, Arc<tokio::sync::Mutex<()>>>>,
    prepared: Mutex<HashMap<ProjectId, Preparation>>,
}

/// The last time that a model was asked in the background for a project.
#[derive(Debug, Clone, Copy)]
enum Preparation {
    UnderWay,
    Ended(Instant),
}

/// How often a model is asked in the background for a project, whatever changes there: somebody pays for each time.
const PREPARATION_PAUSE: Duration = Duration::from_secs(60);

impl Suggester {
    /// A suggester that uses rules only.
    #[must_use]
    pub fn new(schema: Arc<dyn SchemaSource>, store: Arc<dyn SuggestionStore>) -> Self {
        Self {
            provider: None,
            model: None,
            timeout: Duration::from_millis(25_000),
            schema,
            store,
            flights: Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    /// One that asks a language model, each time for at most `timeout`.
    #[must_use]
    pub fn with_model(mut self, provider: Arc<dyn Provider>, model: Option<String>, timeout: Duration) -> Self {
        self.provider = Some(provider);
        self.model = model;
        self.timeout = timeout;
        self
    }

    /// Suggests, from what is kept or anew.
    ///
    /// # Errors
    /// A failure of the storage, `Cancelled`. A failure of the language model gives suggestions by rules, which are not
    /// kept.
    ///
    /// # Cancel safety
    /// Dropping the future stops; whoever waited for it goes on by themselves.
    pub async fn suggest(&self, caller: &Caller, project: ProjectId, cancel: &CancellationToken) -> Result<Suggested, NlError> {
        let schema = self.schema.schema(caller, project).await?;
        let schema_fingerprint = fingerprint(&schema);
        if schema_fingerprint.is_empty() {
            let set = SuggestionSet { suggestions: Vec::new(), placeholders: None };
            return Ok(Suggested { set, cached: false, schema_fingerprint });
        }
        let key = self.key(project, schema_fingerprint.clone());
        if let Some(set) = self.store.find(caller, &key).await? {
            return Ok(Suggested { set, cached: true, schema_fingerprint });
        }
        let flight = self.flight(&key);
        let made = {
            let _turn = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(NlError::Cancelled),
                turn = flight.lock() => turn,
            };
            self.make(caller, &schema, &key, cancel).await
        };
        self.land(flight);
        let (set, cached) = made?;
        Ok(Suggested { set, cached, schema_fingerprint })
    }

    /// Suggests what is kept, or else by rules, without waiting for a model. `cached` tells whether it was kept: when it was
    /// not and there is a model, [`Suggester::suggest`] makes what a later call gets.
    ///
    /// # Errors
    /// A failure of the storage.
    ///
    /// # Cancel safety
    /// Nothing is kept but a set by rules where there is no model.
    pub async fn suggest_at_once(&self, caller: &Caller, project: ProjectId) -> Result<Suggested, NlError> {
        if self.provider.is_none() {
            return self.suggest(caller, project, &CancellationToken::new()).await;
        }
        let schema = self.schema.schema(caller, project).await?;
        let schema_fingerprint = fingerprint(&schema);
        if schema_fingerprint.is_empty() {
            let set = SuggestionSet { suggestions: Vec::new(), placeholders: None };
            return Ok(Suggested { set, cached: false, schema_fingerprint });
        }
        let key = self.key(project, schema_fingerprint.clone());
        Ok(match self.store.find(caller, &key).await? {
            Some(set) => Suggested { set, cached: true, schema_fingerprint },
            None => Suggested { set: by_rules(&schema).await?, cached: false, schema_fingerprint },
        })
    }

    /// Lets the model suggest for later calls, one call at a time for a project and one a minute; does nothing otherwise, and
    /// without a model.
    ///
    /// # Errors
    /// As [`Suggester::suggest`].
    ///
    /// # Cancel safety
    /// Dropping the future keeps further calls for this project away until the process ends; cancel by `cancel`.
    pub async fn prepare(&self, caller: &Caller, project: ProjectId, cancel: &CancellationToken) -> Result<(), NlError> {
        if self.provider.is_none() || !self.begin_preparation(project) {
            return Ok(());
        }
        let made = self.suggest(caller, project, cancel).await;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(project, Preparation::Ended(Instant::now()));
        made.map(drop)
    }

    fn begin_preparation(&self, project: ProjectId) -> bool {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.retain(|_, last| match last {
            Preparation::UnderWay => true,
            Preparation::Ended(at) => at.elapsed() < PREPARATION_PAUSE,
        });
        if prepared.contains_key(&project) {
            return false;
        }
        prepared.insert(project, Preparation::UnderWay);
        true
    }

    fn key(&self, project: ProjectId, schema_fingerprint: String) -> SuggestionKey {
        SuggestionKey { project, schema_fingerprint, model: self.model_name(), prompt_version: PROMPT_VERSION }
    }

    fn model_name(&self) -> String {
        match (&self.provider, &self.model) {
            (None, _) => RULES_MODEL.to_owned(),
            (Some(_), Some(model)) => model.clone(),
            (Some(provider), None) => provider.info().model,
        }
    }

    /// The place to wait for others who make the same.
    fn flight(&self, key: &SuggestionKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(key.clone()).or_default())
    }

    /// Forgets the places where nobody waits any more, those of callers that went away among them.
    fn land(&self, flight: Arc<tokio::sync::Mutex<()>>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        drop(flight);
        flights.retain(|_, place| Arc::strong_count(place) > 1);
    }

    async fn make(
        &self,
        caller: &Caller,
        schema: &ProjectSchema,
        key: &SuggestionKey,
        cancel: &CancellationToken,
    ) -> Result<(SuggestionSet, bool), NlError> {
        // Somebody else may have made it while this one waited.
        if let Some(set) = self.store.find(caller, key).await? {
            return Ok((set, true));
        }
        let ruled = by_rules(schema).await?;
        let Some(provider) = &self.provider else { return Ok((self.store.keep(caller, key, ruled).await?, false)) };
        let asked = model::Asked {
            provider: provider.as_ref(),
            model: self.model.as_deref(),
            timeout: self.timeout,
            caller,
            key,
            cancel,
        };
        match model::suggest(&asked, schema, &ruled).await {
            Ok(set) => Ok((self.store.keep(caller, key, set).await?, false)),
            Err(NlError::Cancelled) => Err(NlError::Cancelled),
            Err(error) => {
                tracing::warn!(%error, "the model suggested nothing; rules stand in");
                Ok((ruled, false))
            }
        }
    }
}

/// What the rules suggest, worked out where it keeps nobody waiting: wide tables take their time.
async fn by_rules(schema: &ProjectSchema) -> Result<SuggestionSet, NlError> {
    let schema = schema.clone();
    let suggested = tokio::task::spawn_blocking(move || rules::suggest(&schema)).await;
    suggested.map_err(|error| NlError::Internal(error.to_string()))
}

/// Hash of the tables and columns: SHA-256 over sorted tables with sorted lower-case `column:type`. Empty without tables.
#[must_use]
pub fn fingerprint(schema: &ProjectSchema) -> String {
    let mut tables: Vec<(&str, Vec<String>)> = schema
        .tables
        .iter()
        .filter(|table| !table.columns.is_empty())
        .map(|table| {
            let mut columns: Vec<String> =
                table.columns.iter().map(|column| format!("{}:{}", column.name.to_lowercase(), column.dtype.as_str())).collect();
            columns.sort_unstable();
            columns.truncate(FINGERPRINT_COLUMNS_MAX);
            (table.name.as_str(), columns)
        })
        .collect();
    if tables.is_empty() {
        return String::new();
    }
    tables.sort_unstable();
    tables.truncate(FINGERPRINT_TABLES_MAX);
    let mut hash = Sha256::new();
    for (table, columns) in tables {
        for part in std::iter::once(table).chain(columns.iter().map(String::as_str)) {
            // Lengths in front, so that no two schemas run together into one.
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A suggestion that keeps to the bounds of the contract, or nothing.
fn bounded(suggestion: NlSuggestion, schema: &ProjectSchema) -> Option<NlSuggestion> {
    let within = |text: &str, min: usize, max: usize| (min..=max).contains(&text.chars().count());
    let fits = within(&suggestion.prompt, 20, 240)
        && within(&suggestion.label, 6, 80)
        && within(&suggestion.category, 3, 40)
        && within(&suggestion.rationale, 12, 180)
        && (1..=4).contains(&suggestion.tables.len())
        && suggestion.tables.iter().all(|table| schema.table(table).is_some());
    fits.then_some(suggestion)
}

/// Distinct suggestions, numbered, at most [`SUGGESTIONS_MADE`].
fn numbered(suggestions: Vec<NlSuggestion>) -> Vec<NlSuggestion> {
    let mut seen = std::collections::HashSet::new();
    let distinct = suggestions.into_iter().filter(|suggestion| seen.insert(suggestion.prompt.to_lowercase()));
    distinct
        .take(SUGGESTIONS_MADE)
        .zip(1..)
        .map(|(suggestion, position)| NlSuggestion { id: format!("{}-{position}", slug(&suggestion.prompt)), ..suggestion })
        .collect()
}

const SLUG_CHARS_MAX: usize = 48;

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "question".to_owned() } else { slug.to_owned() }
}

/// Statements that can be run as they are, of 10 to 300 characters.
fn runnable(statements: Vec<String>, schema: &ProjectSchema) -> Vec<String> {
    let policy = schema.policy();
    let fits = |sql: &String| (10..=300).contains(&sql.chars().count()) && validate(sql, &policy).is_ok();
    let mut kept: Vec<String> = Vec::new();
    for sql in statements.into_iter().filter(fits) {
        if !kept.contains(&sql) && kept.len() < 12 {
            kept.push(sql);
        }
    }
    kept
}

/// Texts of 15 to 150 characters, at most six.
fn placeholders(texts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if (15..=150).contains(&text.chars().count()) && !kept.contains(&text) && kept.len() < 6 {
            kept.push(text);
        }
    }
    kept
}

fn is_number(dtype: ColumnType) -> bool {
    matches!(dtype, ColumnType::Integer | ColumnType::Float)
}
