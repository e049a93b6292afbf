//! The columns that a feature makes: their names, types, and whether their values repeat.

use gristmill_domain::datasets::ColumnType;
use gristmill_ingest::derive::DerivedColumn;

use crate::{learned::Learned, num, operation::Operation};

/// The columns of a feature, as far as they are known before anything is learned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outputs {
    /// All of them.
    Known(Vec<DerivedColumn>),
    /// The data decide how many there are and how their names end.
    Begin {
        /// How their names begin.
        prefix: String,
        kind: ColumnType,
    },
}

impl Outputs {
    /// Before anything is learned.
    pub(crate) fn expected(operation: &Operation, name: &str, inputs: Inputs) -> Self {
        match operation {
            Operation::OneHotEncode { .. } => Self::Begin { prefix: format!("{name}_"), kind: ColumnType::Boolean },
            Operation::BinaryEncode => Self::Begin { prefix: format!("{name}_bin"), kind: ColumnType::Integer },
            _ => Self::Known(fixed(operation, name, inputs)),
        }
    }

    /// Afterwards.
    pub(crate) fn made(operation: &Operation, name: &str, inputs: Inputs, learned: &Learned) -> Vec<DerivedColumn> {
        let categories = learned.categories();
        match operation {
            Operation::OneHotEncode { drop_first } => {
                let names = categories.map(|categories| categories.names()).unwrap_or_default();
                let kept = names.iter().skip(usize::from(*drop_first));
                kept.map(|category| repetitive(format!("{name}_{category}"), ColumnType::Boolean)).collect()
            }
            Operation::BinaryEncode => {
                let bits = bits(categories.map_or(0, |categories| categories.len()));
                (0..bits).map(|bit| repetitive(format!("{name}_bin{bit}"), ColumnType::Integer)).collect()
            }
            _ => fixed(operation, name, inputs),
        }
    }
}

/// The types of the columns that a feature is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub(crate) source: ColumnType,
    pub(crate) secondary: Option<ColumnType>,
}

impl Inputs {
    /// Whether both columns hold whole numbers.
    pub(crate) fn are_whole(self) -> bool {
        let is_whole = |kind| matches!(kind, ColumnType::Integer | ColumnType::Boolean);
        is_whole(self.source) && self.secondary.is_some_and(is_whole)
    }
}

/// Bits that the numbers of so many categories have: at least 1.
pub(crate) fn bits(categories: usize) -> u32 {
    let largest = num::count(categories).saturating_sub(1);
    (u64::BITS - largest.leading_zeros()).max(1)
}

fn fixed(operation: &Operation, name: &str, inputs: Inputs) -> Vec<DerivedColumn> {
    let one = |kind, is_repetitive| vec![DerivedColumn { name: name.to_owned(), kind, is_repetitive }];
    match operation {
        Operation::CyclicalEncode { .. } => {
            ["sin", "cos"].map(|part| repetitive(format!("{name}_{part}"), ColumnType::Float)).into()
        }
        Operation::Polynomial { degree } => (2..=*degree)
            .map(|power| DerivedColumn { name: format!("{name}_pow{power}"), kind: ColumnType::Float, is_repetitive: false })
            .collect(),
        Operation::Difference | Operation::Product if inputs.are_whole() => one(ColumnType::Integer, false),
        Operation::Bucketize { .. }
        | Operation::QuantileBin { .. }
        | Operation::LabelEncode
        | Operation::FrequencyEncode { normalize: false }
        | Operation::ExtractYear
        | Operation::ExtractMonth
        | Operation::ExtractDay
        | Operation::ExtractWeekday
        | Operation::ExtractHour
        | Operation::TextLength
        | Operation::WordCount
        | Operation::ContainsPattern { .. }
        | Operation::MissingIndicator => one(ColumnType::Integer, true),
        Operation::FrequencyEncode { .. } | Operation::TargetEncode { .. } => one(ColumnType::Float, true),
        // One-hot and binary columns are not fixed; they are made from what was learned.
        _ => one(ColumnType::Float, false),
    }
}

fn repetitive(name: String, kind: ColumnType) -> DerivedColumn {
    DerivedColumn { name, kind, is_repetitive: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_bits_of_category_numbers() {
        for (categories, expected) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1 << 20, 20)] {
            assert_eq!(bits(categories), expected, "{categories}");
        }
    }
}
