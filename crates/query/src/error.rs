//! Why a query gave no rows, in the words that PostgreSQL uses where clients look for them.

mod translate;

use std::{fmt, time::Duration};

use datafusion::error::DataFusionError;
use gristmill_domain::ErrorCode;
use gristmill_sql_safety::Position;

pub(crate) use translate::{missing_column, translate};

/// A boxed source error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a query gave no rows. `Display` is the public text: it holds no path, plan or Rust type.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The statement names something that is not there, or its types do not fit.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What would help.
        hint: Option<String>,
        /// Where in the statement, when the engine can tell.
        position: Option<Position>,
    },
    /// The statement failed on its data.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
        /// The engine's own words, for the log.
        #[source]
        source: Option<BoxError>,
    },
    /// The deadline passed.
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// The caller went away.
    #[error("canceling statement due to user request")]
    Cancelled,
    /// The statement needs more memory, disk or output than a query may use.
    #[error("{message}")]
    TooExpensive {
        /// What was too much, and what to do.
        message: String,
    },
    /// Too many queries are running.
    #[error("too many queries are running")]
    TooMany {
        /// When to come back.
        retry_after: Duration,
    },
    /// The file of a table is gone or broken.
    #[error("the data of table \"{table}\" cannot be read")]
    TableUnavailable {
        /// The table's logical name.
        table: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A defect of the engine.
    #[error("the query engine failed")]
    Internal {
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl QueryError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } => ErrorCode::SqlInvalid,
            Self::Failed { .. } | Self::Cancelled => ErrorCode::SqlFailed,
            Self::Timeout => ErrorCode::SqlTimeout,
            Self::TooExpensive { .. } => ErrorCode::SqlTooExpensive,
            Self::TooMany { .. } => ErrorCode::TooManyRequests,
            Self::TableUnavailable { .. } => ErrorCode::FileMissing,
            Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// The text for people: the message, then the hint.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::Invalid { message, hint: Some(hint), .. } => format!("{message}. {hint}"),
            other => other.to_string(),
        }
    }

    /// Where the statement is at fault, in the text that the gate was given, when the engine can tell. What fails on its data
    /// has no place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Invalid { position, .. } => *position,
            _ => None,
        }
    }
}

/// An error that our own functions and rules raise inside the engine. It travels through DataFusion as an external
/// error and comes out unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SqlError {
    /// Wrong names or types.
    Invalid(String, Option<String>),
    /// Wrong data.
    Failed(String),
    /// Too much of something.
    TooExpensive(String),
    /// The deadline or the caller stopped the query.
    Stopped,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message, _) | Self::Failed(message) | Self::TooExpensive(message) => f.write_str(message),
            Self::Stopped => f.write_str("canceling statement"),
        }
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

/// A `Failed` error as DataFusion carries it.
pub(crate) fn failed(message: impl Into<String>) -> DataFusionError {
    SqlError::Failed(message.into()).into()
}

/// An `Invalid` error as DataFusion carries it.
pub(crate) fn invalid(message: impl Into<String>) -> DataFusionError {
    SqlError::Invalid(message.into(), None).into()
}

/// A `TooExpensive` error as DataFusion carries it.
pub(crate) fn too_expensive(message: impl Into<String>) -> DataFusionError {
    SqlError::TooExpensive(message.into()).into()
}
