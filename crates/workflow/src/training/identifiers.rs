//! Which columns only name their rows: nothing to learn from, and nothing to make features of.

use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType},
    key_sketches::is_key_like,
    words::split,
};

/// Fewest values from which it can be told that each is there once.
const VALUES_MIN: u64 = 20;
/// Words in the names of what is nearly always different for everybody.
const PERSONAL: [&str; 6] = ["guid", "email", "mail", "phone", "ssn", "pk"];

/// Whether a column seems to name its rows. Only whole numbers and texts can: a float never does, however distinct its
/// values are, and neither does a whole number just because there are many of them, such as an age or a price.
#[must_use]
pub fn is_identifier_like(column: &ColumnProfile) -> bool {
    let (known, distinct) = (column.sample_count, column.unique_count);
    let is_varied = distinct > VALUES_MIN.max(known.saturating_mul(3) / 10);
    match column.dtype {
        ColumnType::Float | ColumnType::Boolean | ColumnType::Date | ColumnType::Unknown => false,
        ColumnType::Integer => names_rows(column) || (is_named_like_a_key(column) && is_varied) || counts_rows(column),
        ColumnType::String => {
            let all_different = known >= VALUES_MIN && distinct == known;
            names_rows(column) || all_different || is_varied
        }
    }
}

/// `id` and the like say it all; `code`, `key` and what is personal only where the values differ.
fn names_rows(column: &ColumnProfile) -> bool {
    split(&column.name).last().is_some_and(|word| matches!(word.as_str(), "id" | "uuid"))
}

fn is_named_like_a_key(column: &ColumnProfile) -> bool {
    is_key_like(column) || split(&column.name).iter().any(|word| PERSONAL.contains(&word.as_str()))
}

/// Whether it counts the rows up from 0 or 1, or nearly so.
fn counts_rows(column: &ColumnProfile) -> bool {
    let (known, distinct) = (column.sample_count, column.unique_count);
    let bounds = column.min.zip(column.max);
    let rows = f64::from(u32::try_from(known).unwrap_or(u32::MAX));
    known >= VALUES_MIN
        && distinct == known
        && column.null_count == 0
        && bounds.is_some_and(|(low, high)| (0.0..=10.0).contains(&low) && high <= 3.0 * rows)
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures::column, *};

    #[test]
    fn only_what_names_rows_is_an_identifier() {
        use ColumnType::{Boolean, Date, Float, Integer, String};
        for (name, dtype, distinct, expected) in [
            ("id", Integer, 100, true),
            ("customer_id", Integer, 5, true),
            ("orderUuid", String, 100, true),
            ("email", String, 90, true),
            ("comment", String, 100, true),
            ("comment", String, 60, true),
            ("species", String, 3, false),
            ("phone_service", String, 2, false),
            ("phone", Integer, 99, true),
            ("country_code", Integer, 12, false),
            // W3: they were lost.
            ("age", Integer, 60, false),
            ("monthly_spend", Float, 100, false),
            ("price", Float, 100, false),
            ("reading_id", Float, 100, false),
            ("is_id", Boolean, 2, false),
            ("id", Date, 100, false),
        ] {
            assert_eq!(is_identifier_like(&column(name, dtype, distinct)), expected, "{name} {dtype:?} {distinct}");
        }
    }

    #[test]
    fn a_running_number_is_one_whatever_its_name() {
        let running = ColumnProfile { min: Some(1.0), max: Some(100.0), ..column("n", ColumnType::Integer, 100) };
        assert!(is_identifier_like(&running));
        let prices = ColumnProfile { min: Some(1.0), max: Some(90_000.0), ..running.clone() };
        assert!(!is_identifier_like(&prices));
        let gaps = ColumnProfile { null_count: 1, ..running };
        assert!(!is_identifier_like(&gaps));
    }
}
