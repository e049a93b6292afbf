//! What is measured outside of a run: cells as they are, tables before and after.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CellId, DatasetId,
    datasets::{ColumnProfile, ColumnType},
};

use super::CodeHash;

/// How the last run of a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellRunNow {
    /// It never ran.
    Never,
    /// It runs now.
    Running,
    /// It was edited since.
    Outdated,
    /// It ran to its end, as it is now.
    Succeeded,
    /// It failed, as it is now.
    Failed,
}

/// A cell as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellNow {
    /// Which.
    pub id: CellId,
    /// How its last run stands.
    pub run: CellRunNow,
    /// When that run began, if there was one.
    pub began_at: Option<DateTime<Utc>>,
}

/// The cells of a step as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellsNow {
    /// Those that are there, in the step's order.
    pub cells: Vec<CellNow>,
    /// Those that are gone.
    pub missing: Vec<CellId>,
    /// Their contents; those of several cells with a line break between them.
    pub code: String,
    /// The hash of the code.
    pub hash: CodeHash,
}

impl CellsNow {
    /// Which are there.
    #[must_use]
    pub fn ids(&self) -> Vec<CellId> {
        self.cells.iter().map(|cell| cell.id).collect()
    }

    /// When the first of their runs began.
    #[must_use]
    pub fn began_at(&self) -> Option<DateTime<Utc>> {
        self.cells.iter().filter_map(|cell| cell.began_at).min()
    }
}

/// A column as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNow {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
    /// Rows without a value.
    pub null_count: u64,
}

/// A table as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableNow {
    /// Rows.
    pub row_count: u64,
    /// Columns, in order.
    pub columns: Vec<ColumnNow>,
}

impl TableNow {
    /// What a profile tells of a table.
    #[must_use]
    pub fn of(row_count: u64, columns: &[ColumnProfile]) -> Self {
        let column =
            |column: &ColumnProfile| ColumnNow { name: column.name.clone(), dtype: column.dtype, null_count: column.null_count };
        Self { row_count, columns: columns.iter().map(column).collect() }
    }

    /// Missing values of all columns together.
    #[must_use]
    pub fn null_count(&self) -> u64 {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(column.null_count))
    }
}

/// What a measurement is of. An approval holds for exactly this, and so does a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The code that ran.
    pub code_hash: CodeHash,
    /// The dataset that it read.
    pub dataset_id: DatasetId,
    /// Its version.
    pub dataset_version: u32,
    /// SHA-256 of the file that it wrote, hexadecimal.
    pub output_hash: String,
}

/// A table before and after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The dataset that the step read.
    pub before: TableNow,
    /// What the step wrote.
    pub after: TableNow,
    /// What this is a measurement of.
    pub basis: Basis,
}

/// What came of measuring a step's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// A table.
    Table(Box<Measurement>),
    /// A file that is no table, or an empty one: why.
    Unusable(String),
    /// There is no file of this run: what to do.
    Missing(String),
}
