//! Cells that were edited, and what becomes of their steps.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    CellsNow, Happening, PrepEventKind, PrepRun, ReasonCode, Refusal, STEPS_MAX, Step, StepId, StepStatus, TITLE_CHARS_MAX,
    plain,
    steps::{fresh, give_up, set_code},
};

/// What came of comparing a step's cells with its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The step.
    pub step_id: StepId,
    /// Whether its cells hold other code.
    pub is_diverged: bool,
    /// Where it stands now.
    pub status: StepStatus,
    /// What was found, a sentence each.
    pub details: Vec<String>,
}

/// What to do with an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReconcileStrategy {
    /// It is the step's code from now on.
    AbsorbEdit,
    /// It becomes a step of its own.
    CreateLinkedStep {
        /// That step's title; from the other's when absent.
        title: Option<String>,
    },
}

/// Compares the cells of a step with its code, by their content. An edited step diverges; one whose edit was taken back goes
/// on where it stood; an incomplete one all of whose cells are gone is given up.
///
/// # Errors
/// `STEP_NOT_FOUND`.
pub fn detect(run: &mut PrepRun, id: StepId, cells: &CellsNow, now: DateTime<Utc>) -> Result<Divergence, Refusal> {
    let step = run.step(id)?;
    let was = step.status;
    let is_bound = !step.cell_ids.is_empty();
    let is_edited = is_bound && cells.missing.is_empty() && step.code_hash.as_ref() != Some(&cells.hash);
    let mut details: Vec<String> = cells.missing.iter().map(|cell| format!("Cell {cell} was deleted.")).collect();
    if !is_bound {
        details.push("The step is bound to no cell yet.".to_owned());
    } else if cells.cells.is_empty() {
        if was.is_incomplete() {
            give_up(run, id, "its cells were deleted", now)?;
            details.push("The step was given up.".to_owned());
        }
    } else if is_edited {
        let expected = step.code_hash.as_ref().map_or("none", |hash| hash.as_str());
        details.push(format!("The content has the hash {}, the step's code {expected}.", cells.hash.as_str()));
        let is_marked = match was {
            StepStatus::Diverged => true,
            // Code that was mended by hand after a failure; but of incomplete steps there is one at a time.
            StepStatus::Failed => step.is_rejected() || run.ensure_only(Some(id)).is_err(),
            _ => false,
        };
        if !is_marked {
            mark(run, id, now)?;
        }
    } else if was == StepStatus::Diverged && cells.missing.is_empty() {
        let step = run.step_mut(id)?;
        step.status = step.before_divergence.take().unwrap_or(StepStatus::Failed);
        step.updated_at = now;
        let payload = json!({ "status": step.status, "reason": "the edit was taken back" });
        run.record(Happening::of(PrepEventKind::StepReconciled).step(id).with(payload), now);
        details.push("The edit was taken back.".to_owned());
    }
    Ok(Divergence { step_id: id, is_diverged: is_edited, status: run.step(id)?.status, details })
}

/// Takes an edit in: as the step's next version, or as a step of its own. Either way the code must run, be measured and, where
/// that is needed, be approved of anew. Returns the step that has the code now.
///
/// # Errors
/// `STEP_NOT_FOUND`; `STEP_RECONCILE_REQUIRES_DIVERGED`; `STEP_RECONCILE_REQUIRES_BOUND_CELL`; `INVALID_OPERATION` when the run
/// has as many steps as it may.
pub fn reconcile(
    run: &mut PrepRun,
    id: StepId,
    strategy: &ReconcileStrategy,
    cells: &CellsNow,
    now: DateTime<Utc>,
) -> Result<StepId, Refusal> {
    let step = run.step(id)?;
    if step.status != StepStatus::Diverged {
        let message = format!("Step {id} is {}; only a diverged step can be reconciled.", step.status.as_str());
        return Err(Refusal::new(ReasonCode::StepReconcileRequiresDiverged, message).of_step(id));
    }
    if step.cell_ids.is_empty() || cells.cells.is_empty() || !cells.missing.is_empty() || cells.code.trim().is_empty() {
        let message = "The step's cell is gone or empty; give the step code with materialize_step_code instead.";
        return Err(Refusal::new(ReasonCode::StepReconcileRequiresBoundCell, message).of_step(id));
    }
    let (current, strategy) = match strategy {
        ReconcileStrategy::AbsorbEdit => {
            let step = run.step_mut(id)?;
            set_code(step, cells.code.clone(), cells.hash.clone(), now);
            (id, "absorb_edit")
        }
        ReconcileStrategy::CreateLinkedStep { title } => (link(run, id, title.as_deref(), cells, now)?, "create_linked_step"),
    };
    let step = run.step(current)?;
    let payload = json!({ "strategy": strategy, "stepId": id, "version": step.version, "codeHash": step.code_hash });
    run.record(Happening::of(PrepEventKind::StepReconciled).step(current).with(payload), now);
    Ok(current)
}

fn link(run: &mut PrepRun, id: StepId, title: Option<&str>, cells: &CellsNow, now: DateTime<Utc>) -> Result<StepId, Refusal> {
    if run.steps.len() >= STEPS_MAX {
        let message = format!("The run has {STEPS_MAX} steps, as many as it may. Absorb the edit instead.");
        return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
    }
    let previous = run.step_mut(id)?;
    let title = title.map(|title| plain(title, TITLE_CHARS_MAX)).filter(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| plain(&format!("{} (edited)", previous.title), TITLE_CHARS_MAX));
    let mut next = Step {
        rationale: previous.rationale.clone(),
        linked_from: Some(id),
        cell_ids: std::mem::take(&mut previous.cell_ids),
        input: previous.input,
        ..fresh(StepId::random(), title, previous.intent_type.clone(), previous.asks_approval, now)
    };
    set_code(&mut next, cells.code.clone(), cells.hash.clone(), now);
    let linked = next.id;
    // What was applied stays so: what it made is kept. What was not is taken over by the new step.
    give_up(run, id, "its edited code is a step of its own now", now)?;
    run.steps.push(next);
    Ok(linked)
}

/// Notes that a step's cell holds other code. What is known of its own code stays, for the case that the edit is taken back.
pub(super) fn mark(run: &mut PrepRun, id: StepId, now: DateTime<Utc>) -> Result<(), Refusal> {
    let step = run.step_mut(id)?;
    if step.status == StepStatus::Diverged {
        return Ok(());
    }
    step.before_divergence = Some(step.status);
    step.status = StepStatus::Diverged;
    step.updated_at = now;
    let payload = json!({ "status": StepStatus::Diverged, "was": step.before_divergence, "codeHash": step.code_hash });
    run.record(Happening::of(PrepEventKind::StepDiverged).step(id).with(payload), now);
    Ok(())
}

/// Refuses when a step's cells no longer hold its code, and records that.
pub(super) fn ensure_unedited(
    run: &mut PrepRun,
    id: StepId,
    cells: &CellsNow,
    reason: ReasonCode,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let step = run.step(id)?;
    if !cells.missing.is_empty() || step.cell_ids != cells.ids() {
        let message = "The step's cell is gone. Write the step's code to a cell, run it and record that again.";
        return Err(Refusal::new(reason, message).of_step(id));
    }
    if step.code_hash.as_ref() == Some(&cells.hash) {
        return Ok(());
    }
    mark(run, id, now)?;
    let message = "The step's cell was edited since it ran. Take the edit in with reconcile_diverged_step, run the cell, record \
                   and validate that; what was approved before does not hold for the edited code.";
    Err(Refusal::new(reason, message).of_step(id).recorded())
}
