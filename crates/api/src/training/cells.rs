//! The cells of a training: which they are, what they printed, and when they ran.

use std::io::SeekFrom;

use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    CellId, NotebookId,
    execution::OutputKind,
    notebooks::{Cell, CellStatus, CellType, Notebook, NotebookKind},
    ports::StoreError,
    workflows::ToolName,
};
use gristmill_persistence::files;
use gristmill_workflow::{
    tools::ToolContext,
    training::{
        experiments::Experiment,
        markers::{Metrics, completion},
        results::{CELLS_MAX, CellsFound},
    },
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Call, failure, store_failure};
use crate::{agent::run_general, error::ApiError};

/// What is read of an output that is kept in a file: its end, where a training says that it is done.
const OUTPUT_TAIL_BYTES: u64 = 1 << 20;
/// Longest reason of a failure, characters.
const REASON_CHARS_MAX: usize = 2_000;
/// How far the clocks of cells and of files may be apart: one is read when a run is stored, the other ticks coarsely.
const CLOCK_SLACK_MS: i64 = 2_000;

/// When a cell ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunWindow {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl RunWindow {
    fn of(cell: &Cell) -> Option<Self> {
        let ended = cell.executed_at?;
        let took = i64::try_from(cell.duration_ms.unwrap_or(0)).ok()?.checked_add(CLOCK_SLACK_MS)?;
        let (took, slack) = (TimeDelta::try_milliseconds(took)?, TimeDelta::try_milliseconds(CLOCK_SLACK_MS)?);
        Some(Self { from: ended.checked_sub_signed(took)?, to: ended.checked_add_signed(slack)? })
    }

    /// Whether something happened while the cell ran.
    pub(super) fn has(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at <= self.to
    }
}

impl Call<'_> {
    /// A code cell in a phase notebook of the project, with its notebook. Others are not there.
    async fn cell(&self, text: &str) -> Result<(Cell, Notebook), String> {
        let shown: String = text.chars().take(100).collect();
        let missing = || format!("Cell {shown} not found");
        let id: CellId = text.trim().parse().map_err(|_error| missing())?;
        let caller = &self.context.caller;
        let cell = match self.state.notebooks.find_cell(caller, id, self.state.clock.now()).await {
            Ok(cell) => cell,
            Err(StoreError::NotFound) => return Err(missing()),
            Err(error) => return Err(store_failure("The cell", error)),
        };
        let notebook = match self.state.notebooks.find(caller, cell.notebook_id).await {
            Ok(notebook) => notebook,
            Err(StoreError::NotFound) => return Err(missing()),
            Err(error) => return Err(store_failure("The notebook", error)),
        };
        let is_ours = notebook.project_id == self.project() && notebook.kind == NotebookKind::Phase;
        if is_ours && cell.cell_type == CellType::Code { Ok((cell, notebook)) } else { Err(missing()) }
    }

    /// The ids of a training's cells: those that are named, else those that were recorded, else those of the notebook that say
    /// that they are the experiment's.
    pub(super) async fn training_cells(&self, named: &[String], experiment: &Experiment) -> Result<Vec<String>, String> {
        if !named.is_empty() {
            return Ok(named.to_vec());
        }
        if !experiment.training_cell_ids.is_empty() {
            return Ok(experiment.training_cell_ids.clone());
        }
        let marked = match self.context.notebook {
            Some(notebook) => self.marked_cells(notebook, &experiment.experiment_id).await?,
            None => Vec::new(),
        };
        if marked.is_empty() {
            return Err("Name the cells of the training in cellIds".to_owned());
        }
        Ok(marked)
    }

    async fn marked_cells(&self, notebook: NotebookId, experiment: &str) -> Result<Vec<String>, String> {
        let cells = match self.state.notebooks.list_cells(&self.context.caller, notebook, self.state.clock.now()).await {
            Ok(cells) => cells,
            Err(StoreError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(store_failure("The notebook", error)),
        };
        let marked = cells.iter().filter(|cell| draft_of(cell) == Some(experiment) && cell.cell_type == CellType::Code);
        Ok(marked.map(|cell| cell.id.to_string()).take(CELLS_MAX).collect())
    }

    /// Runs those of the cells, one after another, that have not run well as they are. Stops at the first that fails.
    pub(super) async fn run_cells(&self, ids: &[String]) -> Result<(), String> {
        for (number, id) in ids.iter().enumerate() {
            let (cell, _) = self.cell(id).await?;
            if cell.status == CellStatus::Success && !cell.is_dirty {
                continue;
            }
            let context = ToolContext { key: format!("{}/cell-{number}", self.context.key), ..self.context.clone() };
            let args = json!({ "cellId": id });
            let args = args.as_object().cloned().unwrap_or_default();
            let ran = run_general(self.state, &context, ToolName::RunCell, &args).await;
            if ran.error.is_some() {
                // What went wrong is in the cell's outputs.
                break;
            }
        }
        Ok(())
    }

    /// What became of a training's cells, from their recorded outputs.
    pub(super) async fn found(&self, ids: &[String], experiment: &Experiment) -> Result<CellsFound, String> {
        let mut cells = Vec::with_capacity(ids.len());
        for id in ids {
            cells.push(self.cell(id).await?);
        }
        for (cell, _) in &cells {
            if let Some(why) = unready(cell, experiment) {
                return Err(why);
            }
        }
        let named: Vec<String> = cells.iter().map(|(cell, _)| cell.id.to_string()).collect();
        if let Some((cell, _)) = cells.iter().find(|(cell, _)| cell.status == CellStatus::Error) {
            return Ok(CellsFound::Failed { cells: named, reason: reason_of(cell) });
        }
        // The last that said so counts.
        cells.sort_by_key(|(cell, _)| cell.execution_order);
        let mut metrics = None;
        for (cell, notebook) in &cells {
            if let Some(found) = self.completed(cell, notebook).await? {
                metrics = Some(found);
            }
        }
        let Some(metrics) = metrics else {
            let why = "None of the cells printed the completion marker: print __TRAIN_COMPLETE__| and the scores as JSON at the \
                       end of the training, and run that cell again";
            return Err(why.to_owned());
        };
        let duration_ms: u64 = cells.iter().filter_map(|(cell, _)| cell.duration_ms).sum();
        let code = cells.into_iter().map(|(cell, _)| cell.content).collect();
        Ok(CellsFound::Completed { cells: named, code, metrics, duration_ms })
    }

    /// The scores that a cell's last run printed with the completion marker.
    async fn completed(&self, cell: &Cell, notebook: &Notebook) -> Result<Option<Metrics>, String> {
        let texts = cell.output.iter().filter(|output| output.kind == OutputKind::Text && output.data.is_none());
        let printed: Vec<&str> = texts.map(|output| output.content.as_str()).collect();
        if let Some(metrics) = completion(&printed.join("\n")) {
            return Ok(Some(metrics));
        }
        for stored in cell.output_refs.iter().rev().filter(|stored| stored.kind == OutputKind::Text) {
            let Some(name) = stored.reference.rsplit('/').next() else { continue };
            // Names come from the database, where only ours are; still, none leads elsewhere.
            if !self.state.output_links.is_signed(cell.id, name) {
                continue;
            }
            let path = self.state.files.path(&files::output_file(notebook.project_id, notebook.id, cell.id, name));
            let tail = tail_of(&path).await.map_err(|error| failure(&ApiError::internal(error)))?;
            if let Some(metrics) = completion(&tail) {
                return Ok(Some(metrics));
            }
        }
        Ok(None)
    }

    /// When the cells of a training ran last.
    pub(super) async fn windows(&self, ids: &[String]) -> Result<Vec<RunWindow>, String> {
        let mut windows = Vec::with_capacity(ids.len());
        for id in ids {
            windows.extend(RunWindow::of(&self.cell(id).await?.0));
        }
        Ok(windows)
    }
}

/// The experiment that a cell says that it is of.
fn draft_of(cell: &Cell) -> Option<&str> {
    cell.metadata.get("trainingDraft")?.get("experimentId").and_then(Value::as_str)
}

/// Why a cell says nothing of a training yet.
fn unready(cell: &Cell, experiment: &Experiment) -> Option<String> {
    let id = cell.id;
    if let Some(other) = draft_of(cell).filter(|draft| *draft != experiment.experiment_id) {
        let other: String = other.chars().take(100).collect();
        return Some(format!("Cell {id} is of another experiment ({other}); name the cells of {}", experiment.experiment_id));
    }
    match cell.status {
        CellStatus::Running => Some(format!("Cell {id} still runs; wait until it is done")),
        CellStatus::Idle => Some(format!("Cell {id} has not run; run it first")),
        CellStatus::Success | CellStatus::Error if cell.is_dirty => {
            Some(format!("Cell {id} was changed since it ran; run it again"))
        }
        CellStatus::Success | CellStatus::Error => {
            let is_older = cell.executed_at.is_none_or(|at| at < experiment.created_at);
            is_older.then(|| format!("Cell {id} ran before the experiment was set up; run it again"))
        }
    }
}

fn reason_of(cell: &Cell) -> String {
    let errors = cell.output.iter().filter(|output| output.kind == OutputKind::Error);
    let text: Vec<&str> = errors.map(|output| output.content.as_str()).collect();
    let text: String = text.join("\n").chars().take(REASON_CHARS_MAX).collect();
    if text.trim().is_empty() { format!("Cell {} failed", cell.id) } else { text }
}

/// The end of a file; nothing of one that is gone.
async fn tail_of(path: &std::path::Path) -> std::io::Result<String> {
    let mut file = match tokio::fs::File::open(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let size = file.metadata().await?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(OUTPUT_TAIL_BYTES))).await?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_TAIL_BYTES).read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_run_in_which_it_was_written() {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        let window = RunWindow { from: at(8), to: at(22) };
        assert!(window.has(at(8)) && window.has(at(15)) && window.has(at(22)));
        assert!(!window.has(at(7)) && !window.has(at(23)));
    }

    #[tokio::test]
    async fn the_end_of_a_long_output_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.txt");
        assert_eq!(tail_of(&path).await.unwrap(), "");
        let text = format!("{}\n__TRAIN_COMPLETE__|{{\"a\": 1}}\n", "x".repeat(2 << 20));
        std::fs::write(&path, &text).unwrap();
        let tail = tail_of(&path).await.unwrap();
        assert_eq!((tail.len(), completion(&tail).is_some()), (1 << 20, true));
    }
}
