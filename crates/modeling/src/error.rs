//! Why a model was not made, in words that a person can act on.

use gristmill_domain::{ErrorCode, jobs::JobError};
use gristmill_runtime::RuntimeError;

/// What can go wrong with training, evaluating, tuning and comparing.
#[derive(Debug, thiserror::Error)]
pub enum ModelingError {
    /// The data or the request cannot be used so.
    #[error("{message}")]
    Refused {
        /// A code of `gristmill_ml`, finer than the wire's.
        code: String,
        /// What is wrong and what to do.
        message: String,
        /// The field that is at fault.
        field: Option<String>,
    },
    /// The time or memory that it may use was not enough.
    #[error("{0}")]
    OutOfBudget(String),
    /// It was told to stop.
    #[error("the work was stopped")]
    Stopped,
    /// The dataset's file is not there any more.
    #[error("the dataset was deleted or changed meanwhile")]
    DatasetGone,
    /// The sandbox ended in a way that nobody asked for.
    #[error("the sandbox ended: {0}")]
    Died(String),
    /// No sandbox could be had.
    #[error("no sandbox could be started")]
    Runtime(#[from] RuntimeError),
    /// A dataset's file could not be read, or a view of it not be written.
    #[error("{doing} failed")]
    Table {
        /// What was being done.
        doing: &'static str,
        /// What came back.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file operation of the server's own failed.
    #[error("{doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
    /// What a sandbox wrote is not what it should have written.
    #[error("a result is not usable: {0}")]
    BadResult(String),
}

impl ModelingError {
    pub(crate) fn refused(code: &str, message: impl Into<String>, field: Option<&str>) -> Self {
        Self::Refused { code: code.to_owned(), message: message.into(), field: field.map(ToOwned::to_owned) }
    }

    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn table<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Table { doing, source: source.into() }
    }

    /// Whether trying again may help: nothing is wrong with what was asked.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Runtime(error) => matches!(error.code(), ErrorCode::TooManyRequests | ErrorCode::ShuttingDown),
            _ => false,
        }
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { .. } => ErrorCode::TrainingFailed,
            Self::OutOfBudget(_) => ErrorCode::OutOfBudget,
            Self::Stopped => ErrorCode::JobCancelled,
            Self::DatasetGone => ErrorCode::DatasetNotFound,
            Self::Died(_) => ErrorCode::SandboxFailed,
            Self::Runtime(error) => error.code(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => ErrorCode::DiskFull,
            Self::Table { .. } | Self::Io { .. } | Self::BadResult(_) => ErrorCode::Internal,
        }
    }

    /// What people are told.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::Refused { message, .. } | Self::OutOfBudget(message) => message.clone(),
            Self::Stopped => "It was stopped on request".to_owned(),
            Self::DatasetGone => "The dataset was deleted or changed meanwhile; train again on what is there now".to_owned(),
            Self::Died(why) => format!("The sandbox ended before the work was done: {why}; try again, or give it less to do"),
            Self::Runtime(error) => format!("{error}"),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "The server has no disk space left; try again later".to_owned()
            }
            Self::Table { .. } | Self::Io { .. } => {
                "The server could not prepare the data; report it with the job's id".to_owned()
            }
            Self::BadResult(why) => format!("The sandbox's result could not be used: {why}"),
        }
    }

    /// The job's error.
    #[must_use]
    pub fn job_error(&self) -> JobError {
        let mut error = JobError::new(self.code(), self.public_message());
        if let Self::Refused { field: Some(field), .. } = self {
            error.detail = Some(field.clone());
        }
        error
    }
}

/// The error with all its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
