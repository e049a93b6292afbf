//! What a step did, as the server measured it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    ApprovalDecision, Basis, CellRunNow, CellsNow, ColumnNow, Happening, Measured, Measurement, PrepEventKind, PrepRun,
    ReasonCode, Refusal, StepId, StepStatus, TableNow, WORDS_CHARS_MAX, divergence, plain,
};

/// Most changes of columns that are listed.
const CHANGES_MAX: usize = 50;
/// Longest name of a column in a list of changes, characters.
const NAME_CHARS_MAX: usize = 100;

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Rows that the step read.
    pub row_count_before: u64,
    /// Rows that it wrote.
    pub row_count_after: u64,
    /// Missing values in what it read.
    pub null_count_before: u64,
    /// Missing values in what it wrote.
    pub null_count_after: u64,
    /// Columns that are gone.
    pub columns_lost: u64,
    /// Columns that stayed and have fewer values than before, though there are as many rows.
    #[serde(default)]
    pub columns_emptied: u64,
    /// Whether columns came, went or changed their type.
    pub schema_drift: bool,
    /// What changed, a sentence each, at most 50 about columns.
    pub changes: Vec<String>,
    /// What the model remarked.
    pub notes: Option<String>,
    /// What this is a measurement of.
    pub basis: Basis,
}

impl Validation {
    /// Whether rows, columns or the values of one are fewer than before: a person is asked then.
    #[must_use]
    pub fn loses_data(&self) -> bool {
        self.row_count_after < self.row_count_before || self.columns_lost > 0 || self.columns_emptied > 0
    }

    fn of(measurement: &Measurement, notes: Option<String>) -> Self {
        let Measurement { before, after, basis } = measurement;
        let (columns_lost, columns) = column_changes(before, after);
        let mut changes = Vec::new();
        counted("rows", before.row_count, after.row_count, &mut changes);
        counted("missing values", before.null_count(), after.null_count(), &mut changes);
        let schema_drift = !columns.is_empty();
        let emptied = emptied_columns(before, after);
        let columns_emptied = u64::try_from(emptied.len()).unwrap_or(u64::MAX);
        let more = (columns.len() + emptied.len()).saturating_sub(CHANGES_MAX);
        changes.extend(columns.into_iter().chain(emptied).take(CHANGES_MAX));
        if more > 0 {
            changes.push(format!("{more} more columns changed"));
        }
        Self {
            row_count_before: before.row_count,
            row_count_after: after.row_count,
            null_count_before: before.null_count(),
            null_count_after: after.null_count(),
            columns_lost,
            columns_emptied,
            schema_drift,
            changes,
            notes,
            basis: basis.clone(),
        }
    }
}

fn counted(what: &str, before: u64, after: u64, changes: &mut Vec<String>) {
    if before != after {
        changes.push(format!("{what}: {before} before, {after} after"));
    }
}

/// How many columns are gone, and a sentence for each that went, came or changed its type.
fn column_changes(before: &TableNow, after: &TableNow) -> (u64, Vec<String>) {
    let of = |table: &TableNow| -> BTreeMap<String, ColumnNow> {
        table.columns.iter().map(|column| (column.name.clone(), column.clone())).collect()
    };
    let (old, new) = (of(before), of(after));
    let short = |name: &str| plain(name, NAME_CHARS_MAX);
    let mut lost = 0;
    let mut changes = Vec::new();
    for column in &before.columns {
        match new.get(&column.name) {
            None => {
                lost += 1;
                changes.push(format!("column \"{}\" is gone", short(&column.name)));
            }
            Some(now) if now.dtype != column.dtype => changes.push(format!(
                "column \"{}\" was {}, is {}",
                short(&column.name),
                column.dtype.as_str(),
                now.dtype.as_str()
            )),
            Some(_) => {}
        }
    }
    for column in after.columns.iter().filter(|column| !old.contains_key(&column.name)) {
        changes.push(format!("column \"{}\" is new ({})", short(&column.name), column.dtype.as_str()));
    }
    (lost, changes)
}

/// A sentence for each column that has fewer values than before, though there are as many rows: text that could not be made a
/// number, say. Where rows are fewer, that says it all.
fn emptied_columns(before: &TableNow, after: &TableNow) -> Vec<String> {
    if after.row_count < before.row_count {
        return Vec::new();
    }
    let new: BTreeMap<&str, &ColumnNow> = after.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let lost = |column: &ColumnNow| {
        let known_after = after.row_count.saturating_sub(new.get(column.name.as_str())?.null_count);
        let lost = before.row_count.saturating_sub(column.null_count).saturating_sub(known_after);
        (lost > 0).then(|| format!("column \"{}\" has {lost} values fewer", plain(&column.name, NAME_CHARS_MAX)))
    };
    before.columns.iter().filter_map(lost).collect()
}

/// What the model adds to a measurement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// In words.
    pub notes: Option<String>,
    /// Whether a person is to be asked.
    pub asks_approval: bool,
}

/// Whether a step may be measured: its present code ran to its end. Asked before the measurement, which takes long.
///
/// # Errors
/// `STEP_NOT_FOUND`; `STEP_VALIDATE_REQUIRES_SUCCESSFUL_EXECUTE`; `INVALID_OPERATION` for an applied step;
/// `RUN_HAS_INCOMPLETE_STEP`.
pub fn check_measurable(run: &PrepRun, id: StepId) -> Result<(), Refusal> {
    let step = run.step(id)?;
    let refused = |reason, message: &str| Err(Refusal::new(reason, message).of_step(id));
    match step.status {
        StepStatus::Applied => return refused(ReasonCode::InvalidOperation, "The step is applied already."),
        StepStatus::Diverged => {
            return refused(
                ReasonCode::StepValidateRequiresSuccessfulExecute,
                "The step's cell was edited; take the edit in with reconcile_diverged_step, run the cell and record that first.",
            );
        }
        StepStatus::Failed => run.ensure_only(Some(id))?,
        StepStatus::Pending | StepStatus::Running | StepStatus::AwaitingApproval => {}
    }
    if !step.executed || step.is_rejected() || step.code_hash.is_none() {
        return refused(
            ReasonCode::StepValidateRequiresSuccessfulExecute,
            "The step's code has not run to its end. Run its cell, then record that with execute_transformation_step.",
        );
    }
    Ok(())
}

/// Refuses when the last run of a cell was not one of the code that it holds: an edit that ran and was then taken back leaves
/// the step's code beside another one's output.
fn ensure_ran(id: StepId, cells: &CellsNow) -> Result<(), Refusal> {
    match cells.cells.iter().find(|cell| cell.run != CellRunNow::Succeeded) {
        None => Ok(()),
        Some(cell) => Err(Refusal::new(
            ReasonCode::StepValidateRequiresSuccessfulExecute,
            format!(
                "The last run of cell {} was not one of the code that it holds, or did not end well. Run it again, then record \
                 that with execute_transformation_step.",
                cell.id
            ),
        )
        .of_step(id)),
    }
}

/// Records what a step did. Remarks can only add an approval, never take one away: who loses rows, columns or values is asked.
///
/// # Errors
/// As [`check_measurable`]. Recorded, and the step failed: `PROCESSED_DATASET_NOT_FOUND`, `PROCESSED_DATASET_PERSIST_FAILED`.
/// Recorded, and the step diverged: `STEP_VALIDATE_REQUIRES_SUCCESSFUL_EXECUTE`.
pub fn validate(
    run: &mut PrepRun,
    id: StepId,
    cells: &CellsNow,
    measured: &Measured,
    remarks: Remarks,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    check_measurable(run, id)?;
    divergence::ensure_unedited(run, id, cells, ReasonCode::StepValidateRequiresSuccessfulExecute, now)?;
    ensure_ran(id, cells)?;
    let code_hash = run.step(id)?.code_hash.clone();
    let measurement = match measured {
        Measured::Table(measurement) if code_hash.as_ref() == Some(&measurement.basis.code_hash) => measurement,
        Measured::Table(_) => {
            return Err(Refusal::new(
                ReasonCode::StepValidateRequiresSuccessfulExecute,
                "The step got other code while it was measured. Run that, record it and validate again.",
            )
            .of_step(id));
        }
        Measured::Unusable(why) => return Err(fail(run, id, ReasonCode::ProcessedDatasetPersistFailed, why, now)?),
        Measured::Missing(why) => return Err(fail(run, id, ReasonCode::ProcessedDatasetNotFound, why, now)?),
    };
    let notes = remarks.notes.map(|notes| plain(&notes, WORDS_CHARS_MAX)).filter(|notes| !notes.is_empty());
    let validation = Validation::of(measurement, notes);
    let step = run.step_mut(id)?;
    step.requires_approval = step.asks_approval || remarks.asks_approval || validation.loses_data();
    step.approval = step.requires_approval.then_some(ApprovalDecision::Pending);
    step.status = if step.requires_approval { StepStatus::AwaitingApproval } else { StepStatus::Running };
    step.validated = true;
    step.decision_reason = None;
    step.updated_at = now;
    let payload = json!({ "passed": true, "requiresApproval": step.requires_approval, "validation": &validation });
    let dataset = validation.basis.dataset_id;
    step.validation = Some(validation);
    run.record(Happening::of(PrepEventKind::StepValidated).step(id).dataset(dataset).with(payload), now);
    Ok(())
}

fn fail(run: &mut PrepRun, id: StepId, reason: ReasonCode, why: &str, now: DateTime<Utc>) -> Result<Refusal, Refusal> {
    let step = run.step_mut(id)?;
    super::steps::forget_measurement(step);
    step.status = StepStatus::Failed;
    step.decision_reason = Some(plain(why, WORDS_CHARS_MAX));
    step.updated_at = now;
    let payload = json!({ "passed": false, "reasonCode": reason, "reason": step.decision_reason });
    run.record(Happening::of(PrepEventKind::StepValidated).step(id).with(payload), now);
    Ok(Refusal::new(reason, why).of_step(id).recorded())
}
