//! Keeping what a step made, or not.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{DatasetId, UserId, datasets::iso_millis};

use super::{
    ApprovalDecision, CHECKPOINTS_MAX, CellsNow, CheckpointId, Happening, PrepEventKind, PrepRun, ReasonCode, Refusal, SchemaNow,
    Step, StepId, StepOutput, StepStatus, WORDS_CHARS_MAX, checkpoints, divergence, plain, steps::forget_measurement,
};

/// Who says that a step's output is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nobody was asked.
    Absent,
    /// A model said so, which counts for nothing.
    ByAgent,
    /// A person.
    ByUser(UserId),
}

/// What the measured things are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisNow {
    /// The version of the dataset that the step read; none when it is gone.
    pub dataset_version: Option<u32>,
    /// SHA-256 of the file that the step wrote; none when it is gone.
    pub output_hash: Option<String>,
}

/// What was kept of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The derived dataset.
    pub dataset_id: DatasetId,
    /// Its version.
    pub dataset_version: u32,
    /// The columns that the step needs.
    pub input: SchemaNow,
    /// The columns that it makes.
    pub output: SchemaNow,
    /// What to call the state.
    pub label: Option<String>,
}

/// Whether a step may be applied, as far as the run knows: it is bound to cells, its present code ran and was measured, and a
/// person approved of it where that is needed.
///
/// # Errors
/// `STEP_NOT_FOUND`; `INVALID_OPERATION` for an applied step; `STEP_APPLIED_REQUIRES_CELL_BINDINGS`;
/// `STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE`; `STEP_APPROVAL_REQUIRED`, `STEP_APPROVAL_USER_REQUIRED`.
pub fn check_approval(run: &PrepRun, id: StepId, approval: Approval) -> Result<(), Refusal> {
    let step = run.step(id)?;
    let refused = |reason, message: &str| Err(Refusal::new(reason, message).of_step(id));
    if step.status == StepStatus::Applied {
        return refused(ReasonCode::InvalidOperation, "The step is applied already.");
    }
    if step.cell_ids.is_empty() {
        return refused(
            ReasonCode::StepAppliedRequiresCellBindings,
            "The step is bound to no cell. Write its code to a cell, run it and record that with execute_transformation_step.",
        );
    }
    let is_measured = matches!(step.status, StepStatus::Running | StepStatus::AwaitingApproval);
    if !(is_measured && step.executed && step.validated && step.validation.is_some()) {
        return refused(
            ReasonCode::StepCommitRequiresExecuteValidate,
            "The step must run (execute_transformation_step) and be measured (validate_step_result) as it is now first.",
        );
    }
    match approval {
        _ if !step.requires_approval => Ok(()),
        Approval::ByUser(_) => Ok(()),
        Approval::Absent => refused(ReasonCode::StepApprovalRequired, "The step waits for the person's approval. Ask for it."),
        Approval::ByAgent => {
            refused(ReasonCode::StepApprovalUserRequired, "Only the person can approve of this step. Wait for the answer.")
        }
    }
}

/// Whether a step may be applied, all things considered: as [`check_approval`], and nothing is other than when it was measured.
///
/// # Errors
/// As [`check_approval`]; `DATASET_NOT_FOUND`, `PROCESSED_DATASET_NOT_FOUND`; recorded: `STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE`
/// when something changed since it was measured.
pub fn check_commit(
    run: &mut PrepRun,
    id: StepId,
    approval: Approval,
    facts: (&CellsNow, &BasisNow),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    check_approval(run, id, approval)?;
    ensure_same(run, id, facts, now)
}

/// Applies a step: its output is the dataset that is worked on from now on, and a state that one can go back to. The approval
/// holds for the measured code, dataset and file only.
///
/// # Errors
/// As [`check_commit`]; `INVALID_OPERATION` when there are too many checkpoints.
pub fn commit(
    run: &mut PrepRun,
    id: StepId,
    approval: Approval,
    facts: (&CellsNow, &BasisNow),
    kept: Kept,
    now: DateTime<Utc>,
) -> Result<CheckpointId, Refusal> {
    check_commit(run, id, approval, facts, now)?;
    if run.checkpoints.len() >= CHECKPOINTS_MAX {
        let message = format!("The run has {CHECKPOINTS_MAX} checkpoints, as many as it may. Go on in a new run.");
        return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
    }
    let step = run.step(id)?;
    let (source, title) = (step.input.map(|input| input.dataset_id), step.title.clone());
    let mut lineage = source.map(|source| checkpoints::applied_steps(run, source)).unwrap_or_default();
    lineage.retain(|one| *one != id);
    lineage.push(id);
    let checkpoint_id = CheckpointId::random();
    let payload = committed(run.step(id)?, approval, &kept, checkpoint_id, now);
    let step = run.step_mut(id)?;
    step.status = StepStatus::Applied;
    step.approval = step.requires_approval.then_some(ApprovalDecision::Approved);
    step.decision_reason = None;
    step.output = Some(StepOutput { dataset_id: kept.dataset_id, checkpoint_id });
    step.updated_at = now;
    if !run.derived_dataset_ids.contains(&kept.dataset_id) {
        run.derived_dataset_ids.push(kept.dataset_id);
    }
    run.active_dataset_id = Some(kept.dataset_id);
    let happening = Happening::of(PrepEventKind::StepCommitted).step(id).dataset(kept.dataset_id).checkpoint(checkpoint_id);
    run.record(happening.with(payload), now);
    let label = kept.label.unwrap_or_else(|| format!("After {title}"));
    checkpoints::push(run, checkpoint_id, (kept.dataset_id, kept.dataset_version), &label, lineage, now);
    Ok(checkpoint_id)
}

fn committed(step: &Step, approval: Approval, kept: &Kept, checkpoint: CheckpointId, now: DateTime<Utc>) -> Value {
    let by = match approval {
        Approval::ByUser(user) => Some(user),
        Approval::Absent | Approval::ByAgent => None,
    };
    json!({
        "approved": true,
        "approvedBy": by,
        "basis": step.validation.as_ref().map(|validation| &validation.basis),
        "checkpointId": checkpoint,
        "derivedDatasetId": kept.dataset_id,
        // A later version of the step takes nothing away from the states that this one led to.
        "code": step.code,
        "requiredInputSchema": kept.input.to_json(step.input.map(|input| input.dataset_id), now),
        "outputSchema": kept.output.to_json(Some(kept.dataset_id), now),
        "committedAt": iso_millis::format(now),
    })
}

/// Refuses when something is no longer what was measured.
fn ensure_same(run: &mut PrepRun, id: StepId, facts: (&CellsNow, &BasisNow), now: DateTime<Utc>) -> Result<(), Refusal> {
    let (cells, basis) = facts;
    divergence::ensure_unedited(run, id, cells, ReasonCode::StepCommitRequiresExecuteValidate, now)?;
    let Some(measured) = run.step(id)?.validation.as_ref().map(|validation| validation.basis.clone()) else {
        return Err(Refusal::new(ReasonCode::StepCommitRequiresExecuteValidate, "The step was not measured.").of_step(id));
    };
    let Some(version) = basis.dataset_version else {
        let message = "The dataset that the step read was deleted. Choose another with set_active_dataset and begin anew.";
        return Err(Refusal::new(ReasonCode::DatasetNotFound, message).of_step(id));
    };
    let Some(output) = &basis.output_hash else {
        let message = "The file that the step wrote is gone. Run its cell again, then record and validate that.";
        return Err(Refusal::new(ReasonCode::ProcessedDatasetNotFound, message).of_step(id));
    };
    let step = run.step_mut(id)?;
    let why = if version != measured.dataset_version {
        step.executed = false;
        "The dataset changed since the step ran. Run its cell again, then record and validate that."
    } else if *output != measured.output_hash {
        "The file that the step wrote changed since it was measured. Validate the step again."
    } else if step.code_hash.as_ref() != Some(&measured.code_hash) {
        step.executed = false;
        "The step's code changed since it was measured. Run it, then record and validate that."
    } else {
        return Ok(());
    };
    forget_measurement(step);
    step.status = StepStatus::Running;
    step.updated_at = now;
    let payload = json!({ "passed": false, "reasonCode": ReasonCode::StepCommitRequiresExecuteValidate, "reason": why });
    run.record(Happening::of(PrepEventKind::StepValidated).step(id).with(payload), now);
    Err(Refusal::new(ReasonCode::StepCommitRequiresExecuteValidate, why).of_step(id).recorded())
}

/// Rejects a step: it failed, and only new code takes it up again. A second no changes nothing.
///
/// # Errors
/// `STEP_NOT_FOUND`; `INVALID_OPERATION` for a step that is applied, was applied before its cell was edited, or failed.
pub fn reject(run: &mut PrepRun, id: StepId, by: Option<UserId>, why: Option<&str>, now: DateTime<Utc>) -> Result<(), Refusal> {
    let step = run.step_mut(id)?;
    let refused = |message: String| Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
    match step.status {
        StepStatus::Failed if step.is_rejected() => return Ok(()),
        StepStatus::Failed | StepStatus::Applied => {
            return refused(format!("Step {id} is {} already.", step.status.as_str()));
        }
        StepStatus::Diverged if step.before_divergence == Some(StepStatus::Applied) => {
            return refused(format!("Step {id} is applied; only its cell was edited. Reconcile it instead."));
        }
        _ => {}
    }
    forget_measurement(step);
    step.executed = false;
    step.before_divergence = None;
    step.status = StepStatus::Failed;
    step.approval = Some(ApprovalDecision::Rejected);
    step.decision_reason = why.map(|why| plain(why, WORDS_CHARS_MAX)).filter(|why| !why.is_empty());
    step.updated_at = now;
    let payload = json!({ "approved": false, "rejectedBy": by, "rejectionReason": step.decision_reason, "status": step.status });
    run.record(Happening::of(PrepEventKind::StepCommitted).step(id).with(payload), now);
    Ok(())
}
