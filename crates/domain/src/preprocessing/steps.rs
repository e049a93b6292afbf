//! Steps from their proposal to the run of their code.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    CellRunNow, CellsNow, CodeHash, Happening, PrepEventKind, PrepRun, ReasonCode, Refusal, STEPS_MAX, Step, StepId, StepInput,
    StepStatus, TITLE_CHARS_MAX, WORDS_CHARS_MAX, divergence, plain,
};

/// Kinds of change that a person is asked about, whatever the model says.
const RISKY_INTENTS: [&str; 3] = ["drop", "outlier", "custom"];

/// What a step is proposed as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// What it does, in a line.
    pub title: String,
    /// The kind of change.
    pub intent_type: String,
    /// Why.
    pub rationale: Option<String>,
    /// Whether a person is to be asked. Saying no to this takes nothing away.
    pub asks_approval: bool,
    /// The call that proposes it.
    pub tool_call_id: Option<String>,
}

/// Code for a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Exactly what is to be written to the step's cell.
    pub code: String,
    /// Its hash.
    pub hash: CodeHash,
    /// What it works on.
    pub input: StepInput,
    /// The call that brings it.
    pub tool_call_id: Option<String>,
}

/// Proposes a step, or words a pending one anew when `known` names it. Incomplete steps all of whose cells are gone
/// (`without_cells`) are given up first.
///
/// # Errors
/// `MISSING_REQUIRED_ARG`; `RUN_HAS_INCOMPLETE_STEP`; `INVALID_OPERATION` for a step that went on, or too many.
pub fn propose(
    run: &mut PrepRun,
    known: Option<StepId>,
    proposal: Proposal,
    without_cells: &[StepId],
    now: DateTime<Utc>,
) -> Result<StepId, Refusal> {
    let title = plain(&proposal.title, TITLE_CHARS_MAX);
    let intent_type = plain(&proposal.intent_type, TITLE_CHARS_MAX);
    for (name, text) in [("title", &title), ("intentType", &intent_type)] {
        if text.is_empty() {
            return Err(Refusal::missing(name));
        }
    }
    for id in without_cells {
        give_up(run, *id, "its cells were deleted", now)?;
    }
    let known = known.filter(|id| run.steps.iter().any(|step| step.id == *id));
    run.ensure_only(known)?;
    let id = known.unwrap_or_else(StepId::random);
    let asks_approval = proposal.asks_approval || is_risky(&intent_type);
    let rationale = proposal.rationale.as_deref().map(|text| plain(text, WORDS_CHARS_MAX)).filter(|text| !text.is_empty());
    if known.is_some() {
        let step = run.step_mut(id)?;
        if step.status != StepStatus::Pending {
            let message = format!("Step {id} is {} already; propose a new step.", step.status.as_str());
            return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
        }
        step.asks_approval |= asks_approval;
        step.requires_approval |= asks_approval;
        step.rationale = rationale.or(step.rationale.take());
        (step.title, step.intent_type, step.updated_at) = (title.clone(), intent_type.clone(), now);
        step.tool_call_id = proposal.tool_call_id.or(step.tool_call_id.take());
    } else if run.steps.len() >= STEPS_MAX {
        let message = format!("The run has {STEPS_MAX} steps, as many as it may. Go on in a new run.");
        return Err(Refusal::new(ReasonCode::InvalidOperation, message));
    } else {
        run.steps.push(Step {
            rationale,
            tool_call_id: proposal.tool_call_id,
            ..fresh(id, title.clone(), intent_type.clone(), asks_approval, now)
        });
    }
    let requires_approval = run.step(id)?.requires_approval;
    let payload = json!({ "title": title, "intentType": intent_type, "requiresApproval": requires_approval });
    run.record(Happening::of(PrepEventKind::StepProposed).step(id).with(payload), now);
    Ok(id)
}

/// Gives a step code: its first, or a better one after a failure or a no. What was run, measured and said of the code before
/// is void.
///
/// # Errors
/// `STEP_NOT_FOUND`; `MISSING_REQUIRED_ARG`; `INVALID_OPERATION` for an applied step; `RUN_HAS_INCOMPLETE_STEP`.
pub fn materialize(run: &mut PrepRun, id: StepId, material: Material, now: DateTime<Utc>) -> Result<(), Refusal> {
    let step = run.step(id)?;
    if material.code.trim().is_empty() {
        return Err(Refusal::missing("code").of_step(id));
    }
    match step.status {
        StepStatus::Applied => {
            let message = format!("Step {id} is applied already; propose a new step.");
            return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
        }
        // It becomes incomplete again, of which there is one at a time.
        StepStatus::Failed => run.ensure_only(Some(id))?,
        _ => {}
    }
    let step = run.step_mut(id)?;
    step.tool_call_id = material.tool_call_id.or(step.tool_call_id.take());
    step.input = Some(material.input);
    set_code(step, material.code, material.hash, now);
    let payload = json!({ "version": step.version, "codeHash": step.code_hash });
    run.record(Happening::of(PrepEventKind::StepCodeMaterialized).step(id).dataset(material.input.dataset_id).with(payload), now);
    Ok(())
}

/// Records how a step's code ran, as its cells tell. True: it ran to its end. False: it failed, and so did the step; new
/// code takes it up again.
///
/// # Errors
/// `STEP_NOT_FOUND`; `STEP_EXECUTE_REQUIRES_CODE` without code, or when the cells hold something else (found in cells that the
/// step is bound to, that is recorded: the step has diverged); `MISSING_REQUIRED_ARG` without cells; `INVALID_OPERATION` when
/// they did not run as they are, or are another step's; `RUN_HAS_INCOMPLETE_STEP`.
pub fn execute(run: &mut PrepRun, id: StepId, cells: &CellsNow, now: DateTime<Utc>) -> Result<bool, Refusal> {
    check_executable(run, id, cells)?;
    let step = run.step(id)?;
    if step.code_hash.as_ref() != Some(&cells.hash) {
        let refusal = Refusal::new(
            ReasonCode::StepExecuteRequiresCode,
            "The cell does not hold the step's code. Write exactly the code that materialize_step_code gave and run it, or take \
             the edit in with reconcile_diverged_step.",
        )
        .of_step(id);
        // Naming a wrong cell is no edit of the step's own.
        if step.cell_ids.is_empty() || step.cell_ids != cells.ids() {
            return Err(refusal);
        }
        divergence::mark(run, id, now)?;
        return Err(refusal.recorded());
    }
    let waits = cells.cells.iter().find(|cell| !matches!(cell.run, CellRunNow::Succeeded | CellRunNow::Failed));
    if let Some(cell) = waits {
        let how = match cell.run {
            CellRunNow::Running => "is still running; wait for its end",
            CellRunNow::Outdated => "was edited since its last run; run it again",
            _ => "did not run yet; run it first",
        };
        return Err(Refusal::new(ReasonCode::InvalidOperation, format!("Cell {} {how}.", cell.id)).of_step(id));
    }
    let succeeded = cells.cells.iter().all(|cell| cell.run == CellRunNow::Succeeded);
    let step = run.step_mut(id)?;
    step.cell_ids = cells.ids();
    step.executed = succeeded;
    forget_measurement(step);
    step.status = if succeeded { StepStatus::Running } else { StepStatus::Failed };
    step.updated_at = now;
    let payload = json!({ "succeeded": succeeded, "cellIds": step.cell_ids, "codeHash": step.code_hash });
    run.record(Happening::of(PrepEventKind::StepExecuted).step(id).with(payload), now);
    Ok(succeeded)
}

fn check_executable(run: &PrepRun, id: StepId, cells: &CellsNow) -> Result<(), Refusal> {
    let step = run.step(id)?;
    let refused = |reason, message: String| Err(Refusal::new(reason, message).of_step(id));
    match step.status {
        StepStatus::Applied => return refused(ReasonCode::InvalidOperation, format!("Step {id} is applied already.")),
        StepStatus::Diverged => {
            let message = format!("The cell of step {id} was edited; take the edit in with reconcile_diverged_step first.");
            return refused(ReasonCode::InvalidOperation, message);
        }
        StepStatus::Failed if step.is_rejected() => {
            let message = format!("Step {id} was rejected; give it other code with materialize_step_code first.");
            return refused(ReasonCode::StepExecuteRequiresCode, message);
        }
        StepStatus::Failed => run.ensure_only(Some(id))?,
        StepStatus::Pending | StepStatus::Running | StepStatus::AwaitingApproval => {}
    }
    if step.code_hash.is_none() {
        let message = format!("Step {id} has no code; give it some with materialize_step_code first.");
        return refused(ReasonCode::StepExecuteRequiresCode, message);
    }
    if let Some(missing) = cells.missing.first() {
        return refused(ReasonCode::MissingRequiredArg, format!("Cell {missing} is gone; write the step's code to a cell."));
    }
    if cells.cells.is_empty() {
        return refused(ReasonCode::MissingRequiredArg, "Name the cell that holds the step's code: cellId.".to_owned());
    }
    let named = cells.ids();
    let holds = |other: &&Step| {
        other.id != id && other.status != StepStatus::Failed && other.cell_ids.iter().any(|cell| named.contains(cell))
    };
    match run.steps.iter().find(holds) {
        Some(other) => {
            let message = format!("The cell belongs to step {}; each step has a cell of its own.", other.id);
            refused(ReasonCode::InvalidOperation, message)
        }
        None => Ok(()),
    }
}

/// Whether a person is asked about this kind of change.
pub(super) fn is_risky(intent_type: &str) -> bool {
    let intent = intent_type.to_lowercase();
    RISKY_INTENTS.iter().any(|risky| intent.contains(risky))
}

/// A step without code.
pub(super) fn fresh(id: StepId, title: String, intent_type: String, asks_approval: bool, now: DateTime<Utc>) -> Step {
    Step {
        id,
        title,
        rationale: None,
        intent_type,
        status: StepStatus::Pending,
        approval: None,
        decision_reason: None,
        tool_call_id: None,
        linked_from: None,
        code: None,
        code_hash: None,
        version: 0,
        cell_ids: Vec::new(),
        asks_approval,
        requires_approval: asks_approval,
        validation: None,
        executed: false,
        validated: false,
        input: None,
        before_divergence: None,
        output: None,
        created_at: now,
        updated_at: now,
    }
}

/// Replaces a step's code; nothing that was known of the code before holds.
pub(super) fn set_code(step: &mut Step, code: String, hash: CodeHash, now: DateTime<Utc>) {
    step.code = Some(code);
    step.code_hash = Some(hash);
    step.version += 1;
    step.status = StepStatus::Pending;
    step.executed = false;
    forget_measurement(step);
    step.decision_reason = None;
    step.before_divergence = None;
    step.output = None;
    step.updated_at = now;
}

/// What was measured and approved holds no more.
pub(super) fn forget_measurement(step: &mut Step) {
    step.validation = None;
    step.validated = false;
    step.approval = None;
    step.requires_approval = step.asks_approval;
}

/// Fails an incomplete step that cannot go on.
pub(super) fn give_up(run: &mut PrepRun, id: StepId, why: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    let step = run.step_mut(id)?;
    if !step.status.is_incomplete() {
        return Ok(());
    }
    step.cell_ids.clear();
    step.updated_at = now;
    if step.before_divergence.take() == Some(StepStatus::Applied) {
        // What it made is kept; only the edit is given up.
        step.status = StepStatus::Applied;
    } else {
        step.status = StepStatus::Failed;
        step.decision_reason = Some(format!("Given up: {why}"));
        step.executed = false;
        forget_measurement(step);
    }
    let payload = json!({ "status": step.status, "reason": why });
    run.record(Happening::of(PrepEventKind::StepDiverged).step(id).with(payload), now);
    Ok(())
}
