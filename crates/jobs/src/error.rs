//! Why the engine could not do what it was asked.

use gristmill_domain::ports::StoreError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// Another worker has the job, or it has ended: stop working on it, nothing more is written.
    #[error("the job's lease was lost")]
    LeaseLost,
    /// The event writer was closed.
    #[error("the event log is closed")]
    Closed,
    /// The store refused an event: a defect. Nothing more is written to the log.
    #[error("the event log could not be written")]
    LogRefused,
    /// The wait was called off.
    #[error("the wait was called off")]
    CalledOff,
    /// The store failed, or has no such job for this caller.
    #[error("the job store failed")]
    Store(#[from] StoreError),
}
