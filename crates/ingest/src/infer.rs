//! The type of a column, decided from counts over every one of its values.

use gristmill_domain::datasets::ColumnType;

use crate::{
    num,
    value::{Class, number::Number},
};

/// How many values of a column were of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ColumnCounts {
    /// Values that are not missing.
    pub(crate) values: u64,
    /// Plain integers.
    pub(crate) integers: u64,
    /// Integral numbers written with a point or an exponent.
    pub(crate) integral: u64,
    /// Other finite numbers.
    pub(crate) reals: u64,
    /// Numbers with needless leading zeros.
    pub(crate) leading_zeros: u64,
    /// Plain integers beyond 64 bits, and numbers beyond the range of floats.
    pub(crate) oversized: u64,
    /// Integers that a float would round.
    pub(crate) beyond_float: u64,
    /// Numbers that may be read in two ways.
    pub(crate) ambiguous_decimals: u64,
    /// `0` and `1`; part of `integers`.
    pub(crate) zeros_and_ones: u64,
    /// `true`, `yes`, `false`, `no`.
    pub(crate) boolean_words: u64,
    /// Instants.
    pub(crate) dates: u64,
    /// Dates that only exist with the day in front.
    pub(crate) day_first_dates: u64,
}

/// What became of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Its type.
    pub(crate) kind: ColumnType,
    /// Values that kept it from a better type, and why.
    pub(crate) kept_as_text: Option<(u64, &'static str)>,
}

impl ColumnCounts {
    /// Counts one value.
    pub(crate) fn add(&mut self, class: &Class) {
        match class {
            Class::Missing => return,
            Class::Number(number) => self.add_number(number),
            Class::Boolean(_) => self.boolean_words += 1,
            Class::Date(_) => self.dates += 1,
            Class::DayFirstDate => self.day_first_dates += 1,
            Class::Text => {}
        }
        self.values += 1;
    }

    fn add_number(&mut self, number: &Number) {
        match number {
            Number::Integer(value) => self.add_integer(*value),
            Number::Integral(value) => {
                self.integral += 1;
                self.beyond_float += u64::from(!num::fits_float(*value));
            }
            Number::Real(_) => self.reals += 1,
            Number::LeadingZero { .. } => self.leading_zeros += 1,
            Number::Huge(_) | Number::Overflow => self.oversized += 1,
            Number::Ambiguous => self.ambiguous_decimals += 1,
        }
    }

    /// Counts a plain integer among the numbers, but not yet among `values`.
    fn add_integer(&mut self, value: i64) {
        self.integers += 1;
        self.zeros_and_ones += u64::from(value == 0 || value == 1);
        self.beyond_float += u64::from(!num::fits_float(value));
    }

    /// Counts a value that is known to be a plain integer.
    pub(crate) fn add_plain_integer(&mut self, value: i64) {
        self.add_integer(value);
        self.values += 1;
    }

    /// Adds the counts of another part of the column.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.integers += other.integers;
        self.integral += other.integral;
        self.reals += other.reals;
        self.leading_zeros += other.leading_zeros;
        self.oversized += other.oversized;
        self.beyond_float += other.beyond_float;
        self.ambiguous_decimals += other.ambiguous_decimals;
        self.zeros_and_ones += other.zeros_and_ones;
        self.boolean_words += other.boolean_words;
        self.dates += other.dates;
        self.day_first_dates += other.day_first_dates;
    }

    /// Decides the type.
    pub(crate) fn decide(&self) -> Decision {
        let decision = |kind| Decision { kind, kept_as_text: None };
        let text = |count, reason| Decision { kind: ColumnType::String, kept_as_text: Some((count, reason)) };
        if self.values == 0 {
            return decision(ColumnType::Unknown);
        }
        let plain = self.integers + self.integral + self.reals;
        if self.is_most(plain + self.leading_zeros + self.oversized + self.ambiguous_decimals) {
            return if self.ambiguous_decimals > 0 {
                text(self.ambiguous_decimals, "kept as text: a comma or point may be a decimal or a thousands separator")
            } else if self.leading_zeros > 0 {
                text(self.leading_zeros, "kept as text: leading zeros would be lost in a number")
            } else if self.oversized > 0 {
                text(self.oversized, "kept as text: digits would be lost in a 64-bit number")
            } else if self.reals == 0 {
                decision(ColumnType::Integer)
            } else if self.beyond_float > 0 {
                text(self.beyond_float, "kept as text: digits would be lost in a 64-bit float")
            } else {
                decision(ColumnType::Float)
            };
        }
        if self.is_most(self.boolean_words + self.zeros_and_ones) {
            return decision(ColumnType::Boolean);
        }
        if self.is_most(self.dates + self.day_first_dates) {
            return if self.day_first_dates > 0 {
                text(self.day_first_dates, "kept as text: the day comes first in some dates, the month in others")
            } else {
                decision(ColumnType::Date)
            };
        }
        decision(ColumnType::String)
    }

    /// Whether this many are at least 90 % of the values.
    fn is_most(&self, part: u64) -> bool {
        u128::from(part) * 10 >= u128::from(self.values) * 9
    }

    /// Values that do not fit the type.
    pub(crate) fn misfits(&self, kind: ColumnType) -> u64 {
        let fitting = match kind {
            ColumnType::String | ColumnType::Unknown => self.values,
            ColumnType::Integer => self.integers + self.integral,
            ColumnType::Float => self.integers + self.integral + self.reals,
            ColumnType::Boolean => self.boolean_words + self.zeros_and_ones,
            ColumnType::Date => self.dates,
        };
        self.values.saturating_sub(fitting)
    }

    /// Whether nothing that may still come can make this the column's type.
    pub(crate) fn excludes(&self, kind: ColumnType) -> bool {
        let not_a_number = self.leading_zeros + self.oversized + self.ambiguous_decimals > 0;
        match kind {
            ColumnType::Integer => not_a_number || self.reals > 0,
            ColumnType::Float => not_a_number || self.beyond_float > 0,
            ColumnType::Date => self.day_first_dates > 0,
            ColumnType::Unknown => self.values > 0,
            ColumnType::String | ColumnType::Boolean => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::classify;

    fn decide(values: &[&str]) -> Decision {
        let mut counts = ColumnCounts::default();
        for value in values {
            counts.add(&classify(value.as_bytes()));
        }
        counts.decide()
    }

    #[test]
    fn types_follow_the_values() {
        for (values, kind) in [
            (vec!["1", "2", ""], ColumnType::Integer),
            (vec!["1", "2.0", "1e2"], ColumnType::Integer),
            (vec!["1", "2.5"], ColumnType::Float),
            (vec!["0", "1", "1"], ColumnType::Integer),
            (vec!["true", "0", "1"], ColumnType::Boolean),
            (vec!["yes", "No"], ColumnType::Boolean),
            (vec!["2024-01-01", "1/2/2024"], ColumnType::Date),
            (vec!["a", "1"], ColumnType::String),
            (vec!["", "N/A", "-"], ColumnType::Unknown),
            (vec![], ColumnType::Unknown),
            (vec!["1", "2", "3", "4", "5", "6", "7", "8", "9", "x"], ColumnType::Integer),
            (vec!["1", "2", "3", "4", "5", "6", "7", "8", "x", "x"], ColumnType::String),
        ] {
            assert_eq!(decide(&values), Decision { kind, kept_as_text: None }, "{values:?}");
        }
    }

    #[test]
    fn what_would_lose_digits_stays_text_and_says_so() {
        for (values, count, part) in [
            (vec!["007", "012", "5"], 2, "leading zeros"),
            (vec!["1", "18446744073709551616"], 1, "64-bit number"),
            (vec!["1", "1e999"], 1, "64-bit number"),
            (vec!["9007199254740993", "0.5"], 1, "64-bit float"),
            (vec!["3,14", "2"], 1, "decimal"),
            (vec!["31/12/2024", "1/2/2024"], 1, "day comes first"),
        ] {
            let decision = decide(&values);
            assert_eq!(decision.kind, ColumnType::String, "{values:?}");
            let (found, reason) = decision.kept_as_text.unwrap();
            assert_eq!(found, count, "{values:?}");
            assert!(reason.contains(part), "{values:?}: {reason}");
        }
    }

    #[test]
    fn misfits_are_what_the_type_cannot_hold() {
        let mut counts = ColumnCounts::default();
        for value in ["1", "2.5", "x", "", "2024-01-01", "yes"] {
            counts.add(&classify(value.as_bytes()));
        }
        for (kind, expected) in [
            (ColumnType::Integer, 4),
            (ColumnType::Float, 3),
            (ColumnType::Boolean, 3),
            (ColumnType::Date, 4),
            (ColumnType::String, 0),
        ] {
            assert_eq!(counts.misfits(kind), expected, "{kind:?}");
        }
    }
}
