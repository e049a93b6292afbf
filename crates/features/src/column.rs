//! Columns in the five types that datasets have, whatever the array that they come in.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray, StringArray, TimestampMicrosecondArray,
        new_null_array,
    },
    buffer::NullBuffer,
    compute::{CastOptions, cast_with_options, filter, kernels::zip::zip},
    datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use chrono::DateTime;
use gristmill_domain::datasets::ColumnType;
use gristmill_ingest::storage_type;
use serde_json::Value;

use crate::{error::FeatureError, num};

/// The values of a column, one a row. Numbers are finite: others count as missing.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Float(Float64Array),
    Integer(Int64Array),
    Boolean(BooleanArray),
    Text(StringArray),
    /// Microseconds since 1970 in UTC.
    Date(TimestampMicrosecondArray),
    /// No values; so many rows.
    Unknown(usize),
}

/// As what a column of somebody else's table is read; `None` when it is in no type that datasets have.
pub(crate) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    match data_type {
        DataType::Dictionary(_, values) => column_type(values),
        DataType::Boolean => Some(ColumnType::Boolean),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(ColumnType::Date),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(ColumnType::Integer),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Some(ColumnType::Integer),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(ColumnType::String),
        DataType::Null => Some(ColumnType::Unknown),
        other if other.is_numeric() => Some(ColumnType::Float),
        _ => None,
    }
}

/// Whether values of one type can be read as another without losing anything.
fn is_readable(found: ColumnType, wanted: ColumnType) -> bool {
    found == wanted
        || found == ColumnType::Unknown
        || wanted == ColumnType::Unknown
        || wanted == ColumnType::Float && matches!(found, ColumnType::Integer | ColumnType::Boolean)
        || wanted == ColumnType::Integer && found == ColumnType::Boolean
}

impl Column {
    /// Reads an array as a column of a type.
    ///
    /// # Errors
    /// What is wrong, behind the column's name.
    pub(crate) fn read(array: &ArrayRef, kind: ColumnType) -> Result<Self, String> {
        let found = column_type(array.data_type()).filter(|found| is_readable(*found, kind));
        let Some(found) = found else {
            return Err(format!("must hold {}, not arrow's {}", kind.as_str(), array.data_type()));
        };
        if kind == ColumnType::Unknown {
            return Ok(Self::Unknown(array.len()));
        }
        let target = storage_type(kind);
        let array = if found == ColumnType::Unknown { new_null_array(&target, array.len()) } else { converted(array, &target)? };
        Self::of(&array, kind).ok_or_else(|| format!("could not be read as {}", kind.as_str()))
    }

    /// A column over an array in the type that datasets have.
    fn of(array: &ArrayRef, kind: ColumnType) -> Option<Self> {
        Some(match kind {
            ColumnType::Float => Self::Float(finite(array.as_primitive_opt::<Float64Type>()?.clone())),
            ColumnType::Integer => Self::Integer(array.as_primitive_opt::<Int64Type>()?.clone()),
            ColumnType::Boolean => Self::Boolean(array.as_boolean_opt()?.clone()),
            ColumnType::String => Self::Text(array.as_string_opt::<i32>()?.clone()),
            ColumnType::Date => Self::Date(array.as_primitive_opt::<TimestampMicrosecondType>()?.clone()),
            ColumnType::Unknown => Self::Unknown(array.len()),
        })
    }

    /// Its type.
    pub(crate) fn kind(&self) -> ColumnType {
        match self {
            Self::Float(_) => ColumnType::Float,
            Self::Integer(_) => ColumnType::Integer,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Text(_) => ColumnType::String,
            Self::Date(_) => ColumnType::Date,
            Self::Unknown(_) => ColumnType::Unknown,
        }
    }

    /// How many rows it has.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Date(values) => values.len(),
            Self::Unknown(rows) => *rows,
        }
    }

    /// Which rows have no value, where there are such.
    pub(crate) fn nulls(&self) -> Option<NullBuffer> {
        match self {
            Self::Float(values) => values.nulls().cloned(),
            Self::Integer(values) => values.nulls().cloned(),
            Self::Boolean(values) => values.nulls().cloned(),
            Self::Text(values) => values.nulls().cloned(),
            Self::Date(values) => values.nulls().cloned(),
            Self::Unknown(rows) => Some(NullBuffer::new_null(*rows)),
        }
    }

    /// How many rows have no value.
    pub(crate) fn null_count(&self) -> u64 {
        num::count(self.nulls().map_or(0, |nulls| nulls.null_count()))
    }

    /// Its values as numbers; booleans are 0 and 1. `None` for texts and dates.
    pub(crate) fn numbers(&self) -> Option<Float64Array> {
        Some(match self {
            Self::Float(values) => values.clone(),
            Self::Integer(values) => values.unary(num::float_signed),
            Self::Boolean(values) => {
                let numbers = values.values().iter().map(|value| f64::from(u8::from(value)));
                Float64Array::new(numbers.collect(), values.nulls().cloned())
            }
            Self::Unknown(rows) => Float64Array::new_null(*rows),
            Self::Text(_) | Self::Date(_) => return None,
        })
    }

    /// Its values as integers; booleans are 0 and 1. `None` for all other types.
    pub(crate) fn integers(&self) -> Option<Int64Array> {
        Some(match self {
            Self::Integer(values) => values.clone(),
            Self::Boolean(values) => {
                let numbers = values.values().iter().map(i64::from);
                Int64Array::new(numbers.collect(), values.nulls().cloned())
            }
            _ => return None,
        })
    }

    /// Its values as the array that a dataset holds.
    pub(crate) fn to_array(&self) -> ArrayRef {
        match self {
            Self::Float(values) => Arc::new(values.clone()),
            Self::Integer(values) => Arc::new(values.clone()),
            Self::Boolean(values) => Arc::new(values.clone()),
            Self::Text(values) => Arc::new(values.clone()),
            Self::Date(values) => Arc::new(values.clone()),
            Self::Unknown(rows) => new_null_array(&DataType::Utf8, *rows),
        }
    }

    /// The value of a row as JSON; a date in ISO 8601.
    pub(crate) fn value(&self, row: usize) -> Value {
        fn of<T>(is_valid: bool, value: impl FnOnce() -> T) -> Value
        where
            Value: From<T>,
        {
            if is_valid { Value::from(value()) } else { Value::Null }
        }
        match self {
            Self::Float(values) => of(values.is_valid(row), || values.value(row)),
            Self::Integer(values) => of(values.is_valid(row), || values.value(row)),
            Self::Boolean(values) => of(values.is_valid(row), || values.value(row)),
            Self::Text(values) => of(values.is_valid(row), || values.value(row)),
            Self::Date(values) => of(values.is_valid(row), || {
                let at = DateTime::from_timestamp_micros(values.value(row)).unwrap_or_default();
                at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()
            }),
            Self::Unknown(_) => Value::Null,
        }
    }

    /// The same, with the values of another column of its type in the rows of a mask.
    pub(crate) fn replaced(&self, mask: &[bool], other: &Self) -> Result<Self, FeatureError> {
        let mask = BooleanArray::from(mask.to_vec());
        let zipped = zip(&mask, &other.to_array(), &self.to_array()).map_err(FeatureError::arrow("putting columns together"))?;
        Self::of(&zipped, self.kind()).ok_or(FeatureError::internal("columns that were put together have another type"))
    }

    /// The rows that a mask keeps.
    pub(crate) fn keep(&self, mask: &BooleanArray) -> Result<Self, FeatureError> {
        let kept = filter(&self.to_array(), mask).map_err(FeatureError::arrow("choosing rows"))?;
        Self::of(&kept, self.kind()).ok_or(FeatureError::internal("rows that were chosen have another type"))
    }
}

/// An array in the type of a dataset's column.
fn converted(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, String> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef, to: &DataType| {
        // The library's text names values, which are nobody's business.
        cast_with_options(array, to, &options).map_err(|_error| format!("has values that are no {target}"))
    };
    match array.data_type() {
        // An instant with a zone is one without, read in UTC.
        DataType::Timestamp(_, Some(zone)) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone))))?;
            let micros = micros.as_primitive_opt::<TimestampMicrosecondType>().cloned();
            let micros = micros.ok_or_else(|| format!("has values that are no {target}"))?;
            Ok(Arc::new(micros.with_timezone_opt(None::<&str>)))
        }
        _ => cast(array, target),
    }
}

/// Numbers, with those missing that are not finite.
fn finite(values: Float64Array) -> Float64Array {
    if values.values().iter().all(|value| value.is_finite()) {
        return values;
    }
    let is_finite: NullBuffer = values.values().iter().map(|value| value.is_finite()).collect::<Vec<bool>>().into();
    with_nulls(values, Some(&is_finite))
}

/// An array with further rows without value.
pub(crate) fn with_nulls<T: ArrowPrimitiveType>(values: PrimitiveArray<T>, further: Option<&NullBuffer>) -> PrimitiveArray<T> {
    let (_, buffer, nulls) = values.into_parts();
    PrimitiveArray::new(buffer, NullBuffer::union(nulls.as_ref(), further))
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Float32Array, Int32Array, ListArray, NullArray, TimestampSecondArray};

    use super::*;

    fn make_array(array: impl Array + 'static) -> ArrayRef {
        Arc::new(array)
    }

    fn read(array: impl Array + 'static, kind: ColumnType) -> Result<Column, String> {
        Column::read(&make_array(array), kind)
    }

    #[test]
    fn numbers_that_are_not_finite_are_missing() {
        let column = read(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None, Some(f64::INFINITY)]), ColumnType::Float);
        let Ok(Column::Float(values)) = column else { panic!("floats") };
        assert_eq!(values.iter().collect::<Vec<_>>(), [Some(1.0), None, None, None]);
    }

    #[test]
    fn reads_what_others_write() {
        let zoned = TimestampSecondArray::from(vec![Some(60), None]).with_timezone("+02:00");
        let Ok(Column::Date(instants)) = read(zoned, ColumnType::Date) else { panic!("dates") };
        assert_eq!(instants.iter().collect::<Vec<_>>(), [Some(60_000_000), None]);
        let texts: DictionaryArray<arrow::datatypes::Int8Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        assert!(matches!(read(texts, ColumnType::String), Ok(Column::Text(texts)) if texts.value(2) == "a"));
        assert!(matches!(read(Int32Array::from(vec![3]), ColumnType::Float), Ok(Column::Float(_))));
        assert!(matches!(read(Float32Array::from(vec![3.0]), ColumnType::Float), Ok(Column::Float(_))));
        assert!(matches!(read(BooleanArray::from(vec![true]), ColumnType::Integer), Ok(Column::Integer(_))));
        assert!(matches!(read(NullArray::new(2), ColumnType::Date), Ok(Column::Date(dates)) if dates.null_count() == 2));
    }

    #[test]
    fn refuses_what_would_lose_something() {
        let error = read(StringArray::from(vec!["1"]), ColumnType::Integer).unwrap_err();
        assert_eq!(error, "must hold integer, not arrow's Utf8");
        assert!(read(Float64Array::from(vec![1.5]), ColumnType::Integer).is_err());
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
        assert!(read(lists, ColumnType::String).is_err());
    }
}
