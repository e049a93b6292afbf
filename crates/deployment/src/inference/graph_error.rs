//! Why a model's graph is not run here.

use super::{
    onnx::{Node, OnnxError},
    wire::Malformed,
};

/// Why a model's graph is not run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The file is cut off, altered, or something else.
    #[error("the model's graph is not readable: {0}")]
    Unreadable(String),
    /// A node contradicts itself or the rest of the graph.
    #[error("the model's graph is broken: {0}")]
    Broken(String),
    /// It is well formed, but has what is not run here.
    #[error("the model's graph is not one that is run here: {0}")]
    Unsupported(String),
    /// It needs more memory or work than a model may.
    #[error("the model's graph is too large: {0}")]
    TooLarge(String),
}

impl GraphError {
    pub(super) fn broken(node: &Node<'_>, what: &str) -> Self {
        Self::Broken(format!("a node `{}` {what}", shown(node.operator)))
    }

    pub(super) fn unsupported(node: &Node<'_>, what: &str) -> Self {
        Self::Unsupported(format!("a node `{}` with {what}", shown(node.operator)))
    }

    pub(super) fn too_large(what: &str) -> Self {
        Self::TooLarge(what.to_owned())
    }
}

/// A name from the file, cut to what fits into a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(80).collect()
}

impl From<OnnxError> for GraphError {
    fn from(error: OnnxError) -> Self {
        match error {
            OnnxError::Malformed(_) | OnnxError::NoGraph => Self::Unreadable(error.to_string()),
            OnnxError::TooManyParts | OnnxError::TooDeep => Self::TooLarge(error.to_string()),
            OnnxError::External(name) => {
                Self::Unsupported(format!("the constant `{}` keeps its numbers in another file", shown(&name)))
            }
            OnnxError::ElementType { name, code } => {
                Self::Unsupported(format!("the constant `{}` has elements of type {code}", shown(&name)))
            }
            OnnxError::Length(name) => {
                Self::Broken(format!("the constant `{}` has not as many numbers as its shape says", shown(&name)))
            }
        }
    }
}

impl From<Malformed> for GraphError {
    fn from(error: Malformed) -> Self {
        Self::Unreadable(error.to_string())
    }
}
