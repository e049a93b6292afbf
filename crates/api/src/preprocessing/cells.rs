//! The cells of steps as they are now.

use std::collections::HashMap;

use chrono::TimeDelta;
use gristmill_domain::{
    CellId, NotebookId,
    execution::OutputKind,
    notebooks::{Cell, CellStatus, CellType, Notebook, NotebookKind},
    ports::StoreError,
    preprocessing::{CellNow, CellRunNow, CellsNow, PrepRun, PrepRunId, ReasonCode, Refusal, Step, StepId},
};
use serde_json::Value;

use super::{Call, answer::store_refusal, code};

/// Most cells of a step that are looked at.
const CELLS_MAX: usize = 50;
/// Longest text of a run that is told, characters.
const TEXT_CHARS_MAX: usize = 8_000;

/// What was found of a step's cells.
pub(super) struct FoundCells {
    pub(super) now: CellsNow,
    /// What their last runs printed.
    pub(super) stdout: String,
    /// What went wrong in them.
    pub(super) stderr: String,
    /// The notebook of the first of them.
    pub(super) notebook: Option<Notebook>,
}

impl Call<'_> {
    /// Reads cells. Those that are not in a phase notebook of the project are not there.
    pub(super) async fn cells(&self, ids: &[CellId]) -> Result<FoundCells, Refusal> {
        let mut notebooks: HashMap<NotebookId, Option<Notebook>> = HashMap::new();
        let (mut cells, mut missing) = (Vec::new(), Vec::new());
        for id in ids.iter().take(CELLS_MAX) {
            match self.cell(*id, &mut notebooks).await? {
                Some(cell) => cells.push(cell),
                None => missing.push(*id),
            }
        }
        let contents: Vec<&str> = cells.iter().map(|cell| cell.content.as_str()).collect();
        let text = contents.join("\n");
        let first = cells.first().map(|cell| cell.notebook_id);
        Ok(FoundCells {
            stdout: outputs(&cells, |kind| kind == OutputKind::Text),
            stderr: outputs(&cells, |kind| matches!(kind, OutputKind::Error | OutputKind::Warning)),
            notebook: first.and_then(|id| notebooks.remove(&id)).flatten(),
            now: CellsNow { cells: cells.iter().map(cell_now).collect(), missing, hash: code::hash(&text), code: text },
        })
    }

    /// Reads the cells that a step is bound to.
    pub(super) async fn cells_of(&self, step: &Step) -> Result<FoundCells, Refusal> {
        self.cells(&step.cell_ids).await
    }

    async fn cell(&self, id: CellId, notebooks: &mut HashMap<NotebookId, Option<Notebook>>) -> Result<Option<Cell>, Refusal> {
        let failed = |error| store_refusal("The cell", ReasonCode::InvalidOperation, &error);
        let cell = match self.state.notebooks.find_cell(&self.context.caller, id, self.now()).await {
            Ok(cell) => cell,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let is_usable = match notebooks.get(&cell.notebook_id) {
            Some(known) => known.is_some(),
            None => {
                let notebook = match self.state.notebooks.find(&self.context.caller, cell.notebook_id).await {
                    Ok(notebook) => Some(notebook),
                    Err(StoreError::NotFound) => None,
                    Err(error) => return Err(failed(error)),
                };
                let project = self.context.project;
                let usable = notebook.filter(|found| found.project_id == project && found.kind == NotebookKind::Phase);
                let is_usable = usable.is_some();
                notebooks.insert(cell.notebook_id, usable);
                is_usable
            }
        };
        Ok(Some(cell).filter(|cell| is_usable && cell.cell_type == CellType::Code))
    }

    /// The cells of the notebook that is worked in that say that they are this step's, and not that of another run: a fork has
    /// steps of the same ids, and works in the same notebook.
    pub(super) async fn marked_cells(&self, run: PrepRunId, step: StepId) -> Result<Vec<CellId>, Refusal> {
        let Some(notebook) = self.context.notebook else { return Ok(Vec::new()) };
        let cells = match self.state.notebooks.list_cells(&self.context.caller, notebook, self.now()).await {
            Ok(cells) => cells,
            Err(StoreError::NotFound) => Vec::new(),
            Err(error) => return Err(store_refusal("The notebook", ReasonCode::InvalidOperation, &error)),
        };
        let (run, step) = (run.to_string(), step.to_string());
        let is_of_step = |cell: &&Cell| {
            let marks = cell.metadata.get("preprocessing");
            let marked = |name: &str| marks.and_then(|marks| marks.get(name)).and_then(Value::as_str);
            let is_of_run = marked("runId").is_none_or(|of| of == run);
            is_of_run && marked("stepId") == Some(step.as_str()) && cell.cell_type == CellType::Code
        };
        Ok(cells.iter().filter(is_of_step).map(|cell| cell.id).collect())
    }

    /// The incomplete steps all of whose cells were deleted.
    pub(super) async fn without_cells(&self, run: &PrepRun) -> Result<Vec<StepId>, Refusal> {
        let mut gone = Vec::new();
        for step in run.steps.iter().filter(|step| step.status.is_incomplete() && !step.cell_ids.is_empty()) {
            if self.cells_of(step).await?.now.cells.is_empty() {
                gone.push(step.id);
            }
        }
        Ok(gone)
    }
}

fn cell_now(cell: &Cell) -> CellNow {
    let run = match cell.status {
        CellStatus::Idle => CellRunNow::Never,
        CellStatus::Running => CellRunNow::Running,
        CellStatus::Success | CellStatus::Error if cell.is_dirty => CellRunNow::Outdated,
        CellStatus::Success => CellRunNow::Succeeded,
        CellStatus::Error => CellRunNow::Failed,
    };
    let took = TimeDelta::milliseconds(i64::try_from(cell.duration_ms.unwrap_or(0)).unwrap_or(0));
    CellNow { id: cell.id, run, began_at: cell.executed_at.map(|at| at - took) }
}

fn outputs(cells: &[Cell], wanted: impl Fn(OutputKind) -> bool) -> String {
    let outputs = cells.iter().flat_map(|cell| &cell.output).filter(|output| wanted(output.kind));
    let text: String = outputs.flat_map(|output| output.content.chars().chain(['\n'])).take(TEXT_CHARS_MAX).collect();
    text.trim_end().to_owned()
}
