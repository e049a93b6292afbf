//! What a pass assumes about a file's columns, and what it found instead.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::datatypes::SchemaRef;
use gristmill_domain::datasets::{Coercion, ColumnType};

use crate::{
    block::RecordContext, convert::misfit_reason, error::IngestError, infer::ColumnCounts, json::Keys, record::RecordNotes,
    request::IngestLimits, write,
};

/// One column as a pass writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedColumn {
    /// Its name in the dataset.
    pub(crate) name: String,
    /// How the file names it: the key in JSON, elsewhere the position.
    pub(crate) key: String,
    pub(crate) kind: ColumnType,
    /// Whether somebody asked for this type, so that a value that does not fit is an error.
    pub(crate) is_forced: bool,
    /// Whether texts stand for themselves, so that only an empty one is missing.
    pub(crate) is_literal: bool,
    /// Whether values repeat, so that a dictionary is worth its while.
    pub(crate) is_repetitive: bool,
}

impl PlannedColumn {
    pub(crate) fn new(name: String, kind: ColumnType) -> Self {
        Self { key: name.clone(), name, kind, is_forced: false, is_literal: false, is_repetitive: true }
    }

    /// The column with the type that its counts call for.
    pub(crate) fn decided(&self, counts: &ColumnCounts) -> Self {
        let kind = if self.is_forced { self.kind } else { counts.decide().kind };
        Self { kind, ..self.clone() }
    }
}

/// Types that somebody asked for, by column name.
pub(crate) type ForcedTypes = BTreeMap<String, Forced>;

/// A type that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forced {
    pub(crate) kind: ColumnType,
    /// Whether texts stand for themselves.
    pub(crate) is_literal: bool,
}

/// All columns.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) columns: Vec<PlannedColumn>,
    /// Bytes of a record, about; from it follows the size of blocks.
    pub(crate) record_bytes: usize,
    /// Column of the sheet with which the table begins, for workbooks.
    pub(crate) first_column: usize,
    keys: Option<Keys>,
}

impl Plan {
    /// A plan for records that have their values in order.
    pub(crate) fn positional(columns: Vec<PlannedColumn>, record_bytes: usize) -> Self {
        Self { columns, record_bytes, first_column: 0, keys: None }
    }

    /// A plan for records that name their values.
    pub(crate) fn keyed(columns: Vec<PlannedColumn>, record_bytes: usize) -> Self {
        let keys = Some(Keys::new(columns.iter().map(|column| column.key.clone()).collect()));
        Self { columns, record_bytes, first_column: 0, keys }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        write::schema(&self.columns)
    }

    pub(crate) fn context<'a>(&'a self, limits: &IngestLimits) -> RecordContext<'a> {
        RecordContext {
            keys: self.keys.as_ref(),
            first_column: self.first_column,
            columns_max: limits.columns_max,
            record_bytes_max: limits.record_bytes_max,
            rejects_listed_max: limits.rejects_listed_max,
        }
    }

    /// Gives columns the types that were asked for.
    pub(crate) fn force(&mut self, forced: &ForcedTypes) {
        if forced.is_empty() {
            return;
        }
        for column in &mut self.columns {
            if let Some(Forced { kind, is_literal }) = forced.get(&column.name) {
                column.kind = *kind;
                column.is_literal = *is_literal;
                column.is_forced = true;
            }
        }
    }

    /// Whether the counts say that a column cannot keep its type, whatever still comes.
    pub(crate) fn is_refuted(&self, counts: &[ColumnCounts], notes: &RecordNotes) -> bool {
        !notes.new_columns.is_empty()
            || self.columns.iter().zip(counts).any(|(column, counts)| !column.is_forced && counts.excludes(column.kind))
    }

    /// The same columns with the types that the counts call for, or `None` when they have them already.
    pub(crate) fn corrected(&self, counts: &[ColumnCounts]) -> Option<Vec<PlannedColumn>> {
        let corrected: Vec<PlannedColumn> =
            self.columns.iter().zip(counts).map(|(column, counts)| column.decided(counts)).collect();
        (corrected != self.columns).then_some(corrected)
    }

    /// Values that did not fit, by column.
    pub(crate) fn coercions(&self, counts: &[ColumnCounts]) -> Vec<Coercion> {
        let mut coercions = Vec::new();
        for (column, counts) in self.columns.iter().zip(counts).filter(|(column, _)| !column.is_forced) {
            if let Some((count, reason)) = counts.decide().kept_as_text {
                coercions.push(Coercion { column: column.name.clone(), dtype: column.kind, count, reason: reason.to_owned() });
            }
            let misfits = counts.misfits(column.kind);
            if misfits > 0 {
                coercions.push(Coercion {
                    column: column.name.clone(),
                    dtype: column.kind,
                    count: misfits,
                    reason: format!("became missing: the value {}", misfit_reason(column.kind)),
                });
            }
        }
        coercions
    }
}

/// The columns of named values in the order in which the names appear, with types from the counts.
pub(crate) fn keyed_columns(plan: &Plan, counts: &[ColumnCounts], notes: &RecordNotes) -> Vec<PlannedColumn> {
    let mut known: HashMap<&str, (&PlannedColumn, &ColumnCounts)> =
        plan.columns.iter().zip(counts).map(|(column, counts)| (column.key.as_str(), (column, counts))).collect();
    let new: HashMap<&str, &ColumnCounts> = notes.new_columns.iter().map(|(name, counts)| (name.as_str(), counts)).collect();
    let mut columns: Vec<PlannedColumn> = notes
        .appearance
        .names()
        .iter()
        .filter_map(|key| match known.remove(key.as_str()) {
            Some((column, counts)) => Some(column.decided(counts)),
            None => new.get(key.as_str()).map(|counts| PlannedColumn::new(key.clone(), counts.decide().kind)),
        })
        .collect();
    name_keys(&mut columns);
    columns
}

/// Names columns by their keys without blanks around them, and blank keys by position. Keys that are names as they stand
/// keep theirs; the others give way with a suffix.
fn name_keys(columns: &mut [PlannedColumn]) {
    let is_name = |key: &str| !key.is_empty() && key.trim() == key;
    let mut taken: HashSet<String> =
        columns.iter().filter(|column| is_name(&column.key)).map(|column| column.key.clone()).collect();
    for (at, column) in columns.iter_mut().enumerate() {
        if is_name(&column.key) {
            column.name = column.key.clone();
            continue;
        }
        let trimmed = column.key.trim();
        let base = if trimmed.is_empty() { format!("column_{}", at + 1) } else { trimmed.to_owned() };
        let mut name = base.clone();
        let mut suffix = 2_u32;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{suffix}");
            suffix += 1;
        }
        column.name = name;
    }
}

/// Checks that every column that was asked for is there.
pub(crate) fn check_forced(columns: &[PlannedColumn], forced: &ForcedTypes) -> Result<(), IngestError> {
    match forced.keys().find(|name| !columns.iter().any(|column| column.name == **name)) {
        Some(name) => Err(IngestError::ColumnNotFound { name: name.clone() }),
        None => Ok(()),
    }
}
