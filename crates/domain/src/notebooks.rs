//! Notebooks: their cells, what runs leave in them, and the stored states one can go back to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    CellId, NotebookId, ProjectId, SavepointId,
    execution::{OutputKind, RichOutput},
};

mod diff;
mod lines;
mod recovery;

pub use diff::{CellChange, CellDiff, SavepointDiff};
pub use lines::{LineEdit, LineEditError, edit_lines};
pub use recovery::{CELL_CHANGES, LoggedCall, LostNotebook, RecoveryRefusal};

/// Most savepoints that a notebook keeps; the one of the lowest turn goes first.
pub const SAVEPOINTS_MAX: usize = 50;
/// Characters of a cell that a list shows.
pub const PREVIEW_CHARS: usize = 100;
/// Most characters of a cell.
pub const CELL_CHARS_MAX: usize = 1_000_000;
/// Most cells of a notebook.
pub const CELLS_MAX: usize = 5_000;
/// Most bytes of JSON in the metadata of a notebook or cell.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;

macro_rules! names {
    ($type:ident: $($variant:ident = $name:literal),* $(,)?) => {
        impl $type {
            /// The name on the wire and in storage.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a sent or stored name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

/// What a notebook is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NotebookKind {
    /// Belongs to a step of the workflow; the only kind that agents may touch.
    #[default]
    Phase,
    /// A scratch pad of the user's; the only kind whose exports become datasets.
    Standalone,
}

names!(NotebookKind: Phase = "phase", Standalone = "standalone");

/// A notebook.
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    /// Identity.
    pub id: NotebookId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub kind: NotebookKind,
    /// Whatever clients keep with it.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Whether a cell runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CellType {
    /// Python.
    #[default]
    Code,
    /// Text.
    Markdown,
}

names!(CellType: Code = "code", Markdown = "markdown");

/// How a cell's last run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CellStatus {
    /// It never ran.
    #[default]
    Idle,
    /// It runs now.
    Running,
    /// It ran to its end.
    Success,
    /// It raised, ran out of time, was interrupted or lost its kernel or server.
    Error,
}

names!(CellStatus: Idle = "idle", Running = "running", Success = "success", Error = "error");

/// Who holds a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LockOwner {
    /// A run, or an agent that writes into it. People may still edit.
    Ai,
    /// A person; nobody else may write.
    User,
}

names!(LockOwner: Ai = "ai", User = "user");

/// A stored file of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputRef {
    /// The kind of output that it holds.
    #[serde(rename = "type")]
    pub kind: OutputKind,
    /// `outputs/<cellId>/<filename>`: below `/api/cells/<cellId>` the file is at `outputs/<filename>`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_size: Option<u64>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Identity.
    pub id: CellId,
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
    pub metadata: Map<String, Value>,
    /// How often it ran.
    pub execution_count: u32,
    /// The place of its last run among all runs of the notebook, from 1.
    pub execution_order: Option<u32>,
    /// How its last run stands.
    pub status: CellStatus,
    /// How long its last run took.
    pub duration_ms: Option<u64>,
    /// When its last run ended.
    pub executed_at: Option<DateTime<Utc>>,
    /// Whether it was edited since its last run began.
    pub is_dirty: bool,
    /// What its last run left, in order.
    pub output: Vec<RichOutput>,
    /// Files that outputs refer to.
    pub output_refs: Vec<OutputRef>,
    /// Who holds it now.
    pub lock: Option<CellLock>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A hold on a cell that has not run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellLock {
    /// Who.
    pub owner: LockOwner,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A cell as a savepoint keeps it. What older savepoints do not have is as new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CellSnapshot {
    /// Identity; a restored cell gets it back.
    pub cell_id: CellId,
    /// Its text.
    pub content: String,
    /// Its place.
    pub position: u32,
    /// Whether it runs.
    pub cell_type: CellType,
    /// A heading.
    pub title: Option<String>,
    /// Whatever clients keep with it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// How often it had run.
    #[serde(default)]
    pub execution_count: u32,
    /// The place of its last run.
    #[serde(default)]
    pub execution_order: Option<u32>,
    /// How its last run stood; a running cell is kept as it was before.
    #[serde(default)]
    pub status: CellStatus,
    /// How long its last run took.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// When its last run ended.
    #[serde(default)]
    pub executed_at: Option<DateTime<Utc>>,
    /// Whether it was edited since.
    #[serde(default)]
    pub is_dirty: bool,
    /// What its last run left.
    #[serde(default)]
    pub output: Vec<RichOutput>,
    /// Files that outputs refer to.
    #[serde(default)]
    pub output_refs: Vec<OutputRef>,
}

impl From<Cell> for CellSnapshot {
    fn from(cell: Cell) -> Self {
        // A run's end will not reach the copy, so the copy must not say that it still runs.
        let status = match (cell.status, cell.execution_count) {
            (CellStatus::Running, 0) => CellStatus::Idle,
            (CellStatus::Running, _) if cell.output.iter().any(|output| output.kind == OutputKind::Error) => CellStatus::Error,
            (CellStatus::Running, _) => CellStatus::Success,
            (status, _) => status,
        };
        Self {
            cell_id: cell.id,
            content: cell.content,
            position: cell.position,
            cell_type: cell.cell_type,
            title: cell.title,
            metadata: cell.metadata,
            execution_count: cell.execution_count,
            execution_order: cell.execution_order,
            status,
            duration_ms: cell.duration_ms,
            executed_at: cell.executed_at,
            is_dirty: cell.is_dirty,
            output: cell.output,
            output_refs: cell.output_refs,
        }
    }
}

/// A stored state of a notebook, without the cells in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    /// Identity.
    pub id: SavepointId,
    /// The notebook.
    pub notebook_id: NotebookId,
    /// The turn of the conversation before which it was made.
    pub turn_index: u32,
    /// The message of that turn.
    pub turn_message_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Something that happened in a notebook, as it is logged. Cells are named, not copied: whoever reads the log reads
/// the cell as it is by then, so that a late reader ends where the notebook is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum NotebookEvent {
    /// A cell was made.
    #[serde(rename = "cell:created")]
    CellCreated {
        /// Which.
        cell_id: CellId,
    },
    /// A cell's text, heading, metadata or place changed.
    #[serde(rename = "cell:updated")]
    CellUpdated {
        /// Which.
        cell_id: CellId,
    },
    /// A cell was removed.
    #[serde(rename = "cell:deleted")]
    CellDeleted {
        /// Which.
        cell_id: CellId,
    },
    /// A run began; the outputs of the run before are void.
    #[serde(rename = "cell:executing")]
    CellExecuting {
        /// Which.
        cell_id: CellId,
    },
    /// A run put something out.
    #[serde(rename = "cell:output")]
    CellOutput {
        /// Which.
        cell_id: CellId,
        /// What.
        output: RichOutput,
    },
    /// A run ended.
    #[serde(rename = "cell:executed")]
    CellExecuted {
        /// Which.
        cell_id: CellId,
    },
    /// Somebody took hold of a cell.
    #[serde(rename = "cell:locked")]
    CellLocked {
        /// Which.
        cell_id: CellId,
        /// Who.
        locked_by: LockOwner,
    },
    /// A cell is free again.
    #[serde(rename = "cell:unlocked")]
    CellUnlocked {
        /// Which.
        cell_id: CellId,
    },
    /// Everything changed at once.
    #[serde(rename = "notebook:cells_reset")]
    CellsReset,
    /// The project's kernel was ended because nobody used it; variables are gone, files are not.
    #[serde(rename = "kernel:stopped")]
    KernelStopped,
}

/// An entry of a notebook's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Its number in the notebook, from 1 without gaps.
    pub seq: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: NotebookEvent,
}

/// The cells in the order in which `sent` puts them: those that it names first, the others after them as they were.
/// `None` when it names a cell twice or one that is not there.
#[must_use]
pub fn reordered(present: &[CellId], sent: &[CellId]) -> Option<Vec<CellId>> {
    let known: std::collections::HashSet<CellId> = present.iter().copied().collect();
    let mut named = std::collections::HashSet::with_capacity(sent.len());
    if !sent.iter().all(|id| known.contains(id) && named.insert(*id)) {
        return None;
    }
    let rest = present.iter().copied().filter(|id| !named.contains(id));
    Some(sent.iter().copied().chain(rest).collect())
}

/// Appends an output; pieces of one text stream become one.
pub fn push_output(outputs: &mut Vec<RichOutput>, next: RichOutput) {
    match outputs.last_mut() {
        Some(last) if is_text_piece(last) && is_text_piece(&next) => last.content.push_str(&next.content),
        _ => outputs.push(next),
    }
}

fn is_text_piece(output: &RichOutput) -> bool {
    output.kind == OutputKind::Text && output.data.is_none() && output.mime_type.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordering_keeps_who_is_not_named_behind_and_refuses_strangers() {
        let ids: Vec<CellId> = (0..4).map(|_| CellId::random()).collect();
        let [a, b, c, d] = [ids[0], ids[1], ids[2], ids[3]];
        assert_eq!(reordered(&ids, &[d, b]), Some(vec![d, b, a, c]));
        assert_eq!(reordered(&ids, &[]), Some(ids.clone()));
        assert_eq!(reordered(&ids, &[a, a]), None);
        assert_eq!(reordered(&ids, &[CellId::random()]), None);
    }

    #[test]
    fn only_pieces_of_one_text_stream_are_joined() {
        let mut outputs = Vec::new();
        for (kind, text) in [(OutputKind::Text, "a"), (OutputKind::Text, "b"), (OutputKind::Error, "c"), (OutputKind::Error, "d")]
        {
            push_output(&mut outputs, RichOutput::new(kind, text));
        }
        let texts: Vec<&str> = outputs.iter().map(|output| output.content.as_str()).collect();
        assert_eq!(texts, ["ab", "c", "d"], "two errors are two");
    }

    #[test]
    fn events_have_the_contract_s_names() {
        let id = CellId::random();
        let event = NotebookEvent::CellLocked { cell_id: id, locked_by: LockOwner::Ai };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json, serde_json::json!({ "type": "cell:locked", "cellId": id, "lockedBy": "ai" }));
        assert_eq!(serde_json::from_value::<NotebookEvent>(json).unwrap(), event);
        assert_eq!(serde_json::to_value(NotebookEvent::CellsReset).unwrap()["type"], "notebook:cells_reset");
    }

    #[test]
    fn a_snapshot_of_a_running_cell_does_not_run() {
        let old: CellSnapshot = serde_json::from_value(serde_json::json!({
            "cellId": CellId::random(), "content": "1", "position": 0, "cellType": "code", "title": null
        }))
        .unwrap();
        assert_eq!((old.status, old.metadata.len()), (CellStatus::Idle, 0));
    }
}
