//! Why there is no model, or no prediction.

use gristmill_domain::{ErrorCode, models::FEATURES_FILE};

use super::{graph_error::GraphError, signature::SignatureError};

/// Why there is no model, or no prediction.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// A file of the model is gone.
    #[error("the model's file {file} is missing")]
    FileMissing {
        /// Its name.
        file: String,
    },
    /// A file of the model is not what was stored.
    #[error("the model's file {file} was altered since it was stored")]
    FileAltered {
        /// Its name.
        file: String,
    },
    /// A file is larger than is read here.
    #[error("the model's file {file} is larger than {bytes_max} bytes")]
    FileTooLarge {
        /// Its name.
        file: String,
        /// The limit.
        bytes_max: u64,
    },
    /// A file cannot be read.
    #[error("reading the model's file {file} failed")]
    Io {
        /// Its name.
        file: String,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
    /// The model has no form that runs here, or one that does not answer as the model does.
    #[error("the model has no native form: {reason}")]
    NotConverted {
        /// Why the training says so.
        reason: String,
    },
    /// What the model takes cannot be read.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The graph is not run here.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// What computes the model's engineered columns cannot be used.
    #[error("the model's file {FEATURES_FILE} cannot be used: {reason}")]
    Features {
        /// Why.
        reason: String,
    },
    /// The rows were checked against another model's signature.
    #[error("the rows were checked for another model")]
    RowsOfAnotherModel,
    /// More rows than are predicted at once.
    #[error("{rows} rows are more than the {rows_max} that this model predicts at once")]
    TooManyRows {
        /// How many there are.
        rows: usize,
        /// How many there may be.
        rows_max: usize,
    },
    /// The model's answer is not a finite number, or no probability.
    #[error("the model gives no usable number for row {row}")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// The thread that loaded the model ended.
    #[error("loading the model was ended")]
    LoadingEnded,
}

impl InferenceError {
    /// Whether a worker in a sandbox may serve the model all the same: nothing is wrong with its files.
    #[must_use]
    pub fn wants_worker(&self) -> bool {
        matches!(
            self,
            Self::NotConverted { .. }
                | Self::Graph(GraphError::Unsupported(_) | GraphError::TooLarge(_))
                | Self::FileTooLarge { .. }
        )
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::FileMissing { .. } | Self::FileAltered { .. } => ErrorCode::FileMissing,
            Self::TooManyRows { .. } => ErrorCode::ValidationFailed,
            _ => ErrorCode::Internal,
        }
    }
}
