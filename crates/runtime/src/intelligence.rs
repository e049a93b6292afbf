//! Help with writing Python: completions, hover, signatures and syntax errors, from a worker that stays up in a sandbox of
//! the project. Code that is asked about is parsed there, never run; no process is started for a question.

mod assistant;
mod files;
mod launch;
mod protocol;
mod types;

use std::path::PathBuf;

use crate::resident::ResidentError;

pub use assistant::{AssistSettings, Assistant};
pub use types::{
    AssistAnswer, AssistCell, AssistDataset, AssistOp, AssistRequest, Completion, Diagnostic, Hover, LiveVariable, Parameter,
    Signature,
};

/// Where the workers' files are on the host. All owned by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssistDirectories {
    /// `<data_dir>/runtime/projects`: `<projectId>/workspace` and `<projectId>/packages` below it are seen by the
    /// project's worker, read only, where they exist.
    pub projects: PathBuf,
    /// Sockets are made here, each in a directory of its own. Must not be reachable by other users.
    pub sockets: PathBuf,
    /// The worker's program and what it knows of the locked environment are written here, and kept.
    pub cache: PathBuf,
}

/// Why a question about code has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AssistError {
    /// No worker can be started.
    #[error("Python help is not available: {0}")]
    Unavailable(String),
    /// The worker did not answer in time.
    #[error("Python help took too long")]
    Timeout,
    /// The worker ended while it was at this question; the next one starts another.
    #[error("Python help broke off")]
    Ended,
}

impl From<ResidentError> for AssistError {
    fn from(error: ResidentError) -> Self {
        match error {
            ResidentError::Timeout => Self::Timeout,
            ResidentError::Ended => Self::Ended,
            ResidentError::Unavailable(_) | ResidentError::Refused(_) | ResidentError::TooLarge => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
