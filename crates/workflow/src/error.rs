//! Why a question has no answer.

use gristmill_domain::ErrorCode;
use gristmill_llm::LlmError;
use gristmill_sql_safety::SqlRefusal;

use crate::ports::PortError;

/// Why a question has no answer. `Display` is for the log; [`Self::public_message`] is for people.
#[derive(Debug, thiserror::Error)]
pub enum NlError {
    /// The project has no table that can be asked.
    #[error("the project has no datasets")]
    NoDatasets,
    /// The tables do not hold what is asked for. Not the same as a statement that finds no rows.
    #[error("the project's datasets do not hold what is asked for")]
    NoSuchData {
        /// What is missing, in the model's words, cut and cleaned.
        missing: String,
    },
    /// The language model failed.
    #[error("the language model failed")]
    Model(#[source] LlmError),
    /// The statement that the model wrote is not let through, also at its last try.
    #[error("the generated statement was refused")]
    Refused(#[source] SqlRefusal),
    /// Something outside failed.
    #[error("{0}")]
    Port(#[source] PortError),
    /// Whoever asked does not want the answer any more.
    #[error("the question was cancelled")]
    Cancelled,
    /// A defect.
    #[error("the engine failed: {0}")]
    Internal(String),
}

impl NlError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoDatasets | Self::NoSuchData { .. } => ErrorCode::InvalidRequest,
            Self::Model(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Port(error) => error.code,
            Self::Cancelled => ErrorCode::JobCancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// What to tell a person.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::NoDatasets => "This project has no datasets yet: upload one first".to_owned(),
            Self::NoSuchData { missing } => {
                format!("The project's datasets do not hold what the question needs: {missing}")
            }
            Self::Model(error) => error.public_message(),
            Self::Refused(refusal) => format!("The generated SQL cannot be run: {}", refusal.message()),
            Self::Port(error) => error.message.clone(),
            Self::Cancelled => "The question was cancelled".to_owned(),
            Self::Internal(_) => "Something went wrong while answering; try again".to_owned(),
        }
    }
}

impl From<LlmError> for NlError {
    fn from(error: LlmError) -> Self {
        match error {
            LlmError::Cancelled => Self::Cancelled,
            other => Self::Model(other),
        }
    }
}

impl From<PortError> for NlError {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}
