//! The values of a column while rows are read, each as the column's type has it.

use std::borrow::Cow;

use arrow::array::{BooleanArray, Float64Array, Int64Array, TimestampMicrosecondArray};
use gristmill_domain::datasets::ColumnType;
use gristmill_ingest::{Scalar, read_scalar};
use serde_json::Value;

use super::RowFault;
use crate::{column::Column, num};

/// The values of a column, one a row.
pub(super) enum Cells<'a> {
    Float(Vec<Option<f64>>),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<Option<bool>>),
    Text(Vec<Option<Cow<'a, str>>>),
    Date(Vec<Option<i64>>),
    /// A column that never had a value has none.
    Nothing(usize),
}

impl<'a> Cells<'a> {
    /// Rows without values.
    pub(super) fn new(kind: ColumnType, rows: usize) -> Self {
        match kind {
            ColumnType::Float => Self::Float(vec![None; rows]),
            ColumnType::Integer => Self::Integer(vec![None; rows]),
            ColumnType::Boolean => Self::Boolean(vec![None; rows]),
            ColumnType::String => Self::Text(vec![None; rows]),
            ColumnType::Date => Self::Date(vec![None; rows]),
            ColumnType::Unknown => Self::Nothing(rows),
        }
    }

    /// Reads the value of a row. Texts of a literal column are what they are.
    pub(super) fn set(&mut self, row: usize, value: &'a Value, is_literal: bool) -> Result<(), RowFault> {
        if value.is_array() || value.is_object() {
            return Err(RowFault::NotPlain);
        }
        match self {
            Self::Float(cells) => put(cells, row, float(value)?),
            Self::Integer(cells) => put(cells, row, integer(value)?),
            Self::Boolean(cells) => put(cells, row, boolean(value)?),
            Self::Text(cells) => put(cells, row, text(value, is_literal)),
            Self::Date(cells) => put(cells, row, date(value)?),
            Self::Nothing(_) => {}
        }
        Ok(())
    }

    /// The column.
    pub(super) fn into_column(self) -> Column {
        match self {
            Self::Float(cells) => Column::Float(Float64Array::from(cells)),
            Self::Integer(cells) => Column::Integer(Int64Array::from(cells)),
            Self::Boolean(cells) => Column::Boolean(BooleanArray::from(cells)),
            Self::Text(cells) => Column::Text(cells.into_iter().collect()),
            Self::Date(cells) => Column::Date(TimestampMicrosecondArray::from(cells)),
            Self::Nothing(rows) => Column::Unknown(rows),
        }
    }
}

fn put<T>(cells: &mut [T], row: usize, value: T) {
    if let Some(cell) = cells.get_mut(row) {
        *cell = value;
    }
}

fn float(value: &Value) -> Result<Option<f64>, RowFault> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()).map(Some).ok_or(RowFault::NotANumber),
        Value::String(text) => match read_scalar(ColumnType::Float, text) {
            Ok(Some(Scalar::Float(number))) => Ok(Some(number)),
            Ok(_) => Ok(None),
            Err(_) => Err(RowFault::NotANumber),
        },
        _ => Err(RowFault::NotANumber),
    }
}

fn integer(value: &Value) -> Result<Option<i64>, RowFault> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| num::exact(number.as_f64()?));
            whole.map(Some).ok_or(RowFault::NotWhole)
        }
        Value::String(text) => match read_scalar(ColumnType::Integer, text) {
            Ok(Some(Scalar::Integer(number))) => Ok(Some(number)),
            Ok(_) => Ok(None),
            Err(_) => Err(RowFault::NotWhole),
        },
        _ => Err(RowFault::NotWhole),
    }
}

fn boolean(value: &Value) -> Result<Option<bool>, RowFault> {
    let flag = match value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match read_scalar(ColumnType::Boolean, text) {
            Ok(Some(Scalar::Boolean(flag))) => Some(flag),
            Ok(_) => return Ok(None),
            Err(_) => None,
        },
        _ => None,
    };
    flag.map(Some).ok_or(RowFault::NotABoolean)
}

fn text(value: &Value, is_literal: bool) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if is_literal => Some(Cow::Borrowed(text.as_str())).filter(|text| !text.is_empty()),
        Value::String(text) => match read_scalar(ColumnType::String, text) {
            Ok(Some(_)) => Some(Cow::Borrowed(text.as_str())),
            // One of the words for "no value".
            Ok(None) | Err(_) => None,
        },
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        _ => None,
    }
}

fn date(value: &Value) -> Result<Option<i64>, RowFault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => match read_scalar(ColumnType::Date, text) {
            Ok(Some(Scalar::Date(micros))) => Ok(Some(micros)),
            Ok(_) => Ok(None),
            Err(_) => Err(RowFault::NotADate),
        },
        _ => Err(RowFault::NotADate),
    }
}
