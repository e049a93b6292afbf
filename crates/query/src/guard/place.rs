//! Where guards stand in a plan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::{
    error::Result,
    physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions},
};

use super::{
    hold::Ledger,
    node::{Duty, GuardExec},
};
use crate::scope::QueryScope;

/// Guards have the properties of what they stand over.
const SAME_PROPERTIES: ReplaceChildrenOptions = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
/// Rows of a batch when nothing speaks against it.
const ROWS: usize = 8192;
/// Rows of a batch behind which an operator may copy arrays.
const ROWS_WITH_ARRAYS: usize = 32;
/// Room for the fixed-width part of a batch, bytes.
const WIDTH_BYTES: usize = 8 * 1024 * 1024;

/// Rows of a batch for the operators at the top of a plan.
pub(crate) fn batch_rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
    if any_arrays(plan) { ROWS_WITH_ARRAYS.min(rows_for_width(plan)) } else { rows_for_width(plan) }
}

/// Rows of a batch so that its columns, however many, take some megabytes.
fn rows_for_width(plan: &Arc<dyn ExecutionPlan>) -> usize {
    (WIDTH_BYTES / (16 * columns(plan)).max(1)).clamp(16, ROWS)
}

fn columns(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.children().into_iter().map(columns).fold(plan.schema().fields().len(), usize::max)
}

fn any_arrays(plan: &Arc<dyn ExecutionPlan>) -> bool {
    has_arrays(&plan.schema()) || plan.children().into_iter().any(any_arrays)
}

fn has_arrays(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| field.data_type().is_nested())
}

fn has_texts(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| {
        field.data_type().is_nested()
            || matches!(field.data_type(), DataType::Utf8View | DataType::Utf8 | DataType::Binary | DataType::BinaryView)
    })
}

/// Puts the guards into a plan.
pub(crate) fn guard(plan: Arc<dyn ExecutionPlan>, scope: &Arc<QueryScope>) -> Result<Arc<dyn ExecutionPlan>> {
    let rows = rows_for_width(&plan);
    guard_node(plan, scope, rows)
}

fn guard_node(plan: Arc<dyn ExecutionPlan>, scope: &Arc<QueryScope>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let arrays_here = has_arrays(&plan.schema());
    let is_window = matches!(plan.name(), "WindowAggExec" | "BoundedWindowAggExec");
    let ledger: Option<Arc<Ledger>> = is_window.then(Arc::default);
    let mut children = Vec::new();
    for child in plan.children() {
        let narrow_above = arrays_here && !any_arrays(child);
        let mut child = guard_node(child.clone(), scope, rows)?;
        if narrow_above {
            child = GuardExec::over(child, Duty::Rows(rows));
        }
        if let Some(ledger) = &ledger {
            child = GuardExec::over(child, Duty::In(ledger.clone()));
        }
        children.push(child);
    }
    let texts = has_texts(&plan.schema());
    let grows = is_window || may_grow(plan.name());
    let mut guarded = if children.is_empty() { plan } else { plan.replace_children(children, SAME_PROPERTIES)? };
    if let Some(ledger) = ledger {
        guarded = GuardExec::over(guarded, Duty::Out(ledger));
    }
    if texts && grows {
        guarded = GuardExec::over(guarded, Duty::Cut(scope.clone()));
    }
    Ok(guarded)
}

/// Operators whose output may be larger than their input.
fn may_grow(name: &str) -> bool {
    name.ends_with("JoinExec") || matches!(name, "ProjectionExec" | "UnnestExec" | "AggregateExec" | "PlaceholderRowExec")
}
