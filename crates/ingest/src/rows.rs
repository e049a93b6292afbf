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

/// Most cells of a page: about 100 MB as JSON values in memory.
pub const PAGE_CELLS_MAX: usize = 1_000_000;

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
        Ok(Self::new(file, metadata))
    }

    /// A reader for a file whose footer was read already.
    pub(crate) fn new(file: SharedFile, metadata: ArrowReaderMetadata) -> Self {
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
        Self { file, metadata, rows }
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

    /// Reads `limit` rows from row `offset` (from 0) on, fewer at the end, and fewer from a very wide table: a page has at
    /// most [`PAGE_CELLS_MAX`] cells, but at least one row. Values are encoded as in section 10.5 of the contract: integers
    /// beyond 2^53 as text, floats that are not finite as null, dates as ISO 8601 text.
    ///
    /// # Errors
    /// [`IngestError::Dataset`] when the file is damaged.
    pub fn rows(&self, offset: u64, limit: u32) -> Result<Vec<Row>, IngestError> {
        let columns = self.metadata.schema().fields().len();
        let most = num::count((PAGE_CELLS_MAX / columns.max(1)).max(1));
        let wanted = u64::from(limit).min(self.rows.saturating_sub(offset)).min(most);
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
        let mut rows = Vec::with_capacity(wanted);
        for batch in reader {
            let batch = batch.map_err(IngestError::from_dataset)?;
            let mut page = vec![Row::with_capacity(columns); batch.num_rows()];
            // Column by column: a row of a wide table touches thousands of arrays.
            for (name, array) in self.columns().zip(batch.columns()) {
                for (row, value) in page.iter_mut().zip(values(array)) {
                    row.insert(name.to_owned(), value);
                }
            }
            rows.append(&mut page);
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

/// The values of an array as JSON.
fn values(array: &ArrayRef) -> Box<dyn Iterator<Item = Value> + '_> {
    fn or_null<T>(value: Option<T>, encode: impl FnOnce(T) -> Value) -> Value {
        value.map_or(Value::Null, encode)
    }
    if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        Box::new(integers.iter().map(|value| or_null(value, integer)))
    } else if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        Box::new(floats.iter().map(|value| or_null(value.and_then(Number::from_f64), Value::Number)))
    } else if let Some(instants) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        let instants = instants.iter().map(|value| value.and_then(DateTime::from_timestamp_micros));
        Box::new(instants.map(|value| or_null(value, |at| iso_millis::format(at).into())))
    } else if let Some(texts) = array.as_string_opt::<i32>() {
        Box::new(texts.iter().map(|value| or_null(value, Value::from)))
    } else if let Some(booleans) = array.as_boolean_opt() {
        Box::new(booleans.iter().map(|value| or_null(value, Value::from)))
    } else {
        Box::new(std::iter::repeat_n(Value::Null, array.len()))
    }
}

fn integer(value: i64) -> Value {
    if value.unsigned_abs() <= SAFE_INTEGER_MAX { value.into() } else { value.to_string().into() }
}
