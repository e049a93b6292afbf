//! What can go wrong with the runtime itself. Code that fails is not among it: that is an `ExecutionResult`.

use std::time::Duration;

use gristmill_domain::error_code::ErrorCode;

use crate::sandbox::SandboxError;

/// Why the runtime could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No backend or no Python environment is ready.
    #[error("code cannot be run here: {reason}")]
    Unavailable {
        /// What is missing, and what the operator can do.
        reason: String,
    },
    /// The sandbox could not be started.
    #[error("the sandbox could not be started: {reason}")]
    Sandbox {
        /// Why, for the user.
        reason: String,
        /// What came back.
        #[source]
        source: Option<SandboxError>,
    },
    /// The sandbox started, its kernel did not.
    #[error("the Python kernel did not start: {reason}")]
    Kernel {
        /// Why, for the user.
        reason: String,
    },
    /// As many sandboxes run as may, or the queue of the place is full.
    #[error("{reason}; try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Which limit it was.
        reason: &'static str,
        /// When to come back.
        retry_after: Duration,
    },
    /// The place was closed while the request waited.
    #[error("the kernel was closed while the request waited")]
    Closed,
    /// The server is stopping.
    #[error("the server is stopping")]
    ShuttingDown,
    /// The project's datasets could not be listed.
    #[error("the project's datasets could not be listed")]
    ProjectData(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file operation of the server's own failed.
    #[error("{doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
}

impl RuntimeError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable { .. } => ErrorCode::RuntimeUnavailable,
            Self::Sandbox { .. } | Self::Kernel { .. } => ErrorCode::SandboxFailed,
            Self::TooMany { .. } => ErrorCode::TooManyRequests,
            Self::Closed => ErrorCode::Conflict,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
            Self::ProjectData(_) | Self::Io { .. } => ErrorCode::Internal,
        }
    }

    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl From<SandboxError> for RuntimeError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Unavailable { reason, remedy } => Self::Unavailable { reason: format!("{reason}; {remedy}") },
            SandboxError::Start(ref reason) => Self::Sandbox { reason: reason.clone(), source: Some(error) },
            SandboxError::System { doing, .. } => Self::Sandbox { reason: format!("{doing} failed"), source: Some(error) },
        }
    }
}
