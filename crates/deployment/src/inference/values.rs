//! One JSON value as the value of a feature.

use serde_json::Value;

use super::{
    dates::Moment,
    field_error::{FieldError, Problem},
    numbers,
    signature::{Feature, FeatureKind, ValueType},
};

/// A checked value; `None` and NaN are missing ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    Flag(Option<bool>),
    Text(Option<Box<str>>),
    Moment(Option<Moment>),
}

/// Reads a value, or says what is wrong with it.
pub(super) fn cell(feature: &Feature, value: &Value) -> Result<Cell, Box<FieldError>> {
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        let message = "Input should be one value, not a list or an object".to_owned();
        return Err(Box::new(FieldError::new(Problem::NotPlain, &feature.name, message, value)));
    }
    match feature.kind {
        FeatureKind::Numeric => number(feature, value).map(Cell::Number),
        FeatureKind::Boolean => flag(feature, value).map(Cell::Flag),
        FeatureKind::Categorical => text(feature, value).map(Cell::Text),
        FeatureKind::Date => moment(feature, value).map(Cell::Moment),
    }
}

fn number(feature: &Feature, value: &Value) -> Result<f64, Box<FieldError>> {
    let error = |problem, message: &str| Box::new(FieldError::new(problem, &feature.name, message.to_owned(), value));
    match value {
        Value::Null => Ok(f64::NAN),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.is_finite() => Ok(number),
            _ => Err(error(Problem::NotFinite, "Input should be a finite number; send null for a missing value")),
        },
        // The dataset has texts here, some of which are no numbers: those are missing values, as they were in training.
        Value::String(text) if feature.value_type == ValueType::String => Ok(numbers::from_text(text).unwrap_or(f64::NAN)),
        Value::String(text) if numbers::from_text(text).is_some() => {
            Err(error(Problem::NotANumber, "Input should be a number, not a number in quotes"))
        }
        Value::Bool(_) => Err(error(Problem::NotANumber, "Input should be a number, not true or false")),
        _ => Err(error(Problem::NotANumber, "Input should be a number; send null for a missing value")),
    }
}

fn flag(feature: &Feature, value: &Value) -> Result<Option<bool>, Box<FieldError>> {
    let read = match value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => flag_of(&text.trim().to_ascii_lowercase()),
        Value::Array(_) | Value::Object(_) => None,
    };
    read.map(Some).ok_or_else(|| {
        let message = "Input should be true or false; send null for a missing value".to_owned();
        Box::new(FieldError::new(Problem::NotABoolean, &feature.name, message, value))
    })
}

fn flag_of(text: &str) -> Option<bool> {
    match text.strip_suffix(".0").unwrap_or(text) {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The one spelling of a category.
fn text(feature: &Feature, value: &Value) -> Result<Option<Box<str>>, Box<FieldError>> {
    let error = |problem, message: &str| Box::new(FieldError::new(problem, &feature.name, message.to_owned(), value));
    let no_text = || error(Problem::NotAText, "Input should be a text; send null for a missing value");
    let spelled = match (value, feature.value_type) {
        (Value::Null, _) => return Ok(None),
        (Value::String(text), ValueType::Date | ValueType::Datetime) => moment_of(feature, text, value)?.to_string(),
        (Value::String(text), _) => return Ok(Some(text.as_str().into())),
        (Value::Bool(flag), ValueType::Boolean) => flag.to_string(),
        (Value::Number(number), ValueType::Int | ValueType::Float) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) if float.is_finite() => numbers::spelled(float),
            _ => return Err(error(Problem::NotFinite, "Input should be a finite number; send null for a missing value")),
        },
        (_, ValueType::Boolean) => return Err(error(Problem::NotABoolean, "Input should be true or false, or its text")),
        (_, ValueType::Int | ValueType::Float) => {
            return Err(error(Problem::NotANumber, "Input should be a number, or its text"));
        }
        _ => return Err(no_text()),
    };
    Ok(Some(spelled.into()))
}

fn moment(feature: &Feature, value: &Value) -> Result<Option<Moment>, Box<FieldError>> {
    match value {
        Value::Null => Ok(None),
        // The dataset has texts here, some of which may be no dates: those are missing values, as they were in training.
        Value::String(text) if feature.value_type == ValueType::String => Ok(Moment::parse(text)),
        Value::String(text) => moment_of(feature, text, value).map(Some),
        _ => Err(no_date(feature, value)),
    }
}

fn moment_of(feature: &Feature, text: &str, value: &Value) -> Result<Moment, Box<FieldError>> {
    Moment::parse(text).ok_or_else(|| no_date(feature, value))
}

fn no_date(feature: &Feature, value: &Value) -> Box<FieldError> {
    let (problem, message) = match feature.value_type {
        ValueType::Date => (Problem::NotADate, "Input should be a date in ISO 8601, such as 2024-01-31"),
        _ => (Problem::NotADatetime, "Input should be a date and time in ISO 8601, such as 2024-01-31T12:30:00"),
    };
    Box::new(FieldError::new(problem, &feature.name, format!("{message}; send null for a missing value"), value))
}
