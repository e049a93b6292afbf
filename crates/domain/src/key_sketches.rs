//! Sketches of key-like columns: how many values two columns share, told from two kilobytes of each.
//!
//! A sketch keeps the k smallest hashes of the distinct values of a column (k minimum values: Bar-Yossef et al., 2002). Of
//! two such sketches, the k smallest of their union are a fair sample of all values of both, and the share of those that
//! are in both is the share of common values (Beyer et al., 2007).

use std::collections::{BTreeSet, BinaryHeap};

use crate::{
    datasets::{ColumnProfile, ColumnType},
    words::split,
};

/// Hashes that a sketch keeps. The error of an estimate is about one in the square root of it: 6 %.
pub const KEY_SKETCH_HASHES_MAX: usize = 256;
/// Sketches that are kept of one dataset, of its first key-like columns.
pub const KEY_SKETCHES_MAX: usize = 64;

/// A sketch of the distinct values of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySketch {
    /// The column.
    pub column: String,
    /// How many distinct values there are.
    pub distinct: u64,
    /// The smallest hashes, ascending, each once; at most [`KEY_SKETCH_HASHES_MAX`].
    pub hashes: Vec<u64>,
}

impl KeySketch {
    /// The share of this column's values that the other has too, 0..1. `None` when one has none.
    #[must_use]
    pub fn share_in(&self, other: &Self) -> Option<f64> {
        if self.hashes.is_empty() || other.hashes.is_empty() {
            return None;
        }
        let (mine, theirs): (BTreeSet<u64>, BTreeSet<u64>) =
            (self.hashes.iter().copied().collect(), other.hashes.iter().copied().collect());
        let union: Vec<u64> = mine.union(&theirs).copied().take(KEY_SKETCH_HASHES_MAX).collect();
        let both = union.iter().filter(|hash| mine.contains(hash) && theirs.contains(hash)).count();
        let of_union = float(both) / float(union.len());
        // |both| = j · |union|, |union| = (|mine| + |theirs|) / (1 + j)
        let (mine, theirs) = (number(self.distinct), number(other.distinct));
        let common = of_union * (mine + theirs) / (1.0 + of_union);
        Some((common / mine.max(1.0)).clamp(0.0, 1.0))
    }
}

/// The smallest of any number of hashes, in the memory of a sketch.
#[derive(Debug, Clone, Default)]
pub struct SmallestHashes {
    largest_first: BinaryHeap<u64>,
}

impl SmallestHashes {
    /// Takes the hash of a distinct value: each value once, so that no hash comes twice but by chance.
    pub fn add(&mut self, hash: u64) {
        if self.largest_first.len() < KEY_SKETCH_HASHES_MAX {
            self.largest_first.push(hash);
        } else if let Some(mut largest) = self.largest_first.peek_mut()
            && hash < *largest
        {
            *largest = hash;
        }
    }

    /// The hashes, ascending, each once.
    #[must_use]
    pub fn finish(self) -> Vec<u64> {
        let mut hashes = self.largest_first.into_sorted_vec();
        hashes.dedup();
        hashes
    }
}

/// Spreads keys that may lie close together over all 64 bits (the finalizer of `SplitMix64`: Steele et al., 2014).
#[must_use]
pub fn spread(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Tells from the name and the type whether a column may be a key.
#[must_use]
pub fn is_key_like(column: &ColumnProfile) -> bool {
    names_a_key(&column.name, column.dtype)
}

/// The same of a name and a type.
#[must_use]
pub fn names_a_key(name: &str, dtype: ColumnType) -> bool {
    matches!(dtype, ColumnType::Integer | ColumnType::String)
        && split(name).last().is_some_and(|word| matches!(word.as_str(), "id" | "uuid" | "code") || word.ends_with("key"))
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: std::ops::Range<u64>) -> KeySketch {
        let distinct = values.end - values.start;
        let mut smallest = SmallestHashes::default();
        values.for_each(|value| smallest.add(spread(value)));
        KeySketch { column: "c".into(), distinct, hashes: smallest.finish() }
    }

    #[test]
    fn foreign_keys_are_in_their_table_and_not_the_other_way_round() {
        let (customers, orders) = (sketch(0..20_000), sketch(5_000..10_000));
        let there = orders.share_in(&customers).unwrap();
        let back = customers.share_in(&orders).unwrap();
        assert!(there > 0.7, "{there}");
        assert!((0.12..0.4).contains(&back), "{back}");
        assert_eq!(orders.share_in(&sketch(0..0)), None);
        assert!(sketch(0..10_000).share_in(&sketch(50_000..60_000)).unwrap() < 0.05);
    }

    #[test]
    fn keys_are_told_by_the_last_word_of_their_name() {
        for name in ["id", "customer_id", "orderKey", "ISO Code", "UUID", "o_custkey"] {
            assert!(names_a_key(name, ColumnType::Integer), "{name}");
        }
        for name in ["paid", "id_count", "price", ""] {
            assert!(!names_a_key(name, ColumnType::Integer), "{name}");
        }
        assert!(!names_a_key("id", ColumnType::Float));
    }

    proptest! {
        #[test]
        fn small_columns_are_told_exactly(split in 0_u64..100, size in 1_u64..100) {
            let (left, right) = (sketch(0..size), sketch(split..split + 100));
            let exact = number(size.saturating_sub(split)) / number(size);
            prop_assert!((left.share_in(&right).unwrap() - exact).abs() < 1e-6);
        }
    }
}
