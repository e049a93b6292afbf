//! Columns that name rows: numbers and texts that no model can learn anything general from.
//!
//! The rule of `gristmill_ml`'s `columns.py`, told from a column's profile. Only whole numbers and texts can name rows; a
//! float never does, however distinct its values are.

use crate::{
    datasets::{ColumnProfile, ColumnType},
    words::split,
};

/// Fewest values from which anything follows.
const VALUES_MIN: u64 = 20;
/// Words at the end of an identifier's name.
const LAST_WORDS: [&str; 7] = ["id", "ids", "uuid", "guid", "pk", "identifier", "rowid"];
/// Words anywhere in the name of what belongs to one person.
const PERSONAL_WORDS: [&str; 3] = ["email", "phone", "ssn"];

/// Whether a column looks like one that names rows.
#[must_use]
pub fn is_identifier(column: &ColumnProfile) -> bool {
    let can_be = matches!(column.dtype, ColumnType::String | ColumnType::Integer);
    can_be && (is_identifier_name(&column.name) || names_rows(column))
}

/// Whether a column's name is that of an identifier, or of what belongs to one person.
#[must_use]
pub fn is_identifier_name(name: &str) -> bool {
    let words = split(name);
    let is_last = words.last().is_some_and(|word| LAST_WORDS.contains(&word.as_str()));
    is_last || words.iter().any(|word| PERSONAL_WORDS.contains(&word.as_str()))
}

fn names_rows(column: &ColumnProfile) -> bool {
    if column.sample_count < VALUES_MIN || column.unique_count != column.sample_count {
        return false;
    }
    match (column.dtype, column.min, column.max) {
        (ColumnType::String, ..) => true,
        // A running number from 0 or 1, of which these rows are a part.
        (ColumnType::Integer, Some(min), Some(max)) => {
            column.null_count == 0 && (0.0..=10.0).contains(&min) && max <= 3.0 * float(column.sample_count)
        }
        _ => false,
    }
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, dtype: ColumnType, unique: u64, range: (f64, f64)) -> ColumnProfile {
        ColumnProfile { min: Some(range.0), max: Some(range.1), ..ColumnProfile::of_values(name, dtype, 100, unique) }
    }

    #[test]
    fn floats_are_never_identifiers() {
        for name in ["price", "age", "monthly_spend", "id"] {
            assert!(!is_identifier(&column(name, ColumnType::Float, 100, (0.0, 99.0))), "{name}");
        }
    }

    #[test]
    fn names_tell_of_identifiers() {
        for name in ["id", "customer_id", "orderId", "UUID", "row uuid", "email", "home_phone", "ssn"] {
            assert!(is_identifier(&column(name, ColumnType::Integer, 3, (0.0, 5.0))), "{name}");
        }
        for name in ["paid", "id_count", "width", "index", "age"] {
            assert!(!is_identifier(&column(name, ColumnType::Integer, 3, (0.0, 5.0))), "{name}");
        }
    }

    #[test]
    fn values_of_their_own_tell_of_identifiers() {
        assert!(is_identifier(&column("name", ColumnType::String, 100, (0.0, 0.0))));
        assert!(!is_identifier(&column("city", ColumnType::String, 99, (0.0, 0.0))));
        assert!(is_identifier(&column("n", ColumnType::Integer, 100, (1.0, 100.0))), "a running number");
        assert!(!is_identifier(&column("population", ColumnType::Integer, 100, (5.0, 90_000.0))), "a number that measures");
        assert!(!is_identifier(&column("at", ColumnType::Date, 100, (0.0, 0.0))));
    }
}
