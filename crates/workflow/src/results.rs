//! Telling whether two results are the same: for voting between statements, and for golden questions.
//!
//! Names of columns and their order do not count, nor does the order of rows unless it is asked for: what counts is which
//! values stand together in a row. Numbers count by value to nine digits, whether they come as JSON numbers or, like
//! 64-bit integers and decimals, as text.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};

/// What a result is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultSignature {
    /// Of the rows in any order.
    unordered: [u8; 32],
    /// Of the rows in their order.
    ordered: [u8; 32],
    rows: usize,
}

impl ResultSignature {
    /// The signature of rows as `POST /query/sql` gives them: an array of objects, column to value.
    ///
    /// # Errors
    /// When it is no such array.
    pub fn of(rows: &RawValue) -> Result<Self, serde_json::Error> {
        let rows: Vec<Map<String, Value>> = serde_json::from_str(rows.get())?;
        let mut columns: Vec<Vec<String>> = Vec::new();
        for row in &rows {
            for (at, value) in row.values().enumerate() {
                if columns.len() <= at {
                    columns.resize_with(at + 1, Vec::new);
                }
                if let Some(column) = columns.get_mut(at) {
                    column.push(normal(value));
                }
            }
        }
        // Columns are known by what is in them: that puts them in the same order whatever they are called.
        columns.sort_by_cached_key(|column| {
            let mut values = column.clone();
            values.sort_unstable();
            values
        });
        let mut lines: Vec<String> = (0..rows.len()).map(|row| line(&columns, row)).collect();
        let ordered = hash(&lines);
        lines.sort_unstable();
        Ok(Self { unordered: hash(&lines), ordered, rows: rows.len() })
    }

    /// The signature of the rows of a whole result as `POST /query/sql` gives it. Some seconds of CPU time for results of
    /// tens of megabytes: not for threads that others wait for.
    ///
    /// # Errors
    /// When it is no such result.
    pub fn of_view(view: &RawValue) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct View<'v> {
            #[serde(borrow)]
            rows: &'v RawValue,
        }
        let view: View<'_> = serde_json::from_str(view.get())?;
        Self::of(view.rows)
    }

    /// Whether both hold the same rows, in any order.
    #[must_use]
    pub fn same_rows(&self, other: &Self) -> bool {
        self.unordered == other.unordered && self.rows == other.rows
    }

    /// Whether both hold the same rows in the same order.
    #[must_use]
    pub fn same_order(&self, other: &Self) -> bool {
        self.ordered == other.ordered && self.rows == other.rows
    }
}

fn line(columns: &[Vec<String>], row: usize) -> String {
    let mut line = String::new();
    for column in columns {
        let value = column.get(row).map_or("", String::as_str);
        // The length in front keeps values apart whatever is in them. Writing to a String cannot fail.
        let _ = write!(line, "{}:{value},", value.len());
    }
    line
}

fn hash(lines: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// A value in the form in which it compares.
fn normal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => format!("b{yes}"),
        Value::Number(number) => number.as_f64().map_or_else(|| format!("t{number}"), decimal),
        Value::String(text) => match text.parse::<f64>() {
            // Only what is written like a number: not `inf`, not `NaN`.
            Ok(number) if number.is_finite() && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                decimal(number)
            }
            _ => format!("t{text}"),
        },
        other => format!("j{other}"),
    }
}

fn decimal(number: f64) -> String {
    if number == 0.0 { "n0".to_owned() } else { format!("n{number:.8e}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn signature(rows: &Value) -> ResultSignature {
        ResultSignature::of(&RawValue::from_string(rows.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn names_and_spellings_do_not_count() {
        let left = json!([{"region": "north", "total": "12.50"}, {"region": "south", "total": 3}]);
        let right = json!([{"sum": 3.0, "r": "south"}, {"sum": 12.5, "r": "north"}]);
        assert!(signature(&left).same_rows(&signature(&right)));
        assert!(!signature(&left).same_order(&signature(&right)));
    }

    #[test]
    fn what_stands_together_counts() {
        for (left, right) in [
            (json!([{"a": 1, "b": 20}, {"a": 2, "b": 10}]), json!([{"a": 1, "b": 10}, {"a": 2, "b": 20}])),
            (json!([{"a": 1}]), json!([{"a": 1}, {"a": 1}])),
            (json!([]), json!([{"a": null}])),
            (json!([{"a": "1:x,"}]), json!([{"a": "1", "b": "x"}])),
            (json!([{"a": null}]), json!([{"a": "null"}])),
            (json!([{"a": "NaN"}]), json!([{"a": 0}])),
        ] {
            assert!(!signature(&left).same_rows(&signature(&right)), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_list_of_rows_is_refused() {
        assert!(ResultSignature::of(&RawValue::from_string("{}".into()).unwrap()).is_err());
        assert!(ResultSignature::of_view(&RawValue::from_string("{}".into()).unwrap()).is_err());
    }

    #[test]
    fn a_whole_result_is_known_by_its_rows() {
        let rows = json!([{"a": 1}]);
        let view = json!({ "rowCount": 1, "rows": rows, "eda": null });
        let of_view = ResultSignature::of_view(&RawValue::from_string(view.to_string()).unwrap()).unwrap();
        assert_eq!(of_view, signature(&rows));
    }

    proptest! {
        #[test]
        fn shuffled_rows_are_the_same(rows in proptest::collection::vec((0_i32..9, "[a-c]{0,2}"), 0..12), turn in 0_usize..12) {
            let object = |(a, b): &(i32, String)| json!({"a": a, "b": b});
            let mut turned = rows.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            let (left, right) = (Value::from_iter(rows.iter().map(object)), Value::from_iter(turned.iter().map(object)));
            prop_assert!(signature(&left).same_rows(&signature(&right)));
        }
    }
}
