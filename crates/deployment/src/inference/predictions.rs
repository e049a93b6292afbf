//! What a model answered.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    error::InferenceError,
    program::Data,
    signature::{Label, Signature},
};

/// How far beyond 0 and 1 a probability may be by rounding.
const ROUNDING: f64 = 1e-5;

/// The answers for some rows.
#[derive(Debug, Clone)]
pub struct Predictions {
    signature: Arc<Signature>,
    count: usize,
    outcome: Outcome,
}

/// The answers, by the task of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// For each row the place of its label.
    Classes {
        /// Places in the signature's labels.
        labels: Vec<usize>,
        /// For each row the probability of each label, in their order.
        probabilities: Vec<f64>,
    },
    /// Numbers.
    Numbers(Vec<f64>),
    /// Numbers of clusters.
    Clusters(Vec<i64>),
}

impl Predictions {
    pub(super) fn new(signature: Arc<Signature>, outcome: Outcome) -> Self {
        Self { signature, count: 0, outcome }
    }

    /// Adds the answers for more rows, after a look at each number.
    pub(super) fn extend(&mut self, answers: Data) -> Result<(), InferenceError> {
        let before = self.count;
        match (&mut self.outcome, answers) {
            (Outcome::Classes { labels, probabilities }, Data::Float64(answers)) => {
                let classes = self.signature.labels.len().max(1);
                for (row, chances) in answers.chunks_exact(classes).enumerate() {
                    if !chances.iter().all(|chance| (-ROUNDING..=1.0 + ROUNDING).contains(chance)) {
                        return Err(InferenceError::NotFinite { row: before + row });
                    }
                    labels.push(likeliest(chances));
                    probabilities.extend(chances.iter().map(|chance| chance.clamp(0.0, 1.0)));
                    self.count += 1;
                }
            }
            (Outcome::Numbers(numbers), Data::Float64(answers)) => {
                if let Some(row) = answers.iter().position(|answer| !answer.is_finite()) {
                    return Err(InferenceError::NotFinite { row: before + row });
                }
                self.count += answers.len();
                numbers.extend(answers);
            }
            (Outcome::Clusters(clusters), Data::Int(answers)) => {
                if let Some(row) = answers.iter().position(|answer| *answer < 0) {
                    return Err(InferenceError::NotFinite { row: before + row });
                }
                self.count += answers.len();
                clusters.extend(answers);
            }
            (outcome, Data::Float32(answers)) if !matches!(outcome, Outcome::Clusters(_)) => {
                return self.extend(Data::Float64(answers.into_iter().map(f64::from).collect()));
            }
            // The graph was compiled for this kind of answer.
            _ => return Err(InferenceError::NotFinite { row: before }),
        }
        Ok(())
    }

    /// How many rows were answered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no row was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All answers.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The label of a row, for a classification.
    #[must_use]
    pub fn label(&self, row: usize) -> Option<&Label> {
        match &self.outcome {
            Outcome::Classes { labels, .. } => self.signature.labels.get(*labels.get(row)?),
            Outcome::Numbers(_) | Outcome::Clusters(_) => None,
        }
    }

    /// The number of a row, for a regression.
    #[must_use]
    pub fn number(&self, row: usize) -> Option<f64> {
        match &self.outcome {
            Outcome::Numbers(numbers) => numbers.get(row).copied(),
            Outcome::Classes { .. } | Outcome::Clusters(_) => None,
        }
    }

    /// The probability of each label in their order, for a classification.
    #[must_use]
    pub fn chances(&self, row: usize) -> Option<&[f64]> {
        let classes = self.signature.labels.len();
        match &self.outcome {
            Outcome::Classes { probabilities, .. } => probabilities.get(row * classes..(row + 1) * classes),
            Outcome::Numbers(_) | Outcome::Clusters(_) => None,
        }
    }

    /// The ends of the interval around a number, where the training measured how wide it is.
    #[must_use]
    pub fn interval(&self, row: usize) -> Option<(f64, f64)> {
        self.signature.interval_around(self.number(row)?)
    }

    /// The answer in the type of the dataset's own column: a label's text, number or boolean, a number, a cluster.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        match &self.outcome {
            Outcome::Classes { .. } => self.label(row).map_or(Value::Null, |label| label.value.clone()),
            Outcome::Numbers(numbers) => numbers.get(row).copied().map_or(Value::Null, Value::from),
            Outcome::Clusters(clusters) => clusters.get(row).copied().map_or(Value::Null, Value::from),
        }
    }

    /// The probabilities by the labels' texts, for a classification.
    #[must_use]
    pub fn probabilities(&self, row: usize) -> Option<Map<String, Value>> {
        let chances = self.chances(row)?;
        let labels = self.signature.labels.iter().zip(chances);
        Some(labels.map(|(label, chance)| (label.text.clone(), Value::from(*chance))).collect())
    }
}

/// The place of the largest probability, the first of equal ones.
fn likeliest(chances: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (place, chance) in chances.iter().copied().enumerate() {
        if chance > best.1 {
            best = (place, chance);
        }
    }
    best.0
}
