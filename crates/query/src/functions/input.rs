//! Text to values, as PostgreSQL reads them.

mod interval;
mod moment;
mod number;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::ScalarValue,
    error::{DataFusionError, Result},
};

pub(crate) use self::{
    interval::interval,
    moment::{date, month_by_name, time, timestamp},
    number::{boolean, float8, free_numeric, int, numeric},
};
use crate::{error::failed, pg_type};

/// `invalid input syntax for type integer: "abc"`.
pub(crate) fn invalid_input(data_type: &DataType, text: &str) -> DataFusionError {
    // `timestamp` and `time` go by their short names here, as in PostgreSQL.
    let name = match data_type {
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Time64(_) => "time".to_owned(),
        other => pg_type::sql_name(other),
    };
    let shown: String = text.chars().take(100).collect();
    failed(format!("invalid input syntax for type {name}: \"{shown}\""))
}

/// Reads a literal as a constant of a type. `now_us` is what `'now'` and `'today'` refer to.
pub(crate) fn constant(text: &str, data_type: &DataType, now_us: i64) -> Result<ScalarValue> {
    let wrong = || invalid_input(data_type, text);
    Ok(match data_type {
        DataType::Boolean => ScalarValue::Boolean(Some(boolean(text).ok_or_else(wrong)?)),
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let value = int(text, data_type)?;
            ScalarValue::Int64(Some(value)).cast_to(data_type)?
        }
        DataType::Float32 | DataType::Float64 => ScalarValue::Float64(Some(float8(text).ok_or_else(wrong)?)),
        DataType::Decimal128(..) => {
            let (value, scale) = number::free_numeric(text).ok_or_else(wrong)?;
            ScalarValue::Decimal128(Some(value), super::decimal::DIGITS_MAX, scale)
        }
        DataType::Date32 => ScalarValue::Date32(Some(date(text, now_us).ok_or_else(wrong)?)),
        DataType::Time64(_) => ScalarValue::Time64Microsecond(Some(time(text).ok_or_else(wrong)?)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let value = timestamp(text, zone.is_some(), now_us).ok_or_else(wrong)?;
            ScalarValue::TimestampMicrosecond(Some(value), zone.clone())
        }
        DataType::Interval(_) => ScalarValue::IntervalMonthDayNano(Some(interval(text).ok_or_else(wrong)?)),
        _ => ScalarValue::Utf8View(Some(text.to_owned())),
    })
}
