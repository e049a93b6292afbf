//! What is wrong with a request of tensors.

use super::{ROWS_MAX, VALUES_MAX};

/// Letters of a name that are repeated in an error.
const NAME_LETTERS: usize = 100;

/// What is wrong with a request of tensors, for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// It is no JSON of the protocol.
    #[error("the request is not one of the Open Inference Protocol: {0}")]
    Malformed(String),
    /// `Inference-Header-Content-Length` does not fit the body.
    #[error("Inference-Header-Content-Length {0}")]
    HeaderLength(String),
    /// An input cannot be used.
    #[error("input {name:?}: {problem}")]
    Input {
        /// Its name.
        name: String,
        /// Why, and what to send.
        problem: String,
    },
    /// An output cannot be given.
    #[error("output {name:?}: {problem}")]
    Output {
        /// Its name.
        name: String,
        /// Why, and what there is.
        problem: String,
    },
    /// More than may be asked for at once.
    #[error("a request may have at most {ROWS_MAX} rows and {VALUES_MAX} values in all its tensors; send fewer at once")]
    TooLarge,
}

impl TensorError {
    pub(super) fn input(name: &str, problem: impl Into<String>) -> Self {
        Self::Input { name: name.chars().take(NAME_LETTERS).collect(), problem: problem.into() }
    }

    pub(super) fn output(name: &str, problem: impl Into<String>) -> Self {
        Self::Output { name: name.chars().take(NAME_LETTERS).collect(), problem: problem.into() }
    }
}
