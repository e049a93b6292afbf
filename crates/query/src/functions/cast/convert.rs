//! The conversions themselves.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, StringViewBuilder, new_null_array},
    compute,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use datafusion::error::{DataFusionError, Result};

use super::Target;
use crate::{
    civil::{self, US_PER_DAY},
    error::{failed, invalid},
    functions::{
        Call,
        decimal::{self, DIGITS_MAX},
        input, output,
        types::{self, Ty},
    },
    pg_type,
};

/// Refuses casts that PostgreSQL does not have.
pub(super) fn check(from: &DataType, target: &Target) -> Result<()> {
    let to = target.arrow(from);
    let allowed = match (from, &to) {
        (DataType::List(_), DataType::List(_)) => true,
        (DataType::List(_), other) => *other == DataType::Utf8View,
        (_, DataType::List(_)) => is_text(from) || *from == DataType::Null,
        _ => match (types::ty(from), types::ty(&to)) {
            // Literals, NULL and texts are read; everything can be written as text.
            (None | Some(Ty::Text), _) | (_, Some(Ty::Text)) => true,
            (Some(from), Some(to)) => from == to || has_cast(from, to),
            _ => false,
        },
    };
    if allowed {
        return Ok(());
    }
    Err(invalid(format!("cannot cast type {} to {}", pg_type::sql_name(from), pg_type::sql_name(&to))))
}

fn has_cast(from: Ty, to: Ty) -> bool {
    use Ty::{Bool, Date, Float8, Int4, Int8, Interval, Numeric, Time, Timestamp, TimestampTz};
    match (from, to) {
        (Int4 | Int8 | Float8 | Numeric, Int4 | Int8 | Float8 | Numeric) => true,
        // PostgreSQL has `integer` only; whole numbers in files are `bigint`, and asking for one more cast helps nobody.
        (Bool, Int4 | Int8) | (Int4 | Int8, Bool) => true,
        (Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) => true,
        (Timestamp | TimestampTz | Interval, Time) | (Time, Interval) => true,
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// Whether the engine's own cast gives the same values and errors.
pub(super) fn is_plain(from: &DataType, to: &DataType) -> bool {
    from == to
        || matches!(
            (from, to),
            (DataType::Int16 | DataType::Int32, DataType::Int32 | DataType::Int64 | DataType::Float64)
                | (DataType::Int64 | DataType::Float32, DataType::Float64)
                | (DataType::Date32, DataType::Timestamp(..))
        )
}

/// Converts a column.
pub(super) fn convert(call: &Call<'_>, target: &Target) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let (from, to) = (array.data_type().clone(), call.returns);
    if from == DataType::Null {
        return Ok(new_null_array(to, array.len()));
    }
    if is_text(&from) {
        return from_text(call, &array, target);
    }
    if let (Some(list), DataType::List(_)) = (array.as_list_opt::<i32>(), to) {
        return list_to_list(call, list, target);
    }
    if is_text(to) {
        return call.build_text(|row, out| {
            if array.is_null(row) {
                return Ok(None);
            }
            output::write_value(out, array.as_ref(), row)?;
            cut(out, target);
            Ok(Some(()))
        });
    }
    if is_plain(&from, to) {
        return Ok(compute::cast(&array, to)?);
    }
    between_values(call, &array, to)
}

/// Cuts a text to the length of its type.
fn cut(text: &mut String, target: &Target) {
    if let Some(length) = target.length()
        && let Some((at, _)) = text.char_indices().nth(length)
    {
        text.truncate(at);
    }
}

fn between_values(call: &Call<'_>, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match (types::ty(array.data_type()), types::ty(to)) {
        (Some(Ty::Float8), Some(Ty::Int4 | Ty::Int8)) => float_to_int(call, array, to),
        (Some(Ty::Numeric), Some(Ty::Int4 | Ty::Int8)) => numeric_to_int(call, array, to),
        (Some(Ty::Int4 | Ty::Int8), Some(Ty::Int4 | Ty::Int8)) => {
            let wide = compute::cast(array, &DataType::Int64)?;
            let wide = wide.as_primitive::<Int64Type>().clone();
            ints(call, to, |row| Ok(wide.is_valid(row).then(|| wide.value(row))))
        }
        (Some(Ty::Float8 | Ty::Int4 | Ty::Int8 | Ty::Numeric), Some(Ty::Numeric)) => to_numeric(call, array, to),
        (Some(Ty::Int4 | Ty::Int8), Some(Ty::Bool)) | (Some(Ty::Bool), Some(Ty::Int4 | Ty::Int8)) => {
            Ok(compute::cast(array, to)?)
        }
        (Some(Ty::Timestamp | Ty::TimestampTz), Some(Ty::Date)) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone();
            call.build_numbers::<Date32Type>(|row| {
                Ok(moments
                    .is_valid(row)
                    .then(|| moments.value(row).div_euclid(US_PER_DAY))
                    .and_then(|days| i32::try_from(days).ok()))
            })
        }
        (Some(Ty::Timestamp | Ty::TimestampTz), Some(Ty::Time)) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>().clone();
            call.build_numbers::<Time64MicrosecondType>(|row| {
                Ok(moments.is_valid(row).then(|| moments.value(row).rem_euclid(US_PER_DAY)))
            })
        }
        (Some(Ty::Interval), Some(Ty::Time)) => {
            let intervals = array.as_primitive::<IntervalMonthDayNanoType>().clone();
            call.build_numbers::<Time64MicrosecondType>(|row| {
                Ok(intervals.is_valid(row).then(|| (intervals.value(row).nanoseconds / 1000).rem_euclid(US_PER_DAY)))
            })
        }
        (Some(Ty::Time), Some(Ty::Interval)) => {
            let times = array.as_primitive::<Time64MicrosecondType>().clone();
            call.build_numbers::<IntervalMonthDayNanoType>(|row| {
                Ok(times.is_valid(row).then(|| times.value(row)).and_then(|us| civil::interval(0, 0, us)))
            })
        }
        // Zones are only a label here: the session's is UTC.
        _ => Ok(compute::cast(array, to)?),
    }
}

fn int_out_of_range(to: &DataType) -> DataFusionError {
    failed(format!("{} out of range", pg_type::sql_name(to)))
}

/// Writes whole numbers into a column of an integer type.
fn ints(call: &Call<'_>, to: &DataType, mut value: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
    match to {
        DataType::Int16 => call.build_numbers::<Int16Type>(|row| {
            value(row)?.map(|value| i16::try_from(value).map_err(|_error| int_out_of_range(to))).transpose()
        }),
        DataType::Int32 => call.build_numbers::<Int32Type>(|row| {
            value(row)?.map(|value| i32::try_from(value).map_err(|_error| int_out_of_range(to))).transpose()
        }),
        _ => call.build_numbers::<Int64Type>(value),
    }
}

fn float_to_int(call: &Call<'_>, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let wide = compute::cast(array, &DataType::Float64)?;
    let wide = wide.as_primitive::<Float64Type>().clone();
    ints(call, to, |row| {
        if wide.is_null(row) {
            return Ok(None);
        }
        // Half to even, as the C library's `rint`.
        decimal::whole(wide.value(row).round_ties_even()).map(Some).ok_or_else(|| int_out_of_range(to))
    })
}

fn numeric_to_int(call: &Call<'_>, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let values = array.as_primitive::<Decimal128Type>().clone();
    let scale = decimal::scale(array.data_type());
    ints(call, to, |row| {
        if values.is_null(row) {
            return Ok(None);
        }
        let whole = decimal::rescale(values.value(row), scale, 0).and_then(|value| i64::try_from(value).ok());
        whole.map(Some).ok_or_else(|| int_out_of_range(to))
    })
}

fn to_numeric(call: &Call<'_>, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else { return Ok(compute::cast(array, to)?) };
    let limit = decimal::power_of_ten(precision.into());
    let fit = |value: Option<i128>| -> Result<i128> {
        value
            .filter(|value| precision == DIGITS_MAX || limit.is_none_or(|limit| value.abs() < limit))
            .ok_or_else(decimal::overflow)
    };
    if let Some(values) = array.as_primitive_opt::<Decimal128Type>().cloned() {
        let own = decimal::scale(array.data_type());
        return call.build_numbers::<Decimal128Type>(|row| {
            if values.is_null(row) { Ok(None) } else { fit(decimal::rescale(values.value(row), own, scale)).map(Some) }
        });
    }
    if let Some(values) = array.as_primitive_opt::<Float64Type>().cloned() {
        return call.build_numbers::<Decimal128Type>(|row| {
            if values.is_null(row) { Ok(None) } else { fit(float_to_decimal(values.value(row), scale, 15)).map(Some) }
        });
    }
    if let Some(values) = array.as_primitive_opt::<Float32Type>().cloned() {
        return call.build_numbers::<Decimal128Type>(|row| {
            if values.is_null(row) { Ok(None) } else { fit(float_to_decimal(values.value(row).into(), scale, 6)).map(Some) }
        });
    }
    let wide = compute::cast(array, &DataType::Int64)?;
    let wide = wide.as_primitive::<Int64Type>().clone();
    call.build_numbers::<Decimal128Type>(|row| {
        if wide.is_null(row) { Ok(None) } else { fit(decimal::rescale(wide.value(row).into(), 0, scale)).map(Some) }
    })
}

/// A float as a decimal. PostgreSQL goes through 15 significant digits (6 for `real`), so that 0.1 is 0.1.
pub(crate) fn float_to_decimal(value: f64, scale: i8, digits: usize) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    input::numeric(&format!("{value:.*e}", digits - 1), scale)
}

/// The digits of a float, 15 of them at most, without an exponent.
pub(crate) fn float_digits(value: f64) -> Option<String> {
    let rounded: f64 = value.is_finite().then(|| format!("{value:.14e}"))?.parse().ok()?;
    Some(format!("{rounded}"))
}

fn from_text(call: &Call<'_>, array: &ArrayRef, target: &Target) -> Result<ArrayRef> {
    let view = compute::cast(array, &DataType::Utf8View)?;
    let texts = view.as_string_view();
    let text = |row: usize| texts.is_valid(row).then(|| texts.value(row));
    let to = call.returns;
    let wrong = |text: &str| input::invalid_input(to, text);
    let now_us = call.scope.started_us;
    match to {
        DataType::Utf8View => {
            if target.length().is_none() {
                return Ok(view);
            }
            text_to_text(call, target, text)
        }
        DataType::Boolean => {
            call.build_booleans(|row| text(row).map(|text| input::boolean(text).ok_or_else(|| wrong(text))).transpose())
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            ints(call, to, |row| text(row).map(|text| input::int(text, to)).transpose())
        }
        DataType::Float32 => call.build_numbers::<Float32Type>(|row| {
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "`real` has fewer digits")]
            text(row).map(|text| input::float8(text).map(|value| value as f32).ok_or_else(|| wrong(text))).transpose()
        }),
        DataType::Float64 => call
            .build_numbers::<Float64Type>(|row| text(row).map(|text| input::float8(text).ok_or_else(|| wrong(text))).transpose()),
        DataType::Decimal128(precision, scale) => {
            let limit = decimal::power_of_ten((*precision).into());
            call.build_numbers::<Decimal128Type>(|row| {
                let Some(text) = text(row) else { return Ok(None) };
                let value = input::numeric(text, *scale).ok_or_else(|| wrong(text))?;
                let fits = *precision == DIGITS_MAX || limit.is_none_or(|limit| value.abs() < limit);
                if fits { Ok(Some(value)) } else { Err(decimal::overflow()) }
            })
        }
        DataType::Date32 => call.build_numbers::<Date32Type>(|row| {
            text(row).map(|text| input::date(text, now_us).ok_or_else(|| wrong(text))).transpose()
        }),
        DataType::Time64(_) => call.build_numbers::<Time64MicrosecondType>(|row| {
            text(row).map(|text| input::time(text).ok_or_else(|| wrong(text))).transpose()
        }),
        DataType::Timestamp(_, zone) => call.build_numbers::<TimestampMicrosecondType>(|row| {
            text(row).map(|text| input::timestamp(text, zone.is_some(), now_us).ok_or_else(|| wrong(text))).transpose()
        }),
        DataType::Interval(_) => call.build_numbers::<IntervalMonthDayNanoType>(|row| {
            text(row).map(|text| input::interval(text).ok_or_else(|| wrong(text))).transpose()
        }),
        DataType::List(_) => list_from_text(call, target, text),
        _ => Ok(compute::cast(&view, to)?),
    }
}

fn text_to_text<'a>(call: &Call<'_>, target: &Target, text: impl Fn(usize) -> Option<&'a str>) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let Some(text) = text(row) else { return Ok(None) };
        if *target == Target::Uuid {
            let id = uuid::Uuid::try_parse(text.trim())
                .map_err(|_error| failed(format!("invalid input syntax for type uuid: \"{text}\"")))?;
            out.push_str(&id.to_string());
        } else {
            out.push_str(text);
            cut(out, target);
        }
        Ok(Some(()))
    })
}

fn list_to_list(call: &Call<'_>, list: &ListArray, target: &Target) -> Result<ArrayRef> {
    let (DataType::List(field), Target::List(element)) = (call.returns, target) else {
        return Ok(compute::cast(list, call.returns)?);
    };
    let values = list.values().clone();
    let inner = Call {
        rows: values.len(),
        args: &[datafusion::logical_expr::ColumnarValue::Array(values)],
        returns: field.data_type(),
        scope: call.scope,
    };
    let converted = convert(&inner, element)?;
    Ok(Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), converted, list.nulls().cloned())?))
}

/// Reads `{1,2,NULL}` and `{"a b",c}`; arrays of arrays are not read.
fn list_from_text<'a>(call: &Call<'_>, target: &Target, text: impl Fn(usize) -> Option<&'a str>) -> Result<ArrayRef> {
    let (DataType::List(field), Target::List(element)) = (call.returns, target) else {
        return Err(invalid("malformed array literal"));
    };
    let mut builder = StringViewBuilder::new();
    let mut lengths = Vec::with_capacity(call.rows);
    let mut valid = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        call.tick(row)?;
        let elements = match text(row) {
            Some(text) => Some(array_elements(text).ok_or_else(|| failed(format!("malformed array literal: \"{text}\"")))?),
            None => None,
        };
        valid.push(elements.is_some());
        let elements = elements.unwrap_or_default();
        lengths.push(elements.len());
        for element in elements {
            builder.append_option(element);
        }
    }
    let texts: ArrayRef = Arc::new(builder.finish());
    let inner = Call {
        rows: texts.len(),
        args: &[datafusion::logical_expr::ColumnarValue::Array(texts)],
        returns: field.data_type(),
        scope: call.scope,
    };
    let values = convert(&inner, element)?;
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, Some(valid.into()))?))
}

fn array_elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    let mut current = String::new();
    let (mut in_quotes, mut was_quoted) = (false, false);
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            Some('\\') => current.push(characters.next()?),
            Some('"') => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            Some('{' | '}') if !in_quotes => return None,
            Some(character) if in_quotes || character != ',' => current.push(character),
            ended => {
                let element = if was_quoted { current.clone() } else { current.trim().to_owned() };
                if !was_quoted && element.is_empty() {
                    return None;
                }
                elements.push((was_quoted || !element.eq_ignore_ascii_case("null")).then_some(element));
                current.clear();
                was_quoted = false;
                if ended.is_none() {
                    return (!in_quotes).then_some(elements);
                }
            }
        }
    }
}

/// A constant of any type as a constant of a type that a cast names, for places that need one at planning time.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arrays() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(array_elements("{}"), Some(vec![]));
        assert_eq!(array_elements("{1, 2,NULL}"), Some(vec![some("1"), some("2"), None]));
        assert_eq!(array_elements(r#"{"a,b","NULL","q\"q"}"#), Some(vec![some("a,b"), some("NULL"), some("q\"q")]));
        for bad in ["", "1,2", "{1,}", "{{1}}", r#"{"open}"#] {
            assert_eq!(array_elements(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn floats_become_decimals_by_their_shown_digits() {
        assert_eq!(float_to_decimal(0.1, 16, 15), Some(1_000_000_000_000_000));
        assert_eq!(float_to_decimal(1.005, 2, 15), Some(101));
        assert_eq!(float_to_decimal(-2.5, 0, 15), Some(-3));
        assert_eq!(float_to_decimal(f64::NAN, 2, 15), None);
        assert_eq!(float_to_decimal(1e40, 0, 15), None);
    }
}
