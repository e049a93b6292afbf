//! The Parquet file: how it is laid out, and how it appears only when it is complete.

use std::{
    collections::HashMap,
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use arrow::datatypes::{Field, Schema, SchemaRef};
use gristmill_domain::datasets::{ColumnType, FileType, Reject};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory},
    },
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use tempfile::NamedTempFile;

use crate::{block::WIDE_COLUMNS, convert::storage_type, error::IngestError, plan::PlannedColumn};

/// Key of the field metadata that tells a column without type from a text column.
const TYPE_KEY: &str = "gristmill.dtype";
/// Key of the file metadata that tells the original's format.
const FILE_TYPE_KEY: &str = "gristmill.file_type";
/// Rows of a data page: what a reader decodes at least to show one row.
const ROWS_A_PAGE: usize = 8192;

/// The schema of a dataset's file.
pub(crate) fn schema(columns: &[PlannedColumn]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| {
            let field = Field::new(&column.name, storage_type(column.kind), true);
            if column.kind == ColumnType::Unknown {
                field.with_metadata(HashMap::from([(TYPE_KEY.to_owned(), column.kind.as_str().to_owned())]))
            } else {
                field
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The column type that a field of a dataset's file has, or `None` when no dataset has such a field.
pub(crate) fn column_type(field: &Field) -> Option<ColumnType> {
    if field.metadata().get(TYPE_KEY).is_some_and(|name| name == ColumnType::Unknown.as_str()) {
        return Some(ColumnType::Unknown);
    }
    ColumnType::ALL.into_iter().find(|kind| *kind != ColumnType::Unknown && storage_type(*kind) == *field.data_type())
}

/// The original's format as the file's metadata tell it.
pub(crate) fn file_type(metadata: Option<&Vec<KeyValue>>) -> FileType {
    metadata
        .and_then(|entries| entries.iter().find(|entry| entry.key == FILE_TYPE_KEY))
        .and_then(|entry| FileType::from_name(entry.value.as_deref()?))
        .unwrap_or(FileType::Csv)
}

fn properties(columns: &[PlannedColumn], file_type: FileType) -> WriterProperties {
    let is_wide = columns.len() > WIDE_COLUMNS;
    let mut builder = WriterProperties::builder()
        .set_created_by("gristmill".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(None)
        .set_data_page_row_count_limit(ROWS_A_PAGE)
        .set_key_value_metadata(Some(vec![KeyValue::new(FILE_TYPE_KEY.to_owned(), file_type.as_str().to_owned())]));
    if is_wide {
        // Thousands of columns have few rows in a group, so that page indexes and dictionaries would outweigh the data;
        // and each zstd context takes more memory than such a column has data.
        builder = builder
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_dictionary_enabled(false)
            .set_compression(Compression::SNAPPY);
        return builder.build();
    }
    builder = builder.set_statistics_enabled(EnabledStatistics::Page);
    for column in columns.iter().filter(|column| !column.is_repetitive) {
        let path = ColumnPath::from(vec![column.name.clone()]);
        if matches!(column.kind, ColumnType::Integer | ColumnType::Date) {
            builder = builder.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        builder = builder.set_column_dictionary_enabled(path, false);
    }
    builder.build()
}

/// Writes row groups in order.
pub(crate) struct DatasetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> DatasetWriter<W> {
    /// Begins a file; the factory makes the encoders for its row groups, on any thread.
    pub(crate) fn begin(
        file: W,
        columns: &[PlannedColumn],
        file_type: FileType,
    ) -> Result<(Self, ArrowRowGroupWriterFactory), IngestError> {
        let writer = ArrowWriter::try_new(file, schema(columns), Some(properties(columns, file_type)))
            .map_err(IngestError::from_parquet_write)?;
        let (file, factory) = writer.into_serialized_writer().map_err(IngestError::from_parquet_write)?;
        Ok((Self { file }, factory))
    }

    /// Appends a row group that was encoded elsewhere.
    pub(crate) fn append(&mut self, chunks: Vec<ArrowColumnChunk>) -> Result<(), IngestError> {
        let mut group = self.file.next_row_group().map_err(IngestError::from_parquet_write)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(IngestError::from_parquet_write)?;
        }
        group.close().map_err(IngestError::from_parquet_write)?;
        Ok(())
    }

    /// Writes the footer.
    pub(crate) fn finish(self) -> Result<(), IngestError> {
        self.file.close().map_err(IngestError::from_parquet_write)?;
        Ok(())
    }
}

/// A file beside its destination that vanishes unless it is put in place.
pub(crate) fn temporary(destination: &Path) -> Result<NamedTempFile, IngestError> {
    let directory = directory_of(destination);
    tempfile::Builder::new()
        .prefix(".ingest-")
        .suffix(".partial")
        // As any other file: the umask has the last word.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(IngestError::from_write)
}

/// The directory in which a file stands.
pub(crate) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A second handle on a temporary file, to write through.
pub(crate) fn handle(file: &NamedTempFile) -> Result<File, IngestError> {
    file.as_file().try_clone().map_err(IngestError::from_write)
}

/// Puts the dataset in place.
pub(crate) fn publish(dataset: NamedTempFile, output: &Path) -> Result<u64, IngestError> {
    // The bytes must be there before the name is: a crash may not leave a dataset that is half empty.
    dataset.as_file().sync_all().map_err(IngestError::from_write)?;
    let bytes = dataset.as_file().metadata().map_err(IngestError::from_write)?.len();
    dataset.persist(output).map_err(|error| IngestError::from_write(error.error))?;
    Ok(bytes)
}

/// Puts the dataset and its rejects report in place: both, or neither.
pub(crate) fn publish_with_rejects(
    dataset: NamedTempFile,
    output: &Path,
    rejects: &[Reject],
    rejects_output: &Path,
) -> Result<u64, IngestError> {
    let report = temporary(rejects_output)?;
    write_rejects(report.as_file(), rejects).map_err(IngestError::from_write)?;
    report.persist(rejects_output).map_err(|error| IngestError::from_write(error.error))?;
    publish(dataset, output).inspect_err(|_error| {
        // The report of a dataset that does not exist would be litter; that it may stay is the lesser fault.
        let _ = fs::remove_file(rejects_output);
    })
}

fn write_rejects(file: &File, rejects: &[Reject]) -> io::Result<()> {
    let mut writer = io::BufWriter::new(file);
    for reject in rejects {
        serde_json::to_writer(&mut writer, reject)?;
        writer.write_all(b"\n")?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use gristmill_domain::ErrorCode;
    use parquet::arrow::arrow_writer::compute_leaves;

    use super::*;

    /// A disk with room for so many bytes.
    struct SmallDisk(usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported_as_such() {
        let columns = [PlannedColumn::new("a".to_owned(), ColumnType::Integer)];
        for room in [0, 10, 100, 20_000] {
            let outcome = DatasetWriter::begin(SmallDisk(room), &columns, FileType::Csv).and_then(|(mut writer, factory)| {
                for _ in 0..10 {
                    let mut encoders = factory.create_column_writers(0).unwrap();
                    let values: Int64Array = (0..5000).map(|n: i64| n.wrapping_mul(0x5DEE_CE66_D1CE_4E5B)).collect();
                    let array: ArrayRef = Arc::new(values);
                    let leaves = compute_leaves(schema(&columns).field(0), &array).unwrap();
                    encoders[0].write(&leaves[0]).unwrap();
                    writer.append(encoders.into_iter().map(|encoder| encoder.close().unwrap()).collect())?;
                }
                writer.finish()
            });
            assert_eq!(outcome.unwrap_err().code(), ErrorCode::DiskFull, "{room}");
        }
    }

    #[test]
    fn types_survive_the_way_through_the_schema() {
        let columns: Vec<_> = ColumnType::ALL.map(|kind| PlannedColumn::new(kind.as_str().to_owned(), kind)).into();
        for (field, kind) in schema(&columns).fields().iter().zip(ColumnType::ALL) {
            assert_eq!(column_type(field), Some(kind));
        }
    }
}
