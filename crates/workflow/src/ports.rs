//! What the engines need from outside. Small traits; whoever embeds the engines implements them.
//!
//! Every call names the caller and the project, and an implementation must answer for that caller only.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, ProjectId, QueryId,
    datasets::ColumnProfile,
    key_sketches::KeySketch,
    nl::{NlEvent, NlSuggestion, WorkflowPlaceholders},
};
use gristmill_sql_safety::{AllowedTable, Position, SqlPolicy, ValidatedSql};
use serde_json::value::RawValue;

/// Something outside failed: a code for programs, words for people.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// The code.
    pub code: ErrorCode,
    /// What to tell a person.
    pub message: String,
    /// What caused it, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PortError {
    /// A failure without a cause.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }
}

/// A table of a project with what is known of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct TableProfile {
    /// The dataset.
    pub id: DatasetId,
    /// The name that people type in SQL.
    pub name: String,
    /// The name that is unique in the system.
    pub physical_name: String,
    /// The name of the uploaded file: hostile text.
    pub filename: String,
    /// Rows.
    pub row_count: u64,
    /// Columns in file order, with profiles: names and values are hostile text.
    pub columns: Vec<ColumnProfile>,
}

/// A sketch of one column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSketch {
    /// The table, by the name that people type.
    pub table: String,
    /// The sketch.
    pub sketch: KeySketch,
}

/// The tables that a project can be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectSchema {
    /// The tables, oldest first.
    pub tables: Vec<TableProfile>,
    /// The `LIMIT` of statements without one, rows.
    pub limit_default: u32,
    /// Most rows of a result.
    pub rows_max: u32,
}

impl ProjectSchema {
    /// What a statement over these tables may do.
    #[must_use]
    pub fn policy(&self) -> SqlPolicy {
        let allowed = |table: &TableProfile| AllowedTable { logical: table.name.clone(), physical: table.physical_name.clone() };
        SqlPolicy {
            tables: self.tables.iter().map(allowed).collect(),
            limit_default: self.limit_default,
            rows_max: self.rows_max,
        }
    }

    /// Looks a table up by the name that people type.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableProfile> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Knows the tables of projects.
#[async_trait]
pub trait SchemaSource: Send + Sync + Debug {
    /// Reads the tables of one of the caller's projects.
    ///
    /// # Errors
    /// `ProjectNotFound`, or a failure of the storage.
    async fn schema(&self, caller: &Caller, project: ProjectId) -> Result<ProjectSchema, PortError>;

    /// Reads the sketches of key-like columns of these tables, as far as there are any. Without them joins are judged by names
    /// alone.
    ///
    /// # Errors
    /// A failure of the storage.
    async fn sketches(
        &self,
        _caller: &Caller,
        _project: ProjectId,
        _tables: &[DatasetId],
    ) -> Result<Vec<TableSketch>, PortError> {
        Ok(Vec::new())
    }
}

/// A passage of a document: hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The document's file name.
    pub filename: String,
    /// The passage.
    pub text: String,
}

/// Finds passages in the documents of projects.
#[async_trait]
pub trait SnippetSource: Send + Sync + Debug {
    /// Finds the passages that fit a question best, in one of the caller's projects.
    ///
    /// # Errors
    /// A failure of the search. A question is then answered without passages.
    async fn snippets(
        &self,
        caller: &Caller,
        project: ProjectId,
        question: &str,
        snippets_max: usize,
    ) -> Result<Vec<Snippet>, PortError>;
}

/// A project without documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSnippets;

#[async_trait]
impl SnippetSource for NoSnippets {
    async fn snippets(&self, _: &Caller, _: ProjectId, _: &str, _: usize) -> Result<Vec<Snippet>, PortError> {
        Ok(Vec::new())
    }
}

/// What a statement gave.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Identity of the query.
    pub query_id: QueryId,
    /// The result as `POST /query/sql` gives it: an object, with the rows as an array of objects under `rows`. May be many
    /// megabytes, so it is shared and not copied.
    pub view: Arc<RawValue>,
    /// How many rows there are.
    pub row_count: u64,
    /// Whether they came from the cache.
    pub cached: bool,
}

/// Why a statement gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SqlFailure {
    /// The code.
    pub code: ErrorCode,
    /// The engine's words, safe to show.
    pub message: String,
    /// The place in the statement, when it is known.
    pub position: Option<Position>,
    /// What caused it, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SqlFailure {
    /// Whether another statement might do better. Not when the engine is overloaded, broken, or the project is gone.
    #[must_use]
    pub fn is_of_the_statement(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::SqlInvalid
                | ErrorCode::SqlFailed
                | ErrorCode::SqlRefused
                | ErrorCode::SqlTimeout
                | ErrorCode::SqlTooExpensive
        )
    }
}

/// Runs checked statements, and may answer from a cache by project and canonical text.
#[async_trait]
pub trait SqlRunner: Send + Sync + Debug {
    /// Runs a statement over the tables of one of the caller's projects.
    ///
    /// # Errors
    /// Why it gave nothing.
    ///
    /// # Cancel safety
    /// Dropping the future stops the work.
    async fn run(&self, caller: &Caller, project: ProjectId, sql: &ValidatedSql) -> Result<Executed, SqlFailure>;
}

/// Takes events. An implementation that records them durably commits phases before it returns.
#[async_trait]
pub trait EventSink: Send + Sync + Debug {
    /// Takes the next event. Waits while the receiver is slow.
    ///
    /// # Errors
    /// When nobody takes events any more: the work is stopped.
    async fn emit(&self, event: NlEvent) -> Result<(), PortError>;

    /// Why a question was cancelled, for people: asked for the last events of one that was. `None`: nobody wants its answer.
    fn why_cancelled(&self) -> Option<String> {
        None
    }
}

/// Takes events and forgets them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

#[async_trait]
impl EventSink for NoEvents {
    async fn emit(&self, _: NlEvent) -> Result<(), PortError> {
        Ok(())
    }
}

/// What a set of suggestions was made from and by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SuggestionKey {
    /// The project.
    pub project: ProjectId,
    /// Hash of its tables and columns.
    pub schema_fingerprint: String,
    /// The model, or the name of the rules.
    pub model: String,
    /// Version of prompt and rules.
    pub prompt_version: i32,
}

/// A set of suggestions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestionSet {
    /// The questions.
    pub suggestions: Vec<NlSuggestion>,
    /// What the composers show.
    pub placeholders: Option<WorkflowPlaceholders>,
}

/// Keeps sets of suggestions.
#[async_trait]
pub trait SuggestionStore: Send + Sync + Debug {
    /// Reads a set of one of the caller's projects.
    ///
    /// # Errors
    /// `ProjectNotFound`, or a failure of the storage.
    async fn find(&self, caller: &Caller, key: &SuggestionKey) -> Result<Option<SuggestionSet>, PortError>;

    /// Keeps a set. When another was kept under the key meanwhile, that one stays and is returned.
    ///
    /// # Errors
    /// `ProjectNotFound`, or a failure of the storage.
    async fn keep(&self, caller: &Caller, key: &SuggestionKey, set: SuggestionSet) -> Result<SuggestionSet, PortError>;
}
