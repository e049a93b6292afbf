//! Datasets that are made from datasets: columns read in batches, row groups written on several threads, the result
//! described.
//!
//! Here and in `write` is all that knows how a dataset's file is laid out; what the new columns hold is the caller's.

use std::{fs, num::NonZeroUsize, path::Path};

use arrow::array::{ArrayRef, RecordBatch};
use gristmill_domain::datasets::{ColumnType, FileType, IngestReport};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves},
};

use crate::{
    block::{ROWS_A_GROUP, WIDE_COLUMNS},
    error::IngestError,
    num,
    ordered::{self, PieceError},
    pipeline::{self, PROFILED_SHARE},
    plan::PlannedColumn,
    profile::{
        Analysis,
        columns::{ColumnSet, ParquetColumns},
        runs::RunLimits,
    },
    request::{IngestObserver, IngestedDataset},
    write::{self, DatasetWriter},
};

/// Bytes of a batch, about. Rows with long texts come in smaller batches.
const BYTES_A_BATCH: u64 = 32 << 20;

/// A dataset's file, open for reading columns in batches. May be shared by threads.
pub struct DatasetFile {
    set: ParquetColumns,
}

impl std::fmt::Debug for DatasetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatasetFile").field("columns", &self.columns()).field("rows", &self.row_count()).finish()
    }
}

impl DatasetFile {
    /// Opens a dataset's Parquet file.
    ///
    /// # Errors
    /// [`IngestError::SourceMissing`] when the file is gone, [`IngestError::Dataset`] when it is no Parquet file,
    /// [`IngestError::Internal`] when it is one, but no dataset.
    pub fn open(parquet: &Path) -> Result<Self, IngestError> {
        Ok(Self { set: ParquetColumns::open(parquet)? })
    }

    /// Its columns with their types, in order.
    #[must_use]
    pub fn columns(&self) -> &[(String, ColumnType)] {
        self.set.columns()
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.set.rows()
    }

    /// The family of format that the data came in.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        write::file_type(self.set.metadata().metadata().file_metadata().key_value_metadata())
    }

    /// The columns as they are written again: with what is known of how their values repeat.
    #[must_use]
    pub fn derived_columns(&self) -> Vec<DerivedColumn> {
        let columns = self.columns().iter().enumerate();
        columns
            .map(|(at, (name, kind))| DerivedColumn {
                name: name.clone(),
                kind: *kind,
                is_repetitive: self.set.is_repetitive(at),
            })
            .collect()
    }

    /// Reads some columns (places, ascending), all rows in order, in batches of a row group's size at most.
    ///
    /// # Errors
    /// [`IngestError::Dataset`] when the file is damaged.
    pub fn batches(&self, columns: &[usize]) -> Result<Batches, IngestError> {
        let (file, metadata) = self.set.reader_parts();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let mask = ProjectionMask::leaves(builder.parquet_schema(), columns.iter().copied());
        let rows = self.rows_a_batch(columns);
        let reader = builder.with_projection(mask).with_batch_size(rows).build().map_err(IngestError::from_dataset)?;
        Ok(Batches { reader })
    }

    fn rows_a_batch(&self, columns: &[usize]) -> usize {
        let groups = self.set.metadata().metadata().row_groups();
        let chunks = groups.iter().flat_map(|group| columns.iter().filter_map(|at| group.columns().get(*at)));
        let bytes: u64 = chunks.map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or_default()).sum();
        let row = (bytes / self.row_count().max(1)).max(1);
        num::size(BYTES_A_BATCH / row).clamp(1, ROWS_A_GROUP)
    }
}

/// Batches of rows, in order.
pub struct Batches {
    reader: ParquetRecordBatchReader,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").finish_non_exhaustive()
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, IngestError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.reader.next()?.map_err(IngestError::from_dataset))
    }
}

/// A column to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether values repeat, so that a dictionary is worth its while.
    pub is_repetitive: bool,
}

/// A dataset to write.
#[derive(Debug, Clone, Copy)]
pub struct Derivation<'a> {
    /// The Parquet file to create. It appears only when everything succeeded; its directory must exist.
    pub output: &'a Path,
    /// Its columns, in order.
    pub columns: &'a [DerivedColumn],
    /// The family of format that the data came in.
    pub file_type: FileType,
    /// Threads that make and encode pieces.
    pub threads: NonZeroUsize,
}

/// Writes a dataset: takes pieces from `next` until there is none, has `make` turn each into the arrays of one row group
/// (in the types that datasets have) on one of several threads, and hands what else `make` returns to `merge`, in order.
/// Returns the size of the file, bytes.
///
/// # Errors
/// What the functions fail with, and what writing fails with. Nothing is left behind then.
pub fn write_derived<T, R, E>(
    derivation: &Derivation<'_>,
    next: impl FnMut() -> Result<Option<T>, E> + Send,
    make: impl Fn(T) -> Result<(Vec<ArrayRef>, R), E> + Sync,
    mut merge: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<u64, E>
where
    T: Send,
    R: Send,
    E: PieceError + From<IngestError>,
{
    let column = |column: &DerivedColumn| PlannedColumn {
        is_repetitive: column.is_repetitive,
        ..PlannedColumn::new(column.name.clone(), column.kind)
    };
    let columns: Vec<PlannedColumn> = derivation.columns.iter().map(column).collect();
    let file = write::temporary(derivation.output)?;
    let (mut writer, factory) = DatasetWriter::begin(write::handle(&file)?, &columns, derivation.file_type)?;
    // Encoders of thousands of columns take much memory, so there is one set of them at a time.
    let threads = if columns.len() > WIDE_COLUMNS { NonZeroUsize::MIN } else { derivation.threads };
    ordered::run(
        threads,
        next,
        |piece| {
            let (arrays, rest) = make(piece)?;
            Ok((encode(&columns, &factory, &arrays)?, rest))
        },
        |(chunks, rest)| {
            writer.append(chunks)?;
            merge(rest)
        },
    )?;
    writer.finish()?;
    Ok(write::publish(file, derivation.output)?)
}

fn encode(
    columns: &[PlannedColumn],
    factory: &ArrowRowGroupWriterFactory,
    arrays: &[ArrayRef],
) -> Result<Vec<ArrowColumnChunk>, IngestError> {
    let schema = write::schema(columns);
    let fits = arrays.len() == columns.len()
        && schema.fields().iter().zip(arrays).all(|(field, array)| field.data_type() == array.data_type());
    if !fits {
        return Err(IngestError::Internal { context: "a derived row group has other columns than its dataset" });
    }
    let mut encoders = factory.create_column_writers(0).map_err(IngestError::from_parquet_write)?;
    for ((field, array), encoder) in schema.fields().iter().zip(arrays).zip(&mut encoders) {
        for leaf in compute_leaves(field, array).map_err(IngestError::from_parquet_write)? {
            encoder.write(&leaf).map_err(IngestError::from_parquet_write)?;
        }
    }
    let chunks: Result<Vec<_>, _> = encoders.into_iter().map(|encoder| encoder.close()).collect();
    chunks.map_err(IngestError::from_parquet_write)
}

/// Describes a dataset's file as an upload is described: each column profiled over every row, the first rows, the
/// exploratory summary. The report says of how many rows, and nothing else.
///
/// # Errors
/// [`IngestError::SourceMissing`] when the file is gone, [`IngestError::Dataset`] when it is no Parquet file,
/// [`IngestError::Internal`] when it is one, but no dataset, [`IngestError::Cancelled`], and errors of temporary files.
pub fn describe(parquet: &Path, threads: NonZeroUsize, observer: &dyn IngestObserver) -> Result<IngestedDataset, IngestError> {
    let file = DatasetFile::open(parquet)?;
    let analysis = Analysis {
        threads,
        observer,
        directory: write::directory_of(parquet),
        limits: RunLimits::default(),
        progress: (0.0, PROFILED_SHARE),
    };
    let described = pipeline::describe(&file.set, &analysis)?;
    observer.progress(1.0, "summarising");
    Ok(IngestedDataset {
        file_type: file.file_type(),
        report: IngestReport {
            rows_read: file.row_count(),
            encoding: "UTF-8".to_owned(),
            rejects_complete: true,
            ..IngestReport::default()
        },
        parquet_bytes: fs::metadata(parquet).map_err(IngestError::from_read)?.len(),
        ..described
    })
}
