//! Tables that features are learned from.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int64Type, Schema},
};
use gristmill_domain::datasets::{ColumnType, ROW_ID_COLUMN};
use gristmill_ingest::{IngestError, derive::DatasetFile};

use crate::{error::FeatureError, num, plan::columns_of};

/// Batches of rows, in order.
pub type TableBatches<'a> = Box<dyn Iterator<Item = Result<RecordBatch, FeatureError>> + Send + 'a>;

/// A table whose rows can be walked several times, always in the same order.
pub trait TableReader: Sync {
    /// Its columns with their types, in order.
    fn columns(&self) -> &[(String, ColumnType)];

    /// How many rows it has.
    fn row_count(&self) -> u64;

    /// Walks over all rows with the columns at some places (ascending).
    ///
    /// # Errors
    /// What reading fails with.
    fn batches(&self, columns: &[usize]) -> Result<TableBatches<'_>, FeatureError>;
}

impl TableReader for DatasetFile {
    fn columns(&self) -> &[(String, ColumnType)] {
        self.columns()
    }

    fn row_count(&self) -> u64 {
        self.row_count()
    }

    fn batches(&self, columns: &[usize]) -> Result<TableBatches<'_>, FeatureError> {
        let batches = self.batches(columns)?;
        Ok(Box::new(batches.map(|batch: Result<RecordBatch, IngestError>| Ok(batch?))))
    }
}

/// A table in memory. Columns in types that datasets do not have are left out.
#[derive(Debug, Clone)]
pub struct MemoryTable {
    columns: Vec<(String, ColumnType)>,
    batches: Vec<RecordBatch>,
}

impl MemoryTable {
    /// A table of batches with one schema.
    ///
    /// # Errors
    /// [`FeatureError::Column`] when a batch has another schema than the first.
    pub fn new(batches: Vec<RecordBatch>) -> Result<Self, FeatureError> {
        let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let columns = columns_of(&schema);
        let places: Vec<usize> = columns.iter().filter_map(|(name, _)| schema.index_of(name).ok()).collect();
        let mut kept = Vec::with_capacity(batches.len());
        for batch in batches {
            if batch.schema().fields() != schema.fields() {
                let reason = "and others differ between batches of one table".to_owned();
                return Err(FeatureError::Column { column: differing(&schema, &batch.schema()), reason });
            }
            kept.push(batch.project(&places).map_err(FeatureError::arrow("reading a table"))?);
        }
        Ok(Self { columns, batches: kept })
    }
}

fn differing(one: &Schema, other: &Schema) -> String {
    let mut fields = one.fields().iter().filter(|field| !other.fields().iter().any(|same| same == *field));
    fields.next().map(|field| field.name().clone()).unwrap_or_default()
}

impl TableReader for MemoryTable {
    fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    fn row_count(&self) -> u64 {
        self.batches.iter().map(|batch| num::count(batch.num_rows())).sum()
    }

    fn batches(&self, columns: &[usize]) -> Result<TableBatches<'_>, FeatureError> {
        let columns = columns.to_vec();
        let project = move |batch: &RecordBatch| batch.project(&columns).map_err(FeatureError::arrow("reading a table"));
        Ok(Box::new(self.batches.iter().map(project)))
    }
}

/// The ids of a batch's rows: what the column that numbers rows says, else their places in the table.
pub(crate) fn row_ids(batch: &RecordBatch, first_row: u64) -> Result<Vec<i64>, FeatureError> {
    let Some(ids) = batch.column_by_name(ROW_ID_COLUMN) else {
        let first = i64::try_from(first_row).unwrap_or(i64::MAX);
        return Ok((first..).take(batch.num_rows()).collect());
    };
    match ids.as_primitive_opt::<Int64Type>() {
        Some(ids) if ids.null_count() == 0 => Ok(ids.values().to_vec()),
        _ => Err(FeatureError::Column {
            column: ROW_ID_COLUMN.to_owned(),
            reason: "numbers rows, so it has to hold a whole number in each; leave it out, or rename it".to_owned(),
        }),
    }
}

/// The fold, from 0, that a row is in when target encodings are learned. `SplitMix64` (Steele, Lea and Flood 2014) of the row's id and the seed, so that a row is in the same
/// fold whatever the other rows are; not the hash that rows are held out by.
#[must_use]
pub fn fold(seed: u32, row_id: i64, folds: u32) -> u32 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut mixed = row_id.cast_unsigned() ^ ((u64::from(seed) << 32) | u64::from(seed)).wrapping_mul(STEP).rotate_left(31);
    for _ in 0..2 {
        mixed = mixed.wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
    }
    u32::try_from(mixed % u64::from(folds.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_of_about_one_size_and_differ_by_seed() {
        for seed in [0, 1, 7, u32::MAX] {
            let mut counts = [0_u32; 5];
            for row in 0..10_000 {
                counts[usize::try_from(fold(seed, row, 5)).unwrap()] += 1;
            }
            assert!(counts.iter().all(|count| (1_850..2_150).contains(count)), "{counts:?}");
        }
        let differing = (0..1000).filter(|row| fold(1, *row, 5) != fold(2, *row, 5)).count();
        assert!(differing > 700, "{differing}");
    }

    #[test]
    fn folds_stay_the_same_between_versions() {
        let folds = |seed: u32| -> Vec<u32> { (0..12).map(|row| fold(seed, row, 5)).collect() };
        assert_eq!(folds(0), [0, 3, 1, 0, 3, 4, 1, 1, 1, 1, 2, 4]);
        assert_eq!(folds(7), [4, 3, 2, 0, 3, 1, 1, 2, 1, 1, 3, 0]);
    }
}
