//! What makes scores probabilities.

use super::{graph_error::GraphError, onnx::Node};

/// A function over the scores of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
}

impl Transform {
    /// Reads `post_transform`.
    pub(super) fn read(node: &Node<'_>) -> Result<Self, GraphError> {
        match node.text("post_transform")?.unwrap_or("NONE") {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            other => Err(GraphError::unsupported(node, &format!("the transform {}", super::graph_error::shown(other)))),
        }
    }

    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => {
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut total = 0.0;
                for score in scores.iter_mut() {
                    *score = (*score - largest).exp();
                    total += *score;
                }
                scores.iter_mut().for_each(|score| *score /= total);
            }
        }
    }
}

/// The chance of log odds.
pub(super) fn logistic(odds: f64) -> f64 {
    // The exponent is never positive: nothing overflows.
    let small = (-odds.abs()).exp();
    if odds >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}
