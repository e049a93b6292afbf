//! Questions in plain words: what is asked, what comes back, and the events on the way (contract 1, section 11).

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use crate::QueryId;

/// Shortest question, characters.
pub const QUESTION_CHARS_MIN: usize = 3;
/// Longest question, bytes.
pub const QUESTION_BYTES_MAX: usize = 8 * 1024;

/// How two tables are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlJoinType {
    /// Rows that match.
    Inner,
    /// And all of the left table.
    Left,
    /// And all of the right table.
    Right,
    /// And all of both.
    Full,
}

/// A join that the statement makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlJoin {
    /// The left table.
    pub left_table: String,
    /// Its column.
    pub left_column: String,
    /// The right table.
    pub right_table: String,
    /// Its column.
    pub right_column: String,
    /// How they are joined.
    pub join_type: NlJoinType,
    /// How sure it is that the columns belong together, 0..1: from their names, and from how many values they share.
    pub confidence: f64,
    /// Why.
    pub reason: String,
}

/// How far an answer should be looked at before it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlWarningLevel {
    /// Not at all.
    None,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Closely.
    High,
}

/// What the confidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlConfidenceMode {
    /// The first statement.
    Model,
    /// A statement that was mended after it had failed.
    Repair,
}

/// How reliable an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlReliabilityTier {
    /// As good as it gets.
    High,
    /// Worth a look.
    Medium,
    /// To be checked.
    Low,
}

/// What came of running the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlOutcome {
    /// There are rows.
    Rows,
    /// It ran, and no row fits.
    NoRows,
    /// It ran, and no row can fit: it asks for a value that its column does not have.
    NoSuchValue,
    /// It failed.
    Failed,
    /// It ran, but the answers differ and none is sure enough to be shown.
    Unsure,
}

/// What is said about a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlExplanation {
    /// What the question was understood to ask.
    pub intent_summary: String,
    /// The tables that the statement reads.
    pub selected_tables: Vec<String>,
    /// The joins that it makes.
    pub join_plan: Vec<NlJoin>,
    /// The conditions that were planned.
    pub filters: Vec<String>,
    /// The aggregations that were planned.
    pub aggregations: Vec<String>,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// What was changed or noticed while checking.
    pub validation_notes: Vec<String>,
    /// How sure the answer is, 0..1, three decimals: measured, see the documentation of the engine.
    pub confidence: f64,
    /// How far to look at it.
    pub warning_level: NlWarningLevel,
    /// What the confidence comes from.
    pub confidence_mode: NlConfidenceMode,
    /// How reliable it is.
    pub reliability_tier: NlReliabilityTier,
    /// What came of running it.
    pub outcome: NlOutcome,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlProvider {
    /// The kind of provider.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// The model.
    pub model: String,
}

/// The answer to a question.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlResult {
    /// The statement, in canonical form.
    pub sql: String,
    /// Why it answers the question.
    pub rationale: String,
    /// Identity of the query.
    pub query_id: QueryId,
    /// Who answered.
    pub provider: NlProvider,
    /// What is said about it.
    pub explanation: NlExplanation,
    /// Whether the rows came from the cache.
    pub cached: bool,
    /// The rows, as `POST /query/sql` gives them; null when the statement failed. Of a large result a job's log keeps the
    /// first rows only, as a `truncated` one, and `rowsLeftOut` in it tells how many it does not have.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub query: Option<Arc<RawValue>>,
    /// Why there are no rows.
    pub query_execution_error: Option<String>,
}

/// A step of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlPhase {
    /// Choosing what the model gets to know of the tables.
    SchemaContext,
    /// Planning.
    Planning,
    /// Writing the statement.
    SqlGeneration,
    /// Checking it.
    Validation,
    /// Running it.
    InitialExecution,
    /// Mending it.
    Repair,
    /// The end.
    Done,
}

/// What a block of work holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlBlockKind {
    /// What the model thinks.
    Thinking,
    /// A plan.
    Plan,
    /// A use of a tool.
    Tool,
    /// A statement.
    Sql,
    /// Checks and their outcome.
    Validation,
    /// A mended statement.
    Repair,
    /// How it stands.
    Status,
}

/// How a block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlBlockStatus {
    /// Well.
    Completed,
    /// Not well.
    Failed,
}

/// The fields of a phase's event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlPhaseEvent {
    /// The phase.
    pub phase_id: NlPhase,
    /// What is going on, for people.
    pub summary: String,
    /// When, ISO 8601.
    pub timestamp: String,
    /// More of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub details: Option<Map<String, Value>>,
}

/// The fields of a block's event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlBlockEvent {
    /// The block.
    pub block_id: Uuid,
    /// The phase that it belongs to.
    pub phase_id: NlPhase,
    /// What it holds.
    pub kind: NlBlockKind,
    /// Its title.
    pub title: String,
    /// When, ISO 8601.
    pub timestamp: String,
    /// More of it: `provider`, `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub details: Option<Map<String, Value>>,
    /// Deltas only: more Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// Ends only: how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NlBlockStatus>,
}

/// An event on the way to an answer. `done` is always the last one.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NlEvent {
    /// A phase began.
    PhaseStarted(NlPhaseEvent),
    /// A phase goes on.
    PhaseProgress(NlPhaseEvent),
    /// A phase ended well.
    PhaseCompleted(NlPhaseEvent),
    /// A phase ended badly. Of the phase `done`: there is no answer, and `summary` says why.
    PhaseFailed(NlPhaseEvent),
    /// A block began.
    ModelWorkBlockStarted(NlBlockEvent),
    /// A block goes on.
    ModelWorkDelta(NlBlockEvent),
    /// A block ended.
    ModelWorkBlockCompleted(NlBlockEvent),
    /// The answer.
    Result {
        /// The answer.
        nl: Box<NlResult>,
    },
    /// The end.
    Done,
}

impl NlEvent {
    /// The type's name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PhaseStarted(_) => "phase_started",
            Self::PhaseProgress(_) => "phase_progress",
            Self::PhaseCompleted(_) => "phase_completed",
            Self::PhaseFailed(_) => "phase_failed",
            Self::ModelWorkBlockStarted(_) => "model_work_block_started",
            Self::ModelWorkDelta(_) => "model_work_delta",
            Self::ModelWorkBlockCompleted(_) => "model_work_block_completed",
            Self::Result { .. } => "result",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for NlPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SchemaContext => "schema_context",
            Self::Planning => "planning",
            Self::SqlGeneration => "sql_generation",
            Self::Validation => "validation",
            Self::InitialExecution => "initial_execution",
            Self::Repair => "repair",
            Self::Done => "done",
        })
    }
}

/// A suggested question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NlSuggestion {
    /// Names it in its set.
    pub id: String,
    /// The question.
    pub prompt: String,
    /// A short form.
    pub label: String,
    /// What kind of question it is.
    pub category: String,
    /// The tables that it is about.
    pub tables: Vec<String>,
    /// Why it is worth asking.
    pub rationale: String,
}

/// What the composers of the phases show while they are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkflowPlaceholders {
    /// For preprocessing.
    pub preprocessing: Vec<String>,
    /// For feature engineering.
    pub feature_engineering: Vec<String>,
    /// For training.
    pub training: Vec<String>,
    /// Statements that can be run as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explore: Vec<String>,
}
