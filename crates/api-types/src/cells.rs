//! Cells (contract 3, section 6).

use garde::Validate;
use gristmill_domain::{
    CellId, DatasetId, ErrorCode, NotebookId, ProjectId,
    execution::{ExecutionResult, RichOutput},
    notebooks::{CELL_CHARS_MAX, Cell, CellStatus, CellType, LockOwner, OutputRef, PREVIEW_CHARS},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    common::{ErrorShape, Instant, RequestBody, clearable, not_null},
    projects::no_nul,
};

/// A cell.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellView {
    /// Identity.
    pub cell_id: CellId,
    /// The notebook that it is in.
    pub notebook_id: NotebookId,
    /// Whether it runs.
    pub cell_type: CellType,
    /// A heading.
    pub title: Option<String>,
    /// Its text.
    pub content: String,
    /// Its place, from 0 without gaps.
    pub position: u32,
    /// Whatever clients keep with it.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// How often it ran.
    pub execution_count: u32,
    /// The place of its last run among all runs of the notebook.
    pub execution_order: Option<u32>,
    /// How its last run stands.
    pub execution_status: CellStatus,
    /// How long its last run took.
    pub execution_duration_ms: Option<u64>,
    /// When its last run ended.
    pub executed_at: Option<Instant>,
    /// Whether it was edited since its last run began.
    pub is_dirty: bool,
    /// What its last run left.
    pub output: Vec<RichOutput>,
    /// Files that outputs refer to.
    pub output_refs: Vec<OutputRef>,
    /// Who holds it.
    pub locked_by: Option<LockOwner>,
    /// Since when.
    pub locked_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl From<Cell> for CellView {
    fn from(cell: Cell) -> Self {
        Self {
            cell_id: cell.id,
            notebook_id: cell.notebook_id,
            cell_type: cell.cell_type,
            title: cell.title,
            content: cell.content,
            position: cell.position,
            metadata: cell.metadata,
            execution_count: cell.execution_count,
            execution_order: cell.execution_order,
            execution_status: cell.status,
            execution_duration_ms: cell.duration_ms,
            executed_at: cell.executed_at.map(Instant),
            is_dirty: cell.is_dirty,
            output: cell.output,
            output_refs: cell.output_refs,
            locked_by: cell.lock.map(|lock| lock.owner),
            locked_at: cell.lock.map(|lock| lock.since.into()),
            created_at: cell.created_at.into(),
            updated_at: cell.updated_at.into(),
        }
    }
}

/// A cell in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellSummary {
    /// Identity.
    pub cell_id: CellId,
    /// Whether it runs.
    pub cell_type: CellType,
    /// A heading.
    pub title: Option<String>,
    /// Its place.
    pub position: u32,
    /// How its last run stands.
    pub execution_status: CellStatus,
    /// How often it ran.
    pub execution_count: u32,
    /// The place of its last run among all runs of the notebook.
    pub execution_order: Option<u32>,
    /// Whether it was edited since its last run began.
    pub is_dirty: bool,
    /// Who holds it.
    pub locked_by: Option<LockOwner>,
    /// The first 100 characters.
    pub content_preview: String,
}

impl From<Cell> for CellSummary {
    fn from(cell: Cell) -> Self {
        Self {
            cell_id: cell.id,
            cell_type: cell.cell_type,
            title: cell.title,
            position: cell.position,
            execution_status: cell.status,
            execution_count: cell.execution_count,
            execution_order: cell.execution_order,
            is_dirty: cell.is_dirty,
            locked_by: cell.lock.map(|lock| lock.owner),
            content_preview: cell.content.chars().take(PREVIEW_CHARS).collect(),
        }
    }
}

/// A cell to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellCreate {
    /// Its text; may be empty.
    #[garde(length(chars, max = CELL_CHARS_MAX), custom(no_nul))]
    pub content: String,
    /// A heading, at most 500 characters.
    #[serde(default)]
    #[garde(inner(length(chars, max = 500), custom(no_nul)))]
    pub title: Option<String>,
    /// Whether it runs; `code` when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub cell_type: Option<CellType>,
    /// Where; at the end when absent or beyond it.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub position: Option<u32>,
    /// Must be the notebook's project when given.
    #[serde(default)]
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

impl RequestBody for CellCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Changes to a cell: absent fields keep their value.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellPatch {
    /// Its text; may be empty.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, max = CELL_CHARS_MAX), custom(no_nul)))]
    pub content: Option<String>,
    /// A heading, at most 500 characters; null takes it away.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>)]
    #[garde(inner(inner(length(chars, max = 500), custom(no_nul))))]
    pub title: Option<Option<String>>,
    /// Must be the notebook's project when given.
    #[serde(default)]
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

impl RequestBody for CellPatch {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Which project's kernel.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellRun {
    /// The notebook's project.
    #[garde(skip)]
    pub project_id: ProjectId,
}

impl RequestBody for CellRun {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// A new order of cells.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellReorder {
    /// The cells in their new order. Those that are not named come after them as they were.
    #[garde(length(min = 1, max = gristmill_domain::notebooks::CELLS_MAX))]
    pub cell_ids: Vec<CellId>,
    /// Must be the notebook's project when given.
    #[serde(default)]
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

impl RequestBody for CellReorder {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What code is to be suggested for.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellSuggest {
    /// What was found in the data.
    #[garde(dive)]
    pub insight_context: InsightContext,
}

impl RequestBody for CellSuggest {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What was found in the data.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InsightContext {
    /// The columns that it is about, at most 20.
    #[garde(length(max = 20), inner(length(chars, max = 128)))]
    pub columns: Vec<String>,
    /// Its kind.
    #[garde(length(chars, min = 1, max = 50))]
    pub issue_type: String,
    /// How bad it is.
    #[garde(length(chars, min = 1, max = 20))]
    pub severity: String,
    /// What it is, in words.
    #[garde(length(chars, min = 1, max = 500))]
    pub text: String,
    /// The columns of the table, at most 200.
    #[garde(length(max = 200), dive)]
    pub dataset_schema: Vec<SchemaColumn>,
    /// The table.
    #[garde(length(chars, min = 1, max = 128), custom(is_table_name))]
    pub table_name: String,
}

/// A column of a table.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaColumn {
    /// Its name.
    #[garde(length(chars, max = 128))]
    pub column: String,
    /// Its type.
    #[garde(length(chars, max = 50))]
    pub dtype: String,
}

fn is_table_name(name: &str, _: &()) -> garde::Result {
    let fits = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    if fits { Ok(()) } else { Err(garde::Error::new("may only have letters, digits, `_`, `-`, `.` and blanks")) }
}

/// One line of a suggestion on its way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SuggestionLine {
    /// The cell that the code will be in. The first line.
    #[serde(rename_all = "camelCase")]
    CellCreated {
        /// Which.
        cell_id: CellId,
    },
    /// More of the code.
    Token {
        /// The code.
        content: String,
    },
    /// It is in the cell. The last line.
    Done,
    /// It failed; the cell keeps what there was. The last line.
    Error {
        /// Why.
        message: String,
    },
}

/// What a run of a cell gave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellRunView {
    /// The result; `outputs` as they are kept with the cell, `executionOrder` the place among the notebook's runs.
    #[serde(flatten)]
    pub result: ExecutionResult,
    /// Datasets that the cell saved to the project.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub exported_datasets: Vec<ExportedDatasetView>,
    /// Why the environment ran no code at all, for agents.
    #[serde(skip)]
    pub environment_error: Option<ErrorCode>,
}

/// A dataset that a cell saved to the project.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExportedDatasetView {
    /// Identity.
    pub id: DatasetId,
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub cols: u64,
}

/// Whether a cell is held.
#[derive(Debug, Serialize, ToSchema)]
pub struct CellLockView {
    /// Whether it is.
    pub locked: bool,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<LockOwner>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
}

impl From<Cell> for CellLockView {
    fn from(cell: Cell) -> Self {
        let lock = cell.lock;
        Self { locked: lock.is_some(), by: lock.map(|lock| lock.owner), at: lock.map(|lock| lock.since.into()) }
    }
}
