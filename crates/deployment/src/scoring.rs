//! The formats of MLflow's scoring protocol (`/invocations`): from the bytes of a request to rows, from answers to its
//! predictions.
//!
//! JSON has exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`; CSV has a line of names first.
//! Rows without names are read in the order of the model's columns.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{
    inference::{FeatureKind, Signature, ValueType},
    serving::Answer,
    tensors::{ROWS_MAX, VALUES_MAX, without_nan},
};

/// The keys of the protocol.
const KEYS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];
/// Letters of something that is repeated in an error.
const SHOWN_LETTERS: usize = 100;

/// A row by the names of its columns.
type Row = Map<String, Value>;

/// What is wrong with a request, for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoringError {
    /// It is none of the protocol's forms.
    #[error("{0}")]
    Malformed(String),
    /// More than may be asked for at once.
    #[error("a request may have at most {ROWS_MAX} rows and {VALUES_MAX} values; send fewer at once")]
    TooLarge,
}

fn bad(what: impl Into<String>) -> ScoringError {
    ScoringError::Malformed(what.into())
}

/// Reads rows of JSON. Without a signature, rows without names cannot be read.
///
/// # Errors
/// It is not one of the forms, or too large.
pub fn rows_of_json(body: &[u8], signature: Option<&Signature>) -> Result<Vec<Row>, ScoringError> {
    let no_json = |error: serde_json::Error| bad(format!("The body is not valid JSON: {error}"));
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        // MLflow's own client writes missing values so.
        Err(error) => match without_nan(body) {
            Some(body) => serde_json::from_slice(&body).map_err(no_json)?,
            None => return Err(no_json(error)),
        },
    };
    let Value::Object(mut object) = value else {
        return Err(bad(format!("The body must be an object with one of {}", KEYS.join(", "))));
    };
    let mut given = KEYS.into_iter().filter_map(|key| object.remove(key).map(|value| (key, value)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        return Err(bad(format!("The body must have exactly one of {}", KEYS.join(", "))));
    };
    let rows = match (key, value) {
        ("dataframe_split", Value::Object(split)) => of_split(split, signature),
        ("dataframe_split", _) => Err(bad("dataframe_split must be an object with columns and data")),
        ("dataframe_records", Value::Array(records)) => of_records(key, records),
        ("inputs", Value::Object(columns)) => of_columns(columns),
        (_, Value::Array(rows)) if rows.first().is_none_or(Value::is_object) => of_records(key, rows),
        ("instances" | "inputs", Value::Array(rows)) => of_lists(key, rows, signature),
        _ => Err(bad(format!("{key} must be a list of rows"))),
    }?;
    bounded(rows, key)
}

/// Reads rows of CSV, whose first line has the names.
///
/// # Errors
/// It is no CSV of texts in UTF-8, or too large.
pub fn rows_of_csv(body: &[u8], signature: Option<&Signature>) -> Result<Vec<Row>, ScoringError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(body);
    let no_csv = |error: csv::Error| bad(format!("The body is not valid CSV: {error}"));
    let names: Vec<String> = reader.headers().map_err(no_csv)?.iter().map(ToOwned::to_owned).collect();
    different(&names)?;
    let (mut rows, mut values) = (Vec::new(), 0_usize);
    for record in reader.records() {
        let record = record.map_err(no_csv)?;
        values = values.saturating_add(names.len());
        if rows.len() == ROWS_MAX || values > VALUES_MAX {
            return Err(ScoringError::TooLarge);
        }
        let cells = names.iter().zip(record.iter());
        rows.push(cells.map(|(name, text)| (name.clone(), csv_value(signature, name, text))).collect());
    }
    bounded(rows, "the CSV")
}

/// A cell of CSV: empty is missing; where the model has numbers, a number.
fn csv_value(signature: Option<&Signature>, name: &str, text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    let feature = signature.and_then(|signature| signature.features.get(signature.feature(name)?));
    let wants_number = feature.is_some_and(|feature| {
        feature.kind == FeatureKind::Numeric && matches!(feature.value_type, ValueType::Int | ValueType::Float)
    });
    if !wants_number {
        return Value::from(text);
    }
    if text.trim().eq_ignore_ascii_case("nan") {
        return Value::Null;
    }
    // What is no number is refused by its field, with the text.
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Value::from(number),
        _ => Value::from(text),
    }
}

fn of_split(mut split: Map<String, Value>, signature: Option<&Signature>) -> Result<Vec<Row>, ScoringError> {
    let Some(Value::Array(data)) = split.remove("data") else {
        return Err(bad("dataframe_split must have data, a list of rows"));
    };
    let columns = match split.remove("columns") {
        None | Some(Value::Null) => return of_lists("dataframe_split.data", data, signature),
        Some(Value::Array(columns)) => columns,
        Some(_) => return Err(bad("dataframe_split.columns must be a list of names")),
    };
    let name = |column: Value| match column {
        Value::String(name) => Ok(name),
        other => Err(bad(format!("dataframe_split.columns must be names, and {} is none", shown(&other)))),
    };
    let names = columns.into_iter().map(name).collect::<Result<Vec<String>, _>>()?;
    different(&names)?;
    named("dataframe_split.data", &names, data)
}

fn of_records(key: &str, records: Vec<Value>) -> Result<Vec<Row>, ScoringError> {
    let row = |(place, record)| match record {
        Value::Object(row) => Ok(row),
        _ => Err(bad(format!("{key}[{place}] must be an object of columns by their names"))),
    };
    records.into_iter().enumerate().map(row).collect()
}

/// Columns of equal lengths; a value alone is a column of one.
fn of_columns(columns: Map<String, Value>) -> Result<Vec<Row>, ScoringError> {
    let width = columns.len();
    let mut rows: Vec<Row> = Vec::new();
    for (place, (name, column)) in columns.into_iter().enumerate() {
        let values = match column {
            Value::Array(values) => values,
            value => vec![value],
        };
        if place == 0 {
            if values.len() > ROWS_MAX || values.len().saturating_mul(width) > VALUES_MAX {
                return Err(ScoringError::TooLarge);
            }
            rows = vec![Row::with_capacity(width); values.len()];
        }
        if values.len() != rows.len() {
            let (name, count) = (cut(&name), values.len());
            return Err(bad(format!("inputs.{name} has {count} values, and the first column has {}", rows.len())));
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), single(value));
        }
    }
    Ok(rows)
}

/// A column of shape `[n, 1]` has each value in a list of its own.
fn single(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.pop().unwrap_or_default(),
        value => value,
    }
}

/// Rows without names, in the order of the model's columns.
fn of_lists(key: &str, rows: Vec<Value>, signature: Option<&Signature>) -> Result<Vec<Row>, ScoringError> {
    let Some(signature) = signature else {
        return Err(bad(format!("{key} has rows without names, which cannot be read; send dataframe_records")));
    };
    let names: Vec<String> = signature.features.iter().map(|feature| feature.name.clone()).collect();
    named(key, &names, rows)
}

fn named(key: &str, names: &[String], rows: Vec<Value>) -> Result<Vec<Row>, ScoringError> {
    if rows.len() > ROWS_MAX || rows.len().saturating_mul(names.len()) > VALUES_MAX {
        return Err(ScoringError::TooLarge);
    }
    let row = |(place, row)| match row {
        Value::Array(values) if values.len() == names.len() => Ok(names.iter().cloned().zip(values).collect()),
        Value::Array(values) => {
            let (given, wanted) = (values.len(), names.len());
            Err(bad(format!("{key}[{place}] has {given} values, and there are {wanted} columns")))
        }
        _ => Err(bad(format!("{key}[{place}] must be a list of values"))),
    };
    rows.into_iter().enumerate().map(row).collect()
}

fn different(names: &[String]) -> Result<(), ScoringError> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(bad(format!("The column {:?} is there twice", cut(name)))),
    }
}

fn bounded(rows: Vec<Row>, key: &str) -> Result<Vec<Row>, ScoringError> {
    if rows.is_empty() {
        return Err(bad(format!("{key} has no rows; send at least one")));
    }
    if rows.len() > ROWS_MAX { Err(ScoringError::TooLarge) } else { Ok(rows) }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_LETTERS).collect()
}

/// The predictions of the protocol: classes as the dataset has them, or numbers.
#[must_use]
pub fn predictions(signature: &Signature, answers: &[Answer]) -> Vec<Value> {
    let of = |answer: &Answer| {
        let label = answer.prediction.as_str().and_then(|text| signature.labels.iter().find(|label| label.text == text));
        label.map_or_else(|| answer.prediction.clone(), |label| label.value.clone())
    };
    answers.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rows(body: &str) -> Result<Value, String> {
        rows_of_json(body.as_bytes(), None).map(|rows| json!(rows)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let expected = json!([{ "a": 1, "b": "x" }, { "a": null, "b": "y" }]);
        for body in [
            r#"{"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, "x"], [NaN, "y"]]}}"#,
            r#"{"dataframe_records": [{"a": 1, "b": "x"}, {"a": null, "b": "y"}]}"#,
            r#"{"instances": [{"a": 1, "b": "x"}, {"a": null, "b": "y"}], "params": {"verbose": true}}"#,
            r#"{"inputs": {"a": [1, null], "b": ["x", "y"]}}"#,
            r#"{"inputs": {"a": [[1], [null]], "b": [["x"], ["y"]]}}"#,
            r#"{"inputs": [{"a": 1, "b": "x"}, {"a": null, "b": "y"}]}"#,
        ] {
            assert_eq!(rows(body).unwrap(), expected, "{body}");
        }
        assert_eq!(rows(r#"{"inputs": {"a": 1, "b": "x"}}"#).unwrap(), json!([{ "a": 1, "b": "x" }]));
        assert_eq!(json!(rows_of_csv(b"a,b\n,\"x,y\"\n", None).unwrap()), json!([{ "a": null, "b": "x,y" }]));
    }

    #[test]
    fn what_is_none_of_them_is_refused_with_the_reason() {
        for (body, part) in [
            ("", "not valid JSON"),
            ("[]", "must be an object"),
            ("{}", "exactly one of"),
            (r#"{"instances": [], "inputs": []}"#, "exactly one of"),
            (r#"{"instances": []}"#, "no rows"),
            (r#"{"inputs": {}}"#, "no rows"),
            (r#"{"instances": 1}"#, "list of rows"),
            (r#"{"instances": [[1, 2]]}"#, "without names"),
            (r#"{"dataframe_records": [1]}"#, "dataframe_records[0]"),
            (r#"{"dataframe_split": []}"#, "must be an object"),
            (r#"{"dataframe_split": {"columns": ["a"]}}"#, "must have data"),
            (r#"{"dataframe_split": {"columns": [1], "data": []}}"#, "must be names"),
            (r#"{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}"#, "there twice"),
            (r#"{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}"#, "has 2 values"),
            (r#"{"inputs": {"a": [1, 2], "b": [1]}}"#, "inputs.b has 1 values"),
        ] {
            let refused = rows(body).unwrap_err();
            assert!(refused.contains(part), "{body}: {refused}");
        }
        let many = format!(r#"{{"dataframe_records": [{}]}}"#, vec!["{}"; ROWS_MAX + 1].join(","));
        assert_eq!(rows_of_json(many.as_bytes(), None), Err(ScoringError::TooLarge));
        for (body, part) in [("a,a\n1,2\n", "there twice"), ("a\n", "no rows"), ("", "no rows"), ("a,b\n1\n", "not valid CSV")] {
            let refused = rows_of_csv(body.as_bytes(), None).unwrap_err().to_string();
            assert!(refused.contains(part), "{body}: {refused}");
        }
        assert!(rows_of_csv(b"a\n\xff\n", None).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(rows_of_json(&body, None));
            drop(rows_of_csv(&body, None));
        }

        #[test]
        fn any_json_is_rows_or_refused(
            key in proptest::sample::select(KEYS.to_vec()),
            value in r#"[\[\]{}",:0-9a-z ]{0,60}"#,
        ) {
            drop(rows_of_json(format!(r#"{{"{key}": {value}}}"#).as_bytes(), None));
        }
    }
}
