//! Changing the type of a column (contract 1, section 7.8).
//!
//! There are two ways. [`retype_from_source`] reads the original file again with the types that were asked for. It loses
//! nothing: text that became missing because it did not fit, and zeros in front of numbers, come back when the column is
//! made text again. It is the way for uploaded files.
//!
//! [`retype`] converts the values that the dataset holds. It is for datasets that have no original (derived ones): what
//! a former type could not hold is not there any more, so `007` that became 7 stays 7.
//!
//! Both are strict, write a new file beside the old one, and recompute every statistic.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::Path,
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use gristmill_domain::datasets::{ColumnType, IngestReport};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};

use crate::{
    convert::{ColumnTexts, Misfit, misfit_reason},
    error::{ConversionFailure, IngestError, RetypeError},
    infer::ColumnCounts,
    num, ordered,
    pass::{Job, READING_SHARE},
    pipeline,
    plan::{Forced, ForcedTypes, PlannedColumn},
    profile::{
        columns::{ColumnSet, ParquetColumns},
        keys::shown_float,
    },
    request::{IngestLimits, IngestObserver, IngestRequest, IngestedDataset},
    table::{Span, SpanTable},
    value::{self, date},
    write::{self, DatasetWriter},
};

/// Reads the original file again, with the types in `types` for the columns named there; other columns are inferred as
/// at the first reading, with the same result. Pass the types of all columns that were ever changed, so that they stay.
///
/// # Errors
/// [`RetypeError::Conversion`] names the first value that does not fit, by row of the dataset; missing values always
/// fit. [`RetypeError::ColumnNotFound`] when the file has no such column; otherwise as [`crate::ingest`]. Nothing is
/// left behind on any error.
pub fn retype_from_source<S: std::hash::BuildHasher>(
    request: &IngestRequest<'_>,
    types: &HashMap<String, ColumnType, S>,
    observer: &dyn IngestObserver,
) -> Result<IngestedDataset, RetypeError> {
    let forced = types.iter().map(|(name, kind)| (name.clone(), Forced { kind: *kind, is_literal: false }));
    let forced: ForcedTypes = forced.collect();
    Ok(pipeline::run(request, &forced, observer)?)
}

/// Reads a file that a program wrote together with the types of its columns: these are not inferred, and their texts stand for
/// themselves, `N/A` and `007` too; only an empty one is missing. Columns without a type are inferred.
///
/// # Errors
/// [`IngestError::Conversion`] names the first value that does not fit; [`IngestError::ColumnNotFound`] when the file has no
/// such column; otherwise as [`crate::ingest`]. Nothing is left behind on any error.
pub fn ingest_typed(
    request: &IngestRequest<'_>,
    types: &BTreeMap<String, ColumnType>,
    observer: &dyn IngestObserver,
) -> Result<IngestedDataset, IngestError> {
    let forced = types.iter().map(|(name, kind)| (name.clone(), Forced { kind: *kind, is_literal: true }));
    let forced: ForcedTypes = forced.collect();
    pipeline::run(request, &forced, observer)
}

/// Converts one column of a dataset's Parquet file, value by value as their texts, into a new file. There is no rejects
/// report: nothing is ever rejected here.
///
/// # Errors
/// [`RetypeError::Conversion`] names the first value that does not fit, by row; missing values always fit.
/// [`RetypeError::ColumnNotFound`]; [`RetypeError::Ingest`] when reading or writing fails or the observer stops it.
/// Nothing is left behind on any error.
pub fn retype(
    source_parquet: &Path,
    output: &Path,
    column: &str,
    to: ColumnType,
    observer: &dyn IngestObserver,
) -> Result<IngestedDataset, RetypeError> {
    let request = IngestRequest {
        source: source_parquet,
        filename: "",
        media_type: None,
        output,
        // Not written to.
        rejects: output,
        limits: IngestLimits::default(),
    };
    let set = ParquetColumns::open(source_parquet)?;
    let place = set.columns().iter().position(|(name, _)| name == column);
    let place = place.ok_or_else(|| RetypeError::ColumnNotFound { name: column.to_owned() })?;
    let job = Job { request: &request, observer, source_bytes: 0 };
    Ok(Conversion { job: &job, set: &set, place, name: column, to }.run()?)
}

struct Conversion<'a> {
    job: &'a Job<'a>,
    set: &'a ParquetColumns,
    place: usize,
    name: &'a str,
    to: ColumnType,
}

/// A row group, converted.
struct Group {
    rows: u64,
    chunks: Vec<ArrowColumnChunk>,
    failure: Option<ConversionFailure>,
}

impl Conversion<'_> {
    fn run(&self) -> Result<IngestedDataset, IngestError> {
        let metadata = self.set.metadata().metadata();
        let file_type = write::file_type(metadata.file_metadata().key_value_metadata());
        let columns = self.columns();
        let file = write::temporary(self.job.request.output)?;
        let (mut writer, factory) = DatasetWriter::begin(write::handle(&file)?, &columns, file_type)?;
        let (mut groups, mut rows) = (0..self.set.parts(), 0);
        ordered::run(
            self.job.request.limits.threads,
            || Ok(groups.next()),
            |group| self.convert_group(group, &columns, &factory),
            |group: Group| {
                if let Some(failure) = group.failure {
                    let row = rows + failure.row;
                    return Err(IngestError::Conversion(Box::new(ConversionFailure { row, ..failure })));
                }
                rows += group.rows;
                writer.append(group.chunks)?;
                let share = num::float(rows) / num::float(self.set.rows().max(1));
                self.job.observer.progress(share * READING_SHARE, "reading");
                Ok(())
            },
        )?;
        self.job.observer.progress(READING_SHARE, "writing");
        writer.finish()?;
        let report =
            IngestReport { rows_read: rows, encoding: "UTF-8".to_owned(), rejects_complete: true, ..IngestReport::default() };
        pipeline::finish(self.job, file_type, file, report, None)
    }

    /// The columns of the new file. Whether their values repeat is taken over from the old one.
    fn columns(&self) -> Vec<PlannedColumn> {
        let columns = self.set.columns().iter().enumerate();
        columns
            .map(|(at, (name, kind))| PlannedColumn {
                is_repetitive: self.set.is_repetitive(at),
                ..PlannedColumn::new(name.clone(), if at == self.place { self.to } else { *kind })
            })
            .collect()
    }

    fn convert_group(
        &self,
        group: usize,
        columns: &[PlannedColumn],
        factory: &ArrowRowGroupWriterFactory,
    ) -> Result<Group, IngestError> {
        let schema = write::schema(columns);
        let mut encoders = factory.create_column_writers(0).map_err(IngestError::from_parquet_write)?;
        let all: Vec<usize> = (0..columns.len()).collect();
        let (mut rows, mut failure) = (0, None);
        let _ = self.set.visit_part(group, &all, &mut |arrays| {
            self.job.check_cancelled()?;
            for (at, (array, encoder)) in arrays.iter().zip(&mut encoders).enumerate() {
                let array = if at == self.place { self.convert(array, rows, &mut failure)? } else { array.clone() };
                for leaf in compute_leaves(schema.field(at), &array).map_err(IngestError::from_parquet_write)? {
                    encoder.write(&leaf).map_err(IngestError::from_parquet_write)?;
                }
            }
            rows += num::count(arrays.first().map_or(0, |array| array.len()));
            Ok(if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let chunks: Result<Vec<_>, _> = encoders.into_iter().map(|encoder| encoder.close()).collect();
        Ok(Group { rows, chunks: chunks.map_err(IngestError::from_parquet_write)?, failure })
    }

    /// Converts the texts of one array.
    fn convert(
        &self,
        array: &ArrayRef,
        rows_before: u64,
        failure: &mut Option<ConversionFailure>,
    ) -> Result<ArrayRef, IngestError> {
        let mut block = Vec::new();
        let mut table = SpanTable::new(1);
        for row in 0..array.len() {
            if let Some(text) = text_at(array, row) {
                let start = block.len();
                block.extend_from_slice(text.as_bytes());
                table.push(Span::new(start, block.len()));
            }
            table.end_row(0);
        }
        let mut misfits: Vec<Misfit> = Vec::new();
        let texts = ColumnTexts { block: &block, table: &table, column: 0, is_literal: false };
        let converted = texts.convert(self.to, &mut ColumnCounts::default(), &mut misfits)?;
        if let Some(misfit) = misfits.first() {
            failure.get_or_insert_with(|| ConversionFailure {
                column: self.name.to_owned(),
                row: rows_before + num::count(misfit.row) + 1,
                value: value::excerpt(misfit.span.text(&block).unwrap_or_default()),
                to: self.to,
                reason: misfit_reason(self.to),
            });
        }
        Ok(converted)
    }
}

/// A value as text.
fn text_at(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        Some(texts.value(row).to_owned())
    } else if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        Some(integers.value(row).to_string())
    } else if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        Some(shown_float(floats.value(row)))
    } else if let Some(instants) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(date::format(instants.value(row)))
    } else {
        array.as_boolean_opt().map(|booleans| booleans.value(row).to_string())
    }
}
