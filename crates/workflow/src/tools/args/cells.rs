//! Arguments of the tools that read, write and run cells of notebooks.

use gristmill_domain::{CellId, NotebookId, notebooks::CellType};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{id, ids};

choices! {
    /// Whether a cell runs.
    CellTypeArg {
        /// Python.
        Code = "code",
        /// Text.
        Markdown = "markdown",
    }
}

impl From<CellTypeArg> for CellType {
    fn from(cell_type: CellTypeArg) -> Self {
        match cell_type {
            CellTypeArg::Code => Self::Code,
            CellTypeArg::Markdown => Self::Markdown,
        }
    }
}

/// Of `list_cells`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListCellsArgs {
    /// A notebook of the project; the one that is worked in when absent.
    #[serde(default)]
    #[schemars(schema_with = "id")]
    pub notebook_id: Option<NotebookId>,
}

/// Of `read_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadCellArgs {
    /// The cell.
    #[schemars(schema_with = "id")]
    pub cell_id: CellId,
}

/// Of `write_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteCellArgs {
    /// The whole text of the cell.
    #[schemars(length(min = 1, max = 1_000_000))]
    pub content: String,
    /// A cell to replace; a new one is made at the end of the notebook when absent.
    #[serde(default)]
    #[schemars(schema_with = "id")]
    pub cell_id: Option<CellId>,
    /// A short heading.
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Whether it runs; code when absent.
    pub cell_type: Option<CellTypeArg>,
    /// Keys to keep with the cell.
    pub metadata: Option<Map<String, Value>>,
}

/// Of `edit_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditCellArgs {
    /// The cell.
    #[schemars(schema_with = "id")]
    pub cell_id: CellId,
    /// The first line to replace, counted from 1.
    #[schemars(range(min = 1))]
    pub start_line: u32,
    /// The last line to replace; it is replaced too.
    #[schemars(range(min = 1))]
    pub end_line: u32,
    /// What takes their place; empty to take the lines away.
    #[schemars(length(max = 1_000_000))]
    pub new_content: String,
    /// Keys to keep with the cell.
    pub metadata: Option<Map<String, Value>>,
}

/// Of `run_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunCellArgs {
    /// The cell.
    #[schemars(schema_with = "id")]
    pub cell_id: CellId,
    /// Keys to keep with the cell.
    pub metadata: Option<Map<String, Value>>,
}

/// Of `delete_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteCellArgs {
    /// The cell.
    #[schemars(schema_with = "id")]
    pub cell_id: CellId,
}

/// Of `reorder_cells`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReorderCellsArgs {
    /// The cells in their new order; those that are not named come behind them as they were.
    #[schemars(schema_with = "ids", length(min = 1, max = 5000))]
    pub cell_ids: Vec<CellId>,
}

/// Of `insert_cell`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InsertCellArgs {
    /// Where, counted from 0; the cells from there on move down.
    pub position: u32,
    /// The whole text of the cell.
    #[schemars(length(min = 1, max = 1_000_000))]
    pub content: String,
    /// A short heading.
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Whether it runs; code when absent.
    pub cell_type: Option<CellTypeArg>,
}

arguments_of! {
    ListCells: ListCellsArgs;
    ReadCell: ReadCellArgs;
    WriteCell: WriteCellArgs;
    EditCell: EditCellArgs;
    RunCell: RunCellArgs;
    DeleteCell: DeleteCellArgs;
    ReorderCells: ReorderCellsArgs;
    InsertCell: InsertCellArgs;
}
