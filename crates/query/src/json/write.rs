//! Single values.

use std::io::Write;

use arrow::datatypes::IntervalMonthDayNano;

use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    functions::output,
};

/// JavaScript's numbers are exact up to here: 2^53.
const EXACT_MAX: u128 = 1 << 53;

/// Writes a string in quotes.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=31 => b"",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        if escape.is_empty() {
            put!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(bytes.get(plain_from..).unwrap_or_default());
    out.push(b'"');
}

/// Writes a whole number, in quotes beyond 2^53.
pub(super) fn int(out: &mut Vec<u8>, value: i64) {
    let quote = u128::from(value.unsigned_abs()) > EXACT_MAX;
    if quote { put!(out, "\"{value}\"") } else { put!(out, "{value}") }
}

/// Writes a decimal without zeros at its end, in quotes beyond 2^53.
pub(super) fn decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    let mut shown = String::new();
    output::write_decimal_short(&mut shown, value, scale);
    let whole = shown.trim_start_matches('-').split('.').next().unwrap_or_default();
    let quote = whole.parse::<u128>().map_or(true, |whole| whole > EXACT_MAX);
    if quote { put!(out, "\"{shown}\"") } else { put!(out, "{shown}") }
}

/// Writes a float with the fewest digits that tell it apart.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
    } else if value == 0.0 {
        out.push(b'0');
    } else if (1e-7..1e21).contains(&value.abs()) {
        put!(out, "{value}");
    } else {
        put!(out, "{value:e}");
    }
}

/// Writes a float of single precision.
pub(super) fn single(out: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
    } else if value == 0.0 {
        out.push(b'0');
    } else if (1e-7..1e21).contains(&value.abs()) {
        put!(out, "{value}");
    } else {
        put!(out, "{value:e}");
    }
}

/// Writes an instant as ISO 8601 with milliseconds, in UTC. Years beyond four digits get six and a sign, as
/// JavaScript's `Date` reads them.
pub(super) fn timestamp(out: &mut Vec<u8>, us: i64) {
    let moment = civil::moment(us);
    let year = moment.date.year;
    out.push(b'"');
    if (0..=9999).contains(&year) {
        digits(out, year, 4);
    } else {
        out.push(if year < 0 { b'-' } else { b'+' });
        digits(out, year.abs(), 6);
    }
    for (separator, value, width) in [
        (b'-', moment.date.month, 2),
        (b'-', moment.date.day, 2),
        (b'T', moment.hour, 2),
        (b':', moment.minute, 2),
        (b':', moment.second, 2),
        (b'.', moment.micros / 1000, 3),
    ] {
        out.push(separator);
        digits(out, value, width);
    }
    out.extend_from_slice(b"Z\"");
}

/// Writes a number with zeros in front.
fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for position in (0..width).rev() {
        let digit = value / 10i64.pow(position) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Writes a date as the instant at its beginning.
pub(super) fn date(out: &mut Vec<u8>, days: i32) {
    timestamp(out, i64::from(days) * US_PER_DAY);
}

/// Writes a time of day.
pub(super) fn time(out: &mut Vec<u8>, us: i64) {
    let mut shown = String::new();
    civil::write_time(&mut shown, us);
    put!(out, "\"{shown}\"");
}

/// Writes the parts of an interval that are not zero.
pub(super) fn interval(out: &mut Vec<u8>, interval: IntervalMonthDayNano) {
    let us = interval.nanoseconds / 1000;
    let months = i64::from(interval.months);
    let parts = [
        ("years", months / 12),
        ("months", months % 12),
        ("days", interval.days.into()),
        ("hours", us / US_PER_HOUR),
        ("minutes", us % US_PER_HOUR / US_PER_MINUTE),
        ("seconds", us % US_PER_MINUTE / US_PER_SECOND),
    ];
    out.push(b'{');
    let mut first = true;
    for (name, value) in parts {
        if value != 0 {
            put!(out, "{}\"{name}\":{value}", if first { "" } else { "," });
            first = false;
        }
    }
    let rest_us = us % US_PER_SECOND;
    if rest_us != 0 {
        let mut shown = String::new();
        output::write_decimal_short(&mut shown, rest_us.into(), 3);
        put!(out, "{}\"milliseconds\":{shown}", if first { "" } else { "," });
    }
    out.push(b'}');
}

/// Writes bytes as PostgreSQL's hex.
pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"\\\\x");
    for byte in bytes {
        put!(out, "{byte:02x}");
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_beyond_two_to_the_53_are_strings() {
        for (value, json) in [
            (9_007_199_254_740_992, "9007199254740992"),
            (9_007_199_254_740_993, "\"9007199254740993\""),
            (-9_007_199_254_740_993, "\"-9007199254740993\""),
            (i64::MIN, "\"-9223372036854775808\""),
            (0, "0"),
        ] {
            assert_eq!(shown(|out| int(out, value)), json);
        }
        assert_eq!(shown(|out| decimal(out, 25_000, 4)), "2.5");
        assert_eq!(shown(|out| decimal(out, 900_719_925_474_099_300, 2)), "\"9007199254740993\"");
        assert_eq!(shown(|out| decimal(out, 900_719_925_474_099_200, 2)), "9007199254740992");
        assert_eq!(shown(|out| decimal(out, 9_007_199_254_740_994, 0)), "\"9007199254740994\"");
        assert_eq!(shown(|out| decimal(out, -5, 3)), "-0.005");
    }

    #[test]
    fn floats_are_numbers_or_null() {
        for (value, json) in
            [(1.0, "1"), (0.1, "0.1"), (-0.0, "0"), (1e300, "1e300"), (1e-9, "1e-9"), (f64::NAN, "null"), (f64::INFINITY, "null")]
        {
            assert_eq!(shown(|out| float(out, value)), json);
        }
    }

    #[test]
    fn times_are_iso_8601_in_utc() {
        let us = civil::days_from_civil(2024, 2, 29) * US_PER_DAY + 10 * US_PER_HOUR + 123_456;
        assert_eq!(shown(|out| timestamp(out, us)), "\"2024-02-29T10:00:00.123Z\"");
        assert_eq!(shown(|out| timestamp(out, -1)), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(shown(|out| date(out, -719_528)), "\"0000-01-01T00:00:00.000Z\"");
        assert_eq!(
            shown(|out| timestamp(out, civil::days_from_civil(12_024, 1, 1) * US_PER_DAY)),
            "\"+012024-01-01T00:00:00.000Z\""
        );
        assert_eq!(shown(|out| time(out, 10 * US_PER_HOUR)), "\"10:00:00\"");
        let interval_of = |months, days, us| shown(|out| interval(out, civil::interval(months, days, us).unwrap()));
        assert_eq!(interval_of(0, 1, 0), "{\"days\":1}");
        assert_eq!(interval_of(0, 0, 0), "{}");
        assert_eq!(
            interval_of(14, 0, 3_723_500_000),
            "{\"years\":1,\"months\":2,\"hours\":1,\"minutes\":2,\"seconds\":3,\"milliseconds\":500}"
        );
    }

    #[test]
    fn strings_are_escaped() {
        let json = shown(|out| text(out, "a\"b\\c\nd\u{1}é\u{2028}"));
        assert_eq!(json, "\"a\\\"b\\\\c\\nd\\u0001é\u{2028}\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "a\"b\\c\nd\u{1}é\u{2028}");
        assert_eq!(shown(|out| bytes(out, &[10, 255])), "\"\\\\x0aff\"");
    }
}
