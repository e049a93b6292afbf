//! Why a job made no dataset with features: the contract's 400 for all that the request or its code is to blame for.

use std::io;

use gristmill_domain::{ErrorCode, jobs::JobError};
use gristmill_features::FeatureError;
use gristmill_ingest::{IngestError, RetypeError};
use gristmill_modeling::ModelingError;

use super::code::CodeFailure;
use crate::{
    datasets::{Stop, stop_of_io},
    error::chain,
};

/// The end of a run that cannot make what was asked for.
pub(super) fn refused(message: impl Into<String>) -> Stop {
    Stop::Failed(JobError::new(ErrorCode::FeaturesRefused, message))
}

/// Features that the engine did not make.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn stop_of_features(error: FeatureError) -> Stop {
    match (&error, error.code()) {
        (FeatureError::Cancelled, _) => Stop::Cancelled,
        (_, ErrorCode::ValidationFailed | ErrorCode::RowsRefused | ErrorCode::FileMissing) => refused(error.public_message()),
        (_, code) => {
            if code == ErrorCode::Internal {
                tracing::error!(error.cause = chain(&error), "features could not be made");
            }
            Stop::Failed(JobError::new(code, error.public_message()))
        }
    }
}

/// A dataset that could not be read or written.
pub(super) fn stop_of_ingest(error: &IngestError) -> Stop {
    match error.code() {
        ErrorCode::JobCancelled => Stop::Cancelled,
        ErrorCode::FileMissing | ErrorCode::UnreadableFile | ErrorCode::TooManyColumns => refused(error.public_message()),
        code => {
            if code == ErrorCode::Internal {
                tracing::error!(error.cause = chain(error), "a dataset with features could not be written");
            }
            Stop::Failed(JobError::new(code, error.public_message()))
        }
    }
}

/// What is wrong with a table that code left.
pub(super) fn stop_of_table(error: &RetypeError) -> Stop {
    match error.code() {
        ErrorCode::JobCancelled => Stop::Cancelled,
        ErrorCode::Internal | ErrorCode::DiskFull => {
            tracing::error!(error.cause = chain(error), "a table that code made could not be read");
            Stop::Failed(JobError::new(error.code(), error.public_message()))
        }
        _ => refused(format!("What the code made cannot be read: {}", error.public_message())),
    }
}

/// Code that made nothing.
pub(super) fn stop_of_code(failure: CodeFailure) -> Stop {
    match failure {
        CodeFailure::Stopped => Stop::Cancelled,
        CodeFailure::Refused(reason) => refused(reason),
        CodeFailure::Fault => {
            Stop::Failed(JobError::new(ErrorCode::Internal, "The code could not be run because of a fault on the server"))
        }
    }
}

/// Rows that could not be divided.
pub(super) fn stop_of_division(error: ModelingError) -> Stop {
    tracing::warn!(error.cause = chain(&error), "the rows that models are tested on could not be told");
    match error {
        ModelingError::DatasetGone => refused("The stored file of the dataset is gone; upload it again"),
        other => Stop::Failed(other.job_error()),
    }
}

/// A table that code did not leave as it should have.
pub(super) fn stop_of_taking(error: &io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => stop_of_io(error),
        _ => refused("The code left no table that can be read"),
    }
}
