//! Why reading a file failed, for callers and for people.

use std::{error::Error, io};

use gristmill_domain::{ErrorCode, datasets::ColumnType};

/// An error of a library below, kept for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a file did not become a dataset.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The file is in no format that is read here.
    #[error("unsupported format: {message}")]
    UnsupportedFormat {
        /// What the file is and what to do instead.
        message: String,
    },
    /// The file is in a supported format, but broken, cut off, encrypted or empty.
    #[error("unreadable file: {message}")]
    Unreadable {
        /// What is wrong and what to do.
        message: String,
        /// Line of the file (or row of the sheet), from 1, where known.
        line: Option<u64>,
    },
    /// One record is larger than a record may be.
    #[error("the record on line {line} is larger than {bytes_max} bytes")]
    RecordTooLong {
        /// Line on which the record begins.
        line: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// The file has more columns than a dataset may have.
    #[error("{found} columns are more than {max}")]
    TooManyColumns {
        /// Columns found so far.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Rows times columns is out of proportion to the file: nearly every cell would be empty.
    #[error("more than {max} cells")]
    TooManyCells {
        /// The limit.
        max: u64,
    },
    /// A value cannot be converted to the type that was asked for.
    #[error("row {} of column {:?} cannot become {}", .0.row, .0.column, .0.to.as_str())]
    Conversion(Box<ConversionFailure>),
    /// A column that was asked for is not there.
    #[error("there is no column {name:?}")]
    ColumnNotFound {
        /// The name.
        name: String,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The source file is gone.
    #[error("the source file is missing")]
    SourceMissing {
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// No space is left where the dataset is written.
    #[error("no space left while writing the dataset")]
    DiskFull {
        /// The operating system's answer.
        #[source]
        source: Cause,
    },
    /// Reading the source failed.
    #[error("reading the source failed")]
    Read {
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Writing the dataset failed.
    #[error("writing the dataset failed")]
    Write {
        /// What the writer said.
        #[source]
        source: Cause,
    },
    /// A Parquet file that this crate wrote cannot be read back.
    #[error("reading the dataset failed")]
    Dataset {
        /// What the reader said.
        #[source]
        source: Cause,
    },
    /// Something that should not happen happened.
    #[error("internal: {context}")]
    Internal {
        /// What was going on.
        context: &'static str,
    },
}

/// The first value that did not fit a type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionFailure {
    /// The column.
    pub column: String,
    /// Row of the dataset, from 1.
    pub row: u64,
    /// The value, at most 200 characters.
    pub value: String,
    /// The type that was asked for.
    pub to: ColumnType,
    /// Why the value does not fit.
    pub reason: &'static str,
}

impl ConversionFailure {
    /// Says which value does not fit and why, for a person.
    #[must_use]
    pub fn public_message(&self) -> String {
        format!(
            "Row {} of column \"{}\" cannot become {}: \"{}\" {}. Correct the value or choose another type.",
            self.row,
            self.column,
            self.to.as_str(),
            self.value,
            self.reason
        )
    }
}

impl IngestError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedFormat { .. } => ErrorCode::UnsupportedFormat,
            Self::Unreadable { .. } | Self::RecordTooLong { .. } | Self::TooManyCells { .. } => ErrorCode::UnreadableFile,
            Self::TooManyColumns { .. } => ErrorCode::TooManyColumns,
            Self::Conversion(_) => ErrorCode::ConversionFailed,
            Self::ColumnNotFound { .. } => ErrorCode::ColumnNotFound,
            Self::Cancelled => ErrorCode::JobCancelled,
            Self::SourceMissing { .. } => ErrorCode::FileMissing,
            Self::DiskFull { .. } => ErrorCode::DiskFull,
            Self::Read { .. } | Self::Write { .. } | Self::Dataset { .. } | Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// Says what is wrong and what to do next, for a person. Never contains a path or a library's text.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::UnsupportedFormat { message } => message.clone(),
            Self::Unreadable { message, line: None } => message.clone(),
            Self::Unreadable { message, line: Some(line) } => format!("{message} (line {line})"),
            Self::RecordTooLong { line, bytes_max } => format!(
                "The record that begins on line {line} is larger than {} MB. If a quote on that line is not closed, close it; \
                 else split the record.",
                bytes_max / (1024 * 1024)
            ),
            Self::TooManyColumns { found, max } => {
                format!(
                    "The file has {found} or more columns; at most {max} are possible. Remove columns, or put them into rows."
                )
            }
            Self::TooManyCells { max } => format!(
                "The table would have more than {max} cells, nearly all of them empty. Split the file, or put the columns into rows."
            ),
            Self::Conversion(failure) => failure.public_message(),
            Self::ColumnNotFound { name } => format!("There is no column \"{name}\"."),
            Self::Cancelled => "Reading the file was cancelled.".to_owned(),
            Self::SourceMissing { .. } => "The stored file is gone. Upload it again.".to_owned(),
            Self::DiskFull { .. } => "The server has no disk space left for this dataset.".to_owned(),
            Self::Read { .. } | Self::Write { .. } | Self::Dataset { .. } | Self::Internal { .. } => {
                "The file could not be processed because of a fault on the server. Try again.".to_owned()
            }
        }
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self::Unreadable { message: message.into(), line: None }
    }

    pub(crate) fn unreadable_at(line: u64, message: impl Into<String>) -> Self {
        Self::Unreadable { message: message.into(), line: Some(line) }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::UnsupportedFormat { message: message.into() }
    }

    /// Sorts an error of reading the source.
    pub(crate) fn from_read(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound { Self::SourceMissing { source } } else { Self::Read { source } }
    }

    /// Sorts an error of writing beside the dataset.
    pub(crate) fn from_write(source: io::Error) -> Self {
        if is_full(&source) { Self::DiskFull { source: source.into() } } else { Self::Write { source: source.into() } }
    }

    /// Sorts an error of the Parquet writer, which hides the operating system's errors inside its own.
    pub(crate) fn from_parquet_write(source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::from_write(*error),
                Err(source) => Self::Write { source },
            },
            other => Self::Write { source: other.into() },
        }
    }

    /// Wraps an error of reading a Parquet file.
    pub(crate) fn from_dataset(source: impl Into<Cause>) -> Self {
        let source = source.into();
        match source.downcast::<io::Error>() {
            Ok(error) if error.kind() == io::ErrorKind::NotFound => Self::SourceMissing { source: *error },
            Ok(error) => Self::Dataset { source: error },
            Err(source) => Self::Dataset { source },
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Why a column's type could not be changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RetypeError {
    /// The dataset has no such column.
    #[error("there is no column {name:?}")]
    ColumnNotFound {
        /// The name.
        name: String,
    },
    /// A value does not fit; the first one is named.
    #[error("row {} cannot be converted", .0.row)]
    Conversion(ConversionFailure),
    /// Reading or writing failed.
    #[error("the dataset could not be written anew")]
    Ingest(#[source] IngestError),
}

impl RetypeError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::ColumnNotFound { .. } => ErrorCode::ColumnNotFound,
            Self::Conversion(_) => ErrorCode::ConversionFailed,
            Self::Ingest(error) => error.code(),
        }
    }

    /// Says what is wrong and what to do next, for a person.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::ColumnNotFound { name } => format!("There is no column \"{name}\"."),
            Self::Conversion(failure) => failure.public_message(),
            Self::Ingest(error) => error.public_message(),
        }
    }
}

impl From<IngestError> for RetypeError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::ColumnNotFound { name } => Self::ColumnNotFound { name },
            IngestError::Conversion(failure) => Self::Conversion(*failure),
            other => Self::Ingest(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_wherever_it_hides() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(IngestError::from_write(full()).code(), ErrorCode::DiskFull);
        assert_eq!(IngestError::from_parquet_write(full().into()).code(), ErrorCode::DiskFull);
        assert_eq!(IngestError::from_write(io::Error::other("else")).code(), ErrorCode::Internal);
    }

    #[test]
    fn a_missing_source_is_told_apart() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(IngestError::from_read(gone()).code(), ErrorCode::FileMissing);
        assert_eq!(IngestError::from_dataset(gone()).code(), ErrorCode::FileMissing);
    }
}
