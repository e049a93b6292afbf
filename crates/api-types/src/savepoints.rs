//! Savepoints (contract 3, section 7).

use garde::Validate;
use gristmill_domain::{
    CellId, NotebookId, SavepointId,
    notebooks::{CellChange, Savepoint, SavepointDiff},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    common::{ErrorShape, Instant, RequestBody},
    projects::no_nul,
};

/// A stored state of a notebook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointView {
    /// Identity.
    pub savepoint_id: SavepointId,
    /// The notebook.
    pub notebook_id: NotebookId,
    /// The turn of the conversation before which it was made.
    pub turn_index: u32,
    /// The message of that turn.
    pub turn_message_id: String,
    /// When it was made.
    pub created_at: Instant,
}

impl From<Savepoint> for SavepointView {
    fn from(savepoint: Savepoint) -> Self {
        Self {
            savepoint_id: savepoint.id,
            notebook_id: savepoint.notebook_id,
            turn_index: savepoint.turn_index,
            turn_message_id: savepoint.turn_message_id,
            created_at: savepoint.created_at.into(),
        }
    }
}

/// `{savepoints}`, by turn.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavepointList {
    /// The savepoints.
    pub savepoints: Vec<SavepointView>,
}

/// A savepoint to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointCreate {
    /// The turn of the conversation, from 0.
    #[garde(range(max = 1_000_000_000))]
    pub turn_index: u32,
    /// The message of that turn, 1 to 200 characters.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub turn_message_id: String,
}

impl RequestBody for SavepointCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Which savepoints go.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointsDelete {
    /// Those of turns after this one.
    #[garde(range(max = 1_000_000_000))]
    pub after_turn_index: u32,
}

impl RequestBody for SavepointsDelete {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What a restore did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredView {
    /// Cells that are as they were.
    pub cells_restored: usize,
    /// Cells that are gone.
    pub cells_deleted: usize,
    /// Cells that are back.
    pub cells_created: usize,
    /// All of them.
    pub affected_cell_ids: Vec<CellId>,
}

/// What changed since a savepoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointDiffView {
    /// New cells.
    pub cells_added: usize,
    /// Cells with another text.
    pub cells_modified: usize,
    /// Cells that are gone.
    pub cells_deleted: usize,
    /// Lines by which cells grew.
    pub lines_added: usize,
    /// Lines by which cells shrank.
    pub lines_removed: usize,
    /// Whether a person edited a changed cell last.
    pub has_manual_edits: bool,
    /// The changed cells.
    pub details: Vec<CellDiffView>,
}

/// A changed cell.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellDiffView {
    /// Which.
    pub cell_id: CellId,
    /// Its heading.
    pub title: Option<String>,
    /// How it changed.
    pub change_type: CellChange,
    /// By how many lines it grew.
    pub lines_added: usize,
    /// By how many lines it shrank.
    pub lines_removed: usize,
}

impl From<SavepointDiff> for SavepointDiffView {
    fn from(diff: SavepointDiff) -> Self {
        let (lines_added, lines_removed) = diff.lines();
        Self {
            cells_added: diff.count(CellChange::Added),
            cells_modified: diff.count(CellChange::Modified),
            cells_deleted: diff.count(CellChange::Deleted),
            lines_added,
            lines_removed,
            has_manual_edits: diff.has_manual_edits,
            details: diff
                .details
                .into_iter()
                .map(|cell| CellDiffView {
                    cell_id: cell.cell_id,
                    title: cell.title,
                    change_type: cell.change,
                    lines_added: cell.lines_added,
                    lines_removed: cell.lines_removed,
                })
                .collect(),
        }
    }
}
