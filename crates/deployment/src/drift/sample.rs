//! A uniform sample of rows that can be merged: each row has a random key, and the rows with the smallest keys stay.

use std::{cmp::Ordering, collections::BinaryHeap};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Rows that are kept: with so many requests or fewer, the tests see every one.
pub(super) const ROWS_MAX: usize = 500;
/// Keys are whole numbers that any reader of JSON can hold.
const KEY_BITS: u32 = 53;

/// The numeric values of some rows; NaN for a missing one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct Sample {
    width: usize,
    /// The largest key first.
    rows: BinaryHeap<Row>,
    /// State of the generator of keys.
    state: u64,
}

#[derive(Debug, Clone)]
struct Row {
    key: u64,
    values: Box<[f64]>,
}

/// As it is stored: the values as little-endian doubles in base64, because a decimal number need not come back the same.
#[derive(Serialize, Deserialize)]
struct Stored {
    width: usize,
    state: String,
    keys: Vec<u64>,
    values: String,
}

impl Sample {
    pub(super) fn new(width: usize, seed: u64) -> Self {
        Self { width, rows: BinaryHeap::new(), state: seed }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds a row, or passes it over; then nothing is copied.
    pub(super) fn add(&mut self, values: &[f64]) {
        if self.width == 0 || values.len() != self.width {
            return;
        }
        let key = self.next_key();
        self.push(key, values);
    }

    /// What one sample over the rows of both would hold.
    pub(super) fn merge(&mut self, other: &Self) {
        for row in &other.rows {
            self.push(row.key, &row.values);
        }
    }

    /// The values of one column, sorted, without the missing ones.
    pub(super) fn column(&self, place: usize) -> Vec<f64> {
        let values = self.rows.iter().filter_map(|row| row.values.get(place).copied());
        let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn push(&mut self, key: u64, values: &[f64]) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(Row { key, values: values.into() });
        } else if let Some(mut largest) = self.rows.peek_mut()
            && key < largest.key
        {
            *largest = Row { key, values: values.into() };
        }
    }

    /// `SplitMix64`, the generator that others are seeded with: a counter, and a mixing of its bits.
    fn next_key(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) >> (u64::BITS - KEY_BITS)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl From<Sample> for Stored {
    fn from(sample: Sample) -> Self {
        let bytes: Vec<u8> = sample.rows.iter().flat_map(|row| row.values.iter()).flat_map(|value| value.to_le_bytes()).collect();
        let keys = sample.rows.iter().map(|row| row.key).collect();
        // A whole number of 64 bits is not safe in JSON.
        Self { width: sample.width, state: format!("{:016x}", sample.state), keys, values: STANDARD.encode(bytes) }
    }
}

impl TryFrom<Stored> for Sample {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let state = u64::from_str_radix(&stored.state, 16).map_err(|_error| "the state of the sample is not a number")?;
        if stored.keys.len() > ROWS_MAX {
            return Err("the sample holds more rows than are kept");
        }
        let bytes = STANDARD.decode(&stored.values).map_err(|_error| "the values of the sample are not base64")?;
        let (doubles, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || Some(doubles.len()) != stored.width.checked_mul(stored.keys.len()) {
            return Err("the sample has another number of values than its rows need");
        }
        let values: Vec<f64> = doubles.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        if values.iter().any(|value| value.is_infinite()) || (stored.width == 0 && !stored.keys.is_empty()) {
            return Err("the sample holds what is never kept");
        }
        let rows = stored.keys.into_iter().zip(values.chunks(stored.width.max(1)));
        let rows = rows.map(|(key, values)| Row { key, values: values.into() }).collect();
        Ok(Self { width: stored.width, rows, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(seed: u64, values: std::ops::Range<u32>) -> Sample {
        let mut sample = Sample::new(1, seed);
        values.for_each(|value| sample.add(&[f64::from(value)]));
        sample
    }

    #[test]
    fn few_rows_are_all_there() {
        assert_eq!(filled(1, 0..500).column(0), (0..500).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_merging_makes_no_difference() {
        let parts = [filled(1, 0..2000), filled(2, 2000..2300), filled(3, 2300..9000)];
        let merged = |order: [usize; 3]| {
            let mut whole = Sample::new(1, 9);
            order.iter().for_each(|place| whole.merge(&parts[*place]));
            whole.column(0)
        };
        assert_eq!(merged([0, 1, 2]), merged([2, 0, 1]));
        assert_eq!(merged([0, 1, 2]).len(), ROWS_MAX);
    }

    #[test]
    fn every_row_has_the_same_chance() {
        // Of 500 kept rows a quarter should come from each quarter: 125, with a standard deviation below 10.
        let mut whole = filled(7, 0..20_000);
        whole.merge(&filled(8, 20_000..40_000));
        for quarter in 0..4 {
            let range = f64::from(quarter) * 10_000.0..f64::from(quarter + 1) * 10_000.0;
            let kept = whole.column(0).iter().filter(|value| range.contains(*value)).count();
            assert!((85..=165).contains(&kept), "{kept} from quarter {quarter}");
        }
    }

    #[test]
    fn it_comes_back_as_it_was_stored() {
        let mut sample = filled(3, 0..700);
        sample.add(&[f64::NAN]);
        let text = serde_json::to_string(&sample).unwrap();
        let mut again: Sample = serde_json::from_str(&text).unwrap();
        assert_eq!(again.column(0), sample.column(0));
        again.add(&[5.0]);
        sample.add(&[5.0]);
        assert_eq!(again.column(0), sample.column(0));
    }

    #[test]
    fn altered_ones_are_refused() {
        let refused = |text: &str| serde_json::from_str::<Sample>(text).is_err();
        assert!(refused(r#"{"width":1,"state":"0","keys":[1],"values":""}"#));
        assert!(refused(r#"{"width":1,"state":"0","keys":[1],"values":"AAAA"}"#));
        assert!(refused(r#"{"width":0,"state":"0","keys":[1],"values":""}"#));
        assert!(refused(r#"{"width":18446744073709551615,"state":"0","keys":[1,2],"values":""}"#));
        assert!(refused(r#"{"width":1,"state":"x","keys":[],"values":""}"#));
    }
}
