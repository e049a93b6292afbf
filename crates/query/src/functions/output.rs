//! Values to text, as PostgreSQL writes them: `true`, `2024-01-31 10:00:00`, `1 day`, `{1,2,NULL}`.

use std::fmt::Write;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
        IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    },
};
use datafusion::error::Result;

use crate::{civil, error::invalid, pg_type};

/// Writes one value that is not null.
pub(crate) fn write_value(out: &mut String, array: &dyn Array, row: usize) -> Result<()> {
    match array.data_type() {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int16 => put!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => put!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => put!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => write_float(out, array.as_primitive::<Float32Type>().value(row).into(), 6),
        DataType::Float64 => write_float(out, array.as_primitive::<Float64Type>().value(row), 15),
        DataType::Decimal128(_, scale) => write_decimal(out, array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Date32 => {
            civil::write_date(out, civil::civil_from_days(array.as_primitive::<Date32Type>().value(row).into()));
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            civil::write_time(out, array.as_primitive::<Time64MicrosecondType>().value(row));
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            civil::write_timestamp(out, array.as_primitive::<TimestampMicrosecondType>().value(row));
            if zone.is_some() {
                out.push_str("+00");
            }
        }
        DataType::Interval(_) => {
            civil::write_interval(out, array.as_primitive::<IntervalMonthDayNanoType>().value(row));
        }
        DataType::Binary => write_bytes(out, array.as_binary::<i32>().value(row)),
        DataType::BinaryView => write_bytes(out, array.as_binary_view().value(row)),
        DataType::List(_) => write_list(out, array.as_list::<i32>().value(row).as_ref())?,
        other => return Err(invalid(format!("cannot cast type {} to text", pg_type::sql_name(other)))),
    }
    Ok(())
}

/// Writes a float with the fewest digits that tell it apart; with an exponent below 1e-4 and from 1e15 on.
fn write_float(out: &mut String, value: f64, digits: i32) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        let magnitude = value.abs();
        if magnitude != 0.0 && !(1e-4..10f64.powi(digits)).contains(&magnitude) {
            let text = format!("{value:e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let sign = if exponent.starts_with('-') { '-' } else { '+' };
            put!(out, "{mantissa}e{sign}{:0>2}", exponent.trim_start_matches('-'));
        } else {
            put!(out, "{value}");
        }
    }
}

/// Writes a decimal with all its places.
pub(crate) fn write_decimal(out: &mut String, value: i128, scale: i8) {
    let Ok(scale) = usize::try_from(scale) else {
        put!(out, "{value}{}", "0".repeat(usize::from(scale.unsigned_abs())));
        return;
    };
    if value < 0 {
        out.push('-');
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

/// Writes a decimal without the zeros at its end. Our columns of quotients have 16 places, whatever their values need.
pub(crate) fn write_decimal_short(out: &mut String, value: i128, scale: i8) {
    let start = out.len();
    write_decimal(out, value, scale);
    if scale > 0 {
        let kept = out.get(start..).map_or(0, |text| text.trim_end_matches('0').trim_end_matches('.').len());
        out.truncate(start + kept);
    }
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("\\x");
    for byte in bytes {
        put!(out, "{byte:02x}");
    }
}

/// Writes `{1,2,NULL}`, with quotes where an element needs them.
fn write_list(out: &mut String, elements: &dyn Array) -> Result<()> {
    out.push('{');
    let mut element = String::new();
    for row in 0..elements.len() {
        if row > 0 {
            out.push(',');
        }
        if elements.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        element.clear();
        write_value(&mut element, elements, row)?;
        let nested = matches!(elements.data_type(), DataType::List(_));
        let special = |character: char| character.is_whitespace() || matches!(character, '{' | '}' | ',' | '"' | '\\');
        if !nested && (element.is_empty() || element.eq_ignore_ascii_case("null") || element.contains(special)) {
            out.push('"');
            for character in element.chars() {
                if matches!(character, '"' | '\\') {
                    out.push('\\');
                }
                out.push(character);
            }
            out.push('"');
        } else {
            out.push_str(&element);
        }
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_postgresql_does() {
        for (value, text) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "Infinity"),
        ] {
            let mut out = String::new();
            write_float(&mut out, value, 15);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn decimals_keep_or_drop_their_zeros() {
        for (value, scale, long, short) in [
            (12_500, 3, "12.500", "12.5"),
            (-5, 2, "-0.05", "-0.05"),
            (7, 0, "7", "7"),
            (0, 2, "0.00", "0"),
            (100, 0, "100", "100"),
        ] {
            let (mut kept, mut dropped) = (String::new(), String::new());
            write_decimal(&mut kept, value, scale);
            write_decimal_short(&mut dropped, value, scale);
            assert_eq!((kept.as_str(), dropped.as_str()), (long, short));
        }
    }
}
