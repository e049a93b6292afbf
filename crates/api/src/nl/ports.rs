//! The ports of the engine over the server's repositories and its SQL service.

use std::sync::Arc;

use actix_web::web;
use async_trait::async_trait;
use gristmill_documents::{Citation, Search, SearchRequest};
use gristmill_domain::{
    Caller, Clock, DatasetId, ErrorCode, ProjectId,
    jobs::NewJobEvent,
    nl::{NlEvent, NlPhase},
    ports::StoreError,
    settings::Settings,
};
use gristmill_jobs::{JobContext, StopReason};
use gristmill_persistence::repo::{
    datasets::Datasets,
    nl_suggestions::{NlSuggestionKey, NlSuggestionSet, NlSuggestions},
    settings::UserSettings,
};
use gristmill_sql_safety::{Position, ValidatedSql};
use gristmill_workflow::ports::{
    EventSink, Executed, PortError, ProjectSchema, SchemaSource, Snippet, SnippetSource, SqlFailure, SqlRunner, SuggestionKey,
    SuggestionSet, SuggestionStore, TableProfile, TableSketch,
};
use serde_json::Value;

use super::results::{ParkedResults, for_log, raw_view};
use crate::{error::ApiError, state::AppState};

/// What a question says whose server stops, in its log and as its job's error.
pub(super) const STOPPED: &str = "The server stopped; ask again shortly";

/// The datasets of projects as tables, with the caller's limits.
#[derive(Debug, Clone)]
pub struct StoredSchema {
    datasets: Datasets,
    settings: UserSettings,
    defaults: Settings,
}

impl StoredSchema {
    /// Over these repositories; `defaults` hold for users who changed nothing.
    #[must_use]
    pub fn new(datasets: Datasets, settings: UserSettings, defaults: Settings) -> Self {
        Self { datasets, settings, defaults }
    }
}

#[async_trait]
impl SchemaSource for StoredSchema {
    async fn schema(&self, caller: &Caller, project: ProjectId) -> Result<ProjectSchema, PortError> {
        let datasets = self.datasets.list(caller, Some(project)).await.map_err(store)?;
        let settings = self.settings.overrides(caller).await.map_err(store)?.over(self.defaults);
        let tables = datasets.into_iter().map(|dataset| TableProfile {
            id: dataset.id,
            name: dataset.sql_name,
            physical_name: dataset.physical_name,
            filename: dataset.filename,
            row_count: dataset.row_count,
            columns: dataset.columns,
        });
        Ok(ProjectSchema {
            tables: tables.collect(),
            limit_default: u32::try_from(settings.sql_default_limit).unwrap_or(u32::MAX),
            rows_max: u32::try_from(settings.sql_max_rows).unwrap_or(u32::MAX),
        })
    }

    async fn sketches(&self, caller: &Caller, project: ProjectId, tables: &[DatasetId]) -> Result<Vec<TableSketch>, PortError> {
        let sketches = self.datasets.key_sketches(caller, project, tables).await.map_err(store)?;
        Ok(sketches.into_iter().map(|(table, sketch)| TableSketch { table, sketch }).collect())
    }
}

/// Passages of the documents of projects.
#[derive(Debug)]
pub(super) struct StoredSnippets {
    search: Search,
}

impl StoredSnippets {
    pub(super) fn new(search: Search) -> Self {
        Self { search }
    }
}

#[async_trait]
impl SnippetSource for StoredSnippets {
    async fn snippets(
        &self,
        caller: &Caller,
        project: ProjectId,
        question: &str,
        snippets_max: usize,
    ) -> Result<Vec<Snippet>, PortError> {
        let request = SearchRequest { project: Some(project), query: question, limit: snippets_max };
        let found = self.search.search(caller, request).await.map_err(|error| PortError {
            code: ErrorCode::DatabaseUnavailable,
            message: error.to_string(),
            source: Some(Box::new(error)),
        })?;
        let snippet = |citation: Citation| Snippet { filename: citation.chunk.filename, text: citation.chunk.chunk.text };
        Ok(found.into_iter().map(snippet).collect())
    }
}

/// Kept suggestions.
#[derive(Debug, Clone)]
pub struct StoredSuggestions {
    sets: NlSuggestions,
    clock: Arc<dyn Clock>,
}

impl StoredSuggestions {
    /// Over this repository.
    #[must_use]
    pub fn new(sets: NlSuggestions, clock: Arc<dyn Clock>) -> Self {
        Self { sets, clock }
    }
}

fn stored_key(key: &SuggestionKey) -> NlSuggestionKey<'_> {
    NlSuggestionKey {
        project: key.project,
        schema_fingerprint: &key.schema_fingerprint,
        model: &key.model,
        prompt_version: key.prompt_version,
    }
}

fn set_of(stored: NlSuggestionSet) -> SuggestionSet {
    SuggestionSet { suggestions: stored.suggestions, placeholders: stored.placeholders }
}

#[async_trait]
impl SuggestionStore for StoredSuggestions {
    async fn find(&self, caller: &Caller, key: &SuggestionKey) -> Result<Option<SuggestionSet>, PortError> {
        Ok(self.sets.find(caller, stored_key(key)).await.map_err(store)?.map(set_of))
    }

    async fn keep(&self, caller: &Caller, key: &SuggestionKey, set: SuggestionSet) -> Result<SuggestionSet, PortError> {
        let set = NlSuggestionSet { suggestions: set.suggestions, placeholders: set.placeholders };
        Ok(set_of(self.sets.keep(caller, stored_key(key), &set, self.clock.now()).await.map_err(store)?))
    }
}

/// Runs statements as `POST /query/sql` does, its cache included.
#[derive(Debug)]
pub(super) struct ServiceSql {
    state: web::Data<AppState>,
}

impl ServiceSql {
    pub(super) fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl SqlRunner for ServiceSql {
    async fn run(&self, caller: &Caller, project: ProjectId, sql: &ValidatedSql) -> Result<Executed, SqlFailure> {
        let answer = self.state.sql.run(&self.state, caller, project, sql.text()).await.map_err(failure)?;
        let view = answer.view();
        let (query_id, row_count, cached) = (view.query_id, view.row_count, view.cached);
        let view = raw_view(answer).await.map_err(failure)?;
        Ok(Executed { query_id, view, row_count, cached })
    }
}

fn failure(error: ApiError) -> SqlFailure {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let position = error.body().position.map(|at| Position { line: number(at.line), column: number(at.column) });
    SqlFailure { code: error.code(), message: error.to_string(), position, source: Some(Box::new(error)) }
}

fn store(error: StoreError) -> PortError {
    let error = ApiError::store(ErrorCode::ProjectNotFound)(error);
    PortError { code: error.code(), message: error.to_string(), source: Some(Box::new(error)) }
}

/// Events into the log of the question's job.
///
/// The first one and the answer are committed before the work goes on; what lies between tells of it as it goes and is
/// committed in groups, or the commits would take longer than all of the engine's own work. Of a large result only the
/// first rows go there.
#[derive(Debug)]
pub(super) struct LogSink {
    context: JobContext,
    parked: ParkedResults,
}

impl LogSink {
    pub(super) fn new(context: JobContext, parked: ParkedResults) -> Self {
        Self { context, parked }
    }

    async fn fields(&self, event: NlEvent) -> Result<Value, PortError> {
        let (event, view) = match event {
            NlEvent::Result { mut nl } => {
                let view = nl.query.take();
                (NlEvent::Result { nl }, view)
            }
            other => (other, None),
        };
        let mut data = match serde_json::to_value(&event) {
            Ok(Value::Object(mut fields)) => {
                fields.remove("type");
                Value::Object(fields)
            }
            _ => return Err(PortError::new(ErrorCode::Internal, "An event could not be written")),
        };
        if let Some(view) = view {
            let logged = for_log(&self.parked, self.context.job().id, view).await.map_err(unwritable)?;
            if let Some(query) = data.pointer_mut("/nl/query") {
                *query = logged;
            }
        }
        Ok(data)
    }
}

fn unwritable(error: ApiError) -> PortError {
    PortError { code: error.code(), message: "The result could not be written".to_owned(), source: Some(Box::new(error)) }
}

#[async_trait]
impl EventSink for LogSink {
    async fn emit(&self, event: NlEvent) -> Result<(), PortError> {
        let is_first = matches!(&event, NlEvent::PhaseStarted(phase) if phase.phase_id == NlPhase::SchemaContext);
        let commits = is_first || matches!(event, NlEvent::Result { .. } | NlEvent::Done);
        let name = event.name();
        let event = NewJobEvent::new(name, self.fields(event).await?);
        let log = self.context.events();
        let appended = if commits { log.push(event).await.map(drop) } else { log.push_delta(event).await };
        appended.map_err(|error| PortError {
            code: ErrorCode::Internal,
            message: "The log of the question takes no more events".to_owned(),
            source: Some(Box::new(error)),
        })
    }

    fn why_cancelled(&self) -> Option<String> {
        (self.context.reason() == Some(StopReason::Shutdown)).then(|| STOPPED.to_owned())
    }
}
