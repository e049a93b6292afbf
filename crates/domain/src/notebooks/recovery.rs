//! Writing a notebook again that is gone, from what the log of an agent's run has of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{CELLS_MAX, CellSnapshot, CellStatus, CellType, edit_lines, reordered};
use crate::{
    CellId, NotebookId,
    datasets::iso_millis,
    execution::{OutputKind, RichOutput},
    named::named,
    workflows::{ToolCall, ToolName, ToolResult, WorkflowRunId},
};

#[cfg(test)]
mod tests;

/// The tools whose calls tell what became of a notebook's cells.
pub const CELL_CHANGES: [ToolName; 6] = [
    ToolName::WriteCell,
    ToolName::InsertCell,
    ToolName::EditCell,
    ToolName::DeleteCell,
    ToolName::ReorderCells,
    ToolName::RunCell,
];
/// What stands for a picture: its file went with the notebook.
const PICTURE_GONE: &str = "[The picture is gone with its notebook; run the cell again]";

named! {
    /// Why a notebook is not filled again.
    RecoveryRefusal {
        /// There is no such notebook.
        TargetMissing = "target_notebook_missing",
        /// It has cells.
        TargetNotEmpty = "target_notebook_not_empty",
        /// No run of the phase has left a notebook that is gone.
        NoRecoverableRun = "no_recoverable_run",
        /// It is another phase's, or a person's scratch pad.
        PhaseMismatch = "phase_mismatch",
    }
}

/// A call of an agent that has ended, as the log of its run has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedCall {
    /// The call.
    pub call: ToolCall,
    /// What it gave.
    pub result: ToolResult,
    /// When it had ended.
    pub at: DateTime<Utc>,
}

/// A notebook that is gone, as far as it can be written again.
#[derive(Debug, Clone, PartialEq)]
pub struct LostNotebook {
    /// Its id.
    pub id: NotebookId,
    /// Its cells in order, with the ids that they had.
    pub cells: Vec<CellSnapshot>,
}

/// A cell as a call left it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    cell_id: CellId,
    notebook_id: NotebookId,
    content: String,
    cell_type: Option<CellType>,
    title: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

impl LostNotebook {
    /// Makes the calls of a run again, oldest first, on paper: those in `notebook`, or else in the notebook that it wrote to
    /// last. `None` when no cell is left.
    #[must_use]
    pub fn read(calls: &[LoggedCall], notebook: Option<NotebookId>) -> Option<Self> {
        let last = || calls.iter().rev().filter(|done| !done.result.is_failed()).find_map(written);
        let id = notebook.or_else(|| last().map(|cell| cell.notebook_id))?;
        let mut lost = Self { id, cells: Vec::new() };
        for done in calls {
            lost.take(done);
        }
        (!lost.cells.is_empty()).then_some(lost)
    }

    /// Its cells for another notebook: with ids of their own, and the mark of where they come from.
    #[must_use]
    pub fn into_cells(self, run: &WorkflowRunId, now: DateTime<Utc>) -> Vec<CellSnapshot> {
        let marks = [
            ("recoveredFromRunId", json!(run)),
            ("recoveredFromNotebookId", json!(self.id)),
            ("recoveredAt", json!(iso_millis::format(now))),
        ];
        let anew = |(position, cell): (u32, CellSnapshot)| {
            let mut metadata = cell.metadata;
            metadata.extend(marks.iter().map(|(key, mark)| ((*key).to_owned(), mark.clone())));
            CellSnapshot { cell_id: CellId::random(), position, metadata, ..cell }
        };
        (0..).zip(self.cells).map(anew).collect()
    }

    fn take(&mut self, done: &LoggedCall) {
        let call = &done.call;
        match call.tool {
            // How a run failed is part of the cell; what another call failed to do was not done.
            ToolName::RunCell => self.ran(done),
            _ if done.result.is_failed() => {}
            ToolName::WriteCell => self.put(written(done), None),
            ToolName::InsertCell => self.put(written(done), call.args.get("position").and_then(Value::as_u64)),
            ToolName::EditCell => match written(done) {
                None => self.edit(call),
                edited => self.put(edited, None),
            },
            ToolName::DeleteCell => {
                if let Some(id) = cell_of(call) {
                    self.cells.retain(|cell| cell.cell_id != id);
                }
            }
            ToolName::ReorderCells => self.reorder(call),
            _ => {}
        }
    }

    fn find(&mut self, id: CellId) -> Option<&mut CellSnapshot> {
        self.cells.iter_mut().find(|cell| cell.cell_id == id)
    }

    fn put(&mut self, written: Option<Written>, position: Option<u64>) {
        let Some(written) = written.filter(|cell| cell.notebook_id == self.id) else { return };
        if let Some(cell) = self.find(written.cell_id) {
            cell.cell_type = written.cell_type.unwrap_or(cell.cell_type);
            if written.title.is_some() {
                cell.title = written.title.map(plain);
            }
            cell.metadata.extend(plain_fields(written.metadata));
            change(cell, plain(written.content));
            return;
        }
        if self.cells.len() >= CELLS_MAX {
            return;
        }
        let end = self.cells.len();
        let at = position.and_then(|position| usize::try_from(position).ok()).map_or(end, |position| position.min(end));
        self.cells.insert(at, fresh(written));
    }

    /// Makes an edit again whose result was too long for the log.
    fn edit(&mut self, call: &ToolCall) {
        let line = |key: &str| usize::try_from(call.args.get(key)?.as_u64()?).ok();
        let text = call.args.get("newContent").and_then(Value::as_str);
        let (Some(first), Some(last), Some(text)) = (line("startLine"), line("endLine"), text) else { return };
        let Some(id) = cell_of(call) else { return };
        let Some(cell) = self.find(id) else { return };
        if let Ok(edit) = edit_lines(&cell.content, first, last, text) {
            change(cell, plain(edit.content));
        }
    }

    fn reorder(&mut self, call: &ToolCall) {
        let present: Vec<CellId> = self.cells.iter().map(|cell| cell.cell_id).collect();
        let named = call.args.get("cellIds").and_then(Value::as_array).into_iter().flatten();
        let named = named.filter_map(|id| id.as_str()?.parse::<CellId>().ok()).filter(|id| present.contains(id));
        let named: Vec<CellId> = named.collect();
        if let Some(order) = reordered(&present, &named) {
            self.cells.sort_by_cached_key(|cell| order.iter().position(|id| *id == cell.cell_id));
        }
    }

    fn ran(&mut self, done: &LoggedCall) {
        let Some(run) = done.result.output.as_ref() else { return };
        let status = match run.get("status").and_then(Value::as_str) {
            Some("success") => CellStatus::Success,
            Some("error" | "timeout") => CellStatus::Error,
            _ => return,
        };
        let Some(id) = cell_of(&done.call) else { return };
        let Some(cell) = self.find(id) else { return };
        let order = run.get("executionOrder").and_then(Value::as_u64).and_then(|order| u32::try_from(order).ok());
        cell.status = status;
        cell.execution_count = cell.execution_count.saturating_add(1);
        cell.execution_order = order.or(cell.execution_order);
        cell.duration_ms = run.get("executionMs").and_then(Value::as_u64);
        cell.executed_at = Some(done.at);
        cell.is_dirty = false;
        cell.output = outputs_of(run);
    }
}

/// The cell that a call names.
fn cell_of(call: &ToolCall) -> Option<CellId> {
    call.args.get("cellId")?.as_str()?.parse().ok()
}

/// The cell that a call wrote, as far as its result tells.
fn written(done: &LoggedCall) -> Option<Written> {
    let output = done.result.output.as_ref()?;
    match done.call.tool {
        ToolName::WriteCell | ToolName::InsertCell => Written::deserialize(output).ok().or_else(|| cut(&done.call, output)),
        ToolName::EditCell => Written::deserialize(output.get("cell")?).ok(),
        _ => None,
    }
}

/// The cell of a result that was too long for the log: what was written is in the call, and the ids come first in what is
/// left of the result.
fn cut(call: &ToolCall, output: &Value) -> Option<Written> {
    let head = output.get("data")?.as_str()?;
    let id = |key: &str| head.split_once(&format!("\"{key}\":\""))?.1.get(..36);
    let text = |key: &str| call.args.get(key).and_then(Value::as_str);
    Some(Written {
        cell_id: id("cellId")?.parse().ok()?,
        notebook_id: id("notebookId")?.parse().ok()?,
        content: text("content")?.to_owned(),
        cell_type: text("cellType").and_then(CellType::from_name),
        title: text("title").map(ToOwned::to_owned),
        metadata: call.args.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}

fn fresh(written: Written) -> CellSnapshot {
    CellSnapshot {
        cell_id: written.cell_id,
        content: plain(written.content),
        position: 0,
        cell_type: written.cell_type.unwrap_or_default(),
        title: written.title.map(plain),
        metadata: plain_fields(written.metadata),
        execution_count: 0,
        execution_order: None,
        status: CellStatus::Idle,
        duration_ms: None,
        executed_at: None,
        is_dirty: false,
        output: Vec::new(),
        output_refs: Vec::new(),
    }
}

fn change(cell: &mut CellSnapshot, content: String) {
    cell.is_dirty |= cell.cell_type == CellType::Code && cell.content != content;
    cell.content = content;
}

/// What a run left. Of one that was too long for the log, its texts.
fn outputs_of(run: &Value) -> Vec<RichOutput> {
    if let Some(outputs) = run.get("outputs").and_then(Value::as_array) {
        return outputs.iter().filter_map(|output| RichOutput::deserialize(output).ok()).map(storable).collect();
    }
    let text = |(key, kind): (&str, OutputKind)| {
        let text = run.get(key)?.as_str().filter(|text| !text.is_empty())?;
        Some(storable(RichOutput::new(kind, text)))
    };
    let kinds = [("stdout", OutputKind::Text), ("stderr", OutputKind::Warning), ("error", OutputKind::Error)];
    kinds.into_iter().filter_map(text).collect()
}

fn storable(output: RichOutput) -> RichOutput {
    if output.kind == OutputKind::Image && output.content.starts_with("outputs/") {
        return RichOutput::new(OutputKind::Text, PICTURE_GONE);
    }
    RichOutput {
        kind: output.kind,
        content: plain(output.content),
        data: output.data.map(plain_value),
        mime_type: output.mime_type.map(plain),
    }
}

/// The text without NUL, which PostgreSQL keeps in no text.
fn plain(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn plain_fields(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (plain(key), plain_value(value))).collect()
}

fn plain_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(text)),
        Value::Array(items) => items.into_iter().map(plain_value).collect(),
        Value::Object(fields) => Value::Object(plain_fields(fields)),
        other => other,
    }
}
