//! Pages of a dataset's rows in constant time at any offset.

use std::path::Path;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use chrono::DateTime;
use gristmill_domain::datasets::{Row, iso_millis};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector},
    file::metadata::PageIndexPolicy,
};
use serde_json::{Number, Value};

use crate::{error::IngestError, num, shared_file::SharedFile};

/// Integers beyond this magnitude are written as text: JavaScript would round them.
const SAFE_INTEGER_MAX: u64 = 1 << 53;

/// A dataset's file, open for reading pages. The footer is read once; a reader may be kept and shared by threads.
#[derive(Debug, Clone)]
pub struct RowReader {
    file: SharedFile,
    metadata: ArrowReaderMetadata,
    rows: u64,
}

impl RowReader {
    /// Opens a dataset's Parquet file.
    ///
    /// # Errors
    /// [`IngestError::SourceMissing`] when the file is gone, [`IngestError::Dataset`] when it is no Parquet file.
    pub fn open(parquet: &Path) -> Result<Self, IngestError> {
        let file = SharedFile::open(parquet).map_err(IngestError::from_dataset)?;
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(IngestError::from_dataset)?;
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
        Ok(Self { file, metadata, rows })
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.rows
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.metadata.schema().fields().iter().map(|field| field.name().as_str())
    }

    /// Memory that keeping the reader takes, bytes, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.metadata.metadata().memory_size()
    }

    /// Reads `limit` rows from row `offset` (from 0) on, fewer at the end. Values are encoded as in section 10.5 of the
    /// contract: integers beyond 2^53 as text, floats that are not finite as null, dates as ISO 8601 text.
    ///
    /// # Errors
    /// [`IngestError::Dataset`] when the file is damaged.
    pub fn rows(&self, offset: u64, limit: u32) -> Result<Vec<Row>, IngestError> {
        let wanted = u64::from(limit).min(self.rows.saturating_sub(offset));
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let (groups, skip) = self.groups(offset, wanted);
        let wanted = num::size(wanted);
        let selection = RowSelection::from(vec![RowSelector::skip(num::size(skip)), RowSelector::select(wanted)]);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_row_groups(groups)
            .with_row_selection(selection)
            .with_batch_size(wanted)
            .build()
            .map_err(IngestError::from_dataset)?;
        let names: Vec<&str> = self.columns().collect();
        let mut rows = Vec::with_capacity(wanted);
        for batch in reader {
            let batch = batch.map_err(IngestError::from_dataset)?;
            rows.extend((0..batch.num_rows()).map(|row| {
                names.iter().zip(batch.columns()).map(|(name, array)| ((*name).to_owned(), value_at(array, row))).collect::<Row>()
            }));
        }
        Ok(rows)
    }

    /// The row groups that hold the wanted rows, and how many rows of them come before.
    fn groups(&self, offset: u64, wanted: u64) -> (Vec<usize>, u64) {
        let (mut groups, mut skip, mut first) = (Vec::new(), 0, 0);
        for (group, metadata) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(metadata.num_rows()).unwrap_or_default();
            let end = first + rows;
            if end > offset && first < offset + wanted {
                if groups.is_empty() {
                    skip = offset - first;
                }
                groups.push(group);
            }
            first = end;
        }
        (groups, skip)
    }
}

/// Reads rows of a dataset's Parquet file once. For repeated reads keep a [`RowReader`].
///
/// # Errors
/// As [`RowReader::open`] and [`RowReader::rows`].
pub fn read_rows(parquet: &Path, offset: u64, limit: u32) -> Result<Vec<Row>, IngestError> {
    RowReader::open(parquet)?.rows(offset, limit)
}

/// One value as JSON.
fn value_at(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        let value = integers.value(row);
        if value.unsigned_abs() <= SAFE_INTEGER_MAX { value.into() } else { value.to_string().into() }
    } else if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        Number::from_f64(floats.value(row)).map_or(Value::Null, Value::Number)
    } else if let Some(instants) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        DateTime::from_timestamp_micros(instants.value(row)).map_or(Value::Null, |at| iso_millis::format(at).into())
    } else if let Some(texts) = array.as_string_opt::<i32>() {
        texts.value(row).into()
    } else if let Some(booleans) = array.as_boolean_opt() {
        booleans.value(row).into()
    } else {
        Value::Null
    }
}
