//! Where columns come from: a Parquet file that is too large for memory, or batches that are in it.

use std::{ops::ControlFlow, path::Path};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringArray, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use gristmill_domain::datasets::ColumnType;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use crate::{error::IngestError, num, rows::RowReader, shared_file::SharedFile, write};

/// What a visitor of arrays answers.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[ArrayRef]) -> Result<ControlFlow<()>, IngestError>;

/// Columns of one length in the types that datasets have.
pub(crate) trait ColumnSet: Sync {
    fn rows(&self) -> u64;

    fn columns(&self) -> &[(String, ColumnType)];

    /// Parts into which the rows are divided.
    fn parts(&self) -> usize;

    /// Visits the arrays of some columns in a part, in order.
    fn visit_part(&self, part: usize, columns: &[usize], visit: Visit<'_>) -> Result<ControlFlow<()>, IngestError>;

    /// Visits the arrays of some columns in all parts, in order.
    fn visit(&self, columns: &[usize], visit: Visit<'_>) -> Result<(), IngestError> {
        for part in 0..self.parts() {
            if self.visit_part(part, columns, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The columns of a dataset's file.
pub(crate) struct ParquetColumns {
    file: SharedFile,
    metadata: ArrowReaderMetadata,
    columns: Vec<(String, ColumnType)>,
    rows: u64,
}

/// Rows that are decoded at a time.
const ROWS_A_BATCH: usize = 8192;

impl ParquetColumns {
    pub(crate) fn open(path: &Path) -> Result<Self, IngestError> {
        let file = SharedFile::open(path).map_err(IngestError::from_dataset)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(IngestError::from_dataset)?;
        let columns = metadata
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let kind = write::column_type(field)
                    .ok_or(IngestError::Internal { context: "a dataset has a column of a type that none has" })?;
                Ok((field.name().clone(), kind))
            })
            .collect::<Result<Vec<_>, IngestError>>()?;
        let rows = metadata.metadata().file_metadata().num_rows();
        Ok(Self { file, metadata, columns, rows: u64::try_from(rows).unwrap_or_default() })
    }

    pub(crate) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Whether the values of a column repeat, as far as the file's writer found.
    pub(crate) fn is_repetitive(&self, at: usize) -> bool {
        let group = self.metadata.metadata().row_groups().first();
        let chunk = group.and_then(|group| group.columns().get(at));
        chunk.is_none_or(|chunk| chunk.dictionary_page_offset().is_some())
    }

    /// What a reader of the same file is made from.
    pub(crate) fn reader_parts(&self) -> (SharedFile, ArrowReaderMetadata) {
        (self.file.clone(), self.metadata.clone())
    }

    /// A reader of the same file's rows.
    pub(crate) fn row_reader(&self) -> RowReader {
        RowReader::new(self.file.clone(), self.metadata.clone())
    }
}

impl ColumnSet for ParquetColumns {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    fn parts(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    fn visit_part(&self, part: usize, columns: &[usize], visit: Visit<'_>) -> Result<ControlFlow<()>, IngestError> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
        let mask = ProjectionMask::leaves(builder.parquet_schema(), columns.iter().copied());
        let reader = builder
            .with_row_groups(vec![part])
            .with_projection(mask)
            .with_batch_size(ROWS_A_BATCH)
            .build()
            .map_err(IngestError::from_dataset)?;
        for batch in reader {
            let batch = batch.map_err(IngestError::from_dataset)?;
            if visit(batch.columns())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Columns in memory.
pub(crate) struct MemoryColumns {
    columns: Vec<(String, ColumnType)>,
    parts: Vec<Vec<ArrayRef>>,
    rows: u64,
}

impl MemoryColumns {
    /// The columns of some batches with one schema, brought into the types that datasets have.
    pub(crate) fn from_batches(batches: &[RecordBatch]) -> Self {
        let Some(first) = batches.first() else { return Self { columns: Vec::new(), parts: Vec::new(), rows: 0 } };
        let schema = first.schema();
        let columns: Vec<(String, ColumnType)> =
            schema.fields().iter().map(|field| (field.name().clone(), kind_of(field.data_type()))).collect();
        let parts = batches
            .iter()
            .map(|batch| batch.columns().iter().zip(&columns).map(|(array, (_, kind))| normalized(array, *kind)).collect())
            .collect();
        let rows = batches.iter().map(|batch| num::count(batch.num_rows())).sum();
        Self { columns, parts, rows }
    }

    /// Columns that are arrays of dataset types already, all of one length.
    pub(crate) fn from_arrays(columns: Vec<(String, ColumnType)>, arrays: Vec<ArrayRef>) -> Self {
        let rows = arrays.iter().map(|array| array.len()).max().unwrap_or_default();
        let arrays = arrays.into_iter().map(|array| padded(array, rows)).collect();
        Self { columns, parts: vec![arrays], rows: num::count(rows) }
    }
}

/// An array with nulls behind it up to a length.
fn padded(array: ArrayRef, rows: usize) -> ArrayRef {
    if array.len() == rows {
        return array;
    }
    let missing = new_null_array(array.data_type(), rows - array.len());
    arrow::compute::concat(&[array.as_ref(), missing.as_ref()]).unwrap_or_else(|_error| new_null_array(array.data_type(), rows))
}

/// As what a column of a query's result is summarised.
fn kind_of(data_type: &DataType) -> ColumnType {
    match data_type {
        DataType::Dictionary(_, values) => kind_of(values),
        DataType::Boolean => ColumnType::Boolean,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => ColumnType::Date,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Integer,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => ColumnType::Integer,
        other if other.is_numeric() => ColumnType::Float,
        _ => ColumnType::String,
    }
}

fn normalized(array: &ArrayRef, kind: ColumnType) -> ArrayRef {
    let target = match array.data_type() {
        // An instant with a zone is one without, read in UTC.
        DataType::Timestamp(_, Some(zone)) if kind == ColumnType::Date => {
            let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone()));
            let micros = cast(array, &utc);
            return micros.map_or_else(|| null_like(array, kind), |micros| without_zone(&micros));
        }
        _ => crate::convert::storage_type(kind),
    };
    if *array.data_type() == target {
        return array.clone();
    }
    if let Some(cast) = cast(array, &target) {
        return cast;
    }
    if kind == ColumnType::String { displayed(array) } else { null_like(array, kind) }
}

fn cast(array: &ArrayRef, target: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: true, format_options: FormatOptions::default() };
    cast_with_options(array, target, &options).ok()
}

fn without_zone(micros: &ArrayRef) -> ArrayRef {
    use arrow::{array::AsArray, datatypes::TimestampMicrosecondType};
    match micros.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) => std::sync::Arc::new(instants.clone().with_timezone_opt(None::<&str>)),
        None => null_like(micros, ColumnType::Date),
    }
}

fn null_like(array: &ArrayRef, kind: ColumnType) -> ArrayRef {
    new_null_array(&crate::convert::storage_type(kind), array.len())
}

/// Anything else as the text that is shown for it.
fn displayed(array: &ArrayRef) -> ArrayRef {
    let options = FormatOptions::default();
    let Ok(formatter) = ArrayFormatter::try_new(array.as_ref(), &options) else {
        return null_like(array, ColumnType::String);
    };
    let texts: StringArray = (0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect();
    std::sync::Arc::new(texts)
}

impl ColumnSet for MemoryColumns {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn visit_part(&self, part: usize, columns: &[usize], visit: Visit<'_>) -> Result<ControlFlow<()>, IngestError> {
        let arrays = self.parts.get(part).map(Vec::as_slice).unwrap_or_default();
        let chosen: Vec<ArrayRef> = columns.iter().filter_map(|column| arrays.get(*column).cloned()).collect();
        if chosen.first().is_none_or(|array| array.is_empty()) {
            return Ok(ControlFlow::Continue(()));
        }
        visit(&chosen)
    }
}
