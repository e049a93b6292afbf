//! Why a deployment gives no answer.

use std::sync::Arc;

use gristmill_domain::{
    ErrorCode,
    deployments::{DeploymentStatus, RateGrant},
    ports::StoreError,
};

use crate::{
    inference::{FieldErrors, InferenceError},
    worker::WorkerError,
};

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// There is no such deployment.
    #[error("there is no such deployment")]
    NotFound,
    /// It does not serve where it stands.
    #[error("the deployment is {}{}", status.as_str(), reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    NotServing {
        /// Where it stands.
        status: DeploymentStatus,
        /// Why, where that is known.
        reason: Option<String>,
    },
    /// It has answered as many requests as it may for now.
    #[error("the deployment has reached its limit of {limit} requests a minute")]
    Limited {
        /// Requests a minute.
        limit: u32,
        /// When to come again.
        grant: RateGrant,
    },
    /// The rows do not fit.
    #[error("the rows do not fit the model: {0}")]
    Rows(#[from] FieldErrors),
    /// The model cannot be run in this process.
    #[error("the model cannot be run")]
    Model(#[source] Arc<InferenceError>),
    /// The model's worker gives no answer.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// There are no sandboxes for a worker.
    #[error("the model's worker cannot be started: {0}")]
    NoSandbox(String),
    /// Too many workers are busy.
    #[error("{0} models are served by workers already, and all are busy")]
    WorkersBusy(usize),
    /// Storage failed.
    #[error("the deployment cannot be read")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ServingError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

impl ServingError {
    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::DeploymentNotFound,
            Self::Limited { .. } => ErrorCode::TooManyRequests,
            Self::Rows(_) => ErrorCode::RowsRefused,
            Self::Model(error) => match error.code() {
                ErrorCode::ValidationFailed => ErrorCode::ValidationFailed,
                // What a client sends is not at fault, and repeating it does not help before somebody has looked.
                _ => ErrorCode::DeploymentNotReady,
            },
            Self::Worker(error) => match error {
                WorkerError::Died(_) | WorkerError::TimedOut(_) => ErrorCode::ServingFailed,
                WorkerError::Rejected { .. } => ErrorCode::RowsRefused,
                WorkerError::TooLarge(_) => ErrorCode::PayloadTooLarge,
                WorkerError::Busy { .. } | WorkerError::NotReady(_) | WorkerError::Failed(_) | WorkerError::Stopped => {
                    ErrorCode::DeploymentNotReady
                }
            },
            Self::NotServing { .. } | Self::NoSandbox(_) | Self::WorkersBusy(_) => ErrorCode::DeploymentNotReady,
            Self::Store(StoreError::Unavailable(_)) => ErrorCode::DatabaseUnavailable,
            Self::Store(_) => ErrorCode::Internal,
        }
    }

    /// What clients are told.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::Model(error) => format!("The model cannot be run: {error}"),
            Self::NotServing { status, .. } if !status.is_active() => format!("{}; start it first", sentence(&self.to_string())),
            Self::Store(_) => "The database does not answer; try again shortly".to_owned(),
            error => sentence(&error.to_string()),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
