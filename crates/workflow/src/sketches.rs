//! Sketches of key-like columns: how many values two columns share, told from a few hundred bytes of each.
//!
//! A sketch keeps the k smallest hashes of the distinct values of a column (k minimum values). Of two such sketches, the
//! k smallest of their union are a fair sample of all values of both, and the share of those that are in both is the
//! share of common values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::words::float;

/// Hashes that a sketch keeps. The error of an estimate is about one in the square root of it: 6 %.
pub const SKETCH_HASHES_MAX: usize = 256;

/// A sketch of the distinct values of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySketch {
    /// The table, by the name that people type.
    pub table: String,
    /// The column.
    pub column: String,
    /// The smallest hashes, ascending, each once; at most [`SKETCH_HASHES_MAX`].
    pub hashes: Vec<u64>,
    /// How many distinct values there are.
    pub distinct: u64,
}

impl KeySketch {
    /// Sketches values, given as text in the form in which they compare (`1` and `1.0` are two values), of which so many
    /// are `distinct`, as the column's profile knows. Takes the memory of the sketch, however many values there are.
    #[must_use]
    pub fn of<'v>(
        table: impl Into<String>,
        column: impl Into<String>,
        distinct: u64,
        values: impl Iterator<Item = &'v str>,
    ) -> Self {
        let mut smallest = BTreeSet::new();
        for value in values {
            smallest.insert(hash(value));
            if smallest.len() > SKETCH_HASHES_MAX {
                smallest.pop_last();
            }
        }
        Self { table: table.into(), column: column.into(), hashes: smallest.into_iter().collect(), distinct }
    }

    /// The share of this column's values that the other has too, 0..1. `None` when one has none.
    #[must_use]
    pub fn share_in(&self, other: &Self) -> Option<f64> {
        if self.hashes.is_empty() || other.hashes.is_empty() {
            return None;
        }
        let (mine, theirs): (BTreeSet<u64>, BTreeSet<u64>) =
            (self.hashes.iter().copied().collect(), other.hashes.iter().copied().collect());
        let union: Vec<u64> = mine.union(&theirs).copied().take(SKETCH_HASHES_MAX).collect();
        let both = union.iter().filter(|hash| mine.contains(hash) && theirs.contains(hash)).count();
        let of_union = float(both) / float(union.len());
        // |both| = j · |union|, |union| = (|mine| + |theirs|) / (1 + j)
        let (mine, theirs) = (number(self.distinct), number(other.distinct));
        let common = of_union * (mine + theirs) / (1.0 + of_union);
        Some((common / mine.max(1.0)).clamp(0.0, 1.0))
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn hash(value: &str) -> u64 {
    let digest = Sha256::digest(value.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: std::ops::Range<u32>) -> KeySketch {
        let texts: Vec<String> = values.map(|value| value.to_string()).collect();
        let distinct = u64::try_from(texts.len()).unwrap();
        KeySketch::of("t", "c", distinct, texts.iter().map(String::as_str))
    }

    #[test]
    fn foreign_keys_are_in_their_table_and_not_the_other_way_round() {
        let (customers, orders) = (sketch(0..20_000), sketch(5_000..10_000));
        let there = orders.share_in(&customers).unwrap();
        let back = customers.share_in(&orders).unwrap();
        assert!(there > 0.8, "{there}");
        assert!((0.12..0.4).contains(&back), "{back}");
        assert_eq!(orders.share_in(&sketch(0..0)), None);
        assert!(sketch(0..10_000).share_in(&sketch(50_000..60_000)).unwrap() < 0.05);
    }

    proptest! {
        #[test]
        fn small_columns_are_told_exactly(split in 0_u32..100, size in 1_u32..100) {
            let (left, right) = (sketch(0..size), sketch(split..split + 100));
            let exact = f64::from(size.saturating_sub(split)) / f64::from(size);
            prop_assert!((left.share_in(&right).unwrap() - exact).abs() < 1e-6);
        }
    }
}
