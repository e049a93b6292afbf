//! Categories: the distinct values of a column, in order, and how to find the one of a row.

use std::collections::HashMap;

use arrow::array::{Array, StringArray};
use gristmill_domain::datasets::ColumnType;
use serde::{Deserialize, Serialize};

use crate::{column::Column, exact, num, text};

/// The distinct values of a column in ascending order: texts by code points, numbers and dates by value, false before true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "values", rename_all = "lowercase")]
pub enum Categories {
    /// Of texts.
    String(Vec<String>),
    /// Of integers.
    Integer(Vec<i64>),
    /// Of floats.
    Float(#[serde(with = "exact::list")] Vec<f64>),
    /// Of booleans.
    Boolean(Vec<bool>),
    /// Of dates, microseconds since 1970 in UTC.
    Date(Vec<i64>),
}

impl Categories {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::String(values) => values.len(),
            Self::Integer(values) | Self::Date(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Boolean(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each as Python writes it: `True`, `1.0`, `2024-01-05 00:00:00`. Different ones have different names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::String(values) => values.clone(),
            Self::Integer(values) => values.iter().map(ToString::to_string).collect(),
            Self::Float(values) => values.iter().map(|value| text::float(*value)).collect(),
            Self::Boolean(values) => values.iter().map(|value| text::boolean(*value).to_owned()).collect(),
            Self::Date(values) => values.iter().map(|value| text::instant(*value)).collect(),
        }
    }

    /// The type of column that they are of.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        match self {
            Self::String(_) => ColumnType::String,
            Self::Integer(_) => ColumnType::Integer,
            Self::Float(_) => ColumnType::Float,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Date(_) => ColumnType::Date,
        }
    }

    /// The number of each.
    pub(crate) fn lookup(&self) -> Keyed<u32> {
        fn numbered<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, u32> {
            keys.enumerate().map(|(at, key)| (key, num::number(at))).collect()
        }
        match self {
            Self::String(values) => Keyed::Text(numbered(values.iter().cloned())),
            Self::Integer(values) | Self::Date(values) => {
                Keyed::Bits(numbered(values.iter().copied().map(num::ordered_from_signed)))
            }
            Self::Float(values) => Keyed::Bits(numbered(values.iter().copied().map(num::ordered_from_float))),
            Self::Boolean(values) => Keyed::Bits(numbered(values.iter().copied().map(u64::from))),
        }
    }
}

/// Something for each value of a column. Values that are not texts are keyed by bits whose order is theirs.
#[derive(Debug, Clone)]
pub(crate) enum Keyed<V> {
    Text(HashMap<String, V>),
    Bits(HashMap<u64, V>),
}

/// The key of each row of a column that holds no texts.
fn bits(column: &Column) -> Box<dyn Iterator<Item = Option<u64>> + '_> {
    match column {
        Column::Float(values) => Box::new(values.iter().map(|value| value.map(num::ordered_from_float))),
        Column::Integer(values) => Box::new(values.iter().map(|value| value.map(num::ordered_from_signed))),
        Column::Date(values) => Box::new(values.iter().map(|value| value.map(num::ordered_from_signed))),
        Column::Boolean(values) => Box::new(values.iter().map(|value| value.map(u64::from))),
        Column::Text(values) => Box::new(std::iter::repeat_n(None, values.len())),
        Column::Unknown(rows) => Box::new(std::iter::repeat_n(None, *rows)),
    }
}

impl<V> Keyed<V> {
    /// Nothing yet, for columns of a type.
    pub(crate) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::String | ColumnType::Unknown => Self::Text(HashMap::new()),
            _ => Self::Bits(HashMap::new()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(map) => map.len(),
            Self::Bits(map) => map.len(),
        }
    }

    /// Bytes of all texts.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(map) => map.keys().map(String::len).sum(),
            Self::Bits(_) => 0,
        }
    }

    /// Memory that it takes, about, when what is kept for each value takes so many bytes.
    pub(crate) fn memory(&self, value_bytes: usize) -> usize {
        // The key, and its share of the places that a map keeps free.
        const ENTRY_BYTES: usize = 64;
        self.text_bytes().saturating_add(self.len().saturating_mul(value_bytes.saturating_add(ENTRY_BYTES)))
    }

    /// Visits the rows that have a value, with what is kept for it.
    pub(crate) fn visit(&mut self, column: &Column, make: impl Fn() -> V, mut visit: impl FnMut(usize, &mut V)) {
        match (self, column) {
            (Self::Text(map), Column::Text(texts)) => {
                for (row, text) in texts.iter().enumerate() {
                    let Some(text) = text else { continue };
                    match map.get_mut(text) {
                        Some(kept) => visit(row, kept),
                        None => visit(row, map.entry(text.to_owned()).or_insert_with(&make)),
                    }
                }
            }
            (Self::Bits(map), column) => {
                for (row, key) in bits(column).enumerate() {
                    if let Some(key) = key {
                        visit(row, map.entry(key).or_insert_with(&make));
                    }
                }
            }
            (Self::Text(_), _) => {}
        }
    }

    /// Takes in what another part of the rows gave.
    pub(crate) fn merge(&mut self, other: Self, combine: impl Fn(&mut V, V)) {
        fn into<K: std::hash::Hash + Eq, V>(all: &mut HashMap<K, V>, part: HashMap<K, V>, combine: impl Fn(&mut V, V)) {
            if all.is_empty() {
                *all = part;
                return;
            }
            for (key, value) in part {
                match all.entry(key) {
                    std::collections::hash_map::Entry::Occupied(mut kept) => combine(kept.get_mut(), value),
                    std::collections::hash_map::Entry::Vacant(free) => {
                        free.insert(value);
                    }
                }
            }
        }
        match (self, other) {
            (Self::Text(all), Self::Text(part)) => into(all, part, combine),
            (Self::Bits(all), Self::Bits(part)) => into(all, part, combine),
            _ => {}
        }
    }

    /// The values of a column of this type in order, with what is kept for each.
    pub(crate) fn sorted(self, kind: ColumnType) -> (Categories, Vec<V>) {
        match self {
            Self::Text(map) => {
                let mut pairs: Vec<(String, V)> = map.into_iter().collect();
                pairs.sort_by(|one, other| one.0.cmp(&other.0));
                let (values, kept) = pairs.into_iter().unzip();
                (Categories::String(values), kept)
            }
            Self::Bits(map) => {
                let mut pairs: Vec<(u64, V)> = map.into_iter().collect();
                pairs.sort_by_key(|pair| pair.0);
                let (keys, kept): (Vec<u64>, Vec<V>) = pairs.into_iter().unzip();
                let keys = keys.into_iter();
                let categories = match kind {
                    ColumnType::Integer => Categories::Integer(keys.map(num::signed_from_ordered).collect()),
                    ColumnType::Float => Categories::Float(keys.map(num::float_from_ordered).collect()),
                    ColumnType::Date => Categories::Date(keys.map(num::signed_from_ordered).collect()),
                    _ => Categories::Boolean(keys.map(|key| key == 1).collect()),
                };
                (categories, kept)
            }
        }
    }
}

impl Keyed<u32> {
    /// The number of each row's category; `None` where there is no value, or one that was not seen before.
    pub(crate) fn numbers(&self, column: &Column) -> Vec<Option<u32>> {
        match (self, column) {
            (Self::Text(map), Column::Text(texts)) => text_numbers(map, texts),
            (Self::Bits(map), column) => bits(column).map(|key| map.get(&key?).copied()).collect(),
            (Self::Text(_), column) => vec![None; column.len()],
        }
    }
}

fn text_numbers(map: &HashMap<String, u32>, texts: &StringArray) -> Vec<Option<u32>> {
    texts.iter().map(|text| map.get(text?).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn make_array(array: impl arrow::array::Array + 'static) -> ArrayRef {
        Arc::new(array)
    }

    fn check(array: impl arrow::array::Array + 'static, kind: ColumnType, names: &[&str], numbers: &[Option<u32>]) {
        let column = Column::read(&make_array(array), kind).unwrap();
        let mut counts = Keyed::new(kind);
        counts.visit(&column, || 0, |_, count: &mut u64| *count += 1);
        let (categories, counts) = counts.sorted(kind);
        assert_eq!(categories.kind(), kind);
        assert_eq!(categories.names(), names);
        assert_eq!(counts.iter().sum::<u64>(), num::count(column.len()) - column.null_count());
        assert_eq!(categories.lookup().numbers(&column), numbers);
        let json = serde_json::to_string(&categories).unwrap();
        assert_eq!(serde_json::from_str::<Categories>(&json).unwrap(), categories);
    }

    #[test]
    fn values_of_every_type_are_sorted_and_found_again() {
        let texts = StringArray::from(vec![Some("ä"), Some("b"), None, Some("a"), Some("b"), Some("")]);
        let numbers = [Some(3), Some(2), None, Some(1), Some(2), Some(0)];
        check(texts, ColumnType::String, &["", "a", "b", "ä"], &numbers);
        let integers = Int64Array::from(vec![Some(3), Some(-1), None, Some(i64::MIN)]);
        check(integers, ColumnType::Integer, &["-9223372036854775808", "-1", "3"], &[Some(2), Some(1), None, Some(0)]);
        let floats = Float64Array::from(vec![Some(0.0), Some(-0.0), None, Some(0.1), Some(-2.0)]);
        check(floats, ColumnType::Float, &["-2.0", "0.0", "0.1"], &[Some(1), Some(1), None, Some(2), Some(0)]);
        let flags = BooleanArray::from(vec![Some(true), None, Some(false)]);
        check(flags, ColumnType::Boolean, &["False", "True"], &[Some(1), None, Some(0)]);
        let dates = TimestampMicrosecondArray::from(vec![Some(0), Some(-1), None]);
        let names = ["1969-12-31 23:59:59.999999", "1970-01-01 00:00:00"];
        check(dates, ColumnType::Date, &names, &[Some(1), Some(0), None]);
    }

    #[test]
    fn a_single_boolean_is_itself() {
        check(BooleanArray::from(vec![Some(true), None]), ColumnType::Boolean, &["True"], &[Some(0), None]);
    }
}
