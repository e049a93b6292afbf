//! Columns, each with its own way to write a value.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
        Float64Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, StringViewArray, StructArray,
        Time64MicrosecondArray, TimestampMicrosecondArray,
    },
    compute,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
        Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    },
};

use super::write;
use crate::{error::QueryError, pg_type};

/// The typed values of a column.
pub(super) enum Encoder {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Single(Float32Array),
    Float(Float64Array),
    Decimal(Decimal128Array, i8),
    Text(StringViewArray),
    ShortText(StringArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    Bytes(BinaryArray),
    BytesView(BinaryViewArray),
    List(ListArray, Box<Encoder>),
    Struct(StructArray, Vec<(Vec<u8>, Encoder)>),
}

impl Encoder {
    pub(super) fn new(array: &dyn Array) -> Result<Self, QueryError> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::Float32 => Self::Single(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale),
            DataType::Utf8View => Self::Text(array.as_string_view().clone()),
            DataType::Utf8 => Self::ShortText(array.as_string::<i32>().clone()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(array.as_primitive::<Time64MicrosecondType>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Interval(_) => Self::Interval(array.as_primitive::<IntervalMonthDayNanoType>().clone()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().clone()),
            DataType::BinaryView => Self::BytesView(array.as_binary_view().clone()),
            DataType::List(_) => {
                let list = array.as_list::<i32>().clone();
                let inner = Box::new(Self::new(list.values().as_ref())?);
                Self::List(list, inner)
            }
            DataType::Struct(fields) => {
                let record = array.as_struct().clone();
                let mut columns = Vec::with_capacity(fields.len());
                for (field, column) in fields.iter().zip(record.columns()) {
                    let mut key = Vec::new();
                    write::text(&mut key, field.name());
                    key.push(b':');
                    columns.push((key, Self::new(column.as_ref())?));
                }
                Self::Struct(record, columns)
            }
            other => {
                let wanted = nearest(other).ok_or_else(|| no_form(other))?;
                let cast: ArrayRef =
                    compute::cast(array, &wanted).map_err(|error| QueryError::Internal { source: error.into() })?;
                Self::new(cast.as_ref())?
            }
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Self::Null => {}
            Self::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int(array) => write::int(out, array.value(row)),
            Self::Single(array) => write::single(out, array.value(row)),
            Self::Float(array) => write::float(out, array.value(row)),
            Self::Decimal(array, scale) => write::decimal(out, array.value(row), *scale),
            Self::Text(array) => write::text(out, array.value(row)),
            Self::ShortText(array) => write::text(out, array.value(row)),
            Self::Date(array) => write::date(out, array.value(row)),
            Self::Time(array) => write::time(out, array.value(row)),
            Self::Timestamp(array) => write::timestamp(out, array.value(row)),
            Self::Interval(array) => write::interval(out, array.value(row)),
            Self::Bytes(array) => write::bytes(out, array.value(row)),
            Self::BytesView(array) => write::bytes(out, array.value(row)),
            Self::List(array, inner) => write_list(out, array, inner, row),
            Self::Struct(_, columns) => {
                out.push(b'{');
                for (index, (key, column)) in columns.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key);
                    column.write(out, row);
                }
                out.push(b'}');
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Single(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::ShortText(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Timestamp(array) => array.is_null(row),
            Self::Interval(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::BytesView(array) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
            Self::Struct(array, _) => array.is_null(row),
        }
    }
}

fn write_list(out: &mut Vec<u8>, list: &ListArray, inner: &Encoder, row: usize) {
    let bound = |index: usize| list.value_offsets().get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    out.push(b'[');
    for (index, element) in (bound(row)..bound(row + 1)).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        inner.write(out, element);
    }
    out.push(b']');
}

/// A type with a form of its own that holds the values of `other`.
fn nearest(other: &DataType) -> Option<DataType> {
    Some(match other {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            DataType::Int64
        }
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal256(_, scale) => {
            DataType::Decimal128(38, *scale)
        }
        DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Duration(_) => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => DataType::List(field.clone()),
        _ => return None,
    })
}

fn no_form(data_type: &DataType) -> QueryError {
    QueryError::Invalid {
        message: format!("a result column of type {} cannot be shown; cast it", pg_type::sql_name(data_type)),
        hint: None,
        position: None,
    }
}
