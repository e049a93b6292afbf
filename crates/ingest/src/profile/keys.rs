//! Values as 64-bit keys: numbers and dates in their order, texts by hash.
//!
//! Distinct texts are told apart by a 64-bit hash. Two of a million texts share one with a probability of 3 in 10^8; the
//! count of distinct values would then be one too low.

use std::{
    hash::{DefaultHasher, Hasher},
    ops::ControlFlow,
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use gristmill_domain::datasets::{ColumnType, iso_millis};

use crate::{error::IngestError, num};

/// Calls `visit` with the key of each row, `None` where there is no value. Floats that are not finite count as missing:
/// no statistic can hold them. Texts are what they say: which words stand for no value was decided where they were read, and SQL
/// and models see those that are still there.
pub(crate) fn for_each(
    kind: ColumnType,
    array: &ArrayRef,
    visit: impl FnMut(usize, Option<u64>) -> Result<ControlFlow<()>, IngestError>,
) -> Result<ControlFlow<()>, IngestError> {
    match kind {
        ColumnType::Integer => {
            let array = array.as_primitive_opt::<Int64Type>().ok_or_else(unexpected)?;
            each(array.iter().map(|value| value.map(num::ordered_from_signed)), visit)
        }
        ColumnType::Float => {
            let array = array.as_primitive_opt::<Float64Type>().ok_or_else(unexpected)?;
            each(array.iter().map(|value| value.filter(|value| value.is_finite()).map(num::ordered_from_float)), visit)
        }
        ColumnType::Date => {
            let array = array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(unexpected)?;
            each(array.iter().map(|value| value.map(num::ordered_from_signed)), visit)
        }
        ColumnType::Boolean => {
            let array = array.as_boolean_opt().ok_or_else(unexpected)?;
            each(array.iter().map(|value| value.map(u64::from)), visit)
        }
        ColumnType::String | ColumnType::Unknown => {
            let array = array.as_string_opt::<i32>().ok_or_else(unexpected)?;
            each(array.iter().map(|text| text.filter(|text| !text.is_empty()).map(hash)), visit)
        }
    }
}

fn each(
    keys: impl Iterator<Item = Option<u64>>,
    mut visit: impl FnMut(usize, Option<u64>) -> Result<ControlFlow<()>, IngestError>,
) -> Result<ControlFlow<()>, IngestError> {
    for (row, key) in keys.enumerate() {
        if visit(row, key)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn unexpected() -> IngestError {
    IngestError::Internal { context: "a column has values of another type than its own" }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// The number that a key of a numeric column stands for.
pub(crate) fn number(kind: ColumnType, key: u64) -> f64 {
    match kind {
        ColumnType::Float => num::float_from_ordered(key),
        _ => num::float_signed(num::signed_from_ordered(key)),
    }
}

/// A value as it is shown among the frequent ones.
pub(crate) fn shown(kind: ColumnType, array: &ArrayRef, row: usize, key: u64) -> String {
    match kind {
        ColumnType::Integer => num::signed_from_ordered(key).to_string(),
        ColumnType::Float => shown_float(num::float_from_ordered(key)),
        ColumnType::Boolean => (key == 1).to_string(),
        ColumnType::Date => {
            let micros = num::signed_from_ordered(key);
            chrono::DateTime::from_timestamp_micros(micros).map_or_else(|| micros.to_string(), iso_millis::format)
        }
        ColumnType::String | ColumnType::Unknown => array
            .as_string_opt::<i32>()
            .filter(|array| row < array.len())
            .map(|array| array.value(row).to_owned())
            .unwrap_or_default(),
    }
}

/// A float with as many digits as it takes; far from 1 with an exponent.
pub(crate) fn shown_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) { format!("{value:e}") } else { value.to_string() }
}

/// Whether a row has a value.
pub(crate) fn is_present(kind: ColumnType, array: &ArrayRef, row: usize) -> bool {
    let mut found = false;
    let one = if row < array.len() { array.slice(row, 1) } else { return false };
    let _ = for_each(kind, &one, |_, key| {
        found = key.is_some();
        Ok(ControlFlow::Break(()))
    });
    found
}

/// The number in a row of a numeric column.
pub(crate) fn number_at(kind: ColumnType, array: &ArrayRef, row: usize) -> Option<f64> {
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    match kind {
        ColumnType::Integer => array.as_primitive_opt::<Int64Type>().map(|array| num::float_signed(array.value(row))),
        ColumnType::Float => {
            array.as_primitive_opt::<Float64Type>().map(|array| array.value(row)).filter(|value| value.is_finite())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// Sketches of keys are stored and compared with later ones. When a toolchain hashes otherwise, they have to be made anew:
    /// a migration then empties `dataset_key_sketches`.
    #[test]
    fn texts_hash_as_they_did_when_sketches_were_stored() {
        assert_eq!((hash(""), hash("customer-42")), (15_130_871_412_783_076_140, 5_843_946_941_951_890_395));
    }
}
