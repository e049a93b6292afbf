//! Numbers from categories.

use arrow::{
    array::{BooleanArray, Float64Array, Int64Array},
    buffer::BooleanBuffer,
};

use super::{Cause, Lost, Made, Mode};
use crate::{column::Column, learned::Learned, num, operation::Operation};

/// What the target of other folds says: for rows that a target encoding was learned from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutOfFold {
    /// Of each fold, the mean of the target over all other folds; `None` where those have no target.
    pub(crate) means: Vec<Option<f64>>,
    /// Of each category, one after the other: its encoding for the rows of each fold.
    pub(crate) encodings: Vec<Option<f64>>,
}

impl OutOfFold {
    /// The encoding of a row from what is known of the rows of all other folds.
    fn encoding(&self, category: Option<u32>, fold: u32) -> Option<f64> {
        let fold = num::index(fold);
        match category {
            Some(category) => self.encodings.get(num::index(category) * self.means.len() + fold).copied().flatten(),
            None => self.means.get(fold).copied().flatten(),
        }
    }
}

/// An encoding with what it has learned.
pub(super) struct Encoder<'a> {
    pub(super) operation: &'a Operation,
    pub(super) learned: &'a Learned,
    /// Columns that it makes.
    pub(super) outputs: usize,
}

impl Encoder<'_> {
    /// Encodes the numbers of the categories of all rows. `None` when nothing fitting was learned.
    pub(super) fn make(
        &self,
        source: &Column,
        numbers: &[Option<u32>],
        out_of_fold: Option<&OutOfFold>,
        mode: Mode<'_>,
    ) -> Option<Made> {
        Some(match (self.operation, self.learned) {
            (Operation::OneHotEncode { drop_first }, _) => self.one_hot(numbers, usize::from(*drop_first)),
            (Operation::LabelEncode, _) => {
                let labels = numbers.iter().map(|number| number.map_or(-1, i64::from));
                Made::one(Column::Integer(Int64Array::from_iter_values(labels)))
            }
            (Operation::BinaryEncode, _) => self.binary(numbers),
            (Operation::FrequencyEncode { normalize }, Learned::Frequencies { counts, .. }) => {
                frequency(source, numbers, counts, *normalize)
            }
            (Operation::TargetEncode { .. }, Learned::Target { encodings, mean, .. }) => match (mode, out_of_fold) {
                (Mode::Training(folds), Some(out_of_fold)) => {
                    let rows = numbers.iter().zip(folds);
                    target(rows.map(|(number, fold)| match fold {
                        Some(fold) => out_of_fold.encoding(*number, *fold),
                        None => Some(serving(*number, encodings, *mean)),
                    }))
                }
                _ => target(numbers.iter().map(|number| Some(serving(*number, encodings, *mean)))),
            },
            _ => return None,
        })
    }

    fn one_hot(&self, numbers: &[Option<u32>], skipped: usize) -> Made {
        let columns = (skipped..skipped + self.outputs).map(|category| {
            let category = Some(num::number(category));
            let values: BooleanBuffer = numbers.iter().map(|number| *number == category).collect();
            Column::Boolean(BooleanArray::new(values, None))
        });
        Made { columns: columns.collect(), lost: Lost::new() }
    }

    fn binary(&self, numbers: &[Option<u32>]) -> Made {
        let columns = (0..num::number(self.outputs)).map(|bit| {
            let values = numbers.iter().map(|number| i64::from(number.unwrap_or(0).checked_shr(bit).unwrap_or(0) & 1));
            Column::Integer(Int64Array::from_iter_values(values))
        });
        Made { columns: columns.collect(), lost: Lost::new() }
    }
}

/// How frequent each row's category is: missing where the value is, 0 for a new one.
fn frequency(source: &Column, numbers: &[Option<u32>], counts: &[u64], normalize: bool) -> Made {
    let count = |number: &Option<u32>| number.and_then(|number| counts.get(num::index(number)).copied()).unwrap_or(0);
    if normalize {
        let all = num::float(counts.iter().sum::<u64>().max(1));
        let shares = numbers.iter().map(|number| num::float(count(number)) / all);
        return Made::one(Column::Float(Float64Array::new(shares.collect(), source.nulls())));
    }
    let counts = numbers.iter().map(|number| i64::try_from(count(number)).unwrap_or(i64::MAX));
    Made::one(Column::Integer(Int64Array::new(counts.collect(), source.nulls())))
}

/// The encoding of a row that nothing was learned from.
fn serving(number: Option<u32>, encodings: &[f64], mean: f64) -> f64 {
    number.and_then(|number| encodings.get(num::index(number)).copied()).unwrap_or(mean)
}

fn target(encodings: impl Iterator<Item = Option<f64>>) -> Made {
    let column: Float64Array = encodings.collect();
    let missing = num::count(arrow::array::Array::null_count(&column));
    let lost = if missing == 0 { Lost::new() } else { Lost::from([(Cause::NoOtherFold, missing)]) };
    Made { columns: vec![Column::Float(column)], lost }
}
