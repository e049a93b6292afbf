//! States that one can go back to, and whether their steps fit another dataset.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    DatasetId,
    datasets::{ColumnType, ROW_ID_COLUMN, iso_millis},
    named::named,
};

use super::{
    CHECKPOINTS_MAX, Checkpoint, CheckpointId, Happening, PrepEvent, PrepEventKind, PrepRun, ReasonCode, Refusal, StepId,
    StepStatus, TITLE_CHARS_MAX, plain, steps::give_up,
};

named! {
    /// What of a dataset does not fit a step.
    CompatibilityProblem {
        /// It lacks a column.
        MissingColumn = "missing_column",
        /// A column has another type.
        DtypeMismatch = "dtype_mismatch",
    }
}

/// A column that does not fit a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompatibilityIssue {
    /// The step.
    pub step_id: StepId,
    /// The column.
    pub column: String,
    /// What is wrong.
    pub issue: CompatibilityProblem,
    /// The type that the step needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_type: Option<ColumnType>,
    /// The type that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_type: Option<ColumnType>,
}

/// Names and types of a table's columns, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaNow(pub Vec<(String, ColumnType)>);

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    dtype: ColumnType,
}

impl SchemaNow {
    /// As it is kept in the log.
    pub(super) fn to_json(&self, dataset: Option<DatasetId>, now: DateTime<Utc>) -> Value {
        let column = |(name, dtype): &(String, ColumnType)| StoredColumn { name: name.clone(), dtype: *dtype };
        let columns: Vec<StoredColumn> = self.0.iter().map(column).collect();
        json!({ "datasetId": dataset, "columns": columns, "capturedAt": iso_millis::format(now) })
    }

    fn stored(value: &Value) -> Option<Self> {
        let columns: Vec<StoredColumn> = serde_json::from_value(value.get("columns")?.clone()).ok()?;
        Some(Self(columns.into_iter().map(|column| (column.name, column.dtype)).collect()))
    }
}

/// The steps that led to a dataset, in order, by the last state that was recorded of it.
#[must_use]
pub fn applied_steps(run: &PrepRun, dataset: DatasetId) -> Vec<StepId> {
    let last = run.checkpoints.iter().rev().find(|checkpoint| checkpoint.dataset_id == dataset);
    last.map(|checkpoint| checkpoint.step_ids.clone()).unwrap_or_default()
}

/// Records a state of a dataset (with its version). The steps are those that led to it, or those that are named.
///
/// # Errors
/// `STEP_NOT_FOUND`; `INVALID_OPERATION` for a named step that is not applied, or when there are too many checkpoints.
pub fn checkpoint(
    run: &mut PrepRun,
    dataset: (DatasetId, u32),
    label: Option<&str>,
    named: Option<Vec<StepId>>,
    now: DateTime<Utc>,
) -> Result<CheckpointId, Refusal> {
    if run.checkpoints.len() >= CHECKPOINTS_MAX {
        let message = format!("The run has {CHECKPOINTS_MAX} checkpoints, as many as it may.");
        return Err(Refusal::new(ReasonCode::InvalidOperation, message));
    }
    for id in named.iter().flatten() {
        if run.step(*id)?.status != StepStatus::Applied {
            let message = format!("Step {id} is not applied, so it led to no state.");
            return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(*id));
        }
    }
    let steps = named.unwrap_or_else(|| applied_steps(run, dataset.0));
    let id = CheckpointId::random();
    let label = label.map(str::trim).filter(|label| !label.is_empty()).unwrap_or("Checkpoint").to_owned();
    push(run, id, dataset, &label, steps, now);
    Ok(id)
}

/// Appends a checkpoint with its event, which is the last one that belongs to it.
pub(super) fn push(
    run: &mut PrepRun,
    id: CheckpointId,
    dataset: (DatasetId, u32),
    label: &str,
    step_ids: Vec<StepId>,
    now: DateTime<Utc>,
) {
    let label = plain(label, TITLE_CHARS_MAX);
    let payload = json!({ "label": label, "stepIds": step_ids });
    let (dataset_id, dataset_version) = dataset;
    run.record(Happening::of(PrepEventKind::CheckpointCreated).checkpoint(id).dataset(dataset_id).with(payload), now);
    let replay_until = run.event_sequence;
    run.checkpoints.push(Checkpoint { id, label, dataset_id, dataset_version, step_ids, replay_until, created_at: now });
}

/// Goes back to a recorded state: its dataset is worked on from now on. Steps that are under way are given up, because they
/// work on another dataset.
///
/// # Errors
/// `CHECKPOINT_NOT_FOUND`; `DATASET_NOT_FOUND` unless `dataset` is the checkpoint's, which is still there.
pub fn restore(run: &mut PrepRun, id: CheckpointId, dataset: Option<DatasetId>, now: DateTime<Utc>) -> Result<(), Refusal> {
    let wanted = run.checkpoint(id)?.dataset_id;
    if dataset != Some(wanted) {
        let message = "The checkpoint's dataset was deleted; choose another checkpoint.";
        return Err(Refusal::new(ReasonCode::DatasetNotFound, message));
    }
    let is_under_way = |step: &&super::Step| step.status.is_incomplete() && step.before_divergence != Some(StepStatus::Applied);
    let under_way: Vec<StepId> = run.steps.iter().filter(is_under_way).map(|step| step.id).collect();
    for step in under_way {
        give_up(run, step, "an earlier state was restored", now)?;
    }
    run.active_dataset_id = Some(wanted);
    run.record(Happening::of(PrepEventKind::CheckpointRestored).checkpoint(id).dataset(wanted), now);
    Ok(())
}

/// Compares what the steps of a checkpoint need with a dataset's columns. A step also gets the columns that the steps before
/// it make. An empty list: they fit.
///
/// # Errors
/// `CHECKPOINT_NOT_FOUND`.
pub fn compatibility(run: &PrepRun, id: CheckpointId, target: &SchemaNow) -> Result<Vec<CompatibilityIssue>, Refusal> {
    let checkpoint = run.checkpoint(id)?;
    let kept: Vec<(StepId, SchemaNow, SchemaNow)> = checkpoint
        .step_ids
        .iter()
        .filter_map(|step| {
            let payload = last_commit(run, *step, checkpoint.replay_until)?.payload.as_ref()?;
            let input = SchemaNow::stored(payload.get("requiredInputSchema")?)?;
            Some((*step, input, payload.get("outputSchema").and_then(SchemaNow::stored).unwrap_or_default()))
        })
        .collect();
    let mut columns: BTreeMap<&str, ColumnType> = target.0.iter().map(|(name, dtype)| (name.as_str(), *dtype)).collect();
    let mut issues = Vec::new();
    for (step, input, output) in &kept {
        // The numbers of rows are the server's: no code needs them, and an upload has none.
        for (name, expected) in input.0.iter().filter(|(name, _)| name != ROW_ID_COLUMN) {
            let actual = columns.get(name.as_str()).copied();
            let issue = match actual {
                None => CompatibilityProblem::MissingColumn,
                Some(actual) if !fits(*expected, actual) => CompatibilityProblem::DtypeMismatch,
                Some(_) => continue,
            };
            let column = name.clone();
            issues.push(CompatibilityIssue {
                step_id: *step,
                column,
                issue,
                expected_type: Some(*expected),
                actual_type: actual,
            });
        }
        for (name, _) in &input.0 {
            columns.remove(name.as_str());
        }
        columns.extend(output.0.iter().map(|(name, dtype)| (name.as_str(), *dtype)));
    }
    Ok(issues)
}

/// The code of a step as it led to a checkpoint: the step may have got other code since.
#[must_use]
pub fn code_at<'a>(run: &'a PrepRun, checkpoint: &Checkpoint, step: StepId) -> Option<&'a str> {
    let committed = last_commit(run, step, checkpoint.replay_until).and_then(|event| event.payload.as_ref());
    committed.and_then(|payload| payload.get("code")).and_then(Value::as_str)
}

/// Notes in the log what came of a comparison.
pub fn record_compatibility(
    run: &mut PrepRun,
    id: CheckpointId,
    dataset: DatasetId,
    issues: &[CompatibilityIssue],
    now: DateTime<Utc>,
) {
    let payload = json!({ "compatible": issues.is_empty(), "issueCount": issues.len() });
    let happening = Happening::of(PrepEventKind::ReplayCompatibilityChecked).checkpoint(id).dataset(dataset);
    run.record(happening.with(payload), now);
}

fn last_commit(run: &PrepRun, step: StepId, until: i64) -> Option<&PrepEvent> {
    let is_of = |event: &&PrepEvent| {
        event.kind == PrepEventKind::StepCommitted
            && event.step_id == Some(step)
            && event.sequence <= until
            && event.payload.as_ref().is_some_and(|payload| payload.get("requiredInputSchema").is_some())
    };
    run.events.iter().rev().find(is_of)
}

/// Whether code that was made for one type works on another: whole numbers are numbers, and a column without any value fits.
fn fits(expected: ColumnType, actual: ColumnType) -> bool {
    expected == actual
        || actual == ColumnType::Unknown
        || expected == ColumnType::Unknown
        || (expected, actual) == (ColumnType::Float, ColumnType::Integer)
}
